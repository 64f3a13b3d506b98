"""Where nodes are killed: their store, the server they send to, and what was seen of each kill."""

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

import psycopg

from mailwright.store.schema import Work
from tests.crash.points import RANDOM, Point
from tests.harness import Sink

_ROOT = Path(__file__).parents[2]
_PATIENCE_SECONDS = 60.0
_LETTERS = 24
#: beyond what a session writes at once, so that its dot leaves apart from it
_BIG_LINES = 2500
#: a node that sends everything needs about so long
_RANDOM_SECONDS = 0.3


class Letter(NamedTuple):
    address: str
    #: also its policy: the accounts are called by theirs
    account: str
    #: of idempotency; empty: nobody asks again when no answer came
    key: str
    lines: int


class Mark(NamedTuple):
    """A row that says that its final dot is about to leave, or left."""

    id: str
    at: int
    token: int
    policy: str


class Row(NamedTuple):
    id: str
    address: str
    size: int
    state: str
    work: int
    policy: str


class Store:
    """Looked at, and aged, by somebody who is none of its nodes."""

    def __init__(self, data: Path, database: str) -> None:
        self.data, self.database = data, database

    def wait_until_alone(self) -> None:
        """What a dead node asked PostgreSQL to do may still be done: it hears of the end later than we do."""
        if not self.database:
            return
        others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while self.ask(f"{others} AND backend_type = 'client backend'") != [(0,)]:
            assert time.monotonic() < deadline, "a connection of a dead node stays"
            time.sleep(0.002)

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        with self._connected() as connection:
            return connection.execute(statement).fetchall()

    def let_leases_end(self) -> None:
        """As if their time had passed. Their holder is dead: nothing else would happen in that time."""
        with self._connected() as connection:
            connection.execute(f"UPDATE delivery SET lease_until = 0 WHERE work = {Work.LEASED.value}")
            connection.execute("UPDATE lease SET until = 0")

    def marks(self) -> set[Mark]:
        leased = f"work = {Work.LEASED.value} AND dot_at > 0"
        return {
            Mark(*row) for row in self.ask(f"SELECT id, dot_at, lease_token, uncertain FROM delivery WHERE {leased}")
        }

    def rows(self) -> list[Row]:
        columns = "d.id, r.address, m.size, d.state, d.work, d.uncertain"
        both = "delivery d JOIN message m ON m.id = d.id JOIN message_recipient r ON r.message = d.id"
        return [Row(*row) for row in self.ask(f"SELECT {columns} FROM {both}")]

    def flagged(self) -> Counter[str]:
        """How often each message was said to be uncertain."""
        return Counter(id_ for (id_,) in self.ask("SELECT message FROM event WHERE type = 'message.uncertain'"))

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Any]:
        if self.database:
            with psycopg.connect(self.database.replace("+psycopg", ""), autocommit=True) as connection:
                yield connection
        else:
            with contextlib.closing(sqlite3.connect(self.data / "mailwright.db", timeout=30)) as connection:
                connection.isolation_level = None
                yield connection


