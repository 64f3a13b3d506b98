"""What one attempt says of the recipients, the message and the account."""

import inspect

import pytest

from mailwright import errors
from mailwright.errors import (
    Closed,
    ConnectionLost,
    InvalidBody,
    MessageRefused,
    MessageTooBig,
    ProtocolViolation,
    RecipientsRefused,
    SenderRefused,
    SendError,
    ServerTimeout,
    ServiceRefused,
    SignInRefused,
    Uncertain,
    Utf8NotOffered,
)
from mailwright.model.address_syntax import parse_address
from mailwright.model.delivery import Envelope, SendResult, Timings
from mailwright.model.outbox import RecipientState, RecipientStatus
from mailwright.reply import Phase, Reply
from mailwright.sending.verdict import About, judge

WAITING, DEFERRED = RecipientState.WAITING, RecipientState.DEFERRED
ACCEPTED, REFUSED = RecipientState.ACCEPTED, RecipientState.REFUSED


def reply(code: int, phase: Phase = Phase.RCPT) -> Reply:
    return Reply(code, "", "said", phase, "command")


def waiting(*addresses: str) -> list[RecipientStatus]:
    return [RecipientStatus(address, WAITING) for address in addresses]


def result(**answers: int) -> SendResult:
    addresses = tuple(parse_address(f"{name}@example.org") for name in answers)
    return SendResult(
        message_id="1@example.org",
        envelope=Envelope(parse_address("me@example.org"), addresses),
        sender_reply=reply(250, Phase.MAIL),
        recipient_replies=tuple(reply(code) for code in answers.values()),
        data_reply=reply(354, Phase.DATA),
        final_reply=reply(250, Phase.FINAL_DOT),
        size=10,
        server="mx.example.org",
        timings=Timings(0, 0, 0),
    )


def states(verdict) -> list[RecipientState]:
    return [who.state for who in verdict.recipients]


def test_each_recipient_is_judged_by_its_own_reply():
    verdict = judge(waiting("a@example.org", "b@example.org", "c@example.org"), result(a=250, b=451, c=550))
    assert states(verdict) == [ACCEPTED, DEFERRED, REFUSED]
    assert [who.reply.code for who in verdict.recipients] == [250, 451, 550]
    assert verdict.about is About.MESSAGE
    assert verdict.response.code == 250


def test_a_recipient_that_was_settled_before_keeps_its_answer():
    before = [RecipientStatus("a@example.org", ACCEPTED, reply(250)), *waiting("b@example.org")]
    verdict = judge(before, result(b=550))
    assert verdict.recipients[0] == before[0]
    assert states(verdict) == [ACCEPTED, REFUSED]


def test_when_all_are_refused_each_keeps_its_own_reply():
    answers = {"a@example.org": reply(550), "b@example.org": reply(452)}
    error = RecipientsRefused(phase=Phase.RCPT, reply=reply(550), recipients=answers)
    verdict = judge(waiting("a@example.org", "b@example.org"), error)
    assert states(verdict) == [REFUSED, DEFERRED]


@pytest.mark.parametrize(("code", "state"), [(451, DEFERRED), (554, REFUSED)])
@pytest.mark.parametrize("kind", [SenderRefused, MessageRefused])
def test_a_refused_message_is_judged_by_the_class_of_the_reply(kind, code, state):
    error = kind(phase=Phase.DATA, reply=reply(code, Phase.DATA))
    assert states(judge(waiting("a@example.org"), error)) == [state]


@pytest.mark.parametrize("code", [530, 535, 454])
def test_a_sender_refused_for_want_of_a_sign_in_is_trouble_of_the_account(code):
    error = SenderRefused(phase=Phase.MAIL, reply=reply(code, Phase.MAIL))
    assert judge(waiting("a@example.org"), error).about is About.ACCOUNT


@pytest.mark.parametrize("error", [MessageTooBig(phase=Phase.MAIL), Utf8NotOffered(phase=Phase.MAIL)])
def test_what_we_find_ourselves_about_the_message_is_for_good(error):
    verdict = judge(waiting("a@example.org"), error)
    assert states(verdict) == [REFUSED]
    assert not verdict.failure.temporary


def test_a_check_of_our_own_that_fails_on_the_bytes_is_for_good():
    assert states(judge(waiting("a@example.org"), InvalidBody("a bare CR"))) == [REFUSED]


@pytest.mark.parametrize("phase", [Phase.CONNECT, Phase.GREETING, Phase.EHLO, Phase.TLS, Phase.AUTH])
@pytest.mark.parametrize("kind", [ConnectionLost, ServerTimeout, ProtocolViolation])
def test_trouble_while_the_session_opens_is_trouble_of_the_account(kind, phase):
    verdict = judge(waiting("a@example.org"), kind(phase=phase))
    assert verdict.about is About.ACCOUNT
    assert states(verdict) == [WAITING]


@pytest.mark.parametrize("phase", [Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.BODY])
@pytest.mark.parametrize("kind", [ConnectionLost, ServerTimeout, ProtocolViolation])
def test_trouble_in_the_middle_of_a_message_costs_it_an_attempt(kind, phase):
    verdict = judge(waiting("a@example.org"), kind(phase=phase))
    assert verdict.about is About.MESSAGE
    assert states(verdict) == [DEFERRED]


def test_a_wrong_password_fails_no_message():
    error = SignInRefused(phase=Phase.AUTH, reply=reply(535, Phase.AUTH))
    verdict = judge(waiting("a@example.org"), error)
    assert verdict.about is About.ACCOUNT
    assert states(verdict) == [WAITING]


def test_a_server_that_says_421_is_trouble_of_the_way_to_it():
    error = ServiceRefused(phase=Phase.MAIL, reply=reply(421, Phase.MAIL))
    assert judge(waiting("a@example.org"), error).about is About.ACCOUNT


def test_only_the_open_recipients_of_an_uncertain_message_are_uncertain():
    before = [RecipientStatus("a@example.org", ACCEPTED, reply(250)), *waiting("b@example.org")]
    verdict = judge(before, Uncertain(phase=Phase.FINAL_DOT))
    assert verdict.about is About.UNCERTAIN
    assert states(verdict) == [ACCEPTED, RecipientState.UNCERTAIN]


def test_a_node_that_stops_has_tried_nothing():
    assert judge(waiting("a@example.org"), Closed()).about is About.NOTHING


def test_what_is_not_understood_is_tried_again_and_its_text_is_not_kept():
    verdict = judge(waiting("a@example.org"), KeyError("the body of a mail"))
    assert states(verdict) == [DEFERRED]
    assert "body" not in verdict.failure.message


def test_every_error_of_a_send_is_judged_without_a_reply_and_with_one():
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, SendError)]
    assert len(kinds) > 20
    for kind in kinds:
        for answer in (None, reply(450), reply(550)):
            verdict = judge(waiting("a@example.org"), kind(phase=Phase.DATA, reply=answer))
            assert len(verdict.recipients) == 1
            # Only a reply or our own check is for good.
            if answer is None and verdict.recipients[0].state is REFUSED:
                assert kind in (MessageTooBig, Utf8NotOffered, errors.EightBitNotOffered)
