"""Mail after mail over one session: what is written, what comes of each answer, and what an end leaves behind."""

import pytest

from mailwright.errors import (
    ConnectionLost,
    EightBitNotOffered,
    InvalidBody,
    MessageRefused,
    MessageTooBig,
    ProtocolViolation,
    RecipientsRefused,
    SenderRefused,
    ServerTimeout,
    ServiceRefused,
    Uncertain,
    Utf8NotOffered,
)
from mailwright.model.delivery import DeliveryState, DsnNotify, DsnOptions, DsnReturn, SendResult
from mailwright.protocol.smtp.transaction import Transaction
from mailwright.protocol.smtp.transactions import ONE_WRITE
from mailwright.reply import Phase
from tests.conversations.stage import BODY, EVERYTHING, Stage, letter

PIPELINED = "MAIL FROM:<ann@example.org> SIZE={size}\r\nRCPT TO:<{to}>\r\nDATA\r\n"


def envelope(to="bob@example.com"):
    return PIPELINED.format(to=to, size=len(BODY))


def test_the_envelope_is_one_write_and_the_next_one_follows_the_dot():
    """RFC 2920 section 3.1, and the whole point: one round trip for each message."""
    stage = Stage(letter("bob@example.com"), letter("cid@example.com"))
    assert stage.C == envelope("bob@example.com")
    stage.S("250 ok", "250 ok", "354 go")
    assert stage.C == BODY.decode() + ".\r\n" + envelope("cid@example.com")
    stage.S("250 2.0.0 first", "250 ok", "250 ok", "354 go")
    assert stage.C == BODY.decode() + ".\r\n"
    stage.S("250 2.0.0 second")
    assert stage.outcome(0).final_reply.text == "first"
    assert stage.outcome(1).final_reply.text == "second"
    assert stage.talk.idle


def test_replies_arrive_in_any_pieces():
    whole = b"250 ok\r\n250 ok\r\n354 go\r\n250-2.0.0 a\r\n250 2.0.0 b\r\n"
    for size in range(1, len(whole)):
        stage = Stage(letter())
        for start in range(0, len(whole), size):
            stage.talk.receive(whole[start : start + size], 1.0)
        assert stage.outcome().final_reply.text == "a\nb"


def test_without_pipelining_each_command_waits_for_its_answer():
    stage = Stage(letter("bob@example.com", "cid@example.com"), letter(), offers=())
    assert stage.C == "MAIL FROM:<ann@example.org>\r\n"
    assert stage.S("250 ok").C == "RCPT TO:<bob@example.com>\r\n"
    assert stage.S("250 ok").C == "RCPT TO:<cid@example.com>\r\n"
    assert stage.S("250 ok").C == "DATA\r\n"
    assert stage.S("354 go").C == BODY.decode() + ".\r\n"
    assert stage.S("250 taken").C == "MAIL FROM:<ann@example.org>\r\n"
    assert isinstance(stage.outcome(), SendResult)


def test_everything_that_the_server_said_is_in_the_result():
    stage = Stage(letter("bob@example.com", "cid@example.com"))
    stage.S("250 2.1.0 sender fine", "250 2.1.5 bob fine", "251 2.1.5 cid forwarded", "354 go", "250 2.0.0 queued as 1")
    result = stage.outcome()
    assert result.state is DeliveryState.SENT
    assert result.accepted == ("bob@example.com", "cid@example.com")
    assert result.sender_reply.command == f"MAIL FROM:<ann@example.org> SIZE={len(BODY)}"
    assert [reply.command for reply in result.recipient_replies] == [
        "RCPT TO:<bob@example.com>",
        "RCPT TO:<cid@example.com>",
    ]
    assert [reply.code for reply in result.recipient_replies] == [250, 251]
    assert result.data_reply.text == "go"
    assert (result.final_reply.enhanced, result.final_reply.text) == ("2.0.0", "queued as 1")
    assert result.size == len(BODY)


