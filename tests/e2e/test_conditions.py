"""Retries and concurrent changes over HTTP: one effect a key, no lost update, whatever is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from threading import Event
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from tests.e2e.inprocess import Served, serving
from tests.http.client import Answer, ask

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.client import Client
    from wasm_runtime.artifact import Artifact
    from wasm_runtime.slot import Slot

#: Of all kills that come right after a commit, how many may come too late to lose the answer.
_MOST_ROUNDS = 60


async def send(served: Served, method: str, target: str, body: Any = None, **headers: str) -> Answer:
    """A request of session s1, whose header names are in the keywords."""
    sent = {"X-Session-ID": "s1", **{name.replace("_", "-"): value for name, value in headers.items()}}
    data = None
    if body is not None:
        data, sent["Content-Type"] = orjson.dumps(body), "application/json"
    return await ask(served.service.address, method, target, sent, data)


async def test_one_key_a_hundred_times_at_once(guest_artifact: Artifact, tmp_path: Path) -> None:
    """One effect, one answer: one of them made the record, all were told of it, none was refused."""
    async with serving(tmp_path, {}, workers=2) as served:
        answers = await asyncio.gather(
            *(send(served, "POST", "/members", {"n": 1}, Idempotency_Key="k") for _ in range(100))
        )

        assert {(answer.status, answer.body) for answer in answers} == {(201, b'{"id":1,"n":1}')}
        assert len({(answer.headers["location"], answer.headers["etag"]) for answer in answers}) == 1
        assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
        assert await served.records() == [{"id": 1, "n": 1}]


async def test_keys_at_once_in_one_session(guest_artifact: Artifact, tmp_path: Path) -> None:
    """Ten keys, five times each, mixed with requests that have none: each key once, the others each time."""
    async with serving(tmp_path, {}, workers=2) as served:
        keyed = [
            send(served, "POST", "/members", {"k": n % 10}, Idempotency_Key=f"k{n % 10}") for n in range(50)
        ]
        plain = [send(served, "POST", "/members", {"k": 99}) for _ in range(5)]
        answers = await asyncio.gather(*keyed, *plain)

        assert {answer.status for answer in answers} == {201}
        assert len({answer.body for answer in answers[:50]}) == 10
        assert sorted(record["k"] for record in await served.records()) == [*range(10), *[99] * 5]


@pytest.mark.parametrize("reuse", ["session", "never"])
async def test_a_worker_killed_between_commit_and_answer(
    guest_artifact: Artifact, tmp_path: Path, reuse: str
) -> None:
    """kill -9 when it is in the record: the client gets 503, and its retry the answer to what was written.

    Rounds go on until that has happened; in all of them, every key has one record in the end.
    """
    async with serving(tmp_path, {}, workers=1, reuse=reuse) as served:
        await send(served, "POST", "/members", {"n": 0})
        for rounds in range(1, _MOST_ROUNDS + 1):
            await served.all_are_ready()
            (slot,) = served.service._executor._slots  # type: ignore[attr-defined]
            answered = Event()
            killer = asyncio.create_task(asyncio.to_thread(_kill_when_staged, slot, rounds, answered))
            request = ("POST", "/members", {"n": rounds})
            first = await send(served, *request, Idempotency_Key=f"k{rounds}")
            answered.set()
            await killer
            await served.all_are_ready()
            again = await send(served, *request, Idempotency_Key=f"k{rounds}")

            assert (first.status, again.status) in {(201, 201), (503, 201)}
            assert first.status == 201 or first.json["type"] == "/_meta/problems/worker-lost"
            assert again.json["n"] == rounds
            replayed = again.headers.get("idempotent-replayed") == "true"
            assert first.status == 503 or (replayed and first.body == again.body)
            if first.status == 503 and replayed:
                break
        else:
            pytest.fail("no kill came between commit and answer")

        assert [record["n"] for record in await served.records()] == list(range(rounds + 1))


def _kill_when_staged(slot: Slot, rounds: int, answered: Event) -> None:
    """Wait until what was written is on its way to the record, and a little longer each round; then kill.

    Where that has been missed, nobody is killed: the request is answered.
    """
    worker = slot._worker
    assert worker is not None
    while not worker.cell.read().staged:
        if answered.is_set():
            return
    time.sleep(rounds % 20 * 0.000_2)
    os.kill(worker.process.pid, signal.SIGKILL)


async def test_no_update_is_lost(guest_artifact: Artifact, tmp_path: Path) -> None:
    """Eight clients count up one number, each reading before it writes: none writes over another's."""
    async with serving(tmp_path, {}, workers=2) as served:
        await send(served, "POST", "/counters", {"n": 0})
        refused = sum(await asyncio.gather(*(_count_up(served, times=10) for _ in range(8))))
        last = await send(served, "GET", "/counters/1")

        assert last.json == {"id": 1, "n": 80}
        assert refused, "nobody came between a read and a write, so nothing was shown"


