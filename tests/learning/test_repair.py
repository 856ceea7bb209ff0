"""What goes back to the model, and what it costs: invalid answers, refused code, plans that raise."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from tests.clock import Clock
from tests.learning.plans import CREATE, MEMBERS
from tools.simulators import Answer, Fault, by_route, plan

if TYPE_CHECKING:
    import pytest

    from tests.learning.conftest import Api, StartApi
    from tools.simulators import Simulator

BROKEN = plan("/members", 'store.insert({"n": "half"})\nx = {}["missing"]\nREPLY = make_response(201, x)')
REFUSED = plan("/members", "import os\nREPLY = make_response(200, os.environ)")


async def stored(api: Api, session: str = "s1") -> list[Any]:
    """What the session holds, read without the model."""
    count = plan("/members", "REPLY = make_response(200, store.list()[0])", query="any")
    api.model.script = [Answer(count)]
    rows: list[Any] = (await api.ask("GET", "/members", session=session)).json
    return rows


async def test_a_slot_that_the_route_does_not_have_is_mended_before_it_runs(start: StartApi) -> None:
    """The model is told which slot there is; no run is spent on it."""
    wrong = plan("/members/{id:int}", 'REPLY = make_response(200, params["ids"])')
    right = plan("/members/{id:int}", 'REPLY = make_response(200, params["id"])')
    api = await start([Answer(wrong), Answer(right)])
    answer = await api.get("/members/7")

    assert (answer.status, answer.json, api.calls) == (200, 7, 2)
    assert "did you mean 'id'?" in str(api.model.requests[1].body)


async def test_an_answer_that_is_no_plan_is_mended_once(start: StartApi, wire: type[Simulator]) -> None:
    """The model hears why, and its second answer serves."""
    api = await start([Answer({"action": "create"}), Answer(CREATE)], wire=wire)
    answer = await api.post("/members", {"name": "Alice"})

    assert (answer.status, answer.source, api.calls) == (201, "planned", 2)
    second = str(api.model.requests[1].body)
    assert "The answer is no plan" in second


async def test_refused_code_is_mended_once(start: StartApi) -> None:
    """The policy's violations go back with their lines; a second refusal is 502 and nothing has run."""
    api = await start([Answer(REFUSED), Answer(CREATE)])
    assert (await api.post("/members", {"name": "Alice"})).status == 201
    assert "line 1: " in str(api.model.requests[1].body)
    await api.service.close()

    stubborn = await start([Answer(REFUSED)], fallback="none")
    refused = await stubborn.post("/orders", {"name": "Alice"}, "s2")
    assert (refused.status, refused.json["type"], stubborn.calls) == (502, "/_meta/problems/plan-refused", 2)


async def test_a_plan_that_raises_is_mended_once(start: StartApi) -> None:
    """Exception type and line go back, never its text; nothing of the failed run is kept."""
    api = await start([Answer(BROKEN), Answer(CREATE)])
    answer = await api.post("/members", {"name": "Alice"})

    assert (answer.status, answer.json) == (201, {"id": 1, "name": "Alice"})
    assert "KeyError in line 2" in str(api.model.requests[1].body)
    assert await stored(api) == [{"id": 1, "name": "Alice"}]


async def test_a_plan_that_keeps_raising_is_500_and_is_not_asked_for_again(start: StartApi) -> None:
    """After its one repair the failure stands; the same kind of request costs no further call."""
    api = await start([Answer(BROKEN)], fallback="none")
    first = await api.post("/members", {"name": "Alice"})
    second = await api.post("/members", {"name": "Bob"})

    assert (first.status, first.json["type"], first.json["line"]) == (500, "/_meta/problems/plan-failed", 2)
    assert (second.status, api.calls) == (502, 2)
    assert await stored(api) == []


