"""Does a record take longer to find among many? Asks two sessions, one with few records and one with many.

    uv run python -m tools.growth [--small 100] [--large 100000] [--rounds 15] [--requests 200] [--warm-up 30]

Both sessions are filled through the real guest by the conventions' own batch plan, within the default limits.
Then the two are asked in turn, in rounds, so that whatever else the machine does meets both alike. Each
round gives two medians and their ratio; what is printed is the median of these, and how far they spread.
Times are those of a request without HTTP: planned, sent to a worker, run, answered; and, because the way to
the worker and back is the same for both and hides a difference, those of the run inside the worker alone.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from attrs import frozen

from server.pipeline import job_for
from server.planning.conventions.checked import CheckedConventions
from server.record.client import KeeperClient, KeeperConfig
from server.sessions.directories import CACHES, DataRoot
from server.sessions.identity import session_for
from server.settings.reading import load
from server.telemetry.logs import configure
from server.values.model import Method, RequestContext
from tools.processes import guest_environment
from wasm_runtime import artifact
from wasm_runtime.outcome import Completed
from wasm_runtime.pool import WorkerPool
from wasm_runtime.worker_process import PoolConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

BATCH = 5_000
#: What the two ways of finding a record promise: times as long among many as among few.
PROMISED = {"by id": 1.5, "by an indexed field": 3.0}
#: Between requests of the warm-up, for the worker to make an index in.
_PAUSE_SECONDS = 0.05


@frozen
class Target:
    """One session with `size` records, asked through a pool of workers."""

    pool: WorkerPool
    planner: CheckedConventions
    name: str
    size: int

    async def ask(
        self, method: Method, segments: tuple[str, ...], query: dict[str, str | list[str]], body: Any = None
    ) -> Completed:
        """One request; anything but a success ends the measurement."""
        ctx = _context(self.name, method, segments, query, body)
        planned = await self.planner.plan(ctx)
        outcome = await self.pool.run(job_for(ctx, planned.runnable))
        if not isinstance(outcome, Completed) or outcome.status >= 400:
            raise SystemExit(f"{method} /{'/'.join(segments)} among {self.size} records ended as {outcome}")
        return outcome

    async def fill(self) -> None:
        for first in range(0, self.size, BATCH):
            count = min(BATCH, self.size - first)
            await self.ask("POST", ("members",), {}, [_record(first + at) for at in range(count)])

    async def find(self, kind: str, number: int) -> Completed:
        """Get the record with this number, from 0."""
        if kind == "by id":
            return await self.ask("GET", ("members", str(number + 1)), {})
        return await self.ask("GET", ("members", "search"), {"email": _email(number)})

    async def warm_up(self, kind: str, requests: int) -> None:
        """Until the guest is warm and the index is there, which is by the 30th search; all must be found."""
        for number in range(requests):
            outcome = await self.find(kind, number % self.size)
            if outcome.body is None or _email(number % self.size).encode() not in outcome.body:
                raise SystemExit(f"{kind}: record {number % self.size} was not found")
            await asyncio.sleep(_PAUSE_SECONDS)

    async def medians(self, kind: str, requests: int) -> tuple[float, float]:
        """Microseconds of a request, and of its run alone, for records from all over the collection."""
        requested, ran = [], []
        for at in range(requests):
            started = time.perf_counter()
            outcome = await self.find(kind, at * 7_919 % self.size)
            requested.append((time.perf_counter() - started) * 1e6)
            ran.append(outcome.micros)
        return statistics.median(requested), statistics.median(ran)


@frozen
class Finding:
    """Medians in microseconds, one a round, of the same work among few records and among many."""

    what: str
    promised: float
    few: tuple[float, ...]
    many: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        return [many / few for few, many in zip(self.few, self.many, strict=True)]

    def __str__(self) -> str:
        ratio, few, many = map(statistics.median, (self.ratios, self.few, self.many))
        verdict = "holds" if ratio <= self.promised else "DOES NOT HOLD"
        return (
            f"{self.what}: {few:.0f} us and {many:.0f} us, ratio {ratio:.2f} "
            f"(rounds from {min(self.ratios):.2f} to {max(self.ratios):.2f}); "
            f"at most {self.promised}: {verdict}"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. The exit status is 0 whatever the figures are: they are for people to read."""
    options = _parser().parse_args(arguments)
    configure("WARNING", "auto", sys.stderr)
    with tempfile.TemporaryDirectory(prefix="growth-") as scratch:
        root = DataRoot.open(Path(scratch))
        try:
            asyncio.run(_measure(root, options))
        finally:
            root.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tools.growth", description="A request's time among few and many.")
    for name, default, meaning in (
        ("small", 100, "records of the small collection"),
        ("large", 100_000, "records of the large one"),
        ("rounds", 15, "rounds of measuring both"),
        ("requests", 200, "requests to each in a round"),
        ("warm-up", 30, "requests to each before the first round"),
    ):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{meaning} (default: {default})")
    return parser


