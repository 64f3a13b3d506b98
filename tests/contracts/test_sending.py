"""What sending promises, told twice: over the development server, and over Postfix with Dovecot.

What arrives is read by the standard library's parser, not by ours.
"""

import asyncio
import email
import email.policy
from email.message import EmailMessage

import pytest

from mailwright import (
    Account,
    Attachment,
    AuthNotOffered,
    DeliveryState,
    Disposition,
    Mailwright,
    Message,
    MessageTooBig,
    PartlySent,
    PoolLimits,
    RecipientsRefused,
    SenderRefused,
    SignInRefused,
    TlsFailed,
    TlsNotOffered,
    Utf8NotOffered,
    prebuilt,
)
from mailwright.model.account import Mechanism
from mailwright.model.address_syntax import parse_address
from mailwright.model.check import CheckName, StepState
from tests.contracts.places import PASSWORD, SIZE_LIMIT, USER, DevPlace, RealPlace

SENDER = "Ann Sender <ann@elsewhere.example>"


@pytest.fixture(params=["dev", pytest.param("real", marks=pytest.mark.real)])
async def place(request):
    if request.param == "real":
        yield RealPlace(request.getfixturevalue("mail_servers"))
    else:
        async with DevPlace() as dev:
            yield dev


@pytest.fixture
async def mail():
    async with Mailwright() as opened:
        yield opened


