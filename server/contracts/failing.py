"""An error in the form that the document gives errors: its status, its schema, its media type.

1. The status is the error's own if the operation declares it, alone or in a range. For a request that is not
   valid it is else 422 or 400, whichever is declared, else what the document's profile has; for all others it
   is the error's own.
2. What the document's profile says of an error stands where the document has a place for it.
3. The body is of the schema that is declared for the status, else of `default`, else of the document's
   commonest error schema. What has the name of a message says what was wrong, what has that of a status says
   the status.
4. Where `default` is the only reply beside 200, and has to say ``ok: false``, errors come with 200: so this
   API tells them.
5. Where a document gives errors no schema at all, they are as its profile has them, else problem documents
   (RFC 9457), as everywhere.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import orjson
from attrs import evolve, field, frozen

from server.contracts.profiles.frame.table import NONE, Failure
from server.contracts.shapes import json_content, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.contracts.document import Document, Operation
    from server.contracts.examples import Examples
    from server.contracts.profiles.frame.table import Profile
    from server.contracts.views import View, Views
    from server.values.model import Reply

_PROBLEM: Final = "application/problem+json"
_INVALID: Final = (422, 400)
_MESSAGES: Final = frozenset(
    [
        "message",
        "detail",
        "error",
        "title",
        "description",
        "reason",
        "errordescription",
        "msg",
        "errormessage",
        "diagnostics",
        "text",
        "details",
        "developermessage",
        "usermessage",
        "summary",
        "cause",
        "errormsg",
    ]
)
_STATUSES: Final = frozenset(
    ["status", "statuscode", "code", "httpstatus", "httpcode", "errorcode", "httpstatuscode"]
)
_CODES: Final = frozenset(
    ["code", "type", "errorcode", "errortype", "error", "status", "name", "key", "reason"]
)
_MAX_DEPTH: Final = 6
#: Parts of an error's name, best first, by its status.
_LIKE: Final = {
    400: ("invalid", "formaterror", "bad"), 401: ("notauth", "unauth", "auth"),
    403: ("forbidden", "denied", "permission"), 429: ("rate", "limit"),
    404: ("notfound", "unknown", "missing"), 409: ("taken", "exists", "conflict", "duplicate"),
    412: ("precondition", "version"), 422: ("invalid", "formaterror", "unprocessable"),
}  # fmt: skip
_MISSING: Final = re.compile(r"the property '([^']{1,64})' is missing")
#: What `fail` says of a field (guest/pages.py).
_NAMED: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]{0,63}): (.+)", re.DOTALL)


@frozen(eq=False)
class Failing:
    """The errors of one document."""

    document: Document
    views: Views
    examples: Examples
    profile: Profile = NONE
    _made: dict[tuple[str, int], tuple[str, View] | None] = field(factory=dict)

    def reply(self, reply: Reply, operation: Operation | None, path: str) -> Reply:
        """A problem document in the operation's form; any other reply as it is."""
        if reply.media_type != _PROBLEM or reply.body is None:
            return reply
        problem = orjson.loads(reply.body)
        status = self.status(reply.status, operation)
        if operation is not None and 400 <= status < 500 and self._is_in_band(operation):
            found = self._schema(status, operation)
            assert found is not None  # noqa: S101 - it was looked at
            body = self._value(found[1], "", {**problem, "status": status, "path": path, "said": {}}, 0)
            return evolve(reply, status=200, body=orjson.dumps(body), media_type=found[0])
        found = self._schema(status, operation)
        if found is None and self.profile.error is not None:
            body, media_type = self.profile.error(Failure(status, problem))
            return evolve(reply, status=status, body=orjson.dumps(body), media_type=media_type)
        if found is None:
            return reply if status == reply.status else evolve(reply, status=status)
        media_type, view = found
        said = self.profile.said(Failure(status, problem))
        body = self._value(view, "", {**problem, "status": status, "path": path, "said": said}, 0)
        return evolve(reply, status=status, body=orjson.dumps(body), media_type=media_type)

    def _is_in_band(self, operation: Operation) -> bool:
        """Whether its errors are told by a word of the body alone (rule 4)."""
        if any(each[0] in "45" for each in operation.replies) or "200" not in operation.replies:
            return False
        found = self._schema(400, operation) if operation.replies.get("default") else None
        if found is None:
            return False
        for name, node in found[1].properties.items():
            said = self.views.of(node).said
            if plain(name) in ("ok", "success") and (
                said.get("const") is False or said.get("enum") == [False]
            ):
                return True
        return False

    def status(self, status: int, operation: Operation | None) -> int:
        if operation is None or operation.declares(status):
            return status
        alike = _INVALID if status in _INVALID else ()
        declared = next((each for each in alike if str(each) in operation.replies), None)
        return declared or self.profile.failures.get(status, status)

    def schema_of(self, status: int, operation: Operation | None) -> tuple[str, str] | None:
        """The media type and the schema's pointer of an error; None: the document has none."""
        content = operation.reply_for(status) if operation is not None else None
        found = json_content(content) if content else None
        return found if found is not None and found[1] else self._common

    def _schema(self, status: int, operation: Operation | None) -> tuple[str, View] | None:
        key = ("" if operation is None else operation.id, status)
        if key not in self._made:
            content = operation.reply_for(status) if operation is not None else None
            found = json_content(content) if content else None
            if found is None or not found[1]:
                found = self._common
            self._made[key] = None if found is None else (found[0], self.views.at(found[1]))
        return self._made[key]

    @cached_property
    def _common(self) -> tuple[str, str] | None:
        """Of all errors that the document declares, the commonest form."""
        counted: Counter[str] = Counter()
        first: dict[str, tuple[str, str]] = {}
        for operation in self.document.operations:
            for status, content in operation.replies.items():
                found = json_content(content) if content else None
                if status[0] in "45" and found is not None and found[1]:
                    name = self.views.at(found[1]).name or found[1]
                    counted[name] += 1
                    first.setdefault(name, found)
        return first[counted.most_common(1)[0][0]] if counted else None

    def _value(self, view: View, name: str, problem: Mapping[str, Any], depth: int) -> Any:
        own = self._said(view, plain(name), problem)
        if own is not None:
            return own
        if view.is_object and view.properties and depth < _MAX_DEPTH:
            body = {}
            for each, node in view.properties.items():
                inner = self.views.of(node)
                if inner.said.get("writeOnly") is True:
                    continue
                value = self._value(inner, each, problem, depth + 1)
                if value is None and each in view.required and not inner.nullable:
                    value = self.examples.for_node(node)
                if value is not None or (each in view.required):
                    body[each] = value
            return body or ({} if depth == 0 else None)
        if view.is_object and view.open and not view.properties and depth:
            return self._by_field(view, problem)
        if view.kind == "array" and view.items is not None and depth < _MAX_DEPTH:
            element = self._value(self.views.of(view.items), name, problem, depth + 1)
            return None if element is None else [element]
        if view.is_object and depth == 0:
            return dict(problem)
        return None

    def _by_field(self, view: View, problem: Mapping[str, Any]) -> Any:
        """What is wrong by field, each a list of texts: `{"email": ["is taken"]}`; None: no such map."""
        values = self.views.of(view.others)
        if values.kind != "array" or self.views.of(values.items).kind not in ("string", ""):
            return None
        found: dict[str, list[str]] = {}
        for fault in problem.get("errors", []):
            if isinstance(fault, dict) and problem["status"] < 500:
                missing = _MISSING.search(str(fault.get("detail")))
                name = missing[1] if missing else str(fault.get("pointer", "")).rpartition("/")[2]
                text = "can't be blank" if missing else str(fault.get("detail"))
                found.setdefault(name or str(fault.get("name") or "body"), []).append(text)
        named = _NAMED.fullmatch(str(problem.get("detail", "")))
        if not found:
            found = {named[1]: [named[2]]} if named else {"body": [str(problem.get("detail", ""))]}
        return found

    @staticmethod
    def _said(view: View, name: str, problem: Mapping[str, Any]) -> Any:  # noqa: C901, PLR0912 - a table
        for word in ("const", "default"):
            if word in view.said:
                return view.said[word]
        choices = view.said.get("enum")
        own = problem["said"].get(name)
        if own is not None and _may_be(view, own):
            return own
        if isinstance(choices, list) and choices:
            slug = plain(str(problem.get("type", "")).rpartition("/")[2])
            wanted = (slug, str(problem["status"]), plain(str(problem.get("title", ""))))
            like = _LIKE.get(problem["status"], ()) if name in _CODES else ()
            otherwise = None if problem["said"] else _example(view, choices[0])
            return next(
                (each for each in choices if plain(str(each)) in wanted),
                next((each for word in like for each in choices if word in plain(str(each))), otherwise),
            )
        if view.kind in ("integer", "number"):
            return problem["status"] if name in _STATUSES else None
        if view.kind == "boolean":
            return name not in ("ok", "success") if name in ("ok", "success", "error", "iserror") else None
        if view.kind != "string" and view.kind:
            return None
        if "pattern" in view.said:
            return _example(view, None)
        form = str(view.said.get("format", ""))
        if form in ("date-time", "datetime") or name == "timestamp":
            return None
        if name in ("requestid", "traceid", "correlationid", "requestuuid") and form != "uuid":
            return problem.get("request_id")
        if name in ("path", "instance"):
            return problem["path"]
        if name == "status" or name in ("statuscode", "httpstatus"):
            return str(problem["status"])
        if name in _CODES and name not in ("error", "reason"):
            return re.sub(r"[^a-z]+", "_", str(problem.get("title", "error")).lower()).strip("_")
        if name in _MESSAGES or (not name and view.kind == "string"):
            return problem.get("detail")
        return None


def _may_be(view: View, value: Any) -> bool:
    """Whether the schema has a place for it."""
    choices = view.said.get("enum")
    if isinstance(choices, list) and choices:
        return value in choices
    kinds = {"string": str, "integer": int, "number": int, "boolean": bool, "array": list, "object": dict}
    return isinstance(value, kinds.get(view.kind, object))


def _example(view: View, otherwise: Any) -> Any:
    return view.said.get("example", otherwise)
