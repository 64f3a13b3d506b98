"""One connection to an SMTP server: asyncio on the outside, the two conversations of `protocol.smtp` inside.

Opening is a coroutine, because it happens once. Sending is driven by the bytes that arrive, without a coroutine or a
timer for each message, because that is what it is all about.
"""

import asyncio
import secrets
import ssl
import threading
from collections import deque
from functools import partial
from typing import NoReturn, Protocol, cast

from mailwright.errors import (
    ConnectionLost,
    MailwrightError,
    ProtocolViolation,
    SendError,
    ServerTimeout,
    ServiceRefused,
    TlsFailed,
)
from mailwright.model.account import Outgoing
from mailwright.model.security import Security
from mailwright.protocol.smtp.handshake import Circumstances, Command, Greeting, Opened, Steps, UpgradeTls, handshake
from mailwright.protocol.smtp.replies import ReplyReader
from mailwright.protocol.smtp.transaction import DotGate, Transaction
from mailwright.protocol.smtp.transactions import Settled, Transactions
from mailwright.reply import Phase, make_reply
from mailwright.transport.dial import Dialled, Dialler
from mailwright.transport.smtp_drain import Drain
from mailwright.transport.tls import TlsContexts, TlsFacts, check_peer, explain

#: how long a server gets to answer QUIT; nothing depends on it
QUIT_SECONDS = 2.0
#: more replies than a server has to give at once; a longer answer is read in several goes
RECEIVE_BYTES = 65_536
_FINAL_DOT = Phase.FINAL_DOT  # looking it up costs more than comparing it


class _ReceiveBuffer(threading.local):
    """One for all sessions of a thread: an event loop asks for it, fills it and tells of it without a pause between.

    Given no buffer, the TLS of both event loops takes 256 KB from the system for each record that it reads.
    """

    def __init__(self) -> None:
        self.view = memoryview(bytearray(RECEIVE_BYTES))


_received = _ReceiveBuffer()


class SessionOwner(Protocol):
    """Who gives a session its work."""

    def pull(self, session: "SmtpSession") -> Transaction | None:
        """The next message, counted in `session.taken`; None when there is none for this session."""

    def settled(self, settled: Settled) -> None: ...

    def idle(self, session: "SmtpSession") -> None:
        """Nothing is under way and nothing was pulled."""

    def ended(self, session: "SmtpSession") -> None:
        """The session takes no further message. Called once."""


