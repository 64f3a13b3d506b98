"""What a use case wants to have written, as values. `store.commit` writes a list of them in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mailwright.model.access import ApiToken
from mailwright.model.account_record import AccountRecord
from mailwright.model.bulk import BulkJob
from mailwright.model.event import Event
from mailwright.model.outbox import MessageState
from mailwright.model.suppression import Suppression
from mailwright.model.webhook import WebhookEndpoint, WebhookHealth
from mailwright.model.workspace import Workspace

# Times are microseconds since 1970: these are the values of rows.


class Idempotent(NamedTuple):
    """Insert or return: with the same fingerprint the whole change is dropped and `ref` of the first one returned;
    with another it is an IdempotencyConflict."""

    workspace: str
    key: str
    fingerprint: bytes


class AddMessage(NamedTuple):
    """Accepts a message: its immutable half, its delivery, its recipients' look-up and its event.

    A NamedTuple like everything on the fast path. The body is durable before.
    """

    id: str
    workspace: str
    account: str
    lane: str
    created_at: int
    due: int
    expires_at: int
    priority: int
    uncertain: str
    envelope_from: str
    from_: str
    subject: str
    header_id: str
    size: int
    body_ref: str
    #: JSON texts, made by whoever makes the change
    transport: str
    recipients: str
    tags: str
    #: addresses in lower case, for the look-up
    addresses: tuple[str, ...]
    event: Event
    #: HELD for a message that is accepted and waits for a release; else READY or SCHEDULED by `due`
    held: bool = False
    idempotent: Idempotent | None = None
    bulk: str = ""
    bulk_index: int = 0


class MarkDot(NamedTuple):
    """The final dot is about to be handed to the socket. Fenced by the lease."""

    id: str
    token: int
    at: int


class Settle(NamedTuple):
    """What came of an attempt. Fenced by the lease: when the row was claimed by somebody else since, nothing of it is
    written, the events neither."""

    id: str
    token: int
    #: QUEUED: another attempt at `due`
    state: MessageState
    due: int
    #: JSON texts
    recipients: str
    failure: str | None
    response: str | None
    settled_at: int
    events: tuple[Event, ...]
    #: the attempt costs nothing: the account failed, not the message
    free: bool = False
    #: waits for a person (uncertain, policy hold)
    held: bool = False
    #: moves to the lane of another account; empty: stays
    lane: str = ""


class RenewedLease(NamedTuple):
    id: str
    token: int
    until: int


@dataclass(frozen=True, slots=True)
class AddEvent:
    event: Event


@dataclass(frozen=True, slots=True)
class AddTask:
    """Work for later: a webhook to deliver, a sweep."""

    id: str
    workspace: str
    kind: str
    lane: str
    ref: str
    due: int
    payload: Mapping[str, Any] = field(default_factory=dict)
    priority: int = 1


@dataclass(frozen=True, slots=True)
class AddAudit:
    """Number, hash and previous hash are given by the store, in one order for all."""

    at: int
    actor: str
    workspace: str
    action: str
    target: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PutWorkspace:
    """`expected` 0: it must not exist (AlreadyExists); else the version it must have (VersionConflict)."""

    workspace: Workspace
    expected: int


@dataclass(frozen=True, slots=True)
class DropWorkspace:
    """With everything in it. The default workspace stays (WrongState)."""

    workspace: str


@dataclass(frozen=True, slots=True)
class PutAccount:
    """With its lane: pause and limits are written there too."""

    record: AccountRecord
    expected: int


@dataclass(frozen=True, slots=True)
class DropAccount:
    """With its secrets and its lane. Messages that wait are cancelled, in the same transaction, with their events."""

    workspace: str
    id: str
    now: int


@dataclass(frozen=True, slots=True)
class PauseLane:
    id: str
    paused: bool


@dataclass(frozen=True, slots=True)
class ParkLane:
    """Nothing is claimed from the lane before `until`. `parked` is the JSON that people read; None: works again."""

    id: str
    until: int
    parked: str | None


@dataclass(frozen=True, slots=True)
class MoveLane:
    """Deliveries that wait in one lane wait in another from now on: the fallback of an account that is parked."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class CancelMessages:
    """Those that no courier holds. The answer is how many and which."""

    workspace: str
    ids: Sequence[str]
    now: int


@dataclass(frozen=True, slots=True)
class ExpireMessages:
    """Those that wait past their end, at most so many. The answer is which."""

    now: int
    limit: int


@dataclass(frozen=True, slots=True)
class RetryMessages:
    """Failed, expired, cancelled, held or waiting messages are due now, with a full count of attempts.

    Only recipients that nobody accepted are tried again. An uncertain one is `RELEASED` by this on purpose.
    """

    workspace: str
    ids: Sequence[str]
    now: int


@dataclass(frozen=True, slots=True)
class DecideUncertain:
    """A person says what is true: it was sent, or it was not and is given up (False)."""

    workspace: str
    id: str
    sent: bool
    now: int


@dataclass(frozen=True, slots=True)
class PutToken:
    token: ApiToken
    hash: bytes


@dataclass(frozen=True, slots=True)
class RevokeToken:
    id: str
    now: int


@dataclass(frozen=True, slots=True)
class TokensUsed:
    """Last uses, gathered: one write for many requests."""

    used: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class PutSuppression:
    suppression: Suppression


@dataclass(frozen=True, slots=True)
class DropSuppression:
    workspace: str
    list: str
    address: str


@dataclass(frozen=True, slots=True)
class PutBulk:
    job: BulkJob


@dataclass(frozen=True, slots=True)
class AddBulkErrors:
    """(index, code, message, field) of items that were refused."""

    bulk: str
    errors: Sequence[tuple[int, str, str, str]]


@dataclass(frozen=True, slots=True)
class SetFact:
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class PutWebhook:
    """With its secrets sealed, and with its lane. `expected` as in PutAccount. Its health stays."""

    endpoint: WebhookEndpoint
    expected: int


@dataclass(frozen=True, slots=True)
class DropWebhook:
    """With its lane and its deliveries."""

    workspace: str
    id: str


@dataclass(frozen=True, slots=True)
class PutWebhookHealth:
    """`gone`: the endpoint wants no more; it is switched off, for this reason."""

    id: str
    health: WebhookHealth
    disabled_because: str = ""


@dataclass(frozen=True, slots=True)
class ReplayTasks:
    """Settled deliveries of an endpoint are due again: by id, or all since a moment (microseconds)."""

    workspace: str
    lane: str
    ids: Sequence[str]
    since: int
    now: int
