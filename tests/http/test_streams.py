"""Event streams at the edge: who gets one, how many, for how long, and how each comes to its end."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from attrs import evolve
from multidict import CIMultiDict

from server.http.event_stream import Wish, wish_of
from server.live.changes import Touched
from tests.fakes import FakeExecutor, FakePlanner, completed, runnable
from tests.http.client import Wire, ask
from tests.streams import PATIENCE_SECONDS, EventReader, watching
from wasm_runtime.outcome import Overloaded, Raised

if TYPE_CHECKING:
    from server.planning.planned import Fixed
    from server.service import Service
    from server.values.model import RequestContext
    from tests.http.conftest import Start
    from wasm_runtime.outcome import Outcome
    from wasm_runtime.slot import Job

TOKEN: dict[str, Any] = {"auth": {"token": "first-token-of-all"}}
_JSON = {"Content-Type": "application/json"}


class State(FakeExecutor):
    """What is read is `value`; what is written becomes it, for every session alike."""

    def __init__(self, value: Any = 0) -> None:
        super().__init__(self._answered)
        self.value = value
        self.instead: Outcome | None = None

    def _answered(self, job: Job) -> Outcome:
        if self.instead is not None:
            return self.instead
        if job.read_only:
            return completed({"value": self.value})
        self.value = orjson.loads(job.body)["value"]
        self.changes.publish(Touched(job.session, whole=True))
        return completed({}, status=201)

    @property
    def reads(self) -> int:
        return sum(job.read_only for job in self.jobs)


async def write(service: Service, value: Any, session: str = "s1", **headers: str) -> None:
    body = orjson.dumps({"value": value})
    answer = await ask(service.address, "POST", "/m", _JSON | headers, body, session=session)
    assert answer.status == 201, answer


async def watched(streams: AsyncExitStack, service: Service, *arguments: Any, **options: Any) -> EventReader:
    return await streams.enter_async_context(watching(service.address, *arguments, **options))


@pytest.mark.parametrize(
    ("accept", "is_stream"),
    [
        ("text/event-stream", True),
        ("Text/Event-Stream", True),
        ("text/event-stream, */*", True),
        ("text/event-stream;q=0.9, application/json;q=0.5", True),
        ("application/json, text/event-stream", False),
        ("application/json, text/event-stream;q=0.5", False),
        ("text/event-stream;q=0, application/json", False),
        ("*/*", False),
        ("text/*", False),
    ],
)
async def test_who_asks_for_a_stream(start: Start, accept: str, is_stream: bool) -> None:
    """It is named, and named before what ends."""
    service = await start(executor=State())
    async with watching(service.address, "/m", accept=accept) as stream:
        assert (stream.headers["content-type"] == "text/event-stream") == is_stream


@pytest.mark.parametrize(
    ("accept", "wish"),
    [
        ("text/event-stream", Wish(delta=False, accept="")),
        ("text/event-stream; delta=json-patch", Wish(delta=True, accept="")),
        ('text/event-stream;q=1 ; Delta="JSON-Patch"', Wish(delta=True, accept="")),
        (
            "text/csv;q=0.5, text/event-stream;delta=other, */*;q=0.1",
            Wish(False, "text/csv;q=0.5, */*;q=0.1"),
        ),
        ("application/json; delta=json-patch", None),
    ],
)
def test_what_it_asks_for(accept: str, wish: Wish | None) -> None:
    """Patches or none, and what a reply in the stream may be."""
    assert wish_of("GET", CIMultiDict(Accept=accept)) == wish


async def test_other_methods_are_as_ever(start: Start) -> None:
    """A write is no stream; nor is HEAD, nor a page of the service."""
    service = await start(executor=State())
    accept = {"Accept": "text/event-stream"}
    head = await ask(service.address, "HEAD", "/m", accept)
    post = await ask(service.address, "POST", "/m", accept | _JSON, b'{"value":1}')
    page = await ask(service.address, "GET", "/healthz", accept)

    assert [head.status, post.status, page.status] == [406, 406, 200]


async def test_one_run_serves_all_who_watch(start: Start) -> None:
    """A change is one read, however many see it; other requests are other reads."""
    executor = State()
    service = await start(executor=executor)
    async with AsyncExitStack() as streams:
        same = [await watched(streams, service, "/m?a=1") for _ in range(5)]
        for stream in same:
            await stream.event()
        before = executor.reads
        await write(service, 1)
        bodies = [(await stream.event()).body for stream in same]
        first = executor.reads - before
        other = await watched(streams, service, "/m?a=1", Accept_Language="de")
        await other.event()
        before = executor.reads
        await write(service, 2)
        for stream in (*same, other):
            await stream.event()
        second = executor.reads - before

    assert bodies == [{"value": 1}] * 5
    assert (first, second) == (1, 2)


async def test_the_latest_wins(start: Start) -> None:
    """What changes within the least interval is one event, of the state at its end."""
    service = await start({"live": {"min_interval_ms": 2_000}}, executor=State())
    async with watching(service.address, "/m") as stream:
        await stream.event()
        await write(service, 1)
        await write(service, 2)
        await write(service, 3)
        events = await stream.until({"value": 3})

    assert len(events) <= 2


async def test_other_sessions_are_not_told(start: Start) -> None:
    """Nor asked again."""
    executor = State()
    service = await start(executor=executor)
    async with watching(service.address, "/m", "s1") as one, watching(service.address, "/m", "s2") as two:
        await one.event()
        await two.event()
        before = executor.reads
        await write(service, 1, "s2")
        await two.event()

        assert executor.reads - before == 1


async def test_trouble_is_told_and_passes(start: Start) -> None:
    """A moment without a worker ends no stream; what a plan does wrong is a reply as any other."""
    executor = State()
    service = await start(executor=executor)
    executor.instead = Overloaded("too many")
    async with watching(service.address, "/m") as stream:
        problem = await stream.event()
        executor.instead = None
        reply = await stream.event()
        executor.instead = Raised("plan", "ValueError", 3, 500, "")
        await ask(service.address, "GET", "/m")
        executor.instead = None
        await write(service, 1)
        again = await stream.event()

    assert (stream.status, problem.name, problem.data["status"]) == (200, "problem", 503)
    assert (reply.name, reply.body) == ("reply", {"value": 0})
    assert again.body == {"value": 1}


class Planned(FakePlanner):
    """Whose plan can become another."""

    code = "REPLY = make_response(200)"

    async def plan(self, ctx: RequestContext) -> Fixed:
        return evolve(await super().plan(ctx), runnable=runnable("/m", self.code))


async def test_another_plan_is_told(start: Start) -> None:
    """Also where its reply is the same."""
    planner = Planned()
    service = await start(executor=State(), planner=planner)
    async with watching(service.address, "/m") as stream:
        await stream.event()
        planner.code = "REPLY = make_response(200, 1)"
        await write(service, 0)
        event = await stream.event()

    assert (event.name, event.data["route"]) == ("plan", "/m")
    assert event.data["plan"] == runnable("/m", planner.code).id


# Sessions and tickets


async def test_a_session_in_the_query(start: Start) -> None:
    """Of a stream, and of nothing else; a header wins no less than without."""
    planner = FakePlanner()
    service = await start(executor=State(), planner=planner)
    async with watching(service.address, "/m?a=1&session=shop", None) as stream:
        event = await stream.event()
        plain = await ask(service.address, "GET", "/m?session=shop", session=None)
    async with watching(service.address, "/m?session=shop", "s1") as stream:
        await stream.event()

    assert (event.name, event.data["route"]) == ("reply", "/m?a=1")
    assert plain.json["type"] == "/_meta/problems/session-missing"
    asked = [(ctx.session.id, ctx.query) for ctx in planner.asked]
    assert asked == [("shop", {"a": "1"}), ("s1", {"session": "shop"})]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/m", 400),
        ("/m?session=", 400),
        ("/m?session=a&session=b", 400),
        ("/m?session=a&watch=/m%3Fsession%3Db", 400),
        ("/m?session=a&watch=/_meta/sessions", 400),
        ("/m?session=a&watch=/healthz", 400),
        ("/m?session=a&watch=m", 400),
        ("/m?session=a&watch=/a/../b", 400),
        ("/m?session=a&watch=//elsewhere/m", 200),
        ("/m?session=a" + "&watch=/m" * 15, 200),
        ("/m?session=a" + "&watch=/m" * 16, 400),
    ],
)
async def test_what_may_be_watched(start: Start, target: str, status: int) -> None:
    """Paths of the session's API, as many as the settings allow."""
    service = await start(executor=State())
    async with watching(service.address, target, None) as stream:
        assert stream.status == status


