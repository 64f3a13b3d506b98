"""Every phase with every way to fail, seen by a client that only reads octets."""

import asyncio
import ssl

import pytest

from mailwright.devserver import DevServer, DevServerOptions, Failure, Lie, ServerPolicy, parse_failure, read_users
from mailwright.devserver.session import GARBAGE, INJECTED, OVERLONG
from mailwright.reply import Phase
from tests.unit.devserver.raw_client import RawClient, raw_client, send_one

SIGN_IN = "AUTH PLAIN AGFubgBzZWNyZXQ="
CONTENT = "Subject: hello\r\n\r\nGood morning\r\n."
#: what a client says before the command that fails, and that command; the greeting needs none
STEPS: dict[Phase, tuple[list[str], str]] = {
    Phase.GREETING: ([], ""),
    Phase.EHLO: ([], "EHLO client.example"),
    Phase.STARTTLS: (["EHLO client.example"], "STARTTLS"),
    Phase.AUTH: (["EHLO client.example"], SIGN_IN),
    Phase.MAIL: (["EHLO client.example"], "MAIL FROM:<you@example.com>"),
    Phase.RCPT: (["EHLO client.example", "MAIL FROM:<you@example.com>"], "RCPT TO:<ann@example.org>"),
    Phase.RSET: (["EHLO client.example", "MAIL FROM:<you@example.com>"], "RSET"),
    Phase.QUIT: (["EHLO client.example"], "QUIT"),
}
ENVELOPE = [*STEPS[Phase.RCPT][0], STEPS[Phase.RCPT][1]]
STEPS[Phase.DATA] = (ENVELOPE, "DATA")
STEPS[Phase.BODY] = ([*ENVELOPE, "DATA"], CONTENT)
STEPS[Phase.FINAL_DOT] = ([*ENVELOPE, "DATA"], CONTENT)


async def reach(client: RawClient, phase: Phase) -> None:
    """Goes through the dialogue and says what will be answered wrongly."""
    before, command = STEPS[phase]
    if phase is not Phase.GREETING:
        assert (await client.reply()).startswith("220")
    for step in before:
        assert (await client.ask(step))[:1] in ("2", "3")
    if command:
        await client.say(command)


def failing(*failures: str, **options) -> DevServer:
    return DevServer(DevServerOptions(failures=tuple(map(parse_failure, failures)), **options))


# 354 is the right answer to DATA.
@pytest.mark.parametrize(
    ("phase", "code"),
    [(phase, code) for phase in STEPS for code in ("421", "450", "550", "354") if (phase, code) != (Phase.DATA, "354")],
)
async def test_any_phase_can_be_answered_with_a_code(phase, code):
    async with failing(f"{phase}={code} 4.9.9 As asked") as server, raw_client(server) as client:
        await reach(client, phase)
        enhanced = "4.9.9 As asked\r\n"
        assert await client.reply() == f"{code} {enhanced}"
        if code == "421":
            assert await client.rest() == b""
        else:
            assert (await client.ask("NOOP")).startswith("250")
        assert server.mails == ()


@pytest.mark.parametrize("phase", list(STEPS))
async def test_any_phase_can_end_with_a_closed_connection(phase):
    async with failing(f"{phase}=disconnect") as server, raw_client(server) as client:
        await reach(client, phase)
        assert await client.rest() == b""
        assert server.mails == ()


@pytest.mark.parametrize("phase", list(STEPS))
async def test_any_phase_can_be_met_with_silence(phase):
    async with failing(f"{phase}=silence") as server, raw_client(server) as client:
        await reach(client, phase)
        if phase is not Phase.STARTTLS:  # where it would be an injection, which is answered
            await client.say("NOOP")
        # The server reads on to the end: whatever it had to say would have come before it closes.
        assert await client.end_input() == b""
        assert server.mails == ()


@pytest.mark.parametrize("phase", list(STEPS))
async def test_any_phase_can_be_answered_with_garbage(phase):
    async with failing(f"{phase}=garbage") as server, raw_client(server) as client:
        await reach(client, phase)
        assert await client.reader.readline() == GARBAGE
        assert (await client.ask("NOOP")).startswith("250")
        assert server.mails == ()


@pytest.mark.parametrize("phase", list(STEPS))
async def test_any_phase_can_be_answered_with_a_line_that_does_not_end(phase):
    async with failing(f"{phase}=overlong") as server, raw_client(server) as client:
        await reach(client, phase)
        heard = await client.end_input()
        assert heard == (b"220 " if phase is Phase.GREETING else b"250 ") + OVERLONG
        assert server.mails == ()


@pytest.mark.parametrize("phase", list(STEPS))
async def test_any_phase_can_be_slow_and_still_come_out_right(phase):
    async with failing(f"{phase}=slow:0.01") as server, raw_client(server) as client:
        await reach(client, phase)
        assert (await client.reply())[:1] in ("2", "3")
        assert len(server.mails) == (phase in (Phase.BODY, Phase.FINAL_DOT))


