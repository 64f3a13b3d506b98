"""The server side of SMTP, played from transcripts: whole, line by line and byte by byte."""

import re
from base64 import b64encode

import pytest
from hypothesis import given, strategies as st

from mailwright.errors import InvalidSetting
from mailwright.model.account import Mechanism
from mailwright.model.delivery import DsnNotify, DsnReturn
from mailwright.protocol.sasl.server import Circumstances, Users, read_users
from mailwright.protocol.smtp.server import ServerConversation
from mailwright.protocol.smtp.server_types import (
    Answer,
    CloseReason,
    Connected,
    ContentBegun,
    DataAsked,
    Defect,
    Event,
    Extension,
    Hello,
    MailBegun,
    MessageEnded,
    QuitAsked,
    RecipientNamed,
    ServerPolicy,
    StartTls,
)

USERS = read_users(["ann:secret"], ["ann:t0ken"])


def conversation(policy: ServerPolicy | None = None, **options) -> ServerConversation:
    return ServerConversation(
        policy or ServerPolicy(), lambda: Circumstances("NONCE", b"0123456789abcdef", "localhost"), **options
    )


class Player:
    """Plays the client, and goes on with every event as the policy says."""

    def __init__(self, server: ServerConversation) -> None:
        self.server = server
        self.events: list[Event] = []

    def say(self, data: bytes, *, piece: int = 0) -> str:
        out = b""
        pieces = [data[at : at + piece] for at in range(0, len(data), piece)] if piece else [data]
        for part in pieces or [b""]:
            self.server.receive(part)
            out += self._run()
        return out.decode()

    def _run(self) -> bytes:
        while (event := self.server.next_event()) is not None:
            self.events.append(event)
            self.server.proceed()
            if isinstance(event, StartTls):
                return self.server.take_output()
        return self.server.take_output()

    @property
    def messages(self) -> list[MessageEnded]:
        return [event for event in self.events if isinstance(event, MessageEnded)]


def play(script: str, policy: ServerPolicy | None = None, *, piece: int = 0, **options) -> Player:
    """Plays `C:` lines and compares with the `S:` lines; S lines are regular expressions."""
    player = Player(conversation(policy, **options))
    heard = player.say(b"")
    expected = []
    for line in filter(str.strip, script.splitlines()):
        who, text = line.strip()[:2], line.strip()[3:]
        if who == "C:":
            heard += player.say(text.encode() + b"\r\n", piece=piece)
        else:
            assert who == "S:"
            expected.append(text)
    lines = heard.split("\r\n")
    assert lines.pop() == ""
    assert len(lines) == len(expected), "\n".join(lines)
    for found, pattern in zip(lines, expected, strict=True):
        assert re.fullmatch(pattern, found), f"{found!r} is not {pattern!r}"
    return player


ONE_MAIL = """
S: 220 localhost ESMTP .*
C: EHLO client.example
S: 250-localhost
S: 250-8BITMIME
S: 250-AUTH CRAM-MD5 PLAIN LOGIN OAUTHBEARER XOAUTH2
S: 250-CHUNKING
S: 250-DSN
S: 250-ENHANCEDSTATUSCODES
S: 250-PIPELINING
S: 250-SIZE 67108864
S: 250-SMTPUTF8
S: 250 STARTTLS
C: MAIL FROM:<ann@example.org> SIZE=40 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ+2B1
S: 250 2\\.1\\.0 .*
C: RCPT TO:<bob@example.com> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+2Bx@example.com
S: 250 2\\.1\\.5 .*
C: RCPT TO:<"odd name"@[192.0.2.1]>
S: 250 2\\.1\\.5 .*
C: DATA
S: 354 .*
C: Subject: hello
C:
C: ..dotted
C: .also dotted
C: end.
C: .
S: 250 2\\.0\\.0 .*
C: QUIT
S: 221 2\\.0\\.0 .*
"""


