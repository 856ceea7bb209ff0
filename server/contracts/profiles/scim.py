"""SCIM 2.0: filters, patches, `attributes`, versions, unique user names, errors.

Bodies may come as `application/json` (RFC 7644 §3.1).

Source: RFC 7643 and RFC 7644, whose sections are named where they count; and scim2-client 0.13 on PyPI, which
takes a 201 for a create and a 204 for a delete alone, and URNs in their very case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from server.contracts.profiles.frame.table import Marks, Profile
from server.contracts.profiles.scim_parts import filters, patches
from server.contracts.shapes import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.contracts.profiles.frame.table import Failure, Reading

MEDIA_TYPE: Final = "application/scim+json"
_ERROR: Final = "urn:ietf:params:scim:api:messages:2.0:Error"
#: Attributes that are always there (RFC 7643 §7, `returned`).
_ALWAYS: Final = ("id", "schemas")
_MOST: Final = 100


def read(reading: Reading) -> dict[str, Any]:
    """`attributes` and `excludedAttributes` (RFC 7644 §3.9), as paths."""
    return {
        "only": [_path(each, reading) for text in reading.texts("only") for each in text.split(",")][:_MOST],
        "but": [_path(each, reading) for text in reading.texts("but") for each in text.split(",")][:_MOST],
    }


def _path(text: str, reading: Reading) -> list[str]:
    name = text.strip()
    if name.lower().startswith("urn:"):
        name = name.rpartition(":")[2]
    found = reading.found(name)
    path = list(found[0]) if found is not None else name.split(".")
    return path[1:] if path[:1] == ["@"] else path


#: `only` of a record's attributes, or all `but` some.
_CHOSEN: Final = """\
chosen = []
for each in items:
    if asked["beside"]["only"]:
        kept = {name: each[name] for name in ("id", "schemas") if name in each}
        for path in asked["beside"]["only"]:
            if path[0] in each and len(path) == 1:
                kept[path[0]] = each[path[0]]
            elif isinstance(each.get(path[0]), dict) and path[1] in each[path[0]]:
                kept[path[0]] = {**kept.get(path[0], {}), path[1]: each[path[0]][path[1]]}
            elif isinstance(each.get(path[0]), list):
                kept[path[0]] = [
                    {key: value for key, value in one.items() if key == path[1]}
                    for one in each[path[0]]
                    if isinstance(one, dict)
                ]
        each = kept
    for path in asked["beside"]["but"]:
        if len(path) == 1 and path[0] not in ("id", "schemas"):
            each = {key: value for key, value in each.items() if key != path[0]}
        elif len(path) > 1 and isinstance(each.get(path[0]), dict):
            inner = {key: value for key, value in each[path[0]].items() if key != path[1]}
            each = {**each, path[0]: inner}
    chosen.append(each)
items = chosen
"""


def said(failure: Failure) -> Mapping[str, Any]:
    """RFC 7644 §3.12: the status is a text."""
    found: dict[str, Any] = {"schemas": [_ERROR], "status": str(failure.status), "detail": failure.detail}
    kind = _scim_type(failure)
    return {**found, plain("scimType"): kind} if kind else found


def _scim_type(failure: Failure) -> str:
    keyword = str(failure.faults[0].get("keyword")) if failure.faults else ""
    if keyword in ("invalidFilter", "invalidPath"):
        return keyword
    if failure.status == 409:
        return "uniqueness"
    if failure.detail.startswith("noTarget"):
        return "noTarget"
    if failure.status in (400, 422):
        return "invalidSyntax" if keyword in ("required", "type", "") else "invalidValue"
    return ""


def error(failure: Failure) -> tuple[Any, str]:
    body = dict(said(failure))
    kind = body.pop(plain("scimType"), None)
    return ({**body, "scimType": kind} if kind else body), MEDIA_TYPE


PROFILE = Profile(
    name="scim",
    tool="SCIM 2.0",
    marks=Marks(
        types=(MEDIA_TYPE,),
        lists=(frozenset({"resources", "totalresults"}),),
    ),
    words={
        "filter": "filter",
        "attributes": "only",
        "excludedattributes": "but",
    },
    read=read,
    filter=filters.read,
    patch=patches.read,
    pieces={
        "finish-one": f"items = [item]\n{_CHOSEN}item = items[0]\n",
        "finish-many": _CHOSEN,
        "patched": patches.PATCHED,
    },
    said=said,
    error=error,
    fresh={
        ("meta", "resourcetype"): ("called", None),
        ("meta", "created"): ("now", None),
        ("meta", "lastmodified"): ("now", None),
        ("meta", "location"): ("link", None),
        ("meta", "version"): ("version", None),
    },
    unique=frozenset({"username"}),
    statuses={"POST": 201, "DELETE": 204},
    failures={422: 400},
    facts={"itemsperpage": "count"},
    alike={"application/json": MEDIA_TYPE},
    version=("meta", "version"),
    bulk="bulk",
)
