"""The record behind a real PgBouncer in transaction mode: the contract of all engines, nodes, takeovers."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.docs.markdown import ROOT
from tools import pgbouncer
from tools.torture.cluster_histories import one_history
from tools.torture.nodes import Nodes

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.proxies


def test_the_contract_of_all_engines_holds_behind_it() -> None:
    tests = [
        f"tests/unit/server/record/{name}.py" for name in ("test_contract", "test_nodes", "test_spending")
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not sqlite", *tests],
        cwd=ROOT,
        env={**os.environ, "METASERVICE_TEST_POOLER": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4_000:]


@pytest.mark.usefixtures("guest_artifact")
async def test_histories_of_three_nodes_behind_it_have_an_order(tmp_path: Path) -> None:
    with pgbouncer.running(durable=True) as database:
        async with Nodes(tmp_path, database) as nodes:
            for number in range(4):
                wrong, told = await one_history(nodes, f"pooled:{number}", 120)
                assert not wrong
                assert told["operations"]
