"""What is watched: requests that are asked again when what they have read changes, once for all watchers.

1. A topic is a request as its plan sees it: those whose answers could differ are different topics. It is
   asked through the pipeline, as any client's request is.
2. Its runs follow each other. A run that begins after a change has been published sees that change, and the
   answer of a later run is never older than that of an earlier one. So nobody who watches sees an older state
   after a newer one.
3. A change that comes during a run makes another run. So the last state is always told.
4. Two runs begin at least `min_interval` apart, and what changes meanwhile is one change: the latest wins. A
   watcher that comes has a run of its own at once, or shares one that has not begun.
5. Few runs of a session are under way at a time, so that however much is watched there is room for requests.
6. An answer that says only that now is a bad time is no state. It is told as trouble, and asked for again.
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

import orjson
from attrs import define, evolve, field, frozen

from server.concurrency.aside import INLINE_BYTES, aside
from server.live import events
from server.live.differences import patch_between
from server.live.reading import is_touched
from server.values.replies import PROBLEM

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from server.live.changes import Changes, Touched
    from server.values.model import Reply, RequestContext
    from wasm_runtime.read_set import ReadSet

#: The service, its provider or a limit: another try may do.
_TRANSIENT: Final = frozenset({429, 502, 503, 504})
_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 30.0
#: Of one session.
RUNS_AT_ONCE: Final = 4
#: What changes a whole session, and is told beside what has become of its routes.
_TOLD_CAUSES: Final = frozenset({"import", "reset", "rewind", "deleted"})


@frozen(eq=False)
class Answer:
    """A reply as it is watched.

    `tag` is equal for equal replies. An event's data is `head`, and `body` as text: None when nobody waits
    for it any more. `patches`: data that makes this answer of one before it, by that one's tag.
    """

    tag: str
    status: int
    plan: str
    head: bytes
    body: bytes | None
    is_json: bool
    patches: dict[str, bytes] = field(factory=dict)

    @property
    def size(self) -> int:
        return len(self.body or b"")


@frozen
class Asked:
    """What asking has come to: the reply, which plan has given it ("": none), and what it was made of."""

    reply: Reply
    plan: str = ""
    reads: ReadSet | None = None


class Watcher(Protocol):
    """Who watches. `ready`: it takes what it is told of at once; `delta`: it wants patches."""

    @property
    def ready(self) -> bool: ...

    @property
    def delta(self) -> bool: ...

    def news(self) -> None:
        """A topic has another answer, or is in trouble. May not wait."""

    def session_changed(self, cause: str) -> None:
        """May not wait."""


class Budget:
    """Bytes that may be kept in all."""

    def __init__(self, most: int) -> None:
        self._left = most

    def take(self, size: int) -> bool:
        """Whether there was room."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def give_back(self, size: int) -> None:
        self._left += size


class Topic:
    """One request, and who watches it."""

    def __init__(
        self,
        route: str,
        session: str,
        ask: Callable[[], Awaitable[Asked]],
        *,
        min_interval: float,
        budget: Budget,
        turns: asyncio.Semaphore,
    ) -> None:
        """`route`: the target as the watchers name it; `session`: its directory; seconds.

        `budget`: for answers of which the next is told as a patch; `turns` lets so many run at a time.
        """
        self.route = route
        self.session = session
        self._ask = ask
        self._min_interval = min_interval
        self._budget = budget
        self._turns = turns
        self.watchers: set[Watcher] = set()
        self.answer: Answer | None = None
        self.trouble: Answer | None = None
        #: Runs so far.
        self.runs = 0
        self._owed: set[Watcher] = set()
        #: What is taken of the budget for the answer.
        self._taken = 0
        self._reads: ReadSet | None = None
        self._wanted = asyncio.Event()
        self._urgent = False
        self._pause = 0.0
        self._task: asyncio.Task[None] | None = None

    def join(self, watcher: Watcher) -> None:
        self.watchers.add(watcher)
        self.want(urgent=True)

    def leave(self, watcher: Watcher) -> bool:
        """Whether it was the last one; then nothing runs any more, and nothing is kept."""
        self.watchers.discard(watcher)
        self.taken(watcher)
        if self.watchers:
            return False
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._budget.give_back(self._taken)
        self._taken = 0
        return True

    def touched(self, touched: Touched) -> None:
        if touched.cause in _TOLD_CAUSES:
            for watcher in self.watchers:
                watcher.session_changed(touched.cause)
        if touched.cause == "plan" or is_touched(self._reads, touched):
            self.want()

    def want(self, *, urgent: bool = False) -> None:
        """Have it asked again: when it is due, or at once."""
        self._urgent |= urgent
        self._wanted.set()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        last = -self._min_interval
        clock = asyncio.get_running_loop().time
        while True:
            await self._wanted.wait()
            while not self._urgent and (rest := last + self._min_interval - clock()) > 0:
                self._wanted.clear()
                await self._woken(rest)
            async with self._turns:
                self._wanted.clear()
                self._urgent = False
                last = clock()
                asked = await self._ask()
            self._take(asked, await self._answer_of(asked))
            self.runs += 1

    async def _answer_of(self, asked: Asked) -> Answer:
        """With a patch from the answer before, where somebody wants one and that is kept."""
        before = self.answer if self._wants_patches and self.answer and self.answer.body else None

        def made() -> Answer:
            answer = answer_of(self.route, asked)
            if before is None or before.tag == answer.tag:
                return answer
            return evolve(answer, patches={before.tag: _patch(before, answer)})

        if len(asked.reply.body or b"") <= INLINE_BYTES:
            return made()
        return await aside(made, self.session)

    @property
    def _wants_patches(self) -> bool:
        return any(watcher.delta for watcher in self.watchers)

    async def _woken(self, seconds: float) -> None:
        """Until somebody wants it again, for so long at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wanted.wait()

    def _take(self, asked: Asked, answer: Answer) -> None:
        if answer.status in _TRANSIENT:
            if self.trouble is None or self.trouble.tag != answer.tag:
                self.trouble = answer
                self._tell()
            self._pause = min(max(self._pause * 2, _FIRST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)
            asyncio.get_running_loop().call_later(self._pause, self._again)
            return
        self._pause, self.trouble = 0.0, None
        self._reads = asked.reads
        if self.answer is not None and self.answer.tag == answer.tag:
            answer = evolve(answer, patches=self.answer.patches)
        self.answer = answer
        self._tell()

    def _again(self) -> None:
        if self.watchers:
            self.want(urgent=True)

    def _tell(self) -> None:
        self._owed = {watcher for watcher in self.watchers if watcher.ready}
        for watcher in self.watchers:
            watcher.news()
        self._forget()

    def taken(self, watcher: Watcher) -> None:
        """The watcher has sent the answer, or will ask for it again when it can send one."""
        self._owed.discard(watcher)
        self._forget()

    def _forget(self) -> None:
        """Keep the answer's body no longer than somebody needs it."""
        if self._owed or self.answer is None:
            return
        self._budget.give_back(self._taken)
        self._taken = 0
        if self._wants_patches and self.answer.is_json and self._budget.take(self.answer.size):
            self._taken = self.answer.size
        elif self.answer.body is not None:
            self.answer = evolve(self.answer, body=None)


