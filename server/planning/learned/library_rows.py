"""What the plan library keeps of a plan and of a learned route, and how that is written in its columns.

Nothing in a row is a request's value, but for the literals of a `needs: values` plan's code. A row may have
been edited by a person: reading one can fail, and says so with UnreadablePlan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import cattrs
import orjson
from attrs import asdict, evolve, frozen

from server.planning.kinds.fingerprint import Versions
from server.planning.kinds.route import RouteTemplate, Slot
from server.values.model import Method, Plan, RunnablePlan, SourceCode

if TYPE_CHECKING:
    from server.planning.kinds.shape import RouteKey
    from server.values.model import ContentKind

ANY_QUERY: Final = "*"
#: The `provider` of a plan whose code a person has written.
PERSON: Final = "person"

T = TypeVar("T")

_converter = cattrs.Converter(forbid_extra_keys=True)
#: What cattrs raises for JSON of quite another form, besides its own errors.
_MISFITS = (ValueError, TypeError, AttributeError, cattrs.BaseValidationError)


class UnreadablePlan(ValueError):
    """A row of the library that holds no plan that could be run."""


@frozen
class Origin:
    """Who wrote a plan: ``openai`` and the model's name."""

    provider: str
    model: str


@frozen
class PlanRecord:
    """A row of `plans`, in the order of its columns. `number` is 0 until it has one.

    `method`, `content` and `query` say which requests it answers; `text` is the plan as JSON.
    `values_key` is empty, or the one request that a `needs: values` plan answers.
    """

    plan_id: str
    fingerprint: str
    method: Method
    route: str
    content: ContentKind
    query: str
    needs: str
    text: str
    origin: Origin
    versions: Versions
    values_key: str = ""
    created_at: str = ""
    pinned: bool = False
    number: int = 0
    #: The view that its author was shown, and what of the request, where it is being added: both are kept
    #: beside the row.
    view: str = ""
    told: str = ""

    @property
    def by_person(self) -> bool:
        return self.origin.provider == PERSON

    @property
    def kept(self) -> bool:
        """Whether only a person replaces it: it is neither stale nor ever in quarantine."""
        return self.pinned or self.by_person

    def is_stale(self, versions: Versions) -> bool:
        """Whether it was made under other versions than these, and is to be replaced for it."""
        return self.versions != versions and not self.kept

    def plan(self) -> Plan:
        """Raises UnreadablePlan."""
        return _read(self.text, Plan)

    def query_keys(self) -> tuple[str, ...] | None:
        """The sorted keys; None: any. Raises UnreadablePlan."""
        return None if self.query == ANY_QUERY else tuple(_read(self.query, list[str]))


@frozen
class Former:
    """What a plan was until a person edited it: its id and row, who had written it, and when it ended."""

    plan_id: str
    text: str
    author: str
    until: str

    def plan(self) -> Plan:
        """Raises UnreadablePlan."""
        return _read(self.text, Plan)


@frozen
class LearnedRecord:
    """A row of `learned` with its plan; `failures` are digests of body shapes, as JSON.

    `quarantined` is what the row says, `held` what counts.
    """

    number: int
    session: str
    session_id: str
    body_shape: str
    learned_at: str
    failures: str
    quarantined: bool
    slug_asked: int
    plan: PlanRecord

    @property
    def held(self) -> bool:
        """Whether it is in quarantine."""
        return self.quarantined and not self.plan.kept

    def failed_shapes(self) -> set[str]:
        """Raises UnreadablePlan."""
        return set(_read(self.failures, list[str]))


def record_of(
    runnable: RunnablePlan,
    key: RouteKey,
    fingerprint: str,
    *,
    origin: Origin,
    versions: Versions,
    values_key: str = "",
    view: str = "",
    told: str = "",
) -> PlanRecord:
    """The row for a plan that was made for requests of this key."""
    plan = runnable.plan
    return PlanRecord(
        plan_id=runnable.id,
        fingerprint=fingerprint,
        method="GET" if key.method == "HEAD" else key.method,
        route=plan.route,
        content=key.content,
        query=ANY_QUERY if plan.query == "any" else orjson.dumps(key.query).decode(),
        needs=plan.needs,
        text=plan_text(runnable),
        origin=origin,
        versions=versions,
        values_key=values_key,
        view=view,
        told=told,
    )


def plan_text(runnable: RunnablePlan) -> str:
    """The plan as JSON, with the code that was checked and not the text it was made from."""
    plan = evolve(runnable.plan, code=SourceCode(runnable.code.text))
    return orjson.dumps(asdict(plan), option=orjson.OPT_SORT_KEYS).decode()


def pattern(route: str) -> str:
    """A template without the names of its slots: two routes that differ in these alone are one."""
    parts = RouteTemplate.parse(route).parts
    return "/" + "/".join(f"{{{part.kind}}}" if isinstance(part, Slot) else part for part in parts)


def _read(text: str, kind: type[T]) -> T:
    try:
        return _converter.structure(orjson.loads(text), kind)
    except _MISFITS:
        raise UnreadablePlan(f"not readable as a {kind.__name__}") from None


def plan_row(record: PlanRecord) -> tuple[Any, ...]:
    """The values for `PLAN_COLUMNS`."""
    made, by = record.versions, record.origin
    return (
        *(record.plan_id, record.fingerprint, record.method, record.route, record.content, record.query),
        *(record.needs, record.text, by.provider, by.model),
        *(made.prompt, made.policy, made.model, made.rules),
        *(record.values_key, record.created_at, int(record.pinned)),
    )


def read_plan(row: tuple[Any, ...]) -> PlanRecord:
    """From `number` and `PLAN_COLUMNS`."""
    number, plan_id, fingerprint, method, route, content, query, needs, text, provider, model, *rest = row
    prompt, policy, model_version, rules, values_key, created_at, pinned = rest
    return PlanRecord(
        plan_id=plan_id,
        fingerprint=fingerprint,
        method=cast("Method", method),
        route=route,
        content=content,
        query=query,
        needs=needs,
        text=text,
        origin=Origin(provider, model),
        versions=Versions(prompt, policy, model_version, rules),
        values_key=values_key,
        created_at=created_at,
        pinned=bool(pinned),
        number=number,
    )


def read_learned(row: tuple[Any, ...]) -> LearnedRecord:
    """From `LEARNED_ROW`, then `number` and `PLAN_COLUMNS` of its plan."""
    number, session, session_id, body_shape, learned_at, failures, quarantined, slug_asked, *plan = row
    return LearnedRecord(
        number=number,
        session=session,
        session_id=session_id,
        body_shape=body_shape,
        learned_at=learned_at,
        failures=failures,
        quarantined=bool(quarantined),
        slug_asked=slug_asked,
        plan=read_plan(tuple(plan)),
    )
