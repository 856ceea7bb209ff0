"""Every scripted fault, with the real SDKs: the pinned error, within the allowed calls and the deadline."""

from __future__ import annotations

import asyncio
import logging
import traceback

import pytest

from server.planning.providers import ProviderDeadline, ProviderDown, ProviderError
from server.planning.providers.dialect import Dialect, Format
from tests.unit.server.planning.providers.service import (
    KEY,
    PROMPT,
    SIMULATORS,
    ask,
    in_seconds,
    provider_for,
)
from tools.simulators import FAULTS, Answer, Fault, Simulator
from tools.simulators.plans import USUAL_PLAN

DEADLINE_SECONDS = {Fault.HANG: 0.3, Fault.SLOW_DRIP: 0.3, Fault.RATE_LIMITED_BRIEFLY: 0.5}
ERRORS = [fault for fault in FAULTS if fault.error]
ANSWERS = [fault for fault in FAULTS if not fault.error]

both = pytest.mark.parametrize("simulated", SIMULATORS)


async def failure(simulator: Simulator, fault: Fault, calls: int = 3) -> ProviderError:
    async with provider_for(simulator) as provider:
        with pytest.raises(ProviderError) as raised:
            await ask(provider, seconds=DEADLINE_SECONDS.get(fault, 20.0), calls=calls)
    return raised.value


