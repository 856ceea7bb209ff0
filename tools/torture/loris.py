"""Clients that are slow, leave, pipeline, send huge bodies and wide ones; and those beside them.

1. Those beside them are served: every one of their requests is answered as if they were alone. Their slowest
   hundredth takes at most five times what it takes in quiet.
2. `/healthz` answers within 100 ms.
3. Memory is bounded by what the settings add up to: bodies held here and once more by the workers, small ones
   of all connections, the guests; and what the interpreters themselves need.
4. Nobody is answered 5xx but 503, which says when to come again, and 507 where a session is full. When they
   have gone, nothing is held.

In short form times are figures, and no violations: a machine that is busy with something else says nothing.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import orjson
from attrs import define, field

from tools.processes import bytes_beside_guests, environment, rss_bytes, toml, workers_of
from tools.torture.report import Report
from tools.torture.service import NotStarted, ServiceProcess
from tools.torture.wire import Answer, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

_MIB = 1024 * 1024
#: As many as keep both workers in work, so that what they take in quiet is what a service in use takes.
_SESSIONS = 12
_PAUSE_SECONDS = 0.01
_SAMPLE_SECONDS = 0.25
_HEALTH_SECONDS = 0.1
_MOST_TIMES_SLOWER = 5.0
_MOST_HEALTH_SECONDS = 0.1
#: Quicker than this in quiet is quicker than a machine with two cores can promise beside anybody.
_LEAST_QUIET_SECONDS = 0.005
_PER_SESSION, _TOTAL, _CONNECTIONS = 4 * _MIB, 16 * _MIB, 200
_SMALL = 16 * 1024
#: Of a process: what an interpreter and its allocator keep beyond what is asked of them.
_OWN_BYTES = 96 * _MIB
#: A held body is a text, the frame that takes it to a worker, and what a reader makes of one at a time.
_API_TIMES, _WORKER_TIMES = 3, 3
_SETTINGS = {
    "server": {"header_seconds": 5, "body_seconds": 5, "max_connections": _CONNECTIONS},
    "sandbox": {
        "workers": 2,
        "queue_bytes_per_session": _PER_SESSION,
        "queue_bytes_total": _TOTAL,
        "queue_seconds": 10,
    },
}


async def torture(seed: int, seconds: float, *, timed: bool = True) -> Report:
    """So many seconds of it, after a sixth as many in quiet."""
    report = Report("loris", seed, f"--loris-seconds {seconds:g}")
    async with AsyncExitStack() as running:
        scratch = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="torture-")))
        (scratch / "torture.toml").write_text(toml(_SETTINGS))
        variables = {"LARS_CONFIG": str(scratch / "torture.toml"), "LARS_DEFAULT_PROVIDER": "conventions"}
        service = ServiceProcess(scratch, variables)
        running.push_async_callback(service.close)
        try:
            await service.start()
            sampler = running.enter_context(ProcessPoolExecutor(1, get_context("spawn")))
            await Loris(report, service, timed, sampler).run(seconds)
        except NotStarted as error:
            report.violation(f"the service did not start: {error}")
    return report


@define
class Times:
    """How long requests took, in seconds."""

    seconds: list[float] = field(factory=list)

    def of(self, share: float) -> float:
        ordered = sorted(self.seconds)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


@define
class Loris:
    report: Report
    service: ServiceProcess
    timed: bool
    _sampler: ProcessPoolExecutor
    _running: bool = True
    _before: dict[str, int] = field(factory=dict)
    _most: dict[str, int] = field(factory=dict)

    async def run(self, seconds: float) -> None:
        quiet, health = await self._beside(asyncio.sleep(max(seconds / 6, 1.0)))
        self._before = await self._memory()
        beside, health_beside = await self._beside(self._clients(seconds))
        await self._is_empty()
        self._check_memory()
        figures = {
            "quiet_p99_ms": quiet.of(0.99),
            "p50_ms": beside.of(0.5),
            "p99_ms": beside.of(0.99),
            "quiet_healthz_ms": health.of(1),
            "healthz_p99_ms": health_beside.of(0.99),
            "healthz_ms": health_beside.of(1),
        }
        self.report.figures |= {name: round(value * 1000, 1) for name, value in figures.items()}
        self.report.figures["beside"] = len(beside.seconds)
        if self.timed:
            self._check_times(quiet, beside, health_beside)
        if await self.service.stop() != 0:
            self.report.violation("the service did not stop as it should")

    def _check_times(self, quiet: Times, beside: Times, health: Times) -> None:
        most = _MOST_TIMES_SLOWER * max(quiet.of(0.99), _LEAST_QUIET_SECONDS)
        if beside.of(0.99) > most:
            self.report.violation(f"p99 {beside.of(0.99) * 1000:.0f} ms, at most {most * 1000:.0f}")
        if health.of(1) > _MOST_HEALTH_SECONDS:
            self.report.violation(f"/healthz took {health.of(1) * 1000:.0f} ms")

    # --- those beside them ----------------------------------------------------------------------

    async def _beside(self, meanwhile: object) -> tuple[Times, Times]:
        """The times of those that are served while something else goes on, and those of /healthz."""
        self._running = True
        times, health = Times(), Times()
        tasks = [asyncio.create_task(self._serve_one(f"beside-{n}", times)) for n in range(_SESSIONS)]
        tasks += [asyncio.create_task(self._watch_health(health)), asyncio.create_task(self._sample())]
        try:
            await meanwhile  # type: ignore[misc]
        finally:
            self._running = False
            await asyncio.gather(*tasks)
        return times, health

    async def _serve_one(self, session: str, times: Times) -> None:
        """Writes a record and reads it again, and so on."""
        async with Kept(self.service.address) as kept:
            while self._running:
                made = await self._timed(kept, ("POST", "/notes", session, b'{"text":"a note"}'), times)
                if made is not None and made.status == 201:
                    target = f"/notes/{made.json['id']}"
                    read = await self._timed(kept, ("GET", target, session, None), times)
                    if read is not None and (read.status != 200 or read.json != made.json):
                        self.report.violation(f"{session}: {target} is {read.said}")
                elif made is not None:
                    self.report.violation(f"{session}: a write was answered {made.said}")
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _timed(self, kept: Kept, request: tuple[str, str, str, bytes | None], times: Times) -> Any:
        """The answer, None where there was none."""
        started = time.monotonic()
        answer = await kept.ask(*request)
        times.seconds.append(time.monotonic() - started)
        if answer is None:
            method, target, session, _ = request
            self.report.violation(f"{session}: {method} {target} was not answered")
        return answer

    async def _watch_health(self, times: Times) -> None:
        async with Kept(self.service.address) as kept:
            while self._running:
                started = time.monotonic()
                answer = await kept.ask("GET", "/healthz", "", None)
                times.seconds.append(time.monotonic() - started)
                if answer is None or answer.status != 200:
                    said = "not answered" if answer is None else answer.said
                    self.report.violation(f"/healthz was {said}")
                await asyncio.sleep(_HEALTH_SECONDS)

    # --- the others ------------------------------------------------------------------------------

    async def _clients(self, seconds: float) -> None:
        host, port = self.service.address
        arguments = [host, str(port), str(seconds), str(self.report.seed)]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tools.torture.loris_clients", *arguments),
            env=environment({}),
            cwd=Path(__file__).parents[2],
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        said, _ = await process.communicate()
        seen: dict[str, int] = orjson.loads(said or b"{}")
        self.report.figures |= {name.replace(" ", "_"): seen[name] for name in sorted(seen)}
        for kind in ("slow", "abandoned", "pipelined", "huge", "wide"):
            if not any(name.startswith(kind) for name in seen):
                self.report.violation(f"no {kind} client came to its end")
        for name, times in seen.items():
            status = int(name.partition(" ")[2] or 0)
            if status >= 500 and status not in (503, 507):
                self.report.violation(f"{name}: {times} times")

    async def _is_empty(self) -> None:
        """What waited is done or dropped, soon after the clients have gone."""
        async with Kept(self.service.address) as kept:
            answer = await kept.ask("GET", "/notes?limit=1", "beside-0", None)
        if answer is None or answer.status != 200:
            self.report.violation("the service does not answer after the clients have gone")

    # --- memory ----------------------------------------------------------------------------------

    async def _sample(self) -> None:
        while self._running:
            for name, size in (await self._memory()).items():
                self._most[name] = max(self._most.get(name, 0), size)
            await asyncio.sleep(_SAMPLE_SECONDS)

    async def _memory(self) -> dict[str, int]:
        """Looked up beside the loop whose requests are timed: a worker's list of mappings is long."""
        pid = self.service.pid
        return await asyncio.get_running_loop().run_in_executor(self._sampler, memory_of, pid)

    def _check_memory(self) -> None:
        small = _CONNECTIONS * _SMALL
        for name, most in self._most.items():
            times = _API_TIMES if name == "api" else _WORKER_TIMES
            # A lane has begun meanwhile, with what any worker has at first.
            before = self._before.get(name) or self._before.get("worker_0", 0)
            allowed = before + times * _TOTAL + small + _OWN_BYTES
            self.report.figures[f"{name}_mib"] = most // _MIB
            if most > allowed:
                self.report.violation(f"{name}: {most // _MIB} MiB, at most {allowed // _MIB}")


