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
6. A collection without records becomes one object where one is put at its path: ``PUT /settings``.
7. Logins and the like are no records, so no convention says what becomes of them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from attrs import frozen

from server.planning.conventions.code import FLAT, NESTED
from server.planning.kinds.route import (
    Slot,
    is_collection_name,
    refuse_unplannable,
    segment_kind,
    split_prefix,
)
from server.values.errors import (
    InvalidQuery,
    MethodNotAllowed,
    NotFound,
    NotPlannable,
    Unprocessable,
    of_records,
)
from server.values.model import Plan, SourceCode
from store.ids import address_of
from store.names import PRESENTATION, SEARCH_WORDS, VIEWS, foreign_key, is_plural, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.planning.kinds.schemas import Holds
    from server.values.model import RequestContext

Form = Literal[
    "root", "collection", "search", "count", "stats", "item",
    "nested", "nested-search", "nested-count", "nested-stats", "nested-item", "field",
]  # fmt: skip
Kind = Literal[
    "list", "search", "create", "batch", "get", "replace", "patch", "merge", "json-patch", "delete",
    "viewed-list", "viewed-search", "viewed-get", "count", "stats", "clear",
    "put-one", "patch-one", "merge-one", "json-patch-one", "delete-one", "field", "of-field",
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
#: Of a collection that is one object, or may become one.
_ONE: dict[Holds, dict[str, Kind]] = {
    "nothing": {"GET": "list", "HEAD": "list", "POST": "create", "PUT": "put-one"},
    "records": {},
    "object": {"GET": "list", "HEAD": "list", "PUT": "put-one", "PATCH": "patch-one", "DELETE": "delete-one"},
}
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
    "field": {"GET": "field", "HEAD": "field"},
}
#: The documented action, where the kind is finer than that.
_ACTIONS: dict[Kind, str] = {
    "batch": "create", "merge": "patch", "json-patch": "patch", "clear": "delete",
    "put-one": "replace", "patch-one": "patch", "merge-one": "patch", "json-patch-one": "patch",
    "delete-one": "delete", "field": "get", "of-field": "get",
    **{viewed: kind for kind, viewed in _VIEWED.items()},
}  # fmt: skip
_ITEM_KINDS: frozenset[Kind] = frozenset(
    {"get", "viewed-get", "field", "of-field", "replace", "patch", "merge", "json-patch", "delete"}
)
_QUERY_KINDS: frozenset[Kind] = frozenset(
    {"list", "search", "viewed-list", "viewed-search", "count", "stats", "clear"}
)

_WITHOUT_DELETE: tuple[Form, ...] = ("collection", "nested")
#: Methods that may be about the one object that a collection is.
ONE_METHODS: frozenset[str] = frozenset({"PUT", "PATCH", "DELETE", "OPTIONS"})
_NO_CLEARING = "Deleting all records of a collection is switched off (conventions.delete_collections)."

