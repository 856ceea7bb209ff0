"""Any route as an event stream, with the real guest and the real record."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import pytest

from tests.e2e.inprocess import Served
from tests.streams import watching
from tools.in_process import GivenPlans, hosting

if TYPE_CHECKING:
    from pathlib import Path

    from server.values.model import RequestContext
    from tests.e2e.client import Client
    from tests.e2e.service import RunningService
    from wasm_runtime.artifact import Artifact
    from wasm_runtime.outcome import Outcome
    from wasm_runtime.slot import Job

    Address = tuple[str, int]


@pytest.fixture
def address(service: RunningService) -> Address:
    found = urlsplit(service.url)
    return found.hostname or "", found.port or 0


async def test_the_reply_and_then_each_other_one(client: Client, address: Address) -> None:
    """Its status, its headers that matter and its body; its tag is that of a plain GET."""
    client.create("/orders", {"status": "open"})
    async with watching(address, "/orders?status=open", client.session) as stream:
        first = await stream.event()
        plain = client.get("/orders?status=open")
        client.create("/orders", {"status": "open"})
        second = await stream.event()
        client.create("/orders", {"status": "done"})  # which changes nothing of this reply
        client.patch("/orders/1", {"status": "done"})
        third = await stream.event()

    assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream")
    assert (first.name, first.id, first.body) == ("reply", plain.headers["etag"], plain.json)
    assert first.data["route"] == "/orders?status=open"
    assert first.data["status"] == 200
    assert first.data["headers"]["x-total-count"] == "1"
    assert [len(each.body["items"]) for each in (first, second, third)] == [1, 2, 1]
    assert len({first.id, second.id, third.id}) == 3


async def test_every_route_can_be_watched(client: Client, address: Address) -> None:
    """A record that is not there yet, a search, a count; a table is a text."""
    async with (
        watching(address, "/pets/1", client.session) as record,
        watching(address, "/pets/search?name=A*", client.session) as search,
        watching(address, "/pets", client.session, accept="text/event-stream, text/csv;q=0.5") as table,
    ):
        missing, nothing, empty = await record.event(), await search.event(), await table.event()
        client.create("/pets", {"name": "Ada"})
        there, found, row = await record.event(), await search.event(), await table.event()
        client.delete("/pets/1")
        gone = await record.event()

    assert (missing.data["status"], gone.data["status"]) == (404, 404)
    assert missing.body["type"] == gone.body["type"]
    assert "request_id" not in missing.body
    assert (there.data["status"], there.body) == (200, {"id": 1, "name": "Ada"})
    assert (nothing.body, found.body) == ([], [{"id": 1, "name": "Ada"}])
    assert (empty.body, row.body) == ("", "id,name\r\n1,Ada\r\n")
    assert row.data["headers"]["content-type"].startswith("text/csv")


async def test_a_stream_goes_on_where_it_was_left(client: Client, address: Address) -> None:
    """Nothing is repeated; what was missed is told."""
    client.create("/orders", {"n": 1})
    async with watching(address, "/orders", client.session) as stream:
        first = await stream.event()
    async with watching(address, "/orders", client.session, Last_Event_ID=first.id) as stream:
        client.create("/orders", {"n": 2})
        second = await stream.event()
    client.create("/orders", {"n": 3})
    async with watching(address, "/orders", client.session, Last_Event_ID=second.id) as stream:
        third = await stream.event()
    async with watching(address, "/orders", client.session, Last_Event_ID='"nobody\'s"') as stream:
        again = await stream.event()

    assert [len(each.body["items"]) for each in (first, second, third, again)] == [1, 2, 3, 3]
    assert again.id == third.id


async def test_patches(client: Client, address: Address) -> None:
    """RFC 6902, from the second event on, of the body; the rest is as it is."""
    client.create("/orders", [{"n": number, "note": "x" * 200} for number in range(20)])
    accept = "text/event-stream; delta=json-patch"
    async with watching(address, "/orders", client.session, accept=accept) as stream:
        first = await stream.event()
        client.patch("/orders/7", {"n": -7})
        second = await stream.event()
        client.delete("/orders/3")
        third = await stream.event()

    assert [each.name for each in (first, second, third)] == ["reply", "patch", "patch"]
    assert second.data["patch"] == [{"op": "replace", "path": "/items/6/n", "value": -7}]
    assert third.data["headers"]["x-total-count"] == "19"
    assert {"op": "remove", "path": "/items/2"} in third.data["patch"]
    assert third.id == client.get("/orders").headers["etag"]


async def test_one_stream_of_several_routes(client: Client, address: Address) -> None:
    """Each event says of which it is; the id of the last one goes on with all of them."""
    also = quote("/pets/search?name=A*", safe="")
    target = f"/orders?watch=%2Fpets%2F1&watch={also}"
    async with watching(address, target, client.session) as stream:
        first = [await stream.event() for _ in range(3)]
        client.create("/pets", {"name": "Ada"})
        second = [await stream.event() for _ in range(2)]
    client.create("/orders", {"n": 1})
    last_id = second[-1].id
    async with watching(address, target, client.session, Last_Event_ID=last_id) as stream:
        third = await stream.event()
    async with watching(address, "/?watch=%2Fpets%2F1", client.session) as stream:
        alone = await stream.event()

    assert {each.data["route"] for each in first} == {"/orders", "/pets/1", "/pets/search?name=A*"}
    assert {each.data["route"] for each in second} == {"/pets/1", "/pets/search?name=A*"}
    assert (third.data["route"], len(third.body["items"])) == ("/orders", 1)
    assert (alone.data["route"], alone.body["name"]) == ("/pets/1", "Ada")


async def test_all_clients_can_read_it(client: Client, address: Address) -> None:
    """Whatever is stored, an event is three lines of ASCII."""
    text = "a\u2028b\u0085c\nd\re\u0000\U0001f600\u00e9"
    client.create("/notes", {"text": text})
    async with watching(address, "/notes/1", client.session) as stream:
        event = await stream.event()
    block = stream.lines[-4:]

    assert event.body["text"] == text
    assert [line.partition(b":")[0] for line in block] == [b"event", b"id", b"data", b""]
    assert not any(b"\r" in line for line in block)
    assert event.body == client.read("/notes/1")


async def test_it_is_not_held_back(client: Client, address: Address) -> None:
    """By no encoding, whatever the client takes, and by no proxy."""
    async with watching(address, "/notes", client.session, Accept_Encoding="gzip, deflate, br") as stream:
        await stream.event()

    assert "content-encoding" not in stream.headers
    assert stream.headers["x-accel-buffering"] == "no"
    assert stream.headers["cache-control"] == "no-store"
    assert stream.retries[0] > 0


async def test_watchers_never_see_an_older_state(client: Client, address: Address) -> None:
    """The last one sees all of it, none of them goes back."""
    client.create("/counters", {"n": 0})
    async with (
        watching(address, "/counters/1", client.session) as one,
        watching(address, "/counters/1", client.session) as other,
    ):
        for number in range(1, 31):
            client.patch("/counters/1", {"n": number})
        seen = [
            [event.body["n"] for event in await stream.until({"id": 1, "n": 30})] for stream in (one, other)
        ]

    for numbers in seen:
        assert numbers == sorted(set(numbers))


class _Conventions(GivenPlans):
    def runnable(self, ctx: RequestContext) -> None:
        return None


async def test_only_what_was_read_is_asked_again(
    guest_artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another collection and another record are nobody's business; an acknowledged write is one run."""
    async with hosting(tmp_path, _Conventions(), workers=1) as running:
        served = Served(running)
        for target, body in (("/orders", b'{"n":1}'), ("/orders", b'{"n":2}'), ("/pets", b'{"n":1}')):
            assert (await served.ask("POST", target, body=body)).status == 201
        pool, runs = running._executor, list[str]()
        run = pool.run

        async def counted(job: Job) -> Outcome:
            if job.read_only:
                runs.append(job.route)
            return await run(job)

        monkeypatch.setattr(pool, "run", counted)
        async with (
            watching(running.address, "/orders/1") as record,
            watching(running.address, "/orders") as orders,
            watching(running.address, "/pets?n=1") as pets,
        ):
            for stream in (record, orders, pets):
                await stream.event()
            runs.clear()
            assert (await served.ask("PATCH", "/orders/2", body=b'{"n":3}')).status == 200
            changed = await orders.event()
            assert (await served.ask("POST", "/pets", body=b'{"n":1}')).status == 201
            more = await pets.event()

    assert [each["n"] for each in changed.body["items"]] == [1, 3]
    assert len(more.body["items"]) == 2
    assert runs == ["GET /orders", "GET /pets"]
