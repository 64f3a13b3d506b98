"""A service in memory, to drive the edge alone: what the API makes of calls and of their answers.

The whole way, with store and courier behind, is tested elsewhere.
"""

# ruff: noqa: A001, A002, ASYNC109 - the names are those of connector.calls

import asyncio
import itertools
from collections import defaultdict
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from mailwright.connector.calls import AccountSettings, NewToken
from mailwright.errors import (
    AlreadyExists,
    IdempotencyConflict,
    InvalidInput,
    NotFound,
    Unauthenticated,
    VersionConflict,
    WrongState,
)
from mailwright.mime.compose import compose
from mailwright.model.access import Access, Action, ApiToken
from mailwright.model.account_record import AccountRecord, account_name
from mailwright.model.address_syntax import parse_address
from mailwright.model.audit import AuditEntry
from mailwright.model.bulk import BulkItem, BulkJob, BulkState
from mailwright.model.check import CheckName, CheckReport, CheckStep, StepState
from mailwright.model.event import Event, EventType
from mailwright.model.message import Message
from mailwright.model.outbox import (
    MessageState,
    RecipientState,
    RecipientStatus,
    SendOptions,
    SendPriority,
    StoredMessage,
    UncertainPolicy,
)
from mailwright.model.page import Page
from mailwright.model.suppression import Suppression, SuppressionReason
from mailwright.model.webhook import (
    SigningSecret,
    WebhookAttempt,
    WebhookEndpoint,
    WebhookHealth,
    WebhookState,
    WebhookTask,
)
from mailwright.model.workspace import SafeMode, Workspace, workspace_name
from mailwright.reply import Phase, Reply
from mailwright.secret import Secret

NOW = datetime(2030, 1, 31, 12, 0, 0, 250_000, UTC)
SENT = Reply(250, "2.0.0", "queued as 4711", Phase.FINAL_DOT, "")
EVERYTHING = "mw_everything"
HOME = "mw_home"
OTHER = "mw_other"


_numbers = itertools.count(1)


def new_id(prefix: str) -> str:
    return f"{prefix}_{next(_numbers):08x}"


class Measured(NamedTuple):
    name: str
    kind: str
    help: str
    samples: list[tuple[dict[str, str], float]]


class Leaver(NamedTuple):
    address: str
    list: str
    left: bool


class Shelf:
    """Everything of one workspace."""

    def __init__(self) -> None:
        self.accounts: dict[str, AccountRecord] = {}
        self.messages: dict[str, tuple[StoredMessage, bytes]] = {}
        self.keys: dict[str, tuple[str, str]] = {}
        self.events: list[Event] = []
        self.jobs: dict[str, BulkJob] = {}
        self.bulk_errors: dict[str, list[BulkItem]] = {}
        self.webhooks: dict[str, WebhookEndpoint] = {}
        self.tasks: dict[str, list[WebhookTask]] = defaultdict(list)
        self.suppressions: dict[tuple[str, str], Suppression] = {}
        self.news = asyncio.Event()

    def happened(self, type: EventType, **about: Any) -> None:
        self.events.append(Event(new_id("evt"), "", type, NOW, **about))
        self.news.set()


class MemoryDesk:
    """The `Desk` of the API and the `PublicDesk` of the pages."""

    def __init__(self) -> None:
        self.shelves: dict[str, Shelf] = defaultdict(Shelf)
        self.workspaces = {name: Workspace(name, "", NOW) for name in ("default", "home", "other")}
        every = frozenset({Action.ADMIN})
        self.tokens = {
            EVERYTHING: Access("tok_everything", "", every, everywhere=True),
            HOME: Access("tok_home", "home", every),
            OTHER: Access("tok_other", "other", every),
        }
        self.made_tokens: dict[str, ApiToken] = {}
        self.audit: list[AuditEntry] = []
        self.not_ready: dict[str, str] = {"database": ""}
        #: what the next send raises
        self.fail: Exception | None = None
        #: messages stay queued until a test says otherwise
        self.sends = True
        self.left: set[str] = set()
        self.streams = 0

    def grant(self, token: str, *actions: Action, workspace: str = "home", accounts: set[str] | None = None) -> str:
        names = frozenset(accounts) if accounts is not None else None
        self.tokens[token] = Access(f"tok_{token}", workspace, frozenset(actions), names)
        return token

    async def authenticate(self, token: str) -> Access:
        if token not in self.tokens:
            raise Unauthenticated
        return self.tokens[token]

    def office(self, access: Access) -> "MemoryOffice":
        return MemoryOffice(self, access)

    async def readiness(self) -> dict[str, str]:
        return self.not_ready

    async def metrics(self) -> list[Measured]:
        queued = sum(
            message.state is MessageState.QUEUED
            for shelf in self.shelves.values()
            for message, _ in shelf.messages.values()
        )
        return [
            Measured("mailwright_messages", "gauge", "Messages by state.", [({"state": "queued"}, queued)]),
            Measured("mailwright_sends", "counter", "Sends.", [({"signed": "no", "encrypted": "no"}, 3)]),
        ]

    async def describe_unsubscribe(self, token: str) -> Leaver:
        if not token.startswith("good"):
            raise NotFound
        return Leaver("ann@example.org", "news" if "news" in token else "", token in self.left)

    async def unsubscribe(self, token: str) -> Leaver:
        leaver = await self.describe_unsubscribe(token)
        self.left.add(token)
        return leaver._replace(left=True)


