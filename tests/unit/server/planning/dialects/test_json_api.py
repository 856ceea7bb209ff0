"""JSON:API 1.1: each rule as jsonapi.org/format/1.1 has it; MUST and SHOULD are its words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from tests.unit.server.planning.dialects.conftest import opened
from tests.unit.server.planning.dialects.service import DialectService

if TYPE_CHECKING:
    from pathlib import Path

    from store.session_store import Session

TYPE = "application/vnd.api+json"


class Api:
    """Sends documents as a client of JSON:API does."""

    def __init__(self, session: Session) -> None:
        self._ask = DialectService(session, "json-api")

    def __call__(self, method: str, target: str, data: Any = None, **headers: str) -> Any:
        """`(status, document)`; `target` may hold brackets. `data`: what the document has under that name."""
        target = quote(target, safe="/?=&,.-_*")
        sent = {"Accept": TYPE, **headers}
        if method == "GET" or (method == "DELETE" and data is None):
            found = self._ask(method, target, **sent)
        else:
            sent = {"Content_Type": TYPE, **sent}
            found = self._ask(method, target, {"data": data}, **sent)
        self.headers = found[2]
        return found[:2]

    def made(self, kind: str, attributes: dict[str, Any], **related: Any) -> str:
        relationships = {name: {"data": data} for name, data in related.items()}
        document = {"type": kind, "attributes": attributes, "relationships": relationships}
        status, body = self("POST", f"/{kind}", document)
        assert status == 201, body
        id_: str = body["data"]["id"]
        return id_

    def ids(self, target: str) -> list[str]:
        status, body = self("GET", target)
        assert status == 200, body
        return [each["id"] for each in body["data"]]


def to(kind: str, *ids: str) -> Any:
    found = [{"type": kind, "id": each} for each in ids]
    return found[0] if len(found) == 1 else found


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two authors, three articles, comments of these and of authors."""
    directory = tmp_path_factory.mktemp("articles")
    with opened(directory) as session:
        api = Api(session)
        for name in ("Ann", "Bob"):
            api.made("authors", {"name": name})
        for title, views, author in (("one", 5, "1"), ("two", 30, "2"), ("three", 30, "1")):
            api.made("articles", {"title": title, "views": views}, author=to("authors", author))
        for body, article in (("a", "1"), ("b", "1"), ("c", "2")):
            api.made("comments", {"body": body}, article=to("articles", article), author=to("authors", "2"))
    return directory


@pytest.fixture
def api(copied: Session) -> Api:
    return Api(copied)


def error(found: tuple[int, Any]) -> tuple[int, str, Any]:
    """Status, detail and source of the only error; MUST: `errors` and `data` do not stand together."""
    status, body = found
    assert "data" not in body
    [only] = body["errors"]
    assert only["status"] == str(status)
    return status, only["detail"], only.get("source")


# Document Structure


def test_a_resource_object(api: Api) -> None:
    """Type, a text for an id, attributes without id and without what points elsewhere, links."""
    status, body = api("GET", "/articles/1")
    assert status == 200
    place = "/articles/1"
    assert body == {
        "jsonapi": {"version": "1.1"},
        "links": {"self": place},
        "data": {
            "type": "articles",
            "id": "1",
            "attributes": {"title": "one", "views": 5},
            "links": {"self": place},
            "relationships": {
                "author": {
                    "data": {"type": "authors", "id": "1"},
                    "links": {"self": f"{place}/relationships/author", "related": f"{place}/author"},
                },
                "comments": {
                    "links": {"self": f"{place}/relationships/comments", "related": f"{place}/comments"}
                },
            },
        },
    }
    assert api.headers["content-type"] == TYPE


def test_links_keep_the_prefix_of_the_path(api: Api) -> None:
    _, body = api("GET", "/api/v1/articles/1")
    assert body["data"]["links"]["self"] == "/api/v1/articles/1"
    assert body["data"]["relationships"]["author"]["links"]["related"] == "/api/v1/articles/1/author"


# Content Negotiation


