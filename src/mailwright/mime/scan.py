"""Looking at the header of finished bytes without parsing the message."""

import re
from collections.abc import Iterator

# RFC 5322 section 2.2, with the obsolete white space before the colon (section 4.5.8).
_FIELD = re.compile(rb"[!-9;-~]++[ \t]*+:")
# It begins with one octet, so that line ends are found at C speed and only what follows them is looked at.
_NEITHER_FIELD_NOR_MORE = re.compile(rb"\n(?!\Z|[ \t]|[!-9;-~]++[ \t]*+:)")
_VALUE = re.compile(rb"[ \t]*+:([^\r\n]*+(?:\r\n[ \t][^\r\n]*+)*)")


def header_of(content: bytes) -> bytes:
    """The lines before the empty one, of canonical content."""
    end = content.find(b"\r\n\r\n")
    return content[: end + 2] if end >= 0 else content


def line_without_field(header: bytes) -> int:
    """The number of the first line that is neither a field nor its continuation; 0 when there is none."""
    if _FIELD.match(header) is None:
        return 1
    bad = _NEITHER_FIELD_NOR_MORE.search(header)
    return 0 if bad is None else header.count(b"\n", 0, bad.start()) + 2


def value_of(name: bytes, header: bytes, lowered: bytes) -> str:
    """The unfolded value of the first field with this name; empty when there is none."""
    return next(values_of(name, header, lowered), "")


def values_of(name: bytes, header: bytes, lowered: bytes) -> Iterator[str]:
    """The unfolded value of every field with this name, which is given in lower case.

    `lowered` is the header in lower case, made once by whoever asks for several fields.
    """
    position = _begin_of(name, lowered, 0)
    while position >= 0:
        value = _VALUE.match(header, position + len(name))
        if value is not None:
            yield b" ".join(value[1].split()).decode("utf-8", "replace")
        position = _begin_of(name, lowered, position + 1)


def _begin_of(name: bytes, lowered: bytes, start: int) -> int:
    if start == 0 and lowered.startswith(name):
        return 0
    found = lowered.find(b"\n" + name, max(start - 1, 0))
    return found + 1 if found >= 0 else -1
