"""What came of a message: composed bytes on their way, and the server's whole answer."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from mailwright.errors import InvalidInput
from mailwright.model.address import Address
from mailwright.reply import Reply


class Envelope(NamedTuple):
    """Who the server is told about. `sender` None is the empty reverse path (RFC 5321 section 4.5.5)."""

    sender: Address | None
    recipients: tuple[Address, ...]


class DsnReturn(StrEnum):
    """How much of the message a bounce carries (RFC 3461 section 4.3)."""

    FULL = "FULL"
    HEADERS = "HDRS"


class DsnNotify(StrEnum):
    """When the server reports on a recipient (RFC 3461 section 4.1)."""

    NEVER = "NEVER"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    DELAY = "DELAY"


# RFC 3461 section 4.4: printable US-ASCII, white space being the space.
_ENVELOPE_ID = re.compile(r"[ -~]*\Z")
#: RFC 3461 section 4.4, counted as it travels: in xtext, where these characters take three (section 4)
MAX_ENVELOPE_ID = 100
_ESCAPED = " +="


@dataclass(frozen=True, slots=True)
class DsnOptions:
    """Delivery status notifications asked for. Sent only to servers that offer DSN (RFC 3461)."""

    notify: tuple[DsnNotify, ...] = ()
    returns: DsnReturn | None = None
    #: comes back in the report; printable ASCII, at most 100 characters, where space, + and = count three
    envelope_id: str = ""

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "notify", tuple(dict.fromkeys(map(DsnNotify, self.notify))))
        except ValueError:
            raise InvalidInput(f"notify is a list of {', '.join(DsnNotify)}", field="notify") from None
        if DsnNotify.NEVER in self.notify and len(self.notify) > 1:
            raise InvalidInput("NEVER excludes the others (RFC 3461 section 4.1)", field="notify")
        try:
            object.__setattr__(self, "returns", DsnReturn(self.returns) if self.returns is not None else None)
        except ValueError:
            raise InvalidInput(f"returns is one of {', '.join(DsnReturn)}", field="returns") from None
        if not _ENVELOPE_ID.match(self.envelope_id):
            raise InvalidInput("an envelope id is printable ASCII", field="envelope_id")
        if len(self.envelope_id) + 2 * sum(map(self.envelope_id.count, _ESCAPED)) > MAX_ENVELOPE_ID:
            raise InvalidInput(
                f"the envelope id is longer than {MAX_ENVELOPE_ID} characters",
                field="envelope_id",
                hint="space, + and = count three each",
            )


class Composed(NamedTuple):
    """A message as bytes, ready to go: CRLF line ends, no bare CR or LF, its envelope beside it.

    This, the envelope and the result are NamedTuples for the same reason as `Reply`: one of each is made for each
    message, and a frozen dataclass takes four times as long.
    """

    envelope: Envelope
    content: bytes
    message_id: str
    #: some address or header needs SMTPUTF8 (RFC 6531)
    needs_utf8: bool = False
    #: the bytes are not all ASCII, so the server must offer 8BITMIME (RFC 6152)
    eight_bit: bool = False
    dsn: DsnOptions | None = None
    #: made by `mime`, which guarantees what is said above; anything else is checked before it is sent
    canonical: bool = False
    #: False only when it is known that no line starts with a dot, so that nobody has to look again
    leading_dots: bool = True

    def __repr__(self) -> str:
        return f"Composed({len(self.content)} bytes, {len(self.envelope.recipients)} recipients, {self.message_id})"


class DeliveryState(StrEnum):
    SENT = "sent"
    #: some recipients were refused
    PARTLY_SENT = "partly_sent"


class Timings(NamedTuple):
    """Seconds spent in each step. `queue` is the wait for a session, opening one included."""

    queue: float
    envelope: float
    message: float


class SendResult(NamedTuple):
    """The server took the message. Nothing of what it said is thrown away."""

    message_id: str
    envelope: Envelope
    #: the reply to MAIL
    sender_reply: Reply
    #: the reply to RCPT of each recipient, in the order of the envelope
    recipient_replies: tuple[Reply, ...]
    #: the reply to DATA; None with BDAT, which has none
    data_reply: Reply | None
    #: the reply to the final dot: the one that makes it sent
    final_reply: Reply
    size: int
    server: str
    timings: Timings

    @property
    def state(self) -> DeliveryState:
        return DeliveryState.PARTLY_SENT if self.rejected else DeliveryState.SENT

    @property
    def accepted(self) -> tuple[str, ...]:
        return tuple(who.spec for who, reply in self._pairs() if reply.positive)

    @property
    def rejected(self) -> dict[str, Reply]:
        """Refused recipients and what the server said about each."""
        return {who.spec: reply for who, reply in self._pairs() if not reply.positive}

    @property
    def response(self) -> str:
        """The last thing that the server said, often with its queue id."""
        return str(self.final_reply)

    def _pairs(self) -> Iterator[tuple[Address, Reply]]:
        return zip(self.envelope.recipients, self.recipient_replies, strict=True)

    def to_json(self) -> dict[str, object]:
        return {
            "state": self.state.value,
            "message_id": self.message_id,
            "accepted": list(self.accepted),
            "rejected": list(self.rejected),
            "rejected_errors": {address: reply.to_json() for address, reply in self.rejected.items()},
            "response": self.response,
            "envelope": {
                "from": self.envelope.sender.spec if self.envelope.sender else "",
                "to": [address.spec for address in self.envelope.recipients],
            },
            "replies": {
                "mail": self.sender_reply.to_json(),
                "rcpt": [reply.to_json() for reply in self.recipient_replies],
                "data": self.data_reply.to_json() if self.data_reply else None,
                "final": self.final_reply.to_json(),
            },
            "size": self.size,
            "server": self.server,
            "timings": {
                "queue": self.timings.queue,
                "envelope": self.timings.envelope,
                "message": self.timings.message,
            },
        }
