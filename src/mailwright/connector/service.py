"""Mailwright with a store: the parts of one process wired together, and its work in the background."""

import asyncio
import contextlib
import logging
import os
import secrets
import socket
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection

from mailwright.connector.accept import Acceptance
from mailwright.connector.clock import now
from mailwright.connector.courier import Courier, CourierOptions
from mailwright.connector.courier_load import Load
from mailwright.connector.directory import Directory
from mailwright.connector.host_name import full_host_name
from mailwright.connector.key_check import check_keys
from mailwright.connector.offices.office import LocalOffice
from mailwright.connector.offices.parts import Parts
from mailwright.connector.pools import Pools
from mailwright.connector.timer import Timer
from mailwright.connector.token_desk import TokenDesk
from mailwright.connector.unsubscribe import UnsubscribeLinks
from mailwright.connector.webhook_courier import webhook_runner
from mailwright.errors import AlreadyExists, InvalidSetting, StoreError
from mailwright.files.body_store import BodyStore
from mailwright.model.access import Access
from mailwright.model.changes import PutWorkspace
from mailwright.model.ids import DEFAULT_WORKSPACE
from mailwright.model.workspace import Workspace
from mailwright.settings import Settings
from mailwright.store.bodies.directory import DirectoryBodies
from mailwright.store.bodies.postgres import PostgresBodies
from mailwright.store.commit import commit
from mailwright.store.database import Database
from mailwright.store.disk import make_directory
from mailwright.store.engine import dialect_of, parse_url, writing_engine
from mailwright.store.keyring import Keyring, open_keyring
from mailwright.store.queries.events import adopt_restored_events
from mailwright.store.queries.workspaces import workspace_by_name
from mailwright.store.schema import body, delivery
from mailwright.store.secret_box import KeyringBox
from mailwright.transport.dial import Dialler
from mailwright.transport.dial_policy import read_policy
from mailwright.transport.egress import Egress
from mailwright.transport.tls import TlsContexts
from mailwright.work.nodes import Node
from mailwright.work.queue import Queue
from mailwright.work.wake import Wake

#: a node that says nothing for so long counts as dead
_NODE_SECONDS = 30.0
ROLES = ("api", "courier", "timer")
_log = logging.getLogger(__name__)


class Service:
    """`async with Service(settings) as service:` opens the store and starts what its roles ask for."""

    def __init__(self, settings: Settings, *, roles: tuple[str, ...] | None = None) -> None:
        self.settings = settings
        self.roles = settings.roles if roles is None else roles
        unknown = set(self.roles) - set(ROLES)
        if unknown:
            raise InvalidSetting(f"{min(unknown)!r} is no role", field="roles", hint=", ".join(ROLES))
        self.node = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._open = contextlib.AsyncExitStack()
        self._running: list[asyncio.Task[None]] = []
        self.parts: Parts
        self.tokens: TokenDesk

    def office(self, access: Access) -> LocalOffice:
        return LocalOffice(self.parts, access)

    async def __aenter__(self) -> Self:
        try:
            await self._wire()
        except BaseException:
            await self._open.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()
        await self._open.aclose()

    async def _wire(self) -> None:
        settings = self.settings
        make_directory(settings.data)
        keyring = open_keyring(
            settings.data,
            now=datetime.now(UTC),
            file=settings.keys_file,
            keys=settings.keys or "",
            command=settings.keys_command,
        )
        url = database_url(settings)
        database = await Database.open(url)
        self._open.push_async_callback(database.close)
        await check_keys(database, keyring)
        await _make_default_workspace(database)
        await database.write(_adopt_events, None)
        bodies = _bodies(settings, url, keyring)
        self._open.push_async_callback(bodies.close)
        wake = Wake.open(database, url)
        self._open.push_async_callback(wake.close)
        self.parts = self._parts(settings, database, bodies, keyring, wake)
        self._open.push_async_callback(self.parts.egress.close)
        self.tokens = TokenDesk(self.parts)
        self._start(self.parts)

    def _parts(self, settings: Settings, database: Database, bodies: BodyStore, keyring: Keyring, wake: Wake) -> Parts:
        policy = read_policy(settings.dial_allow, settings.dial_refuse, settings.dial_allow_by_purpose())
        dialler, contexts = Dialler(policy), TlsContexts()
        ehlo_name = settings.ehlo_name or full_host_name()
        box = KeyringBox(keyring)
        directory = Directory(database, box)
        links = UnsubscribeLinks(settings.public_url, keyring)
        courier = Courier(
            database=database,
            queue=Queue(database, delivery),
            wake=wake,
            load=Load(database, bodies, directory),
            directory=directory,
            pools=Pools(dialler, contexts, ehlo_name),
            options=CourierOptions(
                window=settings.courier_window,
                lease_seconds=settings.lease_seconds,
                drain_seconds=settings.drain_seconds,
            ),
        )
        return Parts(
            settings=settings,
            database=database,
            keyring=keyring,
            secrets=box,
            bodies=bodies,
            directory=directory,
            acceptance=Acceptance(database, bodies, directory, links),
            links=links,
            courier=courier,
            wake=wake,
            dialler=dialler,
            contexts=contexts,
            egress=Egress(dialler),
            ehlo_name=ehlo_name,
        )

    # The background.

    def _start(self, parts: Parts) -> None:
        self._background("heartbeat", self._beat(Node(parts.database, self.node, socket.gethostname())))
        self._background("token use", self.tokens.run())
        if "courier" in self.roles:
            self._background("courier", parts.courier.run())
            self.webhooks = webhook_runner(parts)
            self._background("webhooks", self.webhooks.run())
        if "timer" in self.roles:
            self._background("timer", Timer(parts, self.node).run())

    def _background(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name=f"mailwright {name}")
        task.add_done_callback(_say_why_it_ended)
        self._running.append(task)

    async def _beat(self, node: Node) -> None:
        try:
            while True:
                with contextlib.suppress(StoreError):
                    await node.beat(ttl_seconds=_NODE_SECONDS, now=now())
                await asyncio.sleep(_NODE_SECONDS / 3)
        finally:
            with contextlib.suppress(StoreError):
                await node.leave()

    def ended_parts(self) -> list[str]:
        """Parts of the background that should run and do not."""
        return [task.get_name() for task in self._running if task.done()]

    async def _stop(self) -> None:
        """No further claim; what is under way ends; then the rest."""
        if "courier" in self.roles:
            self.parts.courier.stop()
            await asyncio.gather(self.parts.courier.drained(), self.webhooks.stop())
        await self.tokens.flush()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


def _say_why_it_ended(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("%s ended: %s", task.get_name(), type(error).__name__, exc_info=error)


def _adopt_events(conn: Connection, calls: Sequence[None]) -> list[int]:
    return [adopt_restored_events(conn) for _ in calls]


async def _make_default_workspace(database: Database) -> None:
    if await database.read(lambda conn: workspace_by_name(conn, DEFAULT_WORKSPACE)) is None:
        with contextlib.suppress(AlreadyExists):  # another node started at the same moment
            await commit(database, [PutWorkspace(Workspace(DEFAULT_WORKSPACE, "", datetime.now(UTC)), 0)])


def database_url(settings: Settings) -> str:
    return settings.database or f"sqlite:///{Path(settings.data, 'mailwright.db')}"


def _bodies(settings: Settings, url: str, keyring: Keyring) -> BodyStore:
    parsed = parse_url(url)
    if dialect_of(parsed) == "postgresql":
        return PostgresBodies(writing_engine(parsed), body, keyring)
    return DirectoryBodies(settings.data / "bodies", keyring)
