"""The API behind its real server: streams, callers that wait, slow and hostile ones, certificates, proxies, the end."""

import asyncio
import json
import ssl
from typing import Any

import httpx2
import pytest
import trustme
from litestar import Request, get

from mailwright.api.protocol import MAX_HEAD, LimitedProtocol
from mailwright.api.server import ServerSettings, serve
from mailwright.api.settings import ApiSettings
from mailwright.errors import InvalidSetting
from mailwright.model.event import EventType
from tests.edges.api_client import MESSAGE, app_of, running_api
from tests.edges.api_server import BEARER, Serving, serving, until
from tests.edges.memory_desk import HOME, MemoryDesk, Messages


async def next_event(lines: Any) -> dict[str, str]:
    """The next event of a stream; comments and the line about retries are passed over."""
    event: dict[str, str] = {}
    async for line in lines:
        name, _, value = line.partition(": ")
        if name in ("id", "event", "data"):
            event[name] = value
        elif not line and event:
            return event
    raise AssertionError("the stream has ended")


async def listening(api: Serving) -> None:
    await until(lambda: api.desk.streams > 0)


async def test_events_arrive_while_they_happen() -> None:
    async with serving() as api, api.client.stream("GET", "/v1/events/stream") as stream:
        assert stream.headers["content-type"] == "text/event-stream"
        await listening(api)
        message = (await api.client.post("/v1/messages?wait=1", json=MESSAGE)).json()["id"]
        lines = stream.aiter_lines()
        first, second = await next_event(lines), await next_event(lines)
        assert (first["event"], second["event"]) == ("message.queued", "message.sent")
        assert json.loads(second["data"])["message"] == message


async def test_a_stream_goes_on_behind_the_last_event_that_was_read() -> None:
    async with serving() as api:
        for _ in range(3):
            api.desk.shelves["home"].happened(EventType.ACCOUNT_PAUSED)
        async with api.client.stream("GET", "/v1/events/stream?cursor=1") as stream:
            lines = stream.aiter_lines()
            first = await next_event(lines)
            assert first["id"] == "2"
        async with api.client.stream("GET", "/v1/events/stream?cursor=1", headers={"last-event-id": "3"}) as stream:
            assert (await next_event(stream.aiter_lines()))["id"] == "4"
        refused = await api.client.get("/v1/events/stream", headers={"last-event-id": "elsewhere"})
        assert (refused.status_code, refused.json()["field"]) == (422, "cursor")


async def test_a_stream_gives_the_types_that_were_asked_for() -> None:
    async with serving() as api:
        shelf = api.desk.shelves["home"]
        for kind in (EventType.ACCOUNT_PAUSED, EventType.ACCOUNT_RESUMED, EventType.ACCOUNT_PAUSED):
            shelf.happened(kind)
        address = "/v1/events/stream?cursor=0&type=account.resumed&type=account.created"
        async with api.client.stream("GET", address) as stream:
            lines = stream.aiter_lines()
            found = [(await next_event(lines))["event"] for _ in range(2)]
            assert found == ["account.created", "account.resumed"]


async def test_a_stream_with_nothing_to_say_shows_that_it_lives() -> None:
    settings = ApiSettings(heartbeat_seconds=0.02)
    async with serving(settings=settings) as api, api.client.stream("GET", "/v1/events/stream") as stream:
        beats = 0
        async for line in stream.aiter_lines():
            beats += line.startswith(":")
            if beats == 3:
                break


async def test_a_listener_that_goes_away_is_forgotten() -> None:
    async with serving() as api:
        async with api.client.stream("GET", "/v1/events/stream"):
            await listening(api)
        await until(lambda: not api.desk.streams and not api.app.floor.gate.under_way)


async def test_streams_and_callers_that_wait_are_let_go_when_the_service_stops() -> None:
    async with serving() as api:
        place = (await api.client.post("/v1/messages", json=MESSAGE)).headers["location"]
        async with api.client.stream("GET", "/v1/events/stream") as stream:
            await listening(api)
            waiting = asyncio.ensure_future(api.client.get(f"{place}?wait=60"))
            await until(lambda: api.app.floor.gate.under_way == 2)
            api.stop.set()
            assert [line async for line in stream.aiter_lines()] == ["retry: 1000", ""]
            answer = await waiting
            assert (answer.status_code, answer.json()["state"]) == (200, "queued")
        await api.task