def test_a_refused_recipient_among_others_is_visible_and_the_rest_is_sent():
    stage = Stage(letter("bob@example.com", "cid@example.com", "dot@example.com"))
    stage.S("250 ok", "550 5.1.1 no bob", "250 ok", "450 4.2.1 busy", "354 go", "250 taken")
    result = stage.outcome()
    assert result.state is DeliveryState.PARTLY_SENT
    assert result.accepted == ("cid@example.com",)
    assert {who: reply.code for who, reply in result.rejected.items()} == {
        "bob@example.com": 550,
        "dot@example.com": 450,
    }


def test_all_recipients_refused_is_an_error_with_each_reply():
    stage = Stage(letter("bob@example.com", "cid@example.com"), letter("eve@example.com"))
    stage.S("250 ok", "550 5.1.1 no bob", "450 4.2.1 cid is busy", "554 5.5.1 no valid recipients")
    error = stage.outcome()
    assert isinstance(error, RecipientsRefused)
    assert {who: reply.code for who, reply in error.recipients.items()} == {
        "bob@example.com": 550,
        "cid@example.com": 450,
    }
    assert error.temporary, "cid may be taken later"
    assert stage.C.endswith("RSET\r\n" + envelope("eve@example.com")), "the next message starts from a clean slate"


def test_all_recipients_refused_without_pipelining_asks_for_no_data():
    stage = Stage(letter(), offers=())
    stage.S("250 ok")
    stage.S("550 5.1.1 no")
    assert isinstance(stage.outcome(), RecipientsRefused)
    assert "DATA" not in stage.C


def test_quirk_data_without_recipients_is_answered_with_a_lone_dot():
    """RFC 2920 section 3.1: some servers answer 354 although they took no recipient."""
    stage = Stage(letter(), letter("cid@example.com"))
    assert stage.C
    stage.S("250 ok", "550 5.1.1 no", "354 go")
    assert isinstance(stage.outcome(), RecipientsRefused)
    assert stage.C == ".\r\n", "the message itself must not leave"
    stage.S("554 5.5.1 no valid recipients")
    assert stage.C == "RSET\r\n" + envelope("cid@example.com")


def test_a_refused_sender_is_the_reason_whatever_follows_from_it():
    stage = Stage(letter())
    stage.S("550 5.7.1 not you", "503 5.5.1 need MAIL", "503 5.5.1 need RCPT")
    error = stage.outcome()
    assert isinstance(error, SenderRefused)
    assert error.reply.text == "not you"


def test_a_server_that_wants_the_message_after_refusing_the_sender_gets_nothing():
    stage = Stage(letter())
    assert stage.C
    stage.S("550 5.7.1 not you", "503 no", "354 go")
    assert isinstance(stage.outcome(), ProtocolViolation)
    assert stage.C == ""
    assert stage.talk.closing


@pytest.mark.parametrize(("code", "temporary"), [("451 4.3.0 later", True), ("554 5.6.0 spam", False)])
def test_a_message_refused_at_the_dot_is_an_answer_not_an_uncertainty(code, temporary):
    stage = Stage(letter())
    stage.S("250 ok", "250 ok", "354 go", code)
    error = stage.outcome()
    assert isinstance(error, MessageRefused)
    assert error.phase is Phase.FINAL_DOT
    assert error.temporary is temporary


def test_a_message_refused_at_data_keeps_the_reply_and_resets():
    stage = Stage(letter(), letter())
    stage.S("250 ok", "250 ok", "451 4.3.0 no space")
    error = stage.outcome()
    assert isinstance(error, MessageRefused)
    assert error.phase is Phase.DATA
    assert "RSET\r\n" in stage.C


@pytest.mark.parametrize("reply", ["552 5.3.4 too big", "552 too big"])
def test_too_big_at_mail_is_told_as_such(reply):
    stage = Stage(letter())
    stage.S(reply, "503 no", "503 no")
    assert isinstance(stage.outcome(), MessageTooBig)


# What the server has told in advance.


def test_a_message_bigger_than_the_announced_size_is_not_begun_and_the_next_one_is():
    stage = Stage(letter(content=b"x" * 200 + b"\r\n"), letter("cid@example.com"), offers=("PIPELINING", "SIZE 100"))
    assert isinstance(stage.outcome(0), MessageTooBig)
    assert "cid@example.com" in stage.C


