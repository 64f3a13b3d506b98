"""What an error of the database means: may it be tried again, is the connection gone, what do callers read."""

import random
import sqlite3
from collections.abc import Iterator
from enum import Enum, auto

from sqlalchemy.exc import DBAPIError

from mailwright.errors import StoreError

# SQLSTATEs: serialization failure, deadlock, lock not available; nothing of the transaction is left.
_AGAIN = frozenset({"40001", "40P01", "55P03"})
#: the transaction did nothing for so long that the server gave it up, and the connection with it
_SLEPT = "25P03"
# A server that is stopped, starts, or has no connection to spare.
_ELSEWHERE = frozenset({"57P01", "57P02", "57P03", "53300", _SLEPT})
#: for who writes: another server took over, and this one is a standby now
_READ_ONLY = "25006"
_SQLITE_BUSY = frozenset({5, 6})  # SQLITE_BUSY, SQLITE_LOCKED
_SQLITE_FULL = 13

#: how long everybody waits for a database that is locked or away, before they hear of it
PATIENCE_SECONDS = 30.0


class Trouble(Enum):
    #: somebody was in the way: the same again may work at once
    CONTENTION = auto()
    #: the connection, or the server behind it, is gone
    CONNECTION = auto()
    #: the statement is at fault
    STATEMENT = auto()


def sqlstate(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


def trouble_of(error: DBAPIError, *, writing: bool) -> Trouble:
    if isinstance(error.orig, sqlite3.Error):
        return Trouble.CONTENTION if _primary_code(error.orig) in _SQLITE_BUSY else Trouble.STATEMENT
    if sqlstate(error) in _AGAIN:
        return Trouble.CONTENTION
    # An error before there is a connection has no SQLSTATE, and is none of a statement.
    lost = error.connection_invalidated or sqlstate(error)[:2] == "08" or sqlstate(error) in _ELSEWHERE
    never_connected = error.statement is None and not sqlstate(error)
    if lost or never_connected or (writing and sqlstate(error) == _READ_ONLY):
        return Trouble.CONNECTION
    return Trouble.STATEMENT


def surely_rolled_back(error: DBAPIError) -> bool:
    """Whether a COMMIT that failed with this has surely written nothing.

    PostgreSQL: the server said so. SQLite: what it could not sync may still be found in the log after a power cut.
    """
    if isinstance(error.orig, sqlite3.Error):
        return _primary_code(error.orig) in _SQLITE_BUSY | {_SQLITE_FULL}
    if sqlstate(error) == _SLEPT:
        return True
    return bool(sqlstate(error)) and not error.connection_invalidated and sqlstate(error)[:2] not in ("08", "57")


def _primary_code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def refused(error: DBAPIError) -> StoreError:
    """For callers. The database's own details are left out: they show values of rows."""
    diagnosis = getattr(error.orig, "diag", None)
    text = diagnosis.message_primary if diagnosis is not None and diagnosis.message_primary else ""
    if not text and isinstance(error.orig, sqlite3.Error):
        text = str(error.orig)
    return StoreError(f"the database refused: {text}" if text else "the database refused")


def unknown_outcome() -> StoreError:
    return StoreError(
        "the connection to the database was lost while it committed: the outcome is unknown",
        hint="read again before you repeat it; with an idempotency key it can be repeated as it is",
    )


def unreachable() -> StoreError:
    return StoreError("the database cannot be reached", hint="is it running, and are address and password right?")


def locked() -> StoreError:
    return StoreError("the database was locked by somebody else for too long", hint="what else uses it?")


def pauses() -> Iterator[float]:
    """Between repetitions, without end. The first is at once; noise keeps two that are in each other's way from meeting
    again."""
    yield 0.0
    pause = 0.005
    while True:
        yield pause * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        pause = min(pause * 2, 0.5)
