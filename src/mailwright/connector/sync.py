"""The same calls without async. One thread runs an event loop; every other thread may call."""

import asyncio
import threading
from concurrent.futures import CancelledError
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from mailwright.errors import Closed
from mailwright.model.account import Account
from mailwright.model.check import CheckReport
from mailwright.model.delivery import Composed, DsnOptions, SendResult
from mailwright.model.message import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from mailwright.connector.mailwright import Mailwright

_Result = TypeVar("_Result")


class SyncMailwright:
    """Made by `Mailwright.sync()`. A test holds its calls to those of `Mailwright`, name by name."""

    def __init__(self, make: "Callable[[], Mailwright]") -> None:
        self._make = make
        self._mail: Mailwright | None = None
        self._thread: threading.Thread | None = None
        #: held while a call goes to the loop and while the loop is given up, so that no call comes too late
        self._handing_over = threading.Lock()

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
        return self._run(lambda mail: mail.send(account, message, on_partial=on_partial, dsn=dsn))

    def check(self, account: Account) -> CheckReport:
        """Resolves, connects, encrypts and signs in, without sending anything."""
        return self._run(lambda mail: mail.check(account))

    def close(self) -> None:
        with self._handing_over:
            mail, self._mail = self._mail, None
        if mail is None or self._thread is None:
            return
        try:
            asyncio.run_coroutine_threadsafe(mail.close(), self._loop).result()
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def __enter__(self) -> Self:
        mail = self._make()  # before there is a thread: it says no to wrong settings
        started = threading.Event()
        self._loop = loop = asyncio.new_event_loop()

        def serve() -> None:
            asyncio.set_event_loop(loop)
            loop.call_soon(started.set)
            loop.run_forever()
            loop.run_until_complete(_cancel_the_rest())
            loop.close()

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

    def _run(self, call: "Callable[[Mailwright], Coroutine[Any, Any, _Result]]") -> _Result:
        with self._handing_over:
            future = asyncio.run_coroutine_threadsafe(call(self._opened()), self._loop)
        try:
            return future.result()
        except CancelledError:
            raise Closed from None
        except BaseException:
            future.cancel()  # an interrupted caller takes its message out of the queue
            raise


async def _cancel_the_rest() -> None:
    """Somebody waits for each of these in another thread, and would wait for ever."""
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
