"""Opening connections: names with several addresses, silence, refusals, and the operator's policy.

The resolver is made up; the sockets are real, on loopback.
"""

import asyncio
import ipaddress
import socket
import struct
from contextlib import ExitStack

import pytest

from mailwright import (
    Closed,
    ConnectFailed,
    DialRefused,
    Mailwright,
    Outgoing,
    Phase,
    Proxy,
    ProxyKind,
    ResolveFailed,
    ServerTimeout,
    Settings,
    Timeouts,
)
from mailwright.devserver import DevServer, DevServerOptions
from mailwright.transport.dial import Dialler
from mailwright.transport.dial_policy import DialPolicy, Purpose
from mailwright.transport.dial_race import by_turns
from tests.edges.loopback import MESSAGE, account, black_hole, names, nobody, opened_sockets, wire

__all__ = ["names", "opened_sockets", "wire"]  # fixtures

PATIENT = Timeouts(connect=20, greeting=20, tls=20, reply=20)
NAME = "mail.example.org"


@pytest.fixture
async def server():
    async with DevServer() as running:
        yield running


@pytest.fixture
async def mail():
    async with Mailwright(settings=Settings(ehlo_name="client.example")) as opened:
        yield opened


def at(host: str, port: int, **options) -> Outgoing:
    return Outgoing(host, port, **{"security": "none", "timeouts": PATIENT, **options})


async def sent_to(mail, server, outgoing):
    before = server.caught
    await mail.send(account(outgoing), MESSAGE)
    assert server.caught == before + 1
    return server.mails[-1]


# Several addresses.


async def test_the_next_address_is_taken_when_the_first_refuses(server, mail, names):
    names.say(NAME, "127.0.0.2", "127.0.0.3", "127.0.0.1")
    await sent_to(mail, server, at(NAME, server.port))


async def test_the_next_address_is_tried_while_the_first_says_nothing(server, mail, names):
    names.say(NAME, "127.0.0.2", "127.0.0.3", "127.0.0.1")
    with black_hole("127.0.0.2", server.port), black_hole("127.0.0.3", server.port):
        await sent_to(mail, server, at(NAME, server.port))


async def test_a_host_without_working_ipv6_is_reached_over_ipv4(server, mail, names):
    names.say(NAME, "::1", "127.0.0.1")
    with black_hole("::1", server.port):
        await sent_to(mail, server, at(NAME, server.port))


async def test_an_address_that_the_resolver_gives_twice_is_tried_once(mail, names, wire):
    names.say(NAME, "127.0.0.1", "127.0.0.1")
    with nobody() as port, pytest.raises(ConnectFailed):
        await mail.send(account(at(NAME, port)), MESSAGE)
    assert wire.dialled == [("127.0.0.1", port)]


async def test_of_two_addresses_that_connect_in_the_same_moment_one_remains(names, monkeypatch, opened_sockets):
    names.say(NAME, "127.0.0.2", "127.0.0.3")
    loop = asyncio.get_running_loop()
    connect, both = loop.sock_connect, asyncio.Barrier(2)

    async def together(sock, address):
        await connect(sock, address)
        await both.wait()

    monkeypatch.setattr(loop, "sock_connect", together)
    with socket.create_server(("0.0.0.0", 0)) as listener:
        before = len(opened_sockets)
        dialled = await Dialler(DialPolicy()).dial(at(NAME, listener.getsockname()[1]))
        await asyncio.sleep(0)
        assert len(opened_sockets) == before + 2
        assert [one for one in opened_sockets[before:] if one.fileno() != -1] == [dialled.socket]
        dialled.socket.close()


@pytest.mark.parametrize(
    ("found", "order"),
    [
        (["::1", "::2", "::3", "1.1.1.1", "1.1.1.2"], ["::1", "1.1.1.1", "::2", "1.1.1.2", "::3"]),
        (["1.1.1.1", "1.1.1.2", "::1"], ["1.1.1.1", "::1", "1.1.1.2"]),
        (["1.1.1.1"], ["1.1.1.1"]),
    ],
)
def test_the_two_versions_are_tried_by_turns_and_the_resolvers_first_goes_first(found, order):
    assert [str(one) for one in by_turns([ipaddress.ip_address(text) for text in found])] == order


