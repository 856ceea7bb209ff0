"""The shape of a request: all that a planner may see of it, and never a value.

1. Of the path: its words (`route`, rule 1); of the query and the body: names and types; of the
   headers: which of a few are there.
2. Names are hostile text: printable, at most 64 characters, at most 64 of them at each depth of
   a body and in a query. What is cut is said (`more`), so a shape never claims to be whole.
3. Types are those of JSON Schema. The elements of an array have one merged type, so that neither
   their number nor their order is part of a shape. Below depth 4 only the container is named.
4. Equal shapes have equal canonical texts, and the other way round.
"""

from __future__ import annotations

import hashlib
import re
from itertools import islice
from typing import TYPE_CHECKING, Any

import orjson
from attrs import define, evolve, field, frozen

from server.planning.kinds.route import MAX_SEGMENTS, refuse_unplannable, template_text
from server.values.errors import InvalidQuery, UriTooLong

if TYPE_CHECKING:
    from server.values.model import ContentKind, Method, RequestContext

MAX_DEPTH = 4
MAX_NAMES = 64
MAX_NAME_CHARS = 64
#: How many elements of an array are looked at.
MAX_ELEMENTS = 256

#: Header names whose presence can change what a request means.
MEANINGFUL_HEADERS: frozenset[str] = frozenset(
    {
        "accept",
        "accept-language",
        "authorization",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-unmodified-since",
        "prefer",
    }
)

_INTEGER = re.compile(r"-?[0-9]+")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


@frozen
class RouteKey:
    """What a learned route is found by: no types, no values."""

    method: Method
    route: str
    content: ContentKind
    query: tuple[str, ...]


@frozen
class JsonType:
    """The types a JSON value has: scalars by name, and at most one array and one object type.

    `array` is the merged type of the elements and `fields` are an object's, by name; `shallow`
    names containers that were too deep to look into. Without any of them it is an empty array's element.
    """

    scalars: tuple[str, ...] = ()
    shallow: tuple[str, ...] = ()
    array: JsonType | None = None
    fields: tuple[tuple[str, JsonType], ...] | None = None
    #: The object had more fields than are named here.
    more: bool = False

    def as_json(self) -> Any:
        """``"integer"``, ``{"array": T}``, ``{"object": {name: T}}``, or a list of several of these."""
        types: list[Any] = [*self.scalars, *self.shallow]
        if self.array is not None:
            types.append({"array": self.array.as_json()})
        if self.fields is not None:
            fields = {"object": {name: kind.as_json() for name, kind in self.fields}}
            types.append({**fields, "more": True} if self.more else fields)
        return types[0] if len(types) == 1 else types

    @classmethod
    def from_json(cls, value: Any) -> JsonType:
        """What `as_json` made, back again. Raises ValueError, TypeError or KeyError for anything else."""
        known = cls()
        for each in value if isinstance(value, list) else [value]:
            if each in ("array", "object"):
                known = evolve(known, shallow=(*known.shallow, each))
            elif isinstance(each, str):
                known = evolve(known, scalars=(*known.scalars, each))
            elif "array" in each:
                known = evolve(known, array=cls.from_json(each["array"]))
            else:
                fields = tuple((name, cls.from_json(kind)) for name, kind in each["object"].items())
                known = evolve(known, fields=fields, more=each.get("more") is True)
        return known


@frozen
class RequestShape:
    """What kind of request it is. `query` pairs each key with the type its text looks like."""

    method: Method
    route: str
    query: tuple[tuple[str, str], ...]
    content: ContentKind
    body: JsonType | None
    headers: tuple[str, ...]

    def route_key(self) -> RouteKey:
        return RouteKey(self.method, self.route, self.content, tuple(key for key, _ in self.query))

    def canonical(self) -> str:
        """The shape as JSON text with sorted keys, equal if and only if the shapes are."""
        document = {
            "method": self.method,
            "route": self.route,
            "query": dict(self.query),
            "content": self.content,
            "body": None if self.body is None else self.body.as_json(),
            "headers": self.headers,
        }
        return orjson.dumps(document, option=orjson.OPT_SORT_KEYS).decode()


def shape_of(ctx: RequestContext) -> RequestShape:
    """The shape of a request. Raises as `route_key` does."""
    key = route_key(ctx)
    types = {printable(name): _text_type(value) for name, value in ctx.query.items()}
    return RequestShape(
        method=key.method,
        route=key.route,
        query=tuple((name, types[name]) for name in key.query),
        content=key.content,
        body=None if ctx.content == "none" else body_type(ctx.body_json),
        headers=tuple(sorted(MEANINGFUL_HEADERS & ctx.headers.keys())),
    )


