"""The parts of a body and how they are put together (RFC 2045, RFC 2046).

    mixed [ alternative [ text, related [ HTML, what the HTML shows ] ], attachments ]

A level that would hold one part is left out.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from mailwright.errors import InvalidAttachment, InvalidBody
from mailwright.mime.base64_lines import base64_lines
from mailwright.mime.content_types import UNKNOWN, type_of
from mailwright.mime.fields import checked_identifier, checked_text, header_block
from mailwright.mime.lines import is_canonical, with_crlf
from mailwright.mime.parameters import parameter
from mailwright.mime.scan import header_of, line_without_field
from mailwright.mime.transfer import encode_text
from mailwright.model.attachment import Attachment, Disposition
from mailwright.model.message import Message

# A pattern that begins with one octet is searched for twice as fast as `in` does.
_DOT_AFTER_LINE_END = re.compile(rb"\n\.")


class Part(NamedTuple):
    """`header` is without the CRLF of its last line; `body` is empty or ends with CRLF."""

    header: bytes
    body: list[bytes]
    #: some line of the body may start with a dot, which has to be doubled on the way
    leading_dots: bool


def body_of(message: Message, token: str) -> Part:
    html = None if message.plain_only else message.html
    text = message.text
    if text is None and html is None:
        if not message.attachments:
            raise InvalidBody("there is neither text nor HTML nor an attachment", field="text")
        text = ""
    shown, others = (
        _shown_and_others(message.attachments, has_html=html is not None) if message.attachments else ((), ())
    )
    bodies = []
    if text is not None:
        bodies.append(_text_part("plain", text, token, "text"))
    if html is not None:
        bodies.append(_html_part(html, shown, token))
    body = bodies[0] if len(bodies) == 1 else _multipart("alternative", "a", token, bodies)
    if not others:
        return body
    return _multipart("mixed", "m", token, [body, *(_file_part(one, token, shown=False) for one in others)])


def _shown_and_others(
    attachments: Sequence[Attachment], *, has_html: bool
) -> tuple[Sequence[Attachment], Sequence[Attachment]]:
    """A content id without HTML has nothing that refers to it: the file is then an attachment like any other."""
    shown = [one for one in attachments if one.content_id and has_html]
    return shown, [one for one in attachments if not (one.content_id and has_html)]


def _text_part(subtype: str, text: str, token: str, field: str) -> Part:
    encoding, data = encode_text(text, token.encode(), field)
    return Part(_text_header(subtype, encoding), [data], encoding != "base64" and _has_leading_dot(data))


@cache  # two subtypes, three encodings
def _text_header(subtype: str, encoding: str) -> bytes:
    return f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}".encode()


def _html_part(html: str, shown: Sequence[Attachment], token: str) -> Part:
    part = _text_part("html", html, token, "html")
    if not shown:
        return part
    if len({one.content_id for one in shown}) < len(shown):
        raise InvalidAttachment("two attachments have the same content id", field="attachments")
    # RFC 2387 section 3.1 asks for the type of the part that is shown.
    files = [_file_part(one, token, shown=True) for one in shown]
    return _multipart("related", "r", token, [part, *files], '; type="text/html"')


def _multipart(subtype: str, level: str, token: str, parts: Sequence[Part], parameters: str = "") -> Part:
    # "=_" can come up neither in quoted-printable nor in base64, and plain text with the token in it is encoded.
    boundary = f"=_{level}{token}"
    delimiter = f"--{boundary}\r\n".encode()
    body: list[bytes] = []
    leading_dots = False
    for part in parts:
        # The CRLF before a delimiter belongs to the delimiter (RFC 2046 section 5.1.1).
        body += (b"\r\n" if body else b"", delimiter, part.header, b"\r\n\r\n", *part.body)
        leading_dots = leading_dots or part.leading_dots
    body.append(f"\r\n--{boundary}--\r\n".encode())
    header = f'Content-Type: multipart/{subtype}{parameters};\r\n boundary="{boundary}"'
    return Part(header.encode(), body, leading_dots)


def _file_part(attachment: Attachment, token: str, *, shown: bool) -> Part:
    content_type, encoding, data = _encode_file(attachment, token)
    disposition = Disposition.INLINE if shown else attachment.disposition
    if attachment.content_id and not shown:
        disposition = Disposition.ATTACHMENT
    described = f"Content-Disposition: {disposition.value}"
    if attachment.filename:
        described += ";\r\n " + parameter("filename", checked_text(attachment.filename, "attachments.filename"))
    fields = [f"Content-Type: {content_type}", f"Content-Transfer-Encoding: {encoding}", described]
    if shown:
        fields.append(f"Content-ID: <{checked_identifier(attachment.content_id, 'attachments.content_id')}>")
    return Part(header_block(fields), [data], encoding != "base64" and _has_leading_dot(data))


def _encode_file(attachment: Attachment, token: str) -> tuple[str, str, bytes]:
    content_type = attachment.content_type or type_of(attachment.filename)
    kind = content_type.lower()
    if kind.startswith("multipart/"):
        raise InvalidAttachment(f"{content_type} is a structure of parts, not a file", field="attachments")
    if kind.startswith("message/") and kind != "message/global":
        # RFC 2046 section 5.2.1: no encoding may cover a message. One that is not 7bit as it stands goes as a file:
        # so it arrives byte for byte, also through servers without 8BITMIME.
        data = with_crlf(attachment.data)
        if _is_seven_bit(data) and token.encode() not in data and not line_without_field(header_of(data)):
            return content_type, "7bit", data
        content_type = UNKNOWN
    elif kind.startswith("text/") and not attachment.data.isascii() and _is_utf8(attachment.data):
        # Without it the text is ASCII by definition (RFC 2046 section 4.1.2). Bytes in another charset stay
        # unlabelled: to guess would be worse.
        content_type += "; charset=utf-8"
    return content_type, "base64", base64_lines(attachment.data)


def _has_leading_dot(data: bytes) -> bool:
    return data.startswith(b".") or _DOT_AFTER_LINE_END.search(data) is not None


def _is_seven_bit(data: bytes) -> bool:
    return data.isascii() and b"\0" not in data and is_canonical(data)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
