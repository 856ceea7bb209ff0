"""The planner without a model: plans for what people expect of REST.

1. A path is read as one of ten forms, after a leading ``api`` and ``v<digits>``:

       /members               collection       /members/1/orders          nested
       /members/search        search           /members/1/orders/search   nested-search
       /members/1             item             /members/1/orders/2        nested-item

2. The form, the method and the kind of body decide the kind of plan (`_KINDS`).
3. A plan's code is a constant of its kind (`conventions_code`); a plan differs from another of
   its kind by `resource`, `route` and, when nested, its parent. Nothing of a request's values is in it.
4. The second segment is a record's id unless it is an action word, so ids may be words too.
5. Below a record, a name is a collection's only if it is a plural or there is such a collection:
   ``POST /orders/1/cancel`` is an action, and what it does no convention says.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from attrs import frozen

from server.errors import InvalidQuery, MethodNotAllowed, NotFound, NotPlannable, Unprocessable
from server.model import Plan, SourceCode
from server.planning.conventions_code import FLAT, NESTED
from server.planning.route import (
    Slot,
    is_collection_name,
    refuse_unplannable,
    segment_kind,
    split_prefix,
)
from store.ids import address_of
from store.names import PRESENTATION, SEARCH_WORDS, VIEWS, foreign_key, is_plural

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.model import RequestContext

Form = Literal[
    "root", "collection", "search", "count", "stats", "item",
    "nested", "nested-search", "nested-count", "nested-stats", "nested-item",
]  # fmt: skip
Kind = Literal[
    "list", "search", "create", "batch", "get", "replace", "patch", "merge", "json-patch", "delete",
    "viewed-list", "viewed-search", "viewed-get", "count", "stats", "clear",
]  # fmt: skip

#: What may stand for a record's id and is none, and the form of path that it makes.
ACTION_WORDS: dict[str, Literal["search", "count", "stats"]] = {
    **dict.fromkeys(SEARCH_WORDS, "search"),
    "count": "count",
    "stats": "stats",
}
_NESTED: dict[Literal["search", "count", "stats"], Form] = {
    "search": "nested-search",
    "count": "nested-count",
    "stats": "nested-stats",
}

#: What answers where the query asks for a view.
_VIEWED: dict[Kind, Kind] = {"list": "viewed-list", "search": "viewed-search", "get": "viewed-get"}

_COLLECTION: dict[str, Kind] = {"GET": "list", "HEAD": "list", "POST": "create"}
_COUNT: dict[str, Kind] = {"GET": "count", "HEAD": "count"}
_STATS: dict[str, Kind] = {"GET": "stats", "HEAD": "stats"}
_SEARCH: dict[str, Kind] = {"GET": "search", "HEAD": "search"}
_ITEM: dict[str, Kind] = {"GET": "get", "HEAD": "get", "PUT": "replace", "PATCH": "patch", "DELETE": "delete"}
_ROOT: dict[str, Kind] = {}
_KINDS: dict[Form, dict[str, Kind]] = {
    "root": _ROOT,
    "collection": _COLLECTION,
    "search": _SEARCH,
    "count": _COUNT,
    "stats": _STATS,
    "item": _ITEM,
    "nested": _COLLECTION,
    "nested-search": _SEARCH,
    "nested-count": _COUNT,
    "nested-stats": _STATS,
    "nested-item": _ITEM,
}
#: The documented action, where the kind is finer than that.
_ACTIONS: dict[Kind, str] = {
    "batch": "create", "merge": "patch", "json-patch": "patch", "clear": "delete",
    **{viewed: kind for kind, viewed in _VIEWED.items()},
}  # fmt: skip
_ITEM_KINDS: frozenset[Kind] = frozenset(
    {"get", "viewed-get", "replace", "patch", "merge", "json-patch", "delete"}
)
_QUERY_KINDS: frozenset[Kind] = frozenset(
    {"list", "search", "viewed-list", "viewed-search", "count", "stats", "clear"}
)

_WITHOUT_DELETE: tuple[Form, ...] = ("collection", "nested")
_NO_CLEARING = "Deleting all records of a collection is switched off (conventions.delete_collections)."

NOT_PLANNABLE = (
    "No convention covers this request. Set OPENAI_API_KEY or ANTHROPIC_API_KEY "
    "to have requests of this kind planned by a model."
)


@frozen
class Target:
    """What a path points at. `parent` is the collection above, if the form is a nested one."""

    form: Form
    resource: str
    route: str
    parent: str | None = None


class ConventionsPlanner:
    """Plans by rule: no network, no key, no state. `delete_collections`: whether DELETE takes collections."""

    def __init__(self, *, delete_collections: bool = False) -> None:
        self._kinds = dict(_KINDS)
        self._delete_collections = delete_collections
        if delete_collections:
            for form in _WITHOUT_DELETE:
                self._kinds[form] = {**_KINDS[form], "DELETE": "clear"}
        # The service's own page answers GET and HEAD of "/".
        self._allow: dict[Form, tuple[str, ...]] = {
            **{form: (*kinds, "OPTIONS") for form, kinds in self._kinds.items()},
            "root": ("GET", "HEAD", "OPTIONS"),
        }

    def plan(self, ctx: RequestContext, *, exists: bool = False) -> Plan:
        """The plan for a request; the identical object for requests of one kind.

        `exists`: whether there is a collection of the name that `doubtful_name` finds.
        Raises NotFound, MethodNotAllowed (with Allow), Unprocessable for a
        body that can be no record, InvalidQuery for query keys that don't go with the path, and
        NotPlannable for what no convention covers.
        """
        target = read_path(ctx.segments, exists=exists)
        kind = self._kinds[target.form].get(ctx.method)
        if kind is None:
            raise self._not_allowed(target.form, ctx.method)
        if ctx.query:
            kind = _by_query(kind, ctx.query, target)
        return _plan(_by_body(kind, target, ctx), target)

    def allowed_methods(self, segments: tuple[str, ...], *, exists: bool = False) -> tuple[str, ...]:
        """The methods a path can have, OPTIONS last. Raises NotFound and NotPlannable as `plan` does."""
        return self._allow[read_path(segments, exists=exists).form]

    def _not_allowed(self, form: Form, method: str) -> MethodNotAllowed:
        switched_off = method == "DELETE" and form in _WITHOUT_DELETE
        return MethodNotAllowed(self._allow[form], reason=_NO_CLEARING if switched_off else "")


def doubtful_name(segments: tuple[str, ...]) -> str | None:
    """The name below a record that is a collection's only if there is one (rule 5); None: no such name."""
    match split_prefix(segments)[1]:
        case (_, id_, name, *tail) if id_ not in ACTION_WORDS and name not in ACTION_WORDS:
            doubtful = len(tail) < 2 and is_collection_name(name) and not is_plural(name)
            return name if doubtful else None
    return None


