"""A service with a store in a directory of its own, and accounts on the development server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from mailwright import Account, Outgoing
from mailwright.connector.calls import AccountSettings
from mailwright.connector.offices.office import LocalOffice
from mailwright.connector.service import Service
from mailwright.model.access import Access
from mailwright.settings import Settings


@asynccontextmanager
async def service_in(directory: Path, *, roles: tuple[str, ...] = (), **settings) -> AsyncIterator[Service]:
    async with Service(Settings(data=directory, drain_seconds=5, **settings), roles=roles) as service:
        yield service


def everything(service: Service, workspace: str = "default") -> LocalOffice:
    return service.office(Access("test", workspace, everywhere=True))


def settings_for(port: int, address: str = "me@example.org", **more) -> AccountSettings:
    return AccountSettings(Account(address, Outgoing("127.0.0.1", port, security="none")), **more)