async def test_a_missing_body_key_is_the_clients(start: StartApi) -> None:
    """422 with the key named, no repair, and the plan is learned all the same."""
    needs_name = plan(
        "/members",
        'name = ctx["body_json"]["name"]\nREPLY = make_response(201, store.insert({"name": name}))',
    )
    api = await start([Answer(needs_name)])
    wrong = await api.post("/members", {"nom": "Alice"})
    right = await api.post("/members", {"name": "Alice"})

    assert (wrong.status, wrong.json["detail"]) == (422, "The request has no 'name'")
    assert (right.status, right.source, api.calls) == (201, "learned", 1)


async def test_a_learned_plan_that_fails_on_a_new_body_is_replanned_with_both(start: StartApi) -> None:
    """The model is shown the shape it was written for and the one it failed on; the new plan takes over."""
    narrow = plan(
        "/members",
        'rows = ctx["body_json"]\nrec = store.insert({"tags": rows["tags"]})\n'
        'first = [tag for tag in rec["tags"]][0] + ""\nREPLY = make_response(201, rec)',
    )
    wide = plan("/members", 'REPLY = make_response(201, store.insert({"tags": ctx["body_json"]["tags"]}))')
    api = await start([Answer(narrow), Answer(wide)])
    assert (await api.post("/members", {"tags": ["a"]})).status == 201
    widened = await api.post("/members", {"tags": [{"name": "a"}]})

    assert (widened.status, widened.source, api.calls) == (201, "planned", 2)
    asked = str(api.model.requests[1].body)
    assert "earlier" in asked
    assert (await api.post("/members", {"tags": []})).source == "learned"
    assert api.calls == 2


async def test_three_failures_on_different_bodies_are_a_quarantine(start: StartApi) -> None:
    """A plan that cannot be mended is taken out of service, and the model is asked afresh."""
    fragile = plan(
        "/members",
        'if "bad" in ctx["body_json"]:\n    x = {}["oops"]\n'
        'REPLY = make_response(201, store.insert(ctx["body_json"]))',
    )
    api = await start([Answer(fragile), Fault.REFUSAL], fallback="none")
    assert (await api.post("/members", {"name": "a"})).status == 201
    for body in ({"bad": 1}, {"bad": "x"}, {"bad": None}):
        assert (await api.post("/members", body)).status == 500
    api.model.script = [Answer(CREATE)]

    assert (await api.post("/members", {"bad": 1})).source == "planned"
    assert (await api.post("/members", {"bad": "x"})).source == "learned"


async def test_repairs_can_be_switched_off(start: StartApi) -> None:
    """`planner.repairs = 0`: the first refused answer is the last."""
    api = await start([Answer(REFUSED)], repairs=0, fallback="none")

    assert (await api.post("/members", {"n": 1})).status == 502
    assert api.calls == 1


async def test_values_are_shown_only_where_the_settings_say_so(start: StartApi) -> None:
    """`needs: values`: never by default; on request in a second call, for the identical request alone."""
    question = plan("/ask", "REPLY = make_response(200, 1)", "ask", needs="values")
    answered = plan("/ask", 'REPLY = make_response(200, {"answer": "forty-two"})', "ask", needs="values")
    never = await start([Answer(question)], fallback="none")
    refused = await never.post("/ask", {"question": "canary-in-the-question"})
    assert refused.status == 501
    assert "planner.values" in refused.json["detail"]
    assert "canary-in-the-question" not in str(never.model.requests[0].body)
    await never.service.close()

    api = await start([Answer(question), Answer(answered)], values="on_request", fallback="none")
    first = await api.post("/ask", {"question": "what is six by seven?"})
    assert (first.json, first.source, api.calls) == ({"answer": "forty-two"}, "planned", 2)
    assert "six by seven" not in str(api.model.requests[0].body)
    assert "six by seven" in str(api.model.requests[1].body)
    again = await api.post("/ask", {"question": "what is six by seven?"})
    assert (again.source, api.calls) == ("learned", 2)
    other = await api.post("/ask", {"question": "and by eight?"})
    assert (other.source, api.calls) == ("planned", 3)


