"""What the pool and a worker tell each other without a frame."""

from __future__ import annotations

import os

from wasm_runtime import status_cell
from wasm_runtime.status_cell import StatusCell


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
    """The pool hears so, and leaves it to the worker; the next turn's jobs are others."""
    pool, worker = both_ends()

    assert worker.begin([6, 7]) == [6, 7]
    assert not pool.withdraw(7)
    assert pool.withdraw(8)
    worker.idle()
    assert pool.withdraw(6)


def test_places_are_shared_by_ids_far_apart() -> None:
    """Who comes later to a place takes it: so the pool looks first who is in it."""
    pool, worker = both_ends()
    pool.withdraw(1)

    assert pool.place_of(1 + 65_536) == 1
    assert not worker.is_withdrawn(1 + 65_536)
    assert worker.is_withdrawn(1)