@pytest.mark.parametrize(
    "accept",
    [
        TYPE, "*/*", "application/*", "application/json", f"{TYPE};q=0.5", f'{TYPE}; profile="http://a.b/c"',
        f"{TYPE}; charset=utf-8, {TYPE}", f"text/html, {TYPE}", f'{TYPE}; ext="http://a/b", {TYPE}',
    ],
)  # fmt: skip
def test_an_accept_that_is_met(api: Api, accept: str) -> None:
    assert api("GET", "/articles/1", Accept=accept)[0] == 200
    assert api.headers["content-type"] == TYPE


@pytest.mark.parametrize(
    "accept", [f"{TYPE}; charset=utf-8", f'{TYPE}; ext="http://a/b"', f"{TYPE}; a=b, {TYPE};c=d", "text/html"]
)
def test_an_accept_that_cannot_be_met(api: Api, accept: str) -> None:
    """MUST be 406 where all its instances have other parameters, or unsupported extensions."""
    assert error(api("GET", "/articles/1", Accept=accept))[::2] == (406, {"header": "Accept"})


@pytest.mark.parametrize(
    ("content_type", "wanted"),
    [
        (TYPE, 201),
        (f'{TYPE}; profile="http://a.b/c"', 201),
        ("application/json", 201),
        (f"{TYPE}; charset=utf-8", 415),
        (f'{TYPE}; ext="http://a/b"', 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/merge-patch+json", 415),
    ],
)
def test_what_a_document_is_sent_as(api: Api, content_type: str, wanted: int) -> None:
    """MUST be 415 with parameters that are not `ext` or `profile`, and with unsupported extensions."""
    found = api("POST", "/articles", {"type": "articles"}, Content_Type=content_type)
    assert found[0] == wanted
    if wanted == 415:
        assert error(found)[2] == {"header": "Content-Type"}
        assert api.headers["accept"] == TYPE


# Fetching Resources


def test_a_list_and_what_is_not_there(api: Api) -> None:
    status, body = api("GET", "/articles")
    assert (status, [each["id"] for each in body["data"]]) == (200, ["1", "2", "3"])
    assert (body["links"], body["meta"]) == ({"self": "/articles"}, {"total": 3})
    assert api("GET", "/nothing")[1]["data"] == []
    assert error(api("GET", "/articles/99"))[0] == 404
    assert error(api("GET", "/articles/99/author"))[0] == 404
    assert error(api("GET", "/articles/1/nothing"))[0] == 404
    assert error(api("GET", "/articles/1/relationships/nothing"))[0] == 404
    assert error(api("PUT", "/articles/1", {}))[0] == 405


def test_what_is_related(api: Api) -> None:
    assert api("GET", "/articles/2/author")[1]["data"]["attributes"] == {"name": "Bob"}
    assert api.ids("/articles/1/comments") == ["1", "2"]
    assert api.ids("/articles/3/comments") == []
    api("PATCH", "/articles/1/relationships/author", None)
    assert api("GET", "/articles/1/author") == (
        200,
        {"jsonapi": {"version": "1.1"}, "data": None, "links": {"self": "/articles/1/author"}},
    )
    _, body = api("GET", "/articles/1/comments?include=author&fields[comments]=body")
    assert [each["type"] for each in body["included"]] == ["authors"]
    assert body["data"][0]["attributes"] == {"body": "a"}
    assert api.ids("/articles/1/comments?fields[articles]=title") == ["1", "2"]
    assert "relationships" not in body["data"][0]


def test_a_relationship_is_linkage(api: Api) -> None:
    links = {"self": "/articles/1/relationships/author", "related": "/articles/1/author"}
    assert api("GET", "/articles/1/relationships/author")[1] == {
        "jsonapi": {"version": "1.1"},
        "links": links,
        "data": {"type": "authors", "id": "1"},
    }
    _, body = api("GET", "/articles/1/relationships/comments")
    assert body["data"] == to("comments", "1", "2")
    assert api("GET", "/articles/3/relationships/comments")[1]["data"] == []


# Inclusion of Related Resources


def test_included_resources_are_each_there_once_and_linked(api: Api) -> None:
    """MUST NOT be there twice; MUST be linked from what is there ("full linkage")."""
    _, body = api("GET", "/articles?include=author,comments.author")
    found = [(each["type"], each["id"]) for each in body["included"]]
    assert found == [
        ("authors", "1"), ("authors", "2"), ("comments", "1"), ("comments", "2"), ("comments", "3"),
    ]  # fmt: skip
    assert [each["relationships"]["comments"]["data"] for each in body["data"]] == [
        to("comments", "1", "2"),
        [to("comments", "3")],
        [],
    ]
    assert body["included"][2]["relationships"]["author"]["data"] == to("authors", "2")


def test_a_resource_that_is_data_is_not_included_again(api: Api) -> None:
    _, body = api("GET", "/articles/1?include=author.articles")
    assert [(each["type"], each["id"]) for each in body["included"]] == [("authors", "1"), ("articles", "3")]


def test_without_include_nothing_is_included_and_an_empty_one_is_empty(api: Api) -> None:
    assert "included" not in api("GET", "/articles/1")[1]
    assert api("GET", "/articles/1?include=")[1]["included"] == []


@pytest.mark.parametrize(
    "include",
    ["nothing", "author.nothing", "title", "a" * 300, "a b", "author.articles.author.articles.author"],
)
def test_an_include_that_leads_nowhere(api: Api, include: str) -> None:
    """MUST be 400."""
    assert error(api("GET", f"/articles?include={include}"))[::2] == (400, {"parameter": "include"})


# Sparse Fieldsets


def test_fields_are_attributes_and_relationships(api: Api) -> None:
    _, body = api("GET", "/articles/1?include=author&fields[articles]=title,author&fields[authors]=")
    assert body["data"]["attributes"] == {"title": "one"}
    assert body["data"]["relationships"].keys() == {"author"}
    assert body["included"][0]["attributes"] == {}
    assert "relationships" not in body["included"][0]
    for target in ("/articles?fields[articles]=nope", "/articles/1?include=author&fields[authors]=nope"):
        status, detail, source = error(api("GET", target))
        assert (status, "no field nope" in detail, source["parameter"][:7]) == (400, True, "fields[")


# Sorting


@pytest.mark.parametrize(
    ("sort", "wanted"),
    [
        ("title", ["1", "3", "2"]),
        ("-title", ["2", "3", "1"]),
        ("-views,title", ["3", "2", "1"]),
        ("views,-id", ["1", "3", "2"]),
        ("", ["1", "2", "3"]),
    ],
)
def test_sorting(api: Api, sort: str, wanted: list[str]) -> None:
    assert api.ids(f"/articles?sort={sort}") == wanted


@pytest.mark.parametrize("sort", ["nothing", "author.name", "+title", "title desc", "-", "-$or"])
def test_a_sort_that_cannot_be(api: Api, sort: str) -> None:
    """MUST be 400."""
    assert error(api("GET", f"/articles?sort={sort}"))[::2] == (400, {"parameter": "sort"})


# Pagination


def test_pages_have_links(api: Api) -> None:
    """First, last, prev and next; null where there is none. They keep the other words."""
    _, body = api("GET", "/articles?page[size]=1&sort=-id&page[number]=2")
    assert [each["id"] for each in body["data"]] == ["2"]
    page = "/articles?sort=-id&page%5Bnumber%5D={}&page%5Bsize%5D=1"
    numbers = {"self": 2, "first": 1, "prev": 1, "next": 3, "last": 3}
    assert body["links"] == {name: page.format(number) for name, number in numbers.items()}
    _, body = api("GET", "/articles?page[size]=5")
    assert (body["links"]["prev"], body["links"]["next"]) == (None, None)
    assert api.ids("/articles?page[size]=2&page[number]=9") == []
    _, body = api("GET", "/articles?page[limit]=2&page[offset]=2")
    page = "/articles?page%5Boffset%5D={}&page%5Blimit%5D=2"
    assert [each["id"] for each in body["data"]] == ["3"]
    assert body["links"] == {
        "self": page.format(2),
        "first": page.format(0),
        "prev": page.format(0),
        "next": None,
        "last": page.format(2),
    }
    assert api("GET", "/nothing?page[size]=2")[1]["links"]["last"].startswith("/nothing?page%5Bnumber%5D=1")


@pytest.mark.parametrize(
    "page",
    [
        "page[size]=0", "page[size]=1001", "page[size]=x", "page[size]=-1", "page[number]=0", "page=2",
        "page[size]=", "page[cursor]=1", "page[number]=1&page[offset]=0", "page[a][b]=1", "page[]=1",
        "page[number]=99999999999999999999",
    ],
)  # fmt: skip
def test_a_page_that_cannot_be(api: Api, page: str) -> None:
    status, _, source = error(api("GET", f"/articles?{page}"))
    assert (status, source["parameter"].partition("[")[0]) == (400, "page")


def test_fields_of_a_type_that_there_is_not(api: Api) -> None:
    """A type is one that has records, also one that nothing of is in the document."""
    status, _, source = error(api("GET", "/articles?fields[nope]=title"))
    assert (status, source) == (400, {"parameter": "fields[nope]"})
    assert api("GET", "/articles?fields[comments]=body")[0] == 200


def test_the_largest_page(api: Api) -> None:
    assert api.ids("/articles?page[size]=1000") == ["1", "2", "3"]


# Filtering


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("filter[title]=one", ["1"]),
        ("filter[title]=one,two", ["1", "2"]),
        ("filter[title][in]=one,two", ["1", "2"]),
        ("filter[title][eq]=one,two", []),
        ("filter[title][ne]=one,two", ["3"]),
        ("filter[id]=1,3", ["1", "3"]),
        ("filter[views]=30", ["2", "3"]),
        ("filter[views][gt]=5&filter[title][like]=t*o", ["2"]),
        ("filter[title][like]=E", ["1", "3"]),
        ("filter[title][contains]=HRE", ["3"]),
        ("filter[title][startswith]=t&filter[views][lte]=30", ["2", "3"]),
        ("filter[title][isnull]=true", []),
        ("filter[title][isnull]=false", ["1", "2", "3"]),
        ("filter[author]=1", ["1", "3"]),
        ("filter[author.id]=1,2", ["1", "2", "3"]),
        ("filter[author.name]=Bob", ["2"]),
        ("filter[author.name][like]=an", ["1", "3"]),
        ("filter[comments]=3", ["2"]),
        ("filter[comments.body]=a,c", ["1", "2"]),
        ("filter[q]=two", ["2"]),
    ],
)
def test_filtering(api: Api, query: str, wanted: list[str]) -> None:
    assert api.ids(f"/articles?{query}") == wanted


