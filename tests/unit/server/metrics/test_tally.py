"""What is counted of requests, and that it stays bounded."""

from __future__ import annotations

import pytest

from server.metrics.tally import BUCKETS_MS, NO_ROUTE, OTHER, Tally
from server.telemetry.request_line import RequestLine
from wasm_runtime.outcome import OutOfFuel


def answered(
    route: str = "", status: int = 200, method: str = "GET", *, source: str = "", **fields: object
) -> RequestLine:
    line = RequestLine("r1", "some-session", method, route, status=status, plan_source=source)
    for name, value in fields.items():
        setattr(line, name, value)
    line.emit()
    return line


class TestRows:
    def test_one_for_each_kind(self) -> None:
        """Requests of the same method, route and status are one row, with their number, fuel and time."""
        tally = Tally(routes=5)
        for fuel in (10, 20):
            line = answered("/members", fuel=fuel)
            line.ms["total"] = 2.0
            tally.note(line)
        tally.note(answered("/members", 404))

        row = tally.rows["GET", "/members", 200]
        assert (row.count, row.fuel, row.ms) == (2, 30, 4.0)
        assert tally.rows["GET", "/members", 404].count == 1
        assert len(tally.rows) == 2

    def test_the_number_of_routes(self) -> None:
        """So many routes are counted each by itself; one more is `other`, the first ones still are not."""
        tally = Tally(routes=2)
        for route in ("/a", "/b", "/c", "/d", "/a"):
            tally.note(answered(route))

        assert {key[1]: row.count for key, row in tally.rows.items()} == {"/a": 2, "/b": 1, OTHER: 2}

    def test_no_routes(self) -> None:
        """With none allowed, all are `other`; a request without a route is none of them."""
        tally = Tally(routes=0)
        tally.note(answered("/a"))
        tally.note(answered("", 401))

        assert set(tally.rows) == {("GET", OTHER, 200), ("GET", NO_ROUTE, 401)}

    @pytest.mark.parametrize(
        ("method", "status", "expected"),
        [
            ("PATCH", 499, ("PATCH", "/a", 499)),
            ("BREW", 200, (OTHER, "/a", 200)),
            ("GET", 299, ("GET", "/a", OTHER)),
            ("GET", 599, ("GET", "/a", OTHER)),
        ],
    )
    def test_methods_and_statuses(self, method: str, status: int, expected: tuple[object, ...]) -> None:
        """Those that there are, are named; whatever else a client or a plan makes up is `other`."""
        tally = Tally(routes=5)
        tally.note(answered("/a", status, method))

        assert set(tally.rows) == {expected}

    def test_bounded(self) -> None:
        """Whatever comes, there are no more rows than routes, methods and statuses make."""
        tally = Tally(routes=3)
        for number in range(3_000):
            tally.note(answered(f"/r{number}", 100 + number % 500, f"M{number}"))

        routes, statuses = {key[1] for key in tally.rows}, {key[2] for key in tally.rows}
        assert routes == {"/r0", "/r1", "/r2", OTHER}
        assert {key[0] for key in tally.rows} == {OTHER}
        assert len(statuses) <= 64
        assert sum(row.count for row in tally.rows.values()) == 3_000


class TestStages:
    def test_buckets(self) -> None:
        """A time at a bucket's bound is in it, one above is in the next; beyond all is the last."""
        tally = Tally(routes=1)
        line = answered("/a")
        line.ms = {"plan": BUCKETS_MS[2], "guest": BUCKETS_MS[2] + 0.001, "queue": 10.0**9, "total": 1.0}
        tally.note(line)

        places = {stage: found.counts.index(1) for stage, found in tally.stages.items()}
        assert places == {"plan": 2, "guest": 3, "queue": len(BUCKETS_MS), "total": BUCKETS_MS.index(1)}
        assert tally.stages["queue"].sum_ms == 10.0**9


class TestWords:
    def test_sources_and_outcomes(self) -> None:
        """Requests with a plan count for its source and for how the run ended; others for neither."""
        tally = Tally(routes=1)
        tally.note(answered("/a", source="learned"))
        failed = RequestLine("r1", method="GET", plan_source="conventions", status=504)
        failed.ran(OutOfFuel(5))
        failed.emit()
        tally.note(failed)
        tally.note(answered("", 401, problem="unauthorized"))

        assert tally.sources == {"learned": 1, "conventions": 1}
        assert tally.outcomes == {"Completed": 1, "OutOfFuel": 1}
        assert tally.problems == {"unauthorized": 1}

    def test_no_session(self) -> None:
        """Nothing that is kept has the session in it."""
        tally = Tally(routes=1)
        tally.note(answered("/a", source="learned"))

        assert "some-session" not in repr(vars(tally))
