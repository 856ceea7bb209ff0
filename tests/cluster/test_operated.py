"""Operators ask any node: every page answers at each of three as at the one that has the session."""

from __future__ import annotations

import io
import json
import re
import tarfile
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from server.operations import api
from tests.cluster.conftest import ADMIN
from tests.streams import watching

if TYPE_CHECKING:
    from tests.cluster.conftest import Cluster
    from tests.e2e.client import Answer, Client
    from tests.e2e.service import RunningService

pytestmark = pytest.mark.long

EXPLAINED = {"session": "S", "method": "GET", "path": "/orders/1"}
#: What is asked: method, path, body. {new} is another session each time, {plan} no plan that there is.
ASKED: list[tuple[str, str, Any]] = [
    ("GET", "/plans", None),
    ("GET", "/plans/export", None),
    ("POST", "/plans/import?session=S", {"format": 1, "plans": []}),
    ("GET", "/plans/none", None),
    ("PUT", "/plans/none/code", {"code": "REPLY = make_response(200, 1)"}),
    ("PUT", "/plans/none/pin", {"pinned": True}),
    ("DELETE", "/plans/none", None),
    ("POST", "/plans/none/replay", EXPLAINED),
    ("GET", "/sessions", None),
    ("GET", "/sessions/S", None),
    ("GET", "/sessions/S/export", None),
    ("GET", "/sessions/S/app", None),
    ("POST", "/sessions/S/fork", {"to": "{new}"}),
    ("PATCH", "/sessions/S/settings", {"dialect": None}),
    ("GET", "/sessions/S/contract", None),
    ("PUT", "/sessions/{new}/contract", {"document": {"openapi": "3.1.0", "paths": {"/things": {}}}}),
    ("POST", "/sessions/S/contract/check", {"document": {"openapi": "3.1.0", "paths": {"/things": {}}}}),
    ("POST", "/sessions/S/contract/diff", {"document": {"openapi": "3.1.0", "paths": {"/things": {}}}}),
    ("POST", "/sessions/S/contract/seed", {"collections": {}}),
    ("POST", "/contract/diff", {"document": {"openapi": "3.1.0", "paths": {"/things": {}}}}),
    ("DELETE", "/sessions/S/contract", None),
    ("GET", "/sessions/S/log", None),
    ("POST", "/sessions/S/rewind", {"to": 1, "dry": True}),
    ("GET", "/changes?session=S&since=0", None),
    ("GET", "/record", None),
    ("GET", "/record/verify", None),
    ("GET", "/nodes", None),
    ("POST", "/record/backup", None),
    ("GET", "/record/backup?name=scratch-0000000000000000", None),
    ("DELETE", "/record/backup?name=scratch-0000000000000000", None),
    ("POST", "/explain", EXPLAINED),
    ("GET", "/doctor", None),
    ("GET", "/learning", None),
    ("PUT", "/learning", {"learn": False}),
    ("GET", "/model", None),
    ("GET", "/usage", None),
    ("POST", "/sessions/S/salvage", None),
    ("POST", "/sessions/S/reset", None),
    ("DELETE", "/sessions/S", None),
]


def operator(node: RunningService) -> Client:
    return node.client(None, Authorization=f"Bearer {ADMIN}")


def asked(node: RunningService, page: tuple[str, str, Any], session: str, new: str) -> Answer:
    method, path, body = page

    def named(text: str) -> str:
        return re.sub(r"\bS\b", session, text).replace("{new}", new)

    if isinstance(body, dict):
        body = {name: named(value) if isinstance(value, str) else value for name, value in body.items()}
    return operator(node).request(method, f"/_meta{named(path)}", body)


def test_every_page_is_tried_here() -> None:
    pages = {
        (line.split()[0], re.sub(r"\{\w+\}", "*", line.split()[1]))
        for line in (api.__doc__ or "").splitlines()
        if line.startswith("    ")
    }
    tried = {
        (method, re.sub(r"/(S|none|\{new\})(?=/|$)", "/*", path.partition("?")[0]))
        for method, path, _ in ASKED
    }
    # What is a node's own, and what is the same everywhere, is tried where it is made.
    of_a_node = {("GET", "/traffic"), ("GET", "/metrics"), ("GET", "/console"), ("POST", "/tickets")}
    alike = {("GET", "/"), ("GET", "/problems/*")}
    assert pages - tried == {*of_a_node, *alike, ("PUT", "/sessions/*/import")}


