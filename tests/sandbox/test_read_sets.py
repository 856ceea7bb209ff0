"""What answers of the real guest were made of, and what writes have touched, as the worker hands it on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

from wasm_runtime.outcome import Completed, Raised

if TYPE_CHECKING:
    from tests.sandbox.conftest import Sandbox

INSERT = 'REPLY = make_response(201, store.insert(ctx["body_json"]))'
OK = "REPLY = make_response(200)"


def ran(sandbox: Sandbox, code: str, **request: Any) -> Completed:
    outcome = sandbox.run(code, **request)
    assert isinstance(outcome, Completed), outcome
    return outcome


READS = {
    'REPLY = make_response(200, store.get("1"))': {"members": [1]},
    "REPLY = make_response(200, store.list()[1])": {"members": None},
    f"session_store['teams'].get('a')\n{OK}": {"teams": ["a"]},
    f"for n in range(1, 66):\n    store.get(n)\n{OK}": {"members": None},
    f"for n in range(17):\n    session_store[f'c{{n}}'].get(1)\n{OK}": None,
    f"'teams' in session_store\nsession_store.collections()\n{OK}": {"*": None},
    "print(1)\nREPLY = make_response(200, 1, {'X-A': 'b'})": {},
    "REPLY = make_response(404, store.get(5))": {"members": [5]},
}


@pytest.mark.parametrize("code", READS)
def test_what_a_reply_was_made_of(sandbox: Sandbox, code: str) -> None:
    """With it goes the version that it has seen."""
    assert ran(sandbox, INSERT, body={"name": "Ann"}).version == 1
    outcome = ran(sandbox, code, read_only=True)

    assert json.loads(outcome.reads) == READS[code]
    assert (outcome.version, outcome.touched) == (1, "")


@pytest.mark.parametrize("code", READS)
def test_what_nobody_wants_to_know_is_not_told(sandbox: Sandbox, code: str) -> None:
    """The answer is the same; so is what the next one tells. It writes as little as any read."""
    ran(sandbox, INSERT, body={"name": "Ann"})
    told, untold = (
        sandbox.run_job("s1", evolve(sandbox.job(code, read_only=True), unheard=unheard))
        for unheard in (False, True)
    )
    assert isinstance(told, Completed)
    assert isinstance(untold, Completed)

    assert (untold.reads, untold.status, untold.body) == ("", told.status, told.body)
    assert json.loads(ran(sandbox, code, read_only=True).reads) == READS[code]
    refused = sandbox.run_job("s1", evolve(sandbox.job(INSERT, read_only=True, body={}), unheard=True))
    assert isinstance(refused, Raised)


def test_what_a_write_has_touched(sandbox: Sandbox) -> None:
    """With the version that it has made. Of what it has read nothing is said."""
    first = ran(sandbox, INSERT, body={"name": "Ann"})
    second = ran(sandbox, INSERT, body={"id": "b", "name": "Bo"})

    assert (first.version, json.loads(first.touched)) == (1, {"members": [1], "*": None})
    assert (second.version, json.loads(second.touched), second.reads) == (
        2,
        {"members": ["b"], "*": None},
        "",
    )


@pytest.mark.parametrize(
    "code",
    [
        "store.insert({'n': 1})\nREPLY = make_response(422, 'no')",
        "REPLY = make_response(200, store.get(1))",
        "REPLY = make_response(200, store.update(1, {}))",
    ],
)
def test_what_has_written_nothing_touches_nothing(sandbox: Sandbox, code: str) -> None:
    """Undone, only read, or written as it was."""
    ran(sandbox, INSERT, body={"name": "Ann"})
    outcome = ran(sandbox, code)

    assert (outcome.touched, outcome.version) == ("", 1)


def test_reads_of_a_group_know_which_version_they_have_seen(sandbox: Sandbox) -> None:
    """One before a write in the same call of the guest has seen the one before."""
    read = "REPLY = make_response(200, store.get(1))"
    ran(sandbox, INSERT, body={"name": "Ann"})
    ran(sandbox, read, read_only=True)
    update = 'REPLY = make_response(200, store.update(1, ctx["body_json"]))'
    ran(sandbox, update, body={"name": "Bo"})

    jobs = [
        sandbox.job(read, read_only=True),
        sandbox.job(update, body={"name": "Cy"}),
        sandbox.job(read, read_only=True),
    ]
    before, write, after = sandbox.group(jobs)

    assert isinstance(before, Completed)
    assert isinstance(write, Completed)
    assert isinstance(after, Completed)
    assert (before.version, write.version, after.version) == (2, 3, 3)
    assert json.loads(write.touched) == {"members": [1]}
    assert before.body != after.body


def test_a_dry_run_touches_nothing(sandbox: Sandbox) -> None:
    """It is undone, and what it has read were its own writes."""
    outcome = ran(sandbox, INSERT, body={"name": "Ann"}, dry_run=True)

    assert (outcome.touched, outcome.reads) == ("", "")
