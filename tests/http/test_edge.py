"""What the trusted layer decides, whatever a plan says: over real sockets, with fakes behind it."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from server.app import make_app
from server.requests.context import METHODS
from server.sessions.directories import DataRoot
from server.settings.reading import from_mapping
from server.values.errors import NotPlannable
from tests.fakes import FakeExecutor, FakePlanner, completed
from tests.http.client import Answer, Wire, ask, request_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from tests.http.conftest import Start

JSON = {"Content-Type": "application/json"}
TOKEN = {"auth": {"token": "the-token", "tokens": {"ci": "other-token"}}}
BEARER = {"Authorization": "Bearer the-token"}


def problem(answer: Answer, slug: str, title: str, detail: str, **members: Any) -> dict[str, Any]:
    """The whole document that an error of this type has."""
    return {
        "type": f"/_meta/problems/{slug}",
        "title": title,
        "status": answer.status,
        "detail": detail,
        "error": detail,
        "request_id": answer.headers["x-request-id"],
        **members,
    }


async def test_a_reply_carries_the_service_s_headers(start: Start) -> None:
    """Beside the plan's own, and nothing else."""
    plain = completed({"a": 1}, status=201, headers=(("Location", "/members/1"),))
    service = await start(executor=FakeExecutor(lambda job: plain))
    answer = await ask(service.address, "POST", "/members", JSON | {"X-Request-ID": "r-1"}, b"{}")

    assert (answer.status, answer.body) == (201, b'{"a":1}')
    answer.headers.pop("date")
    plan_id = answer.headers.pop("x-plan-id")
    assert len(plan_id) == 24
    stages = answer.headers.pop("server-timing").split(", ")
    assert [stage.partition(";")[0] for stage in stages] == ["parse", "plan", "queue", "guest", "frame"]
    assert all(re.fullmatch(r"[a-z]+;dur=\d+\.\d{3}", stage) for stage in stages)
    assert answer.headers == {
        "location": "/members/1",
        "server": "metaservice",
        "x-request-id": "r-1",
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
        "content-type": "application/json",
        "x-plan-source": "conventions",
        "x-fuel-used": "1",
        "content-length": "7",
    }


async def test_a_plan_s_cache_control_stays(start: Start) -> None:
    """`no-store` is only the default; but what a plan says is for the one who asked."""
    service = await start(
        executor=FakeExecutor(lambda job: completed({}, headers=(("Cache-Control", "max-age=5"),)))
    )

    answer = await ask(service.address, "GET", "/members")
    assert answer.headers["cache-control"] == "private, max-age=5"
    assert "X-Session-ID" in answer.headers["vary"]


@pytest.mark.parametrize("status", [204, 304])
async def test_no_body_goes_with_204_and_304(status: int, start: Start) -> None:
    """And the connection is in step for the next request."""
    service = await start(executor=FakeExecutor(lambda job: completed(None, status=status)))
    async with await Wire.to(service.address) as wire:
        for _ in range(2):
            await wire.send(request_bytes("DELETE", "/members/1", [("X-Session-ID", "s1")]))
            answer = await wire.answer()

            assert (answer.status, answer.body) == (status, b"")
            assert "content-type" not in answer.headers


async def test_head_is_get_without_the_body(start: Start) -> None:
    """The same headers, Content-Length among them."""
    service = await start()
    get, head = [await ask(service.address, method, "/members") for method in ("GET", "HEAD")]

    assert (get.body, head.body) == (b'{"ok":true}', b"")
    own = {"date", "x-request-id", "server-timing"}
    assert [pair for pair in get.headers.items() if pair[0] not in own] == [
        pair for pair in head.headers.items() if pair[0] not in own
    ]


