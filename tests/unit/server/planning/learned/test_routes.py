"""Learned routes: from one request to the next, across sessions, restarts and a library that fails."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve
from structlog.testing import capture_logs

from server.planning.kinds.shape import shape_of
from server.planning.learned import vetting
from server.planning.learned.library import MAX_ROUTES, PlanLibrary
from server.planning.learned.library_file import FILE_NAME, LibraryError
from server.planning.learned.library_thread import LibraryThread
from server.planning.learned.routes import LearnedRoutes, body_shape
from tests.unit.server.planning.plans import (
    ORIGIN,
    VERSIONS,
    a_plan,
    a_question,
    a_session,
    some_schemas,
    within,
)
from tests.unit.server.planning.requests import a_request

if TYPE_CHECKING:
    from pathlib import Path

    from server.planning.kinds.fingerprint import Versions
    from server.planning.kinds.route_table import LearnedRoute, Match
    from server.planning.learned.vetting import Candidate
    from server.values.model import RequestContext, RunnablePlan, Session

CODE = "REPLY = make_response(200)"
ONE, TWO = a_session(1), a_session(2)
GET = a_request(path="/members/1")
SCHEMAS = some_schemas({"members": {"name": ["string"]}})


class Place:
    """A data root, and services that start and stop on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.running: list[LearnedRoutes] = []

    def start(self, versions: Versions = VERSIONS, **limits: int) -> LearnedRoutes:
        learned = LearnedRoutes(LibraryThread(PlanLibrary.open(self.path)), versions, **limits)
        self.running.append(learned)
        return learned

    def edit(self, sql: str, *params: Any) -> None:
        """What somebody does to the file with a shell."""
        with sqlite3.connect(self.path) as file:
            file.execute(sql, params)
        file.close()


@pytest.fixture
async def place(tmp_path: Path) -> Any:
    place = Place(tmp_path / FILE_NAME)
    yield place
    for learned in place.running:
        await learned.close()


async def learn(
    learned: LearnedRoutes,
    ctx: RequestContext = GET,
    plan: RunnablePlan | None = None,
    *,
    session: Session = ONE,
) -> LearnedRoute:
    """What the planner does with a plan that has worked."""
    ctx, shape = within(ctx, session), shape_of(ctx)
    runnable = plan or a_plan()
    asked = a_question(ctx, SCHEMAS, learned.versions)
    fingerprint = asked.shared_as(any_query=runnable.plan.query == "any")
    candidate = learned.candidate(ctx, shape, runnable, ORIGIN, (fingerprint, "narrow", ""))
    return await learned.learn(session, candidate, shape)


async def match(learned: LearnedRoutes, ctx: RequestContext = GET, *, session: Session = ONE) -> Match | None:
    return await learned.match(within(ctx, session))


async def found(learned: LearnedRoutes, ctx: RequestContext = GET, *, session: Session = ONE) -> Match:
    match_ = await match(learned, ctx, session=session)
    assert match_ is not None
    return match_


async def shared(
    learned: LearnedRoutes, ctx: RequestContext = GET, *, session: Session = TWO
) -> Candidate | None:
    asked = a_question(ctx, SCHEMAS, learned.versions)
    return await learned.shared(session, asked.key, asked.any_key)


def bad(number: int) -> Any:
    """The shape of a body that has never been like this before."""
    return shape_of(a_request("POST", "/members", body={f"f{number}": 1}))


# -- learn once ------------------------------------------------------------------------------------


async def test_a_learned_route_serves_other_values(place: Place) -> None:
    """The next member costs no planning."""
    learned = place.start()
    route = await learn(learned)
    match_ = await found(learned, a_request(path="/members/99"))

    assert match_.route is route
    assert match_.params == {"id": 99}
    assert match_.route.runnable.source == "learned"
    assert match_.route.runnable.id == a_plan().id
    assert route.body_shape == "null"


async def test_a_session_has_its_own_routes(place: Place) -> None:
    """What one has learned, another shares by the fingerprint, and then has too."""
    learned = place.start()
    await learn(learned)
    assert await match(learned, session=TWO) is None

    candidate = await shared(learned)
    assert candidate is not None
    await learned.learn(TWO, candidate, shape_of(GET))
    assert (await found(learned, session=TWO)).route.runnable.id == a_plan().id


async def test_equal_plans_are_one_object(place: Place) -> None:
    """A thousand sessions of one API hold its plans once."""
    learned = place.start()
    for number in range(1, 4):
        await learn(learned, session=a_session(number))
    again = place.start()
    matches = [await found(again, session=a_session(number)) for number in range(1, 4)]

    assert len({id(match_.route.runnable) for match_ in matches}) == 1


