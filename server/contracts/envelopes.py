"""What a reply has around its items or its item: totals, pages, links, words that never change.

Each member is known by its name, whatever its style, and by its type. What must be there and is not known
has a sample value; what need not be is left out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field

from server.contracts.shapes import plain

if TYPE_CHECKING:
    from server.contracts.examples import Examples
    from server.contracts.views import View, Views


def _table(**names: str) -> dict[str, str]:
    return {name: kind for kind, text in names.items() for name in text.split()}


_NUMBERS: Final = _table(
    total="total totalcount totalresults totalitems totalelements totalrecords totalsize totalhits numfound "
    "resultcount totalrows recordcount found itemcount totalnumber",
    limit="limit pagesize perpage size pagelimit itemsperpage maxresults resultsperpage",
    offset="offset skip start",
    start="startindex",
    end="end",
    page="page pagenumber currentpage pageindex number",
    pages="pages totalpages pagecount lastpage numpages pagestotal",
    count="returned numberofelements pageitems resultsreturned countreturned",
)
_BOOLEANS: Final = _table(
    more="hasmore hasnext hasnextpage more truncated istruncated hasmoreitems hasmorepages",
    less="hasprevious haspreviouspage hasprev",
    true="ok success deleted removed",
)
_TEXTS: Final = _table(
    next="next nextpage nextpageuri nextpageurl nexturl nexturi nextlink odatanextlink nexthref",
    previous="previous prev previouspage previouspageuri previouspageurl previousurl prevurl previouslink "
    "prevlink",
    first="first firstpage firstpageuri firstpageurl firsturl",
    last="last lastpage lastpageuri lastpageurl lasturl",
    self="self href url uri selflink selfurl",
    cursor="nextcursor cursor nextpagetoken nexttoken continuationtoken endcursor after continue "
    "nextpagecursor",
)
_KEYS: Final = {"lastid": "last-key", "firstid": "first-key"}
_HOLDERS: Final = frozenset(
    "links meta metadata pagination paging page cursors responsemetadata pageinfo paginator".split()  # noqa: SIM905
)
_MAX_DEPTH: Final = 4
#: Whether it went well, in a word.
_OUTCOMES: Final = frozenset({"status", "result", "outcome", "state"})
_GOOD: Final = frozenset({"success", "ok", "succeeded", "successful"})
#: What a receipt tells in words.
_SAID: Final = frozenset({"message", "msg", "detail"})
_DONE: Final = "Done."

#: Path, kind of fact ("" for a value), value, and whether null is kept.
Around = list[list[Any]]


def around_of(
    views: Views, examples: Examples, whole: View, place: tuple[str, ...] | None, *, many: bool
) -> Around:
    """`place` leads to the items or the item; None: there is none, all of the reply is around nothing."""
    walk = _Walk(views, examples, many=many)
    walk.through(whole, place, ())
    return walk.found


@define
class _Walk:
    views: Views
    examples: Examples
    many: bool = field(kw_only=True)
    found: Around = field(factory=list)

    def through(self, whole: View, place: tuple[str, ...] | None, path: tuple[str, ...]) -> None:
        names = {plain(each) for each in whole.properties}
        for name, node in whole.properties.items():
            view, here = self.views.of(node), (*path, name)
            if place and name == place[0]:
                if len(place) > 1:
                    self.through(view, place[1:], here)
            elif view.is_object and view.properties and len(here) < _MAX_DEPTH:
                self._object(view, here, needed=name in whole.required)
            else:
                self._value(node, view, here, names, needed=name in whole.required)

    def _object(self, view: View, here: tuple[str, ...], *, needed: bool) -> None:
        name = plain(here[-1])
        linked = next((each for each in view.properties if plain(each) == "href"), None)
        kind = _TEXTS.get(name) if self.many or name == "self" else None
        if linked is not None and kind is not None and kind != "cursor":
            self.found.append([[*here, linked], kind, None, False])
        elif needed or name in _HOLDERS:
            if needed:
                self.found.append([list(here), "", {}, True])
            self.through(view, None, here)

    def _value(self, node: Any, view: View, here: tuple[str, ...], names: set[str], *, needed: bool) -> None:
        kind, value = _member(view, plain(here[-1]), names, many=self.many)
        if (
            not kind
            and value is None
            and not self.many
            and plain(here[-1]) in _SAID
            and view.kind == "string"
        ):
            value = _DONE
        if not kind and value is None and needed and not view.nullable:
            value = [] if view.kind == "array" else self.examples.for_node(node)
        if kind or value is not None or needed:
            self.found.append([list(here), kind, value, needed or view.nullable])


def _member(view: View, name: str, names: set[str], *, many: bool) -> tuple[str, Any]:
    """The kind of fact that it is, or its value; None for what nobody can say."""
    for word in ("const", "default"):
        if word in view.said:
            return "", view.said[word]
    choices = view.said.get("enum")
    if isinstance(choices, list) and len(choices) == 1:
        return "", choices[0]
    if isinstance(choices, list) and name in _OUTCOMES:
        good = next((each for each in choices if plain(str(each)) in _GOOD), None)
        if good is not None:
            return "", good
    if view.kind == "boolean":
        kind = _BOOLEANS.get(name, "")
        return (kind if many or kind == "true" else ""), None
    if view.kind in ("integer", "number"):
        return (_number(name, names) if many else "key" if name in ("id", "key") else ""), None
    return (_text(view, name, many=many) if view.kind == "string" or (not view.kind and many) else ""), None


def _number(name: str, names: set[str]) -> str:
    if name == "size":
        return "limit"
    if name == "count" or (name.endswith("count") and name not in _NUMBERS):
        totals = {each for each, kind in _NUMBERS.items() if kind == "total"}
        return "count" if name == "count" and not totals.isdisjoint(names) else "total"
    return _NUMBERS.get(name, "")


def _text(view: View, name: str, *, many: bool) -> str:
    timed = str(view.said.get("format", "")) in ("date-time", "datetime")
    if timed and re.search("time|date|generated", name):
        return "now"
    if many:
        return _TEXTS.get(name, _KEYS.get(name, ""))
    return "self" if _TEXTS.get(name) == "self" else "key" if name in ("id", "sid", "uuid", "key") else ""
