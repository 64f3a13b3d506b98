"""Opening a connection: the one way for every socket. Resolve once, admit, try all addresses, connect.

Addresses are tried in the manner of RFC 8305 (happy eyeballs): IPv6 and IPv4 by turns, the next one begins when the
one before has failed or has not answered for a quarter of a second, the first that connects wins.
"""

import asyncio
import ipaddress
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from mailwright.errors import ConnectFailed, DialRefused, ProxyFailed, ResolveFailed, ServerTimeout
from mailwright.model.account import Outgoing, Proxy
from mailwright.model.security import PortPolicy
from mailwright.reply import Phase
from mailwright.transport.dial_policy import (
    DialPolicy,
    IPAddress,
    Purpose,
    Reach,
    is_disguised_number,
    literal_of,
    nobody_in_between,
    reach_of,
)
from mailwright.transport.proxy import open_tunnel

#: RFC 8305 section 5, "Connection Attempt Delay"
ATTEMPT_DELAY = 0.25


@dataclass(frozen=True, slots=True)
class Dialled:
    """An open connection and where it leads."""

    socket: socket.socket
    #: what was connected to, for people: address and port
    peer: str
    #: this machine or the local network by the account's own word, so that nobody else listens in between
    local: bool
    #: this end as an address literal (RFC 5321 section 4.1.3): what EHLO says on a host without a full name
    own_literal: str