def test_an_address_that_needs_utf8_is_not_begun_where_it_is_not_offered():
    stage = Stage(letter("jörg@example.com", needs_utf8=True), offers=("PIPELINING",))
    assert isinstance(stage.outcome(), Utf8NotOffered)
    assert stage.C == ""


def test_utf8_is_asked_for_where_it_is_needed():
    stage = Stage(letter("jörg@example.com", needs_utf8=True, eight_bit=True))
    assert stage.C == (
        f"MAIL FROM:<ann@example.org> SIZE={len(BODY)} BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<jörg@example.com>\r\nDATA\r\n"
    )


def test_eight_bit_content_is_not_begun_where_it_is_not_offered():
    stage = Stage(letter(eight_bit=True), offers=())
    assert isinstance(stage.outcome(), EightBitNotOffered)


def test_dsn_options_are_written_in_xtext_and_only_where_offered():
    dsn = DsnOptions((DsnNotify.FAILURE, DsnNotify.DELAY), DsnReturn.HEADERS, "order+1=2")
    offered = Stage(letter("b+c@example.com", dsn=dsn)).C
    assert " RET=HDRS ENVID=order+2B1+3D2\r\n" in offered
    assert "RCPT TO:<b+c@example.com> NOTIFY=FAILURE,DELAY ORCPT=rfc822;b+2Bc@example.com\r\n" in offered
    assert "NOTIFY" not in Stage(letter(dsn=dsn), offers=("PIPELINING",)).C


def test_the_null_sender_is_an_empty_path():
    assert Stage(letter(sender=None), offers=()).C == "MAIL FROM:<>\r\n"


# The content.


def test_dots_at_the_start_of_a_line_are_doubled():
    stage = Stage(letter(content=b".a\r\n..b\r\nc.\r\n.\r\n"))
    stage.S("250 ok", "250 ok", "354 go")
    assert stage.C.endswith("..a\r\n...b\r\nc.\r\n..\r\n.\r\n")


@pytest.mark.parametrize(
    "bad", [b"a\n.\r\nb\r\n", b"a\r.\r\nb\r\n", b"a\r\n.\nb\r\n", b"a\0b\r\n", b"no end", b"a\r\r\nb\r\n"]
)
def test_content_that_could_end_early_somewhere_never_leaves(bad):
    """SMTP smuggling: every byte that one server takes for a line end and the next does not."""
    stage = Stage(letter(content=bad, canonical=False))
    assert isinstance(stage.outcome(), InvalidBody)
    assert stage.C == ""


