"""PostgREST 14: each rule as docs.postgrest.org/en/v14 has it, spelt as postgrest-js 2.109.0 sends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from tests.unit.server.planning.dialects.conftest import opened
from tests.unit.server.planning.dialects.service import DialectService

if TYPE_CHECKING:
    from pathlib import Path

    from store.session_store import Session

SINGLE = "application/vnd.pgrst.object+json"
#: `title` of d is absent, its `year` null.
FILMS: list[dict[str, Any]] = [
    {"id": 1, "title": "Alien", "year": 1979, "seen": True, "tags": ["sf", "ship"], "director_id": 1},
    {"id": 2, "title": "Brazil", "year": 1985, "seen": False, "tags": ["sf"], "director_id": 2},
    {"id": 3, "title": "Casa, blanca", "year": 1942, "seen": None, "tags": [], "director_id": None},
    {"id": 4, "year": None, "seen": True, "info": {"lang": "en", "n": [7, {"a": 8}]}, "director_id": 1},
]
DIRECTORS = [{"id": 1, "name": "Scott"}, {"id": 2, "name": "Gilliam"}, {"id": 3, "name": "Nobody"}]
REVIEWS = [
    {"id": 1, "film_id": 1, "stars": 5, "by": "al"},
    {"id": 2, "film_id": 1, "stars": 2, "by": "bo"},
    {"id": 3, "film_id": 2, "stars": 4, "by": "al"},
]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("films")
    with opened(directory) as session:
        service = DialectService(session, "postgrest")
        for name, rows in (("directors", DIRECTORS), ("reviews", REVIEWS)):
            assert service("POST", f"/{name}", rows)[0] == 201
        for row in FILMS:
            assert service("POST", "/films", row)[0] == 201
        for film, actor in ((1, 1), (1, 2), (2, 2)):
            service("POST", "/roles", {"film_id": film, "actor_id": actor})
        service("POST", "/actors", [{"id": 1, "name": "Weaver"}, {"id": 2, "name": "Holm"}])
    return directory


@pytest.fixture
def ask(copied: Session) -> DialectService:
    return DialectService(copied, "postgrest")


def get(ask: DialectService, query: str, path: str = "/films", **headers: str) -> Any:
    found = ask("GET", f"{path}?{quote(query, safe='=&')}", **headers)
    assert found[0] in (200, 206), found
    return found[1]


def refused(found: tuple[int, Any, dict[str, str]], status: int, code: str) -> str:
    assert found[0] == status, found
    assert found[1].keys() == {"code", "details", "hint", "message"}
    assert found[1]["code"] == code, found
    return f"{found[1]['message']} {found[1]['details']}"


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", "1234"),
        ("select=*", "1234"),
        ("year=eq.1985", "2"),
        ("year=neq.1985", "13"),
        ("year=gt.1942", "12"),
        ("year=gte.1942", "123"),
        ("year=lt.1985", "13"),
        ("year=lte.1985", "123"),
        ("year=gt.1942&year=lt.1985", "1"),
        ("title=like.*li*", "1"),
        ("title=like.%li%", "1"),
        ("title=like.a*", ""),
        ("title=ilike.a*", "1"),
        ("title=like(any).{A*,B*}", "12"),
        ("title=like(all).{A*,*n}", "1"),
        ("title=eq(any).{Alien,Brazil}", "12"),
        ("title=not.like(any).{A*,B*}", "3"),
        ("title=match.^Al", "1"),
        ("title=match.l$", "2"),
        ("title=imatch.^ALIEN$", "1"),
        ("title=in.(Alien,Brazil)", "12"),
        ('title=in.("Casa, blanca",Brazil)', "23"),
        ("id=in.()", ""),
        ("id=in.(1,4)", "14"),
        ("id=not.in.(1,4)", "23"),
        ("year=is.null", "4"),
        ("year=not.is.null", "123"),
        ("year=is.not_null", "123"),
        ("seen=is.true", "14"),
        ("seen=is.false", "2"),
        ("seen=is.unknown", "3"),
        ("seen=not.is.true", "23"),
        ("year=isdistinct.1985", "134"),
        ("year=not.eq.1985", "13"),
        ("year=not.gt.1942", "3"),
        ("title=not.like.*l*", ""),
        ("title=not.ilike.al*", "23"),
        ("tags=cs.{sf}", "12"),
        ("tags=cs.{sf,ship}", "1"),
        ('tags=cs.["sf"]', "12"),
        ("tags=ov.{ship,boat}", "1"),
        ("tags=not.cs.{ship}", "23"),
        ("info->>lang=eq.en", "4"),
        ("info->lang=eq.en", "4"),
        ("or=(year.lt.1950,title.eq.Brazil)", "23"),
        ("or=(year.is.null,and(year.gte.1979,seen.is.true))", "14"),
        ('or=(title.eq."Casa, blanca",id.in.(1,2))', "123"),
        ("and=(year.gt.1900,year.not.eq.1985)", "13"),
        ("not.and=(year.gte.1942,year.lte.1979)", "2"),
        ("not.or=(title.eq.Alien,title.eq.Brazil)", "3"),
        ("or=(id.eq.1,not.or(title.eq.Alien,title.eq.Brazil))", "13"),
        ("or=(title.not.like.A*,year.is.null)", "234"),
        ("year=gte.1970&or=(seen.is.false,id.eq.1)", "12"),
        ("order=year", "3124"),
        ("order=year.desc", "4213"),
        ("order=year.asc.nullsfirst", "4312"),
        ("order=year.desc.nullslast", "2134"),
        ("order=year.nullsfirst", "4312"),
        ("order=seen.desc,id.desc", "3412"),
        ("order=info->>lang.asc,id.desc", "4321"),
        ("order=id.desc&limit=2", "43"),
        ("order=id.desc&limit=2&offset=1", "32"),
        ("limit=0", ""),
        ("offset=9", ""),
    ],
)
def test_rows_are_filtered_ordered_and_paged(ask: DialectService, query: str, wanted: str) -> None:
    assert "".join(str(row["id"]) for row in get(ask, query)) == wanted


@pytest.mark.parametrize(
    ("query", "status", "code", "says"),
    [
        ("year=1985", 400, "PGRST100", "year=eq.1985"),
        ("year=equals.1985", 400, "PGRST100", "there is no such operator"),
        ("title=fts.alien", 400, "PGRST100", "ilike"),
        ("title=not.wfts(english).alien", 400, "PGRST100", "ilike"),
        ("title=like.A_ien", 400, "PGRST100", "underscore"),
        ("title=match.A.*n", 400, "PGRST100", "^text"),
        ("year=sl.(1,2)", 400, "PGRST100", "range"),
        ("year=is.5", 400, "PGRST100", "unknown"),
        ("id=in.1,2", 400, "PGRST100", "(a,b)"),
        ("or=(id.eq.1", 400, "PGRST100", "(a,b)"),
        ('or=(id.eq."1)', 400, "PGRST100", "quote"),
        ("or=" + "(or" * 9 + "(id.eq.1)" + ")" * 9, 400, "PGRST100", ""),
        ("nothing=eq.1", 400, "42703", "column films.nothing does not exist"),
        ("select=nothing", 400, "42703", "films.nothing"),
        ("order=nothing", 400, "42703", "films.nothing"),
        ("order=id.sideways", 400, "PGRST100", "nullsfirst"),
        ("order=directors(name)", 400, "PGRST108", "directors"),
        ("select=id,d:directors(id)&order=directors(name)", 400, "PGRST108", "directors"),
        ("select=id,directors(id)&order=directors(name).up", 400, "PGRST100", "nullsfirst"),
        ("select=id,directors(id)&order=directors(nope)", 400, "42703", "directors.nope"),
        ("select=id,directors(id)&order=directors()", 400, "PGRST100", "resource(column)"),
        ("select=id,reviews(id)&order=reviews(stars)", 400, "PGRST118", "'films' and 'reviews' do not form"),
        ("select=id,reviews(films(id))&reviews.order=films(year)", 400, "PGRST100", "own columns"),
        ("a__gt=eq.1", 400, "PGRST100", "underscores"),
        ("select=id::date", 400, "PGRST100", "bigint"),
        ("select=title::int", 400, "22P02", "type integer"),
        ("select=sum()", 400, "PGRST100", "column.sum()"),
        ("select=*,year.max()", 400, "PGRST100", "grouped by"),
        ("select=count(),authors(name)", 400, "PGRST100", "no embedded resource"),
        ("select=year.max()::money", 400, "PGRST100", "no cast"),
        ("select=nope.max()", 400, "42703", "does not exist"),
        ("select=title,count()&order=year", 400, "PGRST100", "grouped by"),
        ("select=*,planets(*)", 400, "PGRST200", "planets"),
        ("reviews.stars=gt.1", 400, "PGRST108", "reviews"),
        ("select=id,reviews()&or=(year.gt.1,reviews.not.is.null)", 400, "PGRST100", "reviews=is.null"),
        ("limit=-1", 416, "PGRST103", "greater than or equal to zero"),
        ("limit=many", 400, "PGRST100", "integer"),
    ],
)
def test_what_is_not_there_is_refused(
    ask: DialectService, query: str, status: int, code: str, says: str
) -> None:
    assert says in refused(ask("GET", f"/films?{quote(query, safe='=&')}"), status, code)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("select=title", {"title": "Alien"}),
        ("select=name:title,id", {"name": "Alien", "id": 1}),
        ("select=year::text", {"year": "1979"}),
        ("select=seen::text", {"seen": "true"}),
        ("select=first:tags->0", {"first": "sf"}),
        ("select=tags->>9", {"tags": None}),
        ("select=tags->-1", {"tags": "ship"}),
        ("select=tags->>-9", {"tags": None}),
        ("select=id,directors(name)", {"id": 1, "directors": {"name": "Scott"}}),
        ("select=id,by:directors(*)", {"id": 1, "by": {"id": 1, "name": "Scott"}}),
        ("select=id,by:director_id(name)", {"id": 1, "by": {"name": "Scott"}}),
        ("select=id,directors!director_id(name)", {"id": 1, "directors": {"name": "Scott"}}),
        ("select=id,directors!films_director_id_fkey(name)", {"id": 1, "directors": {"name": "Scott"}}),
        ("select=id,...directors(director:name)", {"id": 1, "director": "Scott"}),
        ("select=reviews(stars)", {"reviews": [{"stars": 5}, {"stars": 2}]}),
        ("select=reviews(stars)&reviews.order=stars", {"reviews": [{"stars": 2}, {"stars": 5}]}),
        ("select=reviews(stars)&reviews.order=stars&reviews.limit=1", {"reviews": [{"stars": 2}]}),
        ("select=reviews(stars)&reviews.stars=lt.3", {"reviews": [{"stars": 2}]}),
        ("select=reviews(stars)&reviews.or=(stars.lt.3,stars.gt.9)", {"reviews": [{"stars": 2}]}),
        ("select=actors(name)&actors.order=name", {"actors": [{"name": "Holm"}, {"name": "Weaver"}]}),
        ("select=id,reviews!inner()", {"id": 1}),
    ],
)
def test_select_projects_and_embeds(ask: DialectService, query: str, wanted: dict[str, Any]) -> None:
    assert get(ask, f"{query}&id=eq.1") == [wanted]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("select=id,directors(name)&order=directors(name)", "2143"),
        ("select=id,directors(name)&order=directors(name),id.desc", "2413"),
        ("select=id,directors(name)&order=directors(name).desc", "3142"),
        ("select=id,directors(name)&order=directors(name).desc.nullslast", "1423"),
        ("select=id,directors(name)&order=directors(name).nullsfirst&limit=2", "32"),
        ("select=id,directors(name)&order=directors(name)&limit=2&offset=1", "14"),
        ("select=id,directors()&order=directors(name)", "2143"),
        ("select=id,d:directors(id)&order=d(name)", "2143"),
        ("select=id,...directors(name)&order=directors(name)", "2143"),
        ("select=id,director_id(name)&order=director_id(name),year.desc", "2413"),
        ("select=id,directors!inner(name)&order=directors(name)", "214"),
        ("select=id,directors(name)&directors.name=eq.Scott&order=directors(name)", "1423"),
        ("select=id,directors(name)&order=year.desc,directors(name)", "4213"),
        ("select=id,directors(name)&order=info->>lang.asc,directors(name)", "4213"),
    ],
)
def test_rows_are_in_the_order_of_what_they_point_at(ask: DialectService, query: str, wanted: str) -> None:
    """Of a resource that there is one of, by its name in the reply; rows without it count as null."""
    assert "".join(str(row["id"]) for row in get(ask, query)) == wanted
    assert ask("GET", f"/films?{quote(query, safe='=&')}", prefer="count=exact")[2]["content-range"].endswith(
        "/3" if "inner" in query else "/4"
    )


def test_only_lists_are_in_that_order(ask: DialectService) -> None:
    """What is changed is found by its own columns."""
    path = "/films?id=eq.1&select=id,directors(name)&order=directors(name)"
    says = refused(ask("PATCH", path, {"year": 1}, prefer="return=representation"), 400, "PGRST100")
    assert "own columns" in says


def test_embeds_nest_and_filter_what_they_belong_to(ask: DialectService) -> None:
    nested = get(ask, "select=name,films(id,reviews(by))&id=in.(2,3)&order=id", "/directors")
    assert nested == [
        {"name": "Gilliam", "films": [{"id": 2, "reviews": [{"by": "al"}]}]},
        {"name": "Nobody", "films": []},
    ]
    inner = "select=id,reviews!inner(stars)&reviews.stars=gte.4"
    assert [row["id"] for row in get(ask, inner)] == [1, 2]
    assert [row["id"] for row in get(ask, f"{inner}&limit=1&offset=1")] == [2]
    assert [row["id"] for row in get(ask, "select=id,reviews()&reviews=is.null")] == [3, 4]
    assert [row["id"] for row in get(ask, "select=id,reviews()&reviews=not.is.null")] == [1, 2]
    deep = "select=name,films!inner(reviews!inner(by))&films.reviews.by=eq.bo"
    assert [row["name"] for row in get(ask, deep, "/directors")] == ["Scott"]


def test_a_list_says_its_range_and_its_total_where_asked(ask: DialectService) -> None:
    status, _, headers = ask("GET", "/films")
    assert (status, headers["content-range"]) == (200, "0-3/*")
    status, _, headers = ask("GET", "/films?limit=2", Prefer="count=exact")
    assert (status, headers["content-range"]) == (206, "0-1/4")
    assert headers["preference-applied"] == "count=exact"
    status, rows, headers = ask("GET", "/films", Range="1-2", Range_Unit="items", Prefer="count=planned")
    assert (status, [row["id"] for row in rows], headers["content-range"]) == (206, [2, 3], "1-2/4")
    status, _, headers = ask("GET", "/films", Prefer="count=estimated")
    assert (status, headers["content-range"]) == (200, "0-3/4")
    assert ask("GET", "/films?offset=9")[2]["content-range"] == "*/*"
    assert "only 4 rows" in refused(ask("GET", "/films?offset=9", Prefer="count=exact"), 416, "PGRST103")
    assert "boundary" in refused(ask("GET", "/films", Range="5-2"), 416, "PGRST103")
    assert ask("GET", "/films?select=id,reviews!inner()", Prefer="count=exact")[2]["content-range"] == "0-1/2"
    assert ask("HEAD", "/films?id=gt.2", Prefer="count=exact")[2]["content-range"] == "0-1/2"


def test_a_single_row_is_an_object_or_a_406(ask: DialectService) -> None:
    assert ask("GET", "/films?id=eq.2&select=title", Accept=SINGLE)[1] == {"title": "Brazil"}
    assert "contains 4 rows" in refused(ask("GET", "/films", Accept=SINGLE), 406, "PGRST116")
    assert "contains 0 rows" in refused(ask("GET", "/films?id=eq.9", Accept=SINGLE), 406, "PGRST116")
    several = ask("PATCH", "/films?id=lt.3", {"year": 1}, Accept=SINGLE, Prefer="return=representation")
    refused(several, 406, "PGRST116")
    assert [row["year"] for row in get(ask, "id=lt.3")] == [1979, 1985]
    stripped = get(ask, "id=eq.3", Accept="application/vnd.pgrst.array+json;nulls=stripped")
    assert "seen" not in stripped[0]


def test_rows_are_inserted(ask: DialectService) -> None:
    status, body, headers = ask("POST", "/films", {"title": "Dune"})
    assert (status, body, headers["content-range"]) == (201, None, "*/*")
    status, body, headers = ask("POST", "/films", {"title": "Eraserhead"}, Prefer="return=headers-only")
    assert (status, body, headers["location"]) == (201, None, "/films?id=eq.6")
    rows = [{"title": "Fargo", "year": 1996}, {"title": "Gigi", "year": 1958}]
    asked = "return=representation,count=exact"
    status, body, headers = ask("POST", "/films?select=id,title", rows, Prefer=asked)
    assert (status, headers["content-range"]) == (201, "*/2")
    assert body == [{"id": 7, "title": "Fargo"}, {"id": 8, "title": "Gigi"}]
    one = ask("POST", "/films?select=title", {"title": "Heat"}, Prefer="return=representation", Accept=SINGLE)
    assert one[1] == {"title": "Heat"}
    assert ask("POST", "/films", [], Prefer="return=representation")[:2] == (201, [])
    embedded = ask(
        "POST", "/films?select=directors(name)", {"director_id": 3}, Prefer="return=representation"
    )
    assert embedded[1] == [{"directors": {"name": "Nobody"}}]


def test_columns_say_what_is_inserted(ask: DialectService) -> None:
    rows = [{"title": "A", "more": 1}, {"year": 3}]
    refused(ask("POST", "/films", rows), 400, "PGRST102")
    path = '/films?columns="title","year"'
    made = ask("POST", path, rows, Prefer="return=representation")[1]
    assert made == [{"id": 5, "title": "A", "year": None}, {"id": 6, "title": None, "year": 3}]
    made = ask("POST", path, rows, Prefer="return=representation,missing=default")[1]
    assert made == [{"id": 7, "title": "A"}, {"id": 8, "year": 3}]
    changed = ask("PATCH", "/films?id=eq.7&columns=year", {"year": 4, "x": 5}, Prefer="return=representation")
    assert changed[1] == [{"id": 7, "title": "A", "year": 4}]


def test_a_taken_id_is_a_conflict_that_keeps_nothing(ask: DialectService) -> None:
    said = refused(ask("POST", "/films", [{"id": 50}, {"id": 1}]), 409, "23505")
    assert "duplicate key" in said
    assert get(ask, "id=eq.50") == []


def test_duplicates_are_merged_or_passed_over(ask: DialectService) -> None:
    merge = "resolution=merge-duplicates,return=representation"
    status, body, _ = ask("POST", "/films", [{"id": 1, "year": 1}], Prefer=merge)
    assert status == 200
    assert body[0]["title"] == "Alien"
    assert body[0]["year"] == 1
    rows = [{"id": 1, "year": 2}, {"id": 9, "year": 3}]
    status, body, headers = ask("POST", "/films?select=id,year", rows, Prefer=merge)
    assert (status, body) == (201, rows)
    assert headers["preference-applied"] == "resolution=merge-duplicates, return=representation"
    ignore = "resolution=ignore-duplicates,return=representation"
    status, body, _ = ask("POST", "/films", [{"id": 1, "year": 5}, {"id": 10, "year": 6}], Prefer=ignore)
    assert (status, body) == (201, [{"id": 10, "year": 6}])
    assert get(ask, "id=eq.1&select=year") == [{"year": 2}]
    assert ask("POST", "/films", {"id": 1}, Prefer=ignore)[:2] == (201, [])
    by_name = "/directors?on_conflict=name"
    made = ask(
        "POST", by_name, [{"name": "Scott", "born": 1937}, {"name": "Lynch", "born": 1946}], Prefer=merge
    )
    assert made[1] == [{"id": 1, "name": "Scott", "born": 1937}, {"id": 4, "name": "Lynch", "born": 1946}]
    refused(ask("POST", "/films", [{"id": 1, "a": 1}, {"id": 1, "a": 2}], Prefer=merge), 400, "21000")
    refused(ask("POST", by_name, {"id": 7, "name": "Scott"}, Prefer=merge), 400, "PGRST100")


def test_one_row_is_put(ask: DialectService) -> None:
    assert ask("PUT", "/directors?id=eq.1", {"id": 1, "name": "R. Scott"})[:2] == (204, None)
    made = ask("PUT", "/directors?id=eq.8", {"id": 8, "name": "New"}, Prefer="return=representation")
    assert made[:2] == (201, [{"id": 8, "name": "New"}])
    assert get(ask, "id=eq.1", "/directors") == [{"id": 1, "name": "R. Scott"}]
    refused(ask("PUT", "/directors?id=eq.1", {"id": 2}), 400, "PGRST115")
    refused(ask("PUT", "/directors?name=eq.Scott", {"id": 2}), 405, "PGRST105")
    refused(ask("PUT", "/directors?id=eq.1&limit=1", {"id": 1}), 400, "PGRST114")


def test_rows_are_changed_by_filter(ask: DialectService) -> None:
    status, body, headers = ask("PATCH", "/films?year=gt.1950", {"seen": None}, Prefer="count=exact")
    assert (status, body, headers["content-range"]) == (204, None, "0-1/2")
    assert [row["id"] for row in get(ask, "seen=is.null")] == [1, 2, 3]
    changed = ask("PATCH", "/films?id=eq.4&select=id,year", {"year": 7}, Prefer="return=representation")
    assert changed[:2] == (200, [{"id": 4, "year": 7}])
    assert ask("PATCH", "/films?id=eq.99", {"year": 7}, Prefer="return=representation")[:2] == (200, [])
    assert ask("PATCH", "/films?id=eq.99", {"year": 7})[2]["content-range"] == "*/*"
    refused(ask("PATCH", "/films?id=eq.1", {"id": 77}), 400, "PGRST100")
    refused(ask("PATCH", "/films?id=eq.1", [{"a": 1}]), 400, "PGRST102")
    refused(ask("PATCH", "/films?id=eq.1&limit=1", {"a": 1}), 400, "PGRST100")


def test_rows_are_deleted_by_filter(ask: DialectService) -> None:
    gone = ask("DELETE", "/films?id=lt.3&select=id,reviews(by)", Prefer="return=representation,count=exact")
    assert gone[0] == 200
    assert gone[1][1] == {"id": 2, "reviews": [{"by": "al"}]}
    assert gone[2]["content-range"] == "*/2"
    assert ask("DELETE", "/films?id=eq.3")[:2] == (204, None)
    assert ask("DELETE", "/films?id=eq.3")[0] == 204
    assert [row["id"] for row in get(ask, "")] == [4]


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_without_a_filter_all_rows_need_a_setting(ask: DialectService, copied: Session, method: str) -> None:
    said = refused(ask(method, "/reviews", {"stars": 1}), 400, "21000")
    assert "requires a WHERE clause" in said
    assert "conventions.delete_collections" in said
    assert len(get(ask, "", "/reviews")) == 3
    allowed = DialectService(copied, "postgrest", clearing=True)
    assert allowed(method, "/reviews", {"stars": 1})[0] == 204
    assert [row["stars"] for row in get(ask, "", "/reviews")] == ([1] * 3 if method == "PATCH" else [])


def test_more_rows_than_max_affected_stay(ask: DialectService) -> None:
    prefer = "handling=strict,max-affected=1"
    said = refused(ask("DELETE", "/films?id=lt.3", Prefer=prefer), 400, "PGRST124")
    assert "affects 2 rows" in said
    assert ask("DELETE", "/films?id=eq.1", Prefer=prefer)[0] == 204
    assert ask("DELETE", "/films?id=gt.1", Prefer="max-affected=1")[0] == 204


def test_an_unknown_preference_counts_where_handling_is_strict(ask: DialectService) -> None:
    assert ask("GET", "/films", Prefer="anything")[0] == 200
    assert "anything" in refused(ask("GET", "/films", Prefer="handling=strict, anything"), 400, "PGRST122")


def test_the_services_own_errors_have_postgrests_form(ask: DialectService) -> None:
    assert "public.planets" in refused(ask("GET", "/planets"), 404, "PGRST205")
    refused(ask("DELETE", "/planets?id=eq.1"), 404, "PGRST205")
    refused(ask("POST", "/films/1", {}), 501, "PGRST125")
    refused(ask("POST", "/films", ["text"]), 400, "PGRST102")
    refused(ask("GET", "/films", Accept="application/vnd.pgrst.plan+json"), 406, "PGRST107")


def test_supabases_paths_lead_to_the_same_rows(ask: DialectService) -> None:
    assert get(ask, "id=eq.1&select=id", "/rest/v1/films") == [{"id": 1}]


@pytest.mark.parametrize(
    "target",
    [
        *(
            "select=(",
            "select=a(b(c(d(e(f(g))))))",
            "select=," * 9,
            "select=...x()",
            "select=:",
            "select=a->",
            "or=",
            "or=()",
        ),
        *(
            "order=.",
            "order=,,",
            "order=-id",
            "id=in.(",
            "id=eq(any).1",
            "tags=cs.[",
            "tags=cs.[[1]]",
            "tags=cs.{",
        ),
        *(
            "id=not.not.eq.1",
            "$or=eq.1",
            "id.x=eq.1",
            "..=eq.1",
            "info->0=eq.1",
            "title=like." + "%" * 2000,
        ),
        *(
            "select=" + "id," * 99,
            "or=(" + "id.eq.1," * 99 + "id.eq.2)",
            "limit=" + "9" * 40,
            "offset=999999999999999",
        ),
        *(
            "select=directors!x!y(*)",
            "select=" + "reviews(id)," * 12,
            "select=films(id)",
            "columns=a&on_conflict=b",
        ),
        *(
            "title=match.^",
            "title=like.\\",
            "id=is.",
            'title=eq."',
            "not.or=(and())",
            "select=roles(actors(name))",
        ),
    ],
)
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE", "POST", "PUT"])
def test_hostile_requests_are_answered_below_500(ask: DialectService, method: str, target: str) -> None:
    prefer = "return=representation,resolution=merge-duplicates"
    body = {"title": {"a": [1]}, "id": 1} if method != "PATCH" else {"title": 1}
    status, answer, _ = ask(method, f"/films?{quote(target, safe='=&')}", body, Prefer=prefer)
    assert status < 500
    assert status < 400 or answer["code"]


def test_a_joint_record_without_its_other_end_is_passed_over(ask: DialectService) -> None:
    ask("POST", "/roles", {"film_id": 2})
    assert get(ask, "select=actors(name)&id=eq.2") == [{"actors": [{"name": "Holm"}]}]


# Aggregates and casts (api/aggregate_functions, Casting columns)


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("select=count()", [{"count": 4}]),
        ("select=n:count()&year=gt.1950", [{"n": 2}]),
        ("select=year.count()", [{"count": 3}]),
        ("select=year.max(),first:year.min()", [{"max": 1985, "first": 1942}]),
        ("select=total:year.sum(),mean:year.avg()", [{"total": 5906, "mean": 5906 / 3}]),
        ("select=year.avg()::int,year.sum()::text", [{"avg": 1969, "sum": "5906"}]),
        ("select=year.sum()&id=eq.4", [{"sum": None}]),
        ("select=year.max()&id=eq.99", [{"max": None}]),
        ("select=count()&id=eq.99", [{"count": 0}]),
        (
            "select=who:director_id,count(),year.max()&order=director_id",
            [
                {"who": 1, "count": 2, "max": 1979},
                {"who": 2, "count": 1, "max": 1985},
                {"who": None, "count": 1, "max": 1942},
            ],
        ),
        (
            "select=director_id::text,count()&director_id=not.is.null&order=director_id.desc&limit=1",
            [{"director_id": "2", "count": 1}],
        ),
    ],
)
def test_aggregates(ask: DialectService, query: str, rows: list[dict[str, Any]]) -> None:
    """Grouped by the columns beside them; a sum of nothing is null, as SQL has it."""
    assert get(ask, query) == rows


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("select=id,reviews(count())", [[{"count": 2}], [{"count": 1}], [{"count": 0}], [{"count": 0}]]),
        ("select=id,reviews(count)", [[{"count": 2}], [{"count": 1}], [{"count": 0}], [{"count": 0}]]),
        (
            "select=id,reviews(best:stars.max(),stars.sum()::text)",
            [
                [{"best": 5, "sum": "7"}],
                [{"best": 4, "sum": "4"}],
                [{"best": None, "sum": None}],
                [{"best": None, "sum": None}],
            ],
        ),
        (
            "select=id,reviews(by,stars.avg())",
            [[{"by": "al", "avg": 5.0}, {"by": "bo", "avg": 2.0}], [{"by": "al", "avg": 4.0}], [], []],
        ),
        (
            "select=id,reviews(count())&reviews.stars=gt.4",
            [[{"count": 1}], [{"count": 0}], [{"count": 0}], [{"count": 0}]],
        ),
    ],
)
def test_aggregates_of_what_is_embedded(ask: DialectService, query: str, rows: list[Any]) -> None:
    """For each row by itself; `count` without parentheses is what postgrest-js wrote before."""
    assert [each["reviews"] for each in get(ask, query)] == rows


@pytest.mark.parametrize(
    ("query", "row"),
    [
        ("select=year::text,id::float8", {"year": "1979", "id": 1}),
        ("select=seen::int,id::bool", {"seen": 1, "id": True}),
        ("select=n:year::numeric,seen::text", {"n": 1979, "seen": "true"}),
        ("select=title::varchar", {"title": "Alien"}),
    ],
)
def test_casts(ask: DialectService, query: str, row: dict[str, Any]) -> None:
    assert get(ask, f"{query}&id=eq.1") == [row]


def test_aggregates_are_counted_as_rows(ask: DialectService) -> None:
    """`count=exact` is about groups."""
    status, body, headers = ask(
        "GET", "/films?select=director_id,count()&order=director_id&limit=1", Prefer="count=exact"
    )
    assert (status, body) == (206, [{"director_id": 1, "count": 2}])
    assert headers["content-range"] == "0-0/3"
