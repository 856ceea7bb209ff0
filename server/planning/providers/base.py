"""What a provider of plans is given, what it gives back, and the three ways it fails.

    ProviderError
    ├── ProviderDown      not reached, or answered 401-403, 408, 429, 3xx or 5xx: counts for the breaker
    ├── ProviderDeadline  no answer within the deadline: counts for the breaker
    └── AnswerUnusable    it answered, but nothing that can be a plan: does not

The texts of these errors are written here, for the operator's log: never a key, a header, a prompt or
anything a server sent.
"""

from __future__ import annotations

from typing import Any, Protocol

from attrs import frozen


@frozen
class Turn:
    """An earlier answer of the model, and what was wrong with it."""

    answer: str
    complaint: str


@frozen
class Prompt:
    """What a model is asked.

    `fixed` is the same for every request of this service, so that providers can cache it; `request` is
    this request's shape; `schema` the strict JSON schema of the answer.
    """

    fixed: str
    request: str
    schema: dict[str, Any]
    turns: tuple[Turn, ...] = ()


@frozen
class Completion:
    """The model's answer as JSON text, and what it cost over all calls that it took."""

    text: str
    input_tokens: int
    output_tokens: int
    provider: str
    model: str
    calls: int = 1


class ProviderError(Exception):
    """No completion.

    `retry_after` is what the provider asked for, in seconds; `calls` and `tokens` (in and out) were spent.
    """

    def __init__(
        self, reason: str, *, retry_after: float | None = None, calls: int = 0, tokens: int = 0
    ) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.calls = calls
        self.tokens = tokens


class ProviderDown(ProviderError):
    """The provider was not reached, or does not serve us; trying later may help."""


class ProviderDeadline(ProviderError):
    """The deadline passed."""


class AnswerUnusable(ProviderError):
    """The provider answered, but nothing that can be a plan.

    `answer` is what the model said, for a repair turn; empty where it said nothing. It is no part of the
    error's text.
    """

    def __init__(
        self, reason: str, *, answer: str = "", calls: int = 0, tokens: int = 0, output_tokens: int = 0
    ) -> None:
        super().__init__(reason, calls=calls, tokens=tokens)
        self.answer = answer
        #: Of `tokens`, those that the model wrote.
        self.output_tokens = output_tokens


class Provider(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def model(self) -> str: ...

    async def complete(self, prompt: Prompt, *, deadline: float, calls: int) -> Completion:
        """Ask the model, with at most `calls` (>= 1) HTTP calls, until `deadline` (event-loop time, seconds).

        Raises ProviderError.
        """

    async def close(self) -> None: ...


class Watched:
    """A `Provider` before another, which it says the name and the model of; `complete` is the watcher's."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    @property
    def name(self) -> str:
        return self._provider.name

    @property
    def model(self) -> str:
        return self._provider.model

    async def close(self) -> None:
        await self._provider.close()
