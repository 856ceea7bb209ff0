"""APIs in the manner of Stripe's: forms with brackets, `expand`, `has_more`, errors with a type and a code.

Source: docs.stripe.com/api, "Errors", "Expanding responses", "Metadata", "Pagination"; and stripe 16.1.
What its lists and forms look like is read from the document, as everywhere (`server.contracts.envelopes`,
`server.contracts.forms`). A property may be expanded if its schema is a text or a resource.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from server.contracts.profiles.frame.table import Link, Linked, Marks, Profile
from server.contracts.shapes import plain
from server.values.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from server.contracts.model import Resource
    from server.contracts.profiles.frame.table import Failure, Reading
    from server.contracts.views import View, Views

#: As Stripe has it: "Expansions have a maximum depth of four levels."
_MOST_STEPS: Final = 4
_MOST_PATHS: Final = 20
_CODES: Final = {
    "required": "parameter_missing",
    "additionalProperties": "parameter_unknown",
    "type": "parameter_invalid_integer",
}
_MISSING: Final = re.compile(r"the property '([^']{1,64})' is missing")
_INVALID: Final = "invalid_request_error"


def read(reading: Reading) -> dict[str, Any]:
    """Raises BadRequest for what cannot be expanded."""
    paths = []
    for text in reading.texts("expand")[:_MOST_PATHS]:
        steps = text.split(".")
        own = steps[1:] if steps[0] == "data" and len(steps) > 1 else steps
        collection = reading.resource.name
        for step in own[:_MOST_STEPS]:
            link = reading.linked.of(collection).get(step)
            if link is None:
                raise BadRequest(
                    f"This property cannot be expanded ({text[:64]}).",
                    errors=[
                        {"in": "query", "name": "expand", "keyword": "expand", "detail": "no such property"}
                    ],
                )
            collection = link.collection
        paths.append(own[:_MOST_STEPS])
    return {"paths": paths}


def links(views: Views, resources: tuple[Resource, ...]) -> Linked:
    """Properties that are a text or a resource."""
    by_name = {name: each for each in resources if not each.single for name in _names(each)}
    return Linked({each.name: dict(_links(views, each, by_name)) for each in resources})


def _names(resource: Resource) -> set[str]:
    """Of the schemas that its records have."""
    replies = (role.reply for role in resource.roles if role.reply.kind not in ("none", "scalar"))
    return {resource.item.name, *(each.item.name for each in replies)} - {""}


def _links(views: Views, resource: Resource, by_name: Mapping[str, Resource]) -> Iterator[tuple[str, Link]]:
    for name, node in resource.fields.items():
        forms = _forms(views, node)
        if any(each.kind == "string" for each in forms):
            target = next((by_name[each.name] for each in forms if each.name in by_name), None)
            if target is not None:
                yield name, Link(target.name)


def _forms(views: Views, node: Any) -> list[View]:
    forms = node.get("anyOf") or node.get("oneOf") if isinstance(node, dict) else None
    return [views.of(each) for each in forms] if isinstance(forms, list) else []


#: The records that texts stand for, in their place; what is not there stays the text.
_EXPAND: Final = """\
items = [dict(each) for each in items]
for steps in asked["beside"]["paths"]:
    spots = [(plan["resource"], each) for each in items]
    for step in steps:
        below = []
        for name, spot in spots:
            link = hints["links"].get(name, {}).get(step)
            value = spot.get(step)
            if link is not None and isinstance(value, str) and link[0] in session_store:
                rec = session_store[link[0]].get(value)
                if rec is not None:
                    value = {key: each for key, each in rec.items() if key != "@"}
                    for path in hints["hidden"].get(link[0], []):
                        hole = value
                        for part in path[:-1]:
                            hole = hole.get(part) if isinstance(hole, dict) else None
                        if isinstance(hole, dict):
                            hole.pop(path[-1], None)
                    spot[step] = value
            if link is not None and isinstance(value, dict):
                below.append((link[0], value))
        spots = below
"""


def said(failure: Failure) -> Mapping[str, Any]:
    """By "Errors": `type`, `code`, `message`, and the parameter that is wrong."""
    found: dict[str, Any] = {"type": _INVALID, "message": failure.detail}
    if failure.status >= 500:
        found["type"] = "api_error"
    elif failure.kind == "idempotency-key-reused":
        found["type"] = "idempotency_error"
    if failure.status == 404:
        found |= {"code": "resource_missing", "param": "id"}
    elif failure.problem.get("status") == 409:
        found["code"] = "resource_already_exists"
    elif failure.status == 429:
        found["code"] = "rate_limit"
    for fault in failure.faults[:1]:
        found["code"] = _CODES.get(str(fault.get("keyword")), "parameter_invalid")
        param = _param(fault)
        if param:
            found["param"] = param
    return found


def _param(fault: Mapping[str, Any]) -> str:
    """`/items/0/price` is `items[0][price]`."""
    steps = [each for each in str(fault.get("pointer", "")).split("/") if each]
    missing = _MISSING.search(str(fault.get("detail", "")))
    if missing is not None:
        steps.append(missing[1])
    if fault.get("name"):
        steps = [str(fault["name"]), *steps]
    return steps[0] + "".join(f"[{each}]" for each in steps[1:]) if steps else ""


def error(failure: Failure) -> tuple[Any, str]:
    return {"error": dict(said(failure))}, "application/json"


PROFILE = Profile(
    name="stripe-like",
    tool="Stripe's API",
    marks=Marks(lists=(frozenset({"object", "data", "hasmore"}),)),
    words={plain("expand"): "expand"},
    read=read,
    links=links,
    pieces={
        "finish-one": f"items = [item]\n{_EXPAND}item = items[0]\n",
        "finish-many": _EXPAND,
    },
    said=said,
    error=error,
    failures={409: 400, 422: 400},
    bare_addresses=True,
    blanks=True,
    tombs=True,
)
