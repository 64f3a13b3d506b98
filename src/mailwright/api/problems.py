"""Every error as one answer: which status it has, and what it says."""

from collections.abc import Mapping

import msgspec

from mailwright import errors
from mailwright.api.answers import Answer
from mailwright.errors import EgressError, InvalidAddress, LimitExceeded, MailwrightError, SendError
from mailwright.wire.problem import Misfit, Problem, misfit

#: The nearest class in the tree of errors decides. A test sees to it that none falls through to the root.
STATUS: Mapping[type[MailwrightError], int] = {
    errors.MailwrightError: 500,
    errors.InvalidInput: 422,
    errors.NotFound: 404,
    errors.AlreadyExists: 409,
    errors.IdempotencyConflict: 409,
    errors.WrongState: 409,
    errors.VersionConflict: 412,
    errors.NotAllowed: 403,
    errors.Unauthenticated: 401,
    errors.AccessDenied: 403,
    errors.LimitExceeded: 429,
    # What is stored is there, but not now: trying again may help.
    errors.StoreError: 503,
    # Trying again does not help: an operator has to look.
    errors.SchemaMismatch: 500,
    errors.BodyUnreadable: 500,
    errors.UnsealError: 500,
    errors.KeyringError: 500,
    # What a caller wants called is not allowed: the caller's mistake, not that of whoever would have been called.
    errors.EgressRefused: 422,
    errors.EgressError: 502,
    errors.EgressTimeout: 504,
    # A mail server, or the way to it: we are the gateway (RFC 9110 section 15.6.3).
    errors.SendError: 502,
    errors.ServerTimeout: 504,
    errors.Closed: 503,
}


class Refusal(Exception):
    """What only HTTP can get wrong. Everything else is an error of `mailwright.errors`."""

    def __init__(
        self, status: int, code: str, message: str, *, field: str, hint: str, headers: Mapping[str, str]
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.hint = hint
        self.headers = headers


#: (status, code): title. The whole list of what a Refusal may say.
REFUSALS: Mapping[str, tuple[int, str]] = {
    "bad_json": (400, "The body is not JSON."),
    "bad_request": (400, "The request cannot be understood."),
    "route_not_found": (404, "There is no such route."),
    "method_not_allowed": (405, "The route does not have this method."),
    "body_timeout": (408, "The body did not arrive in time."),
    "body_too_large": (413, "The body is too large."),
    "unsupported_media_type": (415, "The body has a content type that this route does not read."),
    "invalid_field": (422, "A field cannot be used."),
    "internal_error": (500, "Something went wrong in Mailwright."),
}


def status_of(error: MailwrightError) -> int:
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def refusal(code: str, message: str = "", *, field: str = "", hint: str = "", **headers: str) -> Refusal:
    status, title = REFUSALS[code]
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Refusal(status, code, message or title, field=field, hint=hint, headers=named)


def malformed(error: Exception) -> Refusal:
    """What a decoder of JSON says. The bytes that it stumbled over are not repeated."""
    if isinstance(error, msgspec.ValidationError):
        found: Misfit = misfit(str(error))
        return refusal("invalid_field", found.message, field=found.field)
    if isinstance(error, UnicodeDecodeError):
        return refusal("bad_json", f"the text is not UTF-8 (byte {error.start})")
    if isinstance(error, RecursionError):
        return refusal("bad_json", "brackets in brackets without end")
    return refusal("bad_json", str(error))


def problem_of(error: Refusal | MailwrightError, request_id: str) -> Answer:
    if isinstance(error, Refusal):
        _, title = REFUSALS[error.code]
        said = Problem(
            type=f"urn:mailwright:error:{error.code}",
            title=title,
            status=error.status,
            detail=error.message,
            code=error.code,
            message=error.message,
            field=error.field,
            hint=error.hint,
            request_id=request_id,
        )
        return _answer(said, error.headers)
    return _answer(_said_by(error, request_id), _headers_of(error))


def _said_by(error: MailwrightError, request_id: str) -> Problem:
    said = Problem(
        type=f"urn:mailwright:error:{error.code}",
        title=(type(error).__doc__ or "").partition("\n")[0],
        status=status_of(error),
        detail=error.message,
        code=error.code,
        message=error.message,
        field=error.field,
        hint=error.hint,
        request_id=request_id,
    )
    if isinstance(error, InvalidAddress):
        said.item, said.position = error.item, error.position
    if isinstance(error, SendError | EgressError):
        known = ("code", "message", "field", "hint")
        said.send = {name: value for name, value in error.to_json().items() if name not in known}
    return said


def _headers_of(error: MailwrightError) -> Mapping[str, str]:
    if isinstance(error, errors.Unauthenticated):
        return {"www-authenticate": 'Bearer realm="mailwright"'}
    if isinstance(error, LimitExceeded):
        return {"retry-after": str(max(1, round(error.retry_after)))}
    if status_of(error) == 503:
        return {"retry-after": "1"}
    return {}


def _answer(said: Problem, headers: Mapping[str, str]) -> Answer:
    return Answer(said.status, msgspec.json.encode(said), "application/problem+json", headers)