class Nursery:
    """Forks nodes, one at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.node"],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, order: dict[str, Any]) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def status(self) -> int:
        """Of the node, when it has ended."""
        return self._answer()

    def _answer(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Its input closed is its end.
        with self._process as process:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(_PATIENCE_SECONDS)


@dataclass
class Seen:
    """What happened on one ground until now."""

    #: address → what was asked for
    letters: dict[str, Letter] = field(default_factory=dict)
    #: address → the id that accept answered with
    accepted: dict[str, str] = field(default_factory=dict)
    #: one for each kill: what was marked by the node that died
    kills: list[set[Mark]] = field(default_factory=list)
    marks: set[Mark] = field(default_factory=set)
    #: (id, token) of messages whose session stood at the dot, and of those that a session had begun
    at_the_dot: set[tuple[str, str]] = field(default_factory=set)
    begun: set[tuple[str, str]] = field(default_factory=set)


class Ground:
    """`database` is empty for SQLite."""

    def __init__(self, nursery: Nursery, directory: Path, database: str, sink: Sink, seed: int) -> None:
        directory.mkdir()
        self.store = Store(directory / "data", database)
        self.sink = sink
        self.seen = Seen()
        self._journal, self._read = directory / "journal", 0
        self._journal.touch()
        self._nursery = nursery
        self._chance = random.Random(seed)
        self._serial = 0

    def prepare(self) -> None:
        """The store and its accounts."""
        assert self._run(RANDOM, 0, (), server=self.sink.port) == 0

    def kill_one(self, point: Point) -> bool:
        """A node works on new letters and on what the last one left, and is killed. False: it was faster."""
        hit = self._chance.randint(1, point.visits)
        status = self._run(point, hit, [*self._unanswered(), *self._new_letters()])
        assert status in (0, -signal.SIGKILL), f"a node ended with status {status}: standard error says why"
        if status == 0:
            return False
        self.store.wait_until_alone()
        marks = self.store.marks() - self.seen.marks
        # A claim by a later node changes the token and leaves the mark: it is the same one.
        known = {(mark.id, mark.at) for mark in self.seen.marks}
        self.seen.kills.append({mark for mark in marks if (mark.id, mark.at) not in known})
        self.seen.marks |= marks
        self.store.let_leases_end()
        return True

    def finish(self) -> None:
        """A node that nobody kills ends when nothing waits any more."""
        assert self._run(RANDOM, 0, self._unanswered()) == 0

    def _run(self, point: Point, hit: int, letters: Sequence[Letter], *, server: int = 0) -> int:
        order = {
            "data": str(self.store.data),
            "database": self.store.database,
            "journal": str(self._journal),
            "point": point.name,
            "hit": hit,
            "letters": [letter._asdict() for letter in letters],
            "server": server,
            # Bytes leave at once on the one; the other is what the service runs on.
            "uvloop": point is RANDOM,
        }
        pid = self._nursery.start(order)
        if point is RANDOM and hit:
            # The node is not waited for by us: until the nursery tells of its end, its number is its own.
            # One in four at any moment of its start, the others when there is something in its hands.
            if self._chance.random() < 0.75:
                self._wait_until_at_work()
            time.sleep(self._chance.uniform(0, _RANDOM_SECONDS))
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        status = self._nursery.status()
        self._read_journal()
        return status

    def _wait_until_at_work(self) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while self._journal.stat().st_size == self._read:
            assert time.monotonic() < deadline, "the node does nothing"
            time.sleep(0.002)

    def _new_letters(self) -> list[Letter]:
        letters = []
        for number in range(self._serial, self._serial + _LETTERS):
            # Every eighth is deferred at first.
            name = f"{'once' if number % 8 == 5 else 'to'}-{number}@example.net"
            key = f"key-{number}" if number % 3 else ""
            lines = _BIG_LINES if number % 12 == 7 else 1 + number % 40
            letters.append(Letter(name, "resend" if number % 2 else "hold", key, lines))
        self._serial += _LETTERS
        self.seen.letters.update({letter.address: letter for letter in letters})
        return letters

    def _unanswered(self) -> list[Letter]:
        """A caller who got no answer asks again with the same key."""
        return [
            letter for letter in self.seen.letters.values() if letter.key and letter.address not in self.seen.accepted
        ]

    def _read_journal(self) -> None:
        with self._journal.open() as file:
            file.seek(self._read)
            lines = file.readlines()
            self._read = file.tell()
        for what, first, second in map(str.split, lines):
            if what == "accepted":
                self.seen.accepted[first] = second
            else:
                (self.seen.at_the_dot if what == "dot" else self.seen.begun).add((first, second))


def addresses_of(rows: Iterable[Row]) -> dict[str, list[Row]]:
    by_address: dict[str, list[Row]] = {}
    for row in rows:
        by_address.setdefault(row.address, []).append(row)
    return by_address
