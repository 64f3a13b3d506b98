"""Every phase of a delivery, every way in which a server can misbehave, and what the caller gets.

The table in the documentation is what this suite observed. After a change that is meant, write it again with
`MAILWRIGHT_WRITE_DOCS=1 ./run test tests/edges/test_failure_table.py`.
"""

import os
from pathlib import Path
from typing import NamedTuple

import pytest

from mailwright import (
    Account,
    Composed,
    Envelope,
    Mailwright,
    NotSent,
    Outgoing,
    Phase,
    SendError,
    Timeouts,
    Uncertain,
    parse_address,
)
from mailwright.devserver import DevServer, DevServerOptions
from mailwright.devserver.failures import Failure

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "failure-table.md"

PHASES = [
    Phase.GREETING,
    Phase.EHLO,
    Phase.STARTTLS,
    Phase.TLS,
    Phase.AUTH,
    Phase.MAIL,
    Phase.RCPT,
    Phase.DATA,
    Phase.BODY,
    Phase.FINAL_DOT,
]
#: column → what the development server is asked to do
MISBEHAVIOUR = {
    "4xx": "451 4.3.0 not now",
    "5xx": "554 5.7.1 never",
    "421": "421 4.3.2 going down",
    "disconnect": "disconnect",
    "silence": "silence",
    "garbage": "garbage",
    "over-long line": "overlong",
    "unexpected 354": "354 go ahead",
}
#: TLS has no replies, so only these can be rehearsed during the handshake; DATA is answered by 354 when all is well
IMPOSSIBLE = {
    *((Phase.TLS, column) for column in ("4xx", "5xx", "421", "over-long line", "unexpected 354")),
    (Phase.DATA, "unexpected 354"),
}
CASES = [(phase, column) for phase in PHASES for column in MISBEHAVIOUR if (phase, column) not in IMPOSSIBLE]

#: more than any socket buffer takes, so that the dot cannot have left while the server misbehaves in the middle
LONG = b"Subject: long\r\n\r\n" + b"0123456789abcde\r\n" * 1_500_000
SHORT = b"Subject: short\r\n\r\nHello\r\n"
QUICK = Timeouts(connect=5, greeting=0.4, tls=0.4, reply=0.4, final_reply=0.4)


class Cell(NamedTuple):
    code: str
    outcome: str
    temporary: bool
    phase: Phase

    def __str__(self) -> str:
        advice = "" if self.outcome == "uncertain" else ", try again" if self.temporary else ", final"
        return f"`{self.code}`: {self.outcome}{advice}"


async def observe(phase: Phase, misbehaviour: str) -> tuple[Cell, SendError]:
    content = LONG if phase is Phase.BODY else SHORT
    action = "stall" if (phase, misbehaviour) == (Phase.BODY, "silence") else misbehaviour
    envelope = Envelope(parse_address("ann@example.org"), (parse_address("bob@example.com"),))
    message = Composed(envelope, content, "id@example.org", canonical=True)
    async with DevServer(DevServerOptions(failures=(Failure(phase, action),))) as server:
        outgoing = Outgoing(
            "127.0.0.1",
            server.port,
            security="starttls",
            ca_certificates=server.ca_pem,
            username="ann",
            password="secret",
            mechanism="PLAIN",
            timeouts=QUICK,
        )
        async with Mailwright() as mail:
            with pytest.raises(SendError) as caught:
                await mail.send(Account("ann@example.org", outgoing), message)
    error = caught.value
    outcome = "uncertain" if isinstance(error, Uncertain) else "surely not sent"
    return Cell(error.code, outcome, error.temporary, error.phase), error


@pytest.fixture(scope="session")
def observed() -> dict[tuple[Phase, str], Cell]:
    return {}


@pytest.mark.parametrize(("phase", "column"), CASES, ids=[f"{phase}-{column}" for phase, column in CASES])
async def test_what_the_caller_gets(phase, column, observed):
    cell, error = await observe(phase, MISBEHAVIOUR[column])
    observed[phase, column] = cell
    answered = column in ("4xx", "5xx", "421")
    if phase is Phase.FINAL_DOT and not answered:
        assert isinstance(error, Uncertain), "nobody can know whether the message was taken"
    else:
        assert isinstance(error, NotSent), "before the dot, and after an answer, it is surely not sent"
        assert error.phase is phase
    if answered:
        assert error.reply is not None
        assert error.reply.code == int(MISBEHAVIOUR[column].split()[0])
        assert error.temporary is (column != "5xx")
    elif isinstance(error, NotSent) and phase is not Phase.TLS:
        assert error.temporary, "what is not understood is tried again"
    if os.environ.get("MAILWRIGHT_WRITE_DOCS"):
        if len(observed) == len(CASES):
            PAGE.write_text(page(observed), "utf-8")
    else:
        assert str(cell) == documented(phase, column), "the page says something else"


def documented(phase: Phase, column: str) -> str:
    row = next(line for line in PAGE.read_text("utf-8").splitlines() if line.startswith(f"| {phase} |"))
    return row.split("|")[2 + list(MISBEHAVIOUR).index(column)].strip()


def page(observed: dict[tuple[Phase, str], Cell]) -> str:
    columns = list(MISBEHAVIOUR)
    rows = [
        "| "
        + " | ".join([str(phase), *(str(observed.get((phase, column), "cannot happen")) for column in columns)])
        + " |"
        for phase in PHASES
    ]
    head = ["| phase | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    return "\n".join([INTRODUCTION, *head, *rows, ""])


INTRODUCTION = """\
# What a caller gets when a server misbehaves

Each cell was observed: a test lets the development server misbehave in that phase and notes the error that `send`
raised. The words before the colon are the error's `code`; see [errors](errors.md).

- *surely not sent*: no server has taken the message; sending it again makes no duplicate.
- *uncertain*: the final dot has left and no answer came back. Only the recipient knows.
- *try again* is `error.temporary`: the same message may well be taken later.

Every row is a phase of the conversation, in its order. `body` is while a long message is being written, before its
final dot. To rehearse a cell by hand: `mailwright dev --fail PHASE=ACTION`.
"""
