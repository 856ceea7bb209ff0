"""A provider: one protocol, one client, and what the server was found not to know of it.

The loop over attempts is here, and none in the SDKs, so that the number of HTTP calls is what the caller
allowed, whatever they are spent on: a provider that failed, or a server that does not know a parameter.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from typing import TYPE_CHECKING, Final, Protocol

import attrs
import structlog
from attrs import define, field, frozen

from server.planning.providers.answer import json_object
from server.planning.providers.base import AnswerUnusable, Completion, ProviderDeadline, Turn
from server.planning.providers.causes import Cause
from server.planning.providers.dialect import is_echo
from server.planning.providers.failures import Failure, down
from server.planning.providers.knowledge import Choice, Knowledge

if TYPE_CHECKING:
    from server.planning.providers.base import Prompt
    from server.planning.providers.dialect import Dialect

FIRST_PAUSE_SECONDS: Final = 0.25
LONGEST_PAUSE_SECONDS: Final = 4.0
RECHECK_SECONDS: Final = 3_600.0
#: For servers that do not count: a rough average of English and code.
_CHARACTERS_PER_TOKEN: Final = 4
#: No tokenizer in use takes as few as this part of the estimate; a server that counts fewer has seen less.
_CUT_BELOW: Final = 0.6
#: A prompt of less is not worth the word.
_SHORTEST_CUT: Final = 1_000
_TIMES_CUT_IS_TOLD: Final = 3
#: Of a context of 2,048, which is the least in use. A count of less is one that a gateway has made up, or of
#: what was not in a cache: it is worth a word in the log, but excuses no bad plan.
_LEAST_CREDIBLE: Final = 1_500


_log = structlog.get_logger("provider")


@frozen
class Usage:
    """Tokens of one answer, as the provider counted them."""

    input_tokens: int
    output_tokens: int


@frozen
class Reading:
    """What the model said. `problem`: why it is no plan all the same; `usage`: None where nobody counted.

    `aside` is what it thought, where the server tells that apart; `cut`: it stopped at the most output
    tokens.
    """

    text: str = ""
    problem: str = ""
    usage: Usage | None = None
    aside: str = ""
    cut: bool = False


def charged(failure: Failure, usage: Usage | None) -> Failure:
    """The failure with what it has cost, as far as that was counted."""
    if usage is None:
        return failure
    tokens = usage.input_tokens + usage.output_tokens
    return attrs.evolve(failure, tokens=tokens, output_tokens=usage.output_tokens)


class Wire(Protocol):
    """A provider's protocol, through its SDK."""

    async def send(self, prompt: Prompt, dialect: Dialect, seconds: float) -> bytes | Failure:
        """The body of the 2xx answer to one HTTP call, or what became of it. `seconds` are left for it."""

    def read(self, body: bytes) -> Reading | Failure: ...

    async def close(self) -> None: ...


@define
class _Spent:
    """Of one question: HTTP calls, and tokens of answers that were of no use."""

    calls: int = 0
    tokens: int = 0
    output_tokens: int = 0

    def add(self, failure: Failure) -> None:
        self.tokens += failure.tokens
        self.output_tokens += failure.output_tokens


