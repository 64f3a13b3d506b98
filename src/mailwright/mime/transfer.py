"""How the text of a body travels: as it is, as quoted-printable, or as base64 (RFC 2045 section 6)."""

import re
from binascii import b2a_qp

from mailwright.errors import InvalidBody
from mailwright.mime.base64_lines import base64_lines
from mailwright.mime.lines import MAX_LINE, overlong_line, with_line_feeds

# What may stand in a 7bit body as it is. Form feed is white space to every reader; the other controls are not text.
_PLAIN = bytes([*range(0x20, 0x7F), 0x09, 0x0A, 0x0C])
# Found from its LF backwards: a pattern that begins with one octet is searched for three times as fast as `in` does.
_TRAILING_SPACE = re.compile(rb"\n(?<=[ \t]\n)")
_SPACE_BEFORE_LINE_END = re.compile(rb"^(.{74,75})(=(?:20|09))$", re.MULTILINE)

_LEADING_DOT = re.compile(rb"\n\.(?=.{0,73}\n)")


def encode_text(text: str, token: bytes, field: str) -> tuple[str, bytes]:
    """The transfer encoding and the encoded text in CRLF lines. Text always ends with a line end, as files do.

    `token` is what the boundaries are made of: text that contains it is encoded, so that no line of it can be one.
    """
    try:
        raw = text.encode()
    except UnicodeEncodeError as error:
        raise InvalidBody(f"character {error.start} is half of a character (a lone surrogate)", field=field) from None
    raw = with_line_feeds(raw)
    if raw and raw[-1] != 0x0A:
        raw += b"\n"
    strange = len(raw.translate(None, _PLAIN))
    # Spaces at the end of a line get lost on old gateways, and with them the signature separator "-- " and
    # format=flowed; quoted-printable keeps them (RFC 2045 section 6.7, rule 3).
    trailing = _TRAILING_SPACE.search(raw) is not None
    if not (strange or trailing or token in raw) and overlong_line(raw, MAX_LINE) < 0:
        return "7bit", raw.replace(b"\n", b"\r\n")
    # Quoted-printable triples what it escapes, base64 makes everything a third longer: with the line ends of both
    # counted they meet where one octet of six needs escaping.
    if 6 * (strange + raw.count(b"=")) > len(raw):
        return "base64", base64_lines(raw.replace(b"\n", b"\r\n"))
    quoted = b2a_qp(raw, istext=True)
    # A dot at the start of a line would have to be doubled on the way (RFC 5321 section 4.5.2); written as =2E nobody
    # has to look for it again. Lines that would become too long by it keep their dot.
    quoted = _LEADING_DOT.sub(b"\n=2E", quoted)
    if quoted[:1] == b"." and quoted.find(b"\n") <= 74:
        quoted = b"=2E" + quoted[1:]
    if trailing:
        # A space that is escaped because the line ends behind it makes the line up to two octets too long.
        quoted = _SPACE_BEFORE_LINE_END.sub(rb"\1=\n\2", quoted)
    return "quoted-printable", quoted.replace(b"\n", b"\r\n")
