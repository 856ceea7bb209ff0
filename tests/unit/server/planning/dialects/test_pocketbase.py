"""PocketBase 0.40.6: its documentation's rules, with the real server's answers to the same requests."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson
import pytest

from server.planning.dialects.frame.registry import known
from server.planning.dialects.pocketbase import MOST_FIELDS
from server.planning.dialects.pocketbase_parts.macros import MACROS
from store.schema import MAX_FIELDS
from tests.unit.server.planning.dialects.service import DialectService

if TYPE_CHECKING:
    from store.session_store import Session

POSTS = "/api/collections/posts/records"
TAGS = "/api/collections/tags/records"
ANN, BOB, RED, BLUE = "auth00000000001", "auth00000000002", "tagg00000000001", "tagg00000000002"


def post(number: int) -> str:
    return f"post{number:011d}"


def job(method: str, url: str, body: Any = None) -> dict[str, Any]:
    return {"method": method, "url": url, "body": {} if body is None else body}


@pytest.fixture
def ask(session: Session) -> DialectService:
    service = DialectService(session, "pocketbase")
    jobs: list[dict[str, Any]] = []
    for collection, records in {
        "authors": [{"id": ANN, "name": "Ann"}, {"id": BOB, "name": "Bob"}],
        "tags": [{"id": RED, "name": "red"}, {"id": BLUE, "name": "blue"}],
        "posts": [
            {"title": "b", "views": 3, "draft": True, "author": ANN, "tags": [RED, BLUE], "meta": {"k": 1}},
            {"title": "a", "views": 1, "author": BOB, "tags": [RED], "published": "2024-01-02 03:04:05.000Z"},
            {"title": "c'd", "views": 2, "draft": False, "author": ANN},
            {"title": "A%_", "views": 12, "body": "hello"},
            {},
        ],
    }.items():
        jobs += [
            job("POST", f"/api/collections/{collection}/records", {"id": post(number), **record})
            for number, record in enumerate(records, 1)
        ]
    assert service("POST", "/api/batch", {"requests": jobs})[0] == 200
    return service


def listed(ask: DialectService, query: str) -> list[int]:
    status, body, _ = ask("GET", f"{POSTS}?{query}")
    assert status == 200, body
    return [int(each["id"][-2:]) for each in body["items"]]


def filtered(ask: DialectService, text: str) -> list[int]:
    return listed(ask, f"sort=id&filter={quote(text)}")


def refused(ask: DialectService, query: str) -> str:
    status, body, _ = ask("GET", f"{POSTS}?{query}")
    assert status == 400
    assert body.keys() == {"status", "message", "data"}
    assert body["status"] == 400
    return str(body["message"])


# Records


def test_create_answers_200_with_an_id_of_15_characters_and_dates(ask: DialectService) -> None:
    status, body, _ = ask("POST", POSTS, {"title": "new"})
    assert status == 200
    assert re.fullmatch("[a-z0-9]{15}", body["id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z", body["created"])
    assert body["updated"] == body["created"]
    # CRC-32 of "baseposts", as the real server has it.
    assert (body["collectionId"], body["collectionName"]) == ("pbc_1125843985", "posts")
    assert ask("GET", f"{POSTS}/{body['id']}")[1] == body


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("short", "validation_min_text_constraint"),
        ("x" * 16, "validation_max_text_constraint"),
        ("UPPERCASE000001", "validation_invalid_format"),
        ("post0000000000\n", "validation_invalid_format"),
        (5, "validation_min_text_constraint"),
        (123456789012345, "validation_invalid_format"),
        (post(1), "validation_not_unique"),
    ],
)
def test_ids_that_cannot_be_given(ask: DialectService, given: Any, code: str) -> None:
    status, body, _ = ask("POST", POSTS, {"id": given})
    assert (status, body["message"]) == (400, "Failed to create record.")
    assert body["data"]["id"]["code"] == code


def test_a_body_is_an_object(ask: DialectService) -> None:
    for body in ([], "x", 5, False):
        assert ask("POST", POSTS, body)[0] == 400
        assert ask("PATCH", f"{POSTS}/{post(1)}", body)[0] == 400
    assert ask("POST", POSTS)[0] == 200


def test_update_and_delete(ask: DialectService) -> None:
    path = f"{POSTS}/{post(1)}"
    status, body, _ = ask("PATCH", path, {"title": "x"})
    assert (status, body["title"], body["views"]) == (200, "x", 3)
    assert ask("DELETE", path)[:2] == (204, None)
    for method in ("GET", "PATCH", "DELETE", "PUT"):
        status, body, _ = ask(method, path, {} if method in ("PATCH", "PUT") else None)
        expected = {"status": 404, "message": "The requested resource wasn't found.", "data": {}}
        assert (status, body) == (404, expected)


def test_the_servers_own_members_are_passed_over(ask: DialectService) -> None:
    before = ask("GET", f"{POSTS}/{post(1)}")[1]
    sent = {**before, "title": "x", "created": "2001-01-01", "collectionName": "y", "expand": {"a": 1}}
    after = ask("PATCH", f"{POSTS}/{post(1)}", sent)[1]
    assert after == {**before, "title": "x", "updated": after["updated"]}
    body = ask("PATCH", f"{POSTS}/{post(1)}", {"id": post(99)})[1]
    assert body["data"]["id"]["code"] == "validation_pk_change"


def test_a_text_for_a_number_is_refused_and_digits_are_a_number(ask: DialectService) -> None:
    for value in ("12abc", "", True):
        status, body, _ = ask("POST", POSTS, {"views": value})
        assert (status, body["data"]["views"]["code"]) == (400, "validation_not_a_number")
    assert ask("POST", POSTS, {"views": "12"})[1]["views"] == 12
    assert ask("POST", POSTS, {"views": "-1.5"})[1]["views"] == -1.5
    assert ask("POST", POSTS, {"draft": "yes"})[1]["data"]["draft"]["code"] == "validation_not_a_boolean"


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"views+": 5}, "views", 8),
        ({"views-": 5}, "views", -2),
        ({"likes+": 1}, "likes", 1),
        ({"tags-": RED}, "tags", [BLUE]),
        ({"tags+": [RED, "tagg00000000003"]}, "tags", [RED, BLUE, "tagg00000000003"]),
        ({"+tags": [BLUE]}, "tags", [BLUE, RED]),
        ({"others+": "x"}, "others", ["x"]),
        ({"author-": ANN}, "author", ""),
        ({"author-": BOB}, "author", ANN),
    ],
)
def test_modifiers(ask: DialectService, change: dict[str, Any], field: str, value: Any) -> None:
    assert ask("PATCH", f"{POSTS}/{post(1)}", change)[1][field] == value


def test_a_modifier_that_does_not_fit_is_refused(ask: DialectService) -> None:
    body = ask("PATCH", f"{POSTS}/{post(1)}", {"title+": "x"})[1]
    assert body["data"]["title"]["code"] == "validation_invalid_modifier"


# Lists


def test_the_envelope(ask: DialectService) -> None:
    body = ask("GET", POSTS)[1]
    assert {**body, "items": 0} == {"page": 1, "perPage": 30, "totalItems": 5, "totalPages": 1, "items": 0}
    body = ask("GET", f"{POSTS}?page=2&perPage=2")[1]
    assert (body["page"], body["perPage"], body["totalItems"], body["totalPages"]) == (2, 2, 5, 3)
    assert [each["id"] for each in body["items"]] == [post(3), post(4)]
    body = ask("GET", f"{POSTS}?skipTotal=1&perPage=1")[1]
    assert (body["totalItems"], body["totalPages"], len(body["items"])) == (-1, -1, 1)
    assert ask("GET", f"{POSTS}?page=99")[1]["items"] == []
    body = ask("GET", f"{POSTS}?page=0&perPage=1001")[1]
    assert (body["page"], body["perPage"]) == (1, 1000)
    for wrong in ("page=abc", "page=1.5", "perPage=99999999999999999999", "skipTotal=maybe"):
        assert wrong.partition("=")[0] in refused(ask, wrong)


def test_a_collection_that_is_not_there(ask: DialectService) -> None:
    for path in ("nope/records", "nope/records/x"):
        body = ask("GET", f"/api/collections/{path}")[1]
        assert body == {"status": 404, "message": "Missing collection context.", "data": {}}


@pytest.mark.parametrize(
    ("sort", "ids"),
    [
        ("-views", [4, 1, 3, 2, 5]),
        ("title", [4, 2, 1, 3, 5]),
        ("@rowid", [1, 2, 3, 4, 5]),
        ("-id", [5, 4, 3, 2, 1]),
    ],
)
def test_sort(ask: DialectService, sort: str, ids: list[int]) -> None:
    assert listed(ask, f"sort={quote(sort)}") == ids


@pytest.mark.parametrize(
    "sort", ["@random", "-@rowid", "nope", "author.name", "id,", "--id", "a;b", "views:x", "a__nocase"]
)
def test_sorts_that_are_refused(ask: DialectService, sort: str) -> None:
    assert refused(ask, f"sort={quote(sort)}").startswith("sort: ")


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("title='b'", [1]),
        ('title = "b"', [1]),
        ("title='c\\'d'", [3]),
        ("title!='b'", [2, 3, 4, 5]),
        ("title>'a'", [1, 3]),
        ("views>=2 && views<12", [1, 3]),
        ("views<3", [2, 3, 5]),
        ("views>-1", [1, 2, 3, 4, 5]),
        ("views='2'", [3]),
        ("3>views", [2, 3, 5]),
        ("views!=0", [1, 2, 3, 4]),
        ("title~'A'", [2, 4]),
        ("title~'a%'", [2, 4]),
        ("title~'%d'", [3]),
        ("title~'A\\%'", [4]),
        ("title~'_'", [4]),
        ("title~'%'", [1, 2, 3, 4, 5]),
        ("title!~'a'", [1, 3, 5]),
        ("title!~''", []),
        ("draft=true", [1]),
        ("draft=false", [2, 3, 4, 5]),
        ("draft!=true", [2, 3, 4, 5]),
        ("draft=1", [1]),
        ("body=''", [1, 2, 3, 5]),
        ("body=null", [1, 2, 3, 5]),
        ("body!=null", [4]),
        ("meta.k=1", [1]),
        ("author.name='Ann'", [1, 3]),
        ("author.name!='Ann'", [2, 4, 5]),
        ("author.name!~'n'", [2]),
        ("author.name~'N'", [1, 3]),
        ("tags='tagg00000000001'", []),
        ("tags?='tagg00000000001'", []),
        ("tags~'tagg00000000001'", [1, 2]),
        ("tags.id?='tagg00000000002'", [1]),
        ("tags.name?='red'", [1, 2]),
        ("views=1 || views=2 && title='b'", [2]),
        ("(views=1||views=3)&&draft=true", [1]),
        ("title='b' // a comment", [1]),
        ("((((views=1))))", [2]),
        ("title?='b'", [1]),
        ("created>'2020-01-01' && created<'2999-01-01'", [1, 2, 3, 4, 5]),
        ("published>='2024-01-01 00:00:00'", [2]),
        ("id='post00000000001'", [1]),
        ("'b'=title", [1]),
        ("title>null", []),
    ],
)
def test_filters(ask: DialectService, text: str, ids: list[int]) -> None:
    assert filtered(ask, text) == ids


@pytest.mark.parametrize(
    ("macro", "value"),
    [
        ("@now", "2028-02-06 23:04:05.678Z"),
        *(("@second", 5), ("@minute", 4), ("@hour", 23), ("@day", 6), ("@month", 2), ("@year", 2028)),
        ("@weekday", 0),
        ("@yesterday", "2028-02-05 23:04:05.678Z"),
        ("@tomorrow", "2028-02-07 23:04:05.678Z"),
        ("@todayStart", "2028-02-06 00:00:00.000Z"),
        ("@todayEnd", "2028-02-06 23:59:59.999Z"),
        ("@monthStart", "2028-02-01 00:00:00.000Z"),
        ("@monthEnd", "2028-02-29 23:59:59.999Z"),
        ("@yearStart", "2028-01-01 00:00:00.000Z"),
        ("@yearEnd", "2028-12-31 23:59:59.999Z"),
    ],
)
def test_macros_for_times(macro: str, value: str | int) -> None:
    """A Sunday in a leap year; the session's own clock is the one that counts."""
    now = datetime(2028, 2, 6, 23, 4, 5, 678_912, tzinfo=UTC)
    assert MACROS[macro](now) == value


