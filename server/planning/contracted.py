"""The planner of requests that a contract is for, before any other.

1. A plan that a person wrote for the route comes first.
2. An operation that is plain by rule has its compiled plan; where it writes, a model was asked once about
   its records (`server.planning.record_rules`).
3. Another one is planned as any request is, by what was learned and by the model, where there is one.
4. Where there is none, or it cannot be asked, the operation's example answers, or nobody does, as
   `contract.unplanned` says.

Requests without a contract, and those beyond it where the settings permit, go to the inner planner.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

from server.concurrency.aside import aside
from server.contracts.asking.addressing import address_in
from server.planning.own_programs import OwnPrograms
from server.planning.planned import Fixed, RoutesInForce
from server.planning.planner import FALL_BACK, LearningPlanner
from server.planning.policy import check
from server.planning.record_rules import RecordQuestions
from server.values.errors import NotPlannable, ServiceError
from server.values.model import RunnablePlan, SourceCode

if TYPE_CHECKING:
    from server.contracts.compiling import Compiled
    from server.contracts.contract import Call, Contract
    from server.contracts.document import Operation
    from server.contracts.routes import Match
    from server.planning.planned import Planned, Planner
    from server.settings.schema import ContractSettings
    from server.values.model import Plan, PlanSource, RequestContext, Session, ValidatedCode

_UNPLANNED: Final = (
    "The contract's operation is not plain ({}), and no model plans it. "
    'Set contract.unplanned = "example" to have its example answered.'
)


@lru_cache(maxsize=256)
def _validated(text: str) -> ValidatedCode:
    return check(SourceCode(text))


def checked(plan: Plan) -> RunnablePlan:
    """A contract's plan that is made for this request; its program has passed the policy before."""
    return RunnablePlan(plan, _validated(plan.code.text), "contract")


def runnable_of(compiled: Compiled) -> RunnablePlan:
    return RunnablePlan(compiled.plan, check(compiled.plan.code), _source_of(compiled))


def _source_of(compiled: Compiled) -> PlanSource:
    return "contract" if compiled.role.plain else "example"


class ContractPlanner:
    def __init__(self, inner: Planner, settings: ContractSettings) -> None:
        self.inner = inner
        self._settings = settings
        self._questions: RecordQuestions | None = None
        self._learning = inner if isinstance(inner, LearningPlanner) else None
        if settings.ask_about_records and self._learning is not None:
            self._questions = RecordQuestions(self._learning, self._learning.settings.breaker_seconds)
        #: By the compiled operation: it and its plan stay as long as their contract does.
        self._checked: dict[int, tuple[Compiled, RunnablePlan]] = {}
        self._programs = OwnPrograms()

    @property
    def parts(self) -> Any:
        """Of the inner planner, for operators."""
        return self.inner.parts  # type: ignore[attr-defined]

    async def plan(self, ctx: RequestContext) -> Planned:
        call: Call | None = ctx.contract
        if call is None:
            return await self.inner.plan(ctx)
        if call.contract is None or call.match is None:
            return await self._by_conventions(ctx)
        contract, match = call.contract, call.match
        compiled = contract.known(match.operation, ctx.headers.get("content-type", ""))
        if compiled is None:
            compiled = await self._compiled(contract, match.operation, ctx)
        if self._learning is not None:
            written = await self._learning.written(ctx)
            if written is not None:
                return written
        if compiled.role.plain:
            return await self._by_rule(contract, compiled, match, ctx)
        learned, asked_model = await self._unplanned(compiled, ctx)
        if learned is not None:
            return learned
        echoed = contract.echoed(compiled, match, ctx)
        return Fixed(await self.runnable(compiled, ctx), {}, echoed, lasting=not asked_model)

    async def _by_rule(
        self, contract: Contract, compiled: Compiled, match: Match, ctx: RequestContext
    ) -> Planned:
        if self._questions is not None and await self._questions.inform(contract, compiled.role, ctx):
            compiled = await self._compiled(contract, match.operation, ctx)
        if compiled.by_address:
            address = address_in(compiled, match.params)
            if not compiled.takes_care(address):
                return Fixed(await self.runnable(compiled, ctx), {"id": address}, _NOTHING_ASKED)
        asked = contract.asked(compiled, match, ctx)
        params: dict[str, int | str] = {"id": asked.address} if asked.address else {}
        if compiled.careful is not None and compiled.takes_care(asked.address):
            return Fixed(await self._careful(compiled.careful, ctx), params, asked.values)
        return Fixed(await self.runnable(compiled, ctx), params, asked.values)

    @staticmethod
    async def _compiled(contract: Contract, operation: Operation, ctx: RequestContext) -> Compiled:
        media_type = ctx.headers.get("content-type", "")
        return await aside(partial(contract.compiled, operation, media_type), ctx.session.directory)

    async def _by_conventions(self, ctx: RequestContext) -> Planned:
        planner = self.inner if self._learning is None else self._learning.conventions
        return await planner.plan(ctx)

    async def _careful(self, plan: Plan, ctx: RequestContext) -> RunnablePlan:
        """A plan that is made for this request."""
        code = await self._programs.checked(plan.code, ctx.session.directory)
        return RunnablePlan(plan, code, "contract")

    async def runnable(self, compiled: Compiled, ctx: RequestContext) -> RunnablePlan:
        found = self._checked.get(id(compiled))
        if found is None or found[0] is not compiled:
            code = await self._programs.checked(compiled.plan.code, ctx.session.directory)
            found = compiled, RunnablePlan(compiled.plan, code, _source_of(compiled))
            if len(self._checked) >= _CHECKED_MAX:
                self._checked.clear()
            self._checked[id(compiled)] = found
        return found[1]

    async def _unplanned(self, compiled: Compiled, ctx: RequestContext) -> tuple[Planned | None, bool]:
        """None: the example is to answer, and whether a model was asked. Raises NotPlannable."""
        asked = False
        try:
            asked = self._learning is not None and await self._learning.plans(ctx)
            if asked:
                return await self.inner.plan(ctx), True
        except ServiceError as error:
            if error.status not in FALL_BACK:
                raise
        if self._settings.unplanned == "refuse":
            raise NotPlannable(_UNPLANNED.format(compiled.role.why))
        return None, asked

    async def allowed_methods(self, ctx: RequestContext) -> tuple[str, ...]:
        call: Call | None = ctx.contract
        if call is None or call.contract is None:
            return await self.inner.allowed_methods(ctx)
        return call.contract.allowed(ctx.segments)

    async def routes_in_force(self, session: Session) -> RoutesInForce:
        return await self.inner.routes_in_force(session)

    async def close(self) -> None:
        await self.inner.close()


_CHECKED_MAX: Final = 8_192
_NOTHING_ASKED: Final[dict[str, Any]] = {}