@pytest.mark.parametrize("piece", [0, 1, 2, 3, 5, 7])
def test_one_mail_in_pieces_of_any_size(piece):
    player = play(ONE_MAIL, piece=piece)
    (message,) = player.messages
    assert message.content == b"Subject: hello\r\n\r\n.dotted\r\nalso dotted\r\nend.\r\n"
    sender, (bob, odd) = message.envelope.sender, message.envelope.recipients
    assert (sender.address, sender.size, sender.body, sender.smtputf8) == ("ann@example.org", 40, "8BITMIME", True)
    assert (sender.returns, sender.envelope_id) == (DsnReturn.HEADERS, "QQ+1")
    assert (bob.address, bob.original) == ("bob@example.com", "rfc822;Bob+x@example.com")
    assert bob.notify == (DsnNotify.SUCCESS, DsnNotify.DELAY)
    assert (odd.address, odd.notify, odd.original) == ('"odd name"@[192.0.2.1]', (), "")
    assert (message.defects, message.chunks, message.refusal) == ((), 0, None)
    assert player.server.close_reason is CloseReason.QUIT
    kinds = [type(event) for event in player.events]
    expected = [Connected, Hello, MailBegun, RecipientNamed, RecipientNamed, DataAsked, ContentBegun, MessageEnded]
    assert kinds == [*expected, QuitAsked]


def test_a_pipelined_envelope_is_answered_command_by_command_in_one_go():
    player = Player(conversation())
    player.say(b"EHLO c\r\n")
    heard = player.say(b"MAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nRCPT TO:<nonsense>\r\nDATA\r\n")
    assert [line[:3] for line in heard.splitlines()] == ["250", "250", "553", "354"]
    # The body and the next envelope in one write, as a warm session sends them.
    heard = player.say(b"x: y\r\n\r\nz\r\n.\r\nMAIL FROM:<c@d.example>\r\nRSET\r\n")
    assert [line[:3] for line in heard.splitlines()] == ["250", "250", "250"]
    assert player.messages[0].envelope.sender.address == ""
    assert player.messages[0].content == b"x: y\r\n\r\nz\r\n"


