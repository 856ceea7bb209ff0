"""Accept, Prefer, lists' headers and CORS at the edge; the plan's replies are made up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from tests.fakes import FakeExecutor, FakePlanner, completed
from tests.http.client import ask

if TYPE_CHECKING:
    from tests.http.conftest import Start

JSON = {"Content-Type": "application/json"}
APP = {"Origin": "https://app.example.com"}
PREFLIGHT = APP | {
    "Access-Control-Request-Method": "PATCH",
    "Access-Control-Request-Headers": "x-session-id, a",
}
CORS: dict[str, Any] = {"cors": {"origins": ["https://app.example.com", "http://localhost:3000"]}}
TOKEN: dict[str, Any] = {"auth": {"token": "secret"}}
PAGE = {"items": [{"a": 1}, {"b": "x"}], "page": {"limit": 2, "offset": 0, "total": 5}}


def answering(body: Any, **reply: Any) -> FakeExecutor:
    return FakeExecutor(lambda job: completed(body, **reply))


async def test_a_list_as_a_table(start: Start) -> None:
    """With the headers of its page; HEAD has the length of the table, and JSON the same headers."""
    service = await start(executor=answering(PAGE))
    csv = {"Accept": "text/csv"}
    table, head = [await ask(service.address, method, "/m?limit=2", csv) for method in ("GET", "HEAD")]
    plain = await ask(service.address, "GET", "/m?limit=2")

    assert table.body == b"a,b\r\n1,\r\n,x\r\n"
    assert table.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert (head.headers["content-length"], head.body) == ("13", b"")
    for answer in (table, head, plain):
        assert answer.headers["x-total-count"] == "5"
        assert 'offset=2>; rel="next"' in answer.headers["link"]
        assert answer.headers["vary"] == "Accept"


async def test_a_large_list_as_lines(start: Start) -> None:
    """Also one that another thread turns into lines."""
    service = await start(executor=answering([{"n": "x" * 100}] * 2_000))
    answer = await ask(service.address, "GET", "/m", {"Accept": "application/x-ndjson"})

    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.body == b'{"n":"' + b"x" * 100 + b'"}\n' + answer.body[109:]
    assert answer.body.count(b"\n") == 2_000


async def test_what_is_no_list(start: Start) -> None:
    """One record is JSON where that is accepted at all; else 406 says what there is."""
    service = await start(executor=answering({"a": 1}))
    both = await ask(service.address, "GET", "/m/1", {"Accept": "text/csv, application/json;q=0.1"})
    table = await ask(service.address, "GET", "/m/1", {"Accept": "text/csv"})

    assert (both.status, both.body) == (200, b'{"a":1}')
    assert (table.status, table.json["available"]) == (406, ["application/json"])
    assert table.headers["vary"] == "Accept"
    assert table.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_json_by_another_name(method: str, start: Start) -> None:
    """It is labelled as asked, with the tag that it has as plain JSON; an error is a problem all the same."""
    record, gone = completed({"a": 1}), completed("gone", status=404)
    service = await start(executor=FakeExecutor(lambda job: gone if "/m/2" in job.request else record))
    named = {**JSON, "Accept": "application/vnd.api+json"}
    body = b"{}" if method == "POST" else None
    plain = await ask(service.address, method, "/m/1", JSON, body)
    asked = await ask(service.address, method, "/m/1", named, body)
    error = await ask(service.address, method, "/m/2", named, body)

    assert asked.headers["content-type"] == "application/vnd.api+json"
    assert asked.body == plain.body
    assert asked.headers.get("etag") == plain.headers.get("etag")
    assert error.headers["content-type"] == "application/problem+json"


async def test_a_write_is_refused_before_it_runs(start: Start) -> None:
    """Its reply is JSON, and a client that cannot read it must not have written."""
    executor = FakeExecutor()
    service = await start(executor=executor)
    answer = await ask(service.address, "POST", "/m", JSON | {"Accept": "text/csv"}, b"{}")

    assert (answer.status, executor.jobs) == (406, [])


async def test_errors_are_problems_whatever_is_accepted(start: Start) -> None:
    """RFC 9457 §3; and nothing of a list's is added to them."""
    service = await start(executor=answering("gone", status=404))
    answer = await ask(service.address, "GET", "/m/1", {"Accept": "text/csv"})

    assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json")
    assert "vary" not in answer.headers


