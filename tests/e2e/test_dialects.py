"""Dialects in the real service: which one applies, what it says of itself, and that none makes it weaker."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from server.cli.seed import plant
from server.settings.reading import from_mapping

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.client import Client
    from tests.e2e.conftest import StartService
    from tests.e2e.service import RunningService

JSON_SERVER = {"X_Dialect": "json-server"}


def test_native_is_the_default_and_says_nothing(client: Client) -> None:
    made = client.request("POST", "/posts", {"title": "a"})
    assert made.status == 201
    assert "x-dialect" not in made.headers


def test_a_request_says_its_dialect(client: Client) -> None:
    made = client.request("POST", "/posts", {"title": "a"}, **JSON_SERVER)
    assert (made.status, made.headers["x-dialect"]) == (201, "json-server")
    assert made.headers["x-plan-source"] == "conventions"
    found = client.request("GET", "/posts?_sort=title&_page=1&_limit=1", **JSON_SERVER)
    assert (found.json, found.headers["x-total-count"]) == ([{"id": 1, "title": "a"}], "1")
    # The next request without it is native again.
    assert client.request("GET", "/posts?_sort=title").status == 400


#: A record, and a page of them, by dialect.
READS = {
    "json-server": ("/posts/1", "/posts?_page=1&_limit=2"),
    "json-server-1": ("/posts/1", "/posts?_page=1&_per_page=2"),
    "ra-data-simple-rest": ("/posts/1", "/posts?range=%5B0,1%5D"),
    "postgrest": ("/posts?id=eq.1", "/posts?limit=2"),
    "pocketbase": ("/api/collections/posts/records/1", "/api/collections/posts/records?perPage=2"),
    "json-api": ("/posts/1", "/posts?page%5Bsize%5D=2"),
}


@pytest.mark.parametrize("dialect", READS)
def test_reads_are_remembered_as_native_ones_are(client: Client, dialect: str) -> None:
    """A record's until it is another, and not because of its neighbour; a page's until anything changes."""
    client.create("/posts", [{"title": "a"}, {"title": "b"}])
    for path in READS[dialect]:
        first = client.request("GET", path, X_Dialect=dialect)
        again = client.request("GET", path, X_Dialect=dialect)
        assert (first.status, again.status) == (200, 200)
        assert "remembered" in again.headers["server-timing"]
        assert (again.body, again.headers["x-dialect"]) == (first.body, dialect)
    record, page = READS[dialect]
    assert client.request("PATCH", "/posts/2", {"title": "c"}).status == 200
    assert "remembered" in client.request("GET", record, X_Dialect=dialect).headers["server-timing"]
    assert "remembered" not in client.request("GET", page, X_Dialect=dialect).headers["server-timing"]
    assert client.request("PATCH", "/posts/1", {"title": "d"}).status == 200
    changed = client.request("GET", record, X_Dialect=dialect)
    assert "remembered" not in changed.headers["server-timing"]
    assert b'"d"' in changed.body


@pytest.mark.parametrize(
    ("query", "right", "dialect"),
    [
        ("_sort=title", "write sort=name", "json-server"),
        ("views_gte=1", "write views__gte=1", "json-server"),
        ("title_like=a", "write title__like=a", "json-server"),
        ("views:gt=1", "write views__gt=1", "json-server-1"),
        ("_where={}", "name=value", "json-server-1"),
        ("range=[0,9]", "page= and per_page=", "ra-data-simple-rest"),
        ('filter={"title":"a"}', "name=value", "ra-data-simple-rest"),
    ],
)
def test_native_refuses_words_of_a_dialect_and_names_it(
    client: Client, query: str, right: str, dialect: str
) -> None:
    client.create("/posts", [{"title": "a", "views": 1}])
    status, detail = client.request("GET", f"/posts?{quote(query, safe='=&:')}").error
    assert status == 400
    assert right in detail
    assert f"or use the dialect {dialect} (X-Dialect: {dialect})" in detail


def test_in_an_empty_collection_only_what_can_be_no_field_is_refused(client: Client) -> None:
    assert client.request("GET", "/posts?_sort=title").error[0] == 400
    assert client.request("GET", "/posts?filter%5Btitle%5D=a").error[0] == 400
    assert client.request("GET", "/posts?range=x").status == 200


def test_a_dialect_that_nobody_knows(client: Client) -> None:
    refused = client.request("GET", "/posts", X_Dialect="nope")
    status, detail = refused.error
    assert status == 400
    assert detail.startswith("X-Dialect: takes one of native, auto, json")


def test_the_first_mark_settles_a_session(client: Client, service: RunningService) -> None:
    auto = {"X_Dialect": "auto"}
    assert "x-dialect" not in client.request("GET", "/posts", **auto).headers
    client.request("POST", "/posts", {"title": "a"})
    marked = client.request("GET", "/posts?range=[0,9]", **auto)
    assert marked.headers["x-dialect"] == "ra-data-simple-rest"
    assert marked.headers["content-range"] == "posts 0-0/1"
    # From now on its other requests are in it, too, and those of no other session.
    assert client.request("GET", "/posts").headers["x-dialect"] == "ra-data-simple-rest"
    assert "x-dialect" not in service.client("another").request("GET", "/posts").headers
    assert "x-dialect" not in client.request("GET", "/posts", X_Dialect="native").headers


def test_errors_of_the_service_are_in_the_dialect(client: Client) -> None:
    client.request("POST", "/posts", {"title": "a"}, **JSON_SERVER)
    missing = client.request("GET", "/posts/99", **JSON_SERVER)
    assert (missing.status, missing.json, missing.headers["content-type"]) == (404, {}, "application/json")
    unknown = client.request("DELETE", "/posts", **JSON_SERVER)
    assert (unknown.status, unknown.json) == (404, {})
    broken = client.request("POST", "/posts", raw=b"{", X_Dialect="ra-data-simple-rest")
    assert (broken.status, broken.headers["content-type"]) == (400, "application/json")
    assert broken.json["message"].startswith("Invalid JSON")
    other = client.request("POST", "/posts", raw=b"x", content_type="text/plain", X_Dialect="json-server-1")
    assert (other.status, set(other.json)) == (415, {"error"})


def test_the_settings_say_it_for_all_and_for_a_token(start_service: StartService, tmp_path: Path) -> None:
    file = tmp_path / "dialects.toml"
    file.write_text(
        '[auth.tokens]\napp = "app-token-0123456789abcdef"\nweb = "web-token-0123456789abcdef"\n'
        '[conventions]\ndialect = "json-server"\ntoken_dialects = { web = "json-server-1" }\n'
    )
    service = start_service(LARS_CONFIG=str(file))
    for name, dialect in (("app", "json-server"), ("web", "json-server-1")):
        client = service.client("s1", Authorization=f"Bearer {name}-token-0123456789abcdef")
        assert client.request("GET", "/nothing").headers["x-dialect"] == dialect


def test_what_is_settled_survives_a_restart(start_service: StartService) -> None:
    first = start_service()
    first.client("s1").request("GET", "/posts?_sort=a", X_Dialect="auto")
    first.stop()
    assert start_service().client("s1").request("GET", "/posts").headers["x-dialect"] == "json-server"


HOSTILE = [
    *("_sort=" + "a," * 500, "_sort=-", "_sort=%00", "_page=9e99", "_page=99999999999999999999", "_limit=-1"),
    *("_start=-99999999999&_end=-1", "_embed=" + "x" * 999, "_embed=../../etc", "_expand=__proto__"),
    *("q=" + quote("\u0000\U0001f600"), "title_like=" + quote("(a+)+$"), "title_like=" + "a*" * 500),
    *("a.b.c.d.e.f.g.h=1", "'%22--=1", "a__b__c=1", "%24or=x", "$and=1", "id__in=1", "__proto__=1"),
    *("filter=" + "[" * 2000, "filter={%22%22:1}", "filter={%22$or%22:[]}", "filter={%22a%22:[[[]]]}"),
    *(
        'filter={"a__like":"' + "*" * 900 + '"}',
        "range=[0,1e308]",
        "range=[9007199254740991,9007199254740992]",
    ),
    *('sort=["a\\u0000","ASC"]', 'sort=["$or","ASC"]', "embed=[null]", "_where=" + '{"or":' * 200),
    *('_where={"or":[]}', '_where={"":{"eq":1}}', '_where={"a":{"contains":"' + "x" * 3000 + '"}}'),
    *("views:in=" + "1," * 2000, ":eq=1", "a:=1", "a::eq=1", "_where={%22a%22:{%22eq%22:1e400}}"),
    *("&".join(f"f{n}=1" for n in range(300)), "&".join(f"f{n}_gte=1" for n in range(300))),
    *("&".join(["title=a"] * 500), "&".join(["title_ne=a"] * 500), "&".join(["_embed=comments"] * 99)),
]


BODIES = (b"[", b"null", b"[]", b'"x"', b'{"id":{}}', b'{"id":""}', b'{"a":' + b"[" * 99, b'{"id":1e99}')
WRITES = (("POST", "/posts"), ("PUT", "/posts/77"), ("PATCH", "/posts/77"), ("PUT", "/posts"))


@pytest.mark.parametrize("dialect", ["json-server", "json-server-1", "ra-data-simple-rest"])
def test_hostile_requests_are_answered_and_change_nothing(client: Client, dialect: str) -> None:
    said = {"X_Dialect": dialect}
    client.create("/posts", [{"title": "a", "views": 1}, {"title": "b"}])
    before = client.read("/posts")
    for query in HOSTILE:
        for path in ("/posts", "/posts/1", "/posts/1/comments", "/nothing"):
            answer = client.request("GET", f"{path}?{quote(query, safe='=&%:[]{},')}", **said)
            assert answer.status < 500 or answer.status == 501, (path, query, answer.body)
    for body in BODIES:
        for method, path in WRITES:
            answer = client.request(method, path, raw=body, **said)
            assert answer.status < 500 or answer.status == 501, (method, path, body, answer.body)
            if answer.status == 201:
                client.request("DELETE", answer.headers["location"], **said)
    assert client.read("/posts") == before


def test_a_failed_write_leaves_nothing_behind(client: Client) -> None:
    client.create("/posts", [{"title": "a"}])
    taken = client.request("POST", "/posts", {"id": 1, "title": "b"}, **JSON_SERVER)
    assert taken.status == 409
    assert client.read("/posts/1") == {"id": 1, "title": "a"}


def test_prefer_and_conditions_hold_in_a_dialect(client: Client) -> None:
    client.create("/posts", [{"title": "a"}])
    dry = client.request("DELETE", "/posts/1", Prefer="tx=rollback", **JSON_SERVER)
    assert (dry.status, dry.headers["preference-applied"]) == (200, "tx=rollback")
    unmet = client.request("DELETE", "/posts/1", If_Match='"other"', **JSON_SERVER)
    assert unmet.status == 412
    assert client.read("/posts/1") == {"id": 1, "title": "a"}


def test_lists_in_a_dialect_as_a_browser_reads_them(start_service: StartService, tmp_path: Path) -> None:
    """The headers that a client pages by are among those that its script may read."""
    file = tmp_path / "cors.toml"
    file.write_text('[cors]\norigins = ["*"]\n')
    client = start_service(LARS_CONFIG=str(file)).client("s1", Origin="http://localhost:3000")
    client.request("POST", "/posts", {"title": "a"})
    listed = client.request(
        "GET", f"/posts?range={quote(json.dumps([0, 9]))}", X_Dialect="ra-data-simple-rest"
    )
    exposed = listed.headers["access-control-expose-headers"].split(", ")
    assert "Content-Range" in exposed
    assert exposed.count("Content-Range") == 1


def test_a_seed_is_read_once_and_needs_no_session(start_service: StartService, tmp_path: Path) -> None:
    """What `serve --seed` does before it listens, and that a second start keeps what is there."""
    file = tmp_path / "db.json"
    file.write_text(json.dumps({"posts": [{"id": "a"}, {"id": 7}], "profile": {"name": "x"}, "empty": []}))
    data = tmp_path / "data"
    settings = from_mapping({"store": {"data_root": str(data)}}, {})
    assert asyncio.run(plant(settings, file)) == [f"{file}: empty, posts, profile"]
    client = start_service(LARS_DIALECT="json-server", LARS_ANONYMOUS="shared").client()
    assert client.read("/posts") == [{"id": 7}, {"id": "a"}]
    assert client.read("/profile") == {"name": "x"}
    assert client.read("/empty") == []


def test_the_document_of_a_session_is_in_its_dialect(client: Client) -> None:
    """What it lists is served: by the header, and for a session that was settled."""
    client.create("/posts", [{"title": "a"}])
    client.create("/comments", [{"post_id": 1}])
    assert "/posts/search" in client.read("/openapi.json")["paths"]
    assert "/db" in client.request("GET", "/openapi.json", **JSON_SERVER).json["paths"]
    client.request("GET", "/posts?_sort=title", X_Dialect="auto")
    paths = client.read("/openapi.json")["paths"]
    assert "/posts/search" not in paths
    for path, item in paths.items():
        target = path.replace("{id}", "1").replace("{parent_id}", "1")
        for method in item:
            body = {"a": 1} if method in ("post", "put", "patch") else None
            if method != "delete":
                assert client.request(method.upper(), target, body).status in (200, 201, 404), (method, path)


CSV = "text/csv; charset=utf-8"


def test_postgrest_writes_csv(client: Client) -> None:
    """As PostgreSQL writes rows: nulls are nothing, booleans letters, and texts in quotes if they must be."""
    said = {"X_Dialect": "postgrest", "Accept": "text/csv"}
    rows = [
        {"name": "J", "note": "", "ok": True, "n": 1.5},
        {"name": 'a,"b" \\ c', "note": None, "ok": False, "n": 12345678901234567890},
        {"name": "é\n", "tags": ["x", {"a": 1}]},
    ]
    for row in rows[:1]:
        client.create("/people", [row])
    made = client.request("POST", "/people?select=name,ok", rows[0], Prefer="return=representation", **said)
    assert (made.status, made.body, made.headers["content-type"]) == (201, b"name,ok\nJ,t", CSV)
    for row in ({**rows[1], "n": 7}, rows[2]):
        client.create("/people", [row])

    found = client.request("GET", "/people?id=gt.1", **said)
    assert found.headers["content-type"] == CSV
    assert found.body.decode() == (
        'id,name,note,ok,n,tags\n2,J,"",t,1.5,\n3,"a,""b"" \\\\ c",,f,7,\n4,"é\n",,,,"[""x"",{""a"":1}]"'
    )
    assert client.request("GET", "/people?id=eq.99&select=id", **said).body == b"\n"
    assert client.request("GET", "/people?id=gt.1", **said).headers["x-fuel-used"] == "0"
    one = client.request(
        "GET", "/people?id=eq.2&select=id", X_Dialect="postgrest", Accept="*/*, text/csv;q=0.5"
    )
    assert one.json == [{"id": 2}]
    refused = client.request("GET", "/people?nope=eq.1", **said)
    assert (refused.status, refused.json["code"]) == (400, "42703")
    others = client.request("GET", "/people", X_Dialect="json-server", Accept="text/csv")
    assert others.status == 406


def test_postgrest_reads_csv(client: Client) -> None:
    """Columns that have had numbers or booleans alone get such; NULL is null, and nothing an empty text."""
    said = {"X_Dialect": "postgrest", "Prefer": "return=representation"}
    client.create("/people", [{"name": "J", "age": 5, "ok": True}])

    def post(text: bytes, path: str = "/people", kind: str = "text/csv") -> tuple[int, Any]:
        answer = client.request("POST", path, raw=text, content_type=kind, **said)
        return answer.status, answer.json if answer.status == 201 else answer.json["code"]

    assert post(b'id,name,age,ok\n7,"Jo, ""x""",6.5,f\r\n9,NULL,NULL,true\n') == (
        201,
        [
            {"id": 7, "name": 'Jo, "x"', "age": 6.5, "ok": False},
            {"id": 9, "name": None, "age": None, "ok": True},
        ],
    )
    assert post(b"a,b\n1,\n", "/fresh") == (201, [{"id": 1, "a": "1", "b": ""}])
    assert post(b"id,age\n9,8\n", "/people?columns=age") == (201, [{"id": 10, "age": 8}])
    assert post(b"name\n") == (201, [])
    before = client.read("/people")
    for text, code in (
        (b"age\nold\n", "22P02"),
        (b"name,age\nJ\n", "PGRST102"),
        (b"name,name\nJ,K\n", "PGRST102"),
        (b"name,\nJ,K\n", "PGRST102"),
        (b'name\n"J\n', "PGRST102"),
        (b"name", "PGRST102"),
        (b"name\xff\n", "PGRST102"),
    ):
        assert post(text) == (400, code), text
    assert post(b"name\nJ\n", kind="text/csv; charset=latin1")[0] == 415
    for method in ("PATCH", "PUT"):
        refused = client.request(method, "/people?id=eq.7", raw=b"age\n1\n", content_type="text/csv", **said)
        assert refused.status == 415
    assert client.request("POST", "/people", raw=b"a\n1\n", content_type="text/csv").status == 415
    assert client.read("/people") == before


def test_lists_cost_about_what_native_ones_do(client: Client) -> None:
    """In fuel, which is counted and not timed: of 20 records, none of which is looked into."""
    rows = [
        {"title": f"Title {n}", "email": f"{n}@example.org", "city": "Rome", "views": n} for n in range(40)
    ]
    client.create("/posts", rows)

    def fuel(path: str, dialect: str) -> int:
        spent = []
        for number in range(12):  # the first ones have more to learn
            client.request("PATCH", "/posts/1", {"views": -number})
            answer = client.request("GET", path, X_Dialect=dialect)
            assert answer.status == 200
            spent.append(int(answer.headers["x-fuel-used"]))
        return min(spent)

    native = fuel("/posts?limit=20", "native")
    for dialect, (_, page) in READS.items():
        path = page.replace("=2", "=20").replace("0,1%5D", "0,19%5D").replace("limit=2&", "limit=20&")
        assert fuel(path, dialect) < 1.35 * native, dialect
