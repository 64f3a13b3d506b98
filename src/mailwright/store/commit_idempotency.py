"""Idempotency keys: the first message with a key is written, the others are it, or a conflict."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection

from mailwright.errors import IdempotencyConflict
from mailwright.model.changes import AddMessage, Idempotent
from mailwright.store.many import Given, insert_rows, with_given

Key = tuple[str, str]


class Owner(NamedTuple):
    fingerprint: bytes
    #: id of the message
    ref: str


class Judgement(NamedTuple):
    #: number of the list and place in it → the id that is valid
    known: dict[tuple[int, int], str]
    #: number of the list → why nothing of it is written
    refused: dict[int, IdempotencyConflict]
    #: keys that are used for the first time
    fresh: dict[Key, AddMessage]


class _Overtaken(Exception):
    """Another transaction took a key since we looked, and with it the ground of what was written already."""


_KEY = Given((("workspace", "text"), ("key", "text")))
_ROW = Given((*_KEY.columns, ("fingerprint", "bytea"), ("ref", "text"), ("created_at", "bigint")))
_COLUMNS = tuple(name for name, _ in _ROW.columns)
_LOOK_UP = (
    "SELECT i.workspace, i.key, i.fingerprint, i.ref FROM given"
    " JOIN idempotency AS i ON i.workspace = given.workspace AND i.key = given.key"
)
_CLAIM = (
    "INSERT INTO idempotency (workspace, key, fingerprint, ref, created_at) SELECT * FROM given"
    " ON CONFLICT DO NOTHING RETURNING workspace, key"
)


def claim_keys(connection: Connection, lists: Sequence[Sequence[Any]]) -> Judgement:
    """Looks the keys up and takes those that are free."""
    keys = {(used.workspace, used.key) for changes in lists for _, _, used in _uses(changes)}
    if not keys:
        return Judgement({}, {}, {})
    owners = _owners(connection, keys)
    judgement = judge(lists, owners)
    lost = _claim(connection, judgement.fresh)
    if not lost:
        return judgement
    # On PostgreSQL others write beside us. Claiming waited for them, so that the second look sees them.
    owners.update(_owners(connection, lost))
    again = judge(lists, owners)
    if again.fresh.keys() != judgement.fresh.keys() - lost:
        raise _Overtaken
    return again


def judge(lists: Sequence[Sequence[Any]], owners: Mapping[Key, Owner]) -> Judgement:
    """As if one list were written after the other: a list that is refused takes no key."""
    judgement = Judgement({}, {}, {})
    taken = dict(owners)
    for number, changes in enumerate(lists):
        _judge_one(number, changes, taken, judgement)
    return judgement


def _judge_one(number: int, changes: Sequence[Any], taken: dict[Key, Owner], judgement: Judgement) -> None:
    mine: dict[Key, Owner] = {}
    fresh: dict[Key, AddMessage] = {}
    known: dict[tuple[int, int], str] = {}
    for place, change, used in _uses(changes):
        key = (used.workspace, used.key)
        owner = mine.get(key) or taken.get(key)
        if owner is None:
            mine[key], fresh[key] = Owner(used.fingerprint, change.id), change
        elif owner.fingerprint == used.fingerprint:
            known[number, place] = owner.ref
        else:
            judgement.refused[number] = idempotency_conflict()
            return
    taken.update(mine)
    judgement.fresh.update(fresh)
    judgement.known.update(known)


def _uses(changes: Sequence[Any]) -> Iterator[tuple[int, AddMessage, Idempotent]]:
    for place, change in enumerate(changes):
        if type(change) is AddMessage and change.idempotent is not None:
            yield place, change, change.idempotent


def idempotency_conflict() -> IdempotencyConflict:
    return IdempotencyConflict(
        "the idempotency key was used with other content",
        field="idempotency_key",
        hint="use a new key for a new message",
    )


def _owners(connection: Connection, keys: Iterable[Key]) -> dict[Key, Owner]:
    rows = with_given(connection, _KEY, _LOOK_UP, sorted(keys))
    return {(workspace, key): Owner(bytes(fingerprint), ref) for workspace, key, fingerprint, ref in rows}


def _claim(connection: Connection, fresh: Mapping[Key, AddMessage]) -> set[Key]:
    """Returns the keys that somebody else took since they were looked up."""
    # In one order for all transactions, so that no two wait for each other.
    rows = [(*key, _fingerprint(change), change.id, change.created_at) for key, change in sorted(fresh.items())]
    if connection.dialect.name == "sqlite":
        # Nobody else writes while we do.
        insert_rows(connection, "idempotency", _COLUMNS, rows)
        return set()
    claimed = {(workspace, key) for workspace, key in with_given(connection, _ROW, _CLAIM, rows)}
    return fresh.keys() - claimed


def _fingerprint(change: AddMessage) -> bytes:
    assert change.idempotent is not None
    return change.idempotent.fingerprint