class MemoryOffice:
    def __init__(self, desk: MemoryDesk, access: Access) -> None:
        shelf = desk.shelves[access.workspace]
        if access.workspace and access.workspace not in desk.workspaces:
            raise NotFound("there is no such workspace", field="workspace")
        self.accounts = Accounts(shelf, access)
        self.messages = Messages(desk, shelf, access)
        self.events = Events(desk, shelf)
        self.webhooks = Webhooks(shelf, access)
        self.suppressions = Suppressions(shelf, access)
        self.workspaces = Workspaces(desk, access)
        self.tokens = Tokens(desk, access)
        self.audit = Audit(desk)


def paged(items: Any, cursor: str, limit: int) -> Page[Any]:
    if cursor and not (cursor.isascii() and cursor.isdigit()):
        raise InvalidInput("this is no cursor of ours", field="cursor")
    found, start = list(items), int(cursor or 0)
    end = start + limit
    return Page(found[start:end], str(end) if end < len(found) else "")


def needed(things: dict[str, Any], key: str) -> Any:
    if key not in things:
        raise NotFound
    return things[key]


def newer(thing: Any, version: int | None, **changes: Any) -> Any:
    if version is not None and version != thing.version:
        raise VersionConflict
    return replace(thing, version=thing.version + 1, **changes)


class Accounts:
    def __init__(self, shelf: Shelf, access: Access) -> None:
        self._shelf, self._access = shelf, access

    async def create(self, name: str, settings: AccountSettings) -> AccountRecord:
        if name in self._shelf.accounts:
            raise AlreadyExists(field="name")
        record = AccountRecord(
            id=new_id("acc"),
            workspace=self._access.workspace,
            name=account_name(name),
            account=settings.account,
            created_at=NOW,
            updated_at=NOW,
            limits=settings.limits,
            retry=settings.retry,
        )
        self._shelf.accounts[name] = record
        self._shelf.happened(EventType.ACCOUNT_CREATED, account=record.id)
        return record

    async def get(self, name: str) -> AccountRecord:
        if not self._access.sees(name):
            raise NotFound
        return needed(self._shelf.accounts, name)

    async def list(self, *, cursor: str = "", limit: int = 50) -> Page[AccountRecord]:
        return paged(self._shelf.accounts.values(), cursor, limit)

    async def replace(self, name: str, settings: AccountSettings, *, version: int | None = None) -> AccountRecord:
        return self._put(newer(await self.get(name), version, account=settings.account, limits=settings.limits))

    async def delete(self, name: str) -> None:
        await self.get(name)
        del self._shelf.accounts[name]

    async def pause(self, name: str) -> AccountRecord:
        return self._put(newer(await self.get(name), None, paused=True))

    async def resume(self, name: str) -> AccountRecord:
        return self._put(newer(await self.get(name), None, paused=False))

    async def check(self, name: str) -> CheckReport:
        record = await self.get(name)
        steps = (CheckStep(CheckName.RESOLVE, StepState.OK, "127.0.0.1"),)
        return CheckReport(record.account.name, record.account.outgoing.host, steps)

    def _put(self, record: AccountRecord) -> AccountRecord:
        self._shelf.accounts[record.name] = record
        return record


def _named(account: str) -> str:
    """This desk has no default account."""
    if not account:
        raise InvalidInput("no account is named", field="account")
    return account


