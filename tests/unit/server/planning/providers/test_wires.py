"""What goes over the wire, for each provider and each way to ask for the format."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest

from server.planning.codec import ANSWER_SCHEMA
from server.planning.providers import Prompt, Turn
from tests.unit.server.planning.providers.service import (
    FIXED,
    PROMPT,
    REQUEST,
    SCHEMA,
    SIMULATORS,
    ask,
    provider_for,
)
from tools.simulators import Answer, AnthropicSimulator, Fault, OpenAISimulator, Simulator
from tools.simulators.plans import USUAL_PLAN

both = pytest.mark.parametrize("simulated", SIMULATORS)


async def sent(simulator: Simulator, prompt: Prompt = PROMPT, **changes: Any) -> dict[str, Any]:
    """The body of the call that was answered."""
    async with simulator, provider_for(simulator, **changes) as provider:
        await ask(provider, prompt)
    return simulator.requests[-1].body


@both
class TestBothWires:
    async def test_a_plan_comes_through(self, simulated: type[Simulator]) -> None:
        """The model's plan, its cost and its origin are what the caller gets."""
        answer = Answer(USUAL_PLAN, input_tokens=321, output_tokens=123)
        async with simulated([answer]) as simulator, provider_for(simulator) as provider:
            completion = await ask(provider)

            assert json.loads(completion.text) == USUAL_PLAN
            assert (completion.input_tokens, completion.output_tokens) == (321, 123)
            assert (completion.provider, completion.model) == (provider.name, "a-model")

    @pytest.mark.parametrize("fault", [Fault.NO_STRICT_SCHEMA, Fault.NO_JSON_FORMAT])
    async def test_a_plan_comes_through_every_format(self, simulated: type[Simulator], fault: Fault) -> None:
        """The same plan, however the format was asked for."""
        async with simulated([fault]) as simulator, provider_for(simulator) as provider:
            completion = await ask(provider)

            assert json.loads(completion.text) == USUAL_PLAN

    async def test_the_service_s_own_schema_is_strict_enough(self, simulated: type[Simulator]) -> None:
        """The schema of plans is one that the strict modes take: the first call is answered."""
        async with simulated() as simulator, provider_for(simulator) as provider:
            await ask(provider, attrs.evolve(PROMPT, schema=ANSWER_SCHEMA), calls=1)

            assert provider.dialect.format == 0

    async def test_turns_of_a_repair_alternate(self, simulated: type[Simulator]) -> None:
        """The model sees its answer and what was wrong with it, after the request."""
        prompt = attrs.evolve(PROMPT, turns=(Turn("{}", "No code."), Turn("", "No answer.")))
        body = await sent(simulated(), prompt)

        messages = [message for message in body["messages"] if message["role"] != "system"]
        assert [(message["role"], message["content"]) for message in messages] == [
            ("user", REQUEST),
            ("assistant", "{}"),
            ("user", "No code."),
            ("assistant", "(nothing)"),
            ("user", "No answer."),
        ]

    async def test_text_that_is_no_unicode(self, simulated: type[Simulator]) -> None:
        """A lone surrogate in a prompt costs a character, not the request."""
        body = await sent(simulated(), attrs.evolve(PROMPT, request="name: \ud800"))

        assert [message for message in body["messages"] if message["content"] == "name: ?"]

    async def test_temperature_is_zero_until_refused(self, simulated: type[Simulator]) -> None:
        """The same question gets the same plan, where the model lets us say so."""
        assert (await sent(simulated()))["temperature"] == 0
        assert "temperature" not in await sent(simulated([Fault.NO_TEMPERATURE]))

    @pytest.mark.parametrize("temperature", [0.0, 0.7, 2.0])
    @pytest.mark.parametrize("fault", [None, Fault.NO_STRICT_SCHEMA, Fault.NO_JSON_FORMAT])
    async def test_a_temperature_of_one_s_own(
        self, simulated: type[Simulator], fault: Fault | None, temperature: float
    ) -> None:
        """In every dialect, until the model refuses it: then there is none at all."""
        faults = [] if fault is None else [fault]

        assert (await sent(simulated(faults), temperature=temperature))["temperature"] == temperature
        assert "temperature" not in await sent(simulated([Fault.NO_TEMPERATURE]), temperature=temperature)

    async def test_the_schema_is_told_where_nothing_enforces_it(self, simulated: type[Simulator]) -> None:
        """Plain text still asks for the schema's object, in the part that is the same for all."""
        body = await sent(simulated([Fault.NO_JSON_FORMAT]))

        system = body["messages"][0]["content"] if "system" not in body else body["system"][0]["text"]
        assert system.startswith(FIXED)
        assert json.dumps(SCHEMA, separators=(",", ":")) in system
        assert "```json" in system

    async def test_connections_are_pooled(self, simulated: type[Simulator]) -> None:
        """One connection serves one call after the other."""
        async with simulated() as simulator, provider_for(simulator) as provider:
            for _ in range(5):
                await ask(provider)

            assert simulator.connections == 1


