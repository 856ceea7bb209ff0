"""The change feed: what was written in a session, by whom, since a version and from now on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.operations.conftest import AUTH
from tests.streams import watching

if TYPE_CHECKING:
    from tests.operations.conftest import Operator
    from tests.streams import Event

SESSION = "/changes?session=s1"


def address(operator: Operator) -> tuple[str, int]:
    return operator.api.service.address


async def write(operator: Operator) -> Any:
    made = await operator.api.post("/members", {"name": "Bob"})
    assert (await operator.api.ask("PATCH", "/members/1", {"name": "Eve"})).status == 200
    return made


async def test_changes_since_a_version(operator: Operator) -> None:
    """Version, time, route, plan, request, and the records; the first ones first, some at a time."""
    made = await write(operator)
    found = await operator.get(f"{SESSION}&since=0")
    first, *rest = found["changes"]
    some = await operator.get(f"{SESSION}&since=0&limit=1")
    now = await operator.get(SESSION)

    assert (found["session"], found["version"]) == ("s1", rest[-1]["version"])
    assert [each["collections"] for each in rest] == [{"members": [2]}, {"members": [1]}]
    assert rest[0]["route"] == "POST /members"
    assert rest[0]["plan"] == made.headers["X-Plan-ID"]
    assert rest[0]["request"] == made.headers["X-Request-ID"]
    assert some["changes"] == [first]
    assert (now["version"], now["changes"]) == (found["version"], [])
    assert "Bob" not in str(found)


async def test_what_cannot_be_followed(operator: Operator) -> None:
    """A session that is not there, a version that is no number, and one that history does not have."""
    await write(operator)
    await operator.refused(404, "GET", "/changes?session=nobody")
    await operator.refused(400, "GET", f"{SESSION}&since=x")
    await operator.refused(404, "GET", f"{SESSION}&since=99")


def of_change(event: Event) -> dict[str, Any]:
    return {name: event.data[name] for name in ("version", "route", "plan", "request", "collections")}


async def test_a_feed_tells_what_the_page_tells(operator: Operator) -> None:
    """As it happens, and what was missed after a reconnect: each version once, in order."""
    async with watching(address(operator), f"/_meta{SESSION}", None, **AUTH) as feed:
        await write(operator)
        live = [await feed.event(), await feed.event()]
    await operator.api.post("/members", {"name": "Ann"})
    async with watching(
        address(operator), f"/_meta{SESSION}", None, Last_Event_ID=live[0].id, **AUTH
    ) as feed:
        again = [await feed.event(), await feed.event()]
    async with watching(address(operator), f"/_meta{SESSION}&since=0", None, **AUTH) as feed:
        whole = [await feed.event() for _ in range(4)]
    page = (await operator.get(f"{SESSION}&since=0"))["changes"]
    told = [{name: each[name] for name in of_change(live[0])} for each in page if each["collections"]]

    assert [each.name for each in (*live, *again)] == ["change"] * 4
    assert [of_change(each) for each in whole] == told
    assert [of_change(each) for each in live] == told[1:3]
    assert [of_change(each) for each in again] == told[2:]
    assert [each.id for each in whole] == [str(each["version"]) for each in told]


async def test_a_session_that_becomes_another(operator: Operator) -> None:
    """It is told that it was reset, rewound or deleted, and goes on."""
    await write(operator)
    async with watching(address(operator), f"/_meta{SESSION}", None, **AUTH) as feed:
        await operator.do("POST", "/sessions/s1/reset")
        reset = await session_event(feed)
        await operator.do("DELETE", "/sessions/s1")
        deleted = await session_event(feed)
        await operator.api.post("/members", {"name": "Ann"})
        change = await feed.event()

    assert (reset.data["cause"], deleted.data["cause"]) == ("reset", "deleted")
    assert (change.name, change.data["collections"]) == ("change", {"members": [1]})


async def test_what_history_does_not_have_is_told(operator: Operator) -> None:
    """The feed goes on from now."""
    await write(operator)
    async with watching(address(operator), f"/_meta{SESSION}&since=99", None, **AUTH) as feed:
        gap = await feed.event()
        await write(operator)
        change = await feed.event()
    now = (await operator.get(SESSION))["version"]

    assert (gap.name, gap.data["since"], gap.id) == ("gap", 99, str(gap.data["version"]))
    assert change.data["version"] == gap.data["version"] + 1 == now


async def session_event(feed: Any) -> Event:
    while (event := await feed.event()).name != "session":
        pass
    return event  # type: ignore[no-any-return]


async def test_watchers_are_told_as_well(operator: Operator) -> None:
    """That their session was deleted, and what is then there."""
    await write(operator)
    async with watching(address(operator), "/members/1", "s1") as stream:
        first = await stream.event()
        await operator.do("DELETE", "/sessions/s1")
        events = [await stream.event(), await stream.event()]
    by_name = {each.name: each for each in events}

    assert first.data["status"] == 200
    assert by_name["session"].data == {"session": "s1", "cause": "deleted"}
    assert by_name["reply"].data["status"] == 404


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
async def test_it_needs_the_admin_token(operator: Operator, headers: dict[str, str]) -> None:
    async with watching(address(operator), f"/_meta{SESSION}", "s1", **headers) as feed:
        assert feed.status == 401
