"""`MailwrightClient` without async."""

from types import TracebackType
from typing import TYPE_CHECKING, Self

from mailwright.connector.loop_thread import LoopThread
from mailwright.connector.sync_parts import SyncOffice
from mailwright.errors import Closed
from mailwright.model.delivery import Composed, DsnOptions
from mailwright.model.message import Message
from mailwright.model.outbox import SendOptions, StoredMessage

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailwright.client.client import MailwrightClient


class SyncMailwrightClient(SyncOffice):
    """Made by `MailwrightClient.sync(…)`, opened by `with`. Any number of threads may call."""

    def __init__(self, make: "Callable[[], MailwrightClient]") -> None:
        self._make = make
        self._thread: LoopThread | None = None

    def send(
        self,
        account: str,
        message: Message | Composed,
        *,
        options: SendOptions | None = None,
        dsn: DsnOptions | None = None,
    ) -> StoredMessage:
        """Accepts the message, which from then on survives a crash, and waits for the server's first answer."""
        return self._opened().run(self._client.send(account, message, options=options, dsn=dsn))

    def workspace(self, name: str) -> SyncOffice:
        """The same calls in another workspace, while this client is open."""
        return SyncOffice(self._client.workspace(name), self._opened())

    def close(self) -> None:
        if self._thread is not None:
            self._thread.close(self._client.close())

    def __enter__(self) -> Self:
        self._client = self._make()  # before there is a thread: it says no to a wrong address
        self._thread = LoopThread()
        super().__init__(self._client, self._thread)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _opened(self) -> LoopThread:
        if self._thread is None:
            raise Closed(hint="with MailwrightClient.sync(…) as mail: …")
        return self._thread
