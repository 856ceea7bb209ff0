"""The project that comes out: it passes its own tests, a linter, and answers as the service does."""

from __future__ import annotations

import ast
import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.e2e.client import JSON, Client
from tests.eject.conftest import LINES, ejected, run, start
from tests.operations.conftest import ADMIN, AUTH
from tests.plan_files import document, item
from tools.ejected import secret_keys
from tools.simulators import by_route
from wasm_runtime import host_functions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.client import Answer
    from tests.learning.conftest import Api, StartApi

pytestmark = pytest.mark.long

__all__ = ["start"]

#: Asked of a new session and of a new application alike; method, path, body, content type.
REQUESTS: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/members", {"name": "Ada", "age": 36}),
    ("POST", "/members", {"name": "Ben", "age": 17}),
    ("GET", "/members/1", None),
    ("HEAD", "/members/1", None),
    ("GET", "/members/99", None),
    ("GET", "/members", None),
    ("GET", "/members?age__gte=18", None),
    ("GET", "/members?age__gte=18&limit=0", None),
    ("GET", "/members?limit=many", None),
    ("GET", "/members?age__near=3", None),
    ("PATCH", "/members/1", {"age": 37, "note": None}),
    ("PATCH", "/members/9", {"age": 37}),
    ("POST", "/members", {"id": 1, "name": "Eve", "age": 3}),
    ("POST", "/orders", {"member_id": 1, "lines": LINES}),
    # Wrong bodies of the same shape, and of another.
    ("POST", "/orders", {"member_id": 7, "lines": LINES}),
    ("POST", "/orders", {"lines": LINES}),
    ("POST", "/orders", {"member_id": 1, "lines": [{"price": 2}]}),
    ("POST", "/orders", {"member_id": 1, "lines": [{"price": {}, "count": 2}]}),
    # Over the limit: what it wrote, in both collections, is undone.
    ("POST", "/orders", {"member_id": 1, "lines": [{"price": 999, "count": 2}]}),
    ("GET", "/members/1", None),
    ("GET", "/orders?status=open&limit=5", None),
    ("GET", "/orders?status=open&limit=x", None),
    ("GET", "/adults?min_age=18", None),
    ("GET", "/adults?min_age=x", None),
    ("POST", "/orders/1/cancel", None),
    ("POST", "/orders/1/cancel", None),
    ("POST", "/orders/5/cancel", None),
    ("POST", "/accounts/ann/login", {"secret": "wrong"}),
    ("POST", "/accounts/ann/login", {"secret": "s"}),
    ("DELETE", "/members/2", None),
    ("DELETE", "/members/2", None),
    ("GET", "/members/%zz", None),
    ("GET", "/members?limit=1&limit=2", None),
)
#: Without a model: conventions answer, and these read and write two collections, one below the other.
CONVENTIONAL: tuple[tuple[Any, ...], ...] = (
    ("POST", "/members", {"name": "Ada", "age": 36}),
    ("POST", "/members", [{"name": "Ben"}, {"name": "Cy"}]),
    ("POST", "/members", [{"name": "Dan"}, 3]),
    ("POST", "/members", 3),
    ("POST", "/members/1/orders", {"item": "lamp"}),
    ("POST", "/members/1/orders", [{"item": "chair"}]),
    ("POST", "/members/8/orders", {"item": "lamp"}),
    ("GET", "/members/1/orders?sort=-item&limit=1", None),
    ("GET", "/members/2/orders", None),
    ("GET", "/members/1/orders/1", None),
    ("GET", "/members/2/orders/1", None),
    ("GET", "/members/search?name=*n", None),
    ("GET", "/members?age__isnull=true", None),
    ("GET", "/members?sort=age__x", None),
    ("PUT", "/members/2", {"name": "Benjamin"}),
    ("PUT", "/members/2", [1]),
    ("PATCH", "/members/2", {"age": 3, "name": None}),
    ("PATCH", "/orders/2", {"item": "table"}),
    ("PATCH", "/members/2", [{"op": "add", "path": "/tags", "value": ["x"]}], "application/json-patch+json"),
    ("PATCH", "/members/2", [{"op": "test", "path": "/tags", "value": 1}], "application/json-patch+json"),
    ("PATCH", "/members/2", {"tags": None, "age": None}, "application/merge-patch+json"),
    ("GET", "/orders/", None),
    ("GET", "/orders/stats?group_by=member_id&count=item&sort=-count&limit=1", None),
    ("GET", "/members/1/orders/stats?max=item&item__ne=lamp", None),
    ("GET", "/orders/stats?sort=item", None),
    ("GET", "/orders?page=1&per_page=1&fields=id,item&expand=member", None),
    ("GET", "/orders/search?fields=item&sort=-id", None),
    ("DELETE", "/members/3", None),
    ("GET", "/members/three", None),
    ("PUT", "/members", {"a": 1}),
    # What the query asks to see.
    ("POST", "/members", [{"name": "Eve", "age": 30}, {"name": "Flo", "age": 41}]),
    ("GET", "/members?page=2&per_page=2&sort=-name", None),
    ("GET", "/members?page=0", None),
    ("GET", "/members?page=1&offset=1", None),
    ("GET", "/members?page=1&page_size=1&fields=name,orders.item&embed=orders", None),
    ("GET", "/members/1?fields=name,orders.item&embed=orders", None),
    ("GET", "/members?embed=nothing", None),
    ("GET", "/orders/search?expand=member&fields=id,member.name", None),
    ("GET", "/members/1/orders?fields=item&limit=1", None),
    ("GET", "/members/1/orders/1?expand=member", None),
    ("GET", "/members?group_by=age", None),
    ("GET", "/members/search?group_by=age", None),
    ("GET", "/members/stats?group_by=name&max=age&sort=-name&limit=2", None),
    ("GET", "/members/stats?sum=age&age__gte=30", None),
    ("GET", "/members/stats?group_by=name&sort=age", None),
    ("GET", "/members/1/orders/stats?count=item", None),
    ("GET", "/members/1/orders/count", None),
    ("GET", "/v1/members?limit=1", None),
    ("GET", "/api/v2/members/1/orders", None),
    ("GET", "/v1/members/99", None),
    ("POST", "/api/members", {"name": "Gus"}),
    ("OPTIONS", "/v1/members/1", None),
    # Relations in the collection's own style, ids of any kind, and words that are no fields.
    ("POST", "/notes", {"memberId": 1, "text": "a"}),
    ("POST", "/members/1/notes", {"text": "b", "member_id": 7}),
    ("GET", "/members/1/notes/search?text=B*&sort=-text__nocase", None),
    ("GET", "/members/1?embed=notes&fields=notes.memberId", None),
    ("GET", "/orders?embed=notes", None),
    ("POST", "/members", {"id": "al@x/y?", "name": "Al", "urbs": [{"id": 12}]}),
    ("GET", "/members/al%40x%2Fy%3F", None),
    ("GET", "/members/search?urbs.id=12&fields=id", None),
    ("POST", "/members", {"id": "", "name": "Bo"}),
    ("POST", "/members", {"id": "stats"}),
    ("GET", "/members?sort=nope", None),
    ("GET", "/members?sort=name:desc", None),
    ("GET", "/members?age[gte]=1", None),
    ("GET", "/members?limit=&page=", None),
    # One object at a path.
    ("PUT", "/settings", {"theme": "dark"}),
    ("PUT", "/settings", {"theme": "light"}),
    ("PATCH", "/settings", {"size": 2}),
    ("GET", "/settings", None),
    ("GET", "/settings?fields=size", None),
    ("PUT", "/settings", [1]),
    ("OPTIONS", "/settings", None),
    ("DELETE", "/settings", None),
    ("GET", "/settings", None),
)
_HEADERS = (
    "content-type",
    "location",
    "x-total",
    "x-attempts",
    "cache-control",
    "x-content-type-options",
)
_CHANGING = re.compile(rb'("request_id":|"token":|"cancelled_at":)"[^"]*"')


