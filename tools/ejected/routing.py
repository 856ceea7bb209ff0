"""Routes: which handler answers a request.

1. A template is made of words and slots: ``/members/{id:int}/orders``. A slot takes one segment: `int` a
   decimal number, `uuid` a UUID, `text` what is none of these and no plain word, `slug` a word or a text; a
   slot without a kind takes any segment. A decimal number is handed over as an int, all else as text.
2. Of several templates that fit a path, the one wins that is more exact in the first segment where they
   differ: a word, then `int`, `uuid`, `text`, `slug`, any.
3. Of one template's routes the one wins that names exactly the query's keys, before one for any query.
4. A slot takes no word from a template that has this word there.
5. A leading ``api`` and ``v<digits>`` are passed over where no template has them.
"""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from attrs import field, frozen

from server.planning.kinds.route import segment_kind, split_prefix
from server.values.errors import (
    InvalidQuery,
    MethodNotAllowed,
    NotFound,
    Unprocessable,
    UnsupportedMediaType,
    of_records,
)
from server.values.model import METHODS
from store.rest_query import ReadBy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Handler: TypeAlias = "Callable[..., Any]"
Body: TypeAlias = Literal["any", "object", "array"]

_SLOT = re.compile(r"\{([a-z][a-z0-9_]*)(?::(int|uuid|text|slug))?\}")
_TAKES = {
    "int": ("int",),
    "uuid": ("uuid",),
    "text": ("text",),
    "slug": ("literal", "text"),
    "any": ("int", "uuid", "text", "literal"),
}
#: How exact a part of a template is, by rule 2.
_RANKS = {"word": 0, "int": 1, "uuid": 2, "text": 3, "slug": 4, "any": 5}
#: What a JSON document can come as. `none` is for the error to say that there is no object.
_DOCUMENT = ("json", "form", "none")
_MEDIA_TYPES = {
    "json": "application/json",
    "merge-patch": "application/merge-patch+json",
    "json-patch": "application/json-patch+json",
    "form": "application/x-www-form-urlencoded",
}


@frozen
class Part:
    """A word, or a slot with this name."""

    kind: str
    text: str

    def takes(self, segment: str) -> bool:
        if self.kind == "word":
            return segment == self.text
        return segment != "" and segment_kind(segment) in _TAKES[self.kind]

    def value(self, segment: str) -> int | str:
        return int(segment) if segment_kind(segment) == "int" else segment


def parse(template: str) -> tuple[Part, ...]:
    """Take a template apart."""
    return tuple(map(_part, template.removeprefix("/").split("/")))


def _part(piece: str) -> Part:
    slot = _SLOT.fullmatch(piece)
    return Part("word", piece) if slot is None else Part(slot[2] or "any", slot[1])


@frozen
class Route:
    """One method of a template. `content` are the kinds of body that it takes; no kind is any of them.

    `query` are the keys that a request must have, no more and no less; None is any query.
    """

    method: str
    template: str
    resource: str
    handler: Handler
    content: tuple[str, ...]
    query: tuple[str, ...] | None
    body: Body
    #: Query keys that it refuses, and the path that each of them goes with.
    elsewhere: dict[str, str]
    #: What `plan` says in the handler.
    about: dict[str, Any]
    parts: tuple[Part, ...] = field(init=False)
    #: The names of what the handler wants to be given.
    wants: tuple[str, ...] = field(init=False)
    #: The query keys that it reads under names of its own.
    own: ReadBy = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "parts", parse(self.template))
        object.__setattr__(self, "wants", tuple(inspect.signature(self.handler).parameters))
        object.__setattr__(self, "own", ReadBy(inspect.getsource(self.handler)))

    @property
    def rank(self) -> tuple[int, ...]:
        return tuple(_RANKS[part.kind] for part in self.parts)

    def fits(self, segments: tuple[str, ...]) -> bool:
        return len(segments) == len(self.parts) and all(
            part.takes(segment) for part, segment in zip(self.parts, segments, strict=True)
        )

    def params(self, segments: tuple[str, ...]) -> dict[str, int | str]:
        """The slots' values by name; of a path that may have a prefix."""
        pairs = zip(self.parts, segments[-len(self.parts) :], strict=True)
        return {part.text: part.value(segment) for part, segment in pairs if part.kind != "word"}

    def takes_content(self, kind: str) -> bool:
        return not self.content or kind in self.content

    def takes_query(self, keys: tuple[str, ...]) -> bool:
        return self.query is None or self.query == keys

    def takes_body(self, body: Any) -> bool:
        if self.body == "any":
            return True
        return isinstance(body, dict if self.body == "object" else list)


