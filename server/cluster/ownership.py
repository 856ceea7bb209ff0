"""Which sessions are this node's, and for how long it may be believed: the API process's side of the lease.

1. The keeper renews the node's lease and says until when it holds, on a clock that all processes of the
   machine share. Nothing is known here beyond that moment.
2. A session is claimed when no guest of this node has it open: what a guest has was read under the present
   epoch, or is thrown away first.
3. An answer that has written nothing is told only if the lease with which its run began still holds *after*
   the run. Then nobody else can have written before it. What was written the engine has fenced: that is told.
4. A session is given back when nothing of it is under way. Until the record has heard of that nobody has it.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog
from attrs import field, frozen

from server.cluster.journal import Bills, KeeperJournal, Turns
from server.record.record import RecordError
from server.values.errors import Unavailable
from wasm_runtime.outcome import Completed, Outcome, Overloaded, Raised, Unmet
from wasm_runtime.pool import Executor, Holder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence

    from server.record.client import KeeperClient
    from wasm_runtime.slot import Job

#: Sessions that exist for a moment, in which plans are tried: each is known to its own node alone.
SCRATCH: Final = "scratch-"
_MOST_TRIES: Final = 5
_MOST_KNOWN: Final = 65_536
_LOOK_SECONDS: Final = 1.0
_RELEASED_AT_ONCE: Final = 500
_LET_GO_AT_ONCE: Final = 64

log = structlog.get_logger()


def now() -> float:
    """Seconds on the clock of leases, which runs on while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@frozen
class Node:
    id: str
    url: str


@frozen
class Lease:
    """As the keeper told it last. `others`: the nodes that live, by id."""

    epoch: int = 0
    until: float = 0.0
    others: Mapping[str, Node] = field(factory=dict)


