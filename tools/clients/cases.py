"""What both are asked: data to begin with, and requests in their order; writes come last."""

from __future__ import annotations

from itertools import product
from typing import Any, Final

from tools.clients import pocketbase_cases

Case = tuple[str, str, Any]


def _data(number: Any) -> dict[str, Any]:
    """`number` makes an id of a number: 0.17 keeps numbers, 1 has texts."""
    posts = [
        {"id": number(1), "title": "json-server", "views": 100, "author": {"name": "typicode"}, "open": True},
        {"id": number(2), "title": "Beta", "views": 7, "author": {"name": "al"}, "open": False},
        {"id": number(3), "title": "beta two", "views": 30, "author": {"name": "bo"}, "open": True},
        {"id": number(4), "title": "Übung 4", "views": 30, "author": {"name": "cy"}, "open": False},
    ]
    comments = [
        {"id": number(each), "body": body, "postId": number(post)}
        for each, (body, post) in enumerate([("some", 1), ("other", 1), ("more", 2), ("x", 3)], 1)
    ]
    many = [{"id": number(each), "n": each % 7} for each in range(1, 26)]
    return {"posts": posts, "comments": comments, "many": many, "profile": {"name": "typicode"}}


DATA: Final[dict[str, dict[str, Any]]] = {
    "json-server": _data(int),
    "json-server-1": _data(str),
    "pocketbase": pocketbase_cases.DATA,
}


def _reads(words: list[str], pages: list[str]) -> list[Case]:
    found = [("GET", f"/posts?{word}", None) for word in words]
    return [*found, *(("GET", f"/many?{page}", None) for page in pages)]


_OLD_WORDS = [
    *("title=Beta", "title=beta", "views=30", "open=true", "open=false", "id=1&id=3", "author.name=al"),
    *("nothing=1", "_=1", "title=Beta&views=7", "title=Beta&views=8", "views=30&views=7", "title="),
    *(f"views_{op}={n}" for op, n in product(("gte", "lte", "ne"), (7, 30, 31, 1000))),
    *("views_gte=7&views_lte=30", "views_ne=7&views_ne=30", "title_ne=Beta", "open_ne=true", "id_ne=1"),
    *("title_like=beta", "title_like=BETA", "title_like=^beta", "title_like=two$", "title_like=b.*o"),
    *("title_like=%C3%BCbung", "author.name_like=y", "title_like=zzz", "views_like=30", "nothing_like=1"),
    *("q=beta", "q=TYPI", "q=30", "q=true", "q=nope", "q=%C3%BC", "q=beta&views=7", "q=a&_sort=views"),
    *("_sort=views", "_sort=views&_order=desc", "_sort=views,title", "_sort=views,title&_order=desc,asc"),
    *("_sort=title", "_sort=author.name&_order=desc", "_sort=open,views&_order=desc,desc", "_sort=nothing"),
    *("_sort=id&_order=DESC", "_order=desc", "_start=1", "_end=2", "_start=1&_end=3", "_start=2&_limit=1"),
    *("_embed=comments", "_embed=nothing", "_embed=comments&_limit=1", "_expand=nobody"),
]
_OLD_PAGES = [
    *(f"_page={page}&_limit={size}" for page, size in product((1, 2, 3, 5, 6, 99), (1, 5, 10, 24, 25, 26))),
    *("_page=1", "_page=3", "_page=4", "_page=0", "_page=-1", "_page=x", "_limit=5", "_limit=0", "_limit=-1"),
    *("_start=20&_end=30", "_start=-3&_end=25", "_end=-20", "_start=5&_end=2", "_sort=n&_page=2&_limit=5"),
    *("_sort=n&_order=desc&_limit=3", "n=3&_limit=2", "n=3&_page=1&_limit=2", "n_gte=5&_page=2&_limit=3"),
]
_OLD_REST: list[Case] = [
    ("GET", "/posts", None), ("GET", "/posts/1", None), ("GET", "/posts/99", None), ("GET", "/posts/x", None),
    ("GET", "/undefined", None), ("GET", "/posts/1/comments", None), ("GET", "/posts/9/comments", None),
    ("GET", "/posts/1/comments?_sort=id&_order=desc", None), ("GET", "/posts/1?_embed=comments", None),
    ("GET", "/comments/1?_expand=post", None), ("GET", "/comments?_expand=post", None),
    ("GET", "/profile", None), ("GET", "/db", None), ("GET", "/a/b/c/d", None),
    ("POST", "/posts", {"title": "new"}), ("POST", "/posts", {"id": 50, "title": "given"}),
    ("POST", "/posts", {"title": "after"}), ("GET", "/posts/50", None), ("POST", "/posts", {}),
    ("PUT", "/posts/2", {"title": "whole"}), ("PUT", "/posts/2", {"id": 77, "title": "kept"}),
    ("GET", "/posts/2", None), ("PATCH", "/posts/2", {"views": 1}), ("PATCH", "/posts/2", {"id": 77}),
    ("PATCH", "/posts/2", {"views": None}), ("PUT", "/posts/99", {"a": 1}), ("PATCH", "/posts/99", {"a": 1}),
    ("DELETE", "/posts/99", None), ("POST", "/posts/3/comments", {"body": "n"}),
    ("DELETE", "/posts/1", None), ("GET", "/comments", None), ("GET", "/posts/1", None),
    ("PUT", "/profile", {"name": "a"}), ("PATCH", "/profile", {"b": 1}), ("POST", "/profile", {"c": 1}),
    ("GET", "/profile", None), ("DELETE", "/posts", None), ("PUT", "/posts", {"a": 1}),
    ("PATCH", "/posts", {"a": 1}), ("POST", "/posts/2", {"a": 1}),
]  # fmt: skip

