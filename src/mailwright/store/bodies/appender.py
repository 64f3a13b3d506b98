"""The one segment that this process writes to.

A segment to which writing or syncing failed is never written to again: after a failed fsync the kernel may call pages
clean that never reached the disk, and a later fsync would say that all is well.
"""

import errno
import fcntl
import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from mailwright.errors import BodyNotStored
from mailwright.store.bodies.segment import SUFFIX, Ref, new_segment, pack, place_of
from mailwright.store.disk import sync_directory
from mailwright.store.keyring import Keyring
from mailwright.store.sealed import seal

_NEW = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


class _Open:
    def __init__(self, path: Path, descriptor: int) -> None:
        self.opened_at = time.monotonic()
        self.path = path
        self.name = path.name.removesuffix(SUFFIX)
        self.descriptor = descriptor
        #: up to here everything is on the disk
        self.durable = 0


class Appender:
    def __init__(self, directory: Path, keyring: Keyring, *, segment_bytes: int, segment_seconds: float) -> None:
        self._directory = directory
        self._keyring = keyring
        self._segment_bytes = segment_bytes
        self._segment_seconds = segment_seconds
        self._lock = threading.Lock()
        self._open: _Open | None = None

    def append(self, bodies: Sequence[tuple[str, bytes]]) -> list[str]:
        """One write and one wait for the disk, for all of them."""
        records = [pack(body_id, seal(self._keyring, body, place=place_of(body_id))) for body_id, body in bodies]
        with self._lock:
            try:
                start = self._write(b"".join(records))
            except OSError as error:
                hint = "free some space on that disk" if error.errno in _NO_SPACE else ""
                where = f"{str(self._directory)!r}: {error.strerror}"
                raise BodyNotStored(f"no body can be stored in {where}", hint=hint) from error
            return _refs(start, records)

    def end_segment(self) -> None:
        """The next body goes to a new segment, and the sweep may look at this one."""
        with self._lock:
            if self._open is not None:
                _close(self._open)
                self._open = None

    def _write(self, records: bytes) -> Ref:
        segment = self._open or self._new()
        self._open = None
        try:
            _write_all(segment.descriptor, records)
            os.fdatasync(segment.descriptor)
            if not segment.durable:
                # Without its name the segment would be lost with all that is in it.
                sync_directory(self._directory)
        except BaseException:
            _give_up(segment)
            raise
        start = Ref(segment.name, segment.durable, 0)
        segment.durable += len(records)
        # No sweep can look at a segment that is written to: not for too long, then.
        young = time.monotonic() - segment.opened_at < self._segment_seconds
        if young and segment.durable < self._segment_bytes:
            self._open = segment
        else:
            _close(segment)
        return start

    def _new(self) -> _Open:
        while True:
            path = self._directory / (new_segment() + SUFFIX)
            segment = _Open(path, os.open(path, _NEW, 0o600))
            try:
                # The lock goes with the descriptor, at the latest when this process dies: until then every sweep
                # passes over the segment.
                fcntl.flock(segment.descriptor, fcntl.LOCK_EX)
                if os.fstat(segment.descriptor).st_nlink:
                    return segment
            except BaseException:
                _give_up(segment)
                raise
            # A sweep came between and took the empty file away.
            _close(segment)


def _refs(start: Ref, records: list[bytes]) -> list[str]:
    refs = []
    offset = start.offset
    for record in records:
        refs.append(str(Ref(start.segment, offset, len(record))))
        offset += len(record)
    return refs


def _write_all(descriptor: int, data: bytes) -> None:
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])


def _give_up(segment: _Open) -> None:
    """Keeps what was durable, and gives back the space of what was not, as far as the disk still lets us."""
    with suppress(OSError):
        if segment.durable:
            os.ftruncate(segment.descriptor, segment.durable)
        else:
            segment.path.unlink()
    _close(segment)


def _close(segment: _Open) -> None:
    # What it may complain about now was asked of fdatasync before.
    with suppress(OSError):
        os.close(segment.descriptor)
