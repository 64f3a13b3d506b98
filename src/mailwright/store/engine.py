"""Engines: how every connection to the database is set up, for writing and for reading."""

import contextlib
import sqlite3
import time
from pathlib import Path
from typing import Any, Literal, cast

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool, QueuePool

from mailwright.errors import InvalidSetting

Dialect = Literal["sqlite", "postgresql"]

#: how long SQLite itself waits for the lock of another process; then we begin again
BUSY_SECONDS = 5.0
_CACHED_STATEMENTS = 256
_LOG_ATTEMPTS = 500
_LOG_PAUSE = 0.02

# WAL with FULL: what was committed is on disk, and survives a power cut. query_only is how a reader stays one: a
# connection opened read-only cannot recover the log that a killed writer left.
_SQLITE_EACH = ("PRAGMA synchronous = FULL", "PRAGMA temp_store = MEMORY", "PRAGMA trusted_schema = OFF")
_SQLITE_WRITER = (
    "PRAGMA cache_size = -32768",
    "PRAGMA wal_autocheckpoint = 4000",
    "PRAGMA journal_size_limit = 67108864",
)
_SQLITE_READER = ("PRAGMA cache_size = -8192", "PRAGMA query_only = ON")

_POSTGRES_EACH = "-c statement_timeout=0 -c timezone=UTC"
# A node that sleeps in the middle of a transaction would keep its rows from everybody for as long as it sleeps, and
# with them the leases that end meanwhile.
_POSTGRES_WRITER = (
    "-c synchronous_commit=on -c default_transaction_isolation=read\\ committed"
    " -c idle_in_transaction_session_timeout=5s"
)
# A reader sees one moment, however many statements it makes of it.
_POSTGRES_READER = "-c default_transaction_read_only=on -c default_transaction_isolation=repeatable\\ read"


def parse_url(text: str) -> URL:
    try:
        url = make_url(text)
    except ArgumentError:
        raise _wrong_url() from None
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "postgresql+psycopg"):
        raise _wrong_url()
    if url.drivername == "sqlite" and url.database in (None, "", ":memory:"):
        raise InvalidSetting("SQLite needs a file: threads and other processes share it", field="database")
    return url


def _wrong_url() -> InvalidSetting:
    # The text itself may hold a password.
    return InvalidSetting(
        "this is no database that Mailwright can use",
        field="database",
        hint="sqlite:///path/to/file, or postgresql+psycopg://user:password@host/name",
    )


def dialect_of(url: URL) -> Dialect:
    return "sqlite" if url.get_backend_name() == "sqlite" else "postgresql"


def sqlite_path(url: URL) -> Path:
    return Path(cast("str", url.database))


def writing_engine(url: URL) -> Engine:
    """Connections are kept by those who write. On SQLite a transaction holds the lock from its start."""
    if dialect_of(url) == "sqlite":
        return _sqlite_engine(url, (*_SQLITE_EACH, *_SQLITE_WRITER), "BEGIN IMMEDIATE", poolclass=NullPool)
    return _postgres_engine(url, _POSTGRES_WRITER, poolclass=NullPool)


def reading_engine(url: URL, connections: int) -> Engine:
    pool = {"poolclass": QueuePool, "pool_size": connections, "max_overflow": 0}
    if dialect_of(url) == "sqlite":
        return _sqlite_engine(url, (*_SQLITE_EACH, *_SQLITE_READER), "BEGIN", **pool)
    return _postgres_engine(url, _POSTGRES_READER, **pool)


def _sqlite_engine(url: URL, pragmas: tuple[str, ...], begin: str, **pool: Any) -> Engine:
    # The threads hand connections on through the pool and at the end: never two at once.
    arguments = {"timeout": BUSY_SECONDS, "check_same_thread": False, "cached_statements": _CACHED_STATEMENTS}
    engine = create_engine(url, connect_args=arguments, hide_parameters=True, **pool)

    def set_up(connection: sqlite3.Connection, _record: object) -> None:
        # The driver would begin by itself, too late and without the lock.
        connection.isolation_level = None
        _use_log(connection)
        for pragma in pragmas:
            connection.execute(pragma)

    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", set_up)
    event.listen(engine, "begin", start)
    return engine


def _use_log(connection: sqlite3.Connection) -> None:
    """Two processes that make the file together: the change of journal does not wait for the lock, so we do."""
    for _ in range(_LOG_ATTEMPTS):
        if connection.execute("PRAGMA journal_mode").fetchone() == ("wal",):
            return
        with contextlib.suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = WAL")
            continue
        time.sleep(_LOG_PAUSE)
    raise sqlite3.OperationalError("the database is locked by another process")


def _postgres_engine(url: URL, options: str, **pool: Any) -> Engine:
    given = url.query.get("options", ())
    given_options = (given,) if isinstance(given, str) else given
    # A server that vanished without a word is noticed within half a minute.
    arguments = {
        "application_name": "mailwright",
        "connect_timeout": 10,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    }
    arguments = {name: value for name, value in arguments.items() if name not in url.query}
    arguments["options"] = " ".join((_POSTGRES_EACH, options, *given_options))
    return create_engine(url.difference_update_query(["options"]), connect_args=arguments, hide_parameters=True, **pool)
