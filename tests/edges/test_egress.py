"""The one HTTP client against real servers on loopback: well-behaved, slow, endless, lying and hostile ones."""

import asyncio
import gzip
import json
import socket
import ssl
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import trustme

from mailwright.errors import EgressFailed, EgressReason, EgressRefused, EgressRule, EgressTimeout
from mailwright.transport.dial import Dialler
from mailwright.transport.dial_policy import Purpose, read_policy
from mailwright.transport.egress import Egress
from tests.edges.loopback import names, nobody, opened_sockets, speaking, wire

__all__ = ["names", "opened_sockets", "wire"]  # fixtures

NAME = "hooks.example.org"
CALLERS = [purpose for purpose in Purpose if purpose is not Purpose.ACCOUNT]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def egress(*allowed: str, context: ssl.SSLContext | None = None) -> Egress:
    return Egress(Dialler(read_policy(allow_for={"webhook": allowed or ("127.0.0.0/8", "::1")})), context)


@pytest.fixture
async def client():
    async with egress() as opened:
        yield opened


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


def trusting(authority) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@dataclass
class Site:
    """A server that gives the same bytes, or what a function makes of the request, to whoever asks."""

    answer: bytes | Callable[[bytes], bytes] = OK
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    connections: int = 0
    #: close the connection after this many answers, without saying so
    answers: int = 1_000

    async def __call__(self, reader, writer) -> None:
        self.connections += 1
        for _ in range(self.answers):
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                return
            self.heads.append(head)
            self.bodies.append(await reader.readexactly(_length(head)))
            writer.write(self.answer(head) if callable(self.answer) else self.answer)
            await writer.drain()


def _length(head: bytes) -> int:
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
    return int(fields.get(b"content-length", 0))


