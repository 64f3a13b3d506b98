"""How many messages of an account may leave now: the generic cell rate algorithm (ATM Forum TM 4.0, section 4.4.2).

Its whole memory is one time, `arrival_us`: when the next message would come if all came evenly. A message may be early
by `burst_us`. Kept in the row of the lane and changed in the transaction that claims, so that it holds over all nodes.
"""

from typing import NamedTuple


class LaneLimits(NamedTuple):
    lane: str
    #: None: no rate
    interval_us: int | None
    burst_us: int
    arrival_us: int
    #: None: no limit
    concurrency: int | None
    #: how many are leased now; counted only where there is a limit
    leased: int


def allowance(limits: LaneLimits, now: int, wanted: int) -> int:
    """How many of the wanted may be claimed."""
    if limits.concurrency is not None:
        wanted = min(wanted, limits.concurrency - limits.leased)
    if limits.interval_us is not None:
        spare = limits.burst_us - _ahead(limits, limits.interval_us, now)
        wanted = min(wanted, spare // limits.interval_us + 1 if spare >= 0 else 0)
    return max(0, wanted)


def charged(limits: LaneLimits, now: int, taken: int) -> int:
    """The new `arrival_us` after so many were claimed."""
    if limits.interval_us is None:
        return limits.arrival_us
    return now + _ahead(limits, limits.interval_us, now) + taken * limits.interval_us


def _ahead(limits: LaneLimits, interval: int, now: int) -> int:
    # Never further ahead than a full burst brings it: more means that the clock was set back, and without this bound
    # the lane would wait until the clock is there again.
    return min(max(0, limits.arrival_us - now), limits.burst_us + interval)
