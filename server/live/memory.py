"""Replies that are remembered until something changes that they were made of.

The promise: a hit is linearizable. It is given only if every write is reflected that was acknowledged before
the request began, and nothing is taken back that anybody was told. Why that holds:

1. A write's change set is told to this process by its session's worker, in one stream with all answers of
   that session, and before its own answer (wasm_runtime/slot.py). It is published, and what it touches
   falls, in the same step of the event loop, before anybody is answered. So what was acknowledged is
   reflected by all that is remembered, whether the client has stayed or left.
2. A reply that has seen a write comes behind it in that stream, as the worker holds it back until the write
   is durable (wasm_runtime/gate.py). So when somebody is told of a write by a read, what was remembered
   from before the write is gone.
3. An answer can be on its way here while what it was made of changes. So a filling begins before the run
   (`Filling`), and what is touched from then on is noted with its version. An answer is kept only if its own
   version is as new as the last change of anything that it was made of.
4. What is known of a session ends with its worker: writes may be durable that nobody will tell of. Then all
   that is remembered of it falls, before the next worker can be asked, and no filling that began before is
   kept. The same holds for whatever replaces a session as a whole.
5. A session that nobody has used for long may have been removed (`sessions.expire_days`). Workers tell the
   record each hour that a session is used; so once an hour what is remembered of it is asked for anew.

What else a reply depends on is its key's business (server/live/keys.py). The room is bounded in bytes and
shared fairly: what has to go is the reply that was not used for longest of a session that has about the
most.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field

from server.metrics.remembered import AGE, ROOM, Remembered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from server.live.changes import Touched
    from server.values.model import Reply
    from wasm_runtime.outcome import Completed
    from wasm_runtime.read_set import ReadSet

#: What an entry takes beside its key and its body, each place in an index, a spelling, and a session that has
#: any: all that is Python's, measured (tests/e2e/test_remembered_bytes.py).
_ENTRY_BYTES: Final = 4_096
_PLACE_BYTES: Final = 512
_SPELLING_BYTES: Final = 2_048
_SESSION_BYTES: Final = 1_536
#: Spellings of one reply's request that are known; beyond, the oldest goes.
MOST_SPELLINGS: Final = 8
#: Of all the room, what one reply may take at most.
_LARGEST_SHARE: Final = 4
#: Changes that are noted for fillings that are under way; beyond, the oldest counts for everything.
_MOST_NOTED: Final = 256
#: So many replies of a session have fallen without a hit, one after the other: now it costs more than it
#: gives, and only one request in so many is looked for. One that stands, and has had no hit yet, counts as a
#: part of one that has fallen: where nothing is asked for twice, it takes long until there is no more room.
MOST_WASTED: Final = 256
STANDING_COUNT_AS_ONE: Final = 4
TRIED_ONE_IN: Final = 16
#: A hit spares about as much as so many fillings cost.
_HIT_IS_WORTH: Final = 16
#: After so long without a run, a session's replies are asked for anew; workers tell of its use each hour.
USED_EVERY_SECONDS: Final = 1_800.0


@define(eq=False)
class Entry:
    """A reply that is remembered. `reads`: what it was made of. `alive`: it has not fallen."""

    key: bytes
    reply: Reply
    outcome: Completed
    reads: ReadSet
    size: int
    alive: bool = True
    used: bool = False
    #: What the edge has made of it for requests that came in just these bytes.
    spellings: OrderedDict[bytes, Any] = field(factory=OrderedDict)


@define(eq=False)
class _Session:
    """What is remembered of a session, the last used last; and what fillings have to know."""

    name: str
    entries: OrderedDict[bytes, Entry] = field(factory=OrderedDict)
    #: Entries by what they were made of: a record, a whole collection (with no address), all of it.
    by_place: dict[tuple[str, str], set[Entry]] = field(factory=dict)
    #: Those that were made of records of a collection, by the collection.
    by_parts: dict[str, set[Entry]] = field(factory=dict)
    by_all: set[Entry] = field(factory=set)
    size: int = 0
    filling: int = 0
    #: Counts what made all of it another one.
    age: int = 0
    #: While something is filled: the version at which a place was touched last, and one below which nothing
    #: is known.
    touched: OrderedDict[tuple[str, str], int] = field(factory=OrderedDict)
    floor: int = 0
    run_at: float = 0.0
    #: Replies without a hit, less what hits are worth: one that stands is 1, one that has fallen
    #: `STANDING_COUNT_AS_ONE`. And requests since that is too much.
    wasted: int = 0
    passed: int = 0


@define(eq=False)
class Filling:
    """An answer that is being made, and may be remembered. It has to be ended, once."""

    _memory: Memory
    _session: _Session
    _age: int
    _key: bytes

    def keep(self, reply: Reply, outcome: Completed, reads: ReadSet) -> Entry | None:
        """Remember the answer, unless what it was made of has changed since; None: it is not remembered."""
        session = self._session
        session.run_at = self._memory._clock()  # noqa: SLF001  a part of it
        if self._age != session.age or _is_late(session, reads):
            return None
        return self._memory._add(session, self._key, reply, outcome, reads)  # noqa: SLF001  a part of it

    def end(self) -> None:
        self._memory._ended(self._session)  # noqa: SLF001  a part of it


class Memory:
    """Used on the event loop. `heard` is to be subscribed to the changes of all sessions."""

    def __init__(self, most_bytes: int, *, clock: Callable[[], float] = time.time) -> None:
        self.counts = Remembered()
        #: By the bytes of a request, what the edge has made of an entry for it.
        self.spelt: dict[bytes, Any] = {}
        self._most_bytes = most_bytes
        self._clock = clock
        self._sessions: dict[str, _Session] = {}
        #: Sessions by the magnitude of their size, the last used last.
        self._by_size: list[OrderedDict[str, None]] = [OrderedDict() for _ in range(64)]

    # Finding

    def is_worth_it(self, session: str) -> bool:
        """Whether a read of the session is to be looked for, and remembered.

        Where hardly anything was asked for twice, one in so many is: even to look costs something.
        """
        known = self._sessions.get(session)
        if known is None or known.wasted < MOST_WASTED * STANDING_COUNT_AS_ONE:
            return True
        known.passed += 1
        return known.passed % TRIED_ONE_IN == 0

    def find(self, session: str, key: bytes) -> Entry | None:
        """The reply that is remembered for this."""
        known = self._sessions.get(session)
        entry = None if known is None else known.entries.get(key)
        if known is None or entry is None or not self._is_used(known):
            self.counts.misses += 1
            return None
        self.counts.hits["key"] += 1
        self._use(known, entry)
        return entry

    def found(self, entry: Entry) -> bool:
        """Whether the entry that a request's bytes have led to may be given; then it counts as used."""
        known = self._sessions.get(entry.reads.session)
        if known is None or not entry.alive or not self._is_used(known):
            return False
        self.counts.hits["raw"] += 1
        self._use(known, entry)
        return True

    def _use(self, session: _Session, entry: Entry) -> None:
        entry.used = True
        session.wasted = max(session.wasted - _HIT_IS_WORTH * STANDING_COUNT_AS_ONE, 0)
        session.entries.move_to_end(entry.key)
        self._by_size[session.size.bit_length()].move_to_end(session.name)

    def _is_used(self, session: _Session) -> bool:
        """Whether a worker has had a request of it within the time (rule 5)."""
        if 0 <= self._clock() - session.run_at < USED_EVERY_SECONDS:
            return True
        self._clear(session, AGE)
        return False

    # Filling

    def fill(self, session: str, key: bytes) -> Filling:
        """To be asked for before the run whose answer may be remembered."""
        known = self._sessions.get(session)
        if known is None:
            known = self._sessions[session] = _Session(session)
        known.filling += 1
        return Filling(self, known, known.age, key)

    def _ended(self, session: _Session) -> None:
        session.filling -= 1
        if not session.filling:
            session.touched.clear()
            session.floor = 0
            if not session.entries:
                self._sessions.pop(session.name, None)

    def _add(
        self, session: _Session, key: bytes, reply: Reply, outcome: Completed, reads: ReadSet
    ) -> Entry | None:
        size = _size_of(key, reply, reads)
        if size > self._most_bytes // _LARGEST_SHARE:
            return None
        before = session.entries.get(key)
        if before is not None:
            self._drop(session, before)
        entry = Entry(key, reply, outcome, reads, size)
        if not session.entries:
            self._grow(session, _SESSION_BYTES)
        session.entries[key] = entry
        for index, place in _places_of(session, reads):
            index.setdefault(place, set()).add(entry)
        if reads.whole:
            session.by_all.add(entry)
        self._grow(session, size)
        session.wasted += 1
        self.counts.kept += 1
        self._make_room()
        return entry if entry.alive else None

    def spell(self, entry: Entry, raw: bytes, made: Any, size: int) -> None:
        """From now on a request in these bytes leads to the entry, and to what the edge has made of it."""
        session = self._sessions.get(entry.reads.session)
        if session is None or not entry.alive or raw in self.spelt:
            return
        size += len(raw) + _SPELLING_BYTES
        if entry.size + size > self._most_bytes // _LARGEST_SHARE:
            return
        if len(entry.spellings) >= MOST_SPELLINGS:
            oldest, _ = entry.spellings.popitem(last=False)
            del self.spelt[oldest]
        entry.spellings[raw] = self.spelt[raw] = made
        entry.size += size
        self._grow(session, size)
        self._make_room()

    # Falling

    def heard(self, touched: Touched) -> None:
        """Something was changed: what it was a part of falls."""
        if not touched.session:
            for session in tuple(self._sessions.values()):
                self._renew(session, touched.cause)
            return
        known = self._sessions.get(touched.session)
        if known is None:
            return
        if touched.whole or touched.cause == "plan":
            self._renew(known, touched.cause)
            return
        if known.filling:
            _note(known, touched)
        for entry in _made_of(known, touched):
            self._drop(known, entry, touched.cause)
        self._forget_empty(known)

    def forget_spellings(self) -> None:
        """What was made of requests' bytes may be answered otherwise now, such as whose token still holds."""
        for session in self._sessions.values():
            for entry in session.entries.values():
                entry.spellings.clear()
        self.spelt.clear()

    def _renew(self, session: _Session, cause: str) -> None:
        session.age += 1
        session.touched.clear()  # versions may begin again, and what is on its way is not kept
        session.floor = 0
        self._clear(session, cause)
        self._forget_empty(session)

    def _clear(self, session: _Session, cause: str) -> None:
        for entry in tuple(session.entries.values()):
            self._drop(session, entry, cause)

    def _forget_empty(self, session: _Session) -> None:
        if not session.entries and not session.filling:
            self._sessions.pop(session.name, None)

    def _drop(self, session: _Session, entry: Entry, cause: str = "") -> None:
        """Forget an entry; without a cause it has made room for its like."""
        del session.entries[entry.key]
        entry.alive = False
        for index, place in _places_of(session, entry.reads):
            readers = index[place]
            readers.discard(entry)
            if not readers:
                del index[place]
        session.by_all.discard(entry)
        for raw in entry.spellings:
            del self.spelt[raw]
        entry.spellings.clear()
        if not entry.used:
            session.wasted += STANDING_COUNT_AS_ONE - 1
        self._grow(session, -entry.size)
        if not session.entries:
            self._grow(session, -_SESSION_BYTES)
        self.counts.kept -= 1
        if cause:
            self.counts.fallen[cause] += 1

    # Room

    def _grow(self, session: _Session, by: int) -> None:
        before, after = session.size.bit_length(), (session.size + by).bit_length()
        session.size += by
        self.counts.bytes += by
        if before != after:
            self._by_size[before].pop(session.name, None)
            if session.size:
                self._by_size[after][session.name] = None

    def _make_room(self) -> None:
        while self.counts.bytes > self._most_bytes:
            largest = next(sizes for sizes in reversed(self._by_size) if sizes)
            session = self._sessions[next(iter(largest))]
            self._drop(session, next(iter(session.entries.values())), ROOM)
            self._forget_empty(session)


