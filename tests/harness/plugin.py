"""What the tests add to pytest: servers' logs beside a failure, an end to what hangs, no empty success."""

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import pytest

from tests.harness.postgres import Postgres, postgres_running
from tests.harness.servers import MailServers, mail_servers_running

#: a test that takes longer hangs; far above what any needs, so that a slow machine fails nothing
TEST_SECONDS = 180
#: of a test marked `proof`, unless it says otherwise: @pytest.mark.proof(seconds=300)
PROOF_SECONDS = 900


class _Logging(Protocol):
    def log(self, since: tuple[int, ...] = ()) -> str: ...

    def log_mark(self) -> tuple[int, ...]: ...


# The running servers, and where the log of each stood when a test began; by the name of their fixture
_servers = pytest.StashKey[dict[str, _Logging]]()
_log_marks = pytest.StashKey[dict[str, tuple[int, ...]]]()

# Whose failure shows the log of which servers
_SHOWN_FOR = {"mail_servers": {"mail_servers"}, "postgres_server": {"postgres_server", "database_url"}}


class OverBudget(Exception):
    """A test did not end within its time budget."""


@pytest.fixture(scope="session")
def mail_servers(request: pytest.FixtureRequest) -> Iterator[MailServers]:
    """Postfix and Dovecot, one pair for each test process."""
    with mail_servers_running() as servers, _logging(request.session, "mail_servers", servers):
        yield servers


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    """PostgreSQL, one cluster for each test process. For fixtures that outlive a test; a test asks for `postgres`."""
    with postgres_running() as server, _logging(request.session, "postgres_server", server):
        yield server


@pytest.fixture
def postgres(postgres_server: Postgres) -> Iterator[Postgres]:
    """The running PostgreSQL; what `fresh_database` makes for this test goes when the test is over."""
    own = postgres_server.with_own_databases()
    yield own
    own.drop_databases()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.real)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database for SQLAlchemy: the same test runs over a SQLite file and over PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'mailwright.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.fresh_database()


@contextlib.contextmanager
def _logging(session: pytest.Session, fixture: str, server: _Logging) -> Iterator[None]:
    running = session.stash.setdefault(_servers, {})
    running[fixture] = server
    try:
        yield
    finally:
        del running[fixture]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    with _budget(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    running = item.session.stash.get(_servers, {})
    item.stash[_log_marks] = {name: server.log_mark() for name, server in running.items()}
    with _budget(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    with _budget(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: Any = yield
    marks = item.stash.get(_log_marks, {})
    for name, server in item.session.stash.get(_servers, {}).items():
        if report.failed and _SHOWN_FOR[name] & set(getattr(item, "fixturenames", ())):
            report.sections.append((f"log of {name}", server.log(marks.get(name, ()))))
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A run in which every test was skipped proves nothing, and ends like one that found no test."""
    config = session.config
    if hasattr(config, "workerinput") or config.option.collectonly or getattr(config.option, "setupplan", False):
        return
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    ran = ("passed", "failed", "error", "xfailed", "xpassed")
    if exitstatus == pytest.ExitCode.OK and terminal is not None and not any(terminal.stats.get(key) for key in ran):
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED


@contextlib.contextmanager
def _budget(item: pytest.Item) -> Iterator[None]:
    marker = item.get_closest_marker("proof")
    seconds = TEST_SECONDS if marker is None else marker.kwargs.get("seconds", PROOF_SECONDS)

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise OverBudget(f"{item.nodeid} took longer than its {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
