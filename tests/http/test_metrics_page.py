"""`/_meta/metrics`: who may read it, and what a request leaves there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

if TYPE_CHECKING:
    from tests.http.conftest import Start

PAGE = "/_meta/metrics"
TOKENS = {"admin_token": "the-admins", "metrics_token": "the-collectors", "token": "the-clients"}


async def ask(url: str, token: str = "", method: str = "GET", **headers: str) -> tuple[int, str]:
    sent = {**headers, **({"Authorization": f"Bearer {token}"} if token else {})}
    async with aiohttp.ClientSession() as client, client.request(method, url, headers=sent) as response:
        return response.status, await response.text()


@pytest.mark.parametrize(
    ("auth", "metrics", "admitted"),
    [
        (TOKENS, {}, {"the-admins", "the-collectors"}),
        ({"admin_token": "the-admins"}, {}, {"the-admins"}),
        ({"metrics_token": "the-collectors"}, {}, {"the-collectors"}),
        (TOKENS, {"open": True}, {"", "wrong", "the-clients", "the-admins", "the-collectors"}),
    ],
    ids=["all", "admin", "collector", "open"],
)
async def test_who_gets_in(start: Start, auth: Any, metrics: Any, admitted: set[str]) -> None:
    """The metrics token and the admin token, nobody else; everybody where the settings say so."""
    service = await start({"auth": auth, "metrics": metrics})
    for token in ("", "wrong", "the-clients", "the-admins", "the-collectors"):
        status, text = await ask(service.url + PAGE, token)

        assert (status == 200) == (token in admitted), token
        assert status in (200, 401)
        assert ("metaservice_requests" in text) == (status == 200)


async def test_the_metrics_token_opens_nothing_else(start: Start) -> None:
    """Neither the operators' pages, nor the service."""
    service = await start({"auth": TOKENS})

    assert (await ask(f"{service.url}/_meta/doctor", "the-collectors"))[0] == 401
    assert (await ask(f"{service.url}/members", "the-collectors"))[0] == 401
    assert (await ask(f"{service.url}/_meta/doctor", "the-admins"))[0] == 200


async def test_without_tokens_there_is_no_such_page(start: Start) -> None:
    """404, as for any page that the service has not."""
    service = await start()

    assert (await ask(service.url + PAGE))[0] == 404


async def test_it_can_only_be_read(start: Start) -> None:
    """GET and HEAD; below it there is nothing."""
    service = await start({"metrics": {"open": True}})

    assert (await ask(service.url + PAGE, method="HEAD")) == (200, "")
    assert (await ask(service.url + PAGE + "?x=1"))[0] == 200
    assert (await ask(service.url + PAGE, method="POST"))[0] == 405
    assert (await ask(service.url + PAGE + "/more"))[0] == 404


async def test_what_requests_leave(start: Start) -> None:
    """Templates, statuses and gauges; no session, no id, no value, no request's own id."""
    service = await start({"metrics": {"open": True, "routes": 1}})
    secrets = {"X-Session-ID": "a-session-of-mine", "X-Request-ID": "an-id-of-mine"}
    for path in ("/members/471147114711?name=Ada", "/members/471247124712", "/orders/471347134713"):
        assert (await ask(service.url + path, **secrets))[0] == 200
    assert (await ask(service.url + "/members"))[0] == 400
    _, text = await ask(service.url + PAGE)
    lines = text.splitlines()

    assert 'metaservice_requests_total{method="GET",route="/members/{id:int}",status="200"} 2.0' in lines
    assert 'metaservice_requests_total{method="GET",route="other",status="200"} 1.0' in lines
    assert 'metaservice_requests_total{method="GET",route="none",status="400"} 1.0' in lines
    assert 'metaservice_problems_total{type="session-missing"} 1.0' in lines
    assert 'metaservice_plans_total{source="conventions"} 3.0' in lines
    assert "metaservice_live_guests 5.0" in lines
    counts = {"parse": 4.0, "plan": 3.0, "queue": 3.0, "guest": 3.0, "respond": 4.0, "total": 4.0}
    for stage, count in counts.items():
        assert f'metaservice_stage_seconds_count{{stage="{stage}"}} {count}' in lines
    for value in ("a-session-of-mine", "an-id-of-mine", "471147114711", "471347134713", "Ada", "orders"):
        assert value not in text
