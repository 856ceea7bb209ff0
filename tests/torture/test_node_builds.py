"""What lease and fence are for: histories find out a build without one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tools.torture.cluster_histories import one_history, one_takeover
from tools.torture.nodes import Nodes

if TYPE_CHECKING:
    from pathlib import Path

    from tools.postgresql import Postgres

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("guest_artifact")]

#: Of the build without a fence every second or third history shows it.
_MOST_HISTORIES = 20
_OPERATIONS = 120


@pytest.mark.parametrize(("module", "finds"), [("server", False), ("tools.torture.builds.no_lease", True)])
async def test_a_node_that_tells_what_it_read_whatever_its_lease_says_is_found_out(
    tmp_path: Path, postgres_server: Postgres, module: str, finds: bool
) -> None:
    async with Nodes(tmp_path, postgres_server, module) as nodes:
        wrong = await one_takeover(nodes, "taken")

    assert bool(wrong) == finds, wrong


async def test_a_node_that_writes_whatever_the_engine_says_is_found_out(
    tmp_path: Path, postgres_server: Postgres
) -> None:
    async with Nodes(tmp_path, postgres_server, "tools.torture.builds.unfenced_node") as nodes:
        for number in range(_MOST_HISTORIES):
            wrong, _ = await one_history(nodes, f"unfenced_node:{number}", _OPERATIONS, takeovers_only=True)
            if wrong:
                return
    pytest.fail("no history shows it")
