"""Sending through proxies: real ones (tinyproxy, microsocks), and such as fail in ways that real ones do not."""

import asyncio
import contextlib
import socket

import pytest

from mailwright import (
    Mailwright,
    Outgoing,
    Phase,
    Proxy,
    ProxyFailed,
    ProxyKind,
    ResolveFailed,
    Secret,
    ServerTimeout,
    StepState,
    Timeouts,
    TlsFailed,
)
from mailwright.devserver import DevServer, DevServerOptions
from mailwright.model.check import CheckName
from mailwright.transport.proxy import open_tunnel
from tests.edges.loopback import MESSAGE, account, names, nobody, speaking
from tests.harness.proxies import http_proxy, socks_proxy

__all__ = ["names"]  # a fixture

KINDS = [ProxyKind.HTTP, ProxyKind.SOCKS5]
PATIENT = Timeouts(connect=20, greeting=20, tls=20, reply=20)
USER, PASSWORD = "carl", "pr0xy-secret"


@pytest.fixture
async def server():
    async with DevServer(DevServerOptions(tls_port=0)) as running:
        yield running


@pytest.fixture
async def mail():
    async with Mailwright() as opened:
        yield opened


@contextlib.contextmanager
def real(kind: ProxyKind, port: int, **sign_in: str):
    with http_proxy(port, **sign_in) if kind is ProxyKind.HTTP else socks_proxy(**sign_in) as own:
        yield own


def by(kind: ProxyKind, proxy_port: int, port: int, *, username="", password="", host="127.0.0.1", **options):
    proxy = Proxy(kind, "127.0.0.1", proxy_port, username, Secret(password) if password else None)
    return Outgoing(host, port, proxy=proxy, **{"security": "none", "timeouts": PATIENT, **options})


async def failing(mail, outgoing) -> ProxyFailed:
    with pytest.raises(ProxyFailed) as caught:
        await mail.send(account(outgoing), MESSAGE)
    error = caught.value
    assert error.phase is Phase.PROXY
    assert error.server == outgoing.host
    assert error.temporary
    assert PASSWORD not in f"{error} {error.to_json()}"
    return error


# Real proxies.


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("security", ["none", "starttls", "implicit"])
async def test_a_mail_goes_through_a_proxy_encrypted_or_not(mail, server, kind, security):
    port = server.tls_port if security == "implicit" else server.port
    with real(kind, port) as own:
        await mail.send(account(by(kind, own, port, security=security, ca_certificates=server.ca_pem)), MESSAGE)
    (caught,) = server.mails
    assert bool(caught.tls) is (security != "none")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_proxy_takes_its_own_user_name_and_password(mail, server, kind):
    with real(kind, server.port, username=USER, password=PASSWORD) as own:
        await mail.send(account(by(kind, own, server.port, username=USER, password=PASSWORD)), MESSAGE)
    assert server.caught == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_a_wrong_password_for_the_proxy_is_told_apart_from_one_for_the_server(mail, server, kind):
    with real(kind, server.port, username=USER, password="another") as own:
        error = await failing(mail, by(kind, own, server.port, username=USER, password=PASSWORD))
    assert "user name and password of the proxy" in error.hint
    assert server.connections == 0


@pytest.mark.parametrize("kind", KINDS)
async def test_a_proxy_that_wants_a_sign_in_which_is_not_configured_says_so(mail, server, kind):
    with real(kind, server.port, username=USER, password=PASSWORD) as own:
        error = await failing(mail, by(kind, own, server.port))
    assert "password" in error.hint
    assert server.connections == 0


@pytest.mark.parametrize("kind", KINDS)
async def test_what_the_proxy_says_of_a_server_that_refuses_is_kept(mail, kind):
    with nobody() as port, real(kind, port) as own:
        error = await failing(mail, by(kind, own, port))
    assert ("500" if kind is ProxyKind.HTTP else "refused") in error.message.lower()


async def test_a_port_that_the_rules_of_the_proxy_do_not_allow_is_its_answer(mail, server):
    with http_proxy(server.port + 1) as own:
        error = await failing(mail, by(ProxyKind.HTTP, own, server.port))
    assert "403" in error.message
    assert server.connections == 0


