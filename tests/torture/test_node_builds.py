"""What a node's lease is for: a build that does not look at it tells what is not true any more."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING

import pytest

from server.cluster.ownership import weight
from server.sessions.identity import session_for
from tools.torture.nodes import Nodes
from tools.torture.wire import Gone, Hung, ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tools.postgresql import Postgres
    from tools.torture.nodes import Node
    from tools.torture.wire import Answer

pytestmark = pytest.mark.long

PATIENCE_SECONDS = 60.0


async def answered(node: Node, method: str, session: str, value: int | None = None) -> Answer:
    """As an ordinary client, which tries again on 503."""
    body = None if value is None else {"v": value}
    target = "/things" if method == "POST" else "/things/1"
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                answer = await ask(node.process.address, method, target, session, body)
            except (Gone, Hung):
                continue
            if answer.status != 503:
                return answer
            await asyncio.sleep(0.02)


def of_node(nodes: Nodes, number: int) -> Iterator[str]:
    """Sessions that are to be a node's, if nobody has them."""
    ids = [(node.process.data_root / "node").read_text().strip() for node in nodes.nodes]
    for n in count():
        name = f"s{n}"
        directory = session_for(name, None, "reject").directory
        if max(ids, key=lambda node: weight(node, directory)) == ids[number]:
            yield name


async def read_after_takeover(nodes: Nodes) -> list[int]:
    """What a cut off owner tells of sessions that another node has written meanwhile."""
    told: list[int] = []
    owner, other = nodes.nodes[0], nodes.nodes[1]
    names = of_node(nodes, 0)
    for _ in range(4):
        quiet, probe = next(names), next(names)
        for session in (quiet, probe):
            assert (await answered(owner, "POST", session, 1)).status == 201
            assert (await answered(owner, "GET", session)).status == 200
        owner.proxy.hold()
        try:
            # A write to another of its sessions shows that its lease is over, and nothing of the first waits.
            assert (await answered(other, "PUT", probe, 2)).status == 200
            assert (await answered(other, "PUT", quiet, 2)).status == 200
            try:
                async with asyncio.timeout(5):
                    answer = await ask(owner.process.address, "GET", "/things/1", quiet, None)
            except (Gone, Hung, TimeoutError):
                continue
            if answer.status == 200:
                told.append(answer.json["v"])
        finally:
            owner.proxy.go_on()
        told.append((await answered(owner, "GET", quiet)).json["v"])
    return told


@pytest.mark.usefixtures("guest_artifact")
async def test_a_build_without_the_lease_check_is_found_out(
    tmp_path: Path, postgres_server: Postgres
) -> None:
    async with Nodes(tmp_path, postgres_server, "tools.torture.builds.no_lease") as nodes:
        assert 1 in await read_after_takeover(nodes)


@pytest.mark.usefixtures("guest_artifact")
async def test_the_same_with_nothing_taken_out_tells_nothing_old(
    tmp_path: Path, postgres_server: Postgres
) -> None:
    async with Nodes(tmp_path, postgres_server) as nodes:
        assert 1 not in await read_after_takeover(nodes)
