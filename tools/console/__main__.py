"""Measure the console: ``python -m tools.console [pages|requests]``.

`pages`: a service with 100 sessions, a collection of 100,000 records and 500 learned routes; the time that
each page takes at first view, what of it is processor time of the service and its processes, the time
afterwards, and the memory that the service has gained.

`requests`: processor time of the service for one request of a client, without a console and with one that
nobody looks at, taking turns; both count for metrics. A request is the same bytes each time, so its reply is
remembered, and what is measured is the shortest way through the service and what is noted of it.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import statistics
import tarfile
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from attrs import define, frozen

from tools import processes

if TYPE_CHECKING:
    from collections.abc import Iterator

ADMIN: Final = "the-admin-token-of-measurements"
_VIEWS: Final = 5


@frozen
class Scale:
    sessions: int = 100
    records: int = 100_000
    routes: int = 500
    rounds: int = 10
    requests: int = 5_000


#: A look at whether it works: its figures mean nothing.
_QUICK: Final = Scale(2, 200, 20, 2, 20)
_BASE: Final = "/_meta/console"
_PAGES: Final = (
    "/sessions",
    "/sessions/big",
    "/sessions/big/log",
    "/sessions/big/contract",
    "/sessions/big/data/things",
    "/sessions/big/data/things?offset=90000",
    "/sessions/big/data/things?q=sort%3D-age",
    "/sessions/big/data/things?q=sort%3Dname",
    "/sessions/big/data/things?q=age%3D7",
    "/sessions/big/data/things/new",
    "/sessions/big/data/things/records/77",
    "/routes",
    "/routes/{plan}",
    "/traffic",
    "/traffic/requests/{request}",
    "/model",
)


@define
class Asked:
    """A service that is running, over one connection."""

    pid: int
    connection: http.client.HTTPConnection

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """Raises RuntimeError for an error."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, body, sent)
        reply = self.connection.getresponse()
        data = reply.read()
        if reply.status >= 400:
            raise RuntimeError(f"{method} {path}: {reply.status} {data[:500]!r}")
        return reply, data

    def json(self, method: str, path: str, value: Any, **headers: str) -> http.client.HTTPResponse:
        return self.ask(method, path, json.dumps(value).encode(), Content_Type="application/json", **headers)[
            0
        ]


@contextmanager
def running(root: Path, **variables: str) -> Iterator[Asked]:
    root.mkdir(exist_ok=True)
    with processes.serving(root, LARS_LOG_LEVEL="WARNING", **variables) as (pid, url):
        yield Asked(pid, http.client.HTTPConnection(url.removeprefix("http://"), timeout=300))


def fill(service: Asked, scale: Scale) -> str:
    """Sessions, records, and routes; the id of one of the plans."""
    token = {"Authorization": f"Bearer {ADMIN}"}
    for number in range(scale.sessions):
        service.json("POST", "/orders", {"n": number}, X_Session_ID=f"session-{number}")
    service.ask("PUT", "/_meta/sessions/big/import", _archive(scale.records), **token)
    code = "REPLY = make_response(200, store.get(params['id']))"
    plans = [
        {"method": "GET", "route": f"/{_word(number)}/{{id:int}}", "resource": "things", "code": code}
        for number in range(scale.routes)
    ]
    document = {"format": "metaservice plans", "version": 1, "plans": plans}
    service.json("POST", "/_meta/plans/import?session=big", document, **token)
    _, data = service.ask("GET", "/_meta/plans?limit=1", None, **token)
    return str(json.loads(data)["plans"][0]["id"])


def _word(number: int) -> str:
    letters = "abcdefghij"
    return "things-" + "".join(letters[int(digit)] for digit in f"{number:03}")


def _archive(count: int) -> bytes:
    """A session's export: one collection, whose records look like people's."""
    records = [
        {
            "id": number,
            "name": f"Thing {number * 7919 % 100_003}",
            "age": number * 31 % 97,
            "tags": ["a", "b"],
        }
        for number in range(1, count + 1)
    ]
    data, file = json.dumps(records).encode(), io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        entry = tarfile.TarInfo("things.json")
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    return file.getvalue()


def pages(root: Path, scale: Scale) -> None:
    with running(root, LARS_ADMIN_TOKEN=ADMIN) as service:
        plan = fill(service, scale)
        form = {"Content_Type": "application/x-www-form-urlencoded"}
        reply, _ = service.ask("POST", f"{_BASE}/login", urlencode({"token": ADMIN}).encode(), **form)
        cookie = {"Cookie": str(reply.headers["Set-Cookie"]).partition(";")[0]}
        request = service.json("POST", "/things", {"name": "New"}, X_Session_ID="big").headers["X-Request-ID"]
        before = processes.memory(service.pid)["Pss"]
        print(f"{'page':50} {'first ms':>9} {'of it CPU':>9} {'then ms':>9} {'KiB':>7}")
        for path in _PAGES:
            found = path.format(plan=plan, request=request)
            took, worked, size = [], [], 0
            for _ in range(_VIEWS):
                started, work = time.perf_counter(), _family_cpu_seconds(service.pid)
                size = len(service.ask("GET", _BASE + found, None, **cookie)[1])
                took.append((time.perf_counter() - started) * 1_000)
                worked.append((_family_cpu_seconds(service.pid) - work) * 1_000)
            then = statistics.median(took[1:])
            print(f"{path:50} {took[0]:9.1f} {worked[0]:9.1f} {then:9.1f} {size / 1024:7.1f}", flush=True)
        after = processes.memory(service.pid)["Pss"]
        print(f"memory of the service: {before / 2**20:.1f} MiB before, {after / 2**20:.1f} MiB after")


def requests(root: Path, scale: Scale) -> None:
    """The two services take turns, so that what else the machine does touches both."""
    with (
        running(root / "without", LARS_METRICS_TOKEN="the-token-of-metrics") as without,
        running(root / "with", LARS_ADMIN_TOKEN=ADMIN) as with_console,
    ):
        services = {"without a console": without, "with a console": with_console}
        took: dict[str, list[float]] = {name: [] for name in services}
        for service in services.values():
            service.json("POST", "/things", {"name": "One"}, X_Session_ID="s")
            _burst(service, scale.requests)
        for _ in range(scale.rounds):
            for name, service in services.items():
                took[name].append(_burst(service, scale.requests))
        for name, times in took.items():
            middle, least = statistics.median(times), min(times)
            print(f"{name:20} {middle:7.2f} µs of processor time a request, at least {least:.2f}")


def _burst(service: Asked, count: int) -> float:
    """Microseconds of the service's processor time for a request."""
    before = _cpu_seconds(service.pid)
    for _ in range(count):
        service.ask("GET", "/things/1", X_Session_ID="s")
    return (_cpu_seconds(service.pid) - before) / count * 1e6


def _cpu_seconds(pid: int) -> float:
    """Of all threads of a process, to the nanosecond (proc(5), schedstat)."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def _family_cpu_seconds(pid: int) -> float:
    """Of the service, its workers and its keeper."""
    return sum(map(_cpu_seconds, (pid, *processes.workers_of(pid), *processes.keepers_of(pid))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", nargs="?", choices=("pages", "requests"))
    parser.add_argument("--quick", action="store_true", help="little of everything: does it work?")
    options = parser.parse_args()
    what, scale = options.what, _QUICK if options.quick else Scale()
    with tempfile.TemporaryDirectory() as scratch:
        if what != "requests":
            pages(Path(scratch) / "pages", scale)
        if what != "pages":
            requests(Path(scratch), scale)


if __name__ == "__main__":
    main()
