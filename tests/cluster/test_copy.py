"""From a service by itself into a cluster, and back: `metaservice record copy`; and `metaservice nodes`."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.conftest import ADMIN, CLUSTER_TOKEN, RECORD, Cluster
from tests.e2e.service import RunningService
from tools.processes import environment

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.long


def command(scratch: Path, *words: str, **variables: str) -> tuple[int, Any]:
    """Exit status, and what was printed as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "server", *words, "--json"],
        cwd=scratch,
        env=environment(variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_sessions_go_into_a_cluster_and_out_of_it(tmp_path: Path, database: str) -> None:
    alone, elsewhere = tmp_path / "alone", tmp_path / "elsewhere"
    with RunningService(alone, tmp_path, {"LARS_ADMIN_TOKEN": ADMIN}) as service:
        for n in range(3):
            assert service.client(f"s{n}").post("/orders", {"n": n}).status == 201
        operator = service.client(None, Authorization=f"Bearer {ADMIN}")
        assert operator.patch("/_meta/sessions/s0/settings", {"dialect": "json-server"}).status == 200
        service.stop()
    variables = {"SANDBOX_DATA_ROOT": str(alone), "LARS_RECORD_URL": database}
    status, found = command(tmp_path, "record", "copy", "--to", "postgres", **variables)
    assert (status, found) == (0, {"sessions": 3, "left": []})
    status, found = command(tmp_path, "record", "copy", "--to", "postgres", **variables)
    assert (status, sorted(found["left"])) == (1, ["s0", "s1", "s2"])

    place = tmp_path / "cluster"
    place.mkdir()
    cluster = Cluster(place, database, dict(RECORD))
    try:
        node = cluster.start("node")
        for n in range(3):
            assert node.client(f"s{n}", X_Dialect="native").get("/orders/1").json["n"] == n
        assert "x-dialect" in node.client("s0").get("/orders/1").headers
        assert node.client("s1").post("/orders", {"n": 9}).status == 201
        status, listed = command(
            tmp_path, "nodes", "--url", node.url, LARS_ADMIN_TOKEN=ADMIN, LARS_CLUSTER_TOKEN=CLUSTER_TOKEN
        )
        [mine] = [each for each in listed["nodes"] if each["left"] > 0]
        assert (status, mine["url"], mine["self"], mine["sessions"]) == (0, node.url, True, 3)
        node.stop()
    finally:
        cluster.close()

    variables = {"SANDBOX_DATA_ROOT": str(elsewhere), "LARS_RECORD_URL": database}
    assert command(tmp_path, "record", "copy", "--to", "sqlite", **variables) == (
        0,
        {"sessions": 3, "left": []},
    )
    with RunningService(elsewhere, tmp_path, {}) as service:
        assert service.client("s1").get("/orders/2").json["n"] == 9
        service.stop()


def test_a_service_by_itself_is_no_node(tmp_path: Path) -> None:
    assert command(tmp_path, "nodes", SANDBOX_DATA_ROOT=str(tmp_path / "data")) == (0, {"nodes": []})
