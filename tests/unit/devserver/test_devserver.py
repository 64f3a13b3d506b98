"""The development server and a client of another house: the standard library's smtplib."""

import asyncio
import smtplib
import socket
import ssl
from email.message import EmailMessage

import pytest
import uvloop

from mailwright.devserver import (
    CertificateKind,
    Defect,
    DevServer,
    DevServerOptions,
    Extension,
    ServerPolicy,
    parse_extension,
    read_users,
)
from mailwright.errors import InvalidSetting
from mailwright.model.account import Mechanism
from tests.unit.devserver.raw_client import raw_client, send_one

USERS = read_users(["ann:secret"], [])


def message(**headers: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "you@example.com", "ann@example.org", "Hello"
    for name, value in headers.items():
        del mail[name]
        mail[name] = value
    mail.set_content("Good morning\n.\nwith a lone dot\n")
    return mail


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_mail_over_starttls_arrives_with_either_event_loop(new_loop):
    def send(port: int, ca: str) -> None:
        with smtplib.SMTP("localhost", port) as client:
            client.starttls(context=ssl.create_default_context(cadata=ca))
            client.login("ann", "anything")
            client.send_message(message())

    async def scenario() -> None:
        async with DevServer() as server:
            await asyncio.to_thread(send, server.port, server.ca_pem)
            (mail,) = await server.wait_for(1)
        assert mail.raw.endswith(b"\r\nGood morning\r\n.\r\nwith a lone dot\r\n")
        assert (mail.number, mail.connection, mail.user, mail.tls) == (1, 1, "ann", "TLSv1.3")
        assert mail.envelope.sender.address == "you@example.com"
        assert mail.envelope.sender.size == len(mail.raw)
        assert mail.envelope.addresses == ("ann@example.org",)
        assert mail.peer.startswith("127.0.0.1:")
        assert mail.defects == ()
        assert mail.received.tzinfo is not None

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(scenario())


async def test_implicit_tls_has_a_port_of_its_own():
    def send(port: int, ca: str) -> None:
        with smtplib.SMTP_SSL("127.0.0.1", port, context=ssl.create_default_context(cadata=ca)) as client:
            assert not client.has_extn("starttls")
            client.send_message(message())

    async with DevServer(DevServerOptions(tls_port=0)) as server:
        assert server.tls_port not in (None, server.port)
        await asyncio.to_thread(send, server.tls_port, server.ca_pem)
        (mail,) = await server.wait_for(1)
        assert mail.tls


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
async def test_each_mechanism_of_smtplib_signs_in(mechanism):
    def send(port: int, password: str) -> None:
        with smtplib.SMTP("localhost", port) as client:
            client.ehlo()
            client.user, client.password = "ann", password
            client.auth(mechanism, getattr(client, f"auth_{mechanism.lower().replace('-', '_')}"))
            client.send_message(message())

    policy = ServerPolicy(users=USERS, require_sign_in=True)
    async with DevServer(DevServerOptions(policy=policy)) as server:
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            await asyncio.to_thread(send, server.port, "wrong")
        assert refused.value.smtp_code == 535
        await asyncio.to_thread(send, server.port, "secret")
        (mail,) = await server.wait_for(1)
        assert (mail.user, mail.mechanism) == ("ann", Mechanism(mechanism))


async def test_an_international_mail_arrives_octet_by_octet():
    mail = message(From="jörg@example.com", To="用户@example.org", Subject="Grüße 你好")
    mail.set_content("schöne Grüße\n", cte="8bit")

    def send(port: int) -> None:
        with smtplib.SMTP("localhost", port) as client:
            client.send_message(mail)

    async with DevServer() as server:
        await asyncio.to_thread(send, server.port)
        (caught,) = await server.wait_for(1)
        assert caught.envelope.sender.address == "jörg@example.com"
        assert caught.envelope.addresses == ("用户@example.org",)
        assert (caught.envelope.sender.body, caught.envelope.sender.smtputf8) == ("8BITMIME", True)
        assert "Subject: Grüße 你好\r\n".encode() in caught.raw
        assert caught.defects == ()


async def test_a_big_message_arrives_whole():
    lines = b"".join(b"%07d %s\r\n" % (number, b"." * (number % 60)) for number in range(150_000))

    def send(port: int) -> None:
        with smtplib.SMTP("localhost", port) as client:
            client.sendmail("you@example.com", ["ann@example.org"], lines)

    async with DevServer() as server:
        await asyncio.to_thread(send, server.port)
        (mail,) = await server.wait_for(1)
        assert len(mail.raw) > 5_000_000
        assert mail.raw == lines


async def test_a_message_over_the_limit_is_refused_before_and_after_it_is_sent():
    policy = ServerPolicy(max_size=1000)
    async with DevServer(DevServerOptions(policy=policy)) as server, raw_client(server) as client:
        await client.reply()
        assert "250-SIZE 1000\r\n" in await client.ask("EHLO c")
        assert (await client.ask("MAIL FROM:<> SIZE=1001")).startswith("552 5.3.4")
        await client.ask("MAIL FROM:<>")
        await client.ask("RCPT TO:<ann@example.org>")
        await client.ask("DATA")
        assert (await client.ask("x" * 900 + "\r\n" + "x" * 900 + "\r\n.")).startswith("552 5.3.4")
        assert server.caught == 0


async def test_many_connections_are_served_side_by_side():
    async def one(number: int, server: DevServer, ready: asyncio.Barrier) -> None:
        async with raw_client(server) as client:
            await client.reply()
            await client.ask("EHLO c")
            # Nobody goes on before everybody is connected.
            await ready.wait()
            assert (await send_one(client, f"user{number}@example.org")).startswith("250")
            assert (await client.ask("QUIT")).startswith("221")

    async with DevServer() as server:
        ready = asyncio.Barrier(150)
        await asyncio.gather(*(one(number, server, ready) for number in range(150)))
        mails = await server.wait_for(150)
        assert {mail.envelope.addresses[0] for mail in mails} == {f"user{n}@example.org" for n in range(150)}
        assert [mail.number for mail in mails] == list(range(1, 151))
        assert server.connections == 150


async def test_one_connection_in_trouble_does_not_hold_up_the_others():
    async with DevServer() as server, raw_client(server) as slow, raw_client(server) as quick:
        await slow.reply()
        await slow.ask("EHLO c")
        await slow.ask("MAIL FROM:<>")
        await slow.say("RCPT TO:<slow-3600@example.org>")
        await quick.reply()
        await quick.ask("EHLO c")
        assert (await send_one(quick)).startswith("250")


async def test_only_the_newest_mails_are_kept():
    seen = []
    async with DevServer(DevServerOptions(keep=2), on_caught=seen.append) as server, raw_client(server) as client:
        await client.reply()
        await client.ask("EHLO c")
        for _ in range(4):
            await send_one(client)
        assert [mail.number for mail in await server.wait_for(4)] == [3, 4]
        assert [mail.number for mail in seen] == [1, 2, 3, 4]
        assert server.mail(4) is server.mails[1]
        assert server.mail(1) is None
        server.clear()
        assert server.mails == ()
        assert (await send_one(client)).startswith("250 2.0.0 Caught as mail 5")


async def test_waiting_for_mails_that_do_not_come_says_how_many_did():
    async with DevServer() as server:
        with pytest.raises(TimeoutError, match=r"0 of 1 mails came within 0\.01 seconds"):
            await server.wait_for(1, seconds=0.01)


async def test_the_server_can_wait_until_its_clients_have_left():
    async with DevServer() as server:
        async with raw_client(server) as client:
            await client.reply()
            await server.wait_for_quiet(seconds=0.01)
            assert server.open_connections == 1
            await client.ask("QUIT")
        await server.wait_for_quiet(seconds=10)
        assert server.open_connections == 0


async def test_stopping_closes_every_connection_and_the_port():
    async with DevServer(DevServerOptions(tls_port=0)) as server:
        port = server.port
        clients = [await asyncio.open_connection(server.host, port) for _ in range(5)]
        for reader, _ in clients:
            assert (await reader.readline()).startswith(b"220")
        silent = await asyncio.open_connection(server.host, server.tls_port)
        await server.stop()
        assert server.open_connections == 0
        for reader, writer in [*clients, silent]:
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


async def test_a_stopped_server_can_start_again():
    server = DevServer()
    for _ in range(2):
        async with server, raw_client(server) as client:
            assert (await client.reply()).startswith("220")


async def test_a_port_that_is_taken_is_an_error_with_a_hint():
    async with DevServer() as first:
        with pytest.raises(InvalidSetting) as refused:
            async with DevServer(DevServerOptions(port=first.port)):
                pass
        assert (refused.value.field, refused.value.hint) == ("port", "port 0 takes any free one")
        with pytest.raises(InvalidSetting) as refused:
            await DevServer(DevServerOptions(tls_port=first.port)).start()
        assert refused.value.field == "tls_port"


async def test_an_idle_connection_is_ended_with_421():
    async with DevServer(DevServerOptions(idle_seconds=0.05)) as server, raw_client(server) as client:
        await client.reply()
        assert (await client.reply()).startswith("421 4.4.2")
        assert await client.rest() == b""


async def test_the_server_listens_on_ipv6_too():
    async with DevServer(DevServerOptions(host="::1")) as server, raw_client(server) as client:
        await client.reply()
        await client.ask("EHLO c")
        await send_one(client)
        assert server.mails[0].peer.startswith("[::1]:")


async def test_what_is_wrong_with_a_message_is_kept_with_it():
    policy = ServerPolicy(refuse_bare_newlines=False)
    async with DevServer(DevServerOptions(policy=policy)) as server, raw_client(server) as client:
        await client.reply()
        for step in ("EHLO c", "MAIL FROM:<>", "RCPT TO:<ann@example.org>", "DATA"):
            await client.ask(step)
        assert (await client.ask("a\nb\r\n.")).startswith("250")
        assert server.mails[0].defects == (Defect.BARE_LF,)


async def test_a_refused_message_is_told_to_the_owner():
    notices: list[str] = []
    async with DevServer(on_notice=notices.append) as server, raw_client(server) as client:
        await client.reply()
        for step in ("EHLO c", "MAIL FROM:<>", "RCPT TO:<ann@example.org>", "DATA"):
            await client.ask(step)
        assert (await client.ask("a\nb\r\n.")).startswith("550 5.6.0")
        assert server.mails == ()
    assert notices == ["connection 1: a message was refused: The message has a CR or LF that is no half of a CRLF"]


async def test_a_mistake_of_our_own_does_not_pass_as_a_closed_connection():
    def broken(mail: object) -> None:
        raise ZeroDivisionError

    notices: list[str] = []
    server = DevServer(on_caught=broken, on_notice=notices.append)
    await server.start()
    async with raw_client(server) as client:
        await client.reply()
        await client.ask("EHLO c")
        assert await send_one(client) == ""
    with pytest.raises(ZeroDivisionError):
        await server.stop()
    assert notices == ["connection 1: ZeroDivisionError()"]


async def test_the_options_are_checked():
    for options in ({"port": 65536}, {"tls_port": -1}, {"keep": 0}, {"idle_seconds": 0}):
        with pytest.raises(InvalidSetting):
            DevServerOptions(**options)
    assert parse_extension("starttls") is Extension.STARTTLS
    with pytest.raises(InvalidSetting):
        parse_extension("STARTTLSX")
    with pytest.raises(RuntimeError):
        _ = DevServer().ca_pem


# ── certificates ───────────────────────────────────────────────────────────────────────────────────────────────────


async def handshake(server: DevServer, host: str, context: ssl.SSLContext) -> str:
    reader, writer = await asyncio.open_connection(server.host, server.tls_port, ssl=context, server_hostname=host)
    await reader.readline()
    certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return ssl.DER_cert_to_PEM_cert(certificate)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
async def test_the_certificate_is_good_for_this_machine(host):
    async with DevServer(DevServerOptions(tls_port=0)) as server:
        await handshake(server, host, ssl.create_default_context(cadata=server.ca_pem))


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (CertificateKind.EXPIRED, "certificate has expired"),
        (CertificateKind.WRONG_HOST, "Hostname mismatch"),
        (CertificateKind.SELF_SIGNED, "self-signed certificate"),
    ],
)
async def test_a_bad_certificate_is_bad_in_the_way_that_was_asked_for(kind, reason):
    async with DevServer(DevServerOptions(tls_port=0, certificate=kind)) as server:
        with pytest.raises(ssl.SSLCertVerificationError, match=reason):
            await handshake(server, "localhost", ssl.create_default_context(cadata=server.ca_pem))


async def test_the_fingerprint_is_that_of_the_certificate_and_new_with_each_server():
    import hashlib

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    seen = set()
    for _ in range(2):
        async with DevServer(DevServerOptions(tls_port=0)) as server:
            pem = await handshake(server, "localhost", context)
            assert hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest() == server.fingerprint
            seen.add(server.fingerprint)
    assert len(seen) == 2
