"""PocketBase's realtime subscriptions, with the real guest and the real record."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import pytest

from tests.e2e.hostile import Request, mutant
from tests.streams import watching

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tests.e2e.client import Answer, Client
    from tests.e2e.conftest import StartService
    from tests.e2e.service import RunningService
    from tests.streams import Event, EventReader

REALTIME = "/api/realtime"
POSTS = "/api/collections/posts/records"
AUTHORS = "/api/collections/authors/records"
SAID = {"X_Dialect": "pocketbase"}


def asking(**query: str) -> str:
    """As the SDK spells a subscription's options."""
    return "?options=" + quote(json.dumps({"query": query, "headers": {}}), safe="")


class Pocket:
    """A client of the dialect, in a session of its own."""

    def __init__(self, client: Client) -> None:
        self.client = client
        found = urlsplit(client.url)
        self.address = found.hostname or "", found.port or 0

    def __call__(self, method: str, target: str, body: Any = None, **headers: str) -> Answer:
        return self.client.request(method, target, body, **SAID, **headers)

    def make(self, target: str, body: Any) -> Any:
        made = self("POST", target, body)
        assert made.status == 200, made
        return made.json

    def stream(self, **options: Any) -> AbstractAsyncContextManager[EventReader]:
        return watching(self.address, REALTIME, self.client.session, **{**SAID, **options})

    def subscribe(self, first: Event, *topics: str) -> None:
        assert first.name == "PB_CONNECT"
        said = self("POST", REALTIME, {"clientId": first.id, "subscriptions": topics})
        assert (said.status, said.body) == (204, b""), said


@pytest.fixture
def pocket(client: Client) -> Pocket:
    return Pocket(client)


async def test_what_is_done_to_records_is_told_once_and_in_order(pocket: Pocket) -> None:
    """Each event is named as its topic was sent, has the client's id, and the record as it was then."""
    old = pocket.make(POSTS, {"title": "before"})
    async with pocket.stream() as stream:
        first = await stream.event()
        pocket.subscribe(first, "posts/*", f"posts/{old['id']}")
        new = pocket.make(POSTS, {"title": "a"})
        for title in ("b", "c"):
            assert pocket("PATCH", f"{POSTS}/{new['id']}", {"title": title}).status == 200
        changed = pocket("PATCH", f"{POSTS}/{old['id']}", {"title": "d"}).json
        assert pocket("DELETE", f"{POSTS}/{new['id']}").status == 204
        told = [await stream.event() for _ in range(6)]

    assert first.data == {"clientId": first.id}
    assert len(first.id) == 40
    assert {each.id for each in told} == {first.id}
    assert [(each.name, each.data["action"], each.data["record"]["title"]) for each in told] == [
        ("posts/*", "create", "a"),
        ("posts/*", "update", "b"),
        ("posts/*", "update", "c"),
        ("posts/*", "update", "d"),
        (f"posts/{old['id']}", "update", "d"),
        ("posts/*", "delete", "c"),
    ]
    assert told[0].data["record"] == new
    assert told[4].data["record"] == changed


async def test_subscriptions_take_the_place_of_those_before(pocket: Pocket) -> None:
    """What is in both goes on; what is not is told no more; with none nothing is, and nothing of before."""
    async with pocket.stream() as stream:
        first = await stream.event()
        pocket.subscribe(first, "posts/*", "authors/*", "")
        pocket.make(POSTS, {"title": "a"})
        told = [await stream.event()]
        pocket.subscribe(first, "posts/*", "tags")
        pocket.make(AUTHORS, {"name": "Ann"})
        pocket.make("/api/collections/tags/records", {"name": "red"})
        told.append(await stream.event())
        pocket.subscribe(first)
        pocket.make(POSTS, {"title": "b"})
        pocket.subscribe(first, "posts/*")
        pocket.make(POSTS, {"title": "c"})
        told.append(await stream.event())

    assert [each.data["record"].get("title") for each in told] == ["a", None, "c"]
    assert told[1].name == "tags"


