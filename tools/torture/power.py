"""Power failures, simulated: every write and sync of the record's files, and what a disk may then hold.

1. A process writes to a record (`power_writer`). Each of its file calls waits for this one, which notes it,
   in one order with the steps that the process was told are durable.
2. At a point of that order the power fails. What was synced is there. Each write since then is there, or is
   not, or is there in some of its sectors, whatever became of others; a new file whose directory was not
   synced may not be there at all.
3. The record is opened as it then is. Every step that was acknowledged before has to be there, whole, and of
   those after it as many as there are, each whole and in order; and `verify` finds no damage.

A call counts as done when its thread has made another one, or said that a step is durable.
"""

from __future__ import annotations

import asyncio
import random
import socket
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from server.record import backup, files
from server.record.record import RecordError
from server.record.sqlite_record import SqliteRecord
from tools.torture import power_model
from tools.torture.file_faults import Operation, memory, operation_of
from tools.torture.power_writer import DURABLE, ENDED
from tools.torture.report import Report
from tools.torture.seccomp import Listener, filtered, receive_listener

if TYPE_CHECKING:
    from tools.torture.power_model import World
    from tools.torture.seccomp import Call, Verdict

_STEPS: Final = 400
_SECTOR: Final = 512
#: The log's index is made anew after a crash: it is shared memory.
_NOT_KEPT: Final = "-shm"
_LONGEST_SECONDS: Final = 600


@frozen
class Event:
    """`kind`.

    Create, write, cut, sync, remove, ended (a thread), or durable (whose `size` is the step's number).
    """

    kind: str
    thread: int
    name: str
    offset: int = 0
    size: int = 0
    data: bytes = field(default=b"", repr=False)


@define
class Recorder:
    """Notes what happens to files in a directory. Its own name stands for the directory itself."""

    directory: Path
    events: list[Event] = field(factory=list)
    _lock: threading.Lock = field(factory=threading.Lock)

    def decide(self, call: Call) -> Verdict | None:
        """Everything takes place."""
        try:
            event = self._event(call)
        except OSError:
            return None
        if event is not None:
            with self._lock:
                self.events.append(event)
        return None

    def _event(self, call: Call) -> Event | None:
        operation = operation_of(call)
        if operation.path.startswith(DURABLE):
            return Event("durable", call.task, "", size=int(operation.path.removeprefix(DURABLE)))
        if operation.path == ENDED:
            return Event("ended", call.task, "")
        path = Path(operation.path)
        if path == self.directory and operation.syncs:
            return Event("sync", call.task, "")
        if path.parent != self.directory or path.name.endswith(_NOT_KEPT):
            return None
        return _changed(call, operation, path.name)


def _changed(call: Call, operation: Operation, name: str) -> Event | None:
    """What a call does to a file."""
    if operation.writes:
        _, address, size, offset = call.arguments[:4]
        if call.name != "pwrite64":
            raise AssertionError(f"a write that is not understood: {call.name}")
        return Event("write", call.task, name, offset, size, memory(call.task, address, size))
    if operation.syncs:
        return Event("sync", call.task, name)
    if call.name == "ftruncate":
        return Event("cut", call.task, name, size=call.arguments[1])
    if operation.creates:
        return Event("create", call.task, name)
    if call.name in ("unlink", "unlinkat"):
        return Event("remove", call.task, name)
    return None


class Disk:
    """What it may hold at a point of the events. `before`: the files as they were at the beginning."""

    def __init__(self, before: dict[str, bytes], events: list[Event]) -> None:
        self._before = before
        self._events = events
        #: The place of the first event of each event's thread after it: then it is done.
        self._done = [len(events)] * len(events)
        later: dict[int, int] = {}
        for place in range(len(events) - 1, -1, -1):
            thread = events[place].thread
            self._done[place] = later.get(thread, len(events))
            later[thread] = place

    def acknowledged(self, point: int) -> int:
        """How many steps were durable, as the writer was told, when the power failed before event `point`."""
        return sum(event.kind == "durable" for event in self._events[:point])

    def at(self, point: int, rng: random.Random) -> dict[str, bytes]:
        """Files by name, one of the many ways in which they may be."""
        kept = rng.choice(("nothing", "everything", "some", "some", "torn", "torn"))
        found: dict[str, bytes] = {}
        for name in {*self._before, *(event.name for event in self._events[:point] if event.name)}:
            content = self._file(name, point, rng, kept)
            if content is not None:
                found[name] = content
        return found

    def _file(self, name: str, point: int, rng: random.Random, kept: str) -> bytes | None:
        content = bytearray(self._before.get(name, b""))
        open_: list[tuple[int, Event]] = []
        for place, event in enumerate(self._events[:point]):
            if event.name != name:
                continue
            if event.kind == "remove":
                open_, content = [], bytearray()
            elif event.kind in ("write", "cut"):
                open_.append((place, event))
            elif event.kind == "sync" and self._done[place] < point:
                open_ = self._settle(content, open_, place)
        for _, event in open_:
            _apply(content, event, rng, kept)
        return bytes(content) if self._there(name, point, rng, kept) else None

    def _there(self, name: str, point: int, rng: random.Random, kept: str) -> bool:
        """Whether its name is in the directory."""
        there = name in self._before
        open_: list[tuple[int, Event]] = []
        for place, event in enumerate(self._events[:point]):
            if event.name == name and event.kind in ("create", "remove"):
                open_.append((place, event))
            elif event.kind == "sync" and event.name == "" and self._done[place] < point:
                for at, change in open_:
                    if self._done[at] <= place:
                        there = change.kind == "create"
                open_ = [(at, change) for at, change in open_ if self._done[at] > place]
        for _, change in open_:
            if kept == "everything" or (kept != "nothing" and rng.random() < 0.5):
                there = change.kind == "create"
        return there

    def _settle(
        self, content: bytearray, open_: list[tuple[int, Event]], place: int
    ) -> list[tuple[int, Event]]:
        """A sync is done: what was done before it is on the disk."""
        left: list[tuple[int, Event]] = []
        for at, event in open_:
            if self._done[at] <= place:
                _whole(content, event)
            else:
                left.append((at, event))
        return left


