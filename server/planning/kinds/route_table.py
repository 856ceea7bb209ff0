"""The routes a session has learned, as a tree of segments (the router of DESIGN §5).

1. Segment by segment from the left, a literal beats a slot, and `int` and `uuid` come before `text`
   before `slug`.
2. A slot never swallows a word silently: where a literal route of this method ends exactly at the path,
   no slot takes its word, even if that route was learned for another query or content.
3. At the end of a path: the plan for the identical request (`needs: values`), then the one for exactly
   these query keys, then the one for any. A person's plan for requests without a body serves those with one,
   where no plan is for theirs: it ignores the body.
4. HEAD uses GET's.
"""

from __future__ import annotations

from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeAlias

from attrs import define, field, frozen

from server.planning.kinds.fingerprint import values_key
from server.planning.kinds.route import Params, RouteTemplate, SegmentKind, Slot, SlotKind, segment_kind
from server.planning.kinds.shape import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.values.model import ContentKind, Method, RequestContext, RunnablePlan

#: Words of a slug that are remembered as records of their own: only to save questions to the planner.
MAX_WORDS: Final = 256
#: Questions to the planner whether a word is an action, per slug route (DECISIONS, "Quarantine").
MAX_SLUG_QUESTIONS: Final = 3

_SLOTS_FOR: Final[dict[SegmentKind, tuple[SlotKind, ...]]] = {
    "literal": ("slug",),
    "int": ("int",),
    "uuid": ("uuid",),
    "text": ("text", "slug"),
}

#: Method, pattern, content, query keys (None: any), values key: a session has one plan for each.
Key: TypeAlias = "tuple[Method, tuple[str, ...], ContentKind, tuple[str, ...] | None, str]"


@define(eq=False)
class LearnedRoute:
    """A plan that one session has learned, and how it has done there.

    `number` is its row in the library; 0 if it could not be written. A `stale` one was made by another
    prompt, policy, model or rules: it is for when the planner cannot be reached. A `quarantined` one is
    never matched.
    """

    runnable: RunnablePlan
    template: RouteTemplate
    method: Method
    content: ContentKind
    #: None: any.
    query: tuple[str, ...] | None
    values_key: str = ""
    #: The canonical text of the body's shape that it was learned with.
    body_shape: str = "null"
    number: int = 0
    stale: bool = False
    pinned: bool = False
    by_person: bool = False
    quarantined: bool = False
    #: Digests of the body shapes it has failed on since it last worked.
    failed_shapes: set[str] = field(factory=set)
    slug_asked: int = 0
    slug_names: tuple[str, ...] = field(init=False)
    _words: set[str] = field(init=False, factory=set, repr=False)

    def __attrs_post_init__(self) -> None:
        self.slug_names = tuple(
            part.name for part in self.template.parts if isinstance(part, Slot) and part.kind == "slug"
        )

    @property
    def kept(self) -> bool:
        """Whether only a person replaces its plan."""
        return self.pinned or self.by_person

    @property
    def key(self) -> Key:
        if self.values_key:
            # It stands for the whole request, whatever template was found for it.
            return (self.method, (), self.content, None, self.values_key)
        parts = tuple(f"{{{p.kind}}}" if isinstance(p, Slot) else p for p in self.template.parts)
        return (self.method, parts, self.content, self.query, self.values_key)

    def saw(self, word: str) -> None:
        """Take the word for a record's from now on."""
        if len(self._words) < MAX_WORDS:
            self._words.add(word)

    def inherit(self, before: LearnedRoute) -> None:
        """What is known of the words of its slugs belongs to the route, whichever plan it has."""
        self.slug_asked = before.slug_asked
        self._words |= before._words

    def has_seen(self, word: str) -> bool:
        return word in self._words


@frozen
class Match:
    """A learned route, and its slots' values in a request."""

    route: LearnedRoute
    params: Params

    def slug_words(self) -> list[str]:
        """What its slugs took that could as well be the name of an action."""
        words = (str(self.params[name]) for name in self.route.slug_names)
        return [word for word in words if segment_kind(word) == "literal"]

    def word_to_ask_about(self) -> str | None:
        """A word never seen here, if the planner may still be asked whether it is an action."""
        if self.route.slug_asked >= MAX_SLUG_QUESTIONS:
            return None
        return next((word for word in self.slug_words() if not self.route.has_seen(word)), None)


class _Ending(Enum):
    """What a search can come to besides a route."""

    NOTHING = 0
    #: The path is known, but not with this query or content, or it is in quarantine.
    KNOWN = 1


class _Question:
    """A request, and what of it is needed only now and then."""

    def __init__(self, ctx: RequestContext) -> None:
        self._ctx = ctx
        self.segments = ctx.segments
        self.content = ctx.content

    @cached_property
    def query_keys(self) -> tuple[str, ...]:
        return tuple(sorted(map(printable, self._ctx.query)))

    @cached_property
    def values_key(self) -> str:
        return values_key(self._ctx)


