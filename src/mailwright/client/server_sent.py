"""Server-sent events, as they arrive in pieces (HTML Living Standard, section 9.2). Pure."""

from collections.abc import Iterator
from typing import NamedTuple

from mailwright.errors import EgressFailed, EgressReason

#: an event of ours has some hundred bytes
MAX_BYTES = 1024 * 1024


class ServerSent(NamedTuple):
    id: str
    data: str


class EventReader:
    def __init__(self) -> None:
        self._rest = bytearray()
        self._id = ""
        self._data: list[str] = []
        #: seconds to wait before coming back, as the server asks
        self.retry: float | None = None

    def feed(self, chunk: bytes) -> Iterator[ServerSent]:
        self._rest += chunk
        start = 0
        # Only these end a line here; `splitlines` knows more, and JSON may hold some of them.
        while (end := self._rest.find(b"\n", start)) >= 0:
            line = self._rest[start:end].removesuffix(b"\r").decode("utf-8", "replace")
            start = end + 1
            if line:
                self._field(line)
            elif self._data:
                yield ServerSent(self._id, "\n".join(self._data))
                self._data = []
        del self._rest[:start]
        if len(self._rest) + sum(map(len, self._data)) > MAX_BYTES:
            raise EgressFailed("the stream has an event without an end", reason=EgressReason.TOO_BIG)

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdecimal():
            self.retry = int(value) / 1000
