"""`MailwrightClient`: the face of a service elsewhere."""

from types import TracebackType
from typing import Self

from mailwright.client.accounts import RemoteAccounts
from mailwright.client.administration import RemoteAudit, RemoteSuppressions, RemoteTokens, RemoteWorkspaces
from mailwright.client.events import RemoteEvents
from mailwright.client.http import Http
from mailwright.client.messages import RemoteMessages
from mailwright.client.sync import SyncMailwrightClient
from mailwright.client.webhooks import RemoteWebhooks
from mailwright.model.delivery import Composed, DsnOptions
from mailwright.model.message import Message
from mailwright.model.outbox import SendOptions, StoredMessage
from mailwright.secret import Secret


class RemoteOffice:
    """The `Office` of connector/calls.py, in one workspace of a service."""

    def __init__(self, http: Http) -> None:
        self.accounts = RemoteAccounts(http)
        self.messages = RemoteMessages(http)
        self.events = RemoteEvents(http)
        self.webhooks = RemoteWebhooks(http)
        self.suppressions = RemoteSuppressions(http)
        self.workspaces = RemoteWorkspaces(http)
        self.tokens = RemoteTokens(http)
        self.audit = RemoteAudit(http)


class MailwrightClient(RemoteOffice):
    """Asks a running service. A call that cannot have done anything yet, or does the same when it is made twice, is
    made again when the connection fails.

    async with MailwrightClient("https://mail.example.org", token) as mail:
        sent = await mail.send("office", Message(to="ann@example.org", subject="Hello", text="Good morning"))
    """

    def __init__(
        self,
        url: str,
        token: Secret | str,
        *,
        workspace: str = "",
        timeout: float = 30.0,
        retries: int = 3,
        ca_file: str = "",
    ) -> None:
        """`workspace` is for tokens that are good for all of them; empty: `default`, or that of the token. `ca_file`
        is a PEM file of the authority that the service's certificate comes from, where it is not a public one."""
        self._http = Http(url, token, workspace=workspace, timeout=timeout, retries=retries, ca_file=ca_file)
        super().__init__(self._http)

    @staticmethod
    def sync(
        url: str,
        token: Secret | str,
        *,
        workspace: str = "",
        timeout: float = 30.0,
        retries: int = 3,
        ca_file: str = "",
    ) -> SyncMailwrightClient:
        """The same calls without async, for scripts and threads."""
        return SyncMailwrightClient(
            lambda: MailwrightClient(url, token, workspace=workspace, timeout=timeout, retries=retries, ca_file=ca_file)
        )

    async def send(
        self,
        account: str,
        message: Message | Composed,
        *,
        options: SendOptions | None = None,
        dsn: DsnOptions | None = None,
    ) -> StoredMessage:
        """Accepts the message, which from then on survives a crash, and waits for the server's first answer."""
        return await self.messages.send_and_wait(account, message, options, dsn=dsn)

    def workspace(self, name: str) -> RemoteOffice:
        """The same calls in another workspace, while this client is open."""
        return RemoteOffice(self._http.in_workspace(name))

    async def close(self) -> None:
        await self._http.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
