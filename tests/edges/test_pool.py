"""The warm sessions of an account: opened when needed, kept, replaced, given up, and no message lost on the way."""

import asyncio

import pytest

from mailwright import (
    Account,
    Closed,
    ConnectFailed,
    ConnectionLost,
    Mailwright,
    Message,
    NotSent,
    Outgoing,
    PoolLimits,
    ServiceRefused,
    SignInRefused,
    Timeouts,
    Uncertain,
)
from mailwright.devserver import DevServer, DevServerOptions
from mailwright.devserver.failures import Failure, Lie
from mailwright.protocol.sasl.server import Users
from mailwright.protocol.smtp.server_types import ServerPolicy
from mailwright.secret import Secret
from tests.edges.loopback import speaking
from tests.edges.pools import Line, letter as composed_letter, pool_to


def account(server, **options):
    pool = options.pop("pool", PoolLimits(sessions=1))
    timeouts = options.pop("timeouts", Timeouts(connect=5, greeting=5, reply=5, final_reply=5))
    outgoing = Outgoing(server.host, server.port, security="none", pool=pool, timeouts=timeouts, **options)
    return Account("ann@example.org", outgoing)


def letter(name="bob", subject="Hello"):
    return Message(to=f"{name}@example.com", subject=subject, text="x")


@pytest.fixture
async def mail():
    async with Mailwright() as opened:
        yield opened


async def test_one_connection_serves_message_after_message(mail):
    async with DevServer() as server:
        place = account(server)
        for _ in range(5):
            await mail.send(place, letter())
        assert server.connections == 1
        assert len(server.mails) == 5


async def test_a_session_is_opened_for_each_message_that_waits_up_to_the_limit(mail):
    async with DevServer(DevServerOptions(failures=(Failure("final_dot", "slow:0.2"),))) as server:
        place = account(server, pool=PoolLimits(sessions=3))
        await asyncio.gather(*(mail.send(place, letter()) for _ in range(12)))
        assert server.connections == 3
        assert len(server.mails) == 12


async def test_messages_are_sent_in_the_order_in_which_they_were_given(mail):
    """Fair under load: nobody who comes later is served first."""
    async with DevServer() as server:
        place = account(server)
        await asyncio.gather(*(mail.send(place, letter(f"n{number}")) for number in range(50)))
        assert [caught.envelope.addresses[0] for caught in server.mails] == [f"n{n}@example.com" for n in range(50)]


async def test_a_session_is_replaced_after_its_number_of_messages(mail):
    async with DevServer() as server:
        place = account(server, pool=PoolLimits(sessions=1, messages_per_session=4))
        await asyncio.gather(*(mail.send(place, letter()) for _ in range(10)))
        assert len(server.mails) == 10
        assert [sum(caught.connection == number for caught in server.mails) for number in (1, 2, 3)] == [4, 4, 2]


async def test_a_server_that_ends_sessions_by_421_loses_no_message(mail):
    """Many servers take some messages only on one connection, and say so with 421 when the next one comes."""
    async with DevServer(DevServerOptions(policy=ServerPolicy(max_messages=3))) as server:
        place = account(server, pool=PoolLimits(sessions=2))
        results = await asyncio.gather(*(mail.send(place, letter(f"n{number}")) for number in range(20)))
        assert len(results) == 20
        assert sorted(caught.envelope.addresses[0] for caught in server.mails) == sorted(
            f"n{number}@example.com" for number in range(20)
        )


async def test_a_session_that_the_server_closed_while_idle_is_replaced_unseen(mail):
    async with DevServer(DevServerOptions(idle_seconds=0.1)) as server:
        place = account(server)
        await mail.send(place, letter())
        await server.wait_for_quiet(seconds=5)
        await mail.send(place, letter())
        assert server.connections == 2


async def test_a_stale_session_that_still_looks_alive_costs_the_message_nothing(mail):
    """The server hangs up on the next MAIL: surely unsent, so another session takes it."""
    async with DevServer() as server:
        place = account(server)
        await mail.send(place, letter())
        server.fail([Failure("mail", "disconnect", times=1)])
        await mail.send(place, letter("cid"))
        assert server.connections == 2
        assert [caught.envelope.addresses[0] for caught in server.mails] == ["bob@example.com", "cid@example.com"]


async def test_a_fresh_session_that_fails_is_a_failure_to_report(mail):
    async with DevServer(DevServerOptions(failures=(Failure("mail", "disconnect"),))) as server:
        with pytest.raises(ConnectionLost):
            await mail.send(account(server), letter())
        assert server.connections == 1


