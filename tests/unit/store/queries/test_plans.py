"""On SQLite the usual questions walk along an index, and none reads all messages.

What PostgreSQL plans depends on its statistics; it has the same indexes.
"""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine

from mailwright.model.outbox import MessageState
from mailwright.store.queries.messages import MessageQuery, page_statement
from mailwright.store.schema import metadata
from tests.unit.store.queries.given import NOW, Given


@pytest.fixture(scope="module")
def conn() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        metadata.create_all(connection)
        given = Given(connection)
        given.accounts("sales", "support")
        given.message()
        yield connection
    engine.dispose()


def plan_of(conn: Connection, statement) -> list[str]:
    compiled = statement.compile(conn, compile_kwargs={"render_postcompile": True})
    values = tuple(compiled.params[name] for name in compiled.positiontup or ())
    return [row[3] for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", values)]


PLANS = [
    ({"states": [MessageState.FAILED]}, "delivery_state (workspace=? AND state=?"),
    ({"states": [MessageState.FAILED, MessageState.UNCERTAIN]}, "delivery_state (workspace=? AND state=?"),
    ({"states": [MessageState.SENDING]}, "delivery_leased"),
    ({"recipient": "bob@example.org"}, "PRIMARY KEY (workspace=? AND address=?"),
    ({"recipient": "bob@example.org", "states": [MessageState.SENT]}, "PRIMARY KEY (workspace=? AND address=?"),
    ({"account": "sales"}, "message_account (account=?"),
    ({"account": "sales", "states": [MessageState.SENT]}, "message_account (account=?"),
    ({"account": "sales", "states": [MessageState.FAILED]}, "delivery_state (workspace=? AND state=?"),
    ({"accounts": frozenset({"sales", "support"})}, "message_account (account=?"),
    ({"message_id": "a@b"}, "message_header (workspace=? AND header_id=?"),
    ({"bulk": "blk_1"}, "message_bulk (bulk=?"),
    ({"since": NOW}, "message_workspace (workspace=? AND id"),
    ({"until": NOW}, "message_workspace (workspace=? AND id"),
    ({}, "message_workspace (workspace=?"),
]


@pytest.mark.parametrize("oldest_first", [False, True])
@pytest.mark.parametrize("after", ["", "msg_1"])
@pytest.mark.parametrize(("parts", "index"), PLANS)
def test_a_page_of_messages_walks_along_an_index_in_its_order(conn, parts, index, after, oldest_first):
    query = MessageQuery("default", **parts)
    plan = plan_of(conn, page_statement(conn, query, after=after, count=51, oldest_first=oldest_first))
    walked = [step for step in plan if index in step]
    assert walked, plan
    # No other index leads: the other table is looked up by its id.
    reads = [
        step for step in plan if step.startswith(("SCAN message", "SCAN delivery", "SEARCH")) and step not in walked
    ]
    assert all(step.endswith(("(id=?)", "AND id=?)")) for step in reads), plan
    sorted_anyway = "header_id" in index or "leased" in index or len(walked) > 1
    assert sorted_anyway or not any("TEMP B-TREE FOR ORDER BY" in step for step in plan), plan
