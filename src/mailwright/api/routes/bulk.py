"""Bulk calls: many messages by one call, read as they arrive, each with an answer of its own."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from urllib.parse import quote

import msgspec

from mailwright.api.answers import Answer, Stream, answer
from mailwright.api.body import CallerGone, pieces_of_body
from mailwright.api.closing import ended
from mailwright.api.media_type import media_type
from mailwright.api.problems import Refusal, malformed, refusal
from mailwright.api.route import BodyKind, Call, route
from mailwright.api.routes.common import IDEMPOTENCY_KEY, page_answer
from mailwright.connector.calls import Submission
from mailwright.errors import InvalidInput, MailwrightError
from mailwright.model.access import Action
from mailwright.model.bulk import BulkItem
from mailwright.wire.base import Nothing, Paged, PageQuery
from mailwright.wire.bulk import LineReader
from mailwright.wire.json_stream import ArraySplitter, LineSplitter
from mailwright.wire.message_view import BulkItemView, BulkJobView, BulkQuery, bulk_item_view, bulk_job_view

_JSON_LINES = ("application/jsonl", "application/x-ndjson", "application/x-jsonlines")
_ENCODER = msgspec.json.Encoder()


@route(
    "POST",
    "/v1/bulk",
    needs=[Action.SEND],
    query=BulkQuery,
    body_kind=BodyKind.STREAM,
    big=True,
    headers=IDEMPOTENCY_KEY,
    answers={200: "application/jsonl"},
)
async def send_many(call: Call[Nothing, BulkQuery]) -> Answer:
    """Send many messages by one call

    The body is one JSON object in each line (application/jsonl), or a JSON array of them. Each is a submission:
    `message` or `raw`, and `options`. One with `defaults` alone, first, gives what all the others may leave out.
    The answer has one line for each message, in order, while they are accepted: `index`, and `message` (its id) or
    `error`; `job` names the bulk job. A line that cannot be used does not keep the others back. With the header
    Idempotency-Key each line without a key of its own has one made of it and of its index.
    """
    splitter = _splitter(call)
    reader = LineReader(call.header(b"idempotency-key"))
    items = call.office.messages.send_many(
        call.query.account, _Submissions(call, splitter, reader).all(), total=call.query.total
    )
    feed = _Answers(items)
    await feed.begin()
    return Stream(feed.lines(), "application/jsonl", feed.headers())


@route("GET", "/v1/bulk", needs=[Action.MESSAGES_READ], query=PageQuery, answers={200: Paged[BulkJobView]})
async def list_jobs(call: Call[Nothing, PageQuery]) -> Answer:
    """List bulk jobs"""
    page = await call.office.messages.bulk_jobs(cursor=call.query.cursor, limit=call.query.limit)
    return page_answer(page, bulk_job_view)


@route("GET", "/v1/bulk/{id}", needs=[Action.MESSAGES_READ], answers={200: BulkJobView})
async def get_job(call: Call[Nothing, Nothing]) -> Answer:
    """Read how far a bulk job is"""
    return answer(bulk_job_view(await call.office.messages.bulk_job(call.path["id"])))


@route(
    "GET",
    "/v1/bulk/{id}/errors",
    needs=[Action.MESSAGES_READ],
    query=PageQuery,
    answers={200: Paged[BulkItemView]},
)
async def list_errors(call: Call[Nothing, PageQuery]) -> Answer:
    """List the lines of a bulk job that were refused"""
    page = await call.office.messages.bulk_errors(call.path["id"], cursor=call.query.cursor, limit=call.query.limit)
    return page_answer(page, bulk_item_view)


def _splitter(call: Call[Nothing, BulkQuery]) -> LineSplitter | ArraySplitter:
    kind = media_type(call.headers.get(b"content-type", b"application/jsonl"))
    most = call.settings.max_message_bytes
    if kind in _JSON_LINES:
        return LineSplitter(most)
    if kind == "application/json":
        return ArraySplitter(most)
    raise refusal("unsupported_media_type", hint="send application/jsonl, or a JSON array as application/json")


class _Submissions:
    """The body as submissions. What is wrong with one line is passed on in its place."""

    def __init__(
        self, call: Call[Nothing, BulkQuery], splitter: LineSplitter | ArraySplitter, reader: LineReader
    ) -> None:
        self._call = call
        self._splitter = splitter
        self._reader = reader

    async def all(self) -> AsyncIterator[Submission | InvalidInput]:
        settings = self._call.settings
        async for piece in pieces_of_body(self._call.receive, seconds=settings.body_seconds):
            for line in self._splitter.feed(piece):
                for submission in self._read(line):
                    yield submission
        for line in self._splitter.end():
            for submission in self._read(line):
                yield submission

    def _read(self, line: bytes) -> list[Submission | InvalidInput]:
        most = self._call.settings.max_bulk_items
        if self._reader.count >= most:
            raise InvalidInput(f"one bulk call takes at most {most} messages", hint="send the others by another call")
        try:
            found = self._reader.read(line)
        except InvalidInput as error:
            return [error]
        except (ValueError, RecursionError) as error:
            wrong = malformed(error)
            return [InvalidInput(wrong.message, field=wrong.field, hint=wrong.hint)]
        return [found] if found is not None else []


class _Answers:
    """What came of each line, written while the body is still read.

    Reading never waits for writing: a caller that sends everything before it reads the first answer would wait for
    us, and we for it. What it has not read yet is kept here: some hundred bytes for each message, and their number is
    limited.
    """

    def __init__(self, items: AsyncIterator[BulkItem]) -> None:
        self._items = items
        self._ready: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._first = BulkItem(0)
        self._task: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Waits for the first answer: an account that does not exist is an answer of its own, with its status."""
        try:
            self._first = await anext(self._items)
        except StopAsyncIteration:
            raise InvalidInput("there is no message in the body") from None
        except BaseException:
            await ended(self._items)
            raise
        self._add(self._first)
        self._task = asyncio.ensure_future(self._gather())

    def headers(self) -> dict[str, str]:
        return {"location": f"/v1/bulk/{quote(self._first.job)}"}

    async def lines(self) -> AsyncGenerator[bytes, None]:
        assert self._task is not None
        task = self._task
        try:
            while True:
                self._news.clear()
                while self._ready:
                    chunk = b"".join(self._ready)
                    self._ready.clear()
                    yield chunk
                if task.done() and not self._ready:
                    break
                await self._news.wait()
            task.result()
        finally:
            # The caller may be gone; what arrived of the body is still accepted to its end.
            await asyncio.gather(task, return_exceptions=True)

    async def _gather(self) -> None:
        try:
            async for item in self._items:
                self._add(item)
        except CallerGone:
            pass
        except (MailwrightError, Refusal) as error:
            # The status has been sent: the last line says it.
            self._put({"error": {"code": error.code, "message": error.message, "field": error.field}})
        finally:
            await ended(self._items)
            self._news.set()

    def _add(self, item: BulkItem) -> None:
        self._put(bulk_item_view(item))

    def _put(self, value: object) -> None:
        self._ready.append(_ENCODER.encode(value) + b"\n")
        self._news.set()