async def test_a_message_whose_dot_has_left_is_never_tried_again(mail):
    async with DevServer() as server:
        place = account(server)
        await mail.send(place, letter())
        server.fail([Failure("final_dot", "accept-then-disconnect", times=1)])
        composed = mail.compose(place, letter("cid"))
        with pytest.raises(Uncertain) as caught:
            await mail.send(place, composed)
        assert caught.value.message_id == composed.message_id, "to look for it at the recipient"
        assert [caught.envelope.addresses[0] for caught in server.mails] == ["bob@example.com", "cid@example.com"]
        await mail.send(place, letter("dot"))
        assert len(server.mails) == 3, "and the account goes on"


async def test_of_many_messages_only_those_in_the_window_are_uncertain(mail):
    """One session has one message between dot and answer; the one whose envelope went along is surely unsent."""
    async with DevServer() as server:
        place = account(server)
        await mail.send(place, letter("warm"))
        server.fail([Failure("final_dot", "disconnect", times=1)])
        outcomes = await asyncio.gather(
            *(mail.send(place, letter(f"n{number}")) for number in range(10)), return_exceptions=True
        )
        assert [type(outcome) for outcome in outcomes if isinstance(outcome, Exception)] == [Uncertain]
        assert len(server.mails) == 1 + 9


async def test_a_server_that_refuses_further_connections_is_served_by_those_it_gave(mail):
    async with DevServer() as server:
        place = account(server, pool=PoolLimits(sessions=5))
        await mail.send(place, letter())
        server.fail([Failure("greeting", "421 4.7.0 too many connections")])
        await asyncio.gather(*(mail.send(place, letter()) for _ in range(20)))
        assert len(server.mails) == 21


async def test_a_server_that_is_down_fails_every_message_that_waits_with_an_error_of_its_own(mail):
    async with DevServer() as server:
        place = account(server, pool=PoolLimits(sessions=3))
    outcomes = await asyncio.gather(*(mail.send(place, letter()) for _ in range(10)), return_exceptions=True)
    assert all(isinstance(outcome, ConnectFailed) for outcome in outcomes)
    assert len({id(outcome) for outcome in outcomes}) == 10


async def test_a_server_that_comes_back_is_used_again(mail):
    async with DevServer() as server:
        place = account(server)
        await mail.send(place, letter())
    with pytest.raises(NotSent):
        await mail.send(place, letter())
    async with DevServer(DevServerOptions(port=place.outgoing.port)) as again:
        await mail.send(place, letter())
        assert len(again.mails) == 1


async def test_a_wrong_password_fails_the_message_and_the_next_one_asks_again(mail):
    users = Users({"ann": Secret("right")})
    async with DevServer(DevServerOptions(policy=ServerPolicy(users=users, require_sign_in=True))) as server:
        wrong = account(server, username="ann", password="wrong")
        for _ in range(2):
            with pytest.raises(SignInRefused):
                await mail.send(wrong, letter())
        await mail.send(account(server, username="ann", password="right"), letter())


async def test_a_caller_who_stops_waiting_takes_the_message_out_of_the_queue(mail):
    async with DevServer() as server:
        place = account(server)
        await mail.send(place, letter("warm"))
        server.fail([Failure("final_dot", "slow:0.2", times=1)])
        first = asyncio.ensure_future(mail.send(place, letter("first")))
        waiting = asyncio.ensure_future(mail.send(place, letter("waiting")))
        last = asyncio.ensure_future(mail.send(place, letter("last")))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(first, last)
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert [caught.envelope.addresses[0] for caught in server.mails][1:] == [
            "first@example.com",
            "last@example.com",
        ]


async def test_idle_sessions_say_goodbye_after_their_time(mail):
    async with DevServer() as server:
        place = account(server, pool=PoolLimits(sessions=2, idle_seconds=0.1))
        await asyncio.gather(*(mail.send(place, letter()) for _ in range(6)))
        async with asyncio.timeout(10):
            while server.open_connections:
                await server.wait_for_quiet(seconds=5)
        await mail.send(place, letter())
        assert len(server.mails) == 7


async def test_closing_lets_messages_under_way_finish_and_fails_those_that_wait():
    async with DevServer() as server:
        mail = Mailwright()
        place = account(server)
        await mail.send(place, letter("warm"))
        server.fail([Failure("final_dot", "slow:0.2")])
        sends = [asyncio.ensure_future(mail.send(place, letter(f"n{number}"))) for number in range(5)]
        await asyncio.sleep(0)
        await mail.close()
        outcomes = await asyncio.gather(*sends, return_exceptions=True)
        sent = [outcome for outcome in outcomes if not isinstance(outcome, Exception)]
        assert len(sent) == len(server.mails) - 1 >= 1
        assert all(isinstance(outcome, Closed) for outcome in outcomes if isinstance(outcome, Exception))
        with pytest.raises(Closed):
            await mail.send(place, letter())


async def test_closing_while_a_session_opens_fails_the_message_and_leaves_nothing_open():
    async with DevServer(DevServerOptions(failures=(Failure("greeting", "silence"),))) as server:
        mail = Mailwright()
        sending = asyncio.ensure_future(mail.send(account(server), letter()))
        await asyncio.sleep(0)
        await mail.close()
        with pytest.raises(Closed):
            await sending
        await server.wait_for_quiet(seconds=5)
        assert server.open_connections == 0