@pytest.mark.parametrize(
    "key",
    [
        "filter[nothing]", "filter[author.nothing]", "filter[title][nope]", "filter[title__ne]", "filter",
        "filter[]", "filter[$or]", "filter[a][b][c]", "filter[title", "title", "include[a]x", "myWord", "q",
        "filter[title][isnull]",
    ],
)  # fmt: skip
def test_a_query_that_cannot_be_read_is_named(api: Api, key: str) -> None:
    """MUST be 400 for what is not known; `parameter` says what."""
    assert error(api("GET", f"/articles?{key}=x"))[::2] == (400, {"parameter": key})


def test_words_of_lists_are_for_lists(api: Api) -> None:
    for target in ("/articles/1?sort=title", "/articles/1?filter[a]=1", "/articles/1/author?page[size]=1"):
        assert error(api("GET", target))[0] == 400
    assert error(api("GET", "/articles/1/relationships/author?include=author"))[0] == 400


# Creating Resources


def test_creating(api: Api) -> None:
    """MUST be 201 with the resource and its place."""
    document = {"type": "articles", "attributes": {"title": "new", "tags": ["a"], "place": {"x": 1}}}
    status, body = api("POST", "/articles", document)
    assert status == 201
    assert body["data"]["attributes"] == document["attributes"]
    assert body["data"]["id"] == "4"
    assert api.headers["location"] == body["data"]["links"]["self"] == "/articles/4"
    assert api("GET", "/articles/4")[1]["data"] == body["data"]


