"""Who shares a plan with whom: whoever was shown the same, and nobody else."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

from tests.learning.plans import CREATE, MEMBERS
from tools.simulators import Answer, Fault, asked, by_route, plan
from tools.torture import obedient
from tools.torture.names import VICTIM

if TYPE_CHECKING:
    from pathlib import Path

    from tests.learning.conftest import Answer as Reply
    from tests.learning.conftest import Api, StartApi

GOOD = 'REPLY = make_response(201, store.insert(ctx["body_json"]))'
#: Fails for one value, and works for the others.
FRAGILE = 'if ctx["body_json"].get("n") == 13:\n    x = {}["unlucky"]\n' + GOOD
CANARY = "Kanarienvogel7"


def fragile(code: str = FRAGILE) -> Answer:
    return Answer(plan("/notes", code, "notes"))


async def note(api: Api, n: Any, session: str = "s1") -> Reply:
    return await api.post("/notes", {"n": n}, session)


def drafting(api: Api) -> Any:
    return api.service._planner.parts[1].drafting  # type: ignore[attr-defined]


def ten_minutes_later(api: Api) -> None:
    drafting(api)._refusals._clock = lambda: time.monotonic() + 601


# -- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "attack",
    [
        ("GET", "/invoices?obey-deny=1", None),
        ("GET", "/invoices?obey-refuse=1", None),
        ("POST", "/unrelated", {"obey-lie": 1}),
        ("POST", "/unrelated", {"lines": [{"obey-break": 1}]}),
        ("POST", "/obey-deny", {"a": 1}),
        ("POST", "/invoices/obey-deny", {}),
        ("GET", "/unrelated/obey-swallow", None),
    ],
)
async def test_a_name_reaches_no_other_session(start: StartApi, attack: tuple[str, str, Any]) -> None:
    """A model that obeys any name wrote a 403 for everybody; now it does so for who said the name."""
    api = await start(obedient.model(), fallback="none")
    method, target, body = attack
    await api.post("/unrelated", {"a": 1}, "attacker")
    await api.ask(method, target, body, session="attacker")
    await api.ask(method, target, body, session="attacker")
    spoilt = await api.get("/invoices", "attacker")
    got = await api.get("/invoices", "victim")
    calls = api.calls
    again = await api.get("/invoices?page=2", "victim")

    assert (got.status, got.json) == (again.status, again.json) == (200, {"items": [], "total": 0})
    assert api.calls == calls
    if body is not None and "unrelated" in target:
        assert spoilt.status != 200 or obedient.OWNED in str(spoilt.json)


async def test_what_of_a_header_is_in_no_prompt(start: StartApi) -> None:
    """Neither its name nor that it was there: two sessions, one of them with a token, share the plan."""
    api = await start(by_route(MEMBERS))
    await api.ask("GET", "/members", session="s1", Authorization="Token x", Prefer="handling=strict")
    await api.get("/members", "s2")

    assert api.calls == 1
    assert "headers" not in asked(api.model.requests[0].body)


async def test_an_any_plan_that_saw_query_keys_is_found_by_those_who_send_them(start: StartApi) -> None:
    """In its own session it serves all keys; in others those it was written for, until it is asked anew."""
    api = await start(by_route(MEMBERS))
    for target in ("/members?name=x", "/members?age=7", "/members"):
        await api.get(target, "s1")
    assert api.calls == 1
    await api.get("/members?name=y", "s2")
    assert api.calls == 1
    await api.get("/members", "s3")
    await api.get("/members?age=7", "s4")

    assert api.calls == 2


# -- sharing stays useful --------------------------------------------------------------------------


async def test_fifty_sessions_cost_one_call_a_kind(start: StartApi) -> None:
    """They build the same API in the same way, a checkout over three collections in it; all at once."""
    api = await start(obedient.model(), values="on_request")
    for each in VICTIM[:10]:
        await api.ask(each.method, each.target, each.body, session="first")
    calls = api.calls

    async def build(session: str) -> list[int]:
        return [
            (await api.ask(each.method, each.target, each.body, session=session)).status
            for each in VICTIM[:10]
        ]

    built = await asyncio.gather(*(build(f"n{number}") for number in range(50)))
    assert built == [[201, 200, 200, 200, 404, 201, 201, 201, 422, 200]] * 50
    assert api.calls == calls == 8


async def test_a_checkout_is_asked_with_the_wide_view(start: StartApi) -> None:
    """By rule: its path names no collection. So all are shown, and what earlier plans write."""
    api = await start(obedient.model())
    await api.post("/products", {"price": 3})
    await api.post("/carts", {"product_id": 1, "quantity": 2})
    order = await api.post("/checkout", {"cart_id": 1})
    shown = asked(api.model.requests[-1].body)

    assert (order.status, order.json["total"]) == (201, 6)
    assert shown["view"] == "wide"
    assert shown["collections"] == {
        "carts": {"id": "integer", "product_id": "integer", "quantity": "integer"},
        "products": {"id": "integer", "price": "integer"},
    }
    assert shown["learned_routes"] == [
        {"route": "POST /carts", "writes": {"carts": ["..."]}},
        {"route": "POST /products", "writes": {"products": ["..."]}},
    ]


async def test_a_plan_may_ask_for_the_wide_view(start: StartApi) -> None:
    """The narrow view shows the path's collection alone; what the model said is remembered for all."""
    api = await start(obedient.model())
    for session in ("s1", "s2"):
        await api.post("/members", {"name": "Alice"}, session)
        await api.post("/orders", {"total": 5}, session)
        got = await api.get("/members/1/summary", session)
        assert (got.status, got.json) == (200, {"orders": 1, "total": 5})
    narrow, wide = (asked(each.body) for each in api.model.requests[2:4])

    assert (narrow["view"], list(narrow["collections"])) == ("narrow", ["members"])
    assert "learned_routes" not in narrow
    assert (wide["view"], list(wide["collections"])) == ("wide", ["members", "orders"])
    assert api.calls == 4


