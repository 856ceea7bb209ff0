"""What is done around a session's turn: after its answers, and every so many of its reads."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import orjson
import pytest
from attrs import evolve

from wasm_runtime.limits import GuestReuse
from wasm_runtime.outcome import Completed
from wasm_runtime.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.conftest import Sandbox

FILL = 'REPLY = make_response(201, store.insert({"n": 1}))'
READ = 'REPLY = make_response(200, store.get(1)["n"])'
ODD_TEXTS = ["", "\0", "\x1d", "é", "\U0001f980 and \U0010ffff", "x" * 70_000, "ü" * 33_333, "\\u0000"]


def test_a_guest_goes_after_the_answer(make_sandbox: Callable[..., Sandbox]) -> None:
    """Nobody waits for its end, nor for what is looked at then."""
    sandbox = make_sandbox(reuse=GuestReuse(mode="never", spare_guests=0))
    seen: list[tuple[int, bool]] = []
    runner = Runner(
        sandbox.guests,
        sandbox.cell,
        sandbox._report,
        lambda: seen.append((len(sandbox.outcomes), "s1" in sandbox.guests)),
    )
    runner.run("s1", [sandbox.job(FILL)])

    assert seen == [(1, True)]
    assert "s1" not in sandbox.guests


@pytest.mark.parametrize("together", [1, 2, 4, 6])
def test_reads_are_looked_after(sandbox: Sandbox, together: int) -> None:
    """However they are grouped, what a guest leaves beside its files is found after sixteen reads or so."""
    assert isinstance(sandbox.run(FILL), Completed)
    assert isinstance(sandbox.run(READ, read_only=True), Completed)
    foreign = sandbox.root / "s1" / "foreign"
    foreign.touch()
    os.truncate(foreign, sandbox.guests._runtime.limits.session_disk_bytes * 9)

    for _ in range(20 // together):
        sandbox.group([sandbox.job(READ, read_only=True) for _ in range(together)])
    assert not foreign.exists()
    assert isinstance(sandbox.run(READ, read_only=True), Completed)


def test_a_group_waits_for_one_commit(sandbox: Sandbox) -> None:
    """Requests that ran together have the same share, the same commit, and have waited for one another."""
    sandbox.run(FILL)
    came = time.monotonic_ns()
    jobs = [evolve(sandbox.job(FILL), waits_since_ns=came) for _ in range(6)]
    together = [outcome for outcome in sandbox.group(jobs) if isinstance(outcome, Completed)]
    took = (time.monotonic_ns() - came) // 1000

    assert len(together) == 6
    ((share, settle, queue),) = {(each.micros, each.settle_micros, each.queue_micros) for each in together}
    assert settle > 0
    assert share * 5 <= queue
    assert queue + share + settle <= took


@pytest.mark.parametrize("text", ODD_TEXTS, ids=lambda text: ascii(text[:8]))
def test_texts_cross_the_border_whole(sandbox: Sandbox, text: str) -> None:
    """Of any length, and with every character that JSON can hold."""
    outcome = sandbox.run('REPLY = make_response(200, ctx["body_json"])', body=text)

    assert isinstance(outcome, Completed)
    assert outcome.body is not None
    assert orjson.loads(outcome.body) == text
