"""Which resources there are: one for each item path, those of the same records being one; and their names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from attrs import evolve

from server.contracts.model import Key, Resource, Role
from server.contracts.modelling.key_inference import infer_key, key_path, view_at
from server.contracts.modelling.similarity import OVERLAP, SAME, of_a_size, overlap, same
from server.contracts.paths import Path, Slot, Word, alike, last_word, slots_in
from server.contracts.shapes import Shape, plain
from server.contracts.views import View
from store.names import singular

if TYPE_CHECKING:
    from server.contracts.modelling.draft import Draft, PathItem

_VERSION: Final = re.compile(r"v[0-9][0-9.a-z]*|api", re.IGNORECASE)
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


def find_resources(draft: Draft) -> None:
    found: list[tuple[PathItem, View]] = []
    found += [
        (node, _item_view(draft, node))
        for node in draft.path_items.values()
        if node.path and isinstance(node.path[-1], Slot) and _is_item_path(draft, node)
    ]
    # The shortest path is a resource's own.
    found.sort(key=lambda each: (len(slots_in(each[0].path)), len(each[0].path)))
    for node, view in found:
        resource = _like(draft, node.path, view)
        if resource is None:
            resource = new_resource(draft, node.path, view)
        else:
            resource.paths.append(node.path)
        draft.items[alike(node.path)] = resource
        draft.homes.setdefault(alike(node.path[:-1]), resource)


def _is_item_path(draft: Draft, node: PathItem) -> bool:
    get = node.operations.get("GET")
    if is_collection(draft, node):
        return False
    if get is None:
        return not {"PUT", "PATCH", "DELETE", "POST"}.isdisjoint(node.operations)
    shape = draft.reply(get)
    if shape.of_one:
        return True
    if shape.of_many:
        above = draft.path_items.get(alike(node.path[:-1]))
        listing = above.operations.get("GET") if above else None
        return listing is not None and same(draft.reply(listing).item, shape.item, SAME)
    return shape.kind == "none" and len(node.operations) > 1


def is_collection(draft: Draft, node: PathItem) -> bool:
    """Whether the path of a collection ends in a slot, too: `/{service}/{product}`."""
    if "POST" not in node.operations or not {"PUT", "PATCH", "DELETE"}.isdisjoint(node.operations):
        return False
    get = node.operations.get("GET")
    if get is not None and not draft.reply(get).of_many:
        return False
    below = draft.path_items.get((*alike(node.path), "{}"))
    return below is not None and "POST" not in below.operations


def _item_view(draft: Draft, node: PathItem) -> View:
    """The fullest word on what a record is."""
    above = draft.path_items.get(alike(node.path[:-1]))
    shapes: list[Shape] = []
    for method in ("GET", "PUT", "PATCH", "POST"):
        if method in node.operations:
            shapes += [draft.reply(node.operations[method]), draft.body(node.operations[method])]
    if above is not None:
        for method in ("GET", "POST", "PUT"):
            if method in above.operations:
                shapes += [draft.reply(above.operations[method]), draft.body(above.operations[method])]
    for shape in shapes:
        if shape.kind not in ("none", "scalar") and shape.item.properties:
            return shape.item
    return View(kind="object", open=True)


def _like(draft: Draft, path: Path, view: View) -> Resource | None:
    word = singular(plain(last_word(path[:-1])))
    for resource in draft.by_word.get(word, ()) if word else ():
        if view.properties and same(view, resource.item, SAME):
            if (
                _has_own_create(draft, path)
                and _has_own_create(draft, resource.paths[0])
                and not _nested(path, resource.paths[0])
            ):
                continue
            return resource
    return None


def _has_own_create(draft: Draft, path: Path) -> bool:
    above = draft.path_items.get(alike(path[:-1]))
    return above is not None and "POST" in above.operations


def new_resource(draft: Draft, path: Path, view: View, *, single: bool = False) -> Resource:
    resource = Resource(
        name=collection_name(draft, path),
        item=view,
        paths=[path],
        key=infer_key(draft, path, view, single=single),
        single=single,
    )
    draft.resources.append(resource)
    draft.by_word.setdefault(singular(plain(last_word(path[:-1]))), []).append(resource)
    return resource


def collection_name(draft: Draft, path: Path) -> str:
    words = [part.text for part in path if isinstance(part, Word)]
    if words and _VERSION.fullmatch(words[-1]) and isinstance(path[-1], Slot):
        words.append(f"{re.sub('[_-]?[Ii][Dd]$', '', path[-1].name) or 'record'}s")
    name = "records"
    for count in range(1, len(words) + 1):
        name = re.sub(r"[^A-Za-z0-9_-]", "_", "_".join(words[-count:]))[:60]
        name = name if _NAME.fullmatch(name) else f"c_{name}".strip("_")
        if name.lower() not in draft.taken:
            break
    while name.lower() in draft.taken:
        name = f"{name[:56]}_{len(draft.taken)}"
    draft.taken.add(name.lower())
    return name


def pathless_resource(draft: Draft, path: Path, item: View) -> Resource:
    """A resource without a path of its own: its records are only listed."""
    known = draft.homes.get(alike(path)) or _listed_elsewhere(draft, path, item)
    if known is None:
        key = key_path(draft.views, item, "", last_word(path), "", composite=False)
        resource = Resource(
            collection_name(draft, path),
            item,
            [],
            Key("id", key, "string", view=view_at(draft.views, item, key)),
        )
        if resource.key.view.kind == "integer":
            resource.key = evolve(resource.key, kind="integer")
        draft.resources.append(resource)
        known = draft.homes[alike(path)] = resource
    return known


def _listed_elsewhere(draft: Draft, path: Path, item: View) -> Resource | None:
    """Records of the same kind and word that have no path of their own either."""
    word = singular(plain(last_word(path)))
    for home, resource in draft.homes.items():
        if not resource.paths and singular(plain(home[-1])) == word and same(item, resource.item, SAME):
            return resource
    return None


def resource_by_schema(draft: Draft, role: Role, path: Path) -> Resource | None:
    """The resource whose records are made or listed here, though their own path is elsewhere."""
    shapes = [
        each
        for each in (role.reply, role.body)
        if each.kind not in ("none", "scalar") and each.item.properties
    ]
    word = singular(plain(last_word(path)))
    best: tuple[float, Resource] | None = None
    for resource in draft.resources:
        if resource.single or not resource.paths:
            continue
        own = singular(plain(last_word(resource.paths[0][:-1])))
        for shape in shapes:
            named = bool(shape.item.name) and shape.item.name == resource.item.name
            share = 1.0 if named else overlap(shape.item, resource.item)
            alike_words = word == own or word.endswith(own) or own.endswith(word)
            if len(shape.item.properties) < 2 and not named:
                continue
            close = share >= (OVERLAP if alike_words else 0.9) and (
                alike_words or of_a_size(shape.item, resource.item)
            )
            # POST to a word below a record that answers with it is an action: /orders/{id}/cancel.
            below = len(path) > 1 and isinstance(path[-2], Slot)
            made = alike_words or (named and shape is role.body and not below)
            if (named or close) and (made or role.operation.method == "GET"):
                score = share + (0.5 if alike_words else 0) + (0.3 if named else 0)
                if best is None or score > best[0]:
                    best = (score, resource)
    return best[1] if best else None


def _nested(one: Path, other: Path) -> bool:
    """Whether one of the paths is the other one's below a parent."""
    short, long = sorted((alike(one), alike(other)), key=len)
    return long[-len(short) :] == short or len(short) != len(long)
