"""Accepting a message: composed, its body durable, then its rows. When this returns, the promise is given."""

import asyncio
import hashlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

import msgspec

from mailwright.connector.clock import microseconds, moment, now
from mailwright.connector.directory import Directory
from mailwright.connector.unsubscribe import UnsubscribeLinks
from mailwright.errors import InvalidInput, MailwrightError
from mailwright.files.body_store import BodyStore
from mailwright.mime.compose import compose
from mailwright.model.account_record import AccountRecord
from mailwright.model.address_syntax import parse_address
from mailwright.model.changes import AddMessage, Idempotent
from mailwright.model.delivery import Composed, DsnOptions, Envelope
from mailwright.model.event import Event, EventType
from mailwright.model.message import Message
from mailwright.model.outbox import SendOptions
from mailwright.model.outbox_json import recipient_to_json
from mailwright.model.workspace import Workspace
from mailwright.sending.safe_mode import recipients_for
from mailwright.store.commit import commit
from mailwright.store.commit_idempotency import idempotency_conflict
from mailwright.store.database import Database
from mailwright.store.ids import new_id
from mailwright.store.queries.idempotency import known_key

_json = msgspec.json.Encoder()


class Request(NamedTuple):
    """One message that somebody wants sent."""

    message: Message | Composed
    options: SendOptions
    dsn: DsnOptions | None = None
    bulk: str = ""
    bulk_index: int = 0


class Acceptance:
    def __init__(self, database: Database, bodies: BodyStore, directory: Directory, links: UnsubscribeLinks) -> None:
        self._database = database
        self._bodies = bodies
        self._directory = directory
        self._links = links

    async def accept(self, workspace: str, account: str, request: Request) -> str:
        """The id of the message; that of the first one when the idempotency key was used before."""
        place = await self._place(workspace, account)
        known = await self._known(workspace, place.record.name, request)
        if known:
            return known
        ready = self._prepare(place, request)
        ref = (await self._bodies.put_many([(ready.id, ready.composed.content)]))[0]
        (accepted,) = await commit(self._database, [ready.change(ref)])
        return str(accepted)

    async def accept_many(
        self, workspace: str, account: str, requests: Sequence[Request | InvalidInput]
    ) -> list[str | Exception]:
        """One answer for each: a message that cannot be accepted does not keep the others back."""
        place = await self._place(workspace, account)
        prepared: list[_Ready | InvalidInput] = []
        for request in requests:
            try:
                prepared.append(request if isinstance(request, InvalidInput) else self._prepare(place, request))
            except InvalidInput as error:
                prepared.append(error)
        good = [ready for ready in prepared if isinstance(ready, _Ready)]
        refs = await self._bodies.put_many([(ready.id, ready.composed.content) for ready in good])
        committed = iter(await self._commit_many([ready.change(ref) for ready, ref in zip(good, refs, strict=True)]))
        return [next(committed) if isinstance(ready, _Ready) else ready for ready in prepared]

    async def _commit_many(self, changes: Sequence[AddMessage]) -> list[str | Exception]:
        """In a list each message stands for itself, but a key that was used before refuses the whole list: so those
        with a key go alone. Side by side they share a transaction all the same."""
        lists = [[change] for change in changes if change.idempotent is not None]
        if together := [change for change in changes if change.idempotent is None]:
            lists.append(together)
        commits = (commit(self._database, some) for some in lists)
        outcomes = await asyncio.gather(*commits, return_exceptions=True)
        answers: dict[str, str | Exception] = {}
        for some, outcome in zip(lists, outcomes, strict=True):
            if isinstance(outcome, BaseException) and not isinstance(outcome, MailwrightError):
                raise outcome
            for place, change in enumerate(some):
                answers[change.id] = outcome if isinstance(outcome, Exception) else str(outcome[place])
        return [answers[change.id] for change in changes]

    async def _known(self, workspace: str, account: str, request: Request) -> str:
        """A look before the work, so that a call that is repeated leaves no body behind; the commit decides."""
        key = request.options.idempotency_key
        known = await self._database.read(lambda conn: known_key(conn, workspace, key)) if key else None
        if known is None:
            return ""
        if known.fingerprint != fingerprint(account, request):
            raise idempotency_conflict()
        return known.ref

    async def _place(self, workspace: str, account: str) -> "_Place":
        return _Place(
            await self._directory.workspace(workspace), *await self._directory.account_and_lane(workspace, account)
        )

    def _prepare(self, place: "_Place", request: Request) -> "_Ready":
        at, id = now(), new_id("msg")
        options = request.options
        due = max(at, microseconds(options.send_at)) if options.send_at else at
        expires = microseconds(options.expires_at) if options.expires_at else 0
        if expires and expires <= at:
            raise InvalidInput("it has expired already", field="options.expires_at")
        composed = self._composed(place, request, id=id, due=due)
        if place.record.bounce_address and composed.envelope.sender is not None:
            composed = _with_bounce_address(composed, place.record.bounce_address, id)
        return _Ready(id=id, at=at, due=due, expires=expires, composed=composed, place=place, request=request)

    def _composed(self, place: "_Place", request: Request, *, id: str, due: int) -> Composed:
        message, options = request.message, request.options
        if isinstance(message, Composed):
            if options.unsubscribe:
                raise InvalidInput(
                    "headers cannot be added to finished bytes", field="options.unsubscribe", hint="write them yourself"
                )
            return message if request.dsn is None else message._replace(dsn=request.dsn)
        if options.unsubscribe:
            message = self._links.added(message, place.workspace.id, id, options.unsubscribe_list)
        # The Date of a scheduled message is its scheduled time; it stays for all attempts.
        return compose(message, place.record.account, now=moment(due), token=secrets.token_hex(12), dsn=request.dsn)


