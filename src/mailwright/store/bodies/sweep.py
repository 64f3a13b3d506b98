"""Gives back the space of segments: removes those that hold nothing alive, and moves the living out of the others.

What is moved stays readable at its old place for another grace period, for readers who took the ref from a row just
before; then no row points there, and a later sweep removes the segment.
"""

import asyncio
import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from mailwright.errors import BodyNotStored, BodyUnreadable
from mailwright.files.body_store import IsLive, Moved, SweepReport
from mailwright.store.bodies.group import GroupWriter
from mailwright.store.bodies.reader import Reader
from mailwright.store.bodies.segment import SUFFIX, Found, Ref, Walk
from mailwright.store.disk import sync_directory

#: a segment below this part of the usual size is small; many of them come of many short processes
_SMALL_PART = 16
_MANY_SMALL = 8
#: asked about in one question
_ASK = 1000
#: moved in one go
_MOVE_COUNT = 256
_MOVE_BYTES = 4 * 1024 * 1024

_Made = TypeVar("_Made")


class Fate(Enum):
    KEEP = auto()
    REMOVE = auto()
    #: move the living to another segment
    EMPTY = auto()


def fate_of(*, size: int, live: int, merge_below: int, thorough: bool, older_keys: bool) -> Fate:
    """What is to become of a segment of `size` bytes, `live` of them in bodies that rows point at."""
    if not live:
        return Fate.REMOVE
    if live * 2 < size or size < merge_below:
        return Fate.EMPTY
    if thorough and (live < size or older_keys):
        return Fate.EMPTY
    return Fate.KEEP


class _Held(NamedTuple):
    """A segment that no other process writes to or sweeps while its descriptor is open."""

    path: Path
    descriptor: int
    size: int
    records: list[Found]

    def ref(self, found: Found) -> str:
        return str(Ref(self.path.name.removesuffix(SUFFIX), found.offset, found.length))


class Sweep:
    """One round over all segments of a directory."""

    def __init__(
        self,
        directory: Path,
        reader: Reader,
        writer: GroupWriter,
        threads: Executor,
        *,
        newest_key: str,
        grace_seconds: float,
        segment_bytes: int,
        thorough: bool,
    ) -> None:
        self._directory = directory
        self._reader = reader
        self._writer = writer
        self._threads = threads
        self._newest_key = newest_key
        self._grace_seconds = grace_seconds
        self._small = segment_bytes // _SMALL_PART
        self._thorough = thorough
        self._removed = self._moved = self._freed = self._postponed = 0
        self._damaged: list[str] = []

    async def run(self, is_live: IsLive, moved: Moved) -> SweepReport:
        paths = await self._in_thread(self._segments)
        small = sum(size < self._small for size in paths.values())
        merge_below = self._small if small >= _MANY_SMALL else 0
        for path in paths:
            held = await self._in_thread(partial(self._hold, path))
            if held is not None:
                try:
                    await self._sweep(held, is_live, moved, merge_below)
                finally:
                    os.close(held.descriptor)
        if self._removed:
            await self._in_thread(partial(sync_directory, self._directory))
        return SweepReport(self._removed, self._moved, self._freed, self._postponed, tuple(self._damaged))

    def _segments(self) -> dict[Path, int]:
        """Their sizes, the oldest first."""
        found = {}
        for path in sorted(self._directory.glob(f"*{SUFFIX}")):
            # Another sweep may remove it under our eyes.
            with suppress(FileNotFoundError):
                found[path] = path.stat().st_size
        return found

    def _hold(self, path: Path) -> _Held | None:
        """None when this sweep leaves it alone."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        held = None
        try:
            held = self._examine(path, descriptor)
        except OSError:
            self._damaged.append(path.name)
        finally:
            if held is None:
                os.close(descriptor)
        return held

    def _examine(self, path: Path, descriptor: int) -> _Held | None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._postponed += 1
            return None
        status = os.fstat(descriptor)
        if not status.st_nlink:
            return None
        # The last write is younger than none of its bodies. In a segment emptied by moving it is the time of that.
        if time.time() - status.st_mtime < self._grace_seconds:
            self._postponed += 1
            return None
        walk = Walk(descriptor)
        records = list(walk)
        if walk.damaged:
            self._damaged.append(path.name)
            return None
        return _Held(path, descriptor, walk.size, records)

    async def _sweep(self, held: _Held, is_live: IsLive, moved: Moved, merge_below: int) -> None:
        live = await self._live(held, is_live)
        fate = fate_of(
            size=held.size,
            live=sum(found.length for found in live),
            merge_below=merge_below,
            thorough=self._thorough,
            older_keys=any(found.key_id != self._newest_key for found in live),
        )
        if fate is Fate.REMOVE:
            await self._in_thread(held.path.unlink)
            self._removed += len(held.records)
            self._freed += held.size
        elif fate is Fate.EMPTY:
            await self._empty(held, live, moved)

    async def _live(self, held: _Held, is_live: IsLive) -> list[Found]:
        live: list[Found] = []
        for start in range(0, len(held.records), _ASK):
            asked = held.records[start : start + _ASK]
            refs = await is_live([(found.body_id, held.ref(found)) for found in asked])
            live += [found for found in asked if held.ref(found) in refs]
        return live

    async def _empty(self, held: _Held, live: list[Found], moved: Moved) -> None:
        whole = True
        try:
            for batch in _batches(live):
                whole &= await self._move(held, batch, moved)
        except BodyNotStored:
            # Most likely the disk is full: removing other segments goes on, and may be what makes room.
            self._postponed += 1
            return
        if whole:
            # Starts its grace period again: readers may still have the old refs.
            os.utime(held.descriptor)
            self._postponed += 1
        else:
            self._damaged.append(held.path.name)

    async def _move(self, held: _Held, batch: Sequence[Found], moved: Moved) -> bool:
        """False when one of them cannot be read: it stays where it is, for a person to look at."""
        asked = [(found.body_id, held.ref(found)) for found in batch]
        answers = await self._in_thread(lambda: [self._reader.try_read(body_id, ref) for body_id, ref in asked])
        readable: list[tuple[str, str, bytes]] = []
        for (body_id, ref), answer in zip(asked, answers, strict=True):
            if not isinstance(answer, BodyUnreadable):
                readable.append((body_id, ref, answer))
        new_refs = await self._writer.put([(body_id, body) for body_id, _, body in readable])
        if readable:
            await moved([(body_id, ref, new) for (body_id, ref, _), new in zip(readable, new_refs, strict=True)])
        self._moved += len(readable)
        return len(readable) == len(batch)

    async def _in_thread(self, function: Callable[[], _Made]) -> _Made:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)


def _batches(records: Sequence[Found]) -> Iterator[list[Found]]:
    batch: list[Found] = []
    size = 0
    for found in records:
        if batch and (len(batch) == _MOVE_COUNT or size + found.length > _MOVE_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(found)
        size += found.length
    if batch:
        yield batch
