"""Text, lists and JSON become recipients. One scanner, one pass, an error that says where.

    recipients = item *(separator item) [separator]
    item       = mailbox / group                          RFC 5322 section 3.4
    mailbox    = addr-spec / [phrase] "<" addr-spec ">"   comments anywhere (section 3.2.2)
    group      = phrase ":" [recipients] ";"
    separator  = "," / ";"                                the ";" is ours: half the world types it

Two liberties beyond the RFC, both seen daily: a separator at the end is tolerated, and an unquoted comma inside
a display name (`Doe, Ann <ann@example.org>`) is put back when the piece before it has no address of its own.
Everything else that does not parse is an error with its position; nothing is ever dropped silently.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from mailwright.errors import InvalidAddress
from mailwright.model.address import Address, Group, Recipient, shortened

#: what the constructors of messages accept for recipients
RecipientsInput = str | Address | Group | Mapping[str, object] | Iterable[object] | None
Separator = Literal["auto", "comma", "semicolon"]

_SEPARATORS: dict[Separator, str] = {"auto": ",;", "comma": ",", "semicolon": ";"}

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-]++(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-]++)*"
_DOMAIN = r"[A-Za-z0-9](?:[A-Za-z0-9.\-]*[A-Za-z0-9])?"
# Nine of ten recipients look like this; the scanner gives the same answer ten times slower. Possessive: spaces that a
# name could take back would cost the square of their number. (Never a possessive group: before Python 3.11.5 it keeps
# half of an iteration that failed.)
_SIMPLE = re.compile(
    rf"[ \t]*+(?:([^\"(),:;<>@\[\]\\\x00-\x1f\x7f]*+)<({_ATOM})@({_DOMAIN})>|({_ATOM})@({_DOMAIN}))[ \t]*\Z"
)
_TOKEN = re.compile(
    r"""(?P<space>[ \t]+)
      | (?P<quoted>"(?:[^"\\\r\n]|\\[^\r\n])*")
      | (?P<literal>\[[^\[\]\\\r\n]*\])
      | (?P<text>[^\x00-\x20"(),:;<>\[\]\\\x7f]+)
      | (?P<mark>[(),:;<>])""",
    re.VERBOSE,
)
_BACKSLASHED = re.compile(r"\\(.)", re.DOTALL)


def parse_recipients(
    value: RecipientsInput, *, field: str = "", separator: Separator = "auto", lenient: bool = False
) -> tuple[Recipient, ...]:
    """Recipients in their order, exact duplicates dropped. `lenient` drops what cannot be read instead of raising."""
    if type(value) is str:
        simple = _SIMPLE.match(value)
        if simple is not None:
            try:
                return (_simple_address(simple),)
            except InvalidAddress:
                pass  # said again below, with the field
    found: dict[Recipient, None] = {}
    for recipient in _read(value, field, separator, lenient=lenient):
        found[recipient] = None
    return tuple(found)


def parse_address(value: str | Address, *, field: str = "") -> Address:
    """Exactly one mailbox."""
    if isinstance(value, Address):
        return value
    found = parse_recipients(value, field=field)
    if len(found) != 1 or not isinstance(found[0], Address):
        raise InvalidAddress(f"expected one address, got {len(found)}", field=field)
    return found[0]


def _read(value: RecipientsInput, name: str, separator: Separator, *, lenient: bool) -> Iterator[Recipient]:
    match value:
        case None:
            return
        case Address() | Group():
            yield value
        case str():
            # No address starts with "[", so this is a JSON array, or wants to be one.
            if value.lstrip()[:1] == "[":
                yield from _read_items(_load_json(value, name), name, separator, lenient=lenient)
            else:
                yield from _guarded(lambda: parse_text(value, separator=separator), name, None, lenient=lenient)
        case Mapping():
            yield from _read_items([value], name, separator, lenient=lenient)
        case bytes() | bytearray():
            raise InvalidAddress("expected text or a list of addresses, got bytes", field=name)
        case Iterable():
            yield from _read_items(value, name, separator, lenient=lenient)
        case _:
            raise InvalidAddress(f"expected text or a list of addresses, got {type(value).__name__}", field=name)


def _load_json(text: str, name: str) -> Iterable[object]:
    try:
        loaded = json.loads(text)
    except (ValueError, RecursionError) as error:
        position = error.pos if isinstance(error, json.JSONDecodeError) else 0
        raise InvalidAddress(
            "the list of addresses is not valid JSON",
            field=name,
            position=position,
            hint='write ["ann@example.org"]',
        ) from None
    assert isinstance(loaded, list)
    return loaded


def _read_items(items: Iterable[object], name: str, separator: Separator, *, lenient: bool) -> Iterator[Recipient]:
    for index, item in enumerate(items):
        if item is None or (isinstance(item, str) and not item.strip()):
            continue  # blank rows of a form are no mistake
        if isinstance(item, Address | Group):
            yield item
        else:
            yield from _guarded(partial(_read_item, item, separator), name, index, lenient=lenient)


def _read_item(item: object, separator: Separator) -> list[Recipient]:
    if isinstance(item, str):
        return parse_text(item, separator=separator)
    if isinstance(item, Mapping):
        address = item.get("address", item.get("email"))
        display = item.get("name") or ""
        if not isinstance(address, str) or not isinstance(display, str):
            raise InvalidAddress("expected an object with the texts `address` and, optionally, `name`")
        parsed = parse_address(address)
        return [parsed.with_name(display.strip()) if display.strip() else parsed]
    raise InvalidAddress(f"expected an address, got {type(item).__name__}")


def _guarded(read: Callable[[], list[Recipient]], name: str, index: int | None, *, lenient: bool) -> list[Recipient]:
    try:
        return read()
    except InvalidAddress as error:
        if lenient:
            return []
        raise InvalidAddress(error.message, field=name, hint=error.hint, position=error.position, item=index) from None


@dataclass(slots=True)
class _Piece:
    """What stands between two separators."""

    start: int
    #: (kind, text, position); kind is "quoted", "text", "space" or "literal"
    words: list[tuple[str, str, int]] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    angle: Address | None = None
    #: some word holds an @, so that the piece may be an address by itself
    has_at: bool = False

    def add(self, kind: str, text: str, position: int) -> None:
        self.words.append((kind, text, position))
        # Asked here, word by word: asked of all words at each comma, it would cost the square of their number.
        self.has_at = self.has_at or "@" in text

    @property
    def blank(self) -> bool:
        return self.angle is None and not self.comments and all(kind == "space" for kind, _, _ in self.words)

    @property
    def begin(self) -> int:
        """Where the first word stands, behind any space."""
        return next((position for kind, _, position in self.words if kind != "space"), self.start)

    def phrase(self) -> str:
        """The words as a display name: quotes taken off, white space folded to one space."""
        out = "".join(
            _unquote(text) if kind == "quoted" else " " if kind == "space" else text for kind, text, _ in self.words
        )
        return re.sub(r"[ \t]+", " ", out).strip()


def parse_text(text: str, *, separator: Separator = "auto") -> list[Recipient]:
    """All mailboxes and groups of a text. Positions in errors count characters of the text from 0."""
    simple = _SIMPLE.match(text)
    if simple is not None:
        return [_simple_address(simple)]
    return _Scanner(text, _SEPARATORS[separator]).recipients()


def _simple_address(match: re.Match[str]) -> Address:
    name, local, domain, bare_local, bare_domain = match.groups()
    if local:
        return _address(local, domain, name.strip(), match.start(2))
    return _address(bare_local, bare_domain, "", 0)


class _Scanner:
    def __init__(self, text: str, separators: str) -> None:
        self.text = text
        self.separators = separators
        self.position = len(text) - len(text.lstrip())
        self.end = len(text.rstrip())

    def recipients(self) -> list[Recipient]:
        out: list[Recipient] = []
        piece = _Piece(self.position)
        while (mark := self._fill(piece)) is not None:
            if mark == ":":
                out.append(self._group(piece))
                piece = _Piece(self.position)
            elif mark in self.separators:
                piece = self._close(piece, mark, out)
            else:
                raise self._unexpected(mark, self.position - 1)
        self._finish(piece, out)
        return out

    def _group(self, piece: _Piece) -> Group:
        name, start = piece.phrase(), piece.start
        if not name or piece.angle is not None or "@" in name:
            raise InvalidAddress("a group needs a name before the colon", position=self.position - 1)
        members: list[Recipient] = []
        piece = _Piece(self.position)
        while (mark := self._fill(piece)) is not None:
            if mark == ";":
                self._finish(piece, members)
                return Group(name, tuple(member for member in members if isinstance(member, Address)))
            if mark != ",":
                raise self._unexpected(mark, self.position - 1)
            piece = self._close(piece, mark, members)
        hint = "a group ends with a semicolon: Team: ann@example.org, bob@example.org;"
        raise InvalidAddress(f"the group {shortened(name)} is not closed", position=start, hint=hint)

    def _close(self, piece: _Piece, mark: str, out: list[Recipient]) -> _Piece:
        """Ends a piece at a separator; returns the next one, which inherits the words of half a name."""
        if piece.blank:
            return _Piece(self.position)
        if mark == "," and piece.angle is None and not piece.has_at:
            # QUIRK unquoted_comma_in_name: `Doe, Ann <ann@example.org>` without the quotes of RFC 5322 3.4.
            piece.add("text", ",", self.position - 1)
            return piece
        self._finish(piece, out)
        return _Piece(self.position)

    def _finish(self, piece: _Piece, out: list[Recipient]) -> None:
        if not piece.blank:
            out.append(self._mailbox(piece))

    def _mailbox(self, piece: _Piece) -> Address:
        if piece.angle is not None:
            name = piece.phrase() or " ".join(piece.comments)
            return _address(piece.angle.local, piece.angle.domain, name, piece.begin)
        words = [word for word in piece.words if word[0] != "space"]
        gaps = [word for word in _strip_spaces(piece.words) if word[0] == "space"]
        if gaps and piece.has_at:
            hint = "put the address into angle brackets: Ann <ann@example.org>"
            raise InvalidAddress("unexpected space in an address", position=gaps[0][2], hint=hint)
        # `ann@example.org (Ann)`: the comment was the name before RFC 822 had angle brackets.
        return self._addr_spec(words, piece.begin, " ".join(piece.comments))

    def _addr_spec(self, words: list[tuple[str, str, int]], start: int, name: str = "") -> Address:
        """`local@domain` from its words: [quoted] text [literal]."""
        local, domain, position = "", "", start
        rest = list(words)
        if rest and rest[0][0] == "quoted":
            local = _unquote(rest.pop(0)[1])
            before, at, domain = rest.pop(0)[1].partition("@") if rest and rest[0][0] == "text" else ("", "", "")
            broken = before != ""
        else:
            text = rest.pop(0)[1] if rest and rest[0][0] == "text" else ""
            local, at, domain = text.partition("@")
            broken = False
        if rest and rest[0][0] == "literal" and at and not domain:
            domain = rest.pop(0)[1]
        if not at:
            raise InvalidAddress("an address needs an @", position=position, hint="write ann@example.org")
        if rest or broken or "@" in domain or not domain:
            bad = rest[0][2] if rest else words[-1][2] + len(words[-1][1])
            raise InvalidAddress("the part after the @ is not a domain", position=bad)
        quoted = words[0][0] == "quoted"
        return _address(local, domain, name, position, quoted=quoted)

    def _fill(self, piece: _Piece, *, in_angle: bool = False) -> str | None:
        """Reads words into the piece until a separator or colon, which it returns; None at the end."""
        while self.position < self.end:
            start = self.position
            token = _TOKEN.match(self.text, start, self.end)
            if token is None:
                raise self._unreadable(start)
            self.position = token.end()
            kind = token.lastgroup or ""
            if kind != "mark":
                if piece.angle is not None and kind != "space":
                    raise InvalidAddress("unexpected text after the address", position=start)
                if piece.angle is None:
                    piece.add(kind, token[0], start)
            elif token[0] == "(":
                piece.comments.append(self._comment(start))
            elif token[0] == "<":
                if in_angle or piece.angle is not None:
                    raise self._unexpected("<", start)
                piece.angle = self._angle(start)
            else:
                return token[0]
        return None

    def _angle(self, start: int) -> Address:
        piece = _Piece(self.position)
        mark = self._fill(piece, in_angle=True)
        if mark != ">":
            if mark is None:
                raise InvalidAddress("the < is not closed by a >", position=start)
            raise self._unexpected(mark, self.position - 1)
        words = _strip_spaces(piece.words)
        if not words:
            raise InvalidAddress("there is no address between < and >", position=start)
        spaces = [word for word in words if word[0] == "space"]
        if spaces:
            raise InvalidAddress("unexpected space in an address", position=spaces[0][2])
        return self._addr_spec(words, words[0][2])

    def _comment(self, start: int) -> str:
        """The text of a comment; comments nest (RFC 5322 section 3.2.2), counted here without recursion."""
        depth, index = 1, start + 1
        while index < self.end:
            char = self.text[index]
            if char == "\\":
                index += 1
            elif char == "(":
                depth += 1
            elif char == ")":
                depth -= 1
                if depth == 0:
                    self.position = index + 1
                    return _BACKSLASHED.sub(r"\1", self.text[start + 1 : index]).strip()
            index += 1
        raise InvalidAddress("the ( is not closed by a )", position=start)

    def _unreadable(self, start: int) -> InvalidAddress:
        char = self.text[start]
        if char == '"':
            return InvalidAddress("the quote is not closed", position=start)
        if char == "[":
            return InvalidAddress("the [ is not closed by a ]", position=start)
        if char in "\r\n":
            return InvalidAddress("a line break is not allowed here", position=start, hint="separate with , or ;")
        return self._unexpected(char, start)

    def _unexpected(self, char: str, position: int) -> InvalidAddress:
        return InvalidAddress(f"unexpected {char!r}", position=position)


def _strip_spaces(words: list[tuple[str, str, int]]) -> list[tuple[str, str, int]]:
    first, last = 0, len(words)
    while first < last and words[first][0] == "space":
        first += 1
    while last > first and words[last - 1][0] == "space":
        last -= 1
    return words[first:last]


def _unquote(text: str) -> str:
    return _BACKSLASHED.sub(r"\1", text[1:-1])


_DOTS_WRONG = re.compile(r"(?:\A|\.)(?:\.|\Z)")


def _address(local: str, domain: str, name: str, position: int, *, quoted: bool = True) -> Address:
    if not quoted and _DOTS_WRONG.search(local):
        hint = 'put it into quotes if it is right: "a..b"@example.org'
        raise InvalidAddress("dots must stand between other characters", position=position, hint=hint)
    try:
        return Address(local, domain, name)
    except InvalidAddress as error:
        raise InvalidAddress(error.message, hint=error.hint, position=position) from None