@pytest.mark.parametrize(
    "versions", [evolve(VERSIONS, prompt="p2"), evolve(VERSIONS, model="other"), evolve(VERSIONS, rules="r2")]
)
async def test_plans_are_shared_within_one_version(place: Place, versions: Versions) -> None:
    """Another prompt, model or set of rules asks anew."""
    await learn(place.start())

    assert await shared(place.start(versions)) is None


async def test_other_schemas_are_another_fingerprint(place: Place) -> None:
    """The planner would see something else."""
    learned = place.start()
    await learn(learned)

    assert await learned.shared(TWO, a_question(GET).key) is None


async def test_a_plan_for_any_query_is_shared_with_all(place: Place) -> None:
    """In its session it serves whatever keys come; for others only where no key was shown to its author."""
    learned = place.start()
    plan = a_plan("/members", "REPLY = make_response(200, store.list())", query="any")
    await learn(learned, a_request(query={"q": "1"}), plan)
    other = a_request(query={"page": "1", "sort": "name"})

    assert await match(learned, other) is not None
    assert await shared(learned, other) is None
    assert await shared(learned, a_request(query={"q": "2"})) is not None
    await learn(learned, a_request(), plan)
    assert await shared(learned, other) is not None


async def test_values_plans_stay_where_they_are(place: Place) -> None:
    """Must not serve another request, nor another session."""
    learned = place.start()
    ctx = a_request("POST", "/ask", body={"question": "how many?"})
    await learn(learned, ctx, a_plan("/ask", "REPLY = make_response(200, 7)", needs="values"))

    assert (await found(learned, ctx)).route.runnable.plan.needs == "values"
    assert await match(learned, a_request("POST", "/ask", body={"question": "how few?"})) is None
    assert await match(learned, ctx, session=TWO) is None
    assert await shared(learned, ctx, session=ONE) is None


# -- restart ---------------------------------------------------------------------------------------


async def test_everything_is_there_after_a_restart(place: Place) -> None:
    """Must show 4: routes of every kind, and how they have done."""
    before = place.start()
    ask = a_request("POST", "/ask", body={"question": "how many?"})
    post = a_request("POST", "/posts", body={"title": "x"})
    await learn(before)
    await learn(before, ask, a_plan("/ask", "REPLY = make_response(200, 7)", needs="values"))
    route = await learn(before, post, a_plan("/posts", "REPLY = make_response(201)"))
    await learn(before, a_request(path="/posts/how-to"), a_plan("/posts/{slug:slug}"))
    before.failed(route, bad(1))
    before.asked(await found(before, a_request(path="/posts/archive")), "archive")
    await before.close()

    after = place.start()
    for ctx in (GET, ask, post):
        assert (await found(after, ctx)).route.number > 0
    again = (await found(after, post)).route
    assert again.failed_shapes == route.failed_shapes != set()
    assert again.body_shape == '{"object":{"title":"string"}}' == route.body_shape
    assert (await found(after, a_request(path="/posts/how-to"))).route.slug_asked == 1


async def test_another_version_makes_routes_stale(place: Place) -> None:
    """They can still be served while the planner is away; what is pinned is not stale."""
    before = place.start()
    await learn(before)
    await learn(before, a_request(path="/posts/1"), a_plan("/posts/{id:int}", "REPLY = make_response(204)"))
    pinned = (await found(before, a_request(path="/posts/1"))).route.runnable.id
    await before.change(lambda library: library.pin(pinned))
    await before.close()
    after = place.start(evolve(VERSIONS, rules="r2"))

    assert (await found(after)).route.stale
    other = (await found(after, a_request(path="/posts/1"))).route
    assert (other.stale, other.pinned) == (False, True)


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("""UPDATE plans SET plan = replace(plan, 'REPLY', 'import os; REPLY')""", "CodeRefused"),
        ("""UPDATE plans SET plan = replace(plan, 'REPLY', '().__class__; REPLY')""", "CodeRefused"),
        ("""UPDATE plans SET plan = '{}'""", "UnreadablePlan"),
        ("""UPDATE plans SET plan = replace(plan, '/members/', '/../')""", "RouteError"),
        ("""UPDATE plans SET plan = replace(plan, '"criteria":{}', ?)""", "UnreadablePlan"),
        ("""UPDATE plans SET query = 'x'""", "UnreadablePlan"),
        ("""UPDATE learned SET failures = 'x'""", "UnreadablePlan"),
    ],
)
async def test_an_edited_row_passes_the_policy_or_is_not_served(place: Place, sql: str, problem: str) -> None:
    """The file is not trusted: what the policy refuses is left out, and the rest is served."""
    before = place.start()
    await learn(before)
    await before.close()
    deep = '"criteria":' + '{"a":' * 400 + "1" + "}" * 400
    place.edit(sql, *([deep] if "?" in sql else []))
    after = place.start()
    with capture_logs() as logs:
        assert await match(after) is None

    assert [(line["event"], line["problem"]) for line in logs] == [("learned plan not loaded", problem)]
    assert "import" not in repr(logs)


