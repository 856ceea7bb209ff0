"""Keys and preconditions on planned and learned routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.planning.learning import has_worked
from tests.fakes import completed
from tests.learning.plans import MEMBERS
from tools.simulators import by_route

if TYPE_CHECKING:
    from tests.learning.conftest import Answer, StartApi


def tag_of(answer: Answer) -> str:
    """Whatever the client library has made of the header's name."""
    (tag,) = [value for name, value in answer.headers.items() if name.lower() == "etag"]
    return tag


async def test_a_retry_on_a_learned_route_gets_the_planned_answer(start: StartApi) -> None:
    """The first try was planned, its retry finds the route learned, or the provider gone: one effect."""
    api = await start(by_route(MEMBERS))
    first = await api.ask("POST", "/members", {"name": "Al"}, Idempotency_Key="k")
    again = await api.ask("POST", "/members", {"name": "Al"}, Idempotency_Key="k")

    assert (first.status, first.source) == (201, "planned")
    assert (again.status, again.source, again.body) == (201, "learned", first.body)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert tag_of(again) == tag_of(first)
    assert (await api.get("/members")).json["total"] == 1


async def test_preconditions_on_learned_routes(start: StartApi) -> None:
    """The tag of a write is that of the next read, and guards plans that name no identifier, too."""
    api = await start(by_route(MEMBERS))
    tag = tag_of(await api.post("/members", {"name": "Al"}))
    changed = await api.ask("PUT", "/members/1", {"name": "Bo"}, If_Match=tag)
    late = await api.ask("PUT", "/members/1", {"name": "Cy"}, If_Match=tag)
    deleted = await api.ask("DELETE", "/members/1", If_Match=tag)

    assert (changed.status, late.status, deleted.status) == (200, 412, 412)
    unchanged = await api.ask("GET", "/members/1", If_None_Match=tag_of(changed))
    assert (unchanged.status, unchanged.body) == (304, b"")


def test_a_replay_proves_nothing_of_a_plan() -> None:
    """The plan behind it has not run."""
    assert has_worked(completed({}))
    assert not has_worked(completed({}, replayed=True))
