"""What is written to a record while its power may fail: steps from a seed, and what each leaves."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Final, TypeAlias

from attrs import frozen

from store.change_set import ChangeSet, RecordRow
from store.entries import EntryRow

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A session: its version, and documents by row.
State: TypeAlias = "tuple[int, dict[int, str]]"
#: All sessions there are.
World: TypeAlias = "dict[str, State]"

_SESSIONS: Final = 6
_SIZES: Final = (10, 60, 300, 5_000)
_ENTRY: Final = EntryRow("things", 1, 1, "2026-11-30T00:00:00Z", '{"fields": {}}', "[]")


@frozen
class Change:
    session: str
    base: int
    batch: str
    rows: ChangeSet


@frozen
class Commit:
    parts: tuple[Change, ...]


@frozen
class Copy:
    source: str
    target: str


@frozen
class Adopt:
    session: str
    rows: tuple[ChangeSet, ...]


@frozen
class Rewind:
    session: str
    version: int


@frozen
class Remove:
    session: str


Step: TypeAlias = Commit | Copy | Adopt | Rewind | Remove


def steps(seed: int, count: int) -> Iterator[Step]:
    """As many steps, each possible after those before."""
    for step, _ in _play(seed, count):
        yield step


def worlds(seed: int, count: int) -> list[World]:
    """All sessions before the first step, and after each."""
    return [{}, *(world for _, world in _play(seed, count))]


def _play(seed: int, count: int) -> Iterator[tuple[Step, World]]:
    rng = random.Random(seed)
    world: World = {}
    past: dict[str, dict[int, dict[int, str]]] = {}
    for _ in range(count):
        step = _step(rng, world, past)
        world = _after(world, step, past)
        for session in list(past):
            if session not in world:
                del past[session]
        for session, (version, rows) in world.items():
            past.setdefault(session, {})[version] = rows
        yield step, world


def _step(rng: random.Random, world: World, past: dict[str, dict[int, dict[int, str]]]) -> Step:
    free = [f"f{n}" for n in range(3) if f"f{n}" not in world]
    filled = [session for session, (_, rows) in world.items() if rows]
    chance = rng.random()
    if chance < 0.04 and free and filled:
        return Copy(rng.choice(filled), free[0])
    if chance < 0.07 and world:
        rows = [RecordRow(1, row, _document(rng, row)) for row in range(1, rng.randrange(2, 40))]
        return Adopt(rng.choice(list(world)), (ChangeSet(entries=(_ENTRY,)), ChangeSet(puts=tuple(rows))))
    if chance < 0.10 and filled:
        session = rng.choice(filled)
        return Rewind(session, rng.choice(list(past[session])))
    if chance < 0.13 and len(free) < 3:
        return Remove(rng.choice([f"f{n}" for n in range(3) if f"f{n}" in world]))
    return Commit(tuple(_parts(rng, world)))


def _parts(rng: random.Random, world: World) -> Iterator[Change]:
    """Some of them of one session, one upon the other."""
    now = dict(world)
    for _ in range(rng.randrange(1, 9)):
        session = f"s{rng.randrange(_SESSIONS)}"
        version, rows = now.get(session, (0, {}))
        change = Change(session, version, f"{rng.getrandbits(128):032x}", _rows(rng, version, rows))
        now[session] = (version + 1, _applied(rows, change.rows))
        yield change


def _rows(rng: random.Random, version: int, rows: dict[int, str]) -> ChangeSet:
    entries = (_ENTRY,) if version == 0 else ()
    chance = rng.random()
    if rows and chance < 0.15:
        return ChangeSet(entries=entries, deletes=((1, rng.choice(list(rows))),))
    if rows and chance < 0.18:
        return ChangeSet(entries=entries, cleared=(1,))
    row = rng.choice(list(rows)) if rows and chance < 0.5 else max(rows, default=0) + 1
    return ChangeSet(entries=entries, puts=(RecordRow(1, row, _document(rng, row)),))


def _document(rng: random.Random, row: int) -> str:
    return json.dumps({"id": row, "text": f"{rng.getrandbits(32):08x}" * (rng.choice(_SIZES) // 8)})


def _after(world: World, step: Step, past: dict[str, dict[int, dict[int, str]]]) -> World:
    now = dict(world)
    match step:
        case Commit(parts):
            for part in parts:
                version, rows = now.get(part.session, (0, {}))
                now[part.session] = (version + 1, _applied(rows, part.rows))
        case Copy(source, target):
            now[target] = (1, now[source][1])
        case Adopt(session, chunks):
            rows = {}
            for chunk in chunks:
                rows = _applied(rows, chunk)
            now[session] = (now[session][0] + 1, rows)
        case Rewind(session, version):
            now[session] = (now[session][0] + 1, past[session][version])
        case Remove(session):
            del now[session]
    return now


def _applied(rows: dict[int, str], change: ChangeSet) -> dict[int, str]:
    left = {} if change.cleared else dict(rows)
    for _, row in change.deletes:
        left.pop(row, None)
    return left | {put.row: put.doc for put in change.puts}
