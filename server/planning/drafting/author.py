"""Has plans written by the model: admits the call, pays for it, reads the answer, has faults mended.

1. An allowance bounds what one request may cost: calls of any kind, and one deadline for all of them.
2. The budget is asked before the breaker, because the breaker's yes may be its one probe.
3. An answer that is no plan, or whose code the policy refuses, goes back with the reasons as often as
   `planner.repairs` says. What comes out has passed the policy.
4. A plan is refused only for what the model wrote. What server, key, context or network did is a failure of
   the provider: 503 or 504, with its reason in the log and, for operators, in `trouble`.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog
from attrs import define, field, frozen

from server.planning.codec import PlanInvalid, decode
from server.planning.drafting.breakers import Asker
from server.planning.kinds.route import RouteTemplate
from server.planning.policy import CodeRefused, check
from server.planning.prompt import complaint_for
from server.planning.providers.base import (
    AnswerUnusable,
    Completion,
    ProviderDeadline,
    ProviderDown,
    ProviderError,
    Turn,
)
from server.planning.providers.causes import Cause
from server.values.errors import PlanRefused, ProviderTimeout, ProviderUnavailable, ServiceError
from server.values.model import RunnablePlan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from server.planning.drafting.breakers import Breakers
    from server.planning.drafting.budget import Purse
    from server.planning.drafting.usage import UsageBook
    from server.planning.kinds.shown import Question
    from server.planning.providers.base import Prompt, Provider
    from server.settings.planner import PlannerSettings
    from server.values.model import RequestContext

log = structlog.get_logger(__name__)

_MOST_LOGGED = 5
#: Refused answers that operators are shown.
_REFUSALS = 20
_CUT = "the server has seen only a part of the prompt, and its answer is no plan: its context is too small"
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
    find it by. `told` is what the model was shown of the request, unless that has values in it.
    """

    runnable: RunnablePlan
    answer: str
    question: Question | None = None
    fingerprint: str = ""
    told: str = ""

    @property
    def asked(self) -> tuple[str, str, str]:
        """The fingerprint, the view that its author was shown, and what that was."""
        return self.fingerprint, "" if self.question is None else self.question.shown.view, self.told


@frozen
class Subject:
    """The request that a plan is for: who is charged, and what the log tells of it."""

    directory: str
    segments: tuple[str, ...]
    session: str
    method: str
    route: str
    request_id: str

    @classmethod
    def of(cls, ctx: RequestContext, route: str) -> Subject:
        """`route` is the request's route as its shape has it, without a value."""
        session = ctx.session
        return cls(session.directory, ctx.segments, session.id, ctx.method, route, ctx.request_id)

    def as_log(self) -> dict[str, str]:
        return {
            "route": f"{self.method} {self.route}",
            "session": self.session,
            "request_id": self.request_id,
        }


@frozen
class Trouble:
    """The last question to the provider came to nothing: when, and why."""

    since: datetime
    reason: str


@frozen
class Refusal:
    """An answer of the model that was no plan: of which request, and what was wrong with it."""

    at: datetime
    request: dict[str, str]
    why: tuple[str, ...]


@define
class Answers:
    """What came of questions since the start; `refusals` are the last ones."""

    plans: int = 0
    refused: int = 0
    mended: int = 0
    refusals: deque[Refusal] = field(factory=lambda: deque(maxlen=_REFUSALS))


