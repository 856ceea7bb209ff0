r"""SCIM patches (RFC 7644 §3.5.2): operations of a request as steps for the program, and its piece.

    {"Operations": [{"op": "replace", "path": "emails[type eq \"work\"].value", "value": "a@b"}]}

A path is an attribute, one of its parts, and elements of a list by comparisons that are joined with `and`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import orjson

from server.values.errors import BadRequest, Unprocessable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.contracts.profiles.frame.table import Reading

_OPS: Final = frozenset({"add", "remove", "replace"})
_PATH: Final = re.compile(
    r"(?P<name>[A-Za-z$][\w$-]*)(?:\[(?P<filter>[^\]]{1,256})\])?(?:\.(?P<part>[A-Za-z$][\w$-]*))?", re.ASCII
)
_TEST: Final = re.compile(
    r'([A-Za-z$][\w$-]*) (?:(pr)|(eq|ne|co|sw|ew) ("(?:[^"\\]|\\.)*"|[\w.+-]+))', re.ASCII
)
_MOST: Final = 1_000


class PathError(BadRequest):
    """RFC 7644 §3.12 calls it `invalidPath`."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            f"Operations: {detail}", errors=[{"in": "body", "keyword": "invalidPath", "detail": detail}]
        )


def read(body: Any, reading: Reading) -> list[Any]:
    """Steps: the operation, the attribute, the tests of its elements, its part, the value.

    Raises PathError, and Unprocessable for a body without operations.
    """
    operations = _member(body, "operations") if isinstance(body, dict) else None
    if not isinstance(operations, list) or len(operations) > _MOST:
        raise Unprocessable(f"A PatchOp has Operations, a list of at most {_MOST}.")
    steps: list[Any] = []
    for each in operations:
        if not isinstance(each, dict):
            raise Unprocessable("Each of the Operations is an object.")
        op, path, value = str(_member(each, "op")).lower(), _member(each, "path"), _member(each, "value")
        if op not in _OPS:
            raise Unprocessable("op is one of add, remove and replace.")
        if path is None or path == "":
            steps += _of_whole(op, value, reading)
        else:
            steps.append([op, *_path(str(path), reading), value])
    return steps


def _member(value: Mapping[str, Any], name: str) -> Any:
    return next((each for key, each in value.items() if key.lower() == name), None)


def _of_whole(op: str, value: Any, reading: Reading) -> list[Any]:
    """Without a path the value's members are attributes, or paths themselves."""
    if op == "remove" or not isinstance(value, dict):
        raise PathError("without a path there is an object to add or to replace by")
    found = []
    for name, each in value.items():
        dotted = "." in name and not name.lower().startswith("urn:")
        found.append([op, *(_path(name, reading) if dotted else [_own(name, reading), [], ""]), each])
    return found


def _path(text: str, reading: Reading) -> list[Any]:
    """Attribute, tests, part. A URN before it is left out, where it is not the attribute itself."""
    if text.lower().startswith("urn:"):
        own = next((each for each in reading.resource.fields if each.lower() == text.lower()), None)
        if own is not None:
            return [own, [], ""]
        for each in reading.resource.fields:
            if each.lower().startswith("urn:") and text.lower().startswith(f"{each.lower()}:"):
                return [each, [], text[len(each) + 1 :]]
        text = text.rpartition(":")[2]
    found = _PATH.fullmatch(text)
    if found is None:
        raise PathError(f"{text[:64]!r} is no path")
    name = _own(found["name"], reading)
    return [name, _tests(found["filter"]), found["part"] or ""]


def _own(name: str, reading: Reading) -> str:
    """As the document spells it: attributes are the same in any case (RFC 7643 §2.1)."""
    return next((each for each in reading.resource.fields if each.lower() == name.lower()), name)


def _tests(text: str | None) -> list[list[Any]]:
    if not text:
        return []
    found = []
    for part in re.split(r"(?<!\s)\s++and\s++", text.strip(), flags=re.IGNORECASE):
        test = _TEST.fullmatch(part.strip())
        if test is None:
            raise PathError(f"{part[:64]!r} is no comparison of an element")
        try:
            value = None if test[2] else orjson.loads(test[4])
        except ValueError:
            raise PathError(f"{part[:64]!r} has no value") from None
        found.append([test[1], test[2] or test[3], value])
    return found


#: What a record has is never taken away by a step that names nothing. `item` is the record.
PATCHED: Final = """\
for op, name, tests, part, value in asked["record"]:
    present = item.get(name)
    if tests:
        elements = [dict(each) if isinstance(each, dict) else each for each in present or []]
        chosen = []
        for place, element in enumerate(elements):
            fits = isinstance(element, dict)
            for key, operator, wanted in tests:
                had = element.get(key) if fits else None
                low = str(had).lower()
                want = str(wanted).lower()
                if operator == "pr":
                    fits = fits and had is not None
                elif operator == "eq":
                    fits = fits and low == want
                elif operator == "ne":
                    fits = fits and low != want
                elif operator == "co":
                    fits = fits and want in low
                elif operator == "sw":
                    fits = fits and low.startswith(want)
                else:
                    fits = fits and low.endswith(want)
            if fits:
                chosen.append(place)
        if not chosen and op == "replace":
            abort(400, f"noTarget: no element of {name} fits the path.")
        if not chosen and op == "add" and part:
            made = {key: wanted for key, operator, wanted in tests if operator == "eq"}
            elements.append({**made, part: value})
        for place in chosen:
            if op == "remove" and part:
                elements[place].pop(part, None)
            elif op != "remove" and part:
                elements[place][part] = value
            elif op != "remove" and isinstance(value, dict):
                elements[place] = {**elements[place], **value}
            elif op != "remove":
                elements[place] = value
        if op == "remove" and not part:
            elements = [each for place, each in enumerate(elements) if place not in chosen]
        item[name] = elements
    elif part:
        inner = dict(present) if isinstance(present, dict) else {}
        if isinstance(present, list):
            elements = [{key: one for key, one in each.items() if key != part} for each in present]
            item[name] = elements if op == "remove" else [{**each, part: value} for each in elements]
        elif op == "remove":
            inner.pop(part, None)
            item[name] = inner
        else:
            inner[part] = value
            item[name] = inner
    elif op == "remove":
        gone = value if isinstance(value, list) else [value] if value is not None else None
        if gone is None or not isinstance(present, list):
            item.pop(name, None)
        else:
            kept = []
            for each in present:
                same = False
                for one in gone:
                    if each == one:
                        same = True
                    elif isinstance(each, dict) and isinstance(one, dict) and "value" in one:
                        same = same or each.get("value") == one["value"]
                if not same:
                    kept.append(each)
            item[name] = kept
    elif op == "add" and isinstance(present, list):
        more = value if isinstance(value, list) else [value]
        item[name] = [*present, *[each for each in more if each not in present]]
    elif isinstance(present, dict) and isinstance(value, dict):
        item[name] = {**present, **value}
    else:
        item[name] = value
"""
