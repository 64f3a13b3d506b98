"""The report of a check: for every step that can fail, which one it was, what worked before, and what to do."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from mailwright import Account, Mailwright, Outgoing, Phase, Secret, SendError, StepState, Timeouts
from mailwright.connector.check import report as make_report
from mailwright.devserver import CertificateKind, DevServer, DevServerOptions, Extension, Failure, ServerPolicy, Users
from mailwright.devserver.certificates import make_identity
from mailwright.devserver.tls import TlsLayer
from mailwright.model.check import CheckName
from mailwright.transport.smtp_session import SmtpSession
from mailwright.transport.tls import TlsFacts
from tests.edges.loopback import account, names, nobody, speaking

__all__ = ["names"]  # a fixture

OK, WARNING, FAILED, SKIPPED = StepState.OK, StepState.WARNING, StepState.FAILED, StepState.SKIPPED
PATIENT = Timeouts(connect=20, greeting=20, tls=20, reply=20)
USERS = Users({"ann": Secret("s3cret")}, {})
CLEAR = frozenset(Extension) - {Extension.STARTTLS}


@pytest.fixture
async def mail():
    async with Mailwright() as opened:
        yield opened


def dev(*failures: Failure, kind=CertificateKind.VALID, extensions=frozenset(Extension)) -> DevServer:
    policy = ServerPolicy(users=USERS, extensions=extensions)
    return DevServer(DevServerOptions(certificate=kind, tls_port=0, failures=failures, policy=policy))


def to(server: DevServer, security="starttls", **options) -> Outgoing:
    port = server.tls_port if security == "implicit" else server.port
    given = {"username": "ann", "password": "s3cret", "ca_certificates": server.ca_pem, "timeouts": PATIENT}
    return Outgoing("127.0.0.1", port, security=security, **{**given, **options})


def states(report) -> dict[str, StepState]:
    return {step.name.value: step.state for step in report.steps}


def step(report, name: CheckName):
    return next(one for one in report.steps if one.name is name)


async def test_when_everything_works_each_step_says_what_it_found(mail):
    async with dev() as server:
        report = await mail.check(account(to(server)))
        assert report.ok
        assert [(one.name.value, one.state) for one in report.steps] == [
            ("resolve", OK),
            ("connect", OK),
            ("greet", OK),
            ("encrypt", OK),
            ("sign_in", OK),
        ]
        assert step(report, CheckName.RESOLVE).detail == "127.0.0.1"
        assert step(report, CheckName.CONNECT).detail == f"127.0.0.1:{server.port}"
        assert step(report, CheckName.GREET).detail.startswith("220 ")
        assert step(report, CheckName.ENCRYPT).detail.startswith("TLSv1.3, ")
        assert step(report, CheckName.SIGN_IN).detail == "ann by SCRAM-SHA-256"
        assert report.server == f"127.0.0.1:{server.port}"
        assert report.account == "ann@example.org"
        assert any(word.startswith("SIZE ") for word in report.capabilities)
        assert "STARTTLS" not in report.capabilities, "what is offered is what is offered after TLS"
        assert server.caught == 0


async def test_with_tls_from_the_first_byte_encryption_comes_before_the_greeting(mail):
    async with dev() as server:
        report = await mail.check(account(to(server, "implicit")))
    assert report.ok
    assert list(states(report)) == ["resolve", "connect", "encrypt", "greet", "sign_in"]


async def test_resolve_fails(mail, names):
    report = await mail.check(account(Outgoing("no-such-host.example")))
    assert states(report) == {
        "resolve": FAILED,
        "connect": SKIPPED,
        "greet": SKIPPED,
        "encrypt": SKIPPED,
        "sign_in": SKIPPED,
    }
    assert step(report, CheckName.RESOLVE).detail == "no-such-host.example has no address"
    assert "spelling" in step(report, CheckName.RESOLVE).hint
    assert {one.detail for one in report.steps[1:]} == {"not reached"}


async def test_connect_fails(mail):
    with nobody() as port:
        report = await mail.check(account(Outgoing("127.0.0.1", port)))
    assert list(states(report).values()) == [OK, FAILED, SKIPPED, SKIPPED, SKIPPED]
    assert f"127.0.0.1 port {port}: Connection refused" in step(report, CheckName.CONNECT).detail
    assert "host and port" in step(report, CheckName.CONNECT).hint


async def test_addresses_that_cannot_be_reached_are_shown_all_the_same(mail, names):
    names.say("mail.example.org", "127.0.0.2", "127.0.0.3")
    names.say("meta.example.org", "169.254.169.254")
    with nobody() as port:
        failed = await mail.check(account(Outgoing("mail.example.org", port)))
    refused = await mail.check(account(Outgoing("meta.example.org", 587)))
    assert step(failed, CheckName.RESOLVE).detail == "127.0.0.2, 127.0.0.3"
    assert step(refused, CheckName.RESOLVE).detail == "169.254.169.254"
    for report in (failed, refused):
        assert list(states(report).values()) == [OK, FAILED, SKIPPED, SKIPPED, SKIPPED]


async def test_a_network_that_is_not_allowed_is_a_failure_to_connect(mail):
    report = await mail.check(account(Outgoing("169.254.169.254", 587)))
    assert list(states(report).values()) == [OK, FAILED, SKIPPED, SKIPPED, SKIPPED]
    assert "MAILWRIGHT_DIAL_ALLOW" in step(report, CheckName.CONNECT).hint


@pytest.mark.parametrize(("phase", "answer"), [("greeting", "554 5.7.1 We do not know you"), ("ehlo", "550 5.7.1 No")])
async def test_the_greeting_or_ehlo_fails_with_the_servers_words(mail, phase, answer):
    async with dev(Failure(phase, answer)) as server:
        report = await mail.check(account(to(server)))
    assert list(states(report).values()) == [OK, OK, FAILED, SKIPPED, SKIPPED]
    assert answer in step(report, CheckName.GREET).detail
    assert report.error is not None
    assert report.error.reply is not None


async def test_encryption_fails_after_the_greeting_with_starttls_and_before_it_with_implicit_tls(mail):
    async with dev(kind=CertificateKind.SELF_SIGNED) as server:
        upgraded = await mail.check(account(to(server, ca_certificates="")))
        at_once = await mail.check(account(to(server, "implicit", ca_certificates="")))
    assert states(upgraded) == {"resolve": OK, "connect": OK, "greet": OK, "encrypt": FAILED, "sign_in": SKIPPED}
    assert states(at_once) == {"resolve": OK, "connect": OK, "encrypt": FAILED, "greet": SKIPPED, "sign_in": SKIPPED}
    assert "self-signed" in step(upgraded, CheckName.ENCRYPT).detail
    assert "ca_certificates" in step(upgraded, CheckName.ENCRYPT).hint


async def test_starttls_that_is_missing_or_refused_is_a_failure_to_encrypt(mail):
    async with dev(extensions=CLEAR) as server:
        missing = await mail.check(account(to(server)))
    async with dev(Failure("starttls", "454 4.7.0 Not now")) as server:
        refused = await mail.check(account(to(server)))
    for report in (missing, refused):
        assert list(states(report).values()) == [OK, OK, OK, FAILED, SKIPPED]
    assert "454 4.7.0 Not now" in step(refused, CheckName.ENCRYPT).detail
    assert "465" in step(missing, CheckName.ENCRYPT).hint


async def test_the_sign_in_fails(mail):
    async with dev() as server:
        report = await mail.check(account(to(server, password="wrong-secret")))
    assert list(states(report).values()) == [OK, OK, OK, OK, FAILED]
    assert step(report, CheckName.SIGN_IN).detail.startswith("the server refused the sign-in by SCRAM-SHA-256: 535 ")
    assert "password" in step(report, CheckName.SIGN_IN).hint
    assert step(report, CheckName.ENCRYPT).detail.startswith("TLSv1.3")
    assert "wrong-secret" not in json.dumps(report.to_json())


async def test_a_sign_in_that_fails_without_tls_does_not_say_that_encryption_worked(mail):
    async with dev(extensions=CLEAR) as server:
        for security in ("none", "opportunistic"):
            report = await mail.check(account(to(server, security, password="wrong-secret")))
            assert list(states(report).values()) == [OK, OK, OK, SKIPPED, FAILED]
            assert step(report, CheckName.ENCRYPT).detail.startswith("not encrypted")


async def test_an_ehlo_that_fails_behind_tls_does_not_hide_that_encryption_worked(mail):
    identity = make_identity(CertificateKind.VALID, "localhost", datetime.now(UTC))

    async def converse(reader, writer) -> None:
        writer.write(b"220 mail.example.org\r\n")
        await reader.readline()
        writer.write(b"250-mail.example.org\r\n250 STARTTLS\r\n")
        await reader.readline()
        writer.write(b"220 go ahead\r\n")
        layer = TlsLayer(identity.context())
        while not layer.receive(await reader.read(65536)).startswith(b"EHLO "):
            writer.write(layer.take())
        layer.send(b"550 5.7.1 No\r\n")
        writer.write(layer.take())
        await reader.read()

    async with speaking(converse) as port:
        outgoing = Outgoing(
            "127.0.0.1",
            port,
            security="starttls",
            ca_certificates=identity.ca,
            timeouts=PATIENT,
            username="a",
            password="b",
        )
        report = await mail.check(account(outgoing))
    assert states(report) == {"resolve": OK, "connect": OK, "greet": FAILED, "encrypt": OK, "sign_in": SKIPPED}


async def test_what_is_odd_about_the_account_is_said_whatever_the_server_does(mail, names):
    odd = Outgoing("no-such-host.example", 465, security="starttls")
    report = await mail.check(account(odd))
    assert odd.warnings
    assert report.warnings == odd.warnings


async def test_a_server_without_sign_in_is_checked_without_one(mail):
    async with DevServer() as server:
        outgoing = Outgoing("127.0.0.1", server.port, security="none", timeouts=PATIENT)
        report = await mail.check(account(outgoing))
    assert report.ok
    assert step(report, CheckName.SIGN_IN).detail == "no user name configured"


# Warnings.


async def test_a_certificate_that_is_not_verified_is_shown_with_the_fingerprint_to_pin(mail):
    async with dev(kind=CertificateKind.SELF_SIGNED) as server:
        unverified = to(server, verify_trust=False, verify_hostname=False, ca_certificates="")
        report = await mail.check(account(unverified))
        assert report.ok
        encrypt = step(report, CheckName.ENCRYPT)
        assert encrypt.state is WARNING
        assert "CN=Mailwright development server" in encrypt.detail
        assert "not fully verified" in encrypt.detail
        fingerprint = encrypt.hint.rpartition(" ")[2]
        assert fingerprint == server.fingerprint
        pinned = await mail.check(account(to(server, pinned_certificate=fingerprint, ca_certificates="")))
        assert step(pinned, CheckName.ENCRYPT).state is OK


async def test_a_pinned_certificate_that_has_expired_is_worth_a_word(mail):
    async with dev(kind=CertificateKind.EXPIRED) as server:
        report = await mail.check(account(to(server, pinned_certificate=server.fingerprint)))
    assert report.ok
    assert step(report, CheckName.ENCRYPT).state is WARNING
    assert step(report, CheckName.ENCRYPT).hint == "the certificate has expired"


@pytest.mark.parametrize(
    ("left", "state", "hint"),
    [
        (timedelta(days=15), OK, ""),
        (timedelta(days=13), WARNING, "the certificate expires soon"),
        (timedelta(seconds=1), WARNING, "the certificate expires soon"),
        (timedelta(seconds=-1), WARNING, "the certificate has expired"),
    ],
)
async def test_a_certificate_that_ends_within_two_weeks_is_a_warning(left, state, hint):
    now = datetime(2026, 11, 20, tzinfo=UTC)
    outgoing = Outgoing("mail.example.org", 465)
    session = SmtpSession(outgoing, None)
    session.tls = TlsFacts("TLSv1.3", "AES", "CN=mail", "CN=ca", (now + left).isoformat(), "00", verified=True)
    found = step(make_report(Account("ann@example.org", outgoing), session, None, now), CheckName.ENCRYPT)
    assert (found.state, found.hint) == (state, hint)


@pytest.mark.parametrize(("local", "state"), [(True, SKIPPED), (False, WARNING)])
@pytest.mark.parametrize("security", ["none", "opportunistic"])
async def test_a_far_server_without_encryption_is_a_warning_and_one_next_to_us_is_not(
    mail, names, local, state, security
):
    names.say("mail.example.org", "127.0.0.1")
    async with dev(extensions=CLEAR) as server:
        host = "127.0.0.1" if local else "mail.example.org"
        outgoing = to(server, security, allow_clear_text_password=True).changed(host=host)
        report = await mail.check(account(outgoing))
    assert report.ok
    assert step(report, CheckName.ENCRYPT).state is state
    assert ("starttls or implicit" in step(report, CheckName.ENCRYPT).hint) is not local
    why = "switched off" if security == "none" else "the server does not offer STARTTLS"
    assert step(report, CheckName.ENCRYPT).detail == f"not encrypted: {why}"
    assert step(report, CheckName.SIGN_IN).state is WARNING
    assert "without encryption" in step(report, CheckName.SIGN_IN).detail


async def test_a_password_that_would_travel_far_in_clear_text_is_not_sent_and_the_report_says_why(mail, names):
    # What a spoofed answer of the DNS looks like: a private address proves nothing.
    names.say("mail.example.org", "127.0.0.1")
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def converse(reader, writer) -> None:
        writer.write(b"220 mail.example.org\r\n")
        await reader.readline()
        writer.write(b"250-mail.example.org\r\n250 AUTH PLAIN LOGIN\r\n")
        heard.put_nowait(await reader.read())

    async with speaking(converse) as port:
        outgoing = Outgoing(
            "mail.example.org", port, security="none", username="ann", password="s3cret", timeouts=PATIENT
        )
        report = await mail.check(account(outgoing))
        assert await asyncio.wait_for(heard.get(), 20) == b""
    assert list(states(report).values()) == [OK, OK, OK, WARNING, FAILED]
    assert report.error is not None
    assert report.error.code == "auth_needs_tls"


# As data.


@pytest.mark.parametrize("failing", [False, True])
async def test_the_report_as_json_has_the_same_shape_whether_it_failed_or_not(mail, failing):
    async with dev(*([Failure("auth", "535 5.7.8 No")] if failing else [])) as server:
        report = await mail.check(account(to(server)))
    read = json.loads(json.dumps(report.to_json()))
    assert set(read) == {"ok", "account", "server", "steps", "capabilities", "warnings", "error"}
    assert read["ok"] is not failing
    assert [set(one) for one in read["steps"]] == [{"name", "state", "detail", "hint"}] * 5
    assert read["steps"][-1]["state"] == ("failed" if failing else "ok")
    if failing:
        assert read["error"]["phase"] == "auth"
        assert read["error"]["reply"]["code"] == 535
    else:
        assert read["error"] is None


@pytest.mark.parametrize(
    "phase",
    [
        Phase.RESOLVE,
        Phase.CONNECT,
        Phase.PROXY,
        Phase.TLS,
        Phase.GREETING,
        Phase.EHLO,
        Phase.STARTTLS,
        Phase.AUTH,
    ],
)
async def test_every_phase_of_opening_has_a_step_in_the_report(phase):
    outgoing = Outgoing("mail.example.org")
    session = SmtpSession(outgoing, None)
    found = make_report(Account("ann@example.org", outgoing), session, SendError("x", phase=phase), datetime.now(UTC))
    assert [one.state for one in found.steps].count(FAILED) == 1
