"""From a role to its plan: the role's program and the data that it runs with, made once for an operation.

The data says how the operation's records are kept and shown. What a request asks is read by
`server.contracts.asking` with what `Compiled` has for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import define, field, frozen

from server.contracts.asking import add
from server.contracts.document import value_at
from server.contracts.envelopes import around_of
from server.contracts.examples import Examples
from server.contracts.filling import Filling, filling_of
from server.contracts.keys import address_of, making_of
from server.contracts.paging import Query, query_of
from server.contracts.paths import Slot, Word
from server.contracts.programs import CODE
from server.contracts.samples import Samples
from server.contracts.shapes import plain
from server.values.model import Plan, SourceCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.contracts.model import Model, Resource, Role
    from server.contracts.paths import Path
    from server.contracts.views import View

_OF_ONE: Final = frozenset({"get-one", "replace-one", "merge-one", "json-patch-one", "delete-one"})
#: Of examples, which are always the same.
_SAMPLE_TIMES: Final = {
    "now": "2026-01-01T12:00:00.000Z",
    "today": "2026-01-01",
    "mail": "Thu, 01 Jan 2026 12:00:00 +0000",
}
_SAMPLE_EPOCH: Final = 1_767_268_800
_NEWEST: Final = frozenset({"has_more"})


@frozen(eq=False)
class Compiled:
    """An operation's plan, and what reading a request for it takes."""

    role: Role
    plan: Plan
    query: Query = field(factory=Query)
    #: Values that a new record has where the client says none.
    consts: tuple[tuple[tuple[str, ...], Any], ...] = ()
    #: A client's names for properties, where they are spelt otherwise; None: what it says is not kept.
    names: Mapping[str, str | None] = field(factory=dict)
    #: The item path whose template a record's address is made of.
    home: Path = ()
    base: str = ""
    suffix: str = ""
    #: The plan for a record whose key is not its address, where `plan` takes it for granted that it is.
    careful: Plan | None = None


