"""A client that reads octets and knows nothing else, so that it sees what a server really sends."""

import asyncio
from contextlib import asynccontextmanager, suppress

from mailwright.devserver import DevServer


class RawClient:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def reply(self) -> str:
        """One whole reply, or what is there when the connection ends."""
        lines = []
        while True:
            line = (await self.reader.readline()).decode(errors="backslashreplace")
            lines.append(line)
            if not line or line[3:4] != "-":
                return "".join(lines)

    async def say(self, command: str) -> None:
        self.writer.write(command.encode() + b"\r\n")
        await self.writer.drain()

    async def ask(self, command: str) -> str:
        await self.say(command)
        return await self.reply()

    async def rest(self) -> bytes:
        """Everything until the server closes."""
        with suppress(ConnectionError):
            return await self.reader.read()
        return b""

    async def end_input(self) -> bytes:
        """Say that nothing more will come, then everything until the server closes."""
        self.writer.write_eof()
        return await self.rest()


@asynccontextmanager
async def raw_client(server: DevServer, port: int | None = None):
    reader, writer = await asyncio.open_connection(server.host, port or server.port, limit=1 << 20)
    try:
        yield RawClient(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def send_one(client: RawClient, recipient: str = "ann@example.org", sender: str = "you@example.com") -> str:
    """A mail from MAIL to the reply to its final dot."""
    for command in (f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>", "DATA"):
        reply = await client.ask(command)
        if reply[:1] not in ("2", "3"):
            return reply
    return await client.ask("Subject: hello\r\n\r\nGood morning\r\n.")
