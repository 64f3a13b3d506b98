"""Bodies in a directory: append-only segments, written in groups.

Several processes may share the directory of one machine: each writes segments of its own and reads those of all. No
segment is ever continued by another process or after a restart, so that a torn end stays what it is, at the end.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mailwright.errors import BodyUnreadable, StoreError
from mailwright.files.body_store import GRACE_SECONDS, IsLive, Moved, SweepReport
from mailwright.store.bodies.appender import Appender
from mailwright.store.bodies.group import GroupWriter
from mailwright.store.bodies.reader import Reader
from mailwright.store.bodies.sweep import Sweep
from mailwright.store.disk import make_directory
from mailwright.store.keyring import Keyring

SEGMENT_BYTES = 64 * 1024 * 1024
#: after this a segment is ended, whether full or idle, so that a sweep can look at it
SEGMENT_SECONDS = 3600.0
_READERS = 4


class DirectoryBodies:
    def __init__(
        self,
        directory: Path,
        keyring: Keyring,
        *,
        grace_seconds: float = GRACE_SECONDS,
        segment_bytes: int = SEGMENT_BYTES,
        segment_seconds: float = SEGMENT_SECONDS,
    ) -> None:
        try:
            make_directory(directory)
        except OSError as error:
            raise StoreError(f"bodies cannot be kept in {str(directory)!r}: {error.strerror}") from error
        self._directory = directory
        self._keyring = keyring
        self._grace_seconds = grace_seconds
        self._segment_bytes = segment_bytes
        self._appender = Appender(directory, keyring, segment_bytes=segment_bytes, segment_seconds=segment_seconds)
        self._writer = GroupWriter(
            self._appender.append, when_idle=self._appender.end_segment, idle_seconds=segment_seconds
        )
        self._reader = Reader(directory, keyring)
        self._threads = ThreadPoolExecutor(_READERS, thread_name_prefix="mailwright-bodies-read")

    async def put_many(self, bodies: Sequence[tuple[str, bytes]]) -> list[str]:
        return await self._writer.put(bodies)

    async def get(self, body_id: str, ref: str) -> bytes:
        return await self._loop().run_in_executor(self._threads, self._reader.read, body_id, ref)

    async def get_many(self, bodies: Sequence[tuple[str, str]]) -> list[bytes | BodyUnreadable]:
        return await self._loop().run_in_executor(
            self._threads, lambda: [self._reader.try_read(body_id, ref) for body_id, ref in bodies]
        )

    async def sweep(self, is_live: IsLive, moved: Moved, *, thorough: bool = False) -> SweepReport:
        if thorough:
            await self._loop().run_in_executor(self._threads, self._appender.end_segment)
        sweep = Sweep(
            self._directory,
            self._reader,
            self._writer,
            self._threads,
            newest_key=self._keyring.newest_id,
            grace_seconds=self._grace_seconds,
            segment_bytes=self._segment_bytes,
            thorough=thorough,
        )
        return await sweep.run(is_live, moved)

    async def close(self) -> None:
        await self._writer.close()
        self._appender.end_segment()
        await asyncio.to_thread(self._threads.shutdown)
        self._reader.close()

    @staticmethod
    def _loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()
