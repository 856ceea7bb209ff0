"""The simulated providers: the SDKs read what they say, and they say what the script tells them to."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import aiohttp
import anthropic
import openai
import pytest

from tools.simulators import FAULTS, Answer, AnthropicSimulator, Fault, OpenAISimulator, asked, by_match
from tools.simulators.__main__ import main
from tools.simulators.plans import USUAL_PLAN

if TYPE_CHECKING:
    from pathlib import Path

    from openai.types.chat import ChatCompletion

    from tools.simulators import Simulator

ASKING = 'Plan this:\n\n```json\n{"method": "GET", "route": "/members/{id:int}"}\n```\nPlease.'
OPEN_SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": []}
CLOSED = {"type": "object", "required": ["a"], "additionalProperties": False}
NESTED_SCHEMA = {**CLOSED, "properties": {"a": {"anyOf": [{"type": "null"}, OPEN_SCHEMA]}}}
UNION_SCHEMA = {**CLOSED, "properties": {"a": {"type": ["object", "null"], "properties": {}}}}


async def chat(simulator: Simulator, text: str = ASKING, **parameters: Any) -> ChatCompletion:
    async with openai.AsyncOpenAI(api_key="sk-key", base_url=simulator.base_url, max_retries=0) as client:
        messages: Any = [{"role": "system", "content": "s"}, {"role": "user", "content": text}]
        completion: ChatCompletion = await client.chat.completions.create(
            model="m", messages=messages, **parameters
        )
    return completion


async def message(simulator: Simulator, text: str = ASKING, **parameters: Any) -> anthropic.types.Message:
    client = anthropic.AsyncAnthropic(api_key="sk-key", base_url=simulator.base_url, max_retries=0)
    async with client:
        messages: Any = [{"role": "user", "content": [{"type": "text", "text": text}]}]
        sent: anthropic.types.Message = await client.messages.create(
            model="m", max_tokens=100, messages=messages, **parameters
        )
    return sent


async def posted(simulator: Simulator, path: str, body: Any, headers: dict[str, str]) -> int:
    async with simulator, aiohttp.ClientSession() as session:
        url = simulator.base_url.removesuffix("/v1") + path
        data = body if isinstance(body, bytes) else json.dumps(body)
        async with session.post(url, data=data, headers=headers) as response:
            return response.status


class TestOpenAI:
    async def test_answer(self) -> None:
        """The SDK reads the plan as a chat completion, fenced where no format was asked for."""
        async with OpenAISimulator([Answer({"a": 1}, input_tokens=5, output_tokens=6)]) as simulator:
            strict = await chat(simulator, response_format={"type": "json_object"}, extra_body={"x": "json"})
            plain = await chat(simulator)

        assert strict.choices[0].message.content == '{"a": 1}'
        assert strict.choices[0].finish_reason == "stop"
        assert strict.usage is not None
        assert (strict.usage.prompt_tokens, strict.usage.completion_tokens) == (5, 6)
        assert '```json\n{"a": 1}\n```' in str(plain.choices[0].message.content)

    async def test_refusal(self) -> None:
        """A refusal is the message's own member."""
        async with OpenAISimulator([Fault.REFUSAL]) as simulator:
            assert (await chat(simulator)).choices[0].message.refusal

    async def test_errors(self) -> None:
        """An error has the SDK's class for it."""
        async with OpenAISimulator([Fault.RATE_LIMITED_LONG]) as simulator:
            with pytest.raises(openai.RateLimitError) as raised:
                await chat(simulator)

        assert raised.value.response.headers["Retry-After"] == "1800"

    @pytest.mark.parametrize("schema", [OPEN_SCHEMA, NESTED_SCHEMA, UNION_SCHEMA])
    async def test_loose_schema_is_refused(self, schema: dict[str, Any]) -> None:
        """A schema that the real service would refuse is refused here, with its words."""
        form = {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": schema}}
        async with OpenAISimulator() as simulator:
            with pytest.raises(openai.BadRequestError, match="Invalid schema for response_format"):
                await chat(simulator, response_format=form)

    async def test_json_mode_without_the_word(self) -> None:
        """JSON mode is refused where no message says JSON, as the real service does."""
        async with OpenAISimulator() as simulator:
            with pytest.raises(openai.BadRequestError, match="must contain the word 'json'"):
                await chat(simulator, "no such word", response_format={"type": "json_object"})

    @pytest.mark.parametrize(
        ("path", "key", "body", "status"),
        [
            ("/v1/models", "k", {}, 404),
            ("/v1/chat/completions", "", {"model": "m", "messages": [{}]}, 401),
            ("/v1/chat/completions", "k", {"model": "m"}, 400),
            ("/v1/chat/completions", "k", [], 400),
            ("/v1/chat/completions", "k", b"{", 400),
        ],
    )
    async def test_wrong_calls(self, path: str, key: str, body: Any, status: int) -> None:
        """What the real service would not serve is not served here."""
        assert (
            await posted(OpenAISimulator(), path, body, {"Authorization": f"Bearer {key}"} if key else {})
            == status
        )


class TestAnthropic:
    @pytest.mark.parametrize(
        ("headers", "body", "status"),
        [
            ({}, {}, 401),
            ({"X-Api-Key": "k"}, {}, 400),
            ({"X-Api-Key": "k", "anthropic-version": "2023-06-01"}, {"model": "m"}, 400),
        ],
    )
    async def test_wrong_calls(self, headers: dict[str, str], body: Any, status: int) -> None:
        """What the real service would not serve is not served here."""
        assert await posted(AnthropicSimulator(), "/v1/messages", body, headers) == status

    async def test_answer(self) -> None:
        """The SDK reads the plan as a message: text, or the use of the tool that was forced."""
        tool = {"name": "plan", "input_schema": {"type": "object"}}
        async with AnthropicSimulator([Answer({"a": 1}, input_tokens=5, output_tokens=6)]) as simulator:
            plain = await message(simulator)
            used = await message(simulator, tools=[tool], tool_choice={"type": "tool", "name": "plan"})

        assert plain.content[0].type == "text"
        assert '```json\n{"a": 1}\n```' in plain.content[0].text
        assert plain.stop_reason == "end_turn"
        assert (plain.usage.input_tokens, plain.usage.output_tokens) == (5, 6)
        assert used.content[0].type == "tool_use"
        assert used.content[0].input == {"a": 1}
        assert used.stop_reason == "tool_use"

    async def test_refusal(self) -> None:
        """A refusal is a reason to stop."""
        async with AnthropicSimulator([Fault.REFUSAL]) as simulator:
            assert (await message(simulator)).stop_reason == "refusal"

    async def test_errors(self) -> None:
        """An error has the SDK's class for it."""
        async with AnthropicSimulator([Fault.OVERLOADED]) as simulator:
            with pytest.raises(anthropic.APIStatusError) as raised:
                await message(simulator)

        assert raised.value.status_code == 529

    async def test_open_schema_is_refused(self) -> None:
        """A schema that the real service would refuse is refused here."""
        form = {"format": {"type": "json_schema", "schema": OPEN_SCHEMA}}
        async with AnthropicSimulator() as simulator:
            with pytest.raises(anthropic.BadRequestError, match="additionalProperties"):
                await message(simulator, output_config=form)


class TestScript:
    async def test_steps_in_order_and_the_last_for_ever(self) -> None:
        """A list is played once, and its last step from then on."""
        async with OpenAISimulator([Fault.EMPTY_CHOICES, Answer("one"), Answer("two")]) as simulator:
            said = [(await chat(simulator)).choices for _ in range(4)]

        assert [choices[0].message.content if choices else None for choices in said] == [
            None,
            "one",
            "two",
            "two",
        ]

    async def test_function(self) -> None:
        """A function sees the request's JSON and decides."""
        async with OpenAISimulator(lambda request: Answer(request["model"])) as simulator:
            assert (await chat(simulator)).choices[0].message.content == "m"

    async def test_script_can_be_replaced(self) -> None:
        """A new script is played from its beginning."""
        async with OpenAISimulator([Answer("one"), Answer("two")]) as simulator:
            await chat(simulator)
            simulator.script = script = [Answer("three"), Answer("four")]
            said = (await chat(simulator)).choices[0].message.content

        assert said == "three"
        assert simulator.script == script

    async def test_latency(self) -> None:
        """An answer takes the time it is told to."""
        async with AnthropicSimulator([Answer("x", latency_seconds=0.2)]) as simulator:
            began = asyncio.get_running_loop().time()
            await message(simulator)

            assert asyncio.get_running_loop().time() - began >= 0.2

    async def test_requests_are_kept(self) -> None:
        """What was sent can be looked at: body, headers, path."""
        async with OpenAISimulator() as simulator:
            await chat(simulator)

        (seen,) = simulator.requests
        assert seen.path == "/v1/chat/completions"
        assert seen.headers["authorization"] == "Bearer sk-key"
        assert seen.body["messages"][1]["content"] == ASKING

    async def test_leaving_ends_what_hangs(self) -> None:
        """A simulator can be left while a client still waits for it."""
        async with OpenAISimulator([Fault.HANG]) as simulator:
            waiting = asyncio.create_task(chat(simulator))
            while not simulator.requests:
                await asyncio.sleep(0.01)

        finished, _ = await asyncio.wait([waiting], timeout=10.0)
        assert finished == {waiting}

    def test_faults_are_distinct(self) -> None:
        """No two faults are the same member under two names."""
        assert len(FAULTS) == len(Fault.__members__)


class TestPlans:
    PLANS = (
        {"match": {"method": "POST"}, "plan": {"action": "create"}},
        {"match": {"method": "GET", "route": "/members/{id:int}"}, "plan": {"action": "get"}},
    )

    async def test_first_match_answers(self) -> None:
        """The plan whose match is all in what the prompt asks."""
        async with OpenAISimulator(by_match(self.PLANS)) as simulator:
            completion = await chat(simulator, response_format={"type": "json_object"})

        assert completion.choices[0].message.content == '{"action": "get"}'

    async def test_no_match_is_refused(self) -> None:
        """What nobody planned for is refused, and not answered with some plan."""
        async with AnthropicSimulator(by_match(self.PLANS)) as simulator:
            sent = await message(simulator, ASKING.replace("GET", "DELETE"))

        assert sent.stop_reason == "refusal"

    @pytest.mark.parametrize("text", ["", "no block", "```json\n[1]\n```", "```json\n{"])
    def test_prompt_without_a_block(self, text: str) -> None:
        """A prompt that does not say what it asks is a mistake, said aloud."""
        with pytest.raises(ValueError, match=r"json|JSON"):
            asked({"messages": [{"role": "user", "content": text}]})


class TestMain:
    def test_serves_plans(self, tmp_path: Path) -> None:
        """The command serves the file's plans at the address it prints, until it is interrupted."""
        plans = tmp_path / "plans.json"
        plans.write_text(json.dumps([{"match": {"method": "GET"}, "plan": USUAL_PLAN}]), "utf-8")
        command = [sys.executable, "-m", "tools.simulators", "openai", "--plans", str(plans)]
        with subprocess.Popen([*command, "--latency-ms", "10"], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            base_url = process.stdout.readline().removeprefix("ready at ").strip()
            with openai.OpenAI(api_key="k", base_url=base_url, max_retries=0) as client:
                completion = client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": ASKING}]
                )
                client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": ASKING.replace("GET", "DELETE")}]
                )
            said = [process.stdout.readline(), process.stdout.readline()]
            process.send_signal(signal.SIGINT)

        assert said == [
            "entry 1 answers GET /members/{id:int}\n",
            "no entry for DELETE /members/{id:int}\n",
        ]
        assert '"action": "list"' in str(completion.choices[0].message.content)
        assert process.returncode == 0

    def test_needs_plans(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Without plans there is nothing to serve, and the command says how it is used."""
        with pytest.raises(SystemExit):
            main(["openai"])

        assert "--plans" in capsys.readouterr().err
