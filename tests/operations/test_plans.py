"""What was learned can be seen, corrected, kept and forgotten, with the service running."""

from __future__ import annotations

import sqlite3
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from server.operations import portable
from server.operations.replay import difference
from server.planning.learned.library_file import FILE_NAME
from tests.learning.plans import GET
from tests.operations.conftest import MEMBERS, Operator
from tests.plan_files import document, item
from tools.simulators import Answer, by_route, plan

if TYPE_CHECKING:
    from pathlib import Path

    from tests.learning.conftest import StartApi
    from tests.operations.conftest import Operate

ROUTE = "/members/{id:int}"
SHOUT = (
    'rec = store.get(params["id"])\n'
    "if rec is None:\n"
    "    abort(404)\n"
    'REPLY = make_response(200, {"name": rec["name"].upper()})'
)
RAISES = 'rec = store.get(params["id"])\nREPLY = make_response(200, rec["nothing"])'


async def test_plans_are_listed_and_shown(operator: Operator) -> None:
    """With where they are in use, and no record's value; a page says where the next one begins."""
    await operator.api.get("/members/1", session="s2")
    found = await operator.get("/plans")
    shown = await operator.get(f"/plans/{(await operator.plan_of('GET', ROUTE))['id'][:6]}")
    page = await operator.get("/plans?limit=1")
    rest = await operator.get(f"/plans?limit=1&after={page['next']}")

    assert [(each["method"], each["route"], each["author"]) for each in found["plans"]] == [
        ("POST", "/members", "openai/gpt-5.4-mini"),
        ("GET", ROUTE, "openai/gpt-5.4-mini"),
    ]
    assert found["next"] is None
    assert page["plans"] + rest["plans"] == found["plans"]
    assert rest["next"] is None
    assert "no such member" in shown["code"]
    assert "Ada" not in str(shown) + str(found)
    assert [use["session"] for use in shown["learned"]][:1] == ["s1"]
    assert (await operator.get("/plans?session=nobody"))["plans"] == []
    assert len((await operator.get("/plans?session=s1"))["plans"]) == 2


async def test_a_plan_for_one_request_is_shown_without_its_values(
    operate: Operate,
) -> None:
    """Its code was written for these values, so the literals are left out; it is forgotten, not edited."""
    code = 'REPLY = make_response(200, {"of": "secret-value", "n": 4711, "f": f"x{store.count()}"})'
    report = plan("/reports/sales", code, "reports", needs="values")
    operator = await operate(by_route({"GET /reports/sales": report}), values="always")
    api = operator.api
    assert (await api.get("/reports/sales")).status == 200
    shown = await operator.plan_of("GET", "/reports/sales")
    code = (await operator.get(f"/plans/{shown['id']}"))["code"]

    assert "make_response" in code
    assert not any(text in code for text in ("secret-value", "4711", "'x"))
    await operator.refused(409, "PUT", f"/plans/{shown['id']}/code", {"code": "REPLY = make_response(200)"})
    assert (await operator.get("/plans/export"))["plans"] == []


async def test_what_was_made_from_values_is_in_no_export(operate: Operate) -> None:
    """Nor is its mend, which calls itself "shape": both hold what their client sent."""
    answers = [
        plan("/ask", "REPLY = make_response(501, None)", "ask", needs="values"),
        plan("/ask", 'x = {}["secret-value"]\nREPLY = make_response(200, x)', "ask"),
        plan("/ask", 'REPLY = make_response(200, "secret-value")', "ask"),
    ]
    operator = await operate([Answer(each) for each in answers], values="on_request")
    got = await operator.api.post("/ask", {"q": "secret-value"})
    ((shown,),) = [(await operator.get("/plans"))["plans"]]
    listed = [await operator.get(f"/plans/{shown['id']}"), await operator.get("/plans/export?session=s1")]

    assert got.json == "secret-value"
    assert shown["needs"] == "values"
    assert "secret-value" not in str(listed)
    assert listed[1]["plans"] == []


