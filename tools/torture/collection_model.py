"""A collection as it should behave: the sequential specification that histories are held against.

The state is every record, as a frozen set of (id, v, w), and the largest id that the service has chosen
itself. `v` is set by POST and PUT, `w` by PATCH; a PUT takes `w` away. So every write is seen whole by
any later read: in a PATCH's answer `v` shows what it was based on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import evolve, frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.torture.linearize import Operation

Record: TypeAlias = tuple[str | int, int | None, int | None]


@frozen
class Request:
    """`id` None: of the whole collection; for POST, an id of the service's choosing."""

    method: str
    id: str | int | None = None
    value: int | None = None


@frozen
class Result:
    """`records`: the one of the answer, or all of a list."""

    status: int
    records: frozenset[Record] = frozenset()


@frozen
class State:
    records: frozenset[Record] = frozenset()
    last_auto_id: int = 0

    def get(self, identifier: str | int | None) -> Record | None:
        return next((record for record in self.records if record[0] == identifier), None)

    def put(self, record: Record) -> State:
        others = frozenset(other for other in self.records if other[0] != record[0])
        return evolve(self, records=others | {record})

    def without(self, record: Record) -> State:
        return evolve(self, records=self.records - {record})


def record_of(document: dict[str, Any]) -> Record:
    return document["id"], document.get("v"), document.get("w")


def step(state: State, request: Request, result: Result | None) -> State | None:
    """The state after a request that had this result (None: no answer); None where it can't have had it."""
    if request.method == "POST" and request.id is None:
        return _create(state, request, result)
    after, expected = _expected(state, request)
    return after if result is None or result == expected else None


def _create(state: State, request: Request, result: Result | None) -> State | None:
    """An id that the service chose is new: above all that it chose before."""
    if result is None or result.status != 201 or len(result.records) != 1:
        return None
    (record,) = result.records
    identifier, value, other = record
    fits = isinstance(identifier, int) and identifier > state.last_auto_id
    if not fits or (value, other) != (request.value, None):
        return None
    return State(state.records | {record}, int(identifier))


def _expected(state: State, request: Request) -> tuple[State, Result]:
    if request.method == "LIST":
        return state, Result(200, state.records)
    found = state.get(request.id)
    if request.method == "POST":
        return _insert(state, request, found)
    if found is None:
        return state, Result(404)
    match request.method:
        case "GET":
            return state, Result(200, frozenset({found}))
        case "DELETE":
            return state.without(found), Result(204)
        case "PUT":
            record: Record = (found[0], request.value, None)
        case "PATCH":
            record = (found[0], found[1], request.value)
        case _:
            raise ValueError(request.method)
    return state.put(record), Result(200, frozenset({record}))


def _insert(state: State, request: Request, found: Record | None) -> tuple[State, Result]:
    if found is not None or request.id is None:
        return state, Result(409)
    record: Record = (request.id, request.value, None)
    return state.put(record), Result(201, frozenset({record}))


def resolved(operations: Sequence[Operation]) -> list[Operation]:
    """The history with what is known only afterwards.

    A POST that nobody was answered for and whose id the service chose: the id is the one its value was seen
    under, from anywhere on. Was it never seen, then it need not have happened: it is left out, as
    are reads without an answer.
    """
    seen = {
        record[1]: record
        for operation in operations
        if operation.result is not None
        for record in operation.result.records
    }
    return [done for operation in operations for done in _resolved(operation, seen)]


def _resolved(operation: Operation, seen: dict[int | None, Record]) -> list[Operation]:
    request: Request = operation.request
    if operation.result is not None or (
        request.method in ("PUT", "PATCH", "DELETE") or request.id is not None
    ):
        return [] if operation.result is None and request.method == "GET" else [operation]
    record = seen.get(request.value) if request.method == "POST" else None
    if record is None:
        return []
    # As if it had been answered, only that nobody knows when.
    created: Record = (record[0], request.value, None)
    return [evolve(operation, result=Result(201, frozenset({created})))]
