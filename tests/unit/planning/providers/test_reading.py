"""What a 2xx answer may hold: anything, of which little is a plan."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from server.planning.providers.model_provider import Usage
from tests.unit.planning.providers.service import SIMULATORS, ask, provider_for
from tools.simulators import Answer, AnthropicSimulator, OpenAISimulator

if TYPE_CHECKING:
    from server.planning.providers.model_provider import Reading
    from tools.simulators import Simulator

COUNTED = {"prompt_tokens": 5, "completion_tokens": 6}


async def read(simulated: type[Simulator], body: Any) -> Reading:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with simulated() as simulator, provider_for(simulator) as provider:
        return provider._wire.read(data)


def chat(message: Any, **members: Any) -> dict[str, Any]:
    return {"choices": [{"message": message, "finish_reason": "stop"}], "usage": COUNTED, **members}


@pytest.mark.parametrize("simulated", SIMULATORS)
@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"null", b"[]", b"{", b"\xff", b"[" * 100_000, {}, {"error": {"message": "no"}}),
        {"choices": {}, "content": {}},
        {"choices": [1], "content": [1]},
        {"choices": None, "content": None},
        {"choices": [{"message": {"content": ["x"]}}], "content": [{"type": "text", "text": 1}]},
        {"choices": [{"message": {"content": "\ud800"}}], "content": [{"type": "text", "text": "\ud800"}]},
    ],
)
async def test_no_answer_of_the_protocol(simulated: type[Simulator], body: Any) -> None:
    """A body that is not what the protocol says has no text, and a problem."""
    reading = await read(simulated, body)

    assert reading.problem
    assert not reading.text


@pytest.mark.parametrize(
    "usage",
    [{"prompt_tokens": -1, "completion_tokens": 1}, {"prompt_tokens": 10**12, "completion_tokens": 1}],
)
async def test_absurd_counts(usage: dict[str, int]) -> None:
    """A count below nothing, which would refund a budget, or beyond reason is no answer."""
    assert (await read(OpenAISimulator, chat({"content": "{}"}, usage=usage))).problem


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (chat({"content": "x"}), ""),
        (chat({"content": None, "refusal": "no"}), "refuses"),
        (chat({"content": None}), "empty"),
        (
            chat({"content": "x"}, choices=[{"message": {"content": "x"}, "finish_reason": "length"}]),
            "cut off",
        ),
        (
            chat({}, choices=[{"message": {"content": "x"}, "finish_reason": "content_filter"}]),
            "refuses",
        ),
        (chat({}, choices=[]), "no choices"),
    ],
)
async def test_chat_completion(body: dict[str, Any], problem: str) -> None:
    """Each way in which a chat completion has no plan is told apart; its tokens count all the same."""
    reading = await read(OpenAISimulator, body)

    assert problem in reading.problem
    assert bool(reading.problem) == bool(problem)
    assert reading.usage == Usage(5, 6)


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None, "completion_tokens": 3}])
async def test_servers_that_do_not_count(usage: Any) -> None:
    """Missing counts are known to be missing."""
    assert (await read(OpenAISimulator, chat({"content": "x"}, usage=usage))).usage is None


@pytest.mark.parametrize(
    ("stop_reason", "problem"),
    [
        ("end_turn", ""),
        ("max_tokens", "cut off"),
        ("model_context_window_exceeded", "cut off"),
        ("refusal", "refuses"),
        (None, ""),
        ("a_new_reason", ""),
    ],
)
async def test_message(stop_reason: str | None, problem: str) -> None:
    """Each way in which a message has no plan is told apart."""
    body = {"content": [{"type": "text", "text": "x"}], "stop_reason": stop_reason}
    reading = await read(AnthropicSimulator, body)

    assert problem in reading.problem
    assert bool(reading.problem) == bool(problem)
    assert reading.usage is None


async def test_message_with_other_blocks() -> None:
    """Thoughts are passed over, texts are joined, the tool's input comes before any text."""
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    texts = [thought, {"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    tool = {"type": "tool_use", "id": "t", "name": "plan", "input": {"a": [1]}}

    assert (await read(AnthropicSimulator, {"content": texts})).text == "ab"
    assert json.loads((await read(AnthropicSimulator, {"content": [*texts, tool]})).text) == {"a": [1]}


async def test_cached_tokens_count() -> None:
    """What the cache saved in time and money is still part of the input."""
    usage = {"input_tokens": 1, "output_tokens": 2, "cache_read_input_tokens": 10}
    usage |= {"cache_creation_input_tokens": 100}
    body = {"content": [{"type": "text", "text": "x"}], "usage": usage}

    assert (await read(AnthropicSimulator, body)).usage == Usage(111, 2)


class Uncounting(OpenAISimulator):
    """A server that sends no usage, as some do."""

    class _Wire(type(OpenAISimulator.wire)):  # type: ignore[misc]
        def document(self, body: dict[str, Any], said: Any) -> dict[str, Any]:
            return {**super().document(body, said), "usage": None}

    wire = _Wire()


async def test_estimate() -> None:
    """Where nobody counts, a budget is charged by the length of what was said."""
    async with Uncounting([Answer({"a": "x" * 4_000})]) as simulator, provider_for(simulator) as provider:
        completion = await ask(provider)

    assert completion.input_tokens > 1
    assert 1_000 <= completion.output_tokens <= 1_010
