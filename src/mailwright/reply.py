"""What a server said, kept whole: code, enhanced code, every line of text, the command it answers."""

import re
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple


class Phase(StrEnum):
    """Where in a delivery something happened. The names appear in errors, results and documentation."""

    QUEUE = "queue"
    RESOLVE = "resolve"
    CONNECT = "connect"
    PROXY = "proxy"
    TLS = "tls"
    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"
    FINAL_DOT = "final_dot"
    RSET = "rset"
    QUIT = "quit"


class Reply(NamedTuple):
    """One reply of an SMTP server (RFC 5321 section 4.2).

    A NamedTuple, not a dataclass: four are made for each message on the fast path, and a tuple costs a third.
    """

    code: int
    #: the enhanced status code of RFC 3463, such as "5.1.1"; empty when the server gave none
    enhanced: str
    #: the text after the codes, lines joined by a line feed; bytes that are no UTF-8 are kept as surrogates
    text: str
    phase: Phase
    #: the command this answers, with secrets masked; empty for the greeting
    command: str

    @property
    def positive(self) -> bool:
        return 200 <= self.code < 400

    @property
    def temporary(self) -> bool:
        return 400 <= self.code < 500

    @property
    def permanent(self) -> bool:
        return self.code >= 500

    def __str__(self) -> str:
        codes = f"{self.code} {self.enhanced}" if self.enhanced else f"{self.code}"
        return one_line(f"{codes} {self.text}" if self.text else codes)

    def to_json(self) -> dict[str, object]:
        return {
            "code": self.code,
            "enhanced": self.enhanced,
            "text": printable(self.text),
            "phase": self.phase.value,
            "command": printable(self.command),
        }


# RFC 2034 section 4: the enhanced code opens the text; its class repeats the first digit of the reply code.
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:[ \t]+|\Z)")


@lru_cache(maxsize=512)
def read_line(line: bytes) -> tuple[int, str, str]:
    """Code, enhanced code and text of the only line of a reply. Servers repeat themselves: hence the cache."""
    text = line[4:].decode("utf-8", "surrogateescape")
    match = _ENHANCED.match(text)
    if match is None:
        return int(line[:3]), "", text
    return int(line[:3]), match[1], text[match.end() :]


# What `Reply(…)` does, without its way through Python: four of these for each message.
_NEW = tuple.__new__


def make_reply(lines: list[bytes], phase: Phase, command: str) -> Reply:
    """A reply from its lines, each at least three digits long: the caller has checked that."""
    if len(lines) == 1:
        return _NEW(Reply, (*read_line(lines[0]), phase, command))
    parts = [read_line(line) for line in lines]
    return Reply(parts[0][0], parts[-1][1] or parts[0][1], "\n".join(part[2] for part in parts), phase, command)


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """What a peer said, made safe for a terminal or a log: control and direction characters are spelled out."""
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]) & 0xFFFF:02x}", text)


def one_line(text: str) -> str:
    """Printable, and without line breaks: a line of a log is not for a peer to end."""
    if "\n" in text:
        text = " / ".join(line.strip() for line in text.split("\n") if line.strip())
    return printable(text)