def _whole(content: bytearray, event: Event) -> None:
    if event.kind == "cut":
        _resize(content, event.size)
        return
    end = event.offset + len(event.data)
    if len(content) < end:
        _resize(content, end)
    content[event.offset : end] = event.data


def _resize(content: bytearray, size: int) -> None:
    del content[size:]
    content.extend(bytes(size - len(content)))


def _apply(content: bytearray, event: Event, rng: random.Random, kept: str) -> None:
    """What a disk may have made of an operation that was not synced."""
    if kept == "everything" or (kept == "some" and rng.random() < 0.5):
        _whole(content, event)
    elif kept == "torn" and event.kind == "write":
        for start in range(0, len(event.data), _SECTOR):
            if rng.random() < 0.6:
                piece = event.data[start : start + _SECTOR]
                _whole(content, Event("write", 0, event.name, event.offset + start, len(piece), piece))
    elif kept == "torn" and rng.random() < 0.5:
        _whole(content, event)


async def torture(seed: int, points: int, *, steps: int = _STEPS, durability: str = "full") -> Report:
    """Fail the power at random points of one long run, and look at what is left each time."""
    report = Report("power", seed, f"--points {points}")
    with tempfile.TemporaryDirectory(prefix="metaservice-power-") as scratch:
        directory = Path(scratch).resolve() / "data"  # noqa: ASYNC240
        directory.mkdir()
        files.prepare(directory / files.NAME)
        before = {path.name: path.read_bytes() for path in directory.iterdir()}
        events = await asyncio.to_thread(_recorded, directory, seed, steps, durability)
        disk, rng = Disk(before, events), random.Random(seed)
        worlds = power_model.worlds(seed, steps)
        done = disk.acknowledged(len(events))
        if done != steps:
            report.violation(f"the writer did {done} of {steps} steps")
        kinds = Counter(event.kind for event in events)
        report.figures["calls"] = len(events)
        report.figures["writes"], report.figures["syncs"] = kinds["write"], kinds["sync"]
        behind = 0
        for number in range(points):
            point = rng.randrange(1, len(events) + 1)
            place = Path(scratch) / f"point-{number}"
            place.mkdir()
            for name, content in disk.at(point, rng).items():
                (place / name).write_bytes(content)
            acknowledged = disk.acknowledged(point)
            fault, found = await _look(place, worlds, acknowledged)
            if fault:
                report.violation(f"seed {seed}, point {point}: {fault}")
            behind += found - acknowledged
            for path in place.iterdir():
                path.unlink()
        report.figures["points"] = points
        report.figures["steps found beyond those acknowledged"] = behind
    return report


def _recorded(directory: Path, seed: int, steps: int, durability: str) -> list[Event]:
    ours, theirs = socket.socketpair()
    command = [
        *(sys.executable, "-m", "tools.torture.power_writer"),
        *(str(directory), str(seed), str(steps), durability),
    ]
    with ours, theirs, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            filtered(command, theirs), pass_fds=(theirs.fileno(),), stderr=errors, cwd=Path.cwd()
        )
        theirs.close()
        recorder = Recorder(directory)
        listener = Listener(receive_listener(ours), recorder.decide)
        try:
            process.wait(_LONGEST_SECONDS)
        finally:
            process.kill()
            process.wait()
            listener.close()
        if process.returncode:
            errors.seek(0)
            raise RuntimeError(errors.read().decode("utf-8", "replace")[-2000:])
    return recorder.events


async def _look(place: Path, worlds: list[World], acknowledged: int) -> tuple[str, int]:
    """What is wrong with a record when the power is back, if anything; and how many steps are in it."""
    try:
        record = SqliteRecord(place / files.NAME)
    except RecordError as error:
        return f"it does not open: {error.reason}", acknowledged
    try:
        found = await _world(record)
    except RecordError as error:
        return f"it cannot be read: {error.reason}", acknowledged
    finally:
        await record.close()
    damaged = backup.verify(place / files.NAME)["damaged"]
    if damaged:
        return f"damaged: {damaged[0]}", acknowledged
    # One more may have been done, and not acknowledged when the power failed.
    for step in range(acknowledged, min(acknowledged + 2, len(worlds))):
        if worlds[step] == found:
            return "", step
    return _difference(worlds[acknowledged], found), acknowledged


async def _world(record: SqliteRecord) -> World:
    found: World = {}
    async for entry in record.sessions():
        rows = record.execute(
            "SELECT row, doc FROM records WHERE session = (SELECT id FROM sessions WHERE name = ?)",
            (entry.name,),
        )
        found[entry.name] = (entry.version, dict(rows))
    return found


def _difference(expected: World, found: World) -> str:
    for session in sorted(expected.keys() | found.keys()):
        if expected.get(session) != found.get(session):
            versions = [world[session][0] if session in world else 0 for world in (expected, found)]
            return f"session {session} was acknowledged at version {versions[0]}, and is at {versions[1]}"
    return "nothing differs"
