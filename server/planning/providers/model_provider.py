"""A provider: one protocol, one client, and what the server was found not to know of it.

The loop over attempts is here, and none in the SDKs, so that the number of HTTP calls is what the caller
allowed, whatever they are spent on: a provider that failed, or a server that does not know a parameter.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Final, Protocol

import attrs
import structlog
from attrs import define, field, frozen

from server.planning.providers.answer import json_object
from server.planning.providers.base import AnswerUnusable, Completion, ProviderDeadline, Turn
from server.planning.providers.dialect import Dialect
from server.planning.providers.failures import Failure

if TYPE_CHECKING:
    from server.planning.providers.base import Prompt

FIRST_PAUSE_SECONDS: Final = 0.25
LONGEST_PAUSE_SECONDS: Final = 4.0
#: For servers that do not count: a rough average of English and code.
_CHARACTERS_PER_TOKEN: Final = 4


_log = structlog.get_logger("provider")


@frozen
class Usage:
    """Tokens of one answer, as the provider counted them."""

    input_tokens: int
    output_tokens: int


@frozen
class Reading:
    """What the model said. `problem`: why it is no plan all the same; `usage`: None where nobody counted."""

    text: str = ""
    problem: str = ""
    usage: Usage | None = None


class Wire(Protocol):
    """A provider's protocol, through its SDK."""

    async def send(self, prompt: Prompt, dialect: Dialect, seconds: float) -> bytes | Failure:
        """The body of the 2xx answer to one HTTP call, or what became of it. `seconds` are left for it."""

    def read(self, body: bytes) -> Reading: ...

    async def close(self) -> None: ...


@define
class _Spent:
    calls: int = 0


@define
class ModelProvider:
    """Implements `base.Provider` over a wire."""

    name: str
    model: str
    _wire: Wire
    #: Tries when the server fails. Finding out what it does not know is none of them.
    _attempts: int = 5
    _dialect: Dialect = field(factory=Dialect)

    @property
    def dialect(self) -> Dialect:
        """What the server is known to understand so far."""
        return self._dialect

    async def complete(self, prompt: Prompt, *, deadline: float, calls: int) -> Completion:
        """See `base.Provider`. What the server does not know is remembered until `close`."""
        prompt, spent = _encodable(prompt), _Spent()
        outcome: bytes | Failure = Failure(ProviderDeadline, "no answer within the deadline")
        limit = asyncio.timeout_at(deadline)
        try:
            async with limit:
                outcome = await self._attempt(prompt, deadline, calls, spent)
        except TimeoutError:
            if not limit.expired():
                raise
        # Raised out here, so that no exception of an SDK, which may quote a body, hangs on it as its context.
        if isinstance(outcome, Failure):
            raise outcome.error(calls=spent.calls)
        return self._completion(prompt, self._wire.read(outcome), spent.calls)

    async def close(self) -> None:
        await self._wire.close()

    async def _attempt(self, prompt: Prompt, deadline: float, calls: int, spent: _Spent) -> bytes | Failure:
        now = asyncio.get_running_loop().time
        failures = 0
        while True:
            used = self._dialect
            spent.calls += 1
            outcome = await self._wire.send(prompt, used, max(deadline - now(), 0.0))
            if isinstance(outcome, bytes):
                return outcome
            left = used.after(outcome)
            self._remember(left)
            if spent.calls >= calls:
                return outcome
            if left != used:
                continue
            failures += 1
            if failures >= self._attempts:
                return outcome
            pause = _pause(outcome, failures)
            if not outcome.retry or now() + pause >= deadline:
                return outcome
            await asyncio.sleep(pause)

    def _remember(self, left: Dialect) -> None:
        dialect = self._dialect.less(left)
        if dialect != self._dialect:
            self._dialect = dialect
            known = {"format": dialect.format.name.lower(), "temperature": dialect.temperature}
            _log.info("provider_knows_less", provider=self.name, model=self.model, **known)

    def _completion(self, prompt: Prompt, reading: Reading, calls: int) -> Completion:
        usage = reading.usage or _estimate(prompt, reading.text)
        text = json_object(reading.text)
        if reading.problem or text is None:
            problem = reading.problem or "the answer holds no JSON object"
            tokens = usage.input_tokens + usage.output_tokens
            raise AnswerUnusable(
                problem,
                answer=reading.text,
                calls=calls,
                tokens=tokens,
                output_tokens=usage.output_tokens,
            )
        return Completion(text, usage.input_tokens, usage.output_tokens, self.name, self.model, calls)


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
