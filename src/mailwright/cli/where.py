"""What a command works on: a running service, or the store on this machine. One set of calls for both."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mailwright.cli.connection import read_text
from mailwright.cli.logs import set_up_logs
from mailwright.client import MailwrightClient
from mailwright.connector.calls import Office
from mailwright.connector.service import Service, database_url
from mailwright.errors import InvalidSetting, Unauthenticated
from mailwright.model.access import Access
from mailwright.model.ids import DEFAULT_WORKSPACE
from mailwright.settings import Settings, read_settings
from mailwright.store.engine import dialect_of, parse_url, sqlite_path

#: who did it, in the audit trail of a local store
_ACTOR = "cli"


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """As the command line and the environment say it; what is empty was not said."""

    url: str = ""
    token: str = ""
    token_file: Path | None = None
    service_ca: Path | None = None
    workspace: str = ""
    data: Path | None = None
    database: str = ""
    config: Path | None = None

    @property
    def flags(self) -> dict[str, Any]:
        return {"data": self.data, "database": self.database or None}

    def settings(self) -> Settings:
        return read_settings(flags=self.flags, file=self.config or "")


@asynccontextmanager
async def opened(where: Where) -> AsyncIterator[Office]:
    if where.url:
        async with _client(where) as client:
            yield client
    else:
        async with local_service(where.settings()) as service:
            yield service.office(Access(_ACTOR, where.workspace or DEFAULT_WORKSPACE, everywhere=True))


@asynccontextmanager
async def local_service(settings: Settings) -> AsyncIterator[Service]:
    """The store without any role: beside a running service it sends nothing and clears nothing up."""
    set_up_logs(settings.log_format, least=logging.WARNING)
    need_store(settings)
    async with Service(settings, roles=()) as service:
        yield service


def need_store(settings: Settings) -> None:
    """A directory whose name is mistyped is an error, not a new and empty store."""
    url = parse_url(database_url(settings))
    if dialect_of(url) == "sqlite" and not sqlite_path(url).exists():
        raise InvalidSetting(
            f"there is no store at {str(sqlite_path(url))!r}",
            field="data",
            hint="name a running service with --url, or the directory with --data; "
            "`mailwright serve` and `mailwright db upgrade` make a new store",
        )


def _client(where: Where) -> MailwrightClient:
    if where.data is not None or where.database:
        option = "data" if where.data is not None else "database"
        raise InvalidSetting(
            f"--url and --{option} exclude each other", field=option, hint="a service has its own store"
        )
    token = where.token
    if where.token_file is not None:
        token = read_text(where.token_file, "token_file").strip()
    if not token:
        raise Unauthenticated("the service asks for a token", hint="give --token-file, or set MAILWRIGHT_TOKEN")
    return MailwrightClient(
        where.url, token, workspace=where.workspace, ca_file=str(where.service_ca) if where.service_ca else ""
    )
