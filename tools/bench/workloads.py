"""What is asked of a service: requests made beforehand, the same for every contestant.

A workload is a list of raw HTTP requests that a load generator sends over and over, in order. Reads and
writes have sessions of their own, so that what one workload adds makes no other one's lists longer.
"""

from __future__ import annotations

import json
import random
import time
from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import TypeAlias

    #: A request of a session, about the member with a number; what is left to chance, the dice say.
    Make: TypeAlias = "Callable[[str, int, random.Random], Request]"

#: Requests of one workload.
COUNT = 2_000
#: Replaced by as many digits that are never twice the same, for writes that change something every time:
#: SQLite does not sync an update that changes nothing.
SERIAL = "#######"


@frozen
class Request:
    method: str
    path: str
    session: str
    body: Any = None
    #: The dialect that it is in; empty: the service's own.
    dialect: str = ""

    def raw(self, port: int) -> bytes:
        """The request as it goes over the wire."""
        content = b"" if self.body is None else self.encoded
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
        lines.append(f"X-Session-ID: {self.session}")
        if self.dialect:
            lines.append(f"X-Dialect: {self.dialect}")
        if self.body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
        return "\r\n".join([*lines, "", ""]).encode() + content

    @property
    def encoded(self) -> bytes:
        """The body, with SERIAL still in it."""
        return json.dumps(self.body, separators=(",", ":")).encode()


def numbered(texts: Iterable[bytes]) -> Iterator[bytes]:
    """The texts with the next number in the place of SERIAL; starts where an earlier run has long passed."""
    mark = SERIAL.encode()
    for number, text in enumerate(texts, time.time_ns() // 1_000_000):
        yield text.replace(mark, b"%07d" % (number % 10_000_000))


@frozen
class Place:
    """Where requests go: these sessions, each with that many members, numbered from 1."""

    sessions: tuple[str, ...]
    size: int

    def requests(self, make: Make) -> list[Request]:
        """Each in any of the sessions, about any member: in turn would be the worst case of an LRU."""
        dice = random.Random(1)
        return [make(dice.choice(self.sessions), dice.randint(1, self.size), dice) for _ in range(COUNT)]


def member(number: int) -> dict[str, Any]:
    """The member that gets this number as its id."""
    return {
        "name": f"Member {number}",
        "email": _email(number),
        "age": number % 90,
        "active": number % 3 > 0,
        "city": f"City {number % 100}",
    }


def _email(number: int) -> str:
    return f"member.{number}@example.com"


def _get(session: str, number: int, _dice: random.Random) -> Request:
    return Request("GET", f"/members/{number}", session)


def _list(session: str, _number: int, _dice: random.Random) -> Request:
    return Request("GET", "/members?limit=20", session)


def _search(session: str, number: int, _dice: random.Random) -> Request:
    return Request("GET", f"/members/search?email={_email(number)}", session)


def _post(session: str, number: int, _dice: random.Random) -> Request:
    return Request("POST", "/members", session, member(1_000_000 + number))


def _patch(session: str, number: int, _dice: random.Random) -> Request:
    return Request("PATCH", f"/members/{number}", session, {"city": f"City {SERIAL}"})


def _mixed(session: str, number: int, dice: random.Random) -> Request:
    """80 reads to 20 writes: 60 % GET, 20 % lists, 10 % POST, 10 % PATCH, each about any member."""
    kinds: tuple[Make, ...] = (_get, _list, _post, _patch)
    (kind,) = dice.choices(kinds, (6, 2, 1, 1))
    return kind(session, number, dice)


def _compute(session: str, _number: int, _dice: random.Random) -> Request:
    return Request("GET", "/compute", session)


#: By dialect: the path of a collection, and of its first page of 20.
DIALECTS: dict[str, tuple[str, str]] = {
    "json-server": ("/members", "/members?_limit=20"),
    "json-server-1": ("/members", "/members?_page=1&_per_page=20"),
    "ra-data-simple-rest": ("/members", "/members?range=%5B0,19%5D"),
    "postgrest": ("/members", "/members?limit=20"),
    "pocketbase": ("/api/collections/members/records", "/api/collections/members/records?perPage=20"),
    "json-api": ("/members", "/members?page%5Bsize%5D=20"),
}


def in_dialect(dialect: str, workload: str) -> Make:
    """`get` or `list`, as a client of the dialect asks for it."""
    path, page = DIALECTS[dialect]

    def make(session: str, number: int, _dice: random.Random) -> Request:
        # In PostgREST a record is what a filter leaves.
        one = f"{path}?id=eq.{number}" if dialect == "postgrest" else f"{path}/{number}"
        return Request("GET", one if workload == "get" else page, session, dialect=dialect)

    return make


WORKLOADS: dict[str, Make] = {
    "get": _get,
    "list": _list,
    "search": _search,
    "post": _post,
    "patch": _patch,
    "mixed": _mixed,
    "compute": _compute,
}
#: Those of a service for members; `compute` is a plan that computes, for comparing numbers of workers.
MEMBERS = ("get", "list", "search", "post", "patch", "mixed")


def fill(place: Place, batch: int = 5_000) -> Sequence[Request]:
    """Requests that put the members in place, whole batches at a time."""
    return [
        Request("POST", "/members", session, [member(n) for n in numbers])
        for session in place.sessions
        for numbers in _batches(place.size, batch)
    ]


def singly(place: Place) -> Sequence[Request]:
    """The same, a member at a time."""
    return [
        Request("POST", "/members", session, member(number))
        for session in place.sessions
        for number in range(1, place.size + 1)
    ]


def _batches(size: int, batch: int) -> list[range]:
    return [range(first, min(first + batch, size + 1)) for first in range(1, size + 1, batch)]
