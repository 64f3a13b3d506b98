"""Several nodes, each a process of its own, on one database: killed, paused, stopped."""

import asyncio
import contextlib
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from mailwright.connector.calls import Submission
from mailwright.model.outbox import MessageState, UncertainPolicy
from mailwright.store.schema import Work
from tests.crash.ground import Store
from tests.edges.outboxes import at, letter, outbox, until
from tests.harness import counting_sink

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])

PROGRAM = Path(__file__).with_name("outbox_node.py")
LEASE_SECONDS = 2
SESSIONS = 4


class Node:
    def __init__(self, process):
        self._process = process

    def send(self, number):
        self._process.send_signal(number)

    def kill(self):
        self._process.kill()

    async def stop(self):
        """How many messages it has sent, when it has wound up."""
        self.send(signal.SIGTERM)
        output, _ = await self._process.communicate()
        assert self._process.returncode == 0
        return int(output)

    @property
    def gone(self):
        return self._process.returncode is not None

    async def wait(self):
        await self._process.wait()


class Place:
    """A store, and what works on it."""

    def __init__(self, directory, database_url, running):
        self.data, self.url = directory / "data", database_url
        self._directory, self._running = directory, running
        sqlite = database_url.startswith("sqlite")
        self.store = Store(directory if sqlite else self.data, "" if sqlite else database_url)

    def outbox(self):
        return outbox(self._directory, self.url, works=False)

    async def node(self, *how, lease=LEASE_SECONDS):
        process = await asyncio.create_subprocess_exec(
            sys.executable, PROGRAM, self.data, self.url, str(lease), *how, stdout=subprocess.PIPE
        )
        self._running.push_async_callback(_end, process)
        assert await process.stdout.readline() == b"ready\n"
        return Node(process)

    async def count(self, condition):
        rows = await asyncio.to_thread(self.store.ask, f"SELECT count(*) FROM delivery WHERE {condition}")
        return rows[0][0]

    async def until_nothing(self, condition):
        async def none():
            return not await self.count(condition)

        await until(none)


async def _end(process):
    if process.returncode is None:
        process.kill()
    # Also what is left in the pipe, so that nothing stays open.
    await process.communicate()


@contextlib.asynccontextmanager
async def place_at(directory, database_url):
    async with contextlib.AsyncExitStack() as running:
        yield Place(directory, database_url, running)


@pytest.fixture
async def on_sqlite(tmp_path):
    async with place_at(tmp_path, f"sqlite:///{tmp_path / 'mailwright.db'}") as place:
        yield place


@pytest.fixture
async def on_postgres(tmp_path, postgres):
    async with place_at(tmp_path, postgres.fresh_database()) as place:
        yield place


@pytest.fixture
async def on_either(tmp_path, database_url):
    async with place_at(tmp_path, database_url) as place:
        yield place


async def accept(mail, account, count):
    """The address of each by its id."""
    letters = [Submission(letter(f"{account}{number}@example.com")) for number in range(count)]
    accepted = [item.message async for item in mail.messages.send_many(account, letters)]
    return {id_: f"{account}{number}@example.com" for number, id_ in enumerate(accepted)}


