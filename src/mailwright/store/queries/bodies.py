"""Which bodies rows point at, and that they point at another place from now on: what the sweep asks for."""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, select, update

from mailwright.store.schema import message

_AT_ONCE = 500
_REFS = select(message.c.id, message.c.body_ref).where(message.c.id.in_(bindparam("ids", expanding=True)))
_MOVE = (
    update(message)
    .where(message.c.id == bindparam("body"), message.c.body_ref == bindparam("old"))
    .values(body_ref=bindparam("new"))
)


def live_bodies(conn: Connection, bodies: Sequence[tuple[str, str]]) -> set[str]:
    """The refs among (id, ref) that a row has. A row counts for the ref it has and for no other."""
    live: set[str] = set()
    for start in range(0, len(bodies), _AT_ONCE):
        part = bodies[start : start + _AT_ONCE]
        refs = {row.id: row.body_ref for row in conn.execute(_REFS, {"ids": [id_ for id_, _ in part]})}
        live.update(ref for id_, ref in part if refs.get(id_) == ref)
    return live


def move_bodies(conn: Connection, several: Sequence[Sequence[tuple[str, str, str]]]) -> list[None]:
    """(id, old ref, new ref). A row that has another ref by now stays as it is."""
    rows = [{"body": id_, "old": old, "new": new} for moved in several for id_, old, new in moved]
    if rows:
        conn.execute(_MOVE, rows)
    return [None] * len(several)
