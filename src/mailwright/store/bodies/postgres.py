"""Bodies in PostgreSQL: for several machines. The ref of a body is its id."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import (
    Connection,
    Engine,
    Row,
    Table,
    delete,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from mailwright.errors import BodyNotStored, BodyUnreadable, StoreError, UnsealError
from mailwright.files.body_store import GRACE_SECONDS, IsLive, Moved, SweepReport
from mailwright.store.bodies.group import GroupWriter
from mailwright.store.bodies.segment import place_of
from mailwright.store.keyring import Keyring
from mailwright.store.sealed import key_id_of, seal, unseal

_THREADS = 4
#: rows that a sweep looks at in one go
_PAGE = 1000
#: bodies put under the newest key in one transaction
_RESEAL = 100
#: of a sealed body: enough to tell its key
_HEAD_BYTES = 34
# The database's clock, so that those of the nodes do not matter; in microseconds, as everywhere in the schema.
_NOW = "(extract(epoch from clock_timestamp()) * 1000000)::bigint"
# Arrays in binary: a quarter of the work of one row for each body, on this side and on the other.
_INSERT = f"""
INSERT INTO body (id, sealed, created_at)
SELECT id, sealed, {_NOW} FROM unnest(%b::text[], %b::bytea[]) AS given (id, sealed)
ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed, created_at = excluded.created_at
"""  # noqa: S608 - the only thing put in is the line above
_SELECT = "SELECT id, sealed FROM body WHERE id = ANY(%b::text[])"

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


class PostgresBodies:
    """On an engine that commits synchronously (PostgreSQL's default): a commit that returned is on the disk."""

    def __init__(self, engine: Engine, table: Table, keyring: Keyring, *, grace_seconds: float = GRACE_SECONDS) -> None:
        self._engine = engine
        self._table = table
        self._keyring = keyring
        self._grace_seconds = grace_seconds
        dbapi: Any = engine.dialect.loaded_dbapi
        self._errors: tuple[type[Exception], ...] = (SQLAlchemyError, dbapi.Error)
        self._writer = GroupWriter(self._insert)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="mailwright-bodies")

    async def put_many(self, bodies: Sequence[tuple[str, bytes]]) -> list[str]:
        return await self._writer.put(bodies)

    async def get(self, body_id: str, ref: str) -> bytes:
        (answer,) = await self.get_many([(body_id, ref)])
        if isinstance(answer, BodyUnreadable):
            raise answer
        return answer

    async def get_many(self, bodies: Sequence[tuple[str, str]]) -> list[bytes | BodyUnreadable]:
        return await self._in_thread(self._select, bodies)

    async def sweep(self, is_live: IsLive, moved: Moved, *, thorough: bool = False) -> SweepReport:  # noqa: ARG002 - refs stay
        removed = resealed = freed = young = 0
        damaged: list[str] = []
        after = ""
        while page := await self._in_thread(self._page, after):
            after = page[-1].id
            old = [row for row in page if row.old]
            young += len(page) - len(old)
            live = await is_live([(row.id, row.id) for row in old])
            sizes = await self._in_thread(self._delete, [row.id for row in old if row.id not in live])
            removed += len(sizes)
            freed += sum(sizes)
            if thorough:
                stale = [row.id for row in old if row.id in live and not self._under_newest_key(row.head)]
                for start in range(0, len(stale), _RESEAL):
                    asked = stale[start : start + _RESEAL]
                    broken = await self._in_thread(self._reseal, asked)
                    resealed += len(asked) - len(broken)
                    damaged += broken
        return SweepReport(removed, resealed, freed, young, tuple(damaged))

    async def close(self) -> None:
        await self._writer.close()
        await asyncio.to_thread(self._threads.shutdown)

    def _insert(self, bodies: Sequence[tuple[str, bytes]]) -> list[str]:
        # One statement cannot change a row twice: of two under one id the later counts, as it would in two statements.
        sealed = {body_id: seal(self._keyring, body, place=place_of(body_id)) for body_id, body in bodies}
        try:
            with self._engine.begin() as connection:
                connection.exec_driver_sql(_INSERT, (list(sealed), list(sealed.values())))
        except SQLAlchemyError as error:
            raise BodyNotStored(f"no body can be stored in the database: {_reason(error)}") from error
        return [body_id for body_id, _ in bodies]

    def _select(self, bodies: Sequence[tuple[str, str]]) -> list[bytes | BodyUnreadable]:
        with self._begin() as connection:
            # Past SQLAlchemy, which asks for text: a body in hexadecimal costs both sides three times as much.
            driver: Any = connection.connection.driver_connection
            rows = driver.execute(_SELECT, ([ref for _, ref in bodies],), binary=True)
            found: dict[str, bytes] = dict(rows.fetchall())
        return [self._open(body_id, found.get(ref)) for body_id, ref in bodies]

    def _open(self, body_id: str, sealed: bytes | None) -> bytes | BodyUnreadable:
        if sealed is None:
            return BodyUnreadable(f"the body of {body_id} is gone")
        try:
            return unseal(self._keyring, sealed, place=place_of(body_id))
        except UnsealError as error:
            return BodyUnreadable(error.message, hint=error.hint)

    def _page(self, after: str) -> Sequence[Row[Any]]:
        table = self._table
        old = literal_column(_NOW) - table.c.created_at >= int(self._grace_seconds * 1_000_000)
        head = func.substring(table.c.sealed, 1, _HEAD_BYTES)
        wanted = select(table.c.id, old.label("old"), head.label("head")).where(table.c.id > after)
        with self._begin() as connection:
            return connection.execute(wanted.order_by(table.c.id).limit(_PAGE)).all()

    def _delete(self, ids: Sequence[str]) -> list[int]:
        """The sizes of what was deleted."""
        if not ids:
            return []
        table = self._table
        with self._begin() as connection:
            gone = delete(table).where(table.c.id.in_(ids)).returning(func.length(table.c.sealed))
            return list(connection.execute(gone).scalars())

    def _under_newest_key(self, head: bytes) -> bool:
        try:
            return key_id_of(head) == self._keyring.newest_id
        except UnsealError:
            return False

    def _reseal(self, ids: Sequence[str]) -> list[str]:
        """Answers the ids of those that do not open, and are left as they are."""
        table = self._table
        broken = []
        with self._begin() as connection:
            rows = connection.execute(select(table.c.id, table.c.sealed).where(table.c.id.in_(ids)).with_for_update())
            for body_id, sealed in rows.all():
                body = self._open(body_id, sealed)
                if isinstance(body, BodyUnreadable):
                    broken.append(body_id)
                    continue
                fresh = seal(self._keyring, body, place=place_of(body_id))
                connection.execute(update(table).where(table.c.id == body_id).values(sealed=fresh))
        return broken

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except self._errors as error:
            raise StoreError(f"the database cannot be asked for bodies: {_reason(error)}") from error

    async def _in_thread(self, function: Callable[[_Given], _Made], given: _Given) -> _Made:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, given)


def _reason(error: Exception) -> str:
    """What kind of error it is. Its text would repeat the statement with what was put into it."""
    return type(error.orig if isinstance(error, DBAPIError) and error.orig else error).__name__
