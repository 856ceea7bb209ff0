"""Requests that each dialect serves, and what random changes make of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from attrs import field, frozen

if TYPE_CHECKING:
    from random import Random

_MERGE = {"Prefer": "resolution=merge-duplicates,return=representation"}
_COUNT = {"Prefer": "count=exact", "Range": "0-4"}
_OBJECT = {"Accept": "application/vnd.pgrst.object+json"}
_API = {"Content-Type": "application/vnd.api+json", "Accept": "application/vnd.api+json"}
_ANN = {"type": "authors", "id": "1"}
_RECORDS = "/api/collections/posts/records"
_ID = "abcdefghijklmno"


@frozen
class Request:
    method: str
    target: str
    body: Any = None
    headers: dict[str, str] = field(factory=dict)

    def sent(self) -> tuple[str, list[tuple[str, str]], bytes | None]:
        """The target encoded as a client would, the headers, the body's bytes."""
        body = self.body if isinstance(self.body, bytes | None) else json.dumps(self.body).encode()
        headers = {"Content-Type": "application/json", **self.headers} if body is not None else self.headers
        return quote(self.target, safe="/?=&%[](){}:,.*_-$'~!@\""), list(headers.items()), body


_MADE = (
    Request("POST", "/posts", {"title": "a", "views": 5}),
    Request("POST", "/posts", {"title": "b", "views": 30, "author": {"name": "x"}}),
    Request("POST", "/comments", {"body": "c", "postId": 1}),
)
_PUT = Request("PUT", "/posts/1", {"title": "a", "views": 6})
_PATCH = Request("PATCH", "/posts/1", {"views": 7})
_DELETE = Request("DELETE", "/posts/2")

#: Writes come first, so that the others find something.
GOOD: Final[dict[str, tuple[Request, ...]]] = {
    "json-server": (
        *_MADE,
        *(_PUT, _PATCH, _DELETE),
        Request("PUT", "/profile", {"name": "x"}),
        Request("POST", "/posts/1/comments", {"body": "n"}),
        Request("GET", "/posts?_sort=views,title&_order=desc,asc&_page=1&_limit=2&views_gte=1"),
        Request("GET", "/posts?q=a&title_like=^a.*&_start=0&_end=5&id=1&id=2&views_ne=9"),
        Request("GET", "/comments?_expand=post&_limit=3"),
        Request("GET", "/posts/1/comments?_sort=id"),
        Request("GET", "/db"),
    ),
    "json-server-1": (
        *_MADE,
        Request("PUT", "/profile", {"name": "x"}),
        Request("PATCH", "/profile", {"a": 1}),
        Request("GET", "/posts?views:gte=1&_sort=-views,title&_page=1&_per_page=2&_embed=comments"),
        Request("GET", '/posts?_where={"or":[{"views":{"gt":1}},{"author":{"name":{"eq":"x"}}}]}'),
        Request("GET", "/posts?views:in=1,5&title_startsWith=a&id:ne=2"),
    ),
    "ra-data-simple-rest": (
        *_MADE,
        *(_PUT, _DELETE),
        Request("GET", '/posts?sort=["title","ASC"]&range=[0,4]&filter={"q":"a","views_gte":1}'),
        Request("GET", '/posts?filter={"id":[1,2,"x"]}'),
        Request("GET", '/comments/1?embed=["post"]'),
    ),
    "postgrest": (
        Request("POST", "/authors", [{"id": 1, "name": "Ann"}, {"id": 2, "name": "Bob"}], _MERGE),
        Request("POST", "/posts", {"id": 1, "title": "a", "views": 5, "author_id": 1, "tags": ["x"]}, _MERGE),
        Request("POST", "/posts?columns=title,views&on_conflict=title", {"title": "b", "views": 30}, _MERGE),
        Request("PATCH", "/posts?id=eq.1&views=gt.1", {"views": 6}, {"Prefer": "return=representation"}),
        Request("PUT", "/posts?id=eq.4", {"id": 4, "title": "d"}),
        Request("GET", "/posts?select=*,authors(name)&order=views.desc.nullslast,id&limit=3", None, _COUNT),
        Request("GET", "/posts?or=(title.eq.a,and(views.gt.2,tags.not.is.null))&title=like(any).{a*,b*}"),
        Request("GET", "/authors?select=name,posts!inner(title,views)&posts.views=gte.1&posts.order=id"),
        Request("GET", "/posts?id=eq.1&select=name:title::text,tags->0", headers=_OBJECT),
        Request("DELETE", "/posts?id=in.(2,3,4)&title=not.is.null"),
    ),
    "pocketbase": (
        Request("POST", "/api/collections/authors/records", {"id": _ID, "name": "Ann"}),
        Request("POST", _RECORDS, {"id": _ID, "title": "a", "views": 5, "author": _ID, "tags": [_ID]}),
        Request("POST", _RECORDS, {"title": "b", "views": 30}),
        Request("PATCH", f"{_RECORDS}/{_ID}", {"views+": 2, "tags-": "x"}),
        Request("GET", f"{_RECORDS}?perPage=5&sort=-created&filter=(title~'a' || author.name='Ann')"),
        Request("GET", f"{_RECORDS}/{_ID}?expand=author,tags.posts_via_author&fields=id,expand.author.name"),
        Request("GET", f"{_RECORDS}?skipTotal=1&filter=tags.name?='Ann' %26%26 title!~'x%25'"),
        Request("POST", "/api/batch", {"requests": [{"method": "POST", "url": _RECORDS, "body": {}}]}),
        Request("DELETE", f"{_RECORDS}/{_ID}"),
        Request("GET", "/api/health"),
    ),
    "json-api": (
        Request("POST", "/authors", {"data": {"type": "authors", "attributes": {"name": "Ann"}}}, _API),
        Request(
            "POST",
            "/posts",
            {
                "data": {
                    "type": "posts",
                    "attributes": {"title": "a", "views": 5},
                    "relationships": {"author": {"data": _ANN}, "tags": {"data": []}},
                }
            },
            _API,
        ),
        Request("PATCH", "/posts/1", {"data": {"type": "posts", "id": "1", "attributes": {}}}, _API),
        Request("POST", "/posts/1/relationships/readers", {"data": [_ANN]}, _API),
        Request("PATCH", "/posts/1/relationships/author", {"data": _ANN}, _API),
        Request("DELETE", "/posts/1/relationships/readers", {"data": [_ANN]}, _API),
        Request("GET", "/posts?include=author.posts,readers&fields[posts]=title,author&sort=-views"),
        Request("GET", "/posts?page[size]=2&page[number]=1"),
        Request("GET", "/posts?filter[title][like]=a*&filter[author.name]=Ann,Bob&filter[views][gte]=1"),
        Request("GET", "/posts/1/author"),
        Request("GET", "/posts/1/relationships/author"),
        Request("DELETE", "/posts/1", None, _API),
    ),
}  # fmt: skip

