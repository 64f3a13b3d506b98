"""Leaving a list: by the button of a mail program (RFC 8058), or by the page that a link in the mail opens."""

from collections.abc import Sequence
from typing import Any

from litestar import Request
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Response

from mailwright.errors import NotFound
from mailwright.pages.desk import Leaving, PublicDesk
from mailwright.pages.html import page

# RFC 8058 section 3.1: what a mail program posts, as a form of either kind. Ours posts the same.
_FIELD, _VALUE = "List-Unsubscribe", "One-Click"
_MAX_BODY = 16_384


def unsubscribe_handlers(desk: PublicDesk) -> Sequence[HTTPRouteHandler]:
    """GET and HEAD only show: scanners and previews follow links, and nobody leaves a list by that."""

    async def show(token: FromPath[str]) -> Response[str]:
        return _asked(await desk.describe_unsubscribe(token))

    async def leave(request: Request[Any, Any, Any], token: FromPath[str]) -> Response[str]:
        if not await _means_it(request):
            return _asked(await desk.describe_unsubscribe(token), status=400)
        return _left(await desk.unsubscribe(token))

    # The token is the right to do it: there is no other, and no cookie that another site could ride on.
    settings: dict[str, Any] = {
        "status_code": 200,
        "request_max_body_size": _MAX_BODY,
        "exception_handlers": {NotFound: _unknown},
        "opt": {"needs": "public"},
    }
    path = "/u/{token:str}"
    return (
        HTTPRouteHandler(path, http_method=["GET", "HEAD"], **settings)(show),
        HTTPRouteHandler(path, http_method=["POST"], **settings)(leave),
    )


async def _means_it(request: Request[Any, Any, Any]) -> bool:
    kind = request.content_type[0]
    if kind not in ("application/x-www-form-urlencoded", "multipart/form-data"):
        return False
    try:
        form = await request.form()
    except HTTPException as error:
        if error.status_code == 413:
            raise
        return False
    return form.get(_FIELD) == _VALUE


def _asked(leaving: Leaving, *, status: int = 200) -> Response[str]:
    if leaving.left:
        return _left(leaving)
    return page(
        "Unsubscribe",
        f"{leaving.address} will get no more mail{_of(leaving)}.",
        status=status,
        button="Unsubscribe",
        field=_FIELD,
        value=_VALUE,
    )


def _left(leaving: Leaving) -> Response[str]:
    return page("Unsubscribed", f"{leaving.address} gets no more mail{_of(leaving)}.")


def _of(leaving: Leaving) -> str:
    return f" of the list {leaving.list}" if leaving.list else " from this sender"


def _unknown(_: Request[Any, Any, Any], __: NotFound) -> Response[str]:
    return page("Unknown link", "This link is not complete, or not one of ours.", status=404)
