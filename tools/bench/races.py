"""The sections in which contestants race: who is in each, what is varied, and what they are asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.bench.arena import BASELINE, Race
from tools.bench.workloads import DIALECTS, WORKLOADS, Place, Request, in_dialect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.bench.arena import Arena
    from tools.bench.contestant import Running

#: Members of the hot session.
_HOT = 100
#: Connections where they are not what is varied.
_CONNECTIONS = 16
#: Requests whose hits are counted.
_COUNTED = 400
#: Each session is to have its live guest, as far as they fit, and the plan in it.
_MOST_WARM_UP = 1_000


def side_by_side(arena: Arena) -> None:
    """Everybody, every workload; one hot session for each workload."""
    places = {workload: Place((f"hot-{workload}",), _HOT) for workload in arena.scale.workloads}
    names = (BASELINE, "aiohttp tuned", "fastapi", "conventions", "learned", "never")
    with arena.started(arena.contestants(*names)) as field:
        arena.fill(field, *places.values())
        for workload, place in places.items():
            requests = place.requests(WORKLOADS[workload])
            arena.race(Race("side-by-side", workload, _CONNECTIONS, requests), field)


def remembered(arena: Arena) -> None:
    """Reads that are answered from memory, a mix of reads and writes, and reads of which none is remembered.

    The share of reads that were hits is counted afterwards, over the same requests one at a time.
    """
    places = {workload: Place((f"kept-{workload}",), _HOT) for workload in ("get", "list", "search", "mixed")}
    with arena.started(arena.contestants(BASELINE, "aiohttp tuned", "learned", "remembered")) as field:
        arena.fill(field, *places.values())
        for workload, place in places.items():
            requests = place.requests(WORKLOADS[workload])
            arena.race(Race("remembered", workload, _CONNECTIONS, requests), field)
            _count_hits(arena, workload, field, requests)
    count = arena.scale.unrepeated
    cold = Place(("cold",), count)
    with arena.started(arena.contestants(BASELINE, "learned", "little room")) as field:
        arena.fill(field, cold)
        requests = [Request("GET", f"/members/{number}", "cold") for number in range(1, count + 1)]
        arena.race(Race("remembered", "never hits", _CONNECTIONS, requests, warm_up=count), field)
        _count_hits(arena, "never hits", field, requests)


def _count_hits(arena: Arena, workload: str, field: Sequence[Running], requests: Sequence[Request]) -> None:
    for one in field:
        if one.contestant.plan_source is not None:
            arena.add_fact("hits", workload, one.name, "of reads", one.share_of_hits(requests[:_COUNTED]))


def connections(arena: Arena) -> None:
    """A read and a write, over few and many connections."""
    places = {workload: Place((f"hot-{workload}",), _HOT) for workload in ("get", "post")}
    with arena.started(arena.contestants(BASELINE, "fastapi", "learned")) as field:
        arena.fill(field, *places.values())
        for workload, place in places.items():
            requests = place.requests(WORKLOADS[workload])
            for count in arena.scale.connections:
                arena.race(Race("connections", workload, count, requests, count, curve=True), field)


def sessions(arena: Arena) -> None:
    """The same requests, spread over many sessions; ours also with a worker for each core, as it comes."""
    names = [f"many-{number}" for number in range(max(arena.scale.sessions))]
    with arena.started(arena.contestants(BASELINE, "learned", "2 workers")) as field:
        arena.fill(field, Place(tuple(names), arena.scale.session_size))
        for workload in arena.scale.spread:
            for count in arena.scale.sessions:
                place = Place(tuple(names[:count]), arena.scale.session_size)
                requests = place.requests(WORKLOADS[workload])
                warm_up = min(2 * count, _MOST_WARM_UP)
                arena.race(Race("sessions", workload, count, requests, curve=True, warm_up=warm_up), field)


def records(arena: Arena) -> None:
    """Collections of different sizes, one after the other within a workload."""
    places = {size: Place((f"size-{size}",), size) for size in arena.scale.records}
    with arena.started(arena.contestants(BASELINE, "learned")) as field:
        arena.fill(field, *places.values())
        for workload in ("get", "list", "search"):
            for size, place in places.items():
                requests = place.requests(WORKLOADS[workload])
                arena.race(Race("records", workload, size, requests, curve=True), field)


def workers(arena: Arena) -> None:
    """One worker and two, over many sessions: a plan that computes for 10 ms and more, and a GET."""
    place = Place(tuple(f"many-{number}" for number in range(50)), 5)
    with arena.started(arena.contestants("learned", "2 workers")) as field:
        arena.fill(field, place)
        for workload in ("compute", "get"):
            requests = place.requests(WORKLOADS[workload])
            arena.race(Race("workers", workload, _CONNECTIONS, requests), field)


def dialects(arena: Arena) -> None:
    """A record and a page of 20 in each dialect, beside the same in the service's own words."""
    place = Place(("hot",), _HOT)
    with arena.started(arena.contestants("conventions", *DIALECTS)) as field:
        arena.fill(field, place)
        for workload in ("get", "list"):
            own = {name: place.requests(in_dialect(name, workload)) for name in DIALECTS}
            requests = place.requests(WORKLOADS[workload])
            arena.race(Race("dialects", workload, _CONNECTIONS, requests, own=own), field)


def contract(arena: Arena) -> None:
    """A record and a page of 20 by a description, beside the same by conventions, which check nothing."""
    place = Place(("hot",), _HOT)
    with arena.started(arena.contestants("conventions", "contract")) as field:
        arena.fill(field, place)
        for workload in ("get", "list"):
            requests = place.requests(WORKLOADS[workload])
            arena.race(Race("contract", workload, _CONNECTIONS, requests), field)
