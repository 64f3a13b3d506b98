"""Hints: they may be lost, but those that are given should arrive."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from mailwright.store.database import Database
from mailwright.work.wake import Wake

#: a hint that takes longer is lost, for these tests
SOON = 30


@pytest.fixture
async def database(database_url):
    async with await Database.open(database_url) as database:
        yield database


@pytest.fixture
async def wake(database, database_url):
    wake = Wake.open(database, database_url)
    yield wake
    await wake.close()


async def listening(wake, database):
    """Until its connection listens; on SQLite there is none."""
    if database.dialect == "sqlite":
        return
    asked = text("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()")
    while True:
        if await database.read(lambda conn: conn.execute(asked).scalar_one()):
            return
        await asyncio.sleep(0.01)


async def quiet(listener):
    """What was hinted while things were set up is heard."""
    while await listener.wait(0.3):
        pass


async def test_a_hint_ends_the_wait_of_everybody(wake):
    listeners = [wake.listener(), wake.listener()]
    waits = [asyncio.create_task(listener.wait(SOON)) for listener in listeners]
    await asyncio.sleep(0)
    wake.hint()
    assert await asyncio.gather(*waits) == [True, True]


async def test_a_hint_that_comes_while_one_works_ends_its_next_wait(wake):
    listener = wake.listener()
    wake.hint()
    wake.hint()
    assert await listener.wait(SOON)


async def test_without_a_hint_a_wait_ends_by_itself(wake, database):
    await listening(wake, database)
    listener = wake.listener()
    await quiet(listener)
    assert not await listener.wait(0.05)
    assert not await listener.wait(0)


async def test_work_that_another_process_commits_is_noticed(database, database_url):
    """Another Wake and Database are what another process has."""
    ours = Wake.open(database, database_url)
    async with await Database.open(database_url) as other:
        theirs = Wake.open(other, database_url)
        try:
            await listening(ours, database)
            listener = ours.listener()
            await quiet(listener)
            waiting = asyncio.create_task(listener.wait(SOON))
            await asyncio.sleep(0)
            await other.write(_some_change, None)
            theirs.hint()
            assert await waiting
        finally:
            await theirs.close()
            await ours.close()


def _some_change(conn, items):
    conn.execute(text("INSERT INTO fact (name, value) VALUES ('a', 'b')"))
    return [None] * len(items)


async def test_hints_are_gathered_on_their_way_to_other_nodes(postgres, monkeypatch):
    url = postgres.fresh_database()
    async with await Database.open(url) as database:
        wake = Wake.open(database, url)
        told = 0
        write = database.write

        async def counted(function, item):
            nonlocal told
            told += 1
            return await write(function, item)

        monkeypatch.setattr(database, "write", counted)
        try:
            for _ in range(1000):
                wake.hint()
            await wake._notifying
            assert told == 1
            wake.hint()
            await asyncio.sleep(0)
            wake.hint()
            await wake._notifying
            assert told == 3, "one that comes while another is on its way is not lost"
        finally:
            await wake.close()


async def test_a_connection_that_is_lost_is_made_again_and_what_was_missed_is_a_hint(postgres):
    url = postgres.fresh_database()
    async with await Database.open(url) as database:
        wake = Wake.open(database, url)
        try:
            await listening(wake, database)
            listener = wake.listener()
            await quiet(listener)
            with postgres.connect(make_url(url).database) as admin:
                admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE query LIKE 'LISTEN%' AND datname = current_database()"
                )
            assert await listener.wait(SOON)
        finally:
            await wake.close()


async def test_a_node_that_cannot_tell_the_others_goes_on(postgres, caplog):
    url = postgres.fresh_database()
    database = await Database.open(url)
    wake = Wake.open(database, url)
    try:
        listener = wake.listener()
        await database.close()
        wake.hint()
        await wake._notifying
        assert await listener.wait(SOON)
        assert "could not tell other nodes" in caplog.text
    finally:
        await wake.close()


async def test_a_file_that_cannot_be_looked_at_now_is_a_hint(tmp_path):
    url = f"sqlite:///{tmp_path / 'mailwright.db'}"
    async with await Database.open(url) as database:
        wake = Wake.open(database, url)
        listener = wake.listener()
        try:
            assert not await listener.wait(0.05)
            # Every statement on the connection fails from now on, as it does while another process recovers the file.
            wake._file._connection.set_progress_handler(lambda: 1, 1)
            assert await listener.wait(SOON)
        finally:
            await wake.close()
