"""Messages: one by its id, pages of those that fit a filter, and what the courier sends."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    func,
    literal_column,
    or_,
    select,
    text,
    union_all,
)
from sqlalchemy.sql.selectable import FromClause

from mailwright.model.outbox import MessageState, StoredMessage
from mailwright.model.page import Page
from mailwright.store.message_rows import message_of
from mailwright.store.queries.accounts import visible_account_ids
from mailwright.store.queries.age import SLACK_US, message_id_at
from mailwright.store.queries.cursor import check_limit, read_cursor, write_cursor
from mailwright.store.rows import microseconds
from mailwright.store.schema import account, delivery, message, message_recipient

_CURSORS = {False: "messages", True: "messages, oldest first"}
#: an access that is limited to more accounts than this is answered by walking through the whole workspace
_SEPARATE_ACCOUNTS = 16

# As text: a partial index is used only where the planner can see its condition, and it does not see parameters.
_LEASED = text("delivery.work = 2")
_NOT_LEASED = text("delivery.work <> 2")
_IN_BULK = text("message.bulk <> ''")

_sending = account.alias("sending")
_STORED: Select[Any] = select(
    message,
    *(delivery.c[name] for name in ("lane", "priority", "work", "due", "attempts", "state", "expires_at", "uncertain")),
    *(delivery.c[name] for name in ("recipients", "failure", "response", "settled_at")),
    account.c.name.label("account_name"),
    _sending.c.name.label("sending_name"),
).select_from(
    message.join(delivery, delivery.c.id == message.c.id)
    .outerjoin(account, account.c.id == message.c.account)
    .outerjoin(_sending, _sending.c.id == delivery.c.lane)
)
_BY_IDS = _STORED.where(message.c.id.in_(bindparam("ids", expanding=True)))


@dataclass(frozen=True, slots=True)
class MessageQuery:
    """All parts must fit. Empty parts fit everything; `accounts` None is no limit, and the empty set sees nothing."""

    workspace: str
    accounts: frozenset[str] | None = None
    states: Sequence[MessageState] = ()
    account: str = ""
    recipient: str = ""
    #: each word must be somewhere in the subject
    subject: str = ""
    message_id: str = ""
    bulk: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    since: datetime | None = None
    #: before, not at
    until: datetime | None = None


class MessageContent(NamedTuple):
    """What is needed to send a message, beside its delivery."""

    id: str
    workspace: str
    account: str
    envelope_from: str
    header_id: str
    size: int
    body_ref: str
    transport: str
    tags: str
    bulk: str


_CONTENT = select(*(message.c[name] for name in MessageContent._fields)).where(
    message.c.id.in_(bindparam("ids", expanding=True))
)


def message_contents(conn: Connection, ids: Sequence[str]) -> dict[str, MessageContent]:
    """By id. It asks nobody whether they may see them."""
    return {row.id: MessageContent(*row) for row in conn.execute(_CONTENT, {"ids": list(ids)})}


def message_by_id(
    conn: Connection, workspace: str, id_: str, *, accounts: frozenset[str] | None = None
) -> StoredMessage | None:
    found = messages_by_ids(conn, workspace, [id_], accounts=accounts)
    return found[0] if found else None


def messages_by_ids(
    conn: Connection, workspace: str, ids: Sequence[str], *, accounts: frozenset[str] | None = None
) -> list[StoredMessage]:
    """Those that are there and may be seen, in the order that was asked for."""
    rows = {
        row.id: row
        for row in conn.execute(_BY_IDS, {"ids": list(ids)})
        if row.workspace == workspace and (accounts is None or row.account_name in accounts)
    }
    return [message_of(rows[id_]) for id_ in dict.fromkeys(ids) if id_ in rows]


def message_page(
    conn: Connection, query: MessageQuery, *, cursor: str = "", limit: int = 50, oldest_first: bool = False
) -> Page[StoredMessage]:
    """The youngest first, or the oldest."""
    check_limit(limit)
    kind = _CURSORS[oldest_first]
    last = read_cursor(cursor, kind, str)
    statement = page_statement(conn, query, after=last[0] if last else "", count=limit + 1, oldest_first=oldest_first)
    if statement is None:
        return Page([])
    ids = list(conn.execute(statement).scalars())
    shown = messages_by_ids(conn, query.workspace, ids[:limit])
    return Page(shown, write_cursor(kind, ids[limit - 1]) if len(ids) > limit else "")


def page_statement(
    conn: Connection, query: MessageQuery, *, after: str, count: int, oldest_first: bool
) -> Select[Any] | None:
    """The ids of the page alone, in their order; None when nothing can be seen.

    Each branch of it walks an index that has the ids in order behind what is asked for, so that it can stop after
    `count` of them, however many there are.
    """
    seen = visible_account_ids(conn, query.workspace, accounts=query.accounts, wanted=query.account)
    if seen is not None and not seen:
        return None
    walk = _walk(query, seen)
    rest = [*walk.rest, *_content_conditions(conn, query)]
    parts = []
    for branch in walk.branches:
        conditions = [*branch.conditions, *rest, *_time_conditions(conn, query, branch.id)]
        if after:
            conditions.append(branch.id > after if oldest_first else branch.id < after)
        walked = select(branch.id.label("id")).select_from(walk.source).where(*conditions)
        parts.append(walked.order_by(branch.id if oldest_first else branch.id.desc()).limit(count))
    if len(parts) == 1:
        return parts[0]
    ids = union_all(*(select(part.subquery()) for part in parts)).subquery()
    return select(ids.c.id).order_by(ids.c.id if oldest_first else ids.c.id.desc()).limit(count)


# A ColumnElement[bool] or a piece of text, which have no type in common that `where` takes.
_Condition = Any


class _Branch(NamedTuple):
    """One walk along an index."""

    #: in whose order it goes
    id: ColumnElement[str]
    conditions: list[_Condition]


class _Walk(NamedTuple):
    """Where to begin: the tables, the narrowest index first, and what is left to be compared in each row."""

    source: FromClause
    branches: list[_Branch]
    rest: list[_Condition]


def _unled(column: ColumnElement[str]) -> ColumnElement[str]:
    """The same value, which leads no planner to an index: where another index is the one to walk along."""
    return column + literal_column("''")


def _walk(query: MessageQuery, seen: list[str] | None) -> _Walk:
    # Every message has its delivery: where nothing is asked of that, it is not looked up.
    both: FromClause = message.join(delivery, delivery.c.id == message.c.id) if query.states else message
    in_workspace = _unled(message.c.workspace) == query.workspace
    in_states = [_any_state(query.states)] if query.states else []
    of_accounts = [message.c.account.in_(seen)] if seen is not None else []
    rest = [*in_states, *of_accounts]
    if query.recipient:
        to = message_recipient.c
        found = [to.workspace == query.workspace, to.address == query.recipient.lower()]
        return _Walk(message_recipient.join(both, to.message == message.c.id), [_Branch(to.message, found)], rest)
    if query.message_id:
        header = query.message_id.strip().removeprefix("<").removesuffix(">")
        found = [message.c.workspace == query.workspace, message.c.header_id == header]
        return _Walk(both, [_Branch(_unled(message.c.id), found)], rest)
    if query.bulk:
        return _Walk(both, [_Branch(message.c.id, [in_workspace, message.c.bulk == query.bulk, _IN_BULK])], rest)
    # Most messages of a workspace are sent; of any other state there are few.
    if query.states and (seen is None or MessageState.SENT not in query.states):
        source = delivery.join(message, message.c.id == delivery.c.id)
        return _Walk(source, [_in_state(query.workspace, state) for state in dict.fromkeys(query.states)], of_accounts)
    if seen is not None and len(seen) <= _SEPARATE_ACCOUNTS:
        branches = [_Branch(message.c.id, [in_workspace, message.c.account == id_]) for id_ in seen]
        return _Walk(both, branches, in_states)
    return _Walk(both, [_Branch(message.c.id, [message.c.workspace == query.workspace])], rest)


def _in_state(workspace: str, state: MessageState) -> _Branch:
    if state is MessageState.SENDING:
        # Few rows are leased, so these are sorted.
        return _Branch(_unled(delivery.c.id), [_unled(delivery.c.workspace) == workspace, *_state(state)])
    return _Branch(delivery.c.id, [delivery.c.workspace == workspace, *_state(state)])


def _state(state: MessageState) -> list[_Condition]:
    if state is MessageState.SENDING:
        return [_LEASED]
    return [delivery.c.state == state.value, _NOT_LEASED]


def _any_state(states: Sequence[MessageState]) -> _Condition:
    return or_(*(and_(*_state(state)) for state in dict.fromkeys(states)))


def _content_conditions(conn: Connection, query: MessageQuery) -> list[_Condition]:
    # For SQLite, LIKE ignores the case of ASCII by itself; made of lower() it takes three times as long.
    contains = message.c.subject.contains if conn.dialect.name == "sqlite" else message.c.subject.icontains
    words = [contains(word, autoescape=True) for word in query.subject.split()]
    return [*words, *(_has_tag(conn, name, value) for name, value in query.tags.items())]


def _has_tag(conn: Connection, name: str, value: str) -> _Condition:
    """The pair as it stands in the JSON text, which may be compact or not, and ASCII or not.

    Quotes inside a JSON text are escaped, so that this is found nowhere but where a pair is. (JSON functions of
    PostgreSQL fail on what JSON may hold and its text may not, NUL among it.)
    """
    find = func.instr if conn.dialect.name == "sqlite" else func.strpos
    spellings = {
        f"{json.dumps(name, ensure_ascii=ascii_)}:{space}{json.dumps(value, ensure_ascii=ascii_)}"
        for ascii_ in (True, False)
        for space in ("", " ")
    }
    return or_(*(find(message.c.tags, spelling) > 0 for spelling in sorted(spellings)))


def _time_conditions(conn: Connection, query: MessageQuery, id_column: ColumnElement[str]) -> list[_Condition]:
    conditions: list[_Condition] = []
    if query.since is not None:
        since = microseconds(query.since)
        conditions += [message.c.created_at >= since, id_column >= message_id_at(conn, since - SLACK_US)]
    if query.until is not None:
        until = microseconds(query.until)
        conditions += [message.c.created_at < until, id_column < message_id_at(conn, until + SLACK_US)]
    return conditions
