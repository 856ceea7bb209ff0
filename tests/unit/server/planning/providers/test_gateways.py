"""What real servers and gateways answer, with the real SDK against a simulator that says it word for word."""

from __future__ import annotations

import pytest

from server.planning.providers import ProviderError
from server.planning.providers.causes import Cause
from tests.docs.markdown import ROOT
from tests.unit.server.planning.providers.gateways import CASES, PLAIN, PLAN, SETTINGS, Case, openai, refused
from tests.unit.server.planning.providers.service import PROMPT, ask, provider_for
from tools.simulators import AnthropicSimulator, OpenAISimulator, Raw


def test_there_are_enough() -> None:
    """The table is of what is out there, not of three cases; each is there once."""
    assert len(CASES) >= 25
    assert len({each.who for each in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_answer(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer comes to its plan, or to its cause, after as many calls as it is worth."""
    monkeypatch.setattr("server.planning.providers.model_provider.FIRST_PAUSE_SECONDS", 0.001)
    async with OpenAISimulator(case.answers) as simulator, provider_for(simulator, attempts=3) as provider:
        if case.error is None:
            assert (await ask(provider, calls=4)).text == PLAN
        else:
            with pytest.raises(ProviderError) as raised:
                await ask(provider, calls=4)
            assert type(raised.value) is case.error
            assert raised.value.cause == case.cause, str(raised.value)
            assert raised.value.everyones is case.everyones
            assert raised.value.retry_after == case.retry_after
        assert len(simulator.requests) == case.calls
        assert provider.dialect == case.left


def test_every_cause_is_on_the_page() -> None:
    """With what to do about it; what the model wrote is no cause of the provider's."""
    page = (ROOT / "docs" / "planning.md").read_text("utf-8")

    assert [cause.value for cause in Cause if f"`{cause.value}`" not in page] == [Cause.ANSWER.value]


@pytest.mark.parametrize("simulated", [OpenAISimulator, AnthropicSimulator])
async def test_no_stream_is_asked_for(simulated: type[OpenAISimulator | AnthropicSimulator]) -> None:
    """It is said in every call, as some gateways stream where it is not."""
    async with simulated() as simulator, provider_for(simulator) as provider:
        await ask(provider)

        assert simulator.requests[0].body["stream"] is False


async def test_without_a_system_message_nothing_is_lost() -> None:
    """What it says is the beginning of the user's, where the model takes none."""
    refusal = refused(400, openai("System role not supported"))
    async with OpenAISimulator([refusal, PLAIN]) as simulator, provider_for(simulator) as provider:
        await ask(provider)

        (message,) = simulator.requests[1].body["messages"]
    assert message["role"] == "user"
    assert message["content"] == f"{PROMPT.fixed}\n\n{PROMPT.request}"


@pytest.mark.parametrize(
    "case", [each for each in SETTINGS if each.cause in {"model", "path", "key"}], ids=str
)
async def test_a_reason_is_named_and_quotes_nothing(case: Case) -> None:
    """The operator reads what is wrong, with the status and a code, and not a word of the server's."""
    async with OpenAISimulator(case.answers) as simulator, provider_for(simulator) as provider:
        with pytest.raises(ProviderError, match=r"the (provider|gateway) .*\(status \d+") as raised:
            await ask(provider, calls=1)

    assert "a-model" not in str(raised.value)


ANTHROPIC = [
    (529, "overloaded_error", "Overloaded", "failed", True),
    (429, "rate_limit_error", "This request would exceed your rate limit", "rate", True),
    (400, "invalid_request_error", "Your credit balance is too low to access the API.", "unpaid", False),
    (400, "invalid_request_error", "prompt is too long: 208310 tokens > 200000 maximum", "context", False),
    (413, "request_too_large", "Request exceeds the maximum size", "context", False),
    (404, "not_found_error", "model: a-model", "model", True),
    (403, "permission_error", "Your API key does not have permission", "key", True),
    (
        400,
        "invalid_request_error",
        "max_tokens: 65536 > 8192, which is the maximum allowed number of output tokens for a-model",
        "output",
        False,
    ),
]


@pytest.mark.parametrize("error", ANTHROPIC)
@pytest.mark.parametrize("disguised", [False, True])
async def test_anthropic(
    error: tuple[int, str, str, str, bool], disguised: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anthropic's errors, with their status and, as proxies hand them on, with 200."""
    monkeypatch.setattr("server.planning.providers.model_provider.FIRST_PAUSE_SECONDS", 0.001)
    status, kind, message, cause, everyones = error
    body = {"type": "error", "error": {"type": kind, "message": message}}
    answer = Raw(body, 200 if disguised else status)
    async with AnthropicSimulator([answer]) as simulator, provider_for(simulator) as provider:
        with pytest.raises(ProviderError) as raised:
            await ask(provider, calls=2)

    assert (raised.value.cause, raised.value.everyones) == (cause, everyones)
