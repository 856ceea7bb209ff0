"""What a service costs beside its speed: memory, its start, and where a request's time goes."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from tools import processes
from tools.bench import ours
from tools.bench.workloads import WORKLOADS, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tools.bench.arena import Arena
    from tools.bench.contestant import Running

_MIB = 2**20
#: For spare guests to be made, and the rest of a start to settle.
_SETTLE_SECONDS = 1.0
#: Sessions before those that are counted: they have paid for what all share.
_BEFORE = 5


def memory(arena: Arena) -> None:
    """What each service holds while idle, and what a live session adds to ours."""
    for contestant in arena.contestants("aiohttp", "fastapi", "learned"):
        with arena.start(contestant) as started:
            time.sleep(_SETTLE_SECONDS)
            for kind in ("Rss", "Pss"):
                total = sum(started.each(_memory(kind)).values())
                arena.add_fact("memory", f"idle {kind}", started.name, "MiB", total / _MIB)
            if started.family().get("workers"):
                _per_session(arena, started)


def _memory(kind: str) -> Callable[[int], int]:
    return lambda pid: processes.memory(pid)[kind]


def _per_session(arena: Arena, started: Running) -> None:
    count = arena.scale.memory_sessions
    started.fill(Place(tuple(f"before-{number}" for number in range(_BEFORE)), 1))
    time.sleep(_SETTLE_SECONDS)
    before = started.each(processes.private_bytes)
    started.fill(Place(tuple(f"counted-{number}" for number in range(count)), 1))
    time.sleep(_SETTLE_SECONDS)
    after = started.each(processes.private_bytes)
    for role, was in before.items():
        added = (after[role] - was) / count / _MIB
        arena.add_fact("memory", "private, a live session", f"{started.name}, {role}", "MiB", added)


def starts(arena: Arena) -> None:
    """From the command to the first reply, which is a durable POST: cached, and with an empty cache."""
    for contestant in arena.contestants("aiohttp", "fastapi", "conventions"):
        seconds = []
        for _ in range(arena.scale.starts):
            with arena.start(contestant) as started:
                seconds.append(started.start_seconds)
        arena.add_fact("start-up", "cached", contestant.name, "s", *seconds)
    if arena.scale.cold and arena.contestants("conventions"):
        cold = ours.conventions(cache=arena.scratch / "cache")
        with arena.start(cold) as started:
            arena.add_fact("start-up", "empty cache", cold.name, "s", started.start_seconds)


def stages(arena: Arena) -> None:
    """Milliseconds of each stage, by the service's own log lines; one request at a time."""
    if arena.contestants("learned"):
        with arena.start(ours.learned(arena.model_url, log_level="INFO")) as started:
            for workload in ("get", "list", "search", "post", "patch"):
                place = Place((f"staged-{workload}",), 100)
                started.fill(place)
                requests = place.requests(WORKLOADS[workload])[: arena.scale.staged]
                started.ask(requests[:20])  # the route is learned, the guest warm
                marker = len(_request_lines(started))
                started.ask(requests)
                _add_stages(arena, workload, _request_lines(started)[marker:])


def _request_lines(started: Running) -> list[dict[str, Any]]:
    lines = map(json.loads, started.log.read_text().splitlines())
    return [line for line in lines if line["event"] == "request"]


def _add_stages(arena: Arena, workload: str, lines: Iterable[dict[str, Any]]) -> None:
    by_stage: defaultdict[str, list[float]] = defaultdict(list)
    for line in lines:
        for stage, milliseconds in line["ms"].items():
            by_stage[stage].append(milliseconds)
    for stage, values in by_stage.items():
        arena.add_fact("stages", workload, stage, "ms", *values)
