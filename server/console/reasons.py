"""Why a request took so long, why it was refused, and why this plan answered it: in sentences.

It is made of the lines that are remembered: its own, and those of other requests that its plan has answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from server.console.points import share
from server.http.problem_types import MEANINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.console.tail import Seen

#: What takes the time where most of it is in this stage.
_STAGES: Final = {
    "parse": "The request itself took long to arrive or to be read: a large body, or a slow connection.",
    "plan": "A plan had to be found. Where a model was asked, this is its time.",
    "remembered": "The reply was looked up in memory.",
    "queue": "It waited for a worker, or for others of its session, which run one by one.",
    "guest": "The plan's own work: its code, and the records that it read and wrote.",
    "settle": "What it wrote had to be on the disk before it was answered.",
    "frame": "The way to the worker and back: large bodies, or a worker that was busy or just starting.",
    "respond": "The client, or what is between, was slow to take the reply.",
}
_SOURCES: Final = {
    "learned": "The session had learned this route before: its plan ran, and no model was asked.",
    "planned": "The session had no plan for such a request, so one was found: among those that others have "
    "learned for the very same, or by the model.",
    "conventions": "Nothing that was learned covers it, and the built-in conventions do.",
}
#: Slower than this many times the median is slower than usual.
_MUCH: Final = 2.0
_FEW: Final = 3


@frozen
class Reasons:
    """A sentence after the other; `refused` is empty where it was not."""

    slow: tuple[str, ...]
    refused: tuple[str, ...]
    planned: tuple[str, ...]


def reasons(
    seen: Seen, same_plan: Sequence[Seen], plan: dict[str, Any] | None, answers: Sequence[dict[str, Any]] = ()
) -> Reasons:
    """`plan` as operators are shown it; None: it is forgotten, or one of the conventions.

    `answers`: the last ones of the model that were no plan.
    """
    refused = [each for each in answers if each["request_id"] == seen.line.request_id]
    planned = (*_planned(seen, plan), *(_no_plan(each) for each in refused))
    return Reasons(_slow(seen, same_plan), _refused(seen), planned)


def _no_plan(answer: dict[str, Any]) -> str:
    return f"The model was asked, and its answer was no plan: {'; '.join(answer['why'])}."


def _slow(seen: Seen, same_plan: Sequence[Seen]) -> tuple[str, ...]:
    told = []
    others = sorted(each.total_ms for each in same_plan if each is not seen)
    usual = share(others, 0.5)
    if usual is not None and len(others) >= _FEW:
        times = seen.total_ms / usual if usual else 1.0
        much = f"{times:.1f} times as long as" if times >= _MUCH else "about as long as, or less than,"
        told.append(f"It took {much} half of the last {len(others)} requests of this plan ({usual:.1f} ms).")
    if seen.stages:
        name, _, took = max(seen.stages, key=lambda stage: stage[2])
        part = 100 * took / seen.total_ms if seen.total_ms else 0
        told.append(f"Most of it, {part:.0f} %, went into {name}. {_STAGES[name]}")
    if seen.line.remembered:
        told.append("It was answered from memory: no plan ran.")
    elif seen.line.plan_source == "planned":
        told.append("The next such request needs no planning.")
    return tuple(told)


def _refused(seen: Seen) -> tuple[str, ...]:
    line = seen.line
    if line.status < 400:
        return ()
    told = []
    if line.problem:
        told.append(MEANINGS.get(line.problem, "The service refused it."))
    if line.outcome:
        told.append(f"The run ended as {line.outcome}{f': {line.reason}' if line.reason else ''}.")
    if not told:
        told.append("The plan itself answered so: its code decides what is refused.")
    return tuple(told)


def _planned(seen: Seen, plan: dict[str, Any] | None) -> tuple[str, ...]:
    line = seen.line
    if not line.plan_id:
        return ("No plan ran: the service answered before it looked for one, or found none.",)
    told = [_SOURCES.get(line.plan_source, f"It came from: {line.plan_source}.")]
    if line.dialect:
        told.append(f"It was read in the words of {line.dialect}.")
    if plan is not None:
        pinned = ", and is pinned, so nothing replaces it" if plan["pinned"] else ""
        told.append(f"The plan is by {plan['author']}, since {plan['created_at'][:10]}{pinned}.")
        edits = len(plan["former"])
        if edits:
            told.append(f"It was edited {edits} times." if edits > 1 else "It was edited once.")
    return tuple(told)