#: As `plain` leaves them: what is asked of an API that knows its users.
CREDENTIAL_WORDS: frozenset[str] = frozenset(
    {
        *("login", "logout", "logon", "logoff", "signin", "signout", "signup", "register", "registration"),
        *("auth", "authenticate", "authentication", "authorize", "oauth", "oauth2", "sso", "token"),
        *("refreshtoken", "forgotpassword", "resetpassword", "changepassword", "password", "verifyemail"),
        *("passwordreset", "passwordrecovery", "recoverpassword", "setpassword", "updatepassword"),
        *("newpassword", "confirmemail", "magiclink", "otp", "totp", "mfa", "jwt", "accesstoken", "signoff"),
        *("oidc", "saml"),
    }
)
CREDENTIAL_COLLECTIONS: frozenset[str] = frozenset(
    {"auth", "oauth", "oauth2", "authentication", "sso", "password"}
)
#: Where a POST of a password is a login; without one they are collections like others.
_WITH_A_PASSWORD: frozenset[str] = frozenset({"session", "sessions"})
_CREDENTIALS = "What is to become of credentials no convention says, and none are stored."

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

    def plan(self, ctx: RequestContext, *, exists: bool = False, holds: Holds | None = None) -> Plan:
        """The plan for a request; the identical object for requests of one kind.

        `exists`: whether there is a collection of the name that `doubtful_name` finds. `holds`: what the one
        that `whole_name` finds has in it, None while nobody has looked.
        Raises NotFound, MethodNotAllowed (with Allow), Unprocessable for a
        body that can be no record, InvalidQuery for query keys that don't go with the path, and
        NotPlannable for what no convention covers.
        """
        refuse_credentials(ctx.method, ctx.segments, ctx.body_json)
        target = read_path(ctx.segments, exists=exists)
        kind = self._kinds_of(target.form, holds).get(ctx.method)
        if kind is None or (holds == "nothing" and kind == "put-one" and not isinstance(ctx.body_json, dict)):
            raise self._not_allowed(target, ctx.method, holds)
        if ctx.query:
            kind = _by_query(kind, ctx.query, target)
        return _plan(_by_body(kind, target, ctx), target)

    def plan_of_field(self, ctx: RequestContext) -> Plan:
        """The plan that reads the field of a path that `doubtful_name` is about, or one of several in it."""
        prefix, (name, id_, field, *place) = split_prefix(ctx.segments)
        named = field if is_collection_name(field) else _slot("field", field)
        base = "".join(f"/{segment}" for segment in (*prefix, name, _slot("id", id_), named))
        if not place:
            return _plan("field", Target("field", name, base))
        return _plan("of-field", Target("field", name, f"{base}/{_slot('place', place[0])}"))

    def allowed_methods(
        self, segments: tuple[str, ...], *, exists: bool = False, holds: Holds | None = None
    ) -> tuple[str, ...]:
        """The methods a path can have, OPTIONS last. Raises NotFound and NotPlannable as `plan` does."""
        refuse_credentials("OPTIONS", segments)
        return self._allowed(read_path(segments, exists=exists).form, holds)

    def _kinds_of(self, form: Form, holds: Holds | None) -> dict[str, Kind]:
        kinds = self._kinds[form]
        if form != "collection" or holds in (None, "records"):
            return kinds
        return {**kinds, **_ONE[holds]} if holds == "nothing" else _ONE[holds]

    def _allowed(self, form: Form, holds: Holds | None) -> tuple[str, ...]:
        if form != "collection" or holds in (None, "records"):
            return self._allow[form]
        return (*self._kinds_of(form, holds), "OPTIONS")

    def _not_allowed(self, target: Target, method: str, holds: Holds | None) -> MethodNotAllowed:
        reason = ""
        if method == "DELETE" and target.form in _WITHOUT_DELETE:
            reason = _NO_CLEARING
        elif method in ("PUT", "PATCH") and holds == "records":
            reason = of_records(target.resource, method)
        return MethodNotAllowed(self._allowed(target.form, holds), reason=reason)


def whole_name(method: str, segments: tuple[str, ...]) -> str | None:
    """The collection that a request is about as a whole, if it may be one about the object that it is."""
    rest = split_prefix(segments)[1]
    return rest[0] if len(rest) == 1 and method in ONE_METHODS and is_collection_name(rest[0]) else None


def refuse_credentials(method: str, segments: tuple[str, ...], body: Any = None) -> None:
    """Raise NotPlannable for logins: a password would be stored as it is, and nobody would be logged in."""
    rest = split_prefix(segments)[1]
    alone = len(rest) == 1 and (
        plain(rest[0]) in CREDENTIAL_WORDS
        or (plain(rest[0]) in _WITH_A_PASSWORD and isinstance(body, dict) and "password" in body)
    )
    below = len(rest) == 2 and method == "POST" and plain(rest[1]) in CREDENTIAL_WORDS
    # Of none of these words there is a collection, so there is no record of it either.
    if alone or below or (len(rest) > 1 and plain(rest[0]) in CREDENTIAL_WORDS | CREDENTIAL_COLLECTIONS):
        raise NotPlannable(f"{_CREDENTIALS} {NOT_PLANNABLE}")


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
    if kind in _PATCHES:
        return _PATCHES[kind][_patch_kind(ctx)]
    if kind in {"replace", "put-one"}:
        _require_object(ctx)
    if kind == "clear" and ctx.body_json is not None:
        raise Unprocessable("What is deleted is told by filters in the query, not by a body.")
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


_PATCHES: dict[Kind, dict[Kind, Kind]] = {
    "patch": {"patch": "patch", "merge": "merge", "json-patch": "json-patch"},
    "patch-one": {"patch": "patch-one", "merge": "merge-one", "json-patch": "json-patch-one"},
}


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
