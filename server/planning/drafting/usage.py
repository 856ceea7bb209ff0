"""What models were asked and what that cost, by day, model and session: `usage.db` in the data root.

1. A call is written on a thread of its own when it has ended: no request waits for the disk, and a book that
   cannot be written costs no request.
2. What a call cost is reckoned at the prices of that day: a price that changes later changes nothing of it.
3. Days are those of UTC. Rows older than `planner.usage_days` are deleted; a day has as many rows as there
   were sessions with calls, which the budget bounds.
"""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog
from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from server.settings.planner import PlannerSettings

FILE_NAME: Final = "usage.db"
#: A billionth of the prices' currency: a token at a price of one thousandth for a million.
NANO: Final = 10**9
GROUPS: Final = ("day", "model", "session")

_SCHEMA: Final = """CREATE TABLE IF NOT EXISTS usage (
    day TEXT NOT NULL, model TEXT NOT NULL, session TEXT NOT NULL, calls INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, nano_cost INTEGER NOT NULL,
    unpriced_calls INTEGER NOT NULL, PRIMARY KEY (day, model, session)
) STRICT"""
_ADD: Final = """INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    calls = calls + excluded.calls, input_tokens = input_tokens + excluded.input_tokens,
    output_tokens = output_tokens + excluded.output_tokens, nano_cost = nano_cost + excluded.nano_cost,
    unpriced_calls = unpriced_calls + excluded.unpriced_calls"""
_SUMS: Final = "sum(calls), sum(input_tokens), sum(output_tokens), sum(nano_cost), sum(unpriced_calls)"
_BUSY_SECONDS: Final = 5.0

_log = structlog.get_logger()


@frozen
class Prices:
    """In thousandths of a currency for 1,000,000 tokens; both 0: not known."""

    input: int = 0
    output: int = 0

    @classmethod
    def of(cls, settings: PlannerSettings) -> Prices:
        chosen = settings.in_use
        return cls() if chosen is None else cls(chosen.input_price, chosen.output_price)

    @property
    def known(self) -> bool:
        return bool(self.input or self.output)

    def nano(self, input_tokens: int, output_tokens: int) -> int:
        return input_tokens * self.input + output_tokens * self.output


class UsageBook:
    """`note` is for the event loop, `read` for operators. `now` gives the time in UTC."""

    def __init__(
        self,
        path: Path,
        prices: Prices,
        *,
        keep_days: int = 400,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._path = path
        self._prices = prices
        self._keep_days = keep_days
        self._now = now
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="usage")
        self._connection: sqlite3.Connection | None = None
        self._trimmed = ""
        self._closed = False

    def note(self, session: str, model: str, *, calls: int, input_tokens: int, output_tokens: int) -> None:
        """A session (its id) has spent this; it is written some time soon."""
        if self._closed or not (calls or input_tokens or output_tokens):
            return
        nano = self._prices.nano(input_tokens, output_tokens)
        unpriced = 0 if self._prices.known else calls
        row = (self._today(), model, session, calls, input_tokens, output_tokens, nano, unpriced)
        self._executor.submit(self._write, row)

    async def read(self, by: tuple[str, ...], *, since: str = "", session: str = "") -> list[dict[str, Any]]:
        """Sums by some of `GROUPS`, in their order, from the day `since` (YYYY-MM-DD) on.

        `cost` is in the prices' currency; null where no call of it had a price. Raises sqlite3.Error.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._read, by, since, session)

    async def close(self) -> None:
        """Write what was noted, and close the file. Further calls do nothing."""
        if self._closed:
            return
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._executor, self._close)
        self._executor.shutdown()

    def _today(self) -> str:
        return self._now().date().isoformat()

    def _write(self, row: tuple[str | int, ...]) -> None:
        try:
            connection = self._opened()
            connection.execute(_ADD, row)
            today = self._today()
            if self._trimmed != today:
                oldest = (self._now() - timedelta(days=self._keep_days)).date().isoformat()
                connection.execute("DELETE FROM usage WHERE day < ?", (oldest,))
                self._trimmed = today
        except (sqlite3.Error, OSError):
            _log.warning("usage not written", exc_info=True)

    def _read(self, by: tuple[str, ...], since: str, session: str) -> list[dict[str, Any]]:
        if not self._path.exists():
            return []
        names = ", ".join(name for name in GROUPS if name in by) or "''"
        where = "day >= ? AND (? = '' OR session = ?)"
        grouped = f"GROUP BY {names} ORDER BY {names}"
        sql = f"SELECT {names}, {_SUMS} FROM usage WHERE {where} {grouped}"  # noqa: S608 - names of ours
        rows = self._opened().execute(sql, (since, session, session))
        groups = [name for name in GROUPS if name in by]
        return [_sum(dict(zip(groups, row, strict=False)), row[-5:]) for row in rows if row[-5] is not None]

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._path.touch(mode=0o600)
            connection = sqlite3.connect(
                self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL", _SCHEMA):
                connection.execute(statement)
            self._connection = connection
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def usage_book(settings: PlannerSettings, data_root: Path) -> UsageBook:
    """The book of a data root, to be closed by its owner; its file is made when something is written."""
    return UsageBook(data_root / FILE_NAME, Prices.of(settings), keep_days=settings.usage_days)


def _sum(groups: dict[str, Any], sums: tuple[int, ...]) -> dict[str, Any]:
    calls, input_tokens, output_tokens, nano, unpriced = sums
    return {
        **groups,
        "calls": calls,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "cost": None if unpriced >= calls and not nano else nano / NANO,
        "unpriced_calls": unpriced,
    }
