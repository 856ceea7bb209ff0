"""Exchanges that were recorded, as records of a contract: a HAR, a Postman collection with saved responses.

HAR 1.2: http://www.softwareishard.com/blog/har-12-spec/. Postman's format v2.1:
https://schema.postman.com/collection/json/v2.1.0/draft-07/docs/index.html.

Only what was read counts: a reply by rule with 2xx. The last state of a record is its state; one that was
deleted is none.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

import orjson
from attrs import frozen

from server.contracts.asking import at, put
from server.values.errors import MethodNotAllowed, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from server.contracts.contract import Contract
    from server.contracts.model import Role, Scope

_READ: Final = (
    "get",
    "list",
    "create",
    "replace",
    "merge",
    "json-patch",
    "get-one",
    "replace-one",
    "merge-one",
)
_MAX_DEPTH: Final = 32


@frozen
class Exchange:
    """`place` leads to it in its file, for people."""

    place: str
    method: str
    url: str
    status: int
    text: str


def exchanges_in(value: Any) -> list[Exchange] | None:
    """None where the value is neither a HAR nor a Postman collection."""
    if not isinstance(value, dict):
        return None
    log, info = value.get("log"), value.get("info")
    if isinstance(log, dict) and isinstance(log.get("entries"), list):
        return list(_of_har(log["entries"]))
    if (
        isinstance(info, dict)
        and "postman" in str(info.get("schema", ""))
        and isinstance(value.get("item"), list)
    ):
        return list(_of_postman(value["item"], _variables(value), "item", 0))
    return None


def _of_har(entries: list[Any]) -> Iterator[Exchange]:
    for number, entry in enumerate(entries):
        request, response = _part(entry, "request"), _part(entry, "response")
        content = _part(response, "content")
        text = content.get("text")
        if content.get("encoding") == "base64" and isinstance(text, str):
            try:
                text = base64.b64decode(text, validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                text = ""
        yield _exchange(f"log/entries/{number}", request, request.get("url"), response.get("status"), text)


def _of_postman(items: list[Any], known: Mapping[str, str], place: str, depth: int) -> Iterator[Exchange]:
    for number, item in enumerate(items):
        here = f"{place}/{number}"
        if not isinstance(item, dict) or depth > _MAX_DEPTH:
            continue
        if isinstance(item.get("item"), list):
            yield from _of_postman(item["item"], known, f"{here}/item", depth + 1)
        saved = item.get("response")
        for count, response in enumerate(saved if isinstance(saved, list) else []):
            request = _part(response, "originalRequest") or _part(item, "request")
            url = request.get("url")
            raw = url.get("raw") if isinstance(url, dict) else url
            text = _named(str(raw or ""), known, url if isinstance(url, dict) else {})
            yield _exchange(
                f"{here}/response/{count}", request, text, response.get("code"), response.get("body")
            )


def _exchange(place: str, request: Mapping[str, Any], url: Any, status: Any, text: Any) -> Exchange:
    return Exchange(
        place,
        str(request.get("method", "")).upper(),
        str(url or ""),
        status if isinstance(status, int) else 0,
        text if isinstance(text, str) else "",
    )


def _part(value: Any, name: str) -> dict[str, Any]:
    part = value.get(name) if isinstance(value, dict) else None
    return part if isinstance(part, dict) else {}


def _variables(value: Mapping[str, Any]) -> dict[str, str]:
    listed = value.get("variable")
    return {
        str(each.get("key")): str(each.get("value"))
        for each in (listed if isinstance(listed, list) else [])
        if isinstance(each, dict)
    }


def _named(text: str, known: Mapping[str, str], url: Mapping[str, Any]) -> str:
    """With the values of `{{names}}` and of the path's `:names`."""
    for name, value in known.items():
        text = text.replace(f"{{{{{name}}}}}", value)
    for name, value in _variables(url).items():
        text = text.replace(f"/:{name}", f"/{value}")
    return text


def seed_of(contract: Contract, exchanges: list[Exchange]) -> tuple[dict[str, Any], list[str]]:
    """An object of collections, and what was passed over, in lines."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    notes = []
    for each in exchanges:
        why = _take(contract, each, found)
        if why:
            notes.append(f"{each.place}: {each.method} {urlsplit(each.url).path[:100]}: {why}")
    singles = {resource.name for resource in contract.model.resources if resource.single}
    seed: dict[str, Any] = {}
    for name, rows in found.items():
        if rows:
            seed[name] = next(iter(rows.values())) if name in singles else list(rows.values())
    return seed, notes


def _take(contract: Contract, each: Exchange, found: dict[str, dict[str, dict[str, Any]]]) -> str:
    """Keep what an exchange shows; why it shows nothing, "" where it does."""
    try:
        segments = tuple(unquote(part) for part in urlsplit(each.url).path.strip("/").split("/"))
        match = contract.match(each.method, segments)
    except NotFound:
        return "the contract has nothing there"
    except (MethodNotAllowed, ValueError):
        return "the contract has no such method there"
    if match is None:
        return "is no operation"
    role = contract.role(match.operation)
    if not 200 <= each.status < 300:
        return f"its reply is {each.status}"
    if not role.plain or role.resource is None:
        return f"it is not by rule: {role.why}"
    return _keep(role, match.params, each, found.setdefault(role.resource.name, {}))


def _keep(role: Role, params: Mapping[str, str], each: Exchange, rows: dict[str, dict[str, Any]]) -> str:
    scopes = [scope for scope in role.scopes if _is_of_address(role, scope)]
    if role.name == "delete":
        within = [str(params.get(scope.slot)) for scope in scopes]
        rows.pop("/".join([*within, str(params.get(role.key_slot))]), None)
        return ""
    if role.name not in _READ or role.reply.kind in ("none", "scalar"):
        return "its reply has no record"
    try:
        value: Any = orjson.loads(each.text)
    except orjson.JSONDecodeError:
        return "its reply is no JSON"
    items = list(_items(role, value))
    path = () if role.resource is None else role.resource.key.path
    for item in items:
        _bind(role, params, item)
        key = at(item, path) if path else None
        within = [str(at(item, scope.path or (scope.slot,))) for scope in scopes]
        rows[f"{each.place}/{len(rows)}" if key is None else "/".join([*within, str(key)])] = item
    return "" if items or role.reply.of_many else "its reply has no record"


def _is_of_address(role: Role, scope: Scope) -> bool:
    return role.resource is not None and scope.name in role.resource.scoped


def _items(role: Role, value: Any) -> Iterator[dict[str, Any]]:
    value = at(value, role.reply.path)
    for each in value if isinstance(value, list) else [value]:
        item = at(each, role.reply.within)
        if isinstance(item, dict) and item:
            yield dict(item)


def _bind(role: Role, params: Mapping[str, str], item: dict[str, Any]) -> None:
    """With what its path says of it."""
    path = () if role.resource is None else role.resource.key.path
    if path and role.key_slot in params and at(item, path) is None:
        put(item, path, params[role.key_slot])
    for scope in role.scopes:
        if scope.slot not in params:
            continue
        if not scope.path:
            item.setdefault(scope.slot, params[scope.slot])
        elif at(item, scope.path) is None:
            put(item, scope.path, params[scope.slot])
