"""What `explain` says is what the planner then does; replays happen beside the session."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from server.planning.learned.library_file import FILE_NAME
from server.sessions.files import SCRATCH_PREFIX
from tests.learning.plans import DELETE
from tests.operations.conftest import ADMIN, MEMBERS, Operator
from tests.operations.test_plans import RAISES, ROUTE, SHOUT
from tools.simulators import Answer, by_route, plan
from tools.torture import obedient

if TYPE_CHECKING:
    from tests.operations.conftest import Operate

PROMOTE = plan("/members/{member_id:int}/promote", "REPLY = make_response(200, {})")


def request(method: str, path: str, session: str = "s1", **more: Any) -> dict[str, Any]:
    return {"session": session, "method": method, "path": path, **more}


async def explained(operator: Operator, *args: Any, **more: Any) -> Any:
    return await operator.do("POST", "/explain", request(*args, **more))


async def test_each_source_is_told_of(operator: Operator) -> None:
    """Learned, library, model, conventions; and then it is so, and no call was made to find out."""
    calls = operator.api.calls
    learned = await explained(operator, "GET", "/members/1")
    await operator.api.post("/members", {"name": "Bob"}, session="s2")
    library = await explained(operator, "GET", "/members/1", "s2")
    model = await explained(operator, "DELETE", "/members/1")
    head = await explained(operator, "HEAD", "/members/7")

    assert [each["source"] for each in (learned, library, model, head)] == [
        *("learned", "library", "model", "learned")
    ]
    assert operator.api.calls == calls
    answer = await operator.api.get("/members/1", session="s2")
    assert answer.headers["X-Plan-ID"] == library["plan"]["id"] == learned["plan"]["id"]
    assert model["plan"] is None
    assert (await explained(operator, "GET", "/.git/config"))["error"]["status"] == 404


@pytest.mark.parametrize("path", ["/explain", "/plans/{plan}/replay"])
@pytest.mark.parametrize(
    ("method", "kind"),
    [("POST", "merge-patch"), ("PUT", "merge-patch"), ("PUT", "json-patch"), ("POST", "json-patch")],
)
async def test_patch_documents_go_with_patch(operator: Operator, path: str, method: str, kind: str) -> None:
    """A patch document is no record: operators are told what the request's client would be."""
    content = {"Content-Type": f"application/{kind}+json"}
    plan_id = (await operator.plan_of("GET", ROUTE))["id"]
    client = await operator.api.ask(method, "/members/1", {}, **content)
    asked = request(method, "/members/1", headers=content, body={})

    problem = await operator.refused(415, "POST", path.format(plan=plan_id), asked)
    assert problem["detail"] == client.json["detail"]


async def test_nothing_is_left_by_a_look(operator: Operator) -> None:
    """A session that nobody has used does not come to be by being asked about."""
    await explained(operator, "GET", "/members/1", "nobody")

    assert [each["session"] for each in (await operator.get("/sessions"))["sessions"]] == ["s1"]


async def test_the_model_is_asked_if_told_to(operator: Operator) -> None:
    """One call, and the next such request runs what came of it."""
    calls = operator.api.calls
    operator.api.model.script = by_route({f"DELETE {ROUTE}": DELETE})
    found = await explained(operator, "DELETE", "/members/1", ask=True)
    answer = await operator.api.ask("DELETE", "/members/1")

    assert operator.api.calls == calls + 1
    assert (found["source"], answer.status) == ("model", 204)
    assert answer.headers["X-Plan-ID"] == found["plan"]["id"]


async def test_without_a_model(operate: Operate) -> None:
    """Conventions, or nobody: with the status that the request would have."""
    operator = await operate(by_route({}), provider="conventions")
    read = await explained(operator, "GET", "/members?age__gte=3")
    strange = await explained(operator, "POST", "/members/1/cancel")

    assert (read["source"], read["error"]) == ("conventions", None)
    assert (await operator.api.get("/members?age__gte=3")).headers["X-Plan-ID"] == read["plan"]["id"]
    assert (strange["source"], strange["error"]["status"]) == ("none", 501)
    assert (await operator.api.post("/members/1/cancel")).status == 501


