"""The judge of histories itself: what it lets pass, and what it must not."""

from __future__ import annotations

import random
from itertools import permutations
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.torture.collection_model import Record, Request, Result, State, resolved, step
from tools.torture.history import anomalies
from tools.torture.linearize import Operation, find_anomaly

if TYPE_CHECKING:
    from collections.abc import Sequence


def register(state: int, request: tuple[str, int], result: int | None) -> int | None:
    """A register: ("w", n) sets it, ("r", 0) answers it."""
    kind, value = request
    if kind == "w":
        return value
    return state if result in (state, None) else None


def write(called: float, returned: float | None, value: int) -> Operation:
    return Operation(called, returned, ("w", value), None if returned is None else 0)


def read(called: float, returned: float, value: int) -> Operation:
    return Operation(called, returned, ("r", 0), value)


@pytest.mark.parametrize(
    "history",
    [
        [],
        [write(0, 1, 5), read(2, 3, 5)],
        [write(0, 9, 5), read(1, 2, 0), read(3, 4, 5)],
        [write(0, 9, 5), write(0, 9, 6), read(1, 2, 6), read(3, 4, 5)],
        [write(0, None, 5), read(1, 2, 0), read(3, 4, 5)],
        [write(0, None, 5), read(1, 2, 0), read(3, 4, 0)],
        [read(1, 1, 5), write(1, 1, 5)],
    ],
)
def test_what_has_an_order_passes(history: list[Operation]) -> None:
    """Concurrent operations may have happened in any order; an unanswered one at any time, or never."""
    assert find_anomaly(history, 0, register) is None


@pytest.mark.parametrize(
    "history",
    [
        [write(0, 1, 5), read(2, 3, 0)],
        [write(0, 9, 5), read(1, 2, 5), read(3, 4, 0)],
        [write(0, 1, 5), write(2, 3, 6), read(4, 5, 5)],
        [read(0, 1, 5), write(2, None, 5)],
        [write(0, None, 5), read(1, 2, 5), read(3, 4, 0)],
        [write(0, 9, 5), write(0, 9, 6), read(1, 2, 6), read(3, 4, 5), read(5, 6, 6)],
    ],
)
def test_what_has_no_order_is_found(history: list[Operation]) -> None:
    """A stale read, a lost write, a value from the future, a value that comes back: each is named."""
    anomaly = find_anomaly(history, 0, register)

    assert anomaly is not None
    assert anomaly.stuck_at in history
    assert anomaly.ordered < len(history)


def by_trying_all_orders(history: Sequence[Operation]) -> bool:
    """The definition, word for word, for a handful of answered operations."""
    for order in permutations(history):
        state: int | None = 0
        for at, operation in enumerate(order):
            late = any(
                later.returned < operation.called for later in order[at:] if later.returned is not None
            )
            if late or state is None:
                break
            state = register(state, operation.request, operation.result)
        else:
            if state is not None:
                return True
    return False


@st.composite
def histories(draw: st.DrawFn) -> list[Operation]:
    made = []
    for _ in range(draw(st.integers(0, 5))):
        called = draw(st.integers(0, 9))
        returned = called + draw(st.integers(0, 5))
        value = draw(st.integers(0, 2))
        made.append((write if draw(st.booleans()) else read)(called, returned, value))
    return made


@given(histories())
def test_it_agrees_with_the_definition(history: list[Operation]) -> None:
    """On every small history the search finds an order exactly where there is one."""
    assert (find_anomaly(history, 0, register) is None) is by_trying_all_orders(history)


def record(identifier: str | int, value: int | None, other: int | None = None) -> Record:
    return identifier, value, other


def one(status: int, *records: Record) -> Result:
    return Result(status, frozenset(records))


CREATED = Operation(0, 1, Request("POST", "a", 1), one(201, record("a", 1)))


