"""Group commit: what shares a transaction, who hears of what, and what happens when the database is in trouble."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading

import pytest
from sqlalchemy import event, text

from mailwright.errors import InvalidSetting, StoreError
from mailwright.store import engine
from mailwright.store.database import Database
from tests.unit.store.made import rows

_INSERT = text("INSERT INTO fact (name, value) VALUES (:name, 'x')")


def insert_facts(connection, names):
    connection.execute(_INSERT, [{"name": name} for name in names])
    return list(names)


class Gate:
    """Holds a writer thread until it is opened, so that what is asked meanwhile waits together."""

    def __init__(self):
        self.entered = threading.Event()
        self.open = threading.Event()

    def __call__(self, _connection, items):
        self.entered.set()
        assert self.open.wait(60)
        return list(items)


async def together(database, function, items):
    """Asks for all of them while the only writer is busy: they become one group."""
    gate = Gate()
    first = asyncio.create_task(database.write(gate, None))
    await asyncio.to_thread(gate.entered.wait, 60)
    tasks = [asyncio.create_task(database.write(function, item)) for item in items]
    await asyncio.sleep(0)
    gate.open.set()
    await first
    return await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def one_writer(database_url):
    async with await Database.open(database_url, writers=1) as opened:
        yield opened


async def facts(database):
    return [name for (name,) in await rows(database, "SELECT name FROM fact ORDER BY name")]


async def test_what_waits_is_one_call_in_order_of_arrival(one_writer):
    calls = []

    def note(connection, names):
        calls.append(list(names))
        return insert_facts(connection, names)

    names = [f"name{number:03}" for number in range(100)]
    assert await together(one_writer, note, names) == names
    assert calls == [names]
    assert await facts(one_writer) == names


async def test_a_group_is_bounded(one_writer):
    sizes = []

    def note(_connection, items):
        sizes.append(len(items))
        return list(items)

    await together(one_writer, note, range(600))
    assert sum(sizes) == 600
    assert max(sizes) == 256


async def test_different_functions_share_a_transaction(one_writer):
    transactions = set()

    def note(connection, items):
        transactions.add(id(connection.get_transaction()))
        return list(items)

    def also_note(connection, items):
        return note(connection, items)

    gate = Gate()
    first = asyncio.create_task(one_writer.write(gate, None))
    await asyncio.to_thread(gate.entered.wait, 60)
    both = [asyncio.create_task(one_writer.write(function, 1)) for function in (note, also_note)]
    await asyncio.sleep(0)
    gate.open.set()
    await asyncio.gather(first, *both)
    assert len(transactions) == 1


async def test_one_bad_item_fails_alone(one_writer):
    await one_writer.write(insert_facts, "taken")
    good, bad, other = await together(one_writer, insert_facts, ["good", "taken", "other"])
    assert (good, other) == ("good", "other")
    assert isinstance(bad, StoreError)
    assert await facts(one_writer) == ["good", "other", "taken"]


async def test_an_error_of_the_database_shows_no_value_of_a_row(database):
    await database.write(insert_facts, "ann@example.org")
    with pytest.raises(StoreError) as caught:
        await database.write(insert_facts, "ann@example.org")
    assert "ann@example.org" not in str(caught.value)
    assert "ann@example.org" not in str(caught.value.__cause__).partition("DETAIL")[0]


async def test_an_exception_that_is_returned_is_for_its_caller(one_writer):
    def odd_ones_fail(connection, numbers):
        insert_facts(connection, [str(number) for number in numbers if number % 2 == 0])
        return [ValueError(number) if number % 2 else number for number in numbers]

    results = await together(one_writer, odd_ones_fail, [0, 1, 2, 3])
    assert results[0::2] == [0, 2]
    assert [str(error) for error in results[1::2]] == ["1", "3"]
    assert await facts(one_writer) == ["0", "2"]


async def test_an_item_alone_that_comes_to_nothing_leaves_nothing(database):
    def writes_and_fails(connection, names):
        insert_facts(connection, names)
        return [ValueError("no") for _ in names]

    with pytest.raises(ValueError, match="no"):
        await database.write(writes_and_fails, "half")
    assert await facts(database) == []


async def test_a_write_is_committed_when_its_caller_hears_of_it(database, database_url):
    await database.write(insert_facts, "durable")
    other = engine.reading_engine(engine.parse_url(database_url), 1)
    try:
        with other.connect() as connection:
            assert connection.execute(text("SELECT name FROM fact")).scalars().all() == ["durable"]
    finally:
        other.dispose()


async def test_a_caller_that_goes_away_disturbs_nobody(one_writer):
    gate = Gate()
    first = asyncio.create_task(one_writer.write(gate, None))
    await asyncio.to_thread(gate.entered.wait, 60)
    gone = asyncio.create_task(one_writer.write(insert_facts, "gone"))
    stays = asyncio.create_task(one_writer.write(insert_facts, "stays"))
    await asyncio.sleep(0)
    gone.cancel()
    gate.open.set()
    assert await stays == "stays"
    assert await first is None
    assert gone.cancelled()
    assert await facts(one_writer) == ["gone", "stays"]


async def test_callers_may_be_on_several_event_loops(database):
    def elsewhere():
        return asyncio.run(database.write(insert_facts, "elsewhere"))

    results = await asyncio.gather(database.write(insert_facts, "here"), asyncio.to_thread(elsewhere))
    assert results == ["here", "elsewhere"]


async def test_closing_finishes_what_was_asked_before(database_url):
    database = await Database.open(database_url, writers=1)
    tasks = [asyncio.create_task(database.write(insert_facts, f"{number:03}")) for number in range(300)]
    await asyncio.sleep(0)
    await database.close()
    assert await asyncio.gather(*tasks) == [f"{number:03}" for number in range(300)]
    with pytest.raises(StoreError, match="closed"):
        await database.write(insert_facts, "late")
    with pytest.raises(StoreError, match="closed"):
        await database.read(lambda _connection: None)
    await database.close()
    async with await Database.open(database_url) as again:
        assert len(await facts(again)) == 300


async def test_a_reader_cannot_write(database):
    with pytest.raises(StoreError):
        await database.read(lambda connection: insert_facts(connection, ["sly"]))
    assert await facts(database) == []


async def test_a_read_sees_one_moment(database):
    looked, written = threading.Event(), threading.Event()

    def look_twice(connection):
        counts = [connection.execute(text("SELECT count(*) FROM fact")).scalar()]
        looked.set()
        assert written.wait(60)
        return [*counts, connection.execute(text("SELECT count(*) FROM fact")).scalar()]

    reading = asyncio.create_task(database.read(look_twice))
    await asyncio.to_thread(looked.wait, 60)
    await database.write(insert_facts, "meanwhile")
    written.set()
    assert await reading == [0, 0]
    assert await facts(database) == ["meanwhile"]


async def test_an_error_in_a_read_is_for_its_caller(database):
    with pytest.raises(ZeroDivisionError):
        await database.read(lambda _connection: 1 / 0)
    assert await facts(database) == []


# SQLite: locks, other processes, files.


@pytest.fixture
def path(tmp_path):
    return tmp_path / "mailwright.db"


async def test_a_lock_of_another_process_is_waited_for(path, monkeypatch):
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.02)
    async with await Database.open(f"sqlite:///{path}") as database:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        refused = threading.Event()
        event.listen(database._writers._engine, "handle_error", lambda _context: refused.set())
        writing = asyncio.create_task(database.write(insert_facts, "patient"))
        await asyncio.to_thread(refused.wait, 60)
        assert not writing.done()
        other.execute("COMMIT")
        other.close()
        assert await writing == "patient"


async def test_a_write_holds_the_lock_from_its_start(path):
    def others_are_locked_out(_connection, items):
        other = sqlite3.connect(path, isolation_level=None, timeout=0)
        try:
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
        finally:
            other.close()
        return list(items)

    async with await Database.open(f"sqlite:///{path}") as database:
        assert await database.write(others_are_locked_out, "looked") == "looked"


async def test_a_lock_that_never_goes_is_told(path, monkeypatch):
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.01)
    async with await Database.open(f"sqlite:///{path}", patience=0.05) as database:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            await database.write(insert_facts, "hopeless")
        other.execute("COMMIT")
        other.close()
        assert await facts(database) == []


_WRITES = """
import asyncio, sys
from sqlalchemy import text
from mailwright.store.database import Database

