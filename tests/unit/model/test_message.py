"""A message is checked when it is made, and each error names its field."""

from datetime import UTC, datetime

import pytest

from mailwright.errors import InvalidAddress, InvalidBody, InvalidHeader, InvalidInput
from mailwright.model.address import Address
from mailwright.model.attachment import Attachment
from mailwright.model.message import NULL_SENDER, AutoSubmitted, Message, Priority, Unsubscribe


@pytest.mark.parametrize(
    ("parts", "kind", "field"),
    [
        ({"to": "nonsense"}, InvalidAddress, "to"),
        ({"cc": "nonsense"}, InvalidAddress, "cc"),
        ({"bcc": "nonsense"}, InvalidAddress, "bcc"),
        ({"reply_to": "nonsense"}, InvalidAddress, "reply_to"),
        ({"from_": "nonsense"}, InvalidAddress, "from"),
        ({"from_": "a@x.example, b@x.example"}, InvalidAddress, "from"),
        ({"envelope_from": "nonsense"}, InvalidAddress, "envelope_from"),
        ({"priority": "urgent"}, InvalidInput, "priority"),
        ({"auto_submitted": "maybe"}, InvalidInput, "auto_submitted"),
        ({"message_id": "a b"}, InvalidHeader, "message_id"),
        ({"message_id": "<a>b>"}, InvalidHeader, "message_id"),
        ({"in_reply_to": "é@x"}, InvalidHeader, "in_reply_to"),
        ({"references": ["a", "b c"]}, InvalidHeader, "references"),
        ({"plain_only": True, "html": "<p>"}, InvalidBody, "text"),
        ({"date": datetime(2026, 1, 1)}, InvalidInput, "date"),  # noqa: DTZ001
    ],
)
def test_the_error_names_the_field(parts: dict[str, object], kind: type[InvalidInput], field: str) -> None:
    with pytest.raises(kind) as caught:
        Message(**{"to": "a@example.org", **parts})  # type: ignore[arg-type]
    assert caught.value.field == field


def test_words_of_any_case_choose_priority_and_origin() -> None:
    message = Message(to="a@example.org", priority="HIGH", auto_submitted="Auto-Generated")
    assert message.priority is Priority.HIGH
    assert message.auto_submitted is AutoSubmitted.AUTO_GENERATED


def test_message_ids_are_kept_without_brackets() -> None:
    message = Message(message_id=" <a@b> ", in_reply_to="<c@d>", references="<e@f>\r\n\t<g@h>")
    assert (message.message_id, message.in_reply_to, message.references) == ("a@b", "c@d", ("e@f", "g@h"))


def test_headers_are_a_mapping_or_pairs() -> None:
    assert Message(headers={"X-A": "1"}).headers == (("X-A", "1"),)
    assert Message(headers=[("X-A", "1"), ("X-A", "2")]).headers == (("X-A", "1"), ("X-A", "2"))


def test_the_envelope_sender_is_an_address_or_nobody() -> None:
    assert Message(envelope_from="").envelope_from is NULL_SENDER
    assert Message(envelope_from=NULL_SENDER).envelope_from is NULL_SENDER
    assert Message(envelope_from="a@x.example").envelope_from == Address("a", "x.example")
    assert Message().envelope_from is None


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"url": "ftp://example.org"},
        {"url": "https://example.org/a b"},
        {"url": "https://example.org/\r\n"},
        {"url": "https://example.org/>"},
        {"url": "http://example.org", "one_click": True},
        {"mailto": Address("a", "x.example"), "one_click": True},
    ],
)
def test_a_way_to_unsubscribe_is_a_web_address_or_a_mailbox_and_one_click_is_https(parts: dict[str, object]) -> None:
    with pytest.raises(InvalidHeader):
        Unsubscribe(**parts)  # type: ignore[arg-type]


def test_a_message_prints_counts_and_nothing_that_somebody_wrote() -> None:
    message = Message(
        to="Hush <hush@example.org>, b@example.org",
        bcc="hush@example.net",
        from_name="hush",
        subject="hush",
        text="hush",
        html="hush",
        attachments={"hush.txt": "hush"},
        headers={"X-A": "hush"},
        message_id="m@x",
    )
    assert repr(message) == "Message(3 recipients, text and html, 1 attachments, message_id='m@x')"
    assert "no body" in repr(Message(to="a@example.org"))


def test_a_changed_copy_keeps_everything_else() -> None:
    message = Message(
        to="A <a@example.org>",
        cc="c@example.org",
        bcc="d@example.org",
        from_="f@example.org",
        from_name="F",
        reply_to="r@example.org",
        subject="s",
        text="t",
        html="h",
        attachments=[Attachment("a", b"x")],
        priority="low",
        headers={"X-A": "1"},
        in_reply_to="i@x",
        references="i@x",
        message_id="m@x",
        date=datetime(2026, 1, 1, tzinfo=UTC),
        unsubscribe=Unsubscribe(url="https://example.org"),
        auto_submitted="no",
        envelope_from="",
    )
    assert message.changed() == message
    changed = message.changed(subject="other", to="b@example.org")
    assert (changed.subject, changed.to) == ("other", (Address("b", "example.org"),))
    assert changed.changed(subject="s", to=message.to) == message
