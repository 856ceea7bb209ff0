"""A cluster beside a service by itself: the engine, three nodes beside one, what handing a request on costs.

PostgreSQL is a real one on loopback, which syncs. The load asks all nodes alike, as a load balancer does that
knows nothing: two of three requests are handed on. Nodes and load share the machine, so figures of more nodes
than cores say what a request costs in all, not what more machines would do.
"""

from __future__ import annotations

import resource
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from attrs import evolve, frozen

from tools import postgresql, processes
from tools.bench import ours
from tools.bench.arena import Race
from tools.bench.load import Load
from tools.bench.results import Cell, Round
from tools.bench.workloads import WORKLOADS, Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tools.bench.arena import Arena
    from tools.bench.contestant import Running
    from tools.bench.load import Sent
    from tools.postgresql import Postgres

_NODES: Final = 3
_CONNECTIONS: Final = 15


def cluster(arena: Arena) -> None:
    """See the module."""
    if arena.only and "cluster" not in arena.only:
        arena.note("cluster: left out")
        return
    names = tuple(f"spread-{number}" for number in range(min(arena.scale.sessions)))
    place = Place(names, arena.scale.session_size)
    with postgresql.running(durable=True) as database:
        _engines(arena, database, place)
        _nodes(arena, database, place)


def _engines(arena: Arena, database: Postgres, place: Place) -> None:
    contestants = [
        ours.learned(arena.model_url, name="embedded"),
        ours.learned(arena.model_url, name="PostgreSQL", database=database.new_database()),
    ]
    with arena.started(contestants) as field:
        arena.fill(field, place)
        requests = place.requests(WORKLOADS["post"])
        race = Race("engines", "post", len(place.sessions), requests, warm_up=2 * len(place.sessions))
        arena.race(race, field)


def _nodes(arena: Arena, database: Postgres, place: Place) -> None:
    with _one(arena, database) as one, _three(arena, database) as three:
        for fleet in (one, three):
            fleet.nodes[0].fill(place)
        for workload in ("post", "get"):
            requests = place.requests(WORKLOADS[workload])
            rounds: dict[str, list[Round]] = {one.name: [], three.name: []}
            for fleet in (one, three):
                for node in fleet.nodes:
                    node.warm_up(requests[: 2 * len(place.sessions)])
            for number in range(arena.scale.rounds):
                for fleet in (one, three) if number % 2 else (three, one):
                    rounds[fleet.name].append(_turn(arena, fleet, requests))
            for fleet in (one, three):
                found = tuple(rounds[fleet.name])
                arena.add(Cell("nodes", workload, len(place.sessions), fleet.name, found), fleet.nodes[0])
        _hop(arena, three, place)


@frozen
class _Fleet:
    name: str
    nodes: Sequence[Running]


@contextmanager
def _one(arena: Arena, database: Postgres) -> Iterator[_Fleet]:
    """A node with as many workers as the others have in all."""
    made = ours.learned(arena.model_url, name="1 node", workers=_NODES, database=database.new_database())
    with arena.start(made) as node:
        yield _Fleet("1 node", [node])


@contextmanager
def _three(arena: Arena, database: Postgres) -> Iterator[_Fleet]:
    url = database.new_database()
    made = [ours.learned(arena.model_url, name=f"node {n}", database=url) for n in range(_NODES)]
    with arena.started(made) as nodes:
        yield _Fleet("3 nodes", nodes)


def _turn(arena: Arena, fleet: _Fleet, requests: Sequence[object]) -> Round:
    """All nodes get the load at the same time, each from connections of its own."""
    load = Load(requests, _CONNECTIONS // len(fleet.nodes), arena.scale.seconds)  # type: ignore[arg-type]

    def send(number: int) -> Sent:
        scratch = arena.scratch / f"load-{number}"
        scratch.mkdir(exist_ok=True)
        return arena.generator.send(fleet.nodes[number].port, load, scratch)

    before, load_before = _cpu(fleet), _children()
    with ThreadPoolExecutor(len(fleet.nodes)) as at_once:
        sent = list(at_once.map(send, range(len(fleet.nodes))))
    spent = {role: seconds - before[role] for role, seconds in _cpu(fleet).items()}
    count = sum(each.requests for each in sent)
    return Round(
        rate=sum(each.requests / each.seconds for each in sent),
        p50=_mean(sent, "p50"),
        p95=_mean(sent, "p95"),
        p99=max(each.p99 for each in sent),
        errors=sum(each.errors for each in sent),
        cpu_us={
            role: seconds / count * 1e6
            for role, seconds in (spent | {"load": _children() - load_before}).items()
        },
    )


def _mean(sent: Sequence[Sent], name: str) -> float:
    """By requests: the nodes' own medians are near enough to each other."""
    count = sum(each.requests for each in sent)
    return float(sum(getattr(each, name) * each.requests for each in sent) / count)


def _cpu(fleet: _Fleet) -> dict[str, float]:
    spent: dict[str, float] = {}
    for node in fleet.nodes:
        for role, seconds in node.each(processes.cpu_seconds).items():
            spent[role] = spent.get(role, 0.0) + seconds
    return spent


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _hop(arena: Arena, fleet: _Fleet, place: Place) -> None:
    """One connection, one session: at the node that has it, and at one that hands on. Rounds take turns."""
    one = evolve(place, sessions=place.sessions[:1])
    requests = one.requests(WORKLOADS["get"])
    owner = _owner(fleet, one)
    others = [node for node in fleet.nodes if node is not owner]
    load = Load(requests, 1, arena.scale.seconds)
    local, forwarded = [], []
    for number in range(arena.scale.rounds):
        local.append(arena.generator.send(owner.port, load, arena.scratch).p50)
        forwarded.append(arena.generator.send(others[number % len(others)].port, load, arena.scratch).p50)
    arena.add_fact("forwarding", "GET p50", "local", "ms", *local)
    arena.add_fact("forwarding", "GET p50", "forwarded", "ms", *forwarded)


def _owner(fleet: _Fleet, place: Place) -> Running:
    """Whose workers have spent the time when all nodes were asked for one session."""
    requests = place.requests(WORKLOADS["get"])[:200]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        before = [node.each(processes.cpu_seconds)["workers"] for node in fleet.nodes]
        fleet.nodes[0].ask(requests)
        spent = [
            node.each(processes.cpu_seconds)["workers"] - was
            for node, was in zip(fleet.nodes, before, strict=True)
        ]
        if max(spent) > 2 * sorted(spent)[-2]:
            return fleet.nodes[spent.index(max(spent))]
    raise RuntimeError("no node has the session")
