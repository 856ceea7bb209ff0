"""What is ejected: the routes of a session, those it has learned and those of conventions.

1. A learned route is taken as it is served: stale or not, but none in quarantine. A plan that answers one
   request alone (`needs: values`) is no route of an API, and is left out.
2. Conventions answer the rest: theirs are taken for every collection that there is, and below a parent where
   its records point at one. A learned route comes before theirs.
3. Their lists and records take what the query asks to see (pages, fields, relations): of the service's two
   programs for each the project gets the one that looks for it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias
from urllib.parse import quote

from attrs import field, frozen

from server.openapi.learned import MEDIA_TYPES
from server.openapi.schemas import SHAPES, example_of
from server.planning.conventions.planner import ConventionsPlanner
from server.planning.kinds.shape import body_from_text
from server.planning.policy import check
from server.requests.described import Described
from server.values.errors import ServiceError
from server.values.model import RunnablePlan
from store.names import links_among

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from server.planning.kinds.route_table import LearnedRoute
    from server.planning.kinds.schemas import Holds
    from server.values.model import ContentKind, Plan, Session

#: Field names and JSON types of each collection, by its name.
Collections: TypeAlias = "Mapping[str, Mapping[str, list[str]]]"

_SAMPLES: Final = {"int": "1", "uuid": "00000000-0000-4000-8000-000000000000", "text": "A1", "slug": "some"}
_KIND_OF_SLOT: Final = re.compile(r":[a-z]+\}")


@frozen
class Route:
    """One handler-to-be. `content` are kinds of body (none: any), `query` the keys (None: any).

    `body` is an example of what it takes; for a learned route of the shape that it was learned with.
    """

    method: str
    template: str
    resource: str
    code: str
    #: The plan as the service runs it.
    runnable: RunnablePlan
    action: str
    identifier: str | None = None
    hints: dict[str, Any] = field(factory=dict)
    content: tuple[ContentKind, ...] = ()
    query: tuple[str, ...] | None = None
    takes: Literal["any", "object", "array"] = "any"
    body: Any = None
    learned: bool = True
    #: Queries of the example requests.
    examples: tuple[str, ...] = ("",)
    #: Query keys that are refused here, and the path that each of them goes with.
    elsewhere: dict[str, str] = field(factory=dict)

    @property
    def path(self) -> str:
        """A path that it is for."""
        return "/" + "/".join(_sample(piece) for piece in self.template[1:].split("/"))

    @property
    def media_type(self) -> str | None:
        kind = next((kind for kind in self.content if kind != "none"), None)
        return None if kind is None or self.body is None else MEDIA_TYPES[kind]

    @property
    def shape(self) -> tuple[str, ...]:
        """The template without its slots' names and kinds."""
        return tuple("{}" if piece.startswith("{") else piece for piece in self.template.split("/"))


def _sample(piece: str) -> str:
    kind = piece.strip("{}").partition(":")[2] or "int"
    return _SAMPLES[kind] if piece.startswith("{") else piece


def routes_of(
    session: Session,
    learned: Iterable[LearnedRoute],
    collections: Collections,
    *,
    conventions: bool,
    singles: frozenset[str] = frozenset(),
) -> tuple[list[Route], list[str]]:
    """The session's routes, and in words what was left out. `singles` are collections that are one object."""
    routes, left_out = [], []
    for each in learned:
        name = f"{each.method} {each.template.text}"
        if each.values_key:
            left_out.append(f"{name}: its plan answers a single request with that request's values")
        elif each.quarantined:
            left_out.append(f"{name}: its plan failed so often that the service had stopped using it")
        else:
            routes.append(_learned(each))
    if conventions:
        routes += [
            route
            for route in _conventional(session, collections, singles)
            if not any(_comes_before(other, route) for other in routes if other.learned)
        ]
    return routes, left_out


def _learned(route: LearnedRoute) -> Route:
    plan, shape = route.runnable.plan, body_from_text(route.body_shape)
    return Route(
        method=route.method,
        template=route.template.text,
        resource=plan.resource,
        code=route.runnable.code.text,
        runnable=route.runnable,
        action=plan.action,
        identifier=plan.identifier,
        hints=plan.response_hints,
        content=(route.content,),
        query=route.query,
        body=None if shape is None else example_of(shape),
        examples=("&".join(f"{quote(key, safe='')}=1" for key in route.query or ()),),
    )


def _comes_before(learned: Route, conventional: Route) -> bool:
    """Whether a learned route leaves nothing for the conventional one to do."""
    same = (learned.method, learned.shape) == (conventional.method, conventional.shape)
    both = not conventional.content or bool(set(learned.content) & set(conventional.content))
    # What takes any query stays beside a learned route that takes certain keys alone.
    whole = learned.query is None or conventional.method != "GET"
    return same and both and whole


# Conventions