async def test_an_edited_plan_serves_the_next_request(operator: Operator) -> None:
    """In every session that has it, without the model being asked."""
    calls = operator.api.calls
    before = await operator.plan_of("GET", ROUTE)
    checked = await operator.do("PUT", f"/plans/{before['id']}/code", {"code": SHOUT, "check": True})
    assert (await operator.api.get("/members/1")).json["name"] == "Ada"
    edited = await operator.do("PUT", f"/plans/{before['id']}/code", {"code": SHOUT, "pin": True})
    answer = await operator.api.get("/members/1")

    assert answer.json == {"name": "ADA"}
    assert answer.source == "learned"
    assert answer.headers["X-Plan-ID"] == edited["id"] == checked["id"] != before["id"]
    assert edited["author"] == "person"
    assert edited["pinned"]
    assert operator.api.calls == calls
    again = await operator.do("PUT", f"/plans/{edited['id']}/code", {"code": f"# the same\n{SHOUT}"})
    assert again["changed"] is False


async def test_a_plan_that_was_edited_is_said_to_be_another_now(operator: Operator) -> None:
    """Whoever names it by its old id is told the new one, as long as that is there."""
    before = (await operator.plan_of("GET", ROUTE))["id"]
    ids = [before]
    for status in (201, 202):
        code = f"REPLY = make_response({status})"
        ids.append((await operator.do("PUT", f"/plans/{ids[-1]}/code", {"code": code}))["id"])
    told = [await operator.refused(404, "GET", f"/plans/{old[:8]}") for old in ids[:2]]
    back = await operator.do("PUT", f"/plans/{ids[2]}/code", {"code": GET["code"]["block"]})
    known = await operator.get(f"/plans/{before}")
    await operator.do("DELETE", f"/plans/{before}")
    gone = await operator.refused(404, "GET", f"/plans/{ids[2]}")

    assert [each["detail"] for each in told] == [
        f"There is no plan {old[:8]} any more: an edit made it {ids[2]}." for old in ids[:2]
    ]
    assert back["id"] == known["id"] == before
    assert gone["detail"] == f"There is no plan {ids[2]}."


async def test_refused_code_changes_nothing(operator: Operator) -> None:
    """Each violation has its place, in lines and characters from 1."""
    shown = await operator.plan_of("GET", ROUTE)
    code = 'x = "é"; import os\nREPLY = make_response(200, ().__class__)'
    problem = await operator.refused(422, "PUT", f"/plans/{shown['id']}/code", {"code": code})

    places = [(each["line"], each["column"]) for each in problem["violations"]]
    assert places == [(1, 10), (2, 28)]
    empty = await operator.refused(422, "PUT", f"/plans/{shown['id']}/code", {"code": "  "})
    assert "code.block" in empty["reasons"][0]
    assert (await operator.api.get("/members/1")).json["name"] == "Ada"


async def test_two_plans_do_not_become_one(operator: Operator) -> None:
    """An edit that makes a plan the same as another is refused."""
    first = await operator.plan_of("GET", ROUTE)
    edited = await operator.do("PUT", f"/plans/{first['id']}/code", {"code": SHOUT})
    original = item(code=GET["code"]["block"], identifier="{id}")
    await operator.do("POST", "/plans/import?session=s9", document([original]))
    others = [plan for plan in (await operator.get("/plans"))["plans"] if plan["route"] == ROUTE]
    assert len(others) == 2
    other = next(plan["id"] for plan in others if plan["id"] != edited["id"])
    await operator.refused(409, "PUT", f"/plans/{other}/code", {"code": SHOUT})


async def test_a_forgotten_plan_is_asked_for_anew(operator: Operator) -> None:
    """In all sessions; a pinned one only by force."""
    calls = operator.api.calls
    shown = await operator.plan_of("GET", ROUTE)
    await operator.do("PUT", f"/plans/{shown['id']}/pin", {"pinned": True})
    pinned = await operator.refused(409, "DELETE", f"/plans/{shown['id']}")
    assert all(flag in pinned["detail"] for flag in ("pin --undo", "forget --force", "?force=true"))
    forgotten = await operator.do("DELETE", f"/plans/{shown['id']}?force=true")
    answer = await operator.api.get("/members/1")

    assert forgotten == {"id": shown["id"], "routes": 1}
    assert (answer.status, answer.source) == (200, "planned")
    assert operator.api.calls == calls + 1