class SmtpSession(asyncio.BufferedProtocol):
    def __init__(self, outgoing: Outgoing, owner: SessionOwner) -> None:
        self._outgoing = outgoing
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        #: the connection itself; below TLS where there is TLS
        self._wire: asyncio.Transport | None = None
        #: what is written to: the connection, or TLS on top of it
        self._transport: asyncio.Transport | None = None
        self._transactions: Transactions | None = None
        #: replies that wait to be read while the session opens
        self._reader = ReplyReader()
        self._inbox: deque[list[bytes]] = deque()
        self._arrival: asyncio.Event = asyncio.Event()
        self._lost: str | None = None
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._has_ended = False
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._drain: Drain | None = None
        #: messages that were begun here
        self.taken = 0
        #: it has waited for work; the server may have gone meanwhile
        self.rested = False
        # What became known on the way, for the check report; each None until then.
        self.dialled: Dialled | None = None
        self.tls: TlsFacts | None = None
        self.opened: Opened | None = None

    # Opening.

    async def open(self, dialler: Dialler, contexts: TlsContexts, ehlo_name: str) -> Opened:
        """Connects, upgrades, signs in. Raises the SendError that says which of these failed."""
        try:
            self.dialled = await dialler.dial(self._outgoing)
            await self._connect(self.dialled, contexts)
            given = Circumstances(
                ehlo_name=self._outgoing.ehlo_name or ehlo_name or self.dialled.own_literal,
                encrypted=self.tls is not None,
                local=self.dialled.local,
                nonce=secrets.token_urlsafe(24),
            )
            self.opened = await self._drive(handshake(self._outgoing, given), contexts)
            self._refuse_leftovers()
        except SendError as error:
            error.server = error.server or self._outgoing.host
            self.abort()
            raise
        except MailwrightError:
            self.abort()
            raise
        except Exception as error:
            self.abort()
            message = f"the server could not be understood ({type(error).__name__})"
            raise ProtocolViolation(message, phase=Phase.EHLO, server=self._outgoing.host) from error
        except BaseException:
            self.abort()
            raise
        assert self._transport is not None
        assert self._wire is not None
        self._drain = Drain(self._transport, self._wire, self._loop, self.resume_writing)
        self._transactions = Transactions(
            self.opened.capabilities,
            server=self._outgoing.host,
            chunking=self._outgoing.chunking,
            pull=partial(self._owner.pull, self),
        )
        return self.opened

    def _refuse_leftovers(self) -> None:
        """Whatever stands behind the last answer would be taken for the answer to MAIL."""
        if self._inbox:
            reply = make_reply(self._inbox[0], Phase.EHLO, "")
            if reply.code == 421:
                raise ServiceRefused("the server closes the connection", phase=Phase.EHLO, reply=reply)
            raise ProtocolViolation("the server spoke out of turn", phase=Phase.EHLO, reply=reply)
        if self._spoke_already or self._reader.malformed:
            raise ProtocolViolation("the server spoke out of turn", phase=Phase.EHLO)
        if self._lost is not None:
            self._raise_lost(Phase.EHLO)

    async def _connect(self, dialled: Dialled, contexts: TlsContexts) -> None:
        try:
            await self._loop.create_connection(lambda: self, sock=dialled.socket)
        except BaseException:
            dialled.socket.close()
            raise
        if self._outgoing.security is Security.IMPLICIT:
            if self._spoke_already:
                hint = f"port {self._outgoing.port} begins in clear text: set security to starttls"
                raise TlsFailed("the server does not answer in TLS", phase=Phase.TLS, hint=hint)
            await self._encrypt(contexts)

    async def _upgrade(self, contexts: TlsContexts) -> None:
        # RFC 3207 section 6 and CVE-2011-0411: what was sent in clear text behind the 220 would be taken for an
        # answer that came encrypted.
        if self._spoke_already:
            raise ProtocolViolation("the server sent more than its reply to STARTTLS", phase=Phase.STARTTLS)
        await self._encrypt(contexts)

    @property
    def _spoke_already(self) -> bool:
        return bool(self._inbox) or self._reader.buffered

    async def _encrypt(self, contexts: TlsContexts) -> None:
        assert self._wire is not None
        timeout = self._outgoing.timeouts.tls
        try:
            encrypted = await self._loop.start_tls(
                self._wire,
                self,
                contexts.for_server(self._outgoing),
                server_hostname=self._outgoing.host,
                ssl_handshake_timeout=timeout,
                ssl_shutdown_timeout=QUIT_SECONDS,
            )
        except BaseException as error:  # noqa: BLE001 - told apart in _raise_tls
            self._raise_tls(error, timeout)
        # A cast, not an assertion: the transports of uvloop have the methods without the base class.
        self._transport = cast("asyncio.Transport", encrypted)
        self._check_peer()

    def _check_peer(self) -> None:
        assert self._transport is not None
        connection = self._transport.get_extra_info("ssl_object")
        self.tls = check_peer(connection, self._outgoing)

    def _raise_tls(self, error: BaseException, timeout: float) -> NoReturn:
        if isinstance(error, TimeoutError) or (isinstance(error, ConnectionError) and "longer than" in str(error)):
            message = f"the TLS handshake took longer than {timeout:g} s"
            hint = explain(ConnectionResetError(), self._outgoing).hint
            raise ServerTimeout(message, phase=Phase.TLS, hint=hint) from error
        if isinstance(error, ssl.SSLError | OSError | EOFError | SendError):
            raise explain(error, self._outgoing) from error
        raise error

    async def _drive(self, steps: Steps, contexts: TlsContexts) -> Opened:
        answer = None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as stop:
                opened: Opened = stop.value
                return opened
            if isinstance(step, UpgradeTls):
                await self._upgrade(contexts)
                answer = None
                continue
            lines = await self._say(step)
            answer = make_reply(lines, step.phase, step.shown if isinstance(step, Command) else "")

    async def _say(self, step: Greeting | Command) -> list[bytes]:
        if isinstance(step, Command):
            if self._inbox:
                raise ProtocolViolation("the server spoke out of turn", phase=step.phase)
            assert self._transport is not None
            self._transport.write(step.line)
        limits = self._outgoing.timeouts
        limit = limits.greeting if step.phase is Phase.GREETING else limits.reply
        try:
            async with asyncio.timeout(limit):
                return await self._next_reply(step.phase)
        except TimeoutError as error:
            if isinstance(error, SendError):
                raise
            raise self._silent(step.phase, limit) from None

    async def _next_reply(self, phase: Phase) -> list[bytes]:
        while not self._inbox:
            if self._reader.malformed:
                raise ProtocolViolation(self._reader.malformed, phase=phase)
            if self._lost is not None:
                self._raise_lost(phase)
            self._arrival.clear()
            await self._arrival.wait()
        return self._inbox.popleft()

    def _silent(self, phase: Phase, limit: float) -> ServerTimeout:
        hint = ""
        if phase is Phase.GREETING and self._outgoing.security is not Security.IMPLICIT:
            hint = f"does port {self._outgoing.port} begin in TLS, as 465 does? then set security to implicit"
        return ServerTimeout(f"the server did not answer within {limit:g} s", phase=phase, hint=hint)

    def _raise_lost(self, phase: Phase) -> NoReturn:
        raise ConnectionLost(f"the connection was lost: {self._lost}" if self._lost else "", phase=phase)

    # Sending.

    def wake(self) -> None:
        """There is work in the queue."""
        if self._transactions is not None and not self._has_ended:
            now = self._loop.time()
            self._transactions.wake(now)
            self._flush(now)

    def _flush(self, now: float, *, answered: bool = True) -> None:
        """Writes what the conversation has to say, tells the owner what was settled, sets the clock, asks the gate."""
        transactions = self._transactions
        assert transactions is not None
        self._write(transactions.take_output())
        while transactions.draining and not self._gone:
            assert self._drain is not None
            if self._drain.left:
                self._drain.poll()
                break
            self._drain.stop()
            transactions.drained(now)
            self._write(transactions.take_output())
        for settled in transactions.take_settled():
            self._owner.settled(settled)
        if transactions.closing:
            self._end()
            self.abort()
        elif transactions.idle:
            self._owner.idle(self)
        elif answered:
            self._watch(transactions, now)
        # Last, because who is asked may answer at once, and that comes here again.
        if transactions.due is not None and not self._gone:
            due, transactions.due = transactions.due, None
            self._ask_gate(*due)

    def _ask_gate(self, transaction: Transaction, gate: DotGate) -> None:
        try:
            gate.due(partial(self._allow, transaction), partial(self._refuse, transaction))
        except Exception as error:  # noqa: BLE001 - whatever it is, the message must not wait for ever
            self._loop.call_exception_handler({"message": "the gate of a message failed", "exception": error})
            self._refuse(transaction, "its gate failed")

    def _allow(self, transaction: Transaction) -> None:
        now = self._loop.time()
        # What a connection that is gone is given never leaves: the message stays surely unsent.
        if self._transactions is not None and not self._gone and self._transactions.allow(transaction, now):
            self._flush(now)

    def _refuse(self, transaction: Transaction, reason: str) -> None:
        if self._transactions is not None and self._transactions.refuse(transaction, reason):
            self._flush(self._loop.time())

    def _write(self, output: list[bytes]) -> None:
        transport = self._transport
        if output and transport is not None and not transport.is_closing():
            transport.write(b"".join(output))

    @property
    def _gone(self) -> bool:
        """Nothing that is written now would leave. What a lost connection had not sent is dropped, not sent.

        The connection is asked too, not only TLS on top of it: either may hear of the end before the other.
        """
        above, below = self._transport, self._wire
        return above is None or below is None or above.is_closing() or below.is_closing() or self._lost is not None

    # The clock: one timer for each connection, moved only when it would ring too late.

    def _watch(self, transactions: Transactions, now: float) -> None:
        limits = self._outgoing.timeouts
        self._deadline = now + (limits.final_reply if transactions.phase is _FINAL_DOT else limits.reply)
        if self._timer is None or self._deadline < self._timer.when():
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(self._deadline, self._ring)

    def _limit(self, phase: Phase) -> float:
        limits = self._outgoing.timeouts
        return limits.final_reply if phase is _FINAL_DOT else limits.reply

    def _ring(self) -> None:
        self._timer = None
        transactions = self._transactions
        if transactions is None or transactions.idle or self._has_ended:
            return
        if transactions.at_gate:
            return  # it is this side who is silent; the clock starts again when the gate has answered
        now = self._loop.time()
        if now < self._deadline - 0.001:
            self._timer = self._loop.call_at(self._deadline, self._ring)
        elif transactions.draining and self._drain is not None and self._drain.progressing():
            self._watch(transactions, now)
        else:
            transactions.timed_out(self._limit(transactions.phase))
            self._flush(now)

    # What asyncio tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = self._transport = cast("asyncio.Transport", transport)
        # Zero: we want to hear when the last byte has gone to the socket, that is when the final dot may follow.
        self._wire.set_write_buffer_limits(high=0)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio gives it
        return _received.view

    def buffer_updated(self, nbytes: int) -> None:
        if self._has_ended:
            return
        data = bytes(_received.view[:nbytes])
        if self._transactions is not None:
            now, before = self._loop.time(), self._transactions.answered
            self._transactions.receive(data, now)
            self._flush(now, answered=self._transactions.answered != before)
        else:
            self._inbox.extend(self._reader.feed(data))
            self._arrival.set()

    def resume_writing(self) -> None:
        if self._transactions is not None and self._transactions.draining and not self._has_ended:
            assert self._drain is not None
            if not self._drain.left:
                self._flush(self._loop.time())

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = str(exc) if exc is not None else "closed by the server"
        self._arrival.set()
        if not self._closed.done():
            self._closed.set_result(None)
        if self._transactions is not None and not self._has_ended:
            self._transactions.lost(self._lost)
            self._flush(self._loop.time())

    # Ending.

    def _end(self) -> None:
        if not self._has_ended:
            self._has_ended = True
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if self._drain is not None:
                self._drain.stop()
            self._owner.ended(self)

    def abort(self) -> None:
        """Closes without a word."""
        if self._transport is not None:
            self._transport.abort()

    def stop(self) -> None:
        """Gives up on what is under way, saying of each message whether it may be sent."""
        if self._transactions is not None and not self._has_ended:
            self._transactions.lost("closed by this side")
            self._flush(self._loop.time())
        self.abort()

    async def quit(self) -> None:
        """Says goodbye; waits a moment for the server to close, so that it logs no broken connection."""
        self._end()
        if self._transport is None or self._transport.is_closing():
            self.abort()
            return
        self._transport.write(b"QUIT\r\n")
        try:
            async with asyncio.timeout(QUIT_SECONDS):
                await asyncio.shield(self._closed)
        except TimeoutError:
            pass
        finally:
            self.abort()

    async def wait_closed(self) -> None:
        if self._transport is not None:
            await self._closed
