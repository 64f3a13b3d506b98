"""The database: writes that share transactions, and reads beside them."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self, TypeVar

from sqlalchemy import URL, Connection

from mailwright.errors import StoreError
from mailwright.store import backup, migrate
from mailwright.store.engine import dialect_of, parse_url, reading_engine, writing_engine
from mailwright.store.reader import Readers
from mailwright.store.trouble import PATIENCE_SECONDS
from mailwright.store.writer import Waiting, Writers

I = TypeVar("I")  # noqa: E741 - an item
R = TypeVar("R")

#: One result for each item; an exception instance is raised to that item's caller only, and nothing of the item was
#: written. A function has no effect but on the connection: a transaction that fails is repeated, item by item.
BatchFunction = Callable[[Connection, Sequence[I]], Sequence[R | Exception]]

_READERS = 4


class Database:
    """Open one for each database and process, and close it."""

    def __init__(self, url: URL, *, writers: int, patience: float) -> None:
        self.dialect = dialect_of(url)
        self._url = url
        # SQLite lets one write at a time, whoever asks.
        threads = 1 if self.dialect == "sqlite" else writers
        self._writers = Writers(writing_engine(url), threads, patience)
        self._readers = Readers(reading_engine(url, _READERS), _READERS, patience)
        self._closed = False

    @classmethod
    async def open(cls, url: str, *, writers: int = 4, patience: float = PATIENCE_SECONDS) -> "Database":
        """`sqlite:///path` or `postgresql+psycopg://…`. An empty or older database is brought up to date first; one of
        a newer program is a SchemaMismatch. Writes wait `patience` seconds for a database that is locked or away."""
        parsed = parse_url(url)
        await asyncio.to_thread(migrate.bring_up_to_date, parsed)
        return cls(parsed, writers=writers, patience=patience)

    async def write(self, function: BatchFunction[I, R], item: I) -> R:
        """Grouped with everything else that waits into one transaction; when it returns, the write is durable.

        A caller that is cancelled does not take its write back.
        """
        self._need_open()
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._writers.submit(Waiting(function, item, future))
        return await future

    async def read(self, function: Callable[[Connection], R]) -> R:
        """On a thread for reading. All statements of the function see one moment."""
        self._need_open()
        return await self._readers.read(function)

    async def check(self) -> migrate.Health:
        """Looks at all of the database, which takes a while when it is big."""
        self._need_open()
        return await asyncio.to_thread(migrate.examine, self._url)

    async def backup(self, path: Path) -> None:
        """A copy of this moment in a new file, while everything goes on. SQLite only."""
        self._need_open()
        await asyncio.to_thread(backup.back_up, self._url, path)

    async def close(self) -> None:
        """What was asked before is finished first."""
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._writers.close)
        await asyncio.to_thread(self._readers.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _need_open(self) -> None:
        if self._closed:
            raise StoreError("the database is closed")
