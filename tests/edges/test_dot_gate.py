"""The gate before the final dot over real sockets: what leaves, when, and what becomes of a message at the gate."""

import asyncio
import contextlib

import pytest

from mailwright import (
    ConnectionLost,
    NotSent,
    Phase,
    PoolLimits,
    SendResult,
    ServiceRefused,
    Timeouts,
    Uncertain,
    Withheld,
)
from mailwright.devserver import DevServer, DevServerOptions, Failure
from mailwright.protocol.smtp.transactions import ONE_WRITE
from mailwright.transport.smtp_session import SmtpSession
from tests.edges.loopback import speaking
from tests.edges.pools import SHORT, Line, letter, pool_to

LONG = b"Subject: long\r\n\r\n" + b"0123456789abcdef\r\n" * (ONE_WRITE // 4)
CONTENTS = pytest.mark.parametrize("content", [SHORT, LONG], ids=["short", "long"])
SECURITIES = pytest.mark.parametrize("security", ["none", "implicit", "starttls"])


@contextlib.asynccontextmanager
async def dev_pool(security="none", failures=(), **options):
    async with DevServer(DevServerOptions(tls_port=0, failures=failures)) as server:
        port = server.tls_port if security == "implicit" else server.port
        async with pool_to(port, security=security, **options) as pool:
            yield server, pool


class Gate:
    """Keeps what it was given, for the test to answer."""

    def __init__(self):
        self.asked = 0
        self._tries = asyncio.Queue()

    def due(self, allow, refuse):
        self.asked += 1
        self._tries.put_nowait((allow, refuse))

    async def reached(self):
        return await self._tries.get()


class Open:
    """Allows at once, and remembers the order."""

    def __init__(self, passed, name):
        self._passed, self._name = passed, name

    def due(self, allow, refuse):
        self._passed.append(self._name)
        allow()


# What leaves.


@CONTENTS
@pytest.mark.parametrize("chunking", [False, True], ids=["data", "bdat"])
@pytest.mark.parametrize("security", ["none", "implicit"])
async def test_a_refused_message_has_left_all_but_its_end_at_most(security, chunking, content):
    lines = asyncio.Queue()

    async def converse(reader, writer):
        line = Line(reader, writer, security)
        await line.until_data(b"250-PIPELINING\r\n250 CHUNKING\r\n" if chunking else b"250 PIPELINING\r\n")
        await line.hear_all()
        lines.put_nowait(line.heard)

    gate = Gate()
    async with speaking(converse) as port, pool_to(port, security=security, chunking=chunking) as pool:
        outcome = pool.submit(letter(content=content), gate)
        _, refuse = await gate.reached()
        refuse("the lease is over")
        with pytest.raises(Withheld, match="the lease is over") as caught:
            await outcome
        assert caught.value.phase is Phase.BODY
        assert pool.sessions == 0
        heard = await lines.get()
    _, _, after = heard.partition(b"RCPT TO:<bob@example.com>\r\n")
    if content is SHORT:
        assert after == (b"" if chunking else b"DATA\r\n")
    else:
        assert after == (b"BDAT %d LAST\r\n" % len(LONG) + LONG[:-1] if chunking else b"DATA\r\n" + LONG)


@CONTENTS
@SECURITIES
async def test_the_message_is_sent_once_it_is_allowed_and_not_before(security, content):
    async with dev_pool(security) as (server, pool):
        gate = Gate()
        outcome = pool.submit(letter(content=content), gate)
        allow, refuse = await gate.reached()
        async with pool_to(server.port) as other:
            await other.submit(letter("meanwhile"))
        assert [caught.envelope.addresses for caught in server.mails] == [("meanwhile@example.com",)]
        assert not outcome.done()
        allow()
        allow()
        refuse("too late")
        assert isinstance(await outcome, SendResult)
        assert len(server.mails) == 2
        assert server.mails[1].raw == content
        assert gate.asked == 1
        await pool.submit(letter("cid"))
        assert server.connections == 2, "and the session goes on"


@pytest.mark.parametrize("chunking", [False, True], ids=["data", "bdat"])
async def test_gates_that_allow_at_once_are_passed_in_order_over_one_session(chunking):
    async with dev_pool(chunking=chunking) as (server, pool):
        passed, names = [], [f"n{number}" for number in range(30)]
        contents = [LONG if number % 7 == 3 else SHORT for number in range(30)]
        gates = [Open(passed, name) if number % 5 else None for number, name in enumerate(names)]
        parts = zip(names, contents, gates, strict=True)
        await asyncio.gather(*(pool.submit(letter(name, content), gate) for name, content, gate in parts))
        assert passed == [name for number, name in enumerate(names) if number % 5]
        assert [caught.envelope.addresses[0] for caught in server.mails] == [f"{name}@example.com" for name in names]
        assert server.connections == 1


@SECURITIES
async def test_after_a_refusal_those_who_wait_go_over_another_session(security):
    async with dev_pool(security) as (server, pool):
        gate = Gate()
        refused = pool.submit(letter("refused"), gate)
        others = [pool.submit(letter(f"n{number}")) for number in range(3)]
        _, refuse = await gate.reached()
        refuse("no")
        with pytest.raises(Withheld):
            await refused
        await asyncio.gather(*others)
        assert [caught.envelope.addresses[0] for caught in server.mails] == [f"n{n}@example.com" for n in range(3)]
        assert server.connections == 2
        assert gate.asked == 1, "a refused message is not tried again"


# The order of one flush.


async def test_what_was_answered_is_told_before_the_gate_of_the_next_message_is_asked():
    async with dev_pool() as (_, pool):
        loop, story = asyncio.get_running_loop(), []
        first = pool.submit(letter("first"))
        first.add_done_callback(lambda _: story.append("callback of the first"))

        class Second:
            def due(self, allow, refuse):
                story.append(f"due, first done: {first.done()}")
                loop.call_soon(lambda: (story.append("commit"), allow()))

        await pool.submit(letter("second"), Second())
        assert story == ["due, first done: True", "callback of the first", "commit"]


# What ends at the gate.


@contextlib.asynccontextmanager
async def warm_then_at_gate(converse_second, security="none", **options):
    """One message went through each session first; the second one of the first session stands at its gate."""
    sessions = []

    async def converse(reader, writer):
        line = Line(reader, writer, security)
        sessions.append(line)
        await line.until_data()
        await line.hear(b"\r\n.\r\n")
        line.say(b"250 2.0.0 taken\r\n")
        if len(sessions) > 1:
            await line.hear(b"QUIT\r\n")
            return
        line.heard = b""
        await line.hear(b"DATA\r\n")
        line.say(b"250 ok\r\n250 ok\r\n354 go\r\n")
        await converse_second(line)

    async with speaking(converse) as port, pool_to(port, security=security, **options) as pool:
        await pool.submit(letter("warm"))
        gate = Gate()
        outcome = pool.submit(letter("moved"), gate)
        yield pool, gate, outcome, sessions


@pytest.mark.parametrize("goodbye", [b"", b"421 4.4.2 you are slow\r\n"], ids=["closed", "421"])
@pytest.mark.parametrize("security", ["none", "implicit"])
async def test_a_message_whose_session_ends_at_the_gate_is_moved_and_its_gate_asked_again(security, goodbye):
    close = asyncio.Event()

    async def converse(line):
        await close.wait()
        line.say(goodbye)

    async with warm_then_at_gate(converse, security) as (_, gate, outcome, sessions):
        too_late, refuse_too_late = await gate.reached()
        close.set()
        allow, _ = await gate.reached()
        too_late()
        refuse_too_late("no")
        assert not outcome.done()
        allow()
        assert isinstance(await outcome, SendResult)
        assert gate.asked == 2
        assert SHORT not in sessions[0].heard
        assert sessions[1].heard.count(SHORT + b".\r\n") == 1


@CONTENTS
@pytest.mark.parametrize(
    ("goodbye", "error"),
    [(b"", ConnectionLost), (b"421 4.4.2 you are slow\r\n", ServiceRefused)],
    ids=["closed", "421"],
)
@pytest.mark.parametrize("security", ["none", "implicit"])
async def test_on_a_fresh_session_it_is_a_failure_to_report_and_surely_unsent(security, goodbye, error, content):
    close = asyncio.Event()

    async def converse(reader, writer):
        line = Line(reader, writer, security)
        await line.until_data()
        if content is LONG:
            await line.hear(LONG)
        await close.wait()
        line.say(goodbye)

    gate = Gate()
    async with speaking(converse) as port, pool_to(port, security=security) as pool:
        outcome = pool.submit(letter(content=content), gate)
        allow, _ = await gate.reached()
        close.set()
        with pytest.raises(error) as caught:
            await outcome
        allow()
        assert caught.value.phase is Phase.BODY
        assert gate.asked == 1


@CONTENTS
@SECURITIES
async def test_what_is_allowed_on_a_connection_that_is_gone_stays_surely_unsent(security, content):
    """The transport knows that it is gone before it says so; what it is given in between is dropped."""
    async with dev_pool(security) as (server, pool):
        gate = Gate()
        outcome = pool.submit(letter(content=content), gate)
        allow, _ = await gate.reached()
        (session,) = pool._sessions
        session._wire.abort()
        allow()
        with pytest.raises(ConnectionLost):
            await outcome
        assert server.mails == ()


@SECURITIES
async def test_a_pool_that_is_aborted_leaves_the_message_at_the_gate_surely_unsent(security):
    async with dev_pool(security) as (server, pool):
        gate = Gate()
        outcome = pool.submit(letter(), gate)
        allow, _ = await gate.reached()
        pool.abort()
        allow()
        with pytest.raises(NotSent, match="closed by this side"):
            await outcome
        await server.wait_for_quiet(seconds=20)
        assert server.mails == ()


@CONTENTS
async def test_a_gate_that_fails_withholds_its_message_and_no_other(content):
    class Broken:
        def due(self, allow, refuse):
            raise LookupError("no such lease")

    reported = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
    async with dev_pool() as (server, pool):
        broken, other = pool.submit(letter("broken", content), Broken()), pool.submit(letter("other"))
        with pytest.raises(Withheld):
            await broken
        await other
        assert [caught.envelope.addresses[0] for caught in server.mails] == ["other@example.com"]
        assert [type(error) for error in reported] == [LookupError]


# The clock.


@pytest.fixture
def rings(monkeypatch):
    """Each time that the clock of a session has rung."""
    rung = asyncio.Queue()
    ring = SmtpSession._ring

    def ringing(session):
        ring(session)
        rung.put_nowait(session)

    monkeypatch.setattr(SmtpSession, "_ring", ringing)
    return rung


@CONTENTS
@SECURITIES
async def test_a_message_that_waits_for_its_gate_is_no_silence_of_the_server(rings, security, content):
    quick = Timeouts(connect=20, greeting=20, tls=20, reply=0.5, final_reply=20)
    async with dev_pool(security, timeouts=quick) as (server, pool):
        gate = Gate()
        outcome = pool.submit(letter(content=content), gate)
        allow, _ = await gate.reached()
        await rings.get()
        assert not outcome.done()
        allow()
        assert isinstance(await outcome, SendResult)
        assert len(server.mails) == 1


async def test_when_the_gate_has_allowed_the_clock_runs_again(rings):
    quick = Timeouts(connect=20, greeting=20, tls=20, reply=0.5, final_reply=0.5)
    async with dev_pool(failures=[Failure("final_dot", "silence")], timeouts=quick) as (_, pool):
        gate = Gate()
        outcome = pool.submit(letter(), gate)
        allow, _ = await gate.reached()
        await rings.get()
        allow()
        with pytest.raises(Uncertain):
            await outcome


# What a courier looks at.


async def test_a_pool_says_how_much_waits_and_how_much_it_can_hold():
    async with dev_pool(pool=PoolLimits(sessions=2)) as (_, pool):
        assert (pool.capacity, pool.waiting) == (2, 0)
        gates = [Gate() for _ in range(5)]
        outcomes = [pool.submit(letter(f"n{number}"), gate) for number, gate in enumerate(gates)]
        assert pool.waiting == 5
        tries = [await gates[0].reached(), await gates[1].reached()]
        assert pool.waiting == 3
        for allow, _ in tries:
            allow()
        for gate in gates[2:]:
            (await gate.reached())[0]()
        await asyncio.gather(*outcomes)
        assert pool.waiting == 0
