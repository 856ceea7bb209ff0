"""/openapi.json, /docs and /redoc: who may see them, of which session, and how they are served."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

import pytest

from server.sessions.identity import session_for
from server.sessions.records import Records
from tests.fakes import FakeExecutor, FakePlanner, completed
from tests.http.client import Answer, ask

if TYPE_CHECKING:
    from pathlib import Path

    from server.service import Service
    from tests.http.conftest import Start
    from wasm_runtime.outcome import Outcome
    from wasm_runtime.slot import Job

SECURED = {"auth": {"token": "the-token"}}
PAGES = ["/docs", "/redoc"]
TOKEN_SESSION = session_for(None, "default", "reject")
DOCUMENTS = ["/openapi.json", "/swagger.json"]


@pytest.fixture(autouse=True)
def used_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sessions that tests ask about have been used; no other has."""
    sessions = (*(session_for(name, None, "reject") for name in ("s1", "s2")), TOKEN_SESSION)
    used = {session.directory for session in sessions}

    async def exists(_records: Records, session: str) -> bool:
        return session in used

    monkeypatch.setattr(Records, "exists", exists)


def members(_job: Job) -> Outcome:
    """What the reader of collections answers in a session with one."""
    return completed(
        {"collections": {"members": {"fields": {"name": ["string"]}, "more": False}}, "more": False}
    )


async def get(service: Service, target: str, session: str | None = None, **headers: str) -> Answer:
    """Without a session, unless one is named."""
    named = {} if session is None else {"X-Session-ID": session}
    return await ask(
        service.address,
        "GET",
        target,
        named | {n.replace("_", "-"): v for n, v in headers.items()},
        session=None,
    )


def login(password: str) -> str:
    return "Basic " + base64.b64encode(f"me:{password}".encode()).decode()


# --- the document -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*DOCUMENTS, "/openapi.json/"])
async def test_the_document_of_a_session(start: Start, path: str) -> None:
    service = await start(executor=FakeExecutor(members))
    answer = await get(service, path, "s1")

    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json["info"]["title"] == "Session s1"
    assert "/members/{id}" in answer.json["paths"]


async def test_a_session_that_nobody_has_used(start: Start, tmp_path: Path) -> None:
    """Its document has no collections, and asking for it does not make the session."""
    executor = FakeExecutor(members)
    service = await start(executor=executor)
    before = sorted((tmp_path / "data").iterdir())
    answer = await get(service, "/openapi.json?session=nosuch")

    assert (answer.status, answer.json["info"]["title"]) == (200, "Session nosuch")
    assert "/members" not in answer.json["paths"]
    assert executor.jobs == []
    assert sorted((tmp_path / "data").iterdir()) == before


async def test_it_is_read_and_never_planned(start: Start) -> None:
    planner, executor = FakePlanner(), FakeExecutor(members)
    service = await start(planner=planner, executor=executor)
    await get(service, "/openapi.json", "s1")

    assert planner.asked == []
    assert [job.read_only for job in executor.jobs] == [True]


@pytest.mark.parametrize(
    ("header", "query", "title"),
    [("s1", "", "Session s1"), (None, "?session=s2", "Session s2"), ("s1", "?session=s1", "Session s1")],
)
async def test_how_a_session_is_named(start: Start, header: str | None, query: str, title: str) -> None:
    """By the header, or where a browser can send none by the query."""
    service = await start(executor=FakeExecutor(members))

    assert (await get(service, f"/openapi.json{query}", header)).json["info"]["title"] == title


@pytest.mark.parametrize(
    ("header", "query", "slug"),
    [
        (None, "", "session-missing"),
        ("s1", "?session=s2", "session-invalid"),
        (None, "?session=s1&session=s2", "session-invalid"),
        (None, "?session=../x", "session-invalid"),
        (None, "?session=", "session-invalid"),
        (None, "?session=%", "invalid-query"),
    ],
)
async def test_no_session_or_two(start: Start, header: str | None, query: str, slug: str) -> None:
    service = await start(executor=FakeExecutor(members))
    answer = await get(service, f"/openapi.json{query}", header)

    assert (answer.status, answer.json["type"]) == (400, f"/_meta/problems/{slug}")


async def test_a_session_that_cannot_be_read(start: Start) -> None:
    service = await start(executor=FakeExecutor(lambda _: completed({"collections": 1})))

    assert (await get(service, "/openapi.json", "s1")).json["type"] == "/_meta/problems/guest-failed"


