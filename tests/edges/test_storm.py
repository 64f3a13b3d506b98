"""Many messages through few sessions while the server misbehaves all the time. Afterwards the books must balance:

- what was reported as sent is at the server exactly once,
- what was reported as not sent is not there at all,
- what was reported as uncertain is there once or not at all, and only if its own dot was the one without an answer,
- a message that did nothing wrong is sent, however often its session died under it.
"""

import asyncio
import random
import sys
from collections import Counter

import pytest

from mailwright import Account, Mailwright, Message, NotSent, Outgoing, PoolLimits, Timeouts, Uncertain
from mailwright.devserver import DevServer, DevServerOptions
from mailwright.protocol.smtp.server_types import ServerPolicy

#: what a recipient's name makes the server do, and what may come of that message
INNOCENT = "innocent"
SENT, NOT_SENT, UNCERTAIN = "sent", "not sent", "uncertain"
FATES = {
    "rcpt-550": {NOT_SENT},
    "rcpt-450": {NOT_SENT},
    "rcpt-421": {NOT_SENT},
    "rcpt-disconnect": {NOT_SENT},
    "rcpt-garbage": {NOT_SENT},
    "data-451": {NOT_SENT},
    "data-disconnect": {NOT_SENT},
    "body-disconnect": {UNCERTAIN},
    "dot-554": {NOT_SENT},
    "dot-disconnect": {UNCERTAIN},
    "dot-garbage": {UNCERTAIN},
    "dot-accept-then-disconnect": {UNCERTAIN},
}


async def storm(count: int, seed: int, *, chunking: bool, pipelining: bool) -> Counter[tuple[str, str]]:
    chance = random.Random(seed)
    names = [chance.choice(list(FATES)) if chance.random() < 0.25 else INNOCENT for _ in range(count)]
    policy = ServerPolicy(max_messages=23)
    if not pipelining:
        policy = ServerPolicy(max_messages=23, extensions=policy.extensions - {"PIPELINING"})
    async with DevServer(DevServerOptions(policy=policy, keep=count + 1)) as server, Mailwright() as mail:
        outgoing = Outgoing(
            server.host,
            server.port,
            security="none",
            chunking=chunking,
            pool=PoolLimits(sessions=5, messages_per_session=40),
            timeouts=Timeouts(connect=10, greeting=10, reply=10, final_reply=10),
        )
        account = Account("ann@example.org", outgoing)

        async def send(number: int) -> str:
            message = Message(to=f"{names[number]}+{number}@example.com", subject=f"n{number}", text="x")
            try:
                await mail.send(account, message)
            except NotSent:
                return NOT_SENT
            except Uncertain:
                return UNCERTAIN
            return SENT

        outcomes = await asyncio.gather(*(send(number) for number in range(count)))
        arrived = Counter(caught.envelope.addresses[0] for caught in server.mails)
    # BDAT carries the message with it: whoever hangs up on it may have taken the message (RFC 3030 section 2).
    fates = {**FATES, "data-disconnect": {UNCERTAIN}} if chunking else FATES
    return _balance(names, outcomes, arrived, fates)


def _balance(
    names: list[str], outcomes: list[str], arrived: Counter[str], fates: dict[str, set[str]]
) -> Counter[tuple[str, str]]:
    table: Counter[tuple[str, str]] = Counter()
    for number, (name, outcome) in enumerate(zip(names, outcomes, strict=True)):
        copies = arrived[f"{name}+{number}@example.com"]
        where = f"message {number} ({name}) was {outcome} and is at the server {copies} times"
        assert copies <= 1, where
        if outcome == SENT:
            assert copies == 1, where
        elif outcome == NOT_SENT:
            assert copies == 0, where
        expected = {SENT} if name == INNOCENT else fates[name]
        # A message may be moved off a dying session and then meet its own fate; it may not escape it.
        assert outcome in expected, where
        table[name, outcome] += 1
    return table


WAYS = [
    pytest.param(False, True, id="pipelining"),
    pytest.param(False, False, id="one command at a time"),
    pytest.param(True, True, id="chunking"),
]


@pytest.mark.parametrize(("chunking", "pipelining"), WAYS)
@pytest.mark.parametrize("seed", range(3))
async def test_the_books_balance_after_a_storm(seed, chunking, pipelining):
    await storm(250, seed, chunking=chunking, pipelining=pipelining)


@pytest.mark.proof(seconds=240)
@pytest.mark.parametrize(("chunking", "pipelining"), WAYS)
async def test_the_books_balance_after_a_long_storm(chunking, pipelining, capsys):
    total: Counter[tuple[str, str]] = Counter()
    for seed in range(100, 112):
        total += await storm(2500, seed, chunking=chunking, pipelining=pipelining)
    rows = [f"{name:<28} {outcome:<10} {number}" for (name, outcome), number in sorted(total.items())]
    with capsys.disabled():
        sys.stdout.write("\n".join(["", f"{'what the server did':<28} {'outcome':<10} messages", *rows, ""]))
