"""The command line as people and cron use it: a service that runs, and commands in this process."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import structlog
from typer.testing import CliRunner

from mailwright.cli import app

COMMAND = [sys.executable, "-W", "error", "-m", "mailwright"]
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAILWRIGHT_")}
    return {**kept, "COLUMNS": "200", "NO_COLOR": "1", **more}


class Program(NamedTuple):
    process: "subprocess.Popen[str]"
    lines: list[dict[str, Any]]

    def until(self, event: str) -> dict[str, Any]:
        """Reads lines of JSON until one is of this kind."""
        for line in self.process.stdout:
            self.lines.append(json.loads(line))
            if self.lines[-1].get("event") == event:
                return self.lines[-1]
        raise AssertionError(self.process.stderr.read())

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        self.process.send_signal(number)
        self.process.stdout.read()
        said = self.process.stderr.read()
        return self.process.wait(60), said


@contextmanager
def program(*arguments: str, cwd: Path | None = None, **variables: str) -> Iterator[Program]:
    with subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**variables),
        cwd=cwd,
    ) as process:
        try:
            yield Program(process, [])
        finally:
            process.kill()


class Mail(NamedTuple):
    """A development server."""

    program: Program
    port: int

    def next(self) -> dict[str, Any]:
        return self.program.until("mail")


@contextmanager
def mail_server(*options: str) -> Iterator[Mail]:
    with program("dev", "--port", "0", "--json", *options) as running:
        yield Mail(running, running.until("listening")["port"])


class Place(NamedTuple):
    """What commands work on, as options."""

    name: str
    options: list[str]


class Ended(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


def run(*arguments: str, stdin: str = "", **variables: str) -> Ended:
    """In this process: starting another takes longer than most commands."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(environment(**variables))
    try:
        with _own_logs():
            result = CliRunner().invoke(app, [*arguments], input=stdin)
    finally:
        os.environ.clear()
        os.environ.update(before)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ended(result.exit_code, result.stdout, result.stderr)


@contextmanager
def _own_logs() -> Iterator[None]:
    """Commands set up the log of their process; this one has another owner."""
    root, ours = logging.getLogger(), logging.getLogger("mailwright")
    handlers, level, our_level = root.handlers[:], root.level, ours.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        ours.setLevel(our_level)
        structlog.reset_defaults()
