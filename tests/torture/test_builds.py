"""What the history check is for: a build with gate, compare or invalidation taken out fails it."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest
from attrs import frozen

from server import app
from server.record import client
from tests.e2e.inprocess import serving
from tools.torture.builds.deaf_memory import DeafMemory
from tools.torture.history import Recorder, anomalies
from wasm_runtime import lanes, slot, worker_process

if TYPE_CHECKING:
    from pathlib import Path

    from server.service import Service

pytestmark = pytest.mark.long

_OPERATIONS = 600
_MOST_HISTORIES = 12
_BUILDS = "tools.torture.builds"


@frozen
class Here:
    """The service in this process, as a recorder wants it."""

    service: Service

    @property
    def address(self) -> tuple[str, int]:
        return self.service.address

    def workers(self) -> list[int]:
        pids: list[int] = self.service._executor.health()["pids"]
        return pids

    def keepers(self) -> list[int]:
        return [self.service._keeper.pid]


async def wrong_in(root: Path, *, histories: int, operations_per_kill: int = 50) -> list[str]:
    """What is wrong with histories of a service, until something is."""
    async with serving(root, {}, workers=1) as served:
        for number in range(histories):
            recorder = Recorder(
                Here(served.service),  # type: ignore[arg-type]
                f"h{number}",
                Random(number),
                _OPERATIONS,
                operations_per_kill=operations_per_kill,
            )
            wrong = anomalies(await recorder.record()) + recorder.violations
            if wrong:
                return wrong
    return []


@pytest.mark.usefixtures("guest_artifact")
async def test_a_build_without_the_gate_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers that leave before the record has what they say; then worker and keeper are killed."""
    monkeypatch.setattr(worker_process, "MODULE", f"{_BUILDS}.open_gate")

    assert await wrong_in(tmp_path, histories=_MOST_HISTORIES)


@pytest.mark.usefixtures("guest_artifact")
async def test_a_build_without_the_version_compare_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was made upon a version that the record has refused is written: then it runs again."""
    monkeypatch.setitem(client.MODULES, "sqlite", f"{_BUILDS}.no_compare")

    assert await wrong_in(tmp_path, histories=_MOST_HISTORIES, operations_per_kill=_OPERATIONS)


@pytest.mark.usefixtures("guest_artifact")
async def test_a_build_without_invalidation_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replies that are remembered whatever is written."""
    monkeypatch.setattr(app, "Memory", DeafMemory)

    assert await wrong_in(tmp_path, histories=_MOST_HISTORIES, operations_per_kill=_OPERATIONS)


@pytest.fixture
def restless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that moves to its slot's lane, and back, as often as it can."""
    monkeypatch.setattr(lanes, "LONG_FUEL", 0)
    monkeypatch.setattr(lanes, "BACK_SECONDS", 0.02)
    monkeypatch.setattr(slot.Slot, "is_shared", lambda _slot, session: True)


@pytest.mark.usefixtures("guest_artifact", "restless")
async def test_a_build_whose_sessions_move_with_their_files_open_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a worker still has of a session is of no use to the other."""

    async def keep(_slot: slot.Slot, _session: str) -> None: ...

    monkeypatch.setattr(slot.Slot, "drop", keep)

    assert await wrong_in(tmp_path, histories=_MOST_HISTORIES)


@pytest.mark.usefixtures("guest_artifact", "restless")
async def test_sessions_that_move_all_the_time_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under kills of all workers and the keeper."""
    moves: list[str] = []
    moved = lanes.Lanes.moved

    def count(self: lanes.Lanes, session: str, to: slot.Slot) -> None:
        moves.append(session)
        moved(self, session, to)

    monkeypatch.setattr(lanes.Lanes, "moved", count)

    assert await wrong_in(tmp_path, histories=1) == []
    assert len(moves) > 10


@pytest.mark.usefixtures("guest_artifact")
async def test_the_same_with_nothing_taken_out_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the same kills, and with a record that refuses as often."""
    monkeypatch.setitem(client.MODULES, "sqlite", f"{_BUILDS}.refusing")

    assert await wrong_in(tmp_path, histories=2) == []
