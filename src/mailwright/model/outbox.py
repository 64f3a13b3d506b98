"""A message on its way: its state, that of each recipient, and what may happen when nobody knows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from mailwright.errors import InvalidInput
from mailwright.reply import Phase, Reply


class MessageState(StrEnum):
    QUEUED = "queued"
    #: a courier holds it under a lease
    SENDING = "sending"
    SENT = "sent"
    #: some recipients have it, the others never will
    PARTLY_SENT = "partly_sent"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    #: the final dot was handed over and no reply was read: it may or may not be sent
    UNCERTAIN = "uncertain"

    @property
    def final(self) -> bool:
        """Nothing more happens by itself."""
        return self not in (MessageState.QUEUED, MessageState.SENDING)


class RecipientState(StrEnum):
    #: not yet answered for good; the next attempt goes to these only
    WAITING = "waiting"
    DEFERRED = "deferred"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNCERTAIN = "uncertain"
    #: on the suppression list when the message was released
    SUPPRESSED = "suppressed"

    @property
    def open(self) -> bool:
        return self in (RecipientState.WAITING, RecipientState.DEFERRED)


class UncertainPolicy(StrEnum):
    """What happens to a message whose final dot got no reply."""

    #: a person or the API decides: nothing is sent twice
    HOLD = "hold"
    #: sent again: nothing is lost, the recipient may get it twice
    RESEND = "resend"


class SendPriority(StrEnum):
    """Which message of an account leaves first. Not the header that readers see."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"

    @property
    def rank(self) -> int:
        return ("high", "normal", "low").index(self.value)


class RecipientStatus(NamedTuple):
    address: str
    state: RecipientState
    #: the last thing that a server said about this recipient
    reply: Reply | None = None


#: The default tries for four days: minutes first, because greylisting ends within some, then hours.
DEFAULT_RETRY_SECONDS = (60, 300, 600, 1200, 2400, 3600, *(7200,) * 3, *(14_400,) * 21)


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """When a deferred message is tried again. Checklist 27: an account may allow fewer attempts, down to one."""

    #: seconds to wait after the first attempt, the second, …; the length says how many retries there are
    waits: tuple[int, ...] = DEFAULT_RETRY_SECONDS

    def __post_init__(self) -> None:
        if any(wait <= 0 for wait in self.waits):
            raise InvalidInput("a wait between attempts is greater than 0", field="retry.waits")
        if len(self.waits) > 1000:
            raise InvalidInput("more than 1000 attempts help nobody", field="retry.waits")

    @classmethod
    def of_attempts(cls, retries: int) -> "RetryPlan":
        """The first `retries` waits of the default; more go on with its last one."""
        if not 0 <= retries <= 1000:
            raise InvalidInput("the number of retries is between 0 and 1000", field="retry.max_retries")
        more = max(0, retries - len(DEFAULT_RETRY_SECONDS))
        return cls((*DEFAULT_RETRY_SECONDS[:retries], *(DEFAULT_RETRY_SECONDS[-1],) * more))


@dataclass(frozen=True, slots=True)
class SendOptions:
    """What a caller may say about the sending of one message, beside the message itself."""

    #: not before; None: now
    send_at: datetime | None = None
    #: not after; then it ends as expired
    expires_at: datetime | None = None
    priority: SendPriority = SendPriority.NORMAL
    #: None: that of the account
    uncertain: UncertainPolicy | None = None
    #: the same key with the same content gives the same message, and nothing is sent twice
    idempotency_key: str = ""
    #: words of the caller, returned with the message and in events; not sent
    tags: Mapping[str, str] = field(default_factory=dict)
    #: bulk mail: one-click unsubscribe headers that lead to our page and the suppression list
    unsubscribe: bool = False
    #: the name of the list that people leave; empty: all mail of the workspace
    unsubscribe_list: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "priority", SendPriority(self.priority))
        if self.uncertain is not None:
            object.__setattr__(self, "uncertain", UncertainPolicy(self.uncertain))
        for name in ("send_at", "expires_at"):
            moment = getattr(self, name)
            if moment is not None and moment.tzinfo is None:
                raise InvalidInput("the time has no time zone", field=name, hint="such as 2030-01-31T12:00:00Z")
        if self.send_at and self.expires_at and self.expires_at <= self.send_at:
            raise InvalidInput("it would expire before it is sent", field="expires_at")
        if len(self.idempotency_key) > 255 or not self.idempotency_key.isprintable():
            raise InvalidInput("a key has at most 255 printable characters", field="idempotency_key")
        if len(self.tags) > 20 or any(len(name) > 64 or len(text) > 256 for name, text in self.tags.items()):
            raise InvalidInput("at most 20 tags, names to 64 and values to 256 characters", field="tags")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt did not settle the message: an error of ours as a value."""

    code: str
    message: str
    phase: Phase
    hint: str = ""
    server: str = ""
    reply: Reply | None = None
    #: trying again may help
    temporary: bool = False


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """What is known about an accepted message. Its body is read apart, by its id."""

    id: str
    workspace: str
    #: the account it was accepted for, and the one that sends it (its fallback, perhaps)
    account: str
    sending_account: str
    state: MessageState
    recipients: tuple[RecipientStatus, ...]
    #: envelope sender; empty: the null sender
    envelope_from: str
    from_: str
    subject: str
    #: the Message-ID header, without angle brackets
    message_id: str
    size: int
    priority: SendPriority
    uncertain: UncertainPolicy
    attempts: int
    created_at: datetime
    #: when the next attempt is due; None when there is none
    next_attempt_at: datetime | None
    expires_at: datetime | None
    settled_at: datetime | None
    last_failure: Failure | None
    idempotency_key: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    bulk: str = ""
    #: the final reply of the server that took it
    response: Reply | None = None

    def to_json(self) -> dict[str, Any]:
        from mailwright.model.outbox_json import message_to_json  # noqa: PLC0415 - it reads this module

        return message_to_json(self)
