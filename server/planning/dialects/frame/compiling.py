"""From a request to the plan that a dialect's table has for it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, cast

from attrs import field, frozen

from server.planning.dialects.frame.table import Found
from server.planning.kinds.route import RouteTemplate, Slot, is_collection_name, segment_kind, split_prefix
from server.values.errors import InvalidQuery, MethodNotAllowed, NotPlannable
from server.values.model import Plan, SourceCode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from server.planning.dialects.frame.table import Dialect, Place
    from server.planning.kinds.route import Params, SlotKind
    from server.values.model import RequestContext

_UNKNOWN = (
    "The dialect {} has nothing at this path. Send X-Dialect: native, or set a key to have requests of this "
    "kind planned by a model."
)
_NO_CLEARING = "Writing to all records of a collection is switched off (conventions.delete_collections)."

#: Among a plan's hints what `params` holds in each of its runs (guest/plans.py).
PARAMS: Final = "params"
_MOST_ROUTES: Final = 4_096
#: What is at a path, by the dialect's name and the path as `_routes` outlines it.
_ROUTES: Final[dict[tuple[object, ...], tuple[_Route, ...]]] = {}


@frozen
class Compiled:
    """A plan, the same object for requests of one kind; and what this request asks of it."""

    plan: Plan
    kind: str
    asked: dict[str, Any]
    params: Params | None = None


@frozen
class _Spot:
    place: Place
    resource: str
    parent: str | None
    route: str


@frozen(eq=False)
class _Route:
    """A place at a path, and what was found there: by method, and the plans by their kinds."""

    spot: _Spot
    found: dict[str, Found]
    plans: dict[str, Plan] = field(factory=dict)


def compile_request(dialect: Dialect, ctx: RequestContext, *, clearing: bool = False) -> Compiled:
    """`clearing`: whether all records of a collection may go at once.

    Raises NotPlannable and MethodNotAllowed for what the table does not cover, and what reading raises.
    """
    method = "GET" if ctx.method == "HEAD" else ctx.method
    for route in _routes(dialect, ctx.segments):
        found = route.found.get(method)
        if found is not None:
            asked = dialect.read(ctx, found)
            kind = asked.kind or found.kind
            if kind in dialect.clearing and not clearing:
                raise InvalidQuery(f"{dialect.clearing[kind]}\n{_NO_CLEARING}")
            plan = route.plans.get(kind)
            if plan is None:
                plan = route.plans[kind] = _plan(_Code(dialect, kind), found)
            params = None if asked.params is None else {**_slots(plan.route, ctx.segments), **asked.params}
            return Compiled(plan, kind, asked.values, params)
    raise MethodNotAllowed(allowed_methods(dialect, ctx.segments))


def allowed_methods(dialect: Dialect, segments: tuple[str, ...]) -> tuple[str, ...]:
    """OPTIONS last. Raises NotPlannable."""
    routes = _routes(dialect, segments)
    if not routes:
        raise NotPlannable(_UNKNOWN.format(dialect.name))
    found = dict.fromkeys(method for route in routes for method in route.found)
    head = ("HEAD",) if "GET" in found else ()
    return (*found, *head, "OPTIONS")


def _routes(dialect: Dialect, segments: tuple[str, ...]) -> tuple[_Route, ...]:
    """The places at a path, in their order: the same for all paths that differ in their slots' values."""
    prefix, rest = split_prefix(segments) if dialect.prefixed else ((), segments)
    slots = dialect.slots.get(len(rest))
    if slots is None:
        return ()
    outline = list(rest)
    for place in slots:
        outline[place] = outline[place] and segment_kind(outline[place])
    key = (dialect.name, prefix, *outline)
    found = _ROUTES.get(key)
    if found is None:
        if len(_ROUTES) >= _MOST_ROUTES:
            _ROUTES.clear()
        found = _ROUTES[key] = tuple(_routes_at(dialect, prefix, outline, slots))
    return found


def _routes_at(
    dialect: Dialect, prefix: tuple[str, ...], outline: Sequence[str], slots: Sequence[int]
) -> Iterator[_Route]:
    base = "".join(f"/{each}" for each in prefix)
    for place, parts in dialect.by_length[len(outline)]:
        spot = _at(place, parts, base, outline, slots)
        if spot is not None:
            yield _Route(spot, {method: _found(spot, kind) for method, kind in place.kinds.items()})


def _found(spot: _Spot, kind: str) -> Found:
    return Found(kind, spot.resource, spot.parent, spot.route)


def _at(
    place: Place, parts: tuple[str, ...], base: str, outline: Sequence[str], slots: Sequence[int]
) -> _Spot | None:
    """`outline`: segments, and where there are `slots` their kinds."""
    names: dict[str, str] = {}
    route = base
    for number, (part, segment) in enumerate(zip(parts, outline, strict=True)):
        name = part[1:-1] if part.startswith("{") else ""
        if name in ("resource", "parent"):
            if not is_collection_name(segment):
                return None
            names[name] = segment
        elif not segment or (not name and part != segment):
            return None
        kind = segment if number in slots else segment_kind(segment)
        route += f"/{_slot(name, kind) if name and name not in names else segment}"
    return _Spot(place, names.get("resource", parts[-1]), names.get("parent"), route)


def _slot(name: str, kind: str) -> Slot:
    return Slot(name, "slug" if kind == "literal" else cast("SlotKind", kind))


def _slots(route: str, segments: tuple[str, ...]) -> Params:
    return _template(route).match(segments) or {}


@lru_cache(maxsize=4096)
def _template(route: str) -> RouteTemplate:
    return RouteTemplate.parse(route)


@frozen(eq=False)
class _Code:
    """A kind of a dialect; the same for two requests where dialect and kind are."""

    dialect: Dialect
    kind: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Code) and (self.dialect.name, self.kind) == (other.dialect.name, other.kind)

    def __hash__(self) -> int:
        return hash((self.dialect.name, self.kind))


@lru_cache(maxsize=4096)
def _plan(code: _Code, found: Found) -> Plan:
    hints = dict(code.dialect.data)
    if found.parent is not None:
        hints["parent"] = found.parent
    if code.dialect.params is not None:
        hints[PARAMS] = dict(code.dialect.params(found))
    return Plan(
        action=code.kind.partition("-")[0],
        resource=found.resource,
        route=found.route,
        code=SourceCode(code.dialect.code[code.kind]),
        identifier="{id}" if "{id:" in found.route else None,
        response_hints=hints,
        query="any",
    )