class Dialler:
    """Opens connections under the operator's policy."""

    def __init__(self, policy: DialPolicy, told: Callable[[Sequence[IPAddress]], None] | None = None) -> None:
        self._policy = policy
        self._told = told

    def telling(self, told: Callable[[Sequence[IPAddress]], None]) -> "Dialler":
        """The same dialler, which tells every address that the server's name has, even if none can be reached."""
        return Dialler(self._policy, told)

    async def dial(self, outgoing: Outgoing, purpose: Purpose = Purpose.ACCOUNT) -> Dialled:
        """A connection to the server of an account, through its proxy where it has one."""
        if outgoing.port == 25 and outgoing.port_25 is PortPolicy.NEVER:
            raise _port_25_refused(outgoing)
        if outgoing.proxy is not None:
            return await self._through(outgoing.proxy, outgoing, purpose)
        admitted = await self._vetted(outgoing, purpose)
        connected = await _connect_first(admitted, outgoing.port, outgoing.source_address, outgoing.timeouts.connect)
        return _dialled(connected, outgoing.host)

    async def _through(self, proxy: Proxy, outgoing: Outgoing, purpose: Purpose) -> Dialled:
        """The proxy itself is judged like every other address."""
        host = await self._behind_proxy(outgoing, purpose)
        timeout = outgoing.timeouts.connect
        connected = await self._reach(proxy, outgoing, purpose)
        try:
            async with asyncio.timeout(timeout):
                await open_tunnel(connected, proxy, host, outgoing.port)
            own_literal = _own_literal(connected)
        except TimeoutError:
            connected.close()
            message = f"the proxy did not open the connection within {timeout:g} s"
            raise ServerTimeout(message, phase=Phase.PROXY, server=outgoing.host) from None
        except BaseException:
            connected.close()
            raise
        peer = f"{outgoing.host}:{outgoing.port} by {proxy.kind} proxy"
        return Dialled(connected, peer, local=False, own_literal=own_literal)

    async def _behind_proxy(self, outgoing: Outgoing, purpose: Purpose) -> str:
        """What the proxy is asked for. It resolves names itself, so a name is handed on only where no rule is about
        its address; otherwise the proxy gets an address that was judged here."""
        literal = literal_of(outgoing.host)
        if literal is not None:
            self._admit(outgoing, [literal], purpose)
            return outgoing.host
        if is_disguised_number(outgoing.host):
            message = f"{outgoing.host} is not a name, and the proxy may take it for an address"
            hint = "write an address in full, such as 192.0.2.7"
            raise DialRefused(message, phase=Phase.CONNECT, server=outgoing.host, field="host", hint=hint)
        if outgoing.port == 25 and outgoing.port_25 is not PortPolicy.ALWAYS:
            raise _port_25_refused(outgoing)
        if purpose is Purpose.ACCOUNT and not self._policy.refuse:
            return outgoing.host
        return str((await self._vetted(outgoing, purpose))[0])

    async def _vetted(self, outgoing: Outgoing, purpose: Purpose) -> list[IPAddress]:
        addresses = await self._resolve(outgoing.host, outgoing.port, outgoing.timeouts.connect)
        if self._told is not None:
            self._told(addresses)
        return self._admit(outgoing, addresses, purpose)

    async def _reach(self, proxy: Proxy, outgoing: Outgoing, purpose: Purpose) -> socket.socket:
        """A connection to the proxy itself. What fails here is the proxy's, not the mail server's."""
        timeout = outgoing.timeouts.connect
        try:
            addresses = await self._resolve(proxy.host, proxy.port, timeout)
            admitted = self._without_objection(f"the proxy {proxy.host}", addresses, purpose, Phase.PROXY)
            return await _connect_first(admitted, proxy.port, outgoing.source_address, timeout)
        except (ResolveFailed, ConnectFailed) as error:
            message = f"the proxy cannot be reached: {error.message}"
            hint = "check host and port of the proxy, and that it runs"
            raise ProxyFailed(message, phase=Phase.PROXY, server=outgoing.host, hint=hint) from error
        except ServerTimeout as error:
            message = f"the proxy cannot be reached: {error.message}"
            raise ServerTimeout(message, phase=Phase.PROXY, server=outgoing.host, hint=error.hint) from error

    async def _resolve(self, host: str, port: int, timeout: float) -> list[IPAddress]:  # noqa: ASYNC109 - named in the error
        literal = literal_of(host)
        if literal is not None:
            return [literal]
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except TimeoutError:
            raise ServerTimeout(f"{host} did not resolve within {timeout:g} s", phase=Phase.RESOLVE) from None
        except (OSError, UnicodeError) as error:
            hint = "check the spelling of the host, and that this machine can resolve names"
            raise ResolveFailed(f"{host} has no address", phase=Phase.RESOLVE, server=host, hint=hint) from error
        return list(dict.fromkeys(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))

    def _admit(self, outgoing: Outgoing, addresses: Sequence[IPAddress], purpose: Purpose) -> list[IPAddress]:
        admitted = self._without_objection(outgoing.host, addresses, purpose, Phase.CONNECT)
        if outgoing.port == 25:
            admitted = [address for address in admitted if _port_25_allowed(outgoing.port_25, address)]
            if not admitted:
                raise _port_25_refused(outgoing)
        return admitted

    def _without_objection(
        self, name: str, addresses: Sequence[IPAddress], purpose: Purpose, phase: Phase
    ) -> list[IPAddress]:
        objections = {address: self._policy.objection(address, purpose) for address in addresses}
        admitted = [address for address in addresses if not objections[address]]
        if not admitted:
            reasons = ", ".join(f"{address}: {why}" for address, why in objections.items())
            hint = "the operator can allow the network: MAILWRIGHT_DIAL_ALLOW"
            raise DialRefused(f"the policy does not allow {name} ({reasons})", phase=phase, hint=hint)
        return admitted


def _port_25_allowed(policy: PortPolicy, address: IPAddress) -> bool:
    if policy is PortPolicy.LOCAL:
        return reach_of(address) in (Reach.LOOPBACK, Reach.PRIVATE)
    return policy is PortPolicy.ALWAYS


def _port_25_refused(outgoing: Outgoing) -> DialRefused:
    return DialRefused(
        "port 25 is for mail between servers; providers and hosters block it for sending",
        phase=Phase.CONNECT,
        server=outgoing.host,
        field="port",
        hint="use 587 or 465; port_25 always allows it for a relay of your own",
    )


