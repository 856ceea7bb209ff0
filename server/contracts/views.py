"""What a schema says of an object, with everything that applies to it put together.

References are followed, `allOf` is joined, a form that only says that a record is deleted is left out. Of
`anyOf` and `oneOf` with one form that is not null that one counts; of several, all that their forms name may
be there, and what all of them require is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import define, evolve, field, frozen

from server.contracts.document import value_at

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_DEPTH: Final = 60
#: Said beside a reference or in an `allOf`, these hold for the whole.
_KEYWORDS: Final = (
    *("format", "pattern", "enum", "const", "default", "example", "examples", "readOnly", "writeOnly"),
    *(
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "x-kubernetes-group-version-kind",
    ),
    *("exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minProperties", "maxProperties"),
)


@frozen(eq=False)
class View:
    """`kind` is a JSON type, "" for any. `name`: of the schema that a reference led to, "" for none.

    `open`: it says that there may be more than its properties; `closed`: that there may not.
    """

    kind: str = ""
    name: str = ""
    properties: Mapping[str, Any] = field(factory=dict)
    required: frozenset[str] = frozenset()
    items: Any = None
    open: bool = False
    closed: bool = False
    nullable: bool = False
    said: Mapping[str, Any] = field(factory=dict)
    #: The schema of properties that it does not name; None: nothing is said of them.
    others: Any = None
    #: Properties that only some of its forms have.
    partial: frozenset[str] = frozenset()

    @property
    def is_object(self) -> bool:
        return self.kind == "object"

    @property
    def free(self) -> bool:
        """An object of which nothing is said."""
        return self.is_object and not self.properties


ANY: Final = View()


@define
class Views:
    """The views of one document's schemas, each made once."""

    raw: Mapping[str, Any]
    _made: dict[int, View] = field(factory=dict)

    def at(self, pointer: str) -> View:
        """Of a pointer; "" is any value."""
        if not pointer:
            return ANY
        node = value_at(self.raw, pointer)
        name = ""
        if "/components/schemas/" in pointer or "/definitions/" in pointer:
            name = pointer.rpartition("/")[2]
        view = self.of(node)
        return view if view.name or not name else evolve(view, name=name)

    def of(self, node: Any) -> View:
        return self._joined(node, 0)

    def _joined(self, node: Any, depth: int) -> View:
        """A schema within itself is any value there."""
        if not isinstance(node, dict) or depth > _MAX_DEPTH:
            return ANY
        found = self._made.get(id(node))
        if found is None:
            self._made[id(node)] = ANY
            found = self._made[id(node)] = self._join(node, depth)
        return found

    def _join(self, node: dict[str, Any], depth: int) -> View:
        parts: list[View] = []
        name = ""
        reference = node.get("$ref")
        if isinstance(reference, str):
            followed = self._joined(value_at(self.raw, reference), depth + 1)
            name = _name_of(reference)
            parts.append(followed)
        parts += [self._joined(each, depth + 1) for each in _listed(node, "allOf")]
        if not name and len(parts) == 1 and "properties" not in node:
            name = parts[0].name
        own = _own(node)
        forms = [
            form
            for word in ("oneOf", "anyOf")
            for each in _listed(node, word)
            if (form := self._joined(each, depth + 1)).kind != "null"
        ]
        forms = [each for each in forms if not self._tells_end(each)] or forms
        nullable = own.nullable or any(
            isinstance(each, dict) and each.get("type") == "null"
            for word in ("oneOf", "anyOf")
            for each in _listed(node, word)
        )
        if len(forms) == 1:
            name = name or forms[0].name
            parts.append(forms[0])
        elif forms:
            parts.append(_any_of(forms))
        return _all_of([*parts, own], name, nullable=nullable)

    def _tells_end(self, form: View) -> bool:
        """Whether it is what is left of a record that was deleted."""
        node = form.properties.get("deleted")
        if node is None:
            return False
        said = self.of(node).said
        return said.get("enum") == [True] or said.get("const") is True


def _listed(node: Mapping[str, Any], word: str) -> list[Any]:
    value = node.get(word)
    return value if isinstance(value, list) else []


def _name_of(reference: str) -> str:
    return reference.rpartition("/")[2]


def _own(node: Mapping[str, Any]) -> View:
    told = node.get("type")
    kinds = [each for each in (told if isinstance(told, list) else [told]) if isinstance(each, str)]
    nullable = "null" in kinds
    kinds = [each for each in kinds if each != "null"]
    properties = node.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    kind = kinds[0] if len(kinds) == 1 else "null" if nullable and not kinds else ""
    if not kinds and properties:
        kind = "object"
    if not kinds and not kind and "items" in node:
        kind = "array"
    others = node.get("additionalProperties")
    return View(
        kind=kind,
        properties=properties,
        required=frozenset(each for each in _listed(node, "required") if isinstance(each, str)),
        items=node.get("items"),
        open=others is True or (isinstance(others, dict) and not properties),
        closed=others is False,
        nullable=nullable,
        said={word: node[word] for word in _KEYWORDS if word in node},
        others=others if isinstance(others, dict) else None,
    )


def _all_of(parts: list[View], name: str, *, nullable: bool) -> View:
    properties: dict[str, Any] = {}
    said: dict[str, Any] = {}
    for part in parts:
        for key, each in part.properties.items():
            known = properties.get(key)
            properties[key] = each if known is None or known is each else {"allOf": [known, each]}
        said.update(part.said)
    kinds = [part.kind for part in parts if part.kind and part.kind != "null"]
    items = next((part.items for part in reversed(parts) if part.items is not None), None)
    return View(
        kind=kinds[-1] if kinds else parts[-1].kind,
        name=name,
        properties=properties,
        required=frozenset().union(*(part.required for part in parts)),
        items=items,
        open=any(part.open for part in parts),
        closed=any(part.closed for part in parts),
        nullable=nullable,
        said=said,
        others=next((part.others for part in reversed(parts) if part.others is not None), None),
        partial=_partial(parts),
    )


def _partial(parts: list[View]) -> frozenset[str]:
    """What one part says that all have is in all."""
    sure = {name for part in parts for name in part.properties if name not in part.partial}
    return frozenset().union(*(part.partial for part in parts)) - sure


def _any_of(forms: list[View]) -> View:
    properties: dict[str, Any] = {}
    for form in forms:
        for key, each in form.properties.items():
            properties.setdefault(key, each)
    kinds = {form.kind for form in forms}
    shared = [form.properties.keys() - form.partial for form in forms if form.properties]
    return View(
        kind=kinds.pop() if len(kinds) == 1 else "",
        properties=properties,
        required=frozenset.intersection(*(form.required for form in forms)),
        items=next((form.items for form in forms if form.items is not None), None),
        open=any(form.open for form in forms),
        partial=frozenset(properties) - frozenset(properties).intersection(*shared),
    )
