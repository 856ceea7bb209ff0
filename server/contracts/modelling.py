"""Making the model of a document: `server.contracts.model` says what it is, and by which rules."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from attrs import define, evolve, field

from server.contracts.calls import calls_in, key_word
from server.contracts.document import ContractError
from server.contracts.key_names import (
    CALLED,
    ID_END,
    ID_LIKE,
    NAME_LIKE,
    is_counted,
    key_query,
    said_as,
)
from server.contracts.model import Given, Key, Model, Resource, Role, RoleName, Scope
from server.contracts.operation_facts import patch_of, speaks_json, success_of, uploads, writable
from server.contracts.paths import Path, Slot, Word, alike, last_word, path_of, slots_in, text_of
from server.contracts.profiles.frame.registry import NOT_CHOSEN, Chosen, chosen
from server.contracts.shapes import Shape, plain, shape_of
from server.contracts.versions import version_of
from server.contracts.views import ANY, View, Views
from store.names import singular

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from server.contracts.calls import Call
    from server.contracts.document import Document, Operation
    from server.contracts.overrides import Override, Overrides


_SEARCHES: Final = ("search", "find", "filter", "query", "lookup")
#: Objects within a record that may have its key.
_HOLDERS: Final = frozenset({"metadata", "meta", "data", "attributes", "properties", "info"})
_OVERLAP: Final = 0.6
_SAME: Final = 0.8
#: Of the operations, and of the resources below one.
_TENANT_SHARE: Final = 0.7
_TENANT_KINDS: Final = 6
_VERSION: Final = re.compile(r"v[0-9][0-9.a-z]*|api", re.IGNORECASE)
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_AUTH: Final = frozenset(
    {"login", "logout", "signin", "signout", "token", "tokens", "session", "oauth", "auth", "authenticate"}
)


def model_of(document: Document, overrides: Overrides | None = None) -> Model:
    return _Modelling(document, overrides).model()


@define
class _Node:
    """A path and its operations by method."""

    path: Path
    operations: dict[str, Operation] = field(factory=dict)


def overlap(one: View, other: View) -> float:
    """How much of the smaller one's properties the other one has, too."""
    first, second = {plain(each) for each in one.properties}, {plain(each) for each in other.properties}
    least = min(len(first), len(second))
    return len(first & second) / least if least else 0.0


def same(one: View, other: View, share: float = _OVERLAP) -> bool:
    return (bool(one.name) and one.name == other.name) or overlap(one, other) >= share