def test_ids_of_clients(api: Api) -> None:
    """Accepted as they are; MUST be 409 where one is taken."""
    mine = {"type": "articles", "id": "b1946ac9-2b4e-4e4b-8d4d-6f6f0c0d0e0f", "attributes": {"title": "x"}}
    status, body = api("POST", "/articles", mine)
    assert (status, body["data"]["id"]) == (201, mine["id"])
    assert error(api("POST", "/articles", mine))[0] == 409
    assert error(api("POST", "/articles", {"type": "articles", "id": "1"}))[0] == 409
    assert api("POST", "/articles", {"type": "articles", "lid": "x"})[0] == 201


def test_another_type_than_the_paths(api: Api) -> None:
    """MUST be 409; how a type is spelt is not another type."""
    found = error(api("POST", "/articles", {"type": "people"}))
    assert found[::2] == (409, {"pointer": "/data/type"})
    status, body = api("POST", "/library-entries", {"type": "libraryEntries", "attributes": {"n": 1}})
    assert (status, body["data"]["type"]) == (201, "library-entries")


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        (None, "/data"),
        ([], "/data"),
        ([{"type": "articles"}], "/data"),
        ({}, "/data/type"),
        ({"type": 1}, "/data/type"),
        ({"type": "articles", "id": 1}, "/data/id"),
        ({"type": "articles", "attributes": []}, "/data/attributes"),
        ({"type": "articles", "attributes": {"id": 1}}, "/data/attributes/id"),
        ({"type": "articles", "attributes": {"type": "x"}}, "/data/attributes/type"),
        ({"type": "articles", "relationships": {"a": 1}}, "/data/relationships/a"),
        ({"type": "articles", "relationships": {"a": {}}}, "/data/relationships/a"),
        ({"type": "articles", "relationships": {"a": {"data": "x"}}}, "/data/relationships/a/data"),
        ({"type": "articles", "relationships": {"a": {"data": [1]}}}, "/data/relationships/a/data/0"),
        (
            {"type": "articles", "relationships": {"a": {"data": {"type": "x"}}}},
            "/data/relationships/a/data/id",
        ),
        (
            {"type": "articles", "attributes": {"a": 1}, "relationships": {"a": {"data": None}}},
            "/data/relationships/a",
        ),
        (
            {"type": "articles", "relationships": {"comments": {"data": {"type": "comments", "id": "1"}}}},
            "/data/relationships/comments/data",
        ),
        (
            {"type": "articles", "relationships": {"author": {"data": [{"type": "authors", "id": "1"}]}}},
            "/data/relationships/author/data",
        ),
    ],
)
def test_a_document_that_is_none(api: Api, data: Any, pointer: str) -> None:
    """The error points at its place, and nothing is made."""
    assert error(api("POST", "/articles", data))[::2] == (400, {"pointer": pointer})
    assert len(api.ids("/articles")) == 3


