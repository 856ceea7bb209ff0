"""Budgets: which one refuses, until when, and that calls at the same time do not slip past."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from server.planning.drafting.budget import (
    BUCKETS,
    DAY,
    HOUR,
    MAX_SESSIONS,
    Budget,
    Limit,
    Spend,
    reservation,
    service_limits,
    session_limits,
)
from server.settings.planner import PlannerSettings
from server.values.errors import OverBudget
from tests.clock import Clock

PLENTY = 1_000_000
LIMITS = [limit for limits in (session_limits, service_limits) for limit in limits(PlannerSettings())]
NAMES = [limit.name for limit in LIMITS]
ONE_CALL = Spend(1, 0)


def planner(**limits: int) -> PlannerSettings:
    """Plenty of everything but what is named."""
    changes: dict[str, Any] = dict.fromkeys(NAMES, PLENTY) | limits
    return attrs.evolve(PlannerSettings(), **changes)


def admits(budget: Budget, session: str) -> bool:
    """Admit and settle one call that costs a call and ten tokens."""
    try:
        budget.admit(session)
    except OverBudget:
        return False
    budget.spent(session, 1, 10)
    return True


def refusal(budget: Budget, session: str) -> OverBudget:
    with pytest.raises(OverBudget) as caught:
        budget.admit(session)
    return caught.value


@pytest.mark.parametrize("limit", LIMITS, ids=NAMES)
def test_each_budget_refuses_by_its_name(limit: Limit) -> None:
    """Each setting is a budget of its own: 429, named, with the time at which it gives way, and no later."""
    clock = Clock()
    most = 3 if limit.unit == "calls" else 30
    budget = Budget(planner(**{limit.name: most}), clock, reserve=ONE_CALL)
    assert [admits(budget, "a") for _ in range(3)] == [True] * 3

    error = refusal(budget, "a")

    assert error.status == 429
    assert error.members == {"budget": limit.name, "limit": most}
    assert error.detail == f"The planning budget {limit.name} is used up: {attrs.evolve(limit, most=most)}."
    wait = int(error.headers["Retry-After"])
    assert limit.seconds <= wait <= limit.seconds * (1 + 1 / BUCKETS)
    clock.advance(wait - 1)
    assert not admits(budget, "a")
    clock.advance(1)
    assert admits(budget, "a")


@pytest.mark.parametrize("limit", LIMITS, ids=NAMES)
def test_whose_budget_it_is(limit: Limit) -> None:
    """A session's budget stops that session alone, the service's stops them all."""
    budget = Budget(planner(**{limit.name: 1}), Clock(), reserve=ONE_CALL)
    assert admits(budget, "a")

    assert not admits(budget, "a")
    assert admits(budget, "b") is (limit.owner == "one session")


@pytest.mark.parametrize("limit", LIMITS, ids=NAMES)
def test_a_budget_of_nothing_admits_nothing(limit: Limit) -> None:
    """0 switches planning off, and says so at once; trying again after the whole window is in vain too."""
    clock = Clock()
    budget = Budget(planner(**{limit.name: 0}), clock)

    assert refusal(budget, "a").headers == {"Retry-After": str(limit.seconds)}
    clock.advance(2 * DAY)
    assert not admits(budget, "a")


def test_the_limits_are_those_of_the_settings() -> None:
    """No budget is read from another's setting."""
    settings = planner(**{name: number for number, name in enumerate(NAMES, 1)})

    limits = [*session_limits(settings), *service_limits(settings)]
    assert [(limit.name, limit.most) for limit in limits] == [(n, i) for i, n in enumerate(NAMES, 1)]
    for limit in limits:
        assert limit.name.startswith(limit.unit)
        assert ("session" in limit.name) is (limit.owner == "one session")
        assert limit.seconds == (HOUR if limit.name.endswith("hour") else DAY)


