"""Which words of an operation's query are about pages and order, and which are filters.

Words are known by their name in any style: `limit`, `per_page`, `PageSize`, `page[size]`, `$top`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve, field, frozen

from server.contracts.shapes import plain
from store.names import singular

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from server.contracts.document import Operation
    from server.contracts.model import Key, Resource
    from server.contracts.views import View, Views

_LIMITS: Final = frozenset(
    [
        "limit",
        "perpage",
        "pagesize",
        "size",
        "count",
        "maxresults",
        "top",
        "itemsperpage",
        "take",
        "rows",
        "max",
        "pagelimit",
        "resultsperpage",
    ]
) | {"pagefirst", "first", "maxitems", "pagecount"}
_OFFSETS: Final = frozenset({"offset", "skip", "start", "startindex", "pageoffset", "from", "startat"})
_PAGES: Final = frozenset({"page", "pagenumber", "p", "pageno", "currentpage", "pageindex"})
_CURSORS: Final = frozenset(
    {
        "cursor",
        "pagetoken",
        "nexttoken",
        "continuationtoken",
        "continue",
        "pagecursor",
        "nextcursor",
        "pageafter",
    }
)
_AFTER: Final = frozenset({"after", "startingafter", "since", "sinceid"})
_BEFORE: Final = frozenset({"before", "endingbefore", "pagebefore", "untilid"})
_SORTS: Final = frozenset({"sort", "sortby", "orderby", "order", "sortfield", "ordering", "sortkey"})
_DIRECTIONS: Final = frozenset(
    {"direction", "sortorder", "orderdirection", "sortdirection", "dir", "sortdir"}
)
_OPERATORS: Final = {
    "gt": "gt",
    "gte": "gte",
    "lt": "lt",
    "lte": "lte",
    "ge": "gte",
    "le": "lte",
    "eq": "",
    "ne": "ne",
    "in": "",
    "contains": "icontains",
    "like": "icontains",
    "startswith": "startswith",
}
_BOUNDS: Final = (
    (re.compile(r"^(?:min|from|start)(.+)$|^(.+?)(?:min|from|after|since|start|gte)$"), "gte"),
    (re.compile(r"^(?:max|to|until|end)(.+)$|^(.+?)(?:max|to|before|until|end|lte)$"), "lte"),
)
_FIELD: Final = re.compile(r"[A-Za-z@$:-][A-Za-z0-9_@$:-]*")
#: Where nothing says how long a page is and there is something to ask for the next one with.
_PAGE: Final = 50


@frozen
class Filter:
    """`path` of a property, the store's operator, and the property's type; `many`: it is a list."""

    path: tuple[str, ...]
    operator: str = ""
    kind: str = "string"
    many: bool = False
    key: bool = False
    #: A value that asks for all: `state=all` where no record has that state.
    every: frozenset[str] = frozenset()


@frozen
class Query:
    """What each declared word of a query means; those in none of it are passed over."""

    limit: str = ""
    offset: str = ""
    page: str = ""
    cursor: str = ""
    after: str = ""
    before: str = ""
    sort: str = ""
    direction: str = ""
    #: The number of the first page, and of the first record.
    first: int = 1
    start: int = 0
    size: int | None = None
    most: int | None = None
    filters: Mapping[str, Filter] = field(factory=dict)
    #: What a word asks for in the document's profile, and the word.
    asks: Mapping[str, str] = field(factory=dict)
    ignored: tuple[str, ...] = ()

    @property
    def words(self) -> frozenset[str]:
        named = (self.limit, self.offset, self.page, self.cursor, self.after, self.before)
        return frozenset(each for each in named if each)


def query_of(
    views: Views, operation: Operation, resource: Resource, item: View, words: Mapping[str, str] | None = None
) -> Query:
    """`words`: what they ask for in the document's profile, by their plain names."""
    found: dict[str, Any] = {"filters": {}, "asks": {}}
    ignored = []
    fields = dict(resource.fields) | dict(item.properties)
    for name, view, node_path in _words(views, operation):
        ask = (words or {}).get(plain(name)) or (words or {}).get(plain(node_path[0]))
        if ask is not None:
            found["asks"].setdefault(ask, name if plain(name) in (words or {}) else node_path[0])
            continue
        slot = _paging_word(name)
        if slot in ("limit", "offset", "page") and view.kind not in ("integer", "number", ""):
            slot = ""
        if slot and slot not in found:
            found[slot] = name
            if slot == "limit":
                found["size"], found["most"] = (
                    _whole(view.said.get("default")),
                    _whole(view.said.get("maximum")),
                )
            elif slot == "page":
                zero = view.said.get("default") == 0 or view.said.get("minimum") == 0
                found["first"] = 0 if zero else 1
            elif slot == "offset":
                one = view.said.get("default") == 1 or plain(name) == "startindex"
                found["start"] = 1 if one else 0
            continue
        filtered = filter_of(views, node_path, fields, resource.key)
        if filtered is not None:
            found["filters"][name] = evolve(filtered, every=_every(views, view, filtered, fields))
        else:
            ignored.append(name)
    if found.get("size") is None and {"limit", "page", "offset", "cursor", "after"} & set(found):
        found["size"] = min(_PAGE, found.get("most") or _PAGE)
    return Query(**found, ignored=tuple(ignored))


