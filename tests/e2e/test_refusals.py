"""What is refused before any plan runs, and how it is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.client import Client
    from tests.e2e.conftest import StartService

COLLECTION = "GET, HEAD, POST, OPTIONS"
#: A collection without records may become one object.
EMPTY = "GET, HEAD, POST, PUT, OPTIONS"
ITEM = "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"


@pytest.mark.parametrize(
    ("target", "allow"),
    [
        ("/members", EMPTY),
        ("/members/1", ITEM),
        ("/members/search", "GET, HEAD, OPTIONS"),
        ("/members/1/orders", COLLECTION),
        ("/members/1/orders/1", ITEM),
        ("/", "GET, HEAD, OPTIONS"),
        ("/healthz", "GET, HEAD, OPTIONS"),
    ],
)
def test_options(client: Client, target: str, allow: str) -> None:
    """204 with what the path takes."""
    answer = client.request("OPTIONS", target)

    assert (answer.status, answer.headers["allow"], answer.body) == (204, allow, b"")


@pytest.mark.parametrize(
    ("method", "target", "allow"),
    [
        ("DELETE", "/members", EMPTY),
        ("PATCH", "/members/", EMPTY),
        ("POST", "/members/search", "GET, HEAD, OPTIONS"),
        ("POST", "/members/1", ITEM),
        ("DELETE", "/members/1/orders", COLLECTION),
        ("POST", "/", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_method_that_a_path_does_not_have(client: Client, method: str, target: str, allow: str) -> None:
    """405 with Allow, in the header and in the document."""
    answer = client.request(method, target, {"a": 1})

    assert answer.error[0] == 405
    assert answer.headers["allow"] == allow
    assert answer.json["allow"] == allow.split(", ")


@pytest.mark.parametrize(
    "target", ["/members/1/orders/2/lines/3", "/members/1/cancel", "/members/search/deep"]
)
def test_what_no_convention_covers(client: Client, target: str) -> None:
    """501, with the keys that would help."""
    status, reason = client.request("POST", target).error

    assert status == 501
    assert "OPENAI_API_KEY" in reason
    assert "ANTHROPIC_API_KEY" in reason


def test_an_action_is_no_collection(client: Client) -> None:
    """501 with a body, too, and nothing is stored; a name that is a collection's already means that."""
    order = client.create("/orders", {"item": "lamp"})
    cancelled = client.post("/orders/1/cancel", {"reason": "late"})

    assert cancelled.error[0] == 501
    assert "once there are records at /cancel" in cancelled.error[1]
    assert client.get("/orders/1/invoice").status == 501
    assert client.request("OPTIONS", "/orders/1/invoice").status == 501
    assert client.read("/cancel")["page"]["total"] == 0

    client.create("/parcel", {"weight": 2})
    parcel = client.create("/orders/1/parcel", {"weight": 3})

    assert parcel == {"id": 2, "weight": 3, "order_id": order["id"]}
    assert client.read("/orders/1/parcel")["items"] == [parcel]


def test_a_json_type_without_a_body(client: Client) -> None:
    """There is no body then: an action runs, and what needs a record says that there is none."""
    order = client.create("/orders", {"total": 5})
    named = {"content_type": None, "Content_Type": "application/json"}
    deleted = client.request("DELETE", f"/orders/{order['id']}", raw=b"", **named)
    made = client.request("POST", "/orders", raw=b"", **named)
    form = client.request("POST", "/orders", raw=b"", content_type="application/x-www-form-urlencoded")

    assert deleted.status == 204
    assert made.error == form.error
    assert made.error[0] == 422
    assert client.read("/orders")["page"]["total"] == 0


@pytest.mark.parametrize(
    ("raw", "line", "column"),
    [
        (b"invalid json", 1, 1),
        (b'{"a": 1,\n "b": }', 2, 7),
        (b'{"a": 1, "a": 2}', 1, 10),
        (b'{"a": NaN}', 1, 7),
        (b'{"a": 1} x', 1, 10),
    ],
)
def test_invalid_json(client: Client, raw: bytes, line: int, column: int) -> None:
    """400 that says "Invalid JSON" and where."""
    answer = client.request("POST", "/members", raw=raw)
    status, reason = answer.error

    assert status == 400
    assert reason.startswith("Invalid JSON")
    assert (answer.json["line"], answer.json["column"]) == (line, column)
    assert f"(line {line}, column {column})" in reason


