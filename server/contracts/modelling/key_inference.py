"""Which property is a resource's key, of what type it is, and who chooses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from server.contracts.key_names import CALLED, ID_END, ID_LIKE, NAME_LIKE, is_counted, said_as
from server.contracts.model import Given, Key
from server.contracts.paths import Path, Slot, alike, last_word, slots_in
from server.contracts.shapes import Shape, plain
from server.contracts.views import ANY, View, Views
from store.names import singular

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from server.contracts.modelling.draft import Draft

#: Objects within a record that may have its key.
HOLDERS: Final = frozenset({"metadata", "meta", "data", "attributes", "properties", "info"})


def infer_key(draft: Draft, path: Path, view: View, *, single: bool) -> Key:
    if single:
        return Key("", (), "string")
    slot = slots_in(path)[-1]
    word = last_word(path[:-1])
    kind = _slot_kind(draft, path, slot)
    composite = len(path) > 1 and isinstance(path[-2], Slot)
    made, body = made_at(draft, path[:-1])
    others = frozenset(plain(each) for each in slots_in(path)[:-1])
    found = key_path(draft.views, view, slot, word, kind, composite=composite, body=body, others=others)
    own = view_at(draft.views, view, found)
    if not found and made.properties:
        found = key_path(draft.views, made, slot, word, kind, composite=composite)
        found = found if found and plain(found[-1]) not in NAME_LIKE else ()
        own = view_at(draft.views, made, found)
    if own.kind in ("integer", "string"):
        kind = own.kind
    counted = bool(found) and is_counted(found[-1]) and kind == "integer"
    return Key(
        slot, found, "integer" if kind in ("integer", "number") else "string", counted=counted, view=own
    )


def made_at(draft: Draft, path: Path) -> tuple[View, View]:
    """What is replied where records are made, and what is said of them there."""
    node = draft.path_items.get(alike(path))
    for method in ("POST", "PUT"):
        operation = node.operations.get(method) if node else None
        if operation is not None:
            reply, body = draft.reply(operation), draft.body(operation)
            return (reply.item if reply.of_one else ANY, body.item if body.of_one else ANY)
    return ANY, ANY


def _slot_kind(draft: Draft, path: Path, slot: str) -> str:
    node = draft.path_items.get(alike(path))
    for operation in node.operations.values() if node else ():
        for parameter in operation.parameters:
            if parameter.place == "path" and parameter.name == slot:
                return draft.views.at(parameter.schema).kind
    return "string"


def key_path(
    views: Views,
    view: View,
    slot: str,
    word: str,
    kind: str,
    *,
    composite: bool,
    body: View = ANY,
    others: frozenset[str] = frozenset(),
) -> tuple[str, ...]:
    names = {plain(name): name for name in view.properties}
    wanted = plain(slot)
    if wanted in names and _may_be_key(views, view, names[wanted], ""):
        return (names[wanted],)
    for holder in view.properties:
        inner = views.of(view.properties[holder])
        if plain(holder) in HOLDERS and inner.is_object:
            below = {plain(name): name for name in inner.properties}
            if wanted in below and _may_be_key(views, inner, below[wanted], ""):
                return (holder, below[wanted])
    stem = singular(plain(word))
    short = wanted.removeprefix(stem) if stem and wanted != stem else ""
    own = (f"{stem}id", f"{stem}sid", f"{stem}uuid") if stem else ()
    counted = [each for each in names if is_counted(each)] if is_counted(wanted) else []
    called = [each for each in CALLED if each in names] if wanted in CALLED else []
    said = {plain(name) for name in body.properties}
    like: tuple[str, ...] = NAME_LIKE if composite or not ID_END.search(wanted) else NAME_LIKE[:2]
    like = tuple(sorted(like, key=lambda each: each not in said))
    ids = () if composite else (*ID_LIKE, *own, *(_only_id(names, others) if slot else ()))
    if not composite and kind == "string" and not ID_END.search(wanted) and slot:
        # A text that is not called an id: `/orgs/{org}` is no number where there is a name.
        ids = (*(each for each in ids if _is_text(views, view, names, each)), *like, *ids)
    for each in (short, *called, *counted, *ids, *(like if slot else ())):
        name = names.get(plain(each)) if each else None
        if name is not None and _may_be_key(views, view, name, kind):
            return (name,)
    return ()


def _is_text(views: Views, view: View, names: Mapping[str, str], each: str) -> bool:
    name = names.get(plain(each))
    return name is not None and views.of(view.properties[name]).kind in ("string", "")


def _only_id(names: Mapping[str, str], others: frozenset[str]) -> tuple[str, ...]:
    """The one property whose name ends as an id's does, and is no other slot's."""
    found = [each for each in names if each.endswith("id") and len(each) > 3 and each not in others]
    return tuple(found) if len(found) == 1 else ()


def _may_be_key(views: Views, view: View, name: str, kind: str) -> bool:
    """`kind` is the slot's; "" where the names are the same: a text may be a number's then."""
    own = views.of(view.properties[name]).kind
    if own not in ("integer", "string", "number", ""):
        return False
    if kind in ("integer", "number"):
        return own != "string"
    return kind != "string" or own != "integer" or (plain(name) == "id" or is_counted(name))


def view_at(views: Views, view: View, path: Iterable[str]) -> View:
    for step in path:
        view = views.of(view.properties.get(step))
    return view


def key_giver(views: Views, key: Key, body: Shape, item: View = ANY) -> Given:
    view, required = body.item, True
    for step in key.path:
        names = {plain(name): name for name in view.properties}
        name = names.get(plain(step)) or (said_as(key, item, view) if item is not ANY else None)
        if name is None:
            return "service"
        required = required and name in view.required
        view = views.of(view.properties[name])
    if not key.path or view.said.get("readOnly") is True:
        return "service"
    return "client" if required or key.path[-1] in ("name", "username", "login") else "either"
