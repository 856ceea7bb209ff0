"""What a simulated provider does with one request after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from attrs import define, field, frozen

from tools.simulators.faults import Fault


@frozen
class Answer:
    """A plan, or raw text in its place, after `latency_seconds`."""

    plan: dict[str, Any] | str
    latency_seconds: float = 0.0
    input_tokens: int = 1_000
    output_tokens: int = 200


@frozen
class Raw:
    """An answer as some server gives it, word for word: `body` is JSON, or bytes that are sent as is."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(factory=dict)


Step: TypeAlias = Answer | Fault | Raw
#: Steps one after the other, of which the last is repeated, or a function of the request's JSON.
Script: TypeAlias = Sequence[Step] | Callable[[dict[str, Any]], Step]


@define
class Player:
    """A script, and how far it got."""

    script: Script
    _played: int = 0

    def next(self, request: dict[str, Any]) -> Step:
        if callable(self.script):
            return self.script(request)
        step = self.script[min(self._played, len(self.script) - 1)]
        self._played += 1
        return step