async def test_the_context_is_what_arrived(start: Start) -> None:
    """Decoded once, headers by their list, the session's own token nowhere."""
    executor = FakeExecutor()
    service = await start(TOKEN, executor=executor, hosts=("api.example",))
    sent = (
        BEARER | JSON | {"Accept": "application/*", "Cookie": "a=b", "User-Agent": "x", "Host": "api.example"}
    )
    async with await Wire.to(service.address) as wire:
        raw = request_bytes("PATCH", "/members/caf%C3%A9/?a=1&a=2&b=%26", list(sent.items()), b'{"n": 1}')
        await wire.send(raw.replace(b"Host: localhost\r\n", b""))
        assert (await wire.answer()).status == 200

    (request,) = executor.requests
    assert request["ctx"] == {
        "method": "PATCH",
        "path": "/members/caf%C3%A9/",
        "segments": ["members", "caf\u00e9"],
        "query": {"a": ["1", "2"], "b": "&"},
        "headers": {"accept": "application/*", "content-type": "application/json"},
        "client": {"ip": "127.0.0.1"},
        "session": {"id": "token:default", "token": None},
        "base_url": "http://api.example",
        "body_json": {"n": 1},
    }


async def test_options_lists_methods_and_405_too(start: Start) -> None:
    """For a path, for the server as a whole, and for methods that nothing here takes."""
    service = await start()
    path = await ask(service.address, "OPTIONS", "/members")
    whole = await ask(service.address, "OPTIONS", "*")
    unknown = await ask(service.address, "TRACE", "/members")

    assert (path.status, path.headers["allow"]) == (204, "GET, HEAD, POST, OPTIONS")
    assert (whole.status, whole.headers["allow"]) == (204, ", ".join(METHODS))
    assert (unknown.status, unknown.headers["allow"]) == (405, ", ".join(METHODS))
    detail = f"The service takes {', '.join(METHODS)}."
    title = "Method not allowed"
    assert unknown.json == problem(unknown, "method-not-allowed", title, detail, allow=list(METHODS))


async def test_errors_are_problem_documents(start: Start) -> None:
    """Compared whole: one of the edge, one of the planner."""
    service = await start(planner=FakePlanner(NotPlannable("Set OPENAI_API_KEY.")))
    bad = await ask(service.address, "POST", "/members", JSON, b'{"a":1,\n "a":2}')
    odd = await ask(service.address, "GET", "/members")

    detail = "Invalid JSON: the same key twice in one object (line 2, column 2)"
    assert bad.json == problem(bad, "invalid-json", "Invalid JSON", detail, line=2, column=2)
    title = "No convention covers this request"
    assert odd.json == problem(odd, "not-plannable", title, "Set OPENAI_API_KEY.")
    assert (bad.status, odd.status) == (400, 501)
    assert bad.headers["content-type"] == odd.headers["content-type"] == "application/problem+json"


async def test_a_fault_of_ours_is_a_500_that_says_nothing(start: Start) -> None:
    """The text of the exception is neither in the reply nor in the request's line."""

    def fail(job: Any) -> Any:
        raise RuntimeError("secret detail of /srv/data")

    service = await start(executor=FakeExecutor(fail))
    with capture_logs() as logs:
        answer = await ask(service.address, "GET", "/members")

    assert answer.status == 500
    assert answer.json == problem(
        answer, "internal", "Internal error", "The request failed; the log has more."
    )
    assert [entry["event"] for entry in logs] == ["unhandled", "request"]
    assert "secret detail" not in str(logs[-1])


# -- who may ask --------------------------------------------------------------------------------------


async def test_without_the_token_nothing_is_read(start: Start) -> None:
    """401 comes before the body has even been sent, and says how to authenticate."""
    planner = FakePlanner()
    service = await start(TOKEN, planner=planner)
    async with await Wire.to(service.address) as wire:
        await wire.send(request_bytes("POST", "/members", [("Content-Length", "100")]))
        answer = await wire.answer()

    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["connection"] == "close"
    assert answer.json == problem(
        answer, "unauthorized", "Authentication required", "A bearer token is needed."
    )
    assert not planner.asked


