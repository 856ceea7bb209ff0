"""How full the data root is, looked at no more often than need be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.metrics.disk import REFRESH_SECONDS, DiskGauge
from server.sessions.files import SessionFiles
from tests.clock import Clock

if TYPE_CHECKING:
    from pathlib import Path


def make_session(root: Path, number: int, size: int) -> None:
    directory = root / f"{number:032x}"
    directory.mkdir()
    (directory / "store.db").write_bytes(b"x" * size)


async def test_sessions_and_their_bytes(tmp_path: Path) -> None:
    """Sessions are counted, other files are not; they are looked at again in time, not before."""
    clock = Clock(0.0)
    gauge = DiskGauge(SessionFiles(tmp_path), clock)
    make_session(tmp_path, 1, 100)
    (tmp_path / "lock").write_bytes(b"x" * 7)
    first = await gauge.read()
    make_session(tmp_path, 2, 11)
    clock.now = REFRESH_SECONDS - 0.001
    second = await gauge.read()
    clock.now = REFRESH_SECONDS
    third = await gauge.read()

    assert (first.sessions, first.session_bytes) == (1, 100)
    assert (second.sessions, second.session_bytes) == (1, 100)
    assert (third.sessions, third.session_bytes) == (2, 111)
    assert 0 < first.free <= first.total


async def test_a_session_that_goes_meanwhile(tmp_path: Path) -> None:
    """One that is deleted while it is looked at is no error, and is not counted."""
    make_session(tmp_path, 1, 100)

    class Ghostly(SessionFiles):
        def names(self) -> list[str]:
            return [*super().names(), "f" * 32]

    found = await DiskGauge(Ghostly(tmp_path)).read()

    assert (found.sessions, found.session_bytes) == (1, 100)
