"""What is left of servers: their processes and their ports."""

import contextlib
import os
import select
import socket
from pathlib import Path

import pytest

PATIENCE_SECONDS = 30


def assert_closed(ports: list[int]) -> None:
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)


class Processes:
    """A process and all below it, held by descriptors that become readable when their process ends."""

    def __init__(self, root: int) -> None:
        parents = dict(_name_and_parent())
        found = {root}
        while below := {pid for pid, (_, parent) in parents.items() if parent in found} - found:
            found |= below
        self._names = {pid: parents[pid][0] for pid in found}
        self._descriptors = {}
        for pid in found:
            # A helper may have ended since we looked.
            with contextlib.suppress(ProcessLookupError):
                self._descriptors[pid] = os.pidfd_open(pid)

    def __len__(self) -> int:
        return len(self._descriptors)

    def named(self, name: str) -> int:
        return next(pid for pid, other in self._names.items() if other == name)

    def wait_until_gone(self) -> None:
        for pid, descriptor in self._descriptors.items():
            ended, _, _ = select.select([descriptor], [], [], PATIENCE_SECONDS)
            assert ended, f"{self._names[pid]} ({pid}) is still running"
            os.close(descriptor)


def _name_and_parent() -> list[tuple[int, tuple[str, int]]]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                before, _, after = (entry / "stat").read_text().rpartition(")")
            except OSError:
                continue
            found.append((int(entry.name), (before.partition("(")[2], int(after.split()[1]))))
    return found
