"""JSON Patch and JSON Merge Patch, as helpers of plans.

They run here because a patch has to be applied between the reading and the writing of a record, in one
transaction; and because a patch is a program: `copy` in a list of operations doubles a value each time, and
what that costs is bounded by the guest's fuel and memory.

RFC 6902 is the `jsonpatch` package, built into the guest; it passes json-patch-tests whole. RFC 7396 is six
lines, which no package does better.
"""

from __future__ import annotations

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


def json_patch(document: Any, operations: Any) -> Any:
    """A copy of the record with an RFC 6902 patch applied, all of its operations or none.

    What is no patch ends the plan with 400; a failed `test` or a missing path with 409.
    """
    steps = _checked(operations)
    value = _copy(document)
    for number, (step, operation) in enumerate(zip(steps, operations, strict=True), 1):
        try:
            value = step.apply(value, in_place=True)
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
