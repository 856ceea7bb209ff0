"""JSON Patch and JSON Merge Patch, as helpers of plans.

They run here because a patch has to be applied between the reading and the writing of a record, in one
transaction; and because a patch is a program: `copy` in a list of operations doubles a value each time, and
`add` in front of a long list moves all of it. So what its operations copy and move is added up, and has a
limit (`PatchLimits`).

RFC 6902 is the `jsonpatch` package, built into the guest; it passes json-patch-tests whole. RFC 7396 is six
lines, which no package does better.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any

from jsonpatch import (
    InvalidJsonPatch,
    JsonPatch,
    JsonPatchConflict,
    JsonPatchException,
    JsonPatchPathNotFound,
    JsonPatchTestFailed,
)
from jsonpointer import EndOfList, JsonPointer, JsonPointerException

from guest.reply import abort

#: What a value takes beside its text, about; and how much quicker a list moves its items than copies them.
_VALUE_BYTES = 32
_MOVED_PER_BYTE = 64
_MOVING = frozenset({"add", "copy", "move", "remove"})


@dataclass
class PatchLimits:
    """`patch_bytes`: what the operations of one patch may copy and move; `object_members` of one object."""

    patch_bytes: int = 1_048_576
    object_members: int = 1_000

    def set(self, patch_bytes: int, object_members: int) -> None:
        self.patch_bytes, self.object_members = patch_bytes, object_members


#: This guest's, set when it is attached.
LIMITS = PatchLimits()


def json_patch(document: Any, operations: Any) -> Any:
    """A copy of the record with an RFC 6902 patch applied, all of its operations or none.

    What is no patch ends the plan with 400; a failed `test` or a missing path with 409.
    """
    # One that copies too much, or makes an object too large, with 422: of no interest to planners.
    steps = _checked(operations)
    value, work = _copy(document), _Work(LIMITS.patch_bytes)
    for number, (step, operation) in enumerate(zip(steps, operations, strict=True), 1):
        try:
            work.before(value, operation)
            value = step.apply(value, in_place=True)
            work.after(value, operation)
        except _TooMuch as much:
            abort(422, _fault(number, operation, str(much)))
        except InvalidJsonPatch as error:
            abort(400, _fault(number, operation, str(error)))
        except JsonPatchTestFailed:
            missing = _missing(value, operation)
            abort(409, _fault(number, operation, missing or "the value there is another"))
        except (JsonPatchPathNotFound, JsonPointerException):
            missing = _missing(value, operation)
            abort(409, _fault(number, operation, missing or "there is no such place"))
        except JsonPatchConflict as error:
            abort(409, _fault(number, operation, str(error)))
    return value


class _TooMuch(Exception):
    """What there is too much of, for the client."""


class _Work:
    """What the operations of one patch have copied and moved."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._left = limit

    def before(self, document: Any, operation: dict[str, Any]) -> None:
        """Raises _TooMuch."""
        if operation["op"] == "copy":
            with suppress(JsonPointerException, KeyError, TypeError):  # whoever applies it says so
                self._take_value(JsonPointer(operation["from"]).resolve(document))

    def after(self, document: Any, operation: dict[str, Any]) -> None:
        """Raises _TooMuch."""
        places = [operation["path"]] if operation["op"] in _MOVING else []
        if operation["op"] == "move":
            places.append(operation["from"])
        for path in places:
            with suppress(JsonPointerException):  # what a value was moved from may be gone
                self._take_place(JsonPointer(path).to_last(document)[0], adds=operation["op"] != "remove")

    def _take_place(self, parent: Any, *, adds: bool) -> None:
        """A list has moved what comes after the place; an object has a limit."""
        if isinstance(parent, list):
            self._take(len(parent) // _MOVED_PER_BYTE)
        elif adds and isinstance(parent, dict) and len(parent) > LIMITS.object_members:
            raise _TooMuch(f"the object would have more than {LIMITS.object_members} members")

    def _take_value(self, value: Any) -> None:
        level = [value]
        while level:
            self._take(sum(map(_size, level)))
            level = list(chain.from_iterable(map(_children, level)))

    def _take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise _TooMuch(f"the patch copies and moves more than {self._limit} bytes")


def _size(value: Any) -> int:
    return _VALUE_BYTES + (len(value) if isinstance(value, str) else 0)


def _children(value: Any) -> Any:
    if isinstance(value, dict):
        return chain(value, value.values())
    return value if isinstance(value, list) else ()


def _missing(document: Any, operation: Any) -> str | None:
    """Of the places that an operation needs to be there, the first that is not, in words."""
    kind, path = operation["op"], operation["path"]
    # What is put somewhere needs the object or array to put it in. It is looked for first: what was to be
    # moved may be gone from where it was.
    places = [path.rpartition("/")[0] if kind in ("add", "copy", "move") else path]
    if kind in ("copy", "move"):
        places.append(operation["from"])
    for place in places:
        if not _is_there(document, place):
            return f"there is nothing at {place[:100]}"
    return None


def _is_there(document: Any, place: str) -> bool:
    try:
        # `-` is the place after an array's last element, where nothing is.
        return not isinstance(JsonPointer(place).resolve(document), EndOfList)
    except JsonPointerException:
        return False


def merge_patch(document: Any, changes: Any) -> Any:
    """A copy of the record, merged with a patch by RFC 7396: null removes, objects merge deeply."""
    if not isinstance(changes, dict):
        return changes
    merged = dict(document) if isinstance(document, dict) else {}
    for name, change in changes.items():
        if change is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), change)
    return merged


def _copy(value: Any) -> Any:
    """Plain dicts and lists all through: the package writes into them, and records are lazy."""
    if isinstance(value, dict):
        return {name: _copy(each) for name, each in value.items()}
    return [_copy(each) for each in value] if isinstance(value, list) else value


def _checked(operations: Any) -> list[JsonPatch]:
    """A patch for each operation, so that one that fails can be named. All are checked before any runs."""
    if not isinstance(operations, list):
        abort(400, "a JSON Patch is an array of operations")
    steps = []
    for number, operation in enumerate(operations, 1):
        try:
            steps.append(JsonPatch([operation]))
        except (JsonPatchException, JsonPointerException) as error:
            abort(400, _fault(number, operation, str(error)))
    return steps


def _fault(number: int, operation: Any, reason: str) -> str:
    named = operation if isinstance(operation, dict) else {}
    what = " ".join(str(named[name]) for name in ("op", "path") if isinstance(named.get(name), str))
    return f"operation {number}{f' ({what[:100]})' if what else ''}: {reason[:200]}"
