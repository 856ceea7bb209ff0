"""What is watched: how often it is asked, in which order it is told, and what is kept of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from attrs import define, evolve, field

from server.live.changes import Changes, Touched
from server.live.topics import RUNS_AT_ONCE, Asked, Budget, Topics, key_of
from server.values.model import Reply, RequestContext, Session
from wasm_runtime.read_set import ReadSet

if TYPE_CHECKING:
    from collections.abc import Callable

SESSION = Session("s", "d" * 32)
CTX = RequestContext(
    method="GET",
    path="/m",
    segments=("m",),
    query={},
    headers={"accept": "*/*"},
    content="none",
    body_json=None,
    body_text=None,
    client_ip="127.0.0.1",
    session=SESSION,
    base_url="http://localhost",
    request_id="r",
)
WRITE = Touched(SESSION.directory, whole=True)


@define(eq=False)
class Watcher:
    delta: bool = False
    ready: bool = True
    told: int = 0
    causes: list[str] = field(factory=list)

    def news(self) -> None:
        self.told += 1

    def session_changed(self, cause: str) -> None:
        self.causes.append(cause)


@define(eq=False)
class Asking:
    """Answers what it is told to; each run waits for `gate`."""

    value: Any = 0
    status: int = 200
    reads: ReadSet | None = None
    runs: int = 0
    under_way: int = 0
    most: int = 0
    gate: asyncio.Event = field(factory=asyncio.Event)

    def __attrs_post_init__(self) -> None:
        self.gate.set()

    async def __call__(self) -> Asked:
        self.runs += 1
        value = self.value
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.gate.wait()
        finally:
            self.under_way -= 1
        return Asked(Reply(self.status, (), orjson.dumps(value)), "plan", self.reads)


def of(changes: Changes, *, interval: float = 0.0, kept: int = 1_000_000) -> Topics:
    return Topics(changes, min_interval=interval, kept_bytes=kept)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0)


async def rounds(count: int = 20) -> None:
    """Let whatever could go on do so."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_change_within_a_run_makes_another() -> None:
    """The run under way may not have seen it; so many changes make one run."""
    changes, asking = Changes(), Asking()
    topics = of(changes)
    _, topic = topics.join(CTX, "/m", asking, Watcher())
    asking.gate.clear()
    await until(lambda: asking.under_way == 1)
    for number in range(1, 6):
        asking.value = number
        changes.publish(WRITE)
    asking.gate.set()
    await until(lambda: topic.runs == 2)
    await rounds()

    assert asking.runs == 2
    assert topic.answer is not None


async def test_only_what_was_read_matters() -> None:
    """And what was written after it was read."""
    changes, asking = Changes(), Asking()
    asking.reads = ReadSet(SESSION.directory, 5, frozenset({("m", "1")}), frozenset({"m"}))
    topics = of(changes)
    _, topic = topics.join(CTX, "/m", asking, Watcher())
    await until(lambda: topic.runs == 1)
    for version, collection, address in ((6, "m", "2"), (7, "n", "1"), (5, "m", "1")):
        record = (collection, address)
        changes.publish(Touched(SESSION.directory, version, frozenset({record}), frozenset({collection})))
    await rounds()
    assert asking.runs == 1
    changes.publish(Touched(SESSION.directory, 8, frozenset({("m", "1")}), frozenset({"m"})))
    await until(lambda: topic.runs == 2)


async def test_another_plan_matters_to_all() -> None:
    """Whatever session it was said of."""
    changes, asking = Changes(), Asking()
    topics = of(changes)
    _, topic = topics.join(CTX, "/m", asking, Watcher())
    await until(lambda: topic.runs == 1)
    changes.publish(Touched("", cause="plan"))
    await until(lambda: topic.runs == 2)


async def test_few_run_at_a_time() -> None:
    """However much of a session is watched; all come to their turn."""
    changes, asking = Changes(), Asking()
    topics = of(changes)
    asking.gate.clear()
    watched = [topics.join(CTX, f"/m?n={n}", asking, Watcher())[1] for n in range(40)]
    await rounds()
    assert asking.under_way == RUNS_AT_ONCE
    asking.gate.set()
    await until(lambda: all(topic.runs for topic in watched))

    assert asking.most == RUNS_AT_ONCE