def test_times_are_the_request_s(ask: DialectService) -> None:
    for text, count in (("created<=@now", 5), ("created>@tomorrow", 0), ("@yesterday<=updated", 5)):
        assert len(filtered(ask, text)) == count, text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("views=1 &&", "at its end"),
        ("   ", "at its end"),
        ("()", "a field or a value"),
        ("views==1", "character 7"),
        ("views=1e3", "character 7"),
        ("title='open", "character 7"),
        ("title='a' and views=1", "&& or ||"),
        ("title=unquoted", "compare a field with a value"),
        ("1=1", "compare a field with a value"),
        ("nope=1", "posts has no field 'nope'"),
        ("author.nope=1", "authors has no field 'nope'"),
        ("title.k=1", "points at no record"),
        ("tags.name='red'", "points at several"),
        ("@request.auth.id=''", "write the value itself"),
        ("created>@collection.posts.created", "write the value itself"),
        ("title:lower='a'", "modifiers"),
        ("strftime('%Y',created)='2026'", "functions are not done"),
        ("posts_via_author.title='b'", "filter posts themselves"),
        ("title__gt='b'", "no field's name"),
        ("views~'1'", "looks into texts"),
        ("draft>true", "takes a text or a number"),
        ("(" * 9 + "views=1" + ")" * 9, "parentheses"),
        ("||".join(["views=1"] * 49), "comparisons"),
        ("title='" + "a" * 8192 + "'", "characters"),
        ("(((", "a field or a value"),
        ("views=1)", "&& or ||"),
    ],
)
def test_filters_that_are_refused(ask: DialectService, text: str, reason: str) -> None:
    message = refused(ask, f"filter={quote(text)}")
    assert message.startswith("filter: ")
    assert reason in message


