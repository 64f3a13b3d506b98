"""Whatever a person writes comes back from the standard library's parser as it was written."""

import email
import email.policy
import email.utils

import pytest
from hypothesis import example, given, strategies as st

from mailwright.errors import InvalidAddress
from mailwright.model.address import Address, Group
from mailwright.model.attachment import Attachment, Disposition
from mailwright.model.message import Message
from tests.unit.mime.support import (
    ACCOUNT,
    body_texts,
    decoded,
    header_names,
    header_texts,
    judged,
    lf,
    made,
    old_style_value,
    parsed,
    shape,
    text_of,
)

locals_ascii = st.from_regex(r"[a-z0-9!#$&'*+/^_`{|}~-]{1,20}(\.[a-z0-9]{1,10})?", fullmatch=True)
odd_locals = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=30)
names_of_hosts = st.sampled_from(["example.org", "sub.example.net", "xn--bcher-kva.example", "münchen.example"])
domains = names_of_hosts | st.just("[192.0.2.1]")
# The oracle itself cannot read an address literal in some versions, such as that of Python 3.11.2.
ORACLE_READS_LITERALS = email.utils.getaddresses(["0@[192.0.2.1]"]) == [("", "0@[192.0.2.1]")]
file_names = header_texts.filter(bool)


def oracle_reads(address: Address) -> bool:
    """The old reader of addresses also stumbles over brackets in quotes; a newer one has no excuse."""
    return ORACLE_READS_LITERALS or email.utils.getaddresses([address.spec]) == [("", address.spec)]


@st.composite
def addresses(draw: st.DrawFn, among: st.SearchStrategy[str] = domains) -> Address:
    local = draw(st.one_of(locals_ascii, odd_locals))
    try:
        return Address(local, draw(among), draw(header_texts))
    except InvalidAddress:
        return Address("plain", draw(among), draw(header_texts))


@given(header_texts)
@example("=?utf-8?q?a=0d=0aBcc:_x?=")
@example(" leading and trailing ")
@example("two  spaces " * 20)
@example("ééé" * 400)
@example("日本語の件名" * 50)
@example("w" * 2000)
@example("word " * 300 + "end")
def test_every_subject_comes_back(subject: str) -> None:
    composed = made(Message(to="b@example.org", subject=subject, text="x"))
    judged(composed)
    if subject:
        assert old_style_value(composed, "Subject") == subject
    else:
        assert "Subject" not in header_names(composed)


@given(header_texts)
def test_the_newer_parser_of_the_standard_library_agrees_about_subjects(subject: str) -> None:
    message = parsed(Message(to="b@example.org", subject=f"a{subject}z", text="x"))
    assert message["Subject"] == f"a{subject}z"


@given(st.lists(addresses().filter(oracle_reads), min_size=1, max_size=6))
def test_every_address_and_name_comes_back(recipients: list[Address]) -> None:
    composed = made(Message(to=recipients, text="x"))
    judged(composed)
    raw = str(email.message_from_bytes(composed.content, policy=email.policy.compat32)["To"])
    back = [(decoded(name), spec) for name, spec in email.utils.getaddresses([raw.replace("\r\n", "")])]
    unique = list(dict.fromkeys(recipients))
    assert [name for name, _ in back] == [one.name for one in unique]
    assert [spec for _, spec in back] == [one.spec for one in unique]


# Short names: of a name in two encoded words the newer parser keeps the space between them, against RFC 2047 6.2.
@given(header_texts.filter(lambda name: 0 < len(name.encode()) <= 15), st.lists(addresses(), max_size=4))
def test_every_group_comes_back(name: str, members: list[Address]) -> None:
    message = parsed(Message(to=[Group(name, tuple(members))], bcc="hidden@example.org", text="x"))
    (group,) = message["To"].groups
    assert group.display_name == name
    assert [one.domain for one in group.addresses] == [one.spec.rpartition("@")[2] for one in members]


@given(body_texts, body_texts)
@example("", "")
@example("no line end", "<p>x")
@example("mixed\rline\r\nends\n", "\n.\n..\n")
@example("trailing space \n" * 5 + "x" * 75 + " \n", "tab\t\n")
@example("x" * 5000, "<p>" + "é" * 5000)
@example("-- \nsignature", "a=b=c=d" * 50)
@example("\x00\x01\x0b\x7f", "\x0c")
@example("\u2028\u0085\ufeff", "\U0001f600" * 100)
@example("From me\n--=_a0123456789abcdefABCDEF\n", "--=_a0123456789abcdefABCDEF--")
def test_every_text_and_html_comes_back(text: str, html: str) -> None:
    message = parsed(Message(to="b@example.org", text=text, html=html))
    assert shape(message) == ("multipart/alternative", ["text/plain", "text/html"])
    plain, rich = message.iter_parts()
    assert text_of(plain) == lf(text)
    assert text_of(rich) == lf(html)


