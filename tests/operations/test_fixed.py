"""A session's fixed clock and its sequence of ids: the same requests upon the same data, the same replies."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tools.simulators import by_route, plan

if TYPE_CHECKING:
    from tests.operations.conftest import Operate, Operator

NOON = "2026-03-01T12:00:00Z"
DRAW = """\
rec = store.insert({"at": now(), "day": today(), "uuid": uuid4(), "other": uuid4(), "token": new_token(12)})
REPLY = make_response(201, rec)
"""
SCRIPT = {"POST /draws": plan("/draws", DRAW)}


@pytest.fixture
async def drawing(operate: Operate) -> Operator:
    operator: Operator = await operate(by_route(SCRIPT))
    return operator


async def draws(operator: Operator, session: str, times: int = 3) -> list[Any]:
    answers = [await operator.api.post("/draws", {}, session=session) for _ in range(times)]
    assert [answer.status for answer in answers] == [201] * times
    return [answer.json for answer in answers]


async def fix(operator: Operator, session: str, **members: Any) -> Any:
    return await operator.do("PATCH", f"/sessions/{session}/settings", members)


async def test_runs_repeat(drawing: Operator) -> None:
    """After a reset, in a fork and in another session: by seed and clock, and by nothing else."""
    await fix(drawing, "one", clock=NOON, seed="7")
    first = await draws(drawing, "one")
    await drawing.do("POST", "/sessions/one/reset")
    again = await draws(drawing, "one")
    await fix(drawing, "two", clock=NOON, seed="7")
    elsewhere = await draws(drawing, "two")
    await fix(drawing, "three", clock=NOON, seed="8")
    other = await draws(drawing, "three")

    assert first == again == elsewhere
    drawn = [value for each in first for value in (each["uuid"], each["other"], each["token"])]
    assert len(set(drawn)) == len(drawn)
    assert {each["at"] for each in first} == {"2026-03-01T12:00:00.000Z"}
    assert {each["day"] for each in first} == {"2026-03-01"}
    assert {each["uuid"] for each in first}.isdisjoint(each["uuid"] for each in other)


async def test_a_fork_has_both(drawing: Operator) -> None:
    """Its sequence begins where it begins: two forks of one session draw the same."""
    await fix(drawing, "origin", clock=NOON, seed="a")
    await draws(drawing, "origin", 1)
    for name in ("left", "right"):
        await drawing.do("POST", "/sessions/origin/fork", {"to": name})
    left, right = await draws(drawing, "left"), await draws(drawing, "right")

    assert left == right


async def test_each_by_itself_and_taken_away(drawing: Operator) -> None:
    """A clock leaves ids at random, a seed leaves the real clock; null takes one away."""
    said = await fix(drawing, "s", clock="2026-03-01T13:00:00+01:00")
    one, two = await draws(drawing, "s", 2)
    assert said == {"session": "s", "settings": {"clock": "2026-03-01T12:00:00+00:00"}}
    assert one["at"] == two["at"] == "2026-03-01T12:00:00.000Z"
    assert one["uuid"] != two["uuid"]

    shown = await drawing.get("/sessions/s")
    assert shown["settings"] == {"clock": "2026-03-01T12:00:00+00:00"}

    assert await fix(drawing, "s", clock=None, seed="7") == {"session": "s", "settings": {"seed": "7"}}
    (three,) = await draws(drawing, "s", 1)
    assert three["at"] > "2026-04"


async def test_concurrent_requests_draw_apart(drawing: Operator) -> None:
    """Those that run at once see versions of their own: no two make the same id."""
    await fix(drawing, "s", seed="7")
    await draws(drawing, "s", 2)
    answers = await asyncio.gather(*(drawing.api.post("/draws", {}, session="s") for _ in range(20)))

    assert len({answer.json["uuid"] for answer in answers}) == 20


@pytest.mark.parametrize(
    "members",
    [
        {"clock": "noon"},
        {"clock": "2026-03-01T12:00:00"},
        {"clock": 7},
        {"clock": "0001-01-01T00:00:00+14:00"},
        {"seed": ""},
        {"seed": "x" * 65},
        {"seed": "\u0000"},
        {"seeds": "1"},
    ],
)
async def test_what_cannot_be_set(drawing: Operator, members: dict[str, Any]) -> None:
    """Is refused, and the refusal says what can."""
    answer = await drawing.ask("PATCH", "/sessions/s/settings", members)

    assert answer.status == 400
    assert "must be" in answer.json["detail"]


async def test_a_deleted_session_has_neither(drawing: Operator) -> None:
    """One that comes back by the same name is a new one."""
    await fix(drawing, "s", clock=NOON, seed="7")
    await draws(drawing, "s", 1)
    await drawing.do("DELETE", "/sessions/s")
    (drawn,) = await draws(drawing, "s", 1)

    assert drawn["at"] > "2026-04"