@both
@pytest.mark.parametrize("fault", ERRORS)
class TestFaultThatStays:
    async def test_ends_in_its_pinned_error(self, simulated: type[Simulator], fault: Fault) -> None:
        """Each fault is one class of error, whichever the provider; the breaker relies on it."""
        async with simulated([fault]) as simulator:
            error = await failure(simulator, fault)

            assert type(error) is fault.error

    async def test_costs_the_calls_it_may_and_says_so(self, simulated: type[Simulator], fault: Fault) -> None:
        """Only what may pass is tried again, and the count is that of the requests that went out."""
        async with simulated([fault]) as simulator:
            error = await failure(simulator, fault, calls=2)

            waits_too_long = fault is Fault.RATE_LIMITED_BRIEFLY
            assert len(simulator.requests) == (2 if fault.retried and not waits_too_long else 1)
            assert error.calls == len(simulator.requests)

    async def test_ends_within_the_deadline(self, simulated: type[Simulator], fault: Fault) -> None:
        """No fault keeps a request longer than it may take."""
        async with simulated([fault]) as simulator, provider_for(simulator) as provider:
            deadline = in_seconds(0.3)
            with pytest.raises(ProviderError):
                await provider.complete(PROMPT, deadline=deadline, calls=3)

            assert asyncio.get_running_loop().time() < deadline + 2.0

    async def test_tells_no_secret(
        self, simulated: type[Simulator], fault: Fault, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Neither the error nor what hangs on it nor any log line quotes the key or the prompt."""
        caplog.set_level(logging.INFO)
        async with simulated([fault]) as simulator:
            error = await failure(simulator, fault, calls=1)

        told = "".join(traceback.format_exception(error)) + caplog.text
        assert "canary" not in told
        assert error.__context__ is None
        assert error.__cause__ is None


@both
@pytest.mark.parametrize("fault", ANSWERS)
async def test_fault_that_comes_to_an_answer(simulated: type[Simulator], fault: Fault) -> None:
    """What a server does not know of the protocol is done without, within three calls."""
    async with simulated([fault]) as simulator, provider_for(simulator) as provider:
        completion = await ask(provider, calls=3)

        assert completion.text.startswith("{")


@both
@pytest.mark.parametrize("fault", [fault for fault in ANSWERS if fault is not Fault.WRONG_SCHEMA])
async def test_refusals_are_remembered(simulated: type[Simulator], fault: Fault) -> None:
    """What a server refused to know once is never sent again: later answers cost one call."""
    async with simulated([fault]) as simulator, provider_for(simulator) as provider:
        await ask(provider, calls=3)
        first = len(simulator.requests)
        await ask(provider, calls=1)

        assert len(simulator.requests) == first + 1


@both
async def test_refusals_at_the_same_time_count_once(simulated: type[Simulator]) -> None:
    """Calls that learn the same thing together go down one step together."""
    async with simulated([Fault.NO_STRICT_SCHEMA]) as simulator, provider_for(simulator) as provider:
        await asyncio.gather(*(ask(provider, calls=2) for _ in range(8)))

        assert provider.dialect == Dialect(Format.LOOSE)


@both
async def test_refusals_of_calls_that_failed_are_remembered(simulated: type[Simulator]) -> None:
    """A server that knows nothing is found out over several requests, if one has too few calls for it."""
    async with simulated([Fault.NO_JSON_FORMAT]) as simulator, provider_for(simulator) as provider:
        for _ in range(2):
            with pytest.raises(ProviderError):
                await ask(provider, calls=1)
            if provider.dialect.format == 2:
                break

        assert (await ask(provider, calls=1)).text.startswith("{")


@both
@pytest.mark.parametrize("fault", [fault for fault in ERRORS if fault.retried])
async def test_fault_that_passes(simulated: type[Simulator], fault: Fault) -> None:
    """A provider that fails once and then answers has answered."""
    async with simulated([fault, Answer(USUAL_PLAN)]) as simulator, provider_for(simulator) as provider:
        completion = await ask(provider, calls=2)

        assert completion.text.startswith("{")
        assert len(simulator.requests) == 2


@both
class TestRetryAfter:
    async def test_a_wait_beyond_the_deadline_is_not_begun(self, simulated: type[Simulator]) -> None:
        """A provider that wants more time than there is ends the call at once, and the wait is told."""
        async with simulated([Fault.RATE_LIMITED_LONG]) as simulator:
            error = await failure(simulator, Fault.RATE_LIMITED_LONG)

            assert type(error) is ProviderDown
            assert error.retry_after == 1_800
            assert len(simulator.requests) == 1

    async def test_a_wait_within_the_deadline_is_kept(self, simulated: type[Simulator]) -> None:
        """The next call comes no sooner than the provider asked."""
        async with (
            simulated([Fault.RATE_LIMITED_BRIEFLY, Answer(USUAL_PLAN)]) as simulator,
            provider_for(simulator) as provider,
        ):
            began = asyncio.get_running_loop().time()
            await ask(provider, calls=2)

            assert asyncio.get_running_loop().time() - began >= 1.0

    async def test_without_it_none_is_told(self, simulated: type[Simulator]) -> None:
        """A wait that no provider asked for is not made up."""
        async with simulated([Fault.OVERLOADED]) as simulator:
            assert (await failure(simulator, Fault.OVERLOADED, calls=1)).retry_after is None


@both
async def test_redirects_are_not_followed(simulated: type[Simulator]) -> None:
    """The prompt and the key go to no other address, whatever the provider says."""
    async with simulated([Fault.REDIRECT]) as simulator:
        await failure(simulator, Fault.REDIRECT)

        assert [seen.path for seen in simulator.requests] == [simulator.wire.path]


@both
async def test_nobody_listens(simulated: type[Simulator]) -> None:
    """A provider that is gone is down."""
    async with simulated() as simulator:
        pass
    async with provider_for(simulator) as provider:
        with pytest.raises(ProviderDown) as raised:
            await ask(provider, calls=2)

    assert raised.value.calls == 2


@both
async def test_tokens_of_unusable_answers_are_counted(simulated: type[Simulator]) -> None:
    """A refusal costs tokens like any answer, and the budget must see them."""
    async with simulated([Fault.REFUSAL]) as simulator:
        assert (await failure(simulator, Fault.REFUSAL)).tokens == 1_200


@both
async def test_half_a_plan_can_be_repaired(simulated: type[Simulator]) -> None:
    """What the model said comes with the error, so that a repair can show it to the model."""
    async with simulated([Fault.CUT_JSON]) as simulator:
        error = await failure(simulator, Fault.CUT_JSON)

        assert getattr(error, "answer", "").startswith('{"action"')


@both
async def test_cancellation_passes_through(simulated: type[Simulator]) -> None:
    """A client that went away takes its call to the provider with it."""
    async with simulated([Fault.HANG]) as simulator, provider_for(simulator) as provider:
        task = asyncio.create_task(ask(provider))
        while not simulator.requests:
            await asyncio.sleep(0.01)
        task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await task


@both
async def test_a_deadline_that_has_passed(simulated: type[Simulator]) -> None:
    """Nothing is waited for when there is no time left."""
    async with simulated([Fault.HANG]) as simulator, provider_for(simulator) as provider:
        with pytest.raises(ProviderDeadline):
            await ask(provider, seconds=-1.0)


@both
async def test_healthy_after_faults(simulated: type[Simulator]) -> None:
    """Broken, hanging and overlong answers leave the pool fit for the next call."""
    async with simulated() as simulator, provider_for(simulator) as provider:
        for fault in (Fault.HANG, Fault.TEN_MEGABYTES, Fault.TORN, Fault.RESET, Fault.SLOW_DRIP):
            simulator.script = [fault]
            with pytest.raises(ProviderError):
                await ask(provider, seconds=0.3, calls=1)
        simulator.script = [Answer(USUAL_PLAN)]

        assert (await ask(provider, calls=1)).text.startswith("{")


@both
async def test_key_and_prompt_reach_the_provider(simulated: type[Simulator]) -> None:
    """The canaries of these tests are real: they are in what is sent, and only there."""
    async with simulated() as simulator, provider_for(simulator) as provider:
        await ask(provider)

        seen = simulator.requests[0]
        assert seen.headers["Authorization"] == f"Bearer {KEY}"
        assert "canary-request" in str(seen.body)
        assert "canary-fixed" in str(seen.body)
