"""A session that has learned an API of three resources, and the project that is ejected from it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest

from server.sessions.tar_files import unpack
from tests.learning.conftest import Api, start
from tests.learning.plans import CREATE, DELETE, GET, LIST, UPDATE
from tests.operations.conftest import ADMIN, AUTH
from tools.simulators import by_route, plan

if TYPE_CHECKING:
    from pathlib import Path

    from tests.learning.conftest import StartApi

__all__ = ["start"]

_ORDER: Final = plan(
    "/orders",
    'body = ctx["body_json"]\n'
    'member = session_store["members"].get(body["member_id"])\n'
    "if member is None:\n"
    '    abort(422, "no such member")\n'
    'total = money(sum([line["price"] * line["count"] for line in body["lines"]]))\n'
    'order = {"member_id": member["id"], "lines": body["lines"], "total": total, "status": "open"}\n'
    "order = store.insert(order)\n"
    'session_store["members"].update(member["id"], {"orders": member.get("orders", 0) + 1})\n'
    "if total > 1000:\n"
    '    abort(409, {"limit": 1000, "total": total})\n'
    'REPLY = make_response(201, order, {"Location": f"/orders/{order[\'id\']}", "X-Total": str(total)})',
    resource="orders",
)
_CANCEL: Final = plan(
    "/orders/{order_id:int}/cancel",
    'order = store.get(plan["identifier"])\n'
    "if order is None:\n"
    "    REPLY = make_response(404, f\"no order {params['order_id']} in {plan['resource']}\")\n"
    'elif order["status"] == "cancelled":\n'
    '    REPLY = make_response(409, "cancelled already")\n'
    "else:\n"
    "    now = now()\n"
    '    REPLY = make_response(200, store.update(order["id"], {"status": "cancelled", "cancelled_at": now}))',
    resource="orders",
    identifier="{order_id}",
)
_OPEN: Final = plan(
    "/orders",
    'limit = as_int(ctx["query"]["limit"])\n'
    'found = store.search({"status": ctx["query"]["status"]}, sort="-total", limit=limit)\n'
    "REPLY = make_response(200, found)",
    resource="orders",
)
#: Reads a query key under a name of its own, which is a slip of the pen elsewhere.
_ADULTS: Final = plan(
    "/adults",
    'query = ctx["query"]\n'
    'criteria = {name: value for name, value in plan["criteria"].items() if name != "min_age"}\n'
    'criteria["age__gte"] = as_int(query.get("min_age"), 18)\n'
    "REPLY = make_response(200, store.search(criteria))",
    resource="members",
)
_LOGIN: Final = plan(
    "/accounts/{name:slug}/login",
    'account = store.upsert({"id": params["name"], "secret": hash_secret("s")})\n'
    'if not verify_secret(ctx["body_json"]["secret"], account["secret"]):\n'
    '    abort(401, "wrong secret", {"X-Attempts": 1})\n'
    'REPLY = make_response(200, {"token": new_token(), "account": params["name"]})',
    resource="accounts",
)
PLANS: Final = {
    "POST /members": CREATE,
    "GET /members": LIST,
    "GET /members/{id:int}": GET,
    "PATCH /members/{id:int}": UPDATE,
    "DELETE /members/{id:int}": DELETE,
    "POST /orders": _ORDER,
    "POST /orders/{order_id:int}/cancel": _CANCEL,
    "GET /orders": _OPEN,
    "GET /adults": _ADULTS,
    "POST /accounts/ann/login": _LOGIN,
}
LINES: Final = [{"price": 9.99, "count": 2}]
#: What the session is asked so that it learns them; method, path, body.
LEARNING: Final[tuple[tuple[str, str, Any], ...]] = (
    ("POST", "/members", {"name": "Ada", "age": 36}),
    ("GET", "/members", None),
    ("GET", "/members/1", None),
    ("PATCH", "/members/1", {"age": 37}),
    ("POST", "/orders", {"member_id": 1, "lines": LINES}),
    ("GET", "/orders?status=open&limit=5", None),
    ("POST", "/orders/1/cancel", None),
    ("GET", "/adults?min_age=30", None),
    ("POST", "/accounts/ann/login", {"secret": "s"}),
    ("POST", "/members", {"name": "Bob", "age": 20}),
    ("DELETE", "/members/2", None),
)


@pytest.fixture
async def shop(start: StartApi) -> Api:
    """The service, whose session s1 has learned all of it."""
    api = await start(by_route(PLANS), auth={"admin_token": ADMIN})
    for method, path, body in LEARNING:
        answer = await api.ask(method, path, body)
        assert answer.status < 300, (method, path, answer)
        assert answer.source in {"planned", "learned"}
    return api


async def ejected(api: Api, directory: Path, query: str = "", session: str = "s1") -> Path:
    """The project that the service gives, unpacked."""
    answer = await api.ask("GET", f"/_meta/sessions/{session}/app{query}", **AUTH)
    assert answer.status == 200, answer
    archive = directory.with_name(f"{directory.name}.tar")
    archive.parent.mkdir(parents=True, exist_ok=True)
    archive.write_bytes(answer.body)
    unpack(archive, directory)
    archive.unlink()
    return directory


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """This Python in the project, which has nothing of ours in its path."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