async def test_forgetting_forgets_refusals_too(operate: Operate) -> None:
    """A kind of request whose plans had failed is asked about again."""
    plans = {**MEMBERS, f"GET {ROUTE}": plan(ROUTE, RAISES)}
    operator = await operate(by_route(plans), repairs=0, fallback="none")
    await operator.api.post("/members", {"name": "Ada"})
    assert (await operator.api.get("/members/1")).status == 500
    calls = operator.api.calls
    assert (await operator.api.get("/members/1")).status == 502
    assert operator.api.calls == calls
    plans[f"GET {ROUTE}"] = GET
    await operator.do("DELETE", f"/plans/{(await operator.plan_of('POST', '/members'))['id']}")

    assert (await operator.api.get("/members/1")).status == 200


async def test_a_pinned_plan_is_not_repaired(operator: Operator) -> None:
    """It fails, however often, and stays; unpinned it is mended at its next failure."""
    shown = await operator.plan_of("GET", ROUTE)
    raising = {**item(code=RAISES), "author": {"provider": "openai", "model": "m"}}
    await operator.do("DELETE", f"/plans/{shown['id']}")
    taken = await operator.do("POST", "/plans/import?session=s1&pin=true", document([raising]))
    plan_id, calls = taken["plans"][0], operator.api.calls
    answers = [await operator.api.get("/members/1") for _ in range(4)]

    assert {(answer.status, answer.headers["X-Plan-ID"]) for answer in answers} == {(500, plan_id)}
    assert operator.api.calls == calls
    await operator.do("PUT", f"/plans/{plan_id}/pin", {"pinned": False})
    mended = await operator.api.get("/members/1")
    assert mended.status == 200
    assert operator.api.calls == calls + 1


async def test_a_pinned_plan_holds_imported_ones_back(operator: Operator) -> None:
    """The answer says which; none of them is pinned beside it."""
    shown = await operator.plan_of("GET", ROUTE)
    await operator.do("PUT", f"/plans/{shown['id']}/pin", {"pinned": True})
    other = document([item(code="REPLY = make_response(200, params)")])

    taken = await operator.do("POST", "/plans/import?session=s1&pin=true", other)

    assert taken["held_back"] == taken["plans"]
    assert (await operator.api.get("/members/1")).headers["X-Plan-ID"] == shown["id"]
    pinned = [each["id"] for each in (await operator.get("/plans"))["plans"] if each["pinned"]]
    assert pinned == [shown["id"]]
    assert (await operator.do("POST", "/plans/import", document([item(code=SHOUT)])))["held_back"] == []


async def test_a_slot_that_the_route_does_not_have(operator: Operator) -> None:
    """An edit and a file are refused, with the slot that was meant."""
    shown = await operator.plan_of("GET", ROUTE)
    code = 'REPLY = make_response(200, params["ids"])'
    edited = await operator.refused(422, "PUT", f"/plans/{shown['id']}/code", {"code": code})
    taken = await operator.refused(422, "POST", "/plans/import", document([item(code=code)]))

    (violation,) = edited["violations"]
    assert (violation["line"], violation["column"], violation["rule"]) == (1, 28, "slot")
    assert "did you mean 'id'?" in violation["message"]
    assert "did you mean 'id'?" in taken["detail"]