def read_path(segments: tuple[str, ...], *, exists: bool = False) -> Target:
    """What a path points at, by rules 1 and 5. Raises NotFound and NotPlannable."""
    refuse_unplannable(segments)
    prefix, rest = split_prefix(segments)
    base = "".join(f"/{segment}" for segment in prefix)
    match rest:
        case ():
            return Target("root", "", "/")
        case (name,):
            return Target("collection", name, f"{base}/{name}")
        case (name, word) if word in ACTION_WORDS:
            return Target(ACTION_WORDS[word], name, f"{base}/{name}/{word}")
        case (name, id_):
            return Target("item", name, f"{base}/{name}/{_slot('id', id_)}")
        case (parent, id_, *tail) if id_ not in ACTION_WORDS:
            return _read_nested(
                f"{base}/{parent}/{_slot(foreign_key(parent), id_)}", parent, tail, exists=exists
            )
    raise NotPlannable(NOT_PLANNABLE)


def _read_nested(base: str, parent: str, tail: list[str], *, exists: bool) -> Target:
    name = tail[0]
    if not is_collection_name(name):
        raise NotFound("There is nothing at this path.")
    if name in ACTION_WORDS or len(tail) > 2 or not (is_plural(name) or exists):
        raise NotPlannable(NOT_PLANNABLE)
    route = f"{base}/{name}"
    if len(tail) == 1:
        return Target("nested", name, route, parent)
    last = tail[1]
    if last in ACTION_WORDS:
        return Target(_NESTED[ACTION_WORDS[last]], name, f"{route}/{last}", parent)
    return Target("nested-item", name, f"{route}/{_slot('id', last)}", parent)


def _slot(name: str, segment: str) -> Slot:
    if address_of(segment) is None:
        raise NotFound("No record has an id like this.")
    kind = segment_kind(segment)
    return Slot(name, "slug" if kind == "literal" else kind)


def _by_query(kind: Kind, query: Mapping[str, object], target: Target) -> Kind:
    """The kind of plan, once the query has had its say."""
    if kind == "clear" and not PRESENTATION.isdisjoint(query):
        # The store passes over what is no filter, and would delete all the records.
        given = next(key for key in query if key in PRESENTATION)
        raise InvalidQuery(f"{given}: what is deleted is told by filters alone.")
    if "group_by" in query and kind in {"list", "search", "count"}:
        raise InvalidQuery(f"group_by: goes with /{target.resource}/stats.")
    return kind if VIEWS.isdisjoint(query) else _VIEWED.get(kind, kind)


def _by_body(kind: Kind, target: Target, ctx: RequestContext) -> Kind:
    """The kind of plan, once the body has had its say."""
    if kind == "create":
        return _create_kind(target, ctx)
    if kind == "patch":
        return _patch_kind(ctx)
    if kind == "replace":
        _require_object(ctx)
    return kind


def _create_kind(target: Target, ctx: RequestContext) -> Kind:
    if isinstance(ctx.body_json, dict):
        return "create"
    if isinstance(ctx.body_json, list):
        _require_objects(ctx.body_json)
        return "batch"
    if target.parent is not None and not is_plural(target.resource):
        raise NotPlannable(NOT_PLANNABLE)
    raise Unprocessable("A new record is a JSON object; an array of objects makes several.")


def _require_objects(bodies: list[Any]) -> None:
    for place, body in enumerate(bodies):
        if not isinstance(body, dict):
            raise Unprocessable(f"Element {place} of the array is not a JSON object.", pointer=f"/{place}")


def _patch_kind(ctx: RequestContext) -> Kind:
    if ctx.content == "json-patch":
        return "json-patch"
    _require_object(ctx)
    return "merge" if ctx.content == "merge-patch" else "patch"


def _require_object(ctx: RequestContext) -> None:
    if not isinstance(ctx.body_json, dict):
        raise Unprocessable(f"The body of a {ctx.method} is a JSON object.")


@lru_cache(maxsize=4096)
def _plan(kind: Kind, target: Target) -> Plan:
    code = FLAT if target.parent is None else NESTED
    hints = {} if target.parent is None else {"parent": target.parent, "field": foreign_key(target.parent)}
    return Plan(
        action=_ACTIONS.get(kind, kind),
        resource=target.resource,
        route=target.route,
        code=SourceCode(code[kind]),
        identifier="{id}" if kind in _ITEM_KINDS else None,
        response_hints=hints,
        query="any" if kind in _QUERY_KINDS else "declared",
    )