# No address works.


async def test_when_every_address_refuses_each_is_named(mail, names, opened_sockets):
    names.say(NAME, "127.0.0.2", "::1", "127.0.0.3")
    with nobody() as port, pytest.raises(ConnectFailed) as caught:
        await mail.send(account(at(NAME, port)), MESSAGE)
    error = caught.value
    assert error.phase is Phase.CONNECT
    assert error.server == NAME
    assert error.temporary
    for address in ("127.0.0.2", "::1", "127.0.0.3"):
        assert f"{address} port {port}: Connection refused" in error.message
    assert error.hint
    assert all(one.fileno() == -1 for one in opened_sockets)


async def test_silence_is_a_timeout_that_names_its_phase_and_every_address(mail, names, opened_sockets):
    names.say(NAME, "127.0.0.2", "127.0.0.3", "127.0.0.4")
    with ExitStack() as held:
        port = held.enter_context(black_hole("127.0.0.2"))
        held.enter_context(black_hole("127.0.0.3", port))
        before = len(opened_sockets)
        with pytest.raises(ServerTimeout) as caught:
            await mail.send(account(at(NAME, port, timeouts=Timeouts(connect=1.5))), MESSAGE)
        await asyncio.sleep(0)
        assert [one.fileno() for one in opened_sockets[before:]] == [-1, -1, -1]
    error = caught.value
    assert error.phase is Phase.CONNECT
    assert f"127.0.0.2 port {port}: no answer" in error.message
    assert f"127.0.0.3 port {port}: no answer" in error.message
    assert f"127.0.0.4 port {port}: Connection refused" in error.message
    assert "within 1.5 s" in error.message
    assert "firewall" in error.hint


async def test_a_caller_who_gives_up_leaves_no_socket_behind(names, wire, opened_sockets):
    names.say(NAME, "127.0.0.2", "127.0.0.3")
    dialler = Dialler(DialPolicy())
    with black_hole("127.0.0.2") as port, black_hole("127.0.0.3", port):
        before = len(opened_sockets)
        dialling = asyncio.create_task(dialler.dial(at(NAME, port)))
        await wire.until_dialled(2)
        dialling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dialling
        await asyncio.sleep(0)
        assert [one.fileno() for one in opened_sockets[before:]] == [-1, -1]


async def test_closing_while_a_connection_is_being_made_leaves_no_socket_behind(wire, opened_sockets):
    with black_hole("127.0.0.2") as port:
        before = len(opened_sockets)
        async with Mailwright() as mail:
            sending = asyncio.create_task(mail.send(account(at("127.0.0.2", port)), MESSAGE))
            await wire.until_dialled(1)
        with pytest.raises(Closed):
            await sending
        await asyncio.sleep(0)
        assert [one.fileno() for one in opened_sockets[before:]] == [-1]


async def test_a_connection_that_is_cut_as_soon_as_it_stands_is_a_failure_and_leaves_no_socket_behind(
    monkeypatch, opened_sockets
):
    loop = asyncio.get_running_loop()
    connect = loop.sock_connect
    with socket.create_server(("127.0.0.1", 0)) as listener:

        async def cut(sock, address):
            await connect(sock, address)
            accepted, _ = listener.accept()
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            accepted.close()

        monkeypatch.setattr(loop, "sock_connect", cut)
        before = len(opened_sockets)
        with pytest.raises(ConnectFailed, match="cut at once") as caught:
            await Dialler(DialPolicy()).dial(at("127.0.0.1", listener.getsockname()[1]))
        assert caught.value.phase is Phase.CONNECT
        assert opened_sockets[before].fileno() == -1


# Names.


async def test_a_name_without_address_is_told_apart_from_a_server_that_does_not_answer(mail, names):
    with pytest.raises(ResolveFailed) as caught:
        await mail.send(account(at("no-such-host.example", 587)), MESSAGE)
    assert caught.value.phase is Phase.RESOLVE
    assert "no-such-host.example" in caught.value.message
    assert "spelling" in caught.value.hint
    assert caught.value.temporary