async def test_learning_that_is_off(operate: Operate) -> None:
    """It is said what the setting does, with the status of the request; what was learned is not stale."""
    first = await operate(by_route(MEMBERS))
    await first.api.post("/members", {"name": "Ada"})
    await first.api.service.close()
    frozen = await operate(by_route(MEMBERS), learn=False)
    learned = await explained(frozen, "POST", "/members", body={"name": "Bob"})
    found = await explained(frozen, "POST", "/members/1/promote", ask=True)
    answer = await frozen.api.post("/members/1/promote")
    findings = {each["name"]: each["detail"] for each in (await frozen.get("/doctor"))["findings"]}

    assert learned["why"] == ["The session has learned a plan for it."]
    assert "Learning is off (planner.learn), so no model is asked: 404 not-learned." in found["why"][-1]
    assert (found["error"]["status"], found["error"]["type"]) == (404, "not-learned")
    assert (answer.status, answer.json["detail"]) == (404, found["error"]["detail"])
    assert findings["learning"].startswith("learn=off")
    assert frozen.api.calls == 0


async def test_what_the_model_refused_is_told_of(operate: Operate) -> None:
    """When, why, and until when nobody is asked; told to, the model is asked all the same."""
    operator = await operate(by_route({}), fallback="none")
    assert (await operator.api.post("/members/1/promote")).status == 502
    calls = operator.api.calls
    found = await explained(operator, "POST", "/members/1/promote")

    assert (found["source"], found["error"]["status"], found["refused"]) == ("none", 502, None)
    pattern = (
        r"The model was asked on (.+Z), in vain: (.+\.) It is not asked again before (.+Z), but by `--ask`\."
    )
    told = re.fullmatch(pattern, found["why"][-1])
    assert told is not None
    since, until = (datetime.fromisoformat(told[at]) for at in (1, 3))
    assert timedelta(seconds=595) < until - since < timedelta(seconds=605)
    assert told[2] == found["error"]["detail"]
    assert operator.api.calls == calls

    operator.api.model.script = by_route({"POST /members/{member_id:int}/promote": PROMOTE})
    asked = await explained(operator, "POST", "/members/1/promote", ask=True)
    written = await explained(operator, "POST", "/members/1/promote")
    assert operator.api.calls == calls + 1
    assert asked["plan"]["id"] == written["plan"]["id"]
    assert "has not run yet" in written["why"][-1]
    assert (await operator.api.post("/members/1/promote")).headers["X-Plan-ID"] == asked["plan"]["id"]


async def test_conventions_in_the_place_of_a_refusal(operator: Operator) -> None:
    """What the request then gets is said, and is so."""
    operator.api.model.script = by_route({})
    answer = await operator.api.ask("DELETE", "/members/7")
    found = await explained(operator, "DELETE", "/members/7")

    assert (answer.status, answer.source) == (404, "conventions")
    assert (found["source"], found["error"]) == ("conventions", None)
    assert found["plan"]["id"] == answer.headers["X-Plan-ID"]
    assert found["why"][-1] == "In its place the request is served by: conventions."


async def test_refused_code_is_shown_to_operators_alone(operate: Operate) -> None:
    """With the places, in characters from 1; the client hears nothing of it, the log has lines."""
    code = 'import os\nREPLY = make_response(200, "ä" + os.name)'
    wrong = plan("/members/{member_id:int}/promote", code)
    operator = await operate([Answer(wrong)], fallback="none", repairs=0)
    api = operator.api
    with capture_logs() as logs:
        answer = await api.post("/members/1/promote")
    found = await explained(operator, "POST", "/members/1/promote", ask=True)

    assert answer.status == 502
    assert "os" not in answer.json["detail"].split()
    (line,) = [entry for entry in logs if entry["event"] == "plan refused"]
    assert line["why"][0].startswith("line 1: import is not allowed: ")
    assert line["why"][1].startswith("line 2: 'os' is not defined: ")
    assert found["error"]["status"] == 502
    assert found["refused"]["code"] == code
    places = [(each["line"], each["column"], each["rule"]) for each in found["refused"]["violations"]]
    assert places == [(1, 1, "node"), (2, 34, "name")]


async def test_an_unknown_slots_name_is_not_logged(operate: Operate) -> None:
    """It is a literal of the model's; operators see it, the log has the line and the rule."""
    wrong = plan("/members/{id:int}/promote", 'x = 1\nREPLY = make_response(200, params["CANARY 7f3a"])')
    operator = await operate([Answer(wrong)], fallback="none", repairs=0)
    with capture_logs() as logs:
        answer = await operator.api.post("/members/1/promote")
    found = await explained(operator, "POST", "/members/1/promote", ask=True)

    (line,) = [entry for entry in logs if entry["event"] == "plan refused"]
    assert line["why"] == ["line 2: params has a key that is no slot of the route (slot)"]
    assert "CANARY" not in repr(logs)
    assert answer.status == 502
    assert "CANARY" in found["refused"]["violations"][0]["message"]


