"""The same calls without async. One thread runs an event loop; every other thread may call."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from mailwright.errors import Closed
from mailwright.model.account import Account
from mailwright.model.check import CheckReport
from mailwright.model.delivery import Composed, DsnOptions, SendResult
from mailwright.model.message import Message

if TYPE_CHECKING:
    from mailwright.connector.mailwright import Mailwright

_Result = TypeVar("_Result")


class SyncMailwright:
    """Made by `Mailwright.sync()`. A test holds its calls to those of `Mailwright`, name by name."""

    def __init__(self, make: "Callable[[], Mailwright]") -> None:
        self._make = make
        self._mail: Mailwright | None = None
        self._thread: threading.Thread | None = None

    def compose(self, account: Account, message: Message, *, dsn: DsnOptions | None = None) -> Composed:
        """The message as bytes with its envelope, exactly as `send` would send it."""
        return self._opened().compose(account, message, dsn=dsn)

    def send(
        self,
        account: Account,
        message: Message | Composed,
        *,
        on_partial: Literal["report", "raise"] = "report",
        dsn: DsnOptions | None = None,
    ) -> SendResult:
        """Sends now and returns the server's whole answer; errors as in `Mailwright.send`."""
        return self._run(self._opened().send(account, message, on_partial=on_partial, dsn=dsn))

    def check(self, account: Account) -> CheckReport:
        """Resolves, connects, encrypts and signs in, without sending anything."""
        return self._run(self._opened().check(account))

    def close(self) -> None:
        mail, self._mail = self._mail, None
        if mail is None or self._thread is None:
            return
        try:
            self._run(mail.close())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def __enter__(self) -> Self:
        mail = self._make()  # before there is a thread: it says no to wrong settings
        started = threading.Event()
        self._loop = asyncio.new_event_loop()

        def serve() -> None:
            asyncio.set_event_loop(self._loop)
            self._loop.call_soon(started.set)
            self._loop.run_forever()

        self._thread = threading.Thread(target=serve, name="mailwright", daemon=True)
        self._thread.start()
        started.wait()
        self._mail = mail
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _opened(self) -> "Mailwright":
        if self._mail is None:
            raise Closed(hint="with Mailwright.sync() as mail: …")
        return self._mail

    def _run(self, call: Coroutine[Any, Any, _Result]) -> _Result:
        future = asyncio.run_coroutine_threadsafe(call, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # an interrupted caller takes its message out of the queue
            raise
