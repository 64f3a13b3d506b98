"""How long to wait after a failure. Chance comes as an argument, so that the answer can be tested."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Doubles from `first` up to `longest` seconds."""

    first: float
    longest: float
    #: the part of a wait that chance may take away, so that what failed together does not come back together
    jitter: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.first <= self.longest or not 0 <= self.jitter <= 1:
            raise ValueError("a backoff has 0 < first <= longest and 0 <= jitter <= 1")

    def wait(self, failures: int, chance: float) -> float:
        """Seconds after the failure of this number (1, 2, …). `chance` is at least 0 and below 1."""
        # The exponent is bounded: 2.0 ** 1024 overflows.
        full = min(self.longest, self.first * 2.0 ** min(max(0, failures - 1), 64))
        return full * (1 - self.jitter * chance)
