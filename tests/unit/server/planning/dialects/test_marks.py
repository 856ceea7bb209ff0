"""Words of other tools in a native request are refused with the right spelling, and name their dialect."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from server.planning.dialects.frame.registry import known, marked, meant
from server.requests.target import parse_query
from tests.unit.server.planning.requests import a_request
from tests.unit.server.planning.service import Service

if TYPE_CHECKING:
    from store.session_store import Session

POSTS = [
    {"title": "a", "views": 1, "author_id": 1, "tags": ["x"], "meta": {"k": 1}},
    {"title": "b", "views": 30, "author_id": 2, "tags": [], "meta": {"k": 2}},
]
PAGES, SORT = "page= and per_page=, or limit= and offset=", "sort=name, or sort=-name"
FILTER, RELATED = "name=value", "embed=children or expand=parent"
#: Query, the right spelling, and the dialect: empty where there is none of that tool.
WORDS = [
    # OData 4.01, "System Query Options"
    ("$filter=title eq 'a'", FILTER, ""),
    ("$top=1", PAGES, ""),
    ("$skip=1", PAGES, ""),
    ("$orderby=title desc", SORT, ""),
    ("$expand=author", RELATED, ""),
    ("$select=title", "fields=id,name", ""),
    ("$count=true", "lists tell their total", ""),
    ("$inlinecount=allpages", "lists tell their total", ""),
    ("$search=a", "q=words", ""),
    ("$format=json", "Accept:", ""),
    ("top=1&skip=0", PAGES, ""),
    ("orderby=title", SORT, ""),
    # Strapi 5, "REST API parameters"
    ("filters[title][$eq]=a", "title=a", ""),
    ("filters[views][$gt]=5", "views__gt=5", ""),
    ("filters[title]=a", "title=a", ""),
    ("filters[title][$containsi]=a", "title__icontains=a", ""),
    ("filters[title][$in][0]=a", "title__in=a", ""),
    ("filters[title][$null]=true", "title__isnull=true", ""),
    ("filters[title][$notNull]=true", "title__isnull=false", ""),
    ("filters[title][$startsWithi]=a", "title=a*", ""),
    ("filters[title][$endsWithi]=a", "title=*a", ""),
    ("filters[title][$eqi]=a", "title__ilike=a", ""),
    ("filters[views][$between][0]=1", "views__gte=1&views__lte=", ""),
    ("filters[$or][0][title][$eq]=a", "or=(a=1,b__gt=2)", ""),
    ("filters[meta][k][$eq]=a", "meta.k=a", ""),
    ("pagination[page]=1", PAGES, ""),
    ("pagination[pageSize]=1", PAGES, ""),
    ("pagination[withCount]=1", PAGES, ""),
    ("populate=*", RELATED, ""),
    ("populate[author][fields][0]=name", RELATED, ""),
    ("sort[0]=title:desc", SORT, ""),
    ("sort=title:desc", "sort=-title", ""),
    ("fields[0]=title", "fields=id,name", "json-api"),
    ("publicationState=live", "there are no drafts", ""),
    ("title_containss=a", "title__OPERATOR", ""),
    # JSON:API 1.1
    ("page[number]=1", PAGES, "json-api"),
    ("page[offset]=1", PAGES, "json-api"),
    ("page[after]=x", PAGES, "json-api"),
    ("filter[title]=a", "title=a", "json-api"),
    ("filter[views][gt]=1", "views__gt=1", "json-api"),
    ("fields[posts]=title", "fields=id,name", "json-api"),
    ("include=author", RELATED, "json-api"),
    # PocketBase
    ("filter=title='a'", FILTER, "pocketbase"),
    ("filter=(title ~ 'a' && views>1)", FILTER, "pocketbase"),
    ("perPage=10", PAGES, "pocketbase"),
    ("skipTotal=1", "lists tell their total", "pocketbase"),
    ("sort=@random", "there is no field", "pocketbase"),
    ("expand=posts_via_author", "there is no collection", "pocketbase"),
    ("fields=title:excerpt(10)", "there is no field", "pocketbase"),
    # PostgREST
    ("select=title", "fields=id,name", "postgrest"),
    ("views=gt.5", "views__gt=5", "postgrest"),
    ("title=eq.a", "title=a", "postgrest"),
    ("title=not.eq.a", "title__ne=a", "postgrest"),
    ("title=in.(a,b)", "title__in=a,b", "postgrest"),
    ("title=is.null", "title__isnull=true", "postgrest"),
    ("title=not.is.null", "title__isnull=false", "postgrest"),
    ("title=like.*a*", "title__like=*a*", "postgrest"),
    ("tags=cs.{x}", "tags__has=x", "postgrest"),
    ("title=fts.a", "q=a", "postgrest"),
    ("order=title.desc", SORT, "postgrest"),
    ("or=(title.eq.a,views.gt.5)", "status=open", "postgrest"),
    ("not.or=(title.eq.a)", "name__ne=value", "postgrest"),
    ("columns=title", "fields=id,name", "postgrest"),
    ("on_conflict=title", "PUT", "postgrest"),
    # json-server, and react-admin's
    ("_sort=title", SORT, "json-server"),
    ("views_gte=1", "views__gte=1", "json-server"),
    ("views:gt=1", "views__gt=1", "json-server-1"),
    ("title_startsWith=a", "title__startswith=a", ""),
    ("callback=x", "cors.origins", ""),
    ('filter={"title":"a"}', FILTER, "ra-data-simple-rest"),
    ("range=[0,9]", PAGES, "ra-data-simple-rest"),
    # A relation in the place of the field that points along it
    ("author=1", "author_id=1", ""),
    ("author.name=Ann", "author_id__in=1,2", ""),
]


@pytest.mark.parametrize(("query", "right", "dialect"), WORDS, ids=[each[0] for each in WORDS])
def test_a_word_of_another_tool_is_refused_with_the_right_one(
    session: Session, query: str, right: str, dialect: str
) -> None:
    service = Service(session)
    service("POST", "/posts", POSTS)
    asked = parse_query(quote(query, safe="=&"), query_bytes=1024)
    status, detail, _ = service("GET", "/posts", query=asked)
    assert (status, right in detail) == (400, True), detail
    assert meant(a_request("GET", "/posts", query=asked)) == (dialect or None)


@pytest.mark.parametrize(
    "query",
    [
        "title=eq", "title=lt.smith@example.com", "title=match.com", "title=is.abel", "title=like.com",
        "title=in.spect", "title__in=eq.a", "meta.k=1", "tags__has=eq.x", "language=en", "order=66", "q=eq.a",
        "order=first.class", "title=a[b]", "author_id=1", "title=cs.net", "format=hardcover",
    ],
)  # fmt: skip
def test_what_may_be_meant_as_it_stands_is_served(session: Session, query: str) -> None:
    service = Service(session)
    service("POST", "/posts", POSTS)
    asked = parse_query(quote(query, safe="=&"), query_bytes=1024)
    assert service.status("GET", "/posts", query=asked) == 200


def test_what_auto_takes_for_a_mark_is_no_mere_hint() -> None:
    """`include=` or `perPage=` settle no session."""
    for query in ({"include": "author"}, {"perPage": "1"}, {"title": "eq.a"}, {"columns": "a"}):
        assert marked(a_request("GET", "/posts", query=query)) is None
    assert marked(a_request("GET", "/posts", query={"filter[title]": "a"})) == "json-api"


def test_hints_take_no_longer_than_what_they_read() -> None:
    """Of each dialect: a value of 8,000 characters that almost fits."""
    for long in ("a" * 8_000, "(" * 8_000, "a." * 4_000, "not." * 2_000, "_via" * 2_000, " " * 8_000):
        request = a_request(
            "GET", "/posts", query=dict.fromkeys(("filter", "expand", "order", "or", long), long)
        )
        for table in known().values():
            table.marks.hinted(request)
