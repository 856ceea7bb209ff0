"""Which record a request is about: its key, its scopes, its address, the parents that have to be there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from server.contracts.asking.bodies import record_of
from server.contracts.asking.form_values import typed
from server.contracts.keys import address_of
from server.contracts.paths import Slot, Word
from server.contracts.shapes import plain
from server.values.errors import Unprocessable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.contracts.asking.reader import Reader
    from server.contracts.compiling import Compiled
    from server.contracts.model import Resource, Scope

#: Whose a record is that is made at a path without a slot for that.
MINE: Final = "me"


def scope_values(reader: Reader) -> dict[str, Any]:
    return {
        scope.name: reader.request.params[scope.slot]
        for scope in reader.compiled.role.scopes
        if scope.slot in reader.request.params
    }


def prefix_values(reader: Reader, record: Mapping[str, Any] | None = None) -> tuple[Any, ...]:
    """The values of the scopes that are a part of the address.

    One that the path does not have is that of the slot that is left, else what the record says, else
    `me`.
    """
    values = scope_values(reader)
    left = [value for name, value in values.items() if name not in reader.resource.scoped]
    found = []
    for name in reader.resource.scoped:
        if name in values:
            found.append(values[name])
        elif left:
            found.append(left.pop(0))
        else:
            said = next(
                (value for key, value in (record or {}).items() if plain(key) in (name, f"{name}id")),
                None,
            )
            found.append(said if isinstance(said, (str, int)) else MINE)
    return tuple(found)


def requested_key(reader: Reader) -> Any:
    """The key in the path, in its own type; else that in the body."""
    role = reader.compiled.role
    if reader.resource.single:
        return "one"
    if role.key_slot:
        return typed_key(reader.resource, reader.request.params[role.key_slot])
    if role.key_word:
        said = reader.request.body.get(role.key_word) if isinstance(reader.request.body, dict) else None
        value = reader.word(role.key_word) or said
        return typed_key(reader.resource, value) if isinstance(value, (str, int)) else None
    return key_in(reader, record_of(reader, reader.request.body))


def typed_key(resource: Resource, text: Any) -> Any:
    if resource.key.kind == "integer" and isinstance(text, str):
        digits = text.lstrip("-")
        return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 16 else text
    return text


def key_in(reader: Reader, record: Mapping[str, Any]) -> Any:
    value: Any = record
    for step in reader.resource.key.path:
        value = value.get(step) if isinstance(value, dict) else None
    return value if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "" else None


def requested_address(reader: Reader) -> str:
    if reader.resource.single:
        return address_of("one", scope_values(reader).values())
    key = requested_key(reader)
    if key is None:
        word = reader.compiled.role.key_word or ".".join(reader.resource.key.path)
        raise Unprocessable(f"There is no {word}, which says whose record it is.")
    return address_of(
        key, prefix_values(reader, _body_record(reader) if not reader.compiled.role.key_slot else None)
    )


def address_in(compiled: Compiled, params: Mapping[str, str]) -> str:
    """The same where `compiled.by_address`: the path has all of it."""
    role = compiled.role
    assert role.resource is not None  # noqa: S101  else there is no record
    return address_of(typed_key(role.resource, params[role.key_slot]))


def _body_record(reader: Reader) -> dict[str, Any]:
    return record_of(reader, reader.request.body)


def parents_of(reader: Reader) -> list[list[str]]:
    return [
        [
            parent.name,
            _address_of_parent(reader, parent, slot),
            f"There is no {parent.name} {reader.request.params[slot]}.",
        ]
        for parent, slot in reader.compiled.role.parents
    ]


def _address_of_parent(reader: Reader, parent: Resource, slot: str) -> str:
    values = scope_values(reader)
    return address_of(reader.request.params[slot], [values[each] for each in parent.scoped if each in values])


def scope_of(reader: Reader) -> list[list[Any]]:
    return [
        [list(scope.field), str(reader.request.params[scope.slot])] for scope in reader.compiled.role.scopes
    ]


def kept_beside(reader: Reader) -> dict[str, Any]:
    """What is kept beside the record of its path."""
    return {
        scope.name: reader.request.params[scope.slot]
        for scope in reader.compiled.role.scopes
        if not scope.path
    }


def typed_scope(reader: Reader, scope: Scope) -> Any:
    text, node = reader.request.params[scope.slot], None
    fields: Mapping[str, Any] = reader.resource.fields
    for step in scope.path:
        node = fields.get(step)
        fields = reader.views.of(node).properties
    return typed(reader.views, node, text)


def about(reader: Reader) -> dict[str, Any]:
    key = requested_key(reader)
    missing = (
        f"There is no {reader.resource.name} {key}."
        if not reader.resource.single
        else "There is nothing here."
    )
    return {
        "parents": parents_of(reader),
        "scope": scope_of(reader) if not reader.resource.single else [],
        "missing": missing,
        "key": key,
        "link": link_of(reader),
        "at": kept_beside(reader) if not reader.resource.single else {},
        "self": reader.request.path,
        **reader.beside(),
    }


def link_of(reader: Reader) -> list[str]:
    """The record's own address, as it is before its key and after it."""
    text, params = "", dict(reader.request.params)
    home = reader.compiled.home
    for part in home[:-1] if home and isinstance(home[-1], Slot) else home:
        text += (
            f"/{quote(part.text, safe='')}"
            if isinstance(part, Word)
            else f"/{quote(params.get(part.name, MINE), safe='')}"
        )
    return [f"{reader.compiled.base}{text}/", reader.compiled.suffix]