async def ticket_of(service: Service, session: str | None = "shop", token: str = "first-token-of-all") -> str:
    headers = {"Authorization": f"Bearer {token}"}
    answer = await ask(service.address, "POST", "/_meta/tickets", headers, session=session)
    assert answer.status == 201, answer
    return str(answer.json["ticket"])


async def test_a_ticket_opens_streams_of_its_session(start: Start) -> None:
    """With no header at all; the plan sees neither ticket nor session in its query."""
    planner = FakePlanner()
    service = await start(TOKEN, executor=State(), planner=planner)
    ticket = await ticket_of(service)
    async with watching(service.address, f"/m?ticket={ticket}&a=1", None) as stream:
        event = await stream.event()
    async with watching(service.address, f"/m?session=shop&ticket={ticket}", None) as named:
        await named.event()

    assert (event.name, event.data["route"]) == ("reply", "/m?a=1")
    assert [(ctx.session.id, ctx.query) for ctx in planner.asked] == [("shop", {"a": "1"}), ("shop", {})]


async def test_a_ticket_opens_nothing_else(start: Start) -> None:
    """No other request, no other session, no page of the service's."""
    service = await start(TOKEN, executor=State())
    ticket = await ticket_of(service)
    statuses = []
    for target, headers in (
        ("/m", {}),
        ("/m", {"Authorization": f"Bearer {ticket}"}),
        ("/m", {"X-Service-Token": ticket}),
        ("/openapi.json", {"Accept": "text/event-stream"}),
        ("/", {"Accept": "text/event-stream"}),
        ("/_meta/sessions", {"Accept": "text/event-stream"}),
    ):
        answer = await ask(service.address, "GET", f"{target}?ticket={ticket}", headers, session="shop")
        statuses.append(answer.status)
    post = await ask(service.address, "POST", f"/m?ticket={ticket}", _JSON, b'{"value":1}', session="shop")
    minted = await ask(service.address, "POST", f"/_meta/tickets?ticket={ticket}", session="shop")
    async with watching(service.address, f"/m?ticket={ticket}", "other") as header:
        assert header.status == 400
    async with watching(service.address, f"/m?ticket={ticket}&session=other", None) as query:
        assert query.status == 400

    assert set(statuses) == {401}
    assert (post.status, minted.status) == (401, 401)