def test_the_longest_wait_is_the_one_told() -> None:
    """Of several budgets that are used up, the last to give way decides: before that, retrying is in vain."""
    budget = Budget(planner(calls_per_session_hour=1, calls_per_day=1), Clock())
    assert admits(budget, "a")

    assert refusal(budget, "a").members["budget"] == "calls_per_day"


def test_only_as_much_comes_back_as_was_spent_that_long_ago() -> None:
    """The window slides: what was spent late in it still counts when the early part has left."""
    clock = Clock(0.0)
    budget = Budget(planner(calls_per_session_hour=3), clock, reserve=ONE_CALL)
    assert admits(budget, "a")
    clock.advance(HOUR / 2)
    assert [admits(budget, "a") for _ in range(3)] == [True, True, False]
    clock.advance(HOUR / 2 + HOUR / BUCKETS)

    assert [admits(budget, "a") for _ in range(2)] == [True, False]


def test_a_bill_far_over_the_limit_is_waited_out() -> None:
    """Retry-After looks past what leaves early and changes nothing, to the bill that stands in the way."""
    clock = Clock(0.0)
    budget = Budget(planner(tokens_per_session_hour=30), clock)
    for tokens in (1, 40):
        budget.admit("a")
        budget.spent("a", 1, tokens)
        clock.advance(HOUR / 2)

    wait = int(refusal(budget, "a").headers["Retry-After"])

    assert wait == HOUR / 2 + HOUR / BUCKETS
    clock.advance(wait)
    budget.admit("a")


def test_calls_under_way_count_before_their_bill_is_known() -> None:
    """Of many admitted at the same time, no more than fit; and a refusal then lasts a second, not an hour."""
    budget = Budget(planner(calls_per_session_hour=10), Clock(), reserve=Spend(2, 0))
    for _ in range(5):
        budget.admit("a")

    error = refusal(budget, "a")

    assert error.headers == {"Retry-After": "1"}
    budget.spent("a", 1, 0)
    budget.admit("a")


def test_a_call_that_cost_nothing_gives_its_reservation_back() -> None:
    """A failure before the first byte is settled with nothing, and nothing is what it cost."""
    budget = Budget(planner(calls_per_session_hour=1), Clock())
    for _ in range(3):
        budget.admit("a")
        budget.spent("a", 0, 0)

    assert admits(budget, "a")


def test_a_refused_call_reserves_nothing() -> None:
    """Asking in vain a hundred times costs neither the session nor the service anything."""
    budget = Budget(planner(calls_per_session_hour=1, calls_per_hour=2), Clock(), reserve=ONE_CALL)
    assert admits(budget, "a")
    assert not any(admits(budget, "a") for _ in range(100))

    assert admits(budget, "b")


def test_a_bill_without_admission_counts() -> None:
    """What was spent was spent, even where nothing was admitted; and nobody's reservation is taken for it."""
    budget = Budget(planner(calls_per_hour=2), Clock(), reserve=ONE_CALL)
    budget.spent("a", 1, 10)
    budget.admit("b")

    assert not admits(budget, "c")


def test_what_one_admission_holds_back() -> None:
    """All tries of one call, and the tokens of the longest prompt and answer."""
    settings = attrs.evolve(PlannerSettings(), attempts=3, max_prompt_bytes=8_192, max_output_tokens=256)

    assert reservation(settings) == Spend(3, 2_048 + 256)


def test_a_budget_smaller_than_a_reservation_still_admits_one() -> None:
    """The smallest budgets mean one call at a time, not none at all."""
    budget = Budget(planner(calls_per_session_hour=1, tokens_per_session_hour=1), Clock())
    budget.admit("a")

    assert not admits(budget, "a")


def test_forgotten_sessions_still_count_for_the_service() -> None:
    """Whoever floods the memory with sessions starts anew as a session, but not as the service."""
    settings = planner(calls_per_session_hour=1, calls_per_hour=5)
    budget = Budget(settings, Clock(), reserve=ONE_CALL, max_sessions=2)
    assert [admits(budget, session) for session in "abc"] == [True] * 3
    assert not admits(budget, "b")

    assert admits(budget, "a")
    assert admits(budget, "b")
    assert refusal(budget, "d").members["budget"] == "calls_per_hour"


