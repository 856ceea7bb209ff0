"""Contestants: how each is started, filled and ended. All are processes that answer on a loopback port."""

from __future__ import annotations

import http.client
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from attrs import frozen

from tools import processes
from tools.bench.workloads import fill, numbered, singly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from tools.bench.workloads import Place, Request

_START_SECONDS = 120
_STOP_SECONDS = 30
#: Characters of a contestant's log in a message.
_LOG_SHOWN = 1_000


class BenchError(Exception):
    """The benchmark cannot go on; the message says why, for people."""


@frozen
class Launch:
    """A command, and the environment it gets on top of the usual one."""

    command: tuple[str, ...]
    environment: Mapping[str, str]


@frozen
class Contestant:
    """`launch` is told a directory of its own and a port."""

    name: str
    launch: Callable[[Path, int], Launch]
    #: What `X-Plan-Source` has to say once it is warm; None for what is written by hand.
    plan_source: str | None = None
    #: Whether a POST may have many members.
    takes_many: bool = True


@frozen
class Running:
    """A contestant that answers."""

    contestant: Contestant
    process: subprocess.Popen[bytes]
    port: int
    #: What it writes to standard error.
    log: Path
    #: From its launch to its first reply.
    start_seconds: float

    @property
    def name(self) -> str:
        return self.contestant.name

    def family(self) -> dict[str, list[int]]:
        return processes.family(self.process.pid)

    def each(self, measure: Callable[[int], float]) -> dict[str, float]:
        """What is measured of a process, summed over those of each role."""
        return {role: sum(map(measure, pids)) for role, pids in self.family().items()}

    def ask(self, requests: Iterable[Request]) -> dict[str, str]:
        """One after the other, on one connection; the last reply's headers. BenchError for a failure."""
        answers = list(self._answers(list(requests)))
        return answers[-1][1] if answers else {}

    def share_of_hits(self, requests: Iterable[Request]) -> float:
        """How many of the reads among these, of all of them, are answered from memory."""
        timings = [
            headers.get("Server-Timing", "")
            for request, headers in self._answers(list(requests))
            if request.method == "GET"
        ]
        return sum("remembered;" in timing for timing in timings) / len(timings)

    def _answers(self, asked: Sequence[Request]) -> Iterator[tuple[Request, dict[str, str]]]:
        """Each with its reply's headers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        for request, body in zip(asked, numbered(one.encoded for one in asked), strict=True):
            _send(connection, request, body)
            response = connection.getresponse()
            content = response.read()
            yield request, dict(response.getheaders())
            if response.status >= 400:
                what = f"{request.method} {request.path}"
                raise BenchError(f"{self.name}: {what} was answered {response.status}: {content[:300]!r}")
        connection.close()

    def last_words(self) -> str:
        """How its log ends."""
        return self.log.read_text(errors="replace").strip()[-_LOG_SHOWN:]

    def fill(self, place: Place) -> None:
        self.ask(fill(place) if self.contestant.takes_many else singly(place))

    def warm_up(self, requests: Iterable[Request]) -> None:
        """Raise BenchError unless replies then come from where this contestant's are to come from."""
        source = self.ask(requests).get("X-Plan-Source")
        if source != self.contestant.plan_source:
            raise BenchError(f"{self.name}: replies come from {source}, not {self.contestant.plan_source}")


def _send(connection: http.client.HTTPConnection, request: Request, body: bytes) -> None:
    headers = {"X-Session-ID": request.session, **({"X-Dialect": request.dialect} if request.dialect else {})}
    if request.body is None:
        connection.request(request.method, request.path, headers=headers)
    else:
        headers["Content-Type"] = "application/json"
        connection.request(request.method, request.path, body, headers)


@contextmanager
def running(contestant: Contestant, scratch: Path, first: Request) -> Iterator[Running]:
    """Start it, wait for its first reply, and end it afterwards. Raises BenchError when it does not start."""
    port = _free_port()
    launch = contestant.launch(scratch, port)
    log = scratch / "stderr"
    started = time.perf_counter()
    process = _start(launch, scratch, log)
    try:
        _first_reply(process, port, first, log)
        yield Running(contestant, process, port, log, time.perf_counter() - started)
    finally:
        stop(process)


def _start(launch: Launch, scratch: Path, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as stderr:
        return subprocess.Popen(
            launch.command,
            cwd=scratch,
            env=processes.environment(launch.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )


def _first_reply(process: subprocess.Popen[bytes], port: int, first: Request, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_START_SECONDS)
        try:
            _send(connection, first, first.encoded)
        except ConnectionRefusedError:
            time.sleep(0.003)
            continue
        response = connection.getresponse()
        response.read()
        connection.close()
        if response.status < 400:
            return
        raise BenchError(f"the first reply was {response.status}")
    words = log.read_text(errors="replace").strip()[-_LOG_SHOWN:]
    raise BenchError(f"{process.args!r} does not start:\n{words}")


def stop(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port
