"""A dry run answers as the real one would, and leaves nothing: among others, in any collection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from wasm_runtime.outcome import Completed

if TYPE_CHECKING:
    from tests.sandbox.conftest import Sandbox
    from wasm_runtime.outcome import Outcome

WRITE = (
    'rec = store.insert({"n": store.count()})\nsession_store["log"].insert({"of": rec["id"]})\n'
    "REPLY = make_response(201, rec)"
)
KEEP = 'store.insert({"n": 1})\nREPLY = make_response(409, "no", keep=True)'
COUNT = 'REPLY = make_response(200, [store.count(), session_store["log"].count()])'


def told(outcome: Outcome) -> tuple[int, bytes | None, bool, int]:
    """Status, body, and what is said to be written."""
    assert isinstance(outcome, Completed), outcome
    return outcome.status, outcome.body, outcome.committed, outcome.changed


def counted(sandbox: Sandbox) -> bytes | None:
    outcome = sandbox.run(COUNT, read_only=True)
    assert isinstance(outcome, Completed)
    return outcome.body


def test_alone(sandbox: Sandbox) -> None:
    """Twice the same reply, because the first try left nothing, not even a used id; then it is done."""
    dry = [sandbox.group([evolve(sandbox.job(WRITE), dry_run=True)])[0] for _ in range(2)]
    before = counted(sandbox)
    done = sandbox.run(WRITE)

    assert [told(outcome) for outcome in dry] == [(201, b'{"id":1,"n":0}', False, 0)] * 2
    assert before == b"[0,0]"
    assert told(done) == (201, b'{"id":1,"n":0}', True, 2)
    assert counted(sandbox) == b"[1,1]"


def test_among_others(sandbox: Sandbox) -> None:
    """In one call with requests that are kept: they are, and it is not."""
    while not sandbox.runner.may_join("s1", sandbox.job(WRITE)):
        sandbox.run(WRITE)
    sandbox.run("store.delete_all()\nsession_store['log'].delete_all()\nREPLY = make_response(200)")
    jobs = [sandbox.job(WRITE), evolve(sandbox.job(WRITE), dry_run=True), sandbox.job(WRITE)]
    outcomes = [told(outcome) for outcome in sandbox.group(jobs)]

    assert [committed for _, _, committed, _ in outcomes] == [True, False, True]
    assert outcomes[1][1] == outcomes[2][1]
    assert counted(sandbox) == b"[2,2]"
    assert sandbox.live_rows() == sandbox.keeper.rows("s1")


def test_keep_does_not_keep(sandbox: Sandbox) -> None:
    """What an error would keep, its dry run does not."""
    outcome = sandbox.group([evolve(sandbox.job(KEEP), dry_run=True)])[0]

    assert told(outcome) == (409, b'"no"', False, 0)
    assert counted(sandbox) == b"[0,0]"
