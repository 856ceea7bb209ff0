"""What lease and fence are for: histories find out a build without one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tools.torture.cluster_histories import one_history
from tools.torture.nodes import Nodes

if TYPE_CHECKING:
    from pathlib import Path

    from tools.postgresql import Postgres

pytestmark = pytest.mark.long

#: Of the builds with something taken out every second or third history shows it.
_MOST_HISTORIES = 20
_OPERATIONS = 120


@pytest.mark.usefixtures("guest_artifact")
@pytest.mark.parametrize("build", ["no_lease", "unfenced_node"])
async def test_a_build_with_a_piece_taken_out_is_found_out(
    tmp_path: Path, postgres_server: Postgres, build: str
) -> None:
    """A node that tells what it read whatever its lease says; one that writes whatever the engine says."""
    async with Nodes(tmp_path, postgres_server, f"tools.torture.builds.{build}") as nodes:
        for number in range(_MOST_HISTORIES):
            wrong, _ = await one_history(nodes, f"{build}:{number}", _OPERATIONS, takeovers_only=True)
            if wrong:
                return
    pytest.fail("no history shows it")
