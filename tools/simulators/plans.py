"""Plans as a model writes them, and scripts that answer with them by what the prompt asks."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from tools.simulators.faults import Fault
from tools.simulators.script import Answer
from tools.simulators.wire import user_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tools.simulators.script import Step


def plan(route: str, code: str, resource: str = "members", **members: Any) -> dict[str, Any]:
    """A model's answer: what it is asked for, no more."""
    return {
        "action": "do",
        "resource": resource,
        "route": route,
        "identifier": None,
        "needs": "shape",
        "query": "declared",
        "code": {"block": code},
        **members,
    }


#: What the service takes for a plan, whatever it has asked.
USUAL_PLAN: Final = plan(
    "/things", "REPLY = make_response(200, store.list()[0])", "things", action="list", query="any"
)
_BLOCK: Final = re.compile(r"^```json[ \t]*\n(.*?)^```", re.DOTALL | re.MULTILINE)


def asked(request: dict[str, Any]) -> dict[str, Any]:
    """The first JSON block in the request part of a prompt; it has "method" and "route" among others.

    Raises ValueError for a prompt that has none.
    """
    block = _BLOCK.search(user_text(request))
    if block is None:
        raise ValueError("the prompt has no ```json block")
    shape = json.loads(block[1])
    if not isinstance(shape, dict):
        raise ValueError("the prompt's first ```json block is no object")  # noqa: TRY004 - as told above
    return shape


#: What a model says of a contract's records that their schema says all of.
NOTHING_OF_RECORDS: Final[dict[str, Any]] = {"initial": [], "unique": [], "derived": []}


def is_about_records(shape: Mapping[str, Any]) -> bool:
    """Whether a contract's resource schema is asked about, and no plan."""
    return "clients_say" in shape


def by_match(
    plans: Sequence[dict[str, Any]], latency_seconds: float = 0.0, *, say: Callable[[str], object] = bool
) -> Callable[[dict[str, Any]], Step]:
    """A script of ``{"match": {...}, "plan": {...}}``: the first whose match is all in what is asked.

    What none matches, the model refuses. `say` is told of each question what answers it.
    """

    def answer(request: dict[str, Any]) -> Step:
        shape = asked(request)
        if is_about_records(shape):
            say(f"nothing is said of the records of {shape['collection']}")
            return Answer(NOTHING_OF_RECORDS, latency_seconds)
        question = f"{shape.get('method')} {shape.get('route')}"
        for number, entry in enumerate(plans, 1):
            if all(shape.get(name) == value for name, value in entry["match"].items()):
                say(f"entry {number} answers {question}")
                return Answer(entry["plan"], latency_seconds)
        say(f"no entry for {question}")
        return Fault.REFUSAL

    return answer


def by_route(
    plans: Mapping[str, dict[str, Any]],
    latency_seconds: float = 0.0,
    *,
    records: Mapping[str, Step | dict[str, Any]] | None = None,
) -> Callable[[dict[str, Any]], Step]:
    """A script of plans by ``METHOD route``, which may change while it plays. All else the model refuses.

    `records`: what it says of the records of a contract's collections; of others nothing.
    """

    def answer(request: dict[str, Any]) -> Step:
        shape = asked(request)
        if is_about_records(shape):
            said = (records or {}).get(shape["collection"], NOTHING_OF_RECORDS)
            return Answer(said, latency_seconds) if isinstance(said, dict) else said
        known = plans.get(f"{shape['method']} {shape['route']}")
        return Fault.REFUSAL if known is None else Answer(known, latency_seconds)

    return answer