@pytest.mark.parametrize("extension", list(Extension))
def test_an_extension_that_is_switched_off_is_neither_offered_nor_understood(extension):
    policy = ServerPolicy(extensions=frozenset(Extension) - {extension}, users=USERS)
    player = Player(conversation(policy))
    greeting = player.say(b"EHLO c\r\n")
    assert not re.search(rf"^250[- ]{extension}\b", greeting, re.MULTILINE)
    for other in set(Extension) - {extension}:
        assert re.search(rf"^250[- ]{other}\b", greeting, re.MULTILINE)
    uses = {
        Extension.SIZE: (b"MAIL FROM:<> SIZE=1\r\n", "555"),
        Extension.EIGHT_BIT_MIME: (b"MAIL FROM:<> BODY=8BITMIME\r\n", "555"),
        Extension.SMTPUTF8: (b"MAIL FROM:<> SMTPUTF8\r\n", "555"),
        Extension.DSN: (b"MAIL FROM:<> RET=FULL\r\n", "555"),
        Extension.CHUNKING: (b"BDAT 0 LAST\r\n", "502"),
        Extension.STARTTLS: (b"STARTTLS\r\n", "502"),
        Extension.AUTH: (b"AUTH PLAIN\r\n", "503"),
        Extension.ENHANCED_STATUS_CODES: (b"MAIL FROM:<>\r\n", "250 Sender"),
        Extension.PIPELINING: (b"MAIL FROM:<>\r\n", "250"),
    }
    command, code = uses[extension]
    assert player.say(command).startswith(code)


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("NONSENSE", "500 5.5.2"),
        ("", "500 5.5.2"),
        ("NOOP\tx", "500 5.5.2"),
        ("MAIL FROM:<a@b.example>\x00", "500 5.5.2"),
        ("EHLO", "501 5.5.4"),
        ("MAIL FROM: <a@b.example>", "501 5.5.4"),
        ("MAIL FROM:a@b.example", "501 5.5.4"),
        ("MAIL FROM:<a@b.example", "501 5.5.4"),
        ("MAIL FROM:<a@b.example>SIZE=1", "501 5.5.4"),
        ("MAIL FROM:<a@b.example> SIZE=", "501 5.5.4"),
        ("MAIL FROM:<a@b.example> SIZE=-1", "501 5.5.4"),
        ("MAIL FROM:<a@b.example> SIZE=1 SIZE=2", "501 5.5.4"),
        ("MAIL FROM:<a@b.example> SIZE=67108865", "552 5.3.4"),
        ("MAIL FROM:<a@b.example> BODY=BINARYMIME", "501 5.5.4"),
        ("MAIL FROM:<a@b.example> RET=ALL", "501 5.5.4"),
        ("MAIL FROM:<a@b.example> ENVID=a+zz", "501 5.5.4"),
        ("MAIL FROM:<a@b.example> SMTPUTF8=1", "501 5.5.4"),
        ("MAIL FROM:<a@b.example> AUTH=", "501 5.5.4"),
        ("MAIL FROM:<a@b.example> AUTH", "501 5.5.4"),
        ("MAIL FROM:<a@b.example> ENVID=" + "x" * 101, "501 5.5.4"),
        ("MAIL FROM:<a@b.example> MT-PRIORITY=3", "555 5.5.4"),
        ("MAIL FROM:<a b@c.example>", "501 5.1.7"),
        ("MAIL FROM:<@>", "501 5.1.7"),
        ("MAIL FROM:<jörg@b.example>", "553 5.6.7"),
        (f"MAIL FROM:<{'x' * 65}@b.example>", "501 5.1.7"),
        ("RCPT TO:<a@b.example>", "503 5.5.1"),
        ("DATA", "503 5.5.1"),
        ("BDAT 0 LAST", "503 5.5.1"),
        ("VRFY ann", "252 2.5.2"),
        ("VRFY", "501 5.5.4"),
        ("EXPN list", "502 5.5.1"),
        ("NOOP whatever", "250 2.0.0"),
        ("RSET", "250 2.0.0"),
        ("HELP", "214-2.0.0"),
        ("STARTTLS now", "501 5.5.4"),
        ("MAIL FROM:<@relay.example,@b.example:a@b.example>", "250 2.1.0"),
        ("mail from:<a@b.example> size=1", "250 2.1.0"),
    ],
)
def test_what_a_command_is_told(command, answer):
    player = Player(conversation())
    player.say(b"EHLO c\r\n")
    assert player.say(command.encode() + b"\r\n").startswith(answer)


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("RCPT TO:<a@b.example> NOTIFY=NEVER,DELAY", "501 5.5.4"),
        ("RCPT TO:<a@b.example> NOTIFY=SOMETIMES", "501 5.5.4"),
        ("RCPT TO:<a@b.example> ORCPT=nobody", "501 5.5.4"),
        ("RCPT TO:<a@b.example> NOTIFY=NEVER", "250 2.1.5"),
        ("RCPT TO:<Postmaster>", "250 2.1.5"),
        ("RCPT TO:<>", "553 5.1.3"),
        ("RCPT FROM:<a@b.example>", "501 5.5.4"),
        ("DATA", "554 5.5.1"),
        ("MAIL FROM:<x@y.example>", "503 5.5.1"),
        ("AUTH PLAIN AGEAYg==", "503 5.5.1"),
    ],
)
def test_what_a_command_is_told_within_a_transaction(command, answer):
    player = Player(conversation())
    player.say(b"EHLO c\r\nMAIL FROM:<>\r\n")
    assert player.say(command.encode() + b"\r\n").startswith(answer)


def test_mail_before_ehlo_is_out_of_order_and_helo_offers_nothing():
    play("""
    S: 220 .*
    C: MAIL FROM:<a@b.example>
    S: 503 5\\.5\\.1 Say EHLO first
    C: HELO client.example
    S: 250 localhost
    C: MAIL FROM:<a@b.example> SIZE=10
    S: 555 5\\.5\\.4 .*
    C: MAIL FROM:<a@b.example>
    S: 250 .*
    """)


