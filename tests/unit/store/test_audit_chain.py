"""The audit trail: one order for all, and no entry changed, removed or put in without being seen."""

import asyncio

import pytest
from sqlalchemy import text

from mailwright.errors import StoreError
from mailwright.model.changes import AddAudit
from mailwright.store import audit_chain
from mailwright.store.commit import commit
from mailwright.store.database import Database
from tests.unit.store.made import NOW, rows


def entry(number=0, **details):
    return AddAudit(NOW + number, "tok_1", "default", "account.create", f"account {number}", details)


async def tampered(database, statement):
    def change(connection, items):
        connection.execute(text(statement))
        return items

    await database.write(change, 0)


async def test_entries_are_numbered_in_one_chain(database):
    answers = await asyncio.gather(*(commit(database, [entry(number), entry(number, x=1)]) for number in range(20)))
    assert sorted(number for answer in answers for number in answer) == list(range(1, 41))
    assert await database.read(audit_chain.verify) == 40
    chain = await rows(database, "SELECT previous_hash, hash FROM audit ORDER BY number")
    assert chain[0][0] == ""
    assert [previous for previous, _ in chain[1:]] == [hash_ for _, hash_ in chain[:-1]]


async def test_two_nodes_write_one_chain(database_url):
    async with await Database.open(database_url) as one, await Database.open(database_url) as other:
        await asyncio.gather(*(commit(node, [entry(number)]) for number in range(20) for node in (one, other)))
        assert await one.read(audit_chain.verify) == 40


async def test_an_empty_trail_is_sound(database):
    assert await database.read(audit_chain.verify) == 0


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("UPDATE audit SET actor = 'somebody else' WHERE number = 3", 3),
        ("UPDATE audit SET at = at + 1 WHERE number = 1", 1),
        ("UPDATE audit SET details = '{}' WHERE number = 5", 5),
        ("DELETE FROM audit WHERE number = 3", 4),
        ("DELETE FROM audit WHERE number = 1", 2),
        ("UPDATE audit SET number = 9 WHERE number = 3", 4),
        ("UPDATE audit SET hash = 'x' WHERE number = 2", 2),
        ("UPDATE audit SET previous_hash = 'x' WHERE number = 1", 1),
    ],
)
async def test_tampering_is_seen_where_it_was_done(database, statement, broken):
    for number in range(5):
        await commit(database, [entry(number, secret="no")])
    await tampered(database, statement)
    with pytest.raises(StoreError, match=f"broken at entry {broken}$"):
        await database.read(audit_chain.verify)


async def test_a_long_trail_is_read_in_portions(database, monkeypatch):
    await commit(database, [entry(number) for number in range(25)])
    monkeypatch.setattr(audit_chain, "_PORTION", audit_chain._PORTION.limit(10))
    assert await database.read(audit_chain.verify) == 25


def test_the_hash_depends_on_nothing_but_the_content():
    values = {"number": 1, "at": 2, "details": '{"a":1}'}
    # printf '%s' '{"at":2,"details":"{\\"a\\":1}","number":1}' | sha256sum
    known = "605539d4594465ee0ac36001d014e9e1b2d5a60c19dd809789c8913b39a2caba"
    assert audit_chain.entry_hash(values) == known
    assert audit_chain.entry_hash({**dict(reversed(values.items())), "hash": "anything"}) == known