@pytest.mark.parametrize("how", ["edited", "imported"])
async def test_a_persons_plan_is_replaced_by_a_person_alone(operator: Operator, how: str) -> None:
    """Its failure reaches the client and the log, and nobody is asked; forgotten, it is planned anew."""
    shown = await operator.plan_of("GET", ROUTE)
    if how == "edited":
        plan_id = (await operator.do("PUT", f"/plans/{shown['id']}/code", {"code": RAISES}))["id"]
    else:
        taken = await operator.do("POST", "/plans/import?session=s1", document([item(code=RAISES)]))
        plan_id = taken["plans"][0]
    calls = operator.api.calls
    with capture_logs() as logs:
        answers = [await operator.api.get("/members/1") for _ in range(4)]

    assert {(answer.status, answer.headers["X-Plan-ID"]) for answer in answers} == {(500, plan_id)}
    assert operator.api.calls == calls
    kept = [entry for entry in logs if entry["event"] == "person's plan kept"]
    assert [(each["plan_id"], each["error"], each["line"]) for each in kept] == [(plan_id, "KeyError", 2)] * 4
    assert [use["quarantined"] for use in (await operator.get(f"/plans/{plan_id}"))["learned"]] == [False]

    again = await operator.do("POST", "/plans/import?session=s1", document([item(code=SHOUT)]))
    assert (await operator.api.get("/members/1")).headers["X-Plan-ID"] == again["plans"][0]
    for each in (await operator.get("/plans"))["plans"]:
        if (each["method"], each["route"]) == ("GET", ROUTE):
            await operator.do("DELETE", f"/plans/{each['id']}")
    assert (await operator.api.get("/members/1")).source == "planned"


async def test_a_persons_plan_from_the_library_is_not_repaired_either(operator: Operator) -> None:
    """A session that meets it for the first time gets its failure, too, and asks nobody."""
    shown = await operator.plan_of("GET", ROUTE)
    edited = await operator.do("PUT", f"/plans/{shown['id']}/code", {"code": RAISES})
    await operator.api.post("/members", {"name": "Bob"}, session="s2")
    calls = operator.api.calls
    answer = await operator.api.get("/members/1", session="s2")

    assert (answer.status, answer.headers["X-Plan-ID"]) == (500, edited["id"])
    assert operator.api.calls == calls


@pytest.mark.parametrize("policy", ["the same", "another"])
async def test_a_refused_plan_of_a_persons_is_as_none(
    start: StartApi, operate: Operate, tmp_path: Path, policy: str
) -> None:
    """Requests of its kind are planned once, and what the model wrote serves from then on, and elsewhere."""
    first = await operate(by_route(MEMBERS))
    await first.api.post("/members", {"name": "Ada"})
    await first.api.post("/members", {"name": "Bob"}, session="s2")
    await first.api.get("/members/1")
    shown = await first.plan_of("GET", ROUTE)
    edited = await first.do("PUT", f"/plans/{shown['id']}/code", {"code": SHOUT})
    await first.api.service.close()
    with sqlite3.connect(tmp_path / "data" / FILE_NAME) as file:
        file.execute(
            "UPDATE plans SET plan = replace(plan, 'REPLY', 'import os; REPLY') WHERE provider = 'person'"
        )
        if policy == "another":
            file.execute("UPDATE plans SET fingerprint = 'earlier' WHERE provider = 'person'")
    file.close()
    second = await operate(by_route(MEMBERS))
    answers = [await second.api.get("/members/1") for _ in range(3)]
    elsewhere = await second.api.get("/members/1", session="s2")

    assert [(each.status, each.source) for each in answers] == [(200, "planned"), *[(200, "learned")] * 2]
    assert elsewhere.json["name"] == "Bob"
    assert second.api.calls == 1
    assert edited["id"] in [each["id"] for each in (await second.get("/plans"))["plans"]]
    await second.api.service.close()
    third = await start(by_route({}), learn=False)
    assert (await third.get("/members/1")).source == "learned"


async def test_a_persons_plan_is_never_stale(operate: Operate, tmp_path: Path) -> None:
    """Another model has all plans written anew, but for the one that a person has corrected."""
    model = by_route(MEMBERS)
    first = await operate(model, openai={"model": "one"})
    await first.api.post("/members", {"name": "Ada"})
    await first.api.get("/members/1")
    shown = await first.plan_of("GET", ROUTE)
    edited = await first.do("PUT", f"/plans/{shown['id']}/code", {"code": "REPLY = make_response(200, 1)"})
    await first.api.service.close()
    second = await operate(model, openai={"model": "two"})
    stale = {each["method"]: each["stale"] for each in (await second.get("/plans"))["plans"]}
    kept, anew = await second.api.get("/members/1"), await second.api.post("/members", {"name": "Bob"})

    assert stale == {"POST": True, "GET": False}
    assert (kept.source, kept.headers["X-Plan-ID"], anew.source) == ("learned", edited["id"], "planned")


