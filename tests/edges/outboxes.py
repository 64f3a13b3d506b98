"""The service without its edges, and accounts of it at a counting server."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

from mailwright import Account, Message, Outgoing, PoolLimits
from mailwright.connector.calls import AccountSettings, Office
from mailwright.connector.service import Service
from mailwright.model.access import Access
from mailwright.model.ids import DEFAULT_WORKSPACE
from mailwright.model.outbox import RetryPlan
from mailwright.settings import Settings
from tests.harness import Sink

PATIENCE_SECONDS = 120
SOON = RetryPlan((1,) * 20)


@contextlib.asynccontextmanager
async def outbox(directory: Path, database_url: str = "", *, works: bool = True):
    """All calls of it. With `works` off it only accepts: others send."""
    url = database_url or f"sqlite:///{directory / 'mailwright.db'}"
    settings = Settings(data=directory / "data", database=url)
    roles = ("courier", "timer") if works else ()
    async with asyncio.timeout(PATIENCE_SECONDS), Service(settings, roles=roles) as service:
        yield service.office(Access("test", DEFAULT_WORKSPACE, everywhere=True))


def at(
    server: Sink | int, *, sessions: int = 2, outgoing: dict[str, Any] | None = None, **more: Any
) -> AccountSettings:
    port = server if isinstance(server, int) else server.port
    limits = PoolLimits(sessions=sessions)
    way = Outgoing("127.0.0.1", port, security="none", pool=limits, **(outgoing or {}))
    return AccountSettings(Account("ann@example.org", way), **{"retry": SOON, **more})


def letter(*to: str, text: str = "Good morning") -> Message:
    return Message(to=", ".join(to), subject="Hello", text=text)


async def until(look):
    """What `look()` answers with as soon as that is something. For what nobody tells: the test's limit ends it."""
    while not (found := await look()):  # noqa: ASYNC110 - so it is: nobody tells
        await asyncio.sleep(0.01)
    return found


async def ended(mail: Office, *ids: str):
    """All of them, when nothing more happens to them by itself."""
    found = [await mail.messages.wait(id_, timeout=PATIENCE_SECONDS) for id_ in ids]
    assert all(message.state.final for message in found)
    return found
