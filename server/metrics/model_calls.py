"""Counts what a provider of plans is asked, and what that costs."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from attrs import define, field

from server.planning.providers.base import AnswerUnusable, ProviderDeadline, ProviderError, Watched

if TYPE_CHECKING:
    from server.planning.providers.base import Completion, Prompt, Provider
    from server.settings.planner import PlannerSettings


@define
class ModelCalls:
    """Of one provider and model, which is all that a service has; both empty while there is none.

    `calls` are HTTP calls, `results` what became of the questions that they were for. Prices are in
    thousandths of a currency for a million tokens; 0: not known.
    """

    input_price: int = 0
    output_price: int = 0
    provider: str = ""
    model: str = ""
    calls: int = 0
    results: Counter[str] = field(factory=Counter)
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0

    @classmethod
    def priced(cls, settings: PlannerSettings) -> ModelCalls:
        """Nothing was called yet, at the prices of the chosen provider."""
        chosen = settings.in_use
        return cls() if chosen is None else cls(chosen.input_price, chosen.output_price)

    @property
    def cost(self) -> float | None:
        """In the prices' currency; None where no price is set. A cached prompt's discount is not known."""
        if not (self.input_price or self.output_price):
            return None
        return (self.input_tokens * self.input_price + self.output_tokens * self.output_price) / 10**9

    def watch(self, provider: Provider) -> Provider:
        """The provider, counted from now on."""
        self.provider, self.model = provider.name, provider.model
        return _Counted(provider, self)


class _Counted(Watched):
    """A `Provider` that counts what it hands on."""

    def __init__(self, provider: Provider, counts: ModelCalls) -> None:
        super().__init__(provider)
        self._counts = counts

    async def complete(self, prompt: Prompt, *, deadline: float, calls: int) -> Completion:
        counts, started = self._counts, time.monotonic()
        result = "cancelled"
        try:
            completion = await self._provider.complete(prompt, deadline=deadline, calls=calls)
        except ProviderError as error:
            result = _result(error)
            counts.calls += error.calls
            counts.input_tokens += error.tokens - error.output_tokens
            counts.output_tokens += error.output_tokens
            raise
        else:
            result = "answered"
            counts.calls += completion.calls
            counts.input_tokens += completion.input_tokens
            counts.output_tokens += completion.output_tokens
            return completion
        finally:
            counts.results[result] += 1
            counts.seconds += time.monotonic() - started


def _result(error: ProviderError) -> str:
    if isinstance(error, AnswerUnusable):
        return "unusable"
    return "deadline" if isinstance(error, ProviderDeadline) else "down"