async def test_a_resolver_that_does_not_answer_is_a_timeout_of_its_own_phase(mail, monkeypatch):
    async def silent(*_args, **_options):
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", silent)
    with pytest.raises(ServerTimeout) as caught:
        await mail.send(account(at(NAME, 587, timeouts=Timeouts(connect=0.05))), MESSAGE)
    assert caught.value.phase is Phase.RESOLVE


async def test_the_systems_resolver_is_asked_when_nobody_stands_in(server, mail):
    caught = await sent_to(mail, server, at("localhost", server.port))
    assert caught.peer.startswith("127.0.0.1:")


async def test_an_ipv6_literal_is_a_host(mail):
    async with DevServer(DevServerOptions(host="::1")) as server:
        for written in ("::1", "[::1]", "0:0:0:0:0:0:0:1"):
            caught = await sent_to(mail, server, at(written, server.port))
            assert caught.peer.startswith("[::1]:")


# Where it comes from, and what it calls itself.


async def test_the_server_sees_the_source_address_of_the_account(server, mail):
    caught = await sent_to(mail, server, at("127.0.0.1", server.port, source_address="127.0.0.5"))
    assert caught.peer.startswith("127.0.0.5:")


async def test_a_source_address_that_this_host_does_not_have_is_an_error_that_says_so(server, mail):
    with pytest.raises(ConnectFailed, match="Cannot assign requested address"):
        await mail.send(account(at("127.0.0.1", server.port, source_address="192.0.2.7")), MESSAGE)
    assert server.connections == 0


async def test_an_ipv4_source_address_picks_the_ipv4_address_of_the_server(server, mail, names):
    names.say(NAME, "::1", "127.0.0.1")
    caught = await sent_to(mail, server, at(NAME, server.port, source_address="127.0.0.5"))
    assert caught.peer.startswith("127.0.0.5:")


@pytest.mark.parametrize(
    ("host_name", "setting", "own", "hello"),
    [
        ("box.example.org", "", "", "box.example.org"),
        ("box", "", "", "[127.0.0.1]"),
        ("not_a_name.example.org", "", "", "[127.0.0.1]"),
        ("bäx.example.org", "", "", "[127.0.0.1]"),
        ("box.example.org", "set.example.org", "", "set.example.org"),
        ("box.example.org", "set.example.org", "own.example.org", "own.example.org"),
        ("box.example.org", "", "[192.0.2.1]", "[192.0.2.1]"),
    ],
)
async def test_ehlo_says_the_accounts_name_else_the_settings_else_the_hosts_else_the_address(
    server, monkeypatch, host_name, setting, own, hello
):
    monkeypatch.setattr(socket, "gethostname", lambda: host_name)
    async with Mailwright(settings=Settings(ehlo_name=setting)) as mail:
        caught = await sent_to(mail, server, at("127.0.0.1", server.port, ehlo_name=own))
    assert caught.hello == hello


async def test_ehlo_over_ipv6_says_an_ipv6_literal(monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "box")
    async with DevServer(DevServerOptions(host="::1")) as server, Mailwright() as mail:
        assert (await sent_to(mail, server, at("::1", server.port))).hello == "[IPv6:::1]"


# Port 25.


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "192.168.0.9", "fd00::25"])
async def test_port_25_is_allowed_for_local_servers_without_credentials(mail, names, wire, address):
    """Checklist 14."""
    names.say(NAME, address)
    async with DevServer(DevServerOptions(host="::1" if ":" in address else "127.0.0.1")) as server:
        wire.leads_to = (server.host, server.port)
        await sent_to(mail, server, at(NAME, 25))
    assert wire.dialled == [(address, 25)]


@pytest.mark.parametrize("written", ["8.8.8.8", "2001:4860:4860::8888", NAME])
async def test_port_25_of_a_public_server_is_refused_before_any_packet_and_says_why(mail, names, wire, written):
    """Checklist 13."""
    names.say(NAME, "8.8.8.8", "2001:4860:4860::8888")
    with pytest.raises(DialRefused, match="port 25 is for mail between servers") as caught:
        await mail.send(account(at(written, 25)), MESSAGE)
    assert wire.dialled == []
    assert caught.value.field == "port"
    assert "587 or 465" in caught.value.hint
    assert not caught.value.temporary


