"""Gathering the content of a message: until the final dot after DATA, or counted octets after BDAT."""

from mailwright.protocol.smtp.server_types import Defect, ReceivedSender

_END = b"\r\n.\r\n"


class DotReader:
    """Reads up to CRLF.CRLF, and to nothing else.

    A server that also took LF.LF, or CR.CR, for the end would let a message carry a second one inside it (SMTP
    smuggling; RFC 5321 sections 4.1.1.4 and 2.3.8).
    """

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        # RFC 5321 section 4.1.1.4: the CRLF of the DATA line counts, so that a lone dot ends an empty message.
        self._held = bytearray(b"\r\n")
        self._searched = 0
        self._too_big = False

    def feed(self, data: bytes) -> bytes | None:
        """What follows the message; None when its end has not come yet."""
        self._held += data
        end = self._held.find(_END, self._searched)
        if end >= 0:
            rest = bytes(self._held[end + len(_END) :])
            del self._held[end + 2 :]
            return rest
        self._searched = max(0, len(self._held) - len(_END) + 1)
        # Dots that will be removed are not counted exactly here; `content` does.
        if self._too_big or len(self._held) > 2 * self._max_size + len(_END):
            self._too_big = True
            del self._held[: self._searched]
            self._searched = 0
        return None

    def content(self) -> bytes | None:
        """The message with its dots as written; None when it is too big."""
        if self._too_big:
            return None
        # RFC 5321 section 4.5.2: one dot goes from each line that starts with one.
        content = bytes(self._held).replace(b"\r\n.", b"\r\n")[2:]
        return content if len(content) <= self._max_size else None


class ChunkReader:
    """Gathers BDAT chunks (RFC 3030). What is refused is read all the same, to keep the place in the dialogue."""

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._held = bytearray()
        self._left = 0
        self.too_big = False
        self.count = 0

    def begin(self, octets: int) -> None:
        self._left = octets
        self.count += 1

    def feed(self, data: bytes) -> bytes | None:
        taken = data[: self._left]
        self._left -= len(taken)
        if len(self._held) + len(taken) > self._max_size:
            self.too_big = True
            self._held.clear()
        if not self.too_big:
            self._held += taken
        return None if self._left else data[len(taken) :]

    def content(self) -> bytes | None:
        return None if self.too_big else bytes(self._held)


def find_defects(content: bytes, sender: ReceivedSender) -> tuple[Defect, ...]:
    found = []
    line_ends = content.count(b"\r\n")
    if content.count(b"\n") != line_ends:
        found.append(Defect.BARE_LF)
    if content.count(b"\r") != line_ends:
        found.append(Defect.BARE_CR)
    if b"\0" in content:
        found.append(Defect.NUL)
    if max(map(len, content.split(b"\r\n"))) > 998:
        found.append(Defect.LONG_LINE)
    if not content.isascii():
        if not content.partition(b"\r\n\r\n")[0].isascii() and not sender.smtputf8:
            found.append(Defect.UNDECLARED_UTF8)
        if sender.body != "8BITMIME":
            found.append(Defect.UNDECLARED_8BIT)
    if content and not content.endswith(b"\r\n"):
        found.append(Defect.NO_FINAL_CRLF)
    return tuple(found)