def told(answer: Answer) -> tuple[int, dict[str, str], bytes]:
    """What of an answer has to be the same."""
    headers = {name: answer.headers[name] for name in _HEADERS if name in answer.headers}
    return answer.status, headers, _CHANGING.sub(rb'\1"..."', answer.body)


def asked(client: Client, method: str, target: str, body: Any, content_type: str = JSON) -> Answer:
    return client.request(method, target, body, content_type=content_type)


@contextmanager
def served(directory: Path, data: str | None = "records", **environ: str) -> Iterator[Client]:
    """`python -m app` in a directory, on a free port."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "app", "--port", "0", *(["--data", data] if data else [])],
        cwd=directory,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    with process:
        try:
            line = process.stdout.readline()
            yield Client(re.search(r"http://[\w.:]+", line)[0])  # type: ignore[index]
        finally:
            process.send_signal(signal.SIGTERM)


async def compared(api: Api, project: Path, requests: Any) -> None:
    """Have both answer, each with no records to begin with."""

    def both() -> list[tuple[Any, Any]]:
        service = Client(api.service.url, "s1")
        with served(project) as app:
            return [(told(asked(service, *each)), told(asked(app, *each))) for each in requests]

    reset = await api.ask("POST", "/_meta/sessions/s1/reset", **AUTH)
    assert reset.status == 200
    for request, (ours, theirs) in zip(requests, await asyncio.to_thread(both), strict=True):
        assert theirs == ours, request


async def passes(project: Path) -> None:
    """The project passes its own tests, and ruff has nothing to say of it."""
    ran = await asyncio.to_thread(run, project, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert ran.returncode == 0, ran.stdout
    OpenAPIV31SpecValidator(orjson.loads((project / "openapi.json").read_bytes())).validate()
    for command in (["check", "--no-cache"], ["format", "--no-cache", "--check"]):
        linted = await asyncio.to_thread(run, project, "-m", "ruff", *command)
        assert linted.returncode == 0, linted.stdout


async def test_a_learned_api(shop: Api, tmp_path: Path) -> None:
    """It reads well, its tests pass, and it answers as the service does, bodies to the byte."""
    project = await ejected(shop, tmp_path / "shop", "?conventions=false")

    check_code(project)
    check_imports(project)
    await passes(project)
    await compared(shop, project, REQUESTS)


async def test_an_api_of_conventions(start: StartApi, tmp_path: Path) -> None:
    """A session that has learned nothing has the routes of conventions for each of its collections."""
    api = await start(by_route({}), auth={"admin_token": ADMIN}, provider="conventions")
    unknown = await api.ask("GET", "/_meta/sessions/nobody/app", **AUTH)
    wrong = await api.ask("GET", "/_meta/sessions/nobody/app?data=some", **AUTH)
    assert (unknown.status, wrong.status) == (404, 400)
    for method, path, body, *_ in CONVENTIONAL:
        await api.ask(method, path, body)
    project = await ejected(api, tmp_path / "conventions")

    await passes(project)
    await compared(api, project, CONVENTIONAL)
    await asyncio.to_thread(check_what_is_not_there, project)


#: What an ejected README promises not to be there, by the words it stands in.
NOT_THERE = (
    "Schema enforcement",
    "CSV",
    "`ETag`",
    "`Idempotency-Key`",
    "`Prefer`",
    "`Link`",
    "CORS",
    "`/stats`",
)


def check_what_is_not_there(project: Path) -> None:
    """Its README says so of each, and it is so: none is half there."""
    readme = (project / "README.md").read_text("utf-8").partition("## What is not there any more")[2]
    assert [word for word in NOT_THERE if word not in readme] == []
    with served(project) as app:
        key = {"Idempotency_Key": "k"}
        twice = [app.request("POST", "/members", {"name": "Eli", "age": 4}, **key) for _ in range(2)]
        typed = app.patch("/members/1", {"age": "four"})
        listed = app.request("GET", "/members?limit=1", Accept="text/csv", Origin="https://a.example")
        same = app.request("GET", "/members/1", If_None_Match="*")
        kept = app.request("DELETE", "/members/1", Prefer="tx=rollback", If_Match='"none"')

        assert twice[0].json["id"] != twice[1].json["id"]
        assert (typed.status, same.status, kept.status) == (200, 200, 204)
        assert app.get("/members/1").status == 404
        assert listed.headers["content-type"] == "application/json"
        absent = {
            "etag",
            "link",
            "x-total-count",
            "access-control-allow-origin",
            "x-plan-id",
            "server-timing",
        }
        assert listed.headers.keys().isdisjoint(absent)


def check_code(project: Path) -> None:
    """What a plan reads of itself is written out, REPLY is returned, own values don't hide helpers."""
    text = (project / "app" / "resources" / "orders.py").read_text("utf-8")

    assert text.endswith(
        '@routes.post("/orders/{order_id:int}/cancel", content="none")\n'
        "def cancel_order(params: Json, store: ResourceStore) -> Json:\n"
        '    """Cancel order."""\n'
        '    order = store.get(params["order_id"])\n'
        "    if order is None:\n"
        "        return make_response(404, f\"no order {params['order_id']} in orders\")\n"
        '    if order["status"] == "cancelled":\n'
        '        return make_response(409, "cancelled already")\n'
        "    now_ = now()\n"
        "    return make_response(200, "
        'store.update(order["id"], {"status": "cancelled", "cancelled_at": now_}))\n'
    )