# Expand and fields


def test_expand(ask: DialectService) -> None:
    body = ask("GET", f"{POSTS}/{post(1)}?expand=author,tags,nope,title")[1]
    assert body["expand"]["author"]["name"] == "Ann"
    assert body["expand"]["author"]["collectionName"] == "authors"
    assert [each["name"] for each in body["expand"]["tags"]] == ["red", "blue"]
    assert body["expand"].keys() == {"author", "tags"}
    assert "expand" not in ask("GET", f"{POSTS}/{post(4)}?expand=author")[1]


def test_expand_backwards_and_further(ask: DialectService) -> None:
    ann, bob = ask("GET", "/api/collections/authors/records?expand=posts_via_author.tags")[1]["items"]
    assert [each["id"] for each in ann["expand"]["posts_via_author"]] == [post(1), post(3)]
    assert ann["expand"]["posts_via_author"][0]["expand"]["tags"][1]["name"] == "blue"
    assert len(bob["expand"]["posts_via_author"]) == 1
    red = ask("GET", f"{TAGS}/{RED}?expand=posts_via_tags.author")[1]
    assert [each["expand"]["author"]["name"] for each in red["expand"]["posts_via_tags"]] == ["Ann", "Bob"]


def test_expand_is_bounded(ask: DialectService) -> None:
    assert "expand: takes at most" in refused(ask, "expand=" + ".".join("abcdefg"))
    assert ask("GET", f"{POSTS}?expand=a.b.c.d.e.f")[0] == 200
    assert "expand: takes at most" in refused(ask, "expand=" + ",".join("abcdefghi"))


