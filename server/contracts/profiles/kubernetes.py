"""Kubernetes: `metadata` that the server fills in, label and field selectors, `Status` for errors.

Source: the API conventions of the project (sig-architecture, api-conventions.md), and kubernetes 37 on PyPI,
whose lists refuse `items: null`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from server.contracts.profiles.frame.table import Marks, Profile
from server.values.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.contracts.profiles.frame.table import Criteria, Failure, Reading

_REASONS: Final = {
    400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 405: "MethodNotAllowed",
    406: "NotAcceptable", 409: "AlreadyExists", 415: "UnsupportedMediaType", 422: "Invalid",
    429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable", 504: "Timeout",
}  # fmt: skip
_SET: Final = re.compile(r"\s*([A-Za-z0-9][\w./-]*)\s+(in|notin)\s+\(([^()]*)\)\s*", re.ASCII)
_ONE: Final = re.compile(r"(!?)([A-Za-z0-9][\w./-]*+)(?:\s*+(==|=|!=)\s*+([\w./:-]*+))?", re.ASCII)
_MOST: Final = 32


def _parts(text: str) -> list[str]:
    """What stands between commas, but for those in parentheses."""
    parts, start, inside = [], 0, False
    for place, letter in enumerate(text):
        if letter in "()":
            inside = letter == "("
        elif letter == "," and not inside:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]


def selector(text: str, reading: Reading) -> Criteria:
    """A field selector: `metadata.name=a,status.phase!=Running`. Raises BadRequest."""
    parts: list[Criteria] = []
    for each in _parts(text)[:_MOST]:
        found = _ONE.fullmatch(each.strip())
        if found is None or not found[3] or found[1]:
            raise BadRequest(f"fieldSelector: {each[:64]!r} is no comparison.")
        path = reading.found(found[2])
        if path is None:
            raise BadRequest(f"fieldSelector: there is no field {found[2][:64]!r}.")
        parts.append({".".join(path[0]) + ("__ne" if found[3] == "!=" else ""): found[4]})
    return {"$and": parts}


def read(reading: Reading) -> dict[str, Any]:
    """A label selector, as tests: the label, how it is compared, values. Raises BadRequest."""
    text = reading.text("labels")
    tests = []
    for each in _parts(text)[:_MOST] if text else []:
        many, one = _SET.fullmatch(each), _ONE.fullmatch(each.strip())
        if many is not None:
            values = [value.strip() for value in many[3].split(",")]
            tests.append([many[1], many[2], values])
        elif one is not None and one[3] and not one[1]:
            tests.append([one[2], "notin" if one[3] == "!=" else "in", [one[4]]])
        elif one is not None and not one[3]:
            tests.append([one[2], "absent" if one[1] else "there", []])
        else:
            raise BadRequest(f"labelSelector: {each[:64]!r} is no requirement.")
    return {"labels": tests}


#: Labels have dots and slashes, which no path of the store has: so they are looked at here.
_LABELLED: Final = """\
chosen = []
for each in items:
    labels = (each.get("metadata") or {}).get("labels") or {}
    fits = True
    for name, how, values in asked["beside"]["labels"]:
        if how == "in":
            fits = fits and labels.get(name) in values
        elif how == "notin":
            fits = fits and labels.get(name) not in values
        else:
            fits = fits and (name in labels) == (how == "there")
    if fits:
        chosen.append(each)
items = chosen
"""


#: A replacement that says which version it was made from is for that one alone.
_MATCHED: Final = """\
if isinstance(asked.get("record"), dict):
    sent = asked["record"].get("metadata")
    version = sent.get("resourceVersion") if isinstance(sent, dict) else None
    if version and version != (item.get("metadata") or {}).get("resourceVersion"):
        abort(409, "Conflict: the object has been modified; please apply your changes to the latest version.")
"""
#: `generateName` in the place of a name.
_NAMED: Final = """\
sent = item.get("metadata")
if asked["key"] is None and isinstance(sent, dict) and isinstance(sent.get("generateName"), str):
    made = f"{slugify(sent['generateName'])}-{uuid4()[:5]}"
    asked = {**asked, "key": made, "address": asked["prefix"] + made}
"""


def said(failure: Failure) -> Mapping[str, Any]:
    """A `Status` that is a failure."""
    return {
        "kind": "Status",
        "apiversion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": failure.detail,
        "reason": "Conflict"
        if failure.detail.startswith("Conflict")
        else _REASONS.get(failure.status, "Unknown"),
        "code": failure.status,
    }


def error(failure: Failure) -> tuple[Any, str]:
    body = dict(said(failure))
    return {"kind": body.pop("kind"), "apiVersion": body.pop("apiversion"), **body}, "application/json"


PROFILE = Profile(
    name="kubernetes",
    tool="the Kubernetes API",
    marks=Marks(items=(frozenset({"apiversion", "kind", "metadata"}),)),
    words={"fieldselector": "filter", "labelselector": "labels"},
    read=read,
    filter=selector,
    pieces={"finish-many": _LABELLED, "matched": _MATCHED, "named": _NAMED},
    said=said,
    error=error,
    fresh={
        ("kind",): ("kind", None),
        ("apiversion",): ("api-version", None),
        ("metadata", "uid"): ("uuid", None),
        ("metadata", "creationtimestamp"): ("second", None),
        ("metadata", "resourceversion"): ("revision", None),
    },
    facts={"kind": "kind", "apiversion": "api-version"},
    receipt={"kind": "Status", "apiversion": "v1", "metadata": {}, "status": "Success"},
    null_removes=True,
)