async def _count_up(served: Served, *, times: int) -> int:
    refused = 0
    while times:
        seen = await send(served, "GET", "/counters/1")
        changed = {"n": seen.json["n"] + 1}
        answer = await send(served, "PATCH", "/counters/1", changed, If_Match=seen.headers["etag"])
        assert answer.status in {200, 412}
        refused += answer.status == 412
        times -= answer.status == 200
    return refused


def test_a_record_s_tag(client: Client) -> None:
    """What a write returns is what the next read returns; it changes with the record alone."""
    tags = [client.post("/members", {"name": "Al", "n": 1.0}).headers["etag"]]
    for write in (
        lambda: client.put("/members/1", {"name": "Al", "n": 2}),
        lambda: client.patch("/members/1", {"n": 3}),
        lambda: client.patch("/members/1", {"n": 3}),
        lambda: client.patch("/members/1", {"n": None}, "application/merge-patch+json"),
    ):
        assert client.get("/members/1").headers["etag"] == tags[-1]
        tags.append(write().headers["etag"])
    client.post("/members", {"name": "Bo"})

    assert client.request("HEAD", "/members/1").headers["etag"] == tags[-1]
    assert tags[2] == tags[3]
    assert len(set(tags)) == 4


def test_what_a_client_has_is_not_sent_again(client: Client) -> None:
    """Records, lists and searches: 304 without a body until something in them changes."""
    client.create("/members", {"name": "Al"})
    for target in ("/members/1", "/members", "/members/search?name=A*"):
        tag = client.get(target).headers["etag"]
        unchanged = client.request("GET", target, if_none_match=f'"x", W/{tag}')
        assert (unchanged.status, unchanged.body, unchanged.headers["etag"]) == (304, b"", tag)
        client.patch("/members/1", {"seen": target})
        assert client.request("GET", target, if_none_match=tag).status == 200


def test_preconditions_of_writes(client: Client) -> None:
    """412 with its problem type where they do not hold, and nothing is changed; also for nested records."""
    tag = client.post("/members", {"name": "Al"}).headers["etag"]
    client.post("/members/1/orders", {"item": "lamp"})
    nested = client.get("/members/1/orders/1").headers["etag"]

    def status(method: str, target: str, **headers: str) -> int:
        body = {"name": "Al"} if method in {"PUT", "PATCH", "POST"} else None
        answer = client.request(method, target, body, **headers)
        assert answer.status != 412 or answer.json["type"] == "/_meta/problems/precondition-failed"
        return answer.status

    assert status("PUT", "/members/1", if_match='"x"') == 412
    assert status("DELETE", "/members/1", if_match=f"W/{tag}") == 412
    assert status("PUT", "/members/7", if_match="*") == 412
    assert status("PUT", "/members/1", if_none_match="*") == 412
    assert status("POST", "/members", if_match=tag) == 412
    assert status("GET", "/members/1", if_match='"x"') == 412
    assert status("PUT", "/members/1", if_match="x") == 400
    assert status("DELETE", "/members/1/orders/1", if_match=tag) == 412
    assert client.read("/members/1") == {"id": 1, "name": "Al"}
    assert status("GET", "/members/1", if_match=tag) == 200
    assert status("POST", "/members", if_match="*") == 201
    assert status("DELETE", "/members/1/orders/1", if_match=nested) == 204
    assert status("DELETE", "/members/1", if_match=tag) == 204


def test_a_key_s_scope_and_grammar(client: Client) -> None:
    """A key is of its session, method and path; with another body it is 422; badly made it is 400."""

    def post(target: str, body: Any, key: str, who: Client = client) -> int:
        return who.request("POST", target, body, idempotency_key=key).status

    assert [post("/members", {"n": 1}, "k"), post("/orders", {"n": 2}, "k")] == [201, 201]
    assert post("/members", {"n": 2}, "k") == 422
    assert post("/members", {"n": 1}, "k", client.named(f"{client.session}-other")) == 201
    assert client.request("PATCH", "/members/1", {"n": 5}, idempotency_key="k").status == 200
    replayed = client.request("PATCH", "/members/1", {"n": 5}, idempotency_key="k")
    assert replayed.headers["idempotent-replayed"] == "true"
    assert [post("/members", {"n": 1}, "x" * 255), post("/members", {"n": 1}, "x" * 256)] == [201, 400]
    # Other methods take no notice of it.
    for _ in range(2):
        answer = client.request("PUT", "/members/1", {"n": 6}, idempotency_key="x" * 256)
        assert (answer.status, "idempotent-replayed" in answer.headers) == (200, False)
    assert [record["n"] for record in client.read("/members")["items"]] == [6, 1]


def test_a_failure_is_not_an_answer(client: Client) -> None:
    """What was refused is tried again under the same key, and then it is done."""
    assert client.request("PATCH", "/members/1", {"n": 1}, idempotency_key="k").status == 404
    client.create("/members", {"n": 0})

    assert client.request("PATCH", "/members/1", {"n": 1}, idempotency_key="k").status == 200
