"""What hostile plans are looked over with notices what they might do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tools.in_process import hosting
from tools.torture import hostile
from tools.torture.host import SANDBOX, ProgramPlanner
from tools.torture.report import Report
from tools.torture.wire import ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from wasm_runtime.artifact import Artifact

on_one_loop = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def loop(
    guest_artifact: Artifact, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[hostile.HostileLoop]:
    """With a victim that nobody has hurt yet."""
    place, planner = tmp_path_factory.mktemp("hostile"), ProgramPlanner()
    canary = place / "canary"
    canary.write_bytes(b"nobody but the owner of this machine deletes or changes this\n")
    async with hosting(place / "data", planner, **SANDBOX) as service:
        made = hostile.HostileLoop(Report("hostile", 1, ""), service, planner, place / "data", canary)
        await made.make_victim()
        yield made


async def found(loop: hostile.HostileLoop, name: str) -> list[str]:
    loop.report.violations.clear()
    await loop.check_others(name)
    return list(loop.report.violations)


@on_one_loop
async def test_a_row_that_no_answer_shows_is_noticed(loop: hostile.HostileLoop) -> None:
    """The victim answers as before; the record has one more row of it, and then one less again."""
    assert await found(loop, "new-1") == []
    await ask(loop.service.address, "POST", "/beside", "victim", {"name": "planted"})

    assert await found(loop, "new-2") == ["[start] the record has other rows of the victim"]


@on_one_loop
async def test_a_file_among_the_sessions_is_noticed(loop: hostile.HostileLoop) -> None:
    planted = loop.data_root / "caches" / "planted"
    planted.write_bytes(b"")
    assert any("among the sessions' files" in each for each in await found(loop, "new-3"))
    planted.unlink()
