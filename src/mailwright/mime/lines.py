"""Lines of a message: they end with CRLF and have at most 998 octets before it (RFC 5322 section 2.1.1)."""

import re

#: octets of a line without its CRLF
MAX_LINE = 998

# It begins with one octet, so that it is searched for at C speed; a class that excludes CR and LF at once is scanned
# byte by byte and takes ten times as long.
_BARE_LF = re.compile(rb"\n(?<!\r\n)")


def is_canonical(raw: bytes) -> bool:
    """Only CRLF line ends, the last line included, and no line too long."""
    return (
        raw.endswith(b"\r\n")
        and _BARE_LF.search(raw) is None
        and raw.count(b"\r") == raw.count(b"\n")  # so no CR is left that stands before no LF
        and overlong_line(raw, MAX_LINE + 1) < 0
    )


def with_line_feeds(raw: bytes) -> bytes:
    """Every line end, of whatever system, as one LF."""
    return raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in raw else raw


def with_crlf(raw: bytes) -> bytes:
    """Every line end as CRLF, and one at the end."""
    lines = with_line_feeds(raw).replace(b"\n", b"\r\n")
    return lines if lines.endswith(b"\r\n") else lines + b"\r\n"


def overlong_line(raw: bytes, limit: int) -> int:
    """Where a line of more than `limit` octets before its LF begins; -1 when there is none.

    It jumps from line end to line end as far as the limit reaches, so that text in short lines is hardly looked at.
    """
    position, last = 0, len(raw) - limit
    while position < last:
        found = raw.rfind(b"\n", position, position + limit + 1)
        if found < 0:
            return position
        position = found + 1
    return -1
