"""How many sessions a token may have, over three nodes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import pytest

from tests.cluster.conftest import ADMIN, RECORD, Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.postgresql import Postgres

MOST: Final = 5
TOKEN: Final = {"Authorization": "Bearer clients-token"}


@pytest.fixture(scope="module")
def bounded(tmp_path_factory: pytest.TempPathFactory, postgres_server: Postgres) -> Iterator[Cluster]:
    """Three nodes that know one token."""
    scratch, url = tmp_path_factory.mktemp("bounded"), postgres_server.new_database()
    made = Cluster(
        scratch,
        url,
        dict(RECORD),
        sessions={"per_token": MOST},
        **{"auth.tokens": {"clients": "clients-token"}},
    )
    try:
        with ThreadPoolExecutor(3) as at_once:
            list(at_once.map(made.start, ("one", "two", "three")))
        yield made
    finally:
        made.close()


def test_first_requests_at_once_make_no_more_sessions_than_there_may_be(bounded: Cluster) -> None:
    """64 new sessions, asked for at all nodes alike; those that came first go on at every node."""

    def first(number: int) -> int:
        node = bounded.nodes[number % 3]
        return node.client(f"race-{number}", **TOKEN).post("/orders", {"n": number}).status

    with ThreadPoolExecutor(64) as at_once:
        statuses = list(at_once.map(first, range(64)))
    assert sorted(statuses) == [201] * MOST + [403] * (64 - MOST)

    there = [number for number, status in enumerate(statuses) if status == 201]
    for node in bounded.nodes:
        for number in there:
            assert node.client(f"race-{number}", **TOKEN).get("/orders/1").json["n"] == number
        assert node.client("one-more", **TOKEN).get("/orders").error[0] == 403

    operator = bounded.nodes[0].client(None, Authorization=f"Bearer {ADMIN}")
    assert operator.request("DELETE", f"/_meta/sessions/race-{there[0]}").status == 200
    assert bounded.nodes[1].client("one-more", **TOKEN).post("/orders", {}).status == 201
    for node in bounded.nodes:
        assert node.client(f"race-{there[0]}", **TOKEN).get("/orders").error[0] == 403
        assert node.client("one-more", **TOKEN).get("/orders").status == 200