@pytest.mark.parametrize("change", [lambda text: text[:-1] + "A", lambda text: "", lambda text: "x" * 5_000])
async def test_what_is_no_ticket(start: Start, change: Any) -> None:
    """Not one of another service's, or one that somebody has changed."""
    service = await start(TOKEN, executor=State())
    wrong = change(await ticket_of(service))
    async with watching(service.address, f"/m?ticket={wrong}", "shop") as stream:
        assert stream.status == 401


async def test_streams_without_a_ticket_need_the_token(start: Start) -> None:
    """As every request does."""
    service = await start(TOKEN, executor=State())
    async with watching(service.address, "/m?session=shop", None) as stream:
        assert stream.status == 401
    async with watching(
        service.address, "/m?session=shop", None, Authorization="Bearer first-token-of-all"
    ) as stream:
        assert (await stream.event()).name == "reply"
    answer = await ask(service.address, "POST", "/_meta/tickets", session="shop")
    assert answer.status == 401


async def test_tickets_are_of_the_session_that_is_asked_for(start: Start) -> None:
    """By the token's own rules: with `auth.scope` each token has sessions of its own."""
    toml = {"auth": {"scope": "token", "tokens": {"ann": "token-of-ann", "bob": "token-of-bob"}}}
    planner = FakePlanner()
    service = await start(toml, executor=State(), planner=planner)
    for token in ("token-of-ann", "token-of-bob"):
        ticket = await ticket_of(service, token=token)
        async with watching(service.address, f"/m?ticket={ticket}", None) as stream:
            await stream.event()
        async with watching(service.address, f"/m?ticket={ticket}&session=shop", None) as stream:
            assert (await stream.event()).name == "reply"
        async with watching(service.address, f"/m?ticket={ticket}", "shop") as stream:
            assert (await stream.event()).name == "reply"
        async with watching(service.address, f"/m?ticket={ticket}&session=bob/shop", None) as stream:
            assert stream.status == (200 if token == "token-of-bob" else 400)
    derived = await ticket_of(service, None, "token-of-ann")
    async with watching(service.address, f"/m?ticket={derived}", None) as stream:
        await stream.event()

    assert list(dict.fromkeys(ctx.session.id for ctx in planner.asked)) == [
        "ann/shop",
        "bob/shop",
        "token:ann",
    ]


