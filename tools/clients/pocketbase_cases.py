"""What PocketBase and the service are asked: collections, their records, and requests in their order."""

from __future__ import annotations

from itertools import product
from typing import Any, Final
from urllib.parse import quote

_TEXT, _NUMBER, _BOOL, _JSON = ({"type": kind} for kind in ("text", "number", "bool", "json"))
#: In the order in which they are made; `to` names the collection that a relation leads to.
COLLECTIONS: Final[dict[str, list[dict[str, Any]]]] = {
    "tags": [{"name": "name", **_TEXT}],
    "authors": [{"name": "name", **_TEXT}, {"name": "age", **_NUMBER}],
    "posts": [
        {"name": "title", **_TEXT},
        {"name": "views", **_NUMBER},
        {"name": "draft", **_BOOL},
        {"name": "info", **_JSON},
        {"name": "author", "type": "relation", "to": "authors", "maxSelect": 1},
        {"name": "tags", "type": "relation", "to": "tags", "maxSelect": 9},
    ],
}
TAGS: Final = [f"tag{number:012}" for number in range(1, 4)]
AUTHORS: Final = [f"author{number:09}" for number in range(1, 3)]
POSTS: Final = [f"post{number:011}" for number in range(1, 7)]
_TITLES: Final = ["Alpha", "beta", "Beta two", "100%", "it's", "Übung"]
DATA: Final[dict[str, list[dict[str, Any]]]] = {
    "tags": [{"id": id_, "name": name} for id_, name in zip(TAGS, ("red", "blue", "green"), strict=True)],
    "authors": [{"id": AUTHORS[0], "name": "Ann", "age": 40}, {"id": AUTHORS[1], "name": "Bob", "age": 30}],
    "posts": [
        {
            "id": id_,
            "title": title,
            "views": number * 10 % 40,
            "draft": number % 2 == 0,
            "info": {"n": number, "x": [number]},
            "author": AUTHORS[number % 2],
            "tags": TAGS[: number % 4],
        }
        for number, (id_, title) in enumerate(zip(POSTS, _TITLES, strict=True))
    ],
}

_RECORDS: Final = "/api/collections/posts/records"
_FILTERS: Final = [
    *(f"views {sign} {number}" for sign, number in product(("=", "!=", ">", ">=", "<", "<="), (0, 20, 25))),
    *(f"title {sign} '{text}'" for sign, text in product(("=", "!=", "~", "!~"), ("beta", "Beta two", "a"))),
    *(f"title {sign} '{text}'" for sign, text in product(("=", "~"), ("100%", "it\\'s", "b%o", ""))),
    *("draft = true", "draft = false", "draft != true", "title > 'a'", "title <= 'Beta two'"),
    *("author.name = 'Ann'", "author.name ~ 'o'", "author.age > 30", "author = 'author000000001'"),
    *(f"author != '{AUTHORS[0]}'", f"author = '{AUTHORS[0]}'", "author = ''", "author != ''"),
    *(f"tags ~ '{TAGS[0]}'", f"tags.id ?= '{TAGS[1]}'", "tags.name ?= 'red'", "tags.name ?~ 'e'"),
    *("info.n = 2", "info.n > 2", "created > '2020-01-01'", "created < '2020-01-01 00:00:00.000Z'"),
    *("views > 5 && draft = true", "views > 25 || draft = true && title ~ 'a'", "(views > 25)"),
    *("(views = 10 || views = 20) && title != 'beta'", "views>5&&views<25", "title='beta' // a comment"),
    *("created <= @now", "created >= @todayStart && created <= @todayEnd", "created > @tomorrow"),
    *("created < @yesterday", "created >= @monthStart", "created <= @yearEnd", "views < @year"),
    *('title = "beta"', "id = 'nope'", f"id = '{POSTS[2]}'", f"id ~ '{POSTS[0][:8]}'", "title ?= 'beta'"),
]
_SORTS: Final = [
    *("title", "-title", "views,title", "-views,-title", "+title", "draft,-id", "-draft,id", "id", "-id"),
    *("@rowid", "created,id", "title, -views"),
]
_PAGES: Final = [
    *("page=1&perPage=2", "page=2&perPage=4", "page=3&perPage=2", "page=9&perPage=2", "page=0", "page=-1"),
    *("perPage=0", "perPage=-1", "perPage=1000", "perPage=1001", "perPage=x", "perPage=", "page=1.5"),
    *("skipTotal=1&perPage=2", "skipTotal=true", "skipTotal=0", "skipTotal=false&perPage=1", "skipTotal=x"),
]
_SHOWN: Final = [
    *("expand=author", "expand=tags", "expand=author,tags", "expand=nope", "expand=", "expand=author.nope2"),
    *("fields=id", "fields=id,title", "fields=*", "fields=id,nope", "fields=expand.author&expand=author"),
    *("fields=*,expand.author.name&expand=author", "fields=expand.tags.name&expand=tags"),
    *("fields=id&expand=author", "fields=info.n", "fields=id,expand.author.*&expand=author"),
]
_REFUSED: Final = [
    *("filter=title =", "filter=(title='a'", "filter=title = 'a", "filter=nope = 1", "sort=nope"),
    *("filter=title ! 'a'", "filter=title == 'a'", "filter='a'", "sort=-nope", "filter=a.b.c.d = 1"),
]
_FULL: Final = {"title": "new", "views": 1, "draft": True, "info": None, "author": AUTHORS[0], "tags": []}
_BATCH: Final = "/api/batch"


