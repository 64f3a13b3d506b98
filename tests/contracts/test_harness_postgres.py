"""The real PostgreSQL of the harness: each test has databases of its own, and nothing of them survives."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import sqlalchemy

from tests.contracts.processes import Processes, assert_closed
from tests.harness import Postgres, plugin, postgres as harness, postgres_running, programs

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]


def ask(server: Postgres, question: str, database: str = "postgres") -> list[tuple]:
    with server.connect(database) as connection:
        return connection.execute(question).fetchall()


def name_of(url: str) -> str:
    name = sqlalchemy.make_url(url).database
    assert name is not None
    return name


def test_a_fresh_database_is_empty_and_takes_a_table(postgres):
    url = postgres.fresh_database()
    tables = "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE n.nspname = 'public'"
    assert ask(postgres, tables, name_of(url)) == []
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE letters (id int PRIMARY KEY)")
    engine.dispose()
    assert ask(postgres, tables, name_of(url)) == [("letters",), ("letters_pkey",)]


def test_two_fresh_databases_do_not_know_each_other(postgres):
    one, other = name_of(postgres.fresh_database()), name_of(postgres.fresh_database())
    with postgres.connect(one) as connection:
        connection.execute("CREATE TABLE letters (id int)")
    with postgres.connect(other) as connection, pytest.raises(psycopg.errors.UndefinedTable):
        connection.execute("SELECT * FROM letters")


def test_what_a_commit_promises_is_synced_to_disk(postgres):
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        assert ask(postgres, f"SHOW {setting}") == [("on",)]


def test_databases_are_dropped_though_somebody_is_still_connected(postgres):
    own = postgres.with_own_databases()
    gone, kept = name_of(own.fresh_database()), name_of(postgres.fresh_database())
    with postgres.connect(gone) as left_behind:
        own.drop_databases()
        with pytest.raises(psycopg.OperationalError):
            left_behind.execute("SELECT 1")
    names = {name for (name,) in ask(postgres, "SELECT datname FROM pg_database")}
    assert gone not in names
    assert kept in names


def test_nobody_signs_in_without_the_password(postgres):
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(host=postgres.host, port=postgres.port, user=postgres.username, password="wrong").close()


def test_the_log_since_a_mark_holds_what_was_refused_since(postgres):
    mark = postgres.log_mark()
    with postgres.connect() as connection, pytest.raises(psycopg.errors.UndefinedTable):
        connection.execute("SELECT * FROM never_made")
    assert "SELECT * FROM never_made" in postgres.log(mark)
    assert "ready to accept connections" not in postgres.log(mark)
    assert "ready to accept connections" in postgres.log()


TESTS_OF_A_USER = """
import pytest, sqlalchemy

def test_1_makes_one(postgres):
    postgres.fresh_database()

def test_2_finds_only_its_own(postgres):
    postgres.fresh_database()
    with postgres.connect() as connection:
        names = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'test%'").fetchall()
    assert len(names) == 1

def test_3_runs_over_both(database_url):
    engine = sqlalchemy.create_engine(database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE letters (id int)")
    engine.dispose()

def test_4_fails(database_url):
    engine = sqlalchemy.create_engine(database_url)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql("SELECT * FROM table_that_is_missing")
    finally:
        engine.dispose()
"""


def test_a_test_gets_a_database_of_each_kind_and_its_log_when_it_fails(tmp_path):
    (tmp_path / "test_it.py").write_text(TESTS_OF_A_USER)
    command = [sys.executable, "-m", "pytest", "-v", "-p", plugin.__name__, "-c", os.devnull, "-o", "markers=real"]
    command += ["-p", "no:cacheprovider", f"--rootdir={tmp_path}", str(tmp_path / "test_it.py")]
    said = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True).stdout
    assert "2 failed, 4 passed" in said
    for outcome in ("3_runs_over_both[sqlite] PASSED", "3_runs_over_both[postgres] PASSED"):
        assert f"::test_{outcome}" in said
    assert "STATEMENT:  SELECT * FROM table_that_is_missing" in said


@pytest.mark.usefixtures("postgres_server")
def test_nothing_is_left_after_the_stop_though_a_client_is_still_connected():
    with postgres_running() as running:
        client = running.connect()
        processes = Processes(running.guardian_pid)
        assert len(processes) > 5
        assert Path(f"/proc/{processes.named('postgres')}").stat().st_uid != 0
    processes.wait_until_gone()
    with pytest.raises(psycopg.OperationalError):
        client.execute("SELECT 1")
    client.close()
    assert_closed([running.port])
    assert not running.directory.exists()


@pytest.mark.usefixtures("postgres_server")
def test_nothing_is_left_when_the_test_run_is_killed():
    program = (
        "import json, sys; from tests.harness import postgres_running\n"
        "with postgres_running() as p:\n"
        "    client = p.connect()\n"
        "    print(json.dumps([p.guardian_pid, str(p.directory), p.port]), flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as test_run:
        pid, directory, port = json.loads(test_run.stdout.readline())
        processes = Processes(pid)
        assert len(processes) > 5
        test_run.kill()
        processes.wait_until_gone()
    assert_closed([port])
    assert not Path(directory).exists()


@pytest.mark.usefixtures("postgres_server")
def test_nothing_runs_on_when_the_guardian_is_killed():
    with postgres_running() as running:
        processes = Processes(running.guardian_pid)
        os.kill(running.guardian_pid, signal.SIGKILL)
        processes.wait_until_gone()
    assert_closed([running.port])
    assert not running.directory.exists()


@pytest.mark.usefixtures("postgres_server")
def test_a_port_that_somebody_else_took_meanwhile_is_replaced(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        offers = [[taken.getsockname()[1]], harness.free_ports(1)]
        monkeypatch.setattr(harness, "free_ports", lambda _: offers.pop(0))
        with postgres_running() as running:
            assert ask(running, "SELECT 1") == [(1,)]
        assert offers == []


@pytest.mark.usefixtures("postgres_server")
def test_a_server_that_cannot_start_says_why(monkeypatch):
    wrong = harness._MAKE_AND_RUN.replace("max_connections=200", "max_connections=none")
    monkeypatch.setattr(harness, "_MAKE_AND_RUN", wrong)
    with pytest.raises(RuntimeError, match='invalid value for parameter "max_connections"'), postgres_running():
        pass


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(harness, "postgres_folder", lambda: None)
    with pytest.raises(pytest.skip.Exception, match="not installed: postgresql"), postgres_running():
        pass


def test_the_version_on_the_path_is_taken_when_it_can_make_a_cluster(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "postgres").touch(mode=0o755)
    assert programs.postgres_folder() != tmp_path
    (tmp_path / "initdb").touch(mode=0o755)
    assert programs.postgres_folder() == tmp_path
