"""Bodies with too many members are refused at the edge, whatever their content type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest

from tests.fakes import FakeExecutor
from tests.http.client import ask

if TYPE_CHECKING:
    from tests.http.conftest import Start

LIMITS = {"sandbox": {"object_members": 20, "body_names": 30}}
JSON = "application/json"


def members(number: int, first: int = 0) -> dict[str, int]:
    return {f"m{n}": n for n in range(first, first + number)}


def form(number: int) -> bytes:
    return "&".join(f"m{n}=1" for n in range(number)).encode()


@pytest.mark.parametrize(
    ("method", "content_type", "body", "status"),
    [
        ("POST", JSON, members(20), 200),
        ("POST", JSON, members(21), 422),
        ("POST", JSON, [members(15), members(15, 15)], 200),
        ("POST", JSON, [members(15), members(16, 15)], 422),
        ("PUT", JSON, {"a": members(21)}, 422),
        ("PATCH", "application/merge-patch+json", members(21), 422),
        ("PATCH", "application/json-patch+json", [{"op": "add", "path": "/a", "value": members(21)}], 422),
        ("POST", "application/x-www-form-urlencoded", form(20), 200),
        ("POST", "application/x-www-form-urlencoded", form(21), 422),
    ],
)
async def test_members_have_a_limit(
    start: Start, method: str, content_type: str, body: Any, status: int
) -> None:
    """On both sides of it; what is beyond never reaches a guest."""
    executor = FakeExecutor()
    service = await start(LIMITS, executor=executor)
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    answer = await ask(service.address, method, "/members", {"Content-Type": content_type}, data)

    assert answer.status == status
    assert len(executor.jobs) == (status == 200)
    assert status == 200 or "pointer" in answer.json