def _every(views: Views, view: View, filtered: Filter, fields: Mapping[str, Any]) -> frozenset[str]:
    """Words of the parameter for all of them, which are no value of the property."""
    said = views.of(fields.get(filtered.path[0])).said.get("enum")
    known = {str(each).lower() for each in said} if isinstance(said, list) else set()
    choices = view.said.get("enum")
    offered = {str(each) for each in choices} if isinstance(choices, list) else set()
    return frozenset(
        each for each in offered if each.lower() in ("all", "any", "*") and each.lower() not in known
    )


def _words(views: Views, operation: Operation) -> Iterator[tuple[str, View, tuple[str, ...]]]:
    """Names as they come in a query, with their schema, and the steps that a name in brackets has."""
    for parameter in operation.parameters:
        if parameter.place != "query":
            continue
        view = views.at(parameter.schema)
        if parameter.style == "deepObject" or (view.is_object and view.properties):
            for name, node in view.properties.items():
                yield f"{parameter.name}[{name}]", views.of(node), (parameter.name, name)
            if parameter.style == "deepObject" and view.properties:
                continue
        steps = tuple(each for each in re.split(r"[\[\]]+", parameter.name) if each)
        yield parameter.name, view, steps or (parameter.name,)


def _paging_word(name: str) -> str:
    own = plain(name)
    tables = (
        ("limit", _LIMITS), ("offset", _OFFSETS), ("page", _PAGES), ("cursor", _CURSORS), ("after", _AFTER),
        ("before", _BEFORE), ("sort", _SORTS), ("direction", _DIRECTIONS),
    )  # fmt: skip
    return next((slot for slot, names in tables if own in names), "")


def filter_of(  # noqa: C901 - a table
    views: Views, steps: tuple[str, ...], fields: Mapping[str, Any], key: Key
) -> Filter | None:
    """`filter[x]`, `x[gte]`, `x<`, `x_gt`, `min_x`: a property, and how it is compared."""
    if plain(steps[0]) in ("filter", "filters", "where") and len(steps) > 1:
        steps = steps[1:]
    operator = ""
    if len(steps) > 1 and steps[-1].lower() in _OPERATORS:
        operator, steps = _OPERATORS[steps[-1].lower()], steps[:-1]
    text = steps[-1] if len(steps) == 1 else ".".join(steps)
    if text.endswith(("<", ">")):
        operator, text = ("lte" if text.endswith("<") else "gte"), text[:-1]
    found = property_at(views, text, fields)
    if (
        found is None
        and key.path
        and plain(text) in ("ids", f"{plain(key.path[-1])}s", plain(key.slot), "id")
    ):
        return Filter(key.path, operator, key.kind, key=True)
    if found is None:
        stem, _, last = text.rpartition("_")
        if stem and last.lower() in _OPERATORS:
            found, operator = property_at(views, stem, fields), _OPERATORS[last.lower()]
    if found is None:
        for pattern, bound in _BOUNDS:
            match = pattern.match(plain(text))
            rest = next((each for each in match.groups() if each), "") if match else ""
            found = property_at(views, rest, fields) if rest else None
            if found is None and rest in ("created", "updated", "modified"):
                found = next((property_at(views, rest + end, fields) for end in ("at", "date", "time") if
                              property_at(views, rest + end, fields) is not None), None)  # fmt: skip
            if found is not None:
                operator = bound
                break
    if found is None or not all(_FIELD.fullmatch(step) and "__" not in step for step in found[0]):
        return None
    path, view = found
    if view.kind == "array":
        item = views.of(view.items)
        return Filter(path, "has", item.kind, many=True) if item.kind in _SCALARS else None
    return Filter(path, operator, view.kind) if view.kind in _SCALARS else None


_SCALARS: Final = ("string", "integer", "number", "boolean", "")


def property_at(views: Views, text: str, fields: Mapping[str, Any]) -> tuple[tuple[str, ...], View] | None:
    """The property that a name in a query stands for, in any style; dots or brackets lead into it."""
    wanted = plain(text)
    for name, node in fields.items():
        own = plain(name)
        if wanted and (
            own in (wanted, singular(wanted)) or own.removesuffix("list").removesuffix("s") == wanted
        ):
            return _scalar(views, (name,), node)
    steps = [each for each in re.split(r"[.\[\]]+", text) if each]
    path: list[str] = []
    below: Mapping[str, Any] = fields
    last: View | None = None
    for step in steps if len(steps) > 1 else []:
        found = next((each for each in below if plain(each) == plain(step)), None)
        if found is None:
            return None
        path.append(found)
        last = views.of(below[found])
        below = (views.of(last.items) if last.kind == "array" else last).properties
    if last is not None:
        return None if last.is_object else (tuple(path), last)
    for name, node in fields.items():
        inner = views.of(node)
        if inner.is_object and plain(name) in ("attributes", "metadata", "data", "properties"):
            for each, leaf in inner.properties.items():
                if plain(each) == wanted:
                    return (name, each), views.of(leaf)
    return None


def _scalar(views: Views, path: tuple[str, ...], node: Any) -> tuple[tuple[str, ...], View] | None:
    """The property itself; of an object what people call it by."""
    view = views.of(node)
    if not view.is_object:
        return path, view
    for name in view.properties:
        if plain(name) in _CALLED:
            inner = views.of(view.properties[name])
            return None if inner.is_object else ((*path, name), inner)
    return None


_CALLED: Final = ("username", "login", "slug", "name", "id", "uuid")


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