async def test_answers_that_no_longer_fit_their_commands_end_the_session(mail):
    """A second reply behind that to the dot would say of the next message what is true of this one."""
    async with DevServer(DevServerOptions(lies=frozenset({Lie.EXTRA_REPLY}))) as server:
        place = account(server)
        outcomes = await asyncio.gather(
            *(mail.send(place, letter(f"n{number}")) for number in range(4)), return_exceptions=True
        )
        said = {f"n{number}@example.com" for number, one in enumerate(outcomes) if not isinstance(one, Exception)}
        taken = {caught.envelope.addresses[0] for caught in server.mails}
        assert said <= taken, "whatever is said to be sent was taken"


async def test_replies_in_pieces_of_one_octet_are_understood(mail):
    async with DevServer(DevServerOptions(lies=frozenset({Lie.TRICKLE}))) as server:
        await asyncio.gather(*(mail.send(account(server), letter()) for _ in range(3)))
        assert len(server.mails) == 3


async def test_a_server_that_offers_pipelining_and_cannot_do_it_is_reported_and_sends_nothing_twice(mail):
    quick = Timeouts(connect=5, greeting=5, reply=0.5, final_reply=0.5)
    async with DevServer(DevServerOptions(lies=frozenset({Lie.DROP_PIPELINED}))) as server:
        with pytest.raises(NotSent):
            await mail.send(account(server, timeouts=quick), letter())
        assert server.mails == ()


async def test_a_421_instead_of_a_greeting_is_a_service_refused(mail):
    async with DevServer(DevServerOptions(failures=(Failure("greeting", "421"),))) as server:
        with pytest.raises(ServiceRefused):
            await mail.send(account(server), letter())


async def test_accounts_do_not_share_sessions(mail):
    async with DevServer() as server:
        one = account(server, ehlo_name="one.example")
        two = account(server, ehlo_name="two.example")
        for _ in range(3):
            await mail.send(one, letter())
            await mail.send(two, letter())
        assert {caught.hello for caught in server.mails} == {"one.example", "two.example"}
        assert server.connections == 2


async def test_equal_accounts_share_sessions(mail):
    async with DevServer() as server:
        for _ in range(3):
            await mail.send(account(server), letter())
        assert server.connections == 1


# What the transport and the pool know of each other.


async def test_a_session_that_was_opened_and_never_used_has_waited_all_the_same():
    """Its death says nothing about the first message that it is given."""
    connections, greet_second, second_saw_mail = [], asyncio.Event(), asyncio.Event()

    async def converse(reader, writer):
        connections.append(writer)
        is_second = len(connections) == 2
        if is_second:
            await greet_second.wait()
        writer.write(b"220 hi\r\n")
        while (verb := (await reader.readline())[:4]) not in {b"", b"QUIT"}:
            if is_second and verb == b"MAIL":
                second_saw_mail.set()
                return
            if verb == b"DATA":
                writer.write(b"354 go\r\n")
                await reader.readuntil(b"\r\n.\r\n")
            writer.write(b"250 ok\r\n")

    limits = PoolLimits(sessions=2)
    async with speaking(converse) as port, pool_to(port, pool=limits) as pool:
        await pool.submit(composed_letter("warm"))
        await asyncio.gather(pool.submit(composed_letter("bob")), pool.submit(composed_letter("cid")))
        greet_second.set()
        await asyncio.gather(*pool._opening)
        assert [session.taken for session in pool._sessions] == [3, 0]
        await pool.submit(composed_letter("dot"))
        assert second_saw_mail.is_set()
        assert [session.taken for session in pool._sessions] == [4]


#: more than the socket buffers of both ends can hold
HUGE = b"Subject: huge\r\n\r\n" + b"0123456789abcdef\r\n" * 2_000_000


@pytest.mark.parametrize("told_by", ["resume_writing", "wake"])
@pytest.mark.parametrize("security", ["none", "implicit"])
async def test_a_connection_that_broke_is_not_taken_for_one_that_has_sent_all(security, told_by):
    """Both have nothing left to write. Only the dot of a message that was taken whole may follow."""
    stands, over = asyncio.Event(), asyncio.Event()

    async def converse(reader, writer):
        line = Line(reader, writer, security)
        await line.until_data()
        await line.hear(b"DATA\r\nSubject: huge\r\n")
        stands.set()
        await over.wait()

    async with speaking(converse) as port, pool_to(port, security=security) as pool:
        outcome = pool.submit(composed_letter(content=HUGE))
        await stands.wait()
        (session,) = pool._sessions
        session._wire.abort()
        getattr(session, told_by)()
        with pytest.raises(ConnectionLost):
            await outcome
        over.set()
