"""What all shapes share: input is strict, output is open to more fields."""

from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import Meta

from mailwright.model.page import MAX_PAGE

Item = TypeVar("Item")


class Wire(msgspec.Struct, forbid_unknown_fields=True):
    """What callers send. A field that nobody knows is a mistake, most likely in its name."""


class View(msgspec.Struct):
    """What callers get. Fields are added over time, so that readers must pass over what they do not know."""


class Nothing(Wire):
    """A call that needs no body: leave it empty, or send {}."""


class PageQuery(Wire):
    cursor: Annotated[str, Meta(max_length=1000, description="What `next_cursor` of the page before said.")] = ""
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE, description="How many items at most.")] = 50


class Paged(View, Generic[Item]):
    items: list[Item]
    next_cursor: Annotated[str, Meta(description="Give it as `cursor` to get what follows; empty at the end.")] = ""


class Several(View, Generic[Item]):
    """A list that has no second page."""

    items: list[Item]
