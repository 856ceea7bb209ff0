"""One call for a kind of request, and none ever after: in the session, in others, after a restart."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.learning.plans import LIST, MEMBERS
from tools.simulators import Fault, by_route, plan

if TYPE_CHECKING:
    from pathlib import Path

    from tests.learning.conftest import StartApi
    from tools.simulators import Simulator


async def test_one_call_serves_every_request_of_its_kind(start: StartApi, wire: type[Simulator]) -> None:
    """A thousand members and fifty sessions later, the model has been asked once for each kind."""
    api = await start(by_route(MEMBERS), wire=wire)
    first = await api.post("/members", {"name": "Alice"})
    one = await api.get("/members/1")

    assert (first.status, first.source, first.headers["Location"]) == (201, "planned", "/members/1")
    assert (one.status, one.source, one.json) == (200, "planned", {"id": 1, "name": "Alice"})
    assert api.calls == 2
    for number in range(20):
        answers = await asyncio.gather(*(api.get(f"/members/{number * 50 + n}") for n in range(50)))
        assert {answer.source for answer in answers} == {"learned"}
    for number in range(50):
        created = await api.post("/members", {"name": "Bob"}, f"other-{number}")
        again = await api.get("/members/1", f"other-{number}")
        assert (created.status, created.source) == (201, "learned")
        assert (again.json, again.source) == ({"id": 1, "name": "Bob"}, "learned")
    assert api.calls == 2


async def test_requests_at_the_same_time_wait_for_one_call(start: StartApi) -> None:
    """However many clients meet a new kind of request at once, the model hears of it once."""
    api = await start(by_route(MEMBERS, latency_seconds=0.2))
    answers = await asyncio.gather(*(api.post("/members", {"name": "A"}, f"s{n}") for n in range(30)))

    assert {answer.status for answer in answers} == {201}
    assert api.calls == 1


async def test_what_was_learned_outlives_the_provider_and_the_process(start: StartApi) -> None:
    """After a restart with no provider to be reached, every learned route still answers."""
    api = await start(by_route(MEMBERS))
    await api.post("/members", {"name": "Alice"})
    for method, target, body in (
        ("GET", "/members", None),
        ("GET", "/members/1", None),
        ("PUT", "/members/1", {"name": "Al"}),
        ("PATCH", "/members/1", {"name": "Alice"}),
    ):
        assert (await api.ask(method, target, body)).status == 200
    await api.service.close()
    later = await start([Fault.RESET], fallback="none")

    assert (await later.get("/members/1")).json == {"id": 1, "name": "Alice"}
    assert (await later.get("/members?limit=1")).json == {"items": [{"id": 1, "name": "Alice"}], "total": 1}
    assert (await later.ask("PATCH", "/members/1", {"name": "B"})).source == "learned"
    assert (await later.ask("PUT", "/members/1", {"name": "C"})).source == "learned"
    assert (await later.post("/members", {"name": "D"})).json == {"id": 2, "name": "D"}
    assert (await later.ask("HEAD", "/members/1")).status == 200
    assert later.calls == 0


async def test_query_keys_and_content_are_part_of_a_route(start: StartApi) -> None:
    """Another set of query keys is another kind of request, unless the plan takes any."""
    declared = plan("/members", 'REPLY = make_response(200, ctx["query"].get("a", "none"))')
    api = await start(by_route({"GET /members": declared}))

    for target, calls in (("/members", 1), ("/members?a=x", 2), ("/members?a=y", 2), ("/members?b=1", 3)):
        assert (await api.get(target)).status == 200
        assert api.calls == calls


async def test_a_plan_for_any_query_serves_any(start: StartApi) -> None:
    """`query: any` plans handle whatever filters come."""
    api = await start(by_route({"GET /members": LIST}))
    for target in ("/members", "/members?name=x", "/members?limit=1&age__gt=3"):
        assert (await api.get(target)).status == 200

    assert api.calls == 1


async def test_a_plan_that_carries_a_value_is_not_reused(start: StartApi) -> None:
    """T36: a literal equal to the request's own value serves this request, and is asked for again."""
    api = await start(
        by_route({"GET /members/{id:int}": plan("/members/{id:int}", "REPLY = make_response(200, 4711)")})
    )

    for calls in (1, 2, 3):
        answer = await api.get("/members/4711")
        assert (answer.json, answer.source, api.calls) == (4711, "planned", calls)


