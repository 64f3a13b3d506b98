"""The tenants."""

from sqlalchemy import Connection, bindparam, select

from mailwright.model.page import Page
from mailwright.model.workspace import Workspace
from mailwright.store.queries.cursor import read_cursor, read_page, write_cursor
from mailwright.store.rows import workspace_of
from mailwright.store.schema import workspace

_CURSOR = "workspaces"
_ONE = select(workspace).where(workspace.c.id == bindparam("id"))


def workspace_by_name(conn: Connection, name: str) -> Workspace | None:
    row = conn.execute(_ONE, {"id": name}).first()
    return workspace_of(row) if row else None


def workspace_page(conn: Connection, *, cursor: str = "", limit: int = 50) -> Page[Workspace]:
    """By name."""
    statement = select(workspace).order_by(workspace.c.id)
    for last in read_cursor(cursor, _CURSOR, str):
        statement = statement.where(workspace.c.id > last)
    return read_page(conn, statement, limit=limit, item=workspace_of, cursor=lambda row: write_cursor(_CURSOR, row.id))
