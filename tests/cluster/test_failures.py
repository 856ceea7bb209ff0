"""Nodes that die, stop and hang: what was acknowledged is there, at whichever node is asked next."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from typing import TYPE_CHECKING

import pytest

from tests.cluster.conftest import RECORD, Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.client import Answer, Client

pytestmark = pytest.mark.long

#: Long enough for any machine; what is asked again is asked until it is answered.
PATIENCE_SECONDS = 60.0


@pytest.fixture
def fragile(tmp_path: Path, database: str) -> Iterator[Cluster]:
    """Nodes that are killed; each test starts those it needs."""
    record = {**RECORD, "lease_ms": 1_000}
    made = Cluster(tmp_path, database, record)
    try:
        yield made
    finally:
        made.close()


def until_answered(client: Client, method: str, target: str, body: object = None) -> Answer:
    """As an ordinary client, which tries again on 503 and where there is no answer."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        assert time.monotonic() < deadline
        with contextlib.suppress(OSError, HTTPException):
            answer = client.request(method, target, body)
            if answer.status != 503:
                return answer
        time.sleep(0.02)


def test_a_killed_owner_s_sessions_are_taken_over_with_all_that_was_acknowledged(fragile: Cluster) -> None:
    """By whichever node is asked; and an old owner that comes back finds out."""
    one, two = fragile.start("one"), fragile.start("two")
    sessions = [f"kill-{n}" for n in range(6)]
    for session in sessions:
        assert one.client(session).post("/orders", {"a": 1}).status == 201
    one.kill()
    for session in sessions:
        assert until_answered(two.client(session), "GET", "/orders/1").json["a"] == 1
        assert until_answered(two.client(session), "POST", "/orders", {"a": 2}).json["id"] == 2
    again = fragile.start("one")
    for session in sessions:
        assert until_answered(again.client(session), "GET", "/orders/2").json["a"] == 2
    two.stop()
    again.stop()


def test_a_node_that_was_paused_for_longer_than_its_lease_tells_nothing_old(fragile: Cluster) -> None:
    """Its sessions are another's meanwhile, and when it wakes up it does not know better for a moment."""
    one, two = fragile.start("one"), fragile.start("two")
    sessions = [f"pause-{n}" for n in range(6)]
    for session in sessions:
        assert until_answered(one.client(session), "POST", "/orders", {"a": 1}).status == 201
    pids = [one.pid, *one.workers, *one.keepers]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        for session in sessions:
            answer = until_answered(two.client(session), "PUT", "/orders/1", {"a": 2})
            assert answer.status == 200
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)
    for session in sessions:
        assert until_answered(one.client(session), "GET", "/orders/1").json["a"] == 2
    one.stop()
    two.stop()


def test_a_keeper_that_is_killed_costs_its_node_no_session(fragile: Cluster) -> None:
    """The next one goes on with the lease: what is in doubt is looked up, and other nodes get nothing."""
    one, two = fragile.start("one"), fragile.start("two")
    for n in range(4):
        assert until_answered(one.client(f"keeper-{n}"), "POST", "/orders", {"a": 1}).status == 201
    for keeper in one.keepers:
        os.kill(keeper, signal.SIGKILL)
    for n in range(4):
        for node in (one, two):
            assert until_answered(node.client(f"keeper-{n}"), "GET", "/orders/1").json["a"] == 1
        assert until_answered(one.client(f"keeper-{n}"), "POST", "/orders", {"a": 1}).json["id"] == 2
    one.stop()
    two.stop()


def test_a_rolling_restart_fails_no_request(fragile: Cluster) -> None:
    """Four clients that try again on 503, at any of the nodes that listen, have every request answered."""
    names = ["one", "two", "three"]
    nodes = {name: fragile.start(name) for name in names}
    ends = threading.Event()

    def write(number: int) -> tuple[int, set[int]]:
        """How many requests were answered, and with what."""
        session, done, statuses = f"rolling-{number}", 0, set()
        while not ends.is_set():
            there = list(nodes.values())
            client = there[(number + done) % len(there)].client(session)
            with contextlib.suppress(OSError, HTTPException):
                answer = client.post("/orders", {"n": done})
                if answer.status != 503:
                    statuses.add(answer.status)
                    done += 1
        return done, statuses

    with ThreadPoolExecutor(4) as clients:
        writing = [clients.submit(write, number) for number in range(4)]
        try:
            for restarted in names:
                nodes.pop(restarted).stop()
                nodes[restarted] = fragile.start(restarted)
        finally:
            ends.set()
        found = [each.result() for each in writing]
    for number, (done, statuses) in enumerate(found):
        assert done
        assert statuses == {201}
        count = until_answered(nodes["one"].client(f"rolling-{number}"), "GET", "/orders/count").json
        assert count["count"] >= done
    for node in nodes.values():
        node.stop()