async def test_a_pinned_plan_is_never_stale(operate: Operate, tmp_path: Path) -> None:
    """New house rules have all plans written anew, but for the pinned one."""
    rules = tmp_path / "rules.md"
    rules.write_text("Members have names.")
    first = await operate(by_route(MEMBERS), house_rules=str(rules))
    await first.api.post("/members", {"name": "Ada"})
    await first.api.get("/members/1")
    pinned = await first.plan_of("GET", ROUTE)
    await first.do("PUT", f"/plans/{pinned['id']}/pin", {"pinned": True})
    await first.api.service.close()
    rules.write_text("Members have names and ages.")
    second = await operate(by_route(MEMBERS), house_rules=str(rules))
    stale = {each["method"]: each["stale"] for each in (await second.get("/plans"))["plans"]}
    kept, anew = await second.api.get("/members/1"), await second.api.post("/members", {"name": "Bob"})

    assert stale == {"POST": True, "GET": False}
    assert (kept.source, anew.source) == ("learned", "planned")


async def test_an_edited_plan_is_of_today(operate: Operate, tmp_path: Path) -> None:
    """Who corrects a stale plan has it served."""
    rules = tmp_path / "rules.md"
    rules.write_text("Members have names.")
    first = await operate(by_route(MEMBERS), house_rules=str(rules))
    await first.api.post("/members", {"name": "Ada"})
    await first.api.get("/members/1")
    await first.api.service.close()
    rules.write_text("Members shout.")
    second = await operate(by_route(MEMBERS), house_rules=str(rules))
    shown = await second.plan_of("GET", ROUTE)
    await second.do("PUT", f"/plans/{shown['id']}/code", {"code": SHOUT})

    assert (await second.api.get("/members/1")).json == {"name": "ADA"}
    assert second.api.calls == 0


async def test_a_frozen_service_is_given_routes(operator: Operator, operate: Operate) -> None:
    """A session that has learned nothing has none of another's, until they are imported to it or forked."""
    rename = "/members/{id:int}/rename"
    code = "REPLY = make_response(200, store.update(params['id'], {'name': 'Bo'}))"
    plans = document([item(method="POST", route=rename, code=code)])
    await operator.do("POST", "/plans/import?session=s1", plans)
    await operator.api.service.close()
    frozen = await operate(by_route(MEMBERS), learn=False)
    api = frozen.api
    before = await api.post("/members/1/rename", session="new")
    exported = await frozen.get("/plans/export?session=s1")
    taken = await frozen.do("POST", "/plans/import?session=new", exported)
    await frozen.do("POST", "/sessions/s1/fork", {"to": "copy"})
    forked = await api.post("/members/1/rename", session="copy")
    given = await api.post("/members/1/rename", session="new")

    assert (before.status, before.json["type"]) == (404, "/_meta/problems/not-learned")
    assert taken["in_use"] is True
    assert (forked.status, forked.source, forked.json["name"]) == (200, "learned", "Bo")
    # The routes are there, the records are not.
    assert (given.status, given.source) == (200, "learned")
    assert given.body == b"null"


async def test_code_for_several_kinds_of_body(operator: Operator) -> None:
    """One code that is written for each of them serves each of them."""
    code = "REPLY = make_response(200, ctx['body_json'])"
    written = [item(method="POST", route=ROUTE, code=code, content=kind) for kind in ("json", "none")]
    taken = await operator.do("POST", "/plans/import?session=s1", document(written))

    assert len(set(taken["plans"])) == 1
    with_body = await operator.api.post("/members/1", {"a": 1})
    without = await operator.api.post("/members/1")
    assert (with_body.json, without.body) == ({"a": 1}, b"null")
    assert {with_body.source, without.source} == {"learned"}