async def test_budgets_end_calls_and_not_service(start: StartApi) -> None:
    """Over budget: 429 with Retry-After for what is new, while learned routes go on."""
    api = await start(by_route(MEMBERS), calls_per_session_hour=2, fallback="none")
    await api.post("/members", {"name": "Alice"})
    await api.get("/members/1")
    over = await api.get("/members")

    assert (over.status, over.json["type"]) == (429, "/_meta/problems/over-budget")
    assert int(over.headers["Retry-After"]) > 0
    assert (await api.get("/members/1")).source == "learned"
    assert (await api.ask("GET", "/members", session="s2")).status == 200


async def test_the_breaker_leaves_a_failing_provider_alone(
    start: StartApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After failures in a row no call is made; learned routes and conventions keep serving."""
    clock = Clock()
    monkeypatch.setattr("server.planning.assembly.time", SimpleNamespace(monotonic=clock))
    api = await start(by_route(MEMBERS), attempts=1, breaker_failures=3, breaker_seconds=1)
    await api.post("/members", {"name": "Alice"})
    api.model.script = [Fault.SERVER_ERROR]
    for number in range(6):
        served = await api.get(f"/other-{'abcdef'[number]}")
        assert (served.status, served.source) == (200, "conventions")
    assert api.calls == 4
    strange = await api.post("/members/1/promote")
    assert (strange.status, strange.headers["Retry-After"]) == (503, "1")
    assert (await api.post("/members", {"name": "Bob"})).source == "learned"
    api.model.script = by_route(MEMBERS)
    clock.advance(1.1)

    assert (await api.get("/members/1")).source == "planned"


async def test_a_plan_that_runs_too_long_is_asked_for_once(start: StartApi) -> None:
    """Mended once; then it is refused, and not run at each request. A reply too large is learned."""
    spin = plan("/spin", "n = 0\nfor i in range(10 ** 9):\n    n += i\nREPLY = make_response(200, n)")
    dump = plan("/dump", 'REPLY = make_response(200, "x" * 2000)')
    model = by_route({"GET /spin": spin, "GET /dump": dump})
    api = await start(model, fallback="none", sandbox={"wall_ms": 300, "result_bytes": 1_024})

    assert [(await api.get("/spin")).status for _ in range(3)] == [504, 502, 502]
    assert api.calls == 2
    for _ in range(3):
        assert (await api.get("/dump")).status == 422
    assert api.calls == 3


async def test_requests_that_fail_at_the_same_time_are_mended_by_one_call(start: StartApi) -> None:
    """Five clients meet a plan that raises; the model is asked for it once, and once to mend it."""
    api = await start([Answer(BROKEN), Answer(CREATE)])
    answers = await asyncio.gather(*(api.post("/members", {"name": "A"}, f"s{n}") for n in range(5)))

    assert [answer.status for answer in answers] == [201] * 5
    assert api.calls == 2


async def test_an_outage_during_a_repair_is_no_verdict_on_the_plan(start: StartApi) -> None:
    """While the provider is down the request gets its 503; when it is back, the plan is mended."""
    api = await start([Answer(BROKEN), Fault.SERVER_ERROR], attempts=1, fallback="none")
    assert (await api.post("/members", {"name": "A"})).status == 503
    api.model.script = [Answer(CREATE)]

    assert (await api.post("/members", {"name": "A"})).status == 201


async def test_a_question_that_finds_no_plan_is_asked_once(start: StartApi) -> None:
    """`needs: values` too: the identical question costs no second call."""
    question = plan("/ask", "REPLY = make_response(200, 1)", "ask", needs="values")
    api = await start([Answer(question), Fault.REFUSAL], values="on_request", fallback="none")

    for _ in range(3):
        assert (await api.post("/ask", {"question": "why?"})).status == 502
    assert api.calls == 2


async def test_names_that_are_too_long_to_show_stop_nothing(start: StartApi) -> None:
    """A record with a giant nested key is a record; planning goes on for its session."""
    api = await start(by_route(MEMBERS), fallback="none")
    await api.post("/members", {"meta": {"x" * 600_000: 1}})

    assert (await api.get("/members/1")).status == 200