LONG = b"Subject: long\r\n\r\n" + b"0123456789abcdef\r\n" * (ONE_WRITE // 16)


def test_a_long_message_keeps_its_dot_until_the_socket_has_taken_the_rest():
    stage = Stage(letter(content=LONG), letter("cid@example.com"))
    stage.S("250 ok", "250 ok", "354 go")
    written = stage.C
    assert written.endswith(LONG.decode())
    assert stage.talk.draining
    assert stage.talk.phase is Phase.BODY
    stage.talk.drained(2.0)
    assert stage.C == ".\r\n" + envelope("cid@example.com")
    stage.S("250 taken")
    assert isinstance(stage.outcome(), SendResult)


def test_a_connection_lost_in_the_middle_of_a_long_message_leaves_it_surely_unsent():
    stage = Stage(letter(content=LONG))
    stage.S("250 ok", "250 ok", "354 go")
    stage.talk.lost("reset")
    error = stage.outcome()
    assert isinstance(error, ConnectionLost)
    assert error.phase is Phase.BODY


def test_a_refusal_in_the_middle_of_a_long_message_is_kept():
    stage = Stage(letter(content=LONG))
    stage.S("250 ok", "250 ok", "354 go")
    stage.S("552 5.3.4 that is enough")
    error = stage.outcome()
    assert isinstance(error, MessageTooBig)
    assert error.reply.text == "that is enough"
    assert stage.talk.closing


def test_a_421_in_the_middle_of_a_long_message_leaves_it_surely_unsent():
    stage = Stage(letter(content=LONG))
    stage.S("250 ok", "250 ok", "354 go")
    stage.S("421 4.3.2 shutting down")
    error = stage.outcome()
    assert isinstance(error, ServiceRefused)
    assert error.temporary


# BDAT.


def test_chunking_announces_the_size_and_sends_dots_as_they_are():
    """RFC 3030 section 2: nothing is stuffed, nothing ends the message but its size."""
    content = b".\r\n.a\r\n"
    stage = Stage(letter(content=content), letter("cid@example.com"), chunking=True)
    assert stage.C == f"MAIL FROM:<ann@example.org> SIZE={len(content)}\r\nRCPT TO:<bob@example.com>\r\n"
    stage.S("250 ok", "250 ok")
    written = stage.C
    assert written.startswith(f"BDAT {len(content)} LAST\r\n{content.decode()}MAIL FROM:")
    stage.S("250 taken")
    result = stage.outcome()
    assert result.data_reply is None


def test_chunking_sends_no_content_when_nobody_wants_it():
    for offers in (EVERYTHING, ("CHUNKING",)):
        stage = Stage(letter(), chunking=True, offers=offers)
        stage.S("250 ok")
        stage.S("550 5.1.1 no")
        assert isinstance(stage.outcome(), RecipientsRefused)
        assert "BDAT" not in stage.C


def test_a_long_chunk_keeps_its_last_octet_until_the_rest_is_taken():
    stage = Stage(letter(content=LONG), chunking=True)
    stage.S("250 ok", "250 ok")
    assert stage.C.endswith(LONG[:-1].decode())
    stage.talk.lost("reset")
    assert isinstance(stage.outcome(), ConnectionLost)


def test_chunking_is_left_out_where_it_is_not_offered():
    assert "DATA\r\n" in Stage(letter(), chunking=True, offers=("PIPELINING",)).C


# Endings.


def at(phase):
    """A stage with one message whose next answer is the one to `phase`, and one more that waits."""
    stage = Stage(letter("bob@example.com"), letter("cid@example.com"))
    lines = {Phase.MAIL: 0, Phase.RCPT: 1, Phase.DATA: 2, Phase.FINAL_DOT: 3}[phase]
    if lines:
        stage.S(*["250 ok", "250 ok", "354 go"][:lines])
    assert stage.talk.phase is phase
    return stage


BEFORE_THE_DOT = [Phase.MAIL, Phase.RCPT, Phase.DATA]


@pytest.mark.parametrize("phase", BEFORE_THE_DOT)
def test_before_the_dot_a_lost_connection_leaves_the_message_surely_unsent(phase):
    stage = at(phase)
    stage.talk.lost("reset")
    error = stage.outcome()
    assert isinstance(error, ConnectionLost)
    assert error.phase is phase


def test_after_the_dot_a_lost_connection_leaves_the_message_uncertain():
    stage = at(Phase.FINAL_DOT)
    stage.talk.lost("reset")
    error = stage.outcome(0)
    assert isinstance(error, Uncertain)
    assert isinstance(error.__cause__, ConnectionLost)
    assert isinstance(stage.outcome(1), ConnectionLost), "the one whose envelope was under way is surely unsent"


@pytest.mark.parametrize("phase", BEFORE_THE_DOT)
def test_silence_before_the_dot_names_the_phase(phase):
    stage = at(phase)
    stage.talk.timed_out(60.0)
    error = stage.outcome()
    assert isinstance(error, ServerTimeout)
    assert error.phase is phase
    assert "60 s" in str(error)


def test_silence_after_the_dot_leaves_the_message_uncertain():
    stage = at(Phase.FINAL_DOT)
    stage.talk.timed_out(600.0)
    assert isinstance(stage.outcome(0), Uncertain)
    assert stage.outcome(1).phase is Phase.MAIL


@pytest.mark.parametrize("garbage", ["hello", "25", "999 no", "123 no", "25O ok", "\x00\x01", "250_ok"])
def test_garbage_before_the_dot_ends_the_session_and_leaves_the_message_unsent(garbage):
    stage = at(Phase.RCPT).S(garbage)
    assert isinstance(stage.outcome(), ProtocolViolation)
    assert stage.talk.closing


def test_garbage_in_place_of_the_answer_to_the_dot_leaves_the_message_uncertain():
    stage = at(Phase.FINAL_DOT).S("hello")
    assert isinstance(stage.outcome(0), Uncertain)
    assert isinstance(stage.outcome(0).__cause__, ProtocolViolation)
    assert isinstance(stage.outcome(1), ConnectionLost), "the garbage was not about this one"


@pytest.mark.parametrize("phase", [Phase.MAIL, Phase.RCPT])
def test_an_unexpected_354_is_a_violation_that_names_its_phase(phase):
    stage = at(phase).S("354 go")
    error = stage.outcome()
    assert isinstance(error, ProtocolViolation)
    assert (error.phase, error.reply.code) == (phase, 354)


def test_an_unexpected_354_to_the_dot_leaves_the_message_uncertain_with_the_reply():
    stage = at(Phase.FINAL_DOT).S("354 go")
    error = stage.outcome()
    assert isinstance(error, Uncertain)
    assert error.reply.code == 354


def test_a_250_to_data_is_a_violation_because_the_server_would_read_mail_as_commands():
    stage = at(Phase.DATA).S("250 ok")
    assert isinstance(stage.outcome(), ProtocolViolation)
    assert "Hello" not in stage.C


@pytest.mark.parametrize("phase", BEFORE_THE_DOT)
def test_421_ends_the_session_and_leaves_everything_unsent(phase):
    stage = at(phase).S("421 4.3.2 going down")
    error = stage.outcome()
    assert isinstance(error, ServiceRefused)
    assert error.temporary
    assert stage.talk.closing


def test_421_to_the_dot_is_an_answer():
    stage = at(Phase.FINAL_DOT).S("421 4.3.2 going down")
    error = stage.outcome(0)
    assert isinstance(error, MessageRefused)
    assert error.temporary
    assert isinstance(stage.outcome(1), ConnectionLost)


def test_a_reply_that_nobody_asked_for_ends_the_session():
    """It would pair every later reply with the wrong command."""
    stage = Stage()
    stage.S("250 ok")
    assert stage.talk.closing
    stage.queue.append(Transaction(letter(), 0.0))
    stage.talk.wake(2.0)
    assert stage.C == ""


def test_nothing_is_believed_after_the_end():
    stage = at(Phase.RCPT).S("hello", "250 ok", "354 go", "250 taken")
    assert isinstance(stage.outcome(), ProtocolViolation)


def test_an_over_long_reply_line_is_not_collected_for_ever():
    stage = at(Phase.RCPT)
    stage.talk.receive(b"250 " + b"x" * 20_000, 1.0)
    error = stage.outcome()
    assert isinstance(error, ProtocolViolation)
    assert "longer than" in str(error)


def test_a_reply_with_endless_lines_is_not_collected_for_ever():
    stage = at(Phase.RCPT)
    stage.talk.receive(b"250-x\r\n" * 1000, 1.0)
    assert isinstance(stage.outcome(), ProtocolViolation)


def test_lines_of_one_reply_with_different_codes_are_a_violation():
    stage = at(Phase.RCPT).S("250-ok", "550 no")
    assert isinstance(stage.outcome(), ProtocolViolation)


def test_quirk_bare_lf_reply():
    stage = Stage(letter())
    stage.talk.receive(b"250 ok\n250 ok\n354 go\n250 taken\n", 1.0)
    assert isinstance(stage.outcome(), SendResult)


def test_quirk_code_without_text():
    stage = Stage(letter()).S("250", "250", "354", "250")
    assert stage.outcome().final_reply.text == ""


def test_enhanced_code_of_another_class_is_text():
    """RFC 2034 section 4: the class of the enhanced code repeats the first digit of the reply."""
    stage = Stage(letter()).S("250 ok", "250 ok", "354 go", "250 2.0.0 fine")
    assert stage.outcome().final_reply.enhanced == "2.0.0"