@pytest.mark.parametrize("kind", KINDS)
async def test_the_proxy_resolves_the_name_of_the_server(mail, server, kind, names):
    with real(kind, server.port) as own:
        await mail.send(account(by(kind, own, server.port, host="localhost")), MESSAGE)
    assert names.asked == []
    assert server.caught == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_where_networks_are_refused_the_proxy_gets_the_address_that_was_judged(server, kind, names, monkeypatch):
    # The proxy cannot resolve this name: what arrives has come by the address.
    monkeypatch.setenv("MAILWRIGHT_DIAL_REFUSE", '["10.0.0.0/8"]')
    names.say("mail.example.org", "10.1.2.3", "127.0.0.1")
    with real(kind, server.port) as own:
        async with Mailwright() as mail:
            await mail.send(account(by(kind, own, server.port, host="mail.example.org")), MESSAGE)
            report = await mail.check(account(by(kind, own, server.port, host="mail.example.org")))
    assert server.caught == 1
    assert report.steps[0].detail == "10.1.2.3, 127.0.0.1"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("fd00::1%eth0", 587),
        ("fd00::1%0\r\nX-Injected: 1", 587),
        ("mail.example.org HTTP/1.1", 587),
        ("mail.example.org\n", 587),
        ("bäx.example.org", 587),
        ("", 587),
        ("x" * 256, 587),
        ("mail.example.org", 0),
        ("mail.example.org", 65_536),
    ],
)
async def test_what_is_no_host_and_port_is_not_written_to_a_proxy(kind, host, port):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        with pytest.raises(ProxyFailed, match="cannot be asked for this host") as caught:
            await open_tunnel(ours, Proxy(kind, "127.0.0.1", 1080), host, port)
        ours.close()
        assert theirs.recv(100) == b""
    assert caught.value.phase is Phase.PROXY


@pytest.mark.parametrize("kind", KINDS)
async def test_an_ipv6_literal_goes_through_a_proxy(mail, kind):
    async with DevServer(DevServerOptions(host="::1")) as server:
        with real(kind, server.port) as own:
            await mail.send(account(by(kind, own, server.port, host="::1")), MESSAGE)
        assert server.caught == 1


async def test_a_check_says_that_the_proxy_resolves_and_names_it(mail, server):
    with socks_proxy() as own:
        report = await mail.check(account(by(ProxyKind.SOCKS5, own, server.port)))
    assert report.ok
    steps = {step.name: step for step in report.steps}
    assert steps[CheckName.RESOLVE].state is StepState.SKIPPED
    assert steps[CheckName.RESOLVE].detail == "left to the proxy"
    assert steps[CheckName.CONNECT].detail == f"127.0.0.1:{server.port} by socks5 proxy"


# Proxies that fail.


@pytest.mark.parametrize("kind", KINDS)
async def test_a_proxy_that_is_down_is_not_taken_for_a_server_that_is_down(mail, server, kind):
    with nobody() as down:
        error = await failing(mail, by(kind, down, server.port))
        assert (
            f"the proxy cannot be reached: no connection (127.0.0.1 port {down}: Connection refused)" in error.message
        )
        assert "proxy" in error.hint
        report = await mail.check(account(by(kind, down, server.port)))
    assert [step.name for step in report.steps if step.state is StepState.FAILED] == [CheckName.CONNECT]


async def test_a_proxy_without_an_address_is_named(mail, names):
    proxy = Proxy(ProxyKind.SOCKS5, "proxy.example.org", 1080)
    with pytest.raises(ProxyFailed, match=r"the proxy cannot be reached: proxy\.example\.org has no address") as caught:
        await mail.send(account(Outgoing("smtp.example.org", 587, proxy=proxy)), MESSAGE)
    assert caught.value.phase is Phase.PROXY
    assert isinstance(caught.value.__cause__, ResolveFailed)


async def silent(reader, writer) -> None:
    await reader.read()


def saying(answer: bytes):
    async def converse(reader, writer) -> None:
        await reader.read(1)
        writer.write(answer)
        await writer.drain()
        with contextlib.suppress(ConnectionError):
            await reader.read()

    return converse


async def closing(reader, writer) -> None:
    await reader.read(1)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_proxy_that_hangs_is_a_timeout_that_names_the_proxy(mail, kind):
    async with speaking(silent) as own:
        with pytest.raises(ServerTimeout, match=r"the proxy did not open the connection within 0\.3 s") as caught:
            await mail.send(account(by(kind, own, 587, timeouts=Timeouts(connect=0.3))), MESSAGE)
    assert caught.value.phase is Phase.PROXY
    assert caught.value.temporary


