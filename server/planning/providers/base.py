"""What a provider of plans is given, what it gives back, and the three ways it fails.

    ProviderError
    ├── ProviderDown      not reached, or whatever else a server, a key, an address or a context did
    ├── ProviderDeadline  no answer within the deadline
    └── AnswerUnusable    the model answered, but wrote nothing that can be a plan

Only the last one can ever count against a kind of request; the others count for the breaker. The texts of
these errors are written here, for the operator's log: never a key, a header, a prompt or anything a server
sent.
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
    """The model's answer as JSON text, and what it cost over all calls that it took.

    `prompt_cut`: the provider counted so few tokens in that it cannot have seen the whole prompt.
    """

    text: str
    input_tokens: int
    output_tokens: int
    provider: str
    model: str
    calls: int = 1
    prompt_cut: bool = False


class ProviderError(Exception):
    """No completion.

    `retry_after` is what the provider asked for, in seconds; `calls` and `tokens` (in and out, of them
    `output_tokens` out) were spent. `cause` is the name of a `causes.Cause`; `everyones`: it would be so
    whatever was asked.
    """

    def __init__(
        self,
        reason: str,
        *,
        retry_after: float | None = None,
        calls: int = 0,
        tokens: int = 0,
        output_tokens: int = 0,
        cause: str = "",
        everyones: bool = False,
    ) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.calls = calls
        self.tokens = tokens
        self.output_tokens = output_tokens
        self.cause = cause
        self.everyones = everyones


class ProviderDown(ProviderError):
    """The provider was not reached, or does not serve us; trying later may help."""


class ProviderDeadline(ProviderError):
    """The deadline passed."""


class AnswerUnusable(ProviderError):
    """The model answered, but wrote nothing that can be a plan.

    `answer` is what it said, for a repair turn. It is no part of the error's text.
    """

    def __init__(
        self, reason: str, *, answer: str = "", calls: int = 0, tokens: int = 0, output_tokens: int = 0
    ) -> None:
        super().__init__(reason, calls=calls, tokens=tokens, output_tokens=output_tokens, cause="answer")
        self.answer = answer


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
