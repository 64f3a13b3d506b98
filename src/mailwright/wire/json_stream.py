"""A long JSON array, or a line of JSON for each item, taken apart while it arrives. Pure."""

import re
from collections.abc import Iterator

from mailwright.errors import InvalidInput

# Only these say where an item ends. Base64 and most text have none of them, so that the search runs at full speed.
_MARK = re.compile(rb'["\\{}\[\],]')
_IN_TEXT = re.compile(rb'["\\]')
_BLANK = b" \t\r\n"


class LineSplitter:
    """JSON Lines: one value in each line. Blank lines are passed over."""

    def __init__(self, max_item: int) -> None:
        self._max_item = max_item
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        before = len(self._rest)
        self._rest += chunk
        start = 0
        while (end := self._rest.find(b"\n", max(start, before))) >= 0:
            line = bytes(self._rest[start:end]).strip(_BLANK)
            _check_size(len(line), self._max_item)
            start = end + 1
            if line:
                yield line
        del self._rest[:start]
        _check_size(len(self._rest), self._max_item)

    def end(self) -> Iterator[bytes]:
        line = bytes(self._rest).strip(_BLANK)
        self._rest.clear()
        if line:
            yield line


class ArraySplitter:
    """The elements of one JSON array, each as its bytes. Whether they are JSON, their decoder says."""

    def __init__(self, max_item: int) -> None:
        self._max_item = max_item
        self._rest = bytearray()
        #: where to go on looking
        self._position = 0
        #: of brackets around the position; 0: before the array, -1: behind it
        self._depth = 0
        self._in_text = False
        #: a comma was read: another element must follow
        self._owed = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        self._rest += chunk
        if self._depth == 0:
            self._open()
        if self._depth > 0:
            yield from self._elements()
        if self._depth == -1 and self._rest.strip(_BLANK):
            raise InvalidInput("there is something behind the array")
        if self._depth > 0:
            _check_size(len(self._rest), self._max_item)

    def end(self) -> Iterator[bytes]:
        if self._depth != -1:
            raise InvalidInput("the array does not end", hint="it begins with [ and ends with ]")
        return iter(())

    def _open(self) -> None:
        text = self._rest.lstrip(_BLANK)
        if not text:
            self._rest.clear()
            return
        if text[:1] != b"[":
            raise InvalidInput("this is not a JSON array", hint="or send one object in each line, as application/jsonl")
        self._rest = text[1:]
        self._depth = 1

    def _elements(self) -> Iterator[bytes]:
        """Elements that end in what has arrived; the rest stays."""
        start = 0
        while self._depth > 0:
            found = (_IN_TEXT if self._in_text else _MARK).search(self._rest, self._position)
            if found is None:
                self._position = len(self._rest)
                break
            mark, self._position = found[0], found.end()
            if mark == b"\\":
                # The character behind it may not have arrived; it means nothing here in any case.
                if self._position == len(self._rest):
                    self._position -= 1
                    break
                self._position += 1
            elif mark == b'"':
                self._in_text = not self._in_text
            elif mark in b"{[":
                self._depth += 1
            elif mark in b"}]" and self._depth > 1:
                self._depth -= 1
            elif self._depth == 1:
                element = bytes(self._rest[start : found.start()]).strip(_BLANK)
                start = self._position
                yield from self._checked(element, last=mark != b",")
        del self._rest[:start]
        self._position -= start

    def _checked(self, element: bytes, *, last: bool) -> Iterator[bytes]:
        _check_size(len(element), self._max_item)
        if element:
            yield element
        elif self._owed or not last:
            raise InvalidInput("there is a comma too many in the array")
        self._owed = not last
        if last:
            self._depth = -1


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise InvalidInput(f"one item has more than the {most} bytes allowed", hint="send it by itself")
