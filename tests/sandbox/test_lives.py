"""What was kept stays, whatever a later guest of the session undoes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from wasm_runtime.outcome import Completed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.conftest import Sandbox

FILL = """
store.insert_many([{"m": i, "p": "x" * 500} for i in range(40)])
REPLY = make_response(201, store.count())
"""
RAISE_ALL = """
for r in store.list()[0]:
    store.update(r["id"], {"m": r["m"] + 1000})
REPLY = make_response(200, 1)
"""
REFUSED = 'store.insert_many([{"m": i, "p": "y" * 500} for i in range(40)])\nREPLY = make_response(409, "no")'
TOUCH = 'store.update(1, {"life": ctx["body_json"]})\nREPLY = make_response(200, 1)'
READ = 'REPLY = make_response(200, [r["m"] for r in store.list()[0]])'


def read(sandbox: Sandbox) -> Any:
    outcome = sandbox.run(READ, read_only=True)
    assert isinstance(outcome, Completed), outcome
    return orjson.loads(outcome.body or b"")


def next_life(sandbox: Sandbox) -> None:
    """As after a restart, an eviction or a trap: the next request has a guest of its own."""
    sandbox.guests.drop("s1")


@pytest.mark.parametrize("refusals", [1, 2, 3])
def test_a_rollback_brings_nothing_back(sandbox: Sandbox, refusals: int) -> None:
    """Guest after guest: a write of many pages is committed, a later guest's is undone, both many times."""
    sandbox.run(FILL)
    expected = list(range(40))
    for _ in range(3):
        next_life(sandbox)
        sandbox.run(RAISE_ALL)
        expected = [m + 1000 for m in expected]
        next_life(sandbox)
        for _ in range(refusals):
            sandbox.run(REFUSED)
            assert read(sandbox) == expected
        sandbox.run('REPLY = make_response(200, store.update(1, {"q": 1}))')
        next_life(sandbox)
        assert read(sandbox) == expected
    next_life(sandbox)
    with closing(sqlite3.connect(f"file:{sandbox.root}/s1/store.db?mode=ro", uri=True)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert sandbox.live_rows() == sandbox.keeper.rows("s1")


def test_group_rollbacks_across_guests(make_sandbox: Callable[..., Sandbox]) -> None:
    """Groups with refused members, a new guest for each: the others' writes are all there."""
    sandbox = make_sandbox()
    sandbox.run(FILL)
    kept = 40
    for life in range(6):
        next_life(sandbox)
        outcomes = sandbox.group(
            [
                sandbox.job('REPLY = make_response(201, store.insert({"m": 1, "p": "z" * 300}))'),
                sandbox.job(REFUSED),
                sandbox.job(
                    'store.update(1, {"life": ctx["body_json"]})\nREPLY = make_response(200, 1)', body=life
                ),
            ]
        )
        kept += 1
        assert [outcome.status for outcome in outcomes if isinstance(outcome, Completed)] == [201, 409, 200]
        next_life(sandbox)
        assert len(read(sandbox)) == kept