async def test_a_plan_s_own_headers_stay(start: Start) -> None:
    """Link and X-Total-Count are only added where the plan gave none."""
    own = (("Link", "</m?cursor=x>; rel=next"), ("X-Total-Count", "5"))
    service = await start(executor=answering(PAGE, headers=own))
    answer = await ask(service.address, "GET", "/m?limit=2")

    assert (answer.headers["link"], answer.headers["x-total-count"]) == (own[0][1], "5")


@pytest.mark.parametrize(
    ("status", "prefer", "answered", "applied"),
    [
        (200, "return=minimal", 204, "return=minimal"),
        (201, "return=minimal", 201, "return=minimal"),
        (202, "return=minimal", 202, "return=minimal"),
        (201, "return=representation", 201, "return=representation"),
        (201, "return=minimal, tx=rollback", 201, "tx=rollback, return=minimal"),
        (201, "wait=10", 201, None),
        (404, "return=minimal", 404, None),
        (404, "tx=rollback", 404, "tx=rollback"),
    ],
)
async def test_preferences(
    status: int, prefer: str, answered: int, applied: str | None, start: Start
) -> None:
    """A minimal reply has no body, and keeps its Location; errors are told in full."""
    location = (("Location", "/m/1"), ("Preference-Applied", "the plan's"))
    executor = answering({"a": 1}, status=status, headers=location if applied else ())
    service = await start(executor=executor)
    answer = await ask(service.address, "POST", "/m", JSON | {"Prefer": prefer}, b"{}")

    assert (answer.status, answer.headers.get("preference-applied")) == (answered, applied)
    assert answer.body == (b"" if "minimal" in (applied or "") else b'{"a":1}')
    assert not applied or answer.headers["location"] == "/m/1"
    assert executor.jobs[0].dry_run is ("rollback" in prefer)


async def test_preferences_are_for_writes(start: Start) -> None:
    """A read has nothing to leave out or to undo."""
    service = await start(executor=answering({"a": 1}))
    answer = await ask(service.address, "GET", "/m/1", {"Prefer": "return=minimal"})

    assert (answer.status, answer.body) == (200, b'{"a":1}')
    assert "preference-applied" not in answer.headers


async def test_cors_is_off(start: Start) -> None:
    """Unless the settings list origins: no response lets a page read it, and OPTIONS is OPTIONS."""
    service = await start(TOKEN)
    answers = [
        await ask(service.address, "OPTIONS", "/m", PREFLIGHT),
        await ask(service.address, "OPTIONS", "/m", {"Access-Control-Request-Method": "PATCH"}),
        await ask(service.address, "GET", "/healthz", APP),
    ]

    assert [answer.status for answer in answers] == [403, 401, 200]
    assert not any("access-control" in name or name == "vary" for each in answers for name in each.headers)


