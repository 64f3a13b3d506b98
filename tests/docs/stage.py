"""Where the examples of the documentation run: a folder of their own, and servers to talk to."""

import asyncio
import io
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, chdir, contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from mailwright.devserver import Caught, DevServer
from tests.docs.service import Running, make_store, service_running
from tests.harness.ports import free_ports

#: ports as the pages write them
DEV_PORT = "1025"
PROXY_PORT = "1080"
SERVICE_PORT = "8400"
#: where the receiver of a webhook listens
HOOK_PORT = "9000"
#: as the pages write the database of several nodes
POSTGRES_URL = "postgresql+psycopg://mailwright:secret@db.example.org/mailwright"


@dataclass
class Stage:
    folder: Path
    server: DevServer
    proxy_port: int
    #: how many connections went through the proxy
    proxied: list[str] = field(default_factory=list)
    running: Running | None = None
    #: the address of a database, for examples that have several nodes
    postgres_url: str = ""
    #: runs a coroutine where the servers are
    call: Callable[[Coroutine[Any, Any, Any]], Any] = field(default=lambda coroutine: coroutine.close())
    #: what ends with the stage
    open: AsyncExitStack = field(default_factory=AsyncExitStack)
    hook_port: int = field(default_factory=lambda: free_ports(1)[0])

    def start_service(self) -> None:
        manager = service_running(self.folder, self.server.port)
        self.running = self.call(self.open.enter_async_context(manager))

    def make_store(self) -> None:
        self.call(make_store(self.folder, self.server.port))

    @property
    def caught(self) -> tuple[Caught, ...]:
        return self.server.mails

    def on_stage(self, text: str) -> str:
        """An example with the ports that are really there."""
        text = re.sub(rf"\b{DEV_PORT}\b", str(self.server.port), text)
        text = re.sub(rf"\b{PROXY_PORT}\b", str(self.proxy_port), text)
        text = re.sub(rf"\b{HOOK_PORT}\b", str(self.hook_port), text)
        if self.postgres_url:
            text = text.replace(POSTGRES_URL, self.postgres_url)
        return re.sub(rf"\b{SERVICE_PORT}\b", str(self.running.port), text) if self.running else text

    def environment(self) -> dict[str, str]:
        tools = str(Path(sys.executable).parent)
        plain = {"COLUMNS": "120", "NO_COLOR": "1", "TERM": "dumb", "PYTHONWARNINGS": "error"}
        path = f"{tools}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, **plain, **self.service_environment(), "PATH": path, "HOME": str(self.folder)}

    def service_environment(self) -> dict[str, str]:
        """What the pages say to export once."""
        if self.running is None:
            return {}
        return {"MAILWRIGHT_URL": self.running.url, "MAILWRIGHT_TOKEN": self.running.token}

    def run_python(self, code: str) -> str:
        """What a program prints. In this process: a new one for each example would spend its time on imports."""
        printed = io.StringIO()
        with chdir(self.folder), redirect_stdout(printed), patch.dict(os.environ, self.service_environment()):
            exec(compile(self.on_stage(code), "example", "exec"), {"__name__": "__main__"})
        return printed.getvalue()

    def run_shell(self, command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["bash", "-c", self.on_stage(command)],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def run_until_interrupted(self, command: str, ready: str) -> "subprocess.CompletedProcess[str]":
        """A command that runs until somebody ends it: interrupted once it has printed `ready`."""
        with subprocess.Popen(
            command.split(),
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            printed: list[str] = []
            while not printed or (printed[-1] and ready not in printed[-1]):
                printed.append(process.stdout.readline())
            process.send_signal(signal.SIGINT)
            # Not communicate(): it would lose what readline() has read ahead.
            printed.append(process.stdout.read())
            process.wait(timeout=60)
        return subprocess.CompletedProcess(command, process.returncode, "".join(printed), "")


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """Servers in a thread of their own: examples block, and servers must answer them meanwhile."""
    ready = threading.Event()
    made: list[Stage] = []
    stop: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        ended = asyncio.Event()
        async with DevServer() as server:
            loop = asyncio.get_running_loop()
            built = Stage(folder, server, 0)
            built.call = lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result(60)
            proxy = await asyncio.start_server(lambda read, write: _socks5(built, read, write), "127.0.0.1", 0)
            built.proxy_port = proxy.sockets[0].getsockname()[1]
            made.append(built)
            stop.append((loop, ended))
            ready.set()
            async with proxy, built.open:
                await ended.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(30), "the servers did not start"
        yield made[0]
    finally:
        for loop, ended in stop:
            loop.call_soon_threadsafe(ended.set)
        thread.join(30)


async def _socks5(stage: Stage, read: asyncio.StreamReader, write: asyncio.StreamWriter) -> None:
    """A SOCKS5 proxy without sign-in, for IPv4 addresses (RFC 1928)."""
    await read.readexactly((await read.readexactly(2))[1])
    write.write(b"\x05\x00")
    request = await read.readexactly(10)
    host, port = ".".join(map(str, request[4:8])), int.from_bytes(request[8:10], "big")
    stage.proxied.append(f"{host}:{port}")
    far_read, far_write = await asyncio.open_connection(host, port)
    write.write(b"\x05\x00\x00\x01" + bytes(6))
    await asyncio.gather(_pump(read, far_write), _pump(far_read, write))


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()
    target.close()
    with suppress(ConnectionError):
        await target.wait_closed()
