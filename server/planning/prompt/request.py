"""The request part of the prompt: one block of JSON in ASCII, a member a line, cut to a size.

It is made from the members of a `Shown` and nothing else.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import evolve

from server.planning.kinds.fingerprint import collections_in
from server.planning.kinds.schemas import Schemas
from server.planning.kinds.shape import MAX_DEPTH
from server.values.errors import Unprocessable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.planning.kinds.shown import Shown
    from server.values.model import RequestContext

#: Bytes of a request's values, as they are shown.
MAX_VALUES_BYTES = 16 * 1024
_FEWER_LEARNED = 16
#: Members of which each element has a line.
_LONG = ("collections", "learned_routes")


def texts(shown: Shown) -> Iterator[str]:
    """The block's JSON, and then ever shorter ones: what matters least goes first."""
    yield _text(shown)
    shown = evolve(shown, learned=shown.learned[:_FEWER_LEARNED])
    yield _text(shown)
    shown = evolve(shown, collections=shown.collections.only(collections_in(shown.route)))
    yield _text(shown)
    for depth in (2, 1, 0):
        yield _text(shown, depth)
    yield _text(evolve(shown, learned=(), collections=Schemas(more=True)), 0)


def _text(shown: Shown, body_depth: int = MAX_DEPTH) -> str:
    """Containers of bodies below `body_depth` are named only."""
    members = shown.members()
    members["body"] = _cut(members["body"], body_depth)
    if "earlier" in members:
        members["earlier"] = {"body": _cut(members["earlier"]["body"], body_depth)}
    lines = [f"{quoted(name)}: {_member(name, value)}" for name, value in members.items()]
    return "{\n" + ",\n".join(lines) + "\n}"


def _cut(kind: Any, depth: int) -> Any:
    """A type as `JsonType.as_json` has it, with containers below `depth` named only."""
    if kind is None or isinstance(kind, str):
        return kind
    if isinstance(kind, list):
        return [_cut(each, depth) for each in kind]
    if "array" in kind:
        return {"array": _cut(kind["array"], depth - 1)} if depth else "array"
    if not depth:
        return "object"
    return {**kind, "object": {name: _cut(inner, depth - 1) for name, inner in kind["object"].items()}}


def _member(name: str, value: Any) -> str:
    if name not in _LONG or not value:
        return quoted(value)
    if isinstance(value, dict):
        lines = ",\n ".join(f"{quoted(each)}: {quoted(fields)}" for each, fields in value.items())
        return f"{{\n {lines}\n}}"
    return "[\n " + ",\n ".join(map(quoted, value)) + "\n]"


def quoted(value: Any) -> str:
    """JSON in ASCII. A backtick is escaped too, so that no name can end the block it stands in."""
    return json.dumps(value, ensure_ascii=True).replace("`", "\\u0060")


def values_text(ctx: RequestContext) -> str:
    """A request's own values as JSON, without any header. Raises Unprocessable when they are too long."""
    text = quoted({"segments": ctx.segments, "query": ctx.query, "body": ctx.body_json})
    if len(text) > MAX_VALUES_BYTES:
        raise Unprocessable("The request is too long to be planned by its values.", limit=MAX_VALUES_BYTES)
    return text