def test_a_body_that_is_too_large(client: Client) -> None:
    """413 with the limit, and the service goes on."""
    answer = client.request("POST", "/members", raw=b'{"a": "%s"}' % (b"x" * 1_048_576))

    assert answer.error == (413, "The body is larger than 1048576 bytes.")
    assert answer.json["limit"] == 1_048_576
    assert client.read("/members")["items"] == []


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "application/json; charset=latin-1"]
)
def test_content_of_another_type(client: Client, content_type: str) -> None:
    """415."""
    assert client.request("POST", "/members", {"a": 1}, content_type=content_type).error[0] == 415


def test_compressed_content(client: Client) -> None:
    """415 that says what is taken."""
    answer = client.request("POST", "/members", {"a": 1}, Content_Encoding="gzip")

    assert (answer.error[0], answer.headers["accept-encoding"]) == (415, "identity")


@pytest.mark.parametrize("body", ["text", 5, True])
def test_a_body_that_is_no_record(client: Client, body: object) -> None:
    """422 for creating, replacing and merging."""
    client.create("/members", {"n": 1})

    assert client.post("/members", body).error[0] == 422
    assert client.put("/members/1", body).error[0] == 422
    assert client.patch("/members/1", body).error[0] == 422
    assert client.read("/members")["items"] == [{"id": 1, "n": 1}]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/favicon.ico", 404),
        ("/.env", 404),
        ("/wp-login.php", 404),
        ("/members/.git", 404),
        ("/1members", 404),
        ("/members//1", 404),
        ("/_meta/nothing", 404),
        ("/members/%2e%2e/x", 400),
        ("/members/../x", 400),
        ("/members/%zz", 400),
        ("/members/%00", 400),
        ("/" + "a" * 3_000, 414),
    ],
)
def test_paths_that_are_no_resource(client: Client, target: str, status: int) -> None:
    """Never planned, whatever scanners try."""
    assert client.get(target).error[0] == status


@pytest.mark.parametrize("session", ["../x", "", "a b", "-a", "a" * 129, "a.b", "\u00e9"])
def test_a_session_id_outside_the_grammar(client: Client, session: str) -> None:
    """400, and no directory is made."""
    assert client.named(session).get("/members").error[0] == 400


def test_a_reply_that_is_too_large(start_service: StartService) -> None:
    """422 with both figures and what helps; a write is undone, and the next request works."""
    client = start_service(LARS_MAX_RESULT_BYTES="2000").client("s1")
    for number in range(3):
        client.create("/members", {"n": number, "pad": "x" * 700})

    answer = client.get("/members")
    assert answer.error == (
        422,
        f"The reply has {answer.json['size']} bytes, and 2000 are allowed; ask for less with limit=.",
    )
    assert (answer.json["limit"], answer.json["hint"]) == (2_000, "limit=")
    assert client.read("/members?limit=2")["page"] == {"limit": 2, "offset": 0, "total": 3}
    for method, target in [("POST", "/members"), ("PUT", "/members/1"), ("PATCH", "/members/1")]:
        refused = client.request(method, target, {"pad": "x" * 3_000})
        assert (refused.status, refused.json["hint"]) == (422, "Prefer: return=minimal"), method
        assert "limit=" not in refused.json["detail"]
    assert client.read("/members?limit=1")["page"]["total"] == 3


def test_a_reply_that_nobody_wants_has_no_size(start_service: StartService) -> None:
    """A write with return=minimal is kept, however large its reply would be: of many records, and of one."""
    brief = start_service(LARS_MAX_RESULT_BYTES="2000").client("s1", Prefer="return=minimal")
    batch = brief.post("/members", [{"pad": "x" * 700}] * 5)
    again = brief.request("POST", "/members", [{"pad": "x" * 700}] * 5, Idempotency_Key="k")
    retried = brief.request("POST", "/members", [{"pad": "x" * 700}] * 5, Idempotency_Key="k")
    large = brief.post("/members", {"pad": "x" * 3_000})
    changed = brief.request("PATCH", "/members/11", {"n": 1}, If_Match=large.headers["etag"])

    for answer in (batch, again, retried, large):
        assert (answer.status, answer.body) == (201, b"")
        assert answer.headers["preference-applied"] == "return=minimal"
    assert (changed.status, changed.headers["preference-applied"]) == (204, "return=minimal")
    assert changed.headers["etag"] != large.headers["etag"]
    assert brief.read("/members?limit=1")["page"]["total"] == 11
    assert brief.post("/members", [{"id": 11}]).error[0] == 409
