"""The corpus of honest programs on the real guest, as the policy lets them through."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from server.values.model import SAFE_METHODS
from tests.policy.corpus import accepted
from tests.policy.honest import Honest, programs, seed
from tests.sandbox.programs import document
from wasm_runtime.limits import Limits
from wasm_runtime.outcome import Completed
from wasm_runtime.runner import Job

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.conftest import Sandbox

PROGRAMS = programs()
_FILL = (
    'for name, records in ctx["body_json"].items():\n'
    "    session_store[name].insert_many(records)\n"
    "REPLY = make_response(201)"
)


@pytest.fixture
def filled(make_sandbox: Callable[..., Sandbox]) -> Sandbox:
    sandbox = make_sandbox(Limits())
    assert isinstance(sandbox.run(_FILL, body=seed()), Completed)
    return sandbox


@pytest.mark.parametrize("program", PROGRAMS, ids=[program.name for program in PROGRAMS])
def test_an_honest_program_answers(filled: Sandbox, program: Honest) -> None:
    """With the status that its author meant; a success is kept, a refusal is undone."""
    job = Job(
        1_000_000,
        "honest",
        document(accepted(program.code), program.resource),
        program.method in SAFE_METHODS,
        "\n".join(map(json.dumps, (program.params, program.query, program.ctx, program.body))),
    )
    filled.run_job("s1", job)
    outcome = filled.outcomes[job.id]

    assert isinstance(outcome, Completed), outcome
    assert outcome.status == program.status, outcome.body
    assert outcome.committed is (program.method not in SAFE_METHODS and program.status < 400)