@define
class _Modelling:
    document: Document
    overrides: Overrides | None
    views: Views = field(init=False)
    _nodes: dict[tuple[str, ...], _Node] = field(factory=dict)
    _resources: list[Resource] = field(factory=list)
    #: By the collection's path and by the item path, as `alike` has them.
    _homes: dict[tuple[str, ...], Resource] = field(factory=dict)
    _items: dict[tuple[str, ...], Resource] = field(factory=dict)
    _by_word: dict[str, list[Resource]] = field(factory=dict)
    _taken: set[str] = field(factory=set)
    _chosen: Chosen = NOT_CHOSEN
    _shapes: dict[tuple[str, str], Shape] = field(factory=dict)
    #: Roles of operations that are named as calls.
    _calls: dict[str, Role] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.views = Views(self.document.raw)
        said = self.overrides.profile if self.overrides is not None else ""
        replies = (self._reply(each) for each in self.document.operations)
        self._chosen = chosen(self.document, replies, said)

    def model(self) -> Model:
        for operation in self.document.operations:
            path = path_of(operation.template, self.document.base_path)
            node = self._nodes.setdefault(alike(path), _Node(path))
            node.operations.setdefault(operation.method, operation)
        self._find_resources()
        self._find_calls()
        if self.overrides is not None:
            self._override_collections(self.overrides)
        found = [
            self._calls.get(operation.id) or self._role(node, operation)
            for node in self._nodes.values()
            for operation in node.operations.values()
        ]
        if self.overrides is not None:
            self.overrides.require_collections(each.name for each in self._resources)
        found = [_rebound(role) for role in found]
        for role in found:
            if role.resource is not None:
                role.resource.roles.append(role)
                if role.plain and (role.name in ("create", "create-many") or _may_make(role)):
                    role.resource.creatable = True
        for resource in self._resources:
            self._settle_scope(resource)
            self._complete(resource)
        found = [self._without_relations(role) for role in found]
        tenant = self._tenant(found)
        roles = {role.operation.id: self._with_parents(role, tenant) for role in found}
        for resource in self._resources:
            resource.roles = [role for role in roles.values() if role.resource is resource]
            if not self._chosen.profile.version:
                resource.version = version_of(self.document, self.views, resource)
        resources = tuple(self._resources)
        linked = self._chosen.profile.links(self.views, resources)
        return Model(self.document, self.views, resources, roles, self._chosen, linked)

    # shapes

    def _reply(self, operation: Operation) -> Shape:
        return self._shape(operation, "reply")

    def _body(self, operation: Operation) -> Shape:
        return self._shape(operation, "body")

    def _shape(self, operation: Operation, which: str) -> Shape:
        known = self._shapes.get((operation.id, which))
        if known is None:
            path = path_of(operation.template, self.document.base_path)
            words = [last_word(path)]
            if which == "body":
                known = shape_of(self.views, writable(operation.request_bodies), words)
                if known.kind == "list":
                    known = Shape("object", (), known.whole, whole=known.whole)
            else:
                known = shape_of(self.views, success_of(operation)[1], words)
            self._shapes[operation.id, which] = known
        return known

    # resources

    def _find_resources(self) -> None:
        found: list[tuple[_Node, View]] = []
        found += [
            (node, self._item_view(node))
            for node in self._nodes.values()
            if node.path and isinstance(node.path[-1], Slot) and self._is_item_path(node)
        ]
        # The shortest path is a resource's own.
        found.sort(key=lambda each: (len(slots_in(each[0].path)), len(each[0].path)))
        for node, view in found:
            resource = self._like(node.path, view)
            if resource is None:
                resource = self._new(node.path, view)
            else:
                resource.paths.append(node.path)
            self._items[alike(node.path)] = resource
            self._homes.setdefault(alike(node.path[:-1]), resource)

    def _override_collections(self, overrides: Overrides) -> None:
        """What a person says of keys. Raises ContractError."""
        for resource in self._resources:
            said = overrides.collections.get(resource.name)
            if said is None:
                continue
            resource.told = said
            key = resource.key
            if said.key:
                view = self._at(resource.item, said.key)
                kind: Literal["integer", "string"] = "integer" if view.kind == "integer" else "string"
                key = evolve(key, path=said.key, view=view, kind=kind, counted=is_counted(said.key[-1]))
            if said.pattern:
                # What it makes keys by, in place of the examples that may be shown of it.
                view = evolve(key.view, said={"pattern": said.pattern})
                key = evolve(key, view=view, kind="string")
            resource.key = key

    def _overridden(self, role: Role, said: Override) -> Role | None:
        """The role that a person gives it; None where that says nothing of it."""
        if said.role == "planned":
            return evolve(role, why="contract.toml says so")
        path = role.path
        ends_in_slot = bool(path) and isinstance(path[-1], Slot)
        resource = next((each for each in self._resources if each.name == said.collection), None)
        if said.collection and resource is None:
            names = ", ".join(sorted(each.name for each in self._resources)[:20])
            raise ContractError(
                f"contract.toml: there is no collection {said.collection!r}; there are {names}"
            )
        if not said.role:
            if resource is not None:
                self._items.setdefault(alike(path), resource) if ends_in_slot else None
                self._homes.setdefault(alike(path), resource)
            return None
        resource = resource or self._items.get(alike(path)) or self._homes.get(alike(path))
        if resource is None:
            raise ContractError(
                f"contract.toml: operations.'{role.operation.method} {role.operation.template}': "
                "name the collection, too"
            )
        name: RoleName = said.role  # type: ignore[assignment]
        if name in ("list", "create"):
            return evolve(self._created(role, resource, path, name), said="")
        slots = slots_in(path)
        if not slots:
            word = key_word(role.operation, role.body.item.properties, last_word(path), resource.key.path)
            return evolve(role, name=name, plain=True, resource=resource, key_word=word)
        last = max(place for place, part in enumerate(path) if isinstance(part, Slot))
        scopes = self._scopes(path[:last], resource.item, resource.key)
        return evolve(role, name=name, plain=True, resource=resource, key_slot=slots[-1], scopes=scopes)

    def _find_calls(self) -> None:
        operations = [
            (operation, node.path) for node in self._nodes.values() for operation in node.operations.values()
            if self.overrides is None or self.overrides.of(operation) is None
        ]  # fmt: skip
        for calls in calls_in(operations, self._homes):
            shapes = [self._reply(each.operation) for each in calls.members if each.verb != "delete"]
            items = [each.item for each in shapes if each.of_one or each.of_many]
            item = max(items, key=lambda each: len(each.properties), default=ANY)
            if not item.properties:
                continue
            key = self._key_path(item, "", calls.members[0].noun, "", composite=False)
            view = self._at(item, key)
            kind: Literal["integer", "string"] = "integer" if view.kind == "integer" else "string"
            resource = Resource(self._name(calls.home), item, [], Key("", key, kind, view=view))
            made = [self._called(each, resource) for each in calls.members] if key else []
            if sum(role is not None for role in made) > 1:
                self._resources.append(resource)
                self._calls |= {role.operation.id: role for role in made if role is not None}

    def _called(self, call: Call, resource: Resource) -> Role | None:
        """The call's role; None where its shape is another one's."""
        operation = call.operation
        reply, body = self._reply(operation), self._body(operation)
        word = key_word(operation, body.item.properties, call.noun, resource.key.path)
        role = Role(
            operation, call.path, "example", plain=True, resource=resource, reply=reply, body=body,
            status=success_of(operation)[0], said=f"call ({call.verb})",
        )  # fmt: skip
        one = reply.of_one and same(reply.item, resource.item)
        match call.verb:
            case "create" if one and body.of_one:
                return evolve(role, name="create")
            case "list" if reply.of_many and same(reply.item, resource.item):
                return evolve(role, name="list")
            case "get" if one and word:
                return evolve(role, name="get", key_word=word)
            case "update" if word and body.of_one and (one or reply.kind == "none"):
                return evolve(role, name="merge", key_word=word)
            case "delete" if word:
                return evolve(role, name="delete", key_word=word)
            case _:
                return None

    def _is_item_path(self, node: _Node) -> bool:
        get = node.operations.get("GET")
        if self._is_collection(node):
            return False
        if get is None:
            return not {"PUT", "PATCH", "DELETE", "POST"}.isdisjoint(node.operations)
        shape = self._reply(get)
        if shape.of_one:
            return True
        if shape.of_many:
            above = self._nodes.get(alike(node.path[:-1]))
            listing = above.operations.get("GET") if above else None
            return listing is not None and same(self._reply(listing).item, shape.item, _SAME)
        return shape.kind == "none" and len(node.operations) > 1

    def _is_collection(self, node: _Node) -> bool:
        """Whether the path of a collection ends in a slot, too: `/{service}/{product}`."""
        if "POST" not in node.operations or not {"PUT", "PATCH", "DELETE"}.isdisjoint(node.operations):
            return False
        get = node.operations.get("GET")
        if get is not None and not self._reply(get).of_many:
            return False
        below = self._nodes.get((*alike(node.path), "{}"))
        return below is not None and "POST" not in below.operations

    def _item_view(self, node: _Node) -> View:
        """The fullest word on what a record is."""
        above = self._nodes.get(alike(node.path[:-1]))
        shapes: list[Shape] = []
        for method in ("GET", "PUT", "PATCH", "POST"):
            if method in node.operations:
                shapes += [self._reply(node.operations[method]), self._body(node.operations[method])]
        if above is not None:
            for method in ("GET", "POST", "PUT"):
                if method in above.operations:
                    shapes += [self._reply(above.operations[method]), self._body(above.operations[method])]
        for shape in shapes:
            if shape.kind not in ("none", "scalar") and shape.item.properties:
                return shape.item
        return View(kind="object", open=True)

    def _like(self, path: Path, view: View) -> Resource | None:
        word = singular(plain(last_word(path[:-1])))
        for resource in self._by_word.get(word, ()) if word else ():
            if view.properties and same(view, resource.item, _SAME):
                if (
                    self._has_own_create(path)
                    and self._has_own_create(resource.paths[0])
                    and not _nested(path, resource.paths[0])
                ):
                    continue
                return resource
        return None

    def _has_own_create(self, path: Path) -> bool:
        above = self._nodes.get(alike(path[:-1]))
        return above is not None and "POST" in above.operations

    def _new(self, path: Path, view: View, *, single: bool = False) -> Resource:
        resource = Resource(
            name=self._name(path),
            item=view,
            paths=[path],
            key=self._key(path, view, single=single),
            single=single,
        )
        self._resources.append(resource)
        self._by_word.setdefault(singular(plain(last_word(path[:-1]))), []).append(resource)
        return resource

    def _name(self, path: Path) -> str:
        words = [part.text for part in path if isinstance(part, Word)]
        if words and _VERSION.fullmatch(words[-1]) and isinstance(path[-1], Slot):
            words.append(f"{re.sub('[_-]?[Ii][Dd]$', '', path[-1].name) or 'record'}s")
        name = "records"
        for count in range(1, len(words) + 1):
            name = re.sub(r"[^A-Za-z0-9_-]", "_", "_".join(words[-count:]))[:60]
            name = name if _NAME.fullmatch(name) else f"c_{name}".strip("_")
            if name.lower() not in self._taken:
                break
        while name.lower() in self._taken:
            name = f"{name[:56]}_{len(self._taken)}"
        self._taken.add(name.lower())
        return name

    # keys

    def _key(self, path: Path, view: View, *, single: bool) -> Key:
        if single:
            return Key("", (), "string")
        slot = slots_in(path)[-1]
        word = last_word(path[:-1])
        kind = self._slot_kind(path, slot)
        composite = len(path) > 1 and isinstance(path[-2], Slot)
        made, body = self._made_at(path[:-1])
        others = frozenset(plain(each) for each in slots_in(path)[:-1])
        found = self._key_path(view, slot, word, kind, composite=composite, body=body, others=others)
        own = self._at(view, found)
        if not found and made.properties:
            found = self._key_path(made, slot, word, kind, composite=composite)
            found = found if found and plain(found[-1]) not in NAME_LIKE else ()
            own = self._at(made, found)
        if own.kind in ("integer", "string"):
            kind = own.kind
        counted = bool(found) and is_counted(found[-1]) and kind == "integer"
        return Key(
            slot, found, "integer" if kind in ("integer", "number") else "string", counted=counted, view=own
        )

    def _made_at(self, path: Path) -> tuple[View, View]:
        """What is replied where records are made, and what is said of them there."""
        node = self._nodes.get(alike(path))
        for method in ("POST", "PUT"):
            operation = node.operations.get(method) if node else None
            if operation is not None:
                reply, body = self._reply(operation), self._body(operation)
                return (reply.item if reply.of_one else ANY, body.item if body.of_one else ANY)
        return ANY, ANY

    def _slot_kind(self, path: Path, slot: str) -> str:
        node = self._nodes.get(alike(path))
        for operation in node.operations.values() if node else ():
            for parameter in operation.parameters:
                if parameter.place == "path" and parameter.name == slot:
                    return self.views.at(parameter.schema).kind
        return "string"

    def _key_path(
        self,
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
        if wanted in names and self._may_be_key(view, names[wanted], ""):
            return (names[wanted],)
        for holder in view.properties:
            inner = self.views.of(view.properties[holder])
            if plain(holder) in _HOLDERS and inner.is_object:
                below = {plain(name): name for name in inner.properties}
                if wanted in below and self._may_be_key(inner, below[wanted], ""):
                    return (holder, below[wanted])
        stem = singular(plain(word))
        short = wanted.removeprefix(stem) if stem and wanted != stem else ""
        own = (f"{stem}id", f"{stem}sid", f"{stem}uuid") if stem else ()
        counted = [each for each in names if is_counted(each)] if is_counted(wanted) else []
        called = [each for each in CALLED if each in names] if wanted in CALLED else []
        said = {plain(name) for name in body.properties}
        like: tuple[str, ...] = NAME_LIKE if composite or not ID_END.search(wanted) else NAME_LIKE[:2]
        like = tuple(sorted(like, key=lambda each: each not in said))
        ids = () if composite else (*ID_LIKE, *own, *(self._only_id(names, others) if slot else ()))
        if not composite and kind == "string" and not ID_END.search(wanted) and slot:
            # A text that is not called an id: `/orgs/{org}` is no number where there is a name.
            ids = (*(each for each in ids if self._is_text(view, names, each)), *like, *ids)
        for each in (short, *called, *counted, *ids, *(like if slot else ())):
            name = names.get(plain(each)) if each else None
            if name is not None and self._may_be_key(view, name, kind):
                return (name,)
        return ()

    def _is_text(self, view: View, names: Mapping[str, str], each: str) -> bool:
        name = names.get(plain(each))
        return name is not None and self.views.of(view.properties[name]).kind in ("string", "")

    @staticmethod
    def _only_id(names: Mapping[str, str], others: frozenset[str]) -> tuple[str, ...]:
        """The one property whose name ends as an id's does, and is no other slot's."""
        found = [each for each in names if each.endswith("id") and len(each) > 3 and each not in others]
        return tuple(found) if len(found) == 1 else ()

    def _may_be_key(self, view: View, name: str, kind: str) -> bool:
        """`kind` is the slot's; "" where the names are the same: a text may be a number's then."""
        own = self.views.of(view.properties[name]).kind
        if own not in ("integer", "string", "number", ""):
            return False
        if kind in ("integer", "number"):
            return own != "string"
        return kind != "string" or own != "integer" or (plain(name) == "id" or is_counted(name))

    def _at(self, view: View, path: Iterable[str]) -> View:
        for step in path:
            view = self.views.of(view.properties.get(step))
        return view

    # scopes

    def _scopes(self, path: Path, view: View, key: Key) -> tuple[Scope, ...]:
        """Of the slots in `path`, which is without the key's."""
        found = []
        for place, part in enumerate(path):
            if isinstance(part, Slot):
                before = path[place - 1] if place else None
                stem = singular(plain(before.text)) if isinstance(before, Word) else ""
                found.append(
                    Scope(
                        _scope_name(part.name, stem), part.name, self._scope_path(view, part.name, stem, key)
                    )
                )
        return tuple(found)

    def _scope_path(self, view: View, slot: str, stem: str, key: Key) -> tuple[str, ...]:
        own = plain(slot)
        wanted = [own] if own not in ("id", "sid", "uuid", "name", "key") else []
        wanted += [f"{stem}id", f"{stem}sid", f"{stem}uuid", f"{stem}{own}", stem] if stem else []
        places: list[tuple[tuple[str, ...], View]] = [((), view)]
        places += [
            ((name,), inner)
            for name, node in view.properties.items()
            if plain(name) in _HOLDERS and (inner := self.views.of(node)).is_object
        ]
        for above, holder in places:
            names = {plain(name): name for name in holder.properties}
            for each in wanted:
                name = names.get(each)
                if name is None or (*above, name) == key.path:
                    continue
                if self.views.of(holder.properties[name]).kind in ("string", "integer", "number", ""):
                    return (*above, name)
        return ()

    def _settle_scope(self, resource: Resource) -> None:
        """Who chooses keys, and what is before them in an address."""
        if not resource.paths or resource.single:
            return
        given = {
            "either"
            if key_query(role.operation, resource.key)
            else self._given(resource.key, role.body, resource.item)
            for role in resource.roles
            if role.name in ("create", "create-many")
        }
        if not given and any(role.operation.method == "PUT" and role.plain for role in resource.roles):
            given.add("client")
        by: Given = (
            "client" if given == {"client"} else "either" if {"client", "either"} & given else "service"
        )
        resource.key = evolve(resource.key, given=by)
        key = resource.key
        within = [
            {each.name for each in self._scopes(path[:-1], resource.item, key)} for path in resource.paths
        ]
        common = set.intersection(*within)
        unique = key.given == "service" and not key.counted
        unique = unique or "uuid" in str(key.view.said.get("format", "")).lower()
        first = [each.name for each in self._scopes(resource.paths[0][:-1], resource.item, key)]
        resource.scoped = () if unique else tuple(each for each in first if each in common)

    def _given(self, key: Key, body: Shape, item: View = ANY) -> Given:
        view, required = body.item, True
        for step in key.path:
            names = {plain(name): name for name in view.properties}
            name = names.get(plain(step)) or (said_as(key, item, view) if item is not ANY else None)
            if name is None:
                return "service"
            required = required and name in view.required
            view = self.views.of(view.properties[name])
        if not key.path or view.said.get("readOnly") is True:
            return "service"
        return "client" if required or key.path[-1] in ("name", "username", "login") else "either"

    # roles

    def _role(self, node: _Node, operation: Operation) -> Role:
        status = self._status(operation)
        role = Role(
            operation, node.path, "example", plain=False, reply=self._reply(operation),
            body=self._body(operation), status=status,
        )  # fmt: skip
        override = self.overrides.of(operation) if self.overrides is not None else None
        said = None if override is None else self._overridden(role, override)
        if said is not None:
            return said
        if not speaks_json(operation):
            kind = "upload" if uploads(operation) else "download"
            return evolve(role, why=f"{kind}: its content is no JSON", said=kind)
        relation = self._relation(role)
        if relation is not None:
            return relation
        if node.path and isinstance(node.path[-1], Slot) and not self._is_collection(node):
            resource = self._items.get(alike(node.path))
            if resource is not None:
                return self._item_role(role, resource)
            return self._sublist(role, node.path, "a slot that leads to no single record")
        return self._word_role(role, node)

    def _relation(self, role: Role) -> Role | None:
        """What is about a record's relationship, where the document's profile has such paths."""
        word, path = self._chosen.profile.relationships, role.path
        if not word or len(path) < 3 or not isinstance(path[-1], Word):
            return None
        links = path[-2] == Word(word)
        home = path[:-2] if links else path[:-1]
        resource = self._items.get(alike(home))
        linked = self._chosen.profile.links(self.views, tuple(self._resources))
        name = path[-1].text
        if resource is None or name not in linked.of(resource.name):
            return None
        method = role.operation.method
        kinds: dict[str, RoleName] = dict.fromkeys(("PATCH", "POST", "DELETE"), "relate") if links else {}
        kinds["GET"] = kinds["HEAD"] = "linkage" if links else "related"
        if method not in kinds:
            return None
        return evolve(
            role, name=kinds[method], resource=resource, plain=True, relation=name,
            key_slot=slots_in(home)[-1], scopes=self._scopes(home[:-1], resource.item, resource.key),
            said={"linkage": "relationship", "relate": "relationship-change"}.get(kinds[method], "related"),
        )  # fmt: skip

    def _status(self, operation: Operation) -> int:
        """Of a success: as it is declared, else as the document's profile has it."""
        status = success_of(operation)[0]
        if any(each.startswith("2") for each in operation.replies):
            return status
        return self._chosen.profile.statuses.get(operation.method, status)

    def _item_role(self, role: Role, resource: Resource) -> Role:
        path = role.path
        role = evolve(
            role, resource=resource, key_slot=slots_in(path)[-1],
            scopes=self._scopes(path[:-1], resource.item, resource.key),
        )  # fmt: skip
        reply, body = role.reply, role.body
        match role.operation.method:
            case "GET" | "HEAD":
                return evolve(
                    role,
                    name="get",
                    plain=reply.kind != "scalar",
                    why=_unless(reply.kind != "scalar", "its reply is no object"),
                )
            case "DELETE":
                if resource.key.given == "client" and not resource.key.path and body.kind != "none":
                    return evolve(role, why="it has a body")
                return evolve(role, name="delete", plain=True)
            case "PUT":
                return self._put_role(role, resource)
            case "PATCH":
                kind: RoleName = patch_of(role.operation, self.views)
                if kind == "merge" and self._chosen.profile.patch is not None:
                    kind = "patch"
                return evolve(role, name=kind, plain=True, said="patch")
            case "POST":
                fits = body.kind in ("object", "wrapped") and (
                    (reply.of_one and same(reply.item, resource.item)) or
                    (reply.kind == "none" and overlap(body.item, resource.item) >= _SAME)
                )  # fmt: skip
                if fits and role.status != 201:
                    return evolve(role, name="merge", plain=True, said="update")
                return evolve(role, why="action: POST on a record", said="action")
            case _:
                return evolve(role, why="no method that records have")

    def _put_role(self, role: Role, resource: Resource) -> Role:
        body = role.body
        if body.kind == "none":
            return evolve(role, why="relation: PUT without a body", said="relation-set")
        if body.kind not in ("object", "wrapped"):
            return evolve(role, why="its body is no object")
        full = same(body.item, resource.item, _SAME) and _replaces(body.item, resource.item)
        needed = self._made_at(role.path[:-1])[1].required
        if needed and not needed & body.item.required:
            full = False  # what making one asks for need not be said again
        return evolve(role, name="replace" if full else "merge", plain=True, said="replace")

    def _word_role(self, role: Role, node: _Node) -> Role:  # noqa: C901, PLR0912 - a table
        path, method = node.path, role.operation.method
        home = self._homes.get(alike(path))
        reply, body = role.reply, role.body
        if plain(last_word(path)) in _AUTH and home is None:
            return evolve(role, why="it logs in or out", said="auth")
        if method in ("GET", "HEAD"):
            if reply.of_many:
                if home is not None and (same(reply.item, home.item, 0.5) or not reply.item.properties):
                    return self._list(role, home, path)
                return self._search(role, path) or self._sublist(role, path, "")
            return self._single(role, node) or evolve(
                role, why="it shows something that no operation makes", said="view"
            )
        if method == "POST":
            return self._post(role, node, home)
        if method == "PUT":
            if home is not None and body.kind in ("object", "wrapped"):
                if role.status == 201:
                    return self._created(role, home, path, "create")
                if self._given(home.key, body) != "service":
                    name: RoleName = "replace" if same(body.item, home.item, _SAME) else "merge"
                    scopes = self._scopes(path, home.item, home.key)
                    said = "update by the body's key"
                    return evolve(role, resource=home, name=name, plain=True, scopes=scopes, said=said)
            like = self._by_schema(role, path)
            if role.status == 201 and like is not None:
                return self._created(role, like, path, "create")
        if method in ("PUT", "PATCH", "DELETE"):
            found = self._single(role, node)
            if found is not None:
                return found
        what = "bulk" if body.kind == "array" else "action"
        if method == "DELETE" and home is not None:
            what = "clear"
        return evolve(role, why=f"{what}: {method} on {text_of(path)}", said=what)

    def _post(self, role: Role, node: _Node, home: Resource | None) -> Role:
        path, reply, body = node.path, role.reply, role.body
        if home is not None:
            if body.kind == "array":
                return self._created(role, home, path, "create-many")
            fits = (
                same(reply.item, home.item)
                or same(body.item, home.item)
                or (body.item.free and reply.kind in ("object", "wrapped", "none"))
                or (reply.kind == "none" and body.kind in ("object", "wrapped"))
                or self._tells_key(reply, home)
            )
            if fits and body.kind != "scalar":
                return self._created(role, home, path, "create")
            return evolve(role, why="action: neither its body nor its reply is a record", said="action")
        above = self._homes.get(alike(path[:-1])) if len(path) > 1 and isinstance(path[-1], Word) else None
        if above is not None and body.kind == "array" and same(body.item, above.item, _SAME):
            return self._created(role, above, path[:-1], "create-many")
        like = self._by_schema(role, path)
        if like is not None:
            return self._created(role, like, path, "create")
        single = self._single(role, node)
        if single is not None:
            return single
        listing = node.operations.get("GET")
        if listing is not None and self._reply(listing).of_many and body.kind in ("object", "wrapped"):
            item = self._reply(listing).item
            if same(body.item, item) or same(reply.item, item):
                return self._created(role, self._pathless(path, item), path, "create")
        return evolve(role, why=f"action: POST on {text_of(path)}", said="action")

    @staticmethod
    def _tells_key(reply: Shape, home: Resource) -> bool:
        """Whether the reply is little more than the new record's key."""
        return reply.of_one and bool(home.key.path) and home.key.path[-1] in reply.item.properties

    def _created(self, role: Role, resource: Resource, path: Path, name: RoleName) -> Role:
        scopes = self._scopes(path, resource.item, resource.key)
        return evolve(role, name=name, resource=resource, plain=True, scopes=scopes)

    def _list(self, role: Role, resource: Resource, path: Path, said: str = "") -> Role:
        scopes = self._scopes(path, resource.item, resource.key)
        return evolve(role, name="list", resource=resource, plain=True, scopes=scopes, said=said)

    def _search(self, role: Role, path: Path) -> Role | None:
        """A search that only says which records."""
        home = self._homes.get(alike(path[:-1])) if path and isinstance(path[-1], Word) else None
        if (
            home is None
            or not plain(last_word(path)).startswith(_SEARCHES)
            or not same(role.reply.item, home.item)
        ):
            return None
        names = {plain(name) for name in home.item.properties}
        required = [each for each in role.operation.parameters if each.place == "query" and each.required]
        unknown = [
            each.name
            for each in required
            if plain(each.name) not in names and singular(plain(each.name)) not in names
        ]
        if unknown:
            return evolve(
                role, resource=home, why=f"search: {unknown[0]} is no property of a record", said="search"
            )
        return self._list(role, home, path[:-1], "search")

    def _sublist(self, role: Role, path: Path, why: str) -> Role:
        """A list of records that have their own path elsewhere, or none."""
        if role.operation.method not in ("GET", "HEAD") or not role.reply.of_many:
            return evolve(role, why=why or "its reply is no list")
        item = role.reply.item
        if not item.is_object or not item.properties:
            return evolve(role, why="a list of what are no records", said="view")
        like = self._by_schema(role, path)
        if like is not None and self._is_choice(path, like):
            return evolve(
                role, resource=like, why=f"view: nothing says which of {like.name} it shows", said="view"
            )
        if like is not None:
            return self._list(role, like, path, "sub-list")
        return self._list(role, self._pathless(path, item), path, "list")

    @staticmethod
    def _is_choice(path: Path, resource: Resource) -> bool:
        """Whether it is a word right below the records' own list, which would else be the same list again."""
        above = alike(path[:-1])
        return isinstance(path[-1], Word) and any(alike(each[:-1]) == above for each in resource.paths)

    def _pathless(self, path: Path, item: View) -> Resource:
        """A resource without a path of its own: its records are only listed."""
        known = self._homes.get(alike(path)) or self._listed_elsewhere(path, item)
        if known is None:
            key = self._key_path(item, "", last_word(path), "", composite=False)
            resource = Resource(
                self._name(path), item, [], Key("id", key, "string", view=self._at(item, key))
            )
            if resource.key.view.kind == "integer":
                resource.key = evolve(resource.key, kind="integer")
            self._resources.append(resource)
            known = self._homes[alike(path)] = resource
        return known

    def _listed_elsewhere(self, path: Path, item: View) -> Resource | None:
        """Records of the same kind and word that have no path of their own either."""
        word = singular(plain(last_word(path)))
        for home, resource in self._homes.items():
            if not resource.paths and singular(plain(home[-1])) == word and same(item, resource.item, _SAME):
                return resource
        return None

    def _by_schema(self, role: Role, path: Path) -> Resource | None:
        """The resource whose records are made or listed here, though their own path is elsewhere."""
        shapes = [
            each
            for each in (role.reply, role.body)
            if each.kind not in ("none", "scalar") and each.item.properties
        ]
        word = singular(plain(last_word(path)))
        best: tuple[float, Resource] | None = None
        for resource in self._resources:
            if resource.single or not resource.paths:
                continue
            own = singular(plain(last_word(resource.paths[0][:-1])))
            for shape in shapes:
                named = bool(shape.item.name) and shape.item.name == resource.item.name
                share = 1.0 if named else overlap(shape.item, resource.item)
                alike_words = word == own or word.endswith(own) or own.endswith(word)
                if len(shape.item.properties) < 2 and not named:
                    continue
                close = share >= (_OVERLAP if alike_words else 0.9) and (
                    alike_words or _of_a_size(shape.item, resource.item)
                )
                # POST to a word below a record that answers with it is an action: /orders/{id}/cancel.
                below = len(path) > 1 and isinstance(path[-2], Slot)
                made = alike_words or (named and shape is role.body and not below)
                if (named or close) and (made or role.operation.method == "GET"):
                    score = share + (0.5 if alike_words else 0) + (0.3 if named else 0)
                    if best is None or score > best[0]:
                        best = (score, resource)
        return best[1] if best else None

    def _single(self, role: Role, node: _Node) -> Role | None:  # noqa: C901 - a table
        """One object at a path that is a word, which some method writes."""
        methods, path = node.operations, node.path
        get = methods.get("GET")
        if (
            get is None
            or not self._reply(get).of_one
            or (alike(path) in self._homes and not self._homes[alike(path)].single)
        ):
            return None
        parent = self._items.get(alike(path[:-1]))
        if (
            parent is not None
            and isinstance(path[-2], Slot)
            and _is_part(self._reply(get).item, parent.item)
            and self._alike_within(self._reply(get).item, parent.item)
        ):
            part = self._item_role(evolve(role, path=path[:-1]), parent)
            return evolve(part, path=path, said=f"{part.title} (a part of the record)")
        writers = [methods[each] for each in ("PUT", "PATCH", "POST") if each in methods]
        view = self._reply(get).item
        if not any(
            self._body(each).kind in ("object", "wrapped")
            and (same(self._body(each).item, view) or view.free)
            for each in writers
        ):
            return None
        resource = self._homes.get(alike(path))
        if resource is None:
            resource = self._new(path, view, single=True)
            resource.creatable = True
            self._homes[alike(path)] = resource
        role = evolve(role, resource=resource, scopes=self._scopes(path, view, resource.key))
        match role.operation.method:
            case "GET" | "HEAD":
                return evolve(role, name="get-one", plain=True, said="singleton")
            case "PUT":
                return evolve(role, name="replace-one", plain=True, said="singleton-replace")
            case "PATCH":
                patched: RoleName = "merge-one"
                if patch_of(role.operation, self.views) == "json-patch":
                    patched = "json-patch-one"
                return evolve(role, name=patched, plain=True, said="singleton-patch")
            case "DELETE":
                return evolve(role, name="delete-one", plain=True, said="singleton-delete")
            case "POST" if role.body.kind in ("object", "wrapped"):
                return evolve(role, name="merge-one", plain=True, said="singleton-patch")
            case _:
                return None

    def _alike_within(self, one: View, other: View) -> bool:
        """Whether properties of the same name have schemas of the same name, where they have one."""
        for name, node in one.properties.items():
            first, second = self.views.of(node), self.views.of(other.properties.get(name))
            if (
                first.is_object
                and second.is_object
                and first.name
                and second.name
                and first.name != second.name
            ):
                return False
        return True

    # afterwards

    def _complete(self, resource: Resource) -> None:
        """All properties that a record may have, and those that only replies have."""
        written: set[str] = set()
        for role in resource.roles:
            bodies = (
                [role.body.item]
                if not role.relation
                and role.body.kind not in ("none", "scalar")
                and role.name != "json-patch"
                else []
            )
            replies = (
                [role.reply.item]
                if role.reply.kind not in ("none", "scalar") and role.name in _ITEM_REPLIES
                else []
            )
            for view in (*replies, *bodies):
                for name, node in view.properties.items():
                    resource.fields.setdefault(name, node)
            for view in bodies:
                resource.open = resource.open or view.open or view.free
                written |= {
                    plain(name) for name, node in view.properties.items()
                    if self.views.of(node).said.get("readOnly") is not True
                }  # fmt: skip
        for name, node in resource.item.properties.items():
            resource.fields.setdefault(name, node)
        resource.open = resource.open or resource.item.open or not resource.fields
        resource.sent = {name: node for name, node in resource.fields.items() if plain(name) not in written}

    @staticmethod
    def _without_relations(role: Role) -> Role:
        """A list whose records nothing ever puts below its path is no list by rule."""
        if role.name != "list" or not role.plain or role.resource is None or not role.resource.creatable:
            return role
        makers = [each for each in role.resource.roles if each.name.startswith("create")]
        kept = {scope.name for maker in makers for scope in maker.scopes}
        lost = [scope.slot for scope in role.scopes if not scope.path and scope.name not in kept]
        if not lost:
            return role
        why = f"relation: nothing says which records belong to {{{lost[0]}}}"
        return evolve(role, name="example", plain=False, why=why, said="relation")

    def _tenant(self, roles: list[Role]) -> Resource | None:
        """Whose API it is: a record that nearly everything is below. A client has one before it begins."""
        below: dict[int, set[str]] = {}
        counted: dict[int, int] = {}
        for role in roles:
            for place in range(1, len(role.path)):
                parent = self._items.get(alike(role.path[:place]))
                if parent is not None:
                    below.setdefault(id(parent), set()).add(role.resource.name if role.resource else "")
                    counted[id(parent)] = counted.get(id(parent), 0) + 1
        for resource in self._resources:
            share = counted.get(id(resource), 0) / len(roles)
            if share >= _TENANT_SHARE and len(below.get(id(resource), ())) >= _TENANT_KINDS:
                return resource
        return None

    def _with_parents(self, role: Role, tenant: Resource | None) -> Role:
        """A record whose path is before the last word of the role's, where there is a way of making one."""
        if role.resource is None:
            return role
        found = []
        for place, part in enumerate(role.path[:-1], 1):
            parent = self._items.get(alike(role.path[:place]))
            if not isinstance(part, Slot) or parent is None or parent is role.resource:
                continue
            wanted = role.resource.told.parents
            if part.name in wanted if wanted is not None else parent.creatable and parent is not tenant:
                found.append((parent, part.name))
        return evolve(role, parents=tuple(found))


_ITEM_REPLIES: Final = frozenset(
    {"get", "list", "create", "get-one", "merge", "replace", "replace-one", "merge-one"}
)


def _is_part(view: View, item: View) -> bool:
    """Whether it shows nothing but what a record has; of what it need not have, a record may have none."""
    known = {plain(name) for name in item.properties}
    needed = {plain(name) for name in view.required}
    return same(view, item, _SAME) or (bool(needed) and needed <= known and len(view.properties) < 6)


def _rebound(role: Role) -> Role:
    """With the values of slots where a person says that they are kept."""
    told = {} if role.resource is None else role.resource.told.scopes
    if not told:
        return role
    scopes = tuple(evolve(each, path=told[each.slot]) if each.slot in told else each for each in role.scopes)
    return evolve(role, scopes=scopes)


def _unless(good: bool, why: str) -> str:  # noqa: FBT001 - a condition and its reason
    return "" if good else why


def _may_make(role: Role) -> bool:
    return role.name in ("replace", "merge") and role.operation.method == "PUT" and (
        role.operation.declares(201) or (role.resource is not None and role.resource.key.given == "client"
        and not any(each.name == "create" for each in role.resource.roles))
    )  # fmt: skip


def _of_a_size(one: View, other: View) -> bool:
    sizes = sorted((len(one.properties), len(other.properties)))
    return sizes[0] * 2 >= sizes[1]


def _nested(one: Path, other: Path) -> bool:
    """Whether one of the paths is the other one's below a parent."""
    short, long = sorted((alike(one), alike(other)), key=len)
    return long[-len(short) :] == short or len(short) != len(long)


def _scope_name(slot: str, stem: str) -> str:
    own = plain(slot)
    if stem and own in ("id", "sid", "uuid", "name", "key", stem, f"{stem}id", f"{stem}sid", f"{stem}uuid"):
        return stem
    return own or slot


def _replaces(body: View, item: View) -> bool:
    """Whether a body has most of what clients can say of a record."""
    return len(body.properties) * 2 >= len(item.properties)
