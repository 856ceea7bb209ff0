"""Every part of the torture, short, against the real service. The long runs are the command line's."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from tools.torture import (
    cluster,
    faults,
    history,
    hostile,
    http_loop,
    kill,
    loris,
    names,
    providers,
    sessions,
    soak,
    watchers,
)

if TYPE_CHECKING:
    from wasm_runtime.artifact import Artifact

pytestmark = pytest.mark.long


@pytest.fixture
def seed() -> int:
    """Another one each time; a failure's report names it."""
    return secrets.randbelow(10**6)


async def test_kills_lose_nothing(guest_artifact: Artifact, seed: int) -> None:
    """Kill -9 of server and workers under eight writers: no acknowledged write lost, none by half."""
    report = await kill.torture(seed, kills=3)

    assert not report.violations, report.text()
    assert report.figures["acknowledged"]


@pytest.mark.more
async def test_a_cluster_loses_nothing(guest_artifact: Artifact, seed: int) -> None:
    """Three nodes and their database are killed and cut off: nothing lost, twice or torn, and one order."""
    report = await cluster.torture(seed, kills=4, histories=2, operations=120)

    assert not report.violations, report.text()
    assert report.figures["acknowledged"]


async def test_histories_have_an_order(guest_artifact: Artifact, seed: int) -> None:
    """Concurrent clients of one session see what could have happened one request at a time."""
    report = await history.torture(seed, histories=1, operations=400)

    assert not report.violations, report.text()


async def test_hostile_plans_are_boring(guest_artifact: Artifact, seed: int) -> None:
    """Whatever runs in a guest, past the policy too: others are unhurt, memory and disk are bounded."""
    report = await hostile.torture(seed, short=True)

    assert not report.violations, report.text()


async def test_names_reach_nobody_else(guest_artifact: Artifact, seed: int) -> None:
    """A model that obeys any name: other sessions' answers, plans and errors are as without the attacker."""
    report = await names.torture(seed, rounds=1)

    assert not report.violations, report.text()
    assert report.figures["obeyed"]


async def test_hostile_requests_are_boring(guest_artifact: Artifact, seed: int) -> None:
    """The HTTP corpus in class; its mutants never a 5xx, never a hang, never a flood in the log."""
    report = await http_loop.torture(seed, mutants=80)

    assert not report.violations, report.text()


async def test_bad_clients_harm_nobody(guest_artifact: Artifact, seed: int) -> None:
    """Slow, leaving, pipelining, huge and wide ones: others are served, and memory is bounded."""
    report = await loris.torture(seed, seconds=3, timed=False)

    assert not report.violations, report.text()
    assert report.figures["beside"]


async def test_sessions_are_bounded_by_live_guests(guest_artifact: Artifact, seed: int) -> None:
    """More sessions than live guests: each its own data, descriptors and memory as if there were few."""
    report = await sessions.torture(seed, count=200)

    assert not report.violations, report.text()


@pytest.mark.parametrize("where", ["record", "start", "file"])
async def test_every_file_operation_may_fail(
    guest_artifact: Artifact, seed: int, where: faults.Where
) -> None:
    """A few n of some of the series; all of them are the command line's."""
    report = await faults.torture(seed, short=True, where=where)

    assert not report.violations, report.text()
    assert isinstance(report.figures["rounds"], int)
    assert report.figures["rounds"] > faults.SHORT_SERIES[where]


async def test_every_provider_may_fail(guest_artifact: Artifact, seed: int) -> None:
    """One fault for each status, for every method, of both providers."""
    report = await providers.torture(seed, short=True)

    assert not report.violations, report.text()


async def test_a_short_soak_loses_nothing(guest_artifact: Artifact, seed: int) -> None:
    """Each kind of fault once; what memory does takes minutes to see."""
    report = await soak.torture(seed, seconds=3, every=0.5)

    assert not report.violations, report.text()
    assert report.figures["lost"] == 0
    assert {"kill", "disk", "hostile", "provider", "abort"} <= report.figures.keys()


async def test_watchers_see_all_of_it_in_order(guest_artifact: Artifact, seed: int) -> None:
    """Records, lists and patches; some leave and come again. Each ends with the last state."""
    report = await watchers.torture(seed, 60, 6, a_second=50, seconds=3)

    assert not report.violations, report.text()
    assert report.figures["writes"] == 150