def parsed(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def the_account(outgoing, address=SENDER):
    return Account(address, outgoing)


def signed_in(place, **options):
    return the_account(place.submission(username=USER, password=PASSWORD, **options))


async def test_a_mail_arrives_as_it_was_written(place, mail):
    message = Message(
        to=f"Üser Eins <{USER}>",
        subject="Grüße: a subject that is long enough to be folded over more than one line of the header",
        text="Good morning\n\n.\n..two dots\n. and a dot\nFrom the start of a line\ntrailing space \nÜber äöü €\n",
        html="<p>Good <b>morning</b> Ü</p>",
        attachments=[
            Attachment("rapport-été ünd ein sehr langer Name, der über eine Zeile geht.pdf", bytes(range(256)) * 50),
            Attachment("logo.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 99, "", Disposition.INLINE, "logo"),
        ],
        priority="high",
        reply_to="replies@elsewhere.example",
        headers={"X-Token": "t-1"},
    )
    result = await mail.send(the_account(place.plain()), message)
    assert result.state is DeliveryState.SENT
    assert result.accepted == (USER,)
    got = parsed(await place.received(result.message_id))
    assert got["Subject"] == message.subject
    assert got["To"].addresses[0].display_name == "Üser Eins"
    assert got["From"].addresses[0].addr_spec == "ann@elsewhere.example"
    assert got["Reply-To"] == "replies@elsewhere.example"
    assert got["X-Priority"] == "1 (Highest)"
    assert got["X-Token"] == "t-1"
    assert got.get_body(("plain",)).get_content().replace("\r\n", "\n") == message.text
    assert got.get_body(("html",)).get_content().strip() == message.html
    (attached,) = [part for part in got.iter_attachments() if part.get_content_disposition() == "attachment"]
    assert attached.get_filename() == message.attachments[0].filename
    assert attached.get_content() == message.attachments[0].data
    (inline,) = [part for part in got.walk() if part.get_content_disposition() == "inline"]
    assert inline["Content-ID"] == "<logo>"
    assert inline.get_content() == message.attachments[1].data


async def test_the_bytes_that_arrive_are_the_bytes_that_were_composed(place, mail):
    account = the_account(place.plain())
    composed = mail.compose(account, Message(to=USER, subject="Bytes", text=".\n..\n...\r\nx\r\n.\r\n"))
    await mail.send(account, composed)
    raw = await place.received(composed.message_id)
    # Servers add trace headers at the top (RFC 5321 section 4.4) and change nothing below.
    assert raw.endswith(composed.content)


async def test_no_credentials_at_all_work_where_none_are_needed(place, mail):
    """Checklist 5 and 14: local servers and open relays."""
    result = await mail.send(the_account(place.plain()), Message(to=USER, subject="No sign-in", text="x"))
    assert result.accepted == (USER,)


@pytest.mark.parametrize(
    "mechanism", [Mechanism.PLAIN, Mechanism.LOGIN, Mechanism.CRAM_MD5, Mechanism.SCRAM_SHA_256], ids=str
)
async def test_a_password_signs_in_by_every_mechanism(place, mail, mechanism):
    result = await mail.send(signed_in(place, mechanism=mechanism), Message(to=USER, subject="In", text="x"))
    assert result.accepted == (USER,)


@pytest.mark.parametrize("mechanism", [Mechanism.XOAUTH2, Mechanism.OAUTHBEARER], ids=str)
async def test_a_token_signs_in_and_an_expired_one_does_not(place, mail, mechanism):
    good = the_account(place.submission(username=USER, access_token=place.token(), mechanism=mechanism))
    assert (await mail.send(good, Message(to=USER, subject="Token", text="x"))).accepted == (USER,)
    expired = place.submission(username=USER, access_token=place.token(expired=True), mechanism=mechanism)
    with pytest.raises(SignInRefused) as caught:
        await mail.send(the_account(expired), Message(to=USER, subject="Token", text="x"))
    assert "token" in caught.value.hint


async def test_the_best_mechanism_is_chosen_by_itself(place, mail):
    report = await mail.check(signed_in(place))
    assert report.ok
    step = next(step for step in report.steps if step.name is CheckName.SIGN_IN)
    assert "SCRAM-SHA-256" in step.detail


async def test_a_wrong_password_is_refused_with_the_servers_words_and_without_the_secret(place, mail):
    account = the_account(place.submission(username=USER, password="wrong-secret"))
    with pytest.raises(SignInRefused) as caught:
        await mail.send(account, Message(to=USER, subject="In", text="x"))
    assert caught.value.reply.code == 535
    assert "wrong-secret" not in str(caught.value) + str(caught.value.to_json())


async def test_credentials_for_a_server_without_sign_in_are_an_error_not_ignored(place, mail):
    account = the_account(place.bare(username=USER, password=PASSWORD))
    with pytest.raises(AuthNotOffered):
        await mail.send(account, Message(to=USER, subject="In", text="x"))


async def test_tls_from_the_first_byte(place, mail):
    account = the_account(place.implicit(username=USER, password=PASSWORD))
    assert (await mail.send(account, Message(to=USER, subject="TLS", text="x"))).accepted == (USER,)
    report = await mail.check(account)
    encrypt = next(step for step in report.steps if step.name is CheckName.ENCRYPT)
    assert encrypt.state is StepState.OK
    assert "TLSv1.3" in encrypt.detail


async def test_starttls_where_it_is_not_offered_fails_and_never_falls_back(place, mail):
    account = the_account(place.bare().changed(security="starttls"))
    with pytest.raises(TlsNotOffered):
        await mail.send(account, Message(to=USER, subject="TLS", text="x"))


async def test_opportunistic_encrypts_where_it_can_and_goes_on_where_it_cannot(place, mail):
    """Checklist 19."""
    encrypted = await mail.check(
        the_account(place.plain(ca_certificates=place.ca_pem).changed(security="opportunistic", verify_trust=False))
    )
    assert "TLS" in next(step for step in encrypted.steps if step.name is CheckName.ENCRYPT).detail
    clear = await mail.check(the_account(place.bare().changed(security="opportunistic")))
    assert clear.ok
    assert "not encrypted" in next(step for step in clear.steps if step.name is CheckName.ENCRYPT).detail


async def test_an_authority_that_is_not_known_is_refused_and_the_hint_says_what_to_do(place, mail):
    account = the_account(place.submission(username=USER, password=PASSWORD).changed(ca_certificates=""))
    with pytest.raises(TlsFailed) as caught:
        await mail.send(account, Message(to=USER, subject="TLS", text="x"))
    assert "ca_certificates" in caught.value.hint


async def test_an_unverified_certificate_is_accepted_only_where_the_account_says_so(place, mail):
    """Checklist 20."""
    account = the_account(
        place.submission(username=USER, password=PASSWORD).changed(
            ca_certificates="", verify_trust=False, verify_hostname=False
        )
    )
    assert (await mail.send(account, Message(to=USER, subject="TLS", text="x"))).accepted == (USER,)
    report = await mail.check(account)
    assert next(step for step in report.steps if step.name is CheckName.ENCRYPT).state is StepState.WARNING


async def test_a_refused_recipient_among_others_is_visible_and_the_rest_arrives(place, mail):
    message = Message(to=[USER, place.refused_for_good], cc=place.refused_for_now, subject="Some", text="x")
    result = await mail.send(the_account(place.plain()), message)
    assert result.state is DeliveryState.PARTLY_SENT
    assert result.accepted == (USER,)
    assert result.rejected[place.refused_for_good].permanent
    assert result.rejected[place.refused_for_now].temporary
    await place.received(result.message_id)


async def test_a_partial_refusal_can_be_turned_into_an_error(place, mail):
    message = Message(to=[USER, place.refused_for_good], subject="Some", text="x")
    with pytest.raises(PartlySent) as caught:
        await mail.send(the_account(place.plain()), message, on_partial="raise")
    assert caught.value.accepted == (USER,)
    assert list(caught.value.recipients) == [place.refused_for_good]
    await place.received(caught.value.message_id)


async def test_every_recipient_refused_is_an_error_with_each_reply(place, mail):
    message = Message(to=[place.refused_for_good, place.refused_for_now], subject="None", text="x")
    with pytest.raises(RecipientsRefused) as caught:
        await mail.send(the_account(place.plain()), message)
    assert {reply.code for reply in caught.value.recipients.values()} == {550, 450}
    assert caught.value.temporary


async def test_after_a_refusal_the_same_session_goes_on_with_the_next_message(place, mail):
    account = the_account(place.plain(pool=PoolLimits(sessions=1)))
    with pytest.raises(RecipientsRefused):
        await mail.send(account, Message(to=place.refused_for_good, subject="No", text="x"))
    result = await mail.send(account, Message(to=USER, subject="Yes", text="x"))
    await place.received(result.message_id)


async def test_a_sender_without_sign_in_is_refused_where_one_is_needed(place, mail):
    with pytest.raises((SenderRefused, RecipientsRefused)) as caught:
        await mail.send(the_account(place.submission()), Message(to=USER, subject="No", text="x"))
    assert caught.value.reply.code in (530, 554)


async def test_a_message_over_the_announced_size_is_not_even_begun(place, mail):
    message = Message(to=USER, subject="Big", text="x" * 70 + "\n", attachments={"big.bin": b"x" * SIZE_LIMIT})
    with pytest.raises(MessageTooBig, match="the server takes"):
        await mail.send(the_account(place.small()), message)


async def test_an_international_mailbox_travels_with_smtputf8(place, mail):
    """Checklist 71."""
    message = Message(to="Jörg <jörg@utf8.example>", from_="Ünal <ünal@elsewhere.example>", subject="Grüße", text="ü")
    result = await mail.send(the_account(place.plain()), message)
    assert result.accepted == ("jörg@utf8.example",)
    assert "SMTPUTF8" in result.sender_reply.command
    # As text: the standard library reads UTF-8 headers (RFC 6532) from text only.
    raw = (await place.received_utf8(result.message_id)).decode()
    got = email.message_from_string(raw, policy=email.policy.default)
    assert got["To"].addresses[0].addr_spec == "jörg@utf8.example"
    assert got["From"].addresses[0].addr_spec == "ünal@elsewhere.example"


async def test_an_international_domain_travels_in_ascii(place, mail):
    result = await mail.send(the_account(place.plain()), Message(to="anna@bücher.example", subject="Domain", text="x"))
    assert result.accepted == ("anna@xn--bcher-kva.example",)
    assert "SMTPUTF8" not in result.sender_reply.command


async def test_an_international_mailbox_where_it_is_not_offered_is_an_error(place, mail):
    with pytest.raises(Utf8NotOffered):
        await mail.send(the_account(place.bare()), Message(to="jörg@utf8.example", subject="No", text="x"))


async def test_a_server_without_any_extension_gets_the_same_mail(place, mail):
    account = the_account(place.bare(), "ann@elsewhere.example")
    for number in range(3):
        result = await mail.send(account, Message(to=USER, subject=f"Old {number}", text="Ünïcode\n.\n"))
        got = parsed(await place.received(result.message_id))
        assert got.get_content().replace("\r\n", "\n") == "Ünïcode\n.\n"


async def test_chunking_carries_the_same_bytes(place, mail):
    account = the_account(place.plain(chunking=True))
    message = Message(to=USER, subject="Chunk", text=".\n.\n", attachments={"big.bin": bytes(range(256)) * 2000})
    composed = mail.compose(account, message)
    result = await mail.send(account, composed)
    assert result.data_reply is None
    assert result.final_reply.command == "BDAT"
    assert (await place.received(composed.message_id)).endswith(composed.content)


async def test_a_long_message_arrives_whole(place, mail):
    account = the_account(place.plain())
    composed = mail.compose(
        account, Message(to=USER, subject="Long", attachments={"big.bin": bytes(range(256)) * 8000})
    )
    result = await mail.send(account, composed)
    assert result.size == len(composed.content) > 2_000_000
    assert (await place.received(composed.message_id)).endswith(composed.content)


async def test_finished_bytes_arrive_as_they_were_given(place, mail):
    account = the_account(place.plain())
    raw = (
        b"From: ann@elsewhere.example\r\nDate: Fri, 20 Nov 2026 10:00:00 +0000\r\n"
        b"Message-ID: <given-1@elsewhere.example>\r\nSubject: Given\r\n\r\n.\r\n8 bit: \xc3\xa4\r\n"
    )
    composed = prebuilt(raw, sender=parse_address("ann@elsewhere.example"), recipients=[parse_address(USER)])
    result = await mail.send(account, composed)
    assert result.message_id == "given-1@elsewhere.example"
    assert (await place.received(result.message_id)).endswith(raw)


async def test_bcc_is_delivered_and_stands_nowhere_in_the_mail(place, mail):
    """Checklist 69."""
    result = await mail.send(
        the_account(place.plain()), Message(to="Others <u2@test.example>", bcc=USER, subject="Bcc", text="x")
    )
    assert result.accepted == ("u2@test.example", USER)
    raw = await place.received(result.message_id)
    headers = parsed(raw)
    assert headers["Bcc"] is None
    assert all(USER not in str(headers[name] or "") for name in ("To", "Cc", "From", "Subject"))


async def test_many_callers_share_few_sessions(place, mail):
    account = the_account(place.plain(pool=PoolLimits(sessions=2)))
    before = place.connections()
    sends = [mail.send(account, Message(to=USER, subject=f"Many {number}", text="x")) for number in range(60)]
    results = await asyncio.gather(*sends)
    assert len({result.message_id for result in results}) == 60
    assert place.connections() - before == 2
    for result in (results[0], results[59]):
        await place.received(result.message_id)


async def test_check_says_step_by_step_what_worked(place, mail):
    report = await mail.check(signed_in(place))
    assert report.ok
    assert [step.name for step in report.steps] == [
        CheckName.RESOLVE,
        CheckName.CONNECT,
        CheckName.GREET,
        CheckName.ENCRYPT,
        CheckName.SIGN_IN,
    ]
    assert all(step.state is StepState.OK for step in report.steps), report
    assert any(word.startswith("AUTH ") for word in report.capabilities)
    assert PASSWORD not in str(report.to_json())


async def test_check_says_where_it_failed_and_what_was_not_reached(place, mail):
    report = await mail.check(the_account(place.submission(username=USER, password="wrong")))
    assert not report.ok
    assert [step.state for step in report.steps] == [StepState.OK] * 4 + [StepState.FAILED]
    assert report.steps[-1].hint
