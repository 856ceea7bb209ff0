"""Plans as a planner would hand them over, for the tests of what becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve

from server.planning.kinds.fingerprint import Versions
from server.planning.kinds.schemas import CollectionSchema, Schemas
from server.planning.kinds.shape import shape_of
from server.planning.kinds.shown import Question, narrow_view, question, wide_view
from server.planning.learned.library_rows import Origin, PlanRecord, record_of
from server.planning.policy import check
from server.values.model import Plan, RunnablePlan, Session, SourceCode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from server.planning.kinds.route_table import LearnedRoute
    from server.values.model import RequestContext

CODE = 'REPLY = make_response(200, store.get(params["id"]))'
ORIGIN = Origin("openai", "model-1")
VERSIONS = Versions(prompt="p1", policy="c1", model="openai/model-1", rules="r1")


def a_plan(route: str = "/members/{id:int}", code: str = CODE, **more: Any) -> RunnablePlan:
    source = SourceCode(code)
    fields = {"action": "get", "resource": "members", **more}
    return RunnablePlan(Plan(route=route, code=source, **fields), check(source), "planned")


def a_record(ctx: RequestContext, plan: RunnablePlan | None = None, **more: Any) -> PlanRecord:
    """The row for a plan that was made for this request."""
    shape = shape_of(ctx)
    runnable = a_plan() if plan is None else plan
    digest = more.pop("fingerprint", a_question(ctx).key)
    record = record_of(runnable, shape.route_key(), digest, origin=ORIGIN, versions=VERSIONS)
    return evolve(record, **more)


def some_schemas(fields: Mapping[str, Mapping[str, Iterable[str]]]) -> Schemas:
    """The collections with these fields."""
    return Schemas(
        tuple(
            (name, CollectionSchema(tuple((field, tuple(sorted(set(of[field])))) for field in sorted(of))))
            for name, of in sorted(fields.items())
        )
    )


def a_question(
    ctx: RequestContext, schemas: Schemas | None = None, versions: Versions = VERSIONS
) -> Question:
    """What is asked about the request in the narrow view."""
    return question(narrow_view(ctx, shape_of(ctx), schemas or Schemas()), versions)


def a_wide_question(
    ctx: RequestContext, schemas: Schemas | None = None, learned: Collection[LearnedRoute] = ()
) -> Question:
    """What is asked about the request in the wide view."""
    known = schemas or Schemas()
    return question(wide_view(narrow_view(ctx, shape_of(ctx), known), known, learned), VERSIONS)


def a_session(number: int = 1) -> Session:
    return Session(f"s{number}", f"{number:032x}")


def within(ctx: RequestContext, session: Session) -> RequestContext:
    return evolve(ctx, session=session)