async def test_an_edited_plan_is_not_shared_either(place: Place) -> None:
    """The planner is asked instead, and its plan takes the row's place."""
    before = place.start()
    await learn(before)
    await before.close()
    place.edit("UPDATE plans SET plan = replace(plan, 'REPLY', 'import os; REPLY')")
    after = place.start()
    with capture_logs():
        assert await shared(after) is None

    await learn(after, session=TWO)
    assert await shared(after) is not None


# -- how a route does ------------------------------------------------------------------------------


async def test_three_failures_on_distinct_shapes_are_quarantine(place: Place) -> None:
    """For this session alone; the same shape counts once."""
    learned = place.start()
    route = await learn(learned)
    await learn(learned, session=TWO)

    assert [learned.failed(route, bad(number)) for number in (1, 1, 2, 2)] == [False] * 4
    assert learned.failed(route, bad(3))
    assert await match(learned) is None
    assert await match(learned, session=TWO) is not None
    assert await shared(learned, session=ONE) is None
    assert await shared(learned, session=TWO) is not None


async def test_quarantine_outlives_a_restart_and_ends_with_a_new_plan(place: Place) -> None:
    """What is learned anew starts without a past."""
    before = place.start()
    route = await learn(before)
    for number in range(3):
        before.failed(route, bad(number))
    await before.close()
    after = place.start()
    assert await match(after) is None

    await learn(after, plan=a_plan(code=CODE))
    assert (await found(after)).route.failed_shapes == set()


async def test_a_success_resets(place: Place) -> None:
    """Here and in the library; but a route in quarantine stays there."""
    learned = place.start()
    route = await learn(learned)
    match_ = await found(learned)
    for number in (1, 2):
        learned.failed(route, bad(number))
    learned.succeeded(match_)
    assert route.failed_shapes == set()
    stored = await learned.read(lambda library: library.routes_of(ONE.directory))
    assert stored[0].failed_shapes() == set()

    for number in (1, 2, 3):
        learned.failed(route, bad(number))
    learned.succeeded(match_)
    assert await match(learned) is None


async def test_a_pinned_route_is_always_served(place: Place) -> None:
    """Who pinned it knows better."""
    learned = place.start()
    await learn(learned)
    await learned.change(lambda library: library.pin(a_plan().id))
    route = (await found(learned)).route

    assert not any(learned.failed(route, bad(number)) for number in range(5))
    other = await learn(learned, plan=a_plan(code=CODE))
    assert other is route
    assert (await found(learned)).route is route


async def test_a_persons_route_is_always_served(place: Place) -> None:
    """However often it fails, and whatever has changed since; the planner's next plan does not replace it."""
    learned = place.start()
    await learn(learned)
    place.edit("UPDATE plans SET provider = 'person', v_model = 'another'")
    place.edit("UPDATE learned SET quarantined = 1")
    learned = place.start()
    route = (await found(learned)).route

    assert (route.by_person, route.stale, route.quarantined) == (True, False, False)
    assert not any(learned.failed(route, bad(number)) for number in range(5))
    other = await learn(learned, plan=a_plan(code=CODE))
    assert other is route
    assert (await found(learned)).route is route


async def test_a_slugs_words(place: Place) -> None:
    """A word that led to a record, or was asked about, is no question any more; three questions at most."""
    learned = place.start()
    await learn(learned, a_request(path="/posts/how-to"), a_plan("/posts/{slug:slug}"))
    first = await found(learned, a_request(path="/posts/how-to"))
    learned.succeeded(first)
    assert first.word_to_ask_about() is None

    for word in ("a", "b", "c"):
        match_ = await found(learned, a_request(path=f"/posts/{word}"))
        assert match_.word_to_ask_about() == word
        learned.asked(match_, word)
        assert match_.word_to_ask_about() is None
    assert (await found(learned, a_request(path="/posts/d"))).word_to_ask_about() is None