async def _measure(root: DataRoot, options: argparse.Namespace) -> None:
    keeper = KeeperClient(KeeperConfig(root.path))
    await keeper.start()
    pool = WorkerPool(_pool_config(root, keeper))
    try:
        await pool.start()
        planner = CheckedConventions()
        targets = [Target(pool, planner, name, getattr(options, name)) for name in ("small", "large")]
        for target in targets:
            await _fill(keeper, target)
        for kind in PROMISED:
            for target in targets:
                await target.warm_up(kind, options.warm_up)
            findings = await compare(kind, *targets, rounds=options.rounds, requests=options.requests)
            print(*findings, sep="\n")
    finally:
        await pool.close()
        await keeper.close()


async def _fill(keeper: KeeperClient, target: Target) -> None:
    directory = session_for(target.name, None, "reject").directory
    started = time.perf_counter()
    await target.fill()
    seconds = time.perf_counter() - started
    size = (await keeper.call("session", session=directory))["size_bytes"]
    print(f"filled {target.name}: {target.size} records in {seconds:.1f} s, {size / 2**20:.1f} MiB")


async def compare(kind: str, small: Target, large: Target, *, rounds: int, requests: int) -> list[Finding]:
    """Ask both in turn, the large one first in every other round: whole requests, and the runs alone."""
    few: list[tuple[float, float]] = []
    many: list[tuple[float, float]] = []
    for number in range(rounds):
        turns = [(small, few), (large, many)]
        for target, medians in turns if number % 2 == 0 else reversed(turns):
            medians.append(await target.medians(kind, requests))
    parts = zip(("a request", "its run"), zip(*few, strict=True), zip(*many, strict=True), strict=True)
    return [Finding(f"{kind}, {what}", PROMISED[kind], *medians) for what, *medians in parts]


def _pool_config(root: DataRoot, keeper: KeeperClient) -> PoolConfig:
    """One worker, so that both sessions are served by the same process, and the default limits."""
    settings = load(guest_environment())
    return PoolConfig(
        component=artifact.ensure(settings.store.cache_path, _show).path,
        data_root=root.path / CACHES,
        keeper=keeper,
        limits=settings.sandbox.limits(),
        reuse=settings.sandbox.reuse_policy(),
        workers=1,
        inherit=(root.lock_fd,),
    )


def _show(what: str, seconds: float | None) -> None:
    print(f"{what} ..." if seconds is None else f"done in {seconds:.1f} s", file=sys.stderr)


def _context(
    name: str, method: Method, segments: tuple[str, ...], query: dict[str, str | list[str]], body: Any
) -> RequestContext:
    return RequestContext(
        method=method,
        path="/" + "/".join(segments),
        segments=segments,
        query=query,
        headers={},
        content="none" if body is None else "json",
        body_json=body,
        body_text=None if body is None else orjson.dumps(body).decode(),
        client_ip="127.0.0.1",
        session=session_for(name, None, "reject"),
        base_url="http://127.0.0.1:8000",
        request_id="growth",
    )


def _record(number: int) -> dict[str, Any]:
    return {
        "name": f"Member {number}",
        "email": _email(number),
        "age": number % 90,
        "active": number % 3 > 0,
        "address": {"city": f"City {number % 100}", "street": f"Street {number % 1_000}"},
    }


def _email(number: int) -> str:
    return f"member.{number}@example.com"


if __name__ == "__main__":
    sys.exit(main())