class Routes:
    """The routes of one resource: decorators that put a handler where it belongs.

    A handler names what it wants: `ctx` (the request), `params` (its slots), `plan` (what the route is about,
    with the request's identifier, criteria and payload), `store` (the resource's collection), `session_store`
    (all collections). It returns what `make_response` gives.
    """

    def __init__(self, resource: str) -> None:
        self.resource = resource
        self._routes: list[Route] = []

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)

    def route(
        self,
        method: str,
        template: str,
        *,
        content: str = "",
        query: tuple[str, ...] | None = None,
        body: Body = "any",
        elsewhere: dict[str, str] | None = None,
        **about: Any,
    ) -> Callable[[Handler], Handler]:
        """`content` is the kind of body that it takes: json, form, merge-patch, json-patch, none.

        Without one it takes any; where `body` says object or array, JSON or a form. `query` are the keys that
        a request must have, no others; without them it takes any query but the keys that go `elsewhere`.
        """
        kinds = (content,) if content else () if body == "any" else _DOCUMENT
        about = {"resource": self.resource, **about}

        def put(handler: Handler) -> Handler:
            self._routes.append(
                Route(method, template, self.resource, handler, kinds, query, body, elsewhere or {}, about)
            )
            return handler

        return put

    def get(self, template: str, **options: Any) -> Callable[[Handler], Handler]:
        return self.route("GET", template, **options)

    def post(self, template: str, **options: Any) -> Callable[[Handler], Handler]:
        return self.route("POST", template, **options)

    def put(self, template: str, **options: Any) -> Callable[[Handler], Handler]:
        return self.route("PUT", template, **options)

    def patch(self, template: str, **options: Any) -> Callable[[Handler], Handler]:
        return self.route("PATCH", template, **options)

    def delete(self, template: str, **options: Any) -> Callable[[Handler], Handler]:
        return self.route("DELETE", template, **options)


class Table:
    """All routes of an application."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._by_length: dict[int, list[Route]] = {}
        for route in sorted(routes, key=lambda route: (route.rank, route.query is None)):
            self._by_length.setdefault(len(route.parts), []).append(route)

    def allowed(self, segments: tuple[str, ...]) -> tuple[str, ...]:
        """The methods that a path has. Raises NotFound."""
        methods = {route.method for at in (segments, _bare(segments)) for route in self._at(at)}
        if not methods:
            raise NotFound("There is nothing at this path.")
        methods |= {"OPTIONS", "HEAD"} if "GET" in methods else {"OPTIONS"}
        return tuple(method for method in METHODS if method in methods)

    def find(
        self, method: str, segments: tuple[str, ...], content: str, query: tuple[str, ...], body: Any
    ) -> Route:
        """The route of a request; `query` are the sorted keys.

        Raises NotFound, MethodNotAllowed, UnsupportedMediaType, InvalidQuery, Unprocessable.
        """
        found = self._of(method, segments) or self._of(method, _bare(segments))
        if not found:
            raise self._not_allowed(method, segments)
        known = [route for route in found if not _is_hidden(route, found[0])]
        taken = [route for route in known if route.takes_content(content)]
        if not taken:
            raise _wrong_content(known, content)
        asked = [route for route in taken if route.takes_query(query)]
        if not asked:
            keys = " or ".join(sorted({", ".join(route.query or ()) or "none" for route in taken}))
            raise InvalidQuery(f"The query keys that this path takes are: {keys}.")
        fitting = [route for route in asked if route.takes_body(body)]
        if not fitting:
            raise _wrong_body(asked, method)
        if fitting[0].body == "array":
            _check_elements(body)
        for key in fitting[0].elsewhere.keys() & set(query):
            raise InvalidQuery(f"{key}: goes with {fitting[0].elsewhere[key]}.")
        return fitting[0]

    def _not_allowed(self, method: str, segments: tuple[str, ...]) -> MethodNotAllowed:
        allowed, path = self.allowed(segments), _bare(segments)
        is_whole = len(path) == 1 and "POST" in allowed and method in ("PUT", "PATCH")
        return MethodNotAllowed(allowed, reason=of_records(path[0], method) if is_whole else "")

    def _of(self, method: str, segments: tuple[str, ...]) -> list[Route]:
        return [route for route in self._at(segments) if route.method == method]

    def _at(self, segments: tuple[str, ...]) -> list[Route]:
        return [route for route in self._by_length.get(len(segments), ()) if route.fits(segments)]


def _bare(segments: tuple[str, ...]) -> tuple[str, ...]:
    """The path without a prefix (rule 5)."""
    return split_prefix(segments)[1]


def _is_hidden(route: Route, best: Route) -> bool:
    """Whether the best route has a word where this one has a slot (rule 4)."""
    differing = next((pair for pair in zip(best.rank, route.rank, strict=True) if pair[0] != pair[1]), (1, 1))
    return differing[0] == _RANKS["word"]


def _wrong_body(routes: list[Route], method: str) -> Unprocessable:
    if any(route.body == "array" for route in routes):
        return Unprocessable("A new record is a JSON object; an array of objects makes several.")
    return Unprocessable(f"The body of a {method} is a JSON object.")


def _check_elements(body: list[Any]) -> None:
    for place, element in enumerate(body):
        if not isinstance(element, dict):
            raise Unprocessable(f"Element {place} of the array is not a JSON object.", pointer=f"/{place}")


def _wrong_content(routes: list[Route], content: str) -> Unprocessable | UnsupportedMediaType:
    if content == "none":
        return Unprocessable("A body is needed.")
    kinds = dict.fromkeys(kind for route in routes for kind in route.content)
    accepted = ", ".join(_MEDIA_TYPES[kind] for kind in kinds if kind in _MEDIA_TYPES)
    if not accepted:
        return Unprocessable("No body is taken here.")
    return UnsupportedMediaType(f"Content is taken as one of: {accepted}.", headers={"Accept": accepted})
