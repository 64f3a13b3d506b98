"""A receiving mail server that keeps nothing but a line for each message it took.

Run as a program, by the interpreter alone: no imports of ours. It prints its port as the first line and runs until
standard input is closed. Each message taken is one JSON object on one line of the log file, written before the reply to
the final dot: who counts the lines knows what a real server would have delivered, whatever became of the client.

What happens to a recipient is told by its name: `defer…@` 451, `refuse…@` 550, `once…@` 451 the first time.
"""

import argparse
import asyncio
import base64
import binascii
import itertools
import json
import os
import re
import sys
import time

HOST = "127.0.0.1"
SIZE_LIMIT = 50_000_000

# RFC 5321 section 4.5.3.1.4 asks for 512; sign-in by token and SMTPUTF8 need more.
_LONGEST_COMMAND = 64 * 1024

_PATH = re.compile(r'(?:FROM|TO):\s*<((?:"(?:\\.|[^"\\])*"|[^">])*)>(?: +(.*))?', re.IGNORECASE)
_MESSAGE_ID = re.compile(rb"^message-id:\s*(\S+)", re.IGNORECASE | re.MULTILINE)
_PARAMETERS = {"MAIL": {"SIZE", "BODY", "SMTPUTF8", "RET", "ENVID", "AUTH"}, "RCPT": {"NOTIFY", "ORCPT"}}


class Sink:
    """What all sessions share."""

    def __init__(self, *, log: str, die_after_dot: int, slow: float, account: str) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._die_after_dot = die_after_dot
        self._taken = 0
        self.slow = slow
        self.account = account
        self.sessions = itertools.count(1)
        self.seen_once: set[str] = set()

    def take(self, entry: dict[str, object]) -> bool:
        """Writes the message down; False when its sender shall not hear of it."""
        self._taken += 1
        answered = self._taken != self._die_after_dot
        line = json.dumps({"time": time.time(), **entry, "answered": answered}) + "\n"
        # One call for one line, on a file opened for appending: a reader never sees two lines mixed.
        os.write(self._log, line.encode())
        return answered


