"""Who gets in: whoever has the admin token, where there is one, and nobody else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from server.operations import api as interface
from tests.docs.markdown import ROOT
from tests.operations.conftest import ADMIN, AUTH, MEMBERS, Operator
from tools.simulators import by_route

if TYPE_CHECKING:
    from tests.learning.conftest import StartApi

ROOMS = [
    "",
    "/",
    "/plans",
    "/plans/5b34",
    "/sessions",
    "/sessions/s1",
    "/explain",
    "/doctor",
    "/plans?limit=1",
]


async def test_without_an_admin_token_there_are_no_such_pages(start: StartApi) -> None:
    """404, as for any page that the service has not, with any token or none."""
    api = await start(by_route({}))
    plain = [await api.get(f"/_meta{room}") for room in ROOMS]
    guessed = [await api.ask("GET", f"/_meta{room}", Authorization="Bearer ") for room in ROOMS]

    assert {answer.status for answer in plain + guessed} == {404}


async def test_only_the_admin_token_opens_them(start: StartApi) -> None:
    """Not the service's own; and the admin token opens nothing else."""
    api = await start(by_route(MEMBERS), auth={"admin_token": ADMIN, "token": "service-token"})
    for token in ("service-token", "wrong", ADMIN[:-1], f"{ADMIN}x", ""):
        answer = await api.ask("GET", "/_meta/sessions", Authorization=f"Bearer {token}")
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer"), token
    inside = await api.ask("GET", "/_meta/sessions", Authorization=f"Bearer {ADMIN}")
    elsewhere = await api.ask("GET", "/members", Authorization=f"Bearer {ADMIN}")
    service = await api.ask("POST", "/members", {"n": 1}, Authorization="Bearer service-token")

    assert inside.status == 200
    assert elsewhere.status == 401
    assert service.status == 201


async def test_nothing_is_read_before_the_token(start: StartApi) -> None:
    """A path or a body that is wrong is 401 all the same without it."""
    api = await start(by_route({}), auth={"admin_token": ADMIN})

    assert (await api.ask("POST", "/_meta/plans/import", [1])).status == 401
    assert (await api.ask("GET", "/_meta/plans/%zz")).status == 401


async def test_what_there_is_not(operator: Operator) -> None:
    """Unknown pages are 404, other methods 405 with what there is, unknown members and values 400."""
    await operator.refused(404, "GET", "/plans/5b34/other")
    await operator.refused(404, "GET", "/explain/more")
    answer = await operator.ask("POST", "/sessions/s1")
    assert (answer.status, answer.headers["Allow"]) == (405, "DELETE, GET")
    for method, path, body in [
        ("GET", "/plans?limit=many", None),
        ("GET", "/plans?limit=1001", None),
        ("GET", "/plans?session=a&session=b", None),
        ("DELETE", "/plans/5b34?force=1", None),
        ("PUT", "/plans/5b34/code", {"code": 5}),
        ("PUT", "/plans/5b34/code", {"code": "", "extra": 1}),
        ("PUT", "/plans/5b34/code", ["code"]),
        ("PUT", "/plans/5b34/pin", {"pinned": "yes"}),
        ("PUT", "/sessions/s1/import", None),
        ("POST", "/sessions/s1/fork", {}),
        ("POST", "/explain", {"method": "GET", "path": "/members"}),
        ("POST", "/explain", {"session": "s1", "method": "OPTIONS", "path": "/members"}),
        ("POST", "/explain", {"session": "s1", "method": "GET", "path": "/members", "headers": {"a": 1}}),
        ("GET", "/plans/xyz", None),
        ("GET", "/plans/abc", None),
        ("GET", "/sessions/@short", None),
    ]:
        await operator.refused(400, method, path, body)
    assert (await operator.refused(404, "GET", "/plans/ffff"))["type"] == "/_meta/problems/not-found"
    assert len((await operator.get("/plans?limit=1000"))["plans"]) == 2
    assert (await operator.ask("POST", "/explain", {}, Content_Type="text/plain")).status == 415
    assert (await operator.ask("HEAD", "/plans")).status == 200


async def test_the_pages_are_listed(operator: Operator) -> None:
    """For the admin token alone; what is listed is there."""
    pages = (await operator.get("/"))["pages"]
    plain = await operator.get("")

    assert plain["pages"] == pages
    assert {"method": "POST", "path": "/_meta/plans/{plan}/replay"} in pages
    elsewhere = {"traffic", "metrics", "tickets", "problems", "console"}
    assert {each["path"].split("/")[2] for each in pages} == {"", *interface.ROOMS, *elsewhere}
    for path in (each["path"] for each in pages if each["method"] == "GET"):
        found = path.replace("{type}", "not-found").replace("{session}", "s1")
        if "{plan}" not in path:
            assert (await operator.api.ask("GET", found, **AUTH)).status not in {404, 405}, path


async def test_the_page_about_the_command_has_the_list(operator: Operator) -> None:
    """docs/command.md names each of them, and no other."""
    page = (ROOT / "docs" / "command.md").read_text("utf-8")
    told = re.findall(r"^\| (GET|PUT|POST|PATCH|DELETE) \| `(/_meta/[^`?]*)` \|", page, re.MULTILINE)
    listed = [(each["method"], each["path"]) for each in (await operator.get("/"))["pages"]]

    assert sorted(told) == sorted(listed)


async def test_what_is_listed_can_only_be_read(operator: Operator) -> None:
    closed = await operator.ask("GET", "", Authorization="Bearer another")

    assert closed.status == 401
    assert (await operator.ask("POST", "/")).status == 405
