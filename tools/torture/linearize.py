"""Whether a concurrent history could have happened one operation at a time: a linearizability checker.

The algorithm of Wing and Gong with Lowe's memory of visited configurations (G. Lowe, "Testing for
linearizability", 2017), as Porcupine has it. An operation took effect at one moment between its call and its
return; one without a return may take effect at any moment after its call, or never.

    find_anomaly(operations, initial, step) -> None, or where the search got stuck

The state must be hashable. `step` gives the state after an operation with its result, or None when the
operation cannot have had that result there; a result of None means that nobody was answered.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Generic, TypeVar

from attrs import define, frozen

S = TypeVar("S", bound=Hashable)
Step = Callable[[S, Any, Any], "S | None"]


@frozen
class Operation:
    """`returned` is None for one that nobody was answered for; times are of one monotonic clock."""

    called: float
    returned: float | None
    request: Any
    result: Any = None


@frozen
class Anomaly:
    """The longest run of operations that could be put in order, and the one that then had to come next."""

    ordered: int
    stuck_at: Operation

    def __str__(self) -> str:
        found = self.stuck_at
        return f"after {self.ordered} operations in order: {found.request!r} cannot have had {found.result!r}"


@define(eq=False)
class _Event:
    """A call or a return, in a list linked both ways; `index` is the operation's."""

    index: int
    #: A call's return; None for a return, and for a call that has none.
    match: _Event | None
    is_call: bool
    before: _Event | None = None
    after: _Event | None = None


def find_anomaly(operations: Sequence[Operation], initial: S, step: Step[S]) -> Anomaly | None:
    """None where some order explains every result. Exponential at worst, linear on a correct service."""
    return _Search(operations, initial, step).run()


@define(eq=False)
class _Frame(Generic[S]):
    """A call that was put in order, and the state before it."""

    call: _Event
    state: S


class _Search(Generic[S]):
    def __init__(self, operations: Sequence[Operation], initial: S, step: Step[S]) -> None:
        self._operations = operations
        self._step = step
        self._state = initial
        self._head = _linked(operations)
        self._stack: list[_Frame[S]] = []
        self._done = 0
        self._visited: set[tuple[int, S]] = {(0, initial)}
        self._longest = -1
        self._stuck_at: _Event | None = None

    def run(self) -> Anomaly | None:
        event = self._head.after
        # Done when only calls without a return are left.
        while event is not None:
            if event.is_call:
                event = self._head.after if self._take(event) else event.after
                continue
            self._note_stuck(event)
            if not self._stack:
                return self._anomaly()
            event = self._give_back()
        return None

    def _take(self, call: _Event) -> bool:
        """Put a call next in order, if its result fits and this configuration is new."""
        operation = self._operations[call.index]
        state = self._step(self._state, operation.request, operation.result)
        if state is None:
            return False
        configuration = (self._done | 1 << call.index, state)
        if configuration in self._visited:
            return False
        self._visited.add(configuration)
        self._stack.append(_Frame(call, self._state))
        self._done, self._state = configuration
        for event in (call, call.match):
            if event is not None:
                _unlink(event)
        return True

    def _give_back(self) -> _Event | None:
        """Undo the last one put in order; the event to go on from."""
        frame = self._stack.pop()
        self._state = frame.state
        self._done &= ~(1 << frame.call.index)
        for event in (frame.call.match, frame.call):
            if event is not None:
                _relink(event)
        return frame.call.after

    def _note_stuck(self, event: _Event) -> None:
        if len(self._stack) > self._longest:
            self._longest, self._stuck_at = len(self._stack), event

    def _anomaly(self) -> Anomaly:
        if self._stuck_at is None:
            raise RuntimeError("stuck nowhere")
        return Anomaly(self._longest, self._operations[self._stuck_at.index])


def _linked(operations: Sequence[Operation]) -> _Event:
    """The head of the list of calls and returns by time.

    At the same time calls come first: no order is claimed that was not seen.
    """
    timed: list[tuple[float, int, _Event]] = []
    for index, operation in enumerate(operations):
        match = None
        if operation.returned is not None:
            match = _Event(index, None, is_call=False)
            timed.append((operation.returned, 1, match))
        timed.append((operation.called, 0, _Event(index, match, is_call=True)))
    head = last = _Event(-1, None, is_call=False)
    for _, _, event in sorted(timed, key=lambda entry: entry[:2]):
        last.after, event.before = event, last
        last = event
    return head


def _unlink(event: _Event) -> None:
    if event.before is not None:
        event.before.after = event.after
    if event.after is not None:
        event.after.before = event.before


def _relink(event: _Event) -> None:
    if event.before is not None:
        event.before.after = event
    if event.after is not None:
        event.after.before = event