async def test_a_caller_that_waits_gets_the_message_when_it_has_ended() -> None:
    async with serving() as api:
        message = (await api.client.post("/v1/messages", json=MESSAGE)).json()["id"]
        waiting = asyncio.ensure_future(api.client.get(f"/v1/messages/{message}?wait=60"))
        await until(lambda: api.app.floor.gate.under_way == 1)
        shelf = api.desk.shelves["home"]
        Messages(api.desk, shelf, api.desk.tokens[HOME]).sent(message)
        assert (await waiting).json()["state"] == "sent"


async def test_a_caller_that_waits_and_goes_away_takes_nobodys_place() -> None:
    async with serving(settings=ApiSettings(concurrency=1)) as api:
        place = (await api.client.post("/v1/messages", json=MESSAGE)).headers["location"]
        reader, writer = await api.connect()
        writer.write(f"GET {place}?wait=60 HTTP/1.1\r\nHost: x\r\n{BEARER}\r\n".encode())
        await until(lambda: api.app.floor.gate.under_way == 1)
        refused = await api.client.get("/v1/messages")
        assert (refused.status_code, refused.json()["code"]) == (429, "limit_exceeded")
        writer.close()
        await until(lambda: not api.app.floor.gate.under_way)
        assert (await api.client.get("/v1/messages")).status_code == 200
        assert await reader.read() == b""


async def test_a_call_that_is_under_way_ends_before_the_service_does() -> None:
    async with serving() as api:
        body = json.dumps(MESSAGE).encode()
        reader, writer = await api.connect()
        head = f"POST /v1/messages HTTP/1.1\r\nHost: x\r\n{BEARER}Content-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body[:10])
        await until(lambda: api.app.floor.gate.under_way == 1)
        api.stop.set()
        writer.write(body[10:])
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 202 ")
        writer.close()


async def test_answers_that_nobody_reads_do_not_stop_the_reading_of_a_bulk_call() -> None:
    """A caller that sends everything first, and a server that waits for its answers to be read: they must not meet."""
    async with running_api() as api:
        app = api.app
    line = json.dumps({"message": MESSAGE["message"]}).encode() + b"\n"
    sent, everything_was_read = 0, asyncio.Event()
    answered: list[bytes] = []

    async def receive() -> Any:
        nonlocal sent
        sent += 1
        if sent == 50:
            everything_was_read.set()
        return {"type": "http.request", "body": line * 10, "more_body": sent < 50}

    async def send(message: Any) -> None:
        await everything_was_read.wait()
        answered.append(message.get("body", b""))

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/bulk",
        "raw_path": b"/v1/bulk",
        "query_string": b"account=main",
        "headers": [(b"authorization", f"Bearer {HOME}".encode()), (b"transfer-encoding", b"chunked")],
    }
    await app(scope, receive, send)
    assert b"".join(answered).count(b"\n") == 500


async def test_what_arrived_of_a_bulk_call_is_sent_though_its_caller_went_away() -> None:
    async with serving() as api:
        line = json.dumps({"message": MESSAGE["message"]}).encode() + b"\n"
        reader, writer = await api.connect()
        head = f"POST /v1/bulk?account=main HTTP/1.1\r\nHost: x\r\n{BEARER}Content-Length: 100000\r\n\r\n"
        writer.write(head.encode() + line * 3)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        shelf = api.desk.shelves["home"]
        await until(lambda: len(shelf.messages) == 3)
        writer.close()
        await until(lambda: not api.app.floor.gate.under_way)
        (job,) = shelf.jobs.values()
        assert (job.state, job.accepted) == ("running", 3)


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async with serving(settings=ApiSettings(body_seconds=0.05)) as api:
        head = f"POST /v1/messages HTTP/1.1\r\nHost: x\r\n{BEARER}Content-Length: 100\r\n\r\n"
        answer = await api.say(head.encode(), b"{")
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"body_timeout" in answer
        assert b"connection: close" in answer