class Session(asyncio.Protocol):
    """Synchronous all through: bytes that have come are judged even when the client is dead by then."""

    _transport: asyncio.Transport

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._number = next(sink.sessions)
        self._buffer = bytearray()
        self._replies: list[str] = []
        self._read = self._read_command
        #: set while a reply is held back: commands that came meanwhile wait in the buffer (RFC 2920 section 3.2)
        self._holding = False
        self._closing = False
        self._greeted = False
        self._user = ""
        self._plain = True
        self._sign_in_steps: list[str] = []
        self._searched = 0
        self._size = 0
        self._head = b""
        self._forget()

    def _forget(self) -> None:
        self._sender: str | None = None
        self._utf8 = False
        self._recipients: list[str] = []

    # ---- the wire ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._say("220 sink.example ESMTP")
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._go_on()

    def _go_on(self) -> None:
        while not self._holding and not self._closing and self._read():
            pass
        self._flush()
        if self._closing:
            self._transport.close()

    def _say(self, *lines: str) -> bool:
        self._replies += [f"{line[:3]}-{line[4:]}\r\n" for line in lines[:-1]]
        self._replies.append(f"{lines[-1]}\r\n")
        return True

    def _flush(self) -> None:
        # All replies to a group of pipelined commands in one write.
        if self._replies:
            self._transport.write("".join(self._replies).encode())
            self._replies.clear()

    def _line(self) -> str | None:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            if len(self._buffer) > _LONGEST_COMMAND:
                self._say("500 5.5.6 Line too long")
                self._closing = True
            return None
        line = self._buffer[:end].decode("utf-8", "surrogateescape")
        del self._buffer[: end + 2]
        return line

    # ---- commands ----

    def _read_command(self) -> bool:
        line = self._line()
        if line is None:
            return False
        verb, _, rest = line.partition(" ")
        match verb.upper():
            case "EHLO":
                return self._ehlo()
            case "HELO":
                self._greeted = True
                self._forget()
                return self._say("250 sink.example")
            case "AUTH":
                return self._auth(rest)
            case "MAIL":
                return self._mail(rest)
            case "RCPT":
                return self._rcpt(rest)
            case "DATA":
                return self._data()
            case "RSET":
                self._forget()
                return self._say("250 2.0.0 Forgotten")
            case "NOOP":
                return self._say("250 2.0.0 Nothing done")
            case "VRFY":
                return self._say("252 2.0.0 Try and see")
            case "QUIT":
                self._closing = True
                return self._say("221 2.0.0 Bye")
        return self._say("500 5.5.1 No such command")

    def _ehlo(self) -> bool:
        self._greeted = True
        self._forget()
        offered = ["PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", f"SIZE {SIZE_LIMIT}"]
        if self._sink.account:
            offered.append("AUTH PLAIN LOGIN")
        return self._say("250 sink.example", *(f"250 {word}" for word in offered), "250 ENHANCEDSTATUSCODES")

    def _mail(self, rest: str) -> bool:
        found = _PATH.fullmatch(rest)
        if found is None:
            return self._say("501 5.5.4 MAIL FROM:<address>")
        parameters = _parameters(found[2])
        if not self._greeted or self._sender is not None:
            return self._say("503 5.5.1 Not now")
        if self._sink.account and not self._user:
            return self._say("530 5.7.0 Sign in first")
        if parameters.keys() - _PARAMETERS["MAIL"]:
            return self._say("555 5.5.4 Unknown parameter")
        size = parameters.get("SIZE", "0")
        if not (size.isascii() and size.isdecimal()):
            return self._say("501 5.5.4 SIZE is a number")
        if int(size) > SIZE_LIMIT:
            return self._say("552 5.3.4 Too big")
        self._utf8 = "SMTPUTF8" in parameters
        if not self._utf8 and not found[1].isascii():
            return self._say("553 5.6.7 SMTPUTF8 needed")
        self._sender = found[1]
        return self._say("250 2.1.0 Sender taken")

    def _rcpt(self, rest: str) -> bool:
        found = _PATH.fullmatch(rest)
        if found is None or not found[1]:
            return self._say("501 5.5.4 RCPT TO:<address>")
        if self._sender is None:
            return self._say("503 5.5.1 MAIL first")
        if _parameters(found[2]).keys() - _PARAMETERS["RCPT"]:
            return self._say("555 5.5.4 Unknown parameter")
        address = found[1]
        if not self._utf8 and not address.isascii():
            return self._say("553 5.6.7 SMTPUTF8 needed")
        if address.startswith("refuse"):
            return self._say("550 5.1.1 Refused as its name says")
        if address.startswith("defer"):
            return self._say("451 4.2.1 Deferred as its name says")
        if address.startswith("once") and address not in self._sink.seen_once:
            self._sink.seen_once.add(address)
            return self._say("451 4.2.1 Deferred this once")
        self._recipients.append(address)
        return self._say("250 2.1.5 Recipient taken")

    # ---- the message ----

    def _data(self) -> bool:
        if self._sender is None:
            return self._say("503 5.5.1 MAIL first")
        if not self._recipients:
            return self._say("554 5.5.1 No recipient was taken")
        # As if it stood after a line end: so a message of the final dot alone ends like any other.
        self._buffer[:0] = b"\r\n"
        self._searched, self._size, self._head = 0, -2, b""
        self._read = self._read_message
        return self._say("354 End with a dot")

    def _read_message(self) -> bool:
        end = self._buffer.find(b"\r\n.\r\n", self._searched)
        if end < 0:
            self._searched = max(0, len(self._buffer) - 4)
            if self._size + len(self._buffer) > SIZE_LIMIT:
                self._swallow()
            return False
        self._size += end + 2
        head = self._head or bytes(self._buffer[:end]).partition(b"\r\n\r\n")[0]
        del self._buffer[: end + 5]
        self._read = self._read_command
        return self._judge(head)

    def _swallow(self) -> None:
        """Too big already: its bytes are counted, and kept no longer."""
        self._head = b"too big"
        self._size += self._searched
        del self._buffer[: self._searched]
        self._searched = 0

    def _judge(self, head: bytes) -> bool:
        if self._size > SIZE_LIMIT:
            self._forget()
            return self._say("552 5.3.4 Too big")
        message_id = _MESSAGE_ID.search(head)
        entry = {
            "session": self._number,
            "user": self._user,
            "sender": self._sender,
            "recipients": self._recipients,
            "message_id": message_id[1].decode("utf-8", "replace") if message_id else "",
            "size": self._size,
        }
        self._forget()
        if not self._sink.take(entry):
            self._closing = True
        elif self._sink.slow:
            self._holding = True
            asyncio.get_running_loop().call_later(self._sink.slow, self._release)
        else:
            self._say("250 2.0.0 Taken")
        return True

    def _release(self) -> None:
        self._holding = False
        self._say("250 2.0.0 Taken")
        self._go_on()

    # ---- sign-in: PLAIN (RFC 4616) and LOGIN ----

    def _auth(self, rest: str) -> bool:
        mechanism, _, initial = rest.partition(" ")
        if not self._sink.account or mechanism.upper() not in {"PLAIN", "LOGIN"}:
            return self._say("504 5.5.4 No such mechanism")
        if self._user or self._sender is not None:
            return self._say("503 5.5.1 Not now")
        self._sign_in_steps = []
        self._plain = mechanism.upper() == "PLAIN"
        return self._sign_in(initial) if initial else self._ask_for_more()

    def _ask_for_more(self) -> bool:
        self._read = self._read_answer
        if self._plain:
            return self._say("334 ")
        return self._say("334 UGFzc3dvcmQ6" if self._sign_in_steps else "334 VXNlcm5hbWU6")

    def _read_answer(self) -> bool:
        line = self._line()
        if line is None:
            return False
        self._read = self._read_command
        return self._say("501 5.7.0 Given up") if line == "*" else self._sign_in(line)

    def _sign_in(self, answer: str) -> bool:
        try:
            step = base64.b64decode("" if answer == "=" else answer, validate=True).decode()
        except (binascii.Error, ValueError):
            return self._say("501 5.5.2 That is no base64")
        self._sign_in_steps.append(step)
        if self._plain:
            name_and_password = step.split("\0")[1:]
        elif len(self._sign_in_steps) < 2:
            return self._ask_for_more()
        else:
            name_and_password = self._sign_in_steps
        if len(name_and_password) != 2 or ":".join(name_and_password) != self._sink.account:
            return self._say("535 5.7.8 Wrong user or password")
        self._user = name_and_password[0]
        return self._say("235 2.7.0 Signed in")


