"""Calls that wait end early when the caller goes away, or when the service closes."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from typing import TypeVar

from litestar.types import Receive

from mailwright.api.body import CallerGone

Result = TypeVar("Result")


class ServiceCloses(Exception):
    """Answer with what is known."""


class Closing:
    """Whether the service closes. Streams and waiting calls watch it."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def begin(self) -> None:
        self._event.set()

    @property
    def begun(self) -> bool:
        return self._event.is_set()

    async def wait(self) -> None:
        await self._event.wait()

    async def unless_ended(self, work: Awaitable[Result], receive: Receive) -> Result:
        """What `work` gives; CallerGone or ServiceCloses when that comes first."""
        tasks = (
            asyncio.ensure_future(work),
            asyncio.ensure_future(_gone(receive)),
            asyncio.ensure_future(self._event.wait()),
        )
        result, gone, _ = tasks
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if result.done():
                return result.result()
            raise CallerGone if gone.done() else ServiceCloses
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    """Returns when the connection is closed."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def until_gone(receive: Receive, closing: Closing) -> None:
    """Returns when the connection is closed, or the service closes."""
    tasks = (asyncio.ensure_future(_gone(receive)), asyncio.ensure_future(closing.wait()))
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def ended(iterator: AsyncIterator[object]) -> None:
    """A generator that is left in the middle is closed now, and not when somebody collects it."""
    if isinstance(iterator, AsyncGenerator):
        await iterator.aclose()