def insert(connection, names):
    connection.execute(text("INSERT INTO fact (name, value) VALUES (:name, 'x')"), [{"name": name} for name in names])
    return list(names)

async def main(url, prefix, count):
    async with await Database.open(url) as database:
        async def one(number):
            print(await database.write(insert, f"{prefix}{number}"), flush=True)
        for number in range(0, count, 4):
            await asyncio.gather(*(one(number + offset) for offset in range(4)))

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


def writing_process(url, prefix, count):
    return subprocess.Popen(
        [sys.executable, "-c", _WRITES, url, prefix, str(count)], stdout=subprocess.PIPE, text=True, bufsize=1
    )


async def test_two_processes_share_one_file(path):
    url = f"sqlite:///{path}"
    processes = [writing_process(url, prefix, 200) for prefix in "ab"]
    async with await Database.open(url) as database:
        await asyncio.gather(*(database.write(insert_facts, f"c{number}") for number in range(200)))
        for process in processes:
            out, _ = await asyncio.to_thread(process.communicate, timeout=120)
            assert process.returncode == 0
            assert len(out.split()) == 200
        assert len(await facts(database)) == 600


async def test_what_a_killed_process_was_told_is_there(database_url):
    async with await Database.open(database_url):
        pass
    process = writing_process(database_url, "k", 100_000)
    told = [process.stdout.readline().strip() for _ in range(40)]
    process.send_signal(signal.SIGKILL)
    told += process.stdout.read().split("\n")[:-1]
    process.wait()
    process.stdout.close()
    async with await Database.open(database_url) as database:
        assert set(told) <= set(await facts(database))
        assert (await database.check()).problems == ()
        assert await database.write(insert_facts, "goes on") == "goes on"


