"""Any node serves any session: what clients see of three nodes is what they see of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cluster.conftest import ADMIN, CLUSTER_TOKEN

if TYPE_CHECKING:
    from tests.cluster.conftest import Cluster


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
