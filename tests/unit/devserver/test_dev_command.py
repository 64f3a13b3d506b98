"""`mailwright dev` as it is used: a process of its own, a client that sends, a terminal that reads."""

import json
import os
import pty
import re
import select
import signal
import smtplib
import ssl
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mailwright.cli import app

# Not "-X dev": on a busy machine its event loop complains of slow callbacks, which are no fault of ours.
_COMMAND = [sys.executable, "-W", "error", "-m", "mailwright", "dev", "--port", "0"]
_ENVIRONMENT = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200", "TERM": "dumb"}
#: a lie about the sender, an escape sequence, markup and an emoji code of the terminal library, a right-to-left mark
HOSTILE = (
    "From: =?utf-8?q?=1B]0;owned=07?= <x@example.org>\r\n"
    "Subject: =?utf-8?q?=1B[31mred_[bold]x[/bold]_:smile:_=E2=80=AEback?=\r\n\r\n"
    "text \x1b[2J \x9b2J :smile: [bold]\r\n"
)


@contextmanager
def running(*options: str, environment: dict[str, str] = _ENVIRONMENT, cwd: Path | None = None):
    with subprocess.Popen(
        [*_COMMAND, *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=cwd,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def port_of(process: "subprocess.Popen[str]") -> int:
    """Reads what is printed until the address stands there."""
    for line in process.stdout:
        if found := re.search(r"127\.0\.0\.1:(\d+)", line):
            return int(found[1])
    raise AssertionError(process.stderr.read())


def rest_of(process: "subprocess.Popen[str]") -> tuple[str, str]:
    """Output and errors to the end. (`communicate` would lose what the lines before it have read ahead.)"""
    out, err = process.stdout.read(), process.stderr.read()
    process.wait(timeout=30)
    return out, err


def send(port: int, text: str = "Subject: Hello\r\n\r\nGood morning\r\n", recipient: str = "ann@example.org") -> None:
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.sendmail("you@example.com", [recipient], text.encode())


def test_a_mail_is_shown_and_after_the_last_one_the_command_ends():
    with running("--count", "2", "--show", "text") as process:
        port = port_of(process)
        send(port)
        send(port, "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nsecond\r\n", "bob@example.org")
        out, err = rest_of(process)
    assert process.returncode == 0
    assert err == ""
    assert re.search(r"^   1  \d\d:\d\d:\d\d  you@example\.com → ann@example\.org  Hello  32 B$", out, re.MULTILINE)
    assert "  Subject: Hello\n\nGood morning\n" in out
    assert "bob@example.org  Grüße" in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_it_cleanly_while_a_client_is_connected(number):
    with running() as process, smtplib.SMTP("127.0.0.1", port_of(process)) as client:
        client.ehlo()
        process.send_signal(number)
        _, err = rest_of(process)
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.noop()
    assert process.returncode == 0
    assert err == ""


def test_json_has_one_object_for_each_mail():
    with running("--json", "--count", "1", "--tls-port", "0", "--users", "ann:secret") as process:
        listening = json.loads(process.stdout.readline())
        assert listening["event"] == "listening"
        assert listening["host"] == "127.0.0.1"
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with smtplib.SMTP_SSL("127.0.0.1", listening["tls_port"], context=context) as client:
            client.login("ann", "secret")
            client.sendmail("you@example.com", ["ann@example.org", "bob@example.org"], HOSTILE.encode("latin-1"))
        out, err = rest_of(process)
    assert (process.returncode, err) == (0, "")
    assert out.isascii()
    assert "\x1b" not in out
    (mail,) = map(json.loads, out.splitlines())
    assert (mail["event"], mail["number"], mail["user"], mail["mechanism"]) == ("mail", 1, "ann", "CRAM-MD5")
    assert mail["tls"].startswith("TLSv1.")
    assert mail["envelope"]["from"] == "you@example.com"
    assert [to["address"] for to in mail["envelope"]["to"]] == ["ann@example.org", "bob@example.org"]
    assert mail["subject"].startswith("\x1b[31mred")
    assert mail["defects"] == ["8-bit content without BODY=8BITMIME"]


@pytest.mark.parametrize("how", ["summary", "text", "raw"])
def test_nothing_of_a_mail_reaches_the_terminal_as_a_command(how):
    with running("--count", "1", "--show", how) as process:
        send(port_of(process), HOSTILE)
        out, err = rest_of(process)
    assert err == ""
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", out)
    assert r"\x1b[31mred [bold]x[/bold] :smile: \x202eback" in out


def test_nothing_is_shown_when_nothing_is_asked_for(tmp_path):
    with running("--count", "1", "--show", "none", "--save", str(tmp_path / "mails")) as process:
        send(port_of(process))
        out, _ = rest_of(process)
    assert "you@example.com →" not in out
    (saved,) = (tmp_path / "mails").iterdir()
    assert re.fullmatch(r"\d{8}-\d{6}-0001\.eml", saved.name)
    assert saved.read_bytes() == b"Subject: Hello\r\n\r\nGood morning\r\n"


def test_failures_and_missing_extensions_come_from_the_command_line(tmp_path):
    ca_file = tmp_path / "ca.pem"
    options = ["--fail", "rcpt:1=450 4.2.1 Busy", "--without", "pipelining", "--max-size", "1000", "--ca-file"]
    with running(*options, str(ca_file)) as process:
        with smtplib.SMTP("localhost", port_of(process)) as client:
            client.starttls(context=ssl.create_default_context(cafile=str(ca_file)))
            client.ehlo()
            assert not client.has_extn("pipelining")
            assert client.esmtp_features["size"] == "1000"
            client.mail("you@example.com")
            assert client.rcpt("ann@example.org") == (450, b"4.2.1 Busy")
            assert client.rcpt("ann@example.org")[0] == 250
        process.send_signal(signal.SIGINT)
        out, _ = rest_of(process)
    assert "fails      rcpt:1=450 4.2.1 Busy" in out


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--fail", "rcpt=45"], "fail: '45' is not something that can go wrong"),
        (["--without", "TURN"], "without: 'TURN' is not an extension"),
        (["--users", "ann"], "users: a user is written NAME:PASSWORD"),
        (["--port", "70000"], "port: port 70000 is not between"),
        (["--max-size", "0"], "max_size: this limit is at least 1"),
        (["--save", "/proc/no/such"], "save: cannot make"),
        (["--ca-file", "/proc/no/such"], "ca_file: cannot write"),
        (["--host", "192.0.2.1"], "port: cannot listen on 192.0.2.1"),
    ],
)
def test_a_wrong_option_is_a_sentence_and_the_exit_code_for_usage(options, complaint):
    result = CliRunner().invoke(app, ["dev", "--port", "0", *options])
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert "Traceback" not in result.stderr