async def test_options_of_a_subscription(pocket: Pocket) -> None:
    """A filter also of what is deleted, what is expanded, and which fields; by the collection's id, too."""
    ann = pocket.make(AUTHORS, {"name": "Ann"})
    some = "posts/*" + asking(filter="views > 5 && author.name = 'Ann'", fields="title,views")
    whole = f"pbc_1125843985/*{asking(expand='author')}"
    async with pocket.stream() as stream:
        pocket.subscribe(await stream.event(), some, whole)
        new = pocket.make(POSTS, {"title": "a", "views": 9, "author": ann["id"]})
        assert pocket("PATCH", f"{POSTS}/{new['id']}", {"views": 1}).status == 200
        assert pocket("PATCH", f"{POSTS}/{new['id']}", {"views": 7}).status == 200
        assert pocket("DELETE", f"{POSTS}/{new['id']}").status == 204
        told = [await stream.event() for _ in range(7)]

    of_some = [each.data for each in told if each.name == some]
    assert of_some == [
        {"action": "create", "record": {"title": "a", "views": 9}},
        {"action": "update", "record": {"title": "a", "views": 7}},
        {"action": "delete", "record": {"title": "a", "views": 7}},
    ]
    of_whole = [each.data["record"] for each in told if each.name == whole]
    assert [each["views"] for each in of_whole] == [9, 1, 7, 7]
    assert {each["expand"]["author"]["name"] for each in of_whole} == {"Ann"}
    assert pocket("GET", f"{POSTS}/{new['id']}").status == 404  # that it was told has not made it


async def test_what_a_batch_and_what_native_requests_did_is_told(pocket: Pocket) -> None:
    """All of a transaction, by record; nothing of one that was rolled back."""
    async with pocket.stream() as stream:
        pocket.subscribe(await stream.event(), "posts/*")
        batch = {"requests": [{"method": "POST", "url": POSTS, "body": {"title": each}} for each in "ab"]}
        assert pocket("POST", "/api/batch", batch).status == 200
        batch["requests"].append({"method": "DELETE", "url": f"{POSTS}/nothing", "body": {}})
        assert pocket("POST", "/api/batch", batch).status == 400
        assert pocket("POST", POSTS, {"title": "dry"}, Prefer="tx=rollback").status == 200
        assert pocket.client.post("/posts", {"title": "native"}).status == 201
        told = [await stream.event() for _ in range(3)]

    assert [each.data["record"]["title"] for each in told] == ["a", "b", "native"]
    assert told[2].data["record"]["collectionName"] == "posts"


async def test_a_client_is_of_its_session(pocket: Pocket, service: RunningService) -> None:
    """Another session's has neither its id nor its events."""
    other = Pocket(service.client(f"{pocket.client.session}-other"))
    async with pocket.stream() as stream, other.stream() as strange:
        first, theirs = await stream.event(), await strange.event()
        pocket.subscribe(first, "posts/*")
        other.subscribe(theirs, "posts/*")
        refused = other("POST", REALTIME, {"clientId": first.id, "subscriptions": []})
        other.make(POSTS, {"title": "theirs"})
        pocket.make(POSTS, {"title": "ours"})
        ours, of_theirs = await stream.event(), await strange.event()

    missing = {"status": 404, "message": "Missing or invalid client id.", "data": {}}
    assert (refused.status, refused.json) == (404, missing)
    assert ours.data["record"]["title"] == "ours"
    assert of_theirs.data["record"]["title"] == "theirs"
    # A connection that was lost took its id along.
    gone = pocket("POST", REALTIME, {"clientId": "nobody", "subscriptions": ["posts/*"]})
    assert gone.status == 404


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (None, {"clientId": "validation_required"}),
        ({"clientId": ""}, {"clientId": "validation_required"}),
        ({"clientId": "x" * 256}, {"clientId": "validation_length_out_of_range"}),
        ({"clientId": "x", "subscriptions": ["a"] * 1001}, {"subscriptions": "validation_length_too_long"}),
        ({"clientId": 5}, {}),
        ({"clientId": "x", "subscriptions": "x"}, {}),
        ({"clientId": "x", "subscriptions": [5]}, {}),
        ([1], {}),
    ],
)
def test_what_the_original_refuses(pocket: Pocket, body: Any, fault: dict[str, str]) -> None:
    """With its words (0.40.6)."""
    said = pocket("POST", REALTIME, body)
    assert said.status == 400
    assert said.json["message"] == "Something went wrong while processing your request."
    assert {key: value["code"] for key, value in said.json["data"].items()} == fault


async def test_what_no_event_could_be_made_by_is_refused(pocket: Pocket) -> None:
    """The original takes it, and tells nothing. Limits are those of all streams."""
    async with pocket.stream() as stream:
        first = await stream.event()

        def refused(*topics: str) -> str:
            said = pocket("POST", REALTIME, {"clientId": first.id, "subscriptions": topics})
            assert said.status == 400, said
            return str(said.json["message"])

        assert refused("posts/*" + asking(filter="nope =")).startswith("filter: ")
        assert "modifiers" in refused("posts/*" + asking(fields="title:excerpt(9)"))
        assert "is not JSON" in refused("posts/*?options=x")
        assert "takes an object" in refused("posts/*?options=[]")
        assert "control character" in refused("posts/*\ndata: x")
        many = [f"posts/*{asking(filter=f'views > {number}')}" for number in range(17)]
        assert "live.routes_per_stream" in refused(*many)
        pocket.subscribe(first, *many[:16])
        large = [f"{number}/{'x' * 2_400}" for number in range(120)]
        assert "live.buffered_bytes" in refused(*large)
        pocket.subscribe(first, *large[:100])


