"""House rules that are an OpenAPI document: what of it is shown, and where.

1. The fixed part has its title, its prose and a line an operation. The request part has the operation that
   is asked about, and what that refers to, directly or not. The rest of it is in no prompt.
2. An operation is found by method and path. A word fits a word and a parameter. A slot fits a parameter, and
   a word that would show as a slot (``v1``, ``findByStatus``). Of those that fit, the ones with most words in
   common count; they may be two, as a route does not say which word a slot was.
3. References are followed breadth first until the excerpt is full; those left out are named.
4. It is the owner's word, as any house rules. It is quoted in ASCII all the same: nothing in it can end the
   block that it stands in.

OpenAPI 3.0, 3.1 and Swagger 2.0 name all of this alike: `paths`, methods, `$ref` (RFC 6901 pointers).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import unquote, urlsplit

from attrs import frozen

from server.planning.kinds.route import RouteTemplate, Slot

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Of a document, as a file. The largest public ones have 12 MB; those are not what one session serves.
MAX_DOCUMENT_BYTES: Final = 4 * 1024 * 1024
MAX_EXCERPT_BYTES: Final = 12 * 1024
MAX_LISTED: Final = 300
_MAX_SUMMARY: Final = 80
_MAX_PROSE: Final = 8 * 1024
_MAX_NODES: Final = 500_000
_MAX_DEPTH: Final = 100
_MAX_FOUND: Final = 3
_MAX_NAMED: Final = 32
_METHODS: Final = ("get", "put", "post", "delete", "patch")
_MARKED: Final = re.compile(r"^[\"']?(?:openapi|swagger)[\"']?\s*:", re.MULTILINE)

Object: TypeAlias = "dict[str, Any]"


class DescriptionError(Exception):
    """A text begins as an OpenAPI document and is none; the message says where."""


@frozen
class Operation:
    method: str
    path: str
    #: With the parameters that all operations of the path have in common.
    document: Object

    @property
    def line(self) -> str:
        said = str(self.document.get("summary") or self.document.get("operationId") or "")
        words = " ".join(said.split())[:_MAX_SUMMARY]
        return f"- {self.method} {self.path}" + (f": {words}" if words else "")


@frozen
class ApiDescription:
    """An OpenAPI document, read."""

    document: Object
    operations: tuple[Operation, ...]
    #: The paths of its servers, `()` for those without.
    prefixes: frozenset[tuple[str, ...]]

    def overview(self) -> str:
        """What is the same for all requests."""
        info = _object(self.document.get("info"))
        prose = str(info.get("description") or "").strip()[:_MAX_PROSE]
        lines = [operation.line for operation in self.operations[:MAX_LISTED]]
        more = len(self.operations) - len(lines)
        lines += [f"- and {more} more"] if more > 0 else []
        return "\n\n".join(filter(None, (f"API: {info.get('title', '')}", prose, "\n".join(lines))))

    def excerpt(self, method: str, route: str, max_bytes: int = MAX_EXCERPT_BYTES) -> str:
        """The operation with what it refers to, as JSON; "" where there is none."""
        found = self.find(method, route)
        if not found:
            return ""
        shown: Object = {f"{each.method} {each.path}": each.document for each in found[:_MAX_FOUND]}
        left = max_bytes - len(_quoted(shown))
        if left < 0:
            shown = _without_prose(shown)
            left = max_bytes - len(_quoted(shown))
        if left < 0:
            return _quoted(dict.fromkeys(shown, "too long to be shown"))
        kept, missing = self._referred(shown, left)
        return _quoted({**shown, **kept} if not missing else {**shown, **kept, "left out": missing})

    def find(self, method: str, route: str) -> list[Operation]:
        """Operations of this method that the route may be, as rule 2 has it."""
        parts = RouteTemplate.parse(route).parts
        scored = [
            (score, operation)
            for operation in self.operations
            if operation.method == method and (score := self._score(operation.path, parts)) is not None
        ]
        best = max((score for score, _ in scored), default=0)
        return [operation for score, operation in scored if score == best]

    def _score(self, path: str, parts: tuple[str | Slot, ...]) -> int | None:
        """How many words path and route have in common, None where they are not the same."""
        own = tuple(filter(None, path.split("/")))
        scores = (_common(prefix + own, parts) for prefix in self.prefixes)
        return max((score for score in scores if score is not None), default=None)

    def _referred(self, shown: Object, room: int) -> tuple[Object, list[str]]:
        """What is referred to, by pointer, as long as there is room; and the pointers left out."""
        kept: Object = {}
        missing: list[str] = []
        waiting = list(dict.fromkeys(_references(shown)))
        seen = set(waiting)
        while waiting:
            pointer = waiting.pop(0)
            value = self._at(pointer)
            size = len(_quoted({pointer: value})) + 2
            if value is None or size > room:
                missing.append(pointer)
                continue
            kept[pointer] = value
            room -= size
            new = [each for each in dict.fromkeys(_references(value)) if each not in seen]
            seen.update(new)
            waiting += new
        return kept, missing[:_MAX_NAMED]

    def _at(self, pointer: str) -> Any:
        value: Any = self.document
        for step in pointer.removeprefix("#/").split("/"):
            value = _object(value).get(unquote(step).replace("~1", "/").replace("~0", "~"))
        return value


def read_description(text: str) -> ApiDescription | None:
    """An OpenAPI document in JSON or YAML; None for any other text. Raises DescriptionError."""
    is_json = text.lstrip().startswith("{")
    if not is_json and not _MARKED.search(text):
        return None
    import yaml  # noqa: PLC0415  most house rules are none

    #: In C where PyYAML was built with it: twenty times as fast.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        document = json.loads(text) if is_json else yaml.load(text, Loader=loader)  # noqa: S506 - both are safe
        _check_size(document)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        if is_json or _begins(text):
            reason = " ".join(str(error).split())[:200]
            raise DescriptionError(f"is no OpenAPI document that can be read: {reason}") from None
        return None
    if not isinstance(document, dict) or not {"openapi", "swagger"} & document.keys():
        return None
    return ApiDescription(document, tuple(_operations(document)), frozenset(_prefixes(document)))


def _begins(text: str) -> bool:
    """Whether the first line that says anything is the one that an OpenAPI document begins with."""
    said = (line for line in text.splitlines() if line.strip() not in {"", "---"} and line[0] != "#")
    return _MARKED.match(next(said, "")) is not None


def _operations(document: Object) -> Iterator[Operation]:
    for path, item in _object(document.get("paths")).items():
        members = _object(item)
        shared = _list(members.get("parameters"))
        for method in _METHODS:
            if isinstance(members.get(method), dict):
                own = dict(members[method])
                if parameters := [*shared, *_list(own.get("parameters"))]:
                    own["parameters"] = parameters
                yield Operation(method.upper(), str(path), own)


def _prefixes(document: Object) -> Iterator[tuple[str, ...]]:
    yield ()
    urls = [_object(server).get("url", "") for server in _list(document.get("servers"))]
    for url in (*urls, document.get("basePath", "")):
        if isinstance(url, str):
            yield tuple(filter(None, urlsplit(url).path.split("/")))


def _common(path: tuple[str, ...], parts: tuple[str | Slot, ...]) -> int | None:
    if len(path) != len(parts):
        return None
    score = 0
    for own, part in zip(path, parts, strict=True):
        if "{" in own:
            continue
        if isinstance(part, Slot):
            if part.read(own) is None:
                return None
        elif part == own:
            score += 1
        else:
            return None
    return score


def _references(value: Any) -> Iterator[str]:
    """Pointers into the document itself, in its order."""
    if isinstance(value, dict):
        pointer = value.get("$ref")
        if isinstance(pointer, str) and pointer.startswith("#/"):
            yield pointer
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def _without_prose(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_prose(each) for name, each in value.items() if not _is_prose(name, each)}
    return [_without_prose(each) for each in value] if isinstance(value, list) else value


def _is_prose(name: str, value: Any) -> bool:
    return name in {"example", "examples", "externalDocs"} or (
        name == "description" and isinstance(value, str)
    )


def _check_size(document: Any) -> None:
    """YAML's aliases can make much of little, and what nests deep ends a walk later. Raises ValueError."""
    waiting, nodes = [(document, 0)], 0
    while waiting:
        value, depth = waiting.pop()
        nodes += 1
        if nodes > _MAX_NODES or depth > _MAX_DEPTH:
            raise ValueError(f"it has more than {_MAX_NODES} values, or {_MAX_DEPTH} levels")
        if isinstance(value, dict):
            waiting += ((each, depth + 1) for each in value.values())
        elif isinstance(value, list):
            waiting += ((each, depth + 1) for each in value)


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, default=str).replace("`", "\\u0060")


def _object(value: Any) -> Object:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
