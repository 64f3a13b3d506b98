"""How much one token may ask for: calls in a second, and calls at once. On this node, in memory."""

from mailwright.api.settings import ApiSettings
from mailwright.errors import LimitExceeded

#: tokens that were seen, before those at rest are forgotten
_MANY = 1000


class _Use:
    __slots__ = ("arrival", "under_way")

    def __init__(self) -> None:
        #: the theoretical arrival time of the generic cell rate algorithm
        self.arrival = 0.0
        self.under_way = 0


class Gate:
    def __init__(self, settings: ApiSettings) -> None:
        self._interval = 1 / settings.requests_per_second
        self._ahead = settings.burst * self._interval
        self._concurrency = settings.concurrency
        self._uses: dict[str, _Use] = {}

    def enter(self, actor: str, now: float) -> None:
        """Every call that was let in has to `leave`."""
        use = self._uses.get(actor)
        if use is None:
            if len(self._uses) >= _MANY:
                self._forget(now)
            use = self._uses[actor] = _Use()
        if use.under_way >= self._concurrency:
            raise _too_much(f"{use.under_way} calls of this token are under way", 1.0)
        arrival = max(use.arrival, now)
        if arrival - now > self._ahead:
            raise _too_much("this token calls too often", arrival - now - self._ahead)
        use.arrival = arrival + self._interval
        use.under_way += 1

    def leave(self, actor: str) -> None:
        self._uses[actor].under_way -= 1

    @property
    def under_way(self) -> int:
        return sum(use.under_way for use in self._uses.values())

    def _forget(self, now: float) -> None:
        self._uses = {actor: use for actor, use in self._uses.items() if use.under_way or use.arrival > now}


def _too_much(message: str, seconds: float) -> LimitExceeded:
    error = LimitExceeded(message, hint="try again after the time that Retry-After says")
    error.retry_after = seconds
    return error
