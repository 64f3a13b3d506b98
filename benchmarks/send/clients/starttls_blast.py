"""What the TLS server can take: one message and one envelope in fixed bytes, ten sessions, no check and no API."""

import asyncio
import base64
import ssl
import time
from pathlib import Path

import messages
from job import Job, Sample, run

ENVELOPE = f"MAIL FROM:<{messages.SENDER}>\r\nRCPT TO:<{messages.recipient(0)}>\r\nDATA\r\n".encode()


class Session(asyncio.BufferedProtocol):
    def __init__(self, block: bytes) -> None:
        self._block = block
        self._view = memoryview(bytearray(65_536))
        self._replies: asyncio.Queue[bytes] = asyncio.Queue()
        self.transport: asyncio.Transport | None = None
        self.sending = False
        self.sent = 0

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio gives it
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(self._view[:nbytes])
        if not self.sending:
            self._replies.put_nowait(data)
            return
        for _ in range(data.count(b"354 ")):
            self.sent += 1
            self.transport.write(self._block)

    async def say(self, command: bytes, last_line: bytes) -> None:
        self.transport.write(command)
        heard = b""
        while last_line not in heard:
            heard += await self._replies.get()


async def open_session(job: Job, context: ssl.SSLContext, block: bytes) -> Session:
    loop = asyncio.get_running_loop()
    transport, session = await loop.create_connection(lambda: Session(block), job.host, job.port)
    await session.say(b"", b"220 ")
    await session.say(b"EHLO limit\r\n", b"250 ")
    await session.say(b"STARTTLS\r\n", b"220 ")
    session.transport = await loop.start_tls(transport, session, context, server_hostname=job.host)
    await session.say(b"EHLO limit\r\n", b"250 ")
    await session.say(
        b"AUTH PLAIN " + base64.b64encode(f"\0{job.username}\0{job.password}".encode()) + b"\r\n", b"235 "
    )
    return session


async def main(job: Job) -> Sample:
    message = messages.ready_messages(large=False, count=1)[0].replace(b"\n.", b"\n..")
    context = ssl.create_default_context(cafile=str(Path(job.authority)))
    sessions = [await open_session(job, context, message + b".\r\n" + ENVELOPE) for _ in range(job.sessions)]
    for session in sessions:
        session.sending = True
        session.transport.write(ENVELOPE)
    await asyncio.sleep(job.warmup_seconds)
    before, cpu, wall = sum(session.sent for session in sessions), time.process_time(), time.perf_counter()
    await asyncio.sleep(job.seconds)
    sent = sum(session.sent for session in sessions) - before
    return Sample(sent, time.perf_counter() - wall, time.process_time() - cpu)


if __name__ == "__main__":
    run(Job.from_command_line(), main)
