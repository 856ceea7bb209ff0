"""Whether new routes are planned, and what models were asked: seen and turned by operators."""

from __future__ import annotations

import sqlite3
from datetime import date
from typing import TYPE_CHECKING, Any

import structlog
from attrs import frozen

from server.planning.drafting.usage import GROUPS
from server.values.errors import BadRequest, Conflict, Unavailable

if TYPE_CHECKING:
    from server.planning.drafting.switch import LearningSwitch
    from server.planning.drafting.usage import UsageBook
    from server.settings.planner import PlannerSettings

_NOT_RUNNING = (
    "No service runs on this data root, so there is nothing to turn: "
    "planner.learn (LARS_LEARN) is for its next start."
)
_NO_MODEL = "There is no model to learn from: the settings choose none (provider, or its key)."

log = structlog.get_logger(__name__)


@frozen
class LearningOperations:
    """`switch` is None in a service of conventions alone; `running`: whether there is a service to turn."""

    settings: PlannerSettings
    switch: LearningSwitch | None
    book: UsageBook
    running: bool = True

    async def show(self) -> dict[str, Any]:
        """`learn` is whether new routes are planned, `by` the model that plans them, or null."""
        chosen = self.settings.in_use
        model = None if chosen is None else f"{self.settings.chosen}/{chosen.model}"
        on = self.settings.learn if self.switch is None else self.switch.on
        return {"learn": on and model is not None, "by": model, "setting": self.settings.learn}

    async def turn(self, *, on: bool) -> dict[str, Any]:
        """Until the service ends; then `planner.learn` counts again. Raises Conflict."""
        if not self.running:
            raise Conflict(_NOT_RUNNING)
        if on and (self.switch is None or self.settings.in_use is None):
            raise Conflict(_NO_MODEL)
        if self.switch is not None:
            try:
                await self.switch.turn(on=on)
            except ValueError as error:
                raise Conflict(f"No model can be asked: {error}.") from None
            log.info("learning turned", learn=on)
        return await self.show()

    async def model(self) -> dict[str, Any]:
        """What becomes of questions to the model: breaker, what is spent of budgets, the last refusals.

        `breaker` and what follows it are null where no model was asked yet. Refusals name routes, lines and
        rules, and nothing else of an answer.
        """
        author = None if self.switch is None else self.switch.author
        shown = await self.show()
        if author is None:
            return {**shown, "breaker": None, "budgets": None, "trouble": None, "answers": None}
        trouble, answers = author.trouble, author.answers
        return {
            **shown,
            "breaker": {"state": author.breakers.state, "seconds": round(author.breakers.opens_in, 1)},
            "budgets": [
                {
                    "name": limit.name,
                    "unit": limit.unit,
                    "seconds": limit.seconds,
                    "most": limit.most,
                    "used": used,
                }
                for limit, used in await author.budget.used()
            ],
            "trouble": None
            if trouble is None
            else {"since": trouble.since.isoformat(), "reason": trouble.reason},
            "answers": {
                "plans": answers.plans,
                "mended": answers.mended,
                "refused": answers.refused,
                "refusals": [
                    {"at": each.at.isoformat(), **each.request, "why": list(each.why)}
                    for each in answers.refusals
                ],
            },
        }

    async def usage(self, *, by: str = "", since: str = "", session: str = "") -> dict[str, Any]:
        """Calls, tokens and cost, summed by what `by` names (with commas), and in all.

        Raises BadRequest, and Unavailable where the book cannot be read.
        """
        groups = tuple(filter(None, (name.strip() for name in by.split(",")))) or GROUPS
        if not set(groups) <= set(GROUPS):
            raise BadRequest(f"`by` is some of: {', '.join(GROUPS)}.")
        _check_day(since)
        try:
            rows = await self.book.read(groups, since=since, session=session)
            total = await self.book.read((), since=since, session=session)
        except (sqlite3.Error, OSError):
            log.warning("usage not read", exc_info=True)
            raise Unavailable("The book of usage cannot be read at the moment; the log has more.") from None
        by_names = [name for name in GROUPS if name in groups]
        return {"by": by_names, "usage": rows, "total": total[0] if total else None}


def _check_day(text: str) -> None:
    try:
        valid = not text or date.fromisoformat(text).isoformat() == text
    except ValueError:
        valid = False
    if not valid:
        raise BadRequest("`since` is a day, such as 2026-01-31.")
