"""Encryption: which certificates are accepted, what a wrong mode for a port is told, and what is never said in clear.

Trust, host name and pin are three questions with three switches (checklist 18 to 21).
"""

import asyncio
import contextlib
import ssl
import warnings
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mailwright import (
    InvalidAccount,
    Mailwright,
    MessageTooBig,
    Outgoing,
    Phase,
    PoolLimits,
    ProtocolViolation,
    ServerTimeout,
    StepState,
    Timeouts,
    TlsFailed,
    TlsNotOffered,
)
from mailwright.devserver import CertificateKind, DevServer, DevServerOptions, Failure, Lie
from mailwright.devserver.certificates import make_identity
from mailwright.devserver.tls import TlsLayer
from mailwright.model.check import CheckName
from mailwright.transport import tls
from mailwright.transport.smtp_drain import DRAIN_POLL
from mailwright.transport.smtp_session import SmtpSession
from tests.edges.loopback import MESSAGE, account, speaking
from tests.edges.pools import Line, letter, pool_to

ENCRYPTED = ["starttls", "implicit"]
PATIENT = Timeouts(connect=20, greeting=20, tls=20, reply=20)
HASTY = Timeouts(connect=20, greeting=0.3, tls=0.3, reply=20)


@pytest.fixture
async def mail():
    async with Mailwright() as opened:
        yield opened


def showing(kind: CertificateKind = CertificateKind.VALID, **options) -> DevServer:
    return DevServer(DevServerOptions(certificate=kind, tls_port=0, **options))


def to(server: DevServer, security: str, **options) -> Outgoing:
    port = server.tls_port if security == "implicit" else server.port
    return Outgoing("127.0.0.1", port, **{"security": security, "timeouts": PATIENT, **options})


async def refused(mail, outgoing) -> TlsFailed:
    with pytest.raises(TlsFailed) as caught:
        await mail.send(account(outgoing), MESSAGE)
    error = caught.value
    assert error.phase is Phase.TLS
    assert error.server == "127.0.0.1"
    return error


async def encrypt_step(mail, outgoing):
    report = await mail.check(account(outgoing))
    return next(step for step in report.steps if step.name is CheckName.ENCRYPT)


# Certificates.


@pytest.mark.parametrize("security", ENCRYPTED)
@pytest.mark.parametrize(
    ("kind", "knows_ca", "message", "hint"),
    [
        (CertificateKind.EXPIRED, True, "certificate has expired", "its owner has to renew it"),
        (CertificateKind.SELF_SIGNED, False, "self-signed certificate", "pin it, or set verify_trust to false"),
        (CertificateKind.WRONG_HOST, True, "IP address mismatch", "set verify_hostname to false"),
        (CertificateKind.VALID, False, "unable to get local issuer certificate", "give it in ca_certificates"),
    ],
    ids=["expired", "self-signed", "wrong host", "unknown authority"],
)
async def test_a_certificate_that_does_not_verify_is_refused_and_the_hint_says_what_to_do(
    mail, security, kind, knows_ca, message, hint
):
    """Checklist 20."""
    async with showing(kind) as server:
        authorities = server.ca_pem if knows_ca else ""
        error = await refused(mail, to(server, security, ca_certificates=authorities))
        assert message in error.message
        assert hint in error.hint
        assert server.caught == 0


#: which certificates are accepted with (verify_trust, verify_hostname), the authority of the server being known
ACCEPTED = {
    (True, True): {CertificateKind.VALID},
    (True, False): {CertificateKind.VALID, CertificateKind.WRONG_HOST},
    (False, True): {CertificateKind.VALID, CertificateKind.SELF_SIGNED, CertificateKind.EXPIRED},
    (False, False): set(CertificateKind),
}


@pytest.mark.parametrize("security", ENCRYPTED)
@pytest.mark.parametrize("kind", list(CertificateKind))
@pytest.mark.parametrize(("trust", "hostname"), list(ACCEPTED))
async def test_trust_and_host_name_are_two_switches_that_do_not_touch_each_other(mail, security, kind, trust, hostname):
    """Checklist 20 and 21."""
    async with showing(kind) as server:
        outgoing = to(
            server,
            security,
            verify_trust=trust,
            verify_hostname=hostname,
            ca_certificates=server.ca_pem if trust else "",
        )
        if kind in ACCEPTED[trust, hostname]:
            await mail.send(account(outgoing), MESSAGE)
            assert server.mails[0].tls == "TLSv1.3"
            step = await encrypt_step(mail, outgoing)
            assert step.state is (StepState.OK if trust and hostname else StepState.WARNING)
        else:
            await refused(mail, outgoing)
            assert server.caught == 0


