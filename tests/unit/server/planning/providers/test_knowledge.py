"""What a server was found not to know: by what it names itself, for a while, never by a request's words."""

from __future__ import annotations

import attrs
import pytest

from server.planning.providers import Prompt, ProviderDown
from server.planning.providers.dialect import Dialect, Format, is_echo
from server.planning.providers.knowledge import Knowledge
from tests.clock import Clock
from tests.unit.server.planning.providers.gateways import PLAIN, openai, refused
from tests.unit.server.planning.providers.service import PROMPT, SIMULATORS, ask, provider_for
from tests.unit.server.planning.providers.test_dialect import answered
from tools.simulators import Answer, Fault, OpenAISimulator, Simulator
from tools.simulators.plans import USUAL_PLAN

LOOSE, NO_TEMPERATURE = Dialect(Format.LOOSE), Dialect(temperature=False)


def asking(text: str) -> Prompt:
    return attrs.evolve(PROMPT, request=f"{PROMPT.request}\n{text}")


class TestNames:
    """A name in the request takes nothing from other sessions, whatever the server quotes of it."""

    @pytest.mark.parametrize(
        ("name", "status"),
        [
            ("temperature", 400),
            ("response_format", 500),
            ("json_schema", 400),
            ("max_tokens is not supported", 422),
            ("system role not supported", 400),
        ],
    )
    async def test_a_quoted_name_changes_nothing_for_others(self, name: str, status: int) -> None:
        """The call itself may go on with less; the next one is asked for the best again."""
        quoting = refused(status, openai(f"could not process: GET /{name}/{{id}}"))
        async with OpenAISimulator([quoting, PLAIN]) as simulator, provider_for(simulator) as provider:
            assert (await ask(provider, asking(f'"route": "/{name}/{{id}}"'))).text
            assert provider.dialect == Dialect()
            await ask(provider)

            last = simulator.requests[-1].body
        assert last["temperature"] == 0
        assert last["response_format"]["type"] == "json_schema"

    async def test_the_same_words_without_the_name_are_believed(self) -> None:
        """A server that has no more than words is still found out."""
        refusing = refused(400, openai("temperature is not supported"))
        async with OpenAISimulator([refusing, PLAIN]) as simulator, provider_for(simulator) as provider:
            await ask(provider)

            assert provider.dialect == NO_TEMPERATURE

    async def test_a_parameter_that_is_named_is_believed_whatever_is_asked(self) -> None:
        """What the server says in a member of its own is no quotation."""
        refusing = refused(400, openai("no", param="temperature", code="unsupported_value"))
        async with OpenAISimulator([refusing, PLAIN]) as simulator, provider_for(simulator) as provider:
            await ask(provider, asking("temperature"))

            assert provider.dialect == NO_TEMPERATURE

    @pytest.mark.parametrize("parameter", ["messages", "messages[1].content", "model"])
    def test_another_parameter_that_is_named_leaves_the_words_aside(self, parameter: str) -> None:
        """The server says what it is about; the rest is a quotation."""
        failure = answered(
            400, {"error": openai("temperature response_format not supported", param=parameter)}
        )

        assert Dialect().after(failure) == Dialect()

    def test_a_body_within_the_words_is_no_parameter(self) -> None:
        """A request's own JSON, quoted, names no parameter of ours."""
        quoted = 'bad input: {"error": {"param": "temperature", "code": "unsupported_value"}}'
        failure = answered(400, {"error": openai(quoted)})

        assert not failure.complaint.parameters
        assert is_echo(failure, Dialect(), 'shape: {"param": "temperature"}')

    async def test_the_model_s_own_name_is_no_refusal(self) -> None:
        """Servers quote the model's name in nearly every error."""
        failure = answered(400, {"error": openai("model json-mode-temperature is busy")})

        assert is_echo(failure, Dialect(), "json-mode-temperature GET /things")


