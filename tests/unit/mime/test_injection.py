"""Nothing that a caller gives becomes a header, a part or a line that was not meant: all fields, all hostile forms."""

import email
import email.policy
from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from mailwright.errors import InvalidHeader, InvalidInput
from mailwright.mime.fields import header_block
from mailwright.model.account import Account, Outgoing
from mailwright.model.address import UNSAFE, Address, Group
from mailwright.model.attachment import Attachment
from mailwright.model.delivery import Composed
from mailwright.model.message import Message, Unsubscribe
from tests.unit.mime.support import header_names, judged, made, shape

CONTROLS = {
    "CR": "\r",
    "LF": "\n",
    "CRLF": "\r\n",
    "CRLF space": "\r\n ",
    "NUL": "\0",
    "C0": "\x01",
    "vertical tab": "\x0b",
    "form feed": "\x0c",
    "escape": "\x1b",
    "file separator": "\x1c",
    "DEL": "\x7f",
    "NEL": "\x85",
    "C1": "\x9b",
    "line separator": "\u2028",
    "paragraph separator": "\u2029",
    "right-to-left override": "\u202e",
    "isolate": "\u2066",
    "lone surrogate": "\ud800",
}
DISGUISES = {
    "Q word": "=?utf-8?q?=0d=0aBcc:_evil@example.net?=",
    "Q word, upper case": "=?UTF-8?Q?=0D=0ABcc:_evil@example.net?=",
    "B word": "=?utf-8?b?DQpCY2M6IGV2aWxAZXhhbXBsZS5uZXQ=?=",
    "word with NUL": "=?utf-8?q?=00?=",
    "percent": "%0d%0aBcc:%20evil@example.net",
    "percent, upper case": "%0D%0ABcc:%20evil@example.net",
    "percent NUL": "%00",
    "extended value": "utf-8''%0d%0aBcc:%20evil@example.net",
    "backslash": "\\r\\nBcc: evil@example.net",
    "entity": "&#13;&#10;Bcc: evil@example.net",
    "quote": '"\\\r'.replace("\r", "") + '"; x="',
    "parameter": '"; filename="evil.exe',
    "angle": "> <evil@example.net",
    "comma": ", evil@example.net",
}


def _message(**parts: object) -> Composed:
    return made(Message(**{"to": "b@example.org", "text": "x", **parts}))


FIELDS: dict[str, Callable[[str], Composed]] = {
    "subject": lambda text: _message(subject=text),
    "from_name": lambda text: _message(from_name=text),
    "display name of the account": lambda text: made(
        Message(to="b@example.org", text="x"),
        Account("ann@example.com", Outgoing("mail.example.com"), display_name=text),
    ),
    "name of a recipient": lambda text: _message(to=Address("b", "example.org", text)),
    "name of a copy": lambda text: _message(cc=[{"address": "b@example.org", "name": f"x{text}"}]),
    "name in reply_to": lambda text: _message(reply_to=Address("b", "example.org", text)),
    "name of a group": lambda text: _message(cc=Group(text)),
    "name of a member": lambda text: _message(cc=Group("g", (Address("b", "example.org", text),))),
    "local part of a recipient": lambda text: _message(to=Address(text, "example.org")),
    "local part of the sender": lambda text: _message(from_=Address(text, "example.org")),
    "local part of a blind copy": lambda text: _message(bcc=Address(text, "example.org")),
    "local part of the envelope sender": lambda text: _message(envelope_from=Address(text, "example.org")),
    "local part to unsubscribe at": lambda text: _message(unsubscribe=Unsubscribe(mailto=Address(text, "example.org"))),
    "domain of a recipient": lambda text: _message(to=Address("b", f"example{text}.org")),
    "domain literal": lambda text: _message(to=Address("b", f"[192.0.2.1{text}]")),
    "domain of the sender": lambda text: _message(from_=Address("b", f"example{text}.org")),
    "domain of the envelope sender": lambda text: _message(envelope_from=Address("b", f"example{text}.org")),
    "address as text": lambda text: _message(to=f"b{text}@example.org"),
    "addresses as JSON": lambda text: _message(to=[f"b{text}@example.org"]),
    "value of a header": lambda text: _message(headers={"X-Custom": f"a{text}b"}),
    "name of a header": lambda text: _message(headers={f"X-{text}": "x"}),
    "message_id": lambda text: _message(message_id=f"a{text}b@example.org"),
    "in_reply_to": lambda text: _message(in_reply_to=f"a{text}b@example.org"),
    "item of references": lambda text: _message(references=[f"a{text}b@example.org"]),
    "address to unsubscribe at": lambda text: _message(unsubscribe=Unsubscribe(url=f"https://example.org/{text}x")),
    "file name": lambda text: _message(attachments=[Attachment(f"a{text}b", b"x")]),
    "content type": lambda text: _message(attachments=[Attachment("a", b"x", f"text/a{text}b")]),
    "content id": lambda text: _message(html="<p>", attachments=[Attachment("a", b"x", content_id=f"a{text}b")]),
    "priority": lambda text: _message(priority=f"high{text}"),
    "auto_submitted": lambda text: _message(auto_submitted=f"no{text}"),
}


