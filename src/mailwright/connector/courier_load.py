"""From claimed rows to messages that can be sent: their bytes, their account, and what stands against sending them."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from mailwright.connector.directory import Directory
from mailwright.errors import BodyUnreadable
from mailwright.files.body_store import BodyStore
from mailwright.model.account_record import AccountRecord
from mailwright.model.address_syntax import parse_address
from mailwright.model.delivery import Composed, DsnNotify, DsnOptions, DsnReturn, Envelope
from mailwright.model.outbox import Failure, RecipientState, RecipientStatus, RetryPlan, UncertainPolicy
from mailwright.model.outbox_json import recipient_from_json
from mailwright.reply import Phase
from mailwright.sending.safe_mode import released_to
from mailwright.store.database import Database
from mailwright.store.queries.messages import MessageContent, message_contents
from mailwright.store.queries.suppressions import suppressed
from mailwright.work.claimed import Claimed


class Loaded(NamedTuple):
    id: str
    token: int
    lane: str
    workspace: str
    attempts: int
    recovered: bool
    dot_at: int
    expires_at: int
    policy: UncertainPolicy
    plan: RetryPlan
    recipients: tuple[RecipientStatus, ...]
    composed: Composed
    #: the account that sends; None: it was deleted meanwhile
    record: AccountRecord | None
    #: why it cannot be sent, for good
    problem: Failure | None
    #: JSON of what the attempt before left
    failure: str | None
    response: str | None

    def expired(self, at: int) -> bool:
        return bool(self.expires_at) and at >= self.expires_at


class Load:
    def __init__(self, database: Database, bodies: BodyStore, directory: Directory) -> None:
        self._database = database
        self._bodies = bodies
        self._directory = directory

    async def load(self, claimed: Sequence[Claimed]) -> list[Loaded]:
        ids = [row.id for row in claimed]
        written = await self._database.read(lambda conn: message_contents(conn, ids))
        records = await self._directory.by_ids(row.lane for row in claimed)
        bodies = await self._bodies.get_many([(id, written[id].body_ref) for id in ids])
        safe_modes = {name: (await self._directory.workspace(name)).safe_mode for name in _workspaces(claimed)}
        recipients = {row.id: released_to(_recipients(row), safe_modes[row.row["workspace"]]) for row in claimed}
        suppressed = await self._suppressed(claimed, written, recipients)
        return [
            _loaded(row, written[row.id], records.get(row.lane), body, _without(recipients[row.id], suppressed[row.id]))
            for row, body in zip(claimed, bodies, strict=True)
        ]

    async def _suppressed(
        self,
        claimed: Sequence[Claimed],
        written: dict[str, MessageContent],
        recipients: dict[str, list[RecipientStatus]],
    ) -> dict[str, frozenset[str]]:
        """The list is looked at again when a message leaves: people unsubscribe while it waits."""
        asked: dict[tuple[str, str], set[str]] = {}
        lists = {row.id: (row.row["workspace"], str(_said(written[row.id]).get("list", ""))) for row in claimed}
        for row in claimed:
            addresses = asked.setdefault(lists[row.id], set())
            addresses.update(who.address.lower() for who in recipients[row.id] if who.state.open)
        found = await self._database.read(
            lambda conn: {place: suppressed(conn, *place, addresses) for place, addresses in asked.items()}
        )
        return {
            row.id: frozenset(who.address for who in recipients[row.id] if who.address.lower() in found[lists[row.id]])
            for row in claimed
        }


def _workspaces(claimed: Sequence[Claimed]) -> set[str]:
    return {row.row["workspace"] for row in claimed}


def _said(message: MessageContent) -> "dict[str, object]":
    return msgspec.json.decode(message.transport, type=dict[str, object]) if message.transport != "{}" else {}


def _recipients(row: Claimed) -> list[RecipientStatus]:
    return [recipient_from_json(value) for value in msgspec.json.decode(row.row["recipients"])]


def _without(recipients: Sequence[RecipientStatus], suppressed: frozenset[str]) -> tuple[RecipientStatus, ...]:
    if not suppressed:
        return tuple(recipients)
    return tuple(
        who._replace(state=RecipientState.SUPPRESSED) if who.state.open and who.address in suppressed else who
        for who in recipients
    )


def _loaded(
    row: Claimed,
    message: MessageContent,
    record: AccountRecord | None,
    body: bytes | BodyUnreadable,
    recipients: tuple[RecipientStatus, ...],
) -> Loaded:
    problem = None
    if isinstance(body, BodyUnreadable):
        problem, body = Failure(body.code, body.message, Phase.QUEUE, body.hint), b""
    elif record is None:
        problem = Failure("account_deleted", "the account was deleted", Phase.QUEUE)
    return Loaded(
        id=row.id,
        token=row.token,
        lane=row.lane,
        workspace=row.row["workspace"],
        attempts=row.attempts,
        recovered=row.recovered,
        dot_at=row.row["dot_at"],
        expires_at=row.row["expires_at"],
        policy=UncertainPolicy(row.row["uncertain"]),
        plan=record.retry if record is not None else RetryPlan(()),
        recipients=recipients,
        composed=_composed(message, body, recipients),
        record=record,
        problem=problem,
        failure=row.row["failure"],
        response=row.row["response"],
    )


def _composed(message: MessageContent, body: bytes, recipients: Sequence[RecipientStatus]) -> Composed:
    """The envelope of this attempt: a retry goes only to those that nobody has accepted or refused."""
    said = _said(message)
    sender = parse_address(message.envelope_from) if message.envelope_from else None
    open_ = tuple(parse_address(who.address) for who in recipients if who.state.open)
    return Composed(
        envelope=Envelope(sender, open_),
        content=body,
        message_id=message.header_id,
        needs_utf8=bool(said.get("utf8")),
        eight_bit=bool(said.get("eight_bit")),
        dsn=_dsn(said.get("dsn")),
        canonical=not said.get("unchecked"),
        leading_dots=bool(said.get("dots")),
    )


def _dsn(said: object) -> DsnOptions | None:
    if not isinstance(said, dict):
        return None
    returns = DsnReturn(said["returns"]) if said["returns"] else None
    return DsnOptions(tuple(map(DsnNotify, said["notify"])), returns, said["envelope_id"])
