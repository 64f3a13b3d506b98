"""An account as it is kept: the account itself and what the outbox may do with it."""

import math
import re
from dataclasses import dataclass, field
from datetime import datetime

from mailwright.errors import InvalidAccount
from mailwright.model.account import Account
from mailwright.model.address_syntax import parse_address
from mailwright.model.outbox import Failure, RetryPlan, UncertainPolicy

_NAME = re.compile(r"[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]{0,98}[^\s\x00-\x1f\x7f])?\Z")


@dataclass(frozen=True, slots=True)
class SendLimits:
    """Kept over all nodes. None: no limit of ours."""

    messages_per_second: float | None = None
    #: messages that may be on their way at once
    concurrency: int | None = None

    def __post_init__(self) -> None:
        if self.messages_per_second is not None and not 0 < self.messages_per_second <= 1_000_000:
            raise InvalidAccount("the rate is greater than 0", field="limits.messages_per_second")
        if self.concurrency is not None and not 0 < self.concurrency <= 10_000:
            raise InvalidAccount("the concurrency is between 1 and 10000", field="limits.concurrency")


#: Microseconds' worth of messages that may leave at once. Claimed is not yet sent: with half a second's worth in a
#: burst and half a second of delay on the way, no second at the server sees more than twice the rate.
_BURST_US = 500_000


def lane_rate(per_second: float) -> tuple[int, int]:
    """Microseconds between two messages, rounded so that never more than the rate leaves, and how far a message may be
    ahead of them: a burst of half a second's worth, of one message at least."""
    interval = math.ceil(1_000_000 / per_second)
    return interval, max(0, _BURST_US - interval)


#: What providers state or are known to allow, as a start: the operator's contract may say more.
RATE_PRESETS = {
    "gmail": SendLimits(messages_per_second=1.0, concurrency=5),
    "google-workspace": SendLimits(messages_per_second=2.0, concurrency=10),
    "microsoft-365": SendLimits(messages_per_second=0.5, concurrency=3),
    "outlook.com": SendLimits(messages_per_second=0.2, concurrency=2),
    "amazon-ses-sandbox": SendLimits(messages_per_second=1.0),
    "amazon-ses": SendLimits(messages_per_second=14.0),
    "yahoo": SendLimits(messages_per_second=0.1, concurrency=2),
    "icloud": SendLimits(messages_per_second=0.2, concurrency=2),
}


@dataclass(frozen=True, slots=True)
class Parked:
    """Sign-in, TLS or the connection fails: the queue of the account waits and loses no attempt."""

    since: datetime
    #: when one message is tried again, to see
    until: datetime
    failure: Failure
    times: int = 1


@dataclass(frozen=True, slots=True)
class AccountRecord:
    id: str
    workspace: str
    #: unique in the workspace
    name: str
    account: Account
    created_at: datetime
    updated_at: datetime
    #: goes up with each change; the ETag of the HTTP API
    version: int = 1
    limits: SendLimits = SendLimits()
    retry: RetryPlan = field(default_factory=RetryPlan)
    uncertain: UncertainPolicy = UncertainPolicy.HOLD
    #: name of the account that takes over while this one is parked; empty: none
    fallback: str = ""
    #: such as bounces@example.org: the envelope sender of each message is made unique from it (VERP), so that a bounce
    #: finds it; empty: no
    bounce_address: str = ""
    paused: bool = False
    parked: Parked | None = None

    def __post_init__(self) -> None:
        if self.bounce_address:
            parse_address(self.bounce_address, field="bounce_address")


def account_name(text: str) -> str:
    if not _NAME.match(text):
        raise InvalidAccount("an account has a name of 1 to 100 characters", field="name")
    return text