def test_a_reader_that_goes_away_is_an_end_and_no_error():
    with running("--json") as process:
        port = json.loads(process.stdout.readline())["port"]
        process.stdout.close()
        send(port)
        assert process.wait(timeout=30) == 0
        assert process.stderr.read() == ""


# ── on a terminal ──────────────────────────────────────────────────────────────────────────────────────────────────


class Terminal:
    def __init__(self, file: int) -> None:
        self._file = file
        self.seen = ""

    def type(self, line: str) -> None:
        os.write(self._file, line.encode() + b"\n")

    def until(self, pattern: str) -> "re.Match[str]":
        """Reads until the pattern is there; the text before it is done with."""
        while (found := re.search(pattern, self.seen)) is None:
            ready, _, _ = select.select([self._file], [], [], 30)
            assert ready, f"{pattern!r} did not come; seen: {self.seen!r}"
            self.seen += os.read(self._file, 65536).decode()
        self.seen = self.seen[found.end() :]
        return found


@contextmanager
def on_a_terminal(*options: str, environment: dict[str, str] = _ENVIRONMENT):
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*_COMMAND, *options], stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    ) as process:
        os.close(theirs)
        try:
            yield process, Terminal(ours)
        finally:
            process.kill()
            os.close(ours)


def test_mails_are_read_by_typing_their_number():
    mail = (
        "Subject: Hello\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n"
        "--b\r\n\r\nplain words\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>rich words</p>\r\n--b--\r\n"
    )
    with on_a_terminal() as (process, terminal):
        port = int(terminal.until(r"127\.0\.0\.1:(\d+)")[1])
        terminal.until("Type the number of a mail")
        send(port, mail)
        send(port)
        terminal.until("   2  ")
        terminal.type("1")
        terminal.until(r"Subject: Hello[\s\S]*plain words")
        terminal.type("1 html")
        terminal.until("<p>rich words</p>")
        terminal.type("1 RAW")
        terminal.until(r"Content-Type: multipart/alternative[\s\S]*--b--")
        terminal.type("list")
        terminal.until(r"   1  [\s\S]*   2  [\s\S]*2 mails")
        terminal.type("9")
        terminal.until("there is no mail 9")
        terminal.type("help")
        terminal.until("ends the server")
        terminal.type("delete everything")
        terminal.until("'delete everything' is not understood")
        terminal.type("2 html")
        terminal.until("no HTML")
        terminal.type("quit")
        assert process.wait(timeout=30) == 0


def test_the_end_of_the_input_ends_it():
    with on_a_terminal() as (process, terminal):
        terminal.until("Ctrl-C ends")
        terminal.type("\x04")
        assert process.wait(timeout=30) == 0


def test_ctrl_c_on_a_terminal_ends_it_with_code_0():
    with on_a_terminal() as (process, terminal):
        terminal.until("Ctrl-C ends")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0


@pytest.mark.parametrize("wanted", [True, False])
def test_colours_are_for_terminals_and_not_for_those_who_want_none(wanted):
    environment = {**_ENVIRONMENT, "TERM": "xterm-256color"}
    if wanted:
        del environment["NO_COLOR"]
    with on_a_terminal(environment=environment) as (process, terminal):
        port = int(terminal.until(r"127\.0\.0\.1:(\d+)")[1])
        with smtplib.SMTP("127.0.0.1", port) as client:
            client.login("ann", "x")
            client.sendmail("you@example.com", ["ann@example.org"], b"Subject: x\r\n\r\n")
        before_mark = terminal.until("(.{5})as ann")[1]
        assert (before_mark == "\x1b[32m") is wanted
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0


def test_the_command_does_not_need_a_home_or_a_writable_folder(tmp_path):
    folder = Path(tmp_path, "bare")
    folder.mkdir(mode=0o500)
    bare = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    with running("--count", "1", environment=bare, cwd=folder) as process:
        send(port_of(process))
        assert process.wait(timeout=30) == 0
