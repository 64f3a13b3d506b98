"""What shall go wrong: the grammar, and what names of people mean."""

import pytest

from mailwright.devserver import Action, ActionKind, Failure, parse_failure
from mailwright.devserver.failures import (
    NAMED_BY_RECIPIENT,
    NAMED_BY_SENDER,
    NAMED_BY_USER,
    PHASES,
    FailurePlan,
    failure_of_name,
)
from mailwright.errors import InvalidSetting
from mailwright.reply import Phase


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("rcpt=450", Failure(Phase.RCPT, "450")),
        ("RCPT=450", Failure(Phase.RCPT, "450")),
        (" rcpt = 450 ", Failure(Phase.RCPT, "450")),
        ("rcpt:2=450", Failure(Phase.RCPT, "450", times=2)),
        ("dot=silence", Failure(Phase.FINAL_DOT, "silence")),
        ("final_dot=accept-then-disconnect", Failure(Phase.FINAL_DOT, Action(ActionKind.ACCEPT_THEN_DISCONNECT))),
        ("mail=slow:0.5", Failure(Phase.MAIL, Action(ActionKind.SLOW, seconds=0.5))),
        ("data=554 5.7.1 No = means no", Failure("data", Action(ActionKind.REPLY, 554, "5.7.1", "No = means no"))),
        ("mail=451 Später", Failure("mail", Action(ActionKind.REPLY, 451, "", "Später"))),
        ("quit=garbage", Failure("quit", "garbage")),
        ("tls=disconnect", Failure("tls", "disconnect")),
        ("rcpt=354", Failure("rcpt", "354")),
        ("greeting=overlong", Failure("greeting", "overlong")),
        ("body=stall", Failure("body", "stall")),
    ],
)
def test_a_failure_is_written_phase_and_action(text, failure):
    assert parse_failure(text) == failure


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rcpt",
        "rcpt=",
        "=450",
        "connect=450",
        "rcpt=45",
        "rcpt=4500",
        "rcpt=150",
        "rcpt=650",
        "rcpt=explode",
        "rcpt=reply",
        "rcpt=slow",
        "rcpt=slow:",
        "rcpt=slow:-1",
        "rcpt=slow:1e9",
        "rcpt=slow:nan",
        "rcpt=slow:90000",
        "rcpt=silence:5",
        "rcpt:0=450",
        "rcpt:-1=450",
        "rcpt:x=450",
        "rcpt:=450",
        "rcpt:²=450",
        "rcpt=450 two\r\nlines",
        "rcpt=450 a\x1b[31m",
        "rcpt=accept-then-disconnect",
        "data=354",
    ],
)
def test_what_cannot_go_wrong_is_an_error_with_a_hint(text):
    with pytest.raises(InvalidSetting) as caught:
        parse_failure(text)
    assert caught.value.field == "fail"
    assert caught.value.message


def test_every_phase_can_be_named():
    assert [parse_failure(f"{phase}=disconnect").phase for phase in PHASES] == list(PHASES)


@pytest.mark.parametrize(
    ("name", "failure"),
    [
        ("rcpt-550@example.com", Failure("rcpt", "550")),
        ("RCPT-550@example.com", Failure("rcpt", "550")),
        ("rcpt-550+ann@example.com", Failure("rcpt", "550")),
        ("data-451@example.com", Failure("data", "451")),
        ("final_dot-disconnect@example.com", Failure("final_dot", "disconnect")),
        ("dot-silence@example.com", Failure("final_dot", "silence")),
        ("dot-accept-then-silence@example.com", Failure("final_dot", "accept-then-silence")),
        ("body-stall@example.com", Failure("body", "stall")),
        ("slow-5@example.com", Failure("rcpt", "slow:5")),
        ("dot-slow-0.5@example.com", Failure("final_dot", "slow:0.5")),
        ("mail-452@example.com", None),
        ("quit-disconnect@example.com", None),
        ("auth-535@example.com", None),
        ("ann@example.com", None),
        ("rcpt@example.com", None),
        ("rcpt-list@example.com", None),
        ("mary-ann@example.com", None),
        ("slow-motion@example.com", None),
        ("rcpt-45@example.com", None),
        ("Postmaster", None),
        ("", None),
    ],
)
def test_the_name_of_a_recipient_may_ask_for_a_failure(name, failure):
    assert failure_of_name(name, NAMED_BY_RECIPIENT) == failure


def test_senders_and_users_have_phases_of_their_own():
    assert failure_of_name("mail-452@example.com", NAMED_BY_SENDER) == Failure("mail", "452")
    assert failure_of_name("dot-451@example.com", NAMED_BY_SENDER) == Failure("final_dot", "451")
    assert failure_of_name("auth-535", NAMED_BY_USER) == Failure("auth", "535")
    assert failure_of_name("auth-silence@example.com", NAMED_BY_USER) == Failure("auth", "silence")
    assert failure_of_name("mail-452", NAMED_BY_USER) is None


def test_a_failure_with_a_number_stops_when_it_was_due_so_often():
    plan = FailurePlan([parse_failure("mail:2=451")])
    assert [len(plan.due(Phase.MAIL)) for _ in range(4)] == [1, 1, 0, 0]


def test_waits_come_before_what_they_delay_and_only_one_thing_fails_at_a_time():
    plan = FailurePlan(map(parse_failure, ["mail=slow:1", "mail:1=451", "mail=disconnect", "rcpt=550"]))
    assert [action.kind.value for action in plan.due(Phase.MAIL)] == ["slow", "reply"]
    assert [action.kind.value for action in plan.due(Phase.MAIL)] == ["slow", "disconnect"]


def test_helo_is_spared_what_only_says_that_ehlo_is_unknown():
    plan = FailurePlan(map(parse_failure, ["ehlo=502"]))
    assert plan.due(Phase.EHLO, helo=True) == []
    assert len(plan.due(Phase.EHLO)) == 1
    assert len(FailurePlan([parse_failure("ehlo=550")]).due(Phase.EHLO, helo=True)) == 1


def test_a_failure_never_happens_less_than_once():
    with pytest.raises(InvalidSetting):
        Failure("rcpt", "450", times=0)
