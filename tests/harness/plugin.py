"""What the tests add to pytest: servers' logs beside a failure, an end to what hangs, no empty success."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest

from tests.harness.servers import MailServers, mail_servers_running

#: a test that takes longer hangs; far above what any needs, so that a slow machine fails nothing
TEST_SECONDS = 180
#: of a test marked `proof`, unless it says otherwise: @pytest.mark.proof(seconds=300)
PROOF_SECONDS = 900

_servers = pytest.StashKey[MailServers]()
_log_mark = pytest.StashKey[tuple[int, ...]]()


class OverBudget(Exception):
    """A test did not end within its time budget."""


@pytest.fixture(scope="session")
def mail_servers(request: pytest.FixtureRequest) -> Iterator[MailServers]:
    """Postfix and Dovecot, one pair for each test process."""
    with mail_servers_running() as servers:
        request.session.stash[_servers] = servers
        yield servers
        del request.session.stash[_servers]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    with _budget(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    servers = item.session.stash.get(_servers, None)
    if servers is not None:
        item.stash[_log_mark] = servers.log_mark()
    with _budget(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    with _budget(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: Any = yield
    servers = item.session.stash.get(_servers, None)
    if servers is not None and report.failed and "mail_servers" in getattr(item, "fixturenames", ()):
        report.sections.append(("log of the mail servers", servers.log(item.stash.get(_log_mark, ()))))
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