def test_fields(ask: DialectService) -> None:
    path = f"{POSTS}/{post(1)}"
    assert ask("GET", f"{path}?fields=id,title")[1] == {"id": post(1), "title": "b"}
    assert ask("GET", f"{path}?fields=nope")[1] == {}
    assert ask("GET", f"{path}?fields=*")[1] == ask("GET", path)[1]
    body = ask("GET", f"{path}?fields=*,expand.author.name&expand=author")[1]
    assert (body["title"], body["expand"]) == ("b", {"author": {"name": "Ann"}})
    body = ask("GET", f"{POSTS}?fields=id&perPage=1")[1]
    assert body == {"page": 1, "perPage": 1, "totalItems": 5, "totalPages": 5, "items": [{"id": post(1)}]}
    assert ":excerpt" in refused(ask, "fields=title:excerpt(1)")
    assert ask("POST", f"{POSTS}?fields=title&expand=author", {"title": "n", "author": ANN})[1] == {
        "title": "n"
    }


# Batch


def test_a_batch(ask: DialectService) -> None:
    one = "batch0000000001"
    status, body, _ = ask(
        "POST",
        "/api/batch",
        {
            "requests": [
                job("POST", TAGS, {"id": one, "name": "x"}),
                job("PATCH", f"{TAGS}/{one}?fields=name", {"name": "y"}),
                job("PUT", TAGS, {"id": one, "name": "z"}),
                job("PUT", TAGS, {"name": "made"}),
                job("DELETE", f"{TAGS}/{one}"),
            ]
        },
    )
    assert status == 200
    assert [each["status"] for each in body] == [200, 200, 200, 200, 204]
    assert body[0]["body"]["collectionName"] == "tags"
    assert body[1]["body"] == {"name": "y"}
    assert body[2]["body"]["name"] == "z"
    assert body[4]["body"] is None


