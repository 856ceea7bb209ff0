"""The corpora of plan code in the real guest: the honest get their status, the hostile get nowhere.

The honest pass the policy first, as in the service, the hostile with it and without. Rows that the policy
refuses are tests/policy's, and those for a guest that got past it are the torture's.
"""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from server.values.model import SAFE_METHODS
from tests.policy import corpus
from tests.sandbox import programs
from wasm_runtime.limits import Limits
from wasm_runtime.outcome import (
    BadReply,
    Completed,
    Outcome,
    OutOfFuel,
    OutOfMemory,
    OutputTooLarge,
    Raised,
    StackExhausted,
    StorageFull,
)
from wasm_runtime.runner import Job

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.conftest import Sandbox

BENIGN = corpus.cases("benign")
HOSTILE = [row for row in corpus.cases("hostile") if row["expect"] == "contain"]
_numbers = count(1_000_000)

#: What the honest programs find; each of them reads some of it.
SEED: dict[str, list[dict[str, Any]]] = {
    "members": [
        {
            "name": "Alice",
            "email": "alice@example.com",
            "age": 30,
            "active": True,
            "city": "Rome",
            "tags": ["a", "b"],
        },
        {"name": "Bob", "email": "bob@example.com", "age": 25, "active": False, "tags": ["a"]},
        {"name": "Carol", "email": "carol@example.com", "age": 17, "active": True, "city": "Rome"},
    ],
    "products": [
        {
            "name": "Watch",
            "price": 399.99,
            "stock": 5,
            "specs": {"display": {"type": "AMOLED"}},
            "variants": [{"sku": "SWP-BLK", "stock": 10}, {"sku": "SWP-SLV", "stock": 5}],
        }
    ],
    "orders": [
        {"customer_id": 1, "total": 12.5, "status": "pending"},
        {"customer_id": 9, "total": 99, "status": "cancelled"},
        {"customer_id": 2, "total": 1},
    ],
    "projects": [{"name": "Launch"}],
    "tasks": [{"project_id": 1, "title": "Design", "status": "todo"}],
    "accounts": [{"balance": 100}, {"balance": 0}],
}
_FILL = (
    'for name, records in ctx["body_json"].items():\n'
    "    session_store[name].insert_many(records)\n"
    "REPLY = make_response(201)"
)
#: A hundredth of the default: enough for any honest program.
LIMITS = Limits(fuel=200_000_000, wall_ms=20_000)
#: Ways to end that leave the session as it was and the worker as it is.
CONTAINED = (
    Completed | Raised | OutOfFuel | OutOfMemory | StackExhausted | OutputTooLarge | BadReply | StorageFull
)


def run(sandbox: Sandbox, session: str, code: str, ctx: dict[str, Any], plan: dict[str, Any]) -> Outcome:
    """Run a program with a request and a plan of its own."""
    document = {**json.loads(programs.document(code)), **plan}
    job = Job(
        next(_numbers),
        programs.plan_id(json.dumps(document)),
        json.dumps(document),
        ctx["method"] in SAFE_METHODS,
        "\n".join(map(json.dumps, ({}, ctx.get("query", {}), ctx, ctx["body_json"]))),
    )
    return sandbox.run_job(session, job)


def seed(sandbox: Sandbox, session: str) -> None:
    filled = sandbox.run(_FILL, session=session, body=SEED)
    assert isinstance(filled, Completed)
    assert filled.committed


@pytest.fixture
def limited(make_sandbox: Callable[..., Sandbox]) -> Sandbox:
    return make_sandbox(LIMITS)


@pytest.mark.parametrize("row", BENIGN, ids=corpus.ids(BENIGN))
def test_an_honest_program_replies(limited: Sandbox, row: dict[str, Any]) -> None:
    """With the status that its author meant; a success is kept, an error is undone."""
    seed(limited, "s1")
    outcome = run(limited, "s1", corpus.accepted(row["code"]), row["ctx"], row["plan"])

    assert isinstance(outcome, Completed), outcome
    assert outcome.status == row["status"]
    assert outcome.committed is (row["ctx"]["method"] not in SAFE_METHODS and row["status"] < 400)
    _assert_a_reply(outcome)


def test_all_rows_are_there() -> None:
    """A corpus that lost its rows would pass every test above."""
    assert len(BENIGN) == 67
    assert len(HOSTILE) == 140


@pytest.mark.parametrize("policy", [True, False], ids=["policy-on", "policy-off"])
@pytest.mark.parametrize("row", HOSTILE, ids=corpus.ids(HOSTILE))
def test_a_hostile_program_gets_nowhere(limited: Sandbox, row: dict[str, Any], policy: bool) -> None:
    """It ends in a way that has a name; its session still works, and the next one's file is untouched.

    With the policy off its own text runs, and not what the policy would make of it.
    """
    for session in ("s1", "other"):
        seed(limited, session)
    limited.guests.drop("other")
    other = limited.root / "other"
    before = {path.name: path.read_bytes() for path in other.iterdir()}
    ctx = _hostile_request(row)
    code = corpus.accepted(row["code"]) if policy else row["code"]
    outcome = run(limited, "s1", code, ctx, {"resource": "members"})

    assert isinstance(outcome, CONTAINED), outcome
    if isinstance(outcome, Completed):
        _assert_a_reply(outcome)
    assert {path.name: path.read_bytes() for path in other.iterdir()} == before
    assert {path.name for path in limited.root.iterdir()} == {"s1", "other"}
    healthy = limited.run('REPLY = make_response(200, session_store["projects"].list())', read_only=True)
    assert isinstance(healthy, Completed)
    if not isinstance(outcome, Completed):
        assert healthy.body == b'[[{"id":1,"name":"Launch"}],1]'


def _hostile_request(row: dict[str, Any]) -> dict[str, Any]:
    body = {"name": "x\r\nSet-Cookie: admin=1", "id": 3, "a": 1}
    query, ctx = map(json.loads, programs.request(query={"q": "qqqq"}).splitlines()[1:3])
    return {**ctx, "query": query, "method": row.get("ctx_method", "POST"), "body_json": body}


def _assert_a_reply(outcome: Completed) -> None:
    """What may leave: a status, headers of one line that are a plan's to set, JSON within the limit."""
    assert 200 <= outcome.status <= 599
    for name, value in outcome.headers:
        assert name.lower() not in {"transfer-encoding", "content-length", "set-cookie", "connection"}
        assert (name + value).isprintable()
    if outcome.body is not None:
        orjson.loads(outcome.body)
        assert len(outcome.body) <= LIMITS.result_bytes