@define(eq=False)
class Compiler:
    """Of one document; operations are compiled when they are first asked for."""

    model: Model
    _examples: Examples = field(init=False)
    _samples: Samples = field(init=False)
    done: dict[str, Compiled] = field(factory=dict)
    _fillings: dict[str, Filling] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self._examples = Examples(self.model.document.raw, "reply")
        self._samples = Samples(self.model, self._examples)

    @property
    def examples(self) -> Examples:
        """Of replies."""
        return self._examples

    def compiled(self, role: Role) -> Compiled:
        found = self.done.get(role.operation.id)
        if found is None:
            found = self._compile(role) if role.plain else self.example(role)
            self.done[role.operation.id] = found
        return found

    def example(self, role: Role) -> Compiled:
        """What the document shows as a reply; nothing is stored."""
        status, body = self._samples.reply(role)
        hints = {"status": status, "body": body}
        return Compiled(role, self._plan(role, "example", hints))

    def _plan(self, role: Role, kind: str, hints: dict[str, Any]) -> Plan:
        return Plan(
            action=role.name,
            resource="contract-examples" if role.resource is None else role.resource.name,
            route=role.operation.template,
            code=SourceCode(CODE[kind]),
            identifier="{id}" if kind not in ("list", "create", "create-many", "example") else None,
            response_hints=hints,
            query="any",
        )

    def _compile(self, role: Role) -> Compiled:
        resource = role.resource
        assert resource is not None  # noqa: S101 - a plain role has one
        filling = self._filling(resource)
        seeds = self._filled(self._samples.seeds(resource), filling)
        query = query_of(
            self.model.views,
            role.operation,
            resource,
            role.reply.item if role.reply.of_many else resource.item,
        )
        hints: dict[str, Any] = {
            "flat": resource.flat and not resource.single,
            "status": role.status,
            "show": self._shown(role),
            "hide": self._hidden(role),
            "seeds": seeds,
            "listed": not resource.creatable,
            "parents": {each.name: list(self._samples.seeds(each)) for each, _ in role.parents},
            **self._around(role, query),
        }
        kind: str = role.name
        if kind == "list":
            wanted = {each[1] for each in hints["around"]}
            hints |= {
                "timed": "now" in wanted,
                "keyed": not wanted.isdisjoint(("last-key", "first-key")),
                "linked": not wanted.isdisjoint(("first", "last", "previous", "next")),
            }
            if self._whole(resource, hints, query):
                kind = "list-whole"
        if kind in ("create", "create-many"):
            hints |= self._making(role, resource)
        if kind not in ("get", "list", "delete", "get-one", "delete-one"):
            said = self._said(role)
            hints |= {
                "key": list(resource.key.path),
                "fresh": filling.fresh,
                "touched": filling.touched,
                "said": sorted(said),
                "kept": sorted(set(resource.item.required) - said | set(resource.sent)),
            }
        if kind in _OF_ONE:
            hints["default"] = self._samples.single(resource)
        if kind == "replace" and self._may_make(role):
            kind, hints["made"] = "put", 201 if role.operation.declares(201) else role.status
        plain_get = kind == "get" and hints["flat"] and hints["show"] is None and not hints["hide"]
        bare = hints["place"] is None and not hints["around"] and hints["reply"] == "item"
        if plain_get and bare and role.status == 200 and not (role.scopes or role.parents or seeds):
            kind = "get-whole"
        return Compiled(
            role,
            self._plan(role, kind, hints),
            query,
            tuple(filling.consts),
            self._names(role, resource),
            self._home(role, resource),
            self.model.document.base_path,
            _suffix(resource),
            self._plan(role, "get", hints) if kind == "get-whole" else None,
        )

    def _filling(self, resource: Resource) -> Filling:
        found = self._fillings.get(resource.name)
        if found is None:
            found = self._fillings[resource.name] = filling_of(self.model.views, self._examples, resource)
        return found

    @staticmethod
    def _whole(resource: Resource, hints: dict[str, Any], query: Query) -> bool:
        """Whether lists show records just as they are stored, with nothing beside them."""
        beside = any(not scope.path for role in resource.roles for scope in role.scopes)
        chosen = resource.key.given != "service" or (resource.key.kind == "string" and not resource.creatable)
        cut = hints["show"] is not None or hints["hide"] or hints["within"] or hints["newest"]
        examples = hints["listed"] and hints["seeds"]
        plain = hints["flat"] and not beside and not chosen
        return plain and not cut and not examples and not (query.after or query.before)

    @staticmethod
    def _filled(seeds: dict[str, Any], filling: Filling) -> dict[str, Any]:
        """Examples with what every record has, where they lack it."""
        found = {}
        for address, seed in seeds.items():
            record = dict(seed)
            for path, value in filling.consts:
                add(record, path, value)
            for path, kind, argument in filling.fresh:
                if kind in _SAMPLE_TIMES:
                    add(record, tuple(path), _SAMPLE_TIMES[kind])
                elif kind == "epoch":
                    add(record, tuple(path), _SAMPLE_EPOCH * argument)
            found[address] = record
        return found

    def _making(self, role: Role, resource: Resource) -> dict[str, Any]:
        headers = _headers(self.model, role)
        return {
            "make": making_of(resource, role.body.item, self._samples.key_example(resource)),
            "key-kind": resource.key.kind,
            "location": "location" in headers,
        }

    def _around(self, role: Role, query: Query) -> dict[str, Any]:
        views, reply = self.model.views, role.reply
        if role.name == "list":
            newest = set(reply.whole.properties) >= _NEWEST and bool(query.after)
            if reply.kind == "array":
                return {"place": None, "around": [], "within": [], "reply": "list", "newest": newest}
            around = around_of(views, self._examples, reply.whole, reply.path, many=True)
            return {
                "place": list(reply.path), "around": around, "within": list(reply.within), "reply": "list",
                "newest": newest,
            }  # fmt: skip
        if reply.kind == "none":
            if not _declares_success(role) and role.name not in ("delete", "delete-one", "create-many"):
                return {"place": None, "around": [], "reply": "item", "listed-one": False}
            return {"place": None, "around": [], "reply": "none", "listed-one": False}
        if reply.kind == "array":
            return {"place": None, "around": [], "reply": "array", "listed-one": False}
        if reply.kind == "scalar":
            return {"place": None, "around": [], "reply": "none", "listed-one": False}
        if self._is_record(role):
            around = (
                around_of(views, self._examples, reply.whole, reply.path, many=False) if reply.path else []
            )
            return {
                "place": list(reply.path) or None,
                "around": around,
                "reply": "item",
                "listed-one": reply.kind == "list",
            }
        around = around_of(views, self._examples, reply.whole, None, many=False)
        return {
            "place": None,
            "around": around or [[["ok"], "true", None, False]][:0],
            "reply": "receipt",
            "listed-one": False,
        }

    def _is_record(self, role: Role) -> bool:
        """Whether the reply is the record, and not a receipt."""
        item, resource = role.reply.item, role.resource
        if resource is None:
            return False
        if item.free or not resource.item.properties:
            return role.name not in ("delete", "delete-one")
        own = {plain(each) for each in resource.fields}
        told = {plain(each) for each in item.properties}
        if role.name in ("delete", "delete-one"):
            return len(told & own) / len(told) >= 0.8 and "deleted" not in told and len(told) > 2
        return len(told & own) >= min(len(told), 3) * 0.6

    def _shown(self, role: Role) -> list[str] | None:
        """The properties that a reply names; None: all that a record has."""
        resource, item = role.resource, role.reply.item
        if resource is None or not item.properties or item.open:
            return None
        views = self.model.views
        hidden = {
            name
            for name in resource.fields
            if name not in item.properties or views.of(item.properties[name]).said.get("writeOnly") is True
        }
        if not hidden and not resource.open:
            return None
        shown = [name for name in item.properties if name not in hidden]
        return sorted(shown)

    def _hidden(self, role: Role) -> list[list[str]]:
        """Properties within properties that no reply may have."""
        found: list[list[str]] = []
        left: list[tuple[View, list[str]]] = [(role.reply.item, [])]
        while left:
            view, path = left.pop()
            for name, node in view.properties.items():
                inner = self.model.views.of(node)
                if inner.said.get("writeOnly") is True and path:
                    found.append([*path, name])
                elif inner.is_object and len(path) < 3:
                    left.append((inner, [*path, name]))
        return found

    def _said(self, role: Role) -> set[str]:
        """What clients can say of a record with this operation, by the record's own names."""
        names = self._names(role, role.resource) if role.resource is not None else {}
        said = set()
        for name, node in role.body.item.properties.items():
            if self.model.views.of(node).said.get("readOnly") is not True:
                said.add(names.get(name) or name)
        return said

    def _names(self, role: Role, resource: Resource) -> dict[str, str | None]:
        by_plain = {plain(name): name for name in resource.item.properties}
        found: dict[str, str | None] = {}
        for name, node in role.body.item.properties.items():
            if self.model.views.of(node).said.get("readOnly") is True and (name,) != resource.key.path:
                found[name] = None
            elif name not in resource.item.properties and plain(name) in by_plain:
                found[name] = by_plain[plain(name)]
        return found

    def _home(self, role: Role, resource: Resource) -> Path:
        if not resource.paths:
            return role.path
        slots = {part.name for part in role.path if isinstance(part, Slot)}
        for path in resource.paths:
            if {part.name for part in path[:-1] if isinstance(part, Slot)} <= slots:
                return path
        return resource.paths[0] if role.name == "get" else (*role.path, Slot("key"))

    @staticmethod
    def _may_make(role: Role) -> bool:
        resource = role.resource
        if resource is None or not resource.paths or not role.key_slot:
            return False
        return role.operation.declares(201) or (
            resource.key.given == "client" and not any(each.name == "create" for each in resource.roles)
        )


def _declares_success(role: Role) -> bool:
    replies = role.operation.replies
    return "default" in replies or any(each.startswith("2") for each in replies)


def _headers(model: Model, role: Role) -> set[str]:
    """The names of headers that the reply of success declares, in lower case."""
    place = f"{role.operation.pointer}/responses/{role.status}"
    node = model.document.resolve(place)
    headers = node.get("headers") if isinstance(node, dict) else None
    return {each.lower() for each in headers} if isinstance(headers, dict) else set()


def _suffix(resource: Resource) -> str:
    """What stands behind the key in the template, such as ``.json``."""
    for each in resource.roles:
        if each.key_slot and each.operation.template.endswith((".json", ".xml")):
            return each.operation.template[each.operation.template.rindex(".") :]
    return ""


__all__ = ["Compiled", "Compiler", "Word", "address_of", "value_at"]
