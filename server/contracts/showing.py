"""What a reply shows of a record, and what it has around it: the part of a plan's data that replies decide.

Which properties a reply names and which it must not have, where in it the record or the list stands, and what
the other members are made of (`server.contracts.envelopes`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from attrs import define, evolve, field

from server.contracts.envelopes import around_of
from server.contracts.filling import CALLED
from server.contracts.paging import Query
from server.contracts.shapes import plain

if TYPE_CHECKING:
    from server.contracts.examples import Examples
    from server.contracts.model import Model, Resource, Role
    from server.contracts.views import View

_NEWEST: Final = frozenset({"has_more"})
#: What the store can leave out (`store.cut`).
_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,127}")
_MOST_LEFT_OUT: Final = 64


@define(eq=False)
class Showing:
    """Of one document."""

    model: Model
    examples: Examples
    _forms_of_lists: dict[str, dict[str, Any]] = field(factory=dict)

    def around(self, role: Role, query: Query) -> dict[str, Any]:
        views, reply = self.model.views, role.reply
        if role.relation:
            around = around_of(views, self.examples, reply.whole, ("data",), many=False)
            answers = "none" if reply.kind == "none" else "item"
            return {"place": ["data"], "around": around, "reply": answers, "listed-one": False}
        if role.name == "list":
            newest = set(reply.whole.properties) >= _NEWEST and bool(query.after)
            if reply.kind == "array":
                return {"place": None, "around": [], "within": [], "reply": "list", "newest": newest}
            around = around_of(views, self.examples, reply.whole, reply.path, many=True)
            around = self._with_facts(role, around)
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
                around_of(views, self.examples, reply.whole, reply.path, many=False) if reply.path else []
            )
            return {
                "place": list(reply.path) or None,
                "around": around,
                "reply": "item",
                "listed-one": reply.kind == "list",
            }
        around = around_of(views, self.examples, reply.whole, None, many=False)
        receipt = self.model.profile.receipt
        own = {name: receipt[plain(name)] for name in reply.whole.properties if plain(name) in receipt}
        around = [each for each in around if each[0][0] not in own]
        return {
            "place": None,
            "around": [*around, *([[name], "", value, True] for name, value in own.items())],
            "reply": "receipt",
            "listed-one": False,
        }

    def list_form(self, role: Role) -> dict[str, Any] | None:
        """What is around the list of an operation that is not plain; None: nothing, or there is no list."""
        if role.plain or role.reply.kind != "list":
            return None
        key = role.operation.id
        if key not in self._forms_of_lists:
            found = self.around(evolve(role, name="list"), Query())
            self._forms_of_lists[key] = {name: found[name] for name in ("place", "around", "within")}
        return self._forms_of_lists[key]

    def _with_facts(self, role: Role, around: list[list[Any]]) -> list[list[Any]]:
        """What the document's profile says of members around a list."""
        facts = self.model.profile.facts
        found = []
        for path, kind, value, kept in around:
            own = facts.get(plain(path[-1]), kind)
            if own in CALLED and role.resource is not None:
                found.append([path, "", CALLED[own](role.resource, role.reply.whole), kept])
            else:
                found.append([path, own, value, kept])
        there = {tuple(each[0]) for each in found}
        found += [
            [[name], "", CALLED[facts[plain(name)]](role.resource, role.reply.whole), False]
            for name in role.reply.whole.properties
            if role.resource is not None and (name,) not in there and facts.get(plain(name)) in CALLED
        ]
        return found

    def _is_record(self, role: Role) -> bool:
        """Whether the reply is the record, and not a receipt."""
        item, resource = role.reply.item, role.resource
        if resource is None:
            return False
        if role.name in ("delete", "delete-one") and not item.properties:
            return False
        if item.free or not resource.item.properties:
            return True
        own = {plain(each) for each in resource.fields}
        told = {plain(each) for each in item.properties}
        if role.name in ("delete", "delete-one"):
            return len(told & own) / len(told) >= 0.8 and "deleted" not in told and len(told) > 2
        return len(told & own) >= min(len(told), 3) * 0.6

    def shown(self, role: Role) -> list[str] | None:
        """The properties that a reply names; None: all that a record has."""
        resource, item = role.resource, role.reply.item
        if resource is None or not item.properties or item.open:
            return None
        views = self.model.views
        named = item.properties.keys() | item.required
        hidden = {
            name
            for name in resource.fields
            if name not in named or views.of(item.properties.get(name)).said.get("writeOnly") is True
        }
        if not hidden and not resource.open:
            return None
        shown = [name for name in named if name not in hidden]
        return sorted(shown)

    def hidden(self, role: Role) -> list[list[str]]:
        """Properties within properties that no reply may have."""
        return self.hidden_in(role.reply.item)

    def hidden_in(self, item: View, *, whole: bool = False) -> list[list[str]]:
        """`whole`: with those that are within nothing."""
        found: list[list[str]] = []
        left: list[tuple[View, list[str]]] = [(item, [])]
        while left:
            view, path = left.pop()
            for name, node in view.properties.items():
                inner = self.model.views.of(node)
                if inner.said.get("writeOnly") is True and (path or whole):
                    found.append([*path, name])
                elif inner.is_object and len(path) < 3:
                    left.append((inner, [*path, name]))
        return found

    @staticmethod
    def dropped(resource: Resource, hints: dict[str, Any]) -> list[list[str]] | None:
        """The properties that a reply leaves out of a stored record; None where it does more than that."""
        if resource.open:
            return None
        shown = hints["show"]
        left_out = [] if shown is None else sorted(set(resource.fields) - set(shown))
        paths = [*([name] for name in left_out), *(path for path in hints["hide"] if path[0] not in left_out)]
        fits = (
            all(_PLAIN_NAME.fullmatch(name) for path in paths for name in path)
            and len(paths) <= _MOST_LEFT_OUT
        )
        return paths if fits else None


def _declares_success(role: Role) -> bool:
    replies = role.operation.replies
    return "default" in replies or any(each.startswith("2") for each in replies)