@given(body_texts)
def test_a_body_that_stands_alone_comes_back(text: str) -> None:
    message = parsed(Message(to="b@example.org", text=text))
    assert shape(message) == "text/plain"
    assert text_of(message) == lf(text)


@given(st.lists(st.tuples(file_names, st.binary(max_size=300)), min_size=1, max_size=4))
@example([("a" * 300 + ".txt", b"")])
@example([("été " * 500 + ".pdf", b"\x00" * 200)])
@example([("%0d%0aBcc: x", b"1"), ('quote".txt', b"2"), ("back\\slash", b"3"), ("=?utf-8?q?a=0d=0a?=", b"4")])
@example([(" blank ", b"1"), ("utf-8''x", b"2"), ("a;b=c", b"3"), ("100%", b"4"), ("it's (1).txt", b"5")])
def test_every_file_comes_back_with_its_name_and_bytes(files: list[tuple[str, bytes]]) -> None:
    attachments = [Attachment(name, data, "application/x-test") for name, data in files]
    message = parsed(Message(to="b@example.org", text="x", attachments=attachments))
    assert shape(message) == ("multipart/mixed", ["text/plain", *["application/x-test"] * len(files)])
    back = list(message.iter_attachments())
    # Not get_filename(), which strips.
    names = [part["Content-Disposition"].params["filename"] for part in back]
    assert list(zip(names, [part.get_payload(decode=True) for part in back], strict=True)) == files
    assert {part.get_content_disposition() for part in back} == {"attachment"}


@given(
    text=st.none() | body_texts,
    html=st.none() | body_texts,
    plain_only=st.booleans(),
    files=st.lists(
        st.builds(
            Attachment,
            file_names,
            st.binary(max_size=50),
            st.sampled_from(["", "image/png", "text/plain", "message/rfc822"]),
            st.sampled_from(Disposition),
            st.sampled_from(["", "logo", "photo@example.org"]),
        ),
        max_size=4,
        unique_by=lambda one: one.content_id or one.filename,
    ),
)
def test_every_structure_is_the_documented_one(
    text: str | None, html: str | None, plain_only: bool, files: list[Attachment]
) -> None:
    if text is None and (plain_only or (html is None and not files)):
        return
    message = parsed(Message(to="b@example.org", text=text, html=html, plain_only=plain_only, attachments=files))
    has_html = html is not None and not plain_only
    shown = [one for one in files if one.content_id and has_html]
    rich: object = ("multipart/related", ["text/html", *["*"] * len(shown)]) if shown else "text/html"
    bodies = [*(["text/plain"] if text is not None or not has_html else []), *([rich] if has_html else [])]
    body = bodies[0] if len(bodies) == 1 else ("multipart/alternative", bodies)
    others = len(files) - len(shown)
    expected = ("multipart/mixed", [body, *["*"] * others]) if others else body
    assert _anonymous(shape(message)) == expected


def _anonymous(found: object) -> object:
    """Types of files as "*": only bodies and containers are named."""
    if isinstance(found, tuple):
        kind, children = found
        return (kind, [_anonymous(child) for child in _bodies_first(kind, children)])
    return found


def _bodies_first(kind: str, children: list[object]) -> list[object]:
    if kind == "multipart/alternative":
        return children
    return [children[0], *["*"] * (len(children) - 1)]


@pytest.mark.parametrize(
    "name", ["Jörg", "Doe, Ann", 'The "Boss"', "a.b", "(c)", "=?utf-8?q?x?=", "山田 太郎", "x" * 200, "é" * 200, "a  b"]
)
def test_the_display_name_of_the_sender_comes_back(name: str) -> None:
    composed = made(Message(to="b@example.org", text="x", from_name=name))
    judged(composed)
    raw = str(email.message_from_bytes(composed.content, policy=email.policy.compat32)["From"])
    written, spec = email.utils.parseaddr(raw.replace("\r\n", ""))
    assert (decoded(written), spec) == (name, ACCOUNT.address.spec)
