"""What the server side of SMTP talks about: its policy, its answers, its events."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from mailwright.errors import InvalidSetting
from mailwright.model.account import Mechanism
from mailwright.model.delivery import DsnNotify, DsnReturn
from mailwright.protocol.sasl.server import Users
from mailwright.reply import Phase


class Extension(StrEnum):
    """What EHLO may offer; the values are the keywords on the wire."""

    PIPELINING = "PIPELINING"  # RFC 2920
    SIZE = "SIZE"  # RFC 1870
    EIGHT_BIT_MIME = "8BITMIME"  # RFC 6152
    SMTPUTF8 = "SMTPUTF8"  # RFC 6531
    ENHANCED_STATUS_CODES = "ENHANCEDSTATUSCODES"  # RFC 2034
    DSN = "DSN"  # RFC 3461
    CHUNKING = "CHUNKING"  # RFC 3030
    STARTTLS = "STARTTLS"  # RFC 3207
    AUTH = "AUTH"  # RFC 4954


_HOSTNAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.\-]{0,252}[A-Za-z0-9])?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPolicy:
    """How the server behaves when nothing is asked to fail."""

    hostname: str = "localhost"
    extensions: frozenset[Extension] = frozenset(Extension)
    mechanisms: tuple[Mechanism, ...] = tuple(Mechanism)
    users: Users = field(default_factory=Users)
    #: MAIL needs a sign-in before it
    require_sign_in: bool = False
    #: nothing but EHLO, STARTTLS, NOOP and QUIT without TLS (RFC 3207 section 4)
    require_tls: bool = False
    #: AUTH is offered on encrypted connections only
    auth_needs_tls: bool = False
    #: octets of a message; more is read, thrown away and refused
    max_size: int = 64 * 1024 * 1024
    #: RFC 5321 section 4.5.3.1.8: at least 100
    max_recipients: int = 1000
    #: octets of a command with its CRLF: the 512 of RFC 5321 section 4.5.3.1.4 and what extensions add to them
    max_command: int = 2048
    #: octets of AUTH and of its responses (RFC 4954 section 4)
    max_auth_line: int = 12288
    #: commands that are not understood before the connection is closed
    max_mistakes: int = 20
    #: a CR or LF that is no half of a CRLF gets the message refused; else it is only recorded
    refuse_bare_newlines: bool = True
    #: messages on one connection, then 421; 0: any number
    max_messages: int = 0

    def __post_init__(self) -> None:
        if not _HOSTNAME.match(self.hostname):
            raise InvalidSetting(f"{self.hostname!r} is not a host name", field="hostname")
        for name in ("max_size", "max_recipients", "max_command", "max_auth_line", "max_mistakes"):
            if getattr(self, name) < 1:
                raise InvalidSetting("this limit is at least 1", field=name)


class Answer(NamedTuple):
    """What the server says to one command."""

    code: int
    #: RFC 3463; empty where RFC 2034 section 4 wants none
    enhanced: str
    text: str


class CloseReason(StrEnum):
    """Why the server ends the connection."""

    QUIT = "QUIT"
    REFUSED = "421 was answered"
    TOO_MANY_MISTAKES = "too many commands that cannot be understood"
    TOO_MANY_MESSAGES = "the messages for one connection are used up"
    #: RFC 3207 section 6: what stands behind STARTTLS in clear text may be somebody else's
    BYTES_BEHIND_STARTTLS = "bytes followed STARTTLS before TLS began"
    #: without the length there is no telling where the next command begins
    UNREADABLE_BDAT = "the length of a BDAT cannot be read"


class Refused(Exception):
    """A command that cannot be done; carries what the client is told."""

    def __init__(self, code: int, enhanced: str, text: str, closes: CloseReason | None = None) -> None:
        self.answer = Answer(code, enhanced, text)
        #: set when the connection ends with this answer
        self.closes = closes
        super().__init__(text)

    @classmethod
    def closing(cls, reason: CloseReason) -> "Refused":
        # RFC 5321 section 3.8: 421 is what a server says before it closes a connection by itself.
        return cls(421, "4.7.0", f"Closing the connection: {reason}", reason)


class Defect(StrEnum):
    """What is wrong with the bytes of a message that was taken or refused."""

    #: an LF without its CR (RFC 5321 section 2.3.8)
    BARE_LF = "bare LF"
    #: a CR without its LF
    BARE_CR = "bare CR"
    NUL = "NUL"
    #: over 998 octets before the CRLF (RFC 5321 section 4.5.3.1.6, RFC 5322 section 2.1.1)
    LONG_LINE = "line over 998 octets"
    #: octets over 127 without BODY=8BITMIME (RFC 6152 section 3)
    UNDECLARED_8BIT = "8-bit content without BODY=8BITMIME"
    #: octets over 127 in the header section without SMTPUTF8 (RFC 6531 section 3.2)
    UNDECLARED_UTF8 = "non-ASCII header without SMTPUTF8"
    #: BDAT content that does not end with CRLF
    NO_FINAL_CRLF = "no line end at the end"


@dataclass(frozen=True, slots=True)
class ReceivedSender:
    """The parameters of MAIL. `address` is empty for the null sender."""

    address: str
    #: what the client said the message has; None when it did not say
    size: int | None = None
    #: 7BIT or 8BITMIME; empty when not given
    body: str = ""
    smtputf8: bool = False
    returns: DsnReturn | None = None
    envelope_id: str = ""
    #: RFC 4954 section 5; empty when not given
    auth: str = ""


@dataclass(frozen=True, slots=True)
class ReceivedRecipient:
    """The parameters of RCPT."""

    address: str
    notify: tuple[DsnNotify, ...] = ()
    #: RFC 3461 section 4.2, xtext decoded: `rfc822;ann@example.org`; empty when not given
    original: str = ""


@dataclass(frozen=True, slots=True)
class ReceivedEnvelope:
    sender: ReceivedSender
    recipients: tuple[ReceivedRecipient, ...]

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(recipient.address for recipient in self.recipients)


@dataclass(frozen=True, slots=True)
class Connected:
    """The client waits for the greeting."""

    phase = Phase.GREETING


@dataclass(frozen=True, slots=True)
class Hello:
    phase = Phase.EHLO
    name: str
    #: EHLO, not HELO
    extended: bool


@dataclass(frozen=True, slots=True)
class StartTls:
    """When this is accepted, the owner flushes, makes TLS and then calls `tls_established()`."""

    phase = Phase.STARTTLS


@dataclass(frozen=True, slots=True)
class SignInEnded:
    phase = Phase.AUTH
    mechanism: Mechanism
    user: str


@dataclass(frozen=True, slots=True)
class MailBegun:
    phase = Phase.MAIL
    sender: ReceivedSender


@dataclass(frozen=True, slots=True)
class RecipientNamed:
    phase = Phase.RCPT
    recipient: ReceivedRecipient


@dataclass(frozen=True, slots=True)
class DataAsked:
    phase = Phase.DATA


@dataclass(frozen=True, slots=True)
class ContentBegun:
    """The first octets of the message have arrived. Nothing is to be said here, but something may be done."""

    phase = Phase.BODY


@dataclass(frozen=True, slots=True)
class ChunkEnded:
    """A BDAT that is not the last is complete."""

    phase = Phase.DATA
    first: bool


@dataclass(frozen=True, slots=True)
class MessageEnded:
    """The whole message is here. Accepting it promises to keep it (RFC 5321 section 4.1.1.4)."""

    phase = Phase.FINAL_DOT
    envelope: ReceivedEnvelope
    content: bytes
    defects: tuple[Defect, ...]
    #: how many BDAT chunks it came in; 0 with DATA
    chunks: int
    #: what `proceed` will say when the message cannot be taken; None when it can
    refusal: Answer | None


@dataclass(frozen=True, slots=True)
class ResetAsked:
    phase = Phase.RSET


@dataclass(frozen=True, slots=True)
class QuitAsked:
    phase = Phase.QUIT


Event = (
    Connected
    | Hello
    | StartTls
    | SignInEnded
    | MailBegun
    | RecipientNamed
    | DataAsked
    | ContentBegun
    | ChunkEnded
    | MessageEnded
    | ResetAsked
    | QuitAsked
)


def nothing() -> None:
    """No effect."""


class Step(NamedTuple):
    """Something that the owner of the conversation settles: what it is, and what the policy would do."""

    event: Event
    #: what is said by default; None: nothing is due here
    answer: Answer | None
    #: what changes when the default is taken
    effect: Callable[[], None] = nothing
    #: what changes when something else is said
    instead: Callable[[], None] = nothing


#: what comes of a command or of content: something to settle, something to say, or nothing yet
Outcome = Step | Answer | None