@pytest.mark.parametrize("hostile", CONTROLS.values(), ids=CONTROLS.keys())
@pytest.mark.parametrize("build", FIELDS.values(), ids=FIELDS.keys())
def test_a_control_character_in_any_field_is_refused(build: Callable[[str], Composed], hostile: str) -> None:
    for text in (f"a{hostile}Bcc: evil@example.net", f"a{hostile}b"):
        with pytest.raises(InvalidInput):
            build(text)


@pytest.mark.parametrize("hostile", DISGUISES.values(), ids=DISGUISES.keys())
@pytest.mark.parametrize("build", FIELDS.values(), ids=FIELDS.keys())
def test_a_line_end_in_disguise_is_refused_or_stays_what_it_is(build: Callable[[str], Composed], hostile: str) -> None:
    harmless = _names_or_none(lambda: build("a"))
    try:
        composed = build(hostile)
    except InvalidInput:
        return
    assert "Bcc" not in header_names(composed)
    if harmless is not None and len(header_names(composed)) == len(harmless):
        assert [name for name in header_names(composed) if not name.startswith("X-")] == [
            name for name in harmless if not name.startswith("X-")
        ]
    _no_decoded_value_has_a_control_character(composed)


def _names_or_none(build: Callable[[], Composed]) -> list[str] | None:
    try:
        return header_names(build())
    except InvalidInput:
        return None


def _no_decoded_value_has_a_control_character(composed: Composed) -> None:
    for part in judged(composed).walk():
        for value in part.values():
            # Judged after every decoding that the standard library knows.
            assert not UNSAFE.search(str(value))
        disposition = part["Content-Disposition"]
        for value in disposition.params.values() if disposition is not None else ():
            assert not UNSAFE.search(value)


@pytest.mark.parametrize("word", [DISGUISES["Q word"], DISGUISES["B word"], DISGUISES["word with NUL"]])
def test_an_encoded_word_given_as_text_is_text(word: str) -> None:
    message = judged(_message(subject=word, from_name=word, headers={"X-Custom": word}))
    assert message["Subject"] == word
    assert message["X-Custom"] == word
    assert message["From"].addresses[0].display_name == word


@pytest.mark.parametrize("name", [*DISGUISES.values(), "%0d%0a", "a%250d"])
def test_a_disguise_in_a_file_name_is_the_name_and_nothing_else(name: str) -> None:
    (part,) = judged(_message(attachments=[Attachment(name, b"x")])).iter_attachments()
    assert part["Content-Disposition"].params == {"filename": name}


@pytest.mark.parametrize(
    ("field", "parts"),
    [
        ("subject", {"subject": "a\nb"}),
        ("from_name", {"from_name": "a\nb"}),
        ("headers.X-A", {"headers": {"X-A": "a\nb"}}),
        ("headers", {"headers": {"X\n-A": "b"}}),
        ("message_id", {"message_id": "a\nb@c"}),
        ("in_reply_to", {"in_reply_to": "a\nb@c"}),
        ("references", {"references": ["a\nb@c"]}),
        ("to", {"to": "a\nb@c"}),
        ("reply_to", {"reply_to": "a\nb@c"}),
        ("from", {"from_": "a\nb@c"}),
        ("envelope_from", {"envelope_from": "a\nb@c"}),
        ("message_id", {"message_id": "%0d%0a@c"}),
        ("in_reply_to", {"in_reply_to": "=?utf-8?q?x?=@c"}),
        ("unsubscribe.url", {"unsubscribe": Unsubscribe(url="https://example.org/%0D%0A")}),
    ],
)
def test_the_error_names_the_field(field: str, parts: dict[str, object]) -> None:
    with pytest.raises(InvalidInput) as caught:
        _message(**parts)
    assert caught.value.field == field


