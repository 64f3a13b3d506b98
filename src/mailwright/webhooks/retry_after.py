"""What a server says about when to come back (RFC 9110 section 10.2.3)."""

import re
from datetime import UTC, datetime, timedelta

_SECONDS = re.compile(r"[0-9]{1,9}\Z")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TIME = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
# RFC 9110 section 5.6.7: the form that is written today, and the two of old that have to be understood.
_DATES = (
    re.compile(rf"[A-Z][a-z]{{2}}, (?P<day>[0-9]{{2}}) (?P<month>[A-Z][a-z]{{2}}) (?P<year>[0-9]{{4}}) {_TIME} GMT\Z"),
    re.compile(
        rf"[A-Z][a-z]{{5,8}}, (?P<day>[0-9]{{2}})-(?P<month>[A-Z][a-z]{{2}})-(?P<year>[0-9]{{2}}) {_TIME} GMT\Z"
    ),
    re.compile(rf"[A-Z][a-z]{{2}} (?P<month>[A-Z][a-z]{{2}}) (?P<day>[ 0-9][0-9]) {_TIME} (?P<year>[0-9]{{4}})\Z"),
)


def retry_after(value: str, now: datetime) -> timedelta | None:
    """How long to wait; None when the server did not say so in words that can be understood."""
    text = value.strip()
    if _SECONDS.match(text):
        return timedelta(seconds=int(text))
    moment = _date(text, now)
    return max(moment - now, timedelta(0)) if moment is not None else None


def _date(text: str, now: datetime) -> datetime | None:
    found = next((match for form in _DATES if (match := form.match(text))), None)
    if found is None or found["month"] not in _MONTHS:
        return None
    year = int(found["year"])
    if len(found["year"]) == 2:
        # RFC 9110 section 5.6.7: more than 50 years ahead means the last year that ended so.
        year += now.year // 100 * 100
        year -= 100 if year > now.year + 50 else 0
    try:
        return datetime(
            year,
            _MONTHS.index(found["month"]) + 1,
            int(found["day"]),
            int(found["hour"]),
            int(found["minute"]),
            # A leap second is written 60.
            min(int(found["second"]), 59),
            tzinfo=UTC,
        )
    except ValueError:
        return None