class Ownership:
    """Of one node. `node` is its id."""

    def __init__(self, node: str, keeper: KeeperClient, *, idle_seconds: float) -> None:
        self.node = node
        #: Where it listens, as it finds itself.
        self.url = ""
        self._keeper = keeper
        self._holder: Holder | None = None
        self._idle_seconds = idle_seconds
        self.lease = Lease()
        #: With when each was used last (monotonic), the longest ago first.
        self._owned: OrderedDict[str, float] = OrderedDict()
        self._elsewhere: OrderedDict[str, Node] = OrderedDict()
        self._claims: dict[str, asyncio.Future[Node | None]] = {}
        self._departed: list[Callable[[Node], None]] = []
        self._release: asyncio.Task[None] | None = None
        #: Requests are handed on from now on, and no session is claimed any more.
        self.draining = False
        #: Sessions that this node has claimed, and answers that it did not give for want of a lease.
        self.claimed = self.withheld = self.leases_lost = 0
        self._lost: list[Callable[[Sequence[str]], None]] = []
        self.journal = KeeperJournal(keeper)
        self.turns = Turns(keeper)
        self.bills = Bills(keeper)
        self._refresh: Callable[[], Awaitable[None]] | None = None
        self._refreshing: asyncio.Task[None] | None = None
        #: How much of the plan library this node has seen.
        self._revision = 0
        keeper.on_lease(self._on_lease)

    def start(self, holder: Holder) -> None:
        self._holder = holder
        self.journal.loop = asyncio.get_running_loop()
        self._release = asyncio.get_running_loop().create_task(self._release_idle())

    def on_lost(self, callback: Callable[[Sequence[str]], None]) -> None:
        """To be called with sessions that are not this node's any more, before anybody else's."""
        self._lost.append(callback)

    # The lease

    def _on_lease(self, event: dict[str, Any]) -> None:
        if event["epoch"] != self.lease.epoch:
            lost = list(self._owned)
            self.leases_lost += self.lease.epoch > 0
            self._owned.clear()
            self._tell_lost(lost)
            if lost:
                log.error("lease lost", sessions=len(lost), epoch=event["epoch"])
        others = {node: Node(node, url) for node, url in event["nodes"] if node != self.node}
        before, self.lease = self.lease.others, Lease(event["epoch"], event["until"], others)
        for gone in [before[node] for node in before.keys() - others.keys()]:
            for callback in self._departed:
                callback(gone)
        if event["revision"] > self._revision and (self._refreshing is None or self._refreshing.done()):
            self._refreshing = asyncio.get_running_loop().create_task(self._see(event["revision"]))

    def _tell_lost(self, sessions: Sequence[str]) -> None:
        for callback in self._lost:
            callback(sessions)

    @property
    def is_live(self) -> bool:
        return now() < self.lease.until

    def holds(self, epoch: int) -> bool:
        """Whether what was run under this epoch may still be told."""
        return epoch == self.lease.epoch and self.is_live

    def standing(self, session: str) -> int:
        """The epoch under which the session is this node's now; 0: it is not."""
        if session not in self._owned or not self.is_live:
            return 0
        self._owned[session] = time.monotonic()
        self._owned.move_to_end(session)
        return self.lease.epoch

    @property
    def itself(self) -> Node:
        return Node(self.node, self.url)

    def is_there(self, node: Node) -> bool:
        """Whether it is one of the nodes that live, as far as is known."""
        return node.id in self.lease.others or node.id == self.node

    def on_gone(self, callback: Callable[[Node], None]) -> None:
        """To be called with a node whose lease has ended."""
        self._departed.append(callback)

    # The plan library

    def on_library(self, refresh: Callable[[], Awaitable[None]]) -> None:
        """To be called when other nodes have done something to the library."""
        self._refresh = refresh

    async def _see(self, revision: int) -> None:
        if self._refresh is not None and self.journal.loop is not None and revision > self._revision:
            await self._refresh()
            self._revision = max(self._revision, revision)

    # Sessions

    async def place(self, session: str, *, forwarded: bool = False) -> Node | None:
        """Which other node is to be asked; None: this one, which has it now. Raises Unavailable.

        `forwarded`: another node has chosen this one, so it takes the session if nobody has it.
        """
        if self.standing(session) or session.startswith(SCRATCH):
            return None
        if not forwarded:
            known = self._elsewhere.get(session)
            if known is not None and known.id in self.lease.others:
                return known
            chosen = self._chosen(session)
            if chosen is not None:
                return await self._owner(session) or chosen
        if self.draining:
            owner = await self._owner(session)
            if owner is None:
                raise Unavailable("This node is about to stop.", headers={"Retry-After": "1"})
            return owner
        return await self.claim(session)

    def forget_place(self, session: str) -> None:
        """What was known of whose it is was wrong."""
        self._elsewhere.pop(session, None)

    def note_place(self, session: str, node: Node) -> None:
        self._elsewhere[session] = node
        self._elsewhere.move_to_end(session)
        if len(self._elsewhere) > _MOST_KNOWN:
            self._elsewhere.popitem(last=False)

    def _chosen(self, session: str) -> Node | None:
        """The node that is to have a session that nobody has, by rendezvous; None: this one."""
        nodes: list[Node | None] = list(self.lease.others.values())
        if not self.draining:
            nodes.append(None)
        if not nodes:
            return None
        return max(nodes, key=lambda node: weight(self.node if node is None else node.id, session))

    async def _owner(self, session: str) -> Node | None:
        with _unavailable():
            found = await self._keeper.call("owner", session=session)
        if found is None:
            return None
        owner = Node(found["node"], found["url"])
        self.note_place(session, owner)
        return owner

    async def claim(self, session: str) -> Node | None:
        """Have the session, or say whose it is. Raises Unavailable."""
        under_way = self._claims.get(session)
        if under_way is None:
            under_way = self._claims[session] = asyncio.ensure_future(self._claim(session))
            under_way.add_done_callback(partial(self._claimed, session))
        return await asyncio.shield(under_way)

    def _claimed(self, session: str, done: asyncio.Future[Node | None]) -> None:
        self._claims.pop(session, None)
        if not done.cancelled():
            done.exception()  # whoever has asked may have gone

    async def _claim(self, session: str) -> Node | None:
        assert self._holder is not None  # noqa: S101  it has started
        for _ in range(_MOST_TRIES):
            if self.standing(session):
                return None
            async with self._holder.hold(session):
                with _unavailable():
                    found = await self._keeper.call("claim", session=session)
                if "node" in found:
                    owner = Node(found["node"], found["url"])
                    self.note_place(session, owner)
                    return owner
                # What the node before has learned for it.
                await self._see(found["revision"])
                if found["epoch"] == self.lease.epoch:
                    self._owned[session] = time.monotonic()
                    self.claimed += 1
                    self.forget_place(session)
                    if self.is_live:
                        return None
            await asyncio.sleep(0)
        raise _out_of_reach()

    # Giving back

    async def _release_idle(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(min(_LOOK_SECONDS, self._idle_seconds))
            before = time.monotonic() - self._idle_seconds
            idle: list[str] = []
            for session, used in self._owned.items():
                if used > before or len(idle) == _RELEASED_AT_ONCE:
                    break
                idle.append(session)
            with suppress(RecordError, Unavailable):
                await self.release(idle)

    async def release(self, sessions: Sequence[str]) -> None:
        """Give sessions back, each when nothing of it is under way. Raises RecordError."""
        assert self._holder is not None  # noqa: S101
        for session in sessions:
            self._owned.pop(session, None)
        holder = self._holder

        async def let_go(session: str) -> None:
            async with holder.hold(session):
                self._tell_lost([session])
                await self._keeper.call("release", sessions=[session])

        for start in range(0, len(sessions), _LET_GO_AT_ONCE):
            await asyncio.gather(*map(let_go, sessions[start : start + _LET_GO_AT_ONCE]))

    async def drain(self) -> None:
        """Give all sessions back: what comes for them from now on is handed on."""
        self.draining = True
        while self._owned:
            with suppress(RecordError):
                await self.release(list(self._owned))

    async def close(self) -> None:
        for task in (self._release, self._refreshing):
            if task is not None:
                task.cancel()

    @property
    def counts(self) -> dict[str, float]:
        """`lease`: seconds that it still holds; `lost`: leases that have ended before the node has."""
        return {
            "owned": len(self._owned),
            "claimed": self.claimed,
            "withheld": self.withheld,
            "lost": self.leases_lost,
            "nodes": len(self.lease.others) + 1,
            "lease": max(self.lease.until - now(), 0.0),
        }


class HoldingExecutor(Executor, Holder, Protocol):
    """Runs jobs, and keeps everybody out of a session."""


class OwningExecutor:
    """Runs jobs of this node's own sessions, and tells what they have come to while that is sure."""

    def __init__(self, pool: HoldingExecutor, ownership: Ownership) -> None:
        self._pool = pool
        self._ownership = ownership

    async def start(self) -> None:
        await self._pool.start()
        self._ownership.start(self._pool)

    async def run(self, job: Job) -> Outcome:
        if job.session.startswith(SCRATCH):
            return await self._pool.run(job)
        ownership = self._ownership
        epoch = ownership.standing(job.session)
        if not epoch:
            try:
                other = await ownership.claim(job.session)
            except Unavailable as error:
                return Overloaded(error.detail.rstrip("."))
            epoch = ownership.standing(job.session)
            if other is not None or not epoch:
                return Overloaded("another node has the session")
        outcome = await self._pool.run(job)
        if _is_told_by_the_record(outcome) or ownership.holds(epoch):
            return outcome
        ownership.withheld += 1
        return Overloaded("this node was cut off from the record meanwhile, and nothing was written")

    @asynccontextmanager
    async def hold(self, session: str) -> AsyncIterator[None]:
        """As the pool's; the session is this node's then. Raises Unavailable."""
        if session.startswith(SCRATCH):
            async with self._pool.hold(session):
                yield
            return
        for _ in range(_MOST_TRIES):
            other = await self._ownership.claim(session)
            if other is not None:
                raise Unavailable(f"Another node has the session: ask {other.url}.")
            async with self._pool.hold(session):
                if self._ownership.standing(session):
                    yield
                    return
        raise _out_of_reach()

    def health(self) -> dict[str, Any]:
        return self._pool.health()

    async def close(self) -> None:
        await self._ownership.close()
        await self._pool.close()


def _is_told_by_the_record(outcome: Outcome) -> bool:
    """Whether the engine has written it, so it is true whatever became of the lease; or it tells nothing."""
    if isinstance(outcome, Completed):
        return outcome.committed and outcome.changed > 0 and not outcome.replayed
    return not isinstance(outcome, Raised | Unmet)


def weight(node: str, session: str) -> bytes:
    """How much a node is to have a session that nobody has: the one with the most of it does (rendezvous)."""
    return blake2b(f"{node} {session}".encode(), digest_size=8).digest()


def _out_of_reach() -> Unavailable:
    return Unavailable(
        "This node cannot reach the record at the moment; nothing was begun.", headers={"Retry-After": "1"}
    )


@contextmanager
def _unavailable() -> Iterator[None]:
    """What the record refuses is Unavailable."""
    try:
        yield
    except RecordError as error:
        raise _out_of_reach() from error