class Messages:
    def __init__(self, desk: MemoryDesk, shelf: Shelf, access: Access) -> None:
        self._desk, self._shelf, self._access = desk, shelf, access

    async def accept(self, account: str, message: Any, options: SendOptions | None = None, *, dsn: Any = None) -> str:
        return (await self.send(account, message, options, dsn=dsn)).id

    async def send(
        self, account: str, message: Any, options: SendOptions | None = None, *, dsn: Any = None, bulk: str = ""
    ) -> StoredMessage:
        if self._desk.fail is not None:
            raise self._desk.fail
        record = await Accounts(self._shelf, self._access).get(_named(account))
        options = options or SendOptions()
        content = f"{message!r} {options!r}"
        known = self._shelf.keys.get(options.idempotency_key)
        if known is not None and options.idempotency_key:
            if known[0] != content:
                raise IdempotencyConflict(field="idempotency_key")
            return self._shelf.messages[known[1]][0]
        composed = (
            compose(message, record.account, now=NOW, token="a" * 24) if isinstance(message, Message) else message
        )
        stored = StoredMessage(
            id=new_id("msg"),
            workspace=self._access.workspace,
            account=account,
            sending_account=account,
            state=MessageState.QUEUED,
            recipients=tuple(RecipientStatus(who.spec, RecipientState.WAITING) for who in composed.envelope.recipients),
            envelope_from=composed.envelope.sender.spec if composed.envelope.sender else "",
            from_=record.account.address.spec,
            subject=message.subject if isinstance(message, Message) else "",
            message_id=composed.message_id,
            size=len(composed.content),
            priority=SendPriority.NORMAL,
            uncertain=UncertainPolicy.HOLD,
            attempts=0,
            created_at=NOW,
            next_attempt_at=NOW,
            expires_at=options.expires_at,
            settled_at=None,
            last_failure=None,
            idempotency_key=options.idempotency_key,
            tags=options.tags,
            bulk=bulk,
        )
        self._shelf.messages[stored.id] = stored, composed.content
        if options.idempotency_key:
            self._shelf.keys[options.idempotency_key] = content, stored.id
        self._shelf.happened(EventType.MESSAGE_QUEUED, account=record.id, message=stored.id)
        return stored

    async def send_and_wait(
        self, account: str, message: Any, options: Any = None, *, dsn: Any = None, timeout: float = 60.0
    ) -> StoredMessage:
        stored = await self.send(account, message, options, dsn=dsn)
        return self.sent(stored.id) if self._desk.sends else stored

    def sent(self, id: str) -> StoredMessage:
        stored, content = self._shelf.messages[id]
        recipients = tuple(who._replace(state=RecipientState.ACCEPTED, reply=SENT) for who in stored.recipients)
        stored = replace(
            stored,
            state=MessageState.SENT,
            recipients=recipients,
            attempts=1,
            next_attempt_at=None,
            settled_at=NOW,
            response=SENT,
        )
        self._shelf.messages[id] = stored, content
        self._shelf.happened(EventType.MESSAGE_SENT, message=id)
        return stored

    async def send_many(self, account: str, submissions: Any, *, total: int = 0) -> Any:
        record = await Accounts(self._shelf, self._access).get(_named(account))
        job = BulkJob(
            new_id("blk"), self._access.workspace, record.name, BulkState.ACCEPTING, NOW, total, 0, 0, {"sent": 0}
        )
        self._shelf.jobs[job.id], self._shelf.bulk_errors[job.id] = job, []
        index = 0
        try:
            async with aclosing(submissions) as given:
                async for submission in given:
                    item = await self._item(account, submission, index, job.id)
                    if not item.message:
                        self._shelf.bulk_errors[job.id].append(item)
                    index += 1
                    yield item
        finally:
            refused = len(self._shelf.bulk_errors[job.id])
            self._shelf.jobs[job.id] = replace(
                job, state=BulkState.RUNNING, total=index, accepted=index - refused, refused=refused
            )

    async def _item(self, account: str, submission: Any, index: int, job: str) -> BulkItem:
        try:
            if isinstance(submission, InvalidInput):
                raise submission
            stored = await self.send(account, submission.message, submission.options, bulk=job)
        except InvalidInput as error:
            return BulkItem(index, error_code=error.code, error=error.message, field=error.field, job=job)
        return BulkItem(index, message=stored.id, job=job)

    async def bulk_jobs(self, *, cursor: str = "", limit: int = 50) -> Page[BulkJob]:
        return paged(self._shelf.jobs.values(), cursor, limit)

    async def bulk_job(self, id: str) -> BulkJob:
        return needed(self._shelf.jobs, id)

    async def bulk_errors(self, id: str, *, cursor: str = "", limit: int = 50) -> Page[BulkItem]:
        return paged(needed(self._shelf.bulk_errors, id), cursor, limit)

    async def get(self, id: str) -> StoredMessage:
        return needed(self._shelf.messages, id)[0]

    async def body(self, id: str) -> bytes:
        return needed(self._shelf.messages, id)[1]

    async def story(self, id: str) -> Any:
        await self.get(id)
        return [event for event in self._shelf.events if event.message == id]

    async def wait(self, id: str, *, timeout: float = 30.0) -> StoredMessage:
        async def ended() -> None:
            while not (await self.get(id)).state.final:
                self._shelf.news.clear()
                await self._shelf.news.wait()

        with suppress(TimeoutError):
            await asyncio.wait_for(ended(), timeout)
        return await self.get(id)

    async def list(
        self, filter: Any = None, *, cursor: str = "", limit: int = 50, oldest_first: bool = False
    ) -> Page[StoredMessage]:
        found = [
            message
            for message, _ in self._shelf.messages.values()
            if (not filter.states or message.state in filter.states)
            and filter.subject in message.subject
            and filter.tags.items() <= dict(message.tags).items()
            and (not filter.since or message.created_at >= filter.since)
        ]
        return paged(found if oldest_first else reversed(found), cursor, limit)

    async def cancel(self, ids: Any) -> Any:
        return self._each(ids, MessageState.CANCELLED, MessageState.QUEUED)

    async def retry(self, ids: Any) -> Any:
        return self._each(ids, MessageState.QUEUED, MessageState.CANCELLED, MessageState.QUEUED)

    async def release(self, id: str, *, sent: bool | None = None) -> StoredMessage:
        return self._each([id], MessageState.SENT if sent else MessageState.FAILED, MessageState.UNCERTAIN)[0]

    async def clean_up(self, *, older_than_days: int) -> int:
        ended = [id for id, (message, _) in self._shelf.messages.items() if message.state.final]
        for id in ended:
            del self._shelf.messages[id]
        return len(ended)

    def _each(self, ids: Any, state: MessageState, *before: MessageState) -> Any:
        changed = []
        for id in ids:
            if len(ids) > 1 and id not in self._shelf.messages:
                continue
            stored, content = needed(self._shelf.messages, id)
            if stored.state in before:
                changed.append(replace(stored, state=state))
                self._shelf.messages[id] = changed[-1], content
            elif len(ids) == 1:
                raise WrongState(f"it is {stored.state}")
        return changed


