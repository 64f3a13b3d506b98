"""Parameters of Content-Disposition, such as file names of any length in any script (RFC 2183, RFC 2231).

Only `filename` is written, no `name` on Content-Type beside it: what readers once needed there, an encoded word
inside quotes, is what RFC 2047 section 5 forbids and what makes readers disagree about the name of a file.
"""

import re
from urllib.parse import quote

# Left out of the plain form: the quote and the backslash, because readers unescape them differently; the percent
# sign, because some decode %0d where they should not: in the extended form it travels as %25.
_PLAIN = re.compile(r"[!#$&-\[\]-~](?:[ !#$&-\[\]-~]*[!#$&-\[\]-~])?\Z")
_PLAIN_LENGTH = 60
# RFC 2231 section 7 attribute-char, of what is not a letter or digit and that `quote` would escape.
_SAFE = "!#$&+^`{|}"
_SEGMENT = 58


def parameter(name: str, value: str) -> str:
    """`name=value`, quoted, extended or in numbered pieces as the value needs it; each piece on a line of its own."""
    # "=?" is kept out of the plain form because readers decode encoded words there although they must not.
    if len(value) <= _PLAIN_LENGTH and _PLAIN.match(value) and "=?" not in value:
        return f'{name}="{value}"'
    characters = [quote(character, safe=_SAFE) for character in value]
    segments, current = [], "utf-8''"
    for character in characters:
        # Whole characters only: readers exist that decode each piece by itself.
        if len(current) + len(character) > _SEGMENT:
            segments.append(current)
            current = ""
        current += character
    segments.append(current)
    if len(segments) == 1:
        return f"{name}*={segments[0]}"
    return ";\r\n ".join(f"{name}*{index}*={segment}" for index, segment in enumerate(segments))