async def test_tokens_that_are_read_again_end_streams_and_tickets(start: Start) -> None:
    """A token that was taken back opens nothing any more, and leaves nothing open."""
    service = await start(TOKEN, executor=State())
    ticket = await ticket_of(service)
    async with watching(service.address, f"/m?ticket={ticket}", None) as stream:
        await stream.event()
        settings = service._settings
        service.renew_tokens(evolve(settings, auth=evolve(settings.auth, token="another-token-of-ours")))
        rest = await stream.rest()
    async with watching(service.address, f"/m?ticket={ticket}", None) as again:
        assert again.status == 401

    assert (rest, stream.complete) == ([], True)


# Limits


async def test_streams_of_a_session_and_in_all(start: Start) -> None:
    """One more is told so as an event and ends well: a browser takes any other status for the end of it."""
    service = await start({"live": {"streams_per_session": 2, "streams": 3}}, executor=State())
    async with AsyncExitStack() as streams:
        for session in ("s1", "s1", "s2"):
            stream = await watched(streams, service, "/m", session)
            assert (await stream.event()).name == "reply"
        in_session = await watched(streams, service, "/m", "s1")
        refusals = [await in_session.rest()]
        in_all = await watched(streams, service, "/m", "s3")
        refusals.append(await in_all.rest())

    for stream, (event,) in zip((in_session, in_all), refusals, strict=True):
        assert (stream.status, stream.complete, event.name) == (200, True, "problem")
        assert event.data["body"]["type"] == "/_meta/problems/overloaded"
        assert stream.retries[-1] > 0
    assert "The session has 2" in refusals[0][0].body["detail"]
    assert "There are 3" in refusals[1][0].body["detail"]


async def test_no_client_has_them_all(start: Start) -> None:
    """A token's streams have a share, whichever sessions they are of; a ticket of it is in the same share."""
    tokens = {"one": "the-first-token", "two": "the-second-token"}
    live = {"streams_per_client": 2, "streams": 3}
    service = await start({"live": live, "auth": {"tokens": tokens}}, executor=State())
    first, second = ({"Authorization": f"Bearer {token}"} for token in tokens.values())
    minted = await ask(service.address, "POST", "/_meta/tickets", headers={**first, "X-Session-ID": "s4"})
    ticket = orjson.loads(minted.body)["ticket"]
    async with AsyncExitStack() as streams:
        for session in ("s1", "s2"):
            assert (await (await watched(streams, service, "/m", session, **first)).event()).name == "reply"
        refused = [
            await (await watched(streams, service, "/m", "s3", **first)).rest(),
            await (await watched(streams, service, f"/m?ticket={ticket}", None)).rest(),
        ]
        for (event,) in refused:
            assert (
                event.data["body"]["detail"]
                == "This client has 2 event streams already (live.streams_per_client)."
            )
        assert (await (await watched(streams, service, "/m", "s3", **second)).event()).name == "reply"


async def test_where_no_token_is_needed_a_client_is_an_address(start: Start) -> None:
    """As far as one is believed: behind a trusted proxy that of who asks it, and of IPv6 a network."""
    server = {"trusted_proxies": ["127.0.0.0/8"]}
    service = await start({"live": {"streams_per_client": 1}, "server": server}, executor=State())
    async with AsyncExitStack() as streams:
        for address in ("203.0.113.1", "203.0.113.2", "2001:db8::1"):
            stream = await watched(streams, service, "/m", "s1", X_Forwarded_For=address)
            assert (await stream.event()).name == "reply"
        for address in ("203.0.113.1", "2001:db8::2"):
            (event,) = await (await watched(streams, service, "/m", "s2", X_Forwarded_For=address)).rest()
            assert "This client has 1" in event.data["body"]["detail"]
        free = await watched(streams, service, "/m", "s2", X_Forwarded_For="2001:db8:0:1::1")
        assert (await free.event()).name == "reply"


async def test_a_place_becomes_free(start: Start) -> None:
    """When a stream's client leaves."""
    service = await start({"live": {"streams": 1}}, executor=State())
    for _ in range(3):
        async with watching(service.address, "/m") as stream:
            assert (await stream.event()).name == "reply"
        await gone(service)


async def gone(service: Service) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while service._streams[0].open:
            await asyncio.sleep(0)


