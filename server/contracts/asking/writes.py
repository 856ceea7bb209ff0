"""What is to be written: records to create, changes, relationships."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from server.contracts.asking.addressing import (
    about,
    kept_beside,
    key_in,
    link_of,
    parents_of,
    prefix_values,
    typed_key,
    typed_scope,
)
from server.contracts.asking.bodies import named_record, patch_operations, record_of, without_blanks
from server.contracts.asking.json_paths import add, put, without
from server.contracts.keys import address_of, prefix_of
from server.values.errors import Unprocessable

if TYPE_CHECKING:
    from server.contracts.asking.reader import Reader

_MERGES: Final = frozenset(
    {"application/merge-patch+json", "application/strategic-merge-patch+json", "application/apply-patch+yaml"}
)


def create(reader: Reader, record: dict[str, Any]) -> dict[str, Any]:
    resource, role = reader.resource, reader.compiled.role
    if reader.compiled.profile.blanks:
        record = without_blanks(reader, record)[0]
    key = key_in(reader, record) if resource.key.given != "service" else None
    word = reader.compiled.key_query
    if word and reader.word(word):
        key = typed_key(resource, reader.word(word))
    if resource.key.given == "service":
        record = without(record, resource.key.path)
    for scope in role.scopes:
        if scope.path:
            put(record, scope.path, typed_scope(reader, scope))
    for path, value in reader.compiled.consts:
        add(record, path, value)
    prefix = prefix_values(reader, record)
    return {
        "record": record,
        "key": key,
        "address": None if key is None else _stored_address(key, prefix),
        "prefix": prefix_of(prefix),
        "parents": parents_of(reader),
        "at": _scopes_kept(reader, prefix),
        "link": link_of(reader),
        "taken": f"There is a {resource.name} {key} already.",
        "self": reader.request.path,
    }


def _stored_address(key: Any, prefix: tuple[Any, ...]) -> Any:
    address = address_of(key, prefix)
    return key if isinstance(key, int) and address == str(key) else address


def _scopes_kept(reader: Reader, prefix: tuple[Any, ...]) -> dict[str, Any]:
    """What the path says of a record and no property has."""
    kept = kept_beside(reader)
    paths = {scope.name for role in reader.resource.roles for scope in role.scopes if scope.path}
    for name, value in zip(reader.resource.scoped, prefix, strict=True):
        if name not in paths:
            kept.setdefault(name, value)
    return kept


def create_many(reader: Reader) -> dict[str, Any]:
    body = reader.request.body
    if not isinstance(body, list):
        raise Unprocessable("The body has to be an array.")
    records = []
    for each in body:
        if not isinstance(each, dict):
            raise Unprocessable("Each element of the body has to be an object.")
        records.append(create(reader, named_record(reader, each, reader.compiled.role.body.item)))
    return {"records": records, "parents": parents_of(reader), "at": kept_beside(reader)}


def relate(reader: Reader) -> dict[str, Any]:
    """A relationship as a request has it: an identifier or null, or a list of identifiers."""
    body = reader.request.body
    data = body.get("data") if isinstance(body, dict) else None
    link = reader.linked.of(reader.resource.name).get(reader.compiled.role.relation)
    many = link is not None and link.many
    each = data if isinstance(data, list) else [data]
    if isinstance(data, list) != many or not all(
        isinstance(one, dict) or (one is None and not many) for one in each
    ):
        raise Unprocessable(
            f"The relationship takes {'a list of identifiers' if many else 'one identifier'}."
        )
    if reader.request.method != "PATCH" and not many:
        raise Unprocessable("A relationship to one is changed by PATCH.")
    return {**about(reader), "relation": reader.compiled.role.relation, "data": data}


def change(reader: Reader) -> dict[str, Any]:
    role = reader.compiled.role
    values = about(reader)
    if role.name.startswith("json-patch") or role.name == "patch":
        return {**values, "record": patch_operations(reader)}
    record = record_of(reader, reader.request.body)
    makes = bool(reader.compiled.plan.response_hints.get("made"))
    unset: list[list[str]] = []
    if reader.compiled.profile.blanks:
        record, unset = without_blanks(reader, record)
    if role.name in ("replace", "replace-one") or makes:
        for path, value in reader.compiled.consts:
            if path[0] not in reader.resource.sent or makes:
                add(record, path, value)
    if role.key_slot or role.key_word:
        record = without(record, reader.resource.key.path)
    if role.name == "replace" or makes:
        for scope in role.scopes:
            if scope.path:
                put(record, scope.path, typed_scope(reader, scope))
    removes = reader.request.media_type in _MERGES or reader.compiled.profile.null_removes
    return {**values, "record": record, "null-removes": removes, "unset": unset}
