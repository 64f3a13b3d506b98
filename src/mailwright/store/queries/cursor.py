"""Where a list goes on: the key of the last item, opaque to people. Text from outside, so it is checked like one."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Select

from mailwright.errors import InvalidInput
from mailwright.model.page import MAX_PAGE, Page

Item = TypeVar("Item")
Key = str | int

_LONGEST = 4000
_INT64 = 2**63
_UNSTORABLE = re.compile(r"[\0\ud800-\udfff]")


def write_cursor(kind: str, *keys: Key) -> str:
    """`kind` names the list, so that its cursor is refused by every other."""
    text = json.dumps([kind, *keys], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str, kind: str, *types: type[Key]) -> list[Any]:
    """Its keys, of these types; an empty list when there is no cursor."""
    if not cursor:
        return []
    if len(cursor) > _LONGEST:
        raise _unusable()
    try:
        found = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise _unusable() from None
    if not isinstance(found, list) or found[:1] != [kind]:
        raise _unusable()
    keys = found[1:]
    if [type(key) for key in keys] != list(types) or not all(map(_storable, keys)):
        raise _unusable()
    return keys


def _storable(key: Key) -> bool:
    if isinstance(key, int):
        return -_INT64 <= key < _INT64
    # PostgreSQL keeps no NUL, and halves of characters are not UTF-8.
    return not _UNSTORABLE.search(key)


def _unusable() -> InvalidInput:
    return InvalidInput(
        "this cursor is not one of this list", field="cursor", hint="take next_cursor of the page before, as it is"
    )


def check_limit(limit: int) -> int:
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidInput(f"the limit is between 1 and {MAX_PAGE}", field="limit")
    return limit


def read_page(
    conn: Connection,
    statement: Select[Any],
    *,
    limit: int,
    item: Callable[[Row[Any]], Item],
    cursor: Callable[[Row[Any]], str],
) -> Page[Item]:
    """One row more than asked for tells whether anything follows."""
    rows: Sequence[Row[Any]] = conn.execute(statement.limit(check_limit(limit) + 1)).all()
    shown = rows[:limit]
    return Page([item(row) for row in shown], cursor(shown[-1]) if len(rows) > limit else "")