@define(eq=False)
class _Leaf:
    by_values: dict[str, LearnedRoute] = field(factory=dict)
    by_query: dict[tuple[ContentKind, tuple[str, ...] | None], LearnedRoute] = field(factory=dict)

    def find(self, question: _Question) -> LearnedRoute | _Ending:
        route = self.by_values.get(question.values_key) if self.by_values else None
        if route is None:
            route = self.by_query.get((question.content, question.query_keys))
        if route is None:
            route = self.by_query.get((question.content, None))
        if route is None and question.content != "none":
            route = self._by_person_without_body(question)
        return _Ending.KNOWN if route is None or route.quarantined else route

    def _by_person_without_body(self, question: _Question) -> LearnedRoute | None:
        """A plan that a person wrote and that reads no body: what a client sends along changes nothing."""
        routes = (self.by_query.get(("none", query)) for query in (question.query_keys, None))
        return next((route for route in routes if route is not None and route.by_person), None)


@define(eq=False)
class _Node:
    words: dict[str, _Node] = field(factory=dict)
    slots: dict[SlotKind, _Node] = field(factory=dict)
    leaf: _Leaf | None = None

    def below(self, part: str | Slot) -> _Node:
        if isinstance(part, Slot):
            return self.slots.setdefault(part.kind, _Node())
        return self.words.setdefault(part, _Node())

    def find(self, question: _Question, place: int) -> LearnedRoute | _Ending:
        """Each call looks at another node, so the tree's size bounds the search."""
        if place == len(question.segments):
            return _Ending.NOTHING if self.leaf is None else self.leaf.find(question)
        word = self.words.get(question.segments[place])
        if word is not None and (found := word.find(question, place + 1)) is not _Ending.NOTHING:
            return found
        return self._find_in_slots(question, place) if self.slots else _Ending.NOTHING

    def _find_in_slots(self, question: _Question, place: int) -> LearnedRoute | _Ending:
        segment, ending = question.segments[place], _Ending.NOTHING
        if not segment:
            return ending
        for kind in _SLOTS_FOR[segment_kind(segment)]:
            if kind not in self.slots:
                continue
            found = self.slots[kind].find(question, place + 1)
            if isinstance(found, LearnedRoute):
                return found
            ending = _Ending.KNOWN if found is _Ending.KNOWN else ending
        return ending


class RouteTable:
    def __init__(self, routes: Iterable[LearnedRoute] = ()) -> None:
        self._roots: dict[str, _Node] = {}
        for route in routes:
            self.put(route)

    def put(self, route: LearnedRoute) -> None:
        """Add a route; it replaces the one with the same key."""
        node = self._roots.setdefault(route.method, _Node())
        for part in route.template.parts:
            node = node.below(part)
        node.leaf = leaf = node.leaf or _Leaf()
        if route.values_key:
            leaf.by_values[route.values_key] = route
        else:
            leaf.by_query[route.content, route.query] = route

    def match(self, ctx: RequestContext) -> Match | None:
        root = self._roots.get("GET" if ctx.method == "HEAD" else ctx.method)
        found = root.find(_Question(ctx), 0) if root is not None else None
        if not isinstance(found, LearnedRoute):
            return None
        params = found.template.match(ctx.segments)
        return None if params is None else Match(found, params)


class SessionRoutes:
    """The routes of one session; beyond the limits the oldest go, but none that people pinned or wrote.

    Those do not count, here as in the library, which bounds what comes here: besides so many free routes it
    has those whose plans people keep, and each of these was pinned, edited or imported by hand.
    """

    def __init__(self, routes: Iterable[LearnedRoute], *, max_routes: int, max_values: int) -> None:
        """`routes` from the oldest to the newest; `max_values` is for plans that answer a single request."""
        self._limits = {False: max_routes, True: max_values}
        self._routes: dict[Key, LearnedRoute] = {route.key: route for route in routes}
        self._forget_oldest()
        self._table = RouteTable(self._routes.values())

    def __len__(self) -> int:
        return len(self._routes)

    def get(self, key: Key) -> LearnedRoute | None:
        return self._routes.get(key)

    def match(self, ctx: RequestContext) -> Match | None:
        return self._table.match(ctx)

    def methods(self, segments: tuple[str, ...]) -> set[str]:
        """The methods that the path has, whatever query and content they are for; HEAD with GET."""
        found: set[str] = {
            each.method for each in self.serving() if each.template.match(segments) is not None
        }
        return found | {"HEAD"} if "GET" in found else found

    def serving(self) -> tuple[LearnedRoute, ...]:
        """Every route that serves more than a single request, and is not in quarantine."""
        return tuple(each for each in self._routes.values() if not each.values_key and not each.quarantined)

    def put(self, route: LearnedRoute) -> LearnedRoute:
        """Add a route in the place of the one with its key; one that is kept stays, and is given back."""
        before = self._routes.get(route.key)
        if before is not None and before.kept:
            return before
        if before is not None:
            route.inherit(before)
        self._routes.pop(route.key, None)
        self._routes[route.key] = route
        moved = before is not None and before.template != route.template
        if self._forget_oldest() or moved:
            self._table = RouteTable(self._routes.values())
        else:
            self._table.put(route)
        return route

    def _forget_oldest(self) -> bool:
        """Whether there was one too many."""
        doomed: list[Key] = []
        for of_values, limit in self._limits.items():
            free = [
                key
                for key, route in self._routes.items()
                if bool(route.values_key) is of_values and not route.kept
            ]
            doomed += free[: max(0, len(free) - limit)]
        for key in doomed:
            del self._routes[key]
        return bool(doomed)
