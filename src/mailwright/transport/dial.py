"""Opening a connection: the one way for every socket. Resolve once, admit, try all addresses, connect."""

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
from mailwright.transport.dial_race import connect_first
from mailwright.transport.proxy import open_tunnel


@dataclass(frozen=True, slots=True)
class Target:
    """What to connect to, and how long it may take."""

    host: str
    port: int
    #: seconds, once for the name and once for the connection
    timeout: float = 20.0
    port_25: PortPolicy = PortPolicy.LOCAL
    #: local address to connect from; empty: the system chooses
    source: str = ""


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
        target = Target(
            outgoing.host, outgoing.port, outgoing.timeouts.connect, outgoing.port_25, outgoing.source_address
        )
        if outgoing.proxy is not None:
            return await self._through(outgoing.proxy, target, purpose)
        return await self.connect(target, purpose)

    async def connect(self, target: Target, purpose: Purpose) -> Dialled:
        """A connection without a proxy."""
        admitted = await self._vetted(target, purpose)
        connected = await connect_first(admitted, target.port, target.source, target.timeout)
        return _dialled(connected, target.host)

    async def _through(self, proxy: Proxy, target: Target, purpose: Purpose) -> Dialled:
        """The proxy itself is judged like every other address."""
        host = await self._behind_proxy(target, purpose)
        connected = await self._reach(proxy, target, purpose)
        try:
            async with asyncio.timeout(target.timeout):
                await open_tunnel(connected, proxy, host, target.port)
            own_literal = _own_literal(connected)
        except TimeoutError:
            connected.close()
            message = f"the proxy did not open the connection within {target.timeout:g} s"
            raise ServerTimeout(message, phase=Phase.PROXY, server=target.host) from None
        except BaseException:
            connected.close()
            raise
        peer = f"{target.host}:{target.port} by {proxy.kind} proxy"
        return Dialled(connected, peer, local=False, own_literal=own_literal)

    async def _behind_proxy(self, target: Target, purpose: Purpose) -> str:
        """What the proxy is asked for. It resolves names itself, so a name is handed on only where no rule is about
        its address; otherwise the proxy gets an address that was judged here."""
        literal = literal_of(target.host)
        if literal is not None:
            self._admit(target, [literal], purpose)
            return target.host
        if is_disguised_number(target.host):
            message = f"{target.host} is not a name, and the proxy may take it for an address"
            hint = "write an address in full, such as 192.0.2.7"
            raise DialRefused(message, phase=Phase.CONNECT, server=target.host, field="host", hint=hint)
        if target.port == 25 and target.port_25 is not PortPolicy.ALWAYS:
            raise _port_25_refused(target)
        if purpose is Purpose.ACCOUNT and not self._policy.refuse:
            self._admit_name(target.host, target.port, purpose, Phase.CONNECT)
            return target.host
        return str((await self._vetted(target, purpose))[0])

    async def _vetted(self, target: Target, purpose: Purpose) -> list[IPAddress]:
        if target.port == 25 and target.port_25 is PortPolicy.NEVER:
            raise _port_25_refused(target)
        self._admit_name(target.host, target.port, purpose, Phase.CONNECT)
        addresses = await self._resolve(target.host, target.port, target.timeout)
        if self._told is not None:
            self._told(addresses)
        return self._admit(target, addresses, purpose)

    async def _reach(self, proxy: Proxy, target: Target, purpose: Purpose) -> socket.socket:
        """A connection to the proxy itself. What fails here is the proxy's, not the mail server's."""
        timeout = target.timeout
        try:
            self._admit_name(proxy.host, proxy.port, purpose, Phase.PROXY)
            addresses = await self._resolve(proxy.host, proxy.port, timeout)
            admitted = self._without_objection(
                proxy.host, proxy.port, addresses, purpose, Phase.PROXY, called="the proxy "
            )
            return await connect_first(admitted, proxy.port, target.source, timeout)
        except (ResolveFailed, ConnectFailed) as error:
            message = f"the proxy cannot be reached: {error.message}"
            hint = "check host and port of the proxy, and that it runs"
            raise ProxyFailed(message, phase=Phase.PROXY, server=target.host, hint=hint) from error
        except ServerTimeout as error:
            message = f"the proxy cannot be reached: {error.message}"
            raise ServerTimeout(message, phase=Phase.PROXY, server=target.host, hint=error.hint) from error

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

    def _admit(self, target: Target, addresses: Sequence[IPAddress], purpose: Purpose) -> list[IPAddress]:
        admitted = self._without_objection(target.host, target.port, addresses, purpose, Phase.CONNECT)
        if target.port == 25:
            admitted = [address for address in admitted if _port_25_allowed(target.port_25, address)]
            if not admitted:
                raise _port_25_refused(target)
        return admitted

    def _admit_name(self, host: str, port: int, purpose: Purpose, phase: Phase) -> None:
        objection = self._policy.objection_to_name(host, port, purpose)
        if objection:
            raise _refused(host, objection, purpose, phase)

    def _without_objection(
        self,
        host: str,
        port: int,
        addresses: Sequence[IPAddress],
        purpose: Purpose,
        phase: Phase,
        *,
        called: str = "",
    ) -> list[IPAddress]:
        objections = {address: self._policy.objection(address, purpose, host, port) for address in addresses}
        admitted = [address for address in addresses if not objections[address]]
        if not admitted:
            reasons = "; ".join(f"{address}: {why}" for address, why in objections.items())
            raise _refused(f"{called}{host}", reasons, purpose, phase)
        return admitted


def _refused(what: str, why: str, purpose: Purpose, phase: Phase) -> DialRefused:
    hint = f"the operator can allow it: {purpose.setting}"
    return DialRefused(f"the policy does not allow {what} ({why})", phase=phase, hint=hint)


def _port_25_allowed(policy: PortPolicy, address: IPAddress) -> bool:
    if policy is PortPolicy.LOCAL:
        return reach_of(address) in (Reach.LOOPBACK, Reach.PRIVATE)
    return policy is PortPolicy.ALWAYS


def _port_25_refused(target: Target) -> DialRefused:
    return DialRefused(
        "port 25 is for mail between servers; providers and hosters block it for sending",
        phase=Phase.CONNECT,
        server=target.host,
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