async def test_plans_go_to_another_service(operator: Operator, operate: Operate, tmp_path: Path) -> None:
    """What one service has learned another one serves, which has no model at all; values stay behind."""
    found = await operator.get("/plans/export?session=s1")
    whole = await operator.get("/plans/export")
    one = await operator.get(f"/plans/export?plan={(await operator.plan_of('GET', ROUTE))['id'][:8]}")
    await operator.api.service.close()
    elsewhere = await operate(by_route({}), provider="conventions", root=tmp_path / "other")
    taken = await elsewhere.do("POST", "/plans/import?session=new", found)
    created = await elsewhere.api.post("/members", {"name": "Bob"}, session="new")
    answer = await elsewhere.api.get("/members/1", session="new")

    assert [each["method"] for each in found["plans"]] == ["POST", "GET"]
    assert whole == found
    assert [each["method"] for each in one["plans"]] == ["GET"]
    assert len(taken["plans"]) == 2
    assert (created.status, created.source) == (201, "learned")
    assert (answer.json["name"], answer.source) == ("Bob", "learned")
    assert (await elsewhere.api.get("/members/1", session="other")).source == "conventions"
    assert (await elsewhere.get("/plans/export?session=new"))["plans"] == found["plans"]


async def test_a_plan_written_by_hand(operator: Operator) -> None:
    """Method, route, collection and code are enough; pinned it serves in the place of what was learned."""
    taken = await operator.do("POST", "/plans/import?session=s1&pin=true", document([item(code=SHOUT)]))

    answer = await operator.api.get("/members/1")
    assert answer.json == {"name": "ADA"}
    assert answer.headers["X-Plan-ID"] == taken["plans"][0]
    shown = await operator.get(f"/plans/{taken['plans'][0]}")
    assert (shown["author"], shown["pinned"], shown["content"]) == ("person", True, "none")


async def test_a_file_is_taken_in_whole_or_not_at_all(operator: Operator) -> None:
    """One plan that does not pass, and none of the others is kept; the answer says which one it is."""
    before = await operator.get("/plans")
    plans = [item(code="REPLY = make_response(204)"), item(code="import os")]
    problem = await operator.refused(422, "POST", "/plans/import", document(plans))

    assert problem["plan"] == 2
    assert await operator.get("/plans") == before
    await operator.refused(400, "POST", "/plans/import", [1])


@pytest.mark.parametrize(
    "said", ["yesterday", "2026-13-01T00:00:00Z", "2026-01-31", "2026-01-31T25:00:00+00:00", 1, "x" * 10_000]
)
async def test_the_time_of_a_plan_is_one(operator: Operator, said: Any) -> None:
    """It is shown as a time, and plans are in its order."""
    problem = await operator.refused(
        422, "POST", "/plans/import", document([{**item(code=SHOUT), "created_at": said}])
    )
    assert "`created_at`" in problem["detail"]

    right = {**item(code=SHOUT), "created_at": "2026-01-31T12:00:00.5+00:00"}
    assert (await operator.do("POST", "/plans/import", document([right])))["plans"]


async def test_plans_are_taken_in_beside_the_event_loop(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each goes through codec and policy, and a file may have ten thousand."""
    read, threads = portable.read, []

    def noted(*arguments: Any) -> Any:
        threads.append(threading.current_thread())
        return read(*arguments)

    monkeypatch.setattr(portable, "read", noted)
    await operator.do("POST", "/plans/import", document([item(code=SHOUT)]))
    assert threads
    assert threading.main_thread() not in threads


async def test_long_replies_are_compared_as_far_as_it_takes_no_time() -> None:
    """A diff of all their lines would take the square of them; calls are counted."""
    one = described([{"n": n, "text": str(n)} for n in range(9_000)])
    two = described([{"n": n * 7 % 9_001, "text": str(n)} for n in range(9_000)])
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        diff = difference(one, two, "one", "two")
    finally:
        sys.setprofile(None)
    assert calls < 3_000_000, calls
    assert any(line.startswith("-") for line in diff)
    assert diff[-1].startswith(" (lines ")
    assert difference(one, one, "one", "two") == []
    assert difference(described([1, 2]), described([1, 3]), "a", "b")[-4:] != []


def described(body: Any) -> dict[str, Any]:
    return {"status": 200, "headers": [], "body": body, "records_changed": 0}
