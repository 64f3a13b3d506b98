"""Reading: a few threads with connections that cannot write."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from mailwright.store.trouble import Trouble, locked, pauses, refused, trouble_of, unreachable

R = TypeVar("R")


class Readers:
    def __init__(self, engine: Engine, threads: int, patience: float) -> None:
        self._engine = engine
        self._patience = patience
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="mailwright-reader")

    async def read(self, function: Callable[[Connection], R]) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._patiently, function)

    def close(self) -> None:
        """What was asked before is finished first. Blocks."""
        self._executor.shutdown()
        self._engine.dispose()

    def _patiently(self, function: Callable[[Connection], R]) -> R:
        """Again while the database is locked, busy or away: reading twice does no harm."""
        deadline = time.monotonic() + self._patience
        for pause in pauses():
            try:
                return self._once(function)
            except DBAPIError as error:
                trouble = trouble_of(error, writing=False)
                if trouble is Trouble.STATEMENT:
                    raise refused(error) from error
                if time.monotonic() > deadline:
                    raise (unreachable() if trouble is Trouble.CONNECTION else locked()) from error
            time.sleep(pause)
        raise AssertionError

    def _once(self, function: Callable[[Connection], R]) -> R:
        with self._engine.connect() as connection:
            connection.begin()
            result = function(connection)
            # Nothing was written, so that it does not matter how the transaction ends.
            with contextlib.suppress(DBAPIError):
                connection.rollback()
            return result