async def test_of_a_name_with_both_kinds_of_addresses_port_25_takes_the_local_one(server, mail, names, wire):
    names.say(NAME, "8.8.8.8", "127.0.0.1")
    wire.leads_to = (server.host, server.port)
    await sent_to(mail, server, at(NAME, 25))
    assert wire.dialled == [("127.0.0.1", 25)]


async def test_port_25_always_is_for_a_relay_of_ones_own(server, mail, wire):
    wire.leads_to = (server.host, server.port)
    await sent_to(mail, server, at("8.8.8.8", 25, port_25="always"))
    assert wire.dialled == [("8.8.8.8", 25)]


async def test_port_25_never_refuses_local_servers_too_without_asking_for_their_address(mail, names, wire):
    """Checklist 13."""
    names.say(NAME, "127.0.0.1")
    for host in ("127.0.0.1", NAME):
        with pytest.raises(DialRefused, match="port 25"):
            await mail.send(account(at(host, 25, port_25="never")), MESSAGE)
    assert names.asked == []
    assert wire.dialled == []


async def test_another_port_is_not_touched_by_the_rule_about_port_25(server, mail):
    await sent_to(mail, server, at("127.0.0.1", server.port, port_25="never"))


# The operator's policy.


@pytest.mark.parametrize("address", ["169.254.169.254", "::ffff:169.254.169.254", "224.0.0.1", "0.0.0.0", "fe80::1"])
async def test_an_address_that_no_mail_server_has_is_not_dialled(mail, names, wire, address):
    names.say(NAME, address)
    for host in (address, NAME):
        with pytest.raises(DialRefused, match="special address") as caught:
            await mail.send(account(at(host, 587)), MESSAGE)
        assert "MAILWRIGHT_DIAL_ALLOW" in caught.value.hint
    assert wire.dialled == []


async def test_an_address_that_is_refused_is_left_out_and_the_others_are_tried(server, mail, names, wire):
    names.say(NAME, "169.254.169.254", "127.0.0.1")
    await sent_to(mail, server, at(NAME, server.port))
    assert [host for host, _ in wire.dialled] == ["127.0.0.1"]


async def test_a_network_that_the_environment_refuses_is_not_dialled(server, monkeypatch, wire):
    monkeypatch.setenv("MAILWRIGHT_DIAL_REFUSE", '["127.0.0.0/8"]')
    monkeypatch.setenv("MAILWRIGHT_DIAL_ALLOW", '["127.0.0.1/32"]')
    async with Mailwright() as mail:
        with pytest.raises(DialRefused, match="the operator refuses this network"):
            await mail.send(account(at("127.0.0.1", server.port)), MESSAGE)
    assert wire.dialled == []
    assert server.connections == 0


async def test_a_network_that_the_environment_allows_is_dialled(server, monkeypatch, wire):
    monkeypatch.setenv("MAILWRIGHT_DIAL_ALLOW", '["169.254.7.0/24"]')
    wire.leads_to = (server.host, server.port)
    async with Mailwright() as mail:
        await sent_to(mail, server, at("169.254.7.7", server.port))
        with pytest.raises(DialRefused):
            await mail.send(account(at("169.254.8.7", server.port)), MESSAGE)
    assert wire.dialled == [("169.254.7.7", server.port)]


async def test_what_the_environment_allows_for_accounts_is_for_accounts(server, monkeypatch, wire):
    monkeypatch.setenv("MAILWRIGHT_DIAL_ALLOW_ACCOUNT", "169.254.7.7")
    monkeypatch.setenv("MAILWRIGHT_DIAL_ALLOW_WEBHOOK", "169.254.7.8")
    wire.leads_to = (server.host, server.port)
    async with Mailwright() as mail:
        await sent_to(mail, server, at("169.254.7.7", server.port))
        with pytest.raises(DialRefused):
            await mail.send(account(at("169.254.7.8", server.port)), MESSAGE)
    assert wire.dialled == [("169.254.7.7", server.port)]