async def test_a_body_that_is_too_large_is_refused_before_it_is_sent() -> None:
    async with serving() as api:
        announced = "Content-Length: 99999999999\r\nExpect: 100-continue\r\n"
        head = f"POST /v1/messages HTTP/1.1\r\nHost: x\r\n{BEARER}{announced}\r\n"
        answer = await api.say(head.encode())
        assert answer.startswith(b"HTTP/1.1 413 ")


async def test_a_head_without_end_is_refused() -> None:
    async with serving() as api:
        for head in (b"GET /" + b"x" * MAX_HEAD, b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * (MAX_HEAD // 4)):
            answer = await api.say(head)
            assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")
        assert (await api.client.get("/health")).status_code == 200


async def test_a_head_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as api:
        monkeypatch.setattr(LimitedProtocol, "head_seconds", 0.05)
        assert await api.say() == b""
        assert await api.say(b"GET /health HT") == b""
        # The second one of a connection, after a first that was in order.
        answer = await api.say(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /hea")
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("request_line", [b"GET /health HTTP/9.9", b"rubbish", b"\x16\x03\x01\x02\x00"])
async def test_what_is_no_http_is_refused(request_line: bytes) -> None:
    async with serving() as api:
        answer = await api.say(request_line + b"\r\n\r\n")
        assert not answer.startswith(b"HTTP/1.1 2")
        assert (await api.client.get("/health")).status_code == 200


async def test_the_server_does_not_say_what_it_is() -> None:
    async with serving() as api:
        assert "server" not in (await api.client.get("/health")).headers


async def test_the_server_writes_no_line_with_a_query_or_a_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with serving() as api:
        await api.client.get("/v1/messages?recipient=ann@example.org")
        await api.say(f"rubbish {HOME}\r\n\r\n".encode())
    # What the client of this test writes is not ours.
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert "ann@example.org" not in str(ours)
    assert HOME not in str(ours)


@get("/whoami", opt={"needs": "public"})
async def whoami(request: Request[Any, Any, Any]) -> dict[str, Any]:
    return {"host": request.client.host if request.client else "", "scheme": request.url.scheme}


@pytest.mark.parametrize(
    ("proxies", "host", "scheme"),
    [
        ([], "127.0.0.1", "http"),
        (["192.0.2.1"], "127.0.0.1", "http"),
        (["127.0.0.1"], "198.51.100.7", "https"),
        (["127.0.0.0/8"], "198.51.100.7", "https"),
    ],
)
async def test_only_a_declared_proxy_is_believed(proxies: list[str], host: str, scheme: str) -> None:
    async with serving(trusted_proxies=proxies, handlers=[whoami]) as api:
        forwarded = {"x-forwarded-for": "198.51.100.7", "x-forwarded-proto": "https"}
        assert (await api.client.get("/whoami", headers=forwarded)).json() == {"host": host, "scheme": scheme}


async def test_a_proxy_that_is_no_address_keeps_the_service_from_starting() -> None:
    for wrong in ("*", "proxy.example.org", "10.0.0.1/8"):
        with pytest.raises(InvalidSetting) as caught:
            async with serving(trusted_proxies=[wrong]):
                pass
        assert caught.value.field == "trusted_proxies"


async def test_the_service_speaks_https_where_it_has_a_certificate(tmp_path: Any) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    files = {"tls_cert": str(tmp_path / "cert.pem"), "tls_key": str(tmp_path / "key.pem")}
    async with serving(**files) as api:
        assert api.address.startswith("https://127.0.0.1:")
        async with httpx2.AsyncClient(verify=context) as client:
            assert (await client.get(f"{api.address}/health")).status_code == 200
    for wrong, field in (({"tls_cert": files["tls_cert"]}, "tls_key"), ({**files, "tls_key": "nowhere"}, "tls_cert")):
        with pytest.raises(InvalidSetting) as caught:
            async with serving(**wrong):
                pass
        assert caught.value.field == field


async def test_a_port_that_is_taken_is_a_clear_error() -> None:
    async with serving() as api:
        with pytest.raises(InvalidSetting, match=f"port {api.port}"):
            await serve(app_of(MemoryDesk()), ServerSettings(port=api.port), stop=asyncio.Event())
