"""Three nodes on one PostgreSQL, as operators start them: processes on loopback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.e2e.service import RunningService
from tools.processes import toml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tools.postgresql import Postgres

ADMIN: Final = "operators-token"
CLUSTER_TOKEN: Final = "nodes-token"
RECORD: Final = {"engine": "postgres", "lease_ms": 2_000, "drain_seconds": 1}


class Cluster:
    """Nodes that come and go; each has a data root of its own."""

    def __init__(
        self, scratch: Path, url: str, record: dict[str, object], **tables: dict[str, object]
    ) -> None:
        self._scratch = scratch
        self._url = url
        self._config = scratch / "metaservice.toml"
        settings: dict[str, dict[str, object]] = {"record": record, "sandbox": {"workers": 1}, **tables}
        self._config.write_text(toml(settings), "utf-8")
        self.nodes: list[RunningService] = []

    def start(self, name: str, **variables: str) -> RunningService:
        place = self._scratch / name
        place.mkdir(exist_ok=True)
        settings = {
            "LARS_CONFIG": str(self._config),
            "LARS_RECORD_URL": self._url,
            "LARS_ADMIN_TOKEN": ADMIN,
            "LARS_CLUSTER_TOKEN": CLUSTER_TOKEN,
            **variables,
        }
        node = RunningService(place / "data", place, settings)
        self.nodes.append(node)
        return node

    def close(self) -> None:
        for node in self.nodes:
            node.close()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, postgres_server: Postgres) -> Iterator[Cluster]:
    """Three nodes that nothing is done to."""
    made = Cluster(tmp_path_factory.mktemp("cluster"), postgres_server.new_database(), dict(RECORD))
    try:
        for name in ("one", "two", "three"):
            made.start(name)
        yield made
    finally:
        made.close()