def _patch(before: Answer, answer: Answer) -> bytes:
    """An event's data that makes one answer of another; empty where all of it says no more."""
    if before.body is None or answer.body is None or before.status != answer.status:
        return b""
    if not (before.is_json and answer.is_json):
        return b""
    steps = patch_between(orjson.loads(before.body), orjson.loads(answer.body))
    patch = events.closed(answer.head, "patch", events.to_ascii(steps))
    return patch if len(patch) < len(answer.head) + answer.size else b""


@define(eq=False)
class _Session:
    """What is watched in a session."""

    topics: set[Topic] = field(factory=set)
    turns: asyncio.Semaphore = field(factory=lambda: asyncio.Semaphore(RUNS_AT_ONCE))


class Topics:
    """All that is watched in a service."""

    def __init__(self, changes: Changes, *, min_interval: float, kept_bytes: int) -> None:
        """Seconds; `kept_bytes` bounds what is kept of answers so that patches can be made."""
        self._budget = Budget(kept_bytes)
        self._topics: dict[Hashable, Topic] = {}
        self._by_session: dict[str, _Session] = {}
        self._min_interval = min_interval
        self._unsubscribe = changes.subscribe(self._touched)

    def __len__(self) -> int:
        return len(self._topics)

    def join(
        self, ctx: RequestContext, route: str, ask: Callable[[], Awaitable[Asked]], watcher: Watcher
    ) -> tuple[Hashable, Topic]:
        """Watch a request from now on; `ask` is used if nobody else watches the same. What to leave by."""
        key = key_of(ctx, route)
        topic = self._topics.get(key)
        if topic is None:
            session = self._by_session.setdefault(ctx.session.directory, _Session())
            topic = self._topics[key] = Topic(
                route,
                ctx.session.directory,
                ask,
                min_interval=self._min_interval,
                budget=self._budget,
                turns=session.turns,
            )
            session.topics.add(topic)
        topic.join(watcher)
        return key, topic

    def leave(self, key: Hashable, watcher: Watcher) -> None:
        topic = self._topics.get(key)
        if topic is None or not topic.leave(watcher):
            return
        del self._topics[key]
        session = self._by_session[topic.session]
        session.topics.discard(topic)
        if not session.topics:
            del self._by_session[topic.session]

    def _touched(self, touched: Touched) -> None:
        session = self._by_session.get(touched.session)
        of_session = () if session is None else session.topics
        for topic in tuple(of_session if touched.session else self._topics.values()):
            topic.touched(touched)

    def close(self) -> None:
        self._unsubscribe()


def key_of(ctx: RequestContext, route: str) -> Hashable:
    """Everything of a request that its plan can see, or that makes its reply another."""
    return (
        ctx.session.directory,
        route,
        tuple(sorted(ctx.headers.items())),
        ctx.dialect,
        tuple(sorted(ctx.dialect_headers.items())),
        ctx.base_url,
        ctx.linked,
        ctx.client_ip,
        None if ctx.contract is None else ctx.contract.key,
    )


def answer_of(route: str, asked: Asked) -> Answer:
    reply = asked.reply
    body, media_type = reply.body, reply.media_type
    if body is not None and media_type == PROBLEM:
        body = events.without(body, "request_id")  # it is of no request of the watcher's
    head = events.reply_head(route, reply.status, reply.headers, body, media_type)
    text = events.body_text(body, media_type)
    etag = next((value for name, value in reply.headers if name.lower() == "etag"), "")
    if not etag or reply.status != 200:
        etag = f'"{hashlib.blake2b(head + text, digest_size=16).hexdigest()}"'
    return Answer(etag, reply.status, asked.plan, head, text, events.is_json(media_type))
