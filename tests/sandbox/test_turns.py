"""What is done around a session's turn, and every so many of its reads."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import orjson
import pytest
from attrs import evolve

from wasm_runtime.outcome import Completed

if TYPE_CHECKING:
    from tests.sandbox.conftest import Sandbox

FILL = 'REPLY = make_response(201, store.insert({"n": 1}))'
READ = 'REPLY = make_response(200, store.get(1)["n"])'
ODD_TEXTS = ["", "\0", "\x1d", "é", "\U0001f980 and \U0010ffff", "x" * 70_000, "ü" * 33_333, "\\u0000"]


@pytest.mark.parametrize("together", [1, 2, 4, 6])
def test_reads_are_looked_after(sandbox: Sandbox, together: int) -> None:
    """However they are grouped, what a guest leaves beside its files is found."""
    assert isinstance(sandbox.run(FILL), Completed)
    assert isinstance(sandbox.run(READ, read_only=True), Completed)
    foreign = sandbox.root / "s1" / "foreign"
    foreign.touch()
    os.truncate(foreign, sandbox.guests._runtime.limits.session_disk_bytes * 9)

    for _ in range(20 // together):
        sandbox.group([sandbox.job(READ, read_only=True) for _ in range(together)])
    assert not foreign.exists()
    assert isinstance(sandbox.run(READ, read_only=True), Completed)


def test_a_group_is_told_together(sandbox: Sandbox) -> None:
    """Requests that ran together have the same share, and have waited for one another and for the record."""
    sandbox.run(FILL)
    came = time.monotonic_ns()
    jobs = [evolve(sandbox.job(FILL), waits_since_ns=came) for _ in range(6)]
    together = [outcome for outcome in sandbox.group(jobs) if isinstance(outcome, Completed)]
    took = (time.monotonic_ns() - came) // 1000

    assert len(together) == 6
    ((share, queue),) = {(each.micros, each.queue_micros) for each in together}
    settle = max(each.settle_micros for each in together)
    assert all(each.settle_micros > 0 for each in together)
    assert share * 5 <= queue
    assert queue + share + settle <= took


@pytest.mark.parametrize("text", ODD_TEXTS, ids=lambda text: ascii(text[:8]))
def test_texts_cross_the_border_whole(sandbox: Sandbox, text: str) -> None:
    """Of any length, and with every character that JSON can hold."""
    outcome = sandbox.run('REPLY = make_response(200, ctx["body_json"])', body=text)

    assert isinstance(outcome, Completed)
    assert outcome.body is not None
    assert orjson.loads(outcome.body) == text
