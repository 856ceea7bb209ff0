"""What a schema says of texts that stand for its values: of forms, queries, paths and headers, all is text.

Only as much is looked at as it takes to tell a number from a text, a list from one value: all that may apply
is put together, references and choices included. Whether the value is right is for the validator to say.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field

from server.contracts.document import value_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_INTEGER: Final = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_NUMBER: Final = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?", re.ASCII)
#: Schemas that are looked at for one place.
_MOST_PARTS: Final = 500


@define
class Look:
    """All that applies to a place, in any of its forms."""

    types: set[str] = field(factory=set)
    properties: dict[str, list[Any]] = field(factory=dict)
    items: list[Any] = field(factory=list)
    others: list[Any] = field(factory=list)

    @property
    def is_list(self) -> bool:
        """Whether it may be nothing but a list."""
        return "array" in self.types or (not self.types and bool(self.items))

    @property
    def is_object(self) -> bool:
        return "object" in self.types or (not self.types and bool(self.properties or self.others))

    def below(self, name: str) -> list[Any]:
        return self.properties.get(name, self.others)


def look(document: Mapping[str, Any], nodes: Iterable[Any]) -> Look:
    """At schemas for the same place."""
    found = Look()
    left, seen = list(nodes), set[int]()
    while left and len(seen) < _MOST_PARTS:
        node = left.pop()
        if not isinstance(node, dict) or id(node) in seen:
            continue
        seen.add(id(node))
        _add(found, node)
        if isinstance(node.get("$ref"), str):
            left.append(value_at(document, node["$ref"]))
        for keyword in ("allOf", "anyOf", "oneOf"):
            parts = node.get(keyword)
            left += parts if isinstance(parts, list) else []
    return found


def _add(found: Look, node: dict[str, Any]) -> None:
    told = node.get("type")
    found.types |= {each for each in (told if isinstance(told, list) else [told]) if isinstance(each, str)}
    if told is None and isinstance(node.get("enum"), list):
        found.types |= {_type_of(each) for each in node["enum"]}
    properties = node.get("properties")
    for name, each in properties.items() if isinstance(properties, dict) else ():
        found.properties.setdefault(name, []).append(each)
    if isinstance(node.get("items"), dict):
        found.items.append(node["items"])
    if isinstance(node.get("additionalProperties"), dict):
        found.others.append(node["additionalProperties"])


def _type_of(value: Any) -> str:
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", dict: "object", list: "array"}
    return kinds.get(type(value), "null")


def read_text(text: str, seen: Look) -> Any:
    """The value that a text stands for; the text itself where nothing else fits."""
    types = seen.types
    if types <= {"string"}:
        return text
    if "integer" in types and _INTEGER.fullmatch(text):
        return int(text)
    if "number" in types and _NUMBER.fullmatch(text):
        number = float(text)
        return int(text) if _INTEGER.fullmatch(text) else number
    if "boolean" in types and text in ("true", "false"):
        return text == "true"
    if "null" in types and "string" not in types and text in ("", "null"):
        return None
    return text
