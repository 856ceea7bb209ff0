"""Types as a model is shown them, in few words: ``{name: string, tags?: [string], state!ro: "new"|"done"}``.

Types nest to a number of levels; one that is within itself is named only.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from attrs import frozen

if TYPE_CHECKING:
    from server.contracts.views import View, Views

_MAX_SHORT: Final = 100
_MAX_NAMES: Final = 60
_MAX_ENUM: Final = 12


@frozen
class TypeTexts:
    views: Views
    levels: int

    def at(self, pointer: str) -> str:
        """Of the schema at a pointer; "" is any value."""
        return self.of(self.views.at(pointer)) if pointer else "any"

    def of(self, view: View) -> str:
        return self._type(view, self.levels, ())

    def _type(self, view: View, levels: int, under_way: tuple[int, ...]) -> str:
        if id(view) in under_way:
            return view.name or "object"
        inside = (*under_way, id(view))
        null = "|null" if view.nullable else ""
        if view.kind == "array":
            item = self.views.of(view.items)
            return (f"[{self._type(item, levels - 1, inside)}]" if levels > 0 else "[...]") + null
        if view.is_object and view.properties:
            if levels <= 0:
                return (view.name or "{...}") + null
            members = [
                self._member(view, name, levels, inside) for name in list(view.properties)[:_MAX_NAMES]
            ]
            return f"{{{', '.join(members)}}}{null}"
        return _word(view) + null

    def _member(self, view: View, name: str, levels: int, inside: tuple[int, ...]) -> str:
        inner = self.views.of(view.properties[name])
        marks = "!ro" * (inner.said.get("readOnly") is True) + "!wo" * (inner.said.get("writeOnly") is True)
        needed = "" if name in view.required else "?"
        return f"{name}{needed}{marks}: {self._type(inner, levels - 1, inside)}"


def _word(view: View) -> str:
    choices = view.said.get("enum")
    text = view.kind or "any"
    if isinstance(choices, list) and choices:
        text = "|".join(json.dumps(each) for each in choices[:_MAX_ENUM])
    if "format" in view.said:
        text += f"({str(view.said['format'])[:32]})"
    if "default" in view.said:
        default = json.dumps(view.said["default"])
        text += f"={' '.join(default.split())[:_MAX_SHORT]}"
    return text
