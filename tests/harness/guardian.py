"""Holds server processes for as long as its standard input stays open, then leaves nothing of them.

Run as a program, by the interpreter alone: no imports of ours, since it may run under sudo. One JSON object comes as
the first line of standard input:

    {"directory": …, "make": [[path, uid, gid, mode], …], "servers": [[argument, …], …],
     "user": [uid, gid] or null, "stop": signal number}

`user` is for servers that refuse to run as root and do not give up its rights by themselves.

The pipe is the leash: the kernel closes it however the test run ends, by SIGKILL too. When a server ends by itself the
others are stopped, and a file named `ended` says so; the directory stays until the pipe is closed, for its logs to be
read.
"""

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ENDED = "ended"

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PATIENCE_SECONDS = 5.0

_libc = ctypes.CDLL(None)


def main() -> None:
    # Servers fork helpers; a helper whose parent died becomes our child, not that of process 1, and so is found.
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    wake_up, wake_up_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake_up_writer)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    order = json.loads(_first_line())
    for path, uid, gid, mode in order["make"]:
        _make(Path(path), uid, gid, mode)
    servers = {_start(arguments, order): arguments[0] for arguments in order["servers"]}
    if _watch(servers, wake_up):
        _stop(servers, order["stop"])
        (Path(order["directory"]) / ENDED).touch()
        _watch({}, wake_up)
    else:
        _stop(servers, order["stop"])
    shutil.rmtree(order["directory"], ignore_errors=True)


def _first_line() -> bytes:
    # Byte by byte: a buffered reader would swallow the end of file that we wait for later.
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            sys.exit(0)
        line += byte
    return line


def _make(path: Path, uid: int, gid: int, mode: int) -> None:
    path.mkdir(exist_ok=True)
    os.chown(path, uid, gid)
    path.chmod(mode)


def _start(arguments: list[str], order: dict[str, Any]) -> int:
    uid, gid = order["user"] or (None, None)
    with (Path(order["directory"]) / "console.log").open("ab") as console:
        # A session of its own: Postfix signals its whole process group, which must not be ours.
        return subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            cwd="/",
            start_new_session=True,
            user=uid,
            group=gid,
            extra_groups=None if uid is None else [],
            # Should the guardian itself be killed. Safe here: this process has one thread. It runs after the change of
            # user, which would undo it.
            preexec_fn=lambda: _libc.prctl(_PR_SET_PDEATHSIG, order["stop"], 0, 0, 0),  # noqa: PLW1509
        ).pid


def _watch(servers: dict[int, str], wake_up: int) -> bool:
    """True when a server ended; False when it is time to stop."""
    while True:
        readable, _, _ = select.select([0, wake_up], [], [])
        if 0 in readable:
            return False
        signals = os.read(wake_up, 512)
        if signal.SIGTERM in signals or signal.SIGHUP in signals:
            return False
        ended = {servers[pid]: status for pid, status in _reap().items() if pid in servers}
        if ended:
            # Postfix tells why it cannot start to the system's log only, and containers have none.
            sys.stderr.writelines(f"{name} ended with status {status}\n" for name, status in ended.items())
            return True


def _stop(servers: Iterable[int], number: int) -> None:
    for pid in servers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while _have_children():
        if time.monotonic() > deadline:
            for pid in _children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        _reap()
        time.sleep(0.01)


def _reap() -> dict[int, int]:
    ended = {}
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0] != 0:
            ended[found[0]] = os.waitstatus_to_exitcode(found[1])
    return ended


def _have_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _children() -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # "pid (name) state ppid …", where the name may contain anything, parentheses too
                if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == os.getpid():
                    found.append(int(entry.name))
    return found


if __name__ == "__main__":
    main()