async def test_streams_are_no_connections_of_others(start: Start) -> None:
    """`max_connections` counts those who ask and go."""
    service = await start(executor=State(), max_connections=2)
    async with AsyncExitStack() as streams:
        for _ in range(6):
            await (await watched(streams, service, "/m")).event()
        assert (await ask(service.address, "GET", "/healthz")).status == 200
        async with await Wire.to(service.address), await Wire.to(service.address):
            assert (await ask(service.address, "GET", "/healthz")).status == 0
    await gone(service)


async def test_who_does_not_read_is_closed(start: Start) -> None:
    """It gets the rest of what was sent, the reason, and when to come again; who reads stays."""
    value = "x" * 400_000
    executor = State(value)
    service = await start(
        {"live": {"buffered_bytes": 100_000, "min_interval_ms": 0}}, executor=executor, body_seconds=1
    )
    async with (
        watching(service.address, "/m", receive_buffer=4_096) as slow,
        watching(service.address, "/m") as quick,
    ):
        number = 0
        while service._streams[0].counts.slow == 0:
            number += 1
            await write(service, f"{number}{value}")
            await quick.until({"value": f"{number}{value}"})
        events = await slow.rest()

    assert slow.complete
    assert slow.comments[-1].startswith("closed: ")
    assert slow.retries[-1] > 0
    assert len(events) < number + 1


async def test_who_reads_slowly_skips_states(start: Start) -> None:
    """And ends with the last one."""
    value = "x" * 400_000
    service = await start({"live": {"buffered_bytes": 100_000, "min_interval_ms": 0}}, executor=State(value))
    async with (
        watching(service.address, "/m", receive_buffer=4_096) as slow,
        watching(service.address, "/m") as quick,
    ):
        for number in range(20):
            await write(service, f"{number}{value}")
            await quick.until({"value": f"{number}{value}"})
        events = await slow.until({"value": f"19{value}"})

    assert len(events) < 10


async def test_a_sign_of_life(start: Start) -> None:
    """A stream without events sends comments, which are no events to anybody."""
    service = await start({"live": {"heartbeat_seconds": 1}}, executor=State())
    async with watching(service.address, "/m") as stream:
        await stream.event()
        before = len(stream.lines)
        assert [await stream.comment(), await stream.comment()] == ["", ""]

    assert stream.lines[before:] == [b":", b":"]


async def test_streams_end_well_when_the_service_stops(start: Start) -> None:
    """As whole responses, which say when to come again, and at different times."""
    service = await start(executor=State())
    async with AsyncExitStack() as streams:
        all_ = [await watched(streams, service, "/m", f"s{number}") for number in range(20)]
        for stream in all_:
            await stream.event()
        closing = asyncio.create_task(service.close())
        rests = [await stream.rest() for stream in all_]
        await closing

    assert rests == [[]] * 20
    assert all(stream.complete for stream in all_)
    assert all(min(stream.retries) > 0 for stream in all_)
    assert len({stream.retries[-1] for stream in all_}) > 1


async def test_a_client_that_leaves_leaves_nothing(start: Start) -> None:
    """Nobody watches any more, and nothing is asked again."""
    executor = State()
    service = await start(executor=executor)
    async with watching(service.address, "/m?watch=/n") as stream:
        await stream.event()
    await gone(service)
    before = executor.reads
    await write(service, 1)

    assert executor.reads == before


async def test_scripts_of_other_sites(start: Start) -> None:
    """A stream is readable for the origins that the settings list."""
    service = await start({"cors": {"origins": ["https://app.example"]}}, executor=State())
    async with watching(service.address, "/m", Origin="https://app.example") as stream:
        assert stream.headers["access-control-allow-origin"] == "https://app.example"
    async with watching(service.address, "/m", Origin="https://other.example") as stream:
        assert "access-control-allow-origin" not in stream.headers


async def test_streams_are_counted(start: Start) -> None:
    """Those that are open, were opened, and were refused; and events."""
    service = await start({"metrics": {"open": True}, "live": {"streams": 1}}, executor=State())
    async with watching(service.address, "/m") as stream:
        await stream.event()
        async with watching(service.address, "/m") as refused:
            await refused.rest()
        text = (await ask(service.address, "GET", "/_meta/metrics", session=None)).body.decode()
    found = {name: value for name, _, value in (line.partition(" ") for line in text.splitlines())}

    assert found["metaservice_streams"] == "1.0"
    assert found["metaservice_streams_opened_total"] == "1.0"
    assert found["metaservice_streams_refused_total"] == "1.0"
    assert found["metaservice_stream_events_total"] == "1.0"
    assert found["metaservice_streams_slow_total"] == "0.0"
