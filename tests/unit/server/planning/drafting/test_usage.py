"""The book of what models were asked: by day, model and session, across restarts, at the day's prices."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from attrs import define

from server.planning.drafting.usage import FILE_NAME, Prices, UsageBook, usage_book
from server.settings.planner import OpenAISettings, PlannerSettings

if TYPE_CHECKING:
    from pathlib import Path

#: 0.25 and 2 of a currency for a million tokens.
PRICES = Prices(250, 2_000)


@define
class Day:
    now: datetime = datetime(2026, 1, 31, 23, 59, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def book(path: Path, day: Day, prices: Prices = PRICES, **more: Any) -> UsageBook:
    return UsageBook(path / FILE_NAME, prices, now=day, **more)


def spend(book: UsageBook, session: str = "s1", model: str = "openai/m", tokens: int = 1_000) -> None:
    book.note(session, model, calls=1, input_tokens=tokens, output_tokens=100)


async def test_sums_by_day_model_and_session(tmp_path: Path) -> None:
    """Each as it is asked for, in that order; the cost is exact."""
    day = Day()
    found = book(tmp_path, day)
    spend(found)
    spend(found)
    spend(found, "s2")
    day.now += timedelta(minutes=2)
    spend(found, model="anthropic/m")
    rows = await found.read(("day", "model", "session"))
    by_day = await found.read(("day",))
    by_session = await found.read(("session",), since="2026-02-01")
    only = await found.read((), session="s2")
    await found.close()

    assert [(row["day"], row["model"], row["session"], row["calls"]) for row in rows] == [
        ("2026-01-31", "openai/m", "s1", 2),
        ("2026-01-31", "openai/m", "s2", 1),
        ("2026-02-01", "anthropic/m", "s1", 1),
    ]
    assert rows[0]["cost"] == (2_000 * 0.25 + 200 * 2) / 10**6
    assert [(row["day"], row["calls"]) for row in by_day] == [("2026-01-31", 3), ("2026-02-01", 1)]
    assert [(row["session"], row["calls"]) for row in by_session] == [("s1", 1)]
    assert only == [
        {"calls": 1, "input_tokens": 1_000, "output_tokens": 100, "cost": 0.00045, "unpriced_calls": 0}
    ]


async def test_it_is_there_after_a_restart(tmp_path: Path) -> None:
    """For the owner alone; and another price changes nothing of what was spent before."""
    day = Day()
    first = book(tmp_path, day)
    spend(first)
    await first.close()
    second = book(tmp_path, day, Prices(10**6, 10**6))
    spend(second, "s2")
    costs = {row["session"]: row["cost"] for row in await second.read(("session",))}
    await second.close()

    assert costs == {"s1": 0.00045, "s2": 1.1}
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600


async def test_without_a_price_there_is_no_cost(tmp_path: Path) -> None:
    """Nothing is not what it cost; calls without a price are told beside those with one."""
    day = Day()
    free = book(tmp_path, day, Prices())
    spend(free)
    (row,) = await free.read(())
    await free.close()
    priced = book(tmp_path, day)
    spend(priced)
    (both,) = await priced.read(())
    await priced.close()

    assert (row["cost"], row["unpriced_calls"]) == (None, 1)
    assert (both["cost"], both["unpriced_calls"]) == (0.00045, 1)


@pytest.mark.parametrize(("days", "kept"), [(1, 1), (2, 2), (3, 3)])
async def test_days_that_are_kept(tmp_path: Path, days: int, kept: int) -> None:
    """`planner.usage_days`: today, and so many days before it; older ones are deleted when a day begins."""
    day = Day(datetime(2026, 1, 1, tzinfo=UTC))
    found = book(tmp_path, day, keep_days=days - 1)
    for _ in range(3):
        spend(found)
        await found.read(())
        day.now += timedelta(days=1)
    rows = await found.read(("day",))
    await found.close()

    assert len(rows) == kept


async def test_nothing_asked_leaves_no_file(tmp_path: Path) -> None:
    """Looking makes none, and neither does a call that never went out."""
    found = usage_book(PlannerSettings(), tmp_path)
    found.note("s1", "m", calls=0, input_tokens=0, output_tokens=0)
    assert await found.read(("day",)) == []
    await found.close()
    found.note("s1", "m", calls=1, input_tokens=1, output_tokens=1)

    assert os.listdir(tmp_path) == []


async def test_a_book_that_cannot_be_written_costs_nothing(tmp_path: Path) -> None:
    """The request goes on; the log has a line."""
    (tmp_path / FILE_NAME).mkdir()
    found = book(tmp_path, Day())
    spend(found)
    await found.close()


def test_prices_are_those_of_the_chosen_provider() -> None:
    """And none where there is no model."""
    openai = OpenAISettings(api_key="k", input_price=250, output_price=2_000)

    assert Prices.of(PlannerSettings(openai=openai)) == PRICES
    assert Prices.of(PlannerSettings()) == Prices()