async def test_an_answer_that_is_no_plan_is_told_of(operate: Operate) -> None:
    """Its reasons, and not the answer, which may be anything."""
    operator = await operate([Answer({"action": "do"})], repairs=0)
    found = await explained(operator, "POST", "/members/1/promote", ask=True)

    assert found["refused"]["code"] == ""
    assert any("resource" in reason for reason in found["refused"]["reasons"])


async def test_the_view_is_told_of(operate: Operate) -> None:
    """Which one the model is, or was, asked with, and why."""
    operator = await operate(obedient.model())
    api = operator.api
    wide = await explained(operator, "POST", "/members", body={"name": "Ada"})
    await api.post("/members", {"name": "Ada"})
    await api.post("/orders", {"total": 5})
    narrow = await explained(operator, "GET", "/members/1/summary")
    asked = await explained(operator, "GET", "/members/1/summary", ask=True)
    calls = api.calls
    known = await explained(operator, "GET", "/members/1/summary")

    rule = "wide one, with all collections and earlier plans: its path names no collection that exists"
    said = "wide one, with all collections and earlier plans: the model said that it needs it"
    assert any(rule in sentence for sentence in wide["why"])
    assert any("narrow one" in sentence for sentence in narrow["why"])
    assert any(said in sentence for sentence in asked["why"])
    assert any(said in sentence for sentence in known["why"])
    assert (narrow["plan"], known["source"], api.calls) == (None, "model", calls)
    assert known["plan"]["id"] == asked["plan"]["id"]
    assert (await api.get("/members/1/summary")).headers["X-Plan-ID"] == known["plan"]["id"]
    await api.get("/members")
    learned = [await explained(operator, "GET", path) for path in ("/members/1/summary", "/members")]
    assert [each["source"] for each in learned] == ["learned", "learned"]
    views = [each["view"] for each in (wide, narrow, asked, known, *learned)]
    assert views == ["wide", "narrow", "wide", "wide", "wide", "narrow"]


async def test_values_that_are_kept_from_the_model(operate: Operate) -> None:
    """The 501 of the setting; told to, the model is asked anew."""
    question = plan("/ask", "REPLY = make_response(200, 1)", "ask", needs="values")
    operator = await operate(by_route({"POST /ask": question}), fallback="none")
    api = operator.api
    assert (await api.post("/ask", {"question": "how many"})).status == 501
    found = await explained(operator, "POST", "/ask", body={"question": "why"})
    assert (found["error"]["status"], api.calls) == (501, 1)
    assert found["why"][-1] == "The model has said that it needs the values."

    await explained(operator, "POST", "/ask", body={"question": "why"}, ask=True)
    assert api.calls == 2


async def test_stale_and_quarantined_plans_are_told_of(operator: Operator) -> None:
    """Why a plan that was learned does not serve."""
    shown = await operator.plan_of("GET", ROUTE)
    learned = operator.api.service._planner.parts[0]  # type: ignore[attr-defined]
    (use,) = await learned.read(lambda library: library.learned_from(shown["id"]))
    await learned.change(lambda library: library.mark_failures(use.number, "[]", quarantined=True))
    found = await explained(operator, "GET", "/members/1")

    assert found["source"] == "model"
    assert any("quarantine" in sentence for sentence in found["why"])


async def test_a_replay_changes_nothing(operator: Operator) -> None:
    """The reply is what it would be; records, ids and routes of the session are as before."""
    before = await operator.get("/sessions/s1")
    create = await operator.plan_of("POST", "/members")
    replay = f"/plans/{create['id']}/replay"
    first = await operator.do("POST", replay, request("POST", "/members", body={"name": "Bob"}))
    again = await operator.do("POST", replay, request("POST", "/members", body='{"name": "Bob"}'))

    assert first["reply"]["status"] == 201
    assert first["reply"]["body"] == {"id": 2, "name": "Bob"} == again["reply"]["body"]
    assert first["reply"]["records_changed"] == 1
    after = await operator.get("/sessions/s1")
    assert (after["collections"], after["learned"]) == (before["collections"], before["learned"])
    nobody = await operator.do("POST", replay, request("POST", "/members", "nobody", body={"name": "B"}))
    assert nobody["reply"]["body"]["id"] == 1
    assert [each["session"] for each in (await operator.get("/sessions"))["sessions"]] == ["s1"]


