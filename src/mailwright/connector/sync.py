"""The same calls without async. One thread runs an event loop; every other thread may call."""

from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, overload

from mailwright.connector.loop_thread import LoopThread
from mailwright.connector.sync_parts import SyncOffice
from mailwright.errors import Closed
from mailwright.model.account import Account
from mailwright.model.check import CheckReport
from mailwright.model.delivery import Composed, DsnOptions, SendResult
from mailwright.model.message import Message
from mailwright.model.outbox import SendOptions, StoredMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from mailwright.connector.mailwright import Mailwright

_Result = TypeVar("_Result")


class SyncMailwright(SyncOffice):
    """Made by `Mailwright.sync()`. A test holds its calls to those of `Mailwright`, name by name."""

    def __init__(self, make: "Callable[[], Mailwright]") -> None:
        self._make = make
        self._mail: Mailwright | None = None
        self._thread: LoopThread | None = None

    def compose(self, account: Account, message: Message, *, dsn: DsnOptions | None = None) -> Composed:
        """The message as bytes with its envelope, exactly as `send` would send it."""
        return self._opened().compose(account, message, dsn=dsn)

    @overload
    def send(
        self,
        account: Account,
        message: Message | Composed,
        *,
        on_partial: Literal["report", "raise"] = "report",
        dsn: DsnOptions | None = None,
        retries: int = 0,
    ) -> SendResult: ...
    @overload
    def send(
        self,
        account: str,
        message: Message | Composed,
        *,
        options: SendOptions | None = None,
        dsn: DsnOptions | None = None,
    ) -> StoredMessage: ...
    def send(
        self,
        account: Account | str,
        message: Message | Composed,
        *,
        on_partial: Literal["report", "raise"] = "report",
        options: SendOptions | None = None,
        dsn: DsnOptions | None = None,
        retries: int = 0,
    ) -> SendResult | StoredMessage:
        """As `Mailwright.send`: to an account at once, to the name of a stored one through the outbox."""
        if isinstance(account, str):
            name = account
            return self._run(lambda mail: mail.send(name, message, options=options, dsn=dsn))
        direct = account
        return self._run(lambda mail: mail.send(direct, message, on_partial=on_partial, dsn=dsn, retries=retries))

    def check(self, account: Account) -> CheckReport:
        """Resolves, connects, encrypts and signs in, without sending anything."""
        return self._run(lambda mail: mail.check(account))

    def workspace(self, name: str) -> SyncOffice:
        """The same calls in another workspace."""
        return SyncOffice(self._opened().workspace(name), self._running())

    def close(self) -> None:
        """Lets messages under way finish, says goodbye to the servers."""
        mail, self._mail = self._mail, None
        if mail is not None and self._thread is not None:
            self._thread.close(mail.close())

    def __enter__(self) -> Self:
        mail = self._make()  # before there is a thread: it says no to wrong settings
        self._thread = LoopThread()
        self._mail = mail
        try:
            self._thread.run(mail.__aenter__())
            if mail.keeps:
                super().__init__(mail, self._thread)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _opened(self) -> "Mailwright":
        if self._mail is None:
            raise Closed(hint="with Mailwright.sync() as mail: …")
        return self._mail

    def _running(self) -> LoopThread:
        self._opened()
        assert self._thread is not None
        return self._thread

    def _run(self, call: "Callable[[Mailwright], Coroutine[Any, Any, _Result]]") -> _Result:
        return self._running().run(call(self._opened()))