# --- the pages --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_and_all_that_it_needs(start: Start, path: str) -> None:
    """From this service alone; what it loads may be kept for ever, the page itself may not."""
    service = await start()
    page = await get(service, path)
    loads = re.findall(r'(?:src|href)="(/[^"]+\.(?:js|css))"', page.body.decode())

    assert page.status == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "private, no-cache"
    assert "http" not in page.headers["content-security-policy"]
    assert b"http" not in page.body
    assert len(loads) >= 3
    for each in loads:
        file = await get(service, each)
        assert (file.status, file.headers["cache-control"]) == (200, "private, max-age=31536000, immutable")
        kind = "javascript" if each.endswith(".js") else "css"
        assert file.headers["content-type"] == f"text/{kind}; charset=utf-8"
        assert b"https://cdn." not in file.body


async def test_what_a_browser_has_is_not_sent_again(start: Start) -> None:
    service = await start()
    etag = (await get(service, "/docs")).headers["etag"]
    known = await get(service, "/docs", If_None_Match=f'"other", W/{etag}')
    other = await get(service, "/docs", If_None_Match='"other"')

    assert (known.status, known.body, known.headers["etag"]) == (304, b"", etag)
    assert other.status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/docs/x.js",
        "/docs/page.js",
        "/docs/../server/app.py",
        "/docs/%2e%2e%2fapp.py",
        "/redoc/page.css",
        "/openapi.json/x",
    ],
)
async def test_nothing_else_is_served(start: Start, path: str) -> None:
    """Files are found by their exact path in a table, so there is no directory to leave."""
    service = await start()

    assert (await get(service, path, "s1")).status in {400, 404}


@pytest.mark.parametrize("path", [*PAGES, *DOCUMENTS])
async def test_they_can_only_be_read(start: Start, path: str) -> None:
    service = await start(executor=FakeExecutor(members))
    refused = await ask(service.address, "POST", path, {}, b"{}")
    options = await ask(service.address, "OPTIONS", path)
    head = await ask(service.address, "HEAD", path)

    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert (options.status, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    assert (head.status, head.body) == (200, b"")


# --- the token --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*PAGES, *DOCUMENTS])
async def test_they_need_the_token(start: Start, path: str) -> None:
    """As bearer token, or as the password of the login that a browser asks for."""
    service = await start(SECURED, executor=FakeExecutor(members))
    refused = await get(service, path, "s1")
    wrong = await get(service, path, "s1", Authorization=login("other"))

    assert (refused.status, wrong.status) == (401, 401)
    assert refused.headers["www-authenticate"].startswith("Basic realm=")
    assert (await get(service, path, "s1", Authorization="Bearer the-token")).status == 200
    assert (await get(service, path, "s1", Authorization=login("the-token"))).status == 200


@pytest.mark.parametrize(
    "sent", ["Basic", "Basic ====", "Basic bm8tY29sb24=", "Basic OnRoZS10b2tlbg", "Digest x"]
)
async def test_what_is_no_login(start: Start, sent: str) -> None:
    service = await start(SECURED)

    assert (await get(service, "/docs", Authorization=sent)).status == 401


@pytest.mark.parametrize("path", ["/members", "/", "/_meta/problems/not-found", "/docs%2fx"])
async def test_the_api_takes_no_login(start: Start, path: str) -> None:
    """Else another site could make a browser that has logged in send requests."""
    service = await start(SECURED)
    answer = await get(service, path, "s1", Authorization=login("the-token"))

    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")


async def test_a_browser_s_login_does_not_reach_a_plan(start: Start) -> None:
    """It holds the service's token (T38), unlike an Authorization header of the API's own."""
    executor = FakeExecutor()
    service = await start(SECURED, executor=executor)
    for sent in (login("the-token"), login("the api's own")):
        await get(service, "/members", "s1", Authorization=sent, X_Service_Token="the-token")

    seen = [request["ctx"]["headers"].get("authorization") for request in executor.requests]
    assert seen == [None, login("the api's own")]


async def test_a_token_s_own_session(start: Start) -> None:
    service = await start(SECURED, executor=FakeExecutor(members))
    document = (await get(service, "/openapi.json", Authorization="Bearer the-token")).json

    assert document["info"]["title"] == "Session token:default"
    assert {"bearer": []} in document["security"]