async def test_without_trust_a_certificate_for_another_host_is_refused_in_words(mail):
    async with showing(CertificateKind.WRONG_HOST) as server:
        error = await refused(mail, to(server, "starttls", verify_trust=False))
        assert error.message == "the certificate is not for 127.0.0.1"
        assert "the name that it was made for" in error.hint


@pytest.mark.parametrize("security", ENCRYPTED)
async def test_an_authority_of_ones_own_is_trusted_and_another_one_is_not(mail, security):
    other = make_identity(CertificateKind.VALID, "localhost", datetime.now(UTC)).ca
    async with showing() as server:
        await refused(mail, to(server, security, ca_certificates=other))
        await mail.send(account(to(server, security, ca_certificates=other + server.ca_pem)), MESSAGE)
        assert server.caught == 1


@pytest.mark.parametrize(
    "text", ["not a certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "é"]
)
async def test_authorities_that_cannot_be_read_are_an_error_of_the_account(mail, text):
    async with showing() as server:
        with pytest.raises(InvalidAccount) as caught:
            await mail.send(account(to(server, "starttls", ca_certificates=text)), MESSAGE)
        assert caught.value.field == "ca_certificates"
        with pytest.raises(InvalidAccount):
            await mail.check(account(to(server, "starttls", ca_certificates=text)))


@pytest.mark.parametrize(
    ("names", "host", "matches"),
    [
        (["mail.example.org"], "mail.example.org", True),
        (["mail.example.org"], "MAIL.example.org", True),
        (["mail.example.org"], "example.org", False),
        (["*.example.org"], "mail.example.org", True),
        (["*.example.org"], "a.mail.example.org", False),
        (["*.example.org"], "example.org", False),
        (["*.example.org"], "mail.example.com", False),
        (["other.example", "mail.example.org"], "mail.example.org", True),
        (["127.0.0.1"], "127.0.0.1", True),
        (["127.0.0.1"], "127.0.0.2", False),
        (["::1"], "::1", True),
        (["mail.example.org"], "127.0.0.1", False),
    ],
)
def test_a_name_is_matched_whole_and_a_wildcard_is_one_label(names, host, matches):
    issued = trustme.CA().issue_cert(*names)
    certificate = x509.load_pem_x509_certificate(issued.cert_chain_pems[0].bytes())
    if matches:
        tls._check_host(certificate, host)
    else:
        with pytest.raises(TlsFailed, match="the certificate is not for"):
            tls._check_host(certificate, host)


def test_a_certificate_that_is_none_is_refused_and_not_an_accident():
    with pytest.raises(TlsFailed, match="cannot be read"):
        tls.check_peer(_Showing(b"\x30\x03\x02\x01\x01"), Outgoing("mail.example.org"))


class _Showing:
    """A connection whose peer showed these bytes, which no TLS library would send."""

    def __init__(self, certificate: bytes) -> None:
        self._certificate = certificate

    def getpeercert(self, *, binary_form: bool) -> bytes:
        assert binary_form
        return self._certificate


# Pins.


@pytest.mark.parametrize("security", ENCRYPTED)
@pytest.mark.parametrize("kind", list(CertificateKind))
async def test_the_pinned_certificate_is_accepted_whatever_else_is_wrong_with_it(mail, security, kind):
    async with showing(kind) as server:
        outgoing = to(server, security, pinned_certificate=server.fingerprint)
        await mail.send(account(outgoing), MESSAGE)
        assert server.mails[0].tls == "TLSv1.3"


@pytest.mark.parametrize("security", ENCRYPTED)
async def test_another_certificate_than_the_pinned_one_is_refused_even_when_it_verifies(mail, security):
    async with showing() as server:
        for trust in (True, False):
            options = {"ca_certificates": server.ca_pem, "verify_trust": trust, "verify_hostname": trust}
            error = await refused(mail, to(server, security, pinned_certificate="0" * 64, **options))
            assert server.fingerprint in error.message
            assert "pin this one" in error.hint
        assert server.caught == 0


async def test_a_pin_may_be_written_as_browsers_and_openssl_show_it(mail):
    async with showing(CertificateKind.SELF_SIGNED) as server:
        plain = server.fingerprint.upper()
        pairs = [plain[at : at + 2] for at in range(0, 64, 2)]
        for written in (plain, ":".join(pairs), " ".join(pairs)):
            await mail.send(account(to(server, "starttls", pinned_certificate=written)), MESSAGE)
        assert server.caught == 3


@pytest.mark.parametrize("security", ENCRYPTED)
@pytest.mark.parametrize("doubt", ["pin", "host"])
async def test_when_the_certificate_is_not_the_one_nothing_is_said_after_tls(mail, security, doubt):
    context = make_identity(CertificateKind.WRONG_HOST, "localhost", datetime.now(UTC)).context()
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def converse(reader, writer) -> None:
        if security == "starttls":
            writer.write(b"220 mail.example.org\r\n")
            assert (await reader.readline()).startswith(b"EHLO ")
            writer.write(b"250-mail.example.org\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n")
            assert await reader.readline() == b"STARTTLS\r\n"
            writer.write(b"220 go ahead\r\n")
        layer, said = TlsLayer(context), b""
        # The client closes as soon as it knows, maybe before its last word of the handshake has left.
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                said += layer.receive(data)
                writer.write(layer.take())
        heard.put_nowait(said)

    pin = {"pinned_certificate": "0" * 64} if doubt == "pin" else {"verify_trust": False}
    async with speaking(converse) as port:
        outgoing = Outgoing(
            "127.0.0.1", port, security=security, username="ann", password="s3cret", timeouts=PATIENT, **pin
        )
        await refused(mail, outgoing)
        assert await asyncio.wait_for(heard.get(), 20) == b""


def _hostile(names: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A certificate with these bytes where its names should be."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hostile")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 7, now, now + timedelta(days=1))
    broken = x509.UnrecognizedExtension(x509.ExtensionOID.SUBJECT_ALTERNATIVE_NAME, bytes.fromhex(names))
    return builder.add_extension(broken, critical=False).sign(key, hashes.SHA256()), key


