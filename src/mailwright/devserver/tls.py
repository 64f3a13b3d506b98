"""TLS over bytes that somebody else reads and writes.

The event loops can upgrade a connection by themselves, but then nothing can be said in clear text behind the 220 of
STARTTLS, and a handshake cannot be broken on request: the two things this server is for.
"""

import ssl


class TlsLayer:
    def __init__(self, context: ssl.SSLContext) -> None:
        self._arrived = ssl.MemoryBIO()
        self._leaving = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._arrived, self._leaving, server_side=True)
        self.established = False
        #: the peer has said that no more will come
        self.ended = False

    @property
    def version(self) -> str:
        return self._tls.version() or ""

    def receive(self, data: bytes) -> bytes:
        """What the peer said. `take` afterwards: handshakes speak by themselves. Raises ssl.SSLError."""
        self._arrived.write(data)
        if not self.established:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                return b""
            self.established = True
        return b"".join(self._read())

    def _read(self) -> list[bytes]:
        parts: list[bytes] = []
        while True:
            try:
                part = self._tls.read(65536)
            except ssl.SSLWantReadError:
                return parts
            except ssl.SSLZeroReturnError:
                part = b""
            if not part:
                self.ended = True
                return parts
            parts.append(part)

    def send(self, data: bytes) -> None:
        if data:
            self._tls.write(data)

    def close(self) -> None:
        """Say that no more will come (RFC 8446 section 6.1)."""
        try:
            self._tls.unwrap()
        except ssl.SSLError:
            # It wants the peer's own goodbye, or there was no handshake: ours is in the buffer if it can be.
            return

    def take(self) -> bytes:
        return self._leaving.read()
