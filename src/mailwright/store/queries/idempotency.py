"""Whether something was asked for before: a look before the work; the change itself decides."""

from typing import NamedTuple

from sqlalchemy import Connection, bindparam, select

from mailwright.store.schema import idempotency


class Known(NamedTuple):
    fingerprint: bytes
    #: id of what came of it
    ref: str


_ONE = select(idempotency.c.fingerprint, idempotency.c.ref).where(
    idempotency.c.workspace == bindparam("workspace"), idempotency.c.key == bindparam("key")
)


def known_key(conn: Connection, workspace: str, key: str) -> Known | None:
    row = conn.execute(_ONE, {"workspace": workspace, "key": key}).first()
    return Known(bytes(row.fingerprint), row.ref) if row else None
