"""Operators turn learning, read what it cost, are told what keeps the model away, and write plans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.learning.plans import CREATE, GET, LIST, MEMBERS
from tests.unit.server.planning.providers.gateways import openai, refused
from tools.simulators import Answer, by_route

if TYPE_CHECKING:
    from tests.operations.conftest import Operate, Operator

COMMENTED = """\
# Whoever reads this: names are shouted.

rec = store.get(params["id"])   # by number

if rec is None:
    abort(404, "no such member")


REPLY = make_response(200, {"name": rec["name"].upper()})  # nothing else
"""


async def explained(operator: Operator, method: str, path: str, **more: Any) -> Any:
    return await operator.do("POST", "/explain", {"session": "s1", "method": method, "path": path, **more})


class TestSwitch:
    async def test_off_and_on_without_a_restart(self, operate: Operate) -> None:
        """Off, learned routes and conventions are served; on, the next new route is planned."""
        operator = await operate(by_route(MEMBERS))
        assert (await operator.api.post("/members", {"name": "Ada"})).source == "planned"
        assert (await operator.get("/learning"))["learn"] is True
        off = await operator.do("PUT", "/learning", {"learn": False})
        calls = operator.api.calls
        learned, convention = (
            await operator.api.post("/members", {"name": "Bob"}),
            await operator.api.get("/members/1"),
        )
        nobody = await operator.api.post("/members/1/promote")
        told = await explained(operator, "POST", "/members/1/promote")
        on = await operator.do("PUT", "/learning", {"learn": True})

        assert (off["learn"], on["learn"]) == (False, True)
        assert on["by"].startswith("openai/")
        assert (learned.source, convention.source, operator.api.calls) == ("learned", "conventions", calls)
        assert (nobody.status, nobody.json["type"]) == (404, "/_meta/problems/not-learned")
        assert "Learning is off" in told["why"][-1]
        assert (await operator.api.get("/members/1")).source == "planned"

    async def test_on_where_the_settings_say_off(self, operate: Operate) -> None:
        """The model is made ready then; doctor and explain say what counts now."""
        operator = await operate(by_route(MEMBERS), learn=False)
        assert (await operator.api.post("/members", {"name": "Ada"})).source == "conventions"
        await operator.do("PUT", "/learning", {"learn": True})
        findings = {each["name"]: each["detail"] for each in (await operator.get("/doctor"))["findings"]}

        assert (await operator.api.post("/members", {"name": "Bob"})).source == "planned"
        assert "learning" not in findings
        assert (await explained(operator, "GET", "/members/1"))["source"] == "model"

    async def test_where_there_is_no_model(self, operate: Operate) -> None:
        """It says so, and changes nothing."""
        operator = await operate((), provider="conventions")
        problem = await operator.refused(409, "PUT", "/learning", {"learn": True})

        assert "no model" in problem["detail"]
        assert (await operator.get("/learning")) == {"learn": False, "by": None, "setting": True}

    @pytest.mark.parametrize("body", [None, {}, {"learn": 1}, {"learn": "on"}, {"on": True}])
    async def test_a_body_that_says_neither(self, operate: Operate, body: Any) -> None:
        """A word that is no answer turns nothing."""
        operator = await operate(by_route(MEMBERS))
        await operator.refused(400, "PUT", "/learning", body)

        assert (await operator.get("/learning"))["learn"] is True


class TestUsage:
    async def test_calls_tokens_and_cost(self, operate: Operate) -> None:
        """By day, model and session; also of a question that came to nothing; and after a restart."""
        prices = {"input_price": 250, "output_price": 2_000}
        operator = await operate(by_route(MEMBERS), openai=prices)
        await operator.api.post("/members", {"name": "Ada"})
        await operator.api.get("/members/1")
        await operator.api.get("/members", "s2")
        await operator.api.service.close()
        again = await operate(by_route(MEMBERS), openai=prices)
        found = await again.get("/usage")
        by_session = await again.get("/usage?by=session&session=s2")

        assert [row["session"] for row in found["usage"]] == ["s1", "s2"]
        assert [row["calls"] for row in found["usage"]] == [2, 1]
        assert {row["model"] for row in found["usage"]} == {"openai/gpt-5.4-mini"}
        assert found["total"] == {
            "calls": 3,
            "input_tokens": 3_000,
            "output_tokens": 600,
            "cost": (3_000 * 250 + 600 * 2_000) / 10**9,
            "unpriced_calls": 0,
        }
        assert by_session["usage"] == [{"session": "s2", **by_session["total"]}]

    async def test_failed_calls_count(self, operate: Operate) -> None:
        """They were made, and some were paid for."""
        operator = await operate([refused(400, openai("no"))])
        await operator.api.get("/members")

        assert (await operator.get("/usage"))["total"]["calls"] == 1

    @pytest.mark.parametrize("query", ["by=hour", "since=yesterday", "since=2026-02-30", "since=20260101"])
    async def test_what_cannot_be_asked(self, operate: Operate, query: str) -> None:
        """Groups and days have names."""
        operator = await operate(by_route(MEMBERS))

        assert "`" in (await operator.refused(400, "GET", f"/usage?{query}"))["detail"]

    async def test_nothing_was_asked(self, operate: Operate) -> None:
        """Then there is nothing, not an error."""
        operator = await operate((), provider="conventions")

        assert await operator.get("/usage") == {
            "by": ["day", "model", "session"],
            "usage": [],
            "total": None,
        }


TROUBLES = [
    (refused(404, openai("The model `m` does not exist", code="model_not_found")), "does not know the model"),
    (refused(404, "page not found"), "the path in base_url is wrong"),
    (refused(400, {"code": 400, "type": "exceed_context_size_error"}), "do not fit into the model's context"),
    (refused(401, openai("no")), "does not accept the key"),
]


@pytest.mark.parametrize(("answer", "reason"), TROUBLES, ids=[reason for _, reason in TROUBLES])
async def test_explain_names_what_keeps_the_model_away(operate: Operate, answer: Any, reason: str) -> None:
    """Clients read 503 and no more; operators read why, also before they ask the model themselves."""
    operator = await operate([answer], fallback="none")
    failed = await operator.api.get("/members")
    told = await explained(operator, "GET", "/members")
    asked = await explained(operator, "GET", "/members", ask=True)
    findings = {each["name"]: each for each in (await operator.get("/doctor"))["findings"]}

    assert failed.status == 503
    assert reason not in str(failed.json)
    assert any("It was last asked in vain" in each and reason in each for each in told["why"])
    assert (asked["source"], asked["error"]["status"]) == ("none", 503)
    assert reason in asked["why"][-1]
    assert (findings["provider"]["verdict"], reason in findings["provider"]["detail"]) == ("warning", True)
    operator.api.model.script = [Answer(LIST)]
    assert (await operator.api.get("/members")).status == 200
    assert "in vain" not in str(await explained(operator, "GET", "/members/1"))


class TestWrittenByHand:
    async def test_comments_and_layout_are_kept(self, operator: Operator) -> None:
        """What a person wrote is what the next person is shown, and what goes into a file of plans."""
        before = await operator.plan_of("GET", "/members/{id:int}")
        notice = "#| GET /members/{id:int}: the code\n#| What you save\n"
        edited = await operator.do("PUT", f"/plans/{before['id']}/code", {"code": notice + COMMENTED})
        shown = await operator.get(f"/plans/{edited['id']}")
        exported = await operator.get(f"/plans/export?plan={edited['id']}")
        await operator.do("DELETE", f"/plans/{edited['id']}")
        await operator.do("POST", "/plans/import?session=s1", exported)
        imported = await operator.get(f"/plans/{edited['id']}")

        assert shown["source"] == COMMENTED
        assert "#" not in shown["code"]
        assert exported["plans"][0]["code"] == COMMENTED.splitlines()
        assert imported["source"].strip() == COMMENTED.strip()
        assert (await operator.api.get("/members/1")).json == {"name": "ADA"}

    async def test_other_comments_alone_are_kept_too(self, operator: Operator) -> None:
        """It is the same plan, with the same id."""
        before = await operator.plan_of("GET", "/members/{id:int}")
        edited = await operator.do("PUT", f"/plans/{before['id']}/code", {"code": COMMENTED})
        again = await operator.do("PUT", f"/plans/{edited['id']}/code", {"code": f"# new\n{COMMENTED}"})
        checked = await operator.do(
            "PUT", f"/plans/{edited['id']}/code", {"code": f"# only looked at\n{COMMENTED}", "check": True}
        )

        assert (again["id"], again["changed"]) == (edited["id"], False)
        assert checked["changed"] is False
        assert (await operator.get(f"/plans/{edited['id']}"))["source"] == f"# new\n{COMMENTED}"

    async def test_what_the_model_wrote_has_no_source(self, operator: Operator) -> None:
        """Its code is all there is."""
        plan = await operator.plan_of("GET", "/members/{id:int}")

        assert (await operator.get(f"/plans/{plan['id']}"))["source"] is None

    @pytest.mark.parametrize("route", ["/members/{id:int}/promote", "/resets"])
    async def test_a_post_that_ignores_the_body_serves_requests_with_one(
        self, operate: Operate, route: str
    ) -> None:
        """Clients send `{}`, or whatever they have; the plan reads none of it, and no model is asked."""
        operator = await operate(by_route(MEMBERS))
        await operator.api.post("/members", {"name": "Ada"})
        plan = {
            "method": "POST",
            "route": route,
            "resource": "members",
            "code": "REPLY = make_response(200, {'count': store.count()})",
        }
        document = {"format": "metaservice plans", "version": 1, "plans": [plan]}
        await operator.do("POST", "/plans/import?session=s1", document)
        calls, path = operator.api.calls, route.replace("{id:int}", "1")
        replies = [
            await operator.api.post(path),
            await operator.api.post(path, {}),
            await operator.api.post(path, {"to": ["chair"]}),
            await operator.api.ask("POST", path, [1]),
        ]

        assert [(each.status, each.json, each.source) for each in replies] == [
            (200, {"count": 1}, "learned")
        ] * 4
        assert operator.api.calls == calls

    async def test_a_plan_for_that_body_comes_first(self, operate: Operate) -> None:
        """And what a model has learned without a body is for requests without one alone."""
        operator = await operate(by_route({"POST /members": CREATE, "GET /members/{id:int}": GET}))
        plans = [
            {"method": "POST", "route": "/members", "resource": "members", "code": code}
            for code in ("REPLY = make_response(202)", 'REPLY = make_response(200, ctx["body_json"])')
        ]
        document = {"format": "metaservice plans", "version": 1, "plans": plans}
        await operator.do("POST", "/plans/import?session=s1", document)

        assert (await operator.api.post("/members")).status == 202
        assert (await operator.api.post("/members", {"a": 1})).json == {"a": 1}


async def test_a_key_does_not_empty_the_document(operate: Operate) -> None:
    """What conventions answer is listed with a model, too, marked as what is not learned yet."""
    operator = await operate(by_route(MEMBERS))
    await operator.api.post("/members", {"name": "Ada"})
    document = (await operator.api.get("/openapi.json")).json
    members, member = document["paths"]["/members"], document["paths"]["/members/{id}"]
    plain = await operate((), provider="conventions", root=operator.api.service._data_root.path.parent / "b")
    await plain.api.post("/members", {"name": "Ada"})
    without = (await plain.api.get("/openapi.json")).json

    assert set(document["paths"]) == set(without["paths"])
    assert {*member} == {"get", "put", "patch", "delete"}
    assert {each["x-plan-source"] for each in member.values()} == {"conventions"}
    assert member["get"]["operationId"] == without["paths"]["/members/{id}"]["get"]["operationId"]
    assert "default" in member["get"]["responses"]
    assert "x-plan-source" not in members["post"]
    assert "x-plan-source" not in str(without)
