"""A provider as the service makes it, pointed at a simulator."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from server.planning.providers import Prompt, make_provider
from server.planning.providers.model_provider import ModelProvider
from server.settings.planner import AnthropicSettings, OpenAISettings, PlannerSettings
from tools.simulators import AnthropicSimulator, OpenAISimulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server.planning.providers import Completion
    from tools.simulators import Simulator

KEY: Final = "sk-canary-key"
FIXED: Final = "You write canary-fixed plans."
REQUEST: Final = 'canary-request\n\n```json\n{"method": "GET", "route": "/things"}\n```\n'
SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"action": {"type": "string"}},
    "required": ["action"],
    "additionalProperties": False,
}
PROMPT: Final = Prompt(FIXED, REQUEST, SCHEMA)

SIMULATORS: Final = (OpenAISimulator, AnthropicSimulator)


def planner_settings(simulator: Simulator, *, allowed: str = "127.0.0.1", **changes: Any) -> PlannerSettings:
    openai = isinstance(simulator, OpenAISimulator)
    return PlannerSettings(
        provider="openai" if openai else "anthropic",
        allowed_hosts=(allowed,),
        openai=OpenAISettings(base_url=simulator.base_url, api_key=KEY, model="a-model"),
        anthropic=AnthropicSettings(base_url=simulator.base_url, api_key=KEY, model="a-model"),
        **changes,
    )


@asynccontextmanager
async def provider_for(simulator: Simulator, **changes: Any) -> AsyncIterator[ModelProvider]:
    provider = make_provider(planner_settings(simulator, **changes))
    assert isinstance(provider, ModelProvider)
    try:
        yield provider
    finally:
        await provider.close()


def in_seconds(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def ask(
    provider: ModelProvider, prompt: Prompt = PROMPT, *, seconds: float = 20.0, calls: int = 3
) -> Completion:
    return await provider.complete(prompt, deadline=in_seconds(seconds), calls=calls)
