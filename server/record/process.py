"""The keeper: a process of its own that owns the record, for one service.

    python -m wasm_runtime.confined CONFINEMENT server.record.process CONTROL_FD HANDOVER_FD

It has a stream to the API process (`control`), and a socket over which it is handed one end of a stream to
each worker, with the worker's slot. It ends when the API process does, or when it is told to stop. SIGTERM
and SIGINT are not for it: the parent decides when it ends, so that what is in flight can be answered.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import traceback
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from server.record import control
from server.record.adoption import Adoption
from server.record.keeper import Keeper
from server.record.operations import Operations
from server.record.record import Damaged, RecordError, Unavailable
from server.record.shelf import Shelf
from server.record.sqlite_record import Options, SqliteRecord
from server.record.writer import Limits
from store import keeper_wire as wire
from store.placement import slot_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from server.record.postgres.membership import Membership
    from server.record.record import Engine

_READ_BYTES: Final = 256 * 1024
CACHES: Final = "caches"
RECORD: Final = "record.db"
Reporter: TypeAlias = "Callable[[dict[str, Any]], None]"
Opener: TypeAlias = "Callable[[dict[str, Any], Reporter], Awaitable[tuple[Engine, Membership | None]]]"


class Stream:
    """A socket in the event loop: `take` gets what comes, b"" at its end."""

    def __init__(self, connection: socket.socket, take: Callable[[bytes], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._take = take
        self._unsent: deque[bytes] = deque()
        connection.setblocking(False)  # noqa: FBT003  socket has it so
        self._loop.add_reader(connection, self._readable)

    def _readable(self) -> None:
        try:
            data = self._connection.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
        self._take(data)

    def drain(self) -> None:
        """Take what has come already."""
        while self._connection.fileno() >= 0:
            try:
                data = self._connection.recv(_READ_BYTES)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self.close()
            self._take(data)

    def send(self, data: bytes) -> None:
        if self._connection.fileno() < 0:
            return
        self._unsent.append(data)
        if len(self._unsent) == 1:
            self._flush()

    def _flush(self) -> None:
        while self._unsent:
            try:
                sent = self._connection.send(self._unsent[0])
            except BlockingIOError:
                self._loop.add_writer(self._connection, self._flush)
                return
            except OSError:
                self._unsent.clear()  # nobody is there: reading says so
                break
            if sent < len(self._unsent[0]):
                self._unsent[0] = self._unsent[0][sent:]
            else:
                self._unsent.popleft()
        if self._connection.fileno() >= 0:
            self._loop.remove_writer(self._connection)

    def close(self) -> None:
        if self._connection.fileno() >= 0:
            self._loop.remove_reader(self._connection)
            self._loop.remove_writer(self._connection)
            self._connection.close()


class WorkerLink:
    """The stream to one worker, which may only speak of its own slot's sessions.

    A slot may have two workers (`wasm_runtime/lanes.py`): those of lanes have the higher numbers.
    """

    def __init__(self, process: Process, connection: socket.socket, slot: int, slots: int) -> None:
        self._process = process
        self._keeper = process.keeper
        self._slot = slot
        self._slots = slots
        self._decoder = wire.Decoder()
        #: Sessions that it has open.
        self.sessions: set[str] = set()
        self.stream = Stream(connection, self._take)

    def tell(self, message: wire.Message) -> None:
        self.stream.send(wire.encode(message))

    def _take(self, data: bytes) -> None:
        if not data:
            self._keeper.lost(self.sessions)
            self._process.gone(self._slot, self)
            return
        try:
            for message in self._decoder.feed(data):
                self._message(message)
        except (wire.WireError, ValueError) as error:
            self._process.report({"event": "worker", "slot": self._slot, "reason": str(error)})
            self.stream.close()
            self._take(b"")

    def _message(self, message: wire.Message) -> None:
        match message:
            case wire.Commit():
                for part in message.parts:
                    self._mine(part.session)
                self._keeper.commit(message, self.tell)
            case wire.Open():
                self._mine(message.session)
                self._process.passed_to(self, message.session)
                self._process.start(self._answer(self._keeper.open(message.n, message.session)))
            case wire.Outcome():
                self._mine(message.session)
                self._process.start(self._answer(self._keeper.head(message.n, message.session)))
            case wire.Closed():
                self._mine(message.session)
                self.sessions.discard(message.session)
                self._keeper.closed(message)
            case wire.Used():
                self._mine(message.session)
                self._keeper.used(message.session)
            case wire.Spared():
                self._keeper.spared(message)
            case _:
                raise ValueError(f"{type(message).__name__} is not for the keeper")

    def _mine(self, session: str) -> None:
        """Raises ValueError for a session of another worker's."""
        if slot_of(session, self._slots) != self._slot % self._slots:
            raise ValueError("a session of another worker")
        self.sessions.add(session)

    async def _answer(self, answer: Coroutine[Any, Any, wire.Message]) -> None:
        self.tell(await answer)


