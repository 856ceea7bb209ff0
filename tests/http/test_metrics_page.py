"""`/_meta/metrics`: who may read it, and what a request leaves there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.http.client import ask

if TYPE_CHECKING:
    from server.service import Service
    from tests.answer import Answer
    from tests.http.conftest import Start

PAGE = "/_meta/metrics"
TOKENS = {"admin_token": "the-admins", "metrics_token": "the-collectors", "token": "the-clients"}


async def get(service: Service, target: str = PAGE, token: str = "", **headers: str) -> Answer:
    sent = headers | ({"Authorization": f"Bearer {token}"} if token else {})
    return await ask(service.address, "GET", target, sent, session=None)


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
        answer = await get(service, token=token)

        assert answer.status == (200 if token in admitted else 401), token
        assert (b"metaservice_requests" in answer.body) == (answer.status == 200)


async def test_the_metrics_token_opens_nothing_else(start: Start) -> None:
    """Neither the operators' pages, nor the service."""
    service = await start({"auth": TOKENS})

    assert (await get(service, "/_meta/doctor", "the-collectors")).status == 401
    assert (await get(service, "/members", "the-collectors")).status == 401
    assert (await get(service, "/_meta/doctor", "the-admins")).status == 200


async def test_without_tokens_there_is_no_such_page(start: Start) -> None:
    """404, as for any page that the service has not."""
    service = await start()

    assert (await get(service)).status == 404


async def test_it_can_only_be_read(start: Start) -> None:
    """GET and HEAD; below it there is nothing."""
    service = await start({"metrics": {"open": True}})

    assert (await ask(service.address, "HEAD", PAGE)).status == 200
    assert (await get(service, f"{PAGE}?x=1")).status == 200
    assert (await ask(service.address, "POST", PAGE)).status == 405
    assert (await get(service, f"{PAGE}/more")).status == 404


async def test_what_requests_leave(start: Start) -> None:
    """Templates, statuses and gauges; no session, no id, no value, no request's own id."""
    service = await start({"metrics": {"open": True, "routes": 1}})
    secrets = {"X-Session-ID": "a-session-of-mine", "X-Request-ID": "an-id-of-mine"}
    for path in ("/members/471147114711?name=Ada", "/members/471247124712", "/orders/471347134713"):
        assert (await get(service, path, **secrets)).status == 200
    assert (await get(service, "/members")).status == 400
    text = (await get(service)).body.decode()
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
