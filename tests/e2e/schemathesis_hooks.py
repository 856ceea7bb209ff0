"""What JSON Schema cannot say of one value, though the document says it in words: left out, or put right.

1. An integer of more than 63 bits is refused, and 1e20 is not; to JSON Schema both are integers.
2. `page` does not go with `offset`, and of three words for a page's size one is enough.
3. The grammar of `or=` and `and=` is not a regular one: whatever text comes is made a value in such a list.
4. What `stats` are sorted by is in the answer; `count` always is.
5. Whether `If-Match` holds, or a key has come before, depends on what is stored. A dry run and
   `return=minimal` make the answer another than that of the request without them.
   tests/e2e/test_described.py has all of these.
6. A JSON Patch may make something else of a record than an object or, where types are enforced, give a field
   another type than it keeps.
"""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import schemathesis

_SIZES = ("limit", "per_page", "page_size")
_TAGS = re.compile(r'\*|(W/)?"[!#-~]*"(, ?(W/)?"[!#-~]*")*')
_KEY = re.compile(r"[!-~]([ -~]{0,253}[!-~])?")


@schemathesis.hook
def filter_body(context: Any, body: Any) -> bool:
    if _has_large_number(body):
        return False
    least = 2 if "Fields keep" in context.operation.schema.raw_schema["info"]["description"] else 1
    return not _is_json_patch(body) or not any(_sets_above(each, least) for each in body)


def _has_large_number(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_large_number, value.values()))
    if isinstance(value, list):
        return any(map(_has_large_number, value))
    return isinstance(value, int | float) and abs(value) >= 2**63


def _is_json_patch(body: Any) -> bool:
    return (
        isinstance(body, list)
        and bool(body)
        and all(isinstance(each, dict) and "op" in each for each in body)
    )


def _sets_above(operation: dict[str, Any], depth: int) -> bool:
    """Whether a value is set at a path of fewer steps."""
    path = operation.get("path")
    return operation["op"] in {"add", "replace", "move", "copy"} and str(path).count("/") < depth


@schemathesis.hook
def before_call(_context: Any, case: Any, **_more: Any) -> None:
    """What is changed here is looked at anew: whether a request fits the document is decided afterwards."""
    if case.query:
        case.query = _readable(dict(case.query), case.operation.path)
    if case.headers:
        positive = case.meta is None or case.meta.generation.mode.is_positive
        for name, value in list(case.headers.items()):
            if _depends_on_state(name, str(value)) or (positive and _is_broken_tag(name, str(value))):
                del case.headers[name]
        if _KEY.fullmatch(str(case.headers.get("Idempotency-Key", ""))):
            case.headers["Idempotency-Key"] = str(uuid4())


def _readable(query: dict[str, Any], path: str) -> dict[str, Any]:
    extra = [key for key in _SIZES if _is_number(query.get(key))][1:]
    if "page" in query and _is_number(query.get("offset")):
        extra.append("offset")
    kept = {key: value for key, value in query.items() if key not in extra}
    for key in ("or", "and"):
        if isinstance(kept.get(key), str):
            kept[key] = _listed(kept[key])
    if path.endswith("/stats") and isinstance(kept.get("sort"), str):
        kept["sort"] = "-count"
    return kept


def _is_number(value: Any) -> bool:
    return str(value).isdigit()


def _listed(text: str) -> str:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'(id__lt=3,and=(id__gt=5,name="{quoted}"))'


def _depends_on_state(name: str, value: str) -> bool:
    if name == "If-Match":
        return _TAGS.fullmatch(value) is not None
    return name == "Prefer" and re.search("return *= *minimal|tx *= *rollback", value) is not None


def _is_broken_tag(name: str, value: str) -> bool:
    """Schemathesis finds no value for a pattern with a quotation mark in a header, and sends `0`."""
    return name in {"If-Match", "If-None-Match"} and _TAGS.fullmatch(value) is None


@schemathesis.deserializer("text/csv", "application/x-ndjson")
def deserialize_table(_context: Any, response: Any) -> str:
    return str(response.content.decode())
