"""Tokens, by the hash of their secret and in lists."""

from sqlalchemy import Connection, bindparam, select

from mailwright.model.access import ApiToken
from mailwright.model.page import Page
from mailwright.store.queries.cursor import read_cursor, read_page, write_cursor
from mailwright.store.rows import token_of
from mailwright.store.schema import token

_CURSOR = "tokens"
_BY_HASH = select(token).where(token.c.hash == bindparam("hash"))
_BY_ID = select(token).where(token.c.id == bindparam("id"))
_ANY = select(token.c.id).limit(1)


def token_by_hash(conn: Connection, hash_: bytes) -> ApiToken | None:
    """Also one that has expired or was revoked: the caller judges that, with a clock."""
    row = conn.execute(_BY_HASH, {"hash": hash_}).first()
    return token_of(row) if row else None


def token_by_id(conn: Connection, id_: str) -> ApiToken | None:
    row = conn.execute(_BY_ID, {"id": id_}).first()
    return token_of(row) if row else None


def any_token(conn: Connection) -> bool:
    """Whether there ever was one: if not, this is the first start."""
    return conn.execute(_ANY).first() is not None


def token_page(conn: Connection, workspace: str | None, *, cursor: str = "", limit: int = 50) -> Page[ApiToken]:
    """The youngest first. `workspace` None: of all workspaces, and those that are bound to none."""
    statement = select(token).order_by(token.c.id.desc())
    if workspace is not None:
        statement = statement.where(token.c.workspace == workspace)
    for last in read_cursor(cursor, _CURSOR, str):
        statement = statement.where(token.c.id < last)
    return read_page(conn, statement, limit=limit, item=token_of, cursor=lambda row: write_cursor(_CURSOR, row.id))