def _parameters(text: str | None) -> dict[str, str]:
    pairs = (word.partition("=") for word in (text or "").split())
    return {name.upper(): value for name, _, value in pairs}


async def serve(sink: Sink, port: int) -> None:
    loop = asyncio.get_running_loop()
    stopped = loop.create_future()
    problems: list[dict[str, object]] = []

    def fail(_loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        # A client that dies is expected, and asyncio says nothing of it: this is a defect of ours.
        problems.append(context)
        loop.default_exception_handler(context)

    def leash() -> None:
        if not os.read(0, 1024):
            loop.remove_reader(0)
            stopped.set_result(None)

    loop.set_exception_handler(fail)
    loop.add_reader(0, leash)
    server = await loop.create_server(lambda: Session(sink), HOST, port, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await stopped
    # Without waiting for it: a client may hold its connection open for as long as it likes.
    server.close()
    if problems:
        sys.exit(1)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--log", required=True, help="the file that gets a line for each message taken")
    options.add_argument("--port", type=int, default=0, help="0 chooses a free one")
    options.add_argument("--die-after-dot", type=int, default=0, metavar="N", help="no reply to the Nth message")
    options.add_argument("--slow", type=float, default=0.0, metavar="SECONDS", help="before the reply to a final dot")
    options.add_argument("--auth", default="", metavar="USER:PASSWORD", help="who has to sign in")
    given = options.parse_args()
    sink = Sink(log=given.log, die_after_dot=given.die_after_dot, slow=given.slow, account=given.auth)
    asyncio.run(serve(sink, given.port))


if __name__ == "__main__":
    main()
