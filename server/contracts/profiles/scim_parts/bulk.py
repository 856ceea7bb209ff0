"""SCIM's bulk requests (RFC 7644 §3.7): what one asks, and in which order it can be done.

1. What is made in a request has a name there, its `bulkId`; others refer to it as ``bulkId:name``, in their
   data and in their paths, before or after it.
2. What refers to something waits until that is made. What refers to itself in a circle, or to what was not
   made, cannot be done (§3.7.1: 409).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve, field, frozen

from server.values.errors import BadRequest, PayloadTooLarge

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

REPLY: Final = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
_METHODS: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_REFERENCE: Final = re.compile(r"bulkId:([^/?#]{1,128})")
_MOST_LEVELS: Final = 64


@frozen
class Step:
    """One of a bulk request's operations. `path` begins with a slash, `data` is None where there is none."""

    number: int
    method: str
    path: str
    bulk_id: str = ""
    version: str = ""
    data: Any = None
    #: The names that it refers to.
    needs: frozenset[str] = field(factory=frozenset)

    def with_ids(self, ids: Mapping[str, str]) -> Step:
        """With the ids of what was made in the place of its names."""
        path = _REFERENCE.sub(lambda found: ids.get(found[1], found[0]), self.path)
        return evolve(self, path=path, data=_replaced(self.data, ids))


@frozen
class Bulk:
    steps: tuple[Step, ...]
    #: After so many errors nothing more is done; 0: however many there are.
    fail_on_errors: int = 0


def read(body: Any, most: int) -> Bulk:
    """Raises BadRequest, and PayloadTooLarge for more than `most` operations."""
    asked = body.get("Operations") if isinstance(body, dict) else None
    if not isinstance(asked, list):
        raise _wrong("/Operations", "there has to be a list of operations")
    if len(asked) > most:
        raise PayloadTooLarge(f"There are {len(asked)} operations, and {most} are allowed.", limit=most)
    fail = body.get("failOnErrors", 0)
    if type(fail) is not int or fail < 0:
        raise _wrong("/failOnErrors", "it has to be a whole number from 1")
    steps = tuple(_step(number, each) for number, each in enumerate(asked))
    names = [each.bulk_id for each in steps if each.method == "POST"]
    if len(set(names)) < len(names):
        raise _wrong("/Operations", "two of them have the same bulkId")
    return Bulk(steps, fail)


def in_turn(steps: Sequence[Step], done: Mapping[str, str | None]) -> Iterator[tuple[Step, bool]]:
    """Each step when what it needs is done, and whether it can be; `done` has the id of each name by then.

    The id of what was not made is None.
    """
    left = list(steps)
    while left:
        ready = next((each for each in left if each.needs <= done.keys()), None)
        step = left[0] if ready is None else ready
        left.remove(step)
        yield step, ready is not None and all(done[name] is not None for name in step.needs)


def _step(number: int, told: Any) -> Step:
    place = f"/Operations/{number}"
    if not isinstance(told, dict):
        raise _wrong(place, "it has to be an object")
    method, path, name = (told.get(each, "") for each in ("method", "path", "bulkId"))
    if not isinstance(method, str) or method.upper() not in _METHODS:
        raise _wrong(f"{place}/method", f"it has to be one of {', '.join(sorted(_METHODS))}")
    if not isinstance(path, str) or path[:1] != "/" or "?" in path:
        raise _wrong(f"{place}/path", "it has to be a path below this service's, which begins with a slash")
    if not isinstance(name, str) or (method.upper() == "POST" and not name):
        raise _wrong(f"{place}/bulkId", "what is made has a name in its request, which is a text")
    version, data = told.get("version", ""), told.get("data")
    if not isinstance(version, str):
        raise _wrong(f"{place}/version", "it has to be a text")
    needs = frozenset({*_REFERENCE.findall(path), *_names_in(data, 0)})
    return Step(number, method.upper(), path, name, version, data, needs)


def _names_in(value: Any, level: int) -> Iterator[str]:
    if isinstance(value, str):
        found = _REFERENCE.fullmatch(value)
        if found is not None:
            yield found[1]
    elif level < _MOST_LEVELS:
        for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from _names_in(each, level + 1)


def _replaced(value: Any, ids: Mapping[str, str], level: int = 0) -> Any:
    if isinstance(value, str):
        found = _REFERENCE.fullmatch(value)
        return value if found is None else ids.get(found[1], value)
    if level >= _MOST_LEVELS:
        return value
    if isinstance(value, dict):
        return {name: _replaced(each, ids, level + 1) for name, each in value.items()}
    return [_replaced(each, ids, level + 1) for each in value] if isinstance(value, list) else value


def _wrong(pointer: str, detail: str) -> BadRequest:
    fault = {"in": "body", "pointer": pointer, "keyword": "type", "detail": detail}
    return BadRequest(f"Body {pointer}: {detail}.", errors=[fault])
