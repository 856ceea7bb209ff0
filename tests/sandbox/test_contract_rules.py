"""A reply that breaks its contract, in the real guest: what is enforced leaves nothing behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve

from server.contracts.schemas import prepare
from wasm_runtime.outcome import BreaksContract, Completed
from wasm_runtime.schemas import Checker, Rules

if TYPE_CHECKING:
    from tests.sandbox.conftest import Sandbox
    from wasm_runtime.outcome import Outcome

DONE = prepare({"item": {"type": "object", "required": ["name"]}}, ["#/item"], "reply")
KEYS = {"201": DONE.keys["#/item"]}
BAD = 'REPLY = make_response(201, store.insert({"n": 1}))'
GOOD = 'REPLY = make_response(201, store.insert({"name": "a"}))'
COUNT = "REPLY = make_response(200, store.count())"


def run(sandbox: Sandbox, code: str, **more: Any) -> Outcome:
    rules = Rules(Checker(DONE.text), KEYS, **more)
    return sandbox.group([evolve(sandbox.job(code), rules=rules)])[0]


def count(sandbox: Sandbox) -> bytes | None:
    outcome = sandbox.run(COUNT, read_only=True)
    assert isinstance(outcome, Completed)
    return outcome.body


def test_enforced(sandbox: Sandbox) -> None:
    """Neither the session nor the record has the write, and the next request is served."""
    outcome = run(sandbox, BAD, enforce=True)

    assert isinstance(outcome, BreaksContract)
    assert [(pointer, keyword) for pointer, keyword, _ in outcome.violations] == [("", "required")]
    assert count(sandbox) == b"0"
    assert isinstance(run(sandbox, GOOD, enforce=True), Completed)
    assert count(sandbox) == b"1"


def test_reported(sandbox: Sandbox) -> None:
    """The write is kept, and what is wrong with its reply comes with it."""
    outcome = run(sandbox, BAD)

    assert isinstance(outcome, Completed)
    assert [(pointer, keyword) for pointer, keyword, _ in outcome.violations] == [("", "required")]
    assert count(sandbox) == b"1"


def test_in_a_group(sandbox: Sandbox) -> None:
    """The one that breaks the contract is refused, those beside it are kept."""
    while not sandbox.runner.may_join("s1", sandbox.job(GOOD)) or not sandbox.runner.may_join(
        "s1", sandbox.job(BAD)
    ):
        sandbox.run(GOOD)
        sandbox.run(BAD)
    before = int(count(sandbox) or b"0")
    rules = Rules(Checker(DONE.text), KEYS, enforce=True)
    jobs = [evolve(sandbox.job(code), rules=rules) for code in (GOOD, BAD, GOOD)]
    outcomes = sandbox.group(jobs)

    assert [type(outcome) for outcome in outcomes] == [Completed, BreaksContract, Completed]
    assert int(count(sandbox) or b"0") == before + 2
