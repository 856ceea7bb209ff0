"""Which contract a model's plan was made for: the digest of the operation's part of it, kept with the plan.

Where that has changed since, the plan answers no more, and the model is asked again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import evolve

from server.values.model import RunnablePlan

if TYPE_CHECKING:
    from server.values.model import RequestContext

_HINT: Final = "contract"


def bound_to_contract(runnable: RunnablePlan, ctx: RequestContext) -> RunnablePlan:
    """The plan with the digest of the request's operation; the same where there is no contract."""
    digest = _digest_of(ctx)
    if not digest:
        return runnable
    hints = {**runnable.plan.response_hints, _HINT: digest}
    return RunnablePlan(evolve(runnable.plan, response_hints=hints), runnable.code, runnable.source)


def is_of_contract(runnable: RunnablePlan, ctx: RequestContext) -> bool:
    return str(runnable.plan.response_hints.get(_HINT, "")) == _digest_of(ctx)


def _digest_of(ctx: RequestContext) -> str:
    return "" if ctx.contract is None else str(ctx.contract.digest)