FIVE_BYTE_ADDRESS, X400_ADDRESS = "300787050102030405", "3005a303020100"


@pytest.mark.parametrize("names", [FIVE_BYTE_ADDRESS, X400_ADDRESS, "ff", ""])
def test_names_that_cannot_be_read_are_a_failure_of_tls(names):
    der = _hostile(names)[0].public_bytes(serialization.Encoding.DER)
    with pytest.raises(TlsFailed, match="cannot be read"):
        tls.check_peer(_Showing(der), Outgoing("mail.example.org", verify_trust=False))


@pytest.mark.parametrize("names", [FIVE_BYTE_ADDRESS, X400_ADDRESS])
async def test_a_server_with_a_certificate_that_cannot_be_read_is_a_failure_of_tls(mail, tmp_path, names):
    certificate, key = _hostile(names)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    shown = certificate.public_bytes(pem) + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    (tmp_path / "shown.pem").write_bytes(shown)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "shown.pem")

    async def converse(reader, writer) -> None:
        layer = TlsLayer(context)
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                layer.receive(data)
                writer.write(layer.take())

    async with speaking(converse) as port:
        outgoing = Outgoing("127.0.0.1", port, security="implicit", verify_trust=False, timeouts=PATIENT)
        assert (await refused(mail, outgoing)).message == "the server's certificate cannot be read"


# The wrong mode for the port: the most common mistake of all.


@pytest.mark.parametrize("place", ["dev", pytest.param("real", marks=pytest.mark.real)])
async def test_tls_at_once_on_a_port_that_begins_in_clear_text_is_explained(mail, place, request):
    async with DevServer() as server:
        port = server.port if place == "dev" else request.getfixturevalue("mail_servers").submission_port
        error = await refused(mail, Outgoing("127.0.0.1", port, security="implicit", timeouts=PATIENT))
        assert error.message == "the server does not answer in TLS"
        assert "begin" in error.hint
        assert "set security to starttls" in error.hint


