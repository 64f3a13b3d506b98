"""Ports that nobody uses now."""

import random
import socket

HOST = "127.0.0.1"

# Below the range that Linux gives to outgoing connections (net.ipv4.ip_local_port_range, from 32768 on): a port chosen
# here is not taken by a client between the moment we look and the moment the server binds.
_LOWEST, _HIGHEST = 18000, 32000


def free_ports(count: int) -> list[int]:
    """Two runs may still choose alike at the same moment: whoever starts a server tries again with other ports."""
    chosen: list[int] = []
    candidates = random.SystemRandom().sample(range(_LOWEST, _HIGHEST), _HIGHEST - _LOWEST)
    while len(chosen) < count:
        port = candidates.pop()
        if _is_free(port):
            chosen.append(port)
    return chosen


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