@pytest.mark.parametrize(
    ("settings", "origin", "shown", "said"),
    [
        ({}, "http://localhost:5173", "http://localhost:5173", "CORS is off."),
        (CORS, "http://localhost:5173", "http://localhost:5173", "CORS is on for other origins."),
        ({}, "null", "ORIGIN", "CORS is off."),
        ({}, 'https://a"b<c>', "ORIGIN", "CORS is off."),
    ],
)
async def test_a_refused_preflight_says_how_it_is_opened(
    settings: dict[str, Any], origin: str, shown: str, said: str, start: Start
) -> None:
    """By each of the ways, with the very origin; and the log says whose page was refused."""
    service = await start(settings | TOKEN)
    with capture_logs() as logs:
        answer = await ask(service.address, "OPTIONS", "/m", PREFLIGHT | {"Origin": origin})

    assert (answer.status, answer.json["type"]) == (403, "/_meta/problems/origin-refused")
    assert answer.json["detail"].startswith(said)
    for way in (f"serve --cors {shown}", f"LARS_CORS_ORIGINS={shown}", "cors.origins"):
        assert way in answer.json["detail"]
    assert [(line["problem"], line["origin_refused"]) for line in logs] == [("origin-refused", origin)]


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({"Origin": "https://other.example"}, "https://other.example"),
        ({"Origin": "http://service.localhost:80", "Host": "service.localhost:80"}, None),
        (APP, None),
        ({}, None),
    ],
)
async def test_the_log_says_which_page_was_refused(
    headers: dict[str, str], refused: str | None, start: Start
) -> None:
    """Also where there was no preflight; the service's own pages are none of another site."""
    service = await start(CORS)
    with capture_logs() as logs:
        await ask(service.address, "GET", "/healthz", headers)

    assert [line.get("origin_refused") for line in logs] == [refused]


@pytest.mark.parametrize(
    ("headers", "ends"),
    [
        ({"User-Agent": "curl/8.5.0", "Accept": "*/*"}, b"\n"),
        ({"User-Agent": "curl/8.5.0", "Accept": "application/json"}, b"}"),
        ({"User-Agent": "python-requests/2.32", "Accept": "*/*"}, b"}"),
        ({"User-Agent": "curl/8.5.0"}, b"}"),
        ({"Accept": "*/*"}, b"}"),
    ],
)
async def test_a_terminal_s_curl_gets_a_line_that_ends(
    headers: dict[str, str], ends: bytes, start: Start
) -> None:
    """The length has it, for HEAD too; the tag is that of all other clients, and errors are lines as well."""
    service = await start(executor=answering({"a": 1}))
    plain = await ask(service.address, "GET", "/m/1")
    answers = [await ask(service.address, method, "/m/1", headers) for method in ("GET", "HEAD")]
    error = await ask(service.address, "GET", "/m/1", headers, session=None)
    known = await ask(service.address, "GET", "/m/1", headers | {"If-None-Match": plain.headers["etag"]})

    assert answers[0].body == b'{"a":1}' + (b"\n" if ends == b"\n" else b"")
    assert {each.headers["content-length"] for each in answers} == {str(len(answers[0].body))}
    assert {each.headers["etag"] for each in answers} == {plain.headers["etag"]}
    assert error.body.endswith(ends)
    assert (known.status, known.body) == (304, b"")


async def test_what_is_no_json_has_no_line_s_end(start: Start) -> None:
    """A table is somebody's bytes."""
    service = await start(executor=answering(PAGE))
    curl = {"User-Agent": "curl/8.5.0", "Accept": "*/*"}
    metrics = await ask(service.address, "GET", "/docs/page.css", curl)
    table = await ask(service.address, "GET", "/m", {"User-Agent": "curl/8.5.0", "Accept": "text/csv"})

    assert metrics.status == 404
    assert table.body == b"a,b\r\n1,\r\n,x\r\n"


@pytest.mark.parametrize("shown", [True, False])
async def test_a_line_has_the_token_s_name_and_the_client_s_address(shown: bool, start: Start) -> None:
    """The address by setting, for 401s too, and as far as a proxy is believed."""
    options = {"trusted_proxies": ["127.0.0.0/8"]}
    tokens = {
        "auth": {"tokens": {"ann": "the-token-of-ann"}},
        "log": {"client_address": shown},
        "server": options,
    }
    service = await start(tokens)
    sent = {"X-Forwarded-For": "203.0.113.7"}
    with capture_logs() as logs:
        await ask(service.address, "GET", "/m", sent)
        await ask(service.address, "GET", "/m", sent | {"Authorization": "Bearer the-token-of-ann"})

    address = "203.0.113.7" if shown else None
    assert [(line["status"], line.get("token_name"), line.get("client")) for line in logs] == [
        (401, None, address),
        (200, "ann", address),
    ]
    assert "the-token-of-ann" not in str(logs)


