"""Has plans written by the model: admits the call, pays for it, reads the answer, has faults mended.

1. An allowance bounds what one request may cost: calls of any kind, and one deadline for all of them.
2. The budget is asked before the breaker, because the breaker's yes may be its one probe.
3. An answer that is no plan, or whose code the policy refuses, goes back with the reasons as often as
   `planner.repairs` says. What comes out has passed the policy.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

import structlog
from attrs import define, frozen

from server.errors import PlanRefused, ProviderTimeout, ProviderUnavailable, ServiceError
from server.model import RunnablePlan
from server.planning.codec import PlanInvalid, decode
from server.planning.policy import CodeRefused, check
from server.planning.prompt import complaint_for
from server.planning.providers.base import (
    AnswerUnusable,
    Completion,
    ProviderDeadline,
    ProviderError,
    Turn,
)
from server.planning.route import RouteTemplate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from server.planner_settings import PlannerSettings
    from server.planning.breaker import Breaker
    from server.planning.budget import Budget
    from server.planning.providers.base import Prompt, Provider
    from server.planning.shown import Question

log = structlog.get_logger(__name__)

_MOST_LOGGED = 5
_NO_SLOT = "params has a key that is no slot of the route"


@define
class Allowance:
    """What one request may still cost: calls, mendings, and until when (event-loop time, seconds)."""

    calls: int
    repairs: int
    deadline: float

    @classmethod
    def of(cls, settings: PlannerSettings) -> Allowance:
        deadline = asyncio.get_running_loop().time() + settings.timeout_seconds
        return cls(settings.attempts + settings.repairs, settings.repairs, deadline)

    def for_another_question(self, settings: PlannerSettings) -> Allowance:
        """As many calls again, but no more time: what one question cost is not held against the next."""
        return Allowance(settings.attempts + settings.repairs, settings.repairs, self.deadline)

    def may_repair(self) -> bool:
        return self.repairs > 0 and self.calls > 0


@frozen
class Draft:
    """A plan that has passed the policy and has not run yet, and the model's words for it.

    `question` is what it answers; None for a plan that was learned before. `fingerprint` is what others may
    find it by.
    """

    runnable: RunnablePlan
    answer: str
    question: Question | None = None
    fingerprint: str = ""

    @property
    def asked(self) -> tuple[str, str]:
        """The fingerprint, and the view that its author was shown."""
        return self.fingerprint, "" if self.question is None else self.question.shown.view


class Author:
    def __init__(self, provider: Provider, budget: Budget, breaker: Breaker) -> None:
        self._provider = provider
        self._budget = budget
        self._breaker = breaker

    @property
    def name(self) -> str:
        return self._provider.name

    @property
    def model(self) -> str:
        return self._provider.model

    async def close(self) -> None:
        await self._provider.close()

    async def write(
        self,
        session: str,
        segments: Sequence[str],
        make_prompt: Callable[[tuple[Turn, ...]], Prompt],
        allowance: Allowance,
        turns: tuple[Turn, ...] = (),
        *,
        wide: bool = True,
    ) -> Draft:
        """A plan for a request with this path, charged to the session (a directory's name).

        Only where the prompt is not the wide view may it be a plan that asks for that.

        Raises OverBudget, ProviderUnavailable, ProviderTimeout, PlanRefused.
        """
        while True:
            problem: PlanInvalid | CodeRefused
            try:
                answer = (await self._complete(session, make_prompt(turns), allowance)).text
            except AnswerUnusable as unusable:
                answer, problem = unusable.answer, PlanInvalid((str(unusable),))
            except ProviderError as error:
                raise service_error(error) from error
            else:
                written = _read(answer, segments, wide=wide)
                if isinstance(written, RunnablePlan):
                    return Draft(written, answer)
                problem = written
            log.warning(
                "plan refused", model=self.model, problem=type(problem).__name__, why=_summary(problem)
            )
            if not answer or not allowance.may_repair():
                # Its cause is for operators (`explain --ask`); clients are told nothing of it.
                raise PlanRefused("The model gave no acceptable plan for this kind of request.") from problem
            allowance.repairs -= 1
            turns = (*turns, Turn(answer, complaint_for(problem)))

    async def _complete(self, session: str, prompt: Prompt, allowance: Allowance) -> Completion:
        """One call that the budget and the breaker allow. Raises AnswerUnusable, and as `write` does."""
        self._budget.admit(session)
        calls, tokens = 0, 0
        try:
            self._require_breaker()
            calls = 1  # if it is cancelled, this is what is known of it
            completion = await self._provider.complete(
                prompt, deadline=allowance.deadline, calls=allowance.calls
            )
            calls, tokens = completion.calls, completion.input_tokens + completion.output_tokens
        except ProviderError as error:
            calls, tokens = error.calls, error.tokens
            self._note(error)
            raise
        finally:
            allowance.calls -= calls
            self._budget.spent(session, calls, tokens)
        self._breaker.succeeded()
        return completion

    def _require_breaker(self) -> None:
        if not self._breaker.allow():
            detail = "The planner's provider has failed, and is left alone for a while."
            raise ProviderUnavailable(detail, headers=_after(self._breaker.retry_after()))

    def _note(self, error: ProviderError) -> None:
        log.warning("provider failed", provider=self.name, kind=type(error).__name__, reason=str(error))
        if isinstance(error, AnswerUnusable):
            self._breaker.succeeded()
        else:
            self._breaker.failed(error.retry_after)


def _read(answer: str, segments: Sequence[str], *, wide: bool) -> RunnablePlan | PlanInvalid | CodeRefused:
    """The plan that the answer is, or what is wrong with it."""
    try:
        plan = decode(answer, segments, wide=wide)
        return RunnablePlan(plan, check(plan.code, RouteTemplate.parse(plan.route).slots), "planned")
    except (PlanInvalid, CodeRefused) as problem:
        return problem


def _summary(problem: PlanInvalid | CodeRefused) -> list[str]:
    """For the log: lines and reasons of ours. Of the answer they quote a name at most, and no literal.

    What the rule `slot` quotes is a literal.
    """
    if isinstance(problem, PlanInvalid):
        return list(problem.reasons[:_MOST_LOGGED])
    return [
        f"line {each.line}: {_NO_SLOT if each.rule == 'slot' else each.message} ({each.rule})"
        for each in problem.violations[:_MOST_LOGGED]
    ]


def service_error(error: ProviderError) -> ServiceError:
    """What a failure of the provider is to the client."""
    if isinstance(error, ProviderDeadline):
        return ProviderTimeout("The planner's provider did not answer in time.")
    seconds = 1.0 if error.retry_after is None else error.retry_after
    return ProviderUnavailable("The planner's provider cannot be reached.", headers=_after(seconds))


def _after(seconds: float) -> dict[str, str]:
    return {"Retry-After": str(max(1, math.ceil(min(seconds, 3_600.0))))}
