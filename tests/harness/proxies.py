"""Real proxies on loopback: tinyproxy for HTTP CONNECT, microsocks for SOCKS5."""

import contextlib
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.harness.ports import HOST, free_ports
from tests.harness.programs import program
from tests.harness.skips import missing

_START_SECONDS = 10.0
_STOP_SECONDS = 5.0
_ATTEMPTS = 4

# Nobody but this machine may use it, and only for the one port of the test.
_TINYPROXY = """\
Port {port}
Listen {host}
Timeout 60
MaxClients 20
LogLevel Info
LogFile "{folder}/log"
Allow {host}
ConnectPort {allowed}
DisableViaHeader Yes
"""


@contextlib.contextmanager
def http_proxy(allowed_port: int, *, username: str = "", password: str = "") -> Iterator[int]:
    """tinyproxy, which opens connections to `allowed_port` and to no other. Yields its own port."""
    binary = _installed("tinyproxy", "tinyproxy")
    with tempfile.TemporaryDirectory(prefix="mailwright-proxy-") as folder:

        def command(port: int) -> list[str]:
            text = _TINYPROXY.format(port=port, host=HOST, folder=folder, allowed=allowed_port)
            if username:
                text += f"BasicAuth {username} {password}\n"
            settings = Path(folder, "tinyproxy.conf")
            settings.write_text(text)
            return [binary, "-d", "-c", str(settings)]

        with _running(command) as port:
            yield port


@contextlib.contextmanager
def socks_proxy(*, username: str = "", password: str = "") -> Iterator[int]:
    """microsocks. Yields its port."""
    binary = _installed("microsocks", "microsocks")
    sign_in = ["-u", username, "-P", password] if username else []
    with _running(lambda port: [binary, "-i", HOST, "-p", str(port), *sign_in]) as port:
        yield port


def _installed(name: str, package: str) -> str:
    found = program(name)
    if not found:
        missing(f"not installed: {package} (./run test installs it on Debian and Ubuntu)")
    return found


@contextlib.contextmanager
def _running(command: Callable[[int], list[str]]) -> Iterator[int]:
    said = ""
    for _ in range(_ATTEMPTS):
        (port,) = free_ports(1)
        with subprocess.Popen(
            command(port), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            try:
                if _listens(port, process):
                    yield port
                    return
                # Most likely somebody took the port since we looked.
            finally:
                process.terminate()
                try:
                    said, _ = process.communicate(timeout=_STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
    raise RuntimeError(f"the proxy did not start: {said}")


def _listens(port: int, process: "subprocess.Popen[str]") -> bool:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return True
        time.sleep(0.02)
    return False
