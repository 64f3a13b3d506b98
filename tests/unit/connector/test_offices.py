"""What an access may do and see, and that a use case writes what it says."""

import pytest

from mailwright.connector.calls import MessageFilter, Submission
from mailwright.errors import (
    AccessDenied,
    AlreadyExists,
    IdempotencyConflict,
    InvalidAccount,
    InvalidInput,
    NotFound,
    Unauthenticated,
    VersionConflict,
    WrongState,
)
from mailwright.model.access import Access, Action
from mailwright.model.event import EventType
from mailwright.model.message import Message
from mailwright.model.outbox import MessageState, RecipientState, SendOptions
from mailwright.model.workspace import SafeMode
from tests.unit.connector.stored import everything, service_in, settings_for

HELLO = Message(to="ann@example.org", subject="Hello", text="Good morning")
NOBODY = 9  # the discard port: nothing is sent in these tests


@pytest.fixture
async def service(tmp_path):
    async with service_in(tmp_path, public_url="https://mail.example.org") as running:
        yield running


@pytest.fixture
async def office(service):
    office = everything(service)
    await office.accounts.create("office", settings_for(NOBODY))
    return office


async def test_an_account_has_its_name_for_itself(office):
    with pytest.raises(AlreadyExists):
        await office.accounts.create("office", settings_for(NOBODY))


async def test_a_change_that_was_made_meanwhile_is_seen(office):
    before = await office.accounts.get("office")
    await office.accounts.replace("office", settings_for(NOBODY, "one@example.org"), version=before.version)
    with pytest.raises(VersionConflict):
        await office.accounts.replace("office", settings_for(NOBODY, "two@example.org"), version=before.version)
    assert (await office.accounts.get("office")).account.address.spec == "one@example.org"


async def test_a_fallback_is_another_account_that_exists(office):
    with pytest.raises(InvalidAccount):
        await office.accounts.replace("office", settings_for(NOBODY, fallback="office"))
    with pytest.raises(InvalidAccount):
        await office.accounts.replace("office", settings_for(NOBODY, fallback="nobody"))


async def test_workspaces_see_nothing_of_each_other(service, office):
    await office.workspaces.create("other")
    message = await office.messages.send("office", HELLO)
    there = everything(service, "other")
    with pytest.raises(NotFound):
        await there.accounts.get("office")
    with pytest.raises(NotFound):
        await there.messages.get(message.id)
    with pytest.raises(NotFound):
        await there.messages.cancel([message.id])
    with pytest.raises(NotFound):
        await there.messages.send("office", HELLO)
    assert not (await there.messages.list()).items
    assert not (await there.events.list()).items


async def test_an_access_to_one_account_sees_no_other(service, office):
    await office.accounts.create("hidden", settings_for(NOBODY))
    mine = await office.messages.send("office", HELLO)
    hidden = await office.messages.send("hidden", HELLO)
    limited = service.office(Access("test", accounts=frozenset({"office"})))
    assert [found.id for found in (await limited.messages.list()).items] == [mine.id]
    assert [record.name for record in (await limited.accounts.list()).items] == ["office"]
    for call in (
        limited.messages.get(hidden.id),
        limited.accounts.get("hidden"),
        limited.messages.send("hidden", HELLO),
    ):
        with pytest.raises(NotFound):
            await call


@pytest.mark.parametrize(
    ("part", "call", "arguments"),
    [
        ("messages", "send", ("office", HELLO)),
        ("messages", "list", ()),
        ("messages", "cancel", (["msg_1"],)),
        ("accounts", "create", ("new", settings_for(NOBODY))),
        ("accounts", "delete", ("office",)),
        ("events", "list", ()),
        ("webhooks", "list", ()),
        ("suppressions", "list", ()),
        ("workspaces", "list", ()),
        ("tokens", "list", ()),
        ("audit", "list", ()),
    ],
)
async def test_nothing_is_done_without_the_scope_for_it(service, office, part, call, arguments):
    nobody = service.office(Access("test", actions=frozenset({Action.METRICS_READ})))
    with pytest.raises(AccessDenied):
        await getattr(getattr(nobody, part), call)(*arguments)


async def test_an_administrator_of_one_workspace_is_none_of_the_others(service, office):
    admin = service.office(Access("test", actions=frozenset({Action.ADMIN})))
    for call in (
        admin.workspaces.create("mine"),
        admin.workspaces.list(),
        admin.workspaces.delete("default"),
        admin.tokens.create("t", [Action.ADMIN], workspace=""),
        admin.tokens.create("t", [Action.SEND], workspace="other"),
    ):
        with pytest.raises(AccessDenied):
            await call


async def test_nobody_gives_away_more_than_they_have(service, office):
    some = service.office(Access("test", actions=frozenset({Action.TOKENS_MANAGE, Action.SEND})))
    with pytest.raises(AccessDenied):
        await some.tokens.create("t", [Action.ACCOUNTS_MANAGE])
    limited = service.office(
        Access("test", actions=frozenset({Action.TOKENS_MANAGE, Action.SEND}), accounts=frozenset({"office"}))
    )
    with pytest.raises(AccessDenied):
        await limited.tokens.create("t", [Action.SEND])
    made = await limited.tokens.create("t", [Action.SEND], accounts=["office"])
    assert made.token.accounts == {"office"}


async def test_a_token_works_until_it_is_revoked(service, office):
    made = await office.tokens.create("t", [Action.SEND])
    access = await service.tokens.authenticate(made.secret.reveal())
    assert (access.actions, access.workspace, access.everywhere) == ({Action.SEND}, "default", False)
    await office.tokens.revoke(made.token.id)
    with pytest.raises(Unauthenticated):
        await service.tokens.authenticate(made.secret.reveal())