@pytest.mark.parametrize("place", ["dev", pytest.param("real", marks=pytest.mark.real)])
@pytest.mark.parametrize("security", ["starttls", "opportunistic", "none"])
async def test_clear_text_on_a_port_that_begins_in_tls_is_explained(mail, place, security, request):
    async with showing() as server:
        port = server.tls_port if place == "dev" else request.getfixturevalue("mail_servers").smtps_port
        with pytest.raises(ServerTimeout) as caught:
            await mail.send(account(Outgoing("127.0.0.1", port, security=security, timeouts=HASTY)), MESSAGE)
        assert caught.value.phase is Phase.GREETING
        assert "set security to implicit" in caught.value.hint


async def test_clear_text_where_tls_was_asked_for_by_starttls_is_not_explained_as_a_wrong_port(mail):
    async with DevServer(DevServerOptions(failures=(Failure("tls", "454 4.7.0 no TLS"),))) as server:
        error = await refused(mail, to(server, "starttls"))
        assert error.message == "the server does not answer in TLS"
        assert error.hint == ""


@pytest.mark.parametrize(("security", "hint"), [("implicit", "465 begins in TLS"), ("starttls", "")])
async def test_a_connection_closed_in_the_handshake_is_a_failure_of_tls(mail, security, hint):
    async with showing(failures=(Failure("tls", "disconnect"),)) as server:
        error = await refused(mail, to(server, security))
        assert error.message == "the server closed the connection during the handshake"
        assert hint in error.hint
        assert bool(error.hint) is bool(hint)


@pytest.mark.parametrize("security", ENCRYPTED)
async def test_a_handshake_that_does_not_end_is_a_timeout_of_its_own_phase(mail, security):
    async with showing(failures=(Failure("tls", "silence"),)) as server:
        with pytest.raises(ServerTimeout, match=r"the TLS handshake took longer than 0\.3 s") as caught:
            await mail.send(account(to(server, security, timeouts=Timeouts(tls=0.3))), MESSAGE)
        assert caught.value.phase is Phase.TLS


async def test_tls_older_than_1_2_is_refused(mail):
    context = make_identity(CertificateKind.VALID, "localhost", datetime.now(UTC)).context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # setting up an old server is the point
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")

    async def converse(reader, writer) -> None:
        layer = TlsLayer(context)
        with pytest.raises(ssl.SSLError):
            layer.receive(await reader.read(65536))
        writer.write(layer.take())

    async with speaking(converse) as port:
        outgoing = Outgoing("127.0.0.1", port, security="implicit", verify_trust=False, timeouts=PATIENT)
        error = await refused(mail, outgoing)
    assert error.message == "the server speaks no TLS that is accepted here"
    assert "TLS 1.2" in error.hint


# Upgrading.


@pytest.mark.parametrize("security", ["starttls", "opportunistic"])
async def test_what_is_said_in_clear_text_behind_the_220_ends_the_conversation(mail, security):
    async with showing(lies=frozenset({Lie.STARTTLS_INJECTION})) as server:
        with pytest.raises(ProtocolViolation, match="more than its reply to STARTTLS") as caught:
            await mail.send(account(to(server, security, ca_certificates=server.ca_pem)), MESSAGE)
        assert caught.value.phase is Phase.STARTTLS
        assert server.caught == 0


@pytest.mark.parametrize("security", ["starttls", "opportunistic"])
@pytest.mark.parametrize("answer", ["454", "502", "554"])
async def test_starttls_that_is_offered_and_then_refused_is_a_failure(mail, security, answer):
    async with showing(failures=(Failure("starttls", answer),)) as server:
        with pytest.raises(TlsFailed, match="offers STARTTLS and then refuses it") as caught:
            await mail.send(account(to(server, security)), MESSAGE)
        assert caught.value.phase is Phase.STARTTLS
        assert caught.value.reply.code == int(answer)
        assert "security none" in caught.value.hint
        assert server.caught == 0


@pytest.mark.parametrize("failure", ["disconnect", "garbage"])
async def test_opportunistic_does_not_fall_back_when_the_handshake_breaks(mail, failure):
    """Checklist 19: once offered, a failing upgrade fails the send."""
    async with showing(failures=(Failure("tls", failure),)) as server:
        await refused(mail, to(server, "opportunistic", verify_trust=False, verify_hostname=False))
        assert server.caught == 0


