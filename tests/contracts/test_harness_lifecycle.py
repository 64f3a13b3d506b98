"""The harness starts what it should, and nothing of it survives: not when it stops, not when the test run is killed."""

import json
import os
import smtplib
import socket
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from tests.contracts.processes import Processes, assert_closed
from tests.harness import MailServers, layout, mail_servers_running, missing, plugin, servers

ROOT = Path(__file__).parents[2]


@pytest.fixture
def installed(mail_servers: MailServers) -> None:
    """Skips where the session's own servers cannot run."""


def test_two_pairs_of_servers_run_at_once_and_do_not_know_each_other(mail_servers):
    with mail_servers_running(size_limit=1_000_000) as others:
        assert not set(all_ports(mail_servers)) & set(all_ports(others))
        user, message_id = others.user(7), "<other-servers@harness.example>"
        with smtplib.SMTP(others.host, others.smtp_port) as client:
            client.ehlo()
            assert client.esmtp_features["size"] == "1000000"
            client.sendmail("a@b.example", [user.address], f"Message-ID: {message_id}\r\n\r\nHere\r\n")
        assert others.fetch(user, message_id).endswith(b"Here\r\n")
        with pytest.raises(servers.NotReceived):
            mail_servers.fetch(user, message_id, timeout=0.1)


@pytest.mark.usefixtures("installed")
def test_nothing_is_left_after_the_stop():
    with mail_servers_running() as running:
        processes = Processes(running.guardian_pid)
        assert len(processes) > 5
    processes.wait_until_gone()
    assert_closed(all_ports(running))
    assert not running.directory.exists()


@pytest.mark.usefixtures("installed")
def test_nothing_is_left_when_the_test_run_is_killed():
    program = (
        "import json, sys; from tests.harness import mail_servers_running\n"
        "with mail_servers_running() as m:\n"
        "    print(json.dumps([m.guardian_pid, str(m.directory), m.smtp_port, m.imaps_port]), flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as test_run:
        pid, directory, *ports = json.loads(test_run.stdout.readline())
        processes = Processes(pid)
        assert len(processes) > 5
        test_run.kill()
        processes.wait_until_gone()
    assert_closed(ports)
    assert not Path(directory).exists()


@pytest.mark.usefixtures("installed")
def test_when_one_server_dies_the_other_is_stopped_too():
    with mail_servers_running() as running:
        everything = Processes(running.guardian_pid)
        each_server = [Processes(everything.named(name)) for name in ("dovecot", "master")]
        as_root = [] if os.getuid() == 0 else ["sudo", "-n"]
        subprocess.run([*as_root, "sh", "-c", f"kill -KILL {everything.named('dovecot')}"], check=True)
        for processes in each_server:
            processes.wait_until_gone()
        assert_closed(all_ports(running))
    everything.wait_until_gone()
    assert not running.directory.exists()


@pytest.mark.usefixtures("installed")
def test_a_port_that_somebody_else_took_meanwhile_is_replaced(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        offers = [[taken.getsockname()[1]], []]
        choose = servers.free_ports
        monkeypatch.setattr(servers, "free_ports", lambda count: (first := offers.pop(0)) + choose(count - len(first)))
        with mail_servers_running() as running:
            assert taken.getsockname()[1] not in all_ports(running)
        assert offers == []


@pytest.mark.usefixtures("installed")
def test_servers_that_cannot_start_say_why(monkeypatch):
    monkeypatch.setattr(servers.dovecot, "_COMMON", "this is no configuration\n")
    with pytest.raises(RuntimeError, match="dovecot ended with status"), mail_servers_running():
        pass


def test_a_missing_part_skips_the_test_and_says_why(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no such server"):
        missing("no such server")


def test_a_missing_part_fails_the_test_in_ci(monkeypatch):
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no such server"):
        missing("no such server")


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(servers.postfix, "program", lambda _: "")
    with pytest.raises(pytest.skip.Exception, match="not installed: postfix"), mail_servers_running():
        pass


def test_a_run_in_which_all_is_skipped_is_no_success(tmp_path):
    assert run_pytest(tmp_path, "import pytest\ndef test_it(): pytest.skip('no')") == pytest.ExitCode.NO_TESTS_COLLECTED
    assert run_pytest(tmp_path, "def test_it(): pass") == pytest.ExitCode.OK


def test_a_long_suite_over_its_budget_fails(tmp_path):
    code = (
        "import signal, pytest\n"
        "@pytest.mark.proof(seconds={seconds})\n"
        "def test_it():\n"
        "    if {seconds} < 1: signal.pause()\n"
    )
    assert run_pytest(tmp_path, code.format(seconds=0.1)) == pytest.ExitCode.TESTS_FAILED
    assert run_pytest(tmp_path, code.format(seconds=60)) == pytest.ExitCode.OK


def run_pytest(directory: Path, code: str) -> int:
    (directory / "test_it.py").write_text(code)
    command = [sys.executable, "-m", "pytest", "-q", "-p", plugin.__name__, "-c", os.devnull, "-o", "markers=proof"]
    command += ["-p", "no:cacheprovider", f"--rootdir={directory}", str(directory / "test_it.py")]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True).returncode


def all_ports(running: MailServers) -> list[int]:
    return [getattr(running, f"{part.name}_port") for part in fields(layout.Ports)]
