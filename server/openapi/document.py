"""The document, put together from what is known of a session."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import orjson
from attrs import evolve, frozen

from server.openapi import conventional, dialectal, filters, json_patch, learned, named, parameters, replies
from server.openapi.schemas import VALUE, CollectionSchemas
from server.openapi.typed import TypedSchemas
from server.planning.kinds.route import Slot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.openapi.operation import Json, Operation
    from server.openapi.schemas import Types
    from server.planning.kinds.schemas import Schemas
    from server.planning.planned import RoutesInForce
    from server.values.model import Session

_SESSION: Json = {
    "type": "apiKey",
    "in": "header",
    "name": "X-Session-ID",
    "description": "Whose data requests are about: 1 to 128 letters, digits, `_` and `-`.",
}
_BEARER: Json = {"type": "http", "scheme": "bearer"}
_SERVICE_TOKEN: Json = {
    "type": "apiKey",
    "in": "header",
    "name": "X-Service-Token",
    "description": "The same token, where the API itself has a use for Authorization.",
}


@frozen
class Terms:
    """What the settings say of every session.

    `secured`: a token is needed; `enforced`: fields keep their types; `delete_collections`: conventions take
    DELETE of a collection.
    """

    secured: bool
    enforced: bool
    delete_collections: bool = False
    #: The service's address, where the settings name one.
    url: str = ""


def describe(
    session: Session,
    routes: RoutesInForce,
    schemas: Schemas,
    terms: Terms,
    types: Types = "enforced",
    *,
    dialect: str = "",
) -> Json:
    """An OpenAPI 3.1 document; equal for equal arguments. `dialect`: whose words it speaks, "" its own."""
    kind = TypedSchemas if types == "learned" else CollectionSchemas
    described = {name: kind(name, schema, terms.enforced) for name, schema in schemas.collections}
    operations = [learned.operation(route, types) for route in routes.learned]
    components = _components(list(described.values()), terms, types)
    if dialect:
        operations = [*dialectal.operations(dialect, schemas), *operations]
    elif routes.conventions:
        more = _of_conventions(list(described.values()), types, complete=not schemas.more)
        given = conventional.operations(
            schemas, described, more["parameters"], delete_collections=terms.delete_collections, types=types
        )
        if routes.planned:
            expected = {each.key: each for each in given}
            operations = [_named_like(each, expected.pop(each.key, each)) for each in _merged(operations)]
            given = map(_not_learned, expected.values())
        operations = [*given, *operations]
        _add(components, more)
    paths = _paths(_merged(operations), terms)
    content = orjson.dumps([paths, components], option=orjson.OPT_SORT_KEYS)
    document: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": f"Session {session.id}",
            "version": hashlib.sha256(content).hexdigest()[:12],
            "description": _description(routes, schemas, terms, types, dialect),
        },
        "servers": [{"url": terms.url or "/"}],
        "tags": [{"name": tag} for tag in sorted({each.tag for each in operations})],
        "paths": paths,
        "components": components,
    }
    return {**document, "security": _security(terms)}


def _security(terms: Terms) -> list[Json]:
    """A session, and a token where there are any; a token alone means the session of its name."""
    if not terms.secured:
        # The second one, for checkers: a session is no secret, and any name is one.
        return [{"session": []}, {}]
    tokens: list[Json] = [{"bearer": []}, {"serviceToken": []}]
    return [*({**each, "session": []} for each in tokens), *tokens]


_LEARNED = (
    "For generators of clients. Types are those of what is stored, as are ids; `required` is what all records"
    " have (where there are at most 500,000 values). The service enforces none of it: what comes next may be "
    "otherwise."
)
_PLAIN = (
    "It claims what is enforced. `/openapi.json?types=learned` has types for generators of clients, and "
    "the headers and words whose use depends on what is stored or stands beside them: `If-Match`, "
    "`If-None-Match`, `Idempotency-Key`, `page`, `per_page`."
)


def _types_of_fields(terms: Terms, types: Types) -> str:
    if types == "learned":
        return _LEARNED
    if terms.enforced:
        return f"Fields keep the types named here. {_PLAIN}"
    return f"Types of fields are what was seen so far, not rules. {_PLAIN}"


_NOW = "What this session answers at the moment. It grows with what is stored and learned: ask again."


def _description(routes: RoutesInForce, schemas: Schemas, terms: Terms, types: Types, dialect: str) -> str:
    texts = [
        _NOW,
        _others(routes),
        _types_of_fields(terms, types),
        "Integers written in digits have at most 63 bits and a sign.",
        "What is read with `GET` has a `HEAD`, too; errors are problem documents, whatever is accepted.",
    ]
    if dialect:
        texts = [_NOW, dialectal.description(dialect), "What is read with `GET` has a `HEAD`, too."]
    if schemas.more:
        texts.append("There are more collections than are listed.")
    return " ".join(texts)


_NOT_LEARNED = (
    "Not learned yet. A model plans it when it first comes, and its reply may be another than this, which is "
    "what conventions answer."
)
_ANOTHER: Json = {
    "description": "Another reply, as a model has planned it.",
    "content": {"application/json": {}, replies.PROBLEM_JSON: {}},
}


def _not_learned(operation: Operation) -> Operation:
    """An operation of the conventions where a model is asked first: all that is sure is that it is there."""
    texts = (operation.description, _NOT_LEARNED)
    return evolve(
        operation,
        source="conventions",
        description="\n\n".join(filter(None, texts)),
        responses={**operation.responses, "default": _ANOTHER},
    )


def _named_like(operation: Operation, expected: Operation) -> Operation:
    """A learned operation with the name that clients had for it before it was learned."""
    return evolve(operation, words=expected.words)


def _others(routes: RoutesInForce) -> str:
    """What becomes of requests that are not listed."""
    if not routes.conventions:
        return "Other requests are planned by a model when they first come."
    if routes.planned:
        return (
            "Other requests are planned by a model when they first come, and so are operations with "
            "`x-plan-source: conventions`, which say what conventions would answer."
        )
    return (
        "Collections that are not listed are made by the first `POST` to them; one object at a path such "
        "as `/settings` is made by a `PUT`."
    )


def _merged(operations: Iterable[Operation]) -> list[Operation]:
    """One for each path and method; the first one names it."""
    found: dict[object, Operation] = {}
    for each in operations:
        found[each.key] = found[each.key].merged(each) if each.key in found else each
    return list(found.values())


def _paths(operations: list[Operation], terms: Terms) -> Json:
    """Path Items. A path's first operation names its slots, for all of them."""
    paths: Json = {}
    named: dict[object, tuple[str, list[str]]] = {}
    ids = _ids(operations)
    for each in operations:
        path, slots = named.setdefault(each.key[0], (_path(each), _slots(each)))
        item = paths.setdefault(path, {})
        item[each.method] = _written(each, slots, ids, terms)
    return paths