async def test_another_plan_for_a_slug_asks_no_more(place: Place) -> None:
    """Three times a route, also after its plan was mended, and after a restart."""
    learned = place.start()
    ctx = a_request(path="/posts/how-to")
    await learn(learned, ctx, a_plan("/posts/{slug:slug}"))
    learned.asked(await found(learned, ctx), "how-to")
    route = await learn(learned, ctx, a_plan("/posts/{name:slug}", CODE))
    again = place.start()

    assert (route.slug_asked, route.has_seen("how-to")) == (1, True)
    assert (await found(again, ctx)).route.slug_asked == 1


async def test_no_word_of_a_slug_is_in_the_library(place: Place) -> None:
    """How often was asked is kept, but not about what."""
    learned = place.start()
    await learn(learned, a_request(path="/posts/how-to"), a_plan("/posts/{slug:slug}"))
    learned.asked(await found(learned, a_request(path="/posts/canary-word")), "canary-word")
    await learned.close()

    assert all(b"canary-word" not in file.read_bytes() for file in place.path.parent.iterdir())


# -- what people do --------------------------------------------------------------------------------


async def test_changes_are_seen_by_the_next_request(place: Place) -> None:
    """Edit, then forget."""
    learned = place.start()
    await learn(learned)
    edited = a_plan(code="REPLY = make_response(410)")
    await learned.change(lambda library: library.edit(a_plan().id, edited, VERSIONS))
    assert (await found(learned)).route.runnable.id == edited.id

    await learned.change(lambda library: library.forget(edited.id))
    assert await match(learned) is None
    assert learned.routes_held == 0


async def test_a_change_during_a_reading_is_not_missed(place: Place) -> None:
    """What was read before a plan was forgotten is not served after."""
    before = place.start()
    await learn(before)
    await before.close()
    learned = place.start()
    reading = asyncio.create_task(match(learned))
    forgetting = asyncio.create_task(learned.change(lambda library: library.forget(a_plan().id)))
    await asyncio.gather(reading, forgetting)

    assert await match(learned) is None


@pytest.mark.parametrize("known", [True, False])
async def test_a_plan_forgotten_while_it_is_learned(place: Place, known: bool) -> None:
    """Whoever comes last wins, in memory as in the library, whether the session was in memory or not."""
    learned = place.start()
    if known:
        await match(learned)
    await asyncio.gather(learn(learned), learned.change(lambda library: library.forget(a_plan().id)))

    assert await match(learned) is None
    assert learned.routes_held == 0


async def test_a_plan_pinned_elsewhere_is_in_force(place: Place) -> None:
    """Another tool may pin in the file; what this process has in memory gives way at the next reading."""
    learned = place.start()
    route = await learn(learned)
    place.edit("UPDATE plans SET pinned = 1")

    assert await learn(learned, plan=a_plan(code=CODE)) is route


async def test_the_routes_a_prompt_may_name(place: Place) -> None:
    """Those that serve more than one request, and are not in quarantine."""
    learned = place.start()
    await learn(learned)
    await learn(learned, a_request(path="/members", query={"q": "1"}), a_plan("/members", CODE))
    await learn(learned, a_request(path="/ask"), a_plan("/ask", CODE, needs="values"))
    failing = await learn(learned, a_request(path="/a/1"), a_plan("/a/{id:int}", CODE))
    for number in range(3):
        learned.failed(failing, bad(number))

    routes = await learned.serving(ONE)
    assert [(route.method, route.template.text, route.query) for route in routes] == [
        ("GET", "/members/{id:int}", ()),
        ("GET", "/members", ("q",)),
    ]


# -- concurrency and bounds ------------------------------------------------------------------------


class Counting(PlanLibrary):
    """Counts how often routes are read."""

    readings = 0

    def routes_of(self, session: str) -> Any:
        self.readings += 1
        return super().routes_of(session)


@pytest.fixture
async def counting(tmp_path: Path) -> Any:
    library = Counting.open(tmp_path / FILE_NAME)
    learned = LearnedRoutes(LibraryThread(library), VERSIONS)
    yield learned, library
    await learned.close()


async def test_one_reading_for_all_who_wait(counting: tuple[LearnedRoutes, Counting]) -> None:
    """A new session's hundred first requests read once."""
    learned, library = counting
    await asyncio.gather(*(match(learned) for _ in range(100)))

    assert library.readings == 1


