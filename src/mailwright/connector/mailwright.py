"""`Mailwright`, the public face: what a program can ask for."""

import asyncio
import secrets
import socket
import time
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, Self

from mailwright.connector.check import check
from mailwright.connector.sync import SyncMailwright
from mailwright.errors import Closed, PartlySent
from mailwright.mime.compose import compose
from mailwright.model.account import Account, Outgoing
from mailwright.model.check import CheckReport
from mailwright.model.delivery import Composed, DsnOptions, SendResult
from mailwright.model.message import Message
from mailwright.settings import Settings, read_settings
from mailwright.transport.dial import Dialler
from mailwright.transport.dial_policy import DialPolicy, parse_networks
from mailwright.transport.smtp_pool import SmtpPool
from mailwright.transport.tls import TlsContexts

#: with more pools than this, those that nobody uses are forgotten
_MANY_POOLS = 256

OnPartial = Literal["report", "raise"]


class Mailwright:
    """Sends mail for any number of accounts, over sessions that stay open between messages.

    async with Mailwright() as mail:
        result = await mail.send(account, Message(to="ann@example.org", subject="Hello", text="Good morning"))
    """

    def __init__(self, *, settings: Settings | None = None) -> None:
        self._settings = settings or read_settings()
        policy = DialPolicy(
            allow=parse_networks(self._settings.dial_allow, "dial_allow"),
            refuse=parse_networks(self._settings.dial_refuse, "dial_refuse"),
        )
        self._dialler = Dialler(policy)
        self._contexts = TlsContexts()
        self._ehlo_name = self._settings.ehlo_name or _full_host_name()
        self._pools: dict[Outgoing, SmtpPool] = {}
        # Hashing an account costs as much as sending a command; the same object is the usual case.
        self._by_identity: dict[int, tuple[Outgoing, SmtpPool]] = {}
        self._closed = False
        self._second = 0
        self._moment = datetime.fromtimestamp(0, UTC)

    @staticmethod
    def sync(*, settings: Settings | None = None) -> SyncMailwright:
        """The same calls without async, for scripts and threads."""
        return SyncMailwright(lambda: Mailwright(settings=settings))

    def compose(self, account: Account, message: Message, *, dsn: DsnOptions | None = None) -> Composed:
        """The message as bytes with its envelope, exactly as `send` would send it."""
        return compose(message, account, now=self._this_second(), token=secrets.token_hex(12), dsn=dsn)

    async def send(
        self,
        account: Account,
        message: Message | Composed,
        *,
        on_partial: OnPartial = "report",
        dsn: DsnOptions | None = None,
    ) -> SendResult:
        """Sends now and returns the server's whole answer.

        Raises `NotSent` when the message is surely not sent, `Uncertain` when the connection was lost after the final
        dot. A result means that at least one recipient was accepted; `result.rejected` names the others, or with
        `on_partial="raise"` they raise `PartlySent`, after the rest has been sent.
        """
        if self._closed:
            raise Closed
        if isinstance(message, Message):
            composed = self.compose(account, message, dsn=dsn)
        else:
            composed = message if dsn is None else message._replace(dsn=dsn)
        result = await self._pool(account.outgoing).submit(composed)
        if on_partial == "raise" and result.rejected:
            raise _partly_sent(result)
        return result

    async def check(self, account: Account) -> CheckReport:
        """Resolves, connects, encrypts and signs in, without sending anything."""
        if self._closed:
            raise Closed
        return await check(account, self._dialler, self._contexts, self._ehlo_name, now=datetime.now(UTC))

    async def close(self) -> None:
        """Lets messages under way finish, says goodbye to the servers."""
        self._closed = True
        self._by_identity.clear()
        try:
            await asyncio.gather(*(pool.close() for pool in self._pools.values()))
        finally:
            for pool in self._pools.values():
                pool.abort()
            self._pools.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _this_second(self) -> datetime:
        """The same object for all messages of one second: a Date field has no finer grain."""
        now = int(time.time())
        if now != self._second:
            self._second, self._moment = now, datetime.fromtimestamp(now, UTC)
        return self._moment

    def _pool(self, outgoing: Outgoing) -> SmtpPool:
        known = self._by_identity.get(id(outgoing))
        if known is not None:
            return known[1]
        pool = self._pools.get(outgoing)
        if pool is None:
            self._forget_unused()
            pool = self._pools[outgoing] = SmtpPool(outgoing, self._dialler, self._contexts, self._ehlo_name)
        if len(self._by_identity) > _MANY_POOLS:
            self._by_identity.clear()
        self._by_identity[id(outgoing)] = (outgoing, pool)
        return pool

    def _forget_unused(self) -> None:
        if len(self._pools) > _MANY_POOLS:
            self._by_identity.clear()
            self._pools = {outgoing: pool for outgoing, pool in self._pools.items() if not pool.unused}


def _full_host_name() -> str:
    """This host's name where it is a full one; EHLO with half a name is refused by many servers."""
    name = socket.gethostname()
    return (
        name if "." in name.strip(".") and name.replace("-", "").replace(".", "").isalnum() and name.isascii() else ""
    )


def _partly_sent(result: SendResult) -> PartlySent:
    rejected = result.rejected
    first = next(iter(rejected.values()))
    message = f"{len(rejected)} of {len(result.recipient_replies)} recipients were refused, the others have the message"
    error = PartlySent(message, phase=first.phase, reply=first, recipients=rejected, server=result.server)
    error.accepted = result.accepted
    error.message_id = result.message_id
    return error