def check_imports(project: Path) -> None:
    """No module names a room of ours, nor a package that only we need."""
    imported = {
        (node.module or "").partition(".")[0]
        if isinstance(node, ast.ImportFrom)
        else alias.name.partition(".")[0]
        for path in project.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    theirs = {"app", "tests", "aiohttp", "attrs", "multidict", "orjson", "pytest"}

    assert imported - set(sys.stdlib_module_names) == theirs


async def test_what_was_learned_and_conventions_beside_it(shop: Api, tmp_path: Path) -> None:
    """A learned route takes the query that it was learned for; the convention of its path takes any other."""
    project = await ejected(shop, tmp_path / "both")
    text = (project / "app" / "resources" / "members.py").read_text("utf-8")

    assert '@routes.get("/members/{id:int}", query=())\ndef get_member(' in text
    assert '@routes.get("/members/{id}")\ndef get_member_by_convention(' in text
    readme = (project / "README.md").read_text("utf-8")
    assert "| GET | `/members/{id:int}` | query: none | members | learned |" in readme
    await passes(project)

    def answers() -> list[Any]:
        with served(project) as app:
            made = app.create("/members", {"name": "Ada", "age": 36})
            return [made, app.read("/members/1"), app.read("/members/1?fields=name")]

    whole = {"id": 1, "name": "Ada", "age": 36}
    assert await asyncio.to_thread(answers) == [whole, whole, {"name": "Ada"}]


async def test_installed_it_keeps_its_records_where_it_is_started(shop: Api, tmp_path: Path) -> None:
    """As pip puts it, the wheel's files alone: it has its description and its first records with it."""
    project = await ejected(shop, tmp_path / "shop", "?data=true")
    wheel = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"][
        "targets"
    ]
    site, elsewhere = tmp_path / "site-packages", tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in wheel["wheel"]["packages"]:
        shutil.copytree(project / name, site / name)
    for source, target in wheel["wheel"]["force-include"].items():
        if (project / source).is_dir():
            shutil.copytree(project / source, site / target)
        else:
            shutil.copy(project / source, site / target)
    before = sorted(site.rglob("*"))

    def answers() -> tuple[Any, Any]:
        with served(elsewhere, data=None, PYTHONPATH=str(site)) as app:
            return app.read("/members/1")["name"], app.read("/openapi.json")["openapi"]

    assert await asyncio.to_thread(answers) == ("Ada", "3.1.0")
    assert (elsewhere / "data" / "store.db").exists()
    assert sorted(site.rglob("*")) == before


