"""What has arrived and is not understood yet: cut into command lines, or handed over as it is."""

from mailwright.protocol.smtp.server_types import Refused


class Arrived:
    def __init__(self) -> None:
        self._held = bytearray()
        self._too_long = False

    def __bool__(self) -> bool:
        return bool(self._held)

    def add(self, data: bytes) -> None:
        self._held += data

    def clear(self) -> None:
        self._held.clear()

    def take_all(self) -> bytes:
        taken = bytes(self._held)
        self._held.clear()
        return taken

    def begins_with(self, word: bytes) -> bool:
        return self._held[: len(word)].upper() == word

    def take_line(self, limit: int) -> bytes | None:
        """The next line without its CRLF; None when it is not complete. A line that cannot be used raises."""
        end = self._held.find(b"\n")
        if end < 0:
            if len(self._held) > limit:
                # Nobody gets to fill the memory with one line; what is left of it is dropped until it ends.
                self._too_long = True
                self._held.clear()
            return None
        line = bytes(self._held[: end + 1])
        del self._held[: end + 1]
        too_long, self._too_long = self._too_long or len(line) > limit, False
        if too_long:
            raise Refused(500, "5.5.2", f"The line is longer than {limit} octets")
        if not line.endswith(b"\r\n"):
            # RFC 5321 section 2.3.8. Answered rather than waited out: somebody is typing this with netcat.
            raise Refused(500, "5.5.2", "A line ends with CR LF, not with LF alone")
        return line[:-2]
