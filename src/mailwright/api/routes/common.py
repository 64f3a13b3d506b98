"""What the routes of several nouns share: pages, versions, waiting."""

import zlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from mailwright.api.answers import JSON, Answer, answer
from mailwright.api.problems import refusal
from mailwright.api.route import Call
from mailwright.errors import VersionConflict
from mailwright.model.page import Page

Item = TypeVar("Item")

IF_MATCH = {"If-Match": "The ETag that was read: 412 when somebody changed it since."}
IF_NONE_MATCH = {"If-None-Match": "An ETag: 304 when it is still the same."}
IDEMPOTENCY_KEY = {"Idempotency-Key": "The same key with the same content is the same message; another content is 409."}


def page_answer(page: Page[Item], view: Callable[[Item], Any]) -> Answer:
    return answer({"items": [view(item) for item in page.items], "next_cursor": page.next_cursor})


def several(items: Sequence[Item], view: Callable[[Item], Any]) -> Answer:
    return answer({"items": [view(item) for item in items]})


def tagged(call: Call[Any, Any], value: Any, version: int, *, status: int = 200, location: str = "") -> Answer:
    """With its ETag, or 304. The tag is of the version and of what is shown beside it, such as why it is parked."""
    body = msgspec.json.encode(value)
    tag = f'"{version}-{zlib.crc32(body):08x}"'
    headers = {"etag": tag}
    if status == 200 and tag in _tags(call.header(b"if-none-match")):
        return Answer(304, b"", JSON, headers)
    if location:
        headers["location"] = location
    return Answer(status, body, JSON, headers)


def expected_version(call: Call[Any, Any]) -> int | None:
    """What If-Match asks for (RFC 9110 section 13.1.1). Only the version counts: nobody changes what stands beside."""
    given = _tags(call.header(b"if-match"))
    if not given or given == ["*"]:
        return None
    if len(given) > 1:
        raise refusal("bad_request", "give one ETag", field="If-Match")
    version = given[0].strip('"').partition("-")[0]
    if not version.isdigit() or len(version) > 15:
        # A weak tag or another's never matches.
        raise VersionConflict("this ETag is not one of ours", field="If-Match")
    return int(version)


def check_version(call: Call[Any, Any], version: int) -> None:
    """For what cannot be asked of the store in one step, such as removing: checked just before."""
    expected = expected_version(call)
    if expected is not None and expected != version:
        raise VersionConflict(field="If-Match")


def seconds_of(wait: float, most: float) -> float:
    """Not a number is as good as too many."""
    return wait if 0 <= wait <= most else most


def _tags(header: str) -> list[str]:
    return [tag.strip() for tag in header.split(",") if tag.strip()]
