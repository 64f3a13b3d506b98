"""A pool without the rest of Mailwright, and the other end of one of its connections."""

import asyncio
import contextlib
from datetime import UTC, datetime

from mailwright import Address, Composed, Envelope, Outgoing, PoolLimits, Timeouts
from mailwright.devserver import CertificateKind
from mailwright.devserver.certificates import make_identity
from mailwright.devserver.tls import TlsLayer
from mailwright.transport.dial import Dialler
from mailwright.transport.dial_policy import DialPolicy
from mailwright.transport.smtp_pool import SmtpPool
from mailwright.transport.tls import TlsContexts

PATIENT = Timeouts(connect=20, greeting=20, tls=20, reply=20, final_reply=20)
SHORT = b"Subject: short\r\n\r\nHello\r\n"


def letter(name="bob", content=SHORT):
    envelope = Envelope(Address("ann", "example.org"), (Address(name, "example.com"),))
    return Composed(envelope, content, f"{name}@example.org", canonical=True, leading_dots=False)


@contextlib.asynccontextmanager
async def pool_to(port, **options):
    """The pool of an account whose server is at this port. A body that waits for what never comes is ended."""
    limits = options.pop("pool", PoolLimits(sessions=1))
    options = {"security": "none", "verify_trust": False, "verify_hostname": False, "timeouts": PATIENT, **options}
    outgoing = Outgoing("127.0.0.1", port, pool=limits, **options)
    pool = SmtpPool(outgoing, Dialler(DialPolicy()), TlsContexts(), "client.example")
    try:
        async with asyncio.timeout(60):
            yield pool
    finally:
        await pool.close()


class Line:
    """The server's end of one connection, in clear text or TLS, and all that was heard on it."""

    def __init__(self, reader, writer, security):
        self.heard = b""
        self._reader, self._writer = reader, writer
        context = make_identity(CertificateKind.VALID, "localhost", datetime.now(UTC)).context()
        self._tls = TlsLayer(context) if security == "implicit" else None

    async def _read(self):
        data = await self._reader.read(65536)
        if self._tls is not None and data:
            self.heard += self._tls.receive(data)
            self._writer.write(self._tls.take())
        else:
            self.heard += data
        return bool(data)

    async def hear(self, expected):
        while expected not in self.heard:
            assert await self._read(), "the client has gone"

    async def hear_all(self):
        # Where the client has dropped the connection, that is the end as well.
        with contextlib.suppress(ConnectionError):
            while await self._read():
                pass

    def say(self, text):
        if self._tls is None:
            self._writer.write(text)
        else:
            self._tls.send(text)
            self._writer.write(self._tls.take())

    async def until_data(self, extensions=b"250 PIPELINING\r\n"):
        while self._tls is not None and not self._tls.established:
            assert await self._read()
        self.say(b"220 mail.example.org\r\n")
        await self.hear(b"EHLO client.example\r\n")
        self.say(b"250-mail.example.org\r\n" + extensions)
        if b"CHUNKING" in extensions:
            await self.hear(b"RCPT TO:<bob@example.com>\r\n")
            self.say(b"250 ok\r\n250 ok\r\n")
        else:
            await self.hear(b"DATA\r\n")
            self.say(b"250 ok\r\n250 ok\r\n354 go\r\n")
