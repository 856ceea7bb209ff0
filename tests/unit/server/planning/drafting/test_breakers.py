"""Whom failures keep from the provider: everybody, a session, or a kind of request."""

from __future__ import annotations

from functools import partial

import pytest

from server.planning.drafting.breaker import Breaker
from server.planning.drafting.breakers import MAX_COUNTED, Asker, Breakers
from tests.clock import Clock

FAILURES, SECONDS, PROBE_SECONDS = 5, 30.0, 31.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breakers(clock: Clock) -> Breakers:
    make = partial(Breaker, clock, failures=FAILURES, seconds=SECONDS, probe_seconds=PROBE_SECONDS)
    return Breakers(make, failures=FAILURES)


def fail(breakers: Breakers, session: str, kind: str, *, everyones: bool = False) -> None:
    asker = Asker(session, kind)
    assert breakers.allow(asker)
    breakers.failed(asker, everyones=everyones)


def test_slow_prompts_of_one_session_stop_that_session_alone(breakers: Breakers) -> None:
    """As many as a breaker takes, each of another kind: nobody else is kept from the provider."""
    for number in range(FAILURES):
        fail(breakers, "mallory", f"kind {number}")

    assert not breakers.allow(Asker("mallory", "another"))
    assert breakers.retry_after(Asker("mallory", "another")) == SECONDS
    assert breakers.allow(Asker("alice", "another"))
    assert breakers.state == "closed"


def test_slow_prompts_of_one_kind_stop_that_kind_alone(breakers: Breakers) -> None:
    """From however many sessions a client makes up."""
    for number in range(50):
        asker = Asker(f"mallory {number}", "slow")
        if breakers.allow(asker):
            breakers.failed(asker, everyones=False)

    assert not breakers.allow(Asker("alice", "slow"))
    assert breakers.allow(Asker("alice", "another"))
    assert breakers.state == "closed"


def test_two_sessions_in_turn_are_no_crowd(breakers: Breakers) -> None:
    """Each counts once for everybody, however often it fails."""
    for number in range(4):
        fail(breakers, f"session {number % 2}", f"kind {number}")
        fail(breakers, f"session {number % 2}", f"kind {number} more")

    assert breakers.state == "closed"


def test_failures_all_over_stop_everybody(breakers: Breakers) -> None:
    """A provider that hangs is left alone: as many sessions as kinds have seen it."""
    for number in range(FAILURES):
        fail(breakers, f"session {number}", f"kind {number}")

    assert breakers.state == "open"
    assert not breakers.allow(Asker("alice", "another"))


def test_a_success_between_is_news_for_everybody(breakers: Breakers) -> None:
    """Then it does not hang."""
    for number in range(FAILURES - 1):
        fail(breakers, f"session {number}", f"kind {number}")
    breakers.succeeded(Asker("alice", "quick"))
    fail(breakers, "session 9", "kind 9")

    assert breakers.state == "closed"


def test_what_would_be_so_whatever_is_asked_stops_everybody(breakers: Breakers) -> None:
    """A wrong key is everybody's, whoever finds it out."""
    for _ in range(FAILURES):
        fail(breakers, "alice", "kind", everyones=True)

    assert not breakers.allow(Asker("bob", "another"))


def test_a_session_is_let_in_again(breakers: Breakers, clock: Clock) -> None:
    """By a probe of its own, and a success forgets its failures."""
    for number in range(FAILURES):
        fail(breakers, "mallory", f"kind {number}")
    clock.advance(SECONDS)
    asker = Asker("mallory", "kind 9")
    assert breakers.allow(asker)
    assert not breakers.allow(asker)
    breakers.succeeded(asker)
    for number in range(FAILURES - 1):
        fail(breakers, "mallory", f"kind {number}")

    assert breakers.allow(asker)


def test_one_session_does_not_hold_everybody_s_breaker_open(breakers: Breakers, clock: Clock) -> None:
    """Its slow probe opens it once more, and not twice running: then it is the next session's turn."""
    for number in range(FAILURES):
        fail(breakers, f"session {number}", f"kind {number}")
    clock.advance(SECONDS)
    fail(breakers, "mallory", "slow 1")
    assert not breakers.allow(Asker("alice", "quick"))
    clock.advance(SECONDS)
    fail(breakers, "mallory", "slow 2")

    assert breakers.allow(Asker("alice", "quick"))
    breakers.succeeded(Asker("alice", "quick"))
    assert breakers.state == "closed"


def test_a_refused_session_takes_nobody_s_probe(breakers: Breakers, clock: Clock) -> None:
    """Whoever is kept out by a breaker of his own does not use up everybody's."""
    for _ in range(FAILURES):
        fail(breakers, "alice", "kind", everyones=True)
    clock.advance(SECONDS - 1)
    for number in range(FAILURES):
        breakers.failed(Asker("mallory", f"kind {number}"), everyones=False)
    clock.advance(1)

    assert not breakers.allow(Asker("mallory", "kind"))
    assert breakers.allow(Asker("alice", "kind"))


def test_what_is_counted_is_bounded(breakers: Breakers) -> None:
    """The sessions that failed longest ago are forgotten."""
    for number in range(MAX_COUNTED + 10):
        breakers.failed(Asker(f"session {number}", "kind"), everyones=False)

    assert len(breakers._sessions._breakers) == MAX_COUNTED