@pytest.mark.real
@pytest.mark.parametrize(
    "messages", [pytest.param(1500, id="some"), pytest.param(10_000, id="many", marks=pytest.mark.proof(seconds=600))]
)
async def test_of_three_nodes_one_dies_and_one_sleeps_and_nothing_is_lost(on_postgres, tmp_path, messages):
    place = on_postgres
    with counting_sink(tmp_path / "sink.log", slow=0.02) as sink:
        async with place.outbox() as mail:
            addresses = {}
            for policy in UncertainPolicy:
                await mail.accounts.create(policy, at(sink, sessions=SESSIONS, uncertain=policy))
                addresses |= await accept(mail, policy, messages // 2)
        victim, sleeper, survivor = [await place.node() for _ in range(3)]
        await asyncio.to_thread(sink.wait_for, messages // 5)
        victim.kill()
        sleeper.send(signal.SIGSTOP)
        killed_at = time.time()
        # What the two held is done by the third, as soon as its leases are over.
        await place.until_nothing(f"work <= {Work.LEASED}")
        at_the_end = len(sink.messages())
        sleeper.send(signal.SIGCONT)
        # It finds that it has lost everything: it sends nothing, and winds up.
        await sleeper.stop()
        await survivor.stop()
        assert len(sink.messages()) == at_the_end
        copies = Counter({to: count for (_, to), count in sink.copies().items()})
    flagged = place.store.flagged()
    rows = place.store.rows()
    assert {row.id: row.address for row in rows} == addresses
    for row in rows:
        assert copies[row.address] <= 1 + (flagged[row.id] if row.policy == UncertainPolicy.RESEND else 0)
        if row.state == MessageState.SENT:
            assert copies[row.address] >= 1
        else:
            assert (row.state, row.policy) == (MessageState.UNCERTAIN, UncertainPolicy.HOLD)
            assert flagged[row.id] == 1
    # Two nodes, each with as many sessions for either account; of `resend` a session marks the next one ahead.
    assert 0 < flagged.total() <= 2 * SESSIONS * (1 + 2)
    ((last,),) = place.store.ask("SELECT max(at) FROM event WHERE type = 'message.uncertain'")
    late = last / 1_000_000 - killed_at
    sys.stdout.write(f"\n{late:.2f} s after the end of two nodes the third had found all of theirs; ")
    sys.stdout.write(f"{flagged.total()} of {messages} flagged, {copies.total() - len(copies)} sent twice\n")
    # A lease, a look each second, and half a minute for a machine that is busy with other things.
    assert late < LEASE_SECONDS + 1 + 30
    assert copies.total() <= messages + flagged.total()


@pytest.mark.real
async def test_a_node_that_sleeps_in_the_middle_of_a_transaction_keeps_nothing_from_the_others(tmp_path, postgres):
    soon = "?options=-c%20idle_in_transaction_session_timeout%3D1s"
    with counting_sink(tmp_path / "sink.log") as sink:
        async with place_at(tmp_path, postgres.fresh_database() + soon) as place:
            async with place.outbox() as mail:
                await mail.accounts.create("office", at(sink, sessions=SESSIONS))
                addresses = await accept(mail, "office", 100)
            sleeper = await place.node("asleep")
            await asyncio.to_thread(sink.wait_for, 1)
            other = await place.node()
            await place.until_nothing(f"work <= {Work.LEASED}")
            sleeper.send(signal.SIGCONT)
            await sleeper.stop()
            await other.stop()
            rows = place.store.rows()
    assert {row.id: row.address for row in rows} == addresses
    uncertain = {row.address for row in rows if row.state == MessageState.UNCERTAIN}
    assert 1 <= len(uncertain) <= SESSIONS
    assert {row.state for row in rows if row.address not in uncertain} == {MessageState.SENT}
    assert set(sink.copies().values()) == {1}
    assert {to for _, to in sink.copies()} | uncertain == set(addresses.values())


async def test_two_processes_share_the_work_on_one_sqlite_file(on_sqlite, tmp_path):
    place = on_sqlite
    with counting_sink(tmp_path / "sink.log", slow=0.02) as sink:
        async with place.outbox() as mail:
            await mail.accounts.create("office", at(sink, sessions=SESSIONS))
            both = [await place.node(lease=60) for _ in range(2)]
            addresses = await accept(mail, "office", 600)
            await place.until_nothing(f"work <= {Work.LEASED}")
            sent = [await node.stop() for node in both]
        assert sum(sent) == 600
        assert min(sent) > 0
        assert sorted(to for _, to in sink.copies()) == sorted(addresses.values())
        assert set(sink.copies().values()) == {1}


async def test_a_node_that_is_told_to_stop_leaves_nothing_uncertain_and_nothing_in_its_hands(on_either, tmp_path):
    place = on_either
    with counting_sink(tmp_path / "sink.log", slow=0.01) as sink:
        async with place.outbox() as mail:
            await mail.accounts.create("office", at(sink, sessions=SESSIONS))
            await accept(mail, "office", 500)
        node = await place.node(lease=60)
        await asyncio.to_thread(sink.wait_for, 20)
        sent = await node.stop()
        assert 20 <= sent < 500
        assert len(sink.messages()) == sent
    assert await place.count(f"state = 'sent' AND work = {Work.DONE} AND attempts = 1") == sent
    assert await place.count(f"state = 'queued' AND work = {Work.READY} AND attempts = 0") == 500 - sent


async def test_what_a_dead_node_held_keeps_to_the_pause_of_its_account(on_sqlite, tmp_path):
    place = on_sqlite
    with counting_sink(tmp_path / "sink.log", slow=30) as sink:
        async with place.outbox() as mail:
            await mail.accounts.create("office", at(sink, sessions=2))
            await accept(mail, "office", 20)
            victim = await place.node()
            await asyncio.to_thread(sink.wait_for, 2)
            victim.kill()
            await victim.wait()
            await mail.accounts.pause("office")
    with counting_sink(tmp_path / "later.log", port=sink.port) as later:
        heir = await place.node()
        await place.until_nothing(f"work = {Work.LEASED}")
        assert await place.count(f"work = {Work.HELD} AND state = 'uncertain'") == 2
        assert await place.count(f"work = {Work.READY}") == 18
        assert later.messages() == []
        async with place.outbox() as mail:
            await mail.accounts.resume("office")
        await place.until_nothing(f"work <= {Work.LEASED}")
        assert await heir.stop() == len(later.messages()) == 18