def _dialled(connected: socket.socket, asked_for: str) -> Dialled:
    try:
        host, port = connected.getpeername()[:2]
        own_literal = _own_literal(connected)
    except OSError as error:
        connected.close()
        hint = "check host and port; a firewall may cut connections"
        raise ConnectFailed("the connection was cut at once", phase=Phase.CONNECT, hint=hint) from error
    local = nobody_in_between(asked_for, ipaddress.ip_address(host.partition("%")[0]))
    peer = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return Dialled(connected, peer, local, own_literal)


def _own_literal(connected: socket.socket) -> str:
    own = ipaddress.ip_address(str(connected.getsockname()[0]).partition("%")[0])
    return f"[IPv6:{own}]" if own.version == 6 else f"[{own}]"


def by_turns(addresses: Sequence[IPAddress]) -> list[IPAddress]:
    """IPv6 and IPv4 by turns, each in the order of the resolver (RFC 8305 section 4)."""
    first_version = addresses[0].version
    one = [address for address in addresses if address.version == first_version]
    other = [address for address in addresses if address.version != first_version]
    return [address for pair in zip_longest(one, other) for address in pair if address is not None]


async def _connect_first(
    addresses: Sequence[IPAddress],
    port: int,
    source: str,
    timeout: float,  # noqa: ASYNC109 - named in the error
) -> socket.socket:
    failures: dict[str, str] = {}
    pending: set[asyncio.Task[socket.socket]] = set()
    waiting = by_turns(addresses)
    try:
        async with asyncio.timeout(timeout):
            while waiting or pending:
                if waiting:
                    address = waiting.pop(0)
                    pending.add(asyncio.create_task(_connect(address, port, source), name=str(address)))
                delay = ATTEMPT_DELAY if waiting else None
                done, pending = await asyncio.wait(pending, timeout=delay, return_when=asyncio.FIRST_COMPLETED)
                winner = _take_winner(done, failures)
                if winner is not None:
                    return winner
    except TimeoutError:
        for task in pending:
            failures[task.get_name()] = "no answer"
        message = f"no connection within {timeout:g} s ({_listed(failures, port)})"
        hint = "a firewall may swallow the packets; hosters often block 25, 465 and 587"
        raise ServerTimeout(message, phase=Phase.CONNECT, hint=hint) from None
    finally:
        _abandon(pending)
    raise ConnectFailed(
        f"no connection ({_listed(failures, port)})",
        phase=Phase.CONNECT,
        hint="check host and port, and that the server runs",
    )


def _take_winner(done: set[asyncio.Task[socket.socket]], failures: dict[str, str]) -> socket.socket | None:
    """The first that connected; others that connected in the same moment are closed."""
    winner = None
    for task in done:
        error = task.exception()
        if error is not None:
            failures[task.get_name()] = _reason(error)
        elif winner is None:
            winner = task.result()
        else:
            task.result().close()
    return winner


def _reason(error: BaseException) -> str:
    # asyncio and uvloop put words of their own into the error; its number is the same everywhere. Those of the
    # resolver are negative.
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return (error.strerror if isinstance(error, OSError) else "") or str(error)


def _abandon(tasks: set[asyncio.Task[socket.socket]]) -> None:
    """Without waiting for them: a caller who is cancelled while he waits here would lose the one that connected."""
    for task in tasks:
        task.add_done_callback(_close_unwanted)
        task.cancel()


def _close_unwanted(task: asyncio.Task[socket.socket]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()


async def _connect(address: IPAddress, port: int, source: str) -> socket.socket:
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if source:
            opened.bind((source, 0))
        await asyncio.get_running_loop().sock_connect(opened, (str(address), port))
    except BaseException:
        opened.close()
        raise
    return opened


def _listed(failures: dict[str, str], port: int) -> str:
    return "; ".join(f"{address} port {port}: {why}" for address, why in failures.items()) or "no address was tried"
