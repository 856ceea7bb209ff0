"""Reckoning with ISO 8601 texts, as plans hold dates and times. Helpers that a plan may call."""

from __future__ import annotations

import datetime as dt
import re
from calendar import monthrange
from typing import Any

#: RFC 3339, with what else JavaScript and Python write: no zone, a blank for the T, seconds left out.
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ]([0-9]{2}:[0-9]{2})(:[0-9]{2})?(?:\.([0-9]{1,9}))?(Z|z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_WRONG = "is neither a date (2026-03-01) nor a time (2026-03-01T12:30:00Z)"


def add_time(when: Any, days: float = 0, seconds: float = 0, months: int = 0) -> str:
    """An ISO date or time so much later, or earlier: `add_time(now(), days=14)`. A date stays a date.

    A month later than its 31st is the next month's last day. What is neither date nor time: ValueError.
    """
    text, moment = _read(when)
    try:
        moved = _in_months(moment, months) + dt.timedelta(days=days, seconds=seconds)
    except OverflowError as error:
        raise ValueError("a time beyond the years 1 to 9999") from error
    return _written(moved, text)


def seconds_between(start: Any, end: Any) -> float:
    """How long from one ISO date or time to another, below 0 if backwards: nights are `// 86400`."""
    return (_as_utc(_read(end)[1]) - _as_utc(_read(start)[1])).total_seconds()


def _read(when: Any) -> tuple[re.Match[str], dt.datetime]:
    text = _MOMENT.fullmatch(when) if isinstance(when, str) else None
    if text is None:
        raise ValueError(f"the value {_WRONG}")
    day, minutes, seconds, fraction, zone = text.groups()
    whole = f"{day}T{minutes or '00:00'}{seconds or ':00'}.{(fraction or '0')[:6]:0<6}"
    moment = dt.datetime.fromisoformat(whole + (zone or "").upper())
    return text, moment


def _as_utc(moment: dt.datetime) -> dt.datetime:
    """A time without a zone is UTC's, as `now()` is."""
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _in_months(moment: dt.datetime, months: int) -> dt.datetime:
    if not months:
        return moment
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    if not dt.MINYEAR <= year <= dt.MAXYEAR:
        raise OverflowError
    return moment.replace(year=year, month=month + 1, day=min(moment.day, monthrange(year, month + 1)[1]))


def _written(moment: dt.datetime, text: re.Match[str]) -> str:
    """In the form of the text that it came from, so that both sort among others of that form."""
    day, minutes, seconds, fraction, zone = text.groups()
    if minutes is None:
        return moment.date().isoformat()
    clock = moment.strftime("%H:%M:%S" if seconds else "%H:%M")
    parts = f".{moment.microsecond:06d}{'0' * 3}"[: len(fraction) + 1] if fraction else ""
    return f"{moment.date().isoformat()}{text[0][len(day)]}{clock}{parts}{zone or ''}"
