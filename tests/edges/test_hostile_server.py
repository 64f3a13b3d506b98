"""Servers that do not only fail but mean harm, or are very broken: nobody waits for ever, nothing is said wrongly."""

import asyncio

import pytest

from mailwright import (
    Account,
    Composed,
    DsnOptions,
    Envelope,
    Mailwright,
    Message,
    NotSent,
    Outgoing,
    PoolLimits,
    ProtocolViolation,
    SendResult,
    ServerTimeout,
    ServiceRefused,
    SignInRefused,
    Timeouts,
    Uncertain,
)
from mailwright.devserver import DevServer
from mailwright.devserver.failures import Failure
from tests.edges.loopback import speaking

QUICK = Timeouts(connect=5, greeting=1, tls=1, reply=0.4, final_reply=0.4)


def account(port, **options):
    options = {"security": "none", "timeouts": QUICK, "pool": PoolLimits(sessions=1), **options}
    return Account("ann@example.org", Outgoing("127.0.0.1", port, **options))


def letter():
    return Message(to="bob@example.com", subject="Hello", text="x")


@pytest.fixture
async def mail():
    async with Mailwright() as opened, asyncio.timeout(20):
        yield opened


async def test_a_server_that_drips_bytes_and_never_answers_is_silent(mail):
    async def drip(reader, writer):
        writer.write(b"220 hi\r\n")
        await reader.readline()
        writer.write(b"250 hi\r\n")
        await reader.readline()
        for _ in range(100):
            writer.write(b"2")
            await asyncio.sleep(0.05)

    async with speaking(drip) as port:
        with pytest.raises(ServerTimeout):
            await mail.send(account(port), letter())


async def test_a_421_right_behind_the_last_answer_of_the_opening_is_kept(mail):
    async def goodbye(reader, writer):
        writer.write(b"220 hi\r\n")
        await reader.readline()
        writer.write(b"250 hi\r\n421 4.3.2 going down\r\n")
        await reader.read()

    async with speaking(goodbye) as port:
        with pytest.raises(ServiceRefused) as caught:
            await mail.send(account(port), letter())
    assert caught.value.reply.text == "going down"
    assert caught.value.server == "127.0.0.1"


async def test_an_answer_too_many_during_the_opening_ends_the_session(mail):
    async def talkative(reader, writer):
        writer.write(b"220 hi\r\n")
        await reader.readline()
        writer.write(b"250 hi\r\n250 more\r\n")
        await reader.read()

    async with speaking(talkative) as port:
        with pytest.raises(ProtocolViolation):
            await mail.send(account(port), letter())


async def test_a_sign_in_with_endless_questions_ends(mail):
    async def curious(reader, writer):
        writer.write(b"220 hi\r\n")
        await reader.readline()
        writer.write(b"250-hi\r\n250 AUTH LOGIN\r\n")
        while await reader.readline():
            writer.write(b"334 \r\n")

    async with speaking(curious) as port:
        with pytest.raises(ProtocolViolation):
            await mail.send(account(port, username="ann", password="secret"), letter())


async def test_a_server_that_repeats_the_password_does_not_get_it_into_an_error(mail):
    async def parrot(reader, writer):
        writer.write(b"220 hi\r\n")
        await reader.readline()
        writer.write(b"250-hi\r\n250 AUTH PLAIN\r\n")
        line = await reader.readline()
        writer.write(b"535 5.7.8 no: " + line)
        await reader.read()

    async with speaking(parrot) as port:
        with pytest.raises(SignInRefused) as caught:
            await mail.send(account(port, username="ann", password="hush-hush"), letter())
    said = f"{caught.value} {caught.value!r} {caught.value.to_json()} {caught.value.reply!r}"
    assert "***" in said
    assert "hush-hush" not in said
    assert "AGFubgBodXNoLWh1c2g=" not in said


async def test_a_size_with_thousands_of_digits_is_no_limit(mail):
    async def boastful(reader, writer):
        writer.write(b"220 hi\r\n")
        await reader.readline()
        writer.write(b"250-hi\r\n250 SIZE " + b"9" * 5000 + b"\r\n")
        for answer in (b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
            await reader.readline()
            writer.write(answer)
        await reader.readuntil(b"\r\n.\r\n")
        writer.write(b"250 taken\r\n")
        await reader.read()

    async with speaking(boastful) as port:
        assert isinstance(await mail.send(account(port), letter()), SendResult)


async def test_a_message_that_cannot_be_begun_fails_and_the_next_one_is_sent(mail):
    async with DevServer() as server:
        place = account(server.port)
        broken = Composed(Envelope("ann", ("bob",)), b"x\r\n", "id", canonical=True)
        with pytest.raises(AttributeError):
            await mail.send(place, broken)
        await mail.send(place, letter())
        assert len(server.mails) == 1


async def test_a_message_off_a_dead_session_is_taken_by_one_that_rests(mail):
    """Even when the server gives no further connection."""
    async with DevServer() as server:
        place = account(server.port, pool=PoolLimits(sessions=2))
        server.fail([Failure("final_dot", "slow:0.1", times=2)])
        await asyncio.gather(mail.send(place, letter()), mail.send(place, letter()))
        assert server.connections == 2
        server.fail([Failure("mail", "disconnect", times=1), Failure("greeting", "421 no more")])
        await mail.send(place, letter())
        assert len(server.mails) == 3


async def test_who_gives_up_closing_leaves_nothing_open_and_nobody_waiting():
    async with DevServer() as server, asyncio.timeout(20):
        mail = Mailwright()
        place = account(server.port, timeouts=Timeouts())
        await mail.send(place, letter())
        server.fail([Failure("final_dot", "silence")])
        sends = [asyncio.ensure_future(mail.send(place, letter())) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(mail.close(), 0.2)
        outcomes = await asyncio.gather(*sends, return_exceptions=True)
        assert all(isinstance(outcome, Uncertain | NotSent) for outcome in outcomes), outcomes
        await server.wait_for_quiet(seconds=5)
        assert server.open_connections == 0
        await mail.close()


async def test_delivery_options_are_not_forgotten_for_a_composed_message(mail):
    async with DevServer() as server:
        place = account(server.port)
        composed = mail.compose(place, letter())
        result = await mail.send(place, composed, dsn=DsnOptions(envelope_id="order-1"))
        assert "ENVID=order-1" in result.sender_reply.command
