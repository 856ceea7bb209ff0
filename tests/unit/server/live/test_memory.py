"""What is remembered, for how long, and in how much room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from server.live.changes import NAMES, Cause, Touched
from server.live.memory import (
    MOST_SPELLINGS,
    MOST_WASTED,
    STANDING_COUNT_AS_ONE,
    TRIED_ONE_IN,
    USED_EVERY_SECONDS,
    Entry,
    Memory,
)
from server.values.model import Reply
from tests.fakes import completed
from wasm_runtime.read_set import ReadSet

if TYPE_CHECKING:
    from wasm_runtime.outcome import Completed

ROOM = 1_000_000


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def reads(*places: str, session: str = "s", version: int = 1, whole: bool = False) -> ReadSet:
    """`orders:1` is a record, `orders` a collection."""
    pairs = [place.partition(":") for place in places]
    records = frozenset((name, address) for name, _, address in pairs if address)
    return ReadSet(session, version, records, frozenset(name for name, _, _ in pairs), whole)


def touched(*places: str, session: str = "s", version: int = 2, **more: Any) -> Touched:
    found = reads(*places, session=session)
    return Touched(session, version, found.records, found.collections, **more)


def remember(memory: Memory, key: str, made_of: ReadSet, body: bytes = b"{}") -> Entry | None:
    filling = memory.fill(made_of.session, key.encode())
    try:
        return filling.keep(Reply(200, (), body), answer(), made_of)
    finally:
        filling.end()


def answer() -> Completed:
    return completed({})


def is_there(memory: Memory, key: str, session: str = "s") -> bool:
    return memory.find(session, key.encode()) is not None


@pytest.fixture
def memory() -> Memory:
    return Memory(ROOM)


def test_a_reply_is_there_until_it_falls(memory: Memory) -> None:
    """In its session and under its key, as often as it is asked for."""
    kept = remember(memory, "k", reads("orders:1"))

    assert memory.find("s", b"k") is kept
    assert memory.find("s", b"k") is kept
    assert memory.find("s", b"other") is None
    assert memory.find("t", b"k") is None
    assert (memory.counts.hits["key"], memory.counts.misses, memory.counts.kept) == (2, 2, 1)


FALLS = {
    "its record": ("orders:1", ["orders:1"], True),
    "another record": ("orders:1", ["orders:2"], False),
    "a text of its digits": ("orders:1", ['orders:"1x"'], False),
    "a record of another collection": ("orders:1", ["members:1"], False),
    "all of its collection": ("orders:1", ["orders"], True),
    "another collection": ("orders:1", ["members"], False),
    "the names": ("orders:1", [NAMES], False),
    "a record of a collection": ("orders", ["orders:7"], True),
    "a collection": ("orders", ["orders"], True),
    "a collection beside": ("orders", ["members:1", "members:2"], False),
    "one of two": ("orders:1 members", ["members:9"], True),
    "none of two": ("orders:1 members", ["orders:2", "teams"], False),
    "names for names": (NAMES, ["orders:1", NAMES], True),
    "no new name": (NAMES, ["orders:1"], False),
    "nothing": ("", ["orders"], False),
}


@pytest.mark.parametrize("name", FALLS)
def test_what_a_change_makes_fall(memory: Memory, name: str) -> None:
    """What it has touched something of, and nothing else; whether it was there or is on its way."""
    made_of, changed, falls = FALLS[name]
    there = reads(*made_of.split())
    remember(memory, "there", there)
    filling = memory.fill("s", b"coming")

    memory.heard(touched(*changed))

    assert is_there(memory, "there") is not falls
    assert (filling.keep(Reply(200), answer(), there) is None) is falls
    filling.end()
    assert memory.counts.fallen["write"] == falls


@pytest.mark.parametrize("made_of", ["", "orders:1", "orders"])
@pytest.mark.parametrize("cause", ["import", "reset", "rewind", "deleted", "doubtful"])
def test_all_of_a_session(memory: Memory, made_of: str, cause: Cause) -> None:
    """Whatever replaces it, or puts it in doubt; an answer that is on its way is not kept, at any version."""
    remember(memory, "there", reads(*made_of.split()))
    remember(memory, "elsewhere", reads("orders:1", session="t"))
    filling = memory.fill("s", b"coming")

    memory.heard(Touched("s", whole=True, cause=cause))

    assert not is_there(memory, "there")
    assert filling.keep(Reply(200), answer(), reads("orders:1", version=10**9)) is None
    filling.end()
    assert is_there(memory, "elsewhere", "t")
    assert memory.counts.fallen[cause] == 1
    assert remember(memory, "there", reads("orders:1")) is not None


def test_a_reply_that_was_made_of_everything(memory: Memory) -> None:
    """It falls with any write of its session, and with none of another."""
    remember(memory, "all", reads(whole=True))
    memory.heard(touched("orders:1", session="t"))
    assert is_there(memory, "all")
    filling = memory.fill("s", b"coming")

    memory.heard(touched("orders:1"))

    assert not is_there(memory, "all")
    assert filling.keep(Reply(200), answer(), reads(whole=True)) is None
    assert filling.keep(Reply(200), answer(), reads(whole=True, version=2)) is not None
    filling.end()


def test_plans_that_change(memory: Memory) -> None:
    """Those of a session, or of all: what answers its requests may be another plan."""
    for session in "stu":
        remember(memory, "k", reads("orders:1", session=session))
    filling = memory.fill("s", b"coming")

    memory.heard(Touched("s", cause="plan"))
    assert [is_there(memory, "k", session) for session in "stu"] == [False, True, True]
    assert filling.keep(Reply(200), answer(), reads("orders:1")) is None
    filling.end()
    memory.heard(Touched("", cause="plan"))
    assert [is_there(memory, "k", session) for session in "stu"] == [False, False, False]
    assert memory.counts.fallen["plan"] == 3


def test_an_answer_as_new_as_the_change_is_kept(memory: Memory) -> None:
    """One that has seen the write, or a later one, which came while it was made."""
    filling = memory.fill("s", b"k")
    memory.heard(touched("orders:1", version=5))
    memory.heard(touched("orders:1", version=7))
    memory.heard(touched("orders:2", version=9))

    assert filling.keep(Reply(200), answer(), reads("orders:1", version=6)) is None
    assert filling.keep(Reply(200), answer(), reads("orders", version=8)) is None
    assert filling.keep(Reply(200), answer(), reads("orders:1", version=7)) is not None
    assert filling.keep(Reply(200), answer(), reads("orders", version=9)) is not None
    filling.end()


def test_what_is_noted_for_fillings_has_a_bound(memory: Memory) -> None:
    """Of what is noted no more, an answer that is older than that is not kept, whatever it was made of."""
    filling = memory.fill("s", b"k")
    for version in range(1, 1_001):
        memory.heard(touched(f"orders:{version}", version=version))

    assert filling.keep(Reply(200), answer(), reads("members", version=1)) is None
    assert filling.keep(Reply(200), answer(), reads("members", version=1_000)) is not None
    filling.end()
    assert remember(memory, "k", reads("members", version=1)) is not None


def test_nothing_is_left_of_sessions_that_have_nothing(memory: Memory) -> None:
    """Neither one that was asked for in vain, nor one whose replies have fallen."""
    memory.fill("a", b"k").end()
    remember(memory, "k", reads("orders", session="b"))
    memory.heard(touched("orders", session="b"))
    remember(memory, "k", reads("orders", session="c"))
    memory.heard(Touched("c", whole=True, cause="reset"))

    assert memory._sessions == {}
    assert memory.counts.bytes == memory.counts.kept == 0
    assert not any(memory._by_size)


def test_the_room_has_a_bound() -> None:
    """The reply that was not used for longest makes room; what is too large for its share is not kept."""
    memory = Memory(80_000)
    body = b"x" * 14_500
    for key in "abcd":
        remember(memory, key, reads("orders"), body)
    assert is_there(memory, "a")

    remember(memory, "e", reads("orders"), body)

    assert [is_there(memory, key) for key in "abcde"] == [True, False, True, True, True]
    assert memory.counts.bytes <= 80_000
    assert memory.counts.fallen["room"] == 1
    assert remember(memory, "f", reads("orders"), b"x" * 15_500) is None
    assert remember(memory, "f", reads("orders"), b"x" * 15_200) is not None


def test_one_session_takes_no_room_from_those_with_less() -> None:
    """However much one asks for, others keep what they have."""
    memory = Memory(200_000)
    for session in ("t", "u", "v"):
        remember(memory, "k", reads("orders", session=session), b"x" * 20_000)
    for number in range(200):
        remember(memory, str(number), reads("orders"), b"x" * 20_000)

    assert all(is_there(memory, "k", session) for session in ("t", "u", "v"))
    assert is_there(memory, "199")
    assert memory.counts.bytes <= 200_000


def test_the_same_key_again_takes_the_place(memory: Memory) -> None:
    """Two requests that missed at once leave one reply."""
    first = remember(memory, "k", reads("orders:1"), b"1")
    second = remember(memory, "k", reads("orders:2"), b"2")

    assert first is not None
    assert not first.alive
    assert memory.find("s", b"k") is second
    memory.heard(touched("orders:1"))
    assert is_there(memory, "k")
    assert memory.counts.kept == 1


def test_a_session_that_was_not_run_for_long_is_asked_anew() -> None:
    """Who only ever hits tells nobody that the session is used."""
    clock = Clock()
    memory = Memory(ROOM, clock=clock)
    entry = remember(memory, "k", reads("orders"))
    assert entry is not None
    memory.spell(entry, b"GET", "made", 10)
    clock.now += USED_EVERY_SECONDS - 1
    assert is_there(memory, "k")
    assert memory.found(entry)
    clock.now += 1

    assert not memory.found(entry)
    assert not is_there(memory, "k")
    assert memory.spelt == {}
    assert memory.counts.fallen["age"] == 1


def test_spellings_lead_to_a_reply_as_long_as_it_lives(memory: Memory) -> None:
    """They fall with it, and their bytes count."""
    entry = remember(memory, "k", reads("orders:1"))
    assert entry is not None
    before = memory.counts.bytes
    memory.spell(entry, b"GET /", "made", 100)

    assert memory.spelt == {b"GET /": "made"}
    assert memory.found(entry)
    assert memory.counts.bytes > before + 100
    memory.heard(touched("orders:1"))
    assert memory.spelt == {}
    assert memory.counts.bytes == 0
    memory.spell(entry, b"GET /", "made", 100)
    assert memory.spelt == {}


def test_spellings_have_a_bound_in_number_and_size(memory: Memory) -> None:
    """Of many the oldest goes, and a long one is not worth it."""
    entry = remember(memory, "k", reads("orders:1"))
    assert entry is not None
    for number in range(MOST_SPELLINGS + 1):
        memory.spell(entry, b"%d" % number, number, 10)

    assert list(memory.spelt.values()) == list(range(1, MOST_SPELLINGS + 1))
    memory.spell(entry, b"long", "long", ROOM)
    assert b"long" not in memory.spelt


def test_spellings_can_be_forgotten_alone(memory: Memory) -> None:
    """Where tokens are others now, the replies may stay."""
    entry = remember(memory, "k", reads("orders:1"))
    assert entry is not None
    memory.spell(entry, b"GET /", "made", 100)

    memory.forget_spellings()

    assert memory.spelt == {}
    assert is_there(memory, "k")
    memory.heard(touched("orders:1"))
    assert memory.counts.bytes == 0


def test_where_nothing_is_asked_for_twice_little_is_remembered(memory: Memory) -> None:
    """Something is, so that what is asked for twice is found out; and a hit begins it all again."""
    remember(memory, "stays", reads("members"))
    for number in range(MOST_WASTED):
        assert memory.is_worth_it("s")
        assert remember(memory, str(number), reads("orders:1")) is not None
        memory.heard(touched("orders:1"))

    assert sum(memory.is_worth_it("s") for _ in range(10 * TRIED_ONE_IN)) == 10
    assert memory.is_worth_it("another")
    assert is_there(memory, "stays")
    assert all(memory.is_worth_it("s") for _ in range(20))


def test_what_stands_without_a_hit_is_waste_too() -> None:
    """It counts less, as it may still be asked for; once that is, the others are looked for, too."""
    memory = Memory(10_000_000)
    for number in range(MOST_WASTED * STANDING_COUNT_AS_ONE):
        assert memory.is_worth_it("s")
        assert remember(memory, str(number), reads("orders:1")) is not None

    assert sum(memory.is_worth_it("s") for _ in range(10 * TRIED_ONE_IN)) == 10
    assert is_there(memory, "0")
    assert all(memory.is_worth_it("s") for _ in range(20))


def test_a_hit_now_and_then_is_enough(memory: Memory) -> None:
    """It is worth several that have fallen unused."""
    remember(memory, "hot", reads("members"))
    for number in range(3 * MOST_WASTED):
        assert remember(memory, str(number), reads("orders:1")) is not None
        memory.heard(touched("orders:1"))
        if number % 16 == 0:
            assert is_there(memory, "hot")
