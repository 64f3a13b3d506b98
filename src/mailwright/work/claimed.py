"""What a worker gets from a queue, and what it gives back."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Held(NamedTuple):
    """A row under a lease. The token is the fence: a row that somebody else claimed since has another one."""

    id: str
    token: int


class Claimed(NamedTuple):
    id: str
    lane: str
    #: this attempt included: it is counted before the work starts, so that work that kills its worker ends too
    attempts: int
    token: int
    #: `clock.steady_clock()` when the lease ends, a little early. What cannot be fenced must not be done after it
    deadline: float
    #: Its lease ended while somebody held it, so its work may have been done in part. Such a row is claimed whatever
    #: the state of its lane and outside its budget: look at what is known about it, then settle or release it.
    recovered: bool
    #: every column of the row, after the claim
    row: Mapping[str, Any]

    @property
    def held(self) -> Held:
        return Held(self.id, self.token)


class Done(NamedTuple):
    """It is out of the queue."""

    outcome: str = ""


class Retry(NamedTuple):
    """Another attempt. A wait and no time: the clock that rows live by may not be ours."""

    wait_seconds: float
    outcome: str = ""


class Dead(NamedTuple):
    """It is given up: no more attempts by itself."""

    reason: str


Outcome = Done | Retry | Dead


class Settlement(NamedTuple):
    """What came of a task. Fenced: nothing is written when somebody else has claimed it since."""

    held: Held
    outcome: Outcome