async def test_a_stalled_connection_is_read_no_further_and_ends_with_the_server():
    async with failing("rcpt=stall") as server, raw_client(server) as client:
        await reach(client, Phase.RCPT)
        client.writer.write_eof()
        async with raw_client(server) as other:
            await other.reply()
            assert (await other.ask("EHLO other.example")).startswith("250")
            assert await other.ask("QUIT")
        assert server.open_connections >= 1
        await server.stop()
        assert await client.rest() == b""


async def test_a_failure_happens_as_often_as_asked_over_all_connections():
    async with failing("rcpt:2=450") as server:
        replies = []
        for _ in range(3):
            async with raw_client(server) as client:
                await client.reply()
                await client.ask("EHLO c")
                replies.append((await send_one(client))[:3])
        assert replies == ["450", "450", "250"]


async def test_failures_can_change_while_the_server_runs():
    async with failing("mail=451") as server, raw_client(server) as client:
        await client.reply()
        await client.ask("EHLO c")
        assert (await send_one(client)).startswith("451")
        server.fail()
        assert (await send_one(client)).startswith("250")
        server.fail([Failure("final_dot", "554")])
        assert (await send_one(client)).startswith("554")


@pytest.mark.parametrize("code", ["500", "502"])
async def test_an_unknown_ehlo_leaves_helo(code):
    async with failing(f"ehlo={code}") as server, raw_client(server) as client:
        await client.reply()
        assert (await client.ask("EHLO c")).startswith(code)
        assert (await client.ask("HELO c")).startswith("250")
        assert (await send_one(client)).startswith("250")


# ── names that ask for a failure ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["rcpt-550", "data-451", "body-552", "dot-554", "final_dot-452+ann"])
async def test_a_recipient_chooses_the_failure_of_its_own_mail(name):
    code = name.partition("+")[0][-3:]
    async with DevServer() as server, raw_client(server) as client:
        await client.reply()
        await client.ask("EHLO c")
        assert (await send_one(client, f"{name}@example.org")).startswith(code)
        await client.ask("RSET")
        assert (await send_one(client)).startswith("250")
        assert len(server.mails) == 1


async def test_one_refused_recipient_leaves_the_others():
    async with DevServer() as server, raw_client(server) as client:
        await client.reply()
        await client.ask("EHLO c")
        await client.ask("MAIL FROM:<you@example.com>")
        assert (await client.ask("RCPT TO:<rcpt-550@example.org>")).startswith("550 5.1.1")
        assert (await client.ask("RCPT TO:<ann@example.org>")).startswith("250")
        assert (await client.ask("DATA")).startswith("354")
        assert (await client.ask(CONTENT)).startswith("250")
        assert server.mails[0].envelope.addresses == ("ann@example.org",)


@pytest.mark.parametrize("name", ["mail-452", "data-451", "dot-550"])
async def test_a_sender_chooses_a_failure_too(name):
    async with DevServer() as server, raw_client(server) as client:
        await client.reply()
        await client.ask("EHLO c")
        assert (await send_one(client, sender=f"{name}@example.org")).startswith(name[-3:])


async def test_a_user_chooses_how_the_sign_in_fails():
    async with DevServer() as server, raw_client(server) as client:
        await client.reply()
        await client.ask("EHLO c")
        # NUL auth-454 NUL x
        assert (await client.ask("AUTH PLAIN AGF1dGgtNDU0AHg=")).startswith("454")
        assert (await client.ask(SIGN_IN)).startswith("235")


# ── after the final dot ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("action", ["accept-then-disconnect", "accept-then-silence"])
async def test_a_mail_can_be_kept_and_the_client_never_told(action):
    async with failing(f"final_dot={action}") as server, raw_client(server) as client:
        await reach(client, Phase.FINAL_DOT)
        (mail,) = await server.wait_for(1)
        assert mail.raw.startswith(b"Subject: hello")
        assert await client.end_input() == b""


async def test_a_slow_server_has_the_mail_before_it_says_so():
    async with failing("final_dot=slow:3600") as server, raw_client(server) as client:
        await reach(client, Phase.FINAL_DOT)
        assert len(await server.wait_for(1)) == 1
        await server.stop()
        assert await client.rest() == b""


async def test_bdat_has_the_same_failures():
    for failure, answer in (("data=451", "451"), ("final_dot=554", "554"), ("body=552", "552")):
        async with failing(failure) as server, raw_client(server) as client:
            await client.reply()
            for step in ENVELOPE:
                await client.ask(step)
            assert (await client.ask("BDAT 6 LAST\r\nx: y")).startswith(answer), failure
            assert server.mails == ()
    async with failing("data=451") as server, raw_client(server) as client:
        await client.reply()
        for step in ENVELOPE:
            await client.ask(step)
        assert (await client.ask("BDAT 6\r\nx: y")).startswith("451")
        assert (await client.ask("BDAT 6 LAST\r\nx: y")).startswith("503")
    async with failing() as server, raw_client(server) as client:
        await client.reply()
        for step in ENVELOPE:
            await client.ask(step)
        assert (await client.ask("BDAT 6\r\nx: y")).startswith("250")
        server.fail([Failure("data", "451")])
        # Only the first chunk is the place of DATA.
        assert (await client.ask("BDAT 6\r\nx: y")).startswith("250")


