"""What is remembered of a session's reads, and what operators and the model do: it falls where it has to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.operations.conftest import MEMBERS, Operator
from tests.operations.test_sessions import archive, download, upload
from tools.simulators import Answer, plan

if TYPE_CHECKING:
    from pathlib import Path

    from tests import answer
    from tests.learning.conftest import Api, StartApi

ROUTE = "/members/{id:int}"
SHOUT = 'REPLY = make_response(200, {"name": store.get(params["id"])["name"].upper()})'


def is_hit(reply: answer.Answer) -> bool:
    return "remembered;" in reply.headers["Server-Timing"] and reply.headers["X-Fuel-Used"] == "0"


async def warm(api: Api, target: str = "/members/1", session: str = "s1") -> answer.Answer:
    """Have a read remembered by both doors; what it answers."""
    for _ in range(3):
        reply = await api.get(target, session=session)
    assert is_hit(reply), reply
    assert "parse;" not in reply.headers["Server-Timing"]
    return reply


async def test_a_session_s_reads_fall_with_all_of_it(operator: Operator, tmp_path: Path) -> None:
    """It is put back, imported over, reset, deleted: the next read is of what is there then."""
    api = operator.api
    before = await warm(api)
    await api.ask("PATCH", "/members/1", {"name": "Bob"})
    assert (await warm(api)).json["name"] == "Bob"

    await operator.do("POST", "/sessions/s1/rewind", {"to": 1})
    assert (await api.get("/members/1")).json == before.json
    await warm(api)
    files = {**await download(operator, "s1"), "members.json": '[{"id":1,"name":"Cid"}]'}
    assert (await upload(operator, "s1", archive(tmp_path / "in.tar", files).read_bytes(), "?replace=true"))[
        0
    ] == 200
    assert (await warm(api)).json["name"] == "Cid"
    await operator.do("POST", "/sessions/s1/reset")
    assert (await api.get("/members/1")).status == 404
    await api.post("/members", {"name": "Dan"})
    assert (await warm(api)).json["name"] == "Dan"
    await operator.do("DELETE", "/sessions/s1")
    assert (await api.get("/members/1")).status == 404


async def test_a_fork_s_target_has_nothing_of_before(operator: Operator) -> None:
    """An empty list that was remembered is none when the session has become a copy."""
    api = operator.api
    assert (await warm(api, "/members", session="new")).json["total"] == 0
    await operator.do("DELETE", "/sessions/new")
    assert (await warm(api, "/members/1")).json["name"] == "Ada"
    await api.get("/members/1", session="unlearned")
    await operator.do("POST", "/sessions/s1/fork", {"to": "new"})

    assert (await api.get("/members/1", session="new")).json["name"] == "Ada"


async def test_reads_fall_with_their_plan(operator: Operator) -> None:
    """Edited, edited back, forgotten: the next read is by the plan that is in force then."""
    api = operator.api
    assert (await warm(api)).json["name"] == "Ada"
    learned = await operator.plan_of("GET", ROUTE)
    edited = await operator.do("PUT", f"/plans/{learned['id']}/code", {"code": SHOUT})
    after = await api.get("/members/1")

    assert (after.json, is_hit(after)) == ({"name": "ADA"}, False)
    await warm(api)
    await operator.do("DELETE", f"/plans/{edited['id']}?force=true")
    again = await api.get("/members/1")
    assert (again.json["name"], again.source) == ("Ada", "planned")


async def test_reads_are_the_model_s_again_when_learning_is_turned_on(operator: Operator) -> None:
    """What conventions have answered meanwhile does not keep the model from being asked."""
    api = operator.api
    await operator.do("PUT", "/learning", {"learn": False})
    by_conventions = await warm(api, "/members")
    assert by_conventions.source == "conventions"
    await operator.do("PUT", "/learning", {"learn": True})

    assert (await api.get("/members")).source == "planned"


async def test_a_fall_back_does_not_keep_the_model_from_being_asked(start: StartApi) -> None:
    """As long as the model cannot be asked each request asks whether it can; what then runs is remembered."""
    api = await start([], breaker_failures=1_000)
    for _ in range(4):
        reply = await api.get("/members")
        assert (reply.status, reply.source) == (200, "conventions")
    assert api.calls >= 2
    assert is_hit(reply)
    assert "parse;" in reply.headers["Server-Timing"]


async def test_a_plan_that_is_repaired(start: StartApi) -> None:
    """Where the learned plan fails for one record, the mended one answers for all."""
    brittle = plan(ROUTE, 'REPLY = make_response(200, {"age": 1 / store.get(params["id"])["n"]})')
    mended = plan(ROUTE, 'n = store.get(params["id"])["n"]\nREPLY = make_response(200, {"age": n})')
    create = MEMBERS["POST /members"]
    api = await start([Answer(create), Answer(brittle), Answer(mended)])
    await api.post("/members", {"n": 2})
    await api.post("/members", {"n": 0})
    assert (await warm(api)).json == {"age": 0.5}
    assert (await api.get("/members/2")).json == {"age": 0}

    assert (await api.get("/members/1")).json == {"age": 2}