def _size_of(key: bytes, reply: Reply, reads: ReadSet) -> int:
    headers = sum(len(name) + len(value) for name, value in reply.headers)
    places = len(reads.records) + len(reads.collections)
    return _ENTRY_BYTES + len(key) + len(reply.body or b"") + headers + places * _PLACE_BYTES


def _places_of(session: _Session, reads: ReadSet) -> Iterable[tuple[dict[Any, set[Entry]], Any]]:
    """Where a reply is to be found when something of it changes."""
    in_parts = set()
    for record in reads.records:
        in_parts.add(record[0])
        yield session.by_place, record
    for collection in in_parts:
        yield session.by_parts, collection
    for collection in reads.collections - in_parts:
        yield session.by_place, (collection, "")


def _made_of(session: _Session, touched: Touched) -> set[Entry]:
    """The entries that a change has touched something of."""
    found = set(session.by_all)
    in_parts = set()
    for record in touched.records:
        in_parts.add(record[0])
        found.update(session.by_place.get(record, ()))
    for collection in touched.collections:
        found.update(session.by_place.get((collection, ""), ()))
        if collection not in in_parts:
            found.update(session.by_parts.get(collection, ()))
    return found


def _note(session: _Session, touched: Touched) -> None:
    """For what is being filled: at which version what was touched last.

    Under a collection's own name stands any change in it, under `(name, "*")` one that names no records.
    """
    in_parts = {collection for collection, _ in touched.records}
    places = [*touched.records, *((collection, "") for collection in touched.collections)]
    places += [(collection, "*") for collection in touched.collections if collection not in in_parts]
    for place in places:
        session.touched[place] = max(touched.version, session.touched.pop(place, 0))
    session.touched["", ""] = max(touched.version, session.touched.pop(("", ""), 0))
    while len(session.touched) > _MOST_NOTED:
        _, version = session.touched.popitem(last=False)
        session.floor = max(session.floor, version)


def _is_late(session: _Session, reads: ReadSet) -> bool:
    """Whether something that an answer was made of was touched after the version that it has seen."""
    if session.floor > reads.version:
        return True
    touched = session.touched
    if not touched:
        return False
    in_parts = {collection for collection, _ in reads.records}
    places = [*reads.records, *((collection, "*") for collection in in_parts)]
    places += [(collection, "") for collection in reads.collections - in_parts]
    if reads.whole:
        places.append(("", ""))
    return any(touched.get(place, 0) > reads.version for place in places)
