"""The servers of the race, all on loopback. Each is a process that ends with its `with` block."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
    port = _free_port()
    # Started by root, it insists on becoming somebody else.
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    with _process([tool("smtp-sink"), *user, f"127.0.0.1:{port}", "1024"], port):
        yield port


@contextmanager
def fast_sink(cache: Path) -> Iterator[int]:
    """A sink that is much faster than smtp-sink on large messages."""
    port = _free_port()
    with _process([str(cache / "fastsink"), str(port)], port):
        yield port


@contextmanager
def distant_sink(cache: Path) -> Iterator[int]:
    """The same behind a relay that delays each direction."""
    port = _free_port()
    with (
        fast_sink(cache) as near,
        _process([str(cache / "delayproxy"), str(port), str(near), str(ONE_WAY_MICROSECONDS)], port),
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
    port = _free_port()
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(authority_file(cache))
    issued.private_key_pem.write_to_path(cache / "server.key")
    issued.cert_chain_pems[0].write_to_path(cache / "server.pem")
    arguments = [*first, str(port), str(cache / "server.key"), str(cache / "server.pem")]
    with _process([tool("node"), str(HERE / "servers" / script), *arguments], port):
        yield port


def authority_file(cache: Path) -> Path:
    return cache / "authority.pem"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def _process(command: list[str], port: int) -> Iterator[None]:
    bounded = ["timeout", str(LAST_RESORT_SECONDS), *command]
    process = subprocess.Popen(bounded, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _wait_until_listening(process, port)
        yield
    finally:
        process.terminate()
        process.communicate()


def _wait_until_listening(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.01)
        else:
            return
    process.terminate()
    said = process.communicate()[1].decode().strip()
    raise ServerFailedError(f"{process.args[2]} does not listen: {said}")
