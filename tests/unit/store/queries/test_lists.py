"""The smaller nouns: found by their keys, listed in order, and only within what may be seen."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import insert

from mailwright.model.access import Action, ApiToken
from mailwright.model.account_record_json import parked_to_json
from mailwright.model.audit import AuditEntry
from mailwright.model.suppression import Suppression, SuppressionReason
from mailwright.model.workspace import SafeMode, Workspace
from mailwright.store.queries.accounts import account_by_id, account_by_name, account_page
from mailwright.store.queries.audit import audit_chain, audit_page
from mailwright.store.queries.facts import facts
from mailwright.store.queries.idempotency import Known, known_key
from mailwright.store.queries.suppressions import suppressed, suppression_page, suppressions_of
from mailwright.store.queries.tokens import any_token, token_by_hash, token_by_id, token_page
from mailwright.store.queries.workspaces import workspace_by_name, workspace_page
from mailwright.store.rows import json_text, suppression_row, token_row, workspace_row
from mailwright.store.schema import audit, fact, idempotency, suppression, token, workspace
from tests.unit.model.test_account_record_json import PARKED
from tests.unit.store.queries.given import BOX, NOW, a_record, audit_row


def walked(page_of, limit=2):
    """All items of a list, page by page."""
    items, cursor = [], ""
    while True:
        page = page_of(cursor=cursor, limit=limit)
        items += page.items
        cursor = page.next_cursor
        if not cursor:
            return items
        assert len(page.items) == limit


def test_workspaces_are_listed_by_name(conn):
    spaces = [Workspace(name, f"The {name}", NOW, SafeMode("t@example.org", ("@a.example",)), 3) for name in "cab"]
    conn.execute(insert(workspace), [workspace_row(space) for space in spaces])
    assert workspace_by_name(conn, "c") == spaces[0]
    assert workspace_by_name(conn, "d") is None
    assert walked(lambda **page: workspace_page(conn, **page)) == sorted(spaces, key=lambda space: space.id)


def test_an_account_comes_with_its_secret_and_with_what_its_lane_says(conn, given):
    given.accounts("sales", "support")
    assert account_by_name(conn, BOX, "default", "sales") == a_record("sales")
    given.lane("acc_sales", paused=True, parked=json_text(parked_to_json(PARKED)))
    parked = replace(a_record("sales"), paused=True, parked=PARKED)
    assert account_by_name(conn, BOX, "default", "sales") == parked
    assert account_by_id(conn, BOX, "acc_sales") == parked
    assert account_by_id(conn, BOX, "acc_support") == a_record("support")
    assert account_by_name(conn, BOX, "other", "sales") is None
    assert account_by_id(conn, BOX, "acc_none") is None


def test_accounts_are_listed_by_name_and_only_those_that_may_be_seen(conn, given):
    names = ["delta", "alpha", "echo", "bravo", "charlie"]
    given.accounts(*names)
    given.accounts("foreign", workspace="other")

    def seen(accounts):
        return [
            record.name
            for record in walked(lambda **page: account_page(conn, BOX, "default", accounts=accounts, **page))
        ]

    assert seen(None) == sorted(names)
    assert seen(frozenset({"echo", "alpha", "bravo", "foreign"})) == ["alpha", "bravo", "echo"]
    assert seen(frozenset()) == []


def test_a_token_is_found_by_the_hash_of_its_secret(conn):
    assert not any_token(conn)
    tokens = [
        ApiToken(
            f"tok_{number}",
            "ci",
            "default" if number % 2 else "",
            frozenset({Action.SEND, Action.MESSAGES_READ}),
            frozenset({"sales"}) if number == 1 else None,
            NOW,
            NOW + timedelta(days=90),
            last_used_at=NOW if number == 2 else None,
            revoked_at=NOW if number == 3 else None,
        )
        for number in range(4)
    ]
    conn.execute(insert(token), [token_row(item, bytes([number]) * 32) for number, item in enumerate(tokens)])
    assert any_token(conn)
    for number, item in enumerate(tokens):
        assert token_by_hash(conn, bytes([number]) * 32) == item
        assert token_by_id(conn, item.id) == item
    assert token_by_hash(conn, b"\xff" * 32) is None
    assert token_by_id(conn, "tok_9") is None
    assert walked(lambda **page: token_page(conn, None, **page)) == tokens[::-1]
    assert walked(lambda **page: token_page(conn, "default", **page), limit=1) == [tokens[3], tokens[1]]


def leaves(address, list_="", workspace="default"):
    return Suppression(workspace, address, list_, SuppressionReason.UNSUBSCRIBED, NOW, "msg_1", "asked for it")


def test_who_left_is_found_among_many_addresses_at_once(conn):
    gone = [
        leaves("everything@example.org"),
        leaves("news@example.org", "news"),
        leaves("offers@example.org", "offers"),
        leaves("stranger@example.org", workspace="other"),
    ]
    conn.execute(insert(suppression), [suppression_row(item) for item in gone])
    many = [f"reader{number}@example.org" for number in range(1200)]
    asked = [*many, "Everything@Example.org", "everything@example.org", "NEWS@example.org", "offers@example.org"]
    asked.append("stranger@example.org")
    everything = {"Everything@Example.org", "everything@example.org"}
    assert suppressed(conn, "default", "news", asked) == everything | {"NEWS@example.org"}
    assert suppressed(conn, "default", "", asked) == everything
    assert suppressed(conn, "default", "news", []) == set()


def test_suppressions_are_listed_by_list_and_address(conn):
    gone = [leaves("b@example.org", "news"), leaves("a@example.org", "news"), leaves("z@example.org")]
    gone += [leaves("a@example.org", "offers"), leaves("a@example.org", workspace="other")]
    conn.execute(insert(suppression), [suppression_row(item) for item in gone])
    everything = walked(lambda **page: suppression_page(conn, "default", **page))
    assert everything == sorted(gone[:4], key=lambda item: (item.list, item.address))
    assert suppressions_of(conn, "default", "A@example.org") == [gone[1], gone[3]]


def test_the_audit_trail_is_listed_backwards_and_checked_forwards(conn):
    entries = [
        AuditEntry(number, NOW, "cli", "other" if number == 3 else "default", "a.b", "x", {"n": number}, "p", "h")
        for number in range(1, 6)
    ]
    conn.execute(insert(audit), [audit_row(entry) for entry in entries])
    assert walked(lambda **page: audit_page(conn, None, **page)) == entries[::-1]
    mine = [entry for entry in entries[::-1] if entry.workspace == "default"]
    assert walked(lambda **page: audit_page(conn, "default", **page)) == mine
    assert audit_chain(conn) == entries
    assert audit_chain(conn, after=2, limit=2) == entries[2:4]


def test_a_key_is_known_in_its_workspace_only(conn):
    row = {"workspace": "default", "key": "k", "fingerprint": b"\x00\xff", "ref": "msg_1", "created_at": 1}
    conn.execute(insert(idempotency), row)
    assert known_key(conn, "default", "k") == Known(b"\x00\xff", "msg_1")
    assert known_key(conn, "other", "k") is None


def test_facts_are_found_by_how_their_names_begin(conn):
    conn.execute(insert(fact), [{"name": name, "value": name.upper()} for name in ("key/a", "key/b", "key_c")])
    assert facts(conn, "key/") == {"key/a": "KEY/A", "key/b": "KEY/B"}
    assert set(facts(conn, "key_")) == {"key_c"}


@pytest.mark.parametrize("list_", [workspace_page, lambda conn, **page: token_page(conn, None, **page)])
def test_a_cursor_of_another_list_is_refused(conn, list_):
    rows = [suppression_row(leaves("b@example.org")), suppression_row(leaves("c@example.org"))]
    conn.execute(insert(suppression), rows)
    cursor = suppression_page(conn, "default", limit=1).next_cursor
    with pytest.raises(ValueError, match="cursor"):
        list_(conn, cursor=cursor)
