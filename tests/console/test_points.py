"""The list of the last requests, and the points of the charts that are made of it: with a clock in hand."""

from __future__ import annotations

import pytest
from attrs import define

from server.console.points import CHARTS, SECONDS, Board, Gauges, rows_of, share, told
from server.console.tail import MOST_REQUESTS, Tail
from server.telemetry.request_line import RequestLine


@define
class Clock:
    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tail(clock: Clock) -> Tail:
    """The time of day is a million seconds ahead of what lines are timed by."""
    return Tail(lambda: clock.now + 1_000_000, clock)


def answered(clock: Clock, seconds: float = 0.01, **fields: object) -> RequestLine:
    line = RequestLine(session="s", clock=clock, **fields)  # type: ignore[arg-type]
    clock.now += seconds
    line.emit()
    return line


def test_the_last_requests_are_remembered_and_no_more(tail: Tail, clock: Clock) -> None:
    for number in range(MOST_REQUESTS + 2):
        tail.note(answered(clock, request_id=str(number)))
    assert tail.of("1") is None
    assert tail.of("2") is not None
    assert [each.line.request_id for each in tail.last(2)] == ["1001", "1000"]


def test_nothing_is_kept_of_a_line_that_the_log_does_not_have(tail: Tail, clock: Clock) -> None:
    line = answered(clock, entry=object(), contract=object(), reads=object())
    tail.note(line)
    assert (line.entry, line.contract, line.reads) == (None, None, None)


def test_pages_of_the_service_are_no_traffic(tail: Tail, clock: Clock) -> None:
    page, refused = RequestLine(clock=clock), RequestLine(clock=clock, problem="unauthorized")
    for line in (page, refused):
        line.emit()
        tail.note(line)
    assert [each.line for each in tail.last(5)] == [refused]


def test_a_request_was_at_the_time_it_ended(tail: Tail, clock: Clock) -> None:
    tail.note(answered(clock, 0.5))
    clock.now += 7
    [seen] = tail.last(1)
    assert seen.at == pytest.approx(1_001_000.5)
    assert seen.total_ms == pytest.approx(500)


def test_points_are_made_of_what_is_remembered(tail: Tail, clock: Clock) -> None:
    tail.note(answered(clock, plan_source="learned", status=200))
    tail.note(answered(clock, plan_source="learned", status=500, remembered=True))
    clock.now = 1_002.5
    tail.note(answered(clock, plan_source="conventions", status=200))
    clock.now = 1_004.0
    points = list(Board(tail, Gauges()).points)
    assert len(points) == SECONDS
    by_second = {point.at - 1_000_000: point.values for point in points}
    assert by_second[1_000]["requests"] == [2, 1]
    assert by_second[1_000]["sources"] == [0, 2, 0, 0, 1]
    assert by_second[1_000]["p50"][0] == pytest.approx(10)
    assert by_second[1_001]["requests"] == [0, 0]
    assert by_second[1_001]["p50"] == [None] * 5
    assert by_second[1_002]["sources"] == [1, 0, 0, 0, 0]
    assert by_second[1_002]["workers"] == [None] * 3


def test_a_second_that_is_half_forgotten_has_no_point(tail: Tail, clock: Clock) -> None:
    """With 400 requests a second, the list reaches back for two and a half of them."""
    for second in range(5):
        for number in range(400):
            clock.now = 1_000 + second + number / 400
            tail.note(answered(clock, 0))
    clock.now = 1_005
    points = list(Board(tail, Gauges()).points)
    assert [(point.at - 1_000_000, point.values["requests"][0]) for point in points] == [
        (1_003, 400),
        (1_004, 400),
    ]


def test_while_somebody_looks_every_request_counts(tail: Tail, clock: Clock) -> None:
    board = Board(tail, Gauges(calls=3, tokens=100))
    for _ in range(5_000):
        board.note(answered(clock, 0, status=200))
    point = board.close(1_001_000, Gauges(2, 5, 1, calls=4, tokens=350))
    assert point.values["requests"] == [5_000, 0]
    assert point.values["model"] == [1, 250]
    assert point.values["workers"] == [2, 5, 1]
    assert board.close(1_001_001, Gauges(calls=4, tokens=350)).values["model"] == [0, 0]
    for second in range(SECONDS + 5):
        board.close(second, Gauges())
    assert len(board.points) == SECONDS


@pytest.mark.parametrize(
    ("times", "half", "most"),
    [([], None, None), ([7.0], 7, 7), ([1.0, 2.0], 1, 2), ([*map(float, range(1, 101))], 50, 95)],
)
def test_shares(times: list[float], half: float | None, most: float | None) -> None:
    assert (share(times, 0.5), share(times, 0.95)) == (half, most)


def test_a_chart_in_words(tail: Tail, clock: Clock) -> None:
    board = Board(tail, Gauges())
    assert [(row.now, row.highest) for row in rows_of(CHARTS[5], board.points)] == [(None, None)] * 3
    board.close(1, Gauges(2, 4, 0))
    board.close(2, Gauges(2, 1, 0))
    row = rows_of(CHARTS[5], board.points)[1]
    assert (row.name, row.now, row.highest, row.mean) == ("guests", 1, 4, 2.5)
    columns = told(board.points)
    assert columns["at"][-2:] == [1, 2]
    assert columns["charts"]["workers"][1][-2:] == [4, 1]
    clock.now += 1
    assert all(row.now is None for row in rows_of(CHARTS[0], ()))
