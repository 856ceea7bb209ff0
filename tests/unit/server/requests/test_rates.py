"""How many requests may come, on both sides of each limit, and what is said of it."""

from __future__ import annotations

import pytest

from server.requests.rates import RateLimits, Rates
from server.values.errors import RateLimited


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def rates(*, token: int = 0, session: int = 0, nodes: int = 1) -> tuple[Rates, Clock]:
    clock = Clock()
    return Rates(RateLimits(token, session, 10), lambda: nodes, clock), clock


def test_as_many_as_the_limit_and_no_more_until_the_window_ends() -> None:
    limited, clock = rates(session=2)
    limited.take("", "s")
    clock.now += 4
    limited.take("", "s")
    with pytest.raises(RateLimited) as caught:
        limited.take("", "s")
    assert caught.value.headers["Retry-After"] == "6"
    assert caught.value.headers["RateLimit"] == '"session";r=0;t=6'
    clock.now = 109.9
    with pytest.raises(RateLimited):
        limited.take("", "s")
    clock.now = 110.0
    limited.take("", "s")


def test_each_answer_says_what_is_left() -> None:
    limited, _ = rates(token=5, session=2)
    assert limited.take("web", "s") == (
        ("RateLimit-Policy", '"token";q=5;w=10, "session";q=2;w=10'),
        ("RateLimit", '"token";r=4;t=10, "session";r=1;t=10'),
    )


def test_sessions_and_tokens_are_counted_each_for_itself() -> None:
    limited, _ = rates(session=1)
    limited.take("web", "a")
    limited.take("web", "b")
    with pytest.raises(RateLimited):
        limited.take("other", "a")


def test_a_token_is_counted_over_all_its_sessions() -> None:
    limited, _ = rates(token=2)
    limited.take("web", "a")
    limited.take("web", "b")
    with pytest.raises(RateLimited, match="token"):
        limited.take("web", "c")
    limited.take("other", "c")


def test_what_is_refused_counts_for_nothing() -> None:
    """A session that has used itself up takes nothing of its token's."""
    limited, _ = rates(token=3, session=1)
    limited.take("web", "a")
    for _ in range(5):
        with pytest.raises(RateLimited):
            limited.take("web", "a")
    assert limited.take("web", "b")[1] == ("RateLimit", '"token";r=1;t=10, "session";r=0;t=10')


def test_without_a_token_only_the_session_is_counted() -> None:
    limited, _ = rates(token=1)
    for _ in range(3):
        assert limited.take("", "s") == ()


def test_nodes_share_a_token_s_limit() -> None:
    limited, _ = rates(token=5, nodes=3)
    assert limited.take("web", "s")[1] == ("RateLimit", '"token";r=1;t=10')


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.requests.rates._MOST_WINDOWS", 3)
    limited, _ = rates(session=1)
    for n in range(10):
        limited.take("", f"s{n}")
    assert len(limited._windows) == 3