_PIECES = (
    *("%00", "[", "]", "(", ")", "'", '"', "$or", "__", "..", ",", ".", "*", "9" * 30, "-", "{", "}", "\\"),
    *(
        "null",
        "eq.",
        "&&",
        "||",
        "%F0%9F%98%80",
        "%FF",
        "?",
        "&",
        "=",
        "&=",
        "1e999",
        "//",
        "/",
        "[]=",
        "->>",
    ),
    *("not.", "true", "-1", "0", "_", ":", ";", "!", "~", " ", "%0A", "id", "data", "constructor", "a" * 300),
)
_VALUES = (
    *(None, [], {}, True, False, -1, 0, 1e300, 2**53, 10**30, "", "\u0000", "x" * 5_000, "é\U0001f600"),
    *([[[[[]]]]], {"a": {"b": {"c": {}}}}, {"": 1}, {"$or": []}, {"__proto__": 1}, ["x"] * 300, "-0", "eq."),
    {f"f{number}": number for number in range(300)},
)
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


def mutant(request: Request, random: Random) -> Request:
    """Another request, one to three changes away."""
    for _ in range(random.randint(1, 3)):
        request = random.choice((_in_target, _in_target, _in_body, _in_headers, _in_method))(request, random)
    return request


def _in_target(request: Request, random: Random) -> Request:
    text = request.target
    place, length = random.randrange(1, len(text) + 1), random.randint(0, 8)
    piece = random.choice((random.choice(_PIECES), text[place : place + 20], ""))
    changed = text[:place] + piece + text[place + length :]
    return Request(request.method, changed[:4_000], request.body, request.headers)


def _in_body(request: Request, random: Random) -> Request:
    body = json.loads(json.dumps(request.body)) if not isinstance(request.body, bytes) else None
    changed = _changed(body, random) if body is not None else random.choice(_VALUES)
    return Request(request.method, request.target, changed, request.headers)


def _changed(value: Any, random: Random) -> Any:
    """A leaf, a member or the whole of it is another."""
    if isinstance(value, (dict, list)) and value and random.random() < 0.85:
        places = list(value) if isinstance(value, dict) else range(len(value))
        place = random.choice(places)
        if isinstance(value, dict) and random.random() < 0.3:
            value[random.choice(("id", "type", "", "a.b", "__class__", "x" * 300))] = value.pop(place)
        else:
            value[place] = _changed(value[place], random)
        return value
    return random.choice(_VALUES)


def _in_headers(request: Request, random: Random) -> Request:
    name = random.choice(("Accept", "Content-Type", "Prefer", "Range", "Range-Unit", "If-Match"))
    value = random.choice(
        (
            *(
                "",
                ",",
                ";",
                "a/b",
                "*/*",
                "application/json",
                "application/vnd.api+json; a=b",
                "bytes=0-",
                "9-1",
            ),
            *(
                "0-",
                "count=exact",
                "return=minimal",
                "x=y,handling=strict",
                '"x"',
                "a" * 500,
                "items",
                "form/x",
            ),
        )
    )
    return Request(request.method, request.target, request.body, {**request.headers, name: value})


def _in_method(request: Request, random: Random) -> Request:
    return Request(random.choice(_METHODS), request.target, request.body, request.headers)
