"""The benchmark harness works: numbers, JSON and pictures come out. What they are is no test's business."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tools.bench import load
from tools.bench.__main__ import main, run
from tools.bench.arena import arena
from tools.bench.contestant import BenchError
from tools.bench.results import Cell, Results, Round, ratio
from tools.bench.scale import TINY
from tools.bench.workloads import MEMBERS, WORKLOADS, Place

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.long

_PNG = b"\x89PNG\r\n\x1a\n"
_TWO = frozenset({"aiohttp", "learned"})


@pytest.fixture(scope="module")
def out(guest_artifact: object, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two contestants, two sections, one load generator: wrk, or in its absence the harness's own."""
    place = tmp_path_factory.mktemp("results")
    run(load.choose("any"), TINY, ["side-by-side", "memory", "stages"], _TWO, place)
    return place


@pytest.fixture(scope="module")
def results(out: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((out / "results.json").read_text())
    return document


def test_every_contestant_has_its_figures(results: dict[str, Any]) -> None:
    """Each workload has both, each round has requests without errors, latencies and processor times."""
    races = [(cell["section"], cell["workload"], cell["at"], cell["contestant"]) for cell in results["cells"]]
    rounds = [one for cell in results["cells"] for one in cell["rounds"]]

    assert sorted(races) == sorted(("side-by-side", "post", 16, name) for name in _TWO)
    assert all(one["rate"] > 0 and one["errors"] == 0 for one in rounds)
    assert all(0 < one["p50"] <= one["p95"] <= one["p99"] for one in rounds)
    assert {frozenset(one["cpu_us"]) for one in rounds} == {
        frozenset({"server", "load"}),
        frozenset({"api", "keeper", "workers", "load"}),
    }


@pytest.mark.more
def test_a_curve_over_connections(guest_artifact: object, tmp_path: Path) -> None:
    """Both contestants at each number of connections, as figures, as a picture and as a table."""
    found = run(load.choose("any"), TINY, ["connections"], _TWO, tmp_path)

    curve = [(workload, at) for workload in ("get", "post") for at in TINY.connections]
    assert sorted((cell.workload, cell.at, cell.contestant) for cell in found.cells) == sorted(
        (*race, name) for race in curve for name in _TWO
    )
    assert (tmp_path / "connections.png").read_bytes().startswith(_PNG)
    text = (tmp_path / "results.txt").read_text()
    assert re.search(r"^workload +connections +aiohttp +learned$", text, re.MULTILINE)


def test_costs_are_facts(results: dict[str, Any]) -> None:
    """Memory of both, a live session's of ours, and the stages of ours."""
    facts = {(fact["what"], fact["contestant"]): fact["values"] for fact in results["facts"]}

    assert facts["idle Pss", "aiohttp"][0] > 1
    assert facts["idle Pss", "learned"][0] > 1
    assert ("private, a live session", "learned, workers") in facts
    assert 0 < facts["get", "guest"][0] < facts["get", "total"][0]
    stages = {stage for what, stage in facts if what == "post"}
    assert stages == {"parse", "plan", "queue", "guest", "settle", "frame", "respond", "total"}


def test_hits_are_counted(guest_artifact: object, tmp_path: Path) -> None:
    """Of what is asked for again and again most reads are hits, of a mix with writes some."""
    found = run(load.choose("python"), TINY, ["remembered"], frozenset({"remembered"}), tmp_path)
    shares = {fact.what: fact.median for fact in found.facts}

    assert all(shares[workload] > 0.5 for workload in ("get", "list", "search"))
    assert 0 < shares["mixed"] < 1


@pytest.mark.more
def test_a_cluster_is_compared(guest_artifact: object, tmp_path: Path) -> None:
    """Each engine, one node and three, a request that is handed on and one that is not."""
    found = run(load.choose("any"), TINY, ["cluster"], frozenset({"cluster"}), tmp_path)

    assert [(cell.section, cell.workload, cell.contestant) for cell in found.cells] == [
        ("engines", "post", "embedded"),
        ("engines", "post", "PostgreSQL"),
        ("nodes", "post", "1 node"),
        ("nodes", "post", "3 nodes"),
        ("nodes", "get", "1 node"),
        ("nodes", "get", "3 nodes"),
    ]
    assert all(one.rate > 0 and one.errors == 0 for cell in found.cells for one in cell.rounds)
    assert [(fact.contestant, fact.median > 0) for fact in found.facts] == [
        ("local", True),
        ("forwarded", True),
    ]
    text = (tmp_path / "results.txt").read_text()
    assert len(re.findall(r"^(?:met|NOT MET) +.*(?:PostgreSQL|nodes|forwarded)", text, re.MULTILINE)) == 4


def test_the_machine_is_named(results: dict[str, Any]) -> None:
    """Figures without it mean nothing; nor do those of the harness's own load, and it says so."""
    assert results["machine"]["processor"]
    assert results["machine"]["load"] == "wrk" or "compare nothing" in results["machine"]["load"]


def test_pictures_and_tables_come_out(out: Path) -> None:
    """A picture for each section of races, and a text that has every contestant and the bar."""
    text = (out / "results.txt").read_text()

    assert (out / "side-by-side.png").read_bytes().startswith(_PNG)
    assert re.search(r"^(met|NOT MET) +post, learned to aiohttp: [\d.]+ x", text, re.MULTILINE)
    assert re.search(r"^not measured +fresh guest", text, re.MULTILINE)


@pytest.mark.parametrize(
    "name",
    [
        *("aiohttp", "learned"),
        *(
            pytest.param(name, marks=pytest.mark.more)
            for name in ("aiohttp tuned", "fastapi", "conventions", "never")
        ),
    ],
)
def test_all_contestants_answer_alike(name: str, guest_artifact: object, tmp_path: Path) -> None:
    """Every workload is answered by every contestant, under the harness's own load too."""
    generator = load.choose("python")
    with arena(generator, TINY, Results({})) as everybody:
        (contestant,) = everybody.contestants(name)
        with everybody.start(contestant) as started:
            place = Place(("s1", "s2"), 5)
            started.fill(place)
            for workload in MEMBERS:
                requests = place.requests(WORKLOADS[workload])[:10]
                started.warm_up(requests)
                sent = generator.send(started.port, load.Load(requests, 2, 0.01), tmp_path)
                assert (sent.requests >= 2, sent.errors) == (True, 0)


@pytest.mark.more
def test_a_contract_is_compared(guest_artifact: object, tmp_path: Path) -> None:
    """A record and a page, by conventions and by a description of the same members."""
    found = run(load.choose("any"), TINY, ["contract"], frozenset({"conventions", "contract"}), tmp_path)

    assert [(cell.workload, cell.contestant) for cell in found.cells] == [
        (workload, name) for workload in ("get", "list") for name in ("conventions", "contract")
    ]
    assert all(one.rate > 0 and one.errors == 0 for cell in found.cells for one in cell.rounds)
    text = (tmp_path / "results.txt").read_text()
    assert len(re.findall(r"^(?:met|NOT MET) +.*by a contract, to conventions", text, re.MULTILINE)) == 2


def test_no_wrk_is_said_plainly(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without wrk nothing is measured by accident: the run ends and says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))

    assert main([f"--out={tmp_path}"]) == 1
    assert "apt-get install wrk" in capsys.readouterr().err
    with pytest.raises(BenchError, match="wrk is not installed"):
        load.choose("wrk")


@pytest.mark.parametrize("option", ["--only=sessions,none", "--contestants=aiohttp,none"])
def test_names_that_there_are_not_are_refused(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is measured; the others are told."""
    with pytest.raises(SystemExit):
        main([option])

    assert re.search(r"unknown: none; there are .*(sandboxes|pyeryx)", capsys.readouterr().err)


def test_a_section_without_a_contestant_is_left_out(guest_artifact: object, tmp_path: Path) -> None:
    """Its rivals may all have been left out by name; the results say so, once."""
    found = run(load.choose("python"), TINY, ["records", "start-up"], frozenset({"fastapi"}), tmp_path)

    assert found.notes == ["records: none of its contestants takes part"]
    assert (found.cells, [fact.contestant for fact in found.facts]) == ([], ["fastapi"])


def test_a_ratio_is_taken_round_by_round() -> None:
    """What disturbs a round disturbs both contestants, and leaves their ratio alone."""

    def cell(*rates: float) -> Cell:
        return Cell("s", "get", 1, "c", tuple(Round(rate, 1, 1, 1, 0, {}) for rate in rates))

    assert str(ratio(cell(50, 100, 10), cell(100, 200, 10))) == "0.50 (0.50-1.00)"
