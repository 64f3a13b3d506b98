"""The audit trail: pages for people, and the chain as it stands for whoever checks it."""

from sqlalchemy import Connection, bindparam, select

from mailwright.model.audit import AuditEntry
from mailwright.model.page import Page
from mailwright.store.queries.cursor import read_cursor, read_page, write_cursor
from mailwright.store.rows import audit_of
from mailwright.store.schema import audit

_CURSOR = "audit"
_CHAIN = select(audit).where(audit.c.number > bindparam("after")).order_by(audit.c.number).limit(bindparam("limit"))


def audit_page(conn: Connection, workspace: str | None, *, cursor: str = "", limit: int = 50) -> Page[AuditEntry]:
    """The youngest first. `workspace` None: of all workspaces."""
    statement = select(audit).order_by(audit.c.number.desc())
    if workspace is not None:
        statement = statement.where(audit.c.workspace == workspace)
    for last in read_cursor(cursor, _CURSOR, int):
        statement = statement.where(audit.c.number < last)
    return read_page(conn, statement, limit=limit, item=audit_of, cursor=lambda row: write_cursor(_CURSOR, row.number))


def audit_chain(conn: Connection, *, after: int = 0, limit: int = 1000) -> list[AuditEntry]:
    """All of it, a part at a time, in its order."""
    return [audit_of(row) for row in conn.execute(_CHAIN, {"after": after, "limit": limit})]