def response(body: bytes = b"", *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def get(client: Egress, port: int, path: str = "/", **options):
    return await client.request(
        "GET", f"http://127.0.0.1:{port}{path}", **{"purpose": Purpose.WEBHOOK, "timeout": 20, **options}
    )


# Ordinary servers.


async def test_a_request_brings_the_whole_answer_and_says_who_gave_it(client):
    site = Site(response(b'{"a":1}', "X-Two: a", "X-Two: b", "Content-Type: application/json", status="404 No"))
    async with speaking(site) as port:
        found = await get(client, port, "/where?a=%20b#part")
    assert (found.status, json.loads(found.body)) == (404, {"a": 1})
    assert (found.headers["x-two"], found.headers["content-type"]) == ("a, b", "application/json")
    assert found.address == f"127.0.0.1:{port}"
    assert found.elapsed > 0
    assert site.heads[0].startswith(b"GET /where?a=%20b HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{port}\r\n".encode() in site.heads[0]


async def test_a_body_is_sent_with_its_length_and_the_callers_headers(client):
    site = Site()
    async with speaking(site) as port:
        await client.request(
            "POST",
            f"http://127.0.0.1:{port}/",
            purpose=Purpose.WEBHOOK,
            headers={"Content-Type": "application/json", "user-agent": "Other"},
            content=b"{}\r\nGET / HTTP/1.1\r\n\r\n",
        )
    assert site.bodies == [b"{}\r\nGET / HTTP/1.1\r\n\r\n"]
    assert b"Content-Type: application/json\r\n" in site.heads[0]
    assert site.heads[0].lower().count(b"user-agent:") == 1


async def test_a_room_gets_a_client_for_its_purpose_alone(client):
    async with speaking(Site()) as port:
        found = await client.only(Purpose.WEBHOOK).request("GET", f"http://127.0.0.1:{port}/")
        assert found.body == b"ok"
        with pytest.raises(EgressRefused):
            await client.only(Purpose.CALLBACK).request("GET", f"http://127.0.0.1:{port}/")


async def test_a_connection_is_used_again_by_the_same_purpose_and_by_no_other():
    site = Site()
    policy = read_policy(allow=["127.0.0.1"])
    async with speaking(site) as port, Egress(Dialler(policy)) as client:
        for _ in range(3):
            await get(client, port)
        assert site.connections == 1
        await get(client, port, purpose=Purpose.CALLBACK)
        assert site.connections == 2


async def test_a_connection_that_the_server_has_closed_is_not_used_again(client):
    site = Site(answers=1)
    async with speaking(site) as port:
        await get(client, port)
        (resting,) = client._pools[Purpose.WEBHOOK].connections
        reader, _ = resting._connection._network_stream._streams
        assert await reader.read() == b""
        assert (await get(client, port)).status == 200
    assert site.connections == 2


async def test_proxies_of_the_environment_are_not_asked(client, monkeypatch):
    with nobody() as dead:
        for variable in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(variable, f"http://127.0.0.1:{dead}")
        async with speaking(Site()) as port:
            assert (await get(client, port)).status == 200


async def test_a_cookie_is_not_kept(client):
    site = Site(response(b"", "Set-Cookie: a=b"))
    async with speaking(site) as port:
        await get(client, port)
        await get(client, port)
    assert b"cookie" not in site.heads[1].lower()


# Where a request may go.


@pytest.mark.parametrize("purpose", CALLERS)
@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1"])
async def test_what_a_caller_brings_along_leads_to_no_private_or_special_address(names, wire, purpose, address):
    names.say(NAME, address)
    literal = f"[{address}]" if ":" in address else address
    async with Egress(Dialler(read_policy())) as client:
        for host in (literal, NAME):
            with pytest.raises(EgressRefused) as caught:
                await client.request("GET", f"http://{host}:8080/secret", purpose=purpose)
            assert caught.value.rule is EgressRule.ADDRESS
            assert caught.value.hint.endswith(f"MAILWRIGHT_DIAL_ALLOW_{purpose.upper()}")
            assert "/secret" not in str(caught.value)
    assert wire.dialled == []


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "127.0.0.1.", "10.0.258"])
async def test_a_number_in_disguise_is_no_host_name(names, host):
    async with Egress(Dialler(read_policy())) as client:
        with pytest.raises(EgressRefused) as caught:
            await client.request("GET", f"http://{host}/", purpose=Purpose.WEBHOOK)
    assert caught.value.rule is EgressRule.URL
    assert names.asked == []


async def test_a_name_that_answers_public_first_and_private_second_leads_to_the_public_address(client, names, wire):
    names.say(NAME, "8.8.8.8", then=("10.0.0.1",))
    site = Site()
    async with speaking(site) as port:
        wire.leads_to = ("127.0.0.1", port)
        found = await client.request("GET", f"http://{NAME}/", purpose=Purpose.WEBHOOK)
    assert found.status == 200
    assert names.asked == [NAME]
    assert wire.dialled == [("8.8.8.8", 80)]
    assert f"Host: {NAME}\r\n".encode() in site.heads[0]


async def test_of_a_name_with_public_and_private_addresses_the_private_ones_are_left_out(client, names, wire):
    names.say(NAME, "10.0.0.1", "8.8.8.8", "169.254.169.254")
    async with speaking(Site()) as port:
        wire.leads_to = ("127.0.0.1", port)
        await client.request("GET", f"http://{NAME}/", purpose=Purpose.WEBHOOK)
    assert wire.dialled == [("8.8.8.8", 80)]


@pytest.mark.parametrize("host", ["metadata.google.internal", "METADATA.google.internal.", "instance-data"])
async def test_the_name_of_a_metadata_service_is_not_even_looked_up(names, host):
    names.say(host, "8.8.8.8")
    async with Egress(Dialler(read_policy())) as client:
        with pytest.raises(EgressRefused, match="metadata") as caught:
            await client.request("GET", f"http://{host}/", purpose=Purpose.ATTACHMENT)
    assert caught.value.rule is EgressRule.ADDRESS
    assert names.asked == []