@pytest.mark.parametrize(
    "history",
    [
        [CREATED, Operation(2, 3, Request("GET", "a"), one(404))],
        [CREATED, Operation(2, 3, Request("POST", "a", 2), one(201, record("a", 2)))],
        [CREATED, Operation(2, 3, Request("LIST"), one(200))],
        [CREATED, Operation(2, 3, Request("LIST"), one(0, record("a", 1)))],
        [CREATED, Operation(2, 3, Request("PATCH", "a", 2), one(200, record("a", 9, 2)))],
        # Two patches at once, of which one was based on what the other overwrote: a lost update.
        [
            CREATED,
            Operation(2, 9, Request("PUT", "a", 2), one(200, record("a", 2))),
            Operation(2, 9, Request("PATCH", "a", 3), one(200, record("a", 1, 3))),
            Operation(10, 11, Request("GET", "a"), one(200, record("a", 1, 3))),
        ],
        # Deleted twice, both times with success.
        [
            CREATED,
            Operation(2, 9, Request("DELETE", "a"), one(204)),
            Operation(2, 9, Request("DELETE", "a"), one(204)),
        ],
        # An id of the service's choosing that comes a second time, after its record was deleted.
        [
            Operation(0, 1, Request("POST", None, 1), one(201, record(1, 1))),
            Operation(2, 3, Request("DELETE", 1), one(204)),
            Operation(4, 5, Request("POST", None, 2), one(201, record(1, 2))),
        ],
        # Nobody knew whether it was deleted; it was there, then it was not, then it is again.
        [
            CREATED,
            Operation(2, None, Request("DELETE", "a")),
            Operation(3, 4, Request("LIST"), one(200)),
            Operation(5, 6, Request("GET", "a"), one(200, record("a", 1))),
        ],
    ],
)
def test_a_collection_that_lies_is_caught(history: list[Operation]) -> None:
    """Lost records, lost updates, doubled effects, ids used again, lists that miss a record."""
    assert anomalies(history)


def test_a_create_that_nobody_was_answered_for_is_known_by_its_value() -> None:
    """Seen later, it happened, with the id it has; never seen, it need not have."""
    unanswered = Operation(0, None, Request("POST", None, 7))
    listed = Operation(2, 3, Request("LIST"), one(200, record(4, 7)))
    empty = Operation(2, 3, Request("LIST"), one(200))

    assert resolved([unanswered, empty]) == [empty]
    assert anomalies([unanswered, listed]) == []
    assert anomalies([unanswered, listed, Operation(4, 5, Request("LIST"), one(200))])


def test_a_long_concurrent_history_is_decided() -> None:
    """Two thousand operations on a correct collection pass; with one wrong answer they do not."""
    history = simulated(random.Random(5), operations=2_000)
    assert anomalies(history) == []

    at = next(i for i, done in enumerate(history) if i > 1_000 and done.result and done.result.status == 200)
    spoilt = Operation(
        history[at].called, history[at].returned, history[at].request, one(200, record("a", 10**9))
    )
    assert anomalies([*history[:at], spoilt, *history[at + 1 :]])


def simulated(source: random.Random, operations: int) -> list[Operation]:
    """Operations that take effect at a random moment of their time; a few are never answered."""
    state, history = State(), []
    for number in range(operations):
        effect = float(number)
        request = Request(
            source.choice(["GET", "PUT", "PATCH", "DELETE", "POST"]), source.choice("abc"), number
        )
        state, result = _apply(state, request)
        answered = source.random() > 0.01
        returned = effect + source.uniform(0, 5) if answered else None
        history.append(
            Operation(effect - source.uniform(0, 5), returned, request, result if answered else None)
        )
    return history


def _apply(state: State, request: Request) -> tuple[State, Result]:
    """The result that fits, found by trying them: the model itself says only yes or no."""
    found = state.get(request.id)
    values = found or record("", None)
    candidates = [
        Result(404),
        Result(409),
        Result(204),
        *(one(status, record(str(request.id), request.value)) for status in (200, 201)),
        one(200, values),
        one(200, (str(request.id), values[1], request.value)),
    ]
    for candidate in candidates:
        after = step(state, request, candidate)
        if after is not None:
            return after, candidate
    raise AssertionError(request)
