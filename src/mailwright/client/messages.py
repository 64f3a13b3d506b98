"""The calls about messages, over HTTP."""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from mailwright.client.http import Http, Query, Request, path_of
from mailwright.client.reading import Json, bulk_item_of, bulk_job_of, event_of, message_of, page_of, several_of
from mailwright.client.writing import send_body, submission_body
from mailwright.connector.calls import MessageFilter, Submission
from mailwright.errors import AccessDenied, EgressFailed, EgressReason, InvalidInput, WrongState
from mailwright.model.bulk import BulkItem, BulkJob
from mailwright.model.delivery import Composed, DsnOptions
from mailwright.model.event import Event
from mailwright.model.message import Message
from mailwright.model.outbox import SendOptions, StoredMessage
from mailwright.model.page import Page

#: a service lets nobody wait longer by one call: then it is asked again
WAIT_SECONDS = 50.0
#: of a bulk call: between two answers, and for a piece of the body
_BULK_QUIET_SECONDS = 300.0
#: lines go out in pieces of about this size
_PIECE_BYTES = 64 * 1024


class RemoteMessages:
    def __init__(self, http: Http) -> None:
        self._http = http

    async def send(
        self,
        account: str,
        message: Message | Composed,
        options: SendOptions | None = None,
        *,
        dsn: DsnOptions | None = None,
    ) -> StoredMessage:
        return await self._as_it_stands(await self.accept(account, message, options, dsn=dsn))

    async def accept(
        self,
        account: str,
        message: Message | Composed,
        options: SendOptions | None = None,
        *,
        dsn: DsnOptions | None = None,
    ) -> str:
        """Its id alone; the token needs no scope but `send`."""
        return await self._http.call(_sending(account, message, options, dsn), lambda value: str(value["id"]))

    async def send_and_wait(
        self,
        account: str,
        message: Message | Composed,
        options: SendOptions | None = None,
        *,
        dsn: DsnOptions | None = None,
        timeout: float = 60.0,
    ) -> StoredMessage:
        request = _sending(account, message, options, dsn)
        end = asyncio.get_running_loop().time() + timeout
        while True:
            # The same request with the same key is the same message; from the second time on it is only waited for.
            left = max(0.0, end - asyncio.get_running_loop().time())
            wait = min(left, WAIT_SECONDS)
            found = await self._http.call(request._replace(query={"wait": f"{wait:.3f}"}, waits=wait), _answered)
            if isinstance(found, StoredMessage):
                return found
            if left <= wait:
                return await self._as_it_stands(found)

    async def _as_it_stands(self, id: str) -> StoredMessage:
        try:
            return await self.get(id)
        except AccessDenied:
            message = f"the message is accepted as {id}, and the token has no scope messages:read to look at it"
            raise AccessDenied(message, hint="use accept, or a token that may read") from None

    async def send_many(
        self,
        account: str,
        submissions: AsyncIterator[Submission | InvalidInput] | Sequence[Submission],
        *,
        total: int = 0,
    ) -> AsyncIterator[BulkItem]:
        count = total or (len(submissions) if isinstance(submissions, Sequence) else 0)
        lines = _Lines(submissions)
        request = Request(
            "POST",
            path_of("bulk"),
            {"account": account, "total": count or None},
            headers={"content-type": "application/jsonl"},
        )
        first = await lines.first_piece()
        if first is None:
            for refused in lines.refused_until_next_sent():
                yield refused
            return
        async with self._http.streamed(
            request, content=lines.pieces(first), quiet_seconds=_BULK_QUIET_SECONDS
        ) as answer:
            async for line in _lines_of(answer.aiter_bytes()):
                value = msgspec.json.decode(line)
                if "index" not in value:
                    raise EgressFailed(f"the call ended early: {value['error']['message']}", reason=EgressReason.LOST)
                for refused in lines.refused_until_next_sent():
                    yield refused
                yield lines.answered(bulk_item_of(value))
        for refused in lines.refused_until_next_sent():
            yield refused
        if lines.unanswered:
            raise EgressFailed(f"{lines.unanswered} messages have no answer", reason=EgressReason.LOST)

    async def bulk_jobs(self, *, cursor: str = "", limit: int = 50) -> Page[BulkJob]:
        request = Request("GET", path_of("bulk"), {"cursor": cursor, "limit": limit}, repeatable=True)
        return await self._http.call(request, lambda value: page_of(value, bulk_job_of))

    async def bulk_job(self, id: str) -> BulkJob:
        return await self._http.call(Request("GET", path_of("bulk", id), repeatable=True), bulk_job_of)

    async def bulk_errors(self, id: str, *, cursor: str = "", limit: int = 50) -> Page[BulkItem]:
        request = Request("GET", path_of("bulk", id, "errors"), {"cursor": cursor, "limit": limit}, repeatable=True)
        return await self._http.call(request, lambda value: page_of(value, bulk_item_of))

    async def get(self, id: str) -> StoredMessage:
        return await self._http.call(Request("GET", path_of("messages", id), repeatable=True), message_of)

    async def body(self, id: str) -> bytes:
        """The message as it is sent."""
        return await self._http.content(Request("GET", path_of("messages", id, "body"), repeatable=True))

    async def story(self, id: str) -> Sequence[Event]:
        request = Request("GET", path_of("messages", id, "story"), repeatable=True)
        return await self._http.call(request, lambda value: several_of(value, event_of))

    async def wait(self, id: str, *, timeout: float = 30.0) -> StoredMessage:
        end = asyncio.get_running_loop().time() + timeout
        while True:
            left = max(0.0, end - asyncio.get_running_loop().time())
            wait = min(left, WAIT_SECONDS)
            request = Request("GET", path_of("messages", id), {"wait": f"{wait:.3f}"}, repeatable=True, waits=wait)
            found = await self._http.call(request, message_of)
            if found.state.final or left <= wait:
                return found

    async def list(
        self, filter: MessageFilter | None = None, *, cursor: str = "", limit: int = 50, oldest_first: bool = False
    ) -> Page[StoredMessage]:
        query: dict[str, Any] = {**_filter(filter or MessageFilter()), "cursor": cursor, "limit": limit}
        query["oldest_first"] = oldest_first
        request = Request("GET", path_of("messages"), query, repeatable=True)
        return await self._http.call(request, lambda value: page_of(value, message_of))

    async def cancel(self, ids: Sequence[str]) -> Sequence[StoredMessage]:
        return await self._managed("cancel", ids)

    async def retry(self, ids: Sequence[str]) -> Sequence[StoredMessage]:
        return await self._managed("retry", ids)

    async def release(self, id: str, *, sent: bool | None = None) -> StoredMessage:
        return await self._http.call(
            Request("POST", path_of("messages", id, "release"), body={"sent": sent}), message_of
        )

    async def clean_up(self, *, older_than_days: int) -> int:
        request = Request("POST", path_of("messages", "clean-up"), body={"older_than_days": older_than_days}, waits=600)
        return await self._http.call(request, lambda value: int(value["removed"]))

    async def _managed(self, action: str, ids: Sequence[str]) -> Sequence[StoredMessage]:
        if not ids:
            return []
        if len(ids) == 1:
            return [await self._http.call(Request("POST", path_of("messages", ids[0], action)), message_of)]
        request = Request("POST", path_of("messages", action), body={"ids": list(ids)})
        return await self._http.call(request, lambda value: several_of(value, message_of))