class Author:
    def __init__(
        self, provider: Provider, budget: Purse, breakers: Breakers, usage: UsageBook | None = None
    ) -> None:
        self._provider = provider
        self._budget = budget
        self._breakers = breakers
        self._usage = usage
        #: None while the provider answers, or was not asked yet.
        self.trouble: Trouble | None = None
        self.answers = Answers()

    @property
    def budget(self) -> Purse:
        return self._budget

    @property
    def breakers(self) -> Breakers:
        return self._breakers

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
        subject: Subject,
        make_prompt: Callable[[tuple[Turn, ...]], Prompt],
        allowance: Allowance,
        turns: tuple[Turn, ...] = (),
        *,
        wide: bool = True,
    ) -> Draft:
        """A plan for a request, charged to its session.

        Only where the prompt is not the wide view may it be a plan that asks for that.

        Raises OverBudget, ProviderUnavailable, ProviderTimeout, PlanRefused.
        """
        while True:
            problem: PlanInvalid | CodeRefused
            cut = False
            try:
                completion = await self._complete(subject, make_prompt(turns), allowance)
            except AnswerUnusable as unusable:
                answer, problem = unusable.answer, PlanInvalid((str(unusable),))
            except ProviderError as error:
                raise service_error(error) from error
            else:
                answer, cut = completion.text, completion.prompt_cut
                written = _read(answer, subject.segments, wide=wide)
                if isinstance(written, RunnablePlan):
                    self.answers.plans += 1
                    return Draft(written, answer)
                problem = written
            why = _summary(problem)
            self._refused(subject, why)
            log.warning(
                "plan refused",
                model=self.model,
                problem=type(problem).__name__,
                why=why,
                **subject.as_log(),
            )
            if cut:
                # It answered what it never saw the whole of.
                unseen = ProviderDown(_CUT, cause=Cause.CONTEXT.value)
                self.trouble = Trouble(datetime.now(UTC), str(unseen))
                raise service_error(unseen) from unseen
            if not answer or not allowance.may_repair():
                # Its cause is for operators (`explain --ask`); clients are told nothing of it.
                raise PlanRefused("The model gave no acceptable plan for this kind of request.") from problem
            allowance.repairs -= 1
            turns = (*turns, Turn(answer, complaint_for(problem)))

    async def answer(self, subject: Subject, prompt: Prompt, allowance: Allowance) -> str:
        """The model's answer to a question that is about no plan, as it is. One call; nothing is mended.

        Raises as `write` does; PlanRefused where the model gave no answer.
        """
        try:
            completion = await self._complete(subject, prompt, allowance)
        except AnswerUnusable as unusable:
            raise PlanRefused("The model gave no answer.") from unusable
        except ProviderError as error:
            raise service_error(error) from error
        return completion.text

    def _refused(self, subject: Subject, why: list[str]) -> None:
        self.answers.refused += 1
        self.answers.refusals.appendleft(Refusal(datetime.now(UTC), subject.as_log(), tuple(why)))

    async def _complete(self, subject: Subject, prompt: Prompt, allowance: Allowance) -> Completion:
        """One call that the budget and the breaker allow. Raises AnswerUnusable, and as `write` does."""
        await self._budget.reserve(subject.directory)
        asker = Asker(subject.directory, _kind(prompt))
        calls, tokens, written = 0, 0, 0
        try:
            self._require_breaker(asker)
            calls = 1  # if it is cancelled, this is what is known of it
            completion = await self._provider.complete(
                prompt, deadline=allowance.deadline, calls=allowance.calls
            )
            calls, written = completion.calls, completion.output_tokens
            tokens = completion.input_tokens + written
        except ProviderError as error:
            calls, tokens, written = error.calls, error.tokens, error.output_tokens
            self._note(error, asker, subject)
            raise
        finally:
            allowance.calls -= calls
            self._budget.spent(subject.directory, calls, tokens)
            self._enter(subject, calls, tokens - written, written)
        self._succeeded(asker)
        return completion

    def _enter(self, subject: Subject, calls: int, input_tokens: int, output_tokens: int) -> None:
        if self._usage is not None:
            model = f"{self.name}/{self.model}"
            self._usage.note(
                subject.session, model, calls=calls, input_tokens=input_tokens, output_tokens=output_tokens
            )

    def _require_breaker(self, asker: Asker) -> None:
        if not self._breakers.allow(asker):
            detail = "The planner's provider has failed, and is left alone for a while."
            raise ProviderUnavailable(detail, headers=_after(self._breakers.retry_after(asker)))

    def _succeeded(self, asker: Asker) -> None:
        self._breakers.succeeded(asker)
        self.trouble = None

    def _note(self, error: ProviderError, asker: Asker, subject: Subject) -> None:
        log.warning(
            "provider failed",
            provider=self.name,
            model=self.model,
            kind=type(error).__name__,
            cause=error.cause,
            reason=str(error),
            **subject.as_log(),
        )
        if isinstance(error, AnswerUnusable):
            self._succeeded(asker)
        else:
            self.trouble = Trouble(datetime.now(UTC), str(error))
            self._breakers.failed(asker, everyones=error.everyones, retry_after=error.retry_after)


def _kind(prompt: Prompt) -> str:
    """What names a kind of request for the breaker: the same shape, in whatever session, is the same."""
    return hashlib.blake2b(prompt.request.encode(errors="replace"), digest_size=12).hexdigest()


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
    """What a failure of the provider is to the client, who is not told what the operator has to mend."""
    if isinstance(error, ProviderDeadline):
        return ProviderTimeout("The planner's provider did not answer in time.")
    seconds = 1.0 if error.retry_after is None else error.retry_after
    detail = "The planner's provider cannot be reached."
    if error.cause != Cause.UNREACHABLE.value:
        detail = "The planner's provider does not serve this service now; the service's log says why."
    return ProviderUnavailable(detail, headers=_after(seconds))


def _after(seconds: float) -> dict[str, str]:
    return {"Retry-After": str(max(1, math.ceil(min(seconds, 3_600.0))))}
