"""Any node serves any session: what clients see of three nodes is what they see of one."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urlsplit

from tests.cluster.conftest import ADMIN, CLUSTER_TOKEN
from tests.streams import watching

if TYPE_CHECKING:
    from tests.cluster.conftest import Cluster
    from tests.e2e.service import RunningService

FORM: Final = "application/x-www-form-urlencoded"


def test_a_session_is_the_same_at_every_node(cluster: Cluster) -> None:
    """What one has taken all others show, whichever is asked first."""
    for number in range(6):
        session = f"same-{number}"
        writer = cluster.nodes[number % 3].client(session)
        made = writer.post("/orders", {"n": number})
        assert made.status == 201, made
        for node in cluster.nodes:
            found = node.client(session).get("/orders/1")
            assert found.status == 200
            assert found.json["n"] == number


def test_an_answer_that_was_handed_on_is_the_answer(cluster: Cluster) -> None:
    """Status, headers and body are the owner's; a client cannot tell which node it has asked."""
    session = "answers"
    assert cluster.nodes[0].client(session).post("/orders", {"a": "ä"}).status == 201
    seen = [node.client(session).request("GET", "/orders/1?fields=a") for node in cluster.nodes]
    assert {(each.status, each.body, each.headers["etag"]) for each in seen} == {
        (200, seen[0].body, seen[0].headers["etag"])
    }
    for node in cluster.nodes:
        client = node.client(session)
        assert client.get("/orders/99").error[0] == 404
        assert client.request("HEAD", "/orders/1").body == b""
        tag = {"If-None-Match": seen[0].headers["etag"]}
        assert client.request("GET", "/orders/1?fields=a", **tag).status == 304
        assert client.request("PATCH", "/orders/1", raw=b"{").error[0] == 400
        assert client.request("GET", "/orders/1", X_Request_ID="abc").headers["x-request-id"] == "abc"


def test_a_key_given_at_one_node_is_known_at_the_others(cluster: Cluster) -> None:
    """Idempotency-Key: the answer is the first one's, and nothing is made twice."""
    answers = [
        node.client("keys").request("POST", "/orders", {"a": 1}, Idempotency_Key="k1")
        for node in cluster.nodes
    ]
    assert {(each.status, each.body) for each in answers} == {(201, answers[0].body)}
    assert len(cluster.nodes[2].client("keys").get("/orders").json["items"]) == 1


def test_the_document_of_a_session_is_the_same_everywhere(cluster: Cluster) -> None:
    cluster.nodes[0].client("documents").post("/parrots", {"a": 1})
    documents = [node.client("documents").get("/openapi.json").body for node in cluster.nodes]
    assert documents[0] == documents[1] == documents[2]
    assert b"/parrots" in documents[0]


def test_operators_ask_any_node(cluster: Cluster) -> None:
    """A session is changed where it is open, so nobody is served what was before."""
    cluster.nodes[0].client("operated").post("/orders", {"a": 1})
    for number, node in enumerate(cluster.nodes):
        client = node.client(None, Authorization=f"Bearer {ADMIN}")
        assert client.request("GET", "/_meta/sessions/operated").json["collections"][0]["records"] == 1
        assert client.request("POST", "/_meta/sessions/operated/reset").status == 200
        for other in cluster.nodes:
            assert other.client("operated").get("/orders").json["items"] == []
        assert cluster.nodes[number].client("operated").post("/orders", {"a": 1}).status == 201


def test_who_is_not_a_node_is_never_misdirected(cluster: Cluster) -> None:
    """A mark from anybody who does not know the token is none."""
    session = "marked"
    cluster.nodes[0].client(session).post("/orders", {"a": 1})
    for node in cluster.nodes:
        marked = node.client(session).request("GET", "/orders/1", X_Metaservice_Node="x")
        assert marked.status == 200
    answers = [
        node.client(session).request(
            "GET", "/orders/1", X_Metaservice_Node="x", X_Metaservice_Token=CLUSTER_TOKEN
        )
        for node in cluster.nodes
    ]
    assert sorted(each.status for each in answers) == [200, 421, 421]
    owner = next(each for each in answers if each.status == 421).headers["x-metaservice-owner"]
    assert owner.split()[1] in {node.url for node in cluster.nodes}