def test_a_batch_is_one_transaction(ask: DialectService) -> None:
    requests = [job("POST", TAGS, {"id": "batch0000000003"}), job("DELETE", f"{TAGS}/nope")]
    status, body, _ = ask("POST", "/api/batch", {"requests": requests})
    assert (status, body["message"]) == (400, "Batch transaction failed.")
    assert body["data"]["requests"]["1"]["code"] == "batch_request_failed"
    assert body["data"]["requests"]["1"]["response"]["status"] == 404
    assert ask("GET", f"{TAGS}/batch0000000003")[0] == 404


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "Failed to read the submitted batch data."),
        ({"requests": 5}, "Failed to read the submitted batch data."),
        ({"requests": [1]}, "Failed to read the submitted batch data."),
        ({}, "Invalid batch request data."),
        ({"requests": []}, "Invalid batch request data."),
        ({"requests": [job("post", TAGS)]}, "Invalid batch request data."),
        ({"requests": [{"method": "POST"}]}, "Invalid batch request data."),
        ({"requests": [job("POST", TAGS)] * 51}, "Invalid batch request data."),
        ({"requests": [job("GET", TAGS)]}, "Batch transaction failed."),
        ({"requests": [job("POST", "/api/x")]}, "Batch transaction failed."),
        ({"requests": [job("POST", "http://[")]}, "Batch transaction failed."),
        ({"requests": [job("POST", "/api/collections/a%20b/records")]}, "Batch transaction failed."),
        ({"requests": [job("POST", f"{TAGS}?expand=x")]}, "Batch transaction failed."),
        ({"requests": [job("POST", TAGS, [1])]}, "Batch transaction failed."),
        ({"requests": [job("POST", TAGS, {"id": "x"})]}, "Batch transaction failed."),
    ],
)
def test_batches_that_are_refused(ask: DialectService, body: Any, message: str) -> None:
    status, answer, _ = ask("POST", "/api/batch", body)
    assert (status, answer["message"]) == (400, message)
    assert ask("GET", TAGS)[1]["totalItems"] == 2


def test_a_form_as_the_sdk_sends_it(ask: DialectService) -> None:
    payload = orjson.dumps({"requests": [job("POST", TAGS, {"name": "x"})]}).decode()
    status, body, _ = ask("POST", "/api/batch", {"@jsonPayload": payload})
    assert (status, body[0]["body"]["name"]) == (200, "x")
    status, body, _ = ask("POST", TAGS, {"@jsonPayload": ['{"name":"y"}', '{"n":1}'], "more": "z"})
    assert (status, body["name"], body["n"], body["more"]) == (200, "y", 1, "z")
    assert "@jsonPayload" not in body
    for wrong in ("[1]", "{", 5, "[" * 99):
        status, body, _ = ask("POST", TAGS, {"@jsonPayload": wrong})
        assert (status, body["message"].partition(":")[0]) == (400, "@jsonPayload")
    body = ask("POST", "/api/batch", {"@jsonPayload": payload, "requests.0.file": "x"})[1]
    assert body["message"].startswith("Files in a batch are not done")


