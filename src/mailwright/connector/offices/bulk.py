"""Many messages by one call: accepted in batches as they come, each with an answer of its own."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from mailwright.connector.accept import Request
from mailwright.connector.calls import Submission
from mailwright.connector.clock import moment, now
from mailwright.connector.offices.desk import OfficePart
from mailwright.errors import InvalidInput, MailwrightError
from mailwright.model.bulk import BulkItem, BulkJob, BulkState
from mailwright.model.changes import AddBulkErrors, PutBulk
from mailwright.store.ids import new_id

#: an InvalidInput stands for an item that could not be read: it has its answer like any other
Submissions = AsyncIterator[Submission | InvalidInput] | Sequence[Submission]

#: messages that share a transaction; more make nothing faster and the first answer later
BATCH = 200


class Bulk(OfficePart):
    async def run(self, account: str, submissions: Submissions, *, total: int) -> AsyncIterator[BulkItem]:
        job = await self._begun(account, total or (len(submissions) if isinstance(submissions, Sequence) else 0))
        index = 0
        try:
            async for batch in _batches(submissions):
                items = await self._accept(account, job.id, index, batch)
                index += len(batch)
                refused = [item for item in items if not item.message]
                job = replace(
                    job,
                    total=max(job.total, index),
                    accepted=job.accepted + len(items) - len(refused),
                    refused=job.refused + len(refused),
                )
                errors = [(item.index, item.error_code, item.error, item.field) for item in refused]
                await self._commit(PutBulk(job), *([AddBulkErrors(job.id, errors)] if errors else []))
                self._parts.wake.hint()
                for item in items:
                    yield item
        finally:
            # Also when the caller went away in the middle: what was accepted is sent.
            await self._commit(PutBulk(replace(job, state=BulkState.RUNNING, total=index)))

    async def _begun(self, account: str, total: int) -> BulkJob:
        record = await self._parts.directory.account(self._workspace, account)
        job = BulkJob(
            id=new_id("blk"),
            workspace=self._workspace,
            account=record.id,
            state=BulkState.ACCEPTING,
            created_at=moment(now()),
            total=total,
            accepted=0,
            refused=0,
            ended={},
        )
        await self._commit(PutBulk(job), self._audited("bulk.create", job.id, {"account": account}))
        return job

    async def _accept(
        self, account: str, job: str, first: int, batch: Sequence[Submission | InvalidInput]
    ) -> list[BulkItem]:
        requests = [
            submission
            if isinstance(submission, InvalidInput)
            else Request(submission.message, submission.options, bulk=job, bulk_index=first + offset)
            for offset, submission in enumerate(batch)
        ]
        answers = await self._parts.acceptance.accept_many(self._workspace, account, requests)
        return [_item(job, first + offset, answer) for offset, answer in enumerate(answers)]


def _item(job: str, index: int, answer: str | Exception) -> BulkItem:
    if isinstance(answer, str):
        return BulkItem(index, message=answer, job=job)
    if isinstance(answer, MailwrightError):
        return BulkItem(index, error_code=answer.code, error=answer.message, field=answer.field, job=job)
    raise answer


async def _batches(submissions: Submissions) -> AsyncIterator[list[Submission | InvalidInput]]:
    if isinstance(submissions, Sequence):
        for start in range(0, len(submissions), BATCH):
            yield list(submissions[start : start + BATCH])
        return
    batch: list[Submission | InvalidInput] = []
    async for submission in submissions:
        batch.append(submission)
        if len(batch) >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