async def test_whoever_has_seen_all_cannot_ask_for_more(start: StartApi) -> None:
    """It is told so, and its second answer serves."""
    more = plan("/members", "REPLY = make_response(501, None)", needs="collections")
    api = await start([Answer(more), Answer(CREATE)])

    assert (await api.post("/members", {"name": "Alice"})).status == 201
    assert "all that there are have been shown" in json.dumps(api.model.requests[1].body)


async def test_the_wide_view_is_not_asked_for_in_vain(start: StartApi, tmp_path: Path) -> None:
    """After a restart the library has the wide view's plan: one narrow question, no wide one."""
    api = await start(obedient.model(), root=tmp_path / "own")
    await api.post("/members", {"name": "Alice"})
    await api.get("/members/1/summary")
    await api.service.close()
    again = await start(obedient.model(), root=tmp_path / "own")
    await again.post("/members", {"name": "Bob"}, "s2")
    got = await again.get("/members/1/summary", "s2")

    assert (got.status, again.calls) == (200, 1)


# -- mends -----------------------------------------------------------------------------------------


async def test_a_mended_plan_stays_with_its_session(start: StartApi) -> None:
    """The library keeps the good one for others, and each session's failure is mended for itself."""
    own = [f'REPLY = make_response(200, "mended {number}")' for number in (1, 2)]
    api = await start([fragile(), *map(fragile, own)])
    assert (await note(api, 1)).status == 201
    assert (await note(api, 1, "s2")).status == 201
    assert (await note(api, 13)).json == "mended 1"
    assert api.calls == 2

    assert (await note(api, 1, "s2")).json == {"id": 2, "n": 1}
    assert (await note(api, 1, "s3")).json == {"id": 1, "n": 1}
    assert api.calls == 2
    assert (await note(api, 13, "s2")).json == "mended 2"
    assert api.calls == 3
    assert (await note(api, 1)).json == "mended 1"


async def test_a_first_plan_that_is_mended_in_one_session_is_there_for_others(start: StartApi) -> None:
    """A value made it fail before it was learned: others have it as it was, and no call is made again."""
    api = await start([fragile(), fragile('REPLY = make_response(200, "mended")')])
    assert (await note(api, 13)).json == "mended"
    assert (await note(api, 1, "s2")).json == {"id": 1, "n": 1}
    assert (await note(api, 1, "s3")).json == {"id": 1, "n": 1}

    assert api.calls == 2