async def test_an_allowed_name_opens_its_port_and_no_other(names):
    names.say(NAME, "127.0.0.1")
    async with speaking(Site()) as port, speaking(Site()) as other, egress(f"{NAME}:{port}") as client:
        assert (await client.request("GET", f"http://{NAME}:{port}/", purpose=Purpose.WEBHOOK)).status == 200
        with pytest.raises(EgressRefused):
            await client.request("GET", f"http://{NAME}:{other}/", purpose=Purpose.WEBHOOK)
        with pytest.raises(EgressRefused):
            await client.request("GET", f"http://127.0.0.1:{port}/", purpose=Purpose.WEBHOOK)


async def test_port_25_of_a_public_server_is_no_web_server(client, wire):
    with pytest.raises(EgressRefused, match="port 25") as caught:
        await client.request("POST", "http://8.8.8.8:25/", purpose=Purpose.WEBHOOK)
    assert caught.value.rule is EgressRule.ADDRESS
    assert caught.value.hint == ""
    assert wire.dialled == []


# What may be asked.


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("http://127.0.0.1/a\r\nX: y", EgressRule.URL),
        ("http://127.0.0.1/a\nb", EgressRule.URL),
        ("http://127.0.0.1\r\n/", EgressRule.URL),
        ("http://127.0.0.1/a b", EgressRule.URL),
        ("http://127.0.0.1/\x00", EgressRule.URL),
        ("http://127.0.0.1/\ud800", EgressRule.URL),
        (" http://127.0.0.1/", EgressRule.URL),
        ("http://127.0.0.1\\@example.org/", EgressRule.URL),
        ("http://exa%6dple.org/", EgressRule.URL),
        ("http://[fe80::1%25eth0]/", EgressRule.URL),
        ("http://a..b/", EgressRule.URL),
        ("http:///path", EgressRule.URL),
        ("http:127.0.0.1/", EgressRule.URL),
        ("http://127.0.0.1:0/", EgressRule.URL),
        ("http://127.0.0.1:65536/", EgressRule.URL),
        ("http://127.0.0.1:80a/", EgressRule.URL),
        ("http://[::1/", EgressRule.URL),
        ("http://127.0.0.1/" + "a" * 8192, EgressRule.URL),
        ("http://user:secret@127.0.0.1/", EgressRule.CREDENTIALS),
        ("http://@127.0.0.1/", EgressRule.CREDENTIALS),
        ("//user@127.0.0.1/", EgressRule.CREDENTIALS),
        ("file:///etc/passwd", EgressRule.SCHEME),
        ("ftp://127.0.0.1/", EgressRule.SCHEME),
        ("gopher://127.0.0.1/_MAIL", EgressRule.SCHEME),
        ("ws://127.0.0.1/", EgressRule.SCHEME),
        ("//127.0.0.1/", EgressRule.SCHEME),
        ("/path", EgressRule.SCHEME),
        ("", EgressRule.SCHEME),
    ],
)
async def test_an_address_that_could_be_read_in_two_ways_is_refused_before_any_look_up(client, names, wire, url, rule):
    with pytest.raises(EgressRefused) as caught:
        await client.request("GET", url, purpose=Purpose.WEBHOOK)
    assert caught.value.rule is rule
    assert "secret" not in str(caught.value)
    assert names.asked == []
    assert wire.dialled == []


@pytest.mark.parametrize(
    "headers",
    [
        {"X": "a\r\nY: b"},
        {"X": "a\nb"},
        {"X": "a\x00"},
        {"X": "ä"},
        {"X\r\nY": "a"},
        {"X ": "a"},
        {"": "a"},
        {"X:": "a"},
        {"Host": "internal"},
        {"hOsT": "internal"},
        {"Content-Length": "3"},
        {"Transfer-Encoding": "chunked"},
        {"Connection": "upgrade"},
        {"Proxy-Authorization": "Basic eA=="},
        {"Accept-Encoding": "br"},
    ],
)
async def test_a_header_that_ends_a_line_or_speaks_for_the_client_is_refused(client, wire, headers):
    with pytest.raises(EgressRefused) as caught:
        await client.request("GET", "http://127.0.0.1:1/", purpose=Purpose.WEBHOOK, headers=headers)
    assert caught.value.rule is EgressRule.HEADER
    assert wire.dialled == []