class TestOpenAI:
    async def test_strict_schema(self) -> None:
        """The strict mode of structured outputs is asked for first."""
        body = await sent(OpenAISimulator())

        assert body["response_format"] == {
            "type": "json_schema",
            "json_schema": {"name": "plan", "strict": True, "schema": SCHEMA},
        }
        assert body["messages"][0] == {"role": "system", "content": FIXED}
        assert body["model"] == "a-model"

    async def test_json_mode(self) -> None:
        """Then JSON mode, with the schema in words, and the word JSON without which it is refused."""
        body = await sent(OpenAISimulator([Fault.NO_STRICT_SCHEMA]))

        assert body["response_format"] == {"type": "json_object"}
        assert "JSON schema" in body["messages"][0]["content"]

    async def test_plain_text(self) -> None:
        """Then no format at all."""
        assert "response_format" not in await sent(OpenAISimulator([Fault.NO_JSON_FORMAT]))

    async def test_output_cap(self) -> None:
        """Compatible servers get the cap they all know; the other one where it is refused."""
        assert (await sent(OpenAISimulator(), max_output_tokens=777))["max_tokens"] == 777

        body = await sent(OpenAISimulator([Fault.OTHER_TOKEN_CAP]), max_output_tokens=777)
        assert body["max_completion_tokens"] == 777
        assert "max_tokens" not in body


class TestAnthropic:
    async def test_structured_output(self) -> None:
        """Structured output is asked for first."""
        body = await sent(AnthropicSimulator(), max_output_tokens=777)

        assert body["output_config"] == {"format": {"type": "json_schema", "schema": SCHEMA}}
        assert "tools" not in body
        assert body["max_tokens"] == 777

    async def test_forced_tool(self) -> None:
        """Then a tool that the model must use."""
        body = await sent(AnthropicSimulator([Fault.NO_STRICT_SCHEMA]))

        assert body["tools"][0]["input_schema"] == SCHEMA
        assert body["tool_choice"] == {"type": "tool", "name": body["tools"][0]["name"]}
        assert "output_config" not in body

    async def test_plain_text(self) -> None:
        """Then no format at all."""
        body = await sent(AnthropicSimulator([Fault.NO_JSON_FORMAT]))

        assert "tools" not in body
        assert "output_config" not in body

    @pytest.mark.parametrize("script", [(), [Fault.NO_STRICT_SCHEMA], [Fault.NO_JSON_FORMAT]])
    async def test_the_fixed_part_is_marked_for_the_cache(self, script: list[Fault]) -> None:
        """What is the same for every request is paid for once in a while, in every format."""
        system = (await sent(AnthropicSimulator(script)))["system"]

        assert [block["cache_control"] for block in system] == [{"type": "ephemeral"}]
        assert REQUEST not in str(system)
