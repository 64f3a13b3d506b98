"""Many rows by one statement: what the busy paths write with.

`executemany` lets go of the interpreter's lock at each row of SQLite and stands in line for it again, behind the event
loop: under load that costs more than the rows. One statement for many stands in line once, and SQLite works beside the
loop meanwhile. PostgreSQL takes rows fastest by COPY, and what a statement compares with as arrays.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

Row = Sequence[Any]
Kind = Literal["text", "bigint", "bytea"]

# SQLite prepares a statement once for each size. Versions of it before 2020 take 999 values, those of today 32,766.
_SIZES = (128, 64, 32, 16, 4, 1)
#: Fewer rows than this are filled up with rows of NULL, which the statement leaves out: one statement more costs more.
_FILLED_UP = 16


class Given(NamedTuple):
    """The columns of rows that a statement works with; it calls them `given`."""

    columns: tuple[tuple[str, Kind], ...]


def insert_rows(connection: Connection, table: str, columns: tuple[str, ...], rows: Sequence[Row]) -> None:
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        _copy(connection, f"COPY {table} ({', '.join(columns)}) FROM STDIN", rows)
        return
    for size, values in _portions(rows):
        _on_sqlite(connection, _insert(table, columns, size), values)


def with_given(connection: Connection, given: Given, body: str, rows: Sequence[Row]) -> list[Row]:
    """Runs `WITH given AS (the rows) body`, and returns what it returns. Percent signs are for nobody."""
    if not rows:
        return []
    if connection.dialect.name == "postgresql":
        arrays = tuple(list(column) for column in zip(*rows, strict=True))
        result = connection.exec_driver_sql(_given_arrays(given, body), arrays)
        return list(result) if result.returns_rows else []
    found: list[Row] = []
    for size, values in _portions(rows):
        found += _on_sqlite(connection, _given_values(given, body, size), values)
    return found


def _on_sqlite(connection: Connection, text: str, values: Sequence[Any]) -> list[Row]:
    """Straight to the driver: SQLAlchemy would take several times as long as SQLite itself."""
    driver: Any = connection.connection.driver_connection
    try:
        rows: list[Row] = driver.execute(text, values).fetchall()
    except sqlite3.Error as error:
        # As if it had gone through SQLAlchemy.
        raise DBAPIError(text, None, error) from error
    return rows


@cache
def _insert(table: str, columns: tuple[str, ...], count: int) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) {_values(len(columns), count)}"


@cache
def _given_values(given: Given, body: str, count: int) -> str:
    names = ", ".join(name for name, _ in given.columns)
    return f"WITH given ({names}) AS ({_values(len(given.columns), count)}) {body}"


@cache
def _given_arrays(given: Given, body: str) -> str:
    names = ", ".join(name for name, _ in given.columns)
    arrays = ", ".join(f"%b::{kind}[]" for _, kind in given.columns)
    return f"WITH given ({names}) AS (SELECT * FROM unnest({arrays})) {body}"  # noqa: S608 - our own words


def _values(width: int, count: int) -> str:
    one = f"({', '.join('?' * width)})"
    rows = f"VALUES {', '.join([one] * count)}"
    # Only the sizes below have rows of NULL among theirs.
    return f"SELECT * FROM ({rows}) WHERE column1 IS NOT NULL" if 1 < count <= _FILLED_UP else rows  # noqa: S608 - our own words


def _portions(rows: Sequence[Row]) -> Iterator[tuple[int, Sequence[Any]]]:
    """How many rows each, and their values one after the other. No row begins with NULL."""
    start = 0
    while (left := len(rows) - start) > 0:
        if left < _FILLED_UP:
            size = min(size for size in _SIZES if size >= left)
        else:
            size = max(size for size in _SIZES if size <= left)
        values = list(chain.from_iterable(rows[start : start + size]))
        values += [None] * (size * len(rows[0]) - len(values))
        yield size, values
        start += size


def _copy(connection: Connection, text: str, rows: Sequence[Row]) -> None:
    driver: Any = connection.connection.driver_connection
    try:
        with driver.cursor() as cursor, cursor.copy(text) as copying:
            for row in rows:
                copying.write_row(row)
    except connection.dialect.loaded_dbapi.Error as error:
        # As if it had gone through SQLAlchemy, which has no COPY.
        raise DBAPIError(text, None, error, connection_invalidated=bool(driver.closed)) from error