async def test_a_plan_that_fails_is_named(start: StartApi, tmp_path: Path) -> None:
    """By the README; its test asks for the status, and one that broke a limit of the sandbox has none."""
    api = await start(by_route({}), auth={"admin_token": ADMIN}, sandbox={"wall_ms": 500})
    codes = {
        "broken": "REPLY = make_response(200, store.get(7)['name'])",
        "endless": "while True:\n    pass\nREPLY = make_response(200)",
        "absent": "REPLY = make_response(503, 'not today')",
    }
    plans = [
        item(method="POST", route=f"/things/{{id:int}}/{name}", resource="things", code=code)
        for name, code in codes.items()
    ]
    taken = await api.ask("POST", "/_meta/plans/import?session=s1", document(plans), **AUTH)
    project = await ejected(api, tmp_path / "failing")
    readme = (project / "README.md").read_text("utf-8")

    assert taken.status == 200, taken
    assert "- POST `/things/{id:int}/broken`: The plan's code raised TypeError in line 1." in readme
    assert "- POST `/things/{id:int}/absent`: not today" in readme
    exchanges = orjson.loads((project / "tests" / "exchanges.json").read_bytes())
    assert {each["path"]: (each["status"], each.get("limit")) for each in exchanges} == {
        "/things/1/broken": (500, None),
        "/things/1/endless": (504, "out-of-time"),
        "/things/1/absent": (503, None),
    }
    await passes(project)


async def test_records_come_along_only_when_asked_for(shop: Api, tmp_path: Path) -> None:
    """With them, the application begins with what the session has, and goes on counting where it was.

    A second process is told that the data is in use: the database has no locks of its own.
    """
    without = await ejected(shop, tmp_path / "without")
    with_data = await ejected(shop, tmp_path / "with", "?data=true")

    def answers() -> tuple[Any, Any, str]:
        with served(with_data) as app:
            second = run(with_data, "-m", "app", "--port", "0", "--data", "records")
            made = app.create("/members", {"name": "Cy", "age": 1})
            return app.read("/members/1"), made, second.stderr

    assert not any("Ada" in path.read_text("utf-8") for path in without.rglob("*") if path.is_file())
    assert await asyncio.to_thread(answers) == (
        {"id": 1, "name": "Ada", "age": 37, "orders": 1},
        {"id": 3, "name": "Cy", "age": 1},
        "records is in use by another process\n",
    )


def test_its_secrets_are_those_of_the_service() -> None:
    """A hash that the service made is verified by the application, and the other way round."""
    figures = {name: host_functions._SCRYPT[name] for name in secret_keys._SCRYPT}

    assert figures == secret_keys._SCRYPT
