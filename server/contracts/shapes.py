"""What a reply or a body is: records in a list, one record, or something else; and where in it they are.

array    [item, ...]
list     an object around an array of items: {"data": [...], "total": 3}; `path` leads to the array
wrapped  an object around one item: {"article": {...}}; `path` leads to the item
object   the item itself
scalar   a text, a number
none     no content, or none that is JSON
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from attrs import field, frozen

from server.contracts.views import ANY, View
from store.names import singular

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from server.contracts.views import Views

Kind: TypeAlias = Literal["array", "list", "wrapped", "object", "scalar", "none"]

#: Names of a list's array, best first. They are compared by `plain`.
_ARRAYS: Final = (
    *("data", "items", "results", "resources", "value", "values", "records", "entries", "entry", "list"),
    *("content", "hits", "objects", "docs", "rows", "elements", "members", "result"),
)
#: What may hold a list or an item one level down.
_HOLDERS: Final = frozenset({"embedded", "data", "result", "results", "response", "payload"})
#: What is around a list or an item, never an item itself.
_AROUND: Final = frozenset(
    {"links", "link", "meta", "metadata", "included", "jsonapi", "ok", "success", "status", "message"}
    | {"error", "errors", "code", "requestid", "warnings", "warning", "pagination", "paging", "page"}
    | {"cursor", "cursors", "responsemetadata", "debug", "timestamp", "version"}
)
_ADDRESSES: Final = frozenset(
    {
        "next",
        "previous",
        "prev",
        "first",
        "last",
        "self",
        "href",
        "url",
        "uri",
        "object",
        "kind",
        "apiversion",
        "type",
    }
    | {
        "nextpageuri",
        "previouspageuri",
        "firstpageuri",
        "resourcetype",
        "nextcursor",
        "nextpagetoken",
        "nexttoken",
    }
    | {
        "nexturl",
        "previousurl",
        "prevurl",
        "cursor",
        "continuationtoken",
        "odatanextlink",
        "nextlink",
        "etag",
    }
)
#: An object with such a property is an item itself.
_IDENTITIES: Final = frozenset({"id", "sid", "uuid", "uid", "guid"})
#: What an element of a list may be around its item.
_WITHIN: Final = frozenset({"resource", "item", "track", "record", "node", "value", "document"})
_JSON: Final = re.compile(r"application/(?:[^;\s]+\+)?json\b|text/json\b", re.IGNORECASE)


@lru_cache(maxsize=65_536)
def plain(name: str) -> str:
    """A name without what differs from style to style; none is left of `_embedded` but `embedded`."""
    return re.sub(r"[^A-Za-z0-9]", "", name).lower()


def json_content(content: Mapping[str, str]) -> tuple[str, str] | None:
    """The media type and schema of the JSON that is declared, None for none. `*/*` is JSON, too."""
    found = [media_type for media_type in content if _JSON.match(media_type)]
    found.sort(key=lambda media_type: not media_type.startswith("application/json"))
    found += [media_type for media_type in content if media_type.startswith(("*/*", "application/*"))]
    return (found[0], content[found[0]]) if found else None


@frozen(eq=False)
class Shape:
    """`item` is the schema of a record, `within` where a list's element has it; `whole` all of it."""

    kind: Kind
    path: tuple[str, ...] = ()
    item: View = ANY
    within: tuple[str, ...] = ()
    whole: View = ANY
    #: The schema that `item` is the view of.
    node: Any = field(default=None)

    @property
    def of_many(self) -> bool:
        return self.kind in ("array", "list")

    @property
    def of_one(self) -> bool:
        return self.kind in ("object", "wrapped")


NONE: Final = Shape("none")


def shape_of(views: Views, content: Mapping[str, str] | None, words: Iterable[str] = ()) -> Shape:
    """`words`: names under which the items may be expected, such as the path's last word."""
    found = json_content(content) if content else None
    if found is None:
        return NONE
    if not found[1]:
        return Shape("object", item=View(kind="object"), whole=View(kind="object"))
    return shape_of_view(views, views.at(found[1]), words)


