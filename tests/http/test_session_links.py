"""A session that a link names: `?session=`, where no header names one and the settings allow it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes import FakeExecutor, FakePlanner, completed
from tests.http.client import ask

if TYPE_CHECKING:
    from tests.http.conftest import Start

ALLOWED: dict[str, Any] = {"sessions": {"in_query": True}}
TOKEN: dict[str, Any] = {"auth": {"token": "secret"}}
PAGE = {"items": [{"a": 1}, {"b": 2}], "page": {"limit": 2, "offset": 0, "total": 5}}


async def test_a_link_names_the_session(start: Start) -> None:
    """It is the one that a header would name, no filter, and links to other pages have it, too."""
    planner, executor = FakePlanner(), FakeExecutor(lambda _job: completed(PAGE))
    service = await start(ALLOWED, planner=planner, executor=executor)
    linked = await ask(service.address, "GET", "/m?limit=2&session=demo&a=1", session=None)
    named = await ask(service.address, "GET", "/m?limit=2&a=1", session="demo")

    assert (linked.status, linked.body) == (200, named.body)
    assert executor.jobs[0].session == executor.jobs[1].session
    assert [ctx.query for ctx in planner.asked] == [{"limit": "2", "a": "1"}] * 2
    assert "?session=demo&limit=2&a=1&offset=2>" in linked.headers["link"]
    assert "session=" not in named.headers["link"]


@pytest.mark.parametrize("settings", [{}, TOKEN, {"sessions": {"anonymous": "shared"}}])
@pytest.mark.parametrize("target", ["/m?session=demo", "/m?a=1&%73ession=demo", "/m?session="])
async def test_it_is_refused_with_the_hint(start: Start, settings: dict[str, Any], target: str) -> None:
    """Off by default: neither passed over nor taken for a filter in another session."""
    planner = FakePlanner()
    service = await start(settings, planner=planner)
    answer = await ask(service.address, "GET", target, {"Authorization": "Bearer secret"}, session=None)

    assert answer.status == 400
    assert answer.json["type"] == "/_meta/problems/session-missing"
    assert "sessions.in_query" in answer.json["detail"]
    assert planner.asked == []


@pytest.mark.parametrize("settings", [{}, ALLOWED])
async def test_with_a_header_it_is_a_filter(start: Start, settings: dict[str, Any]) -> None:
    """Like any other."""
    planner = FakePlanner()
    service = await start(settings, planner=planner)
    await ask(service.address, "GET", "/m?session=demo", session="s1")

    assert [(ctx.session.id, ctx.query) for ctx in planner.asked] == [("s1", {"session": "demo"})]


@pytest.mark.parametrize(
    "query", ["session=demo&session=other", "session=", "session=a/b", f"session={'x' * 129}"]
)
async def test_names_that_are_none(start: Start, query: str) -> None:
    """One name, by the header's grammar."""
    service = await start(ALLOWED)
    answer = await ask(service.address, "GET", f"/m?{query}", session=None)

    assert (answer.status, answer.json["type"]) == (400, "/_meta/problems/session-invalid")


@pytest.mark.parametrize(
    ("method", "site", "status"),
    [
        ("POST", None, 200),
        ("POST", "same-origin", 200),
        ("POST", "none", 200),
        ("POST", "cross-site", 400),
        ("DELETE", "same-site", 400),
        ("GET", "cross-site", 200),
    ],
)
async def test_pages_of_other_sites_write_nothing(
    start: Start, method: str, site: str | None, status: int
) -> None:
    """A form needs no header to be sent; so a browser's word on whose page sends it counts."""
    service = await start(ALLOWED)
    headers = {} if site is None else {"Sec-Fetch-Site": site}
    answer = await ask(service.address, method, "/m?session=demo", headers, session=None)

    assert answer.status == status
