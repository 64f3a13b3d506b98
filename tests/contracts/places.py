"""Two places to send to that must behave alike: the development server, and Postfix with Dovecot behind it."""

import asyncio
import time
from typing import Any, Protocol, Self

from mailwright import Outgoing, PoolLimits, Secret
from mailwright.devserver import DevServer, DevServerOptions
from mailwright.protocol.sasl.server import Users
from mailwright.protocol.smtp.server_types import ServerPolicy
from tests.harness import MailServers

USER = "u1@test.example"
#: what the harness gives u1, awkward characters included
PASSWORD = "s3cret \"1\" \\ 'p=w,d'"
SIZE_LIMIT = 20_000


class Place(Protocol):
    """Takes mail for u1@test.example, and for others not."""

    ca_pem: str
    refused_for_good: str
    refused_for_now: str

    def plain(self, **options: Any) -> Outgoing:
        """Takes mail from anybody, without sign-in."""

    def submission(self, **options: Any) -> Outgoing:
        """STARTTLS, and a sign-in needed."""

    def implicit(self, **options: Any) -> Outgoing:
        """TLS from the first byte, and a sign-in needed."""

    def bare(self, **options: Any) -> Outgoing:
        """Offers no extension at all."""

    def small(self, **options: Any) -> Outgoing:
        """Takes messages of at most SIZE_LIMIT bytes, and says so."""

    def token(self, *, expired: bool = False) -> str: ...

    async def received(self, message_id: str) -> bytes:
        """The message as it lies in the mailbox of u1, waited for."""

    async def received_utf8(self, message_id: str) -> bytes: ...

    def connections(self) -> int:
        """How many connections have been made so far."""


def _limits(options: dict[str, Any]) -> dict[str, Any]:
    return {"pool": PoolLimits(sessions=4), **options}


class RealPlace:
    """Postfix takes it, Dovecot keeps it, IMAP gives it back."""

    refused_for_good = "nobody@test.example"
    refused_for_now = "tempfail@test.example"

    def __init__(self, servers: MailServers) -> None:
        self._servers = servers
        self.ca_pem = servers.ca_pem

    def plain(self, **options: Any) -> Outgoing:
        return self._at(self._servers.smtp_port, security="none", **options)

    def submission(self, **options: Any) -> Outgoing:
        return self._at(self._servers.submission_port, security="starttls", ca_certificates=self.ca_pem, **options)

    def implicit(self, **options: Any) -> Outgoing:
        return self._at(self._servers.smtps_port, security="implicit", ca_certificates=self.ca_pem, **options)

    def bare(self, **options: Any) -> Outgoing:
        return self._at(self._servers.bare_port, security="none", **options)

    def small(self, **options: Any) -> Outgoing:
        return self._at(self._servers.small_port, security="none", **options)

    def token(self, *, expired: bool = False) -> str:
        return self._servers.token(USER, expired=expired)

    async def received(self, message_id: str) -> bytes:
        return await asyncio.to_thread(self._servers.fetch, self._servers.user(1), message_id)

    async def received_utf8(self, message_id: str) -> bytes:
        return await asyncio.to_thread(self._servers.fetch_utf8, message_id)

    def connections(self) -> int:
        return self._servers.log().count(": connect from ")

    def _at(self, port: int, **options: Any) -> Outgoing:
        options = {"host": self._servers.host, **_limits(options)}
        return Outgoing(options.pop("host"), port, **options)


class DevPlace:
    """The development server, set up like the real one."""

    refused_for_good = "rcpt-550@test.example"
    refused_for_now = "rcpt-450@test.example"

    def __init__(self) -> None:
        self._token = "a-good-token"
        users = Users({USER: Secret(PASSWORD)}, {USER: Secret(self._token)})
        self._servers = {
            "plain": DevServer(DevServerOptions()),
            "submission": DevServer(
                DevServerOptions(
                    tls_port=0, policy=ServerPolicy(users=users, require_sign_in=True, auth_needs_tls=True)
                )
            ),
            "bare": DevServer(DevServerOptions(policy=ServerPolicy(extensions=frozenset()))),
            "small": DevServer(DevServerOptions(policy=ServerPolicy(max_size=SIZE_LIMIT))),
        }
        self.ca_pem = ""

    async def __aenter__(self) -> Self:
        for server in self._servers.values():
            await server.start()
        self.ca_pem = self._servers["submission"].ca_pem
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers.values():
            await server.stop()

    def plain(self, **options: Any) -> Outgoing:
        return self._at(self._servers["plain"].port, security="none", **options)

    def submission(self, **options: Any) -> Outgoing:
        return self._at(self._servers["submission"].port, security="starttls", ca_certificates=self.ca_pem, **options)

    def implicit(self, **options: Any) -> Outgoing:
        port = self._servers["submission"].tls_port
        return self._at(port, security="implicit", ca_certificates=self.ca_pem, **options)

    def bare(self, **options: Any) -> Outgoing:
        return self._at(self._servers["bare"].port, security="none", **options)

    def small(self, **options: Any) -> Outgoing:
        return self._at(self._servers["small"].port, security="none", **options)

    def token(self, *, expired: bool = False) -> str:
        return "an-expired-token" if expired else self._token

    async def received(self, message_id: str) -> bytes:
        deadline = time.monotonic() + 10
        wanted = f"<{message_id}>".encode()
        while time.monotonic() < deadline:
            for server in self._servers.values():
                for mail in server.mails:
                    if wanted in mail.raw.partition(b"\r\n\r\n")[0]:
                        return mail.raw
            await asyncio.sleep(0.01)
        raise AssertionError(f"{message_id} did not arrive")

    async def received_utf8(self, message_id: str) -> bytes:
        return await self.received(message_id)

    def connections(self) -> int:
        return sum(server.connections for server in self._servers.values())

    def _at(self, port: int | None, **options: Any) -> Outgoing:
        options = {"host": "127.0.0.1", **_limits(options)}
        return Outgoing(options.pop("host"), port, **options)