class Events:
    def __init__(self, desk: MemoryDesk, shelf: Shelf) -> None:
        self._desk, self._shelf = desk, shelf

    async def list(
        self, *, types: Any = (), message: str = "", account: str = "", cursor: str = "", limit: int = 50
    ) -> Page[Event]:
        found = [
            event
            for event in self._shelf.events
            if (not types or event.type in types) and message in ("", event.message) and account in ("", event.account)
        ]
        return paged(found, cursor, limit)

    async def stream(self, *, types: Any = (), cursor: str = "") -> Any:
        position = int(cursor) if cursor else len(self._shelf.events)
        self._desk.streams += 1
        try:
            while True:
                while position < len(self._shelf.events):
                    event = self._shelf.events[position]
                    position += 1
                    if not types or event.type in types:
                        yield str(position), event
                self._shelf.news.clear()
                await self._shelf.news.wait()
        finally:
            self._desk.streams -= 1


class Webhooks:
    def __init__(self, shelf: Shelf, access: Access) -> None:
        self._shelf, self._access = shelf, access

    async def create(
        self, url: str, *, events: Any = ("*",), accounts: Any = (), description: str = ""
    ) -> tuple[WebhookEndpoint, Secret]:
        secret = SigningSecret.of_bytes(new_id("sec"), b"k" * 32, NOW)
        made = WebhookEndpoint(
            new_id("whk"), self._access.workspace, url, (secret,), NOW, tuple(events), tuple(accounts), description
        )
        self._shelf.webhooks[made.id] = made
        return made, secret.secret

    async def get(self, id: str) -> WebhookEndpoint:
        return needed(self._shelf.webhooks, id)

    async def list(self, *, cursor: str = "", limit: int = 50) -> Page[WebhookEndpoint]:
        return paged(self._shelf.webhooks.values(), cursor, limit)

    async def replace(self, id: str, *, version: int | None = None, **given: Any) -> WebhookEndpoint:
        changes = {name: tuple(value) if name in ("events", "accounts") else value for name, value in given.items()}
        changed = self._shelf.webhooks[id] = newer(await self.get(id), version, **changes)
        return changed

    async def delete(self, id: str) -> None:
        await self.get(id)
        del self._shelf.webhooks[id]

    async def rotate_secret(self, id: str, *, overlap_seconds: int = 86_400) -> Secret:
        new = SigningSecret.of_bytes(new_id("sec"), b"n" * 32, NOW)
        self._shelf.webhooks[id] = (await self.get(id)).rotated(new, NOW, timedelta(seconds=overlap_seconds))
        return new.secret

    async def test(self, id: str) -> WebhookTask:
        await self.get(id)
        last = WebhookAttempt(1, NOW, WebhookState.DELIVERED, 204, elapsed=0.01)
        task = WebhookTask(
            new_id("tsk"), self._access.workspace, id, new_id("evt"), "webhook.test", WebhookState.DELIVERED, NOW, last
        )
        self._shelf.tasks[id].append(task)
        return task

    async def health(self, id: str) -> WebhookHealth:
        await self.get(id)
        return WebhookHealth()

    async def deliveries(self, id: str, *, cursor: str = "", limit: int = 50) -> Page[WebhookTask]:
        await self.get(id)
        return paged(self._shelf.tasks[id], cursor, limit)

    async def replay(self, id: str, deliveries: Any = (), *, since: datetime | None = None) -> int:
        await self.get(id)
        return len(deliveries) or len(self._shelf.tasks[id])


