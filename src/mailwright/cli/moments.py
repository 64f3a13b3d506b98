"""Points in time as people type them. Pure."""

import re
from datetime import UTC, datetime, timedelta

from mailwright.errors import InvalidInput

_SPAN = re.compile(r"(\d{1,6})([smhdw])\Z")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment_of(text: str, field: str, *, now: datetime, past: bool) -> datetime | None:
    """`2026-01-31T09:00:00+01:00`, or a span such as `90m` or `2d`: so long ago, or from now."""
    if not text:
        return None
    span = _SPAN.match(text.strip())
    if span:
        length = timedelta(**{_UNITS[span[2]]: int(span[1])})
        return now - length if past else now + length
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        hint = "as 2026-01-31T09:00:00+01:00, or 90m, 12h, 2d"
        raise InvalidInput(f"{text[:50]!r} is no point in time", field=field, hint=hint) from None
    # Without a time zone people mean their own.
    return (found if found.tzinfo else found.astimezone()).astimezone(UTC)