def _one(method: str, url: str, body: Any = None) -> dict[str, Any]:
    return {"method": method, "url": url, "body": body or {}}


_NEW: Final = "newrecord000001"
_WRITES: Final[list[tuple[str, str, Any]]] = [
    ("POST", _RECORDS, {"id": _NEW, **_FULL}), ("GET", f"{_RECORDS}/{_NEW}", None),
    ("POST", _RECORDS, {"id": _NEW, **_FULL}), ("POST", _RECORDS, {"id": "short", **_FULL}),
    ("POST", _RECORDS, {"id": "x" * 16, **_FULL}), ("POST", _RECORDS, {"id": "UPPERCASE000001", **_FULL}),
    ("POST", f"{_RECORDS}?expand=author", {"id": "newrecord000002", **_FULL, "tags": [TAGS[2], TAGS[0]]}),
    ("POST", f"{_RECORDS}?fields=id,title", {"id": "newrecord000003", **_FULL, "created": "2001-01-01"}),
    ("PATCH", f"{_RECORDS}/{_NEW}", {"title": "changed"}), ("PATCH", f"{_RECORDS}/{_NEW}", {}),
    ("PATCH", f"{_RECORDS}/{_NEW}", {"views+": 5}), ("PATCH", f"{_RECORDS}/{_NEW}", {"views-": 2}),
    *(("PATCH", f"{_RECORDS}/{_NEW}", {"tags+": more}) for more in (TAGS[0], TAGS[1:], TAGS[1])),
    ("PATCH", f"{_RECORDS}/{_NEW}", {"+tags": TAGS[2]}),
    *(("PATCH", f"{_RECORDS}/{_NEW}", {"tags-": less}) for less in (TAGS[0], TAGS)),
    ("PATCH", f"{_RECORDS}/{_NEW}", {"id": "other0000000001"}),
    ("PATCH", f"{_RECORDS}/{_NEW}?expand=author", {"author": AUTHORS[1]}),
    *((method, f"{_RECORDS}/nothing00000000", None) for method in ("GET", "DELETE")),
    ("PATCH", f"{_RECORDS}/nothing00000000", {"title": "x"}),
    ("GET", "/api/collections/nothing/records", None), ("GET", "/api/nothing", None),
    ("PUT", f"{_RECORDS}/{_NEW}", {"title": "x"}), ("GET", "/api/health", None),
    ("DELETE", _RECORDS, None), ("POST", f"{_RECORDS}/{_NEW}", {"title": "x"}), ("POST", _RECORDS, []),
    ("POST", _BATCH, {"requests": []}), ("POST", _BATCH, {}), ("POST", _BATCH, {"requests": [{"url": ""}]}),
    (
        "POST", _BATCH,
        {
            "requests": [
                _one("POST", _RECORDS, {"id": "batched00000001", **_FULL}),
                _one("PATCH", f"{_RECORDS}/batched00000001", {"title": "again"}),
                _one("PUT", _RECORDS, {"id": "batched00000001", "title": "upserted"}),
                _one("PUT", _RECORDS, {"id": "batched00000002", **_FULL}),
                _one("DELETE", f"{_RECORDS}/{_NEW}"),
            ]
        },
    ),
    ("GET", f"{_RECORDS}/batched00000001", None), ("GET", f"{_RECORDS}/{_NEW}", None),
    (
        "POST", _BATCH,
        {"requests": [_one("POST", _RECORDS, {"id": "undone000000001"}), _one("DELETE", f"{_RECORDS}/nope")]},
    ),
    ("GET", f"{_RECORDS}/undone000000001", None),
    ("DELETE", f"{_RECORDS}/{POSTS[5]}", None), ("GET", f"{_RECORDS}/{POSTS[5]}", None),
    ("DELETE", f"{_RECORDS}/{POSTS[5]}", None),
]  # fmt: skip
CASES: Final[list[tuple[str, str, Any]]] = [
    ("GET", _RECORDS, None),
    *(("GET", f"{_RECORDS}?sort=id&filter={quote(text, safe='')}", None) for text in _FILTERS),
    *(("GET", f"{_RECORDS}?sort={text}", None) for text in _SORTS),
    *(("GET", f"{_RECORDS}?sort=id&{text}", None) for text in _PAGES),
    *(("GET", f"{_RECORDS}?sort=id&{text}", None) for text in _SHOWN),
    *(("GET", f"{_RECORDS}?{text}", None) for text in _REFUSED),
    *(("GET", f"{_RECORDS}/{POSTS[3]}?{text}", None) for text in _SHOWN),
    ("GET", f"/api/collections/authors/records/{AUTHORS[0]}?expand=posts_via_author", None),
    ("GET", "/api/collections/authors/records?expand=posts_via_author.tags&sort=id", None),
    *_WRITES,
]
#: Differences that docs/dialects.md gives the reason of.
KNOWN: Final[tuple[str, ...]] = (
    f"GET {_RECORDS}?sort=id&expand=author.nope2",
    f"GET {_RECORDS}/{POSTS[3]}?expand=author.nope2",
    "GET /api/nothing",
)
