"""Hostile requests to the real service: the HTTP corpus, steps in time, and mutants of its bytes.

1. A case of the corpus is answered in its class. Nothing is answered 5xx but 501.
2. Every connection ends, by an answer or without one, in time.
3. The service's memory grows by no more than 64 MiB, and a request costs at most 1 KiB of log (T53).
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from attrs import define, field

from tools import http_corpus
from tools.processes import rss_bytes, toml
from tools.torture import mutate
from tools.torture.report import Report
from tools.torture.service import ServiceProcess
from tools.torture.wire import Answer, Gone, Hung, exchange, reset

if TYPE_CHECKING:
    from tools.http_corpus import Case

CORPUS = Path(__file__).parents[2] / "tests" / "data" / "http_hostile.jsonl"
TOKEN = "the-token"
#: At once: more than the two workers, far fewer than the queues hold.
_AT_ONCE = 8
_BATCH = 500
_END_SECONDS = 20.0
_GROWTH_BYTES = 64 * 1024 * 1024
_LOG_BYTES = 1024
#: How long the service may say nothing until a client leaves: one with a mutant, and one that waits for the
#: deadlines below to pass.
_PATIENCE = 0.2
_DEADLINE = 5.0
_SETTINGS = {"server": {"header_seconds": 2, "body_seconds": 2}}
_POST = b"POST /members HTTP/1.1\r\nHost: localhost\r\nX-Session-ID: s1\r\nContent-Type: application/json\r\n"
_PART = _POST + b'Content-Length: 100\r\n\r\n{"a":1,   '
_WHOLE = _POST + b'Content-Length: 7\r\n\r\n{"a":1}'
_EXPECT = _POST + b"Content-Length: 7\r\nExpect: 100-continue\r\n\r\n"


async def torture(seed: int, mutants: int) -> Report:
    report = Report("http", seed, f"--mutants {mutants}")
    # Those that are played in time are steps, not bytes.
    cases = [case for case in http_corpus.corpus(CORPUS) if case.plan is None]
    async with AsyncExitStack() as running:
        scratch = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="torture-")))
        for auth in (True, False):
            service = _service(scratch / f"auth-{auth}", auth=auth)
            running.push_async_callback(service.close)
            await service.start()
            loop = HttpLoop(report, service, Random(f"http:{seed}"))
            await loop.play([case for case in cases if case.auth is auth])
            if not auth:
                await loop.play_in_time()
                await loop.play_mutants([case for case in cases if not case.auth], mutants)
            report.figures |= loop.figures("token_" if auth else "")
            if await service.stop() != 0:
                report.violation("the service did not stop as it should")
    return report


def _service(scratch: Path, *, auth: bool) -> ServiceProcess:
    scratch.mkdir()
    (scratch / "torture.toml").write_text(toml(_SETTINGS))
    variables = {"LARS_CONFIG": str(scratch / "torture.toml"), "LARS_DEFAULT_PROVIDER": "conventions"}
    return ServiceProcess(scratch, variables | ({"LARS_AUTH_TOKEN": TOKEN} if auth else {}))


@define
class HttpLoop:
    report: Report
    service: ServiceProcess
    random: Random
    _statuses: Counter[int] = field(factory=Counter)
    _requests: int = 0
    _longest_line: int = 0
    _log_read: int = 0
    _memory_grown: int = 0

    def figures(self, prefix: str) -> dict[str, object]:
        return {
            f"{prefix}requests": self._requests,
            f"{prefix}statuses": dict(sorted(self._statuses.items())),
            f"{prefix}grown_mib": round(self._memory_grown / 2**20, 1),
            f"{prefix}log_bytes": self._log_read // max(self._requests, 1),
            f"{prefix}longest_log_line": self._longest_line,
        }

    async def play(self, cases: list[Case]) -> None:
        """The corpus as it is; it asks for a record that is there."""
        if not cases[0].auth:
            await self._send(_WHOLE, "the record that cases ask for", _DEADLINE)
        for case in cases:
            answers = await self._send(case.data, case.id, _DEADLINE)
            if answers is not None and not case.allows([answer.status for answer in answers][:1]):
                said = [answer.said for answer in answers]
                self.report.violation(f"[{case.id}] answered {said}, expected {sorted(case.expect)}")
            self._check_log(case.id, len(answers or ()))

    async def play_in_time(self) -> None:
        """Clients that stop half-way, leave, or wait for ever."""
        for name, data, patience in (
            ("half a body, then nothing", _PART, None),
            ("half a body, then FIN", _PART, _PATIENCE),
            ("Expect, then nothing", _EXPECT, None),
            ("half a head, then nothing", _POST, None),
            ("nothing at all", b"", None),
        ):
            await self._send(data, name, patience)
        for data in (_PART, _WHOLE):
            await reset(self.service.address, data)
        await self._is_well("the clients that stop half-way")

    async def play_mutants(self, cases: list[Case], mutants: int) -> None:
        before = rss_bytes(self.service.pid)
        for first in range(0, mutants, _BATCH):
            count = min(_BATCH, mutants - first)
            numbers = iter(range(first, first + count))
            await asyncio.gather(*(self._play_some(cases, numbers) for _ in range(_AT_ONCE)))
            self._memory_grown = rss_bytes(self.service.pid) - before
            await self._is_well(f"mutants {first} to {first + count}")
        if self._memory_grown > _GROWTH_BYTES:
            self.report.violation(f"the service grew by {self._memory_grown // 2**20} MiB")

    async def _play_some(self, cases: list[Case], numbers: object) -> None:
        """Mutants off one iterator that several of these share; each has a seed of its own."""
        for number in numbers:  # type: ignore[attr-defined]
            data = mutate.mutant(Random(f"mutant:{self.report.seed}:{number}"), cases)
            await self._send(data, f"mutant {number}", _PATIENCE)

    async def _send(self, data: bytes, name: str, patience: float | None) -> list[Answer] | None:
        """The answers; None where the connection did not end."""
        self._requests += 1
        try:
            answers = await exchange(self.service.address, data, patience=patience, seconds=_END_SECONDS)
        except (Gone, Hung) as error:
            self.report.violation(f"[{name}] {type(error).__name__}: {data[:300]!r}")
            return None
        for answer in answers:
            self._statuses[answer.status] += 1
            if answer.status >= 500 and answer.status != 501:
                self.report.violation(f"[{name}] {answer.said}: {data[:300]!r}")
        return answers

    async def _is_well(self, after: str) -> None:
        answers = await self._send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", after, _DEADLINE)
        if not answers or answers[0].status != 200:
            self.report.violation(f"/healthz does not answer after {after}")
        self._check_log(after, _BATCH)

    def _check_log(self, name: str, requests: int) -> None:
        """What the log has grown by, and its longest line."""
        data = self.service.log.read_bytes()[self._log_read :]
        self._log_read += len(data)
        longest = max(map(len, data.split(b"\n")))
        self._longest_line = max(self._longest_line, longest)
        if longest > _LOG_BYTES or len(data) > _LOG_BYTES * max(requests, 1):
            self.report.violation(f"[{name}] {len(data)} bytes of log, the longest line has {longest}")
