"""What pages of the console are told as it happens, against a real service."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

from tests.console.conftest import BASE, Browser
from tests.console.test_views import HOSTILE, shown
from tests.operations.conftest import AUTH, MEMBERS
from tests.streams import watching
from tools.simulators import by_route

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from tests.operations.conftest import Operate
    from tests.streams import Event, EventReader

TRAFFIC = f"{BASE}/traffic/live"


def opened(
    browser: Browser, target: str = TRAFFIC, **headers: str
) -> AbstractAsyncContextManager[EventReader]:
    return watching(browser.api.service.address, target, None, Cookie=browser.cookie, **headers)


async def requests(stream: EventReader) -> Event:
    """The next event with requests; there is a point of the charts each second."""
    while (event := await stream.event()).name != "requests":
        assert event.name == "second"
    return event


async def point(stream: EventReader) -> Event:
    """The next point of the charts."""
    while (event := await stream.event()).name != "second":
        assert event.name == "requests"
    return event


async def test_requests_come_as_they_are_answered(browser: Browser) -> None:
    """First those that there were, then each; only those that the filters let through."""
    async with opened(browser, f"{TRAFFIC}?session=shop") as stream:
        assert stream.status == 200
        first = await requests(stream)
        since = first.data.pop("counted_since")
        assert first.data == {"skipped": 0, "first": True, "rows": ""}
        assert since <= time.time()
        await browser.api.get("/members/1")
        await browser.api.post("/books", {"title": "One"}, "shop")
        event = await requests(stream)
        assert "POST</span> /books" in event.data["rows"]
        assert "members" not in event.data["rows"]
        assert not event.data["first"]
    async with opened(browser) as stream:
        assert "/members" in (await requests(stream)).data["rows"]


async def test_a_point_of_the_charts_comes_each_second(browser: Browser) -> None:
    async with opened(browser) as stream:
        await requests(stream)
        await browser.api.get("/members/1")
        answered: list[float] = []
        while not sum(answered):
            event = await stream.event()
            if event.name == "second":
                answered.append(event.data["values"]["requests"][0])
                assert event.data["values"]["workers"][0] >= 1
        assert 1 <= sum(answered) <= 3  # two of them are of before, perhaps of the same second
    page = (await browser.get("/traffic")).body.decode()
    assert 'data-chart="requests"' in page
    assert 'data-chart="model"' in page


async def test_who_comes_again_has_the_points_that_it_missed(browser: Browser) -> None:
    """A browser names the last one that it has; who names none has those that come."""
    async with opened(browser) as stays:
        await requests(stays)
        last = await point(stays)
        assert last.id == str(last.data["at"])
        await browser.api.get("/members/1")
        missed = [await point(stays), await point(stays)]
        for target, headers in ((TRAFFIC, {"Last_Event_ID": last.id}), (f"{TRAFFIC}?after={last.id}", {})):
            async with opened(browser, target, **headers) as stream:
                await requests(stream)
                assert [(await point(stream)).data for _ in missed] == [each.data for each in missed]
        for wrong in ("x", "-", "9" * 20, ""):
            async with opened(browser, Last_Event_ID=wrong) as stream:
                await requests(stream)
                assert (await point(stream)).data["at"] > missed[-1].data["at"]


async def test_programs_are_told_with_the_admin_token(browser: Browser) -> None:
    """The log's lines; a cookie is worth nothing there, and the token nothing at the page's stream."""
    address = browser.api.service.address
    async with watching(address, "/_meta/traffic?session=s1", None, **AUTH) as stream:
        [latest, *_] = (await requests(stream)).data["requests"]
        assert (latest["method"], latest["route"], latest["status"]) == ("GET", "/members/{id:int}", 200)
        assert latest["ms"]["total"] > 0
    async with opened(browser, "/_meta/traffic") as stream:
        assert stream.status == 401
    async with watching(address, TRAFFIC, None, **AUTH) as stream:
        assert stream.status == 401
    async with opened(browser, f"{BASE}/nothing/live") as stream:
        assert stream.status == 404


async def test_a_stream_ends_with_its_login(browser: Browser) -> None:
    other = Browser(browser.operator)
    await other.log_in()
    async with opened(browser) as mine, opened(other) as theirs:
        await requests(mine)
        await requests(theirs)
        assert (await browser.post("/logout")).status == 303
        while await mine.next() is not None:
            pass
        assert "the login is over" in mine.comments
        assert mine.complete
        await browser.api.get("/members/1")
        assert (await requests(theirs)).data["rows"]
    async with opened(browser) as stream:
        assert stream.status == 401


async def test_a_stream_ends_when_its_login_is_too_old(browser: Browser) -> None:
    logins = browser.api.service._console.logins  # type: ignore[union-attr]
    login = logins.of(browser.cookie.partition("=")[2])
    assert login is not None
    login.until = logins.clock() + 0.2
    async with opened(browser) as stream:
        while await stream.next() is not None:
            pass
        assert "the login is over" in stream.comments
    async with opened(browser) as stream:
        assert stream.status == 401


async def test_streams_end_with_the_tokens_and_with_the_service(browser: Browser) -> None:
    """Each as a response that is complete, so that pages come again."""
    service = browser.api.service
    async with opened(browser) as stream:
        await requests(stream)
        service._console.renew(service._settings)  # type: ignore[union-attr]
        while await stream.next() is not None:
            pass
        assert stream.complete
        assert "the service's tokens were read again" in stream.comments
    async with opened(browser) as stream, opened(browser, f"{BASE}/sessions/s1/live") as changes:
        await requests(stream)
        await service.close()
        for each in (stream, changes):
            await each.rest()
            assert each.complete
            assert "the service is stopping" in each.comments


async def test_the_last_requests_are_a_page_for_programs(browser: Browser) -> None:
    found = await browser.operator.get("/traffic?method=get")
    assert [each["route"] for each in found["requests"]] == ["/members/{id:int}"]
    assert (await browser.operator.ask("POST", "/traffic", {})).status == 405
    assert (await browser.api.get("/_meta/traffic")).status == 401


async def test_streams_have_room_of_their_own(operate: Operate) -> None:
    """`console.streams`, and beside it those of clients."""
    browser = Browser(await operate(by_route(MEMBERS), console={"streams": 1}))
    await browser.log_in()
    await browser.api.post("/members", {"name": "Ada"})
    address = browser.api.service.address
    async with opened(browser) as stream, watching(address, "/members") as client:
        await requests(stream)
        assert (await client.event()).name == "reply"
        async with opened(browser) as second:
            refused = await second.event()
            assert refused.name == "problem"
            assert refused.data["status"] == 503
            assert await second.next() is None
            assert second.retries[-1] >= 5_000


async def test_a_service_may_have_no_streams_for_its_console(operate: Operate) -> None:
    browser = Browser(await operate(by_route(MEMBERS), console={"streams": 0}))
    await browser.log_in()
    async with opened(browser) as stream:
        assert (await stream.event()).name == "problem"
    assert (await browser.get("/traffic")).status == 200


async def test_nobody_is_told_while_nobody_looks(browser: Browser) -> None:
    """No listener, no timer, no points: only the list of the last requests."""
    live = browser.api.service._console._live  # type: ignore[union-attr]
    before = len(asyncio.all_tasks())
    assert (live.watched, live._board, live.tail._ears) == (False, None, ())
    async with opened(browser) as stream:
        await requests(stream)
        assert live.watched
        assert len(live.tail._ears) == 1
    while live.watched or len(asyncio.all_tasks()) > before:
        await asyncio.sleep(0.01)
    assert (live._board, live.tail._ears) == (None, ())


async def test_a_collection_s_changes_are_told(browser: Browser) -> None:
    """From the version that the table shows on; after a reconnect what was missed."""
    page = (await browser.get("/sessions/s1/data/members")).body.decode()
    assert 'data-collection="members"' in page
    since = page.partition('data-since="')[2].partition('"')[0]
    await browser.api.ask("PATCH", "/members/1", {"name": "Bob"})
    target = f"{BASE}/sessions/s1/live"
    async with opened(browser, f"{target}?since={since}") as stream:
        event = await stream.event()
        assert event.name == "change"
        assert event.data["collections"] == {"members": [1]}
    async with opened(browser, f"{target}?since={since}", Last_Event_ID=event.id) as stream:
        await browser.api.ask("PATCH", "/members/1", {"name": "Eve"})
        assert int((await stream.event()).id) == int(event.id) + 1
        await browser.post("/logout")
        assert await stream.next() is None


async def test_what_clients_send_is_text_in_streams_too(browser: Browser) -> None:
    """What they can put into a row, be it a name that no route can have."""
    async with opened(browser) as stream:
        await requests(stream)
        for text in HOSTILE:
            await browser.api.post(f"/{quote(text, safe='')}", {"v": text}, "hostile")
            await browser.api.post("/things", {"id": text.replace("/", ""), "v": text}, "hostile")
            rows = (await requests(stream)).data["rows"]
            assert "hostile" in rows
            for piece in ("<script", "<img", "<svg/"):
                assert piece not in rows
    assert "hostile" in shown(await browser.get("/traffic"))
