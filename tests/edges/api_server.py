"""The API behind its real server, on loopback."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx2

from mailwright.api.app import Application, make_app
from mailwright.api.server import ServerSettings, serve
from mailwright.api.settings import ApiSettings
from tests.edges.api_client import ACCOUNT
from tests.edges.memory_desk import HOME, MemoryDesk

BEARER = f"Authorization: Bearer {HOME}\r\n"


class Serving:
    def __init__(self, app: Application, desk: MemoryDesk, address: str, stop: asyncio.Event, task: Any) -> None:
        self.app, self.desk, self.address, self.stop, self.task = app, desk, address, stop, task
        self.port = urlsplit(address).port
        self.client = httpx2.AsyncClient(base_url=address, headers={"authorization": f"Bearer {HOME}"}, timeout=30)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def say(self, *pieces: bytes) -> bytes:
        """Everything that the server says until it closes."""
        reader, writer = await self.connect()
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()


async def until(condition: Callable[[], bool]) -> None:
    """For what tells nobody that it has happened."""
    while not condition():  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0)


@asynccontextmanager
async def serving(
    desk: MemoryDesk | None = None,
    settings: ApiSettings | None = None,
    *,
    handlers: Sequence[Any] = (),
    **server: Any,
) -> AsyncIterator[Serving]:
    desk = desk or MemoryDesk()
    app = make_app(desk, settings, handlers=handlers)
    stop, started = asyncio.Event(), asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(
        serve(app, ServerSettings(port=0, **{"drain_seconds": 5, **server}), stop=stop, started=started.set_result)
    )
    await asyncio.wait([task, started], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    running = Serving(app, desk, started.result(), stop, task)
    try:
        if not server.get("tls_cert"):
            assert (await running.client.post("/v1/accounts", json=ACCOUNT)).status_code == 201
        yield running
    finally:
        await running.client.aclose()
        stop.set()
        await task
