"""The development server itself: listens, keeps what was caught, ends cleanly."""

import asyncio
import os
import secrets
import socket
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from mailwright.devserver.caught import Caught
from mailwright.devserver.certificates import Identity, make_identity
from mailwright.devserver.failures import Failure, FailurePlan
from mailwright.devserver.options import DevServerOptions
from mailwright.devserver.session import Session, Stage
from mailwright.errors import InvalidSetting
from mailwright.protocol.sasl.server import Circumstances
from mailwright.protocol.smtp.server_types import MessageEnded

_BACKLOG = 1024


def _ignore(_: object) -> None:
    pass


class DevServer:
    """Use it as `async with DevServer(options) as server`."""

    def __init__(
        self,
        options: DevServerOptions | None = None,
        *,
        on_caught: Callable[[Caught], None] = _ignore,
        on_notice: Callable[[str], None] = _ignore,
    ) -> None:
        self.options = options or DevServerOptions()
        self._on_caught = on_caught
        self._on_notice = on_notice
        self._mails: deque[Caught] = deque(maxlen=self.options.keep)
        self._plan = FailurePlan(self.options.failures)
        self._listeners: list[asyncio.Server] = []
        self._sessions: dict[asyncio.Task[None], Session] = {}
        self._identity: Identity | None = None
        self._news = asyncio.Event()
        #: how many mails were caught, those no longer kept included
        self.caught = 0
        #: how many connections were accepted
        self.connections = 0
        self.host = self.options.host
        #: where it listens, once it runs
        self.port = 0
        #: the port with TLS from the first byte; None without one
        self.tls_port: int | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def mails(self) -> tuple[Caught, ...]:
        """The mails that are kept, oldest first."""
        return tuple(self._mails)

    @property
    def open_connections(self) -> int:
        return len(self._sessions)

    @property
    def ca_pem(self) -> str:
        """What a client must trust to verify this server."""
        return self._running_identity().ca

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the server's certificate in hex."""
        return self._running_identity().fingerprint

    def mail(self, number: int) -> Caught | None:
        return next((mail for mail in self._mails if mail.number == number), None)

    def clear(self) -> None:
        """Forget the mails. Their numbers are not used again."""
        self._mails.clear()

    def fail(self, failures: Iterable[Failure] = ()) -> None:
        """From now on these failures and no others."""
        self._plan = FailurePlan(failures)

    async def wait_for(self, count: int, *, seconds: float = 10.0) -> tuple[Caught, ...]:
        """Waits until `count` mails were caught since the start; returns those that are kept."""
        try:
            async with asyncio.timeout(seconds):
                while self.caught < count:
                    await self._news.wait()
        except TimeoutError:
            raise TimeoutError(f"{self.caught} of {count} mails came within {seconds:g} seconds") from None
        return self.mails

    async def wait_for_quiet(self, *, seconds: float) -> None:
        """Waits until the clients have closed their connections, but no longer than that."""
        if self._sessions:
            await asyncio.wait(self._sessions, timeout=seconds)

    async def start(self) -> None:
        options = self.options
        self._identity = make_identity(options.certificate, options.policy.hostname, datetime.now(UTC))
        stage = Stage(
            options=options,
            tls=self._identity.context(),
            circumstances=self._circumstances,
            plan=lambda: self._plan,
            catch=self._catch,
            notice=self._on_notice,
        )
        try:
            self.port = await self._listen(options.port, stage, implicit_tls=False)
            if options.tls_port is not None:
                self.tls_port = await self._listen(options.tls_port, stage, implicit_tls=True)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Closes every connection. Raises what went wrong inside a connection, if anything did."""
        for listener in self._listeners:
            listener.close()
        sessions = dict(self._sessions)
        for task in sessions:
            task.cancel()
        outcomes = await asyncio.gather(*sessions, return_exceptions=True)
        for session in sessions.values():
            await session.close()
        for listener in self._listeners:
            await listener.wait_closed()
        self._listeners.clear()
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    async def _listen(self, port: int, stage: Stage, *, implicit_tls: bool) -> int:
        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            session = Session(self.connections, reader, writer, stage, implicit_tls=implicit_tls)
            task = asyncio.get_running_loop().create_task(session.run())
            self._sessions[task] = session
            task.add_done_callback(self._ended)

        try:
            listener = await asyncio.start_server(
                connected, self.options.host, port, backlog=_BACKLOG, family=_family(self.options.host)
            )
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
            raise InvalidSetting(
                f"cannot listen on {self.options.host} port {port}: {reason}",
                field="tls_port" if implicit_tls else "port",
                hint="port 0 takes any free one",
            ) from None
        self._listeners.append(listener)
        number: int = listener.sockets[0].getsockname()[1]
        return number

    def _ended(self, task: asyncio.Task[None]) -> None:
        # A task that failed stays, so that `stop` tells: our own mistakes must not pass as a closed connection.
        if task.cancelled() or task.exception() is None:
            del self._sessions[task]
        else:
            self._on_notice(f"connection {self._sessions[task].number}: {task.exception()!r}")

    def _catch(self, session: Session, ended: MessageEnded) -> int:
        self.caught += 1
        conversation = session.conversation
        mail = Caught(
            number=self.caught,
            received=datetime.now(UTC),
            connection=session.number,
            peer=session.peer,
            hello=conversation.hello.name if conversation.hello else "",
            tls=session.tls_version,
            user=conversation.user,
            mechanism=conversation.mechanism,
            envelope=ended.envelope,
            raw=ended.content,
            defects=ended.defects,
            chunks=ended.chunks,
        )
        self._mails.append(mail)
        self._on_caught(mail)
        news, self._news = self._news, asyncio.Event()
        news.set()
        return mail.number

    def _circumstances(self) -> Circumstances:
        return Circumstances(secrets.token_hex(16), secrets.token_bytes(16), self.options.policy.hostname)

    def _running_identity(self) -> Identity:
        if self._identity is None:
            raise RuntimeError("the server has not been started")
        return self._identity


def _family(host: str) -> socket.AddressFamily:
    # "localhost" has two addresses and port 0 would become two ports: one is enough, and IPv4 works everywhere.
    return socket.AF_INET6 if ":" in host else socket.AF_INET