async def test_a_stream_is_the_same_at_every_node(cluster: Cluster) -> None:
    """Whichever is asked for it, and whichever takes the write; a plain GET goes on beside it."""
    session = "streamed"
    assert cluster.nodes[0].client(session).post("/orders", {"n": 0}).status == 201
    async with AsyncExitStack() as streams:
        watched = []
        for node in cluster.nodes:
            url = urlsplit(node.url)
            stream = watching((url.hostname or "", url.port or 0), "/orders", session)
            watched.append(await streams.enter_async_context(stream))
        first = [await stream.event() for stream in watched]
        assert cluster.nodes[1].client(session).post("/orders", {"n": 1}).status == 201
        second = [await stream.event() for stream in watched]
        plain = cluster.nodes[2].client(session).get("/orders")

    assert [len(each.body["items"]) for each in (*first, *second)] == [1, 1, 1, 2, 2, 2]
    assert {each.id for each in second} == {plain.headers["etag"]}


def logged_in(node: RunningService) -> str:
    """The cookie of a login of the node's console."""
    answer = node.client(None).request(
        "POST",
        "/_meta/console/login",
        raw=f"token={ADMIN}".encode(),
        content_type=FORM,
    )
    assert answer.status == 303, answer
    return answer.headers["set-cookie"].partition(";")[0]


async def test_a_console_follows_a_session_at_every_node(cluster: Cluster) -> None:
    """Whichever node has it: each change once, with the id to go on after, until the login ends."""
    session = "followed"
    assert cluster.nodes[0].client(session).post("/orders", {"n": 0}).status == 201
    target = f"/_meta/console/sessions/{session}/live"
    async with AsyncExitStack() as streams:
        watched, cookies = [], [logged_in(node) for node in cluster.nodes]
        for node, cookie in zip(cluster.nodes, cookies, strict=True):
            url = urlsplit(node.url)
            stream = watching((url.hostname or "", url.port or 0), target, None, Cookie=cookie)
            watched.append(await streams.enter_async_context(stream))
        assert [stream.status for stream in watched] == [200, 200, 200]
        for number in (1, 2):
            assert cluster.nodes[number].client(session).post("/orders", {"n": number}).status == 201
            events = [await stream.event() for stream in watched]
            assert {(each.name, each.id) for each in events} == {("change", str(number + 1))}
            assert [each.data["collections"] for each in events] == [{"orders": [number + 1]}] * 3

        url = urlsplit(cluster.nodes[0].url)
        again = watching((url.hostname or "", url.port or 0), f"{target}?since=1", None, Cookie=cookies[0])
        late = await streams.enter_async_context(again)
        assert [(await late.event()).id for _ in range(2)] == ["2", "3"]


def test_a_console_shows_and_changes_a_session_at_every_node(cluster: Cluster) -> None:
    """By the login of the node that is asked; whoever has none is no operator, whatever he says he is."""
    session = "consoled"
    assert cluster.nodes[0].client(session).post("/orders", {"n": 77_007}).status == 201
    one = f"/_meta/console/sessions/{session}"
    for number, node in enumerate(cluster.nodes):
        client = node.client(None, Cookie=logged_in(node))
        for page in ("", "/data/orders", "/data/orders/records/1", "/log"):
            shown = client.get(f"{one}{page}")
            assert shown.status == 200, (page, shown.body)
        blank = client.get(f"{one}/data/orders/new").body.decode()
        csrf = re.findall(r'name="csrf" value="([^"]+)"', blank)[0]
        for sent, status in (("wrong", 403), (csrf, 303)):
            form = urlencode({"csrf": sent, "json": f'{{"n": {number}}}'})
            added = client.request("POST", f"{one}/data/orders/new", raw=form.encode(), content_type=FORM)
            assert added.status == status, added.body
        forged = {"X-Metaservice-Node": "x", "X-Metaservice-Login": csrf}
        for headers in (forged, {**forged, "X-Metaservice-Token": CLUSTER_TOKEN}):
            assert node.client(None, **headers).get(f"{one}/data/orders").status == 401
    handed_on = {
        "X-Metaservice-Node": "x",
        "X-Metaservice-Token": CLUSTER_TOKEN,
        "X-Metaservice-Login": "c",
        "Authorization": f"Bearer {ADMIN}",
    }
    answers = [node.client(None, **handed_on).get(one) for node in cluster.nodes]
    assert sorted(each.status for each in answers) == [200, 421, 421]
    assert all("x-metaservice-owner" in each.headers for each in answers if each.status == 421)
    found = cluster.nodes[2].client(session).get("/orders").json["items"]
    assert [each["n"] for each in found] == [77_007, 0, 1, 2]
