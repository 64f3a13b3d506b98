"""A message, and what came of it, as callers read it. The values come from `model.outbox_json`."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, field

from mailwright.model.bulk import BulkItem, BulkJob, BulkState
from mailwright.model.event import Event
from mailwright.model.outbox import MessageState, RecipientState, SendPriority, UncertainPolicy
from mailwright.reply import Phase
from mailwright.wire.base import PageQuery, View, Wire
from mailwright.wire.message import Moment

Ids = Annotated[list[str], Meta(min_length=1, max_length=1000)]


class ReplyView(View):
    """What a server said."""

    code: int
    enhanced: str
    text: str
    phase: Phase
    command: str


class RecipientView(View):
    address: str
    state: RecipientState
    reply: ReplyView | None


class FailureView(View):
    """Why the last attempt did not settle the message."""

    code: str
    message: str
    phase: Phase
    hint: str
    server: str
    temporary: Annotated[bool, Meta(description="Trying again may help.")]
    reply: ReplyView | None


class MessageView(View):
    id: str
    workspace: str
    account: str
    sending_account: Annotated[str, Meta(description="The fallback, perhaps.")]
    state: MessageState
    recipients: list[RecipientView]
    envelope_from: str
    from_: str = field(name="from")
    subject: str
    message_id: str
    size: int
    priority: SendPriority
    uncertain: UncertainPolicy
    attempts: int
    created_at: datetime
    next_attempt_at: datetime | None
    expires_at: datetime | None
    settled_at: datetime | None
    last_failure: FailureView | None
    idempotency_key: str
    tags: dict[str, str]
    bulk: str
    response: Annotated[ReplyView | None, Meta(description="The last reply of the server that took it.")]


class AcceptedView(View):
    """It is on disk. Ask for the rest by its id."""

    id: str


class SendQuery(Wire):
    wait: Annotated[
        float, Meta(ge=0, le=300, description="Seconds to wait for the server's answer; 0 accepts and returns.")
    ] = 0


class WaitQuery(Wire):
    wait: Annotated[float, Meta(ge=0, le=300, description="Seconds to wait for the message to end.")] = 0


class MessageQuery(PageQuery):
    state: Annotated[tuple[MessageState, ...], Meta(description="May stand several times.")] = ()
    account: str = ""
    recipient: str = ""
    subject: Annotated[str, Meta(max_length=500, description="Words in the subject.")] = ""
    message_id: str = ""
    bulk: str = ""
    tag: Annotated[tuple[str, ...], Meta(description="Such as order:4711; may stand several times.")] = ()
    since: Moment | None = None
    until: Moment | None = None
    oldest_first: bool = False


class IdsIn(Wire):
    ids: Ids


class ReleaseIn(Wire):
    """What is true of a message whose sending is uncertain."""

    sent: Annotated[bool | None, Meta(description="true: it arrived; false: give it up; null: send it again.")] = None


class CleanUpIn(Wire):
    older_than_days: Annotated[int, Meta(ge=1, le=36_500)]


class RemovedView(View):
    removed: int


class BulkQuery(Wire):
    account: Annotated[str, Meta(max_length=100, description="That of the operator's choice when left out.")] = ""
    total: Annotated[int, Meta(ge=0, description="How many will come, for the progress; 0: not known.")] = 0


class BulkErrorView(View):
    code: str
    message: str
    field: str


class BulkItemView(View):
    """What came of one line: a message, or an error."""

    index: int
    message: str = ""
    job: str = ""
    error: BulkErrorView | None = None


class BulkJobView(View):
    id: str
    workspace: str
    account: str
    state: BulkState
    created_at: datetime
    total: int
    accepted: int
    refused: int
    ended: Annotated[dict[str, int], Meta(description="Accepted messages that have ended, by their state.")]


class EventView(View):
    id: str
    workspace: str
    type: str
    at: datetime
    account: str
    message: str
    data: dict[str, Any]


class EventQuery(PageQuery):
    type: Annotated[tuple[str, ...], Meta(description="Such as message.sent; may stand several times.")] = ()
    message: str = ""
    account: str = ""


class StreamQuery(Wire):
    type: Annotated[tuple[str, ...], Meta(description="Such as message.sent; may stand several times.")] = ()
    cursor: Annotated[str, Meta(max_length=1000, description="From after this one; the header Last-Event-ID wins.")] = (
        ""
    )


def bulk_item_view(item: BulkItem) -> BulkItemView:
    error = BulkErrorView(code=item.error_code, message=item.error, field=item.field) if item.error_code else None
    return BulkItemView(index=item.index, message=item.message, job=item.job, error=error)


def bulk_job_view(job: BulkJob) -> BulkJobView:
    return BulkJobView(
        id=job.id,
        workspace=job.workspace,
        account=job.account,
        state=job.state,
        created_at=job.created_at,
        total=job.total,
        accepted=job.accepted,
        refused=job.refused,
        ended=dict(job.ended),
    )


def event_view(event: Event) -> EventView:
    return EventView(
        id=event.id,
        workspace=event.workspace,
        type=event.type.value,
        at=event.at,
        account=event.account,
        message=event.message,
        data=dict(event.data),
    )