@pytest.mark.parametrize(
    ("target", "open_", "with_token"),
    [
        ("/healthz", 200, 200),
        ("/healthz?x=1", 200, 200),
        ("/healthz/", 401, 404),
        ("/%68ealthz", 401, 404),
        ("/healthz/../members/1", 401, 400),
        ("//healthz", 401, 404),
        ("/", 401, 200),
        ("/docs", 401, 200),
        ("/openapi.json/x", 401, 404),
        ("/_meta", 401, 404),
        ("/_meta/problems/out-of-fuel", 401, 200),
        ("/favicon.ico", 401, 404),
        ("/members", 401, 200),
    ],
)
async def test_only_the_health_page_is_open(target: str, open_: int, with_token: int, start: Start) -> None:
    """By its exact raw path (T46)."""
    service = await start(TOKEN)

    assert (await ask(service.address, "GET", target)).status == open_
    assert (await ask(service.address, "GET", target, BEARER)).status == with_token


async def test_sessions_come_from_the_header_or_the_token_s_name(start: Start) -> None:
    """Rotating a token keeps its data; two tokens have two sessions; the id goes before either."""
    executor = FakeExecutor()
    service = await start(TOKEN, executor=executor)
    ci = {"X-Service-Token": "other-token"}
    async with await Wire.to(service.address) as wire:
        for sent in (BEARER, ci, BEARER | {"X-Session-ID": "s1"}, ci | {"X-Session-ID": "s1"}):
            await wire.send(request_bytes("GET", "/members", list(sent.items())))
            assert (await wire.answer()).status == 200

    assert [each["ctx"]["session"]["id"] for each in executor.requests] == [
        "token:default",
        "token:ci",
        "s1",
        "s1",
    ]
    assert len({job.session for job in executor.jobs}) == 3


async def test_the_api_s_own_authorization_reaches_the_plan(start: Start) -> None:
    """When the service's token came another way, or there is none."""
    executor = FakeExecutor()
    guarded = await start(TOKEN, executor=executor)
    sent = {"X-Service-Token": "the-token", "Authorization": "Token jwt.of.the.api"}
    assert (await ask(guarded.address, "GET", "/members", sent)).status == 200

    (request,) = executor.requests
    assert request["ctx"]["headers"] == {"authorization": "Token jwt.of.the.api"}
    assert "the-token" not in executor.jobs[0].request


async def test_an_anonymous_session_is_a_setting(start: Start) -> None:
    """Without it a request that names no session is refused."""
    service = await start({"sessions": {"anonymous": "shared"}})
    async with await Wire.to(service.address) as wire:
        await wire.send(request_bytes("GET", "/members"))
        assert (await wire.answer()).status == 200


# -- the service's own pages ----------------------------------------------------------------------------


async def test_health_says_what_is_well(start: Start) -> None:
    """And nothing of paths, processes or people."""
    service = await start()
    answer = await ask(service.address, "GET", "/healthz")

    workers = {"ready": 2, "configured": 2, "enforced": {"files": True, "tcp": False}}
    assert answer.json == {"status": "ok", "workers": workers, "data_root": "ok", "record": "ok"}
    assert (await ask(service.address, "POST", "/healthz", JSON, b"{}")).status == 405
    assert (await ask(service.address, "OPTIONS", "/healthz")).headers["allow"] == "GET, HEAD, OPTIONS"


async def test_the_front_page_is_for_people_and_programs(start: Start) -> None:
    """HTML for who names it, else JSON; never planned."""
    planner = FakePlanner()
    service = await start(planner=planner)
    page = await ask(service.address, "GET", "/", {"Accept": "text/html,*/*"})
    data = await ask(service.address, "GET", "/", {"Accept": "*/*"})

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "style-src 'sha256-" in page.headers["content-security-policy"]
    assert '<a href="/docs">' in page.body.decode()
    assert data.json["links"]["openapi"] == "/openapi.json"
    assert b"/healthz" in page.body
    assert data.json["links"]["health"] == "/healthz"
    assert (await ask(service.address, "DELETE", "/")).status == 405
    assert not planner.asked


