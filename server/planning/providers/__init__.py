"""Models that write plans, behind one narrow interface (`base`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.planning.providers.base import (
    AnswerUnusable,
    Completion,
    Prompt,
    Provider,
    ProviderDeadline,
    ProviderDown,
    ProviderError,
    Turn,
)

if TYPE_CHECKING:
    from server.settings.planner import PlannerSettings

__all__ = [
    "AnswerUnusable",
    "Completion",
    "Prompt",
    "Provider",
    "ProviderDeadline",
    "ProviderDown",
    "ProviderError",
    "Turn",
    "make_provider",
]


def make_provider(settings: PlannerSettings) -> Provider | None:
    """The provider that the settings choose, to be closed by its owner; None: conventions alone.

    Raises ValueError for a base URL that the settings themselves refuse. A provider's SDK is imported only
    when it is chosen: either takes longer to import than everything else here.
    """
    match settings.chosen:
        case "conventions":
            return None
        case "openai":
            _check(settings, settings.openai.base_url)
            from server.planning.providers.openai_chat import open_openai  # noqa: PLC0415

            return open_openai(settings)
        case "anthropic":
            _check(settings, settings.anthropic.base_url)
            from server.planning.providers.anthropic_messages import open_anthropic  # noqa: PLC0415

            return open_anthropic(settings)


def _check(settings: PlannerSettings, url: str) -> None:
    if reason := settings.refusal(url):
        raise ValueError(f"the provider's base URL is not allowed: {reason}")