async def test_one_who_leaves_stops_nobody(counting: tuple[LearnedRoutes, Counting]) -> None:
    """T55: the reading goes on for the others."""
    learned, library = counting
    waiting = [asyncio.create_task(match(learned)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    results = await asyncio.gather(*waiting, return_exceptions=True)

    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1:] == [None, None]
    assert library.readings == 1


async def test_many_sessions_learn_at_once(place: Place) -> None:
    """Each has what it learned, in memory and after a restart."""
    learned = place.start()
    sessions = [a_session(number) for number in range(40)]
    routes = [f"/r{number}/{{id:int}}".replace("r", "r-") for number in range(5)]
    paths = {route: a_request(path=route.replace("{id:int}", "1")) for route in routes}
    work = [
        learn(learned, paths[route], a_plan(route), session=session)
        for session in sessions
        for route in routes
    ]
    await asyncio.gather(*work)
    again = place.start()

    for service in (learned, again):
        for session in sessions:
            for route in routes:
                assert (await found(service, paths[route], session=session)).route.template.text == route
    assert learned.routes_held == again.routes_held == 200


async def test_memory_is_bounded_over_sessions(place: Place) -> None:
    """Those not used for longest are forgotten, and are there again when they come back."""
    learned = place.start(max_sessions=3)
    for number in range(1, 6):
        await learn(learned, session=a_session(number))
    await found(learned, session=a_session(3))
    await learn(learned, session=a_session(6))

    assert (len(learned), learned.routes_held) == (3, 3)
    assert await match(learned, session=a_session(1)) is not None
    assert (len(learned), learned.routes_held) == (3, 3)


async def test_memory_is_bounded_over_routes(place: Place) -> None:
    """A few sessions with very many routes make room too, but the one in use stays."""
    learned = place.start(max_routes_in_all=3)
    for number in range(1, 3):
        for name in "ab":
            await learn(
                learned,
                a_request(path=f"/{name}/1"),
                a_plan(f"/{name}/{{id:int}}"),
                session=a_session(number),
            )

    assert (len(learned), learned.routes_held) == (1, 2)


async def test_ten_thousand_sessions(place: Place) -> None:
    """G10: each is served, and memory holds the last ones."""
    learned = place.start(max_sessions=500)
    await learn(learned)
    for number in range(10_000):
        await match(learned, session=a_session(number))

    assert len(learned) == 500
    assert len(learned._loading) <= 1
    assert await match(learned) is not None


async def test_one_sessions_routes_are_bounded(place: Place) -> None:
    """Memory and library forget the same ones."""
    learned = place.start()
    for number in range(MAX_ROUTES + 2):
        await learn(learned, a_request(path="/members", query={f"k{number}": "1"}), a_plan("/members", CODE))
    again = place.start()

    assert await match(again, a_request(query={"k2": "1"})) is not None
    for service in (learned, again):
        assert await match(service, a_request(query={"k1": "1"})) is None
        assert service.routes_held == MAX_ROUTES


async def test_checked_plans_are_bounded(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is forgotten there is checked again."""
    monkeypatch.setattr(vetting, "MAX_CHECKED", 2)
    before = place.start()
    for name in "abc":
        await learn(before, a_request(path=f"/{name}/1"), a_plan(f"/{name}/{{id:int}}"))
    after = place.start()

    assert await match(after, a_request(path="/a/1")) is not None
    assert len(after._vetting._checked) == 2


# -- a library that fails --------------------------------------------------------------------------


class Failing(PlanLibrary):
    """A library on a disk that is full."""

    def _rows(self, sql: str, params: Any) -> Any:
        raise LibraryError("no disk")

    def _writing(self) -> Any:
        raise LibraryError("no disk")


async def test_a_failing_library_costs_no_request(tmp_path: Path) -> None:
    """What is learned serves as long as it is in memory, and the log says why it is not kept."""
    learned = LearnedRoutes(LibraryThread(Failing.open(tmp_path / FILE_NAME)), VERSIONS)
    with capture_logs() as logs:
        route = await learn(learned)
        learned.failed(route, bad(1))
        learned.asked(await found(learned), "word")
        assert (await found(learned)).route is route
        assert await shared(learned) is None
        with pytest.raises(LibraryError):
            await learned.change(lambda library: library.forget("x"))
        await learned.close()

    assert {line["event"] for line in logs} == {"plan library not written", "plan library not read"}


# -- texts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ctx", "text"),
    [
        (GET, "null"),
        (a_request("POST", body=None), '"null"'),
        (a_request("POST", body={"b": 1, "a": [True]}), '{"object":{"a":{"array":"boolean"},"b":"integer"}}'),
    ],
)
def test_body_shapes(ctx: RequestContext, text: str) -> None:
    """No body and a null are two shapes."""
    assert body_shape(shape_of(ctx)) == text
