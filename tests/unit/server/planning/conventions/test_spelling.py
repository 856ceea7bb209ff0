"""Silence is an error: what a query names and cannot be is refused, with the right spelling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from store.session_store import Session
from tests.unit.server.planning.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POSTS = [
    {"title": "b", "views": 3, "author_name": "Al", "urbs": [{"id": 12}], "author": {"born": 1920}},
    {"title": "A", "views": 1, "author_name": "bo", "order": 2},
    {"title": "a", "views": 2, "author_name": "Cy"},
]


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Service]:
    """A service that has posts, and comments of camelCase style."""
    session = Session.open(str(tmp_path), page_limit_bytes=2**24, durability="cache")
    service = Service(session)
    service("POST", "/posts", POSTS)
    service("POST", "/comments", [{"postId": 1, "text": "x"}])
    yield service
    session.close()


def asked(ask: Service, path: str, pairs: str) -> tuple[int, Any]:
    """`pairs` as in a URL, decoded."""
    query: dict[str, str | list[str]] = {}
    for pair in filter(None, pairs.split("&")):
        key, _, value = pair.partition("=")
        before = query.get(key)
        query[key] = value if before is None else [*([before] if isinstance(before, str) else before), value]
    return ask("GET", path, query=query)[:2]


@pytest.mark.parametrize(
    ("query", "right"),
    [
        ("sort=views,desc", "write sort=-views"),
        ("sort=views,asc", "write sort=views"),
        ("sort=title,views,DESC", "write sort=-views"),
        ("sort=views:desc", "write sort=-views"),
        ("sort=views:asc", "write sort=views"),
        ("sort=views desc", "write sort=-views"),
        ("sort=views.desc", "write sort=-views"),
        ("sort=desc(views)", "write sort=-views"),
        ("sort=views;desc", "write sort=-views"),
        ("sort=title,views|desc", "write sort=-views"),
        ("sort=views__asc", "write sort=views"),
        ("sorting=views.desc", "sort=name"),
        ("sorting=title,views.desc", "sort=name"),
        ("sort=views&reverse=true", "sort=name"),
        ("sort=views&desc=1", "sort=name"),
        ("sort=views:-1", "write sort=-views"),
        ("sort=views=desc", "write sort=-views"),
        ("sort=views/desc", "write sort=-views"),
        ("sort=views[desc]", "write sort=-views"),
        ("sort=views->desc", "write sort=-views"),
        ("sort=viewsDesc", "write sort=-views"),
        ("sort='views' desc", "write sort=-views"),
        ('sort={"views":-1}', "write sort=-views"),
        ("sort=desc:views", "write sort=-views"),
        ("sort=-desc:views", "write sort=-views"),
        ("sort=asc:views", "write sort=views"),
        ("sort=ascending views", "write sort=views"),
        ("sort=desc,views", "write sort=-views"),
        ("sort=asc,views", "write sort=views"),
        ("sort=desc=views", "write sort=-views"),
        ("sort=desc;views", "write sort=-views"),
        ("sort=desc|views", "write sort=-views"),
        ("sort=desc/views", "write sort=-views"),
        ("sort=desc.views", "write sort=-views"),
        ("sort=DESC views", "write sort=-views"),
        ("sort=desc__views", "write sort=-views"),
        ("sort=desc_views", "write sort=-views"),
        ("sort=desc-views", "write sort=-views"),
        ("sort=desc[views]", "write sort=-views"),
        ("sort=descViews", "write sort=-views"),
        ("sort=-1:views", "write sort=-views"),
        ("sort=1:views", "write sort=views"),
        ("sort=title,desc:views", "write sort=-views"),
        ("sort=desc:authorName", "write sort=-author_name"),
        ("sort=desc:title__nocase", "write sort=-title__nocase"),
        ("sort=lower(title)", "write sort=title__nocase"),
        ("sort=-lower(title)", "write sort=-title__nocase"),
        ("sort=title:nocase", "write sort=title__nocase"),
        ("sort=title__ci", "write sort=title__nocase"),
        ("sort=title collate nocase", "write sort=title__nocase"),
        ("sort=-title.ignoreCase", "write sort=-title__nocase"),
        ("sort=authorName:insensitive", "write sort=author_name__nocase"),
        ("sort=desc:nope", "there are id, title, views"),
        ("sort=desc,nope", "there are id, title, views"),
        ("sort=doesntExist", "there are id, title, views"),
        ("sort=-doesntExist,title", "there are id, title, views"),
        ("sort=authorName", "write author_name"),
        ("sort=Views", "write views"),
        ("sort=title__nocas", "there are id"),
        ("sort=title.x", "title is no object"),
        ("sort=urbs.id", "within an array"),
        ("urbs=12", "write urbs__has=12"),
        ("author=Al", "write author.name=Al"),
        ("author/born=1920", "write author.born=1920"),
        ("urbs/id=12", "write urbs.id=12"),
        ("urbs.*.id=12", "write urbs.id=12"),
        ("urbs/*/id=12", "write urbs.id=12"),
        ("sort=views&sort=nope", "there are id"),
        ("order=desc&sort=nope", "there are id"),
        ("orderBy=views", "sort=name"),
        ("order_by=views", "sort=name"),
        ("sortBy=views", "sort=name"),
        ("_sort=views", "sort=name"),
        ("range=[0,9]", "page= and per_page="),
        ("$count=true", "nothing in its place"),
        ("_dependent=comments", "a DELETE for each"),
        ("views:gt=1", "write views__gt=1"),
        ("views:eq=1", "write views=1"),
        ("title_like=a", "write title__like=a"),
        ("title_contains=a", "write title__contains=a"),
        ("_order=desc", "sort=name"),
        ("$orderby=views", "sort=name"),
        ("direction=desc", "sort=name"),
        ("sort[views]=desc", "sort=name"),
        ("skip=5", "page= and per_page="),
        ("take=5", "page= and per_page="),
        ("_page=2", "page= and per_page="),
        ("_limit=2", "page= and per_page="),
        ("_start=2", "page= and per_page="),
        ("pageSize=5", "page= and per_page="),
        ("perPage=5", "page= and per_page="),
        ("page[number]=2", "page= and per_page="),
        ("page[size]=2", "page= and per_page="),
        ("$top=2", "page= and per_page="),
        ("limit=-1", "an integer from 0"),
        ("limit=1.5", "is not an integer"),
        ("limit=ten", "is not an integer"),
        ("limit=1&limit=2", "is not an integer"),
        ("offset=-1", "an integer from 0"),
        ("page=0", "an integer from 1"),
        ("page=", "an integer from 1"),
        ("page=1&per_page=", "an integer from 1"),
        ("per_page=0", "an integer from 1"),
        ("page=x", "an integer from 1"),
        ("per_page=3&limit=3", "say the same"),
        ("page=2&offset=3", "say the same"),
        ("fields=", "a name is missing"),
        ("fields=nope", "there are id, title"),
        ("fields=title,nope", "there are id, title"),
        ("fields=authorName", "write author_name"),
        ("fields=title.x", "title is no object"),
        ("select=title", "fields=id,name"),
        ("fields[posts]=title", "fields=id,name"),
        ("include=comments", "embed=children"),
        ("_embed=comments", "embed=children"),
        ("_expand=user", "embed=children"),
        ("embed=", "a name is missing"),
        ("expand=", "a name is missing"),
        ("embed=nope", "no collection 'nope'"),
        ("embed=comment", "write comments"),
        ("embed=Comments", "write comments"),
        ("expand=nope", "no collection that 'nope_id' points at"),
        ("expand=post", "no field post_id, postId or postID"),
        ("views__gtt=1", "operators are"),
        ("views__GT=1", "write views__gt=1"),
        ("views__not_in=1", "write views__ne=1"),
        ("views__eq=1", "write views=1"),
        ("views[gte]=1", "write views__gte=1"),
        ("views[$gte]=1", "write views__gte=1"),
        ("views[foo]=1", "operators are"),
        ("filter[views][gt]=1", "write views__gt=1"),
        ("filter[title]=a", "write title=a"),
        ("$filter=views gt 1", "name__operator=value"),
        ("title[]=a", "write title=a"),
        ("views>1", "write views__gt=1"),
        ("views=gte.2", "write views__gte=2"),
        ("views=>2", "write views__gt=2"),
        ("views=!2", "write views__ne=2"),
        ("views.gt=1", "neither an object nor an array"),
        ("title.x__icontains=1", "neither an object nor an array"),
        ("authorName=Al", "write author_name=Al"),
        ("Title__icontains=a", "write title__icontains=a"),
        ("ids=1,2", "id__in="),
        ("search=rome", "q=words"),
        ("_=1700000000", "not cached"),
        ("sum=views", "goes with /stats"),
        ("group_by=title", "goes with /posts/stats"),
        ("groupBy=title", "of /stats"),
        ("median=views", "of /stats"),
    ],
)
def test_lists_refuse_what_cannot_be(ask: Service, query: str, right: str) -> None:
    """400 with the remedy, on the collection and below `/search`."""
    for path in ("/posts", "/posts/search"):
        try:
            status, body = asked(ask, path, query)
        except Exception as error:
            status, body = error.status, error.detail  # type: ignore[attr-defined]

        assert status == 400, body
        assert right in body


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("order=2", [2]),
        ("urbs.id=12", [1]),
        ("author.born__lt=1930", [1]),
        ("sort=title", [2, 3, 1]),
        ("sort=title__nocase", [2, 3, 1]),
        ("sort=-title__nocase", [1, 3, 2]),
        ("sort=author_name__nocase", [1, 2, 3]),
        ("sort=author_name", [1, 3, 2]),
        ("sort=author.born", [1, 2, 3]),
        ("title=A*&sort=id", [2, 3]),
        ("title__like=A*", [2]),
        ("missing=1", []),
        ("size=XL", []),
        ("direction=north", []),
        ("missing__gt=1", []),
        ("fields=id&sort=-views", [1, 3, 2]),
        ("limit=&offset=&sort=&q=", [1, 2, 3]),
    ],
)
def test_what_a_collection_has_is_meant(ask: Service, query: str, ids: list[int]) -> None:
    """A field is a field, whatever its name; and one that no record has yet matches none."""
    status, body = asked(ask, "/posts/search", query)

    assert (status, [each["id"] for each in body]) == (200, ids)


@pytest.mark.parametrize("query", ["sort=nope", "fields=nope", "order=5", "title=x", "sum=x"])
def test_a_collection_without_records_tells_nothing(ask: Service, query: str) -> None:
    """There is nothing to know a field by."""

    assert asked(ask, "/drafts/search", query) == (200, [])


@pytest.mark.parametrize("query", ["_sort=x", "sort=views:desc", "price[gte]=1", "page=", "sortBy=x"])
def test_other_tools_words_are_refused_from_the_start(ask: Service, query: str) -> None:
    """What can be no field is no field of an empty collection either."""

    assert asked(ask, "/drafts", query)[0] == 400


@pytest.mark.parametrize("name", ["x" * 65, "a\u200db", "\U000ededcR"])
def test_names_that_no_schema_learns(ask: Service, name: str) -> None:
    """One that a record has is a field like others; one that none has is refused, and not passed over."""
    ask("POST", "/posts", {"title": "odd", name: {"n": 5}, "views": None})

    assert asked(ask, "/posts/4", f"fields=id,{name}.n") == (200, {"id": 4, name: {"n": 5}})
    assert asked(ask, "/posts/search", f"sort=-{name}.n&fields=id")[1][0] == {"id": 4}
    assert asked(ask, "/posts/stats", f"sum={name}.n") == (200, [{"count": 4, f"sum_{name}.n": 5}])
    for path, query in [
        ("/posts/1", f"fields={name}{name}"),
        ("/posts", f"sort=title,-{name}_"),
        ("/posts/stats", f"group_by={name}_"),
    ]:
        status, body = asked(ask, path, query)
        assert (status, "there is no field" in body) == (400, True), body


@pytest.mark.parametrize(
    ("query", "right"),
    [
        ("group_by=nope", "there are id"),
        ("sum=nope", "there are id"),
        ("avg=authorName", "write author_name"),
        ("sort=nope", "is none of count"),
        ("fields=id", "goes with records"),
        ("group_by=", "a name is missing"),
        ("groupby=title", "of /stats"),
    ],
)
def test_stats_refuse_what_cannot_be(ask: Service, query: str, right: str) -> None:
    """Sums of what no record has are no sums."""
    status, body = asked(ask, "/posts/stats", query)

    assert (status, right in body) == (400, True), body


def test_one_record(ask: Service) -> None:
    """What is asked to be seen of it is checked as well."""

    assert asked(ask, "/posts/1", "fields=nope")[0] == 400
    assert asked(ask, "/posts/1", "embed=comments&fields=title,comments.text") == (
        200,
        {"title": "b", "comments": [{"text": "x"}]},
    )


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/posts/9", {"a": 1}),
        ("PUT", "/posts/9", {"a": 1}),
        ("DELETE", "/posts/9", None),
        ("GET", "/posts/9", None),
        ("GET", "/posts/9/comments", None),
        ("POST", "/posts/9/comments", {"a": 1}),
    ],
)
def test_unknown_ids_are_not_found(ask: Service, method: str, path: str, body: Any) -> None:
    """404, whatever is to be done."""
    more = {} if body is None else {"body": body}

    assert ask.status(method, path, **more) == 404


# Relations below a path


@pytest.mark.parametrize("field", ["post_id", "postId", "postID"])
def test_a_nested_create_writes_one_field(ask: Service, field: str) -> None:
    """That of the collection, whatever the body has; lists, counts and records find it."""
    ask("POST", "/notes", {field: 2, "n": 0})

    made = [
        ask.body("POST", "/posts/1/notes", {"post_id": 7, "n": 1}),
        ask.body("POST", "/posts/1/notes", {"postId": 7, "n": 2}),
        *ask.body("POST", "/posts/1/notes", [{"n": 3}, {"postID": 9, "n": 4}]),
    ]

    assert [{key: each[key] for key in each if key not in ("id", "n")} for each in made] == [{field: 1}] * 4
    assert [each["n"] for each in ask.body("GET", "/posts/1/notes/search")] == [1, 2, 3, 4]
    assert ask.body("GET", "/posts/1/notes/count") == {"count": 4}
    assert ask.body("GET", "/posts/1/notes/stats", query={"sum": "n"}) == [{"count": 4, "sum_n": 10}]
    assert ask.status("GET", "/posts/1/notes/2") == 200
    assert ask.status("GET", "/posts/2/notes/2") == 404
    assert ask.body("PUT", "/posts/1/notes/2", {"n": 5}) == {"n": 5, field: 1, "id": 2}


def test_the_first_nested_record_keeps_its_spelling(ask: Service) -> None:
    """Of a new collection the body says how the field is spelt; a batch is of one mind."""

    assert ask.body("POST", "/posts/1/notes", {"postId": 5, "n": 1}) == {"id": 1, "postId": 1, "n": 1}
    batch = ask.body("POST", "/posts/1/likes", [{"byUser": 1}, {"post_id": 2}, {"n": 3}])
    assert batch == [
        {"id": 1, "byUser": 1, "postId": 1},
        {"id": 2, "postId": 1},
        {"id": 3, "n": 3, "postId": 1},
    ]


def test_nested_lists_of_both_spellings(ask: Service) -> None:
    """Records that other clients have written count, and filters go on working."""
    ask("POST", "/comments", [{"post_id": 1, "text": "y"}, {"post_id": 2, "text": "y"}])

    assert [each["text"] for each in ask.body("GET", "/posts/1/comments/search")] == ["x", "y"]
    assert ask.body("GET", "/posts/1/comments/count", query={"text": "y", "or": "(id=2,id=9)"}) == {
        "count": 1
    }
    assert ask.body("GET", "/posts/1/comments/stats", query={"text": "y"}) == [{"count": 1}]


# Ids


@pytest.mark.parametrize(
    "id_",
    [
        "0",
        "-1",
        "urn:isbn:0451450523",
        "al@example.com",
        "foo/bar?",
        "Pro plan $699",
        ".env",
        "x.php",
        "%2F",
        "\u00e9",
    ],
)
def test_any_text_is_an_id(ask: Service, id_: str) -> None:
    """It is created, found at its own Location, changed and deleted."""
    status, record, headers = ask("POST", "/plans", {"id": id_, "n": 1})

    assert (status, record) == (201, {"id": id_, "n": 1})
    assert headers == {"Location": f"/plans/{quote(id_, safe='')}"}
    at = {"segments": ("plans", id_)}
    assert ask.body("GET", "/plans/x", **at) == record
    assert ask.body("PATCH", "/plans/x", {"n": 2}, **at) == {"id": id_, "n": 2}
    below = {"segments": ("plans", id_, "items")}
    assert ask.body("POST", "/plans/x/items", {}, **below) == {"id": 1, "plan_id": id_}
    assert ask.body("GET", "/plans/x/items/count", segments=("plans", id_, "items", "count")) == {"count": 1}
    assert ask.status("DELETE", "/plans/x", **at) == 204


@pytest.mark.parametrize("id_", [0, -1, -(2**53) + 1])
def test_integers_that_are_no_rows(ask: Service, id_: int) -> None:
    """They keep their type."""

    assert ask.body("POST", "/plans", {"id": id_}) == {"id": id_}
    assert ask.body("GET", f"/plans/{id_}") == {"id": id_}
    assert ask.status("POST", "/plans", {"id": str(id_)}) == 409


@pytest.mark.parametrize(
    ("id_", "reason"),
    [
        (2**53, "not every JSON reader"),
        (-(2**53), "not every JSON reader"),
        ("search", "/search is read otherwise"),
        ("stats", "/stats is read otherwise"),
        ("..", "steps of a path"),
        ("a\n", "no control characters"),
        ("x" * 129, "1 to 128 characters"),
        (True, "a boolean"),
    ],
)
def test_ids_that_are_refused(ask: Service, id_: Any, reason: str) -> None:
    """422 with the reason."""
    status, body, _ = ask("POST", "/plans", {"id": id_})

    assert (status, reason in body) == (422, True), body


@pytest.mark.parametrize(
    ("words", "right"),
    [
        (
            "maxRecords=3 max_results=5 itemsPerPage=3 resultOffset=1 pageIndex=2 current_page=2 p=2",
            "page= and",
        ),
        ("limitToFirst=2 start_cursor=abc nextToken=abc page_info=x starting_after=abc rows=10", "page= and"),
        (
            "orderByDesc=views order_dir=desc sortDirection=desc order_direction=desc orderByFields=views",
            "sort=name",
        ),
        ("withCount=comments prefetch=x embedded={} backlink=false includeAll=true", "embed=children"),
        ("related=author fetch=author load=author", "embed=children"),
        (
            "projection=x outFields=title fl=title excludeKeys=a _source=title keys=title shallow=true",
            "fields=id,name",
        ),
        ("append=full_name return=title cols=title view=Grid", "fields=id,name"),
        ("format=json format=csv output=xml wt=json f=pjson export=csv cellFormat=json", "Accept: text/csv"),
        ("s=a s={} fulltext=a $text=a", "q=words"),
        ("queries=x filterByFormula=x queries[0]=equal", "name__operator=value"),
        ("locale=en locale=* userLocale=de lang=en", "no versions of them by language"),
        ("status=draft status=published version=main hasPublishedVersion=true", "no drafts of them"),
        ("withTrashed=1 only_trashed=1 trashed=with", "what was deleted is gone"),
        ("cache=0 cache=false nocache=1 _t=1700 cachebust=1 stale=ok", "as fresh as the records"),
        ("pretty= pretty=true print=pretty", "no blanks"),
        ("meta=* totalCount=true with_total=1 includeTotal=true", "lists tell their total"),
        ("apikey=secret access_token=secret auth=secret", "Authorization: Bearer"),
        ("timeZone=utc tz=utc", "times are kept"),
        ("jsonp=f", "cors.origins"),
        # Xano, Elasticsearch, NocoDB, GitLab
        (
            'external={"page":1} paging={} curPage=2 scroll=1m l=20 pagination=keyset linksPageSize=3',
            "page= and",
        ),
        ("columnOrderBy=x sortArrJson=[] sorting=-sys.createdAt", "sort=name"),
        ("o=-title o=20", "sort=-name, or offset="),
        ("shuffle=1 r=1", "lists are in an order"),
        ('deep={"author":{}} depth=2 joins=false loadRelations=a associations=a', "embed=children"),
        ("excludeProps=title property=title formats=html", "fields=id,name"),
        ('filterArrJson=[] w=(title,eq,x) key="a" jql=a avars={}', "name__operator=value"),
        ("filter_type=OR tax_relation=AND", "or=(a=1,b__gt=2)"),
        ("search_fields=title searchColumns=title", "q=words"),
        ("draft=true publishedStatus=any", "no drafts of them"),
        ("trash=true", "what was deleted is gone"),
        ("viewId=vw1 view_id=4", "there are no views"),
        ("user_field_names=true", "by their names"),
        ("readPreference=SECONDARY", "what was written last"),
        ("partial=true track_total_hits=true", "lists tell their total"),
        ("created_after=2020-01-01 updated_at_min=2020 startkey_docid=a", "name__gte=value"),
        ("facet=true facet.field=title", "group_by="),
        ("eq(title,a) and(eq(title,a),gt(views,5)) in(title,(a,b))", "name=value"),
        ("sort(+title)", "sort=name"),
        ("limit(10,0)", "page= and"),
        ("@p1=5", "the value itself"),
        ("title_lookup=icontains", "title__icontains=value"),
        ("title=match.^a title=imatch.^a", "write title__"),
        ("title=isdistinct.a views=isdistinct.4", "__ne="),
        ("title=like(any).{a*,b*}", "write or=(title__like=a,title__like=b)"),
        ("views=gt(all).{1,2}", "write and=(views__gt=a,views__gt=b)"),
        ("views=sl.[1,2] views=adj.(1,2)", "write views__gte=1&views__lte=9"),
        ("timeout=3s", "sandbox.timeout_seconds"),
        ("dryRun=true", "Prefer: tx=rollback"),
        ("_method=DELETE method=PUT", "the method itself"),
        ("startAt=3 endAt=3 equalTo=3 since=2020-01-01 until=2021-01-01 startkey=a", "name__gte=value"),
        ("since_id=1 minId=1", "id__gt=1"),
        ("envelope=true unwrap=true", "a bare array"),
        ("views_min=1 min_views=1 views_from=1", "views__gte=1"),
        ("max_views=1 views_to=1", "views__lte=1"),
        ("title_starts_with=a", "title__startswith=a"),
        ("views_not=1 views<>1 views_not_in=1", "views__ne=1"),
        ("views_in=1,2", "views__in=1,2"),
        ("filter.title=a filters.title=a filter_title=a where.title=a fields.title=a", "write title=a"),
        ("title~=a title@=a", "write title__"),
        ("views=1..5 views=between:1,5 views=[1..5]", "write views__gte=1&views__lte=5"),
        ("not=(x)", "name__ne=value"),
        (
            "sort=desc:views sort=-1:views sort=desc.views sort=views- sort=!views sort=viewsDesc",
            "write sort=-views",
        ),
        (
            'sort={"views":-1} sort=[{"views":"desc"}] sort=views.desc.nullslast sort=views_desc',
            "write sort=-views",
        ),
        ("sort=asc:views sort=views+ sort=ascending(views)", "write sort="),
    ],
)
def test_words_of_yet_other_tools(ask: Service, words: str, right: str) -> None:
    """400 with what is right here; none of them comes back as an empty list, and no secret is repeated."""
    for word in words.split():
        status, said = asked(ask, "/posts/search", word)
        assert status == 400, word
        assert right in said, word
        assert "secret" not in said


@pytest.mark.parametrize(
    "query",
    [
        *(
            "status=open",
            "version=2",
            "format=hardcover",
            "output=120",
            "lang=Rust stable",
            "p=Rome",
            "all=none",
        ),
        *(
            "load=80",
            "source=web",
            "related=nothing",
            "since=forever",
            "meta=x",
            "cache=warm",
            "method=post office",
        ),
        *("check_in=2020", "text=a", "key=a", "term=fall", "timeout=never", "rows=many", "context=home"),
        *(
            "depth=deep",
            "update=now",
            "trash=bin",
            "explain=it",
            "facet=north",
            "title=match.report",
            "draft=x",
        ),
    ],
)
def test_what_may_be_a_field_is_one(ask: Service, query: str) -> None:
    """The tool's word would have another value: so it filters by a field that no record has yet."""
    assert asked(ask, "/posts/search", query) == (200, [])


