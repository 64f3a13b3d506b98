"""Accounts: kept with their secrets sealed, checked, paused and resumed."""

from dataclasses import replace
from datetime import UTC, datetime

from mailwright.connector.calls import AccountSettings
from mailwright.connector.check import check
from mailwright.connector.clock import now
from mailwright.connector.offices.desk import OfficePart, page_size
from mailwright.errors import InvalidAccount, NotFound
from mailwright.model.access import Action
from mailwright.model.account_record import AccountRecord, account_name
from mailwright.model.changes import DropAccount, ParkLane, PutAccount
from mailwright.model.check import CheckReport
from mailwright.model.event import EventType
from mailwright.model.page import Page
from mailwright.store.ids import new_id
from mailwright.store.queries.accounts import account_by_name, account_page


class AccountsOffice(OfficePart):
    async def create(self, name: str, settings: AccountSettings) -> AccountRecord:
        self._access.require(Action.ACCOUNTS_MANAGE)
        self._see(account_name(name))
        await self._parts.directory.workspace(self._workspace)
        at = datetime.now(UTC)
        record = AccountRecord(
            id=new_id("acc"),
            workspace=self._workspace,
            name=name,
            account=settings.account,
            created_at=at,
            updated_at=at,
            limits=settings.limits,
            retry=settings.retry,
            uncertain=settings.uncertain,
            fallback=settings.fallback,
            bounce_address=settings.bounce_address,
        )
        await self._check_fallback(record)
        await self._commit(
            PutAccount(record, 0),
            self._happened(EventType.ACCOUNT_CREATED, account=record.id, data={"name": name}),
            self._audited("account.create", name),
        )
        self._parts.directory.forget()
        return record

    async def get(self, name: str) -> AccountRecord:
        self._access.require(Action.ACCOUNTS_READ)
        return await self._found(name)

    async def list(self, *, cursor: str = "", limit: int = 50) -> Page[AccountRecord]:
        self._access.require(Action.ACCOUNTS_READ)
        secrets, seen = self._parts.secrets, self._access.accounts
        return await self._read(
            lambda conn: account_page(
                conn, secrets, self._workspace, accounts=seen, cursor=cursor, limit=page_size(limit)
            )
        )

    async def replace(self, name: str, settings: AccountSettings, *, version: int | None = None) -> AccountRecord:
        self._access.require(Action.ACCOUNTS_MANAGE)
        before = await self._found(name)
        record = AccountRecord(
            id=before.id,
            workspace=before.workspace,
            name=before.name,
            account=settings.account,
            created_at=before.created_at,
            updated_at=datetime.now(UTC),
            version=(version or before.version) + 1,
            limits=settings.limits,
            retry=settings.retry,
            uncertain=settings.uncertain,
            fallback=settings.fallback,
            bounce_address=settings.bounce_address,
            paused=before.paused,
        )
        await self._check_fallback(record)
        return await self._put(record, version or before.version, EventType.ACCOUNT_CHANGED, "account.replace")

    async def delete(self, name: str) -> None:
        self._access.require(Action.ACCOUNTS_MANAGE)
        record = await self._found(name)
        await self._commit(
            DropAccount(self._workspace, record.id, now()),
            self._happened(EventType.ACCOUNT_DELETED, account=record.id, data={"name": name}),
            self._audited("account.delete", name),
        )
        self._parts.directory.forget()

    async def pause(self, name: str) -> AccountRecord:
        self._access.require(Action.ACCOUNTS_MANAGE)
        return await self._set_paused(name, paused=True)

    async def resume(self, name: str) -> AccountRecord:
        self._access.require(Action.ACCOUNTS_MANAGE)
        record = await self._set_paused(name, paused=False)
        if record.parked is not None:
            await self._commit(ParkLane(record.id, 0, None))
            self._parts.directory.forget()
        self._parts.wake.hint()
        return await self._found(name)

    async def check(self, name: str) -> CheckReport:
        self._access.require(Action.ACCOUNTS_MANAGE)
        record = await self._found(name)
        parts = self._parts
        return await check(record.account, parts.dialler, parts.contexts, parts.ehlo_name, now=datetime.now(UTC))

    async def _set_paused(self, name: str, *, paused: bool) -> AccountRecord:
        before = await self._found(name)
        if before.paused is paused:
            return before
        record = _changed(before, paused=paused)
        type, word = (EventType.ACCOUNT_PAUSED, "pause") if paused else (EventType.ACCOUNT_RESUMED, "resume")
        return await self._put(record, before.version, type, f"account.{word}")

    async def _put(self, record: AccountRecord, expected: int, type: EventType, action: str) -> AccountRecord:
        await self._commit(
            PutAccount(record, expected),
            self._happened(type, account=record.id, data={"name": record.name}),
            self._audited(action, record.name),
        )
        self._parts.directory.forget()
        return await self._found(record.name)

    async def _found(self, name: str) -> AccountRecord:
        self._see(name)
        secrets = self._parts.secrets
        record = await self._read(lambda conn: account_by_name(conn, secrets, self._workspace, name))
        if record is None:
            raise NotFound(f"there is no account {name!r}", field="account")
        return record

    def _see(self, name: str) -> None:
        if not self._access.sees(name):
            raise NotFound(f"there is no account {name!r}", field="account")

    async def _check_fallback(self, record: AccountRecord) -> None:
        if not record.fallback:
            return
        if record.fallback == record.name:
            raise InvalidAccount("an account cannot stand in for itself", field="fallback")
        try:
            await self._parts.directory.account(self._workspace, record.fallback)
        except NotFound:
            raise InvalidAccount(f"there is no account {record.fallback!r}", field="fallback") from None


def _changed(record: AccountRecord, *, paused: bool) -> AccountRecord:
    return replace(record, paused=paused, version=record.version + 1, updated_at=datetime.now(UTC))