@pytest.mark.parametrize("method", ["get", "CONNECT", "TRACE", "GET /x HTTP/1.1\r\nX:", ""])
async def test_only_ordinary_methods_are_used(client, wire, method):
    with pytest.raises(EgressRefused) as caught:
        await client.request(method, "http://127.0.0.1:1/", purpose=Purpose.WEBHOOK)
    assert caught.value.rule is EgressRule.METHOD
    assert wire.dialled == []


# TLS.


async def _secure(site: Site, authority, *identities: str):
    """A server under TLS, and the names that clients asked for by SNI."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*identities).configure_cert(context)
    asked: list[str | None] = []
    context.sni_callback = lambda _connection, name, _context: asked.append(name)
    tasks: list[asyncio.Task[None]] = []

    async def serve(reader, writer) -> None:
        tasks.append(asyncio.current_task())
        try:
            await site(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    return server, asked, tasks


async def _ended(server, tasks) -> None:
    server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await server.wait_closed()


async def test_under_tls_certificate_sni_and_host_are_those_of_the_name(authority, names):
    names.say(NAME, "127.0.0.1")
    site = Site()
    server, asked, tasks = await _secure(site, authority, NAME)
    port = server.sockets[0].getsockname()[1]
    async with egress(context=trusting(authority)) as client:
        for _ in range(2):
            found = await client.request("GET", f"https://{NAME}:{port}/", purpose=Purpose.WEBHOOK)
    await _ended(server, tasks)
    assert found.body == b"ok"
    assert found.address == f"127.0.0.1:{port}"
    assert asked == [NAME]
    assert site.connections == 1
    assert f"Host: {NAME}:{port}\r\n".encode() in site.heads[0]


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_certificate_for_another_name_or_of_a_stranger_is_not_accepted(authority, names, trusted):
    names.say(NAME, "127.0.0.1")
    site = Site()
    server, _, tasks = await _secure(site, authority, "other.example.org" if trusted else NAME)
    port = server.sockets[0].getsockname()[1]
    context = trusting(authority) if trusted else None
    async with egress(context=context) as client:
        with pytest.raises(EgressFailed, match="no encrypted connection") as caught:
            await client.request("GET", f"https://{NAME}:{port}/", purpose=Purpose.WEBHOOK)
    await _ended(server, tasks)
    assert caught.value.reason is EgressReason.TLS
    assert caught.value.server == f"{NAME}:{port}"
    assert site.heads == []


async def test_a_server_without_tls_is_no_https_server(client):
    async def plain(reader, writer):
        await reader.read(1)
        writer.write(OK)
        await writer.drain()

    async with speaking(plain) as port:
        with pytest.raises(EgressFailed) as caught:
            await client.request("GET", f"https://127.0.0.1:{port}/", purpose=Purpose.WEBHOOK)
    assert caught.value.reason is EgressReason.TLS


async def test_a_handshake_that_does_not_come_to_its_end_is_a_timeout_and_leaves_no_socket_behind(
    client, opened_sockets
):
    async def silent(reader, _writer):
        await reader.read()

    async with speaking(silent) as port:
        before = len(opened_sockets)
        with pytest.raises(EgressTimeout) as caught:
            await client.request("GET", f"https://127.0.0.1:{port}/", purpose=Purpose.WEBHOOK, timeout=0.3)
        await asyncio.sleep(0)
        assert [one.fileno() for one in opened_sockets[before:]] == [-1]
    assert caught.value.elapsed > 0
    assert client._pools[Purpose.WEBHOOK].connections == []


# Servers that do not end.


@pytest.mark.parametrize(
    ("said", "status", "seconds"),
    [
        (b"", 0, 0.2),
        (b"HTTP/1.1 200 OK\r\n", 0, 0.2),
        # Long enough for the head to arrive on a busy machine.
        (b"HTTP/1.1 202 OK\r\nContent-Length: 9\r\n\r\na", 202, 2.0),
    ],
)
async def test_an_answer_that_does_not_come_to_its_end_is_a_timeout_with_its_status(client, said, status, seconds):
    async def slow(reader, writer):
        writer.write(said)
        await writer.drain()
        await reader.read()

    async with speaking(slow) as port:
        with pytest.raises(EgressTimeout, match=f"within {seconds:g} s") as caught:
            await get(client, port, timeout=seconds)
    assert caught.value.reason is EgressReason.TIMEOUT
    assert caught.value.status == status
    assert isinstance(caught.value, TimeoutError)


async def test_a_byte_now_and_then_does_not_prolong_the_time(client):
    async def dripping(_reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not writer.transport.is_closing():
            writer.write(b"a")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with speaking(dripping) as port:
        with pytest.raises(EgressTimeout):
            await get(client, port, timeout=0.3)


async def _forever(writer, piece: bytes) -> None:
    while True:
        writer.write(piece)
        await writer.drain()


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"\r\n", b"a" * 10_000),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"2710\r\n" + b"a" * 10_000 + b"\r\n"),
        # The packed part has ended, the body has not: nothing comes out any more.
        (b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"ok", mtime=0), b"\0" * 10_000),
    ],
)
async def test_an_endless_body_is_given_up_at_the_limit_and_the_connection_is_closed(client, head, piece):
    ended = asyncio.Event()

    async def endless(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n" + head)
        try:
            await _forever(writer, piece)
        except ConnectionError:
            ended.set()

    async with speaking(endless) as port:
        with pytest.raises(EgressFailed, match="bigger than 50000 bytes") as caught:
            await get(client, port, max_bytes=50_000)
        await ended.wait()
    assert caught.value.reason is EgressReason.TOO_BIG
    assert caught.value.status == 200


async def test_a_body_of_exactly_the_limit_is_taken_and_one_byte_more_is_not(client):
    async with speaking(Site(response(b"a" * 100))) as port:
        assert len((await get(client, port, max_bytes=100)).body) == 100
        with pytest.raises(EgressFailed) as caught:
            await get(client, port, max_bytes=99)
    assert caught.value.reason is EgressReason.TOO_BIG


async def test_an_endless_head_is_given_up(client):
    async def endless(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n")
        await _forever(writer, b"X: " + b"a" * 10_000 + b"\r\n")

    async with speaking(endless) as port:
        with pytest.raises(EgressFailed) as caught:
            await get(client, port)
    assert caught.value.reason is EgressReason.PROTOCOL


# Packed answers.


async def test_a_packed_answer_is_unpacked(client):
    site = Site(response(gzip.compress(b"hello" * 100, mtime=0), "Content-Encoding: gzip"))
    async with speaking(site) as port:
        assert (await get(client, port)).body == b"hello" * 100
    assert b"Accept-Encoding: gzip\r\n" in site.heads[0]


async def test_a_small_answer_that_unpacks_to_a_huge_one_takes_no_memory(client):
    packer = zlib.compressobj(wbits=31)
    bomb = b"".join(packer.compress(bytes(1_000_000)) for _ in range(200)) + packer.flush()
    assert len(bomb) < 250_000
    async with speaking(Site(response(bomb, "Content-Encoding: gzip"))) as port:
        tracemalloc.start()
        try:
            with pytest.raises(EgressFailed, match="bigger") as caught:
                await get(client, port, max_bytes=1_000_000)
            assert tracemalloc.get_traced_memory()[1] < 10_000_000
        finally:
            tracemalloc.stop()
    assert caught.value.reason is EgressReason.TOO_BIG


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "zstd", "deflate", "gzip\r\nContent-Encoding: gzip", "x"])
async def test_an_encoding_that_was_not_asked_for_is_refused_unopened(client, encoding):
    packed = response(gzip.compress(gzip.compress(b"a"), mtime=0), f"Content-Encoding: {encoding}")
    async with speaking(Site(packed)) as port:
        with pytest.raises(EgressFailed, match="not asked for") as caught:
            await get(client, port)
    assert caught.value.reason is EgressReason.PROTOCOL


async def test_what_only_calls_itself_packed_is_an_error(client):
    async with speaking(Site(response(b"not packed", "Content-Encoding: gzip"))) as port:
        with pytest.raises(EgressFailed, match="unpacked") as caught:
            await get(client, port)
    assert caught.value.reason is EgressReason.PROTOCOL


# Redirects.


def moved(location: str, status: str = "302 Found") -> bytes:
    return response(b"", f"Location: {location}", status=status)


async def test_a_redirect_is_an_answer_like_any_other_unless_it_was_asked_for(client, wire):
    async with speaking(Site(moved("http://169.254.169.254/"))) as port:
        found = await get(client, port)
        assert (found.status, found.headers["location"]) == (302, "http://169.254.169.254/")
        assert wire.dialled == [("127.0.0.1", port)]


@pytest.mark.parametrize(
    ("location", "rule"),
    [
        ("http://169.254.169.254/latest/meta-data/", EgressRule.ADDRESS),
        ("//169.254.169.254/", EgressRule.ADDRESS),
        ("http://[::ffff:169.254.169.254]/", EgressRule.ADDRESS),
        ("http://10.0.0.1/", EgressRule.ADDRESS),
        ("http://metadata.google.internal/", EgressRule.ADDRESS),
        ("file:///etc/passwd", EgressRule.SCHEME),
        ("FILE:/etc/passwd", EgressRule.SCHEME),
        ("gopher://127.0.0.1/", EgressRule.SCHEME),
        ("javascript:alert(1)", EgressRule.SCHEME),
        ("http://user:pass@127.0.0.1/", EgressRule.CREDENTIALS),
        ("//user@127.0.0.1/", EgressRule.CREDENTIALS),
        ("http://127.0.0.1/a b", EgressRule.URL),
        ("\\\\127.0.0.1\\", EgressRule.URL),
    ],
)
async def test_every_hop_of_a_redirect_is_judged_like_the_first(client, wire, location, rule):
    async with speaking(Site(moved(location))) as port:
        with pytest.raises(EgressRefused) as caught:
            await get(client, port, max_redirects=5)
        assert caught.value.rule is rule
        assert wire.dialled == [("127.0.0.1", port)]


async def test_a_redirect_is_followed_to_a_path_of_the_same_server(client):
    site = Site(lambda head: OK if b"GET /b/two?x" in head else moved("two?x"))
    async with speaking(site) as port:
        found = await get(client, port, "/b/one", max_redirects=1, headers={"Authorization": "Bearer t"})
    assert (found.status, found.body) == (200, b"ok")
    assert b"Authorization: Bearer t\r\n" in site.heads[1]


async def test_a_credential_does_not_follow_to_another_server(client):
    target = Site()
    async with speaking(target) as other, speaking(Site(moved(f"http://127.0.0.1:{other}/"))) as port:
        headers = {"Authorization": "Bearer t", "COOKIE": "a=b", "X-Kept": "yes"}
        await get(client, port, max_redirects=1, headers=headers)
    assert b"Bearer" not in target.heads[0]
    assert b"a=b" not in target.heads[0]
    assert b"X-Kept: yes\r\n" in target.heads[0]


@pytest.mark.parametrize(
    ("status", "method", "body"),
    [
        ("301 Moved", b"GET", b""),
        ("302 Found", b"GET", b""),
        ("303 See Other", b"GET", b""),
        ("307 Temporary", b"POST", b"{}"),
        ("308 Permanent", b"POST", b"{}"),
    ],
)
async def test_a_redirected_post_stays_one_where_the_status_says_so(client, status, method, body):
    site = Site(lambda head: OK if b" /new " in head else moved("/new", status))
    async with speaking(site) as port:
        await client.request(
            "POST",
            f"http://127.0.0.1:{port}/",
            purpose=Purpose.WEBHOOK,
            content=b"{}",
            headers={"Content-Type": "application/json"},
            max_redirects=1,
        )
    assert site.heads[1].startswith(method + b" /new ")
    assert site.bodies[1] == body
    assert (b"application/json" in site.heads[1]) is bool(body)


async def test_a_circle_of_redirects_ends_at_the_limit(client):
    site = Site(moved("/"))
    async with speaking(site) as port:
        with pytest.raises(EgressRefused, match="more than 3 times") as caught:
            await get(client, port, max_redirects=3)
    assert caught.value.rule is EgressRule.REDIRECT
    assert len(site.heads) == 4


async def test_a_redirect_out_of_tls_is_refused(authority, names):
    names.say(NAME, "127.0.0.1")
    server, _, tasks = await _secure(Site(moved(f"http://{NAME}/")), authority, NAME)
    port = server.sockets[0].getsockname()[1]
    async with egress(context=trusting(authority)) as client:
        with pytest.raises(EgressRefused, match="from https to http") as caught:
            await client.request("GET", f"https://{NAME}:{port}/", purpose=Purpose.WEBHOOK, max_redirects=2)
    await _ended(server, tasks)
    assert caught.value.rule is EgressRule.REDIRECT


async def test_the_time_is_for_all_hops_together(client):
    async def circling(reader, writer):
        while True:
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(0.05)
            writer.write(moved("/"))
            await writer.drain()

    async with speaking(circling) as port:
        with pytest.raises(EgressTimeout):
            await get(client, port, timeout=0.4, max_redirects=1_000)


# No answer.


async def test_each_way_to_fail_has_its_reason(client, names):
    names.say(NAME, "127.0.0.1")
    with nobody() as port, pytest.raises(EgressFailed, match="Connection refused") as caught:
        await client.request("GET", f"http://{NAME}:{port}/", purpose=Purpose.WEBHOOK)
    assert caught.value.reason is EgressReason.CONNECT
    assert caught.value.server == f"{NAME}:{port}"
    with pytest.raises(EgressFailed, match="has no address") as caught:
        await client.request("GET", "http://nobody.example/", purpose=Purpose.WEBHOOK)
    assert caught.value.reason is EgressReason.RESOLVE
    assert caught.value.to_json()["reason"] == "resolve"


@pytest.mark.parametrize(
    "said",
    [b"", b"220 mail.example.org ESMTP\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", b"\x15\x03\x01"],
)
async def test_a_server_that_hangs_up_or_speaks_another_protocol_is_a_failure(client, said):
    async def speak(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        await writer.drain()

    async with speaking(speak) as port:
        with pytest.raises(EgressFailed) as caught:
            await get(client, port)
    assert caught.value.reason is EgressReason.PROTOCOL


async def test_a_connection_that_is_reset_is_lost(client):
    async def resetting(reader, writer):
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    async with speaking(resetting) as port:
        with pytest.raises(EgressFailed) as caught:
            await get(client, port)
    assert caught.value.reason is EgressReason.LOST


async def test_a_caller_who_gives_up_leaves_no_socket_behind(client, opened_sockets):
    arrived = asyncio.Event()

    async def silent(reader, _writer):
        await reader.readuntil(b"\r\n\r\n")
        arrived.set()
        await reader.read()

    async with speaking(silent) as port:
        before = len(opened_sockets)
        asking = asyncio.create_task(get(client, port))
        await arrived.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await asyncio.sleep(0)
        assert [one.fileno() for one in opened_sockets[before:]] == [-1]
    assert client._pools[Purpose.WEBHOOK].connections == []


async def test_closing_the_client_closes_what_rests(opened_sockets):
    async with speaking(Site()) as port:
        before = len(opened_sockets)
        async with egress() as client:
            await get(client, port)
            assert [one.fileno() for one in opened_sockets[before:]] != [-1]
        await asyncio.sleep(0)
        assert [one.fileno() for one in opened_sockets[before:]] == [-1]