async def test_a_mend_is_shown_what_its_session_may_know(start: StartApi) -> None:
    """Two sessions that differ in a collection of the plan's are asked about one after the other."""
    seen: list[dict[str, Any]] = []

    def model(request: dict[str, Any]) -> Answer:
        seen.append(asked(request))
        mends = "The code raised" in json.dumps(request)
        return fragile(
            f"REPLY = make_response(200, {sorted(seen[-1]['collections'])!r})" if mends else FRAGILE
        )

    api = await start(model)
    for session, other in (("s1", "secret"), ("s2", "plain")):
        await api.post(f"/{other}", {"a": 1}, session)
    await note(api, 13, "s1")

    assert "secret" not in str((await note(api, 13, "s2")).json)


# -- failures --------------------------------------------------------------------------------------


async def test_a_value_makes_a_kind_unplannable_for_its_session_alone(start: StartApi) -> None:
    """For others only once it has failed in two sessions, and for ten minutes."""
    api = await start([fragile(), Fault.REFUSAL], fallback="none")
    assert [(await note(api, 13)).status for _ in range(2)] == [500, 502]
    assert (await note(api, 1)).status == 502
    assert (await note(api, 13, "s2")).status == 500
    assert (await note(api, 1, "s3")).status == 502
    ten_minutes_later(api)
    api.model.script = [fragile()]

    assert (await note(api, 1, "s3")).status == 201


async def test_one_sessions_failure_takes_nothing_from_another(start: StartApi) -> None:
    """The plan that failed for one value is there for the next session, at no further call."""
    api = await start([fragile(), Fault.REFUSAL], fallback="none")
    assert [(await note(api, 13)).status for _ in range(2)] == [500, 502]
    calls = api.calls

    assert (await note(api, 1, "s2")).status == 201
    assert api.calls == calls


SPINS: dict[str, dict[str, Any]] = {
    "time": {"wall_ms": 300, "fuel": 100_000_000_000},
    "fuel": {"wall_ms": 20_000, "fuel": 20_000_000},
}


@pytest.mark.parametrize("what", SPINS)
async def test_a_plan_that_runs_out_is_mended(start: StartApi, what: str) -> None:
    """Of time as of fuel: the model hears that it ran too long, and the next one serves."""
    spin = plan("/notes", "n = 0\nwhile True:\n    n += 1\nREPLY = make_response(200, n)", "notes")
    api = await start([Answer(spin), fragile(GOOD)], sandbox=SPINS[what])

    assert (await note(api, 1)).status == 201
    assert "The code ran too long" in json.dumps(api.model.requests[1].body)
    assert (await note(api, 1)).source == "learned"


@pytest.mark.parametrize("what", SPINS)
async def test_a_plan_that_runs_out_is_refused_and_quarantined(start: StartApi, what: str) -> None:
    """Not mended: 504 once, and no run for each request after. Learned: three bodies, and it is out."""
    slow = 'if "bad" in ctx["body_json"]:\n    while True:\n        x = 1\n' + GOOD
    api = await start([fragile(slow), Fault.REFUSAL], sandbox=SPINS[what], fallback="none")
    spun = [(await api.post("/notes", {"bad": 1}, "s2")).status for _ in range(2)]
    assert spun == [504, 502]
    api.model.script = [fragile(slow), Fault.REFUSAL]
    assert (await note(api, 1)).status == 201
    for body in ({"bad": 1}, {"bad": "x"}, {"bad": None}):
        assert (await api.post("/notes", body)).status == 504
    api.model.script = [fragile(GOOD)]

    assert (await api.post("/notes", {"bad": 1})).source == "planned"


async def test_a_shared_plan_that_fails_here_goes_into_quarantine_here(start: StartApi) -> None:
    """It was never seen to work in this session, and still its failures are counted, and not asked about."""
    picky = 'if "bad" in ctx["body_json"]["x"]:\n    y = {}["oops"]\n' + GOOD
    api = await start([fragile(picky), Fault.REFUSAL], fallback="none")
    assert (await api.post("/notes", {"x": "fine"})).status == 201
    for body in ({"x": "bad"}, {"x": ["bad"]}, {"x": {"bad": 1}}):
        assert (await api.post("/notes", body, "s2")).status == 500
    api.model.script = [fragile(GOOD)]

    assert (await api.post("/notes", {"x": "bad"}, "s2")).source == "planned"
    assert (await api.post("/notes", {"x": "fine"}, "s3")).source == "learned"


