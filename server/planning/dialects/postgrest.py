"""PostgREST 14: its routes, query words, preferences and replies, as postgrest-js 2 speaks them.

Sources: docs.postgrest.org/en/v14, and src/ of @supabase/postgrest-js 2.109.0 on npm. A collection is a
table whose columns are the fields that it has learned, and whose primary key is `id`. A field that points at
another collection's records (`author_id`) is a foreign key. The modules of `postgrest_parts` name each rule's
page.
"""

from __future__ import annotations

from server.planning.dialects.frame.table import RECORD, Dialect, Marks, Place, Sample
from server.planning.dialects.postgrest_parts import csv_text
from server.planning.dialects.postgrest_parts.asking import read
from server.planning.dialects.postgrest_parts.errors import error
from server.planning.dialects.postgrest_parts.programs import CODE

_LIST_WORDS = {
    "select": "Columns, and resources to be embedded.",
    "order": "Columns, each with `.asc`, `.desc`, `.nullsfirst` or `.nullslast`.",
    "limit": "At most so many.",
    "offset": "Leave out so many at the beginning.",
    "or": "Filters in parentheses, of which one is enough.",
    "and": "Filters in parentheses.",
}

DIALECT = Dialect(
    name="postgrest",
    tool="PostgREST 14",
    places=(
        Place(
            "/{resource}",
            {"GET": "list", "POST": "create", "PUT": "put", "PATCH": "patch", "DELETE": "delete"},
        ),
        Place(
            "/rest/v1/{resource}",
            {"GET": "list", "POST": "create", "PUT": "put", "PATCH": "patch", "DELETE": "delete"},
        ),
    ),
    code=CODE,
    read=read,
    error=error,
    marks=Marks(
        rank=2,
        paths=("/rest/v1/",),
        words=frozenset({"select", "on_conflict"}),
        hints={
            r"[\w.>-]+": r"(?:not\.)?(?:n?eq|[gl]te?|i?like|i?match|in|is|isdistinct|cs|cd|ov|[a-z]*fts)[.(]",
            "order": r"[\w.]+\.(?:asc|desc|nulls)",
            r"(?:not\.)?(?:or|and)": r"\([^()=]*\.",
            "columns|missing": "",
        },
        types=("application/vnd.pgrst.object+json", "application/vnd.pgrst.array+json"),
    ),
    headers=frozenset({"range", "range-unit", "prefer", "content-type"}),
    csv=csv_text.write,
    texts=frozenset({csv_text.TYPE}),
    reply_headers=(("Access-Control-Expose-Headers", "Content-Range, Location, Preference-Applied"),),
    clearing={
        "patch-all": "21000: UPDATE requires a WHERE clause",
        "delete-all": "21000: DELETE requires a WHERE clause",
    },
    query={
        "list": _LIST_WORDS,
        "create": {
            "select": _LIST_WORDS["select"],
            "columns": "Columns to be set.",
            "on_conflict": "Columns that tell rows apart.",
        },
        "patch": {"select": _LIST_WORDS["select"]},
        "delete": {"select": _LIST_WORDS["select"]},
    },
    filters="A column's name filters by it: `age=gte.18`.",
    samples=(
        Sample("POST", "/{resource}", RECORD),
        Sample("POST", "/{resource}?select=id", [RECORD]),
        Sample("GET", "/{resource}?order=id.desc"),
        Sample("GET", "/{resource}?id=eq.1&select=id"),
        Sample("PATCH", "/{resource}?id=eq.1", RECORD),
        Sample("DELETE", "/{resource}?id=eq.1"),
        Sample("GET", "/{resource}?id=eq.1"),
        Sample("GET", "/{resource}?nope=eq.1"),
        Sample("DELETE", "/{resource}"),
    ),
)
