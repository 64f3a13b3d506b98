"""One connection: moves the bytes, and does on request what no server should do."""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from mailwright.devserver.failures import (
    NAMED_BY_RECIPIENT,
    NAMED_BY_SENDER,
    NAMED_BY_USER,
    Action,
    ActionKind,
    Failure,
    FailurePlan,
    Lie,
    failure_of_name,
)
from mailwright.devserver.options import DevServerOptions
from mailwright.devserver.tls import TlsLayer
from mailwright.protocol.sasl.server import Circumstances
from mailwright.protocol.smtp.server import ServerConversation
from mailwright.protocol.smtp.server_types import (
    Answer,
    ChunkEnded,
    ContentBegun,
    Event,
    Hello,
    MailBegun,
    MessageEnded,
    RecipientNamed,
    SignInEnded,
    StartTls,
)
from mailwright.reply import Phase

GARBAGE = b"\x16\x03\x01 this is \xff\xfe no reply of an SMTP server\r\n"
OVERLONG = b"x" * 100 * 1024
INJECTED = b"250 2.0.0 This was said before TLS\r\n"
_READ_SIZE = 256 * 1024
#: how long the last words may take to leave when the client does not read them
_LINGER_SECONDS = 5.0


class _Over(Exception):
    """This connection has nothing more to do."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What a connection needs of the server it belongs to."""

    options: DevServerOptions
    tls: ssl.SSLContext
    circumstances: Callable[[], Circumstances]
    #: the failures of the moment: they can be changed while the server runs
    plan: Callable[[], FailurePlan]
    #: keeps a mail and says under which number
    catch: Callable[["Session", MessageEnded], int]
    notice: Callable[[str], None]


