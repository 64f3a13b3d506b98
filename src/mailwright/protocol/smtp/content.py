"""The message as it stands between DATA and the final dot."""

import re

from mailwright.errors import InvalidBody

FINAL_DOT = b".\r\n"
# Bytes that end a message early on one server and not on the next are how mail is smuggled in: a CR or LF that is
# not half of a CRLF never leaves (RFC 5321 section 2.3.8).
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n|\x00")

# A pattern that begins with one octet is searched for several times faster than bytes.replace does.
_DOT_AFTER_LINE_END = re.compile(rb"\n\.")


def checked(content: bytes) -> bytes:
    """The content, or an error when a byte in it has no place on the wire."""
    lines = content.count(b"\n")
    if content.count(b"\r") != lines or content.count(b"\r\n") != lines or b"\0" in content:
        found = _BARE.search(content)
        at = found.start() if found else 0
        raise InvalidBody(f"byte {at} is a bare CR, a bare LF or NUL", field="content")
    if content[-2:] != b"\r\n":
        raise InvalidBody("the message does not end with a line end", field="content")
    return content


def dot_stuffed(content: bytes) -> bytes:
    """A dot at the start of a line is doubled, so that no line of the message ends it (RFC 5321 section 4.5.2)."""
    if _DOT_AFTER_LINE_END.search(content) is not None:
        content = _DOT_AFTER_LINE_END.sub(b"\n..", content)
    return b"." + content if content[:1] == b"." else content
