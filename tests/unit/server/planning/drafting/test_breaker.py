"""The breaker: when it opens, how long, and that one probe at a time finds out whether to close."""

from __future__ import annotations

import math

import attrs
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from server.planning.drafting.breaker import MAX_RETRY_AFTER_SECONDS, Breaker
from server.settings.planner import PlannerSettings
from tests.clock import Clock

FAILURES, SECONDS, PROBE_SECONDS = 3, 10.0, 31.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(clock, failures=FAILURES, seconds=SECONDS, probe_seconds=PROBE_SECONDS)


def fail(breaker: Breaker, times: int = FAILURES, retry_after: float | None = None) -> None:
    for _ in range(times):
        breaker.failed(retry_after)


def half_open(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    clock.advance(SECONDS)
    assert breaker.allow()


def test_closed_until_the_last_failure_in_a_row(breaker: Breaker) -> None:
    """One failure fewer than the limit changes nothing; the limit's failure opens."""
    fail(breaker, FAILURES - 1)
    assert (breaker.state, breaker.allow(), breaker.retry_after()) == ("closed", True, 0.0)

    fail(breaker, 1)
    assert (breaker.state, breaker.allow(), breaker.retry_after()) == ("open", False, SECONDS)


def test_a_success_between_breaks_the_row(breaker: Breaker) -> None:
    """Failures count in a row, not in total."""
    for _ in range(FAILURES):
        fail(breaker, FAILURES - 1)
        breaker.succeeded()

    assert breaker.state == "closed"


def test_a_single_probe_when_the_pause_is_over(breaker: Breaker, clock: Clock) -> None:
    """At the end of the pause, and not before, one call goes through; the others still do not."""
    fail(breaker)
    clock.advance(SECONDS - 0.001)
    assert not breaker.allow()
    clock.advance(0.001)

    assert breaker.retry_after() == 0.0
    assert [breaker.allow() for _ in range(3)] == [True, False, False]
    assert breaker.state == "half-open"


def test_the_probe_closes(breaker: Breaker, clock: Clock) -> None:
    """After the probe's success all is as at the start, the count of failures too."""
    half_open(breaker, clock)
    breaker.succeeded()

    fail(breaker, FAILURES - 1)
    assert (breaker.state, breaker.allow(), breaker.retry_after()) == ("closed", True, 0.0)


def test_the_probe_opens_again(breaker: Breaker, clock: Clock) -> None:
    """One failure of the probe is enough for another whole pause."""
    half_open(breaker, clock)
    breaker.failed()

    assert (breaker.state, breaker.retry_after()) == ("open", SECONDS)


def test_a_probe_that_never_reports_is_replaced(breaker: Breaker, clock: Clock) -> None:
    """A probe whose caller was cancelled does not keep the provider shut out for ever."""
    half_open(breaker, clock)
    assert breaker.retry_after() == PROBE_SECONDS
    clock.advance(PROBE_SECONDS - 0.001)
    assert not breaker.allow()
    clock.advance(0.001)

    assert [breaker.allow() for _ in range(2)] == [True, False]


def test_late_news_while_open_changes_nothing(breaker: Breaker, clock: Clock) -> None:
    """Calls that began before neither close it nor prolong the pause."""
    fail(breaker)
    clock.advance(4)
    breaker.succeeded()
    fail(breaker, FAILURES, retry_after=100.0)

    assert (breaker.state, breaker.retry_after()) == ("open", SECONDS - 4)


@pytest.mark.parametrize(
    ("asked", "pause"),
    [
        (None, SECONDS),
        (0.0, SECONDS),
        (SECONDS - 1, SECONDS),
        (SECONDS + 1, SECONDS + 1),
        (86_400.0, MAX_RETRY_AFTER_SECONDS),
        (math.inf, MAX_RETRY_AFTER_SECONDS),
        (-math.inf, SECONDS),
        (-5.0, SECONDS),
        (math.nan, SECONDS),
    ],
)
def test_the_providers_retry_after(breaker: Breaker, asked: float | None, pause: float) -> None:
    """A provider may ask for a longer pause than ours, within reason; never for a shorter one."""
    fail(breaker, FAILURES - 1)
    fail(breaker, 1, asked)

    assert breaker.retry_after() == pause


def test_a_long_pause_of_the_settings_stands(clock: Clock) -> None:
    """The cap is for what a provider asks, not for what the operator set."""
    breaker = Breaker(clock, failures=1, seconds=3_600.0, probe_seconds=1.0)
    breaker.failed(86_400.0)

    assert breaker.retry_after() == 3_600.0


def test_from_the_settings(clock: Clock) -> None:
    """Limit and pause are the settings'; a probe has the time of a call before it is given up."""
    settings = attrs.evolve(PlannerSettings(), breaker_failures=2, breaker_seconds=7, timeout_seconds=20)
    breaker = Breaker.of(settings, clock)
    fail(breaker, 1)
    assert breaker.state == "closed"
    fail(breaker, 1)
    assert breaker.retry_after() == 7.0
    clock.advance(7)
    assert breaker.allow()
    assert breaker.retry_after() == 21.0


class BreakerMachine(RuleBasedStateMachine):
    """Against the calls themselves: who was let through, and what was reported since."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = Breaker(self.clock, failures=FAILURES, seconds=SECONDS, probe_seconds=PROBE_SECONDS)
        self.row = 0
        self.shut_at: float | None = None
        self.probe_at: float | None = None

    @rule()
    def ask(self) -> None:
        now = self.clock.now
        if self.shut_at is None:
            expected = True
        elif self.probe_at is None:
            expected = now - self.shut_at >= SECONDS
        else:
            expected = now - self.probe_at >= PROBE_SECONDS
        assert self.breaker.allow() is expected
        if expected and self.shut_at is not None:
            self.probe_at = now

    @rule()
    def succeed(self) -> None:
        self.breaker.succeeded()
        if self.shut_at is None or self.probe_at is not None:
            self.row, self.shut_at, self.probe_at = 0, None, None

    @rule()
    def fail(self) -> None:
        self.breaker.failed()
        if self.shut_at is None:
            self.row += 1
        if self.row == FAILURES and (self.shut_at is None or self.probe_at is not None):
            self.shut_at, self.probe_at = self.clock.now, None

    @rule(seconds=st.sampled_from([0.5, 1.0, SECONDS, PROBE_SECONDS]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def come_back_when_told(self) -> None:
        """`retry_after` is a promise to whoever comes first."""
        self.clock.advance(self.breaker.retry_after())
        assert self.breaker.retry_after() == 0.0
        self.ask()

    @invariant()
    def says_its_state(self) -> None:
        shut = "open" if self.probe_at is None else "half-open"
        assert self.breaker.state == ("closed" if self.shut_at is None else shut)


TestBreakerMachine = BreakerMachine.TestCase