def test_a_batch_of_fifty(ask: DialectService) -> None:
    assert ask("POST", "/api/batch", {"requests": [job("POST", TAGS)] * 50})[0] == 200
    assert ask("GET", TAGS)[1]["totalItems"] == 52


# What is not done


@pytest.mark.parametrize(
    ("method", "path", "reason"),
    [
        ("POST", "/api/collections/users/auth-with-password", "Signing in is not done"),
        ("POST", "/api/collections/users/auth-refresh", "Signing in is not done"),
        ("GET", "/api/collections/users/auth-methods", "Signing in is not done"),
        ("POST", "/api/collections/users/impersonate/x", "Signing in is not done"),
        ("GET", "/api/realtime", "Realtime is an event stream"),
        ("POST", "/api/realtime", "Realtime is an event stream"),
        ("GET", "/api/settings", "has nothing at this path"),
    ],
)
def test_what_is_not_done_says_so(ask: DialectService, method: str, path: str, reason: str) -> None:
    status, body, _ = ask(method, path, {} if method == "POST" else None)
    assert (status, body["status"], body["data"]) == (501, 501, {})
    assert reason in body["message"]


def test_health(ask: DialectService) -> None:
    assert ask("GET", "/api/health")[1] == {"message": "API is healthy.", "code": 200, "data": {}}


@pytest.mark.parametrize(
    "query",
    [
        "expand=_via_", "expand=posts_via_", "expand=posts_via_a__gt", "expand=posts_via_%22'%5C",
        "expand=..",
        "fields=.", "fields=,", "fields=*.*", "filter=a.b.c.d=1", "sort=,", "sort=-", "sort=a.",
        "page=-1&perPage=-1", "filter=a..b=1", "filter=.a=1", "filter=title~'**%25'",
        "sort=" + ",".join("a" * 9),
        "fields=" + ",".join(f"a{n}" for n in range(70)), "filter=title=%27%F0%9F%98%80%27",
        "filter=id!=%27%27",
        "expand=id", "expand=meta", "expand=views",
    ],
)  # fmt: skip
def test_a_hostile_query_is_answered(ask: DialectService, query: str) -> None:
    assert ask("GET", f"{POSTS}?{query}")[0] in (200, 400)


def test_auto_knows_it_by_its_paths() -> None:
    assert known()["pocketbase"].marks.paths[0] == "/api/collections/"


def test_as_many_fields_are_known_as_the_store_learns() -> None:
    assert MOST_FIELDS == MAX_FIELDS


def test_expand_is_there_where_a_relation_is_empty(session: Session) -> None:
    """0.40.6: of a list in which any record has one, and of what points back; not where it leads nowhere."""
    ask = DialectService(session, "pocketbase")
    tag, post, bare = ("t" * 15, "p" * 15, "b" * 15)
    ask("POST", "/api/collections/tags/records", {"id": tag, "name": "x"})
    ask("POST", "/api/collections/posts/records", {"id": post, "tags": [tag]})
    ask("POST", "/api/collections/posts/records", {"id": bare, "tags": []})
    _, body, _ = ask("GET", "/api/collections/posts/records?expand=tags&sort=id")
    assert [sorted(each["expand"]) for each in body["items"]] == [[], ["tags"]]
    lone = ask("POST", "/api/collections/tags/records", {"name": "lone"})[1]["id"]
    place = f"/api/collections/tags/records/{lone}?expand="
    assert ask("GET", f"{place}posts_via_tags")[1]["expand"] == {}
    assert "expand" not in ask("GET", f"{place}posts_via_nothing")[1]
    assert "expand" not in ask("GET", "/api/collections/posts/records?expand=nope")[1]["items"][0]