#: Method, end of the path, body, kinds of body: a sample of each kind of request that conventions read.
_Kind: TypeAlias = "tuple[str, str, str, tuple[ContentKind, ...]]"
_KINDS: Final[tuple[_Kind, ...]] = (
    ("GET", "", "any", ()),
    ("GET", "/search", "any", ()),
    ("GET", "/count", "any", ()),
    ("GET", "/stats", "any", ()),
    ("POST", "", "object", ("json", "form", "none")),
    ("POST", "", "array", ("json", "form", "none")),
    ("GET", "/1", "any", ()),
    ("PUT", "/1", "object", ("json", "form", "none")),
    ("PATCH", "/1", "object", ("json", "form", "none")),
    ("PATCH", "/1", "object", ("merge-patch",)),
    ("PATCH", "/1", "any", ("json-patch",)),
    ("DELETE", "/1", "any", ()),
)
#: The same of a path that is one object.
_KINDS_OF_ONE: Final[tuple[_Kind, ...]] = (
    ("GET", "", "any", ()),
    ("PUT", "", "object", ("json", "form", "none")),
    ("PATCH", "", "object", ("json", "form", "none")),
    ("PATCH", "", "object", ("merge-patch",)),
    ("PATCH", "", "any", ("json-patch",)),
    ("DELETE", "", "any", ()),
)
_PLANNER: Final = ConventionsPlanner()
#: Conventions have a program for each kind of plan, and no more.
_checked: Final = lru_cache(maxsize=64)(check)
_WORDS: Final = ("/search", "/count", "/stats")
#: Queries of the example requests to read what is there, by the end of the path.
_EXAMPLES: Final = {
    "": ("", "page=1&per_page=1&fields=id"),
    "/search": ("", "page=1&fields=id"),
    "/stats": ("", "group_by=id&max=id"),
    "/1": ("", "fields=id"),
}


def _conventional(session: Session, collections: Collections, singles: frozenset[str]) -> Iterator[Route]:
    for name, fields in collections.items():
        if name in singles:
            yield from _place(session, f"/{name}", fields, _KINDS_OF_ONE, holds="object")
            continue
        yield from _place(session, f"/{name}", fields)
        for parent in collections:
            if links_among(parent, fields):
                yield from _place(session, f"/{parent}/1/{name}", fields)


def _place(
    session: Session,
    base: str,
    fields: Mapping[str, list[str]],
    kinds: tuple[_Kind, ...] = _KINDS,
    *,
    holds: Holds = "records",
) -> Iterator[Route]:
    record = record_of(fields)
    for method, tail, takes, content in kinds:
        body = {"any": [] if content else None, "object": record, "array": [record]}[takes]
        plan = _planned(session, method, base + tail, body, content, holds=holds)
        if plan is None or (tail in _WORDS and not plan.route.endswith(tail)):
            continue
        grouped = method == "GET" and tail in ("", "/search", "/count")
        yield Route(
            method=method,
            template=without_kinds(plan.route),
            resource=plan.resource,
            code=plan.code.text,
            runnable=RunnablePlan(plan, _checked(plan.code), "conventions"),
            action=plan.action if takes != "array" else "create several",
            identifier=plan.identifier,
            hints=plan.response_hints,
            content=content,
            takes=takes,  # type: ignore[arg-type]
            body=body,
            learned=False,
            examples=_EXAMPLES.get(tail, ("",)) if method == "GET" else ("",),
            elsewhere={"group_by": f"/{plan.resource}/stats"} if grouped else {},
        )


def record_of(fields: Mapping[str, list[str]]) -> dict[str, Any]:
    """An example of a record with these fields, but for its id and what points at others."""
    return {name: _value(kinds) for name, kinds in fields.items() if name != "id" and not _is_link(name)}


def _is_link(name: str) -> bool:
    """Whether a field points at another collection's records, by its name."""
    return name.endswith(("_id", "Id", "ID"))


def _planned(
    session: Session, method: str, path: str, body: Any, content: tuple[ContentKind, ...], *, holds: Holds
) -> Plan | None:
    # A view's code does all that the plain one does, and reads the words for views, too.
    view = "?fields=" if method == "GET" else ""
    request: dict[str, Any] = {"method": method, "path": path + view, "body": body}
    if body is not None:
        request["headers"] = {"Content-Type": MEDIA_TYPES[content[0]]}
    try:
        # Only what the session has is asked for here, whatever its name.
        return _PLANNER.plan(Described.of(request).context(session, ""), exists=True, holds=holds)
    except ServiceError:
        return None


# Examples

_VALUES: Final[dict[str, Any]] = {**SHAPES, "string": "text"}


def _value(kinds: Iterable[str]) -> Any:
    return _VALUES[next((kind for kind in kinds if kind != "null"), "null")]


def without_kinds(template: str) -> str:
    """``/members/{id}`` of ``/members/{id:int}``."""
    return _KIND_OF_SLOT.sub("}", template)


def slots(template: str) -> list[str]:
    """The names of a template's slots."""
    return [piece.strip("{}").partition(":")[0] for piece in template.split("/") if piece.startswith("{")]