def route_key(ctx: RequestContext) -> RouteKey:
    """The route key of a request, without a look at its body.

    Raises NotFound for paths that are never planned, UriTooLong and InvalidQuery for more than 64
    segments or query keys.
    """
    refuse_unplannable(ctx.segments)
    if len(ctx.segments) > MAX_SEGMENTS:
        raise UriTooLong(f"A path has at most {MAX_SEGMENTS} segments.", limit=MAX_SEGMENTS)
    if len(ctx.query) > MAX_NAMES:
        raise InvalidQuery(f"A query has at most {MAX_NAMES} different keys.", limit=MAX_NAMES)
    keys = tuple(sorted(map(printable, ctx.query)))
    slots = () if ctx.contract is None else ctx.contract.slot_places(len(ctx.segments))
    return RouteKey(ctx.method, template_text(ctx.segments, slots), ctx.content, keys)


def printable(name: str) -> str:
    r"""A name of any origin as at most 64 printable characters; different names stay different.

    Controls, bidirectional marks and lone surrogates are escaped like ``\u202e``, and so is the
    backslash. Of a name too long for that only a digest is left: half a name is of no use to a planner,
    and so long a name is more often data than not.
    """
    head = name[: MAX_NAME_CHARS + 1]
    text = "".join(map(_escaped, head))
    if len(text) <= MAX_NAME_CHARS:
        return text
    digest = hashlib.blake2b(name.encode(errors="surrogatepass"), digest_size=8).hexdigest()
    return f"\\~{digest}"


def _escaped(char: str) -> str:
    plain = char.isprintable() and char != "\\"
    return char if plain else char.encode("unicode_escape").decode()


def _text_type(value: str | list[str]) -> str:
    if isinstance(value, list):
        return "array"
    if _INTEGER.fullmatch(value):
        return "integer"
    if _NUMBER.fullmatch(value):
        return "number"
    return "boolean" if value in {"true", "false"} else "string"


def body_from_text(text: str) -> JsonType | None:
    """The body's part of a shape from its canonical text; None without a body. Raises ValueError."""
    document = orjson.loads(text)
    try:
        return None if document is None else JsonType.from_json(document)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError("not the text of a body's shape") from error


def body_type(value: Any) -> JsonType:
    """The type of a JSON value, within the limits above."""
    seen = _Seen()
    seen.add(value, 0)
    return seen.freeze([MAX_NAMES] * MAX_DEPTH, 0)


@define
class _Seen:
    """What was seen at one place of a body; `freeze` makes it a type."""

    scalars: set[str] = field(factory=set)
    shallow: set[str] = field(factory=set)
    element: _Seen | None = None
    fields: dict[str, _Seen] | None = None

    def add(self, value: Any, depth: int) -> None:
        """Merge a value in. `depth` counts the containers around it."""
        if not isinstance(value, dict | list):
            self.scalars.add(_scalar_type(value))
        elif depth == MAX_DEPTH:
            self.shallow.add("object" if isinstance(value, dict) else "array")
        elif isinstance(value, dict):
            self._add_fields(value, depth + 1)
        else:
            self._add_elements(value, depth + 1)

    def _add_fields(self, record: dict[str, Any], depth: int) -> None:
        if self.fields is None:
            self.fields = {}
        for name, value in record.items():
            self.fields.setdefault(name, _Seen()).add(value, depth)

    def _add_elements(self, values: list[Any], depth: int) -> None:
        if self.element is None:
            self.element = _Seen()
        for value in islice(values, MAX_ELEMENTS):
            self.element.add(value, depth)

    def freeze(self, budget: list[int], depth: int) -> JsonType:
        """The type of what was seen. `budget` is how many names each depth may still have."""
        scalars = self.scalars - {"integer"} if "number" in self.scalars else self.scalars
        array = None if self.element is None else self.element.freeze(budget, depth + 1)
        fields = None if self.fields is None else self._freeze_fields(self.fields, budget, depth)
        return JsonType(
            scalars=tuple(sorted(scalars)),
            shallow=tuple(sorted(self.shallow)),
            array=array,
            fields=fields,
            more=fields is not None and len(fields) < len(self.fields or ()),
        )

    @staticmethod
    def _freeze_fields(
        fields: dict[str, _Seen], budget: list[int], depth: int
    ) -> tuple[tuple[str, JsonType], ...]:
        # Sorted before they are cut, so that the order a client sends its fields in decides nothing.
        names = sorted(fields)[: budget[depth]]
        budget[depth] -= len(names)
        return tuple(sorted((printable(name), fields[name].freeze(budget, depth + 1)) for name in names))


def _scalar_type(value: Any) -> str:
    if value is None:
        return "null"
    # bool first: to Python a bool is an int.
    for kind, name in ((bool, "boolean"), (int, "integer"), (float, "number")):
        if isinstance(value, kind):
            return name
    return "string"
