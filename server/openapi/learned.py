"""Operations of learned routes: what their templates and the statuses in their code say, and no more.

A plan may answer any JSON, so there is no schema of it. Which statuses it answers with is read from its code,
where they are nearly always literals; `default` covers those that are not.
"""

from __future__ import annotations

import ast
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from server.openapi import parameters, replies
from server.openapi.operation import Operation, schema_ref
from server.openapi.schemas import example_of
from server.planning.kinds.route import MAX_INT, Slot, SlotKind
from server.planning.kinds.shape import JsonType
from server.values.replies import phrase

if TYPE_CHECKING:
    from server.openapi.operation import Json
    from server.openapi.schemas import Types
    from server.planning.kinds.route_table import LearnedRoute
    from server.values.model import ContentKind

_SLOTS: dict[SlotKind, Json] = {
    "int": {"type": "integer", "minimum": 0, "maximum": MAX_INT},
    "uuid": {"type": "string", "format": "uuid"},
    "text": {"type": "string", "minLength": 1},
    "slug": {"type": "string", "minLength": 1},
}
MEDIA_TYPES: dict[ContentKind, str] = {
    "json": "application/json",
    "merge-patch": "application/merge-patch+json",
    "json-patch": "application/json-patch+json",
    "form": "application/x-www-form-urlencoded",
}
_BODILESS = frozenset({"204", "205", "304"})


def operation(route: LearnedRoute, types: Types = "enforced") -> Operation:
    """The operation of one route; several routes may share one, see `Operation.merged`."""
    plan = route.runnable.plan
    parts = route.template.parts
    return Operation(
        method=route.method.lower(),
        parts=parts,
        words=(route.method.lower(), *(part if isinstance(part, str) else part.name for part in parts)),
        summary=f"{plan.action} {plan.resource}",
        description=_description(route),
        tag=plan.resource,
        slots=tuple(_SLOTS[part.kind] for part in parts if isinstance(part, Slot)),
        query={key: {"description": "A filter or an option of the plan."} for key in route.query or ()},
        headers=parameters.headers_of(route.method.lower(), types),
        content=_content(route),
        has_body=route.content != "none",
        responses=_responses(route.method, route.runnable.code.text),
    )


def _description(route: LearnedRoute) -> str:
    texts = [f"A learned route, plan `{route.runnable.id}`. What it replies is its plan's choice."]
    if route.query is None:
        texts.append("It reads whatever query there is.")
    return " ".join(texts)


def _content(route: LearnedRoute) -> dict[str, Json]:
    media_type = MEDIA_TYPES.get(route.content)
    return {} if media_type is None else {media_type: {"schema": {}, "example": _example(route.body_shape)}}


def _example(body_shape: str) -> Any:
    return example_of(JsonType.from_json(orjson.loads(body_shape)))


def _responses(method: str, code: str) -> dict[str, Json]:
    """What the code answers, and what the service makes of it whatever the code is (docs/http.md)."""
    answers = {status: _reply(status) for status in statuses_in(code)}
    if method == "GET":
        answers["304"] = replies.refer_to("NotModified")
        if "200" in answers:
            answers["200"] |= {"headers": replies.headers(ETag="ETag")}
    else:
        if method != "POST":
            answers["412"] = replies.refer("412")
        if "200" in answers:
            answers.setdefault("204", replies.refer_to("Done"))  # Prefer: return=minimal
    return {**answers, "default": {"description": "Any other reply.", "content": _JSON | _PROBLEM}}


def _reply(status: str) -> Json:
    described: Json = {"description": phrase(int(status))}
    if status in _BODILESS:
        return described
    return {**described, "content": _JSON if status < "400" else _JSON | _PROBLEM}


_JSON: Json = {"application/json": {}}
_PROBLEM: Json = {replies.PROBLEM_JSON: {"schema": schema_ref("Problem")}}


@lru_cache(maxsize=1_024)
def statuses_in(code: str) -> tuple[str, ...]:
    """Literal statuses that a plan's code gives to `make_response` and `abort`, sorted."""
    calls = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call))
    found = {_literal_status(call) for call in calls}
    return tuple(sorted(str(status) for status in found if status is not None))


def _literal_status(call: ast.Call) -> int | None:
    if not isinstance(call.func, ast.Name) or call.func.id not in {"make_response", "abort"}:
        return None
    if not call.args and not call.keywords:
        return 200  # `make_response()`
    named = [keyword.value for keyword in call.keywords if keyword.arg == "status"]
    first = (call.args + named)[:1]
    value = first[0].value if first and isinstance(first[0], ast.Constant) else None
    return value if type(value) is int and 200 <= value <= 599 else None
