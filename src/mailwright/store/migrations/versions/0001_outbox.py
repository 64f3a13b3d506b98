"""Everything that the outbox needs."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_counter = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _make_account()
    _make_audit()
    _make_body()
    _make_bulk()
    _make_bulk_error()
    _make_delivery()
    _make_event()
    _make_fact()
    _make_idempotency()
    _make_lane()
    _make_lease()
    _make_message()
    _make_message_recipient()
    _make_node()
    _make_suppression()
    _make_task()
    _make_token()
    _make_webhook()
    _make_workspace()


def _only(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def _make_account() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("config", sa.Text, nullable=False),
        sa.Column("secrets", sa.LargeBinary),
        sa.Column("paused", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_index("account_name", "account", ["workspace", "name"], unique=True)


def _make_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("number", _counter, primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("previous_hash", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )
    op.create_index("audit_workspace", "audit", ["workspace", "number"])


def _make_body() -> None:
    op.create_table(
        "body",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )


def _make_bulk() -> None:
    op.create_table(
        "bulk",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("accepted", sa.Integer, nullable=False),
        sa.Column("refused", sa.Integer, nullable=False),
        sa.Column("ended", sa.Text, nullable=False),
    )
    op.create_index("bulk_workspace", "bulk", ["workspace", "id"])


def _make_bulk_error() -> None:
    op.create_table(
        "bulk_error",
        sa.Column("bulk", sa.Text, primary_key=True),
        sa.Column("index", sa.Integer, primary_key=True),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("field", sa.Text, nullable=False),
    )


def _make_delivery() -> None:
    op.create_table(
        "delivery",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("lane", sa.Text, nullable=False),
        sa.Column("priority", sa.SmallInteger, nullable=False),
        sa.Column("work", sa.SmallInteger, nullable=False),
        sa.Column("due", sa.BigInteger, nullable=False),
        sa.Column("lease_token", sa.BigInteger, nullable=False),
        sa.Column("lease_until", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("dot_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("uncertain", sa.Text, nullable=False),
        sa.Column("recipients", sa.Text, nullable=False),
        sa.Column("failure", sa.Text),
        sa.Column("response", sa.Text),
        sa.Column("settled_at", sa.BigInteger, nullable=False),
    )
    op.create_index("delivery_expiry", "delivery", ["expires_at"], **_only("expires_at > 0 AND work < 2"))
    op.create_index("delivery_leased", "delivery", ["lease_until"], **_only("work = 2"))
    op.create_index("delivery_leased_lane", "delivery", ["lane"], **_only("work = 2"))
    op.create_index("delivery_ready", "delivery", ["lane", "priority", "due", "id"], **_only("work = 1"))
    op.create_index("delivery_scheduled", "delivery", ["due"], **_only("work = 0"))
    op.create_index("delivery_state", "delivery", ["workspace", "state", "id"])


def _make_event() -> None:
    op.create_table(
        "event",
        sa.Column("number", _counter, primary_key=True, autoincrement=True),
        sa.Column("written_by", sa.BigInteger, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("event_id", "event", ["id"], unique=True)
    op.create_index("event_message", "event", ["message", "number"], **_only("message <> ''"))
    op.create_index("event_workspace", "event", ["workspace", "written_by", "number"])


def _make_fact() -> None:
    op.create_table(
        "fact",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )


def _make_idempotency() -> None:
    op.create_table(
        "idempotency",
        sa.Column("workspace", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("ref", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_index("idempotency_age", "idempotency", ["created_at"])


def _make_lane() -> None:
    op.create_table(
        "lane",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("paused", sa.Boolean, nullable=False),
        sa.Column("blocked_until", sa.BigInteger, nullable=False),
        sa.Column("parked", sa.Text),
        sa.Column("interval_us", sa.BigInteger),
        sa.Column("burst_us", sa.BigInteger, nullable=False),
        sa.Column("arrival_us", sa.BigInteger, nullable=False),
        sa.Column("concurrency", sa.Integer),
    )


def _make_lease() -> None:
    op.create_table(
        "lease",
        sa.Column("resource", sa.Text, primary_key=True),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
    )


def _make_message() -> None:
    op.create_table(
        "message",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("envelope_from", sa.Text, nullable=False),
        sa.Column("from_", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("header_id", sa.Text, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("body_ref", sa.Text, nullable=False),
        sa.Column("transport", sa.Text, nullable=False),
        sa.Column("idempotency_key", sa.Text, nullable=False),
        sa.Column("tags", sa.Text, nullable=False),
        sa.Column("bulk", sa.Text, nullable=False),
        sa.Column("bulk_index", sa.Integer, nullable=False),
    )
    op.create_index("message_account", "message", ["account", "id"])
    op.create_index("message_bulk", "message", ["bulk", "id"], **_only("bulk <> ''"))
    op.create_index("message_header", "message", ["workspace", "header_id"])
    op.create_index("message_workspace", "message", ["workspace", "id"])


def _make_message_recipient() -> None:
    op.create_table(
        "message_recipient",
        sa.Column("workspace", sa.Text, primary_key=True),
        sa.Column("address", sa.Text, primary_key=True),
        sa.Column("message", sa.Text, primary_key=True),
        sqlite_with_rowid=False,
    )


def _make_node() -> None:
    op.create_table(
        "node",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
    )


def _make_suppression() -> None:
    op.create_table(
        "suppression",
        sa.Column("workspace", sa.Text, primary_key=True),
        sa.Column("list", sa.Text, primary_key=True),
        sa.Column("address", sa.Text, primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
    )
    op.create_index("suppression_address", "suppression", ["workspace", "address"])


def _make_task() -> None:
    op.create_table(
        "task",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("lane", sa.Text, nullable=False),
        sa.Column("priority", sa.SmallInteger, nullable=False),
        sa.Column("work", sa.SmallInteger, nullable=False),
        sa.Column("due", sa.BigInteger, nullable=False),
        sa.Column("lease_token", sa.BigInteger, nullable=False),
        sa.Column("lease_until", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("ref", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("settled_at", sa.BigInteger, nullable=False),
    )
    op.create_index("task_lane", "task", ["lane", "id"])
    op.create_index("task_leased", "task", ["lease_until"], **_only("work = 2"))
    op.create_index("task_leased_lane", "task", ["lane"], **_only("work = 2"))
    op.create_index("task_ready", "task", ["kind", "lane", "priority", "due", "id"], **_only("work = 1"))
    op.create_index("task_ref", "task", ["ref"])
    op.create_index("task_scheduled", "task", ["due"], **_only("work = 0"))


def _make_token() -> None:
    op.create_table(
        "token",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("actions", sa.Text, nullable=False),
        sa.Column("accounts", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("last_used_at", sa.BigInteger, nullable=False),
        sa.Column("revoked_at", sa.BigInteger, nullable=False),
    )
    op.create_index("token_hash", "token", ["hash"], unique=True)


def _make_webhook() -> None:
    op.create_table(
        "webhook",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("config", sa.Text, nullable=False),
        sa.Column("secrets", sa.LargeBinary, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("health", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_index("webhook_workspace", "webhook", ["workspace", "id"])


def _make_workspace() -> None:
    op.create_table(
        "workspace",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("safe_redirect", sa.Text, nullable=False),
        sa.Column("safe_allow", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
