"""Hints that there may be work, so that nobody waits for the next poll. A hint may be lost: polling is the truth.

Within the process it is an event. Other processes on the same SQLite file are noticed by the file's version, looked at
only while somebody waits; other nodes on PostgreSQL by LISTEN and NOTIFY, on a connection of its own.
"""

import asyncio
import contextlib
import logging
import random
import secrets
import sqlite3
from collections.abc import Sequence
from typing import Any
from weakref import WeakSet

from sqlalchemy import URL, Connection, text

from mailwright.errors import StoreError
from mailwright.store.database import Database
from mailwright.store.engine import parse_url, sqlite_path
from mailwright.work.backoff import Backoff

_CHANNEL = "mailwright_work"
_LOOK_SECONDS = 0.1
_RECONNECT = Backoff(first=0.2, longest=10.0)
# A server that vanished without a word is noticed within half a minute.
_KEEP_ALIVE: dict[str, Any] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "connect_timeout": 10,
}

_log = logging.getLogger(__name__)


class Listener:
    """One who waits for work. A hint that comes while it works ends its next wait at once."""

    def __init__(self, file: "_FileVersion | None") -> None:
        self._event = asyncio.Event()
        self._file = file
        self._seen = file.look() if file else 0

    def wake(self) -> None:
        self._event.set()

    async def wait(self, seconds: float) -> bool:
        """Until a hint (True), or for so long."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while not self._event.is_set() and not self._changed():
            left = end - loop.time()
            if left <= 0:
                return False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, _LOOK_SECONDS) if self._file else left):
                    await self._event.wait()
        self._event.clear()
        return True

    def _changed(self) -> bool:
        if self._file is None:
            return False
        before, self._seen = self._seen, self._file.look()
        return before != self._seen


class Wake:
    """Of one process. To be closed before its database, and after those who wait."""

    def __init__(self, database: Database, url: URL) -> None:
        self._database = database
        self._listeners: WeakSet[Listener] = WeakSet()
        self._name = secrets.token_hex(8)
        self._file = _FileVersion(url) if database.dialect == "sqlite" else None
        self._listening = None if self._file else asyncio.create_task(self._listen(url), name="mailwright-listen")
        self._notifying: asyncio.Task[None] | None = None
        self._notify_again = False

    @classmethod
    def open(cls, database: Database, url: str) -> "Wake":
        return cls(database, parse_url(url))

    def listener(self) -> Listener:
        listener = Listener(self._file)
        self._listeners.add(listener)
        return listener

    def hint(self) -> None:
        """Call it after work was committed, or made possible: here at once, elsewhere soon."""
        self._tell()
        # SQLite tells the others by itself: a commit changes the version of the file.
        if self._file is not None:
            return
        if self._notifying is None or self._notifying.done():
            self._notifying = asyncio.create_task(self._notify(), name="mailwright-notify")
        else:
            self._notify_again = True

    async def close(self) -> None:
        tasks = [task for task in (self._listening, self._notifying) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._file is not None:
            self._file.close()

    def _tell(self) -> None:
        for listener in self._listeners:
            listener.wake()

    async def _notify(self) -> None:
        """One at a time: hints that come while one is on its way are one together. PostgreSQL lets transactions that
        notify commit only one after the other."""
        while True:
            self._notify_again = False
            try:
                await self._database.write(_notify, self._name)
            except StoreError as error:
                _log.warning("could not tell other nodes that there is work: %s", error)
            if not self._notify_again:
                return

    async def _listen(self, url: URL) -> None:
        failures = 0
        while True:
            import psycopg  # noqa: PLC0415 - an extra: SQLite does without

            address = url.set(drivername="postgresql").render_as_string(hide_password=False)
            try:
                async with await psycopg.AsyncConnection.connect(address, autocommit=True, **_KEEP_ALIVE) as line:
                    await line.execute(f"LISTEN {_CHANNEL}")
                    failures = 0
                    # What was said while nobody listened.
                    self._tell()
                    async for notice in line.notifies():
                        if notice.payload != self._name:
                            self._tell()
            except psycopg.Error as error:
                failures += 1
                _log.warning("not listening for work of other nodes, only polling: %s", error)
            await asyncio.sleep(_RECONNECT.wait(failures, random.random()))  # noqa: S311 - no secret


class _FileVersion:
    """A number that changes when somebody else has committed to the SQLite file."""

    def __init__(self, url: URL) -> None:
        self._connection = sqlite3.connect(sqlite_path(url), isolation_level=None)
        self._last = 0

    def look(self) -> int:
        # Some microseconds, from memory that the processes share: not worth a thread. When the file cannot be looked
        # at now, something happens to it.
        try:
            (self._last,) = self._connection.execute("PRAGMA data_version").fetchone()
        except sqlite3.OperationalError:
            return -1
        return self._last

    def close(self) -> None:
        self._connection.close()


_NOTIFY = text("SELECT pg_notify(:channel, :name)")


def _notify(conn: Connection, names: Sequence[str]) -> list[None]:
    for name in set(names):
        conn.execute(_NOTIFY, {"channel": _CHANNEL, "name": name})
    return [None] * len(names)
