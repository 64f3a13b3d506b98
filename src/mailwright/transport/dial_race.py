"""Connecting to the first of several addresses that answers, in the manner of RFC 8305 (happy eyeballs).

IPv6 and IPv4 take turns, the next one begins when the one before has failed or has not answered for a quarter of a
second, the first that connects wins.
"""

import asyncio
import os
import socket
from collections.abc import Sequence
from itertools import zip_longest

from mailwright.errors import ConnectFailed, ServerTimeout
from mailwright.reply import Phase
from mailwright.transport.dial_ranges import IPAddress

#: RFC 8305 section 5, "Connection Attempt Delay"
ATTEMPT_DELAY = 0.25


def by_turns(addresses: Sequence[IPAddress]) -> list[IPAddress]:
    """IPv6 and IPv4 by turns, each in the order of the resolver (RFC 8305 section 4)."""
    first_version = addresses[0].version
    one = [address for address in addresses if address.version == first_version]
    other = [address for address in addresses if address.version != first_version]
    return [address for pair in zip_longest(one, other) for address in pair if address is not None]


async def connect_first(
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
