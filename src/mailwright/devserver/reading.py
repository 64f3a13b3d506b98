"""A caught mail made readable for people.

The parser is the standard library's: nothing of Mailwright's own is judged by it, it only shows. Our own parser comes
with receiving mail and will take its place.
"""

import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message


@dataclass(frozen=True, slots=True)
class Part:
    """An attachment, or anything else that is not the text."""

    name: str
    content_type: str
    size: int


@dataclass(frozen=True, slots=True)
class Readable:
    #: in their order, decoded, each on one line
    headers: tuple[tuple[str, str], ...]
    #: empty when there is no such part
    text: str
    html: str
    parts: tuple[Part, ...]

    def header(self, name: str) -> str:
        """The first one of that name; empty when there is none."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")


def read(raw: bytes) -> Readable:
    """Never raises, whatever the bytes: a broken mail is what people most want to look at."""
    message = message_from_bytes(raw)
    headers = tuple((name, _decoded(str(value))) for name, value in message.raw_items())
    texts: dict[str, str] = {}
    parts = []
    for leaf in _leaves(message):
        kind = leaf.get_content_type()
        content = _content(leaf)
        name = _file_name(leaf)
        if kind in ("text/plain", "text/html") and not name and kind not in texts:
            texts[kind] = _text(content, leaf)
        else:
            parts.append(Part(name, kind, len(content)))
    return Readable(headers, texts.get("text/plain", ""), texts.get("text/html", ""), tuple(parts))


def _leaves(message: Message) -> Iterator[Message]:
    return (part for part in message.walk() if not part.is_multipart())


def _content(part: Message) -> bytes:
    try:
        content = part.get_payload(decode=True)
    except (ValueError, LookupError, binascii.Error):
        content = None
    if isinstance(content, bytes):
        return content
    return str(part.get_payload()).encode(errors="surrogateescape")


def _text(content: bytes, part: Message) -> str:
    try:
        charset = str(part.get_content_charset("utf-8"))
        text = content.decode("utf-8" if charset == "us-ascii" else charset, errors="replace")
    except (LookupError, ValueError):
        text = content.decode(errors="replace")
    return _no_surrogates(text.replace("\r\n", "\n"))


def _file_name(part: Message) -> str:
    try:
        return _decoded(part.get_filename() or "")
    except (LookupError, ValueError, TypeError):
        return "?"


def _decoded(value: str) -> str:
    # The parser hands bytes beyond ASCII over as surrogates; since RFC 6532 they are UTF-8.
    text = value.encode(errors="surrogateescape").decode(errors="replace") if _encodable(value) else value
    unfolded = "".join(text.splitlines())
    try:
        pieces = [_piece(content, charset) for content, charset in decode_header(unfolded)]
    except (HeaderParseError, ValueError, LookupError):
        return _no_surrogates(unfolded)
    return _no_surrogates("".join(pieces))


def _piece(content: bytes | str, charset: str | None) -> str:
    if isinstance(content, str):
        return content
    if charset is None:
        # Plain text between encoded words: decode_header gives it back in this odd encoding.
        return content.decode("raw-unicode-escape", errors="replace")
    return content.decode(charset, errors="replace")


def _encodable(value: str) -> bool:
    return all(not "\ud800" <= char <= "\udfff" or "\udc80" <= char <= "\udcff" for char in value)


def _no_surrogates(text: str) -> str:
    return text.encode(errors="replace").decode()