async def test_the_file_is_for_us_alone(path):
    async with await Database.open(f"sqlite:///{path}") as database:
        await database.write(insert_facts, "secret")
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert set(modes) >= {"mailwright.db", "mailwright.db-wal"}
    assert set(modes.values()) == {0o600}


async def test_every_connection_is_set_up_to_be_durable(path):
    async with await Database.open(f"sqlite:///{path}") as database:
        pragmas = "SELECT journal_mode, synchronous FROM pragma_journal_mode, pragma_synchronous"

        def look(connection, items):
            return [tuple(connection.execute(text(pragmas)).one()) for _ in items]

        assert await database.write(look, None) == ("wal", 2)
        assert await rows(database, pragmas) == [("wal", 2)]


# PostgreSQL: connections that break, transactions that are in each other's way.


@pytest.fixture
def postgres_url(postgres):
    return postgres.fresh_database()


def hang_up_all(postgres, url):
    """Ends every connection to the database, as a server that is stopped does."""
    name = url.rpartition("/")[2]
    with postgres.connect() as connection:
        connection.execute("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s", (name,))


@pytest.mark.real
async def test_a_connection_that_broke_while_idle_is_made_again(postgres, postgres_url):
    async with await Database.open(postgres_url) as database:
        await database.write(insert_facts, "before")
        assert await facts(database) == ["before"]
        hang_up_all(postgres, postgres_url)
        await asyncio.gather(*(database.write(insert_facts, f"after{number}") for number in range(8)))
        assert len(await facts(database)) == 9


@pytest.mark.real
async def test_a_connection_that_breaks_before_the_commit_is_no_error(postgres, postgres_url):
    calls = []

    def break_once(connection, names):
        insert_facts(connection, names)
        calls.append(list(names))
        if len(calls) == 1:
            hang_up_all(postgres, postgres_url)
            connection.execute(text("SELECT 1"))
        return list(names)

    async with await Database.open(postgres_url) as database:
        assert await database.write(break_once, "once") == "once"
        assert calls == [["once"], ["once"]]
        assert await facts(database) == ["once"]


@pytest.mark.real
async def test_a_connection_that_breaks_in_the_commit_leaves_the_outcome_unknown(postgres_url):
    def break_at_commit(connection, names):
        connection.execute(
            text(
                "CREATE FUNCTION hang_up() RETURNS trigger LANGUAGE plpgsql AS"
                " 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'"
            )
        )
        connection.execute(
            text(
                "CREATE CONSTRAINT TRIGGER last_word AFTER INSERT ON fact DEFERRABLE INITIALLY DEFERRED"
                " FOR EACH ROW EXECUTE FUNCTION hang_up()"
            )
        )
        return insert_facts(connection, names)

    async with await Database.open(postgres_url) as database:
        with pytest.raises(StoreError, match="outcome is unknown"):
            await database.write(break_at_commit, "who knows")
        assert await database.write(insert_facts, "next") == "next"
        assert await facts(database) == ["next"]