def test_ehlo_in_the_middle_forgets_the_transaction():
    player = Player(conversation())
    player.say(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nHELO c\r\n")
    assert player.say(b"DATA\r\n").startswith("503")


def test_an_international_address_travels_with_smtputf8():
    player = Player(conversation())
    player.say("EHLO c\r\nMAIL FROM:<jörg@bücher.example> SMTPUTF8\r\nRCPT TO:<用户@例子.example>\r\n".encode())
    player.say(b"DATA\r\nx: y\r\n\r\nz\r\n.\r\n")
    assert player.messages[0].envelope.sender.address == "jörg@bücher.example"
    assert player.messages[0].envelope.addresses == ("用户@例子.example",)


def test_a_command_that_is_no_utf8_is_refused():
    player = Player(conversation())
    player.say(b"EHLO c\r\n")
    assert player.say(b"MAIL FROM:<\xff@b.example> SMTPUTF8\r\n").startswith("500 5.5.2")


# ── lines and limits ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_line_that_ends_with_a_bare_line_feed_is_answered_and_not_obeyed():
    player = Player(conversation())
    player.say(b"")
    assert player.say(b"EHLO c\nQUIT\r\n").splitlines()[0].startswith("500 5.5.2")
    assert player.server.hello is None


@pytest.mark.parametrize("piece", [0, 1, 1000])
def test_an_overlong_command_is_dropped_and_the_next_one_heard(piece):
    player = Player(conversation())
    player.say(b"EHLO c\r\n")
    heard = player.say(b"NOOP " + b"x" * 5000 + b"\r\nNOOP\r\n", piece=piece)
    assert [line[:9] for line in heard.splitlines()] == ["500 5.5.2", "250 2.0.0"]


def test_auth_lines_may_be_longer_than_others():
    player = Player(conversation(ServerPolicy(users=read_users([], ["ann:" + "t" * 6000]))))
    player.say(b"EHLO c\r\n")
    token = b64encode(b"user=ann\x01auth=Bearer " + b"t" * 6000 + b"\x01\x01")
    assert player.say(b"AUTH XOAUTH2 " + token + b"\r\n").startswith("235")


def test_too_many_mistakes_end_the_connection():
    player = Player(conversation(ServerPolicy(max_mistakes=3)))
    player.say(b"")
    heard = player.say(b"A\r\nB\r\nC\r\nNOOP\r\n")
    assert [line[:3] for line in heard.splitlines()] == ["500", "500", "421"]
    assert player.server.close_reason is CloseReason.TOO_MANY_MISTAKES


def test_recipients_beyond_the_limit_are_for_another_transaction():
    player = Player(conversation(ServerPolicy(max_recipients=2)))
    player.say(b"EHLO c\r\nMAIL FROM:<>\r\n")
    heard = player.say(b"RCPT TO:<a@b.example>\r\n" * 3)
    assert [line[:9] for line in heard.splitlines()] == ["250 2.1.5", "250 2.1.5", "452 4.5.3"]


def test_messages_beyond_the_limit_of_a_connection_get_421():
    player = Player(conversation(ServerPolicy(max_messages=1)))
    envelope = b"MAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n"
    player.say(b"EHLO c\r\n" + envelope + b"x: y\r\n\r\n.\r\n")
    assert player.say(envelope).startswith("421 4.7.0")
    assert player.server.close_reason is CloseReason.TOO_MANY_MESSAGES


@pytest.mark.parametrize("piece", [0, 100, 777])
def test_a_message_over_the_limit_is_read_to_its_end_and_refused(piece):
    player = Player(conversation(ServerPolicy(max_size=1000)))
    player.say(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n")
    body = b"x" * 70 + b"\r\n"
    heard = player.say(body * 100 + b".\r\nNOOP\r\n", piece=piece)
    assert [line[:9] for line in heard.splitlines()] == ["552 5.3.4", "250 2.0.0"]
    assert player.messages[0].content == b""


def test_the_dots_that_are_undone_do_not_count_for_the_size():
    player = Player(conversation(ServerPolicy(max_size=9)))
    player.say(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n")
    assert player.say(b"..\r\n..\r\n..\r\n.\r\n").startswith("250")
    assert player.messages[0].content == b".\r\n.\r\n.\r\n"


@pytest.mark.parametrize(
    "options", [{"max_size": 0}, {"max_recipients": 0}, {"hostname": "a b"}, {"hostname": "x\r\ny"}]
)
def test_a_policy_that_cannot_be_is_an_error(options):
    with pytest.raises(InvalidSetting):
        ServerPolicy(**options)


# ── the end of the message ─────────────────────────────────────────────────────────────────────────────────────────

SMUGGLED = b"MAIL FROM:<evil@example.org>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\nsmuggled\r\n.\r\n"


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r\n\x00.\r\n"])
@pytest.mark.parametrize("piece", [0, 1])
def test_only_crlf_dot_crlf_ends_a_message(end, piece):
    player = Player(conversation(ServerPolicy(refuse_bare_newlines=False)))
    player.say(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n")
    heard = player.say(b"hello" + end + SMUGGLED, piece=piece)
    assert heard.splitlines() == ["250 2.0.0 Message taken"]
    assert len(player.messages) == 1
    assert b"MAIL FROM:<evil" in player.messages[0].content
    assert player.messages[0].defects


@pytest.mark.parametrize(
    ("content", "defect"),
    [
        (b"a\nb\r\n", Defect.BARE_LF),
        (b"a\rb\r\n", Defect.BARE_CR),
        (b"a\r\n\n", Defect.BARE_LF),
        (b"a\r\r\n", Defect.BARE_CR),
    ],
)
def test_a_bare_newline_in_a_message_is_refused_with_its_name(content, defect):
    player = Player(conversation())
    player.say(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n")
    assert player.say(content + (b"" if content.endswith(b"\r\n") else b"\r\n") + b".\r\n").startswith("550 5.6.0")
    assert player.messages[0].defects == (defect,)
    assert player.messages[0].refusal is not None


@pytest.mark.parametrize(
    ("parameters", "content", "defects"),
    [
        (b"", b"Subject: x\r\n\r\nplain\r\n", ()),
        (b"", b"x: y\r\n\r\n\x00\r\n", (Defect.NUL,)),
        (b"", b"x" * 999 + b"\r\n", (Defect.LONG_LINE,)),
        (b"", b"x" * 998 + b"\r\n", ()),
        (b"", b"x: y\r\n\r\n\xc3\xa9\r\n", (Defect.UNDECLARED_8BIT,)),
        (b" BODY=8BITMIME", b"x: y\r\n\r\n\xc3\xa9\r\n", ()),
        (b" BODY=8BITMIME", b"x: \xc3\xa9\r\n\r\n\r\n", (Defect.UNDECLARED_UTF8,)),
        (b" BODY=8BITMIME SMTPUTF8", b"x: \xc3\xa9\r\n\r\n\r\n", ()),
    ],
)
def test_defects_are_noted_and_the_message_is_taken(parameters, content, defects):
    player = Player(conversation())
    player.say(b"EHLO c\r\nMAIL FROM:<>" + parameters + b"\r\nRCPT TO:<a@b.example>\r\nDATA\r\n")
    assert player.say(content + b".\r\n").startswith("250")
    assert player.messages[0].defects == defects


def test_a_lone_dot_is_an_empty_message():
    player = Player(conversation())
    player.say(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n")
    assert player.say(b".\r\n").startswith("250")
    assert player.messages[0].content == b""


# ── BDAT ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("piece", [0, 1, 4])
def test_chunks_are_put_together(piece):
    player = Player(conversation())
    player.say(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\n")
    heard = player.say(b"BDAT 6\r\nx: y\r\nBDAT 3\r\n\r\n.BDAT 2 LAST\r\n\r\nNOOP\r\n", piece=piece)
    assert [line[:3] for line in heard.splitlines()] == ["250", "250", "250", "250"]
    (message,) = player.messages
    assert (message.content, message.chunks) == (b"x: y\r\n\r\n.\r\n", 3)


def test_an_empty_last_chunk_ends_the_message():
    player = Player(conversation())
    player.say(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\n")
    assert player.say(b"BDAT 6\r\nx: y\r\nBDAT 0 LAST\r\n").count("250 ") == 2
    assert player.messages[0].content == b"x: y\r\n"


def test_a_chunk_that_nobody_asked_for_is_swallowed_and_refused():
    player = Player(conversation())
    player.say(b"EHLO c\r\n")
    heard = player.say(b"BDAT 8\r\nRSET\r\n\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n")
    assert [line[:3] for line in heard.splitlines()] == ["503", "503", "250"]


def test_chunks_behind_a_refused_one_are_refused():
    server = conversation()
    player = Player(server)
    player.say(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\n")
    server.receive(b"BDAT 6\r\nx: y\r\nBDAT 2\r\nzzBDAT 2 LAST\r\nzz")
    assert isinstance(server.next_event(), ContentBegun)
    server.proceed()
    server.next_event()
    server.answer(Answer(452, "4.3.1", "Full"))
    assert server.next_event() is None
    assert [line[:3] for line in server.take_output().decode().splitlines()] == ["452", "503", "503"]
    assert player.say(b"MAIL FROM:<>\r\n").startswith("250")


def test_chunks_over_the_limit_are_refused():
    player = Player(conversation(ServerPolicy(max_size=10)))
    player.say(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\n")
    assert player.say(b"BDAT 20\r\n" + b"x" * 20).startswith("552")
    assert player.say(b"BDAT 1 LAST\r\nx").startswith("552")


def test_a_chunked_message_that_ends_within_a_line_has_a_defect():
    player = Player(conversation())
    player.say(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\n")
    assert player.say(b"BDAT 4 LAST\r\nx: y").startswith("250")
    assert player.messages[0].defects == (Defect.NO_FINAL_CRLF,)


def test_a_recipient_between_two_chunks_is_out_of_order():
    player = Player(conversation())
    player.say(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nBDAT 2\r\n\r\n")
    assert player.say(b"RCPT TO:<c@d.example>\r\n").startswith("503")


@pytest.mark.parametrize(
    ("parameter", "meant"), [("AUTH=<>", "<>"), ("AUTH=a+2Bb@c.example", "a+b@c.example"), ("BODY=7bit", "")]
)
def test_mail_may_say_who_signed_in_elsewhere(parameter, meant):
    player = Player(conversation())
    player.say(b"EHLO c\r\n")
    assert player.say(f"MAIL FROM:<a@b.example> {parameter}\r\n".encode()).startswith("250")
    assert player.events[-1].sender.auth == meant


def test_data_after_bdat_is_out_of_order():
    player = Player(conversation())
    player.say(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nBDAT 2\r\n\r\n")
    assert player.say(b"DATA\r\n").startswith("503")


@pytest.mark.parametrize("command", [b"BDAT\r\n", b"BDAT x\r\n", b"BDAT -1\r\n", b"BDAT 1 FIRST\r\n"])
def test_a_bdat_without_a_length_ends_the_connection(command):
    player = Player(conversation())
    player.say(b"EHLO c\r\n")
    assert player.say(command).startswith("421")
    assert player.server.close_reason is CloseReason.UNREADABLE_BDAT


# ── STARTTLS ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_after_tls_everything_begins_anew():
    player = Player(conversation())
    player.say(b"EHLO c\r\nMAIL FROM:<>\r\n")
    assert player.say(b"STARTTLS\r\n").startswith("220")
    player.server.tls_established()
    assert player.say(b"MAIL FROM:<>\r\n").startswith("503 5.5.1 Say EHLO first")
    assert "STARTTLS" not in player.say(b"EHLO c\r\n")
    assert player.say(b"STARTTLS\r\n").startswith("503")
    assert player.server.encrypted


def test_sign_in_before_tls_is_forgotten():
    player = Player(conversation())
    player.say(b"EHLO c\r\nAUTH PLAIN AGFubgBzZWNyZXQ=\r\n")
    assert player.server.user == "ann"
    player.say(b"STARTTLS\r\n")
    player.server.tls_established()
    assert player.server.user == ""


def test_bytes_behind_starttls_end_the_connection():
    player = Player(conversation())
    player.say(b"EHLO c\r\n")
    heard = player.say(b"STARTTLS\r\nMAIL FROM:<evil@example.org>\r\n")
    assert heard.startswith("421 4.7.0")
    assert player.server.close_reason is CloseReason.BYTES_BEHIND_STARTTLS
    assert not any(isinstance(event, StartTls | MailBegun) for event in player.events)


def test_a_server_that_requires_tls_says_so():
    player = Player(conversation(ServerPolicy(require_tls=True)))
    player.say(b"EHLO c\r\n")
    assert player.say(b"MAIL FROM:<>\r\n").startswith("530 5.7.0")
    assert player.say(b"NOOP\r\n").startswith("250")
    encrypted = Player(conversation(ServerPolicy(require_tls=True), encrypted=True))
    encrypted.say(b"EHLO c\r\n")
    assert encrypted.say(b"MAIL FROM:<>\r\n").startswith("250")


# ── AUTH ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def b64(text: str) -> str:
    return b64encode(text.encode()).decode()


XOAUTH2 = "user=ann\x01auth=Bearer old\x01\x01"
OAUTHBEARER = "n,a=ann,\x01auth=Bearer old\x01\x01"


def plain(user: str, password: str) -> str:
    return b64(f"\0{user}\0{password}")


@pytest.mark.parametrize("piece", [0, 1])
def test_the_dialogues_of_signing_in(piece):
    start = "S: 220 .*\nC: HELO c\nS: 250 .*\nC: AUTH PLAIN\nS: 503 .*\nC: EHLO c\n" + "S: 250.*\n" * 10
    play(
        start
        + f"""
        C: AUTH NOSUCH
        S: 504 5\\.5\\.4 .*
        C: AUTH PLAIN !!!
        S: 501 5\\.5\\.2 .*
        C: AUTH PLAIN =
        S: 501 5\\.5\\.2 .*
        C: AUTH PLAIN {plain("ann", "wrong")}
        S: 535 5\\.7\\.8 .*
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        C: *
        S: 501 5\\.7\\.0 .*
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        C: {b64("ann")}
        S: 334 UGFzc3dvcmQ6
        C:
        S: 535 5\\.7\\.8 .*
        C: AUTH CRAM-MD5 {b64("ann x")}
        S: 501 5\\.7\\.0 .*
        C: AUTH XOAUTH2 {b64(XOAUTH2)}
        S: 334 eyJzdGF0dXMiOiAiNDAx.*
        C:
        S: 535 5\\.7\\.8 .*
        C: AUTH OAUTHBEARER {b64(OAUTHBEARER)}
        S: 334 eyJzdGF0dXMiOiAiNDAx.*
        C: AQ==
        S: 535 5\\.7\\.8 .*
        C: AUTH PLAIN
        S: 334\\s
        C: {plain("ann", "secret")}
        S: 235 2\\.7\\.0 .*
        C: AUTH PLAIN {plain("ann", "secret")}
        S: 503 5\\.5\\.1 .*
        """,
        ServerPolicy(users=USERS),
        piece=piece,
    )


def test_every_line_of_a_sign_in_after_the_command_is_a_response_and_no_command():
    player = Player(conversation(ServerPolicy(users=USERS)))
    player.say(b"EHLO c\r\n")
    heard = player.say(b"AUTH LOGIN\r\nQUIT\r\nNOOP\r\n")
    # QUIT is base64 for three octets that are a user name here.
    assert [line[:3] for line in heard.splitlines()] == ["334", "334", "535"]
    assert player.server.close_reason is None


def test_mail_may_need_a_sign_in():
    player = Player(conversation(ServerPolicy(require_sign_in=True)))
    player.say(b"EHLO c\r\n")
    assert player.say(b"MAIL FROM:<>\r\n").startswith("530 5.7.0")
    player.say(f"AUTH PLAIN {plain('anybody', 'x')}\r\n".encode())
    assert player.say(b"MAIL FROM:<>\r\n").startswith("250")
    assert (player.server.user, player.server.mechanism) == ("anybody", Mechanism.PLAIN)


def test_sign_in_may_need_tls():
    policy = ServerPolicy(auth_needs_tls=True)
    player = Player(conversation(policy))
    assert "AUTH" not in player.say(b"EHLO c\r\n")
    assert player.say(b"AUTH PLAIN\r\n").startswith("538 5.7.11")
    encrypted = Player(conversation(policy, encrypted=True))
    assert "AUTH CRAM-MD5" in encrypted.say(b"EHLO c\r\n")


def test_scram_is_offered_only_when_there_are_passwords_to_prove():
    assert "SCRAM" not in Player(conversation()).say(b"EHLO c\r\n")
    assert "AUTH SCRAM-SHA-256 " in Player(conversation(ServerPolicy(users=USERS))).say(b"EHLO c\r\n")


def test_no_mechanism_no_auth():
    policy = ServerPolicy(users=Users(), mechanisms=(Mechanism.SCRAM_SHA_256,))
    assert "AUTH" not in Player(conversation(policy)).say(b"EHLO c\r\n")


# ── the owner's word ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_refused_command_has_no_effect():
    server = conversation()
    player = Player(server)
    player.say(b"EHLO c\r\n")
    server.receive(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n")
    assert isinstance(server.next_event(), MailBegun)
    server.answer(Answer(451, "4.3.0", "Later\r\n250 forged"))
    assert server.next_event() is None
    first, forged, then = server.take_output().decode().splitlines()
    assert (first, forged) == ("451-4.3.0 Later?", "451 4.3.0 250 forged")
    assert then.startswith("503")


def test_421_closes_whoever_says_it():
    server = conversation()
    server.next_event()
    server.answer(Answer(421, "4.3.2", "Not now"))
    server.receive(b"EHLO c\r\n")
    assert server.next_event() is None
    assert server.close_reason is CloseReason.REFUSED


def test_an_answer_in_the_middle_of_the_content_stands_for_the_message():
    server = conversation()
    player = Player(server)
    player.say(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n")
    server.receive(b"x: y\r\n")
    assert isinstance(server.next_event(), ContentBegun)
    server.answer(Answer(552, "5.3.4", "Enough"))
    assert server.take_output().startswith(b"552")
    assert player.say(b"more\r\n.\r\n") == ""
    assert not player.messages
    assert player.say(b"NOOP\r\n").startswith("250")


def test_an_early_answer_to_a_chunk_stands_for_that_chunk():
    server = conversation()
    player = Player(server)
    player.say(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\n")
    server.receive(b"BDAT 4\r\nx: ")
    assert isinstance(server.next_event(), ContentBegun)
    server.answer_raw(b"552 Enough\r\n")
    assert player.say(b"y") == "552 Enough\r\n"
    assert player.say(b"BDAT 2 LAST\r\n\r\n").startswith("503")
    assert player.say(b"MAIL FROM:<>\r\n").startswith("250")


def test_events_are_settled_one_at_a_time():
    server = conversation()
    with pytest.raises(RuntimeError):
        server.proceed()
    assert isinstance(server.next_event(), Connected)
    with pytest.raises(RuntimeError):
        server.next_event()


# ── wild input ─────────────────────────────────────────────────────────────────────────────────────────────────────

_pieces = st.sampled_from(
    [
        b"EHLO c\r\n",
        b"HELO c\r\n",
        b"MAIL FROM:<a@b.example>\r\n",
        b"MAIL FROM:<> SIZE=10 BODY=8BITMIME SMTPUTF8\r\n",
        b"RCPT TO:<c@d.example>\r\n",
        b"RCPT TO:<c@d.example> NOTIFY=NEVER ORCPT=rfc822;x+2B\r\n",
        b"DATA\r\n",
        b"BDAT 4\r\n",
        b"BDAT 3 LAST\r\n",
        b"x: y\r\n",
        b".\r\n",
        b"\n.\n",
        b"\r\n",
        b"RSET\r\n",
        b"NOOP\r\n",
        b"AUTH LOGIN\r\n",
        b"AUTH SCRAM-SHA-256 biwsbj1hbm4scj14\r\n",
        b"AUTH CRAM-MD5\r\n",
        b"AUTH XOAUTH2 " + b64encode(b"user=ann\x01auth=Bearer t0ken\x01\x01") + b"\r\n",
        b"*\r\n",
        b"QUJD\r\n",
        b"VRFY x\r\n",
    ]
)
_wild = st.lists(_pieces | st.binary(max_size=12), max_size=25).map(b"".join)
_WELL_FORMED = re.compile(rb"(?:\d{3}-[^\r\n]*\r\n)*\d{3} [^\r\n]*\r\n")


@given(_wild, st.integers(1, 9))
def test_the_size_of_the_pieces_never_changes_the_dialogue(data, piece):
    policy = ServerPolicy(users=USERS, max_size=64, max_command=40, extensions=frozenset(Extension) - {"STARTTLS"})
    whole, cut = Player(conversation(policy)), Player(conversation(policy))
    assert whole.say(data) == cut.say(data, piece=piece)
    assert whole.messages == cut.messages
    assert whole.server.close_reason == cut.server.close_reason


@given(_wild)
def test_whatever_arrives_every_answer_is_a_well_formed_reply(data):
    heard = Player(conversation(ServerPolicy(users=USERS))).say(data).encode()
    assert re.fullmatch(rb"(?:%s)*" % _WELL_FORMED.pattern, heard)
