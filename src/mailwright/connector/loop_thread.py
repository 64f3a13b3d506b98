"""An event loop in a thread of its own, for callers that have none."""

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from mailwright.errors import Closed

_Result = TypeVar("_Result")


class LoopThread:
    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._open = True
        #: held while a call goes to the loop and while the loop is given up, so that no call comes too late
        self._handing_over = threading.Lock()
        started = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(started,), name="mailwright", daemon=True)
        self._thread.start()
        started.wait()

    def run(self, call: Coroutine[Any, Any, _Result]) -> _Result:
        with self._handing_over:
            if not self._open:
                call.close()
                raise Closed
            future = asyncio.run_coroutine_threadsafe(call, self._loop)
        try:
            return future.result()
        except CancelledError:
            raise Closed from None
        except BaseException:
            future.cancel()
            raise

    def each(self, items: AsyncIterator[_Result]) -> Iterator[_Result]:
        """Asks for one after the other; ended early, the iterator is closed."""
        try:
            while True:
                try:
                    yield self.run(_next(items))
                except StopAsyncIteration:
                    return
        finally:
            if self._open:
                self.run(_end(items))

    def close(self, last: Coroutine[Any, Any, None]) -> None:
        """Runs `last`, then nothing more."""
        with self._handing_over:
            if not self._open:
                last.close()
                return
            self._open = False
        try:
            asyncio.run_coroutine_threadsafe(last, self._loop).result()
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def _serve(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.call_soon(started.set)
        self._loop.run_forever()
        self._loop.run_until_complete(_cancel_the_rest())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


async def _next(items: AsyncIterator[_Result]) -> _Result:
    return await anext(items)


async def _end(items: AsyncIterator[Any]) -> None:
    close = getattr(items, "aclose", None)
    if close is not None:
        await close()


async def _cancel_the_rest() -> None:
    """Somebody waits for each of these in another thread, and would wait for ever."""
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