@pytest.mark.real
async def test_a_transaction_that_was_in_the_way_of_another_is_repeated(postgres_url):
    calls = []

    def collide_twice(connection, names):
        insert_facts(connection, names)
        calls.append(list(names))
        if len(calls) < 3:
            connection.execute(text("DO $$BEGIN RAISE EXCEPTION 'in the way' USING ERRCODE = '40001'; END$$"))
        return list(names)

    async with await Database.open(postgres_url) as database:
        assert await database.write(collide_twice, "third time") == "third time"
        assert len(calls) == 3


@pytest.mark.real
async def test_two_transactions_that_wait_for_each_other_both_come_to_an_end(postgres_url):
    one_holds, both_hold, rounds = threading.Event(), threading.Barrier(2), []

    def lock(connection, orders):
        for first, second in orders:
            touch(connection, first)
            if len(rounds) < 2:
                rounds.append(first)
                one_holds.set()
                both_hold.wait(60)
            touch(connection, second)
        return list(orders)

    def touch(connection, name):
        connection.execute(text("UPDATE fact SET value = value || 'y' WHERE name = :name"), {"name": name})

    async with await Database.open(postgres_url, writers=2) as database:
        await database.write(insert_facts, "a")
        await database.write(insert_facts, "b")
        one = asyncio.create_task(database.write(lock, "ab"))
        await asyncio.to_thread(one_holds.wait, 60)
        other = asyncio.create_task(database.write(lock, "ba"))
        assert await asyncio.gather(one, other) == ["ab", "ba"]
        assert await rows(database, "SELECT value FROM fact ORDER BY name") == [("xyy",), ("xyy",)]


@pytest.mark.real
async def test_a_server_that_is_away_for_a_while_is_waited_for(postgres, postgres_url):
    name = postgres_url.rpartition("/")[2]
    async with await Database.open(postgres_url, writers=1) as database:
        await database.write(insert_facts, "before")
        with postgres.connect() as connection:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        hang_up_all(postgres, postgres_url)
        tried = threading.Semaphore(0)
        event.listen(database._writers._engine, "do_connect", lambda *_: tried.release())
        writing = asyncio.create_task(database.write(insert_facts, "after"))
        for _ in range(3):
            await asyncio.to_thread(tried.acquire)
        assert not writing.done()
        with postgres.connect() as connection:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        assert await writing == "after"
        assert await facts(database) == ["after", "before"]


@pytest.mark.real
async def test_a_server_that_stays_away_is_told(postgres, postgres_url):
    name = postgres_url.rpartition("/")[2]
    async with await Database.open(postgres_url, writers=1, patience=0.1) as database:
        with postgres.connect() as connection:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        hang_up_all(postgres, postgres_url)
        with pytest.raises(StoreError, match="cannot be reached"):
            await database.write(insert_facts, "hopeless")
        with pytest.raises(StoreError, match="cannot be reached"):
            await facts(database)


# Addresses of databases.


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://u:s3cret@host/x", "nonsense s3cret"])
async def test_what_is_no_database_of_ours_is_refused(url):
    with pytest.raises(InvalidSetting) as caught:
        await Database.open(url)
    assert "s3cret" not in str(caught.value)


async def test_a_directory_that_is_not_there_is_told(tmp_path):
    with pytest.raises(StoreError, match="No such file or directory"):
        await Database.open(f"sqlite:///{tmp_path}/missing/mailwright.db")


async def test_a_file_that_is_something_else_is_told(path):
    path.write_bytes(os.urandom(8192))
    with pytest.raises(StoreError, match="not a database"):
        await Database.open(f"sqlite:///{path}")


@pytest.mark.real
async def test_a_wrong_password_is_told_at_once_and_not_shown(postgres_url):
    with pytest.raises(StoreError, match="cannot be reached") as caught:
        await Database.open(postgres_url.replace("postgres:", "postgres:s3cret", 1))
    assert "s3cret" not in str(caught.value)