class Process:
    """Everything there is in this process."""

    def __init__(self, to_parent: socket.socket, handover: socket.socket, opened: Opener) -> None:
        """`opened`: the engine that a configuration asks for, and this node's part in a cluster."""
        self._handover = handover
        self._opened = opened
        self._decoder = control.Decoder()
        self._links: dict[int, WorkerLink] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        #: Watch and upkeep, once the record is there.
        self._for_ever: list[asyncio.Task[Any]] = []
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._ended = asyncio.get_running_loop().create_future()
        self._record: Engine | None = None
        self._membership: Membership | None = None
        self._operations: Operations | None = None
        self._parent = Stream(to_parent, self._take)
        self.keeper: Keeper

    async def run(self) -> None:
        """Until it is told to stop, or the API process is gone."""
        await self._ended
        for task in tuple(self._tasks):
            task.cancel()

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        _ = self._task(work)

    def _task(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None and not self._ended.done():
            self._ended.set_exception(task.exception() or RuntimeError())

    def report(self, event: dict[str, Any]) -> None:
        self._parent.send(control.encode(event))

    def _tell_all(self, message: wire.Message) -> int:
        for link in self._links.values():
            link.tell(message)
        return len(self._links)

    # The API process

    def _take(self, data: bytes) -> None:
        if not data:
            self._end()
            return
        for message in self._decoder.feed(data):
            if "do" in message:
                self.start(self._answer(message))
            elif (future := self._asked.pop(message["n"], None)) is not None:
                future.set_result(message)

    def _end(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)

    async def _answer(self, message: dict[str, Any]) -> None:
        n, what = message.pop("n"), message.pop("do")
        try:
            answer = await self._done(what, message)
        except RecordError as error:
            self._parent.send(control.encode({"n": n, **control.refusal(error)}))
            return
        except (OSError, ValueError) as error:
            # Not a fault of the record's: such as a scratch file that cannot be written.
            self._parent.send(control.encode({"n": n, **control.refusal(Unavailable(str(error)))}))
            return
        except Exception as error:  # noqa: BLE001  a fault of ours in one question is not to cost the commits
            trace = "".join(traceback.format_exception(error))[-2_000:]
            self.report({"event": "fault", "what": what, "trace": trace})
            self._parent.send(control.encode({"n": n, **control.refusal(Unavailable("it has failed"))}))
            return
        self._parent.send(control.encode({"n": n, "answer": answer}))
        if answer == "stopped":
            self._end()

    async def _done(self, what: str, arguments: dict[str, Any]) -> Any:
        if what == "start":
            return await self._started(arguments)
        if self._operations is None:
            raise Unavailable("the record is not open")
        if what != "settings":  # a session's first request waits for them, and no commit changes them
            while self._new_worker():
                pass  # one that was handed over, and may have sent something, and is dead by now
            for link in tuple(self._links.values()):
                link.stream.drain()  # what workers that are no more have sent comes first
            await self.keeper.settled()
        if what == "stop":
            return await self._stopped()
        return await self._operations.run(what, arguments)

    async def ask(self, what: str, **arguments: Any) -> Any:
        """Have the API process do something. Raises RecordError."""
        n = -1 - len(self._asked)
        while n in self._asked:
            n -= 1
        future = self._asked[n] = asyncio.get_running_loop().create_future()
        self._parent.send(control.encode({"n": n, "do": what, **arguments}))
        answer = await future
        if "error" in answer:
            raise control.error_of(answer)
        return answer["answer"]

    async def _dump(self, source: Path, out: Path) -> None:
        answer = await self.ask("dump", source=str(source), out=str(out))
        if answer.get("error"):
            raise Damaged(f"the session's file: {answer['error']}")

    # Beginning and end

    async def _started(self, config: dict[str, Any]) -> dict[str, Any]:
        root = Path(config["root"])
        caches = root / CACHES
        caches.mkdir(mode=0o700, exist_ok=True)
        record, membership = await self._opened(config, self.report)
        self._record, self._membership = record, membership
        shelf = Shelf(caches, await record.take_files(), scratch=root)
        adoption = Adoption(root, record, self._dump)
        self.keeper = Keeper(
            record,
            shelf,
            adoption,
            template=config["template"],
            expire_seconds=config["expire_seconds"],
            cache_seconds=config["cache_seconds"],
            tell=self._tell_all,
            report=self.report,
            membership=membership,
        )
        await self.keeper.begin()
        self._operations = Operations(self.keeper, membership)
        self.start(self.keeper.commit_groups())
        self._for_ever = [self._task(self.keeper.watch()), self._task(self.keeper.upkeep())]
        if membership is not None:
            self.start(membership.keep_up())
        asyncio.get_running_loop().add_reader(self._handover, self._new_worker)
        return {"identity": record.identity, "pid": os.getpid(), "waiting": len(adoption.waiting)}

    async def _stopped(self) -> str:
        """What is closed is written down, and the log copied into the file."""
        for task in self._for_ever:
            task.cancel()  # nobody looks after a record that is being closed
        await self.keeper.settled()
        if self._membership is not None:
            with suppress(RecordError):
                await self._membership.end()
        if self._record is not None:
            with suppress(RecordError, OSError):
                await self._record.keep_files((kept.closed, kept.ctime_ns) for kept in self.keeper.shelf)
            await self._record.close()
        return "stopped"

    # Workers

    def _new_worker(self) -> bool:
        """Whether there was one."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self._handover, 1024, 1, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            data, descriptors = b"", []
        if not data:
            asyncio.get_running_loop().remove_reader(self._handover)
            return False
        said = json.loads(data)
        slot, slots = int(said["slot"]), int(said["slots"])
        old = self._links.get(slot)
        if old is not None:
            old.stream.drain()  # the worker before is dead: all that it sent comes first
            old.stream.close()
            self.keeper.lost(old.sessions)
        link = self._links[slot] = WorkerLink(self, socket.socket(fileno=descriptors[0]), slot, slots)
        if self.keeper.room.full:
            link.tell(self.keeper.room)
        return True

    def passed_to(self, to: WorkerLink, session: str) -> None:
        """One is about to open a session: what another has said of it comes first, and it has it no more."""
        for link in tuple(self._links.values()):
            if link is not to and session in link.sessions:
                link.stream.drain()
                link.sessions.discard(session)

    def gone(self, slot: int, link: WorkerLink) -> None:
        if self._links.get(slot) is link:
            del self._links[slot]


async def embedded(
    config: dict[str, Any], _report: Callable[[dict[str, Any]], None]
) -> tuple[Engine, Membership | None]:
    """The record that is a file of the data root. Raises RecordError."""
    options = Options(
        durability=config["durability"],
        limits=Limits(config["session_bytes"], config["total_bytes"]),
        history_seconds=config["history_seconds"],
        history_bytes=config["history_bytes"],
    )
    return SqliteRecord(Path(config["root"]) / RECORD, options), None


async def _serve(control_fd: int, handover_fd: int, opened: Opener) -> None:
    handover = socket.socket(fileno=handover_fd)
    handover.setblocking(False)  # noqa: FBT003
    await Process(socket.socket(fileno=control_fd), handover, opened).run()


def main(arguments: Sequence[str], opened: Opener = embedded) -> int:
    """See the module."""
    control_fd, handover_fd = map(int, arguments)
    asyncio.run(_serve(control_fd, handover_fd, opened))
    return 0
