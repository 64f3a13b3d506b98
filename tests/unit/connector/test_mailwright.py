"""`Mailwright` itself: which accounts share sessions, what is forgotten, and what closing means."""

import asyncio

import pytest

from mailwright import Account, Closed, Mailwright, Message, Outgoing, PoolLimits
from mailwright.connector import pools as module
from mailwright.devserver import DevServer, DevServerOptions, Failure

MESSAGE = Message(to="bob@example.com", subject="Hello", text="Good morning")


@pytest.fixture
async def server():
    async with DevServer() as running:
        yield running


def outgoing(server: DevServer, **options) -> Outgoing:
    return Outgoing("127.0.0.1", server.port, **{"security": "none", **options})


async def test_accounts_with_an_equal_server_share_its_sessions(server):
    async with Mailwright() as mail:
        for address in ("ann@example.org", "bea@example.org", "cleo@example.org"):
            await mail.send(Account(address, outgoing(server, username="", pool=PoolLimits(sessions=5))), MESSAGE)
        assert server.connections == 1
        await mail.send(Account("ann@example.org", outgoing(server, ehlo_name="other.example")), MESSAGE)
        assert server.connections == 2


async def test_two_users_of_one_server_never_share_a_session():
    async with DevServer() as server, Mailwright() as mail:
        one = outgoing(server, username="ann", password="a")
        two = outgoing(server, username="ann", password="b")
        for each in (one, two, one, two):
            await mail.send(Account("ann@example.org", each), MESSAGE)
        assert server.connections == 2
        assert [caught.connection for caught in server.mails] == [1, 2, 1, 2]


async def test_what_is_closed_takes_no_message_and_no_check(server):
    mail = Mailwright()
    to = Account("ann@example.org", outgoing(server))
    await mail.send(to, MESSAGE)
    await mail.close()
    await mail.close()
    with pytest.raises(Closed):
        await mail.send(to, MESSAGE)
    with pytest.raises(Closed):
        await mail.check(to)
    assert server.caught == 1


async def test_closing_says_goodbye_and_leaves_no_connection(server):
    async with Mailwright() as mail:
        await mail.send(Account("ann@example.org", outgoing(server)), MESSAGE)
        assert server.open_connections == 1
    await server.wait_for_quiet(seconds=10)
    assert server.open_connections == 0


async def test_a_message_that_still_waits_when_it_is_closed_was_surely_not_sent():
    async with DevServer(DevServerOptions(failures=(Failure("greeting", "silence"),))) as server:
        mail = Mailwright()
        sending = asyncio.create_task(mail.send(Account("ann@example.org", outgoing(server)), MESSAGE))
        await asyncio.sleep(0)
        await mail.close()
        with pytest.raises(Closed):
            await sending
        assert server.caught == 0


async def test_pools_that_nobody_uses_are_forgotten_and_those_in_use_are_kept(server, monkeypatch):
    monkeypatch.setattr(module, "_MANY_POOLS", 4)
    async with Mailwright() as mail:
        kept = outgoing(server, ehlo_name="kept.example")
        await mail.send(Account("ann@example.org", kept), MESSAGE)
        for number in range(20):
            down = outgoing(server, ehlo_name=f"n{number}.example", source_address="192.0.2.1")
            with pytest.raises(ConnectionError):
                await mail.send(Account("ann@example.org", down), MESSAGE)
        assert len(mail._pools._pools) <= 6
        assert len(mail._pools._by_identity) <= 6
        assert kept in mail._pools._pools
        await mail.send(Account("ann@example.org", kept), MESSAGE)
        assert server.connections == 1
