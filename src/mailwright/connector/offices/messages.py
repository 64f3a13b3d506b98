"""Messages: accepted, waited for, looked at, cancelled, tried again, decided."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import fields, replace
from typing import Any

from mailwright.connector.accept import Request
from mailwright.connector.calls import MessageFilter
from mailwright.connector.clock import MICROSECONDS, now
from mailwright.connector.offices.bulk import Bulk, Submissions
from mailwright.connector.offices.desk import OfficePart, page_size
from mailwright.errors import InvalidInput, NotFound, WrongState
from mailwright.model.access import Action
from mailwright.model.bulk import BulkItem, BulkJob
from mailwright.model.changes import CancelMessages, DecideUncertain, RetryMessages
from mailwright.model.delivery import Composed, DsnOptions
from mailwright.model.event import Event
from mailwright.model.message import Message
from mailwright.model.outbox import MessageState, SendOptions, StoredMessage
from mailwright.model.page import Page
from mailwright.store import retention
from mailwright.store.queries.bulk import bulk_error_page, bulk_job, bulk_job_page
from mailwright.store.queries.events import message_story
from mailwright.store.queries.messages import (
    MessageQuery,
    message_by_id,
    message_contents,
    message_page,
    messages_by_ids,
)

#: how often a message that another node sends is looked at while somebody waits for it
LOOK_SECONDS = 0.25
MAX_WAIT_SECONDS = 600.0


class MessagesOffice(OfficePart):
    async def send(
        self,
        account: str,
        message: Message | Composed,
        options: SendOptions | None = None,
        *,
        dsn: DsnOptions | None = None,
    ) -> StoredMessage:
        return await self.get_accepted(await self._accept(account, message, options, dsn))

    async def send_and_wait(
        self,
        account: str,
        message: Message | Composed,
        options: SendOptions | None = None,
        *,
        dsn: DsnOptions | None = None,
        timeout: float = 60.0,
    ) -> StoredMessage:
        id = await self._accept(account, message, options, dsn)
        return await self._after(id, timeout, lambda found: found.state.final or found.attempts > 0)

    async def accept(
        self,
        account: str,
        message: Message | Composed,
        options: SendOptions | None = None,
        *,
        dsn: DsnOptions | None = None,
    ) -> str:
        """Its id alone: what the HTTP API answers with, without reading the row back."""
        return await self._accept(account, message, options, dsn)

    async def _accept(
        self, account: str, message: Message | Composed, options: SendOptions | None, dsn: DsnOptions | None
    ) -> str:
        self._access.require(Action.SEND)
        account = self._sender(account)
        request = Request(message, options or SendOptions(), dsn)
        id = await self._parts.acceptance.accept(self._workspace, account, request)
        self._parts.wake.hint()
        return id

    async def send_many(self, account: str, submissions: Submissions, *, total: int = 0) -> AsyncIterator[BulkItem]:
        self._access.require(Action.SEND)
        account = self._sender(account)
        async for item in Bulk(self._parts, self._access).run(account, submissions, total=total):
            yield item

    async def bulk_jobs(self, *, cursor: str = "", limit: int = 50) -> Page[BulkJob]:
        self._access.require(Action.MESSAGES_READ)
        found = await self._read(
            lambda conn: bulk_job_page(
                conn, self._workspace, accounts=self._access.accounts, cursor=cursor, limit=page_size(limit)
            )
        )
        return Page(await self._with_names(found.items), found.next_cursor)

    async def bulk_job(self, id: str) -> BulkJob:
        self._access.require(Action.MESSAGES_READ)
        job = await self._read(lambda conn: bulk_job(conn, self._workspace, id, accounts=self._access.accounts))
        if job is None:
            raise NotFound("there is no such bulk job", field="id")
        return (await self._with_names([job]))[0]

    async def _with_names(self, jobs: Sequence[BulkJob]) -> Sequence[BulkJob]:
        """Rows have the id of an account, people its name."""
        records = await self._parts.directory.by_ids(job.account for job in jobs)
        return [replace(job, account=records[job.account].name) if job.account in records else job for job in jobs]

    async def bulk_errors(self, id: str, *, cursor: str = "", limit: int = 50) -> Page[BulkItem]:
        await self.bulk_job(id)
        return await self._read(lambda conn: bulk_error_page(conn, id, cursor=cursor, limit=page_size(limit)))

    async def get(self, id: str) -> StoredMessage:
        self._access.require(Action.MESSAGES_READ)
        return await self._found(id)

    async def get_accepted(self, id: str) -> StoredMessage:
        """What `send` answers with: who may send may see what came of it."""
        return await self._found(id)

    async def body(self, id: str) -> bytes:
        self._access.require(Action.MESSAGES_CONTENT)
        await self._found(id)
        contents = await self._read(lambda conn: message_contents(conn, [id]))
        return await self._parts.bodies.get(id, contents[id].body_ref)

    async def story(self, id: str) -> Sequence[Event]:
        await self.get(id)
        return await self._read(lambda conn: message_story(conn, id))

    async def wait(self, id: str, *, timeout: float = 30.0) -> StoredMessage:
        await self.get(id)
        return await self._after(id, timeout, lambda found: found.state.final)

    async def list(
        self, filter: MessageFilter | None = None, *, cursor: str = "", limit: int = 50, oldest_first: bool = False
    ) -> Page[StoredMessage]:
        self._access.require(Action.MESSAGES_READ)
        wanted, seen = filter or MessageFilter(), self._access.accounts
        return await self._read(
            lambda conn: message_page(
                conn,
                MessageQuery(self._workspace, seen, **_parts_of(wanted)),
                cursor=cursor,
                limit=page_size(limit),
                oldest_first=oldest_first,
            )
        )

    async def cancel(self, ids: Sequence[str]) -> Sequence[StoredMessage]:
        return await self._manage(ids, "message.cancel", lambda found: CancelMessages(self._workspace, found, now()))

    async def retry(self, ids: Sequence[str]) -> Sequence[StoredMessage]:
        return await self._manage(ids, "message.retry", lambda found: RetryMessages(self._workspace, found, now()))

    async def _manage(
        self, ids: Sequence[str], action: str, change: Callable[[Sequence[str]], object]
    ) -> Sequence[StoredMessage]:
        self._access.require(Action.MESSAGES_MANAGE)
        if len(ids) > 1000:
            raise InvalidInput("at most 1000 messages at once", field="ids")
        if len(ids) == 1:
            await self._found(ids[0])
        else:
            # Those that are not there, or not for this caller to see, are left out like those that cannot be changed.
            ids = [found.id for found in await self._found_of(ids)]
        done, _ = await self._commit(change(list(ids)), self._audited(action, ",".join(ids[:20]), {"count": len(ids)}))
        if len(ids) == 1 and not done:
            state = (await self._found(ids[0])).state
            raise WrongState(f"the message is {state.value}", field="id", hint="see its story")
        self._parts.wake.hint()
        return await self._found_of(done)

    async def release(self, id: str, *, sent: bool | None = None) -> StoredMessage:
        self._access.require(Action.MESSAGES_MANAGE)
        found = await self._found(id)
        if found.state is not MessageState.UNCERTAIN:
            raise WrongState(f"the message is {found.state.value}, not uncertain", field="id")
        change = (
            RetryMessages(self._workspace, [id], now())
            if sent is None
            else DecideUncertain(self._workspace, id, sent, now())
        )
        await self._commit(change, self._audited("message.release", id, {"sent": sent}))
        self._parts.wake.hint()
        return await self._found(id)

    async def clean_up(self, *, older_than_days: int) -> int:
        self._access.require(Action.MESSAGES_MANAGE)
        if older_than_days < 0:
            raise InvalidInput("a number of days is 0 or more", field="older_than_days")
        before = now() - older_than_days * 86_400 * MICROSECONDS
        removed = await retention.remove_ended(
            self._parts.database, before=before, workspace=self._workspace, accounts=self._access.accounts
        )
        await self._commit(self._audited("message.clean_up", "", {"days": older_than_days, "removed": removed}))
        return removed

    async def _after(self, id: str, timeout: float, enough: Callable[[StoredMessage], bool]) -> StoredMessage:
        end = asyncio.get_running_loop().time() + min(timeout, MAX_WAIT_SECONDS)
        while True:
            found = await self._found(id)
            left = end - asyncio.get_running_loop().time()
            if enough(found) and found.state is not MessageState.SENDING:
                return found
            if left <= 0:
                return found
            # This node tells at once; what another one sends is seen by looking.
            await self._parts.courier.settled(id, min(left, LOOK_SECONDS))

    async def _found(self, id: str) -> StoredMessage:
        found = await self._read(lambda conn: message_by_id(conn, self._workspace, id, accounts=self._access.accounts))
        if found is None:
            raise NotFound("there is no such message", field="id")
        return found

    async def _found_of(self, ids: Sequence[str]) -> Sequence[StoredMessage]:
        return await self._read(
            lambda conn: messages_by_ids(conn, self._workspace, ids, accounts=self._access.accounts)
        )

    def _sender(self, account: str) -> str:
        """The account that was named, else the one that the operator chose for such messages."""
        chosen = account or self._parts.settings.default_account
        if not chosen:
            raise InvalidInput(
                "no account is named", field="account", hint="name one; the operator may set default_account"
            )
        if not self._access.sees(chosen):
            raise NotFound(f"there is no account {chosen!r}", field="account")
        return chosen


def _parts_of(filter: MessageFilter) -> dict[str, Any]:
    return {part.name: getattr(filter, part.name) for part in fields(filter)}
