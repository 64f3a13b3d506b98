"""How programs use the library. This file is never run: it only has to pass `mypy --strict`.

A line that stops type-checking here is a line that stops type-checking for somebody else.
"""

from collections.abc import Mapping  # noqa: TC003 - as users write it
from datetime import UTC, datetime
from pathlib import Path
from typing import assert_type

from mailwright import (
    NULL_SENDER,
    Account,
    Address,
    Attachment,
    AutoSubmitted,
    CheckReport,
    CheckStep,
    Composed,
    DeliveryState,
    Disposition,
    DsnNotify,
    DsnOptions,
    DsnReturn,
    Envelope,
    Group,
    InvalidAddress,
    InvalidInput,
    Mailwright,
    MailwrightError,
    Mechanism,
    Message,
    NotSent,
    Outgoing,
    PartlySent,
    Phase,
    PoolLimits,
    PortPolicy,
    Priority,
    Proxy,
    ProxyKind,
    RecipientsRefused,
    Reply,
    Secret,
    Security,
    SendError,
    SendResult,
    Settings,
    SignIn,
    StepState,
    SyncMailwright,
    Timeouts,
    Uncertain,
    Unsubscribe,
    attachment_from_file,
    parse_address,
    parse_recipients,
    prebuilt,
)


def accounts() -> list[Account]:
    return [
        Account("me@example.org", Outgoing("smtp.example.org")),
        Account(Address("me", "example.org"), Outgoing("localhost", 1025, security="none"), display_name="Me"),
        Account("Me <me@example.org>", Outgoing("smtp.example.org", "465", username="me", password="secret")),
        Account(
            "me@example.org",
            Outgoing(
                "smtp.example.org",
                587,
                security=Security.STARTTLS,
                username="me",
                password=Secret("secret"),
                mechanism=Mechanism.PLAIN,
                ca_certificates=Path("ca.pem").read_text(),
                pinned_certificate="ab" * 32,
                verify_hostname=False,
                port_25=PortPolicy.NEVER,
                proxy=Proxy(ProxyKind.SOCKS5, "127.0.0.1", 1080, "user", Secret("secret")),
                source_address="192.0.2.1",
                ehlo_name="me.example.org",
                timeouts=Timeouts(connect=5),
                pool=PoolLimits(sessions=2),
                chunking=True,
            ),
            name="main",
        ),
        Account("me@example.org", Outgoing("smtp.example.org", username="me", access_token="token", timeout_ms=5000)),
        Account("me@example.org", Outgoing("smtp.example.org", sign_in=SignIn("me", Secret("secret")))),
    ]


def messages() -> list[Message]:
    ann = Address("ann", "example.com", "Ann")
    headers: Mapping[str, str] = {"X-One": "1"}
    return [
        Message(to="ann@example.com", subject="Text", text="Good morning"),
        Message(to="Ann <ann@example.com>; bob@example.com", html="<p>Good morning</p>"),
        Message(to=["ann@example.com", ann], cc=[ann], bcc=(ann, "bob@example.com"), text=""),
        Message(to=ann, text="", attachments=[Attachment("a.pdf", b"%PDF")]),
        Message(to=Group("Team", (ann,)), text="", reply_to=ann, from_=ann, from_name="Other"),
        Message(to=parse_recipients("ann@example.com, bob@example.com"), text="", headers=headers),
        Message(to=ann, text="", attachments={"a.txt": b"bytes", "b.txt": "text"}),
        Message(to=ann, text="", attachments=[("a.txt", b"bytes"), attachment_from_file(Path("b.pdf"))]),
        Message(to=ann, text="", attachments=[Attachment("l.png", b"", "image/png", Disposition.INLINE, "logo")]),
        Message(to=ann, text="", headers=[("X-One", "1"), ("X-One", "2")], priority="high"),
        Message(
            to=ann,
            text="",
            priority=Priority.LOW,
            in_reply_to="<a@example.com>",
            references=["<a@example.com>", "<b@example.com>"],
            message_id="own@example.org",
            date=datetime.now(UTC),
            unsubscribe=Unsubscribe("https://example.org/u", ann, one_click=True),
            auto_submitted=AutoSubmitted.AUTO_GENERATED,
            envelope_from=NULL_SENDER,
        ),
        Message(to="ann@example.com", text="", references="<a@example.com>", auto_submitted="no", envelope_from=""),
        Message(to=ann, text="").changed(subject="Another"),
    ]


async def with_async(account: Account, message: Message) -> None:
    async with Mailwright(settings=Settings(ehlo_name="me.example.org")) as mail:
        result = await mail.send(account, message)
        assert_type(result, SendResult)
        await mail.send(account, message, on_partial="raise", dsn=DsnOptions((DsnNotify.FAILURE,), DsnReturn.HEADERS))
        composed = mail.compose(account, message)
        assert_type(composed, Composed)
        assert_type(composed.content, bytes)
        assert_type(composed.envelope, Envelope)
        await mail.send(account, composed)
        await mail.send(account, prebuilt(b"", sender=None, recipients=[parse_address("ann@example.com")]))
        assert_type(await mail.check(account), CheckReport)


def without_async(account: Account, message: Message) -> str:
    with Mailwright.sync() as mail:
        assert_type(mail, SyncMailwright)
        assert_type(mail.compose(account, message), Composed)
        for step in mail.check(account).steps:
            assert_type(step, CheckStep)
            assert_type(step.state, StepState)
        return mail.send(account, message).message_id


def fields_of(result: SendResult) -> None:
    assert_type(result.state, DeliveryState)
    assert_type(result.accepted, tuple[str, ...])
    assert_type(result.rejected, dict[str, Reply])
    assert_type(result.response, str)
    assert_type(result.final_reply.code, int)
    assert_type(result.final_reply.enhanced, str)
    assert_type(result.data_reply, Reply | None)
    assert_type(result.timings.queue, float)
    assert_type(result.to_json(), dict[str, object])


def errors_of(mail: SyncMailwright, account: Account) -> str:
    try:
        mail.send(account, Message(to="ann@example.com", text=""))
    except InvalidAddress as error:
        return f"{error.field} {error.position} {error.item}"
    except InvalidInput as error:
        return error.hint
    except RecipientsRefused as error:
        return ", ".join(f"{address}: {reply.code}" for address, reply in error.recipients.items())
    except Uncertain:
        return "look into the mailbox"
    except PartlySent as error:
        return ", ".join(error.accepted)
    except NotSent as error:
        assert_type(error.phase, Phase)
        assert_type(error.reply, Reply | None)
        return "again" if error.temporary else "never"
    except SendError as error:
        return error.server
    except MailwrightError as error:
        return f"{error.code} {error.message}"
    return ""


def errors_are_also_those_of_the_language(mail: SyncMailwright, account: Account, message: Message) -> str:
    try:
        return mail.send(account, message).response
    except (ValueError, TimeoutError, ConnectionError) as error:
        return str(error)
