"""Conversations written as they stand in RFCs: `C:` is what we must say, `S:` what the server answers.

`C: <TLS>` stands for the upgrade of the connection. Everything else is a line; the CRLF is added. Text between `«` and
`»` is sent in base64, with `␀` for NUL and `␁` for 0x01, so that a sign-in can be read.
"""

import re
from base64 import b64encode

from mailwright.model.account import Outgoing
from mailwright.protocol.smtp.handshake import Circumstances, Command, Greeting, Opened, UpgradeTls, handshake
from mailwright.protocol.smtp.replies import ReplyReader
from mailwright.reply import Reply, make_reply

#: the nonce of every conversation: RFC 7677 section 3 uses it in its example
NONCE = "rOprNGfwEbeRWgbNEkqO"


def converse(outgoing: Outgoing, script: str, **given: object) -> Opened:
    """Plays the server's part of the script; fails where we say anything else than the script has."""
    circumstances = Circumstances(
        **{"ehlo_name": "client.example", "encrypted": False, "local": False, "nonce": NONCE, **given}  # type: ignore[arg-type]
    )
    lines = [_encoded(line.strip()) for line in script.strip().splitlines() if line.strip()]
    steps = handshake(outgoing, circumstances)
    answer: Reply | None = None
    while True:
        try:
            step = steps.send(answer)
        except StopIteration as stop:
            assert not lines, f"the client stopped before {lines[0]!r}"
            opened: Opened = stop.value
            return opened
        if isinstance(step, UpgradeTls):
            assert lines.pop(0) == "C: <TLS>"
            answer = None
            continue
        if isinstance(step, Command):
            assert lines, f"the script ends before the client said {step.line!r}"
            assert step.line.endswith(b"\r\n")
            assert f"C: {step.line[:-2].decode()}".strip() == lines.pop(0)
        answer = _reply_of(lines, step)


def _encoded(line: str) -> str:
    return re.sub("«(.*?)»", lambda match: base64(match[1]), line)


def base64(text: str) -> str:
    return b64encode(text.replace("␀", "\0").replace("␁", "\x01").encode()).decode()


def _reply_of(lines: list[str], step: Greeting | Command) -> Reply:
    reader = ReplyReader()
    shown = step.shown if isinstance(step, Command) else ""
    while lines and lines[0].startswith("S:"):
        replies = reader.feed(lines.pop(0).removeprefix("S:").strip().encode() + b"\r\n")
        assert not reader.malformed, reader.malformed
        if replies:
            return make_reply(replies[0], step.phase, shown)
    raise AssertionError(f"the script has no answer to {step!r}")
