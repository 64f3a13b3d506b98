"""Header fields: each function makes one whole field, folded (RFC 5322 section 2.2.3), or raises.

This is where values become bytes, so this is where they are checked, whatever was checked before: plain values against
what may stand in them, everything else against what must not, and at last the block as a whole (`header_block`).
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from mailwright.errors import InvalidHeader, InvalidInput
from mailwright.mime.words import GOOD_LINE, encoded_words
from mailwright.model.address import UNSAFE, Address, Group, Recipient

#: a word that cannot be folded; leaves room for the longest field name on a line of 998
MAX_UNFOLDABLE = 900

_PLAIN = re.compile(r"[!-~](?:[ -~]*[!-~])?\Z")
_ATOM = r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+"
_PHRASE = re.compile(rf"{_ATOM}(?: {_ATOM})*\Z")
_PLAIN_NAME_LENGTH = 60
_IDENTIFIER = re.compile(r"[!-;=?-~]+\Z")
# Line ends in disguise. Nothing decodes them where they stand here; some reader further on will. An encoded word in
# an identifier has no honest use either.
_DISGUISED = re.compile(r"%0[0ad]|=\?[^?]*\?[bq]\?", re.IGNORECASE)

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_PRINTABLE_AND_CRLF = bytes([*range(0x20, 0x7F), 0x0D, 0x0A])


def checked_text(value: str, field: str) -> str:
    """No control character, line or paragraph separator, direction override or half character."""
    found = UNSAFE.search(value)
    if found is not None:
        raise InvalidHeader(f"character {found.start()} (U+{ord(found[0]):04X}) cannot stand in a header", field=field)
    return value


def checked_identifier(value: str, field: str) -> str:
    """A message id, content id or address of the web: printable, and short enough for one line."""
    if not _IDENTIFIER.match(value) or _DISGUISED.search(value):
        raise InvalidHeader("expected printable ASCII without spaces, angle brackets and line ends", field=field)
    if len(value) > MAX_UNFOLDABLE:
        raise InvalidHeader(f"longer than the {MAX_UNFOLDABLE} characters that fit on a line", field=field)
    return value


def folded(name: str, words: Sequence[str]) -> str:
    """The field with its words joined by spaces, broken before a word where a line would be too long."""
    line = f"{name}: {' '.join(words)}"
    if len(line) <= GOOD_LINE:
        return line
    lines: list[str] = []
    # A break right behind the name leaves some readers with a space before the value, so that the first word stays
    # there even on a long line; but not an encoded word, whose line must not be long (RFC 2047 section 2).
    line, *words = (f"{name}:", *words) if words[0].startswith("=?") else (f"{name}: {words[0]}", *words[1:])
    for word in words:
        if len(line) + 1 + len(word) > GOOD_LINE:
            lines.append(line)
            line = ""
        line = f"{line} {word}"
    lines.append(line)
    return "\r\n".join(lines)


def text_field(name: str, value: str, field: str) -> str:
    """Unstructured text (RFC 5322 section 3.6.5), in encoded words where it is not plain."""
    if not value:
        return f"{name}:"
    # What looks like an encoded word would be decoded by the reader: as text it has to be encoded itself.
    if _PLAIN.match(value) and "=?" not in value:
        if len(name) + 2 + len(value) <= GOOD_LINE:
            return f"{name}: {value}"
        words = value.split(" ")
        # Two spaces in a row could end up alone on a line, which ends the header for some readers.
        if "" not in words and max(map(len, words)) <= MAX_UNFOLDABLE:
            return folded(name, words)
    checked_text(value, field)
    return folded(name, encoded_words(value, GOOD_LINE - len(name) - len(": ")))


@lru_cache(maxsize=1024)
def _phrase(name: str, field: str) -> tuple[str, ...]:
    """A display name: atoms, a quoted string, or encoded words (RFC 5322 section 3.2.5, RFC 2047 section 5)."""
    if len(name) <= _PLAIN_NAME_LENGTH and "=?" not in name:
        if _PHRASE.match(name):
            return (name,)
        if _PLAIN.match(name):
            escaped = name.replace("\\", "\\\\").replace('"', '\\"')
            return (f'"{escaped}"',)
    return encoded_words(checked_text(name, field))


def _mailbox(address: Address, field: str, name: str = "") -> tuple[str, ...]:
    name = name or address.name
    return (*_phrase(name, field), f"<{address.spec}>") if name else (address.spec,)


@lru_cache(maxsize=1024)  # the same few senders for all messages
def mailbox_field(name: str, address: Address, display_name: str, display_field: str) -> str:
    return folded(name, _mailbox(address, display_field, display_name))


def address_field(name: str, recipients: Iterable[Recipient], field: str) -> str:
    """Mailboxes and groups, with commas between them (RFC 5322 section 3.4)."""
    words: list[str] = []
    for recipient in recipients:
        if words:
            words[-1] += ","
        words += _group(recipient, field) if isinstance(recipient, Group) else _mailbox(recipient, field)
    return folded(name, words)


def _group(group: Group, field: str) -> list[str]:
    words = list(_phrase(group.name, field))
    if words[-1].endswith("?="):
        words.append(":")  # RFC 2047 section 5 (3): white space between an encoded word and a special
    else:
        words[-1] += ":"
    for index, member in enumerate(group.members):
        if index:
            words[-1] += ","
        words += _mailbox(member, field)
    words[-1] += ";"
    return words


def identifier_field(name: str, identifiers: Iterable[str], field: str) -> str:
    """Message ids, each in angle brackets (RFC 5322 section 3.6.4)."""
    return folded(name, [f"<{checked_identifier(identifier, field)}>" for identifier in identifiers])


def date_field(moment: datetime) -> str:
    """RFC 5322 section 3.3, with the zone that the moment was given in."""
    # Equal moments of two zones are one key without the offset. Whoever gives the same object for all messages of a
    # second gets the field for the price of a look-up.
    return _date_field(moment, moment.utcoffset())


@lru_cache(maxsize=64)
def _date_field(moment: datetime, offset: timedelta | None) -> str:
    if offset is None:
        raise InvalidInput("the date has no time zone", field="date", hint="datetime.now(timezone.utc)")
    if offset.total_seconds() % 60:
        # The zones of past centuries have seconds, for which the field has no place.
        return date_field(moment.astimezone(UTC))
    iso = moment.isoformat(timespec="seconds")
    # No strftime: its names of days and months are those of the locale.
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month]
    return f"Date: {day}, {iso[8:10]} {month} {iso[:4]} {iso[11:19]} {iso[19:22]}{iso[23:25]}"


def header_block(fields: Sequence[str]) -> bytes:
    """The fields in lines, without the CRLF of the last one; exactly as many fields as were given.

    The last line of defence: whatever a value held, no line begins that is not the beginning of a given field.
    """
    block = "\r\n".join(fields)
    line_ends = block.count("\r\n")
    begun = line_ends - block.count("\r\n ") + 1
    if begun != len(fields) or block.count("\n") != line_ends or block.count("\r") != line_ends:
        raise InvalidHeader("a value would have become a header of its own", field="headers")
    raw = block.encode()
    if raw.translate(None, _PRINTABLE_AND_CRLF) and (block.isascii() or UNSAFE.search(block.replace("\r\n", ""))):
        raise InvalidHeader("a value has a control character in it", field="headers")
    return raw
