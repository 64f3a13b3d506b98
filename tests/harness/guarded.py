"""Servers that end with the test run, however it ends: the near end of the guardian's leash."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.harness import guardian

CONSOLE = "console.log"

_STOP_SECONDS = 15.0


@contextlib.contextmanager
def guarded(
    directory: Path,
    commands: list[list[str]],
    *,
    make: Sequence[tuple[str, int, int, int]] = (),
    as_root: bool = False,
    user: tuple[int, int] | None = None,
    stop: signal.Signals = signal.SIGTERM,
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs the commands until the block is left, then removes the directory. Yields the guardian's process."""
    by_sudo = ["sudo", "-n"] if as_root and os.getuid() != 0 else []
    with (directory / CONSOLE).open("ab") as console:
        process = subprocess.Popen(
            [*by_sudo, sys.executable, "-I", "-S", guardian.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=console,
            # Ctrl-C is for pytest, whose fixtures then stop us in their order.
            start_new_session=True,
        )
    order = {"directory": str(directory), "make": make, "servers": commands, "user": user, "stop": stop}
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.flush()
        yield process
    finally:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.wait(_STOP_SECONDS)


def has_ended(process: subprocess.Popen[bytes], directory: Path) -> bool:
    """Whether one of the servers has ended by itself, or their guardian."""
    return process.poll() is not None or (directory / guardian.ENDED).exists()
