"""Many who watch, while others write: each sees states in their order, and the last one.

1. Every watcher ends with the last state of its session, whatever it watches: a record, a list, patches.
2. None sees an older state after a newer one, also across a reconnect with `Last-Event-ID`, which some do all
   the time.
3. Memory is bounded: while events go out, the API process grows by no more than so many bytes a watcher.
4. In quiet, the median from the acknowledgement of a write to its event is 20 ms at most. `--short` prints
   it only: there are others on the machine.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

import orjson
from attrs import define, field

from tools.processes import rss_bytes, toml
from tools.torture.report import Report
from tools.torture.service import ServiceProcess
from tools.torture.wire import ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


_MOST_MEDIAN_MS: Final = 20.0
_MOST_BYTES_A_WATCHER: Final = 200_000
_SETTLED_SECONDS: Final = 60.0
_AT_ONCE: Final = 50
#: Of ten watchers of a session, the first so many of each kind; the rest watch the record.
_LISTS, _PATCHES, _LEAVING = 3, 2, 1


async def torture(
    seed: int, watchers: int, sessions: int, a_second: float, seconds: float, *, timed: bool = False
) -> Report:
    """So many watchers of so many sessions, and so many writes a second in all."""
    options = f"--watchers {watchers} --watched {sessions} --writes {a_second:g} --watch-seconds {seconds:g}"
    report = Report("watchers", seed, options)
    async with AsyncExitStack() as running:
        scratch = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="torture-")))
        live = {"streams": watchers + 100, "streams_per_session": watchers // sessions + 10}
        live["streams_per_client"] = live["streams"]
        (scratch / "torture.toml").write_text(toml({"live": live}))
        variables = {
            "LARS_CONFIG": str(scratch / "torture.toml"),
            "LARS_DEFAULT_PROVIDER": "conventions",
            "LARS_LOG_LEVEL": "WARNING",
        }
        service = ServiceProcess(scratch, variables)
        running.push_async_callback(service.close)
        await service.start()
        crowd = Crowd(report, service, Random(f"watchers:{seed}"), [f"s{n}" for n in range(sessions)])
        await crowd.run(watchers, a_second, seconds)
    median = report.figures.get("median_ms", 0.0)
    if timed and isinstance(median, float) and median > _MOST_MEDIAN_MS:
        report.violation(f"{median} ms from a write's acknowledgement to its event, at the median")
    return report


@define(eq=False)
class Watcher:
    """One client: `state` is the number that it was shown last, `body` what it makes of events."""

    session: str
    target: str
    delta: bool
    leaves: bool
    crowd: Crowd
    state: int = -1
    events: int = 0
    last_id: str = ""
    body: Any = None
    times: list[float] = field(factory=list)
    #: Set whenever there was an event.
    moved: asyncio.Event = field(factory=asyncio.Event)

    async def watch(self) -> None:
        """For ever; some leave after an event and come again."""
        while True:
            with suppress(OSError, asyncio.IncompleteReadError):
                async for name, data in self._events():
                    self._take(name, data)
                    if self.leaves and self.events > 1 and self.crowd.rng.random() < 0.5:
                        break
            await asyncio.sleep(self.crowd.rng.random() * 0.05)

    async def _events(self) -> AsyncIterator[tuple[str, Any]]:
        reader, writer = await asyncio.open_connection(*self.crowd.service.address, limit=1 << 22)
        try:
            delta = "; delta=json-patch" if self.delta else ""
            resumed = f"Last-Event-ID: {self.last_id}\r\n" if self.last_id else ""
            writer.write(
                f"GET {self.target} HTTP/1.1\r\nHost: localhost\r\nX-Session-ID: {self.session}\r\n"
                f"Accept: text/event-stream{delta}\r\n{resumed}\r\n".encode()
            )
            fields: dict[str, str] = {}
            while line := await reader.readline():
                name, _, value = line.decode().rstrip("\r\n").partition(": ")
                if name in {"event", "id", "data"}:
                    fields[name] = value
                if name == "data":
                    self.last_id = fields["id"]
                    yield fields["event"], orjson.loads(fields["data"])
        finally:
            writer.transport.abort()

    def _take(self, name: str, data: Any) -> None:
        self.events += 1
        if name == "patch":
            self.body = _patched(self.body, data["patch"])
        elif name == "reply":
            self.body = data["body"]
        else:
            self.crowd.report.violation(f"{self.session} {self.target}: an event {name}: {data}")
            return
        record = self.body if "n" in self.body else self.body["items"][0]
        number = record["n"]
        if number < self.state:
            self.crowd.report.violation(f"{self.session} {self.target}: {number} after {self.state}")
        acknowledged = self.crowd.acknowledged.get((self.session, number))
        if acknowledged is not None and number > self.state:
            self.times.append(time.monotonic() - acknowledged)
        elif number > self.state:
            self.times.append(0.0)  # the event was there before the answer to the write
        self.state = number
        self.moved.set()


@define
class Crowd:
    report: Report
    service: ServiceProcess
    rng: Random
    sessions: list[str]
    acknowledged: dict[tuple[str, int], float] = field(factory=dict)
    last: dict[str, int] = field(factory=dict)

    async def run(self, count: int, a_second: float, seconds: float) -> None:
        for session in self.sessions:
            await self._must(session, "POST", "/counters", {"n": 0})
        before = rss_bytes(self.service.pid)
        watchers = [self._watcher(number) for number in range(count)]
        tasks = []
        for start in range(0, count, _AT_ONCE):
            some = watchers[start : start + _AT_ONCE]
            tasks += [asyncio.create_task(each.watch()) for each in some]
            await self._all(some, lambda each: each.state >= 0)
        opened = rss_bytes(self.service.pid)
        for each in watchers:
            each.times.clear()
        await self._write(a_second, seconds)
        await self._all(watchers, lambda each: each.state == self.last.get(each.session, 0))
        after = rss_bytes(self.service.pid)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._judge(watchers, opened - before, after - opened)

    def _watcher(self, number: int) -> Watcher:
        session = self.sessions[number % len(self.sessions)]
        place = number // len(self.sessions) % 10
        target = "/counters" if place < _LISTS + _PATCHES else "/counters/1"
        delta = _LISTS <= place < _LISTS + _PATCHES
        return Watcher(session, target, delta, place >= 10 - _LEAVING, self)

    async def _must(self, session: str, method: str, target: str, body: Any) -> None:
        answer = await ask(self.service.address, method, target, session, body)
        if answer.status >= 300:
            self.report.violation(f"{session}: {method} {target}: {answer.said}")

    async def _write(self, a_second: float, seconds: float) -> None:
        """At even intervals, and each session's one after the other, as its numbers go up."""
        began, tasks = time.monotonic(), set[asyncio.Task[None]]()
        turns = {session: asyncio.Lock() for session in self.sessions}
        for number in range(int(a_second * seconds)):
            await asyncio.sleep(max(began + number / a_second - time.monotonic(), 0))
            session = self.rng.choice(self.sessions)
            task = asyncio.create_task(self._change(session, turns[session]))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)

    async def _change(self, session: str, turn: asyncio.Lock) -> None:
        async with turn:
            number = self.last.get(session, 0) + 1
            self.last[session] = number
            await self._must(session, "PATCH", "/counters/1", {"n": number})
            self.acknowledged[session, number] = time.monotonic()

    async def _all(self, watchers: list[Watcher], holds: Callable[[Watcher], bool]) -> None:
        """Until it holds of all of them."""
        try:
            async with asyncio.timeout(_SETTLED_SECONDS):
                for each in watchers:
                    while not holds(each):
                        each.moved.clear()
                        await each.moved.wait()
        except TimeoutError:
            late = [each for each in watchers if not holds(each)]
            for each in late:
                expected = self.last.get(each.session, 0)
                self.report.violation(
                    f"{each.session} {each.target}: ended with {each.state}, not {expected}"
                )

    def _judge(self, watchers: list[Watcher], opening: int, growth: int) -> None:
        times = [seconds * 1_000 for each in watchers if not each.leaves for seconds in each.times]
        median = statistics.median(times) if times else 0.0
        self.report.figures |= {
            "watchers": len(watchers),
            "writes": len(self.acknowledged),
            "events": sum(each.events for each in watchers),
            "median_ms": round(median, 2),
            "p99_ms": round(statistics.quantiles(times, n=100)[98], 2) if len(times) > 1 else 0.0,
            "kib_a_watcher": round(opening / len(watchers) / 1024, 1),
            "growth_kib_a_watcher": round(growth / len(watchers) / 1024, 1),
        }
        for what, size in (("opened", opening), ("written to", growth)):
            if size > _MOST_BYTES_A_WATCHER * len(watchers):
                self.report.violation(f"the API process grew by {size} bytes while streams were {what}")


def _patched(body: Any, patch: list[dict[str, Any]]) -> Any:
    """RFC 6902, as far as the service uses it."""
    for step in patch:
        names = [each.replace("~1", "/").replace("~0", "~") for each in step["path"].split("/")[1:]]
        if not names:
            body = step["value"]
            continue
        place = body
        for name in names[:-1]:
            place = place[int(name) if isinstance(place, list) else name]
        last: Any = int(names[-1]) if isinstance(place, list) else names[-1]
        if step["op"] == "remove":
            del place[last]
        elif step["op"] == "add" and isinstance(place, list):
            place.insert(last, step["value"])
        else:
            place[last] = step["value"]
    return body
