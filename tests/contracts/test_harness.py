"""The real-server harness itself, seen by clients that are not ours: the standard library's."""

import base64
import contextlib
import email
import imaplib
import poplib
import smtplib
import socket
import ssl
import uuid
from collections.abc import Iterator

import pytest

from tests.harness import MailServers, NotReceived, User, layout

pytestmark = pytest.mark.real

MECHANISMS = {"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "XOAUTH2", "OAUTHBEARER"}
SENDER = "sender@elsewhere.example"


@pytest.fixture
def user(mail_servers: MailServers) -> User:
    return mail_servers.user(200)


@pytest.fixture
def message_id() -> str:
    return f"<{uuid.uuid4().hex}@harness.example>"


@pytest.fixture
def incoming(mail_servers: MailServers) -> Iterator[smtplib.SMTP]:
    with smtplib.SMTP(mail_servers.host, mail_servers.smtp_port, timeout=20) as client:
        yield client


@pytest.fixture
def submission(mail_servers: MailServers) -> Iterator[smtplib.SMTP]:
    with smtplib.SMTP(mail_servers.host, mail_servers.submission_port, timeout=20) as client:
        client.starttls(context=mail_servers.tls())
        client.ehlo()
        yield client


def a_message(message_id: str, body: str = "Good morning", headers: str = "") -> str:
    return f"Message-ID: {message_id}\r\n{headers}Subject: harness\r\n\r\n{body}\r\n"


def the_body(raw: bytes) -> bytes:
    return raw.partition(b"\r\n\r\n")[2]


def test_mail_to_the_open_port_is_read_back_by_imap(mail_servers, incoming, user, message_id):
    incoming.sendmail(SENDER, [user.address], a_message(message_id, "..dots\r\n.\r\nstay"))
    assert the_body(mail_servers.fetch(user, message_id)) == b"..dots\r\n.\r\nstay\r\n"


def test_mail_to_the_open_port_is_read_back_by_pop3_with_and_without_tls(mail_servers, incoming, message_id):
    reader = mail_servers.user(201)
    incoming.sendmail(SENDER, [reader.address], a_message(message_id))
    mail_servers.fetch(reader, message_id)
    plain = poplib.POP3(mail_servers.host, mail_servers.pop3_port, timeout=20)
    encrypted = poplib.POP3_SSL(mail_servers.host, mail_servers.pop3s_port, context=mail_servers.tls(), timeout=20)
    for mailbox in (plain, encrypted):
        with contextlib.closing(mailbox):
            mailbox.user(reader.username)
            mailbox.pass_(reader.password)
            _, lines, _ = mailbox.retr(mailbox.stat()[0])
            mailbox.quit()
        assert f"Message-ID: {message_id}".encode() in lines


def test_the_plain_imap_port_offers_starttls(mail_servers, user):
    with imaplib.IMAP4(mail_servers.host, mail_servers.imap_port, timeout=20) as mailbox:
        mailbox.starttls(ssl_context=mail_servers.tls())
        assert mailbox.login(user.username, user.password)[0] == "OK"


def test_each_test_may_use_an_address_of_its_own_by_a_plus_tag(mail_servers, incoming, user, message_id):
    incoming.sendmail(SENDER, ["u200+tag@test.example"], a_message(message_id))
    assert b"Good morning" in mail_servers.fetch(user, message_id)


def test_lmtp_takes_mail_without_postfix(mail_servers, user, message_id):
    with smtplib.LMTP(mail_servers.host, mail_servers.lmtp_port) as client:
        client.sendmail(SENDER, [user.address], a_message(message_id))
    assert b"Good morning" in mail_servers.fetch(user, message_id)


def test_the_open_port_offers_every_extension_that_a_client_may_use(incoming):
    incoming.ehlo()
    offered = {"pipelining", "size", "starttls", "enhancedstatuscodes", "8bitmime", "dsn", "smtputf8", "chunking"}
    assert offered <= set(incoming.esmtp_features)
    assert "auth" not in incoming.esmtp_features


def test_the_bare_port_offers_no_extension_and_takes_mail(mail_servers, user, message_id):
    with smtplib.SMTP(mail_servers.host, mail_servers.bare_port, timeout=20) as client:
        client.ehlo()
        assert client.esmtp_features == {}
        client.sendmail(SENDER, [user.address], a_message(message_id))
    assert b"Good morning" in mail_servers.fetch(user, message_id)


def test_submission_offers_nothing_to_sign_in_with_before_tls(mail_servers):
    with smtplib.SMTP(mail_servers.host, mail_servers.submission_port, timeout=20) as client:
        client.ehlo()
        assert "auth" not in client.esmtp_features
        code, _ = client.mail(SENDER)
        assert code == 530


def test_submission_offers_every_mechanism_behind_starttls(submission):
    assert set(submission.esmtp_features["auth"].split()) == MECHANISMS


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_submission_takes_mail_after_sign_in_by(mechanism, mail_servers, submission, user, message_id):
    submission.user, submission.password = user.username, user.password
    submission.auth(mechanism, getattr(submission, f"auth_{mechanism.lower().replace('-', '_')}"))
    submission.sendmail(user.address, [user.address], a_message(message_id))
    assert b"Good morning" in mail_servers.fetch(user, message_id)


def test_scram_is_really_spoken_by_the_server(submission, user):
    first = f"n,,n={user.username},r=fyko+d2lbbFgONRv9qkxdawL"
    code, challenge = submission.docmd("AUTH", f"SCRAM-SHA-256 {base64.b64encode(first.encode()).decode()}")
    assert code == 334
    assert base64.b64decode(challenge).startswith(b"r=fyko+d2lbbFgONRv9qkxdawL")
    assert submission.docmd("*")[0] == 501


def xoauth2(user: User, token: str) -> str:
    return f"user={user.username}\x01auth=Bearer {token}\x01\x01"


def oauthbearer(user: User, token: str) -> str:
    return f"n,a={user.username},\x01auth=Bearer {token}\x01\x01"


def sign_in_by_token(client: smtplib.SMTP, mechanism: str, response: str) -> tuple[int, bytes]:
    code, text = client.docmd("AUTH", f"{mechanism} {base64.b64encode(response.encode()).decode()}")
    if code == 334:
        # The challenge tells why in JSON; the dummy answer asks for the verdict (RFC 7628 section 3.2.3).
        return client.docmd("AQ==" if mechanism == "OAUTHBEARER" else "")
    return code, text


both_forms = pytest.mark.parametrize(("mechanism", "form"), [("XOAUTH2", xoauth2), ("OAUTHBEARER", oauthbearer)])


@both_forms
def test_a_good_token_signs_in_by(mechanism, form, mail_servers, submission, user):
    assert sign_in_by_token(submission, mechanism, form(user, mail_servers.token(user)))[0] == 235
    assert submission.mail(user.address)[0] == 250


@both_forms
def test_an_expired_token_is_refused_by(mechanism, form, mail_servers, submission, user):
    assert sign_in_by_token(submission, mechanism, form(user, mail_servers.token(user, expired=True)))[0] == 535


def test_a_token_that_somebody_else_signed_is_refused(mail_servers, submission, user):
    header_and_claims = mail_servers.token(user).rpartition(".")[0]
    forged = f"{header_and_claims}.{base64.urlsafe_b64encode(bytes(32)).decode().rstrip('=')}"
    assert sign_in_by_token(submission, "XOAUTH2", xoauth2(user, forged))[0] == 535


def test_a_token_of_one_user_does_not_sign_in_another(mail_servers, submission, user):
    token = mail_servers.token(mail_servers.user(199))
    assert sign_in_by_token(submission, "XOAUTH2", xoauth2(user, token))[0] == 535


def test_a_wrong_password_is_refused(submission, user):
    with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        submission.login(user.username, "wrong")
    assert refused.value.smtp_code == 535


def test_smtps_takes_mail_after_sign_in_and_refuses_it_before(mail_servers, user, message_id):
    tls = mail_servers.tls()
    with smtplib.SMTP_SSL(mail_servers.host, mail_servers.smtps_port, context=tls, timeout=20) as client:
        assert client.docmd("MAIL", f"FROM:<{SENDER}>")[0] >= 500
        client.login(user.username, user.password)
        client.sendmail(user.address, [user.address], a_message(message_id))
    assert b"Good morning" in mail_servers.fetch(user, message_id)


def test_the_certificate_is_good_for_localhost_and_for_nobody_else(mail_servers):
    for name, is_good in (("localhost", True), ("127.0.0.1", True), ("mail.elsewhere.example", False)):
        with (
            socket.create_connection((mail_servers.host, mail_servers.smtps_port), timeout=20) as connection,
            contextlib.nullcontext() if is_good else pytest.raises(ssl.SSLCertVerificationError),
            mail_servers.tls().wrap_socket(connection, server_hostname=name),
        ):
            pass


@pytest.mark.parametrize(
    ("recipient", "reply"),
    [
        ("nobody@test.example", b"550 5.1.1"),
        ("tempfail@test.example", b"450 4.2.1"),
        ("someone@elsewhere.example", b"554 5.7.1"),
    ],
)
def test_a_recipient_is_refused_as_its_name_says(recipient, reply, incoming, user):
    incoming.ehlo()
    incoming.mail(SENDER)
    code, text = incoming.rcpt(recipient)
    assert b"%d %b" % (code, text[:5]) == reply
    assert incoming.rcpt(user.address)[0] == 250


@pytest.mark.parametrize(
    ("sender", "reply"), [("refused@test.example", b"550 5.7.1"), ("busy@test.example", b"451 4.7.1")]
)
def test_a_sender_is_refused_at_mail_as_its_name_says(sender, reply, incoming):
    incoming.ehlo()
    code, text = incoming.mail(sender)
    assert b"%d %b" % (code, text[:5]) == reply


@pytest.mark.parametrize(("wish", "code"), [("refuse", 550), ("defer", 451)])
def test_a_message_is_refused_after_its_final_dot_as_its_header_says(wish, code, incoming, user, message_id):
    with pytest.raises(smtplib.SMTPDataError) as refused:
        incoming.sendmail(SENDER, [user.address], a_message(message_id, headers=f"X-Test-Content: {wish}\r\n"))
    assert refused.value.smtp_code == code


def test_the_small_port_refuses_a_big_message_by_its_size_and_by_its_bytes(mail_servers, user, message_id):
    too_big = a_message(message_id, "x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * 400)
    with smtplib.SMTP(mail_servers.host, mail_servers.small_port, timeout=20) as client:
        client.ehlo()
        assert client.esmtp_features["size"] == str(mail_servers.small_size_limit)
        assert client.docmd("MAIL", f"FROM:<{SENDER}> SIZE={len(too_big)}")[0] == 552
        client.rset()
        client.mail(SENDER)
        client.rcpt(user.address)
        assert client.data(too_big)[0] == 552


@pytest.mark.parametrize("recipient", ["jörg.müller@utf8.example", "δοκιμή@bücher.example", "plain@utf8.example"])
def test_mail_to_a_non_ascii_address_arrives_in_the_maildir(recipient, mail_servers, incoming, message_id):
    incoming.ehlo()
    incoming.mail("søren@utf8.example", ["SMTPUTF8", "BODY=8BITMIME"])
    assert incoming.rcpt(recipient)[0] == 250
    assert incoming.data(a_message(message_id, "Grüße", f"To: {recipient}\r\n").encode())[0] == 250
    assert the_body(mail_servers.fetch_utf8(message_id)) == "Grüße\r\n".encode()


def test_mail_for_elsewhere_comes_back_as_a_delivery_report(mail_servers, submission, message_id):
    sender = mail_servers.user(202)
    submission.login(sender.username, sender.password)
    submission.sendmail(sender.address, ["someone@elsewhere.example"], a_message(message_id))
    report = email.message_from_bytes(mail_servers.find(sender, "HEADER", "Auto-Submitted", "auto-replied"))
    assert report.get_content_type() == "multipart/report"
    assert message_id in report.as_string()


def test_a_message_that_does_not_come_is_told_with_the_log(mail_servers, user):
    with pytest.raises(NotReceived, match=r"imap-login: .*user=<u200@test\.example>"):
        mail_servers.fetch(user, "<never-sent@harness.example>", timeout=0.1)


def test_the_log_since_a_mark_holds_what_happened_since(mail_servers, incoming, user, message_id):
    mark = mail_servers.log_mark()
    incoming.sendmail(SENDER, [user.address], a_message(message_id))
    mail_servers.fetch(user, message_id)
    assert message_id in mail_servers.log(mark)
    assert "daemon started" not in mail_servers.log(mark)


def test_there_is_no_user_outside_the_range(mail_servers):
    with pytest.raises(ValueError, match="users 0 to"):
        mail_servers.user(layout.MAILBOXES)
