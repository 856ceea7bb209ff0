"""Records and replies that the document itself shows: its examples, or values made from its schemas.

They stand for records that nobody has made: of resources that no operation makes, and at the very keys that
the document's examples have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import define, field

from server.contracts.document import pointer_of, steps_of, value_at
from server.contracts.keys import address_of
from server.contracts.operation_facts import success_of
from server.contracts.shapes import json_content

if TYPE_CHECKING:
    from server.contracts.examples import Examples
    from server.contracts.model import Model, Resource, Role

_MOST: Final = 5


@define
class Samples:
    model: Model
    examples: Examples
    _seeds: dict[str, dict[str, Any]] = field(factory=dict)

    def reply(self, role: Role) -> tuple[int, Any]:
        """The status and the body of the operation's success."""
        status, content = success_of(role.operation)
        found = json_content(content) if content else None
        if found is None:
            return status, None
        media_type, schema = found
        holder = self._holder(role, status, media_type)
        kind = self.model.views.at(schema).kind
        wanted = {"object": dict, "array": list, "string": str}.get(kind, object)
        return status, self.examples.for_content(
            holder, schema, media_type, lambda value: isinstance(value, wanted)
        )

    def _holder(self, role: Role, status: int, media_type: str) -> str:
        """Where the reply's part of the document is, references followed."""
        document = self.model.document
        for key in (str(status), f"{status // 100}XX", "default"):
            place = pointer_of((*steps_of(role.operation.pointer), "responses", key))
            node = value_at(document.raw, place)
            for _ in range(32):
                if isinstance(node, dict) and isinstance(node.get("$ref"), str):
                    place = node["$ref"]
                    node = value_at(document.raw, place)
            if isinstance(node, dict):
                content = node.get("content")
                name = (
                    next((each for each in content if each.lower() == media_type), media_type)
                    if isinstance(content, dict)
                    else ""
                )
                return pointer_of((*steps_of(place), "content", name)) if name else place
        return ""

    def seeds(self, resource: Resource) -> dict[str, Any]:
        """The resource's examples by address, as records are stored."""
        found = self._seeds.get(resource.name)
        if found is None:
            found = self._seeds[resource.name] = self._made(resource)
        return found

    def _made(self, resource: Resource) -> dict[str, Any]:
        if resource.single or resource.scoped:
            return {}
        items = [item for role in resource.roles for item in self._declared(resource, role)]
        if not items and not resource.creatable:
            made = self._generated(resource)
            items = [made] if isinstance(made, dict) else []
        if not items:
            return {}
        for value in self._keys_shown(resource):
            items.append(_with(items[0], resource.key.path, value))
        found: dict[str, Any] = {}
        for number, item in enumerate(items):
            key = _at(item, resource.key.path) if resource.key.path else f"example-{number + 1}"
            if isinstance(key, (str, int)) and not isinstance(key, bool) and str(key) and len(found) < _MOST:
                found.setdefault(address_of(key), stored(resource, item, key))
        return found

    def _declared(self, resource: Resource, role: Role) -> list[dict[str, Any]]:  # noqa: C901
        """Items of the replies that the document shows for reading records."""
        if role.name not in ("get", "list") or not role.plain:
            return []
        _, content = success_of(role.operation)
        found = json_content(content) if content else None
        if found is None:
            return []
        holder = self._holder(role, role.status, found[0])
        shown = list(self.examples.declared_by(value_at(self.model.document.raw, holder), found[0]))
        if found[1]:
            node = self.model.document.resolve(found[1])
            shown += list(self.examples.declared_by(node, ""))
        items: list[dict[str, Any]] = []
        for value in shown:
            within = _at(value, role.reply.path)
            for each in within if isinstance(within, list) else [within]:
                item = _at(each, role.reply.within)
                if isinstance(item, dict) and item:
                    items.append(item)
        if not items and role.name == "get":
            node = role.reply.item.said.get("example")
            if isinstance(node, dict):
                items.append(node)
        if not items and self._key_is_shown(resource) and role.name == "get":
            made = self._generated(resource)
            if isinstance(made, dict):
                items.append(made)
        return items

    def _key_is_shown(self, resource: Resource) -> bool:
        return "example" in resource.key.view.said or bool(self._keys_shown(resource))

    def _generated(self, resource: Resource) -> Any:
        for role in resource.roles:
            if role.plain and role.name in ("get", "list") and role.reply.kind not in ("none", "scalar"):
                status, value = self.reply(role)
                item = _at(value, role.reply.path)
                item = item[0] if isinstance(item, list) and item else item
                item = _at(item, role.reply.within)
                if isinstance(item, dict) and item:
                    return item
                del status
        return None

    def _keys_shown(self, resource: Resource) -> list[Any]:
        """What the document shows as values of the slot with the key."""
        found = []
        for role in resource.roles:
            for parameter in role.operation.parameters:
                if parameter.place == "path" and parameter.name == role.key_slot:
                    node = value_at(self.model.document.raw, parameter.pointer)
                    schema = self.model.document.resolve(parameter.schema) if parameter.schema else {}
                    for holder in (node, schema):
                        if isinstance(holder, dict):
                            found += list(self.examples.declared_by(holder, ""))
        return list(dict.fromkeys(str(each) for each in found if isinstance(each, (str, int))))

    def key_example(self, resource: Resource) -> Any:
        """A key as the document shows one, from which others are made."""
        if "example" in resource.key.view.said:
            return resource.key.view.said["example"]
        shown = self._keys_shown(resource)
        if shown:
            return shown[0]
        for each in self.seeds(resource).values():
            value = _at(each, resource.key.path)
            if isinstance(value, str):
                return value
        return None

    def single(self, resource: Resource) -> dict[str, Any]:
        """What the one object is before anybody has said so, as it is stored."""
        for role in resource.roles:
            if role.name == "get-one":
                value = _at(self.reply(role)[1], role.reply.path)
                if isinstance(value, dict):
                    return stored(resource, value, "one")
        return {}


def stored(resource: Resource, item: dict[str, Any], key: Any) -> dict[str, Any]:
    """A record as programs keep it (`server.contracts.programs`)."""
    address = address_of(key)
    record, own = dict(item), {}
    if not resource.flat or resource.single or str(record.get("id")) != address:
        if "id" in record:
            own["id"] = record["id"]
        record["id"] = address
    if not resource.key.path:
        own["key"] = key
    return {**record, "@": own} if own else record


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _with(item: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    if not path:
        return dict(item)
    inner = item.get(path[0])
    if len(path) == 1:
        kept = int(value) if isinstance(inner, int) and str(value).isdigit() else value
        return {**item, path[0]: kept}
    return {**item, path[0]: _with(inner if isinstance(inner, dict) else {}, path[1:], value)}
