"""The one place for bodies: messages on their way, arrivals, uploads. Behind it are a directory or a database.

A body is durable before the row that points at it commits, so that a crash leaves at worst a body without a row. The
sweep takes those away, and what rows point at no more.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mailwright.errors import BodyUnreadable

#: a body that was put and whose row did not commit within this time may be swept away: put it again
GRACE_SECONDS = 3600.0
#: more than any mail server takes
MAX_BODY_BYTES = 256 * 1024 * 1024

#: Given (id, ref) of some bodies, answers the refs among them that a row points at. The same id may be asked for at two
#: places, so a row counts for the ref that it has and for no other.
IsLive = Callable[[Sequence[tuple[str, str]]], Awaitable[set[str]]]
#: Given (id, old ref, new ref), makes rows that still have the old ref point at the new one, durably. A row that is
#: gone, or has another ref by now, is left as it is.
Moved = Callable[[Sequence[tuple[str, str, str]]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class SweepReport:
    #: bodies that no row pointed at
    removed: int = 0
    #: bodies that are at another place now, or under the newest key
    moved: int = 0
    freed_bytes: int = 0
    #: places that were left for another sweep: too young, in use by another process, or just emptied by moving
    postponed: int = 0
    #: places that hold something damaged: left as they are, for a person to look at
    damaged: tuple[str, ...] = ()


class BodyStore(Protocol):
    async def put_many(self, bodies: Sequence[tuple[str, bytes]]) -> list[str]:
        """Keeps each body under its id and answers a ref for each; durable when it returns.

        When it raises `BodyNotStored`, none of them may be pointed at.
        """
        ...

    async def get(self, body_id: str, ref: str) -> bytes:
        """`BodyUnreadable` when it is not there or damaged. A ref that the row had a moment ago still works."""
        ...

    async def get_many(self, bodies: Sequence[tuple[str, str]]) -> list[bytes | BodyUnreadable]:
        """One answer for each (id, ref): one that cannot be read does not hold up the others."""
        ...

    async def sweep(self, is_live: IsLive, moved: Moved, *, thorough: bool = False) -> SweepReport:
        """Gives back the space of bodies that no row points at.

        Bodies younger than the grace period are left alone. `thorough` leaves nothing dead beside the living, for an
        erasure, and puts all under the newest key, so that an older one can be taken away: that is so when a report
        has neither `postponed` nor `damaged`.
        """
        ...

    async def close(self) -> None: ...
