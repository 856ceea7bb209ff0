"""An obedient hostile model: the whole corpus served as plans, and nothing outside one session changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.learning.plans import CREATE, LIST
from tools.simulators import Answer, plan

if TYPE_CHECKING:
    from tests.learning.conftest import Api, StartApi

CORPUS = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "data" / "hostile.jsonl").read_text("utf-8").splitlines()
]
#: The heavy ones are about fuel and memory, which end them sooner here.
SANDBOX = {"fuel": 100_000_000, "wall_ms": 2_000}
BATCHES = 8


def files(root: Path) -> dict[str, bytes]:
    """Every file of the victims' sessions; their journals are empty between requests but for a header."""
    return {str(path): path.read_bytes() for path in sorted(root.glob("*/store.db"))}


async def listed(api: Api, session: str) -> Any:
    api.model.script = [Answer(LIST)]
    return (await api.ask("GET", "/members", session=session)).json


@pytest.mark.parametrize("batch", range(BATCHES))
async def test_no_plan_reaches_beyond_its_session(start: StartApi, tmp_path: Path, batch: int) -> None:
    """T31, G14: every snippet as the plan of a GET and of a POST; two other sessions stay byte for byte."""
    api = await start([Answer(CREATE)], sandbox=SANDBOX, fallback="none", **_budgets())
    for session in ("victim-1", "victim-2"):
        await api.post("/members", {"name": session}, session)
    before = files(tmp_path / "data")
    own = await listed(api, "attacker")
    for at, row in enumerate(CORPUS[batch::BATCHES]):
        word = f"attack-{'abcdefghijklmnopqrstuvwxyz'[at // 26]}-{'abcdefghijklmnopqrstuvwxyz'[at % 26]}"
        api.model.script = [Answer(plan(f"/{word}", row["code"], "users"))]
        got = await api.get(f"/{word}", "attacker")
        assert got.status in {200, 201, 204, 302, 304, 400, 404, 409, 422, 500, 501, 502, 504, 507}, row["id"]
        assert await listed(api, "attacker") == own, row["id"]
        api.model.script = [Answer(plan(f"/{word}", row["code"], "users"))]
        await api.post(f"/{word}", {"name": "x"}, "attacker")
    after = files(tmp_path / "data")

    assert {name: after[name] for name in before} == before
    assert (await listed(api, "victim-1"))["items"] == [{"id": 1, "name": "victim-1"}]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_safe_method_changes_nothing(start: StartApi, method: str) -> None:
    """T24: a plan for a GET that writes, catches what the store says, and replies, has written nothing."""
    wipe = plan(
        "/wipe",
        "for name in session_store.collections():\n"
        "    try:\n        session_store[name].delete_all()\n        session_store[name].insert({})\n"
        "    except Exception:\n        pass\n"
        'REPLY = make_response(200, "done")',
    )
    api = await start([Answer(CREATE)])
    await api.post("/members", {"name": "Alice"})
    api.model.script = [Answer(wipe)]
    assert (await api.ask(method, "/wipe")).status == 200

    assert (await listed(api, "s1"))["items"] == [{"id": 1, "name": "Alice"}]


async def test_options_runs_no_plan(start: StartApi) -> None:
    """OPTIONS is answered by the trusted layer alone."""
    api = await start([Answer(CREATE)])

    assert (await api.ask("OPTIONS", "/members")).status == 204
    assert api.calls == 0


def _budgets() -> dict[str, int]:
    calls = dict.fromkeys(
        ("calls_per_session_hour", "calls_per_session_day", "calls_per_hour", "calls_per_day"), 10_000
    )
    tokens = ("tokens_per_session_hour", "tokens_per_session_day", "tokens_per_hour", "tokens_per_day")
    return calls | dict.fromkeys(tokens, 1_000_000_000)