class Suppressions:
    def __init__(self, shelf: Shelf, access: Access) -> None:
        self._shelf, self._access = shelf, access

    async def add(
        self,
        address: str,
        *,
        list: str = "",
        reason: SuppressionReason = SuppressionReason.MANUAL,
        note: str = "",
    ) -> Suppression:
        spec = parse_address(address, field="address").spec.lower()
        entry = Suppression(self._access.workspace, spec, list, reason, NOW, note=note)
        self._shelf.suppressions[spec, list] = entry
        return entry

    async def remove(self, address: str, *, list: str = "") -> None:
        if (address, list) not in self._shelf.suppressions:
            raise NotFound
        del self._shelf.suppressions[address, list]

    async def get(self, address: str) -> Any:
        spec = parse_address(address, field="address").spec.lower()
        return [entry for (who, _), entry in self._shelf.suppressions.items() if who == spec]

    async def list(self, *, cursor: str = "", limit: int = 50) -> Page[Suppression]:
        return paged(self._shelf.suppressions.values(), cursor, limit)


class Workspaces:
    def __init__(self, desk: MemoryDesk, access: Access) -> None:
        self._desk, self._access = desk, access

    async def create(self, name: str, *, description: str = "") -> Workspace:
        if name in self._desk.workspaces:
            raise AlreadyExists(field="name")
        made = self._desk.workspaces[workspace_name(name)] = Workspace(name, description, NOW)
        return made

    async def get(self, name: str) -> Workspace:
        if name != self._access.workspace and not self._access.everywhere:
            raise NotFound
        return needed(self._desk.workspaces, name)

    async def list(self, *, cursor: str = "", limit: int = 50) -> Page[Workspace]:
        return paged(self._desk.workspaces.values(), cursor, limit)

    async def replace(
        self, name: str, *, description: str, safe_mode: SafeMode, version: int | None = None
    ) -> Workspace:
        changed = newer(await self.get(name), version, description=description, safe_mode=safe_mode)
        self._desk.workspaces[name] = changed
        return changed

    async def delete(self, name: str) -> None:
        await self.get(name)
        del self._desk.workspaces[name]


class Tokens:
    def __init__(self, desk: MemoryDesk, access: Access) -> None:
        self._desk, self._access = desk, access

    async def create(
        self, name: str, actions: Any, *, workspace: Any = None, accounts: Any = None, expires_in_days: int = 90
    ) -> NewToken:
        home = self._access.workspace if workspace is None else workspace
        names = frozenset(accounts) if accounts is not None else None
        until = NOW + timedelta(days=expires_in_days)
        token = ApiToken(new_id("tok"), name, home, frozenset(actions), names, NOW, until)
        self._desk.made_tokens[token.id] = token
        return NewToken(token, Secret("mw_made"))

    async def list(self, *, cursor: str = "", limit: int = 50) -> Page[ApiToken]:
        return paged(self._desk.made_tokens.values(), cursor, limit)

    async def revoke(self, id: str) -> None:
        if needed(self._desk.made_tokens, id).workspace not in ("", self._access.workspace):
            raise NotFound
        del self._desk.made_tokens[id]


class Audit:
    def __init__(self, desk: MemoryDesk) -> None:
        self._desk = desk

    async def list(self, *, cursor: str = "", limit: int = 50) -> Page[AuditEntry]:
        return paged([AuditEntry(1, NOW, "cli", "home", "account.create", "acc_1", {}, "", "ab")], cursor, limit)

    async def verify(self) -> int:
        return 1
