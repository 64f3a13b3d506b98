"""One attempt, over a real connection, by the real HTTP client, to a receiver that verifies what it gets."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

from standardwebhooks import Webhook

from mailwright.model.event import Event, EventType
from mailwright.model.webhook import SigningSecret, WebhookEndpoint, WebhookState
from mailwright.transport.dial import Dialler
from mailwright.transport.dial_policy import Purpose, read_policy
from mailwright.transport.egress import Egress
from mailwright.webhooks.deliver import deliver

KEY = SigningSecret.of_bytes("whk_1", bytes(range(32)), datetime(2030, 1, 1, tzinfo=UTC))
EVENT = Event("evt_1", "default", EventType.MESSAGE_SENT, datetime(2030, 1, 31, tzinfo=UTC), message="msg_1")


class Receiver:
    """Answers each request with the next of its answers, and keeps what it got."""

    def __init__(self, *answers: bytes) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self._answers = list(answers)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                headers = dict(line.split(": ", 1) for line in head.splitlines()[1:] if line)
                headers = {name.lower(): value for name, value in headers.items()}
                self.got.append((headers, await reader.readexactly(int(headers["content-length"]))))
                writer.write(self._answers.pop(0))
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def listening(receiver: Receiver):
    tasks: set[asyncio.Task[None]] = set()
    server = await asyncio.start_server(
        lambda reader, writer: tasks.add(asyncio.create_task(receiver.serve(reader, writer))), "127.0.0.1", 0
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.gather(*tasks)
        await server.wait_closed()


def egress(*allowed: str) -> Egress:
    return Egress(Dialler(read_policy(allow_for={"webhook": allowed})))


def endpoint(port: int, *secrets: SigningSecret) -> WebhookEndpoint:
    return WebhookEndpoint("wh_1", "default", f"http://127.0.0.1:{port}/hook", secrets or (KEY,), EVENT.at)


def answer(status: str, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", "Content-Length: 0", *headers, "", ""]).encode()


async def test_an_event_arrives_signed_and_the_receiver_can_verify_it():
    receiver = Receiver(answer("204 No Content"))
    now = datetime.now(UTC)
    async with listening(receiver) as port, egress("127.0.0.1") as client:
        found = await deliver(endpoint(port), EVENT, client.only(Purpose.WEBHOOK), now, number=1, jitter=0.5)
    ((headers, body),) = receiver.got
    assert Webhook(KEY.secret.reveal()).verify(body, headers)["data"]["message"] == "msg_1"
    assert headers["webhook-id"] == "evt_1"
    assert headers["content-type"] == "application/json"
    assert (found.state, found.status, found.address) == (WebhookState.DELIVERED, 204, f"127.0.0.1:{port}")
    assert found.at == now + timedelta(seconds=found.elapsed)


async def test_a_second_attempt_has_the_same_id_and_body_and_its_own_time():
    receiver = Receiver(answer("503 Busy", "Retry-After: 60"), answer("200 OK"))
    now = datetime.now(UTC)
    async with listening(receiver) as port, egress("127.0.0.1") as client:
        port_of = client.only(Purpose.WEBHOOK)
        first = await deliver(endpoint(port), EVENT, port_of, now, number=1, jitter=0.0)
        assert first.next_at == first.at + timedelta(seconds=60)
        second = await deliver(endpoint(port), EVENT, port_of, first.next_at, number=2, jitter=0.0)
    assert second.state is WebhookState.DELIVERED
    (one, body), (other, again) = receiver.got
    assert body == again
    assert one["webhook-id"] == other["webhook-id"]
    assert int(other["webhook-timestamp"]) - int(one["webhook-timestamp"]) in (60, 61)


async def test_secrets_that_have_expired_do_not_sign_any_more():
    old = SigningSecret("whk_0", KEY.secret, EVENT.at, EVENT.at + timedelta(days=1))
    receiver = Receiver(answer("200 OK"), answer("200 OK"))
    async with listening(receiver) as port, egress("127.0.0.1") as client:
        for day in (0, 1):
            moment = EVENT.at + timedelta(days=day)
            await deliver(endpoint(port, old, KEY), EVENT, client.only(Purpose.WEBHOOK), moment, number=1, jitter=0)
    assert [headers["webhook-signature"].count("v1,") for headers, _ in receiver.got] == [2, 1]


async def test_a_redirect_is_not_followed():
    receiver = Receiver(answer("307 Elsewhere", "Location: /other"))
    async with listening(receiver) as port, egress("127.0.0.1") as client:
        found = await deliver(endpoint(port), EVENT, client.only(Purpose.WEBHOOK), EVENT.at, number=1, jitter=0)
    assert (found.state, found.status) == (WebhookState.WAITING, 307)
    assert len(receiver.got) == 1


async def test_an_endpoint_that_is_gone_says_so():
    async with listening(Receiver(answer("410 Gone"))) as port, egress("127.0.0.1") as client:
        found = await deliver(endpoint(port), EVENT, client.only(Purpose.WEBHOOK), EVENT.at, number=3, jitter=0)
    assert (found.state, found.gone, found.number) == (WebhookState.DEAD, True, 3)


async def test_an_endpoint_in_the_local_network_is_not_reached_unless_the_operator_allows_it():
    receiver = Receiver()
    async with listening(receiver) as port, egress() as client:
        found = await deliver(endpoint(port), EVENT, client.only(Purpose.WEBHOOK), EVENT.at, number=1, jitter=0)
    assert (found.state, found.error) == (WebhookState.WAITING, "egress_refused")
    assert "MAILWRIGHT_DIAL_ALLOW_WEBHOOK" in found.hint
    assert receiver.got == []
