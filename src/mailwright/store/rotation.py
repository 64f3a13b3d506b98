"""Secrets in rows under the newest key: once none is left under an older one, that key may be taken away.

The value itself says which key it is under, so that a rotation that was interrupted goes on by being called again.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, Table, bindparam, func, select, update

from mailwright.store.schema import account, webhook
from mailwright.store.secret_box import HEAD_BYTES, KeyringBox, account_place, webhook_place

BATCH = 200
_TABLES = {"account": account, "webhook": webhook}
_PLACES = {"account": account_place, "webhook": webhook_place}


class Reseal(NamedTuple):
    box: KeyringBox
    #: of the batch before; empty: from the beginning
    after: str = ""
    limit: int = BATCH


class Resealed(NamedTuple):
    #: rows that were looked at, and those among them that were under an older key
    seen: int
    done: int
    #: where the next batch begins; empty: this was the last
    after: str


class SecretCount(NamedTuple):
    total: int
    outdated: int


def reseal_secrets(conn: Connection, items: Sequence[Reseal]) -> list[Resealed]:
    """For `Database.write`, again with `after` until that is empty."""
    return [_reseal(conn, item) for item in items]


def count_secrets(conn: Connection, box: KeyringBox) -> SecretCount:
    """Looks at every row: for the beginning and the end of a rotation."""
    heads = [head for table in _TABLES.values() for (head,) in conn.execute(_heads(table))]
    return SecretCount(len(heads), sum(not box.is_current(bytes(head)) for head in heads))


def _reseal(conn: Connection, item: Reseal) -> Resealed:
    name, _, last = item.after.partition("/")
    name = name or next(iter(_TABLES))
    table = _TABLES[name]
    place_of = _PLACES[name]
    statement = select(table.c.id, table.c.secrets).where(table.c.secrets.is_not(None), table.c.id > last)
    rows = conn.execute(statement.order_by(table.c.id).limit(item.limit)).all()
    fresh = []
    for row in rows:
        sealed, place = bytes(row.secrets), place_of(row.id)
        if not item.box.is_current(sealed[:HEAD_BYTES]):
            new = item.box.seal(item.box.unseal(sealed, place=place), place=place)
            fresh.append({"row": row.id, "old": sealed, "new": new})
    if fresh:
        # Somebody may have written another secret since it was read: that one is under the newest key already.
        same = (table.c.id == bindparam("row"), table.c.secrets == bindparam("old"))
        conn.execute(update(table).where(*same).values(secrets=bindparam("new")), fresh)
    after = f"{name}/{rows[-1].id}" if len(rows) == item.limit else _after_table(name)
    return Resealed(len(rows), len(fresh), after)


def _after_table(name: str) -> str:
    names = list(_TABLES)
    following = names[names.index(name) + 1 :]
    return f"{following[0]}/" if following else ""


def _heads(table: Table) -> Select[Any]:
    return select(func.substr(table.c.secrets, 1, HEAD_BYTES)).where(table.c.secrets.is_not(None))
