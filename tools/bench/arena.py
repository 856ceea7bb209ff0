"""Where contestants meet: they are started side by side, and put under the same load in turn."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from tools import processes
from tools.bench import by_hand, ours
from tools.bench.contestant import BenchError, running
from tools.bench.load import Load
from tools.bench.results import Cell, Fact, Results, Round
from tools.bench.workloads import DIALECTS, Request, member

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tools.bench.contestant import Contestant, Running
    from tools.bench.load import Generator
    from tools.bench.scale import Scale
    from tools.bench.workloads import Place

BASELINE = "aiohttp"
#: One failure in so many requests ends the run; fewer are a note below the figures.
_ENDED_BY = 10
#: Answered by every contestant, in a session that no load uses.
FIRST = Request("POST", "/members", "first", member(1))


def _in_dialect(name: str, _url: str) -> Contestant:
    """Ours, for requests of a dialect."""
    return ours.conventions(name=name)


#: For fewer replies than there are records read in turn: none is there when it is asked for again.
LITTLE_ROOM = 512 * 1024

#: By name, each made of the model's base URL.
CONTESTANTS: Final[dict[str, Callable[[str], Contestant]]] = {
    "aiohttp": lambda _url: by_hand.aiohttp(),
    "aiohttp tuned": lambda _url: by_hand.tuned_aiohttp(),
    "fastapi": lambda _url: by_hand.fastapi(),
    "conventions": lambda _url: ours.conventions(),
    "learned": ours.learned,
    "never": lambda url: ours.learned(url, name="never", reuse="never"),
    **{name: partial(_in_dialect, name) for name in DIALECTS},
    "contract": lambda _url: ours.contract(),
    "remembered": lambda url: ours.learned(url, name="remembered", remember=True),
    "little room": lambda url: ours.learned(
        url, name="little room", remember=True, remembered_bytes=LITTLE_ROOM
    ),
    "2 workers": lambda url: ours.learned(url, name="2 workers", workers=2),
}


@frozen
class Race:
    """One load for all; `at` is what the section varies. A point of a curve has fewer rounds."""

    section: str
    workload: str
    at: int
    requests: Sequence[Request]
    connections: int = 16
    curve: bool = False
    #: Requests that are not counted, where the scale's are too few.
    warm_up: int = 0
    #: What those are asked who are not asked the same as all, by their names.
    own: Mapping[str, Sequence[Request]] = field(factory=dict)

    def asked(self, name: str) -> Sequence[Request]:
        return self.own.get(name, self.requests)


@define
class Arena:
    """`only` names the contestants that take part; empty: all."""

    generator: Generator
    scale: Scale
    results: Results
    only: frozenset[str]
    scratch: Path
    model_url: str
    _directories: int = field(default=0, init=False)

    def contestants(self, *names: str) -> list[Contestant]:
        """Those of these that take part."""
        return [CONTESTANTS[name](self.model_url) for name in names if not self.only or name in self.only]

    @contextmanager
    def started(self, contestants: Iterable[Contestant]) -> Iterator[list[Running]]:
        with ExitStack() as stack:
            yield [stack.enter_context(self.start(contestant)) for contestant in contestants]

    @contextmanager
    def start(self, contestant: Contestant) -> Iterator[Running]:
        """In a directory of its own."""
        self._directories += 1
        place = self.scratch / str(self._directories)
        place.mkdir()
        with running(contestant, place, FIRST) as started:
            yield started

    def race(self, race: Race, field_: Sequence[Running]) -> None:
        """Rounds in which each has one turn; who begins changes. Adds a cell for each."""
        if not field_:
            self.note(f"{race.section}: none of its contestants takes part")
            return
        loads = {one.name: Load(race.asked(one.name), race.connections, self.scale.seconds) for one in field_}
        for one in field_:
            one.warm_up(race.asked(one.name)[: max(race.warm_up, self.scale.warm_up)])
        rounds: dict[str, list[Round]] = {one.name: [] for one in field_}
        for number in range(self.scale.curve_rounds if race.curve else self.scale.rounds):
            first = number % len(field_)
            for one in (*field_[first:], *field_[:first]):
                rounds[one.name].append(self._turn(one, loads[one.name]))
        for one in field_:
            cell = Cell(race.section, race.workload, race.at, one.name, tuple(rounds[one.name]))
            self.add(cell, one)

    def add_fact(self, section: str, what: str, contestant: str, unit: str, *values: float) -> None:
        fact = Fact(section, what, contestant, unit, values)
        self.results.facts.append(fact)
        print(f"  {what}: {contestant} {fact.median:,.2f} {unit}", flush=True)

    def note(self, note: str) -> None:
        """What was left out, and why; said once."""
        if note not in self.results.notes:
            self.results.notes.append(note)
            print(f"  {note}", flush=True)

    def add(self, cell: Cell, one: Running) -> None:
        self.results.cells.append(cell)
        what = f"{cell.workload} at {cell.at}: {cell.contestant}"
        print(f"  {what} {cell.rate:,.0f}/s", flush=True)
        if cell.errors:
            words = one.last_words() or "nothing"
            self.results.notes.append(
                f"{cell.section}, {what}: {cell.errors} failed; its log ends with: {words}"
            )

    def fill(self, field_: Iterable[Running], *places: Place) -> None:
        for one in field_:
            for place in places:
                one.fill(place)

    def _turn(self, one: Running, load: Load) -> Round:
        before = one.each(processes.cpu_seconds)
        sent = self.generator.send(one.port, load, self.scratch)
        after = one.each(processes.cpu_seconds)
        if sent.errors * _ENDED_BY >= sent.requests:
            failed = f"{one.name}: {sent.errors} of {sent.requests} requests failed"
            raise BenchError(f"{failed}; its log ends with\n{one.last_words()}")
        spent = {role: after[role] - seconds for role, seconds in before.items()} | {"load": sent.cpu}
        return Round(
            rate=sent.requests / sent.seconds,
            p50=sent.p50,
            p95=sent.p95,
            p99=sent.p99,
            errors=sent.errors,
            cpu_us={role: seconds / sent.requests * 1e6 for role, seconds in spent.items()},
        )


@contextmanager
def arena(
    generator: Generator, scale: Scale, results: Results, only: frozenset[str] = frozenset()
) -> Iterator[Arena]:
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        yield Arena(generator, scale, results, only, scratch, stack.enter_context(ours.model(scratch)))
