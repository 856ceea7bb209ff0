"""The request part of the prompt: one block of JSON in ASCII, a member a line, cut to a size."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from server.errors import Unprocessable
from server.planning.fingerprint import collections_in
from server.planning.schemas import Schemas
from server.planning.shape import MAX_DEPTH

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from server.model import RequestContext
    from server.planning.shape import RequestShape, RouteKey

MAX_LEARNED = 64
MAX_LEARNED_CHARS = 200
#: Bytes of a request's values, as they are shown.
MAX_VALUES_BYTES = 16 * 1024
_FEWER_LEARNED = 16


@frozen
class RequestView:
    """What is shown of a request."""

    shape: RequestShape
    schemas: Schemas
    learned: tuple[str, ...]
    earlier: RequestShape | None = None
    #: How deep bodies are shown; deeper containers are named only.
    body_depth: int = MAX_DEPTH

    def text(self) -> str:
        """The block's JSON."""
        shape = self.shape
        members = {
            "method": shape.method,
            "route": shape.route,
            "query": dict(shape.query),
            "content": shape.content,
            "body": self._body(shape),
            "headers": shape.headers,
            "collections": self._collections(),
            "learned_routes": self.learned,
        }
        if self.earlier is not None:
            members["earlier"] = {"query": dict(self.earlier.query), "body": self._body(self.earlier)}
        lines = [f"{quoted(name)}: {_member(name, value)}" for name, value in members.items()]
        return "{\n" + ",\n".join(lines) + "\n}"

    def smaller(self) -> Iterator[RequestView]:
        """The view itself, and then ever smaller ones: what matters least goes first."""
        yield self
        view = evolve(self, learned=self.learned[:_FEWER_LEARNED])
        yield view
        named = collections_in(self.shape.route)
        view = evolve(view, schemas=self.schemas.only(named))
        yield view
        for depth in (2, 1, 0):
            yield evolve(view, body_depth=depth)
        yield evolve(view, body_depth=0, learned=(), schemas=Schemas(more=True))

    def _body(self, shape: RequestShape) -> Any:
        return None if shape.body is None else _cut(shape.body.as_json(), self.body_depth)

    def _collections(self) -> dict[str, Any]:
        shown = self.schemas.as_json()
        return {**shown, "...": "more"} if self.schemas.more else shown


def _cut(kind: Any, depth: int) -> Any:
    """A type as `JsonType.as_json` has it, with containers below `depth` named only."""
    if isinstance(kind, str):
        return kind
    if isinstance(kind, list):
        return [_cut(each, depth) for each in kind]
    if "array" in kind:
        return {"array": _cut(kind["array"], depth - 1)} if depth else "array"
    if not depth:
        return "object"
    return {**kind, "object": {name: _cut(inner, depth - 1) for name, inner in kind["object"].items()}}


def _member(name: str, value: Any) -> str:
    if name != "collections" or not value:
        return quoted(value)
    lines = ",\n ".join(f"{quoted(each)}: {quoted(fields)}" for each, fields in value.items())
    return f"{{\n {lines}\n}}"


def quoted(value: Any) -> str:
    """JSON in ASCII. A backtick is escaped too, so that no name can end the block it stands in."""
    return json.dumps(value, ensure_ascii=True).replace("`", "\\u0060")


def learned_texts(routes: Iterable[RouteKey], shape: RequestShape) -> tuple[str, ...]:
    """``GET /members/{id:int}`` and so on, each once; those that begin like the request's come first."""
    texts = {f"{key.method} {key.route}": _first_word(key.route) for key in routes}
    own = _first_word(shape.route)
    short = [text for text in texts if len(text) <= MAX_LEARNED_CHARS]
    return tuple(sorted(short, key=lambda text: (texts[text] != own, text))[:MAX_LEARNED])


def _first_word(route: str) -> str:
    return route.split("/")[1]


def values_text(ctx: RequestContext) -> str:
    """A request's own values as JSON, without any header. Raises Unprocessable when they are too long."""
    text = quoted({"segments": ctx.segments, "query": ctx.query, "body": ctx.body_json})
    if len(text) > MAX_VALUES_BYTES:
        raise Unprocessable("The request is too long to be planned by its values.", limit=MAX_VALUES_BYTES)
    return text
