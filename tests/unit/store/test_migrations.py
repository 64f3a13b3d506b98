"""The schema of a database: made, brought up to date, recognised, and the same whichever way it came about."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, make_url, text

from mailwright.errors import SchemaMismatch
from mailwright.store import migrate
from mailwright.store.database import Database
from mailwright.store.schema import metadata
from tests.unit.store.made import add, rows
from tests.unit.store.test_database import insert_facts


async def migrated(url):
    async with await Database.open(url):
        pass


def run(url, function):
    """On a plain connection: what is looked at is the database, not our way of opening it."""
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            return function(connection)
    finally:
        engine.dispose()


def described(connection):
    """Everything that the database itself says about the tables and indexes in it, conditions of indexes included."""
    if connection.dialect.name == "sqlite":
        found = connection.execute(text("SELECT type, name, tbl_name, sql FROM sqlite_master"))
        described_ = {(kind, name, table, " ".join((sql or "").split())) for kind, name, table, sql in found}
    else:
        columns = connection.execute(
            text(
                "SELECT table_name, column_name, data_type, is_nullable, column_default, ordinal_position"
                " FROM information_schema.columns WHERE table_schema = 'public'"
            )
        )
        indexes = connection.execute(
            text("SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'")
        )
        described_ = {tuple(row) for row in columns} | {tuple(row) for row in indexes}
    return {entry for entry in described_ if migrate.VERSION_TABLE not in entry and entry[0] != migrate.VERSION_TABLE}


@pytest.fixture
def another_url(database_url, request, tmp_path):
    if database_url.startswith("sqlite"):
        return f"sqlite:///{tmp_path / 'other.db'}"
    return request.getfixturevalue("postgres").fresh_database()


async def test_migrations_make_what_the_schema_says(database_url):
    await migrated(database_url)

    def differences(connection):
        ours = {"include_name": lambda name, kind, _parents: kind != "table" or name != migrate.VERSION_TABLE}
        context = MigrationContext.configure(connection, opts={"compare_type": True, **ours})
        return compare_metadata(context, metadata)

    assert run(database_url, differences) == []


async def test_migrations_and_create_all_end_the_same(database_url, another_url):
    await migrated(database_url)
    run(another_url, metadata.create_all)
    assert run(database_url, described) == run(another_url, described)


async def test_the_comparison_sees_a_partial_index_that_lost_its_condition(database_url, another_url):
    await migrated(database_url)
    run(another_url, metadata.create_all)

    def widen(connection):
        connection.execute(text("DROP INDEX delivery_scheduled"))
        connection.execute(text("CREATE INDEX delivery_scheduled ON delivery (due)"))

    run(another_url, widen)
    assert run(database_url, described) != run(another_url, described)


def test_migrations_are_numbered_in_one_line_and_the_head_is_known():
    config = Config()
    config.set_main_option("script_location", "mailwright.store:migrations")
    scripts = list(ScriptDirectory.from_config(config).walk_revisions())
    numbers = [script.revision for script in reversed(scripts)]
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]
    assert numbers[-1] == migrate.HEAD


async def test_what_is_in_a_database_stays_when_it_is_opened_again(database_url):
    async with await Database.open(database_url) as database:
        await database.write(insert_facts, "kept")
    async with await Database.open(database_url) as database:
        assert await rows(database, "SELECT name FROM fact") == [("kept",)]
        assert (await database.check()).schema == migrate.HEAD


@pytest.mark.parametrize("found", ["9999", "somebody_elses"])
async def test_a_database_of_a_newer_program_is_refused(database_url, found):
    await migrated(database_url)
    run(database_url, lambda connection: connection.execute(text(f"UPDATE schema_version SET version_num = '{found}'")))
    with pytest.raises(SchemaMismatch) as caught:
        await Database.open(database_url)
    assert found in str(caught.value)
    assert migrate.HEAD in str(caught.value)
    assert "backup" in caught.value.hint


async def test_a_migration_that_fails_leaves_nothing(database_url):
    # A table of somebody else is in the way of one that comes late.
    run(database_url, lambda connection: connection.execute(text("CREATE TABLE workspace (x INTEGER)")))
    with pytest.raises(Exception, match="workspace"):
        await Database.open(database_url)
    tables = (
        "sqlite_master WHERE type = 'table'"
        if database_url.startswith("sqlite")
        else "pg_tables WHERE schemaname = 'public'"
    )
    count = run(database_url, lambda connection: connection.execute(text(f"SELECT count(*) FROM {tables}")).scalar())
    assert count == 1


_OPENS = """
import asyncio, sys
from mailwright.store.database import Database

async def main(url):
    sys.stdin.readline()
    async with await Database.open(url) as database:
        print((await database.check()).schema)

asyncio.run(main(sys.argv[1]))
"""


def test_processes_that_start_together_make_one_database(database_url):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _OPENS, database_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 3
    assert [out.strip() for out, _ in answers] == [migrate.HEAD] * 3


async def test_many_that_open_in_one_process_agree(database_url):
    opened = await asyncio.gather(*(Database.open(database_url) for _ in range(4)))
    for database in opened:
        assert (await database.check()).schema == migrate.HEAD
        await database.close()


async def test_the_number_of_an_event_is_never_given_twice(database):
    from mailwright.store.commit import commit

    await commit(database, [add(), add()])

    def clean_up(connection, items):
        connection.execute(text("DELETE FROM event"))
        return items

    await database.write(clean_up, 0)
    await commit(database, [add()])
    assert await rows(database, "SELECT number FROM event") == [(3,)]


def overwrite(file, start):
    content = bytearray(file.read_bytes())
    content[start : start + 200] = b"\xff" * 200
    file.write_bytes(content)


async def test_damage_is_found(tmp_path):
    url = f"sqlite:///{tmp_path / 'mailwright.db'}"
    async with await Database.open(url) as database:
        for number in range(200):
            await database.write(insert_facts, f"{number:03}" * 20)
    page_size = run(url, lambda connection: connection.execute(text("PRAGMA page_size")).scalar())
    look = text("SELECT rootpage FROM sqlite_master WHERE name = 'fact'")
    root = run(url, lambda connection: connection.execute(look).scalar())
    overwrite(Path(make_url(url).database), (root - 1) * page_size + 8)
    async with await Database.open(url) as database:
        assert (await database.check()).problems