# -- bodies and connections -----------------------------------------------------------------------------


async def test_an_announced_body_over_the_limit_is_not_waited_for(start: Start) -> None:
    """413 by Content-Length alone."""
    service = await start(request_bytes=1_024)
    async with await Wire.to(service.address) as wire:
        await wire.send(
            request_bytes("POST", "/members", [("X-Session-ID", "s1"), ("Content-Length", "1025")])
        )
        answer = await wire.answer()

    detail = "The body is larger than 1024 bytes."
    assert answer.status == 413
    assert answer.json == problem(answer, "payload-too-large", "Request body too large", detail, limit=1_024)


@pytest.mark.parametrize(("size", "status"), [(1_024, 200), (1_025, 413)])
async def test_a_chunked_body_is_counted_while_it_comes(size: int, status: int, start: Start) -> None:
    """Both sides of the limit."""
    service = await start(request_bytes=1_024)
    body = b'"' + b"a" * (size - 2) + b'"'
    async with await Wire.to(service.address) as wire:
        await wire.send(
            request_bytes("POST", "/members", [("X-Session-ID", "s1"), ("Transfer-Encoding", "chunked")])
        )
        for start_ in range(0, size, 512):
            chunk = body[start_ : start_ + 512]
            await wire.send(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        await wire.send(b"0\r\n\r\n")
        answer = await wire.answer()

    assert answer.status == status


async def test_framing_that_breaks_in_the_middle_is_400(start: Start) -> None:
    """After the handler has begun to read; nothing runs, and the connection ends."""
    executor = FakeExecutor()
    service = await start(executor=executor)
    async with await Wire.to(service.address) as wire:
        await wire.send(
            request_bytes("POST", "/members", [("X-Session-ID", "s1"), ("Transfer-Encoding", "chunked")])
        )
        await wire.send(b'5\r\n{"a":\r\n')
        await asyncio.sleep(0.05)
        await wire.send(b"zz\r\n1}\r\n0\r\n\r\n")
        answer = await wire.answer()

        assert answer.status == 400
        assert answer.json == problem(answer, "bad-request", "Bad request", "The body's framing is broken.")
        assert await wire.closed()
    assert not executor.jobs


@pytest.mark.parametrize("target", ["/members", "/healthz", "/_meta/sessions"])
@pytest.mark.parametrize(
    "lines",
    [
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: x, chunked",
    ],
)
async def test_a_coding_beside_chunked_is_refused(lines: str, target: str, start: Start) -> None:
    """The bytes would be read as they are, compressed or not; nothing that follows is read."""
    executor = FakeExecutor()
    service = await start(executor=executor)
    async with await Wire.to(service.address) as wire:
        head = f"POST {target} HTTP/1.1\r\nHost: localhost\r\nX-Session-ID: s1\r\n{lines}\r\n\r\n"
        await wire.send(head.encode() + b"2\r\n{}\r\n0\r\n\r\n" + request_bytes("GET", "/healthz"))
        answer = await wire.answer()

        assert answer.status == 400
        assert await wire.closed()
    assert not executor.jobs


async def test_chunked_in_any_case_is_taken(start: Start) -> None:
    service = await start()
    async with await Wire.to(service.address) as wire:
        head = (
            b"POST /members HTTP/1.1\r\nHost: localhost\r\nX-Session-ID: s1\r\nTransfer-Encoding: Chunked\r\n"
        )
        await wire.send(head + b"Content-Type: application/json\r\n\r\n2\r\n{}\r\n0\r\n\r\n")

        assert (await wire.answer()).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_a_part_of_a_body_is_refused(method: str, start: Start) -> None:
    """It would stand for the whole record. A read has no body that it could be about."""
    executor = FakeExecutor()
    service = await start(executor=executor)
    part = {"Content-Range": "bytes 0-1/20"}
    answer = await ask(service.address, method, "/members/1", JSON | part, b"{}")

    assert (answer.status, answer.json["header"]) == (400, "content-range")
    assert "Content-Range" in answer.json["detail"]
    assert "PATCH" in answer.json["detail"]
    assert not executor.jobs
    assert (await ask(service.address, method, "/members/1", JSON, b"{}")).status == 200
    assert (await ask(service.address, "GET", "/members/1", part)).status == 200


async def test_expect_is_answered_when_the_body_will_be_read(start: Start) -> None:
    """100 first, then the answer; a request that is refused anyway gets no 100."""
    service = await start(request_bytes=1_024)
    sent = [("X-Session-ID", "s1"), ("Expect", "100-continue")]
    async with await Wire.to(service.address) as wire:
        await wire.send(request_bytes("POST", "/members", [*sent, ("Content-Length", "2")]))
        assert await wire.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await wire.send(b"{}")
        assert (await wire.answer()).status == 200
    async with await Wire.to(service.address) as wire:
        await wire.send(request_bytes("POST", "/members", [*sent, ("Content-Length", "2000")]))
        assert (await wire.answer()).status == 413


async def test_a_slow_body_is_408_and_the_end(start: Start) -> None:
    """Compared whole; dripping does not help."""
    service = await start(body_seconds=0.3)
    async with await Wire.to(service.address) as wire:
        await wire.send(
            request_bytes("POST", "/members", [("X-Session-ID", "s1"), ("Content-Length", "100")])
        )
        dripping = asyncio.create_task(_drip(wire))
        answer = await wire.answer()
        dripping.cancel()

    detail = "The body did not arrive within 0.3 seconds."
    assert (answer.status, answer.headers["connection"]) == (408, "close")
    assert answer.json == problem(answer, "request-timeout", "Request not received in time", detail)


async def _drip(wire: Wire) -> None:
    for _ in range(50):
        await wire.send(b" ")
        await asyncio.sleep(0.05)


async def test_slow_headers_end_the_connection(start: Start) -> None:
    """Idle connections and dripped headers alike."""
    service = await start(header_seconds=0.3)
    async with await Wire.to(service.address) as idle, await Wire.to(service.address) as slow:
        await slow.send(b"GET /members HTTP/1.1\r\nHost: localhost\r\nX-A: ")

        assert await idle.closed()
        assert await slow.closed()


async def test_connections_over_the_cap_are_closed(start: Start) -> None:
    """Those that were there go on."""
    service = await start(max_connections=2)
    async with await Wire.to(service.address) as first, await Wire.to(service.address) as second:
        await first.send(request_bytes("GET", "/healthz"))
        assert (await first.answer()).status == 200
        async with await Wire.to(service.address) as third:
            assert await third.closed()
        await second.send(request_bytes("GET", "/healthz"))
        assert (await second.answer()).status == 200


async def test_a_connection_serves_many_requests_in_order(start: Start) -> None:
    """Pipelined ones too, errors among them."""
    service = await start()
    session = [("X-Session-ID", "s1")]
    async with await Wire.to(service.address) as wire:
        bad = request_bytes("POST", "/members", [*session, *JSON.items()], b"{")
        await wire.send(request_bytes("GET", "/members", session) + bad + request_bytes("GET", "/healthz"))

        assert [(await wire.answer()).status for _ in range(3)] == [200, 400, 200]


async def test_what_is_under_way_ends_before_the_service_does(start: Start) -> None:
    """Closing waits for the reply, then stops the executor; no new connection is taken."""
    executor = FakeExecutor()
    executor.gate.clear()
    service = await start(executor=executor)
    address = service.address
    asking = asyncio.create_task(ask(address, "GET", "/members"))
    await executor.entered.wait()
    closing = asyncio.create_task(service.close())
    await asyncio.sleep(0.05)
    assert not executor.closed
    executor.gate.set()

    assert (await asking).status == 200
    await closing
    assert executor.closed
    with pytest.raises(ConnectionError):
        await ask(address, "GET", "/members")


async def test_an_address_that_is_taken_stops_the_start(start: Start, tmp_path: Path) -> None:
    """And leaves nothing running: the executor is closed and the data root free again."""
    host, port = (await start()).address
    executor = FakeExecutor()
    settings = from_mapping(
        {"server": {"host": host, "port": port}, "store": {"data_root": str(tmp_path / "b")}}, {}
    )
    service = make_app(settings, planner=FakePlanner(), executor=executor)
    with pytest.raises(OSError, match="address already in use"):
        await service.start()

    assert executor.closed
    DataRoot.open(tmp_path / "b", lock_wait_seconds=0).close()


# -- the log ------------------------------------------------------------------------------------------------


async def test_one_line_a_request_without_values(start: Start) -> None:
    """Ids, route, status and times; no value from path, query, headers or body, and no token (T38)."""
    service = await start(TOKEN)
    sent = BEARER | JSON | {"X-Request-ID": "r-9"}
    with capture_logs() as logs:
        await ask(service.address, "POST", "/members/secret-1?q=secret-2", sent, b'{"a":"secret-3"}')

    (line,) = logs
    assert "secret" not in str(line)
    assert "the-token" not in str(line)
    assert set(line.pop("ms")) == {"parse", "plan", "queue", "guest", "frame", "respond", "total"}
    assert len(line.pop("plan_id")) == 24
    assert line == {
        "event": "request",
        "log_level": "info",
        "request_id": "r-9",
        "session": "s1",
        "method": "POST",
        "route": "/members/{id:text}",
        "plan_source": "conventions",
        "status": 200,
        "fuel": 1,
        "token_name": "default",
    }


async def test_a_client_that_leaves_is_one_line_too(start: Start) -> None:
    """In the middle of its body: 499, no traceback, and nothing runs."""
    executor = FakeExecutor()
    service = await start(executor=executor)
    with capture_logs() as logs:
        async with await Wire.to(service.address) as wire:
            await wire.send(
                request_bytes("POST", "/members", [("X-Session-ID", "s1"), ("Content-Length", "9")])
            )
            await ask(service.address, "GET", "/healthz")  # by then the server has seen it
            wire.reset()
            await ask(service.address, "GET", "/healthz")

    assert [(entry["event"], entry["status"]) for entry in logs if entry["status"] != 200] == [
        ("request", 499)
    ]
    assert not executor.jobs


async def test_a_malformed_request_is_one_short_line(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """No traceback, and nothing of what was sent, in the log or in the reply (T53); and none by aiohttp."""
    service = await start()
    with capture_logs() as logs:
        async with await Wire.to(service.address) as wire:
            await wire.send(b"GET /x HTTP/1.1\r\nAuthorization: Bearer hunter2\r\n folded\x01\r\n\r\n")
            answer = await wire.answer()

    assert answer.status == 400
    detail = "This is not a request of HTTP/1.1 as the service takes it: a header goes on in a second line."
    assert answer.json == problem(answer, "bad-request", "Bad request", detail)
    assert [entry["event"] for entry in logs] == ["request"]
    assert "hunter2" not in str(logs)
    assert len(str(logs)) < 300
    assert not caplog.records


HOST = "Host: localhost\r\n"
MALFORMED = [
    (HOST + "".join(f"X-{number}: hunter2\r\n" for number in range(200)), "too many headers"),
    (f"{HOST}Host: hunter2\r\n", "the Host header twice"),
    ("", "no Host header"),
    (f"{HOST}Content-Type: hunter2\r\nContent-Type: hunter2\r\n", "a header twice"),
    (f"{HOST}Content-Length: 7\r\nContent-Length: 7\r\n", "the Content-Length header twice"),
    (f"{HOST}Content-Length: 7\r\nTransfer-Encoding: chunked\r\n", "both"),
    (f"{HOST}Transfer-Encoding: chunked\r\nContent-Length: 7\r\n", "both"),
    (f"{HOST}Content-Length: +7\r\n", "its Content-Length is no length"),
    (f"{HOST}Content-Length: {'9' * 30}\r\n", "its Content-Length is no length"),
    (f"{HOST}Transfer-Encoding: hunter2\r\n", "its Transfer-Encoding"),
    (f"{HOST}hunter2 : x\r\n", "a name or a value"),
    (f"{HOST}X: hunter2\x01\r\n", "a name or a value"),
    (f"{HOST}X: hunter2\rhunter2\r\n", "CR LF"),
]


@pytest.mark.parametrize(("headers", "cause"), MALFORMED, ids=[str(at) for at in range(len(MALFORMED))])
async def test_a_malformed_request_s_cause_is_named(headers: str, cause: str, start: Start) -> None:
    """As far as the parser tells; nothing of what was sent is said again."""
    service = await start()
    async with await Wire.to(service.address) as wire:
        await wire.send(f"POST /members HTTP/1.1\r\n{headers}\r\n".encode())
        answer = await wire.answer()

        assert await wire.closed()
    assert (answer.status, answer.json["type"]) == (400, "/_meta/problems/bad-request")
    assert cause in answer.json["detail"]
    assert b"hunter2" not in answer.body


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("post /hunter2 HTTP/1.1", "its method is none"),
        ("GET /a hunter2 HTTP/1.1", "its first line"),
        ("GET /hunter2 HTTP/1.9", "another version"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n", "another version"),
        ("GET hunter2 HTTP/1.1", "its target is none"),
        ("GET * HTTP/1.1", "its target is none"),
    ],
)
async def test_a_malformed_first_line_s_cause_is_named(line: str, cause: str, start: Start) -> None:
    service = await start()
    async with await Wire.to(service.address) as wire:
        await wire.send(f"{line}\r\n{HOST}\r\n".encode())
        answer = await wire.answer()

    assert answer.status == 400
    assert cause in answer.json["detail"]
    assert b"hunter2" not in answer.body


@pytest.mark.parametrize(
    ("content_type", "body", "value"),
    [
        ("application/x-www-form-urlencoded", b'{"a": 1}', {"a": 1}),
        ("application/x-www-form-urlencoded", b'[{"a": 1}]', [{"a": 1}]),
        ("application/x-www-form-urlencoded", b"a=1&b=x", {"a": "1", "b": "x"}),
        ("application/x-www-form-urlencoded", b' \n{"a": 1}', {"a": 1}),
        ("application/x-www-form-urlencoded", b"%7Ba=1", {"{a": "1"}),
    ],
)
async def test_json_that_calls_itself_a_form_is_json(
    start: Start, content_type: str, body: bytes, value: Any
) -> None:
    """`curl -d '{"a": 1}'` without a header is what people type first, and it means JSON."""
    executor = FakeExecutor()
    service = await start(executor=executor)
    async with await Wire.to(service.address) as wire:
        headers = [("X-Session-ID", "s1"), ("Content-Type", content_type)]
        await wire.send(request_bytes("POST", "/members", headers, body))
        assert (await wire.answer()).status == 200

    assert executor.requests[0]["ctx"]["body_json"] == value


async def test_a_foreign_type_of_no_body_is_ignored(start: Start) -> None:
    """HTTP clients name application/octet-stream for a POST without a body."""
    executor = FakeExecutor()
    service = await start(executor=executor)
    async with await Wire.to(service.address) as wire:
        headers = [("X-Session-ID", "s1"), ("Content-Type", "application/octet-stream")]
        await wire.send(request_bytes("POST", "/orders/1/cancel", headers, b""))
        assert (await wire.answer()).status == 200

    assert executor.requests[0]["ctx"]["body_json"] is None
