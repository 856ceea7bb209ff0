"""Schemas of older documents in the words of JSON Schema 2020-12, which OpenAPI 3.1 uses.

Sources: OpenAPI 3.0.3 §4.7.24 (schema object), Swagger 2.0 (schema object), and the migration notes that the
OpenAPI Initiative published with 3.1. Nothing recurses: a schema may nest as deep as a document.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import define, field

from server.contracts.document import pointer_of, steps_of, value_at

if TYPE_CHECKING:
    from server.contracts.files import Bundle

_TYPES: Final = frozenset({"string", "number", "integer", "boolean", "array", "object", "null"})
_ONE: Final = ("items", "additionalProperties", "not", "contains", "propertyNames", "if", "then", "else",
               "unevaluatedProperties", "unevaluatedItems")  # fmt: skip
_LISTS: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED: Final = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
#: They would change what a reference is relative to, or which words a schema has.
_DROPPED: Final = ("$id", "$schema", "$anchor", "$dynamicAnchor", "$dynamicRef", "$vocabulary")
_NUMBERS: Final = ("minimum", "maximum", "multipleOf", "exclusiveMinimum", "exclusiveMaximum")
_COUNTS: Final = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")


@define
class Schemas:
    """Brings schemas into the shape, each once, with all that they refer to."""

    bundle: Bundle
    old: bool
    _done: set[int] = field(factory=set)
    #: What has been done stays, so that no other value can have its identity.
    _kept: list[Any] = field(factory=list)

    def bring(self, pointer: str) -> None:
        """The schema at the pointer, and all below."""
        left = [pointer]
        while left:
            place = left.pop()
            node = value_at(self.bundle.raw, place)
            if not isinstance(node, dict) or id(node) in self._done:
                continue
            self._done.add(id(node))
            self._kept.append(node)
            self._words(node, place)
            left.extend(self._parts(node, place))

    def _words(self, node: dict[str, Any], place: str) -> None:
        for word in _DROPPED:
            node.pop(word, None)
        if isinstance(node.get("id"), str) and "properties" not in node and "type" not in node:
            node.pop("id")
        if "$ref" in node and not isinstance(node["$ref"], str):
            del node["$ref"]
        if self.old:
            self._bounds(node)
            self._list_of_items(node)
        self._type(node, place)
        if not isinstance(node.get("required", []), list):
            node.pop("required")
        elif "required" in node:
            node["required"] = list(dict.fromkeys(each for each in node["required"] if isinstance(each, str)))
        self._numbers(node, place)
        if "enum" in node and not (isinstance(node["enum"], list) and node["enum"]):
            self.bundle.note(place, "an enum that is no list of values is passed over", node)
            del node["enum"]
        if self.old:
            self._nullable(node)

    def _numbers(self, node: dict[str, Any], place: str) -> None:
        for word in (*_NUMBERS, *_COUNTS):
            if word in node and not _bounds_something(word, node[word]):
                self.bundle.note(place, f"{word} is no number that it can be, and is passed over", node)
                del node[word]
        for word in ("pattern", "format"):
            if word in node and not isinstance(node[word], str):
                del node[word]
        if "uniqueItems" in node and not isinstance(node["uniqueItems"], bool):
            del node["uniqueItems"]

    @staticmethod
    def _bounds(node: dict[str, Any]) -> None:
        for word, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
            if isinstance(node.get(word), bool) and node.pop(word) and limit in node:
                node[word] = node.pop(limit)

    @staticmethod
    def _list_of_items(node: dict[str, Any]) -> None:
        if isinstance(node.get("items"), list):
            node["prefixItems"] = node.pop("items")

    def _type(self, node: dict[str, Any], place: str) -> None:
        given = node.get("type")
        if given is None:
            node.pop("type", None)
            return
        kinds = [each for each in (given if isinstance(given, list) else [given]) if each in _TYPES]
        if kinds == given or given in kinds:
            return
        if given == "file":
            node.pop("type")
            return
        self.bundle.note(place, f"the type {str(given)[:64]!r} is none", node)
        if kinds:
            node["type"] = kinds
        else:
            node.pop("type")

    @staticmethod
    def _nullable(node: dict[str, Any]) -> None:
        if node.pop("nullable", False) is not True and node.pop("x-nullable", False) is not True:
            return
        if "$ref" in node:
            node["anyOf"] = [{"$ref": node.pop("$ref")}, {"type": "null"}]
            return
        if isinstance(node.get("type"), str):
            node["type"] = [node["type"], "null"]
        if isinstance(node.get("enum"), list) and None not in node["enum"]:
            node["enum"] = [*node["enum"], None]
        for word in ("allOf", "anyOf", "oneOf"):
            if "type" not in node and isinstance(node.get(word), list):
                inner = {word: node.pop(word)}
                node["anyOf"] = [inner, {"type": "null"}]
                break

    def _parts(self, node: dict[str, Any], place: str) -> list[str]:
        found: list[str] = []
        steps = steps_of(place)
        reference = node.get("$ref")
        if isinstance(reference, str):
            if value_at(self.bundle.raw, reference) is None:
                self.bundle.note(place, f"{reference[:200]!r} leads nowhere", node)
                del node["$ref"]
            else:
                found.append(reference)
        for word in _ONE:
            if word in node and not isinstance(node[word], (dict, bool)):
                self.bundle.note(place, f"{word} is no schema", node)
                del node[word]
            elif word in node:
                found.append(pointer_of((*steps, word)))
        for word in _LISTS:
            found += self._listed(node, word, steps, place)
        for word in _NAMED:
            found += self._named(node, word, steps, place)
        return found

    def _listed(self, node: dict[str, Any], word: str, steps: list[str], place: str) -> list[str]:
        if word not in node:
            return []
        members = node[word]
        if not isinstance(members, list) or not members:
            self.bundle.note(place, f"{word} is no list of schemas", node)
            del node[word]
            return []
        for number, each in enumerate(members):
            if not isinstance(each, (dict, bool)):
                members[number] = {}
        return [pointer_of((*steps, word, number)) for number in range(len(members))]

    def _named(self, node: dict[str, Any], word: str, steps: list[str], place: str) -> list[str]:
        if word not in node:
            return []
        members = node[word]
        if not isinstance(members, dict):
            self.bundle.note(place, f"{word} is no object of schemas", node)
            del node[word]
            return []
        for name, each in members.items():
            if not isinstance(each, (dict, bool)):
                self.bundle.note(pointer_of((*steps, word, name)), "is no schema", node)
                members[name] = {}
        return [pointer_of((*steps, word, name)) for name in members]


def _bounds_something(word: str, value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int if word in _COUNTS else (int, float)):
        return False
    return value > 0 if word == "multipleOf" else value >= 0 or word in _NUMBERS
