"""Copies of a SQLite database, made while it is used, and put back."""

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import URL

from mailwright.errors import AlreadyExists, InvalidInput, StoreError
from mailwright.store.disk import sync_directory
from mailwright.store.engine import BUSY_SECONDS, dialect_of, parse_url, sqlite_path
from mailwright.store.migrate import VERSION_TABLE, need_known

#: what stands beside the file while somebody has it open, or was killed
_COMPANIONS = ("-wal", "-shm", "-journal")


def back_up(url: URL, path: Path) -> None:
    """The copy appears under its name when it is complete and on disk."""
    source = _file_of(url, "pg_dump --format=custom")
    if path.exists():
        raise AlreadyExists(f"{path} exists already", field="path", hint="give a name that is not taken")
    _copy(source, path)


def restore(backup: Path, url: str, *, force: bool = False) -> None:
    """Puts a backup in the place of the database, after a look at all of it.

    Where there is a database already, `force` replaces it. No Mailwright may run on it meanwhile.
    """
    target = _file_of(parse_url(url), "pg_restore")
    _validate(backup)
    if target.exists():
        if not force:
            raise AlreadyExists(
                f"{target} exists already", field="database", hint="force replaces it, and what is in it is lost"
            )
        _need_unused(target)
    _copy(backup, target)


def _file_of(url: URL, instead: str) -> Path:
    if dialect_of(url) == "sqlite":
        return sqlite_path(url)
    raise StoreError("backup and restore are for SQLite", hint=f"with PostgreSQL use {instead}")


def _copy(source: Path, target: Path) -> None:
    temporary = target.with_name(f"{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        # For us alone, whatever the mode of the source is.
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with _opened(source) as reading, _opened(temporary) as writing:
            reading.backup(writing)
            # One file is easier to carry than three. Who opens it next changes that back.
            writing.execute("PRAGMA journal_mode = DELETE")
        _sync(temporary)
        for companion in _COMPANIONS:
            target.with_name(target.name + companion).unlink(missing_ok=True)
        temporary.rename(target)
    except sqlite3.Error as error:
        raise StoreError(f"{source} could not be copied to {target}: {error}") from error
    except OSError as error:
        raise StoreError(f"{source} could not be copied to {target}: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)
    sync_directory(target.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _validate(backup: Path) -> None:
    if not backup.is_file():
        raise InvalidInput(f"there is no file {backup}", field="backup")
    try:
        with _opened(backup) as connection:
            found = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()  # noqa: S608 - our own name
            problems = connection.execute("PRAGMA integrity_check").fetchall()
    except sqlite3.Error as error:
        raise InvalidInput(f"{backup} is no backup of Mailwright: {error}", field="backup") from error
    if found is None:
        raise InvalidInput(f"{backup} is no backup of Mailwright: it has no schema version", field="backup")
    if problems != [("ok",)]:
        raise InvalidInput(f"{backup} is damaged: {problems[0][0]}", field="backup")
    need_known(found[0])


def _need_unused(target: Path) -> None:
    """Replacing a file under a program that has it open would split its world in two.

    Leaving WAL needs the database for oneself, and takes what its log still holds into the file.
    """
    try:
        with _opened(target) as connection:
            connection.execute("PRAGMA busy_timeout = 1000")
            connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.OperationalError as error:
        raise StoreError(f"{target} is in use: {error}", hint="stop every Mailwright that runs on it") from error
    except sqlite3.DatabaseError:
        # It is damaged, which may be why there is something to restore.
        return


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    # Never makes a file: a name that is mistyped is an error.
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS)
    try:
        yield connection
    finally:
        connection.close()