def _path(operation: Operation) -> str:
    parts = (part if isinstance(part, str) else f"{{{part.name}}}" for part in operation.parts)
    return "/" + "/".join(parts)


def _slots(operation: Operation) -> list[str]:
    return [part.name for part in operation.parts if isinstance(part, Slot)]


def _ids(operations: list[Operation]) -> dict[object, str]:
    """An operationId for each, by its key, and by its words: ``("list", "order-lines")`` is `listOrderLines`.

    Where two have the same words these are the first one's.
    """
    ids: dict[object, str] = {}
    taken: set[str] = set()
    for each in operations:
        name = _camel(each.words)
        free = name if name not in taken else f"{name}_{len(taken)}"
        taken.add(free)
        ids[each.key] = free
        ids.setdefault(each.words, free)
    return ids


def _camel(words: tuple[str, ...]) -> str:
    first, *others = [piece for word in words for piece in re.split(r"[^A-Za-z0-9]+", word) if piece]
    return first + "".join(piece[0].upper() + piece[1:] for piece in others)


def _written(operation: Operation, slots: list[str], ids: dict[object, str], terms: Terms) -> Json:
    """An Operation Object."""
    in_path = [
        {"name": slot, "in": "path", "required": True, "schema": schema}
        for slot, schema in zip(slots, operation.slots, strict=True)
    ]
    in_query = [
        each if "$ref" in each else {"schema": {}, **each, "name": key, "in": "query"}
        for key, each in operation.query.items()
    ]
    in_headers = [parameters.refer(name) for name in operation.headers]
    written: Json = {
        "operationId": ids[operation.key],
        "summary": operation.summary,
        "tags": [operation.tag],
    }
    if operation.source:
        written["x-plan-source"] = operation.source
    if operation.description:
        written["description"] = operation.description
    written["parameters"] = [*in_path, *in_query, *in_headers]
    if operation.content:
        written["requestBody"] = {"required": operation.has_body, "content": dict(operation.content)}
    responses = dict(operation.responses)
    if operation.links:
        links = {
            name: {"operationId": ids[words], "parameters": dict(slots)}
            for name, (words, slots) in operation.links.items()
            if words in ids
        }
        responses["201"] = {**responses["201"], "links": links}
    if terms.secured:
        responses["401"] = replies.refer("401")
    written["responses"] = responses
    return written


def _components(described: list[CollectionSchemas], terms: Terms, types: Types) -> Json:
    """What every document has: also with a model, which is told nothing of what it shall answer."""
    schemas: Json = {"Problem": replies.PROBLEM}
    for each in described:
        schemas[f"{each.name}.record"] = each.record()
    components: Json = {
        "schemas": schemas,
        "parameters": parameters.header_components(types),
        "responses": replies.components(),
        "headers": replies.HEADERS,
    }
    tokens = {"bearer": _BEARER, "serviceToken": _SERVICE_TOKEN} if terms.secured else {}
    components["securitySchemes"] = {"session": _SESSION, **tokens}
    return components


def _of_conventions(described: list[CollectionSchemas], types: Types, *, complete: bool) -> Json:
    """What the conventions' operations refer to, besides."""
    schemas: Json = {
        **conventional.SCHEMAS,
        **json_patch.SCHEMAS,
        "Text": parameters.TEXT,
        "Number": parameters.NUMBER,
        "Value": VALUE,
    }
    of_query = parameters.query_components([each.name for each in described], complete=complete, types=types)
    by_name = {each.name: each.schema for each in described}
    for each in described:
        of_query |= named.components(each.name, by_name, complete=complete)
        schemas[f"{each.name}.page"] = each.page()
        schemas[f"{each.name}.new"] = each.new()
        schemas[f"{each.name}.changes"] = each.changes()
        schemas[f"{each.name}.merged"] = each.merged()
        of_query |= filters.components(each.name, each.schema.fields)
    return {
        "schemas": schemas,
        "parameters": of_query,
        "responses": dict(conventional.responses(described)),
    }


def _add(components: Json, more: Json) -> None:
    for kind, parts in more.items():
        components[kind] = {**components[kind], **parts}