def memory_of(pid: int) -> dict[str, int]:
    """Bytes of a service's processes, by name; workers have the number that they have started with."""
    workers = {f"worker_{n}": bytes_beside_guests(each) for n, each in enumerate(workers_of(pid))}
    return {"api": rss_bytes(pid, "RssAnon"), **workers}


class Kept:
    """One connection, kept and opened again when it has ended; one request at a time."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None

    async def ask(self, method: str, target: str, session: str, body: bytes | None) -> Answer | None:
        """None: the connection ended, or half a minute passed, without an answer."""
        try:
            async with asyncio.timeout(30):
                return await self._asked(b"".join(_lines(method, target, session, body)))
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            self._close()
            return None

    async def _asked(self, data: bytes) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address)
        reader, writer = self._streams
        writer.write(data)
        head = await reader.readuntil(b"\r\n\r\n")
        (answer,) = parse(head) or (Answer(0, b""),)
        size = int(answer.header("Content-Length") or 0)
        return Answer(answer.status, await reader.readexactly(size), head)


def _lines(method: str, target: str, session: str, body: bytes | None) -> Iterator[bytes]:
    yield f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n".encode()
    if session:
        yield f"X-Session-ID: {session}\r\n".encode()
    if body is not None:
        yield f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n".encode()
    yield b"\r\n" + (body or b"")