class _Place(NamedTuple):
    workspace: Workspace
    record: AccountRecord
    #: id of the account that sends: the fallback while the first one is parked
    lane: str


class _Ready(NamedTuple):
    id: str
    at: int
    due: int
    expires: int
    composed: Composed
    place: _Place
    request: Request

    def change(self, body_ref: str) -> AddMessage:
        composed, options, record = self.composed, self.request.options, self.place.record
        envelope = composed.envelope
        recipients = recipients_for(envelope.recipients, self.place.workspace.safe_mode)
        message = self.request.message if isinstance(self.request.message, Message) else None
        return AddMessage(
            id=self.id,
            workspace=record.workspace,
            account=record.id,
            lane=self.place.lane,
            created_at=self.at,
            due=self.due,
            expires_at=self.expires,
            priority=options.priority.rank,
            uncertain=(options.uncertain or record.uncertain).value,
            envelope_from=envelope.sender.spec if envelope.sender else "",
            from_=((message.from_ if message else None) or record.account.address).spec,
            subject=message.subject if message else "",
            header_id=composed.message_id,
            size=len(composed.content),
            body_ref=body_ref,
            transport=_transport(composed, options.unsubscribe_list),
            recipients=_json.encode([recipient_to_json(who) for who in recipients]).decode(),
            tags=_json.encode(dict(options.tags)).decode() if options.tags else "{}",
            addresses=tuple(dict.fromkeys(who.address.lower() for who in recipients)),
            event=Event(
                id=new_id("evt"),
                workspace=record.workspace,
                type=EventType.MESSAGE_QUEUED,
                at=moment(self.at),
                account=record.id,
                message=self.id,
                data={"recipients": len(recipients), "size": len(composed.content), "due": self.due},
            ),
            idempotent=self._idempotent(),
            bulk=self.request.bulk,
            bulk_index=self.request.bulk_index,
        )

    def _idempotent(self) -> Idempotent | None:
        key = self.request.options.idempotency_key
        if not key:
            return None
        record = self.place.record
        return Idempotent(record.workspace, key, fingerprint(record.name, self.request))


def _transport(composed: Composed, unsubscribe_list: str) -> str:
    """What a courier has to know beside the bytes. The usual message says nothing."""
    dsn = composed.dsn
    said: dict[str, object] = {}
    if composed.needs_utf8:
        said["utf8"] = True
    if composed.eight_bit:
        said["eight_bit"] = True
    if composed.leading_dots:
        said["dots"] = True
    if not composed.canonical:
        said["unchecked"] = True
    if unsubscribe_list:
        said["list"] = unsubscribe_list
    if dsn is not None:
        said["dsn"] = {
            "notify": [word.value for word in dsn.notify],
            "returns": dsn.returns.value if dsn.returns else None,
            "envelope_id": dsn.envelope_id,
        }
    return _json.encode(said).decode() if said else "{}"


def _with_bounce_address(composed: Composed, base: str, id: str) -> Composed:
    """VERP: every delivery has an envelope sender of its own, so that a bounce names the message."""
    local, _, domain = base.rpartition("@")
    sender = parse_address(f"{local}+{id}@{domain}", field="bounce_address")
    return composed._replace(envelope=Envelope(sender, composed.envelope.recipients))


def fingerprint(account: str, request: Request) -> bytes:
    """Of everything that was asked for, but not of what we add (ids, dates, boundaries)."""
    digest = hashlib.sha256()
    for name, value in _asked(account, request):
        text = value if isinstance(value, bytes) else repr(value).encode("utf-8", "surrogatepass")
        digest.update(f"{name}:{len(text)}:".encode())
        digest.update(text)
    return digest.digest()


def _asked(account: str, request: Request) -> Iterator[tuple[str, object]]:
    yield "account", account
    yield "dsn", request.dsn
    message = request.message
    if isinstance(message, Composed):
        yield "content", message.content
        yield "envelope", message.envelope
    else:
        for name, value in _values(message):
            if name != "attachments":
                yield name, value
        for attachment in message.attachments:
            yield from _values(attachment)
    for name, value in _values(request.options):
        if name != "idempotency_key":
            yield name, sorted(value.items()) if isinstance(value, Mapping) else value


def _values(thing: Any) -> Iterator[tuple[str, object]]:
    return ((part.name, getattr(thing, part.name)) for part in fields(thing))
