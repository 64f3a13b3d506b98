"""The endpoint of our API as one writes it with FastAPI and pydantic: the same fields, strict in the same places."""

from typing import Annotated, Literal

from fastapi import Depends, FastAPI, Header, HTTPException, Response
from pydantic import AwareDatetime, Base64Bytes, BaseModel, ConfigDict, Field

from mailwright.connector.service import Service
from mailwright.errors import InvalidInput, Unauthenticated
from mailwright.model.access import Access
from mailwright.model.attachment import Disposition
from mailwright.model.delivery import DsnNotify, DsnReturn
from mailwright.model.message import AutoSubmitted, Priority
from mailwright.model.outbox import SendPriority, UncertainPolicy
from mailwright.wire.message import to_dsn, to_submission


class Wire(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AddressIn(Wire):
    address: Annotated[str, Field(max_length=500)]
    name: Annotated[str, Field(max_length=500)] = ""


Recipients = str | list[str | AddressIn]


class AttachmentIn(Wire):
    filename: Annotated[str, Field(max_length=1000)]
    content: Base64Bytes | None = None
    text: str | None = None
    content_type: str = ""
    disposition: Disposition = Disposition.ATTACHMENT
    content_id: str = ""


class UnsubscribeIn(Wire):
    url: str = ""
    mailto: str = ""
    one_click: bool = False


class MessageIn(Wire):
    to: Recipients | None = None
    cc: Recipients | None = None
    bcc: Recipients | None = None
    from_: Annotated[str | AddressIn | None, Field(alias="from")] = None
    reply_to: Recipients | None = None
    subject: str = ""
    text: str | None = None
    html: str | None = None
    plain_only: bool = False
    attachments: tuple[AttachmentIn, ...] = ()
    priority: Priority = Priority.NORMAL
    headers: dict[str, str | list[str]] = {}  # pydantic copies it
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    message_id: str = ""
    date: AwareDatetime | None = None
    unsubscribe: UnsubscribeIn | None = None
    auto_submitted: AutoSubmitted | None = None
    envelope_from: str | None = None


class RawIn(Wire):
    content: Base64Bytes
    to: Recipients
    from_: Annotated[str, Field(alias="from")]


class OptionsIn(Wire):
    send_at: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None
    priority: SendPriority = SendPriority.NORMAL
    uncertain: UncertainPolicy | None = None
    idempotency_key: Annotated[str, Field(max_length=255)] = ""
    tags: dict[str, str] = {}  # pydantic copies it
    unsubscribe: bool = False
    unsubscribe_list: Annotated[str, Field(max_length=200)] = ""


class DsnIn(Wire):
    notify: tuple[DsnNotify, ...] = ()
    returns: DsnReturn | None = None
    envelope_id: Annotated[str, Field(max_length=100)] = ""


class SendIn(Wire):
    account: Annotated[str, Field(min_length=1, max_length=100)]
    message: MessageIn | None = None
    raw: RawIn | None = None
    options: OptionsIn | None = None
    dsn: DsnIn | None = None


class Accepted(BaseModel):
    id: str
    state: Literal["queued"] = "queued"


def make_fastapi_app(service: Service) -> FastAPI:
    app = FastAPI()

    async def access(authorization: Annotated[str, Header()]) -> Access:
        try:
            return await service.tokens.authenticate(authorization.removeprefix("Bearer "))
        except Unauthenticated as error:
            raise HTTPException(401, error.message) from error

    @app.post("/v1/messages", status_code=202)
    async def send(
        given: SendIn,
        who: Annotated[Access, Depends(access)],
        response: Response,
        idempotency_key: Annotated[str, Header()] = "",
    ) -> Accepted:
        try:
            submission = to_submission(given, idempotency_key=idempotency_key)
            messages = service.office(who).messages
            id_ = await messages.accept(given.account, submission.message, submission.options, dsn=to_dsn(given.dsn))
        except InvalidInput as error:
            raise HTTPException(422, {"code": error.code, "message": error.message, "field": error.field}) from error
        response.headers["location"] = f"/v1/messages/{id_}"
        return Accepted(id=id_)

    return app
