"""Which schema a database has, and how it gets to ours."""

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import URL, Connection, Engine, text
from sqlalchemy.exc import DatabaseError, DBAPIError

from mailwright.errors import SchemaMismatch, StoreError
from mailwright.store.disk import sync_directory
from mailwright.store.engine import dialect_of, reading_engine, sqlite_path, writing_engine
from mailwright.store.trouble import PATIENCE_SECONDS, Trouble, pauses, refused, trouble_of

#: the newest migration; a test compares it with the scripts
HEAD = "0001"
#: not Alembic's own name for it: a database may be shared with a program that uses Alembic too
VERSION_TABLE = "schema_version"

#: any number, the same for every process that migrates
_POSTGRES_LOCK = 0x6D61_696C_7772

# Its operations are functions of a module, which know one migration at a time.
_alembic = threading.Lock()


class Health(NamedTuple):
    dialect: str
    #: the migration it is at
    schema: str
    #: what SQLite found to be damaged; empty: nothing
    problems: Sequence[str]


def bring_up_to_date(url: URL) -> None:
    """Whoever comes second waits for the first, and finds nothing left to do."""
    if dialect_of(url) == "sqlite":
        _make_file(url)
    with _told(url):
        if _found(url) == HEAD:
            return
        deadline = time.monotonic() + PATIENCE_SECONDS
        for pause in pauses():
            try:
                _migrate(url)
            except DBAPIError as error:
                if trouble_of(error, writing=True) is not Trouble.CONTENTION or time.monotonic() > deadline:
                    raise
            else:
                return
            time.sleep(pause)


def _found(url: URL) -> str:
    with _connected(reading_engine(url, 1)) as connection:
        return schema_of(connection)


def _migrate(url: URL) -> None:
    with _connected(writing_engine(url)) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _POSTGRES_LOCK})
        found = schema_of(connection)
        need_known(found)
        if found != HEAD:
            _run_migrations(connection)
            connection.commit()


def schema_of(connection: Connection) -> str:
    """The migration that the database is at; empty: it has none of our tables."""
    if not connection.dialect.has_table(connection, VERSION_TABLE):
        return ""
    row = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - our own name
    return "" if row is None else str(row)


def need_known(found: str) -> None:
    # Migrations are numbered, and every one that there ever was stays.
    if found and not (found.isdecimal() and int(found) <= int(HEAD)):
        raise SchemaMismatch(
            f"the database has schema {found}, this Mailwright knows schemas up to {HEAD}",
            hint="start the newer Mailwright that was here before, or restore a backup that was made by this one",
        )


def examine(url: URL) -> Health:
    with _told(url), _connected(reading_engine(url, 1)) as connection:
        problems = integrity_problems(connection) if dialect_of(url) == "sqlite" else ()
        return Health(dialect_of(url), "" if problems else schema_of(connection), problems)


def integrity_problems(connection: Connection) -> Sequence[str]:
    try:
        rows = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
    except DatabaseError as error:
        # So damaged that not even the look at it comes to an end.
        return (str(error.orig),)
    return () if rows == ["ok"] else tuple(str(row) for row in rows)


def _run_migrations(connection: Connection) -> None:
    # Alembic takes a tenth of a second to import: only who migrates waits for it.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", "mailwright.store:migrations")
    config.attributes["connection"] = connection
    with _alembic:
        command.upgrade(config, "head")


@contextlib.contextmanager
def _connected(engine: Engine) -> Iterator[Connection]:
    """In a transaction that is rolled back at the end, unless it was committed."""
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextlib.contextmanager
def _told(url: URL) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if isinstance(error.orig, sqlite3.Error):
            raise StoreError(f"{sqlite_path(url)}: {error.orig}") from error
        if error.connection_invalidated or error.statement is None:
            # The driver's words name the host and the reason, and never the password.
            raise StoreError(f"the database cannot be reached: {error.orig}") from error
        raise refused(error) from error


def _make_file(url: URL) -> None:
    """For us alone: SQLite itself would let everybody read it."""
    path = sqlite_path(url)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        sync_directory(path.parent)
    except OSError as error:
        hint = "does its directory exist, and may we write there?"
        raise StoreError(f"{path}: {error.strerror}", hint=hint) from error
