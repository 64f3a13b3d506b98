"""Values of the model in rows and back."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, strategies as st
from sqlalchemy import create_engine, insert, select

from mailwright.model.access import Action, ApiToken
from mailwright.model.audit import AuditEntry
from mailwright.model.bulk import BulkJob, BulkState
from mailwright.model.event import Event, EventType
from mailwright.model.suppression import Suppression, SuppressionReason
from mailwright.model.workspace import SafeMode, Workspace
from mailwright.store import rows, schema
from tests.unit.store.queries.given import audit_row, event_row

AT = datetime(2030, 1, 31, 12, 0, 0, 1, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
MOMENT = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@pytest.fixture(scope="module")
def conn():
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        schema.metadata.create_all(connection)
        yield connection
    engine.dispose()


def through(conn, table, row):
    """The row as it comes back."""
    conn.execute(table.delete())
    conn.execute(insert(table), row)
    return conn.execute(select(table)).one()


@given(MOMENT)
def test_a_moment_keeps_its_microseconds(moment):
    assert rows.moment_of(rows.microseconds(moment)) == moment
    elsewhere = moment.astimezone(timezone(timedelta(hours=5, minutes=45)))
    assert rows.microseconds(elsewhere) == rows.microseconds(moment)


def test_zero_stands_for_never():
    assert rows.moment_or_none(0) is None
    assert rows.moment_or_none(rows.microseconds(AT)) == AT


@given(TEXT, st.lists(TEXT).map(tuple), TEXT)
def test_a_workspace(conn, description, allow, redirect):
    workspace = Workspace("w", description, AT, SafeMode(redirect, allow), 3)
    assert rows.workspace_of(through(conn, schema.workspace, rows.workspace_row(workspace))) == workspace


@given(
    st.sampled_from(EventType), TEXT, st.dictionaries(TEXT, st.one_of(TEXT, st.integers(), st.none(), st.booleans()))
)
def test_an_event(conn, kind, account, data):
    event = Event("evt_1", "w", kind, AT, account, "msg_1", data)
    assert rows.event_of(through(conn, schema.event, event_row(event, 7))) == event


def test_halves_of_characters_in_json_can_be_kept():
    text = rows.json_text({"said": "\ud800"})
    assert text.isascii()
    assert json.loads(text) == {"said": "\ud800"}


@given(
    st.frozensets(st.sampled_from(Action)),
    st.none() | st.frozensets(TEXT),
    st.none() | MOMENT,
    st.none() | MOMENT,
)
def test_a_token(conn, actions, accounts, used, revoked):
    token = ApiToken("tok_1", "ci", "", actions, accounts, AT, AT + timedelta(days=1), used, revoked)
    row = through(conn, schema.token, rows.token_row(token, b"\x00" * 32))
    assert rows.token_of(row) == token
    assert row.hash == b"\x00" * 32


@given(st.sampled_from(SuppressionReason), TEXT, TEXT)
def test_a_suppression(conn, reason, list_, note):
    suppression = Suppression("w", "a@example.org", list_, reason, AT, "msg_1", note)
    assert rows.suppression_of(through(conn, schema.suppression, rows.suppression_row(suppression))) == suppression


@given(st.sampled_from(BulkState), st.dictionaries(TEXT, st.integers(0, 10**6)))
def test_a_bulk_job(conn, state, ended):
    job = BulkJob("blk_1", "w", "acc_1", state, AT, 9, 5, 4, ended)
    assert rows.bulk_of(through(conn, schema.bulk, rows.bulk_row(job))) == job


def test_a_refused_item(conn):
    row = rows.bulk_error_row("blk_1", (7, "invalid_address", "no", "to"))
    item = rows.bulk_error_of(through(conn, schema.bulk_error, row))
    assert (item.index, item.error_code, item.error, item.field, item.job) == (
        7,
        "invalid_address",
        "no",
        "to",
        "blk_1",
    )


def test_an_entry_of_the_audit_trail(conn):
    entry = AuditEntry(5, AT, "cli", "w", "account.create", "sales", {"a": [1, None, "ü"]}, "p", "h")
    assert rows.audit_of(through(conn, schema.audit, audit_row(entry))) == entry