class TestKnowledge:
    def test_it_is_believed_for_a_while(self) -> None:
        """One part is tried again when its time is over, in a request that has a call to spare."""
        clock = Clock()
        knowledge = Knowledge(clock, 60.0)
        assert knowledge.learn(LOOSE)
        assert not knowledge.learn(LOOSE)
        clock.advance(59)
        assert knowledge.choose(3).dialect == LOOSE
        clock.advance(1)
        assert knowledge.choose(1).dialect == LOOSE
        choice = knowledge.choose(2)
        assert (choice.dialect, choice.trial) == (Dialect(), "format")
        assert knowledge.choose(2).dialect == LOOSE  # one request tries it, not all that come meanwhile

    def test_what_is_taken_is_used_again(self) -> None:
        """A server that was given the part by an upgrade is asked for the best from then on."""
        clock = Clock()
        knowledge = Knowledge(clock, 60.0)
        knowledge.learn(Dialect(Format.TEXT, temperature=False))
        clock.advance(60)
        assert knowledge.took(knowledge.choose(2))
        assert knowledge.dialect == NO_TEMPERATURE
        assert knowledge.took(knowledge.choose(2))
        assert knowledge.dialect == Dialect()

    def test_what_is_refused_again_is_left_out_for_another_while(self) -> None:
        """The trial costs one call in each while, and none of them fails of it."""
        clock = Clock()
        knowledge = Knowledge(clock, 60.0)
        knowledge.learn(Dialect(Format.TEXT))
        clock.advance(60)
        knowledge.choose(2)
        knowledge.learn(LOOSE)
        assert knowledge.dialect == Dialect(Format.TEXT)
        clock.advance(59)
        assert knowledge.choose(2).trial == ""


@pytest.mark.parametrize("simulated", SIMULATORS)
async def test_a_server_is_asked_again(simulated: type[Simulator]) -> None:
    """Through the SDK: refused, left out, tried again in vain, tried again and taken."""
    clock = Clock()
    async with simulated([Fault.NO_JSON_FORMAT]) as simulator, provider_for(simulator) as provider:
        provider._knowledge = Knowledge(clock, 60.0)
        await ask(provider, calls=3)
        clock.advance(60)
        before = len(simulator.requests)
        await ask(provider, calls=2)
        assert len(simulator.requests) == before + 2
        assert provider.dialect.format is Format.TEXT
        simulator.script = [Answer(USUAL_PLAN)]
        clock.advance(60)
        await ask(provider, calls=2)

        assert provider.dialect == Dialect()


COUNTS: list[tuple[int, bool, bool]] = [
    (2_048, True, True),
    (4_096, True, True),
    (1_499, True, False),
    (0, False, False),
    (7_000, False, False),
    (8_000, False, False),
]


@pytest.mark.parametrize(("counted", "told", "cut"), COUNTS)
async def test_a_prompt_that_was_cut_is_told(
    counted: int, told: bool, cut: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server that counts far fewer tokens than were sent has cut the prompt, and the log says so.

    Fewer than any context in use is no count to go by.
    """
    long = attrs.evolve(PROMPT, fixed="word " * 6_000)
    usage = {"prompt_tokens": counted, "completion_tokens": 1}
    answer = attrs.evolve(PLAIN, body={**PLAIN.body, "usage": usage})
    async with OpenAISimulator([answer]) as simulator, provider_for(simulator) as provider:
        completion = await ask(provider, long)

    assert completion.prompt_cut is cut
    assert ("provider cut the prompt" in capsys.readouterr().out) is told


async def test_prose_for_a_prompt_that_was_cut_is_the_context_s_doing() -> None:
    """The model never saw what it was asked: that is no bad plan of its own."""
    long = attrs.evolve(PROMPT, fixed="word " * 6_000)
    usage = {"prompt_tokens": 2_048, "completion_tokens": 1}
    body = {"choices": [{"message": {"content": "What can I do for you?"}}], "usage": usage}
    answer = attrs.evolve(PLAIN, body=body)
    async with OpenAISimulator([answer]) as simulator, provider_for(simulator) as provider:
        with pytest.raises(ProviderDown) as raised:
            await ask(provider, long)

    assert raised.value.cause == "context"
