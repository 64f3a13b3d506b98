"""Writing: threads that take everything that waits and commit it as one transaction.

One commit costs a sync of the disk, however much is in it: so whoever asks while another transaction is under way
shares the next one (group commit). A caller hears of its item after that commit, never before.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, Self

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from mailwright.errors import StoreError
from mailwright.store.trouble import (
    Trouble,
    locked,
    pauses,
    refused,
    surely_rolled_back,
    trouble_of,
    unknown_outcome,
    unreachable,
)

MAX_GROUP = 256

Function = Callable[[Connection, Sequence[Any]], Sequence[Any]]
#: a result or an exception, for each item
Outcomes = list[Any]


class Waiting(NamedTuple):
    function: Function
    item: Any
    future: asyncio.Future[Any]


class _Undo(Exception):
    """The only item of a transaction came to nothing: roll back."""

    def __init__(self, outcomes: Outcomes) -> None:
        super().__init__()
        self.outcomes = outcomes


class _Unavailable(Exception):
    """It is about the database, not about an item: alone each would fare no better."""

    def __init__(self, make_error: Callable[[], StoreError]) -> None:
        super().__init__()
        #: each caller gets its own: a traceback belongs to one
        self.make_error = make_error


class Writers:
    def __init__(self, engine: Engine, threads: int, patience: float) -> None:
        self._engine = engine
        self._patience = patience
        self._queue: SimpleQueue[Waiting | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._run, name=f"mailwright-writer-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, waiting: Waiting) -> None:
        self._queue.put(waiting)

    def close(self) -> None:
        """Everything submitted before is written first. Blocks."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        with _Line(self._engine, self._patience) as line:
            last = False
            while not last:
                group, last = self._take()
                if group:
                    _answer(group, line.write(group))

    def _take(self) -> tuple[list[Waiting], bool]:
        group: list[Waiting] = []
        with contextlib.suppress(Empty):
            while len(group) < MAX_GROUP:
                waiting = self._queue.get(block=not group)
                if waiting is None:
                    return group, True
                group.append(waiting)
        return group, False


class _Line:
    """The connection of one writer thread, made again when it breaks."""

    def __init__(self, engine: Engine, patience: float) -> None:
        self._engine = engine
        self._patience = patience
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._hang_up()

    def write(self, group: Sequence[Waiting]) -> Outcomes:
        """In one transaction; when that fails, each item in one of its own."""
        try:
            return self._patiently(group)
        except _Unavailable as trouble:
            return [trouble.make_error() for _ in group]
        except Exception as error:  # noqa: BLE001 - it goes to the caller
            if len(group) == 1:
                return [_for_caller(error)]
        return [outcome for waiting in group for outcome in self.write([waiting])]

    def _patiently(self, group: Sequence[Waiting]) -> Outcomes:
        """Again while the database is locked, busy or away, as long as nothing of it can have been written."""
        deadline = time.monotonic() + self._patience
        for pause in pauses():
            try:
                return self._transaction(group)
            except DBAPIError as error:
                trouble = trouble_of(error, writing=True)
                if trouble is Trouble.STATEMENT:
                    raise
                if trouble is Trouble.CONNECTION:
                    self._hang_up()
                if time.monotonic() > deadline:
                    raise _Unavailable(unreachable if trouble is Trouble.CONNECTION else locked) from error
            time.sleep(pause)
        raise AssertionError

    def _transaction(self, group: Sequence[Waiting]) -> Outcomes:
        if self._connection is None:
            self._connection = self._engine.connect()
        transaction = self._connection.begin()
        try:
            outcomes = _apply(self._connection, group)
        except _Undo as undo:
            self._roll_back()
            return undo.outcomes
        except BaseException:
            self._roll_back()
            raise
        try:
            transaction.commit()
        except DBAPIError as error:
            self._roll_back()
            if surely_rolled_back(error):
                raise
            self._hang_up()
            raise _Unavailable(unknown_outcome) from error
        return outcomes

    def _roll_back(self) -> None:
        if self._connection is None:
            return
        try:
            self._connection.rollback()
        except DBAPIError:
            self._hang_up()

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(DBAPIError):
                connection.invalidate()
            with contextlib.suppress(DBAPIError):
                connection.close()


def _apply(connection: Connection, group: Sequence[Waiting]) -> Outcomes:
    """Calls each function once, with all of its items."""
    places: dict[Function, list[int]] = {}
    for place, waiting in enumerate(group):
        places.setdefault(waiting.function, []).append(place)
    outcomes: Outcomes = [None] * len(group)
    for function, its_places in places.items():
        results = function(connection, [group[place].item for place in its_places])
        for place, result in zip(its_places, results, strict=True):
            outcomes[place] = result
    if len(group) == 1 and isinstance(outcomes[0], Exception):
        raise _Undo(outcomes)
    return outcomes


def _for_caller(error: Exception) -> Exception:
    if not isinstance(error, DBAPIError):
        return error
    answer = refused(error)
    answer.__cause__ = error
    return answer


def _answer(group: Sequence[Waiting], outcomes: Outcomes) -> None:
    """One call for each event loop: waking it costs a system call."""
    loops: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
    for waiting, outcome in zip(group, outcomes, strict=True):
        loops.setdefault(waiting.future.get_loop(), []).append((waiting.future, outcome))
    for loop, answers in loops.items():
        # A loop that was closed has nobody left who would hear it.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_resolve, answers)


def _resolve(answers: Sequence[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, outcome in answers:
        if future.done():
            continue
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
