"""Attached files: names, types and how they travel."""

import email.message
from pathlib import Path

import pytest

from mailwright.errors import InvalidAttachment
from mailwright.mime.content_types import type_of
from mailwright.mime.parameters import parameter
from mailwright.model.attachment import Attachment
from mailwright.model.message import Message
from tests.unit.mime.support import TOKEN, judged, made, parsed


def _sent(attachment: Attachment) -> email.message.EmailMessage:
    (part,) = parsed(Message(to="b@example.org", text="x", attachments=[attachment])).iter_attachments()
    assert isinstance(part, email.message.EmailMessage)
    return part


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("a.pdf", "application/pdf"),
        ("A.PDF", "application/pdf"),
        ("archive.tar.gz", "application/gzip"),
        ("Übersicht.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        ("picture.jpeg", "image/jpeg"),
        ("pdf", "application/octet-stream"),
        ("a.unknown", "application/octet-stream"),
        ("", "application/octet-stream"),
        (".txt", "text/plain"),
    ],
)
def test_the_type_comes_from_the_name_else_it_is_bytes(filename: str, expected: str) -> None:
    assert type_of(filename) == expected
    assert _sent(Attachment(filename, b"\x00\x01")).get_content_type() == expected


def test_a_type_that_was_given_wins_over_the_name() -> None:
    assert _sent(Attachment("a.pdf", b"x", "application/x-special")).get_content_type() == "application/x-special"


def test_files_given_by_name_and_value_arrive_with_name_type_and_bytes(tmp_path: Path) -> None:
    path = tmp_path / "from disk.csv"
    path.write_bytes(b"a;b\r\n1;2\r\n")
    message = parsed(
        Message(
            to="b@example.org",
            text="x",
            attachments={
                "text.txt": "grüße",
                "bytes.bin": b"\x00\xff",
                path.name: path.read_bytes(),
                "object.json": {"data": "{}", "contentType": "application/json"},
            },
        )
    )
    assert [
        (part.get_filename(), part.get_content_type(), part.get_payload(decode=True))
        for part in message.iter_attachments()
    ] == [
        ("text.txt", "text/plain", "grüße".encode()),
        ("bytes.bin", "application/octet-stream", b"\x00\xff"),
        ("from disk.csv", "text/csv", b"a;b\r\n1;2\r\n"),
        ("object.json", "application/json", b"{}"),
    ]


def test_a_plain_short_name_is_a_quoted_string() -> None:
    assert parameter("filename", "report 1.pdf") == 'filename="report 1.pdf"'


def test_a_name_beyond_ascii_is_extended() -> None:
    assert parameter("filename", "été.pdf") == "filename*=utf-8''%C3%A9t%C3%A9.pdf"


@pytest.mark.parametrize("name", ['a"b', "a\\b", "100%", " a", "a ", "=?utf-8?q?a?=", "a%0d%0ab"])
def test_a_name_that_readers_would_take_apart_differently_is_extended(name: str) -> None:
    assert parameter("filename", name).startswith("filename*=utf-8''")


def test_a_long_name_is_numbered_in_pieces_of_whole_characters() -> None:
    pieces = parameter("filename", "日" * 50).split(";\r\n ")
    assert len(pieces) > 5
    for number, piece in enumerate(pieces):
        name, _, value = piece.partition("=")
        assert name == f"filename*{number}*"
        assert len(piece) <= 76
        assert value.removeprefix("utf-8''").count("%") % 3 == 0


@pytest.mark.parametrize(
    "name", ["n" * 10_000 + ".txt", "é" * 3000, "../../etc/passwd", "C:\\x\\y.txt", "a\u200db", "-", "."]
)
def test_names_of_any_length_and_character_arrive_whole(name: str) -> None:
    part = _sent(Attachment(name, b"x"))
    assert part["Content-Disposition"].params["filename"] == name


def test_a_file_without_name_has_no_name() -> None:
    assert _sent(Attachment("", b"x", "image/png")).get_filename() is None


@pytest.mark.parametrize(
    ("data", "charset"),
    [("grüße".encode(), "utf-8"), (b"plain", None), ("grüße".encode("latin-1"), None), (b"\xff\xfea\x00", None)],
)
def test_a_text_file_is_called_utf8_only_when_it_is(data: bytes, charset: str | None) -> None:
    part = _sent(Attachment("a.txt", data))
    assert part.get_param("charset") == charset
    assert part.get_payload(decode=True) == data


def test_an_attached_message_travels_as_it_is() -> None:
    inner = made(Message(to="c@example.org", subject="inner", text="first\n.dot")).content.replace(
        TOKEN.encode(), b"fedcbaFEDCBA9876543210"
    )
    part = _sent(Attachment("mail.eml", inner))
    assert part.get_content_type() == "message/rfc822"
    assert part["Content-Transfer-Encoding"] == "7bit"
    assert part.get_content()["Subject"] == "inner"


def test_an_attached_message_with_line_feeds_gets_the_line_ends_of_mail() -> None:
    composed = made(Message(to="b@example.org", text="x", attachments={"mail.eml": b"Subject: s\n\nbody"}))
    judged(composed)
    assert b"Subject: s\r\n\r\nbody\r\n" in composed.content


@pytest.mark.parametrize(
    "data",
    [
        "Subject: s\r\n\r\ngrüße\r\n".encode(),
        b"Subject: s\r\n\r\n" + b"x" * 999 + b"\r\n",
        b"Subject: s\r\n\r\n\0\r\n",
        b"no message",
        b"",
        f"Subject: s\r\n\r\n--=_m{TOKEN}\r\n".encode(),
    ],
)
def test_an_attached_message_that_cannot_travel_as_it_is_arrives_byte_for_byte_as_a_file(data: bytes) -> None:
    part = _sent(Attachment("mail.eml", data))
    assert part.get_content_type() == "application/octet-stream"
    assert part.get_filename() == "mail.eml"
    assert part.get_payload(decode=True) == data


def test_an_international_message_may_be_encoded() -> None:
    data = "Subject: grüße\r\n\r\ngrüße\r\n".encode()
    composed = made(Message(to="b@example.org", text="x", attachments=[Attachment("m.u8msg", data, "message/global")]))
    assert composed.content.isascii()
    assert b"Content-Type: message/global\r\nContent-Transfer-Encoding: base64\r\n" in composed.content


def test_a_structure_of_parts_is_no_file() -> None:
    with pytest.raises(InvalidAttachment):
        made(Message(to="b@example.org", text="x", attachments=[Attachment("a", b"x", "Multipart/Mixed")]))