@pytest.mark.parametrize("target", ["/m", "/healthz", "/", "*", "/../x"])
async def test_a_preflight(target: str, start: Start) -> None:
    """Is answered before token, session and path are looked at: browsers send it without any."""
    planner = FakePlanner()
    service = await start(CORS | TOKEN, planner=planner)
    answer = await ask(service.address, "OPTIONS", target, PREFLIGHT)

    assert (answer.status, answer.body, planner.asked) == (204, b"", [])
    assert answer.headers["access-control-allow-origin"] == APP["Origin"]
    assert answer.headers["access-control-allow-methods"] == "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
    assert answer.headers["access-control-allow-headers"] == "x-session-id, a"
    assert answer.headers["access-control-max-age"] == "600"
    assert "access-control-expose-headers" not in answer.headers


@pytest.mark.parametrize("asked", ["a b", "x\x7f", "", "a," * 400 + "a" * 225])
async def test_header_names_that_are_none(asked: str, start: Start) -> None:
    """Nothing is repeated that is no list of names, or too long."""
    service = await start(CORS)
    answer = await ask(
        service.address, "OPTIONS", "/m", PREFLIGHT | {"Access-Control-Request-Headers": asked}
    )

    assert "access-control-allow-headers" not in answer.headers


async def test_the_longest_list_of_header_names(start: Start) -> None:
    """1,024 characters."""
    asked = "a," * 400 + "a" * 224
    service = await start(CORS)
    answer = await ask(
        service.address, "OPTIONS", "/m", PREFLIGHT | {"Access-Control-Request-Headers": asked}
    )

    assert answer.headers["access-control-allow-headers"] == asked


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "https://app.example.com.evil.example", "null", None]
)
async def test_another_origin(origin: str | None, start: Start) -> None:
    """Gets what any client gets, and its browser is told nothing; caches are told why."""
    service = await start(CORS | TOKEN)
    headers = {} if origin is None else {"Origin": origin}
    preflight = await ask(service.address, "OPTIONS", "/m", PREFLIGHT | {"Origin": origin or "null"})
    health = await ask(service.address, "GET", "/healthz", headers)

    assert (preflight.status, health.status) == (403, 200)
    for answer in (preflight, health):
        assert answer.headers["vary"] == "Origin"
        assert not any("access-control" in name for name in answer.headers)


async def test_scripts_can_read_errors_and_headers(start: Start) -> None:
    """Also a 401, and every header that is not readable anyway."""
    service = await start(CORS | TOKEN, executor=answering({}, headers=(("X-Own", "1"),)))
    refused = await ask(service.address, "GET", "/m", APP)
    read = await ask(service.address, "GET", "/m", APP | {"Authorization": "Bearer secret"})

    for answer in (refused, read):
        assert answer.headers["access-control-allow-origin"] == APP["Origin"]
    assert refused.status == 401
    exposed = read.headers["access-control-expose-headers"].split(", ")
    assert {"X-Own", "X-Request-ID", "X-Plan-Source"} <= {*exposed}
    assert not {"Content-Type", "Server", "Vary"} & {*exposed}


async def test_any_origin(start: Start) -> None:
    """One answer for all needs no Vary."""
    service = await start({"cors": {"origins": ["*"]}})
    answer = await ask(service.address, "GET", "/healthz", {"Origin": "https://anywhere.example"})

    assert answer.headers["access-control-allow-origin"] == "*"
    assert "vary" not in answer.headers


@pytest.mark.parametrize(
    ("origin", "listed"),
    [
        ("http://localhost:5173", True),
        ("http://localhost", True),
        ("https://localhost:5173", False),
        ("http://localhost.example:5173", False),
        ("http://localhost:5173.example", False),
        ("null", False),
    ],
)
async def test_any_port_of_a_host(start: Start, origin: str, listed: bool) -> None:
    service = await start({"cors": {"origins": ["http://localhost:*"]}})
    answer = await ask(service.address, "GET", "/healthz", {"Origin": origin})
    assert (answer.headers.get("access-control-allow-origin") == origin) is listed
