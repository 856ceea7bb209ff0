"""What a 2xx answer may hold: anything, of which little is a plan."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from server.planning.providers import ProviderDown
from server.planning.providers.failures import Failure
from server.planning.providers.model_provider import Reading, Usage
from tests.unit.server.planning.providers.service import SIMULATORS, ask, provider_for
from tools.simulators import Answer, AnthropicSimulator, OpenAISimulator

if TYPE_CHECKING:
    from tools.simulators import Simulator

COUNTED = {"prompt_tokens": 5, "completion_tokens": 6}


async def outcome(simulated: type[Simulator], body: Any) -> Reading | Failure:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with simulated() as simulator, provider_for(simulator) as provider:
        return provider._wire.read(data)


async def read(simulated: type[Simulator], body: Any) -> Reading:
    found = await outcome(simulated, body)
    assert isinstance(found, Reading), found
    return found


async def failure(simulated: type[Simulator], body: Any) -> Failure:
    found = await outcome(simulated, body)
    assert isinstance(found, Failure), found
    return found


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
        {"choices": [], "content": []},
        {"choices": [{}], "content": [{}]},
        {"choices": [{"message": 1}], "content": [1, None]},
        {"choices": [{"message": {"content": 1}}], "content": [{"type": "text", "text": 1}]},
        {"choices": [{"message": {"content": "\ud800"}}], "content": [{"type": "text", "text": "\ud800"}]},
    ],
)
async def test_no_answer_of_the_protocol(simulated: type[Simulator], body: Any) -> None:
    """A body that is not what the protocol says is the server's doing, and never a bad plan."""
    found = await failure(simulated, body)

    assert found.kind is ProviderDown
    assert found.reason


@pytest.mark.parametrize(
    ("usage", "read_as"),
    [
        ({"prompt_tokens": -1, "completion_tokens": 1}, None),
        ({"prompt_tokens": 10**12, "completion_tokens": 1}, None),
        ({"prompt_tokens": True, "completion_tokens": 1}, None),
        ({"prompt_tokens": 5.0, "completion_tokens": 6.0}, Usage(5, 6)),
        ({"prompt_tokens": 5.5, "completion_tokens": 6}, None),
        ({"prompt_tokens": "5", "completion_tokens": "6"}, Usage(5, 6)),
        ({"prompt_tokens": "five", "completion_tokens": 6}, None),
        ({"input_tokens": 5, "output_tokens": 6}, Usage(5, 6)),
        ({"prompt_tokens": 5, "total_tokens": 11}, Usage(5, 6)),
        ({"prompt_tokens": 5, "total_tokens": 3}, None),
        ({"prompt_tokens": 5, "completion_tokens": 6, "prompt_tokens_details": "none"}, Usage(5, 6)),
        ("none", None),
        ([], None),
        (0, None),
    ],
)
async def test_usage_is_read_leniently(usage: Any, read_as: Usage | None) -> None:
    """Counts as servers write them; what is no count, or would refund a budget, counts as not told.

    The answer itself is as good as ever.
    """
    reading = await read(OpenAISimulator, chat({"content": "x"}, usage=usage))

    assert (reading.text, reading.usage) == ("x", read_as)


PARTS = [{"type": "text", "text": "x"}]


@pytest.mark.parametrize(
    "content",
    [
        "x",
        PARTS,
        ["x"],
        [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, *PARTS],
        [{"type": "reasoning", "text": "hm"}, {"type": "output_text", "text": "x"}, None, 1],
        [{"text": "x"}],
    ],
)
async def test_content_in_parts(content: Any) -> None:
    """A message's content is a text, or parts of which thoughts are none of the answer."""
    assert (await read(OpenAISimulator, chat({"content": content}))).text == "x"


async def test_content_that_is_unpacked_already() -> None:
    """Some gateways parse what the model wrote: it is JSON again."""
    assert json.loads((await read(OpenAISimulator, chat({"content": {"a": 1}}))).text) == {"a": 1}


@pytest.mark.parametrize(
    "message",
    [
        {"content": None, "reasoning_content": "hm"},
        {"content": "", "reasoning": "hm"},
        {"content": " ", "thinking": "hm"},
        {"content": [{"type": "thinking", "thinking": "hm"}]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
    ],
)
async def test_thoughts_are_kept_aside(message: Any) -> None:
    """Where a server tells thoughts from the answer, they are told apart here, too."""
    reading = await read(OpenAISimulator, chat(message))

    assert (reading.text.strip(), reading.aside) == ("", "hm")


def ended(reason: str, content: Any = "x") -> dict[str, Any]:
    return chat({}, choices=[{"message": {"content": content}, "finish_reason": reason}])


async def test_chat_completion() -> None:
    """What the model wrote is read, with its tokens, and whether it was cut off."""
    assert await read(OpenAISimulator, chat({"content": "x"})) == Reading("x", usage=Usage(5, 6))
    assert await read(OpenAISimulator, ended("length")) == Reading("x", usage=Usage(5, 6), cut=True)
    assert (await read(OpenAISimulator, chat({"content": None, "refusal": "no"}))).problem == (
        "the model refuses"
    )


@pytest.mark.parametrize(
    ("body", "cause", "retry"),
    [
        (chat({"content": None}), "empty", True),
        (ended("length", None), "output", False),
        (ended("content_filter"), "filter", False),
        (chat({}, choices=[]), "protocol", True),
        (chat({}, choices=None), "protocol", True),
    ],
)
async def test_nothing_the_model_wrote(body: dict[str, Any], cause: str, retry: bool) -> None:
    """Where there is nothing of the model's the provider has failed; its tokens count all the same."""
    found = await failure(OpenAISimulator, body)

    assert (found.kind, found.cause.value, found.retry, found.tokens) == (ProviderDown, cause, retry, 11)


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None, "completion_tokens": 3}])
async def test_servers_that_do_not_count(usage: Any) -> None:
    """Missing counts are known to be missing."""
    assert (await read(OpenAISimulator, chat({"content": "x"}, usage=usage))).usage is None


@pytest.mark.parametrize(
    ("stop_reason", "reading"),
    [
        ("end_turn", Reading("x")),
        ("max_tokens", Reading("x", cut=True)),
        ("model_context_window_exceeded", Reading("x", cut=True)),
        ("refusal", Reading(problem="the model refuses")),
        (None, Reading("x")),
        ("a_new_reason", Reading("x")),
    ],
)
async def test_message(stop_reason: str | None, reading: Reading) -> None:
    """Each way in which a message ends is told apart."""
    body = {"content": [{"type": "text", "text": "x"}], "stop_reason": stop_reason}

    assert await read(AnthropicSimulator, body) == reading


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
