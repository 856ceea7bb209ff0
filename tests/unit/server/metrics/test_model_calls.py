"""What a provider is asked is counted, whatever becomes of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from server.metrics.model_calls import ModelCalls
from server.planning.providers.base import (
    AnswerUnusable,
    Completion,
    Prompt,
    ProviderDeadline,
    ProviderDown,
)
from server.settings.planner import OpenAISettings, PlannerSettings

if TYPE_CHECKING:
    from collections.abc import Iterable

PROMPT = Prompt("fixed", "request", {})


class Scripted:
    """A provider that gives or raises one thing after the other."""

    name = "openai"
    model = "small"

    def __init__(self, script: Iterable[Completion | BaseException]) -> None:
        self._script = iter(script)
        self.closed = False

    async def complete(self, prompt: Prompt, *, deadline: float, calls: int) -> Completion:
        found = next(self._script)
        if isinstance(found, BaseException):
            raise found
        return found

    async def close(self) -> None:
        self.closed = True


async def test_each_ending() -> None:
    """Calls and tokens of answers, good and bad, and of failures; and each ending by its name."""
    counts = ModelCalls()
    script = [
        Completion("{}", 100, 10, "openai", "small", calls=2),
        AnswerUnusable("no JSON", calls=1, tokens=55, output_tokens=5),
        ProviderDown("503", calls=3),
        ProviderDeadline("late", calls=1),
        asyncio.CancelledError(),
    ]
    inner = Scripted(script)
    provider = counts.watch(inner)
    for expected in script:
        if isinstance(expected, BaseException):
            with pytest.raises(type(expected)):
                await provider.complete(PROMPT, deadline=1.0, calls=1)
        else:
            assert await provider.complete(PROMPT, deadline=1.0, calls=1) is expected
    await provider.close()

    assert (provider.name, provider.model, inner.closed) == ("openai", "small", True)
    assert (counts.provider, counts.model) == ("openai", "small")
    assert counts.results == {"answered": 1, "unusable": 1, "down": 1, "deadline": 1, "cancelled": 1}
    assert (counts.calls, counts.input_tokens, counts.output_tokens) == (7, 150, 15)
    assert counts.seconds >= 0


def test_cost() -> None:
    """Prices are thousandths of a currency for a million tokens; without any there is no cost."""
    assert ModelCalls(input_tokens=5, output_tokens=5).cost is None
    assert ModelCalls(250, 0, input_tokens=2_000_000, output_tokens=9).cost == 0.5
    assert ModelCalls(250, 2_000, input_tokens=1_000_000, output_tokens=500_000).cost == 1.25


@pytest.mark.parametrize(
    ("settings", "prices"),
    [
        (PlannerSettings(), (0, 0)),
        (PlannerSettings(openai=OpenAISettings(api_key="k", input_price=3, output_price=4)), (3, 4)),
    ],
)
def test_prices(settings: PlannerSettings, prices: tuple[int, int]) -> None:
    """They are those of the provider that is chosen."""
    counts = ModelCalls.priced(settings)

    assert (counts.input_price, counts.output_price) == prices
