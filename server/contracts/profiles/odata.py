"""OData 4: `$filter`, `$select`, `$count`, `@odata.context`, errors.

`$top`, `$skip` and `$orderby` are words of any style.

Source: OASIS OData 4.01, Part 1 (Protocol) and Part 2 (URL Conventions), and the OData JSON Format. A
description of such an API is mostly made by a tool, from the service's own model: lists have `value`, words
of the query begin with a dollar.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from server.contracts.profiles.frame.table import Marks, Profile
from server.contracts.profiles.odata_parts import filters
from server.values.errors import BadRequest, NotPlannable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.contracts.profiles.frame.table import Failure, Reading

_MOST: Final = 100


def read(reading: Reading) -> dict[str, Any]:
    """`$select`: what a reply shows of a record; what the document requires is there in any case."""
    told: dict[str, Any] = {"counted": _is_counted(reading)}
    if reading.text("search"):
        raise NotPlannable("$search: the service does not search; $filter compares properties.")
    for name in ",".join(reading.texts("expand")).split(","):
        _require_held(name.strip(), reading)
    only = [name.strip() for text in reading.texts("only") for name in text.split(",") if name.strip()][
        :_MOST
    ]
    if not only or "*" in only:
        return {**told, "only": []}
    known = {name.partition("/")[0] for name in only}
    return {**told, "only": sorted(known | reading.resource.item.required)}


def _is_counted(reading: Reading) -> bool:
    """Part 1, section 11.2.6.5: only who asks with `$count=true` is told how many there are."""
    text = reading.text("counted").lower()
    if text not in ("", "true", "false"):
        raise BadRequest("$count: has to be true or false.")
    return text == "true" or not reading.takes("counted") or reading.requires("@odata.count")


def _require_held(name: str, reading: Reading) -> None:
    """What a record holds is shown in any case; what is elsewhere cannot be had with it."""
    if "(" in name or ")" in name or ";" in name:
        raise NotPlannable("$expand: options within it are not known.")
    if name and name != "*" and reading.found(name.replace("/", ".")) is None:
        raise BadRequest(f"$expand: there is no property {name[:40]!r}.")


#: `only` of a record's properties, and what is said of it.
_CHOSEN: Final = """\
if asked["beside"]["only"]:
    chosen = []
    for each in items:
        kept = {name: each[name] for name in each if name in asked["beside"]["only"] or name[:1] == "@"}
        chosen.append(kept)
    items = chosen
"""


_COUNTED: Final = """\
if not asked["beside"]["counted"]:
    body.pop("@odata.count", None)
"""


def said(failure: Failure) -> Mapping[str, Any]:
    """Part 1, section 9.4: `code` is a text for programs, `message` one for people."""
    found: dict[str, Any] = {"code": failure.kind or str(failure.status), "message": failure.detail}
    for fault in failure.faults[:1]:
        found["target"] = fault.get("name") or str(fault.get("pointer", "")).lstrip("/") or None
    return {name: value for name, value in found.items() if value}


def error(failure: Failure) -> tuple[Any, str]:
    return {"error": dict(said(failure))}, "application/json"


PROFILE = Profile(
    name="odata",
    tool="OData 4",
    marks=Marks(
        lists=(
            frozenset({"value", "odatacontext"}),
            frozenset({"value", "odatacount"}),
            frozenset({"value", "odatanextlink"}),
        ),
        words=(frozenset({"$filter", "$top"}), frozenset({"$filter", "$select"})),
    ),
    words={
        "filter": "filter",
        "select": "only",
        "count": "counted",
        "search": "search",
        "expand": "expand",
    },
    read=read,
    filter=filters.read,
    pieces={
        "finish-one": f"items = [item]\n{_CHOSEN}item = items[0]\n",
        "finish-many": _CHOSEN,
        "beside": _COUNTED,
    },
    said=said,
    error=error,
    facts={"odatacontext": "odata-context", "odatacount": "total"},
    statuses={"POST": 201, "PATCH": 204, "DELETE": 204},
    failures={422: 400},
)
