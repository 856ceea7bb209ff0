"""Macros for times in PocketBase's filters: `created >= @todayStart`.

Sources: "@macros" of "API rules and filters", tools/search/identifier_macros.go of pocketbase/pocketbase. All
of them are in UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

Macro = Callable[[datetime], str | int]


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1_000:03}Z"


def _start(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _end(moment: datetime) -> datetime:
    return moment.replace(hour=23, minute=59, second=59, microsecond=999_999)


def _month_end(moment: datetime) -> datetime:
    return _end((moment.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1))


MACROS: Final[Mapping[str, Macro]] = {
    "@now": _text,
    "@second": lambda now: now.second,
    "@minute": lambda now: now.minute,
    "@hour": lambda now: now.hour,
    "@day": lambda now: now.day,
    "@month": lambda now: now.month,
    "@weekday": lambda now: now.isoweekday() % 7,
    "@year": lambda now: now.year,
    "@yesterday": lambda now: _text(now - timedelta(days=1)),
    "@tomorrow": lambda now: _text(now + timedelta(days=1)),
    "@todayStart": lambda now: _text(_start(now)),
    "@todayEnd": lambda now: _text(_end(now)),
    "@monthStart": lambda now: _text(_start(now.replace(day=1))),
    "@monthEnd": lambda now: _text(_month_end(now)),
    "@yearStart": lambda now: _text(_start(now.replace(month=1, day=1))),
    "@yearEnd": lambda now: _text(_end(now.replace(month=12, day=31))),
}
