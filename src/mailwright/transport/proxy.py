"""A connection through somebody else: SOCKS5 (RFC 1928, RFC 1929) and HTTP CONNECT (RFC 9110 section 9.3.6)."""

import asyncio
import ipaddress
import re
import socket
from base64 import b64encode

from mailwright.errors import ProxyFailed
from mailwright.model.account import Proxy, ProxyKind
from mailwright.reply import Phase, printable

# RFC 1928 section 6.
_SOCKS_REPLIES = {
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "TTL expired",
    7: "command not supported",
    8: "address type not supported",
}
_MAX_HTTP_HEAD = 16_384
# Names and addresses without a zone: nothing that ends a line or begins another field.
_HOST = re.compile(r"[A-Za-z0-9._:\-]{1,255}\Z")
_SIGN_IN_HINT = "check user name and password of the proxy"


async def open_tunnel(connected: socket.socket, proxy: Proxy, host: str, port: int) -> None:
    """Asks the proxy behind an open socket for a connection; afterwards the socket speaks with the server."""
    if not _HOST.match(host) or not 0 < port < 65_536:
        hint = "a name or an address, without a zone"
        raise ProxyFailed("a proxy cannot be asked for this host", phase=Phase.PROXY, field="host", hint=hint)
    try:
        if proxy.kind is ProxyKind.SOCKS5:
            await _socks5(connected, proxy, host, port)
        else:
            await _http_connect(connected, proxy, host, port)
    except (OSError, EOFError) as error:
        if isinstance(error, ProxyFailed):
            raise
        raise ProxyFailed("the proxy closed the connection", phase=Phase.PROXY) from error


async def _socks5(connected: socket.socket, proxy: Proxy, host: str, port: int) -> None:
    methods = b"\x00\x02" if proxy.username else b"\x00"
    await _send(connected, b"\x05" + bytes([len(methods)]) + methods)
    version, method = await _read(connected, 2)
    if version != 5:
        raise ProxyFailed("the proxy does not speak SOCKS5", phase=Phase.PROXY)
    if method == 2 and proxy.username:
        await _socks5_sign_in(connected, proxy)
    elif method != 0:
        if proxy.username:
            raise ProxyFailed("the proxy takes no user name and password", phase=Phase.PROXY)
        hint = "give the proxy a user name and password"
        raise ProxyFailed("the proxy wants a sign-in that is not configured", phase=Phase.PROXY, hint=hint)
    await _send(connected, b"\x05\x01\x00" + _socks_address(host) + port.to_bytes(2, "big"))
    version, status, _, kind = await _read(connected, 4)
    if version != 5:
        raise ProxyFailed("the proxy does not speak SOCKS5", phase=Phase.PROXY)
    if status != 0:
        reason = _SOCKS_REPLIES.get(status, f"status {status}")
        raise ProxyFailed(f"the proxy answers: {reason}", phase=Phase.PROXY, server=host)
    # The bound address is of no use here, but it stands in the way of the greeting.
    length = {1: 4, 4: 16}.get(kind)
    if length is None:
        length = (await _read(connected, 1))[0]
    await _read(connected, length + 2)


async def _socks5_sign_in(connected: socket.socket, proxy: Proxy) -> None:
    user = proxy.username.encode()
    password = proxy.password.reveal().encode() if proxy.password else b""
    if len(user) > 255 or len(password) > 255:
        raise ProxyFailed("SOCKS5 takes user name and password of 255 bytes at most", phase=Phase.PROXY)
    await _send(connected, b"\x01" + bytes([len(user)]) + user + bytes([len(password)]) + password)
    if (await _read(connected, 2))[1] != 0:
        raise ProxyFailed("the proxy refused user name or password", phase=Phase.PROXY, hint=_SIGN_IN_HINT)


def _socks_address(host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode("ascii")
        return b"\x03" + bytes([len(name)]) + name
    return (b"\x01" if address.version == 4 else b"\x04") + address.packed


async def _http_connect(connected: socket.socket, proxy: Proxy, host: str, port: int) -> None:
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    head = f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n"
    if proxy.username:
        password = proxy.password.reveal() if proxy.password else ""
        head += f"Proxy-Authorization: Basic {b64encode(f'{proxy.username}:{password}'.encode()).decode()}\r\n"
    await _send(connected, head.encode() + b"\r\n")
    answer = b""
    # One byte at a time: what follows the empty line is the mail server's greeting and must stay in the socket.
    while not answer.endswith(b"\r\n\r\n"):
        answer += await _read(connected, 1)
        if len(answer) > _MAX_HTTP_HEAD:
            raise ProxyFailed("the proxy's answer does not end", phase=Phase.PROXY)
    status = answer.split(b"\r\n", 1)[0].decode("latin-1")
    words = status.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].startswith("2"):
        # tinyproxy answers a wrong password by 401, where RFC 9110 section 15.5.8 has 407.
        hint = _SIGN_IN_HINT if words[1:2] in (["401"], ["407"]) else ""
        raise ProxyFailed(f"the proxy answers: {printable(status)[:200]}", phase=Phase.PROXY, server=host, hint=hint)


async def _send(connected: socket.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(connected, data)


async def _read(connected: socket.socket, count: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < count:
        chunk = await loop.sock_recv(connected, count - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return data
