"""What is remembered of requests without a plan: which errors, for how long, and how many."""

from __future__ import annotations

import gc
import weakref

import pytest

from server.planning.drafting.negative_cache import KEEP_SECONDS, NegativeCache
from server.values import errors
from tests.clock import Clock


def all_errors(kind: type[errors.ServiceError] = errors.ServiceError) -> list[type[errors.ServiceError]]:
    return [kind, *(deeper for sub in kind.__subclasses__() for deeper in all_errors(sub))]


REMEMBERED = {errors.NotPlannable, errors.PlanRefused}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> NegativeCache:
    return NegativeCache(clock)


def test_nothing_is_known_at_first(cache: NegativeCache) -> None:
    """Whoever was never asked about may be planned."""
    assert cache.recall("f") is None
    assert len(cache) == 0


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
def test_only_the_shapes_own_faults_are_remembered(
    cache: NegativeCache, kind: type[errors.ServiceError]
) -> None:
    """501 and 502 are about the shape; a provider that is down or late, or a budget, is not."""
    cache.remember("f", kind("why"))

    assert (cache.recall("f") is not None) is (kind in REMEMBERED)
    assert (kind in REMEMBERED) is (kind.status in {501, 502})


def test_the_same_refusal_again(cache: NegativeCache) -> None:
    """The second client is told what the first was: status, type, detail, members and headers."""
    error = errors.PlanRefused("no code passed", headers={"X-A": "b"}, violations=["import"])
    cache.remember("f", error)

    recalled = cache.recall("f")

    assert recalled is not None
    assert type(recalled) is errors.PlanRefused
    assert recalled.problem("r") == error.problem("r")
    assert recalled.headers == error.headers
    assert cache.recall("g") is None


def test_what_one_client_is_told_is_not_changed_by_another(cache: NegativeCache) -> None:
    """Each gets an error of its own: headers that are added to one are on no other."""
    error = errors.PlanRefused("no", headers={"X-A": "b"})
    cache.remember("f", error)
    error.headers["X-Late"] = "1"
    first, second = cache.recall("f"), cache.recall("f")
    assert first is not None
    assert second is not None
    first.headers["X-Mine"] = "1"

    assert second.headers == {"X-A": "b"}
    assert first is not second


def test_the_first_request_is_not_kept_alive(cache: NegativeCache) -> None:
    """A raised error holds its frames, and they the request with its values: none of that is kept."""

    class Request:
        pass

    def plan(request: Request) -> None:
        raise errors.PlanRefused("no") from ValueError(request)

    def serve() -> weakref.ref[Request]:
        request = Request()
        try:
            plan(request)
        except errors.PlanRefused as error:
            cache.remember("f", error)
        return weakref.ref(request)

    request = serve()
    gc.collect()

    assert request() is None
    assert cache.recall("f") is not None


def test_it_is_forgotten_after_its_time(cache: NegativeCache, clock: Clock) -> None:
    """The model is asked again after a while, also by a client that never stopped trying."""
    cache.remember("f", errors.PlanRefused())
    clock.advance(KEEP_SECONDS - 1)
    assert cache.recall("f") is not None
    clock.advance(1)

    assert cache.recall("f") is None
    assert len(cache) == 0


def test_a_second_refusal_starts_the_time_anew(cache: NegativeCache, clock: Clock) -> None:
    """And it is the later one that is told."""
    cache.remember("f", errors.PlanRefused("first"))
    clock.advance(KEEP_SECONDS - 1)
    cache.remember("f", errors.NotPlannable("second"))
    clock.advance(KEEP_SECONDS - 1)

    recalled = cache.recall("f")
    assert recalled is not None
    assert recalled.detail == "second"
    assert len(cache) == 1


def test_memory_is_bounded(clock: Clock) -> None:
    """Ten thousand distinct paths cost the memory of the last few; what is asked for stays."""
    cache = NegativeCache(clock, max_entries=3)
    cache.remember("asked for", errors.PlanRefused())
    for number in range(10_000):
        cache.remember(f"f{number}", errors.PlanRefused())
        assert cache.recall("asked for") is not None

    assert len(cache) == 3
    assert [cache.recall(f"f{number}") is None for number in (9_997, 9_998, 9_999)] == [True, False, False]


def test_a_refusal_told_again_is_the_newest(clock: Clock) -> None:
    """Being remembered anew counts as use."""
    cache = NegativeCache(clock, max_entries=2)
    for fingerprint in ("a", "b", "a", "c"):
        cache.remember(fingerprint, errors.PlanRefused())

    assert [cache.recall(fingerprint) is None for fingerprint in "abc"] == [False, True, False]


def test_a_run_counts_for_its_session_and_for_others_after_two(cache: NegativeCache, clock: Clock) -> None:
    """However often it fails in the first; the second makes it everybody's, each for its own time."""
    failing = errors.PlanRefused("fails")
    assert not any(cache.remember_run("a", "s1", failing) for _ in range(3))
    assert [cache.recall("a", each) is None for each in ("s1", "s2")] == [False, True]
    assert cache.recall("a") is None

    assert cache.remember_run("a", "s2", failing)
    assert all(cache.recall("a", each) is not None for each in ("s1", "s2", "s3", ""))
    clock.now += cache._keep_seconds
    assert all(cache.recall("a", each) is None for each in ("s1", "s2", "s3", ""))


def test_a_failure_long_ago_is_no_second_one(cache: NegativeCache, clock: Clock) -> None:
    """Two sessions, but not within the time that one is remembered."""
    cache.remember_run("a", "s1", errors.PlanRefused())
    clock.now += cache._keep_seconds

    assert not cache.remember_run("a", "s2", errors.PlanRefused())
    assert cache.recall("a", "s3") is None


def test_failures_of_other_questions_are_not_counted_together(cache: NegativeCache) -> None:
    """And what is forgotten counts no more."""
    cache.remember_run("a", "s1", errors.PlanRefused())
    assert not cache.remember_run("b", "s2", errors.PlanRefused())
    cache.forget("a", "s1")

    assert not cache.remember_run("a", "s2", errors.PlanRefused())
