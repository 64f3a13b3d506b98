"""Accounts and workspaces as this node knows them: read once a second at most, told at once of its own changes."""

import time
from collections.abc import Iterable
from typing import NamedTuple

from mailwright.connector.clock import now
from mailwright.errors import NotFound
from mailwright.model.account_record import AccountRecord
from mailwright.model.workspace import Workspace
from mailwright.store.database import Database
from mailwright.store.queries.accounts import account_by_id, account_by_name
from mailwright.store.queries.workspaces import workspace_by_name
from mailwright.store.secret_box import SecretBox

#: what another node changed is seen after this long
FRESH_SECONDS = 1.0


class _Known(NamedTuple):
    record: AccountRecord
    read_at: float


class Directory:
    def __init__(self, database: Database, secrets: SecretBox) -> None:
        self._database = database
        self._secrets = secrets
        self._by_name: dict[tuple[str, str], _Known] = {}
        self._by_id: dict[str, _Known] = {}
        self._workspaces: dict[str, tuple[Workspace, float]] = {}

    async def workspace(self, name: str) -> Workspace:
        known = self._workspaces.get(name)
        if known is not None and time.monotonic() - known[1] < FRESH_SECONDS:
            return known[0]
        found = await self._database.read(lambda conn: workspace_by_name(conn, name))
        if found is None:
            raise NotFound(f"there is no workspace {name!r}", field="workspace")
        self._workspaces[name] = found, time.monotonic()
        return found

    async def account(self, workspace: str, name: str) -> AccountRecord:
        known = self._by_name.get((workspace, name))
        if known is not None and time.monotonic() - known.read_at < FRESH_SECONDS:
            return known.record
        found = await self._database.read(lambda conn: account_by_name(conn, self._secrets, workspace, name))
        if found is None:
            self._by_name.pop((workspace, name), None)
            raise NotFound(f"there is no account {name!r}", field="account")
        return self._learn(found)

    async def account_and_lane(self, workspace: str, name: str) -> tuple[AccountRecord, str]:
        """The account, and the id of the one that sends for it now: its fallback while it is parked."""
        record = await self.account(workspace, name)
        if record.fallback and _is_parked(record):
            fallback = await self.account(workspace, record.fallback)
            if not _is_parked(fallback) and not fallback.paused:
                return record, fallback.id
        return record, record.id

    async def by_ids(self, ids: Iterable[str]) -> dict[str, AccountRecord]:
        """Those that exist."""
        wanted = set(ids)
        fresh = time.monotonic() - FRESH_SECONDS
        known = {id: self._by_id[id].record for id in wanted if id in self._by_id and self._by_id[id].read_at > fresh}
        missing = sorted(wanted - known.keys())
        if missing:
            found = await self._database.read(lambda conn: [account_by_id(conn, self._secrets, id) for id in missing])
            for record in found:
                if record is not None:
                    known[record.id] = self._learn(record)
        return known

    def _learn(self, record: AccountRecord) -> AccountRecord:
        before = self._by_id.get(record.id)
        if before is not None and before.record == record:
            record = before.record  # the same object, so that its pool is found without hashing it
        known = _Known(record, time.monotonic())
        self._by_id[record.id] = self._by_name[record.workspace, record.name] = known
        return record

    def forget(self) -> None:
        """Something was changed here."""
        self._by_name.clear()
        self._by_id.clear()
        self._workspaces.clear()


def _is_parked(record: AccountRecord) -> bool:
    return record.parked is not None and record.parked.until.timestamp() * 1_000_000 > now()