@define
class ModelProvider:
    """Implements `base.Provider` over a wire."""

    name: str
    model: str
    _wire: Wire
    #: Tries when the server fails. Finding out what it does not know is none of them.
    _attempts: int = 5
    _knowledge: Knowledge = field(factory=lambda: Knowledge(time.monotonic, RECHECK_SECONDS))
    _cuts_told: int = field(init=False, default=0)

    @property
    def dialect(self) -> Dialect:
        """What the server is known to understand so far."""
        return self._knowledge.dialect

    async def complete(self, prompt: Prompt, *, deadline: float, calls: int) -> Completion:
        """See `base.Provider`. What the server does not know is remembered for a while (`knowledge`)."""
        prompt, spent = _encodable(prompt), _Spent()
        outcome: Reading | Failure = Failure(ProviderDeadline, Cause.LATE.words, cause=Cause.LATE)
        limit = asyncio.timeout_at(deadline)
        try:
            async with limit:
                outcome = await self._attempt(prompt, deadline, calls, spent)
        except TimeoutError:
            if not limit.expired():
                raise
        # Raised out here, so that no exception of an SDK, which may quote a body, hangs on it as its context.
        if isinstance(outcome, Failure):
            raise outcome.error(calls=spent.calls, tokens=spent.tokens, output_tokens=spent.output_tokens)
        return self._completion(prompt, outcome, spent)

    async def close(self) -> None:
        await self._wire.close()

    async def _attempt(self, prompt: Prompt, deadline: float, calls: int, spent: _Spent) -> Reading | Failure:
        now = asyncio.get_running_loop().time
        choice = self._knowledge.choose(calls)
        failures = 0
        while True:
            spent.calls += 1
            outcome = await self._call(prompt, choice.dialect, max(deadline - now(), 0.0))
            if isinstance(outcome, Reading):
                if self._knowledge.took(choice):
                    _log.info("provider_knows_more", provider=self.name, model=self.model, part=choice.trial)
                return outcome
            spent.add(outcome)
            left = self._left(choice.dialect, outcome, prompt)
            if spent.calls >= calls:
                return outcome
            if left != choice.dialect:
                choice = Choice(left)
                continue
            failures += 1
            # What the model wrote and the server refused is worth one more try, not all of them.
            most = min(self._attempts, 2) if outcome.cause is Cause.ANSWER else self._attempts
            pause = _pause(outcome, failures)
            if failures >= most or not outcome.retry or now() + pause >= deadline:
                return outcome
            await asyncio.sleep(pause)

    async def _call(self, prompt: Prompt, dialect: Dialect, seconds: float) -> Reading | Failure:
        sent = await self._wire.send(prompt, dialect, seconds)
        return sent if isinstance(sent, Failure) else self._wire.read(sent)

    def _left(self, used: Dialect, failure: Failure, prompt: Prompt) -> Dialect:
        """The dialect for the next call of this question; remembered for others where it is sure."""
        left = used.after(failure)
        if left == used:
            return used
        if not is_echo(failure, used, self._asked(prompt)) and self._knowledge.learn(left):
            dialect = self._knowledge.dialect
            known = {"format": dialect.format.name.lower(), "temperature": dialect.temperature}
            _log.info("provider_knows_less", provider=self.name, model=self.model, **known)
        # With what was known before: a part that was tried again in vain may have been given up step by step.
        return left.less(self._knowledge.dialect)

    def _asked(self, prompt: Prompt) -> str:
        """What a server could quote that somebody else has chosen: a request's names, and the model's."""
        said = [f"{turn.answer} {turn.complaint}" for turn in prompt.turns]
        return " ".join((self.model, prompt.request, *said))

    def _completion(self, prompt: Prompt, reading: Reading, spent: _Spent) -> Completion:
        usage = reading.usage or _estimate(prompt, reading.text)
        cut = reading.usage is not None and self._is_cut(prompt, reading.usage)
        text = "" if reading.problem else _plan_in(reading, frozenset(prompt.schema.get("required", ())))
        tokens = spent.tokens + usage.input_tokens + usage.output_tokens
        written = spent.output_tokens + usage.output_tokens
        if text:
            return Completion(text, tokens - written, written, self.name, self.model, spent.calls, cut)
        raise _without_plan(reading, usage, cut=cut).error(
            calls=spent.calls, tokens=tokens, output_tokens=written
        )

    def _is_cut(self, prompt: Prompt, usage: Usage) -> bool:
        """Whether the server has surely seen less than was sent, as Ollama and others cut without a word.

        What looks like it is logged.
        """
        estimated = _estimate(prompt, "").input_tokens
        if estimated < _SHORTEST_CUT or not 0 < usage.input_tokens < _CUT_BELOW * estimated:
            return False
        if self._cuts_told < _TIMES_CUT_IS_TOLD:
            self._cuts_told += 1
            _log.warning(
                "provider cut the prompt",
                provider=self.name,
                model=self.model,
                counted_tokens=usage.input_tokens,
                estimated_tokens=estimated,
                remedy="raise the server's context (Ollama: OLLAMA_CONTEXT_LENGTH)",
            )
        return usage.input_tokens >= _LEAST_CREDIBLE


def _plan_in(reading: Reading, wanted: frozenset[str]) -> str:
    """The plan's JSON; empty where there is none. A thought is a plan only where nothing else was said."""
    if reading.text.strip():
        return json_object(reading.text, wanted) or ""
    found = json_object(reading.aside, wanted) or "{}"
    return found if wanted <= json.loads(found).keys() and found != "{}" else ""


def _without_plan(reading: Reading, usage: Usage, *, cut: bool) -> Failure:
    """Whose doing it is that there is no plan: the model's, if it has seen the prompt and said something."""
    if cut:
        return down(Cause.CONTEXT, detail=f"the server has seen {usage.input_tokens} tokens of it")
    if not reading.problem and not reading.text.strip():
        return down(Cause.OUTPUT if reading.cut else Cause.EMPTY, detail="nothing but thoughts")
    why = (
        "the answer is cut off at the most output tokens"
        if reading.cut
        else "the answer holds no JSON object"
    )
    return Failure(AnswerUnusable, reading.problem or why, cause=Cause.ANSWER, answer=reading.text)


def _encodable(prompt: Prompt) -> Prompt:
    """The prompt without lone surrogates, which would end in an error that quotes it."""
    turns = tuple(Turn(_utf8(turn.answer), _utf8(turn.complaint)) for turn in prompt.turns)
    return attrs.evolve(prompt, fixed=_utf8(prompt.fixed), request=_utf8(prompt.request), turns=turns)


def _utf8(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def _pause(failure: Failure, calls: int) -> float:
    """Seconds before the next call: as asked, never less, else doubling; jittered, as others wait too."""
    if failure.retry_after is not None:
        return failure.retry_after + random.uniform(0.0, FIRST_PAUSE_SECONDS / 2)  # noqa: S311 - no secret
    longest = min(FIRST_PAUSE_SECONDS * 2.0 ** (calls - 1), LONGEST_PAUSE_SECONDS)
    return random.uniform(longest / 2, longest)  # noqa: S311 - no secret


def _estimate(prompt: Prompt, answer: str) -> Usage:
    asked = sum(len(turn.answer) + len(turn.complaint) for turn in prompt.turns)
    asked += len(prompt.fixed) + len(prompt.request)
    return Usage(asked // _CHARACTERS_PER_TOKEN + 1, len(answer) // _CHARACTERS_PER_TOKEN + 1)