@pytest.mark.parametrize("data", [{"type": "authors", "id": "99"}, {"type": "nobodies", "id": "1"}])
def test_a_relationship_to_nothing(api: Api, data: Any) -> None:
    """MUST be 404."""
    document = {"type": "articles", "relationships": {"author": {"data": data}}}
    assert error(api("POST", "/articles", document))[::2] == (
        404,
        {"pointer": "/data/relationships/author/data"},
    )


def test_relationships_of_every_kind(api: Api) -> None:
    """To one by a field's name, to many from elsewhere, lists of ids, and identifiers as they are."""
    for name in ("red", "blue"):
        api.made("tags", {"name": name})
    api.made("people", {"name": "Cy"})
    made = api.made(
        "articles",
        {"title": "full"},
        author=to("authors", "2"),
        tags=to("tags", "1", "2"),
        editor=to("people", "1"),
        readers=[to("people", "1"), to("authors", "1")],
        comments=[to("comments", "3")],
    )
    _, body = api("GET", f"/articles/{made}?include=author,tags,editor,readers,comments")
    related = {name: each["data"] for name, each in body["data"]["relationships"].items()}
    assert related == {
        "author": to("authors", "2"),
        "tags": to("tags", "1", "2"),
        "editor": to("people", "1"),
        "readers": [to("people", "1"), to("authors", "1")],
        "comments": [to("comments", "3")],
    }
    assert body["data"]["attributes"] == {"title": "full"}
    assert len(body["included"]) == 2 + 2 + 1 + 1
    assert api("GET", "/comments/3/article")[1]["data"]["id"] == made
    assert api.ids("/articles?filter[tags]=2") == [made]
    assert api.ids("/articles?filter[tags.name]=red") == [made]
    assert api.ids(f"/articles/{made}/readers") == ["1", "1"]


