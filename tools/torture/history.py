"""Concurrent clients on one session, and whether what they were told has an order that explains it.

Clients read, create, replace, patch, delete and list a few records at the same time, while workers or the
keeper of the record are killed now and then. What nobody was answered for, or with 503 `worker-lost` or
`not-confirmed`, counts as perhaps.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from itertools import count
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from attrs import define, field

from tools.torture import service as services
from tools.torture.collection_model import Request, Result, State, record_of, resolved, step
from tools.torture.linearize import Operation, find_anomaly
from tools.torture.report import Report
from tools.torture.service import ServiceProcess
from tools.torture.wire import Answer, Gone, Hung, Kept, NotSent, ask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.torture.wire import Address

CLIENTS = 6
IDS = ("a", "b", "c")
_CHOICES = (("GET", 5), ("PATCH", 4), ("PUT", 3), ("DELETE", 2), ("POST", 3), ("LIST", 2), ("CREATE", 1))
_PERHAPS = {"worker-lost", "not-confirmed"}
_NOT_DONE = {
    (503, "overloaded"),
    (503, "storage-failed"),
    (503, "unavailable"),
    (503, "starting"),
    (507, "storage-full"),
}
#: A worker dies once in so many operations, on average, or the keeper, or both.
_OPERATIONS_PER_KILL = 200


async def torture(seed: int, histories: int, operations: int) -> Report:
    report = Report("history", seed, f"--histories {histories} --operations {operations}")
    told: Counter[str] = Counter()
    started = time.perf_counter()
    checking = 0.0
    with tempfile.TemporaryDirectory(prefix="torture-") as scratch:
        service = ServiceProcess(Path(scratch), _VARIABLES)
        try:
            await service.start()
            for number in range(histories):
                recorder = Recorder(service, f"h{number}", Random(f"history:{seed}:{number}"), operations)
                history = await recorder.record()
                told += recorder.told
                before = time.perf_counter()
                for wrong in recorder.violations + anomalies(history):
                    report.violation(f"[history {number}] {wrong}")
                checking += time.perf_counter() - before
        finally:
            await service.close()
    report.figures = {
        "histories": histories,
        **{name: told[name] for name in sorted(told)},
        "seconds": round(time.perf_counter() - started, 1),
        "checking_seconds": round(checking, 1),
    }
    return report


_VARIABLES = {"LARS_DEFAULT_PROVIDER": "conventions", "LARS_LOG_LEVEL": "WARNING"}


def anomalies(history: list[Operation]) -> list[str]:
    found = find_anomaly(resolved(history), State(), step)
    return [] if found is None else [str(found)]


@define
class Recorder:
    """Makes one history on one session."""

    service: ServiceProcess
    session: str
    random: Random
    operations: int
    operations_per_kill: int = _OPERATIONS_PER_KILL
    #: Most that a client waits between two operations.
    pace_seconds: float = 0.0
    history: list[Operation] = field(factory=list)
    told: Counter[str] = field(factory=Counter)
    violations: list[str] = field(factory=list)
    _values: Iterator[int] = field(factory=lambda: count(1))
    _left: int = 0

    def address(self) -> Address:
        """Whom the next operation is for."""
        return self.service.address

    def not_sent(self) -> None:
        """Nobody listens there."""

    async def record(self) -> list[Operation]:
        self._left = self.operations
        # Every second one keeps its connection: there a read that is remembered is known by its bytes.
        clients = [
            self._client(Random(self.random.random()), Kept() if number % 2 else None)
            for number in range(CLIENTS)
        ]
        killing = asyncio.create_task(self._kill())
        try:
            await asyncio.gather(*clients)
        finally:
            killing.cancel()
        return self.history

    async def _kill(self) -> None:
        """When so many operations are done, not after so much time: a slow machine gets no more of them."""
        kills = self.operations // self.operations_per_kill
        marks = sorted(self.random.sample(range(self.operations), kills), reverse=True)
        for mark in reversed(marks):
            while self.operations - self._left < mark:  # noqa: ASYNC110 - waits for a counter
                await asyncio.sleep(0.005)
            aim = self.random.choice((("workers",), ("keeper",), ("workers", "keeper")))
            pids = {"workers": self.service.workers, "keeper": self.service.keepers}
            for pid in [pid for name in aim for pid in pids[name]()]:
                services.kill(pid)
            self.told["killed " + " and ".join(aim)] += 1

    async def _client(self, random: Random, kept: Kept | None = None) -> None:
        own: list[int] = []
        try:
            while self._left > 0:
                self._left -= 1
                if self.pace_seconds:
                    await asyncio.sleep(random.uniform(0, self.pace_seconds))
                request = self._choose(random, own)
                result = await self._do(request, kept)
                if request.method == "POST" and request.id is None and result and result.status == 201:
                    own += [int(record[0]) for record in result.records]
        finally:
            if kept is not None:
                kept.close()

    def _choose(self, random: Random, own: list[int]) -> Request:
        methods, weights = zip(*_CHOICES, strict=True)
        method = random.choices(methods, weights)[0]
        if own and random.random() < 0.15:
            return Request("DELETE", own.pop())
        if method == "LIST":
            return Request("LIST")
        if method == "CREATE":
            return Request("POST", None, next(self._values))
        value = next(self._values) if method in ("POST", "PUT", "PATCH") else None
        return Request(method, random.choice(IDS), value)

    async def _do(self, request: Request, kept: Kept | None) -> Result | None:
        """Send it and write it down; None where nobody knows."""
        method, target, body = _as_http(request)
        send = ask if kept is None else kept.ask
        called = time.monotonic()
        try:
            answer = await send(self.address(), method, target, self.session, body)
        except NotSent:
            self.told["not sent"] += 1
            self.not_sent()
            return None
        except Gone:
            self.told["gone"] += 1
            self._write_down(called, request, None)
            return None
        except Hung:
            self.violations.append(f"no answer to {request}")
            self._write_down(called, request, None)
            return None
        return self._take(called, request, answer)

    def _take(self, called: float, request: Request, answer: Answer) -> Result | None:
        if (answer.status, answer.problem) in _NOT_DONE:
            self.told["refused"] += 1
            return None
        if answer.status == 503 and answer.problem in _PERHAPS:
            self.told["lost"] += 1
            self._write_down(called, request, None)
            return None
        self.told["operations"] += 1
        if "remembered;" in (timing := answer.header("Server-Timing")):
            self.told["remembered, by key" if "parse;" in timing else "remembered, by bytes"] += 1
        if answer.status >= 500:
            self.violations.append(f"{request}: {answer.said}")
        result = _result(answer)
        self._write_down(called, request, result)
        return result

    def _write_down(self, called: float, request: Request, result: Result | None) -> None:
        returned = None if result is None else time.monotonic()
        self.history.append(Operation(called, returned, request, result))


def _as_http(request: Request) -> tuple[str, str, Any]:
    if request.method == "LIST":
        return "GET", "/things", None
    if request.method == "POST":
        named = {} if request.id is None else {"id": request.id}
        return "POST", "/things", {**named, "v": request.value}
    field_name = "w" if request.method == "PATCH" else "v"
    body = {field_name: request.value} if request.method in ("PUT", "PATCH") else None
    return request.method, f"/things/{request.id}", body


def _result(answer: Answer) -> Result:
    """What a history needs of an answer. A list that has a record twice, or miscounts, fits no state."""
    if answer.status >= 300 or not answer.body:
        return Result(answer.status)
    document = answer.json
    if "items" not in document:
        return Result(answer.status, frozenset({record_of(document)}))
    records = frozenset(record_of(record) for record in document["items"])
    honest = len(records) == len(document["items"]) == document["page"]["total"]
    return Result(answer.status if honest else 0, records)
