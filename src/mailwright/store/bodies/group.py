"""Group commit: whatever waits is written together, so that one wait for the disk serves all of it."""

import asyncio
import queue
import re
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from mailwright.errors import BodyNotStored, InvalidInput, StoreError
from mailwright.files.body_store import MAX_BODY_BYTES

Body = tuple[str, bytes]
#: Stores all of them or none, and answers a ref for each. Called by one thread at a time.
Write = Callable[[Sequence[Body]], list[str]]

#: large enough that the wait for the disk is small beside it, small enough for the memory
GROUP_BYTES = 8 * 1024 * 1024

# It stands in a record and in an SQL text, and is part of the sealed value's place.
_BODY_ID = re.compile(r"[A-Za-z0-9._-]{1,128}\Z")


class _Waiting(NamedTuple):
    bodies: Sequence[Body]
    size: int
    loop: asyncio.AbstractEventLoop
    answer: "asyncio.Future[list[str]]"


class GroupWriter:
    def __init__(
        self, write: Write, *, when_idle: Callable[[], None] | None = None, idle_seconds: float | None = None
    ) -> None:
        """`when_idle` is called once when nothing came for that long, by the thread that writes."""
        self._write = write
        self._when_idle = when_idle
        self._idle_seconds = idle_seconds
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        # So that nothing gets into the queue behind the end.
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    async def put(self, bodies: Sequence[Body]) -> list[str]:
        if not bodies:
            return []
        loop = asyncio.get_running_loop()
        waiting = _Waiting(bodies, _checked_size(bodies), loop, loop.create_future())
        with self._lock:
            if self._closed:
                raise BodyNotStored("the body store is closed")
            self._queue.put(waiting)
            if self._thread is None:
                # A daemon: a program that forgets to close ends all the same, and what waits was promised to nobody.
                self._thread = threading.Thread(target=self._run, name="mailwright-bodies", daemon=True)
                self._thread.start()
        return await waiting.answer

    async def close(self) -> None:
        """What waits is still written."""
        with self._lock:
            self._closed = True
            thread = self._thread
        if thread is not None:
            self._queue.put(None)
            await asyncio.to_thread(thread.join)

    def _next(self) -> _Waiting | None:
        try:
            return self._queue.get(timeout=self._idle_seconds)
        except queue.Empty:
            if self._when_idle is not None:
                self._when_idle()
            return self._queue.get()

    def _run(self) -> None:
        while (first := self._next()) is not None:
            group = [first]
            size = first.size
            ended = False
            while size < GROUP_BYTES and not ended:
                try:
                    another = self._queue.get_nowait()
                except queue.Empty:
                    break
                if another is None:
                    ended = True
                else:
                    group.append(another)
                    size += another.size
            self._store(group)
            if ended:
                return

    def _store(self, group: list[_Waiting]) -> None:
        try:
            refs = self._write([body for waiting in group for body in waiting.bodies])
        except StoreError as error:
            problem = error if isinstance(error, BodyNotStored) else BodyNotStored(str(error))
            _answer(group, problem)
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            _answer(group, BodyNotStored(f"{type(error).__name__} while storing a body"), cause=error)
        else:
            _answer(group, refs)


def _checked_size(bodies: Sequence[Body]) -> int:
    total = 0
    for body_id, body in bodies:
        if not _BODY_ID.match(body_id):
            raise InvalidInput("a body id is 1 to 128 letters, digits, dots, hyphens and underscores", field="body_id")
        if len(body) > MAX_BODY_BYTES:
            raise InvalidInput(f"a body has {len(body)} bytes, more than {MAX_BODY_BYTES}", field="body")
        total += len(body)
    return total


def _answer(group: list[_Waiting], outcome: "list[str] | BodyNotStored", cause: Exception | None = None) -> None:
    """Wakes each event loop once, not once for each of its callers: waking it costs as much as storing a body."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[list[str]], list[str] | BodyNotStored]]] = {}
    start = 0
    for waiting in group:
        mine: list[str] | BodyNotStored
        if isinstance(outcome, BodyNotStored):
            # Each caller raises its own: one exception in two tasks would mix up their tracebacks.
            mine = BodyNotStored(outcome.message, hint=outcome.hint)
            mine.__cause__ = cause or outcome.__cause__
        else:
            mine = outcome[start : start + len(waiting.bodies)]
            start += len(waiting.bodies)
        by_loop.setdefault(waiting.loop, []).append((waiting.answer, mine))
    for loop, answers in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, answers)
        except RuntimeError:
            # That loop was closed: nobody waits there any more.
            continue


def _settle(answers: "list[tuple[asyncio.Future[list[str]], list[str] | BodyNotStored]]") -> None:
    for future, outcome in answers:
        if future.done():
            continue
        if isinstance(outcome, BodyNotStored):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
