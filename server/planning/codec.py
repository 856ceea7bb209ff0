"""The plan codec: the strict JSON schema of a model's answer, and the reader of what it really answered.

An answer is hostile text, and its author may have one try left. So everything is checked, every
fault is told in words that say what to write instead, and no message repeats any of the answer.

1. The answer is one JSON object of at most 64 KiB, nested at most 8 deep, no key twice.
2. Members are those of a plan and no others. Not every server enforces a schema, so a member
   with only one sensible value may be missing: `route` is then the request's own. Members whose value
   never varies (`criteria`, `payload`, `response_hints`, `code.language`) are taken but not asked for:
   strict modes know no optional member, and would have each answer pay for them.
3. `resource` is a collection's name; `route` matches the request's path, and its first word (after
   ``api`` and ``v1``) is no slug: a plan for ``/{any:slug}`` would answer for every collection.
4. What an answer may be depends on the request's template and on what of its path is a version (``v1``), and
   not on any other value of the path: requests of one kind share it.
5. Whoever needs to see other collections has no plan yet: the code of such an answer is not looked at.
6. `criteria` and `payload` are filled anew for each request, so what the answer has there is dropped.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from server.planning.kinds.route import (
    RouteError,
    RouteTemplate,
    Slot,
    is_collection_name,
    split_prefix,
    template_text,
)
from server.planning.policy.names import MAX_SOURCE_BYTES
from server.requests import strict_json
from server.values.errors import InvalidJson
from server.values.model import Needs, Plan, SourceCode

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_ANSWER_BYTES = 64 * 1024
MAX_DEPTH = 8
MAX_HINTS_CHARS = 2_000
_MAX_ACTION_CHARS = 64
_MAX_IDENTIFIER_CHARS = 256
_SLOT_USE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(?::[a-z]+)?\}")


#: Stands for the code of an answer that is no plan yet.
_NO_PLAN = SourceCode("REPLY = make_response(501, None)")

_CODE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "block": {"type": "string", "description": "The plan's Python code. It assigns REPLY."},
    },
    "required": ["block"],
    "additionalProperties": False,
}

_PROPERTIES: dict[str, Any] = {
    "action": {"type": "string", "description": "What the request wants, in a word or two: get, cancel ..."},
    "resource": {"type": "string", "description": "The name of the collection that `store` is to be."},
    "route": {"type": "string", "description": "The route template that this plan is for."},
    "identifier": {
        "type": ["string", "null"],
        "description": "The slot that names the record, such as {id}; else null.",
    },
    "needs": {"type": "string", "enum": ["shape", "collections", "values"]},
    "query": {"type": "string", "enum": ["declared", "any"]},
    "code": _CODE,
}

#: The answer, as the strict modes of providers want it: every member required, none other allowed.
ANSWER_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": _PROPERTIES,
    "required": list(_PROPERTIES),
    "additionalProperties": False,
}


#: What an answer may hold besides: members of every plan, of which a model has nothing to say.
_CONSTANT = ("criteria", "payload", "response_hints")


class PlanInvalid(Exception):
    """A model's answer is no plan. `reasons` say what to change, and repeat nothing of the answer."""

    def __init__(self, reasons: tuple[str, ...]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


def decode(text: str, segments: Sequence[str], *, wide: bool = False) -> Plan:
    """The plan that a model's answer is, for a request whose path has these decoded segments.

    `wide` says that the model has been shown all collections, and cannot ask for them. The code in it is not
    checked yet. Raises PlanInvalid, and nothing else whatever the text.
    """
    return _Answer(_read(text), wide=wide).plan(tuple(segments))


def _read(text: str) -> dict[str, Any]:
    data = text.encode(errors="surrogatepass")
    if len(data) > MAX_ANSWER_BYTES:
        raise PlanInvalid((f"the answer is over {MAX_ANSWER_BYTES} bytes: write less",))
    try:
        document = strict_json.read(data)
    except InvalidJson as error:
        raise PlanInvalid((f"the answer is not one JSON object: {error.detail}",)) from None
    if not isinstance(document, dict):
        raise PlanInvalid(("the answer must be one JSON object",))
    if _is_deeper(document, MAX_DEPTH):
        raise PlanInvalid((f"the answer is nested more than {MAX_DEPTH} deep",))
    return document


def _is_deeper(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        inner = [each for each in level if isinstance(each, dict | list)]
        level = [each for box in inner for each in (box.values() if isinstance(box, dict) else box)]
    return any(isinstance(each, dict | list) for each in level)


class _Answer:
    """Reads the members one by one and gathers every fault, so that one repair can mend them all."""

    def __init__(self, document: dict[str, Any], *, wide: bool) -> None:
        self._document = document
        self._wide = wide
        self._reasons: list[str] = []

    def plan(self, segments: tuple[str, ...]) -> Plan:
        if not self._document.keys() <= {*_PROPERTIES, *_CONSTANT}:
            self._fault(f"there are members that no plan has; a plan has {', '.join(_PROPERTIES)}")
        route = self._route(segments)
        needs = self._needs()
        plan = Plan(
            action=self._action(),
            resource=self._resource(),
            route=route.text,
            identifier=self._identifier(route),
            response_hints=self._object("response_hints"),
            needs=needs,
            query=self._query(),
            code=_NO_PLAN if needs == "collections" else self._code(),
        )
        for name in ("criteria", "payload"):
            self._object(name)
        if self._reasons:
            raise PlanInvalid(tuple(self._reasons))
        return plan

    def _fault(self, reason: str) -> None:
        self._reasons.append(reason)

    def _action(self) -> str:
        action = self._document.get("action")
        if isinstance(action, str) and 0 < len(action) <= _MAX_ACTION_CHARS and action.isprintable():
            return action
        self._fault(f"`action` must be a text of 1 to {_MAX_ACTION_CHARS} printable characters")
        return ""

    def _resource(self) -> str:
        resource = self._document.get("resource")
        if isinstance(resource, str) and is_collection_name(resource):
            return resource
        self._fault(
            "`resource` must be a collection's name: a letter, then at most 63 letters, digits, _ or -"
        )
        return ""

    def _route(self, segments: tuple[str, ...]) -> RouteTemplate:
        own = RouteTemplate.parse(template_text(segments))
        text = self._document.get("route", own.text)
        if not isinstance(text, str):
            self._fault("`route` must be a text such as /members/{id:int}")
            return own
        try:
            route = RouteTemplate.parse(text)
        except RouteError as error:
            self._fault(f"`route`: {error}")
            return own
        if route.match(segments) is None or _names_values(route, own):
            self._fault(
                "`route` does not match the request's path: copy the request's route; only a word in it,"
                " or a slot of kind text, may become a slot of kind slug"
            )
            return own
        if _swallows_collections(route, segments):
            self._fault("`route`: the name of the collection, first in the path, can't be a slug")
        return route

    def _identifier(self, route: RouteTemplate) -> str | None:
        identifier = self._document.get("identifier")
        if identifier is None:
            return None
        fits = isinstance(identifier, str) and len(identifier) <= _MAX_IDENTIFIER_CHARS
        if not fits or not identifier.isprintable():
            self._fault(
                f'`identifier` must be null or at most {_MAX_IDENTIFIER_CHARS} characters, such as "{{id}}"'
            )
            return None
        if not set(_SLOT_USE.findall(identifier)) <= set(route.slots):
            self._fault("`identifier` names a slot that `route` has not: use one of its slots, or null")
        return str(identifier)

    def _object(self, name: str) -> dict[str, Any]:
        value = self._document.get(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self._fault(f"`{name}` must be {{}}")
            return {}
        if len(repr(value)) > MAX_HINTS_CHARS:
            self._fault(f"`{name}` is too long: it should be {{}}")
        return value

    def _needs(self) -> Needs:
        match self._document.get("needs", "shape"):
            case "shape":
                return "shape"
            case "values":
                return "values"
            case "collections" if not self._wide:
                return "collections"
            case "collections":
                self._fault('`needs` can\'t be "collections": all that there are have been shown')
            case _:
                words = '"shape" or "values"' if self._wide else '"shape", "collections" or "values"'
                self._fault(f"`needs` must be {words}")
        return "shape"

    def _query(self) -> Literal["declared", "any"]:
        query = self._document.get("query", "declared")
        if query not in ("declared", "any"):
            self._fault('`query` must be "declared" or "any"')
        return "any" if query == "any" else "declared"

    def _code(self) -> SourceCode:
        code = self._document.get("code")
        if not isinstance(code, dict) or not code.keys() <= {"language", "block"}:
            self._fault('`code` must be {"block": "..."}')
            return SourceCode("")
        if code.get("language", "python") != "python":
            self._fault('`code.language` must be "python"')
        block = code.get("block")
        if not isinstance(block, str) or not block.strip():
            self._fault("`code.block` must be the text of a Python program that assigns REPLY")
            return SourceCode("")
        if len(block.encode(errors="surrogatepass")) > MAX_SOURCE_BYTES:
            self._fault(f"`code.block` is over {MAX_SOURCE_BYTES} bytes: write less")
        return SourceCode(block)


def _swallows_collections(route: RouteTemplate, segments: tuple[str, ...]) -> bool:
    prefix, rest = split_prefix(segments)
    first = route.parts[: len(prefix) + 1] if rest else route.parts
    return any(isinstance(part, Slot) and part.kind == "slug" for part in first)


def _names_values(route: RouteTemplate, own: RouteTemplate) -> bool:
    """Whether it has a word where the request's own template has a slot."""
    return any(
        isinstance(mine, Slot) and not isinstance(part, Slot)
        for part, mine in zip(route.parts, own.parts, strict=True)
    )
