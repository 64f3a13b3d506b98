"""What is asked again when the connection fails, and what is not; against servers that fail on purpose."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trustme

from mailwright import InvalidSetting, Message, errors
from mailwright.client import MailwrightClient
from mailwright.client.http import path_of, read_server
from mailwright.connector.calls import Submission
from mailwright.errors import EgressReason, InvalidInput
from mailwright.model.outbox import SendOptions

PAGE = b'{"items":[],"next_cursor":""}'
MESSAGE = Message(to="bob@example.com", text="x")
Answer = bytes | None


class Service:
    """Answers each request with what `answer` gives for its number; None closes the connection without a word."""

    def __init__(self, answer: Callable[[int], Answer]) -> None:
        self.answer = answer
        self.requests: list[tuple[str, dict[str, str], bytes]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().strip().split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                if headers.get("transfer-encoding") == "chunked":
                    body = await _chunks(reader)
                self.requests.append((first.rpartition(" ")[0], headers, body))
                answer = self.answer(len(self.requests))
                if answer is None:
                    return
                writer.write(answer)
                await writer.drain()
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return body


def answered(content: bytes, status: str = "200 OK", **headers: str) -> bytes:
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(content)}\r\n{more}\r\n".encode() + content


@asynccontextmanager
async def service(
    answer: Callable[[int], Answer], **options: object
) -> AsyncIterator[tuple[Service, MailwrightClient]]:
    served = Service(answer)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, MailwrightClient(f"http://127.0.0.1:{port}", "mw_secret", **options) as client:
        yield served, client


async def test_reading_is_tried_again_when_the_answer_is_lost():
    async with service(lambda number: None if number < 3 else answered(PAGE)) as (served, client):
        assert (await client.accounts.list()).items == []
    assert len(served.requests) == 3
    assert served.requests[0][1]["authorization"] == "Bearer mw_secret"


async def test_a_message_is_sent_again_with_the_same_key_when_the_answer_is_lost():
    def answer(number: int) -> Answer:
        return None if number == 1 else answered(b'{"id":"msg_1"}', "202 Accepted")

    async with service(answer) as (served, client):
        assert await client.messages.accept("office", MESSAGE) == "msg_1"
        assert await client.messages.accept("office", MESSAGE) == "msg_1"
    keys = [headers["idempotency-key"] for _, headers, _ in served.requests]
    assert keys[0] == keys[1] != keys[2], "the same message has the same key, another one another"
    assert served.requests[0][2] == served.requests[1][2]


async def test_a_key_of_the_caller_is_the_key():
    async with service(lambda _: answered(b'{"id":"msg_1"}', "202 Accepted")) as (served, client):
        await client.messages.accept("office", MESSAGE, SendOptions(idempotency_key="mine"))
    (request,) = served.requests
    assert "idempotency-key" not in request[1]
    assert json.loads(request[2])["options"]["idempotency_key"] == "mine"


async def test_what_is_not_the_same_when_it_is_done_twice_is_not_tried_again():
    async with service(lambda _: None) as (served, client):
        with pytest.raises(errors.EgressFailed) as caught:
            await client.accounts.delete("office")
    assert caught.value.reason is EgressReason.LOST
    assert len(served.requests) == 1


async def test_an_error_of_the_service_is_not_tried_again():
    body = json.dumps({"code": "not_found", "message": "no", "field": "account"}).encode()
    async with service(lambda _: answered(body, "404 Not Found")) as (served, client):
        with pytest.raises(errors.NotFound) as caught:
            await client.accounts.get("a/b c")
    assert caught.value.field == "account"
    assert [first for first, _, _ in served.requests] == ["GET /v1/accounts/a%2Fb%20c"]


async def test_a_service_that_is_not_there_is_said_so_after_some_tries(unused_tcp_port):
    async with MailwrightClient(f"http://127.0.0.1:{unused_tcp_port}", "mw_x", retries=1) as client:
        with pytest.raises(errors.EgressFailed) as caught:
            await client.accounts.delete("office")
    assert (caught.value.reason, caught.value.server) == (EgressReason.CONNECT, f"127.0.0.1:{unused_tcp_port}")


async def test_a_service_that_says_nothing_is_not_waited_for_without_end():
    silent = asyncio.Event()

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silent.wait()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, MailwrightClient(f"http://127.0.0.1:{port}", "mw_x", timeout=0.05, retries=0) as client:
        with pytest.raises(errors.EgressTimeout):
            await client.accounts.list()
        silent.set()


@pytest.mark.parametrize("content", [b"", b"<html>", b'{"items":[{}],"next_cursor":""}', b"[]", b'{"items":null}'])
async def test_an_answer_that_is_not_ours_is_an_error_and_no_half_result(content):
    async with service(lambda _: answered(content)) as (_, client):
        with pytest.raises(errors.EgressFailed) as caught:
            await client.accounts.list()
    assert caught.value.reason is EgressReason.PROTOCOL


async def test_a_redirect_is_not_followed_with_the_token():
    async with service(lambda _: answered(b"", "302 Found", location="http://127.0.0.1:9/")) as (served, client):
        with pytest.raises(errors.EgressFailed):
            await client.accounts.list()
    assert len(served.requests) == 1


async def test_each_workspace_is_named_in_its_calls_over_the_same_connection():
    async with service(lambda _: answered(PAGE), workspace="one") as (served, client):
        await client.accounts.list()
        await client.workspace("two").accounts.list()
    assert [headers["mailwright-workspace"] for _, headers, _ in served.requests] == ["one", "two"]


async def test_errors_among_the_lines_of_a_bulk_call_keep_their_places():
    async def submissions() -> AsyncIterator[Submission | InvalidInput]:
        yield InvalidInput("first", field="to")
        yield Submission(MESSAGE)
        yield InvalidInput("third")
        yield Submission(MESSAGE)
        yield InvalidInput("fifth")

    lines = b'{"index":0,"message":"msg_1","job":"blk"}\n'
    lines += b'{"index":1,"message":"","job":"blk","error":{"code":"x","message":"no","field":""}}\n'
    async with service(lambda _: answered(lines, content_type="application/jsonl")) as (served, client):
        items = [item async for item in client.messages.send_many("office", submissions())]
    assert [(item.index, item.message, item.error) for item in items] == [
        (0, "", "first"),
        (1, "msg_1", ""),
        (2, "", "third"),
        (3, "", "no"),
        (4, "", "fifth"),
    ]
    assert served.requests[0][2].count(b"\n") == 2


async def test_a_bulk_call_of_errors_alone_is_not_made():
    async def submissions() -> AsyncIterator[Submission | InvalidInput]:
        yield InvalidInput("only")

    async with service(lambda _: None) as (served, client):
        items = [item async for item in client.messages.send_many("office", submissions())]
    assert [item.error for item in items] == ["only"]
    assert served.requests == []


async def test_a_bulk_call_that_ends_early_is_an_error():
    lines = b'{"index":0,"message":"msg_1","job":"blk"}\n'
    async with service(lambda _: answered(lines)) as (_, client):
        items = client.messages.send_many("office", [Submission(MESSAGE)] * 2)
        assert (await anext(items)).message == "msg_1"
        with pytest.raises(errors.EgressFailed, match="1 messages have no answer"):
            await anext(items)


async def test_a_stream_of_events_goes_on_behind_the_last_one_when_it_breaks():
    event = {"id": "evt_1", "workspace": "default", "type": "message.sent", "at": "2030-01-31T12:00:00Z"}
    event |= {"account": "", "message": "msg_1", "data": {}}

    def answer(number: int) -> Answer:
        said = f"retry: 0\n\nid: c{number}\ndata: {json.dumps({**event, 'id': f'evt_{number}'})}\n\n".encode()
        # Longer than what comes: the connection breaks.
        return b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + said if number < 4 else None

    served = Service(answer)

    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        one = Service(lambda _: answer(len(served.requests)))
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode().strip().split("\r\n")
        served.requests.append((first, dict(line.split(": ", 1) for line in lines), b""))
        writer.write(one.answer(0) or b"")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(break_off, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, MailwrightClient(f"http://127.0.0.1:{port}", "mw_x") as client:
        stream = client.events.stream(types=["message.sent"])
        seen = [await anext(stream) for _ in range(3)]
        await stream.aclose()
    assert [cursor for cursor, _ in seen] == ["c1", "c2", "c3"]
    assert [event.id for _, event in seen] == ["evt_1", "evt_2", "evt_3"]
    assert [headers.get("last-event-id") for _, headers, _ in served.requests] == [None, "c1", "c2"]


async def test_a_certificate_of_an_authority_of_ones_own_is_trusted_when_it_is_named(tmp_path):
    import ssl

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    served = Service(lambda _: answered(PAGE))
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        async with MailwrightClient(url, "mw_x", ca_file=str(tmp_path / "ca.pem")) as client:
            await client.accounts.list()
        async with MailwrightClient(url, "mw_x", retries=0) as client:
            with pytest.raises(errors.EgressFailed) as caught:
                await client.accounts.list()
    assert caught.value.reason is EgressReason.TLS


def test_an_address_keeps_its_path_and_loses_its_last_slash():
    assert read_server("https://example.org/mail/").base == "https://example.org/mail"
    assert read_server("http://[::1]:8400") == ("http://[::1]:8400", "[::1]:8400", True)
    assert path_of("accounts", "ä/b?c") == "/v1/accounts/%C3%A4%2Fb%3Fc"


@pytest.mark.parametrize("url", ["", "example.org", "file:///etc/passwd", "https://a:b@example.org", "http://x:99999"])
def test_what_is_no_address_is_refused_before_anything_is_sent(url):
    with pytest.raises(InvalidSetting):
        read_server(url)


def test_an_authority_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "ca.pem").write_text("nothing")
    for name in ("ca.pem", "missing.pem"):
        with pytest.raises(InvalidSetting) as caught:
            MailwrightClient("https://example.org", "mw_x", ca_file=str(tmp_path / name))
        assert caught.value.field == "ca_file"
