"""What the changes of one list share while they are written."""

from typing import NamedTuple

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

from mailwright.errors import NotFound, VersionConflict
from mailwright.model.account_record import AccountRecord
from mailwright.model.event import Event
from mailwright.model.webhook import WebhookEndpoint
from mailwright.store.rows import Values


class Unit(NamedTuple):
    connection: Connection
    #: microseconds
    now: int
    #: that the changes bring about; written when all of them are
    events: list[Event]


class SealedAccount(NamedTuple):
    """PutAccount on its way to the writer: its secrets are sealed before."""

    record: AccountRecord
    expected: int
    row: Values


class SealedWebhook(NamedTuple):
    endpoint: WebhookEndpoint
    expected: int
    row: Values


def insert_new(connection: Connection, table: Table, values: Values) -> bool:
    """False: there is one already. Nothing is raised, so that PostgreSQL's transaction goes on."""
    statement = _insert(connection)(table).values(values).on_conflict_do_nothing()
    # By itself SQLAlchemy keeps the count of updates and deletions only.
    result = connection.execute(statement, execution_options={"preserve_rowcount": True})
    return result.rowcount == 1


def upsert(connection: Connection, table: Table, values: Values) -> None:
    keys = [column.name for column in table.primary_key]
    statement = _insert(connection)(table).values(values)
    changed = {name: statement.excluded[name] for name in values if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed))


def update_version(connection: Connection, table: Table, values: Values, expected: int, what: str) -> None:
    """The row of this id, as long as it has the version that somebody saw."""
    rest = {name: value for name, value in values.items() if name != "id"}
    ours = table.c.id == values["id"]
    if "workspace" in values:
        ours &= table.c.workspace == values["workspace"]
    if connection.execute(table.update().where(ours, table.c.version == expected).values(rest)).rowcount:
        return
    if connection.execute(table.select().with_only_columns(table.c.id).where(ours)).first() is None:
        raise NotFound(f"there is no such {what}", field=what)
    raise VersionConflict(f"the {what} was changed meanwhile", field="version", hint="read it again")


def _insert(connection: Connection) -> type[sqlite.Insert]:
    # Both dialects spell it alike; their classes only share no name for it.
    return postgresql.Insert if connection.dialect.name == "postgresql" else sqlite.Insert  # type: ignore[return-value]
