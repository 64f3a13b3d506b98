"""What stands in the header, in which order, and what is left out."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from mailwright.errors import InvalidHeader, InvalidInput, NoRecipients
from mailwright.mime.compose import compose
from mailwright.model.account import Account, Outgoing
from mailwright.model.address import Address, Group
from mailwright.model.delivery import DsnNotify, DsnOptions
from mailwright.model.message import NULL_SENDER, AutoSubmitted, Message, Priority, Unsubscribe
from tests.unit.mime.support import (
    ACCOUNT,
    NOW,
    TOKEN,
    header_lines,
    header_names,
    judged,
    made,
    old_style_value,
    parsed,
)


def _lines(**parts: object) -> list[str]:
    return header_lines(made(Message(**{"to": "b@example.org", "text": "x", **parts})))


def test_fields_stand_in_the_order_in_which_people_read_them() -> None:
    composed = made(
        Message(
            to="b@example.org",
            cc="c@example.org",
            bcc="hidden@example.org",
            reply_to="r@example.org",
            subject="Hello",
            text="x",
            in_reply_to="<one@example.org>",
            priority="high",
            auto_submitted="auto-generated",
            unsubscribe=Unsubscribe(url="https://example.org/u", one_click=True),
            headers={"X-Token": "t"},
        )
    )
    assert header_names(composed) == [
        *("Date", "From", "Reply-To", "To", "Cc", "Subject", "Message-ID", "In-Reply-To", "References"),
        *("X-Priority", "X-MSMail-Priority", "Importance", "Auto-Submitted"),
        *("List-Unsubscribe", "List-Unsubscribe-Post", "X-Token"),
        *("MIME-Version", "Content-Type", "Content-Transfer-Encoding"),
    ]


def test_message_id_date_and_mime_version_are_written_by_themselves() -> None:
    composed = made(Message(to="b@example.org", text="x"))
    assert header_lines(composed)[0] == "Date: Sun, 01 Mar 2026 12:30:05 +0000"
    assert f"Message-ID: <{TOKEN}@example.com>" in header_lines(composed)
    assert "MIME-Version: 1.0" in header_lines(composed)
    assert composed.message_id == f"{TOKEN}@example.com"


def test_the_message_id_has_the_domain_of_the_sender_in_ascii() -> None:
    composed = made(Message(to="b@example.org", text="x", from_="x@bücher.example"))
    assert composed.message_id == f"{TOKEN}@xn--bcher-kva.example"


def test_a_message_id_of_ones_own_is_kept() -> None:
    composed = made(Message(to="b@example.org", text="x", message_id="<mine@example.net>"))
    assert composed.message_id == "mine@example.net"
    assert "Message-ID: <mine@example.net>" in header_lines(composed)


@pytest.mark.parametrize(
    ("date", "written"),
    [
        (datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), "Thu, 31 Dec 2026 23:59:59 +0000"),
        (
            datetime(2026, 7, 4, 1, 2, 3, 999999, tzinfo=timezone(timedelta(hours=5, minutes=30))),
            "Sat, 04 Jul 2026 01:02:03 +0530",
        ),
        (datetime(2024, 2, 29, tzinfo=timezone(-timedelta(hours=3, minutes=30))), "Thu, 29 Feb 2024 00:00:00 -0330"),
        (
            datetime(1900, 1, 1, 0, 19, 32, tzinfo=timezone(timedelta(minutes=19, seconds=32))),
            "Mon, 01 Jan 1900 00:00:00 +0000",
        ),
    ],
)
def test_the_date_is_written_in_the_zone_it_was_given_in(date: datetime, written: str) -> None:
    message = Message(to="b@example.org", text="x", date=date)
    assert header_lines(made(message))[0] == f"Date: {written}"
    moment = parsed(message)["Date"].datetime
    assert moment == date.replace(microsecond=0)


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        compose(Message(to="b@example.org", text="x"), ACCOUNT, now=NOW.replace(tzinfo=None), token=TOKEN)
    assert caught.value.field == "date"


@pytest.mark.parametrize(
    "token", ["", "short", "a" * 61, "0123456789abcdefABCDE\n", "0123456789 abcdefABCDEF", "é" * 22]
)
def test_a_token_that_cannot_stand_in_a_boundary_is_refused(token: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        compose(Message(to="b@example.org", text="x"), ACCOUNT, now=NOW, token=token)
    assert caught.value.field == "token"


def test_the_from_address_is_that_of_the_account_unless_the_message_has_its_own() -> None:
    assert "From: Ann Author <ann@example.com>" in _lines()
    assert "From: Billing <billing@example.com>" in _lines(from_="Billing <billing@example.com>")


@pytest.mark.parametrize(
    ("from_", "from_name", "display_name", "expected"),
    [
        (None, "", "", "From: ann@example.com"),
        (None, "", "Full Name", "From: Full Name <ann@example.com>"),
        (None, "Message Name", "Full Name", "From: Message Name <ann@example.com>"),
        ("Own <x@example.net>", "", "Full Name", "From: Own <x@example.net>"),
        ("Own <x@example.net>", "Message Name", "Full Name", "From: Message Name <x@example.net>"),
        ("x@example.net", "", "Full Name", "From: Full Name <x@example.net>"),
    ],
)
def test_the_name_beside_the_sender_is_the_messages_then_the_accounts(
    from_: str | None, from_name: str, display_name: str, expected: str
) -> None:
    account = Account("ann@example.com", Outgoing("mail.example.com"), display_name=display_name)
    message = Message(to="b@example.org", text="x", from_=from_, from_name=from_name)
    assert expected in header_lines(made(message, account))


def test_reply_to_takes_several_addresses() -> None:
    assert "Reply-To: Team <team@example.org>, b@example.org" in _lines(
        reply_to="Team <team@example.org>; b@example.org"
    )


def test_a_long_list_of_recipients_is_folded_between_addresses() -> None:
    recipients = [f"Recipient Number {number} <r{number}@example.org>" for number in range(50)]
    composed = made(Message(to=recipients, text="x"))
    assert max(map(len, composed.content.split(b"\r\n"))) <= 76
    assert [str(one) for one in judged(composed)["To"].addresses] == recipients


def test_blind_copies_are_in_the_envelope_and_in_no_byte_of_the_message() -> None:
    composed = made(Message(to="b@example.org", cc="c@example.org", bcc="Hidden Hand <hidden@example.org>", text="x"))
    assert b"idden" not in composed.content
    assert b"bcc" not in composed.content.lower()
    assert [one.spec for one in composed.envelope.recipients] == [
        "b@example.org",
        "c@example.org",
        "hidden@example.org",
    ]


def test_a_message_with_blind_copies_only_says_that_its_recipients_are_undisclosed() -> None:
    composed = made(Message(bcc="hidden@example.org", text="x"))
    assert "To: undisclosed-recipients:;" in header_lines(composed)
    assert judged(composed)["To"].groups[0].display_name == "undisclosed-recipients"


def test_a_message_with_copies_only_has_no_to() -> None:
    assert "To" not in header_names(made(Message(cc="c@example.org", text="x")))


def test_a_group_is_written_as_a_group_and_opened_in_the_envelope() -> None:
    composed = made(Message(to="Team: Ann <a@example.org>, b@example.org; c@example.org", text="x"))
    assert "To: Team: Ann <a@example.org>, b@example.org;, c@example.org" in header_lines(composed)
    assert [one.spec for one in composed.envelope.recipients] == ["a@example.org", "b@example.org", "c@example.org"]


def test_a_group_with_an_encoded_name_keeps_its_colon_apart() -> None:
    composed = made(Message(to=Group("Gruppe für alle", (Address("b", "example.org"),)), text="x"))
    assert "To: =?utf-8?q?Gruppe_f=C3=BCr_alle?= : b@example.org;" in header_lines(composed)


def test_no_recipient_at_all_is_an_error() -> None:
    for nobody in (None, "", [], [""], " ; , ", Group("empty")):
        with pytest.raises(NoRecipients):
            made(Message(to=nobody, text="x"))


def test_the_envelope_has_each_mailbox_once_and_the_header_what_was_written() -> None:
    composed = made(
        Message(to="Ann <ann@EXAMPLE.org>, ann@example.org", cc="ann@example.ORG", bcc="Bob@example.org", text="x")
    )
    assert "To: Ann <ann@example.org>, ann@example.org" in header_lines(composed)
    assert [one.spec for one in composed.envelope.recipients] == ["ann@example.org", "Bob@example.org"]
    assert composed.envelope.recipients[0].name == "Ann"


def test_bounces_go_to_the_sender_unless_the_message_says_otherwise() -> None:
    def sender(**parts: object) -> Address | None:
        return made(Message(**{"to": "b@example.org", "text": "x", **parts})).envelope.sender

    assert sender() == ACCOUNT.address
    assert sender(from_="x@example.net") == Address("x", "example.net")
    assert sender(envelope_from="bounces@example.net") == Address("bounces", "example.net")
    assert sender(envelope_from=NULL_SENDER) is None
    assert sender(envelope_from="") is None
    verp = ACCOUNT.address.verp(Address("b", "example.org"))
    assert sender(envelope_from=verp) == Address("ann+b=example.org", "example.com")


def test_the_envelope_sender_is_in_no_header() -> None:
    composed = made(Message(to="b@example.org", text="x", envelope_from="bounces@example.net"))
    assert b"bounces" not in composed.content


@pytest.mark.parametrize(
    ("priority", "expected"),
    [
        ("high", ["X-Priority: 1 (Highest)", "X-MSMail-Priority: High", "Importance: High"]),
        ("normal", []),
        ("low", ["X-Priority: 5 (Lowest)", "X-MSMail-Priority: Low", "Importance: Low"]),
    ],
)
def test_priority_writes_three_headers_and_normal_none(priority: str, expected: list[str]) -> None:
    lines = _lines(priority=priority)
    assert [line for line in lines if "Priority" in line or "Importance" in line] == expected


def test_an_answer_refers_to_what_it_answers() -> None:
    lines = _lines(in_reply_to="one@example.org")
    assert "In-Reply-To: <one@example.org>" in lines
    assert "References: <one@example.org>" in lines


def test_the_history_of_a_thread_is_kept_and_folded_between_ids() -> None:
    ids = [f"{number:030d}@mail.example.org" for number in range(20)]
    composed = made(Message(to="b@example.org", text="x", in_reply_to=ids[-1], references=ids))
    assert "References: " + " ".join(f"<{one}>" for one in ids) in header_lines(composed)
    assert max(map(len, composed.content.split(b"\r\n"))) <= 76


def test_automatic_mail_says_so() -> None:
    assert "Auto-Submitted: auto-replied" in _lines(auto_submitted=AutoSubmitted.AUTO_REPLIED)
    assert not [line for line in _lines() if line.startswith("Auto-Submitted")]


def test_unsubscribe_names_both_ways_and_one_click_where_asked_for() -> None:
    both = Unsubscribe(url="https://example.org/u?x=1", mailto=Address('o\'ut "x"', "example.org"), one_click=True)
    lines = _lines(unsubscribe=both)
    assert "List-Unsubscribe: <https://example.org/u?x=1>, <mailto:%22o'ut%20%5C%22x%5C%22%22@example.org>" in lines
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in lines
    lines = _lines(unsubscribe=Unsubscribe(mailto=Address("out", "example.org")))
    assert "List-Unsubscribe: <mailto:out@example.org>" in lines
    assert not [line for line in lines if line.startswith("List-Unsubscribe-Post")]


def test_custom_headers_keep_their_order_and_may_repeat() -> None:
    lines = _lines(headers=[("X-A", "1"), ("X-B", "zwei Wörter"), ("X-A", "3"), ("X-Empty", "")])
    assert [line for line in lines if line.startswith("X-")] == [
        "X-A: 1",
        "X-B: =?utf-8?q?zwei_W=C3=B6rter?=",
        "X-A: 3",
        "X-Empty:",
    ]


def test_a_long_custom_header_is_folded_at_its_spaces_and_comes_back() -> None:
    value = " ".join(f"token-{number}" for number in range(100))
    composed = made(Message(to="b@example.org", text="x", headers={"X-Long": value}))
    assert f"X-Long: {value}" in header_lines(composed)
    assert max(map(len, composed.content.split(b"\r\n"))) <= 76


def test_a_run_of_spaces_stays_whole_and_is_never_alone_on_a_line() -> None:
    value = "a" + " " * 200 + "b"
    composed = made(Message(to="b@example.org", text="x", headers={"X-Wide": value}))
    header, _, _ = composed.content.partition(b"\r\n\r\n")
    assert all(line.strip() for line in header.split(b"\r\n"))
    assert judged(composed)["X-Wide"] == value


@pytest.mark.parametrize("field", ["message_id", "in_reply_to"])
def test_an_id_too_long_for_any_line_is_refused(field: str) -> None:
    judged(made(Message(**{"to": "b@example.org", "text": "x", field: "i" * 900})))
    with pytest.raises(InvalidHeader) as caught:
        made(Message(**{"to": "b@example.org", "text": "x", field: "i" * 901}))
    assert caught.value.field == field


def test_a_word_too_long_for_any_line_becomes_encoded_words() -> None:
    message = Message(to="b@example.org", text="x", headers={"X-Blob": "b" * 5000})
    assert parsed(message)["X-Blob"] == "b" * 5000


def test_the_longest_name_of_a_header_leaves_room_for_its_value() -> None:
    name = "X-" + "n" * 74
    for value in ("short", "a few words " * 50 + "end", "w" * 900):
        assert parsed(Message(to="b@example.org", text="x", headers={name: value}))[name] == value
    for value in ("wörds " * 50 + "end", "e" * 901):
        composed = made(Message(to="b@example.org", text="x", headers={name: value}))
        assert old_style_value(composed, name).lstrip() == value
        assert max(map(len, composed.content.split(b"\r\n"))) <= 77


@pytest.mark.parametrize(
    "name",
    [
        *(
            "From",
            "sender",
            "TO",
            "Cc",
            "Bcc",
            "Reply-To",
            "Subject",
            "Date",
            "Message-ID",
            "In-Reply-To",
            "References",
        ),
        *("MIME-Version", "Content-Type", "content-transfer-encoding", "Content-Whatever", "List-Unsubscribe"),
        *("List-Unsubscribe-Post", "Auto-Submitted", "Return-Path", "Received", "DKIM-Signature", "Resent-Bcc"),
    ],
)
def test_a_header_with_a_field_of_its_own_is_refused_and_the_field_named(name: str) -> None:
    with pytest.raises(InvalidHeader) as caught:
        made(Message(to="b@example.org", text="x", headers={name: "x"}))
    assert caught.value.field == f"headers.{name}"
    assert caught.value.hint


@pytest.mark.parametrize("name", ["", "X Y", "X:Y", "X-\u00e9", "X\r\nBcc", "X\0", "n" * 77, " X", "X\t"])
def test_what_is_not_the_name_of_a_header_is_refused(name: str) -> None:
    with pytest.raises(InvalidHeader) as caught:
        made(Message(to="b@example.org", text="x", headers={name: "x"}))
    assert caught.value.field == "headers"


@pytest.mark.parametrize("name", ["X-Priority", "x-msmail-priority", "Importance"])
def test_a_priority_header_by_hand_is_for_messages_without_a_priority(name: str) -> None:
    assert f"{name}: 3" in _lines(headers={name: "3"})
    with pytest.raises(InvalidHeader):
        _lines(headers={name: "3"}, priority=Priority.HIGH)


def test_only_the_address_of_an_international_mailbox_is_written_in_utf8() -> None:
    composed = made(Message(to="Jürgen <jürgen@bücher.example>", subject="Grüße", text="Grüße"))
    assert composed.needs_utf8
    assert composed.eight_bit
    assert "To: =?utf-8?q?J=C3=BCrgen?= <jürgen@xn--bcher-kva.example>" in header_lines(composed)
    rest = composed.content.replace("jürgen@".encode(), b"")
    assert rest.isascii()


def test_an_international_domain_alone_needs_no_extension_of_the_server() -> None:
    composed = made(Message(to="Jürgen <juergen@bücher.example>", subject="Grüße", text="Grüße", html="<p>Grüße"))
    assert not composed.needs_utf8
    assert not composed.eight_bit
    assert composed.content.isascii()
    assert b"<juergen@xn--bcher-kva.example>" in composed.content


def test_an_international_mailbox_in_the_header_alone_needs_utf8_too() -> None:
    composed = made(Message(to="b@example.org", text="x", reply_to="jürgen@example.org"))
    assert composed.needs_utf8
    assert composed.eight_bit


@pytest.mark.parametrize("parts", [{"bcc": "jürgen@example.org"}, {"envelope_from": "jürgen@example.org"}])
def test_an_international_mailbox_in_the_envelope_alone_needs_utf8_too(parts: dict[str, str]) -> None:
    composed = made(Message(**{"to": "b@example.org", "text": "x", **parts}))
    assert composed.needs_utf8
    assert not composed.eight_bit


def test_options_for_delivery_reports_go_along() -> None:
    dsn = DsnOptions(notify=(DsnNotify.FAILURE,), envelope_id="e1")
    composed = compose(Message(to="b@example.org", text="x"), ACCOUNT, now=NOW, token=TOKEN, dsn=dsn)
    assert composed.dsn is dsn


def test_the_same_message_with_the_same_time_and_token_has_the_same_bytes() -> None:
    message = Message(to="b@example.org", subject="é", text="é", html="<p>é", attachments={"a": b"x"})
    assert made(message) == made(message)