async def test_nothing_runs_for_nobody() -> None:
    """The last one who leaves ends it, also in the middle of a run."""
    changes, asking, one, other = Changes(), Asking(), Watcher(), Watcher()
    topics = of(changes)
    asking.gate.clear()
    key, _ = topics.join(CTX, "/m", asking, one)
    topics.join(CTX, "/m", asking, other)
    await until(lambda: asking.under_way == 1)
    topics.leave(key, one)
    await rounds()
    assert (asking.under_way, len(topics)) == (1, 1)
    topics.leave(key, other)
    topics.leave(key, other)
    await until(lambda: asking.under_way == 0)
    changes.publish(WRITE)
    await rounds()

    assert (asking.runs, len(topics)) == (1, 0)


async def test_bodies_are_kept_no_longer_than_needed() -> None:
    """Until all who are ready have taken them; who is not asks again."""
    changes, asking, quick, slow = Changes(), Asking(), Watcher(), Watcher(ready=False)
    topics = of(changes)
    _, topic = topics.join(CTX, "/m", asking, quick)
    topics.join(CTX, "/m", asking, slow)
    await until(lambda: topic.answer is not None)
    assert topic.answer is not None
    assert topic.answer.body == b"0"
    topic.taken(quick)

    assert topic.answer.body is None
    topic.want()
    await until(lambda: topic.runs == 2)
    assert topic.answer.body == b"0"


@pytest.mark.parametrize(("kept", "patched"), [(1_000_000, True), (10, False)])
async def test_patches_within_their_budget(kept: int, patched: bool) -> None:
    """Beyond it, replies are sent whole; what was taken comes back."""
    changes, asking, watcher = Changes(), Asking(), Watcher(delta=True)
    topics = of(changes, kept=kept)
    asking.value = [{"n": 0, "text": "x" * 100}]
    key, topic = topics.join(CTX, "/m", asking, watcher)
    await until(lambda: topic.answer is not None)
    first = topic.answer
    assert first is not None
    topic.taken(watcher)
    asking.value = [{"n": 1, "text": "x" * 100}]
    changes.publish(WRITE)
    await until(lambda: topic.runs == 2)
    assert topic.answer is not None
    assert (first.tag in topic.answer.patches) == patched
    topic.taken(watcher)
    topics.leave(key, watcher)

    assert topics._budget.take(kept)


def test_a_budget_is_one() -> None:
    budget = Budget(10)
    assert [budget.take(6), budget.take(5), budget.take(4), budget.take(1)] == [True, False, True, False]
    budget.give_back(6)
    assert budget.take(6)


@pytest.mark.parametrize(
    "other",
    [
        {"headers": {"accept": "*/*", "authorization": "Bearer x"}},
        {"headers": {"accept": "*/*", "accept-language": "de"}},
        {"session": Session("t", "e" * 32)},
        {"dialect": "postgrest"},
        {"dialect_headers": {"range": "0-1"}},
        {"base_url": "http://other"},
        {"client_ip": "127.0.0.2"},
        {"linked": True},
    ],
)
def test_what_a_plan_can_see_tells_topics_apart(other: dict[str, Any]) -> None:
    assert key_of(CTX, "/m") == key_of(evolve(CTX, request_id="another"), "/m")
    assert key_of(CTX, "/m") != key_of(evolve(CTX, **other), "/m")
    assert key_of(CTX, "/m") != key_of(CTX, "/m?a=1")


async def test_causes_are_told() -> None:
    changes, watcher = Changes(), Watcher()
    topics = of(changes)
    topics.join(CTX, "/m", Asking(), watcher)
    for cause in ("deleted", "reset", "import", "rewind", "doubtful", "write"):
        changes.publish(Touched(SESSION.directory, whole=True, cause=cause))  # type: ignore[arg-type]

    assert watcher.causes == ["deleted", "reset", "import", "rewind"]