@pytest.mark.parametrize("kind", KINDS)
async def test_a_proxy_that_closes_without_a_word_is_named(mail, kind):
    async with speaking(closing) as own:
        assert (await failing(mail, by(kind, own, 587))).message == "the proxy closed the connection"


@pytest.mark.parametrize(
    ("kind", "answer", "message"),
    [
        (ProxyKind.SOCKS5, b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak SOCKS5"),
        (ProxyKind.SOCKS5, b"\x05\x00HTTP", "does not speak SOCKS5"),
        (ProxyKind.SOCKS5, b"\x05\xff", "wants a sign-in that is not configured"),
        (ProxyKind.SOCKS5, b"\x05\x00\x05\x02\x00\x01", "not allowed by its rules"),
        (ProxyKind.SOCKS5, b"\x05\x00\x05\x63\x00\x01", "status 99"),
        (ProxyKind.HTTP, b"220 mail.example.org ESMTP\r\n\r\n", "the proxy answers: 220 mail.example.org ESMTP"),
        (ProxyKind.HTTP, b"\r\n\r\n", "the proxy answers: "),
        (ProxyKind.HTTP, b"HTTP/1.1\r\n\r\n", "the proxy answers: HTTP/1.1"),
        (ProxyKind.HTTP, b"HTTP/1.1 502 \x1b[31mred\r\n\r\n", r"502 \x1b[31mred"),
        (ProxyKind.HTTP, b"x" * 20_000, "the proxy's answer does not end"),
    ],
)
async def test_nonsense_from_a_proxy_is_its_own_failure(mail, kind, answer, message):
    async with speaking(saying(answer)) as own:
        error = await failing(mail, by(kind, own, 587))
    assert message in error.message
    assert "\x1b" not in error.message


async def test_a_socks_proxy_that_takes_no_password_says_so(mail):
    async with speaking(saying(b"\x05\xff")) as own:
        error = await failing(mail, by(ProxyKind.SOCKS5, own, 587, username=USER, password=PASSWORD))
    assert error.message == "the proxy takes no user name and password"


async def test_a_password_that_socks_cannot_carry_is_an_error_before_it_is_sent(mail):
    async with speaking(saying(b"\x05\x02")) as own:
        error = await failing(mail, by(ProxyKind.SOCKS5, own, 587, username=USER, password="x" * 256))
    assert "255 bytes" in error.message


@pytest.mark.parametrize("address", [b"\x01\x7f\0\0\1", b"\x04" + bytes(16), b"\x03\x09proxy.org"])
async def test_the_greeting_that_comes_together_with_the_proxys_answer_is_not_lost(mail, address):
    async with DevServer() as server:

        async def relay(reader, writer) -> None:
            await reader.readexactly(3)
            writer.write(b"\x05\x00")
            await reader.readexactly(10)
            onward_reader, onward = await asyncio.open_connection("127.0.0.1", server.port)
            greeting = await onward_reader.readline()
            writer.write(b"\x05\x00\x00" + address + b"\x00\x19" + greeting)
            with contextlib.suppress(ConnectionError):
                await asyncio.gather(_pump(reader, onward), _pump(onward_reader, writer))

        async with speaking(relay) as own:
            await mail.send(account(by(ProxyKind.SOCKS5, own, server.port)), MESSAGE)
            assert server.caught == 1
            await mail.close()


async def test_the_greeting_that_comes_together_with_an_http_answer_is_not_lost(mail):
    async with DevServer() as server:

        async def relay(reader, writer) -> None:
            await reader.readuntil(b"\r\n\r\n")
            onward_reader, onward = await asyncio.open_connection("127.0.0.1", server.port)
            greeting = await onward_reader.readline()
            writer.write(b"HTTP/1.0 200 Connection established\r\nVia: x\r\n\r\n" + greeting)
            with contextlib.suppress(ConnectionError):
                await asyncio.gather(_pump(reader, onward), _pump(onward_reader, writer))

        async with speaking(relay) as own:
            await mail.send(account(by(ProxyKind.HTTP, own, server.port)), MESSAGE)
            assert server.caught == 1
            await mail.close()


async def _pump(reader, writer) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_certificate_is_checked_through_a_proxy_as_without(mail, server, kind):
    with real(kind, server.port) as own, pytest.raises(TlsFailed):
        await mail.send(account(by(kind, own, server.port, security="starttls")), MESSAGE)
    assert server.caught == 0