async def test_whoever_accepts_anything_gets_the_stream(pocket: Pocket) -> None:
    """As from the original; in native the path is a collection's like any other."""
    async with pocket.stream(accept="*/*") as stream:
        assert stream.headers["content-type"] == "text/event-stream"
        assert (await stream.event()).name == "PB_CONNECT"
    assert pocket.client.request("GET", REALTIME).json["items"] == []
    other = pocket("GET", REALTIME, Accept="application/json")
    assert (other.status, other.json["status"]) == (501, 501)
    # What events are made by is nobody else's.
    assert pocket("POST", f"{REALTIME}/posts", {"id": "a"}).status == 501


async def test_mutants_of_subscriptions(pocket: Pocket) -> None:
    """Whatever is asked of a stream that is open, it goes on; so does what others have subscribed to."""
    random = Random("mutants of subscriptions")
    async with pocket.stream() as stream, pocket.stream() as other:
        first, bystander = await stream.event(), await other.event()
        pocket.subscribe(bystander, "posts/*")
        topics = ["posts/*", "posts", "posts/*" + asking(filter="views > 5", expand="author", fields="id")]
        good = (
            Request("POST", REALTIME, {"clientId": first.id, "subscriptions": topics}),
            Request("GET", REALTIME, headers={"Accept": "application/json"}),
            Request("POST", f"{REALTIME}/posts", {"id": "a"}, {"Prefer": "tx=rollback"}),
        )
        for number in range(120):
            target, headers, body = mutant(random.choice(good), random).sent()
            said = dict(headers) | {"Accept": "application/json"}
            answer = pocket.client.request("POST", target, raw=body, content_type=None, **SAID, **said)
            assert answer.status < 500 or answer.status == 501, (number, target, body, answer)
        pocket.make(POSTS, {"title": "a", "views": 9})
        told = await other.event()
        pocket.subscribe(first, "tags/*")
        pocket.make("/api/collections/tags/records", {"name": "red"})
        while (await stream.event()).name != "tags/*":
            pass

    assert (told.data["action"], told.data["record"]["title"]) == ("create", "a")


async def test_a_session_that_becomes_another_ends_its_streams(start_service: StartService) -> None:
    """As whole responses that say when to come again. So do a stop and a history that is not kept."""
    service = start_service(LARS_DIALECT="auto", LARS_ADMIN_TOKEN="a" * 32)
    pocket = Pocket(service.client("s1"))
    pocket.make(POSTS, {"title": "a"})
    async with watching(pocket.address, f"{REALTIME}?session=s1", None) as stream:
        first = await stream.event()
        pocket.subscribe(first, "posts/*")
        admin = {"Authorization": f"Bearer {'a' * 32}"}
        reset = service.client().request("POST", "/_meta/sessions/s1/reset", **admin)
        assert reset.status == 200, reset
        assert await stream.rest() == []
        assert stream.complete
        assert len(stream.retries) == 2
    async with watching(pocket.address, f"{REALTIME}?session=s1", None) as stream:
        assert (await stream.event()).id != first.id
        service.stop()
        assert await stream.rest() == []
        assert stream.complete


async def test_tickets_limits_and_a_history_that_is_not_kept(
    start_service: StartService, tmp_path: Path
) -> None:
    """A ticket opens the stream and asks for nothing; one more stream than there may be comes again later."""
    file = tmp_path / "settings.toml"
    file.write_text(
        '[conventions]\ndialect = "pocketbase"\n[store]\nhistory_hours = 0\n'
        '[live]\nstreams_per_session = 1\n[auth]\ntoken = "the-token-of-this-test"\n'
    )
    service = start_service(LARS_CONFIG=str(file))
    pocket = Pocket(service.client("s1", Authorization="Bearer the-token-of-this-test"))
    ticket = pocket("POST", "/_meta/tickets").json["ticket"]
    async with watching(pocket.address, f"{REALTIME}?session=s1", None) as stream:
        assert stream.status == 401
    async with watching(pocket.address, f"{REALTIME}?ticket={ticket}", None) as stream:
        first = await stream.event()
        async with watching(pocket.address, f"{REALTIME}?ticket={ticket}", None) as more:
            assert [each.name for each in await more.rest()] == ["problem"]
        said = {"clientId": first.id, "subscriptions": ["posts/*"]}
        assert service.client("s1").post(f"{REALTIME}?ticket={ticket}", said).status == 401
        pocket.subscribe(first, "posts/*")
        pocket.make(POSTS, {"title": "a"})
        assert await stream.rest() == []

    assert "history" in stream.comments[-1]