def _forced(value: object, **parts: str) -> object:
    """A value that got past its own checks."""
    for name, text in parts.items():
        object.__setattr__(value, name, text)
    return value


HOSTILE = "x\r\nBcc: evil@example.net"


@pytest.mark.parametrize(
    "parts",
    [
        {"to": _forced(Address("b", "example.org"), name=HOSTILE)},
        {"to": _forced(Address("b", "example.org"), spec=HOSTILE)},
        {"from_": _forced(Address("b", "example.org"), spec=HOSTILE)},
        {"cc": _forced(Group("g"), name=HOSTILE)},
        {"unsubscribe": _forced(Unsubscribe(url="https://example.org"), url=HOSTILE)},
        {"attachments": [_forced(Attachment("a", b"x"), filename=HOSTILE)]},
        {"attachments": [_forced(Attachment("a", b"x"), content_type=HOSTILE)]},
        {"html": "x", "attachments": [_forced(Attachment("a", b"x", content_id="c"), content_id=HOSTILE)]},
    ],
    ids="-".join,
)
def test_what_got_past_the_model_is_stopped_where_bytes_are_made(parts: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        _message(**parts)


@pytest.mark.parametrize("name", ["subject", "from_name", "message_id", "in_reply_to"])
def test_a_forced_text_of_the_message_is_stopped_where_bytes_are_made(name: str) -> None:
    message = Message(to="b@example.org", text="x")
    _forced(message, **{name: HOSTILE})
    with pytest.raises(InvalidHeader):
        made(message)


@pytest.mark.parametrize(
    "fields",
    [
        ["A: b\r\nBcc: c"],
        ["A: b\nBcc: c"],
        ["A: b\rBcc: c"],
        ["A: b\r\n"],
        ["A: b\r\n\r\nbody"],
        ["A: b\r\n c\n d"],
        ["A: \0"],
        ["A: \x1b[0m"],
        ["A: é\x85"],
        ["A: é\u202e"],
        ["A: é\0"],
        ["A: b", " c"],
    ],
)
def test_a_header_block_has_exactly_the_fields_it_was_given(fields: list[str]) -> None:
    with pytest.raises(InvalidHeader):
        header_block(fields)


def test_a_header_block_takes_folded_and_international_fields() -> None:
    assert header_block(["A: b\r\n c", "To: é@example.org"]) == "A: b\r\n c\r\nTo: é@example.org".encode()


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_a_body_becomes_no_header_and_no_part(text: str, html: str) -> None:
    hostile = f"{text}\r\n\r\nBcc: evil@example.net\r\n.\r\nMAIL FROM:<x>\r\n"
    composed = _message(text=hostile, html=html)
    assert "Bcc" not in header_names(composed)
    assert shape(judged(composed)) == ("multipart/alternative", ["text/plain", "text/html"])
    parsed = email.message_from_bytes(composed.content, policy=email.policy.compat32)
    assert [part["Bcc"] for part in parsed.walk()] == [None, None, None]


@given(st.text(), st.text(), st.text(), st.text())
def test_wild_input_makes_a_sound_message_or_an_error_of_ours(subject: str, name: str, value: str, file: str) -> None:
    try:
        composed = made(
            Message(
                to="b@example.org",
                text="x",
                subject=subject,
                from_name=name,
                headers={"X-Custom": value},
                attachments={file: b"x"},
            )
        )
    except InvalidInput:
        assert any(UNSAFE.search(text) for text in (subject, name, value, file))
        return
    assert not any(UNSAFE.search(text) for text in (subject, name, value, file))
    expected = ["Date", "From", "To", *(["Subject"] if subject else []), "Message-ID", "X-Custom"]
    assert header_names(composed) == [*expected, "MIME-Version", "Content-Type"]
    _no_decoded_value_has_a_control_character(composed)
