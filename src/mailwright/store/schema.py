"""The tables, for SQLite and PostgreSQL alike. The migrations make the same; a test compares them.

Times are integers: microseconds since 1970 in UTC. Ids are text (`model.ids`). JSON is text: it is read as a whole and
never searched.

`delivery` and `task` are the two queues of `work`. Their columns `lane`, `priority`, `work`, `due`, `lease_token`,
`lease_until` and `attempts` belong to the kernel, the others to whoever put the work there.
"""

from enum import IntEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    text,
)

metadata = MetaData()


class Work(IntEnum):
    """Where a row of a queue stands."""

    #: due later
    SCHEDULED = 0
    #: anybody may claim it
    READY = 1
    #: somebody works on it until `lease_until`
    LEASED = 2
    #: out of the queue
    DONE = 3
    #: waits for a person, out of the queue
    HELD = 4


#: BIGINT PRIMARY KEY is no alias of the row id in SQLite, INTEGER is
_Counter = BigInteger().with_variant(Integer(), "sqlite")

workspace = Table(
    "workspace",
    metadata,
    Column("id", Text, primary_key=True),
    Column("description", Text, nullable=False),
    Column("safe_redirect", Text, nullable=False),
    Column("safe_allow", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
)

account = Table(
    "account",
    metadata,
    Column("id", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("name", Text, nullable=False),
    #: everything but secrets
    Column("config", Text, nullable=False),
    #: sealed JSON of the secrets
    Column("secrets", LargeBinary),
    Column("paused", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Index("account_name", "workspace", "name", unique=True),
)

#: Whose work it is, for fairness and budgets: an account (its deliveries) or a webhook endpoint (its tasks).
lane = Table(
    "lane",
    metadata,
    Column("id", Text, primary_key=True),
    Column("paused", Boolean, nullable=False),
    #: nothing is claimed before; 0: no such wait
    Column("blocked_until", BigInteger, nullable=False),
    #: JSON of why it is parked; NULL when it is not
    Column("parked", Text),
    #: GCRA: microseconds between two, how far ahead of them a burst may go, and the theoretical arrival time
    Column("interval_us", BigInteger),
    Column("burst_us", BigInteger, nullable=False),
    Column("arrival_us", BigInteger, nullable=False),
    #: how many may be leased at once
    Column("concurrency", Integer),
)


def _queue(*columns: Column[Any]) -> list[Column[Any]]:
    return [
        Column("id", Text, primary_key=True),
        Column("lane", Text, nullable=False),
        Column("priority", SmallInteger, nullable=False),
        Column("work", SmallInteger, nullable=False),
        Column("due", BigInteger, nullable=False),
        #: the fence: who claimed it; goes up with every claim of the row
        Column("lease_token", BigInteger, nullable=False),
        Column("lease_until", BigInteger, nullable=False),
        Column("attempts", Integer, nullable=False),
        *columns,
    ]


def _queue_indexes(name: str, *first: str) -> list[Index]:
    """`first`: what tells apart the workers of one queue, before the lanes of each."""

    def only(work: Work, index: str, *columns: str) -> Index:
        where = text(f"work = {work.value}")
        return Index(f"{name}_{index}", *columns, sqlite_where=where, postgresql_where=where)

    return [
        only(Work.READY, "ready", *first, "lane", "priority", "due", "id"),
        only(Work.SCHEDULED, "scheduled", "due"),
        only(Work.LEASED, "leased", "lease_until"),
        only(Work.LEASED, "leased_lane", "lane"),
    ]


#: Written once, never changed.
message = Table(
    "message",
    metadata,
    Column("id", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    #: id of the account it was accepted for
    Column("account", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    #: empty: the null sender
    Column("envelope_from", Text, nullable=False),
    Column("from_", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("header_id", Text, nullable=False),
    Column("size", Integer, nullable=False),
    #: where the body store keeps the bytes
    Column("body_ref", Text, nullable=False),
    #: what `Composed` says beside the bytes: needs_utf8, eight_bit, leading_dots and the DSN options, as JSON
    Column("transport", Text, nullable=False),
    Column("idempotency_key", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Column("bulk", Text, nullable=False),
    Column("bulk_index", Integer, nullable=False),
    Index("message_workspace", "workspace", "id"),
    Index("message_account", "account", "id"),
    Index("message_header", "workspace", "header_id"),
    Index("message_bulk", "bulk", "id", sqlite_where=text("bulk <> ''"), postgresql_where=text("bulk <> ''")),
)

#: The bodies themselves, sealed; empty where a directory keeps them.
body = Table(
    "body",
    metadata,
    Column("id", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

#: to find the messages to somebody
message_recipient = Table(
    "message_recipient",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("message", Text, primary_key=True),
    sqlite_with_rowid=False,
)

#: The hot half of a message.
delivery = Table(
    "delivery",
    metadata,
    *_queue(
        Column("workspace", Text, nullable=False),
        Column("state", Text, nullable=False),
        #: since when the final dot is about to be written, or was; 0: not in this attempt
        Column("dot_at", BigInteger, nullable=False),
        #: 0: never
        Column("expires_at", BigInteger, nullable=False),
        Column("uncertain", Text, nullable=False),
        #: JSON list of the recipients with their states and replies
        Column("recipients", Text, nullable=False),
        Column("failure", Text),
        Column("response", Text),
        Column("settled_at", BigInteger, nullable=False),
    ),
    *_queue_indexes("delivery"),
    Index("delivery_state", "workspace", "state", "id"),
    Index(
        "delivery_expiry",
        "expires_at",
        sqlite_where=text("expires_at > 0 AND work < 2"),
        postgresql_where=text("expires_at > 0 AND work < 2"),
    ),
)

#: Other work that falls due: webhooks to deliver, sweeps, timers.
task = Table(
    "task",
    metadata,
    *_queue(
        Column("workspace", Text, nullable=False),
        Column("kind", Text, nullable=False),
        #: what it is about, such as the id of an event
        Column("ref", Text, nullable=False),
        Column("payload", Text, nullable=False),
        Column("outcome", Text),
        Column("created_at", BigInteger, nullable=False),
        Column("settled_at", BigInteger, nullable=False),
    ),
    *_queue_indexes("task", "kind"),
    Index("task_lane", "lane", "id"),
    Index("task_ref", "ref"),
)

event = Table(
    "event",
    metadata,
    Column("number", _Counter, primary_key=True, autoincrement=True),
    #: PostgreSQL: the transaction that wrote it; SQLite: 0. Numbers are given before they commit, so that a reader who
    #: went by them alone could step over one: it goes by transaction and number, and takes only transactions that are
    #: older than any still under way.
    Column("written_by", BigInteger, nullable=False),
    Column("id", Text, nullable=False),
    Column("workspace", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("account", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("data", Text, nullable=False),
    Index("event_id", "id", unique=True),
    Index("event_workspace", "workspace", "written_by", "number"),
    Index(
        "event_message", "message", "number", sqlite_where=text("message <> ''"), postgresql_where=text("message <> ''")
    ),
    # A number is never given twice, even when everything old was cleaned up: readers keep theirs as a cursor.
    sqlite_autoincrement=True,
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    #: of everything that was asked for
    Column("fingerprint", LargeBinary, nullable=False),
    #: id of what came of it
    Column("ref", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("idempotency_age", "created_at"),
)

token = Table(
    "token",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    #: SHA-256 of 256 random bits
    Column("hash", LargeBinary, nullable=False),
    Column("workspace", Text, nullable=False),
    Column("actions", Text, nullable=False),
    Column("accounts", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger, nullable=False),
    Index("token_hash", "hash", unique=True),
)

webhook = Table(
    "webhook",
    metadata,
    Column("id", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    #: everything but the signing secrets
    Column("config", Text, nullable=False),
    Column("secrets", LargeBinary, nullable=False),
    Column("enabled", Boolean, nullable=False),
    #: JSON of the last attempts: for people
    Column("health", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Index("webhook_workspace", "workspace", "id"),
)

suppression = Table(
    "suppression",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("list", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("message", Text, nullable=False),
    Column("note", Text, nullable=False),
    Index("suppression_address", "workspace", "address"),
)

bulk = Table(
    "bulk",
    metadata,
    Column("id", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("total", Integer, nullable=False),
    Column("accepted", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    #: JSON: how many messages ended in which state, written when the job finishes; until then they are counted
    Column("ended", Text, nullable=False),
    Index("bulk_workspace", "workspace", "id"),
)

#: the items that were refused; the others are messages
bulk_error = Table(
    "bulk_error",
    metadata,
    Column("bulk", Text, primary_key=True),
    Column("index", Integer, primary_key=True),
    Column("code", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("field", Text, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("number", _Counter, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("workspace", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("previous_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Index("audit_workspace", "workspace", "number"),
)

#: Who holds what for long: one watcher for each mailbox, one sweeper for all.
lease = Table(
    "lease",
    metadata,
    Column("resource", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
)

node = Table(
    "node",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
)

#: facts about the database as a whole, such as the keys it was made with
fact = Table(
    "fact",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