@pytest.mark.parametrize("proxied", [False, True])
async def test_the_name_of_a_metadata_service_is_no_mail_server_and_no_proxy(mail, names, wire, proxied):
    names.say("metadata.google.internal", "8.8.8.8")
    proxy = Proxy(ProxyKind.SOCKS5, "127.0.0.1", 1080) if proxied else None
    with pytest.raises(DialRefused, match="metadata service"):
        await mail.send(account(at("metadata.google.internal", 587, proxy=proxy)), MESSAGE)
    behind = Proxy(ProxyKind.HTTP, "metadata.google.internal", 80)
    with pytest.raises(DialRefused, match="metadata service") as caught:
        await mail.send(account(at("8.8.8.8", 587, proxy=behind)), MESSAGE)
    assert caught.value.phase is Phase.PROXY
    assert names.asked == []
    assert wire.dialled == []


async def test_what_a_request_brings_along_may_not_be_local(server, wire):
    with pytest.raises(DialRefused, match="loopback address"):
        await Dialler(DialPolicy()).dial(at("127.0.0.1", server.port), Purpose.CALLER_ACCOUNT)
    assert wire.dialled == []


async def test_a_name_cannot_change_its_mind_between_the_look_and_the_connection(server, mail, names, wire):
    names.say(NAME, "127.0.0.1", then=("169.254.169.254",))
    await sent_to(mail, server, at(NAME, server.port))
    assert names.asked == [NAME]
    assert wire.dialled == [("127.0.0.1", server.port)]


@pytest.mark.parametrize("host", ["169.254.169.254", "proxy.example.org"])
@pytest.mark.parametrize("kind", list(ProxyKind))
async def test_a_proxy_is_judged_like_every_other_address(mail, names, wire, host, kind):
    names.say("proxy.example.org", "169.254.169.254")
    with pytest.raises(
        DialRefused, match=r"the proxy .* \(169\.254\.169\.254: special address, cloud metadata"
    ) as caught:
        await mail.send(account(at("smtp.example.org", 587, proxy=Proxy(kind, host, 1080))), MESSAGE)
    assert caught.value.phase is Phase.PROXY
    assert wire.dialled == []


async def test_a_proxy_is_no_way_around_the_policy_for_literal_addresses_or_port_25(mail, wire):
    proxy = Proxy(ProxyKind.SOCKS5, "127.0.0.1", 1080)
    for host, port in (("169.254.169.254", 587), ("::ffff:169.254.169.254", 587), ("8.8.8.8", 25), (NAME, 25)):
        with pytest.raises(DialRefused):
            await mail.send(account(at(host, port, proxy=proxy)), MESSAGE)
    assert wire.dialled == []


@pytest.mark.parametrize("host", ["127.1", "2852039166", "0x7f.1", "0177.0.0.1"])
async def test_a_number_in_disguise_does_not_go_to_a_proxy(mail, wire, host):
    with pytest.raises(DialRefused, match="may take it for an address"):
        await mail.send(account(at(host, 587, proxy=Proxy(ProxyKind.HTTP, "127.0.0.1", 1080))), MESSAGE)
    assert wire.dialled == []


async def test_a_name_that_came_with_a_request_is_judged_before_the_proxy_hears_of_it(names, wire):
    names.say("metadata.example", "169.254.169.254")
    names.say("localhost", "127.0.0.1")
    for host in ("metadata.example", "localhost"):
        outgoing = at(host, 587, proxy=Proxy(ProxyKind.SOCKS5, "127.0.0.1", 1080))
        with pytest.raises(DialRefused, match=f"the policy does not allow {host}"):
            await Dialler(DialPolicy()).dial(outgoing, Purpose.CALLER_ACCOUNT)
    assert wire.dialled == []


async def test_where_the_operator_refuses_networks_a_proxy_is_no_way_into_them(names, wire, monkeypatch):
    monkeypatch.setenv("MAILWRIGHT_DIAL_REFUSE", '["10.0.0.0/8"]')
    names.say(NAME, "10.1.2.3")
    async with Mailwright() as mail:
        with pytest.raises(DialRefused, match="the operator refuses this network"):
            await mail.send(account(at(NAME, 587, proxy=Proxy(ProxyKind.HTTP, "127.0.0.1", 1080))), MESSAGE)
    assert wire.dialled == []
