"""A record as the fields of a form, and back.

Each field says of which kind it was, so that a number stays one. What is neither text, number nor truth is
JSON.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from server.requests import strict_json
from server.values.errors import BadRequest, InvalidJson

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Before a field's name in the form: its value, its kind, and the name of a field that is added.
VALUE: Final = "value."
KIND: Final = "kind."
ADDED: Final = "added"
_LONG: Final = 80
#: By the words that a collection's learned fields have.
_KINDS: Final = {"string": "text", "integer": "number", "number": "number", "boolean": "truth"}


@frozen
class Field:
    """`text` is what the form shows; `kind` one of text, number, truth, json. `fixed`: shown, not changed."""

    name: str
    kind: str
    text: str
    fixed: bool = False

    @property
    def long(self) -> bool:
        return self.kind == "json" or len(self.text) > _LONG or "\n" in self.text

    @classmethod
    def blank(cls, name: str, kinds: Iterable[str]) -> Field:
        known = [_KINDS.get(each, "json") for each in kinds if each != "null"]
        return cls(name, known[0] if len(set(known)) == 1 else "json", "")

    @classmethod
    def typed(cls, form: Mapping[str, str]) -> list[Field]:
        """The fields as somebody has just typed them."""
        names = [name.removeprefix(KIND) for name in form if name.startswith(KIND)]
        return [cls(name, form[KIND + name], form.get(VALUE + name, "")) for name in names]


def fields_of(record: Mapping[str, Any]) -> list[Field]:
    return [_field(name, value) for name, value in record.items()]


def _field(name: str, value: Any) -> Field:
    fixed = name == "id"
    if isinstance(value, bool):
        return Field(name, "truth", "true" if value else "", fixed)
    if isinstance(value, int | float):
        return Field(name, "number", json.dumps(value), fixed)
    if isinstance(value, str):
        return Field(name, "text", value, fixed)
    return Field(name, "json", json.dumps(value, ensure_ascii=False), fixed)


def record_of(form: Mapping[str, str]) -> dict[str, Any]:
    """The record that a form describes; fields left empty that are no text are left out.

    Raises BadRequest that names the field.
    """
    record: dict[str, Any] = {}
    for each in Field.typed(form):
        if each.kind == "text":
            record[each.name] = each.text
        elif each.kind == "truth":
            record[each.name] = bool(each.text)
        elif each.text.strip():
            record[each.name] = json_of(each.text, each.name)
            if each.kind == "number" and type(record[each.name]) not in (int, float):
                raise BadRequest(f"{each.name}: this is no number.")
    added = form.get(ADDED, "").strip()
    if added:
        text = form.get("added_value", "")
        try:
            record[added] = json_of(text, added)
        except BadRequest:
            record[added] = text  # what is no JSON is a text
    return record


def json_of(text: str, what: str) -> Any:
    """The value of a text field. Raises BadRequest that names the line."""
    try:
        return strict_json.read(text.encode("utf-8", "surrogatepass"))
    except InvalidJson as error:
        raise BadRequest(f"{what}: {error.detail}") from None