@pytest.mark.parametrize(
    ("text", "status", "detail"),
    [
        ("'{}'", 409, "not readable; forget it"),
        ("replace(plan, 'REPLY', 'import os; REPLY')", 422, "The policy refuses the code"),
    ],
)
async def test_a_replay_of_a_plan_that_was_tampered_with(
    operator: Operator, text: str, status: int, detail: str
) -> None:
    """The file of the library is anybody's to edit: what is wrong with a row is said."""
    shown = await operator.plan_of("GET", ROUTE)
    create = await operator.plan_of("POST", "/members")
    with sqlite3.connect(Path(operator.api.service.data_path) / FILE_NAME) as file:
        file.execute(f"UPDATE plans SET plan = {text} WHERE method = 'GET'")
    file.close()
    problem = await operator.refused(
        status, "POST", f"/plans/{shown['id']}/replay", request("GET", "/members/1")
    )
    against = request("POST", "/members", body={}, against=shown["id"])
    other = await operator.refused(status, "POST", f"/plans/{create['id']}/replay", against)

    assert detail in problem["detail"]
    assert detail in other["detail"]


async def test_a_replay_of_a_session_that_cannot_be_read(operator: Operator) -> None:
    """Nothing is run, and no copy is left."""
    shown = await operator.plan_of("GET", ROUTE)
    root = Path(operator.api.service.data_path)
    with closing(sqlite3.connect(root / "record.db")) as record, record:
        record.execute("UPDATE records SET doc = replace(doc, 'Ada', 'Adb')")
    problem = await operator.refused(
        500, "POST", f"/plans/{shown['id']}/replay", request("GET", "/members/1")
    )

    assert problem["type"] == "/_meta/problems/session-damaged"
    assert (await operator.get("/record"))["sessions"] == 1
    assert not list(root.glob(f"{SCRATCH_PREFIX}*"))  # noqa: ASYNC240  a directory of a few files


async def test_two_versions_are_compared(operator: Operator) -> None:
    """Edited code, or another plan, against the plan as it is; equal replies are no difference."""
    shown = await operator.plan_of("GET", ROUTE)
    replay = f"/plans/{shown['id']}/replay"
    found = await operator.do("POST", replay, request("GET", "/members/1", code=SHOUT))
    same = await operator.do("POST", replay, request("GET", "/members/1", against=shown["id"]))
    failing = await operator.do("POST", replay, request("GET", "/members/1", code=RAISES))

    assert (found["reply"]["body"]["name"], found["other"]["reply"]["body"]) == ("Ada", {"name": "ADA"})
    assert '-  "name": "Ada"' in found["diff"]
    assert '+  "name": "ADA"' in found["diff"]
    assert (same["differs"], same["diff"]) == (False, [])
    assert failing["other"]["reply"]["status"] == 500
    assert (await operator.api.get("/members/1")).headers["X-Plan-ID"] == shown["id"]


async def test_a_replay_is_for_the_plans_own_requests(operator: Operator) -> None:
    """Another method, another path, code that is refused, two others at once: each is said."""
    shown = await operator.plan_of("GET", ROUTE)
    replay = f"/plans/{shown['id']}/replay"

    await operator.refused(400, "POST", replay, request("DELETE", "/members/1"))
    await operator.refused(400, "POST", replay, request("GET", "/members"))
    await operator.refused(422, "POST", replay, request("GET", "/members/1", code="import os"))
    both = request("GET", "/members/1", code=SHOUT, against=shown["id"])
    await operator.refused(400, "POST", replay, both)
    await operator.refused(400, "POST", replay, request("GET", "/members/1", code=5))
    await operator.refused(400, "POST", replay, request("POST", "/members/1", body="{"))


async def test_the_doctor_sees_the_running_service(operator: Operator) -> None:
    """Workers, walls, and the provider, which is connected to only if asked for."""
    found = await operator.get("/doctor")
    verdicts = {each["name"]: each["verdict"] for each in found["findings"]}
    reached = await operator.get("/doctor?reach=true")
    said = [{each["name"]: each["detail"] for each in it["findings"]}["provider"] for it in (found, reached)]

    assert found["ok"]
    assert (verdicts["workers"], verdicts["guest"], verdicts["admin token"]) == ("ok", "ok", "ok")
    assert verdicts["advisories"] == "ok"
    assert "provider's host" not in verdicts
    assert {each["name"]: each["verdict"] for each in reached["findings"]}["provider's host"] == "ok"
    assert [each.endswith(", not tried") for each in said] == [True, False]
    assert found["limits"]["wall_ms"] == 8_000
    assert ADMIN not in str(found)