@pytest.mark.parametrize("secret", ["", "mw_", "mw_" + "A" * 43, "Bearer", "mw_\udcff"])
async def test_what_is_no_token_is_refused(service, secret):
    with pytest.raises(Unauthenticated):
        await service.tokens.authenticate(secret)


async def test_the_first_start_makes_one_token_and_no_second(service):
    secret = await service.tokens.first_token()
    assert (await service.tokens.authenticate(secret.reveal())).everywhere
    assert await service.tokens.first_token() is None


async def test_the_same_key_gives_the_same_message(office):
    options = SendOptions(idempotency_key="order-1")
    first = await office.messages.send("office", HELLO, options)
    again = await office.messages.send("office", HELLO, options)
    assert again.id == first.id
    assert len((await office.messages.list()).items) == 1
    with pytest.raises(IdempotencyConflict):
        await office.messages.send("office", HELLO.changed(subject="Other"), options)


async def test_every_part_of_a_request_belongs_to_its_key(office):
    await office.messages.send("office", HELLO, SendOptions(idempotency_key="k"))
    for message, options in (
        (HELLO.changed(text="Other"), SendOptions(idempotency_key="k")),
        (HELLO.changed(bcc="eve@example.org"), SendOptions(idempotency_key="k")),
        (HELLO.changed(attachments={"a.txt": "1"}), SendOptions(idempotency_key="k")),
        (HELLO, SendOptions(idempotency_key="k", tags={"a": "1"})),
        (HELLO, SendOptions(idempotency_key="k", priority="high")),
    ):
        with pytest.raises(IdempotencyConflict):
            await office.messages.send("office", message, options)


async def test_a_message_that_waits_can_be_cancelled_and_sent_after_all(office):
    message = await office.messages.send("office", HELLO)
    (cancelled,) = await office.messages.cancel([message.id])
    assert cancelled.state is MessageState.CANCELLED
    with pytest.raises(WrongState):
        await office.messages.cancel([message.id])
    (queued,) = await office.messages.retry([message.id])
    assert queued.state is MessageState.QUEUED
    types = [event.type for event in await office.messages.story(message.id)]
    assert types == [EventType.MESSAGE_QUEUED, EventType.MESSAGE_CANCELLED, EventType.MESSAGE_RETRIED]


async def test_only_an_uncertain_message_is_released(office):
    message = await office.messages.send("office", HELLO)
    with pytest.raises(WrongState):
        await office.messages.release(message.id)


async def test_the_body_is_what_is_sent_and_needs_a_scope_of_its_own(service, office):
    message = await office.messages.send("office", HELLO)
    assert b"Good morning" in await office.messages.body(message.id)
    reader = service.office(Access("test", actions=frozenset({Action.MESSAGES_READ})))
    with pytest.raises(AccessDenied):
        await reader.messages.body(message.id)


async def test_a_bulk_call_answers_for_each_item(office):
    submissions = [Submission(HELLO), InvalidInput("no JSON", field="line"), Submission(HELLO.changed(to=[]))]
    items = [item async for item in office.messages.send_many("office", submissions)]
    assert [bool(item.message) for item in items] == [True, False, False]
    assert [item.error_code for item in items] == ["", "invalid_input", "no_recipients"]
    job = await office.messages.bulk_job(items[0].job)
    assert (job.total, job.accepted, job.refused) == (3, 1, 2)
    errors = await office.messages.bulk_errors(job.id)
    assert [error.index for error in errors.items] == [1, 2]
    listed = await office.messages.list(MessageFilter(bulk=job.id))
    assert [found.id for found in listed.items] == [items[0].message]


async def test_safe_mode_holds_for_what_is_accepted_from_then_on(office):
    await office.workspaces.replace("default", description="", safe_mode=SafeMode(redirect_to="catch@example.org"))
    message = await office.messages.send("office", HELLO)
    assert [(who.address, who.state) for who in message.recipients] == [("catch@example.org", RecipientState.WAITING)]


async def test_a_message_for_a_list_carries_a_link_that_leaves_it(service, office):
    options = SendOptions(unsubscribe=True, unsubscribe_list="news")
    message = await office.messages.send("office", HELLO, options)
    body = (await office.messages.body(message.id)).replace(b"\r\n ", b" ").decode()
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in body
    token = body.partition("https://mail.example.org/u/")[2].partition(">")[0]
    link = service.parts.links.read(token)
    assert (link.workspace, link.list, link.address) == ("default", "news", "ann@example.org")


async def test_a_link_that_was_changed_leaves_nothing(service, office):
    options = SendOptions(unsubscribe=True)
    message = await office.messages.send("office", HELLO, options)
    body = (await office.messages.body(message.id)).replace(b"\r\n ", b" ").decode()
    token = body.partition("https://mail.example.org/u/")[2].partition(">")[0]
    for wrong in (token[:-1] + ("A" if token[-1] != "A" else "B"), token.partition(".")[0], "", "x" * 2000):
        with pytest.raises(NotFound):
            service.parts.links.read(wrong)


async def test_what_was_done_stands_in_the_audit_trail(office):
    await office.accounts.pause("office")
    await office.tokens.create("t", [Action.SEND])
    entries = (await office.audit.list()).items
    assert {"account.create", "account.pause", "token.create"} <= {entry.action for entry in entries}
    assert await office.audit.verify() == len(entries)


async def test_deleting_an_account_cancels_what_waits_for_it(office):
    message = await office.messages.send("office", HELLO)
    await office.accounts.delete("office")
    assert (await office.messages.get(message.id)).state is MessageState.CANCELLED
    with pytest.raises(NotFound):
        await office.accounts.get("office")
