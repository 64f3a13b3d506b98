"""A whole Mailwright service for the examples: its API, its couriers, a store in the folder of the example."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from mailwright import Access, Account, AccountSettings, Outgoing
from mailwright.api.app import make_app
from mailwright.api.server import ServerSettings, serve
from mailwright.api.settings import ApiSettings
from mailwright.connector.service import Service
from mailwright.connector.service_desk import ServiceDesk
from mailwright.pages import unsubscribe_handlers
from mailwright.settings import Settings

#: where `mailwright` looks when nothing is said
DATA = "mailwright-data"
#: the account that the pages use
ACCOUNT = "office"


@dataclass(frozen=True)
class Running:
    url: str
    token: str

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


def _settings(folder: Path) -> Settings:
    # As the pages say: webhooks of the examples end on this machine, and links need an address that people reach.
    return Settings(
        data=folder / DATA,
        dial_allow_webhook=("127.0.0.1",),
        public_url="https://mail.example.org",
        ehlo_name="mail.example.org",
        drain_seconds=2.0,
    )


async def make_store(folder: Path, smtp_port: int) -> None:
    """A store with the account of the pages, and nobody who works on it."""
    async with Service(_settings(folder), roles=()) as service:
        await _make_account(service, smtp_port)


@asynccontextmanager
async def service_running(folder: Path, smtp_port: int) -> AsyncIterator[Running]:
    async with Service(_settings(folder)) as service:
        token = await service.tokens.first_token()
        assert token is not None, "the store is not new"
        await _make_account(service, smtp_port)
        desk = ServiceDesk(service)
        app = make_app(desk, ApiSettings.of(service.settings), handlers=unsubscribe_handlers(desk))
        stop = asyncio.Event()
        address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        serving = asyncio.ensure_future(
            serve(app, ServerSettings(port=0, drain_seconds=2.0), stop=stop, started=address.set_result)
        )
        try:
            yield Running(await address, token.reveal())
        finally:
            stop.set()
            await serving


async def _make_account(service: Service, smtp_port: int) -> None:
    account = Account("Ann Lee <ann@example.org>", Outgoing("127.0.0.1", smtp_port, security="none"))
    office = service.office(Access("docs", everywhere=True))
    await office.accounts.create(ACCOUNT, AccountSettings(account))
