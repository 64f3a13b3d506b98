"""The servers of the race, all on loopback. Each is a process that ends with its `with` block."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import trustme
from install import tool

HERE = Path(__file__).parent
#: a server that nobody stopped (its benchmark was killed) ends by itself after this long
LAST_RESORT_SECONDS = 1800
#: half of the round trip of 20 ms
ONE_WAY_MICROSECONDS = 10_000


class ServerFailedError(Exception):
    pass


@contextmanager
def smtp_sink() -> Iterator[int]:
    """Postfix's own sink."""
    port = free_port()
    # Started by root, it insists on becoming somebody else.
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    with process([tool("smtp-sink"), *user, f"127.0.0.1:{port}", "1024"], port):
        yield port


@contextmanager
def fast_sink(cache: Path) -> Iterator[int]:
    """A sink that is much faster than smtp-sink on large messages."""
    port = free_port()
    with process([str(cache / "fastsink"), str(port)], port):
        yield port


@contextmanager
def distant_sink(cache: Path) -> Iterator[int]:
    """The same behind a relay that delays each direction."""
    port = free_port()
    with (
        fast_sink(cache) as near,
        process([str(cache / "delayproxy"), str(port), str(near), str(ONE_WAY_MICROSECONDS)], port),
    ):
        yield port


@contextmanager
def starttls_server(cache: Path) -> Iterator[int]:
    """npm smtp-server with STARTTLS and AUTH."""
    with _starttls(cache, "starttls_server.js", str(cache)) as port:
        yield port


@contextmanager
def fast_starttls_sink(cache: Path) -> Iterator[int]:
    """A sink of our own with STARTTLS and AUTH that is much faster than smtp-server."""
    with _starttls(cache, "fast_starttls_sink.js") as port:
        yield port


@contextmanager
def _starttls(cache: Path, script: str, *first: str) -> Iterator[int]:
    """Its certificate comes from an authority made for this run."""
    port = free_port()
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(authority_file(cache))
    issued.private_key_pem.write_to_path(cache / "server.key")
    issued.cert_chain_pems[0].write_to_path(cache / "server.pem")
    arguments = [*first, str(port), str(cache / "server.key"), str(cache / "server.pem")]
    with process([tool("node"), str(HERE / "servers" / script), *arguments], port):
        yield port


def authority_file(cache: Path) -> Path:
    return cache / "authority.pem"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def process(command: list[str], port: int) -> Iterator[None]:
    bounded = ["timeout", str(LAST_RESORT_SECONDS), *command]
    with tempfile.TemporaryFile() as said, subprocess.Popen(bounded, stdout=subprocess.DEVNULL, stderr=said) as started:
        try:
            _wait_until_listening(started, port, said)
            yield
        finally:
            # SIGINT: a PostgreSQL that is asked to end by SIGTERM waits for its clients.
            started.send_signal(signal.SIGINT)


def _wait_until_listening(started: subprocess.Popen[bytes], port: int, said: IO[bytes]) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end and started.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.01)
        else:
            return
    said.seek(0)
    raise ServerFailedError(f"{started.args[2]} does not listen: {said.read().decode().strip()}")
