"""What the pool and a worker tell each other without a frame."""

from __future__ import annotations

import os

from wasm_runtime import status_cell
from wasm_runtime.status_cell import MAX_STAGED, StatusCell


def both_ends() -> tuple[StatusCell, StatusCell]:
    fd = status_cell.create()
    ends = StatusCell(fd), StatusCell(fd)
    os.close(fd)
    return ends


def test_what_is_withdrawn_does_not_begin() -> None:
    """Said before the worker had it, or while it was in a queue there."""
    pool, worker = both_ends()

    assert pool.withdraw(7)
    assert worker.withdrawals() == 1
    assert worker.begin([6, 7, 8]) == [6, 8]


def test_what_has_begun_is_not_withdrawn() -> None:
    """The pool hears so, and leaves it to the worker, until that has given it back."""
    pool, worker = both_ends()

    assert worker.begin([6, 7]) == [6, 7]
    assert not pool.withdraw(7)
    assert pool.withdraw(8)
    worker.idle()
    assert not pool.withdraw(6)
    worker.returned([6])
    assert pool.withdraw(6)


def test_what_is_on_its_way_to_the_record_can_be_told_from_outside() -> None:
    """From before it is sent, until its answer has been."""
    pool, worker = both_ends()
    for job in range(1, MAX_STAGED + 1):
        worker.stage(job, version=2 * job)
    assert worker.staged == MAX_STAGED
    worker.answered(range(1, MAX_STAGED - 1))
    worker.answered([1])

    left = {job: 2 * job for job in (MAX_STAGED - 1, MAX_STAGED)}
    assert pool.read().staged == left
    worker.stage(7, version=1)
    assert pool.read().staged == {7: 1, **left}


def test_places_are_shared_by_ids_far_apart() -> None:
    """Who comes later to a place takes it: so the pool looks first who is in it."""
    pool, worker = both_ends()
    pool.withdraw(1)

    assert pool.place_of(1 + 65_536) == 1
    assert not worker.is_withdrawn(1 + 65_536)
    assert worker.is_withdrawn(1)