# ── TLS ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def start_tls(client: RawClient) -> None:
    await client.reply()
    await client.ask("EHLO c")
    assert (await client.ask("STARTTLS")).startswith("220")


def hello() -> bytes:
    """The first flight of a TLS client."""
    leaving = ssl.MemoryBIO()
    context = ssl.create_default_context()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), leaving, server_hostname="localhost").do_handshake()
    return leaving.read()


@pytest.mark.parametrize(
    ("action", "heard"),
    [
        ("disconnect", b""),
        ("silence", b""),
        ("garbage", b"\x00garbage\xff" * 16),
        ("454", b"454 4.7.0 Not available for the moment\r\n"),
    ],
)
async def test_a_handshake_can_be_broken(action, heard):
    async with failing(f"tls={action}", tls_port=0) as server:
        async with raw_client(server) as client:
            await start_tls(client)
            client.writer.write(hello())
            assert (await client.end_input()) == heard
        async with raw_client(server, server.tls_port) as client:
            client.writer.write(hello())
            assert (await client.end_input()) == heard


async def test_a_handshake_can_be_slow():
    async with failing("tls=slow:0.01", tls_port=0) as server:
        context = ssl.create_default_context(cadata=server.ca_pem)
        reader, writer = await asyncio.open_connection(
            "localhost", server.tls_port, ssl=context, server_hostname="localhost"
        )
        assert (await reader.readline()).startswith(b"220")
        writer.close()
        await writer.wait_closed()


async def test_a_failed_handshake_is_told_to_the_owner_and_hurts_nobody():
    notices: list[str] = []
    told = asyncio.Event()

    def notice(text: str) -> None:
        notices.append(text)
        told.set()

    async with DevServer(on_notice=notice) as server:
        async with raw_client(server) as client:
            await start_tls(client)
            client.writer.write(b"EHLO not-a-client-hello\r\n")
            assert (await client.rest())[:1] in (b"\x15", b"")
            await asyncio.wait_for(told.wait(), 10)
        assert notices[0].startswith("connection 1: TLS failed: ")
        async with raw_client(server) as client:
            assert (await client.reply()).startswith("220")


async def test_commands_behind_starttls_are_not_obeyed():
    async with DevServer() as server, raw_client(server) as client:
        await client.reply()
        await client.ask("EHLO c")
        assert (await client.ask("STARTTLS\r\nMAIL FROM:<evil@example.org>")).startswith("421 4.7.0")
        assert await client.rest() == b""


# ── lies ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_lying_server_speaks_clear_text_behind_the_220_of_starttls():
    async with failing(lies=frozenset({Lie.STARTTLS_INJECTION})) as server, raw_client(server) as client:
        await start_tls(client)
        assert await client.reader.readexactly(len(INJECTED)) == INJECTED


async def test_a_lying_server_throws_pipelined_commands_away():
    async with failing(lies=frozenset({Lie.DROP_PIPELINED})) as server, raw_client(server) as client:
        await client.reply()
        assert "PIPELINING" in await client.ask("EHLO c")
        await client.say("MAIL FROM:<>\r\nRCPT TO:<ann@example.org>\r\nRCPT TO:<bob@example.org>")
        assert (await client.reply()).startswith("250 2.1.0")
        assert (await client.ask("RSET")).startswith("250 2.0.0 Forgotten")
        # Who waits for each answer is served: content is no command.
        assert (await send_one(client)).startswith("250")


async def test_a_lying_server_answers_twice():
    async with failing(lies=frozenset({Lie.EXTRA_REPLY})) as server, raw_client(server) as client:
        await client.reply()
        await client.ask("EHLO c")
        assert (await send_one(client)).startswith("250 2.0.0 Caught as mail 1")
        assert await client.reply() == "250 2.0.0 Said twice\r\n"
        assert (await client.ask("QUIT")).startswith("221")


async def test_a_trickling_server_says_the_same_octet_by_octet():
    async with failing(lies=frozenset({Lie.TRICKLE})) as server, raw_client(server) as client:
        assert (await client.reply()).startswith("220 localhost")
        assert (await client.ask("EHLO c")).endswith("250 STARTTLS\r\n")
        assert (await send_one(client)).startswith("250")


async def test_users_and_failures_go_together():
    policy = ServerPolicy(users=read_users(["ann:secret"], []))
    async with failing("auth:1=454", policy=policy) as server, raw_client(server) as client:
        await client.reply()
        await client.ask("EHLO c")
        assert (await client.ask(SIGN_IN)).startswith("454")
        assert (await client.ask(SIGN_IN)).startswith("235")