def test_a_session_with_a_call_under_way_is_not_forgotten() -> None:
    """Else its reservation would vanish, and its bill would find no account."""
    budget = Budget(planner(calls_per_session_hour=1), Clock(), max_sessions=1)
    budget.admit("a")
    for session in "bcd":
        assert admits(budget, session)

    assert not admits(budget, "a")
    budget.spent("a", 1, 0)
    assert not admits(budget, "a")


def test_memory_is_bounded() -> None:
    """However many sessions and however long: so many accounts, each of at most 25 numbers a window."""
    clock = Clock()
    budget = Budget(planner(), clock, max_sessions=4)
    for number in range(2_000):
        clock.advance(97)
        assert admits(budget, "a")
        assert admits(budget, f"s{number}")

    assert len(budget._sessions) == 4
    accounts = [budget._service, *budget._sessions.values()]
    sizes = [len(window._buckets) for account in accounts for window in account._windows]
    assert max(sizes) == BUCKETS + 1


def test_no_session_of_a_day_is_forgotten_by_default() -> None:
    """The service's calls of a day run out before the memory for sessions does."""
    assert PlannerSettings().calls_per_day < MAX_SESSIONS


RESERVE = Spend(2, 100)
MOST = {
    "calls_per_session_hour": 3,
    "calls_per_session_day": 8,
    "calls_per_hour": 6,
    "calls_per_day": 20,
    "tokens_per_session_hour": 250,
    "tokens_per_hour": 450,
}


class BudgetMachine(RuleBasedStateMachine):
    """Calls that overlap, in three sessions, each at most as expensive as its reservation."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock(0.0)
        self.settings = planner(**MOST)
        self.budget = Budget(self.settings, self.clock, reserve=RESERVE)
        self.under_way: list[str] = []
        self.bills: list[tuple[float, str, Spend]] = []

    @rule(session=st.sampled_from("abc"))
    def admit(self, session: str) -> None:
        try:
            self.budget.admit(session)
        except OverBudget:
            return
        self.under_way.append(session)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), calls=st.integers(0, RESERVE.calls), tokens=st.integers(0, RESERVE.tokens))
    def settle(self, data: st.DataObject, calls: int, tokens: int) -> None:
        session = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        self.budget.spent(session, calls, tokens)
        self.bills.append((self.clock.now, session, Spend(calls, tokens)))

    @rule(seconds=st.sampled_from([1.0, 149.5, 150.0, 1_800.0, 3_599.0, 3_600.0, 40_000.0, 86_400.0]))
    def wait_a_while(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @precondition(lambda self: not self.under_way)
    @rule(session=st.sampled_from("abc"))
    def come_back_when_told(self, session: str) -> None:
        """With nothing under way, Retry-After is a promise."""
        try:
            self.budget.admit(session)
        except OverBudget as error:
            self.clock.advance(int(error.headers["Retry-After"]))
            self.budget.admit(session)
        self.under_way.append(session)

    @invariant()
    def no_window_is_exceeded_by_a_whole_reservation(self) -> None:
        for limit in service_limits(self.settings):
            assert self.spent_within(limit, "abc") < limit.most + getattr(RESERVE, limit.unit)
        for limit in session_limits(self.settings):
            for session in "abc":
                assert self.spent_within(limit, session) < limit.most + getattr(RESERVE, limit.unit)

    def spent_within(self, limit: Limit, sessions: str) -> int:
        """Bills and reservations of the window that ends now; every window has ended now once."""
        since = self.clock.now - limit.seconds
        spends = [spend for at, who, spend in self.bills if at > since and who in sessions]
        spends += [RESERVE for who in self.under_way if who in sessions]
        return sum(int(getattr(spend, limit.unit)) for spend in spends)


TestBudgetMachine = BudgetMachine.TestCase