def shape_of_view(views: Views, view: View, words: Iterable[str] = ()) -> Shape:
    if view.kind == "array":
        item = views.of(view.items)
        return Shape("array", (), *_element(views, item), whole=view, node=view.items)
    if not view.is_object:
        return Shape("scalar" if view.kind else "object", item=View(kind="object"), whole=view)
    if not _is_item(view):
        expected = tuple(plain(each) for each in words)
        found = _list_in(views, view, expected) or _held_list(views, view, expected) or _wrapped(views, view)
        if found is not None:
            return found
    return Shape("object", (), view, whole=view)


def _is_item(view: View) -> bool:
    return not _IDENTITIES.isdisjoint(plain(name) for name in view.properties)


def _element(views: Views, item: View) -> tuple[View, tuple[str, ...]]:
    """The item of a list's element, which may be around it: ``{"resource": {...}}``."""
    if item.is_object and not _is_item(item):
        for name, node in item.properties.items():
            inner = views.of(node)
            if plain(name) in _WITHIN and inner.is_object and inner.properties:
                return inner, (name,)
    return item, ()


def _list_in(views: Views, view: View, words: tuple[str, ...], *, named: bool = False) -> Shape | None:
    """`named`: the array has to have a name of a list's."""
    arrays: dict[str, View] = {}
    for each, node in view.properties.items():
        inner = views.of(node)
        if inner.kind == "array" and plain(each) not in _AROUND | {"schemas"}:
            item = views.of(inner.items)
            if item.is_object or (item is ANY or not item.kind):
                arrays[each] = item
    if not arrays:
        return None
    by_name = {singular(plain(name)): name for name in arrays}
    names = (singular(each) for each in (*words, *_ARRAYS))
    name: str | None = next((by_name[each] for each in names if each in by_name), None)
    if name is None and not named and len(arrays) == 1 and not _others(views, view, set(arrays)):
        name = next(iter(arrays))
    if name is None:
        return None
    item, within = _element(views, arrays[name])
    return Shape("list", (name,), item, within, view, views.of(view.properties[name]).items)


def _held_list(views: Views, view: View, words: tuple[str, ...]) -> Shape | None:
    """A list one level down: in `_embedded`, `Data`, `data`, or in the one object that there is."""
    objects = _objects(views, view)
    for name in objects:
        inner = views.of(view.properties[name])
        if (plain(name) in _HOLDERS or len(objects) == 1) and not _is_item(inner):
            found = _list_in(views, inner, words, named=plain(name) not in _HOLDERS)
            if found is not None:
                return Shape("list", (name, *found.path), found.item, found.within, view, found.node)
    return None


def _wrapped(views: Views, view: View) -> Shape | None:
    objects = _objects(views, view)
    scalars = [
        name
        for name in view.properties
        if name not in objects
        and plain(name) not in _AROUND
        and views.of(view.properties[name]).kind != "array"
    ]
    if len(objects) != 1 or len(scalars) > 1:
        return None
    name = objects[0]
    inner = views.of(view.properties[name])
    if scalars and plain(name) not in _HOLDERS:
        return None
    held = None if _is_item(inner) else _held(views, inner)
    if held is not None:  # {"response": {"status": ..., "data": {...}}}
        node = inner.properties[held]
        return Shape("wrapped", (name, held), views.of(node), (), view, node)
    return Shape("wrapped", (name,), inner, (), view, view.properties[name])


def _held(views: Views, view: View) -> str | None:
    """The one object in it, where its name is that of a holder and all else is around it."""
    found = [name for name in _objects(views, view) if plain(name) in _HOLDERS]
    others = [name for name in view.properties if name not in found and plain(name) not in _AROUND]
    return found[0] if len(found) == 1 and not others else None


def _others(views: Views, view: View, arrays: set[str]) -> list[str]:
    """What else it may be about: objects and texts that are not only around a list."""
    texts = [
        name
        for name, node in view.properties.items()
        if name not in arrays and plain(name) not in _AROUND | _ADDRESSES and views.of(node).kind == "string"
    ]
    return texts + _objects(views, view, beside=arrays)


def _objects(views: Views, view: View, beside: Iterable[str] = ()) -> list[str]:
    """The properties that may be an item: objects that are not only around one."""
    return [
        name
        for name, node in view.properties.items()
        if plain(name) not in _AROUND and name not in beside and views.of(node).is_object
    ]
