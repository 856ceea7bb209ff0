"""From a file to a `Document`: OpenAPI 3.0, 3.1 and Swagger 2.0, in JSON or YAML.

Lenient: what cannot be used is a `Problem`, and left out. Raises ContractError only where there is nothing to
serve: no such file, a limit, neither JSON nor YAML, no `paths`.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import orjson
from attrs import define, evolve, field

from server.contracts.converting import convert, objects_in
from server.contracts.digests import Digests
from server.contracts.document import (
    METHODS,
    ContractError,
    Document,
    Operation,
    Parameter,
    pointer_of,
    steps_of,
    value_at,
)
from server.contracts.files import Bundle, DocumentLimits
from server.contracts.normalising import Schemas

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PLACES: Final = frozenset({"path", "query", "header", "cookie"})
_STYLES: Final = {"path": "simple", "header": "simple", "query": "form", "cookie": "form"}
_STATUS: Final = re.compile(r"[1-5](?:[0-9]{2}|XX)|default", re.IGNORECASE)


def read_file(path: Path, limits: DocumentLimits | None = None) -> Document:
    """Raises ContractError."""
    limits = limits or DocumentLimits()
    try:
        with path.open("rb") as file:  # a device has no size, and need not end
            data = file.read(limits.document_bytes + 1)
    except OSError as error:
        raise ContractError(f"{path}: cannot be read: {error.strerror}") from None
    if len(data) > limits.document_bytes:
        raise ContractError(f"{path.name}: the document has more than {limits.document_bytes} bytes")
    return read(data, path.name, path.parent, limits)


def read(
    data: bytes, name: str, folder: Path | None = None, limits: DocumentLimits | None = None
) -> Document:
    """`folder`: where other files are looked for; None: there are none. Raises ContractError."""
    bundle = Bundle(name, limits or DocumentLimits())
    bundle.load(data, folder)
    return _Reader(bundle).document()


@define
class _Reader:
    bundle: Bundle
    _schemas: Schemas = field(init=False)
    _ids: set[str] = field(factory=set)

    def document(self) -> Document:
        raw = self.bundle.raw
        version = self._version()
        self._schemas = Schemas(self.bundle, old=not version.startswith("3.") or version.startswith("3.0"))
        if "swagger" in raw:
            convert(raw)
        components = raw.get("components")
        schemas = components.get("schemas") if isinstance(components, dict) else None
        if isinstance(schemas, dict):
            for key, each in schemas.items():
                if not isinstance(each, (dict, bool)):
                    schemas[key] = {}
                self._schemas.bring(pointer_of(("components", "schemas", key)))
        operations = tuple(self._operations())
        if not operations:
            raise ContractError(f"{self.bundle.name}: has no operation below `paths`")
        operations = _digested(raw, operations)
        raw["openapi"] = "3.1.0"
        digest = hashlib.blake2b(orjson.dumps(raw, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()
        return Document(
            raw=raw,
            digest=digest,
            version=version,
            base_paths=self._base_paths(),
            operations=operations,
            problems=tuple(self.bundle.problems),
            file=self.bundle.name,
            lines=self.bundle.lines,
            files=self.bundle.names,
        )

    def _version(self) -> str:
        raw = self.bundle.raw
        version = str(raw.get("openapi") or raw.get("swagger") or "")
        if not version.startswith(("2.", "3.")) and version != "2":
            raise ContractError(f"{self.bundle.name}: is no OpenAPI 3.0, OpenAPI 3.1 or Swagger 2.0 document")
        if not isinstance(raw.get("paths"), dict):
            raise ContractError(f"{self.bundle.name}: has no `paths`")
        return version

    def _base_paths(self) -> tuple[str, ...]:
        raw = self.bundle.raw
        servers = raw.get("servers")
        found = (
            [_server_path(each) for each in servers if isinstance(each, dict)]
            if isinstance(servers, list)
            else []
        )
        return tuple(dict.fromkeys(found)) or ("",)

    # -- operations

    def _operations(self) -> Iterator[Operation]:
        found = 0
        for template, given in self.bundle.raw["paths"].items():
            place = pointer_of(("paths", template))
            if template.startswith("x-"):
                continue
            item, place = self._followed(given, place)
            if not template.startswith("/") or not isinstance(item, dict):
                self.bundle.note(place, "is no path", given)
                continue
            for word, operation in item.items():
                if word.upper() not in METHODS or word != word.lower():
                    continue
                found += 1
                if found > self.bundle.limits.operations:
                    raise ContractError(
                        f"{self.bundle.name}: has more than {self.bundle.limits.operations} operations"
                    )
                node, pointer = self._followed(operation, f"{place}/{word}")
                if isinstance(node, dict):
                    yield self._operation(template, word.upper(), (item, place), (node, pointer))
                else:
                    self.bundle.note(f"{place}/{word}", "is no operation", item)

    def _operation(
        self, template: str, method: str, above: tuple[dict[str, Any], str], own: tuple[dict[str, Any], str]
    ) -> Operation:
        """`above`: the path's part of the document and where it is; `own`: the operation's."""
        node, place = own
        parameters: dict[tuple[str, str], Parameter] = {}
        bodies: dict[str, str] = {}
        required = False
        for holder, where in (above, own):
            listed = holder.get("parameters")
            for number, given in enumerate(listed if isinstance(listed, list) else []):
                each, pointer = self._followed(given, f"{where}/parameters/{number}")
                if not isinstance(each, dict) or not isinstance(each.get("name"), str):
                    self.bundle.note(f"{where}/parameters/{number}", "is no parameter", holder)
                elif each.get("in") in _PLACES:
                    made = self._parameter(each, pointer)
                    parameters[made.place, made.name] = made
                else:
                    self.bundle.note(pointer, "`in` is no place for a parameter", each)
        if "requestBody" in node:
            bodies, required = self._body(node["requestBody"], f"{place}/requestBody")
        return Operation(
            id=self._id(node, method, template),
            method=method,
            template=template,
            pointer=place,
            parameters=tuple(parameters.values()),
            request_bodies=bodies,
            required_body=required,
            replies=self._replies(node, place),
            security=self._security(node),
        )

    def _id(self, node: dict[str, Any], method: str, template: str) -> str:
        given = node.get("operationId")
        name = (
            given if isinstance(given, str) and given and given not in self._ids else f"{method} {template}"
        )
        self._ids.add(name)
        return name

    def _parameter(self, node: dict[str, Any], pointer: str) -> Parameter:
        place = node["in"]
        style, explode = str(node.get("style") or _STYLES[place]), node.get("explode")
        media_type, schema = "", f"{pointer}/schema"
        content = node.get("content")
        if "schema" not in node and isinstance(content, dict) and content:
            media_type = next(iter(content))
            schema = pointer_of_content(pointer, media_type)
        value = value_at(self.bundle.raw, schema)
        if isinstance(value, dict):
            self._schemas.bring(schema)
        return Parameter(
            name=node["name"],
            place=place,
            required=node.get("required") is True or place == "path",
            style=style,
            explode=explode if isinstance(explode, bool) else style == "form",
            schema=schema if isinstance(value, (dict, bool)) else "",
            media_type=media_type,
            pointer=pointer,
            choices=_choices(value),
        )

    def _body(self, given: Any, place: str) -> tuple[dict[str, str], bool]:
        node, pointer = self._followed(given, place)
        if not isinstance(node, dict):
            self.bundle.note(place, "is no body", given)
            return {}, False
        return self._content(node, pointer), node.get("required") is True

    def _replies(self, node: dict[str, Any], place: str) -> dict[str, dict[str, str]]:
        listed = node.get("responses")
        if not isinstance(listed, dict):
            self.bundle.note(place, "has no responses", node)
            return {}
        found = {}
        for key, given in listed.items():
            if not _STATUS.fullmatch(key):
                if not key.startswith("x-"):
                    self.bundle.note(f"{place}/responses", f"{key[:32]!r} is no status", listed)
                continue
            reply, pointer = self._followed(given, pointer_of((*steps_of(place), "responses", key)))
            name = key if key == "default" else key.upper()
            found[name] = self._content(reply, pointer) if isinstance(reply, dict) else {}
        return found

    def _content(self, node: dict[str, Any], pointer: str) -> dict[str, str]:
        content = node.get("content")
        found = {}
        for media_type, part in content.items() if isinstance(content, dict) else ():
            schema = pointer_of_content(pointer, media_type)
            described = isinstance(part, dict) and isinstance(part.get("schema"), (dict, bool))
            if described:
                self._schemas.bring(schema)
            found[media_type.lower()] = schema if described else ""
        return found

    def _security(self, node: dict[str, Any]) -> tuple[dict[str, tuple[str, ...]], ...]:
        given = node.get("security", self.bundle.raw.get("security"))
        ways = [each for each in given if isinstance(each, dict)] if isinstance(given, list) else []
        return tuple({name: tuple(_texts(scopes)) for name, scopes in way.items()} for way in ways)

    def _followed(self, node: Any, pointer: str) -> tuple[Any, str]:
        """What a reference leads to, and where that is."""
        for _ in range(32):
            if not isinstance(node, dict) or not isinstance(node.get("$ref"), str):
                return node, pointer
            pointer = node["$ref"]
            node = value_at(self.bundle.raw, pointer)
        return None, pointer


def pointer_of_content(pointer: str, media_type: str) -> str:
    return pointer_of((*steps_of(pointer), "content", media_type, "schema"))


def _choices(schema: Any) -> tuple[Any, ...]:
    listed = schema.get("enum") if isinstance(schema, dict) else None
    return tuple(listed) if isinstance(listed, list) else ()


def _texts(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _server_path(server: dict[str, Any]) -> str:
    """With the defaults of its variables."""
    url = str(server.get("url") or "")
    variables = server.get("variables")
    for name, each in variables.items() if isinstance(variables, dict) else ():
        url = url.replace(f"{{{name}}}", str(each.get("default", "")) if isinstance(each, dict) else "")
    return _path_of(url)


def _path_of(url: str) -> str:
    try:
        path = urlsplit(url).path
    except ValueError:
        return ""
    path = path.rstrip("/")
    return path if not path or path.startswith("/") else f"/{path}"


# -- digests -----------------------------------------------------------------------------------------


def _digested(raw: dict[str, Any], operations: tuple[Operation, ...]) -> tuple[Operation, ...]:
    """Each with the digest of its part of the document and of everything that refers to."""
    digests = Digests(raw, objects_in)
    return tuple(
        evolve(each, digest=digests.of([each.pointer, *(own.pointer for own in each.parameters)]))
        for each in operations
    )
