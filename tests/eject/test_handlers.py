"""A plan's code as a function's body: a table of what goes in and what comes out."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from server.eject.api import Route
from server.eject.handlers import body_of
from server.eject.sources import helper_modules
from server.planning.policy import check
from server.planning.policy.names import HELPER_NAMES
from server.values.model import Plan, RunnablePlan, SourceCode


def text_of(code: str, **members: Any) -> str:
    plan = Plan(action="do", resource="things", route="/things/{id:int}", code=SourceCode(code))
    runnable = RunnablePlan(plan, check(plan.code), "learned")
    route = Route("GET", plan.route, plan.resource, runnable.code.text, "do", runnable, **members)
    return body_of(route).text


def test_every_helper_of_a_plan_comes_along() -> None:
    """A plan that calls one without a place would keep the whole session from being ejected."""
    assert helper_modules().keys() >= HELPER_NAMES | {"make_response", "abort"}


@pytest.mark.parametrize(
    ("code", "body"),
    [
        ("REPLY = make_response(200)", "return make_response(200)"),
        # An early REPLY that something comes after is no end.
        (
            "REPLY = make_response(200)\nfor i in range(3):\n    REPLY = make_response(201, i)",
            "REPLY = make_response(200)\nfor i in range(3):\n    REPLY = make_response(201, i)\nreturn REPLY",
        ),
        (
            "REPLY = make_response(200, [])\nREPLY['body'].append(1)",
            "REPLY = make_response(200, [])\nREPLY['body'].append(1)\nreturn REPLY",
        ),
        (
            "try:\n    REPLY = make_response(200)\nexcept KeyError:\n    pass",
            "REPLY = None\ntry:\n    REPLY = make_response(200)\nexcept KeyError:\n    pass\nreturn REPLY",
        ),
        # A branch without one: the reply is then that of before.
        (
            "REPLY = make_response(200)\nif params['id'] > 1:\n    REPLY = make_response(404)",
            "REPLY = make_response(200)\nif params['id'] > 1:\n    REPLY = make_response(404)\nreturn REPLY",
        ),
        ("now = now()\nREPLY = make_response(200, now)", "now_ = now()\nreturn make_response(200, now_)"),
        (
            "if params['id']:\n    sum = 3\nREPLY = make_response(sum([200]))",
            "sum_ = sum\nif params['id']:\n    sum_ = 3\nreturn make_response(sum_([200]))",
        ),
    ],
)
def test_the_reply_is_returned_and_no_name_hides_a_helper(code: str, body: str) -> None:
    assert text_of(code) == body


@pytest.mark.parametrize(
    ("code", "body"),
    [
        ("REPLY = make_response(200, plan['resource'])", "return make_response(200, 'things')"),
        ("REPLY = make_response(200, f\"no {plan['resource']}\")", "return make_response(200, 'no things')"),
        ("REPLY = make_response(200, plan['identifier'])", "return make_response(200, params['id'])"),
        ("REPLY = make_response(200, plan['payload'])", "return make_response(200, ctx['body_json'])"),
        ("REPLY = make_response(200, plan['criteria'])", "return make_response(200, plan['criteria'])"),
        (
            "hints = plan['response_hints']\nown = hints['field']\nREPLY = make_response(200, params[own])",
            "return make_response(200, params['owner'])",
        ),
        # Whatever else is done with it, it is left as it is.
        (
            "REPLY = make_response(200, [plan['resource'], plan.get('action')])",
            "return make_response(200, [plan['resource'], plan.get('action')])",
        ),
        (
            "plan['resource'] = 'others'\nREPLY = make_response(200, plan['resource'])",
            "plan['resource'] = 'others'\nreturn make_response(200, plan['resource'])",
        ),
        # A name that is bound again is no constant.
        (
            "hints = plan['response_hints']\nhints = {}\nREPLY = make_response(200, hints)",
            "hints = {'field': 'owner'}\nhints = {}\nreturn make_response(200, hints)",
        ),
        # What a lambda takes is no name of the plan's.
        (
            "a = 'x'\nREPLY = make_response(200, sorted([a], key=lambda a: a[0]))",
            "return make_response(200, sorted(['x'], key=lambda a_: a_[0]))",
        ),
        (
            "sum = 1\nREPLY = make_response(200, max([sum], key=lambda sum: -sum))",
            "sum__ = 1\nreturn make_response(200, max([sum__], key=lambda sum_: -sum_))",
        ),
    ],
)
def test_what_a_plan_reads_of_itself_is_written_out(code: str, body: str) -> None:
    assert text_of(code, identifier="{id}", hints={"field": "owner"}) == body


@pytest.mark.parametrize(
    "hint", ["\" + str(print()) #'''", '"', "'", '""""', "'''\n\"\"\"\\", "{print()}", "\n"]
)
@pytest.mark.parametrize("before", ['\'\\"\\"', "'", '\\"', ""])
def test_no_text_of_a_plan_becomes_code(hint: str, before: str) -> None:
    """No policy has looked at the texts that are folded into an f-string: they add no names to it."""
    code = f"x = f\"{before}{{plan['response_hints']['k']}}{{ctx['path']}}\"\nREPLY = make_response(200, x)"
    plan = Plan(action="do", resource="things", route="/things/{id:int}", code=SourceCode(code))
    runnable = RunnablePlan(plan, check(plan.code), "learned")

    body = body_of(Route("GET", plan.route, "things", runnable.code.text, "do", runnable, hints={"k": hint}))

    names = {node.id for node in ast.walk(ast.parse(body.text)) if isinstance(node, ast.Name)}
    assert names <= {"x", "ctx", "plan", "make_response"}
    assert body.about is ("plan" in names)