async def test_opportunistic_verifies_the_certificate_too(mail):
    async with showing(CertificateKind.SELF_SIGNED) as server:
        await refused(mail, to(server, "opportunistic"))
        assert server.caught == 0


async def test_a_password_is_not_sent_where_somebody_has_taken_starttls_away(mail):
    """Checklist 18."""
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def converse(reader, writer) -> None:
        writer.write(b"220 mail.example.org\r\n")
        assert (await reader.readline()).startswith(b"EHLO ")
        writer.write(b"250-mail.example.org\r\n250 AUTH PLAIN\r\n")
        heard.put_nowait(await reader.read())

    async with speaking(converse) as port:
        outgoing = Outgoing("127.0.0.1", port, security="starttls", username="ann", password="s3cret")
        with pytest.raises(TlsNotOffered) as caught:
            await mail.send(account(outgoing), MESSAGE)
        assert await asyncio.wait_for(heard.get(), 20) == b""
    assert caught.value.phase is Phase.STARTTLS
    assert "465" in caught.value.hint


async def test_security_none_does_not_encrypt_where_it_could(mail):
    """Checklist 19."""
    async with showing() as server:
        await mail.send(account(to(server, "none")), MESSAGE)
        assert server.mails[0].tls == ""


# Cost.


async def test_a_context_is_made_once_for_all_accounts_that_check_the_same(mail, monkeypatch):
    made = []
    make = ssl.create_default_context

    def counting(*args, **options):
        made.append(1)
        return make(*args, **options)

    monkeypatch.setattr(ssl, "create_default_context", counting)
    async with showing() as server:
        one = to(server, "starttls", ca_certificates=server.ca_pem, pool=PoolLimits(sessions=3))
        two = to(server, "implicit", ca_certificates=server.ca_pem, pool=PoolLimits(sessions=3))
        await asyncio.gather(*(mail.send(account(out), MESSAGE) for out in (one, two) for _ in range(9)))
        await mail.check(account(one))
        assert server.connections > 2
        assert len(made) == 1
        await mail.send(account(one.changed(verify_hostname=False)), MESSAGE)
        assert len(made) == 2


@pytest.fixture
async def polls(monkeypatch):
    """How many looks at the socket were pending whenever one more was asked for."""
    loop = asyncio.get_running_loop()
    call_later, handles, ran, pending = loop.call_later, [], set(), []

    def counting(delay, callback, *args, **options):
        if delay != DRAIN_POLL:
            return call_later(delay, callback, *args, **options)
        number = len(handles)

        def run():
            ran.add(number)
            callback(*args)

        handles.append(call_later(delay, run, **options))
        pending.append(sum(one not in ran and not handle.cancelled() for one, handle in enumerate(handles)))
        return handles[-1]

    monkeypatch.setattr(loop, "call_later", counting)
    return pending


async def test_a_server_that_drips_while_a_long_message_drains_is_not_looked_at_more_often(polls, monkeypatch):
    """Each octet from it is a reason to look whether the socket has taken the rest, but one look at a time will do."""
    arrived = asyncio.Queue()
    buffer_updated = SmtpSession.buffer_updated

    def noticing(session, nbytes):
        buffer_updated(session, nbytes)
        arrived.put_nowait(nbytes)

    monkeypatch.setattr(SmtpSession, "buffer_updated", noticing)
    huge = b"Subject: huge\r\n\r\n" + b"0123456789abcdef\r\n" * 2_000_000

    async def converse(reader, writer) -> None:
        line = Line(reader, writer, "implicit")
        await line.until_data()
        await line.hear(b"DATA\r\nSubject: huge\r\n")
        while not arrived.empty():
            arrived.get_nowait()
        for octet in b"552 5.3.4 enough":
            line.say(bytes([octet]))
            await arrived.get()
        line.say(b"\r\n")
        await line.hear_all()

    async with speaking(converse) as port, pool_to(port, security="implicit") as pool:
        with pytest.raises(MessageTooBig):
            await pool.submit(letter(content=huge))
    assert max(polls) == 1