# Updating Resources


def test_updating(api: Api) -> None:
    """What is not there stays; the answer is the whole resource."""
    document = {"type": "articles", "id": "1", "attributes": {"views": None, "new": True}}
    status, body = api("PATCH", "/articles/1", document)
    assert status == 200
    assert body["data"]["attributes"] == {"title": "one", "views": None, "new": True}
    document["relationships"] = {"author": {"data": None}, "comments": {"data": [to("comments", "2")]}}
    assert api("PATCH", "/articles/1", document)[1]["data"]["relationships"]["author"]["data"] is None
    assert api.ids("/articles/1/comments") == ["2"]
    assert api("GET", "/comments/1")[1]["data"]["relationships"]["article"]["data"] is None


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ({"type": "articles"}, (400, {"pointer": "/data/id"})),
        ({"type": "articles", "id": "2"}, (409, {"pointer": "/data/id"})),
        ({"type": "people", "id": "1"}, (409, {"pointer": "/data/type"})),
    ],
)
def test_an_update_of_something_else(api: Api, data: Any, wanted: Any) -> None:
    """MUST be 409 where type and id are not those of the path."""
    assert error(api("PATCH", "/articles/1", data))[::2] == wanted
    assert error(api("PATCH", "/articles/99", {"type": "articles", "id": "99"}))[0] == 404


# Updating Relationships


def test_a_relationship_to_one(api: Api) -> None:
    assert api("PATCH", "/articles/1/relationships/author", to("authors", "2")) == (204, None)
    assert api("GET", "/articles/1/relationships/author")[1]["data"] == to("authors", "2")
    assert api("PATCH", "/articles/1/relationships/author", None) == (204, None)
    assert api("GET", "/articles/1/relationships/author")[1]["data"] is None
    for method in ("POST", "DELETE"):
        assert error(api(method, "/articles/1/relationships/author", to("authors", "2")))[0] == 403


@pytest.mark.parametrize(
    ("name", "kind"), [("comments", "comments"), ("tags", "tags"), ("readers", "people")]
)
def test_a_relationship_to_many(api: Api, name: str, kind: str) -> None:
    """PATCH replaces, POST adds what is not there, DELETE takes away what is."""
    ids = [api.made(kind, {"n": number}) for number in range(3)]
    made = api.made("articles", {"title": "x"}, **{name: [to(kind, ids[0])]})
    place = f"/articles/{made}/relationships/{name}"

    def now() -> list[str]:
        return sorted(each["id"] for each in api("GET", place)[1]["data"])

    assert now() == ids[:1]
    assert api("POST", place, [to(kind, ids[0]), to(kind, ids[1])]) == (204, None)
    assert now() == ids[:2]
    assert api("DELETE", place, [to(kind, ids[0]), to(kind, ids[2])]) == (204, None)
    assert now() == ids[1:2]
    assert api("PATCH", place, to(kind, *ids)) == (204, None)
    assert now() == ids
    assert api("PATCH", place, []) == (204, None)
    assert now() == []
    assert error(api("POST", place, [to(kind, "999")]))[::2] == (404, {"pointer": "/data/0"})
    assert error(api("PATCH", place, None))[0] == 400


# Deleting Resources


def test_deleting(api: Api) -> None:
    """204 without a document; SHOULD be 404 where it is not there. What pointed at it points at nothing."""
    assert api("DELETE", "/articles/1") == (204, None)
    assert error(api("DELETE", "/articles/1"))[0] == 404
    assert api("GET", "/comments/1/article")[1]["data"] is None
    assert "included" in api("GET", "/comments/1?include=article")[1]
    assert api("DELETE", "/articles/2", {"type": "articles", "id": "2"}) == (204, None)