@pytest.mark.parametrize(("method", "path", "body"), ASKED, ids=[f"{each[0]} {each[1]}" for each in ASKED])
def test_each_page_answers_alike_at_every_node(cluster: Cluster, method: str, path: str, body: Any) -> None:
    """Whichever node has the session: here each is asked for one that only the first has seen."""
    statuses = []
    for number, node in enumerate(cluster.nodes):
        session = f"p{ASKED.index((method, path, body))}-{number}"
        made = cluster.nodes[0].client(session).post("/orders", {"n": 1})
        assert made.status == 201, made
        answer = asked(node, (method, path, body), session, f"{session}-new")
        assert answer.status not in {421, 503}, answer
        statuses.append(answer.status)
    assert len(set(statuses)) == 1, statuses


def test_an_archive_goes_in_at_any_node_and_out_at_any_other(cluster: Cluster) -> None:
    cluster.nodes[0].client("packed").post("/orders", {"n": 7})
    archive = operator(cluster.nodes[1]).request("GET", "/_meta/sessions/packed/export").body
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        assert opened.getnames()
    for number, node in enumerate(cluster.nodes):
        target = f"unpacked-{number}"
        # Somebody else has it: they have asked for it before.
        assert cluster.nodes[(number + 1) % 3].client(target).get("/orders/1").status == 404
        put = operator(node).request("PUT", f"/_meta/sessions/{target}/import", raw=archive)
        assert put.status == 200, put
        assert cluster.nodes[(number + 2) % 3].client(target).get("/orders/1").json["n"] == 7


def test_a_fork_is_made_where_its_target_is_open(cluster: Cluster) -> None:
    cluster.nodes[0].client("original").post("/orders", {"n": 1})
    for number, node in enumerate(cluster.nodes):
        assert cluster.nodes[(number + 1) % 3].client(f"copy-{number}").get("/orders").status in {200, 404}
        body = {"to": f"copy-{number}"}
        forked = operator(node).request("POST", "/_meta/sessions/original/fork", body)
        assert forked.status == 200, forked
        assert node.client(f"copy-{number}").get("/orders/1").json["n"] == 1


async def test_changes_are_followed_at_every_node(cluster: Cluster) -> None:
    session = "followed"
    assert cluster.nodes[0].client(session).post("/orders", {"n": 0}).status == 201
    async with AsyncExitStack() as streams:
        watched = []
        for node in cluster.nodes:
            url = urlsplit(node.url)
            stream = watching(
                (url.hostname or "", url.port or 0),
                f"/_meta/changes?session={session}&since=1",
                None,
                Authorization=f"Bearer {ADMIN}",
            )
            watched.append(await streams.enter_async_context(stream))
        assert cluster.nodes[1].client(session).post("/orders", {"n": 1}).status == 201
        versions = [(await stream.event()).id for stream in watched]
    assert versions == ["2", "2", "2"]


def test_who_is_no_operator_sends_no_body_further(cluster: Cluster) -> None:
    """Not a byte of it is read: the first node says no."""
    for node in cluster.nodes:
        answer = node.client(None).request("PUT", "/_meta/sessions/any/import", raw=b"x" * 1024)
        assert answer.status == 401


def test_a_node_tells_what_it_does_for_others(cluster: Cluster) -> None:
    def counts(node: RunningService) -> dict[str, float]:
        text = operator(node).get("/_meta/metrics").body.decode()
        return {
            name: float(value)
            for name, value in re.findall(r"^metaservice_(node\w*) (\S+)$", text, re.MULTILINE)
        }

    session = "counted"
    before = [counts(node)["node_forwarded_total"] for node in cluster.nodes]
    for node in cluster.nodes:
        assert node.client(session).post("/orders", {"n": 1}).status == 201
    after = [counts(node) for node in cluster.nodes]
    forwarded = [found["node_forwarded_total"] - start for found, start in zip(after, before, strict=True)]
    assert sorted(forwarded) == [0, 1, 1]
    assert {found["nodes"] for found in after} == {3}
    assert all(found["node_lease_seconds"] > 0 for found in after)


def test_the_log_names_the_node_that_has_answered_and_the_one_that_has_asked_it(cluster: Cluster) -> None:
    for number, node in enumerate(cluster.nodes):
        answer = node.client("logged").request("POST", "/orders", {}, X_Request_ID=f"logged-{number}")
        assert answer.status == 201
    own = [(node.data_path / "node").read_text().strip() for node in cluster.nodes]
    for number, node_id in enumerate(own):
        lines = [
            found
            for node in cluster.nodes
            for line in node.log.splitlines()
            if (found := json.loads(line)).get("request_id") == f"logged-{number}"
        ]
        assert {line["node"] for line in lines} <= set(own)
        forwarding = [line for line in lines if "forwarded_to" in line]
        assert [(line["node"], line["forwarded_to"] in own) for line in forwarding] == (
            [] if len(lines) == 1 else [(node_id, True)]
        )
        assert len(lines) == 1 + len(forwarding)
