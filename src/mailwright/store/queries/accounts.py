"""Accounts by name and by id, and what a limited access may see of them."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from sqlalchemy import Connection, Select, bindparam, select

from mailwright.model.account_record import AccountRecord
from mailwright.model.page import Page
from mailwright.store.account_rows import account_of
from mailwright.store.queries.cursor import read_cursor, read_page, write_cursor
from mailwright.store.schema import account, lane
from mailwright.store.secret_box import SecretBox

_CURSOR = "accounts"

_WITH_LANE: Select[Any] = select(account, lane.c.paused.label("lane_paused"), lane.c.parked).select_from(
    account.outerjoin(lane, lane.c.id == account.c.id)
)
_BY_ID = _WITH_LANE.where(account.c.id == bindparam("id"))
_PARKED = _WITH_LANE.where(lane.c.parked.is_not(None))
_BY_NAME = _WITH_LANE.where(account.c.workspace == bindparam("workspace"), account.c.name == bindparam("name"))


def account_by_id(conn: Connection, box: SecretBox, id_: str) -> AccountRecord | None:
    row = conn.execute(_BY_ID, {"id": id_}).first()
    return account_of(row, box) if row else None


def account_by_name(conn: Connection, box: SecretBox, workspace: str, name: str) -> AccountRecord | None:
    row = conn.execute(_BY_NAME, {"workspace": workspace, "name": name}).first()
    return account_of(row, box) if row else None


def parked_accounts(conn: Connection, box: SecretBox) -> list[AccountRecord]:
    """Of all workspaces: few, whatever the number of accounts."""
    return [account_of(row, box) for row in conn.execute(_PARKED)]


def account_page(
    conn: Connection,
    box: SecretBox,
    workspace: str,
    *,
    accounts: frozenset[str] | None = None,
    cursor: str = "",
    limit: int = 50,
) -> Page[AccountRecord]:
    """By name."""
    statement = _WITH_LANE.where(account.c.workspace == workspace).order_by(account.c.name)
    if accounts is not None:
        statement = statement.where(account.c.name.in_(sorted(accounts)))
    for last in read_cursor(cursor, _CURSOR, str):
        statement = statement.where(account.c.name > last)
    return read_page(
        conn,
        statement,
        limit=limit,
        item=partial(account_of, box=box),
        cursor=lambda row: write_cursor(_CURSOR, row.name),
    )


def account_ids(conn: Connection, workspace: str, names: Iterable[str]) -> list[str]:
    """Of those that exist."""
    statement = select(account.c.id).where(account.c.workspace == workspace, account.c.name.in_(sorted(names)))
    return list(conn.execute(statement).scalars())


def visible_account_ids(
    conn: Connection, workspace: str, *, accounts: frozenset[str] | None, wanted: str = ""
) -> list[str] | None:
    """What a list is limited to: None is no limit. `wanted` is the name of one account, or its id when it is gone."""
    if not wanted:
        return None if accounts is None else account_ids(conn, workspace, accounts)
    if accounts is not None:
        return account_ids(conn, workspace, accounts & {wanted})
    return account_ids(conn, workspace, [wanted]) or [wanted]