def _sending(account: str, message: Message | Composed, options: SendOptions | None, dsn: DsnOptions | None) -> Request:
    """With a key, the caller's or one of ours, so that asking again cannot send twice."""
    key = options.idempotency_key if options is not None else ""
    headers = {} if key else {"idempotency-key": secrets.token_hex(16)}
    body = send_body(account, message, options, dsn)
    return Request("POST", path_of("messages"), body=body, headers=headers, repeatable=True)


def _answered(value: Json) -> StoredMessage | str:
    """The message when a server has answered, else its id."""
    return message_of(value) if "state" in value else str(value["id"])


def _filter(filter: MessageFilter) -> Query:
    return {
        "state": [state.value for state in filter.states],
        "account": filter.account,
        "recipient": filter.recipient,
        "subject": filter.subject,
        "message_id": filter.message_id,
        "bulk": filter.bulk,
        "tag": [f"{name}:{value}" for name, value in filter.tags.items()],
        "since": filter.since.isoformat() if filter.since else None,
        "until": filter.until.isoformat() if filter.until else None,
    }


class _Lines:
    """The body of a bulk call, and which answer belongs to which of the submissions.

    What cannot even be written down is refused here, in its place: the service never hears of it.
    """

    def __init__(self, submissions: AsyncIterator[Submission | InvalidInput] | Sequence[Submission]) -> None:
        self._submissions = _each(submissions)
        self._encoder = msgspec.json.Encoder()
        #: in order: an error for what was refused here, None for what was sent and has no answer yet
        self._waiting: deque[InvalidInput | None] = deque()
        self._index = 0
        self._job = ""

    @property
    def unanswered(self) -> int:
        return len(self._waiting)

    async def first_piece(self) -> bytes | None:
        """None when there is nothing to be sent: then there is no call either."""
        async for piece in self.pieces(b""):
            return piece
        return None

    async def pieces(self, first: bytes) -> AsyncIterator[bytes]:
        if first:
            yield first
        piece = bytearray()
        async for submission in self._submissions:
            try:
                if isinstance(submission, InvalidInput):
                    raise submission
                piece += self._encoder.encode(submission_body(submission)) + b"\n"
            except InvalidInput as error:
                self._waiting.append(error)
                continue
            self._waiting.append(None)
            if len(piece) >= _PIECE_BYTES:
                yield bytes(piece)
                piece.clear()
        if piece:
            yield bytes(piece)

    def refused_until_next_sent(self) -> Sequence[BulkItem]:
        refused = []
        while self._waiting and (error := self._waiting[0]) is not None:
            self._waiting.popleft()
            refused.append(
                BulkItem(self._index, error_code=error.code, error=error.message, field=error.field, job=self._job)
            )
            self._index += 1
        return refused

    def answered(self, item: BulkItem) -> BulkItem:
        """Its place among all of them, not among those that were sent."""
        if not self._waiting:
            raise WrongState("the service answered more messages than it was given")
        self._waiting.popleft()
        self._job = item.job
        index, self._index = self._index, self._index + 1
        return BulkItem(
            index,
            message=item.message,
            error_code=item.error_code,
            error=item.error,
            field=item.field,
            job=item.job,
        )


async def _each(
    submissions: AsyncIterator[Submission | InvalidInput] | Sequence[Submission],
) -> AsyncIterator[Submission | InvalidInput]:
    if isinstance(submissions, Sequence):
        for submission in submissions:
            yield submission
        return
    async for item in submissions:
        yield item


async def _lines_of(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line
