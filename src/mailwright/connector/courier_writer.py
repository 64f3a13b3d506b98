"""What couriers write down: marks before final dots and outcomes after them, many in one transaction."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from mailwright.errors import MailwrightError
from mailwright.model.changes import MarkDot, Settle
from mailwright.store.commit import commit
from mailwright.store.database import Database

_log = logging.getLogger(__name__)
#: before it is tried again, while the database is away
_PAUSE_SECONDS = 0.5
#: Servers answer sessions that were let go together nearly together. So many passes of the event loop without anything
#: new, some microseconds each, are cheap beside a transaction that the first of them would have for itself.
_QUIET_PASSES = 8


class Waits(Protocol):
    """Who waits for its mark."""

    def decide(self, *, marked: bool) -> None: ...


Settled = Callable[[], None]


class CourierWriter:
    """While one transaction is written, the next one comes together. So a message that is settled and the next one of
    its session, which waits for its mark, share one: a session never has two marks."""

    def __init__(self, database: Database, now: Callable[[], int]) -> None:
        self._database = database
        self._now = now
        self._settles: list[tuple[Settle, Settled]] = []
        self._marks: list[tuple[str, int, Waits]] = []
        self._task: asyncio.Task[None] | None = None
        #: For whoever else writes to many rows that this node holds. PostgreSQL locks them in any order, so that two
        #: such transactions at once end in a deadlock, a second of waiting for each.
        self.turn = asyncio.Lock()

    def settle(self, change: Settle, done: Settled) -> None:
        self._settles.append((change, done))
        self._begin()

    def mark(self, id: str, token: int, waits: Waits) -> None:
        self._marks.append((id, token, waits))
        self._begin()

    @property
    def idle(self) -> bool:
        return self._task is None

    def _begin(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._write_all())

    async def _write_all(self) -> None:
        try:
            while self._settles or self._marks:
                await self._gather()
                settles, self._settles = self._settles, []
                marks, self._marks = self._marks, []
                await self._write(settles, marks)
        finally:
            self._task = None

    async def _gather(self) -> None:
        quiet = 0
        while quiet < _QUIET_PASSES:
            before = len(self._settles) + len(self._marks)
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self._settles) + len(self._marks) == before else 0

    async def _write(self, settles: Sequence[tuple[Settle, Settled]], marks: Sequence[tuple[str, int, Waits]]) -> None:
        at = self._now()
        changes: list[Any] = [change for change, _ in settles]
        changes += [MarkDot(id, token, at) for id, token, _ in marks]
        try:
            async with self.turn:
                results = await commit(self._database, changes)
        except MailwrightError as error:
            _log.warning("%d outcomes could not be written, trying again: %s", len(settles), error.code)
            # An outcome is tried again until it is written, or until its lease is over and somebody else's. A message
            # without its mark goes back: nothing of it has left.
            self._settles[:0] = settles
            for _, _, waits in marks:
                waits.decide(marked=False)
            await asyncio.sleep(_PAUSE_SECONDS)
            return
        for _, done in settles:
            done()
        for (_, _, waits), marked in zip(marks, results[len(settles) :], strict=True):
            waits.decide(marked=bool(marked))