@pytest.mark.parametrize(
    "query", ["locale=en", "s=a", "view=x", "timezone=utc", "maxRecords=1", "status=draft"]
)
def test_without_records_such_a_word_may_be_a_field(ask: Service, query: str) -> None:
    """Nothing tells that it is none."""
    assert asked(ask, "/drafts/search", query) == (200, [])


@pytest.mark.parametrize("query", ["$text=a", "_t=1700", "queries[0]=x", "_source=a", "_method=PUT"])
def test_marked_words_are_refused_without_records_too(ask: Service, query: str) -> None:
    assert asked(ask, "/drafts/search", query)[0] == 400


@pytest.mark.parametrize("query", ["query=Dune", "search=Dune", "criteria=Dune", "total=1"])
def test_words_that_conventions_programs_hold_are_refused_as_others(ask: Service, query: str) -> None:
    """`ctx["query"]` reads no key called `query`."""
    ask("POST", "/films", {"title": "Dune"})

    assert asked(ask, "/films", query)[0] == 400


def test_such_a_word_is_a_field_where_records_have_it(ask: Service) -> None:
    ask("POST", "/films", {"locale": "en", "status": "draft", "s": "a", "views_min": 3, "cache": "0"})

    for query in ("locale=en", "status=draft", "s=a", "views_min=3", "cache=0"):
        assert len(asked(ask, "/films/search", query)[1]) == 1
