"""Names, black holes and other circumstances of a network, made on loopback."""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Iterator

import pytest

from mailwright import Account, Message

MESSAGE = Message(to="bob@example.com", subject="Hello", text="Good morning")


def account(outgoing) -> Account:
    return Account("ann@example.org", outgoing)


class Names:
    """A resolver that knows what it was told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._answers: dict[str, list[tuple[str, ...]]] = {}

    def say(self, name: str, *addresses: str, then: tuple[str, ...] | None = None) -> None:
        """The answer for a name; `then` is what it is from the second question on."""
        self._answers[name] = [addresses, then if then is not None else addresses]

    async def getaddrinfo(self, host, port, *, family=0, type=0, proto=0, flags=0):  # noqa: A002 - asyncio's names
        if (address := _literal(host)) is not None:
            return [_entry(address, port)]  # uvloop asks for these too
        self.asked.append(host)
        if host not in self._answers:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        answers = self._answers[host]
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [_entry(address, port) for address in addresses]


def _literal(host: str | bytes) -> str | None:
    try:
        return str(ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host))
    except ValueError:
        return None


def _entry(address: str, port: int) -> tuple[object, ...]:
    if ":" in address:
        return (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
    return (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))


@pytest.fixture
async def names(monkeypatch) -> Names:
    told = Names()
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", told.getaddrinfo)
    return told


class Wire:
    """What was dialled. Addresses that loopback does not have lead to a server that it has."""

    def __init__(self, connect) -> None:
        self.dialled: list[tuple[str, int]] = []
        self.leads_to: tuple[str, int] | None = None
        self._connect = connect
        self._news = asyncio.Event()

    async def until_dialled(self, count: int) -> None:
        while len(self.dialled) < count:
            self._news.clear()
            await self._news.wait()

    async def sock_connect(self, sock, address):
        self.dialled.append(address[:2])
        self._news.set()
        await self._connect(sock, self.leads_to or address)


@pytest.fixture
async def wire(monkeypatch) -> Wire:
    loop = asyncio.get_running_loop()
    recorded = Wire(loop.sock_connect)
    monkeypatch.setattr(loop, "sock_connect", recorded.sock_connect)
    return recorded


@pytest.fixture
def opened_sockets(monkeypatch) -> list[socket.socket]:
    """Every network socket that is opened from now on (those that a listener accepts are not opened here)."""
    opened: list[socket.socket] = []

    class Recorded(socket.socket):
        def __init__(self, *args, **options) -> None:
            super().__init__(*args, **options)
            if options.get("fileno") is None and self.family in (socket.AF_INET, socket.AF_INET6):
                opened.append(self)

    monkeypatch.setattr(socket, "socket", Recorded)
    return opened


@contextlib.contextmanager
def black_hole(host: str, port: int = 0) -> Iterator[int]:
    """A port where connecting gets no answer at all: its queue is full, so Linux drops what arrives."""
    with contextlib.ExitStack() as held:
        listener = held.enter_context(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(0)
        number = listener.getsockname()[1]
        held.enter_context(socket.create_connection((host, number), timeout=5))
        yield number


@contextlib.contextmanager
def nobody(host: str = "127.0.0.1") -> Iterator[int]:
    """A port that is taken, so that nobody else listens there, and refuses every connection."""
    with socket.socket() as bound:
        bound.bind((host, 0))
        yield bound.getsockname()[1]


@contextlib.asynccontextmanager
async def speaking(converse, host: str = "127.0.0.1"):
    """A server that does what `converse(reader, writer)` does, once for each connection. Yields its port."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader, writer) -> None:
        try:
            await converse(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def connected(reader, writer) -> None:
        task = asyncio.create_task(serve(reader, writer))
        tasks.add(task)

    server = await asyncio.start_server(connected, host, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
        for outcome in outcomes:
            if isinstance(outcome, Exception) and not isinstance(outcome, ConnectionError):
                raise outcome
