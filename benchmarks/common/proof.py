"""Before the race: does every client do the same work?

Each client sends some messages to a server that keeps them. All must arrive once, with the recipient, subject, bodies
and attachment that were asked for, each with its own number, over the number of connections that was agreed on.
"""

import asyncio
import email
import email.policy
from collections.abc import Iterable, Iterator
from contextlib import suppress
from email.message import EmailMessage
from pathlib import Path

import messages
from job import Job
from race import LIMITS, Client, ClientFailedError, Question

_COUNT = 100
_GREETING = b"250-keeper\r\n250-PIPELINING\r\n250 8BITMIME\r\n"


class Keeper:
    """A plain SMTP server that keeps envelopes and messages."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, bytes]] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        # Some clients end without waiting for the answer to QUIT.
        with suppress(ConnectionError):
            await self._converse(reader, writer)
        writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 keeper\r\n")
        recipient = ""
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                writer.write(_GREETING)
            elif verb == b"RCPT":
                recipient = line.decode().partition("<")[2].partition(">")[0]
                writer.write(b"250 ok\r\n")
            elif verb == b"DATA":
                writer.write(b"354 go on\r\n")
                self.kept.append((recipient, await _content(reader)))
                writer.write(b"250 kept\r\n")
            else:
                writer.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
            if verb == b"QUIT":
                break


async def _content(reader: asyncio.StreamReader) -> bytes:
    lines = []
    while (line := await reader.readline()) not in (b".\r\n", b""):
        lines.append(line.removeprefix(b"."))
    return b"".join(lines)


def prove_same_work(questions: Iterable[Question], cache: Path) -> bool:
    seen: set[tuple[object, ...]] = set()
    complaints = []
    for question in questions:
        for client in question.clients:
            job = question.job.changed(**client.changes, cache=str(cache), authority="")
            key = (client.run, job.changed(callers=0, seconds=0, warmup_seconds=0, messages=0, warmup_messages=0))
            if question.server is None or client.run in LIMITS or key in seen:
                continue
            seen.add(key)
            complaints += [f"{question.name}: {client.name}: {text}" for text in asyncio.run(_check(client, job))]
    if seen:
        print(
            f"same work: {len(seen)} clients sent {_COUNT} messages each to a server that keeps and compares them: "
            + ("all equal" if not complaints else "NOT equal")
        )
    for complaint in complaints:
        print(f"  {complaint}")
    return not complaints


async def _check(client: Client, job: Job) -> list[str]:
    keeper = Keeper()
    server = await asyncio.start_server(keeper.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    asked = job.changed(port=port, warmup_messages=0, messages=_COUNT, seconds=20.0)
    try:
        await asyncio.to_thread(client.run, asked)
    except ClientFailedError as failed:
        return [str(failed)]
    finally:
        server.close()
    return list(_differences(keeper, job))


def _differences(keeper: Keeper, job: Job) -> Iterator[str]:
    wanted = {messages.recipient(number): number for number in range(_COUNT)}
    if sorted(recipient for recipient, _ in keeper.kept) != sorted(wanted):
        yield f"{len(keeper.kept)} messages for {len({who for who, _ in keeper.kept})} recipients, not {_COUNT}"
        return
    if keeper.connections > job.sessions:
        yield f"{keeper.connections} connections, not {job.sessions}"
    for recipient, content in keeper.kept:
        parsed = email.message_from_bytes(content, policy=email.policy.default)
        number = int(parsed["X-Token"]) if job.ready else wanted[recipient]
        if difference := _difference(parsed, number, job):
            yield f"message {number}: {difference}"
            return


def _difference(parsed: EmailMessage, number: int, job: Job) -> str:
    # Finished bytes are copies of message 0 under other tokens.
    written = 0 if job.ready else number
    plain, html = parsed.get_body(("plain",)), parsed.get_body(("html",))
    found = {
        "subject": (parsed["Subject"], f"{messages.SUBJECT} {written}"),
        "token": (parsed["X-Token"], messages.reference(number)),
        "recipient": (parsed["To"].addresses[0].addr_spec, messages.recipient(written)),
        "sender": (parsed["From"].addresses[0].display_name, messages.SENDER_NAME),
        "text": (_lines(plain), messages.text(written).splitlines()),
        "HTML": (_lines(html), messages.html(written).splitlines()),
    }
    files = [(part.get_filename(), part.get_content()) for part in parsed.iter_attachments()]
    found["attachments"] = (files, [(messages.FILENAME, messages.attachment(written))] if job.large else [])
    wrong = [name for name, (is_, should) in found.items() if is_ != should]
    return f"other {', '.join(wrong)} than asked for" if wrong else ""


def _lines(part: EmailMessage | None) -> list[str]:
    return part.get_content().splitlines() if part is not None else []