# -- values ----------------------------------------------------------------------------------------


async def test_that_values_are_needed_is_forgotten_after_ten_minutes(start: StartApi) -> None:
    """Until then no call is made; it is remembered of what was shown, so another kind is asked about."""
    question = plan("/ask", "REPLY = make_response(200, 1)", "ask", needs="values")
    api = await start([Answer(question)], fallback="none")
    for _ in range(2):
        assert (await api.post("/ask", {"q": "why"})).status == 501
    assert api.calls == 1
    ten_minutes_later(api)
    api.model.script = [Answer(plan("/ask", 'REPLY = make_response(200, "because")', "ask"))]

    assert (await api.post("/ask", {"q": "why"})).json == "because"
    assert api.calls == 2


async def test_conventions_serve_what_needs_values(start: StartApi) -> None:
    """501 falls back, where they can read the request; else it stands."""
    routes = ("/questions", "/questions/{question_id:int}/answer")
    demands = [plan(each, "REPLY = make_response(200, 1)", "questions", needs="values") for each in routes]
    api = await start(by_route({f"POST {each['route']}": each for each in demands}))
    for _ in range(3):
        served = await api.post("/questions", {"q": "why"})
        assert (served.status, served.source) == (201, "conventions")
    # The second time there is such a collection: another question.
    assert api.calls == 2
    refused = await api.post("/questions/1/answer")

    assert (refused.status, "planner.values" in refused.json["detail"]) == (501, True)


async def test_values_told_to_one_client_reach_no_other(start: StartApi, tmp_path: Path) -> None:
    """Drafts, mends, refusals: the answers quote what they were shown, and call themselves "shape"."""

    def model(request: dict[str, Any]) -> Answer | Fault:
        said = json.dumps(request["messages"][1:])
        heard = CANARY if CANARY in said else "other" if "other" in said else "nothing"
        if "segments" in said and "refuse me" in said:
            return Fault.REFUSAL
        if "The code" in said:
            return Answer(plan("/ask", f'REPLY = make_response(200, "mended for {heard}")', "ask"))
        code = f'REPLY = make_response(200, "{heard}")'
        if "fail" in said:
            code = f'x = {{}}["{heard}"]\n{code}'
        needs = "shape" if "segments" in said else "values"
        return Answer(plan("/ask", code, "ask", needs=needs))

    api = await start(model, values="on_request", fallback="none")

    async def ask(question: str, session: str) -> Reply:
        return await api.post("/ask", {"q": question}, session)

    assert (await ask(CANARY, "s1")).json == CANARY
    assert (await ask("other", "s2")).json == "other"
    assert (await ask("other", "s1")).json == "other"
    assert (await ask(f"fail {CANARY}", "s1")).json == f"mended for {CANARY}"
    assert (await ask("fail other", "s2")).json == "mended for other"
    assert (await ask(f"fail {CANARY}", "s2")).json == f"mended for {CANARY}"
    assert (await ask("fail", "s2")).json == "mended for nothing"
    assert (await ask(f"refuse me {CANARY}", "s1")).status == 502
    refused = await ask("refuse me too", "s2")
    assert (refused.status, CANARY in str(refused.json)) == (502, False)
    for word in ("a", "b", "fail", "refuse me"):
        assert CANARY not in str((await ask(word, "s3")).json)


async def test_a_plan_made_from_values_is_found_by_no_fingerprint(start: StartApi) -> None:
    """Whatever it says of itself; also its mend, when values are no longer to be shown."""
    answers = [
        plan("/ask", "REPLY = make_response(501, None)", "ask", needs="values"),
        plan("/ask", f'x = {{}}["{CANARY}"]\nREPLY = make_response(200, x)', "ask"),
        plan("/ask", f'REPLY = make_response(200, "{CANARY}")', "ask"),
    ]
    api = await start(list(map(Answer, answers)), values="on_request", fallback="none")
    assert (await api.post("/ask", {"q": CANARY})).json == CANARY
    learned = api.service._planner.parts[0]  # type: ignore[attr-defined]
    records = await learned.read(lambda library: library.plans())

    assert [(record.needs, bool(record.values_key)) for record in records] == [("values", True)]
    drafting(api)._settings = evolve(drafting(api)._settings, values="never")
    assert (await api.post("/ask", {"q": "else"}, "s2")).status == 501
