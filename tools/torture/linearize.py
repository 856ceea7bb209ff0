"""Whether a concurrent history could have happened one operation at a time: a linearizability checker.

The algorithm of Wing and Gong with Lowe's memory of visited configurations (G. Lowe, "Testing for
linearizability", 2017), as Porcupine has it. An operation took effect at one moment between its call and its
return; one without a return may take effect at any moment after its call, or never.

    find_anomaly(operations, initial, step) -> None, or where the search got stuck

The state must be hashable. `step` gives the state after an operation with its result, or None when the
operation cannot have had that result there; a result of None means that nobody was answered.

Operations without a return come last among those that may be next: most of them never took effect, and a
search that begins with them would try all of their subsets. One that would change nothing is not taken: that
is the same as never.
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
    #: A call's return; None for a return.
    match: _Event | None
    is_call: bool
    #: Where it is among all calls and returns.
    place: int = 0
    before: _Event | None = None
    after: _Event | None = None


def find_anomaly(operations: Sequence[Operation], initial: S, step: Step[S]) -> Anomaly | None:
    """None where some order explains every result. Exponential at worst, linear on a correct service."""
    return _Search(operations, initial, step).run()


@frozen
class _Lost:
    """A call without a return."""

    index: int
    place: int


@define(eq=False)
class _Frame(Generic[S]):
    """A call that was put in order, and the state before it. `tried`: how many of the lost ones were."""

    call: _Event | _Lost
    state: S
    tried: int = 0


class _Search(Generic[S]):
    def __init__(self, operations: Sequence[Operation], initial: S, step: Step[S]) -> None:
        self._operations = operations
        self._step = step
        self._state = initial
        self._head, self._lost = _linked(operations)
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
            following = self._take_lost(event, 0) or self._give_back()
            if following is None:
                return self._anomaly()
            event = following
        return None

    def _take(self, call: _Event) -> bool:
        """Put a call next in order, if its result fits and this configuration is new."""
        if not self._put(call, 0):
            return False
        for event in (call, call.match):
            if event is not None:
                _unlink(event)
        return True

    def _put(self, call: _Event | _Lost, tried: int) -> bool:
        operation = self._operations[call.index]
        state = self._step(self._state, operation.request, operation.result)
        if state is None or (isinstance(call, _Lost) and state == self._state):
            return False
        configuration = (self._done | 1 << call.index, state)
        if configuration in self._visited:
            return False
        self._visited.add(configuration)
        self._stack.append(_Frame(call, self._state, tried))
        self._done, self._state = configuration
        return True

    def _take_lost(self, stuck: _Event, tried: int) -> _Event | None:
        """Put one without a return next; where to go on, None if there is no such."""
        for number in range(tried, len(self._lost)):
            call = self._lost[number]
            if call.place > stuck.place:
                break
            if not self._done >> call.index & 1 and self._put(call, number + 1):
                return self._head.after
        return None

    def _give_back(self) -> _Event | None:
        """Undo the last ones put in order until there is another to try: the event to go on from."""
        while self._stack:
            frame = self._stack.pop()
            self._state = frame.state
            self._done &= ~(1 << frame.call.index)
            if isinstance(frame.call, _Event):
                for event in (frame.call.match, frame.call):
                    if event is not None:
                        _relink(event)
                return frame.call.after
            following = self._take_lost(self._first_return(), frame.tried)
            if following is not None:
                return following
        return None

    def _first_return(self) -> _Event:
        event = self._head.after
        while event is not None and event.is_call:
            event = event.after
        if event is None:
            raise RuntimeError("given back though nothing was missing")
        return event

    def _note_stuck(self, event: _Event) -> None:
        if len(self._stack) > self._longest:
            self._longest, self._stuck_at = len(self._stack), event

    def _anomaly(self) -> Anomaly:
        if self._stuck_at is None:
            raise RuntimeError("stuck nowhere")
        return Anomaly(self._longest, self._operations[self._stuck_at.index])


def _linked(operations: Sequence[Operation]) -> tuple[_Event, list[_Lost]]:
    """The head of the list of calls and returns by time; and the calls that have none, by time.

    At the same time calls come first: no order is claimed that was not seen.
    """
    timed: list[tuple[float, int, _Event]] = []
    lost: list[_Lost] = []
    for index, operation in enumerate(operations):
        match = None
        if operation.returned is not None:
            match = _Event(index, None, is_call=False)
            timed.append((operation.returned, 1, match))
        timed.append((operation.called, 0, _Event(index, match, is_call=True)))
    head = last = _Event(-1, None, is_call=False)
    for place, (_, _, event) in enumerate(sorted(timed, key=lambda entry: entry[:2])):
        if event.is_call and event.match is None:
            lost.append(_Lost(event.index, place))
            continue
        event.place = place
        last.after, event.before = event, last
        last = event
    return head, lost


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
