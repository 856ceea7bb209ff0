"""JSON:API 1.1: its documents, query words, relationships and errors.

Source: jsonapi.org/format/1.1, whose sections the modules of `json_api_parts` name; and kitsu 11.1.0 on npm,
whose types are in camelCase where its paths are in kebab-case. A collection is a type. What a record has
but its id are attributes, and relationships are:

1. a field that points at another collection's records (`author_id`): `author`, to one;
2. what points at the record from another collection: `comments`, to many;
3. a list of ids that is called so (`tag_ids`): `tags`, to many;
4. identifiers that are stored as they were sent: `{"type": "people", "id": "9"}`, and lists of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server.planning.dialects.frame.table import RECORD, Dialect, ErrorForm, Marks, Place, Sample
from server.planning.dialects.json_api_parts.asking import MEDIA_TYPE, params, read
from server.planning.dialects.json_api_parts.programs import CODE

if TYPE_CHECKING:
    from server.planning.dialects.frame.table import Problem

_ITEM = "/{resource}/{id}"
_RELATIONSHIP = {"GET": "linkage", "PATCH": "relate", "POST": "relate", "DELETE": "relate"}


def error(problem: Problem) -> ErrorForm:
    """Section "Error Objects". `source` says where in the request it is."""
    document = problem.document
    whole = {
        "status": str(problem.status),
        "code": _code(str(document.get("type", ""))),
        "title": document.get("title"),
        "detail": problem.detail,
        "source": document.get("source"),
    }
    parts = [
        {"detail": each.get("detail"), "source": {"pointer": f"/data/attributes{each['pointer']}"}}
        for each in document.get("errors", [])
        if isinstance(each, dict) and each.get("pointer")
    ]
    errors = [_present({**whole, **part}) for part in parts or [{}]]
    return ErrorForm(problem.status, {"jsonapi": {"version": "1.1"}, "errors": errors}, MEDIA_TYPE)


def _code(problem_type: str) -> str:
    """The end of a problem's address; empty for `about:blank`, which says no more than the status."""
    return problem_type.rpartition("/")[2] if "/" in problem_type else ""


def _present(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value}


_LIST_WORDS = {
    "include": "Relationships to come with it, separated by commas; a dot goes one step further.",
    "sort": "Attributes, separated by commas; `-` before one: descending.",
    "page[number]": "Which page, from 1.",
    "page[size]": "How many a page has: 20, at most 1000.",
    "page[offset]": "Leave out so many at the beginning.",
    "page[limit]": "At most so many, beside `page[offset]`.",
}

DIALECT = Dialect(
    name="json-api",
    tool="JSON:API 1.1",
    places=(
        Place("/{resource}", {"GET": "list", "POST": "create"}),
        Place(_ITEM, {"GET": "get", "PATCH": "update", "DELETE": "delete"}),
        Place(f"{_ITEM}/relationships/{{relation}}", _RELATIONSHIP),
        Place(f"{_ITEM}/{{relation}}", {"GET": "related"}),
    ),
    code=CODE,
    read=read,
    error=error,
    marks=Marks(
        rank=1,
        types=(MEDIA_TYPE,),
        beginnings=("filter[", "page[", "fields["),
        hints={"include": "[a-z]"},
    ),
    headers=frozenset({"accept", "content-type"}),
    media_type=MEDIA_TYPE,
    params=params,
    query={
        "list": _LIST_WORDS,
        "get": {"include": _LIST_WORDS["include"]},
        "related": {"include": _LIST_WORDS["include"]},
        "create": {"include": _LIST_WORDS["include"]},
        "update": {"include": _LIST_WORDS["include"]},
    },
    samples=(
        Sample("POST", "/{resource}", {"data": {"type": "{resource}", "attributes": RECORD}}),
        Sample("GET", "/{resource}?page[size]=1&sort=-id"),
        Sample("GET", "/{resource}/1"),
        Sample("PATCH", "/{resource}/1", {"data": {"type": "{resource}", "id": "1", "attributes": RECORD}}),
        Sample("DELETE", "/{resource}/1"),
        Sample("GET", "/{resource}/1"),
        Sample("POST", "/{resource}", {"data": []}),
    ),
    filters="`filter[name]=value` filters, `filter[name][gte]=1` otherwise; `fields[TYPE]=a,b` picks.",
)