@pytest.mark.parametrize(
    "target",
    [
        "/articles?filter[" + "a" * 257 + "]=1", "/articles?include=" + ",".join(f"a{n}" for n in range(9)),
        "/articles?fields[a][b]=c", "/articles?fields=a", "/articles?filter[title][like]=" + "*" * 900,
        "/articles?filter[__proto__]=x", "/articles?sort=" + "-" * 99, "/articles?filter[id]=" + "," * 900,
        "/articles?fields[articles]=__x", "/articles?filter[a.b.c.d.e.f.g.h]=1", "/articles?page[size]=1e3",
    ],
)  # fmt: skip
def test_hostile_words_are_answered_below_500(api: Api, target: str) -> None:
    assert api("GET", target)[0] < 500
    assert api.ids("/articles") == ["1", "2", "3"]


@pytest.fixture
def library(api: Api) -> Api:
    """Books whose author is of people: identifiers that are stored as they were sent."""
    for name in ("Cy", "Di"):
        api.made("people", {"name": name})
    for title, author in (("x", "1"), ("y", "2"), ("z", "1")):
        api.made("books", {"title": title}, author=to("people", author), readers=[to("people", "2")])
    return api


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("filter[author]=1", ["1", "3"]),
        ("filter[author.id]=2", ["2"]),
        ("filter[author][ne]=1", ["2"]),
        ("filter[author.name]=Di", ["2"]),
        ("filter[author.name][like]=C*&filter[title]=z", ["3"]),
        ("filter[author.name]=Nobody", []),
        ("filter[author][isnull]=true", ["4"]),
    ],
)
def test_what_leads_to_another_type_is_filtered_by(library: Api, query: str, wanted: list[str]) -> None:
    library(
        "POST", "/books", {"type": "books", "attributes": {}, "relationships": {"author": {"data": None}}}
    )
    library.made("books", {"title": "w", "author": None})

    found = library.ids(f"/books?{query}")
    assert [each for each in found if each != "5"] == wanted


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("filter[author.nope]=1", "filter[author.nope]"),
        ("filter[readers]=2", "filter[readers]"),
        ("filter[readers.name]=Di", "filter[readers.name]"),
        ("sort=author.name", "sort"),
        ("sort=-author.id", "sort"),
    ],
)
def test_what_cannot_be_filtered_or_sorted_by_there_is_refused(
    library: Api, query: str, parameter: str
) -> None:
    """With 200 and an empty list nobody would notice."""
    status, _, source = error(library("GET", f"/books?{query}"))
    assert (status, source) == (400, {"parameter": parameter})


@pytest.mark.parametrize("name", ["$or", "a.b", "a__gt", "a b", "", "é", "-a", "*"])
def test_fields_of_any_name_that_are_empty(api: Api, name: str) -> None:
    """Such a one is an attribute, whatever others hold."""
    for value in ({"x": 1}, None, []):
        made = api("POST", "/odd", {"type": "odd", "attributes": {name: value}})
        assert made[0] == 201, made
    status, body = api("GET", "/odd")
    assert status == 200
    assert [each["attributes"] for each in body["data"]] == [{name: {"x": 1}}, {name: None}, {name: []}]


def test_an_empty_relationship_stays_one(library: Api) -> None:
    """Section "Resource Linkage": null for an empty one to one, an empty array for one to many."""
    none = {"author": {"data": None}, "readers": {"data": []}}
    status, body = library("PATCH", "/books/1", {"type": "books", "id": "1", "relationships": none})
    assert status == 200
    assert body["data"]["attributes"] == {"title": "x"}
    assert body["data"]["relationships"]["author"]["data"] is None
    assert library("GET", "/books/1/relationships/author")[1]["data"] is None
    assert library("GET", "/books/1/author") == (200, library("GET", "/books/1/author")[1])
    assert library("GET", "/books/1/author")[1]["data"] is None
    assert library("PATCH", "/books/1/relationships/author", to("people", "2"))[0] == 204
    assert library("GET", "/books/1/author")[1]["data"]["id"] == "2"
    assert library("PATCH", "/books/1/relationships/author", None)[0] == 204
    assert library("GET", "/books/1/relationships/author")[1]["data"] is None
