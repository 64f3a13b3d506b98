"""Who gets no more mail. Addresses are kept in lower case."""

from collections.abc import Iterable

from sqlalchemy import Connection, bindparam, select, tuple_

from mailwright.model.page import Page
from mailwright.model.suppression import Suppression
from mailwright.store.queries.cursor import read_cursor, read_page, write_cursor
from mailwright.store.rows import suppression_of
from mailwright.store.schema import suppression

_CURSOR = "suppressions"
#: addresses in one statement: both databases have a limit for parameters
_AT_ONCE = 500

#: the list of those who get no mail at all
_EVERY_LIST = ""
_SUPPRESSED = select(suppression.c.address).where(
    suppression.c.workspace == bindparam("workspace"),
    suppression.c.list.in_(bindparam("lists", expanding=True)),
    suppression.c.address.in_(bindparam("addresses", expanding=True)),
)


def suppressed(conn: Connection, workspace: str, list_: str, addresses: Iterable[str]) -> set[str]:
    """Those among the addresses, as they were given, that left this list or all mail of the workspace."""
    given: dict[str, list[str]] = {}
    for address in addresses:
        given.setdefault(address.lower(), []).append(address)
    wanted = list(given)
    lists = sorted({_EVERY_LIST, list_})
    found: set[str] = set()
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        values = {"workspace": workspace, "lists": lists, "addresses": part}
        for address in conn.execute(_SUPPRESSED, values).scalars():
            found.update(given[address])
    return found


def suppressions_of(conn: Connection, workspace: str, address: str) -> list[Suppression]:
    """Every list that this address has left."""
    statement = select(suppression).where(
        suppression.c.workspace == workspace, suppression.c.address == address.lower()
    )
    return [suppression_of(row) for row in conn.execute(statement.order_by(suppression.c.list))]


def suppression_page(conn: Connection, workspace: str, *, cursor: str = "", limit: int = 50) -> Page[Suppression]:
    """By list and address."""
    place = (suppression.c.list, suppression.c.address)
    statement = select(suppression).where(suppression.c.workspace == workspace).order_by(*place)
    keys = read_cursor(cursor, _CURSOR, str, str)
    if keys:
        statement = statement.where(tuple_(*place) > tuple_(*keys))
    return read_page(
        conn,
        statement,
        limit=limit,
        item=suppression_of,
        cursor=lambda row: write_cursor(_CURSOR, row.list, row.address),
    )