async def test_frozen_learning_serves_what_it_knows(start: StartApi) -> None:
    """With `learn = false`: learned routes, then conventions, and for the rest a 404 that says why."""
    api = await start(by_route(MEMBERS))
    await api.post("/members", {"name": "Alice"})
    await api.service.close()
    frozen = await start(by_route(MEMBERS), learn=False)

    assert (await frozen.post("/members", {"name": "Bob"})).source == "learned"
    assert (await frozen.get("/members/2")).source == "conventions"
    unknown = await frozen.post("/members/1/promote")
    assert (unknown.status, unknown.json["type"]) == (404, "/_meta/problems/not-learned")
    assert frozen.calls == 0


async def test_scanners_cost_nothing(start: StartApi) -> None:
    """Paths that nobody plans for are answered without a call; a shape with no plan is asked about once."""
    api = await start(by_route({}), fallback="none")
    for target in ("/.env", "/wp-login.php", "/favicon.ico", "/a//b"):
        assert (await api.get(target)).status == 404
    assert api.calls == 0

    for _ in range(5):
        assert (await api.get("/members")).status == 502
    assert api.calls == 1


async def test_slugs_and_words(start: StartApi) -> None:
    """A slug's words are records; one that is not there is asked about once, in case it is an action."""
    slug = plan(
        "/articles/{slug:slug}",
        'found = store.search({"slug": params["slug"]})\n'
        'if not found:\n    abort(404, "no such article")\nREPLY = make_response(200, found[0])',
        "articles",
    )
    feed = plan("/articles/feed", 'REPLY = make_response(200, "the feed")', "articles")
    create = plan("/articles", 'REPLY = make_response(201, store.insert(ctx["body_json"]))', "articles")
    plans = {
        "POST /articles": create,
        "GET /articles/hello-world": slug,
        "GET /articles/feed": feed,
        "GET /articles/gone": slug,
    }
    api = await start(by_route(plans))
    for name in ("hello-world", "second-one"):
        await api.post("/articles", {"slug": name})

    assert (await api.get("/articles/hello-world")).json["slug"] == "hello-world"
    assert (await api.get("/articles/second-one")).source == "learned"
    assert api.calls == 2
    fed = await api.get("/articles/feed")
    assert (fed.json, fed.source, api.calls) == ("the feed", "planned", 3)
    assert (await api.get("/articles/feed")).source == "learned"
    for _ in range(3):
        assert (await api.get("/articles/gone")).status == 404
    assert api.calls == 4


async def test_literals_beat_slots(start: StartApi) -> None:
    """A word's own route is never swallowed by a slot that was learned before or after."""
    by_name = plan("/teams/{name:slug}", 'REPLY = make_response(200, ["slot", params["name"]])', "teams")
    best = plan("/teams/best", 'REPLY = make_response(200, "literal")', "teams")
    api = await start(by_route({"GET /teams/best": best, "GET /teams/red": by_name}))
    assert (await api.get("/teams/best")).json == "literal"
    assert (await api.get("/teams/red")).json == ["slot", "red"]

    assert (await api.get("/teams/best")).json == "literal"
    assert (await api.get("/teams/blue")).json == ["slot", "blue"]
    assert api.calls == 2


async def test_house_rules_are_part_of_the_plan(start: StartApi, tmp_path: Path) -> None:
    """They are in the prompt; when they change, what was learned under the old ones is asked for again."""
    rules = tmp_path / "rules.md"
    rules.write_text("every member is called Bob")
    api = await start(by_route(MEMBERS), house_rules=str(rules))
    await api.post("/members", {"name": "Alice"})
    assert "every member is called Bob" in str(api.model.requests[0].body)
    await api.service.close()
    rules.write_text("every member is called Alice")
    later = await start(by_route(MEMBERS), house_rules=str(rules))

    assert (await later.post("/members", {"name": "X"})).source == "planned"
    assert later.calls == 1
