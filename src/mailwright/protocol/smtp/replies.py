"""Bytes from a server become replies (RFC 5321 section 4.2).

    reply-line = *( code "-" [text] CRLF ) code [ SP text ] CRLF
    code       = %x32-35 %x30-39 %x30-39

The limits are generous: RFC 5321 section 4.5.3.1.5 allows 512 octets a line, real servers write long URLs into
refusals. They exist so that a hostile server cannot fill the memory with one endless line or reply.
"""

import re

MAX_LINE_OCTETS = 16_384
MAX_REPLY_LINES = 512

_ONLY_LINE = re.compile(rb"[2-5][0-9][0-9] [^\r]{0,998}\Z").match


class ReplyReader:
    """Collects bytes and gives out complete replies, each as its list of lines without line ends.

    The first thing that is no reply ends it: `malformed` says why, and nothing after it is looked at, because from
    there on nobody can tell which reply answers which command.
    """

    __slots__ = ("_buffer", "_lines", "malformed")

    def __init__(self) -> None:
        self._buffer = b""
        self._lines: list[bytes] = []
        self.malformed = ""

    @property
    def buffered(self) -> bool:
        """Whether bytes are left over that belong to no complete reply."""
        return bool(self._buffer or self._lines)

    def feed(self, data: bytes) -> list[list[bytes]]:
        if self._buffer:
            data = self._buffer + data
        # QUIRK bare_lf_reply: split at LF and take a CR off where there is one.
        lines = data.split(b"\n")
        self._buffer = lines.pop()
        replies: list[list[bytes]] = []
        for ended in lines:
            line = ended[:-1] if ended[-1:] == b"\r" else ended
            if _ONLY_LINE(line) is not None and not self._lines:
                replies.append([line])  # nearly all replies, and nothing is left to check
            elif not self._take(line, replies):
                return replies
        if len(self._buffer) > MAX_LINE_OCTETS:
            self.malformed = f"a reply line is longer than {MAX_LINE_OCTETS} octets"
        return replies

    def _take(self, line: bytes, replies: list[list[bytes]]) -> bool:
        separator = line[3:4]
        code = line[:3]
        if not (code.isdigit() and b"200" <= code < b"600" and len(code) == 3 and separator in b"- "):
            self.malformed = "a line is no SMTP reply"
        elif len(line) > MAX_LINE_OCTETS:
            self.malformed = f"a reply line is longer than {MAX_LINE_OCTETS} octets"
        elif self._lines and self._lines[0][:3] != code:
            self.malformed = "the lines of one reply have different codes"
        elif len(self._lines) >= MAX_REPLY_LINES:
            self.malformed = f"a reply has more than {MAX_REPLY_LINES} lines"
        elif separator == b"-":
            self._lines.append(line)
        else:
            replies.append([*self._lines, line])
            self._lines = []
        return not self.malformed
