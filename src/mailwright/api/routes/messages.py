"""Messages: sending, finding, deciding."""

from mailwright.api.answers import Answer, answer
from mailwright.api.closing import ServiceCloses
from mailwright.api.route import Call, route
from mailwright.api.routes.common import IDEMPOTENCY_KEY, page_answer, seconds_of, several
from mailwright.connector.calls import MessageFilter
from mailwright.errors import InvalidInput
from mailwright.model.access import Action
from mailwright.model.outbox import MessageState, StoredMessage
from mailwright.model.outbox_json import message_to_json
from mailwright.wire.base import Nothing, Paged, Several
from mailwright.wire.message import SendIn, located, to_dsn, to_submission
from mailwright.wire.message_view import (
    AcceptedView,
    CleanUpIn,
    EventView,
    IdsIn,
    MessageQuery,
    MessageView,
    ReleaseIn,
    RemovedView,
    SendQuery,
    WaitQuery,
    event_view,
)


@route(
    "POST",
    "/v1/messages",
    needs=[Action.SEND],
    query=SendQuery,
    body=SendIn,
    big=True,
    headers=IDEMPOTENCY_KEY,
    answers={202: AcceptedView, 200: MessageView},
)
async def send(call: Call[SendIn, SendQuery]) -> Answer:
    """Send a message

    202: it is on disk and will end in a visible state. With `wait` the call returns the server's answer with 200, or
    202 when there is none yet.
    """
    given = call.body
    wait = call.query.wait
    submission = to_submission(given, idempotency_key=call.header(b"idempotency-key"))
    dsn = to_dsn(given.dsn)
    messages = call.office.messages
    try:
        if wait == 0:
            accepted = await messages.accept(given.account, submission.message, submission.options, dsn=dsn)
        else:
            stored = await messages.send_and_wait(
                given.account,
                submission.message,
                submission.options,
                dsn=dsn,
                timeout=seconds_of(wait, call.settings.max_wait_seconds),
            )
            if _answered(stored):
                return answer(message_to_json(stored))
            accepted = stored.id
    except InvalidInput as error:
        located(error)
        raise
    return answer(AcceptedView(id=accepted), 202, location=f"/v1/messages/{accepted}")


def _answered(stored: StoredMessage) -> bool:
    """A server has said something: it has ended, or waits for its next attempt."""
    return stored.state.final or (stored.state is MessageState.QUEUED and stored.last_failure is not None)


@route("GET", "/v1/messages", needs=[Action.MESSAGES_READ], query=MessageQuery, answers={200: Paged[MessageView]})
async def list_messages(call: Call[Nothing, MessageQuery]) -> Answer:
    """List and search messages

    Every filter that is given must fit.
    """
    query = call.query
    wanted = MessageFilter(
        states=query.state,
        account=query.account,
        recipient=query.recipient,
        subject=query.subject,
        message_id=query.message_id,
        bulk=query.bulk,
        tags=dict(_tag(text) for text in query.tag),
        since=query.since,
        until=query.until,
    )
    page = await call.office.messages.list(
        wanted, cursor=query.cursor, limit=query.limit, oldest_first=query.oldest_first
    )
    return page_answer(page, message_to_json)


def _tag(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise InvalidInput("a tag is name:value", field="tag")
    return name, value


@route("GET", "/v1/messages/{id}", needs=[Action.MESSAGES_READ], query=WaitQuery, answers={200: MessageView})
async def get(call: Call[Nothing, WaitQuery]) -> Answer:
    """Read a message

    With `wait` the call returns when the message has ended, or after that time as it stands.
    """
    message = call.path["id"]
    messages = call.office.messages
    if call.query.wait == 0:
        return answer(message_to_json(await messages.get(message)))
    wait = seconds_of(call.query.wait, call.settings.max_wait_seconds)
    try:
        stored = await call.closing.unless_ended(messages.wait(message, timeout=wait), call.receive)
    except ServiceCloses:
        stored = await messages.get(message)
    return answer(message_to_json(stored))


@route("GET", "/v1/messages/{id}/body", needs=[Action.MESSAGES_CONTENT], answers={200: "message/rfc822"})
async def body(call: Call[Nothing, Nothing]) -> Answer:
    """Read the bytes of a message, as they are sent"""
    content = await call.office.messages.body(call.path["id"])
    return Answer(200, content, "message/rfc822", {"content-disposition": 'attachment; filename="message.eml"'})


@route("GET", "/v1/messages/{id}/story", needs=[Action.MESSAGES_READ], answers={200: Several[EventView]})
async def story(call: Call[Nothing, Nothing]) -> Answer:
    """Read everything that happened to a message, oldest first"""
    return several(await call.office.messages.story(call.path["id"]), event_view)


@route("POST", "/v1/messages/{id}/cancel", needs=[Action.MESSAGES_MANAGE], answers={200: MessageView})
async def cancel(call: Call[Nothing, Nothing]) -> Answer:
    """Cancel a message

    409 when it has ended, or is being sent.
    """
    (stored,) = await call.office.messages.cancel([call.path["id"]])
    return answer(message_to_json(stored))


@route("POST", "/v1/messages/{id}/retry", needs=[Action.MESSAGES_MANAGE], answers={200: MessageView})
async def retry(call: Call[Nothing, Nothing]) -> Answer:
    """Try a message again, now and with all its attempts

    Only recipients that nobody accepted are tried.
    """
    (stored,) = await call.office.messages.retry([call.path["id"]])
    return answer(message_to_json(stored))


@route("POST", "/v1/messages/{id}/release", needs=[Action.MESSAGES_MANAGE], body=ReleaseIn, answers={200: MessageView})
async def release(call: Call[ReleaseIn, Nothing]) -> Answer:
    """Decide a message whose sending is uncertain"""
    stored = await call.office.messages.release(call.path["id"], sent=call.body.sent)
    return answer(message_to_json(stored))


@route("POST", "/v1/messages/cancel", needs=[Action.MESSAGES_MANAGE], body=IdsIn, answers={200: Several[MessageView]})
async def cancel_many(call: Call[IdsIn, Nothing]) -> Answer:
    """Cancel messages; the answer has those that could be cancelled"""
    return several(await call.office.messages.cancel(call.body.ids), message_to_json)


@route("POST", "/v1/messages/retry", needs=[Action.MESSAGES_MANAGE], body=IdsIn, answers={200: Several[MessageView]})
async def retry_many(call: Call[IdsIn, Nothing]) -> Answer:
    """Try messages again; the answer has those that are due now"""
    return several(await call.office.messages.retry(call.body.ids), message_to_json)


@route("POST", "/v1/messages/clean-up", needs=[Action.MESSAGES_MANAGE], body=CleanUpIn, answers={200: RemovedView})
async def clean_up(call: Call[CleanUpIn, Nothing]) -> Answer:
    """Remove ended messages with their bodies and events"""
    removed = await call.office.messages.clean_up(older_than_days=call.body.older_than_days)
    return answer(RemovedView(removed=removed))
