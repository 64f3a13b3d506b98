"""Looking at the header of finished bytes without parsing the message."""

import re

# RFC 5322 section 2.2, with the obsolete white space before the colon (section 4.5.8). Possessive: one pass.
_FIELDS = re.compile(rb"(?:[!-9;-~]++[ \t]*+:[^\r\n]*+\r\n(?:[ \t][^\r\n]*+\r\n)*+)++")
_VALUE = re.compile(rb"[ \t]*+:([^\r\n]*+(?:\r\n[ \t][^\r\n]*+)*+)")


def header_of(content: bytes) -> bytes:
    """The lines before the empty one, of canonical content."""
    end = content.find(b"\r\n\r\n")
    return content[: end + 2] if end >= 0 else content


def line_without_field(header: bytes) -> int:
    """The number of the first line that is neither a field nor its continuation; 0 when there is none."""
    good = _FIELDS.match(header)
    if good is None:
        return 1
    return 0 if good.end() == len(header) else header.count(b"\n", 0, good.end()) + 1


def value_of(name: bytes, header: bytes) -> str:
    """The unfolded value of the first field with this name, which is given in lower case; empty when there is none."""
    lines = b"\n" + header.lower()
    position = lines.find(b"\n" + name)
    while position >= 0:
        value = _VALUE.match(header, position + len(name))
        if value is not None:
            return b" ".join(value[1].split()).decode("utf-8", "replace")
        position = lines.find(b"\n" + name, position + 1)
    return ""
