"""`Mailwright`, the public face: what a program can ask for."""

import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, overload

from mailwright.connector.calls import (
    Accounts,
    Audit,
    Events,
    Messages,
    Office,
    Suppressions,
    Tokens,
    Webhooks,
    Workspaces,
)
from mailwright.connector.check import check
from mailwright.connector.host_name import full_host_name
from mailwright.connector.pools import Pools
from mailwright.connector.sync import SyncMailwright
from mailwright.errors import Closed, InvalidSetting, NotSent, PartlySent, SignInRefused
from mailwright.mime.compose import compose
from mailwright.model.access import Access
from mailwright.model.account import Account
from mailwright.model.check import CheckReport
from mailwright.model.delivery import Composed, DsnOptions, SendResult
from mailwright.model.ids import DEFAULT_WORKSPACE
from mailwright.model.message import Message
from mailwright.model.outbox import SendOptions, StoredMessage
from mailwright.settings import Settings, read_settings
from mailwright.transport.dial import Dialler
from mailwright.transport.dial_policy import read_policy
from mailwright.transport.tls import TlsContexts

if TYPE_CHECKING:
    from mailwright.connector.service import Service

OnPartial = Literal["report", "raise"]


class Mailwright:
    """Sends mail for any number of accounts, over sessions that stay open between messages.

    async with Mailwright() as mail:
        result = await mail.send(account, Message(to="ann@example.org", subject="Hello", text="Good morning"))

    With a directory or a database it keeps accounts and messages, and what it accepts survives a crash:

    async with Mailwright(data="mail") as mail:
        await mail.accounts.create("office", AccountSettings(account))
        sent = await mail.send("office", Message(to="ann@example.org", subject="Hello", text="Good morning"))
    """

    def __init__(self, *, data: str | Path | None = None, database: str = "", settings: Settings | None = None) -> None:
        chosen = settings or read_settings()
        if data is not None or database:
            chosen = chosen.model_copy(
                update={"data": Path(data) if data is not None else chosen.data, "database": database}
            )
        policy = read_policy(chosen.dial_allow, chosen.dial_refuse, chosen.dial_allow_by_purpose())
        self._dialler = Dialler(policy)
        self._contexts = TlsContexts()
        self._ehlo_name = chosen.ehlo_name or full_host_name()
        self._pools = Pools(self._dialler, self._contexts, self._ehlo_name)
        stored = data is not None or bool(database)
        self._service = _service(chosen) if stored else None
        self._office: Office | None = None
        self._closed = False
        self._second = 0
        self._moment = datetime.fromtimestamp(0, UTC)

    @staticmethod
    def sync(*, data: str | Path | None = None, database: str = "", settings: Settings | None = None) -> SyncMailwright:
        """The same calls without async, for scripts and threads."""
        return SyncMailwright(lambda: Mailwright(data=data, database=database, settings=settings))

    def compose(self, account: Account, message: Message, *, dsn: DsnOptions | None = None) -> Composed:
        """The message as bytes with its envelope, exactly as `send` would send it."""
        return compose(message, account, now=self._this_second(), token=secrets.token_hex(12), dsn=dsn)

    @overload
    async def send(
        self,
        account: Account,
        message: Message | Composed,
        *,
        on_partial: OnPartial = "report",
        dsn: DsnOptions | None = None,
        retries: int = 0,
    ) -> SendResult: ...
    @overload
    async def send(
        self,
        account: str,
        message: Message | Composed,
        *,
        options: SendOptions | None = None,
        dsn: DsnOptions | None = None,
    ) -> StoredMessage: ...
    async def send(
        self,
        account: Account | str,
        message: Message | Composed,
        *,
        on_partial: OnPartial = "report",
        options: SendOptions | None = None,
        dsn: DsnOptions | None = None,
        retries: int = 0,
    ) -> SendResult | StoredMessage:
        """To an account: sends now and returns the server's whole answer.

        Raises `NotSent` when the message is surely not sent, `Uncertain` when the connection was lost after the final
        dot. A result means that at least one recipient was accepted; `result.rejected` names the others, or with
        `on_partial="raise"` they raise `PartlySent`, after the rest has been sent. `retries` tries again at once what
        was surely not sent for a passing reason.

        To the name of a stored account: accepts the message, which from then on survives a crash, and waits for the
        server's first answer.
        """
        if self._closed:
            raise Closed
        if isinstance(account, str):
            return await self.messages.send_and_wait(account, message, options, dsn=dsn)
        if isinstance(message, Message):
            composed = self.compose(account, message, dsn=dsn)
        else:
            composed = message if dsn is None else message._replace(dsn=dsn)
        result = await self._submit(account, composed, retries)
        if on_partial == "raise" and result.rejected:
            raise _partly_sent(result)
        return result

    async def _submit(self, account: Account, composed: Composed, retries: int) -> SendResult:
        pool = self._pools.pool(account.outgoing)
        while True:
            try:
                return await pool.submit(composed)
            except NotSent as error:
                # Who may sign in does not change within a call, and asking again locks accounts.
                if retries <= 0 or not error.temporary or isinstance(error, SignInRefused | Closed):
                    raise
            retries -= 1

    async def check(self, account: Account) -> CheckReport:
        """Resolves, connects, encrypts and signs in, without sending anything."""
        if self._closed:
            raise Closed
        return await check(account, self._dialler, self._contexts, self._ehlo_name, now=datetime.now(UTC))

    # With a store.

    @property
    def keeps(self) -> bool:
        """It has a store."""
        return self._service is not None

    @property
    def accounts(self) -> Accounts:
        return self._stored().accounts

    @property
    def messages(self) -> Messages:
        return self._stored().messages

    @property
    def events(self) -> Events:
        return self._stored().events

    @property
    def webhooks(self) -> Webhooks:
        return self._stored().webhooks

    @property
    def suppressions(self) -> Suppressions:
        return self._stored().suppressions

    @property
    def workspaces(self) -> Workspaces:
        return self._stored().workspaces

    @property
    def tokens(self) -> Tokens:
        return self._stored().tokens

    @property
    def audit(self) -> Audit:
        return self._stored().audit

    def workspace(self, name: str) -> Office:
        """The same calls in another workspace."""
        self._stored()
        assert self._service is not None
        return self._service.office(Access("library", workspace=name, everywhere=True))

    def _stored(self) -> Office:
        if self._service is None:
            raise InvalidSetting("this Mailwright keeps nothing", field="data", hint='Mailwright(data="directory")')
        if self._office is None:
            raise Closed(hint="async with Mailwright(data=…) as mail")
        return self._office

    async def close(self) -> None:
        """Lets messages under way finish, says goodbye to the servers."""
        self._closed = True
        office, self._office = self._office, None
        if self._service is not None and office is not None:
            await self._service.__aexit__(None, None, None)
        await self._pools.close()

    async def __aenter__(self) -> Self:
        if self._service is not None:
            await self._service.__aenter__()
            self._office = self._service.office(Access("library", DEFAULT_WORKSPACE, everywhere=True))
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


def _service(settings: Settings) -> "Service":
    # Whoever only sends does not wait for a database to be loaded.
    from mailwright.connector.service import Service  # noqa: PLC0415

    return Service(settings, roles=("courier", "timer"))


def _partly_sent(result: SendResult) -> PartlySent:
    rejected = result.rejected
    first = next(iter(rejected.values()))
    message = f"{len(rejected)} of {len(result.recipient_replies)} recipients were refused, the others have the message"
    error = PartlySent(message, phase=first.phase, reply=first, recipients=rejected, server=result.server)
    error.accepted = result.accepted
    error.message_id = result.message_id
    return error