_NEW_WORDS = [
    *(
        "title=Beta",
        "title=beta",
        "views=30",
        "open=true",
        "open=false",
        "author.name=al",
        "nothing=1",
        "id=1",
    ),
    *(f"views:{op}={n}" for op, n in product(("eq", "ne", "lt", "lte", "gt", "gte"), (7, 30, 31, 1000))),
    *(f"views_{op}={n}" for op, n in product(("lt", "lte", "gt", "gte", "ne"), (7, 30))),
    *("views:in=7,100", "id:in=1,2", "title:in=Beta,x", "title:contains=BETA", "title:startsWith=beta"),
    *("title:endsWith=TWO", "author.name:eq=bo", "author.name:ne=bo", "author.name:contains=y"),
    *(
        "title:eq=Beta&views:gt=1",
        "title:ne=Beta",
        "open:eq=true",
        "open:ne=true",
        "title:lt=a",
        "title:gt=a",
    ),
    *("_sort=views", "_sort=-views", "_sort=views,title", "_sort=-views,title", "_sort=author.name"),
    *("_sort=title", "_sort=-open,views", "_sort=nothing", "_embed=comments", "_embed=nothing"),
    *('_where={"views":{"gt":10}}', '_where={"or":[{"views":{"gt":99}},{"author":{"name":{"eq":"al"}}}]}'),
    *('_where={"views":{"gt":1,"lt":50},"title":{"contains":"two"}}', '_where={"id":{"in":["1","2"]}}'),
    *(
        '_where={"or":[]}',
        '_where={"views":{"eq":30}}&_sort=-title',
        '_where={"open":{"eq":true}}',
        "_where={}",
    ),
]
_NEW_PAGES = [
    *(
        f"_page={page}&_per_page={size}"
        for page, size in product((1, 2, 3, 5, 6, 99, 0, -1), (1, 5, 10, 24, 25, 26))
    ),
    *("_page=1", "_page=3", "_page=x", "_per_page=5", "_page=1&_per_page=0", "_page=1&_per_page=-1"),
    *("_page=1&_per_page=x", "_sort=n&_page=2&_per_page=5", "n=3&_page=1&_per_page=2", "n:gte=5&_page=2"),
]
_NEW_REST: list[Case] = [
    ("GET", "/posts", None), ("GET", "/posts/1", None), ("GET", "/posts/99", None),
    ("GET", "/posts/1?_embed=comments", None), ("GET", "/comments/1?_embed=post", None),
    ("GET", "/comments?_embed=post", None), ("GET", "/profile", None), ("GET", "/undefined", None),
    ("GET", "/posts?_embed=comments", None),
    ("PUT", "/posts/2", {"title": "whole"}), ("PUT", "/posts/2", {"id": "77", "title": "kept"}),
    ("GET", "/posts/2", None), ("PATCH", "/posts/2", {"views": 1}), ("PATCH", "/posts/2", {"id": "77"}),
    ("PUT", "/posts/99", {"a": 1}), ("PATCH", "/posts/99", {"a": 1}), ("DELETE", "/posts/99", None),
    ("POST", "/posts", []), ("PUT", "/posts/2", []), ("PATCH", "/posts/2", "x"),
    ("DELETE", "/posts/1", None), ("GET", "/comments", None), ("GET", "/posts/1", None),
    ("DELETE", "/posts/2?_dependent=comments", None), ("GET", "/comments?_sort=id", None),
    ("PUT", "/profile", {"name": "a"}), ("PATCH", "/profile", {"b": 1}), ("POST", "/profile", {"c": 1}),
    ("GET", "/profile", None), ("DELETE", "/posts", None), ("PUT", "/posts", {"a": 1}),
    ("PATCH", "/posts", {}),
]  # fmt: skip

CASES: Final = {
    "json-server": [*_reads(_OLD_WORDS, _OLD_PAGES), *_OLD_REST],
    "json-server-1": [*_reads(_NEW_WORDS, _NEW_PAGES), *_NEW_REST],
    "pocketbase": pocketbase_cases.CASES,
}
#: Differences that docs/dialects.md gives the reason of, by a beginning of the request.
KNOWN: Final[dict[str, tuple[str, ...]]] = {
    "json-server": (),
    "json-server-1": ("GET /posts?_sort=-open", "GET /comments?_sort=id"),
    "pocketbase": pocketbase_cases.KNOWN,
}