class Session:
    def __init__(
        self,
        number: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        stage: Stage,
        *,
        implicit_tls: bool,
    ) -> None:
        self.number = number
        self.peer = _peer(writer)
        self._reader = reader
        self._writer = writer
        self._stage = stage
        self._implicit_tls = implicit_tls
        self._tls: TlsLayer | None = None
        self._named: list[Failure] = []
        self.conversation = ServerConversation(stage.options.policy, stage.circumstances, encrypted=implicit_tls)

    @property
    def tls_version(self) -> str:
        return self._tls.version if self._tls is not None else ""

    async def run(self) -> None:
        try:
            # The client may be gone at any moment; to this server that is the end of a connection, not an error.
            with suppress(_Over, ConnectionError):
                await self._converse()
        except ssl.SSLError as error:
            self._stage.notice(f"connection {self.number}: TLS failed: {error.reason or error}")
        finally:
            self._writer.transport.abort()

    async def close(self) -> None:
        self._writer.transport.abort()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def _converse(self) -> None:
        conversation = self.conversation
        if self._implicit_tls:
            conversation.receive(await self._make_tls())
        while True:
            while (event := conversation.next_event()) is not None:
                await self._settle(event)
                if Lie.DROP_PIPELINED in self._stage.options.lies and not isinstance(event, ContentBegun):
                    conversation.drop_input()
            await self._flush()
            if conversation.close_reason is not None:
                await self._hang_up(goodbye=True)
            conversation.receive(await self._read())

    # ── bytes ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def _read_raw(self) -> bytes:
        seconds = self._stage.options.idle_seconds
        try:
            async with asyncio.timeout(seconds):
                data = await self._reader.read(_READ_SIZE)
        except TimeoutError:
            await self._send(b"421 4.4.2 Nothing was said for %g seconds\r\n" % seconds)
            await self._hang_up(goodbye=True)
        if not data:
            raise _Over
        return data

    async def _read(self) -> bytes:
        plain = b""
        while not plain:
            if self._tls is None:
                return await self._read_raw()
            if self._tls.ended:
                raise _Over
            plain = self._tls.receive(await self._read_raw())
            self._writer.write(self._tls.take())
        return plain

    async def _flush(self) -> None:
        await self._send(self.conversation.take_output())

    async def _send(self, data: bytes) -> None:
        if Lie.TRICKLE in self._stage.options.lies:
            for octet in data:
                self._write(bytes([octet]))
                await self._writer.drain()
                await asyncio.sleep(0)
        elif data:
            self._write(data)
            await self._writer.drain()

    def _write(self, data: bytes) -> None:
        if self._tls is not None:
            self._tls.send(data)
            data = self._tls.take()
        self._writer.write(data)

    async def _hang_up(self, *, goodbye: bool) -> NoReturn:
        if goodbye and self._tls is not None:
            self._tls.close()
            self._writer.write(self._tls.take())
        self._writer.close()
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(_LINGER_SECONDS):
                await self._writer.wait_closed()
        raise _Over

    async def _make_tls(self) -> bytes:
        """The handshake. Returns what the client said right behind it."""
        layer = TlsLayer(self._stage.tls)
        arrived = await self._read_raw()
        for action in self._stage.plan().due(Phase.TLS):
            await self._break_handshake(action)
        while True:
            try:
                plain = layer.receive(arrived)
            finally:
                # Also the alert that says why it failed.
                self._writer.write(layer.take())
            if layer.established:
                self._tls = layer
                return plain
            await self._writer.drain()
            arrived = await self._read_raw()

    async def _break_handshake(self, action: Action) -> None:
        match action.kind:
            case ActionKind.SLOW:
                await asyncio.sleep(action.seconds)
                return
            case ActionKind.REPLY:
                # What servers without a certificate do: they answer the ClientHello in clear text.
                await self._send(f"{action.code} {action.enhanced} {action.text}\r\n".encode())
            case ActionKind.GARBAGE:
                await self._send(b"\x00garbage\xff" * 16)
            case _:
                await self._vanish(action)
        await self._hang_up(goodbye=False)

    # ── events ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def _settle(self, event: Event) -> None:
        kept = 0
        for action in self._due(event):
            if action.kind is not ActionKind.SLOW:
                await self._misbehave(event, action, kept=bool(kept))
                return
            # A slow server has the mail long before it says so: that is how duplicates are made.
            kept = kept or self._keep(event)
            await self._flush()
            await asyncio.sleep(action.seconds)
        kept = kept or self._keep(event)
        if not kept:
            self.conversation.proceed()
            if isinstance(event, StartTls):
                await self._upgrade()
            return
        self.conversation.answer(Answer(250, "2.0.0", f"Caught as mail {kept}"))
        if Lie.EXTRA_REPLY in self._stage.options.lies:
            await self._flush()
            await self._send(b"250 2.0.0 Said twice\r\n")

    def _keep(self, event: Event) -> int:
        """The number of the mail; 0 when there is none to keep."""
        if not isinstance(event, MessageEnded):
            return 0
        if event.refusal is None:
            return self._stage.catch(self, event)
        self._stage.notice(f"connection {self.number}: a message was refused: {event.refusal.text}")
        return 0

    async def _upgrade(self) -> None:
        await self._flush()
        if Lie.STARTTLS_INJECTION in self._stage.options.lies:
            await self._send(INJECTED)
        behind = await self._make_tls()
        self._named.clear()
        self.conversation.tls_established()
        self.conversation.receive(behind)

    def _due(self, event: Event) -> list[Action]:
        """What goes wrong here: what a name asks for, then what the server was told to do."""
        own = self._read_names(event)
        actions = [failure.action for failure in own]
        for phase in _phases(event):
            actions += [failure.action for failure in self._named if failure.phase is phase]
            actions += self._stage.plan().due(phase, helo=isinstance(event, Hello) and not event.extended)
        return actions

    def _read_names(self, event: Event) -> list[Failure]:
        match event:
            case SignInEnded():
                found = failure_of_name(event.user, NAMED_BY_USER)
            case MailBegun():
                self._named.clear()
                found = failure_of_name(event.sender.address, NAMED_BY_SENDER)
            case RecipientNamed():
                found = failure_of_name(event.recipient.address, NAMED_BY_RECIPIENT)
            case _:
                return []
        if found is None:
            return []
        if found.phase is event.phase:
            return [found]
        self._named.append(found)
        return []

    async def _misbehave(self, event: Event, action: Action, *, kept: bool) -> None:
        match action.kind:
            case ActionKind.REPLY:
                self.conversation.answer(Answer(action.code, action.enhanced, action.text))
            case ActionKind.GARBAGE:
                self.conversation.answer_raw(GARBAGE)
            case ActionKind.OVERLONG:
                code = b"220 " if event.phase is Phase.GREETING else b"250 "
                self.conversation.answer_raw(code + OVERLONG)
                await self._vanish(action)
            case ActionKind.ACCEPT_THEN_DISCONNECT | ActionKind.ACCEPT_THEN_SILENCE:
                if not kept:
                    self._keep(event)
                await self._vanish(action)
            case _:
                await self._vanish(action)

    async def _vanish(self, action: Action) -> None:
        await self._flush()
        match action.kind:
            case ActionKind.DISCONNECT | ActionKind.ACCEPT_THEN_DISCONNECT:
                await self._hang_up(goodbye=False)
            case ActionKind.STALL:
                await asyncio.Event().wait()
            case _:
                while True:
                    await self._discard()

    async def _discard(self) -> None:
        if not await self._reader.read(_READ_SIZE):
            raise _Over


def _phases(event: Event) -> tuple[Phase, ...]:
    match event:
        case ChunkEnded(first=False):
            return ()
        case MessageEnded(chunks=1):
            # BDAT LAST is command and final dot in one.
            return (Phase.DATA, Phase.FINAL_DOT)
    return (event.phase,)


def _peer(writer: asyncio.StreamWriter) -> str:
    name = writer.get_extra_info("peername")
    if not name:
        return ""
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
