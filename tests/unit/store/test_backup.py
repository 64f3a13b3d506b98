"""Copies of a SQLite database: made while it is used, and put back only where that does no harm."""

import asyncio
import sqlite3

import pytest

from mailwright.errors import AlreadyExists, InvalidInput, SchemaMismatch, StoreError
from mailwright.store.backup import restore
from mailwright.store.database import Database
from tests.unit.store.made import rows
from tests.unit.store.test_database import insert_facts


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'mailwright.db'}"


@pytest.fixture
async def copy(url, tmp_path):
    """A backup with one fact in it, of a database that has another one since."""
    path = tmp_path / "copy.db"
    async with await Database.open(url) as database:
        await database.write(insert_facts, "early")
        await database.backup(path)
        await database.write(insert_facts, "late")
    return path


async def facts(url):
    async with await Database.open(url) as database:
        return [name for (name,) in await rows(database, "SELECT name FROM fact ORDER BY name")]


async def test_a_backup_is_one_file_with_everything_in_it(copy, tmp_path):
    assert copy.stat().st_mode & 0o777 == 0o600
    assert sorted(file.name for file in tmp_path.iterdir()) == ["copy.db", "mailwright.db"]
    target = f"sqlite:///{tmp_path / 'new.db'}"
    restore(copy, target)
    assert await facts(target) == ["early"]


async def test_writing_goes_on_while_a_backup_is_made(url, tmp_path):
    async with await Database.open(url) as database:
        writes = [database.write(insert_facts, f"{number:04}") for number in range(500)]
        await asyncio.gather(*writes, *(database.backup(tmp_path / f"{number}.db") for number in range(3)))
        assert await rows(database, "SELECT count(*) FROM fact") == [(500,)]
    for number in range(3):
        restore(tmp_path / f"{number}.db", f"sqlite:///{tmp_path / f'restored{number}.db'}")


async def test_a_backup_takes_no_name_that_is_taken(url, copy):
    before = copy.read_bytes()
    async with await Database.open(url) as database:
        with pytest.raises(AlreadyExists, match=r"copy\.db"):
            await database.backup(copy)
    assert copy.read_bytes() == before


async def test_a_database_is_replaced_only_by_force(url, copy):
    with pytest.raises(AlreadyExists):
        restore(copy, url)
    assert await facts(url) == ["early", "late"]
    restore(copy, url, force=True)
    assert await facts(url) == ["early"]


async def test_a_database_in_use_is_not_replaced(url, copy):
    async with await Database.open(url) as database:
        await database.read(lambda _connection: None)
        with pytest.raises(StoreError, match="in use"):
            restore(copy, url, force=True)
        await database.write(insert_facts, "goes on")
    assert await facts(url) == ["early", "goes on", "late"]


async def test_a_database_that_is_damaged_can_be_replaced(url, copy, tmp_path):
    (tmp_path / "mailwright.db").write_bytes(b"nothing that was ever a database")
    restore(copy, url, force=True)
    assert await facts(url) == ["early"]


async def test_what_a_killed_process_left_beside_the_file_does_not_come_back(url, copy, tmp_path):
    log = tmp_path / "mailwright.db-wal"
    other = sqlite3.connect(tmp_path / "mailwright.db", isolation_level=None)
    other.execute("INSERT INTO fact VALUES ('of the log', 'x')")
    left = log.read_bytes()
    other.close()
    # Too damaged to be opened, so that nobody takes the log in or away.
    (tmp_path / "mailwright.db").write_bytes(b"nothing that was ever a database")
    log.write_bytes(left)
    restore(copy, url, force=True)
    assert await facts(url) == ["early"]


def damaged(path):
    content = bytearray(path.read_bytes())
    content[4096 * 3 : 4096 * 6] = b"\xff" * 4096 * 3
    path.write_bytes(content)


def of_another_program(path):
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE x (y)")
    connection.close()


@pytest.mark.parametrize("spoil", [damaged, of_another_program, lambda path: path.write_bytes(b"?" * 5000)])
async def test_what_is_no_sound_backup_is_refused(url, copy, spoil):
    spoil(copy)
    with pytest.raises(InvalidInput) as caught:
        restore(copy, url, force=True)
    assert caught.value.field == "backup"
    assert await facts(url) == ["early", "late"]


async def test_a_backup_that_is_not_there_is_told(url, tmp_path):
    with pytest.raises(InvalidInput, match="no file"):
        restore(tmp_path / "missing.db", url)
    assert not (tmp_path / "mailwright.db").exists()


async def test_a_backup_of_a_newer_program_is_refused(url, copy):
    connection = sqlite3.connect(copy)
    connection.execute("UPDATE schema_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(SchemaMismatch):
        restore(copy, url, force=True)


@pytest.mark.real
async def test_postgresql_has_programs_of_its_own_for_this(postgres, tmp_path):
    url = postgres.fresh_database()
    async with await Database.open(url) as database:
        with pytest.raises(StoreError) as caught:
            await database.backup(tmp_path / "copy.db")
        assert "pg_dump" in caught.value.hint
    with pytest.raises(StoreError) as caught:
        restore(tmp_path / "copy.db", url)
    assert "pg_restore" in caught.value.hint
