"""Conventions that look into the session where a path does not tell a collection from an action."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from server.planning.assembly import make_conventions
from server.planning.conventions.checked import CheckedConventions
from server.values.errors import NotPlannable
from tests.fakes import FakeExecutor, completed
from tests.unit.server.planning.requests import NO_BODY, a_request

if TYPE_CHECKING:
    from server.values.model import Session

BODY = {"item": "lamp"}


class Session1:
    """A session with one collection, that counts how often it is looked into."""

    def __init__(self, collection: str) -> None:
        self.collection = collection
        self.asked: list[str] = []

    async def exists(self, _session: Session, name: str) -> bool:
        self.asked.append(name)
        return name == self.collection


async def test_only_what_is_doubtful_is_looked_up() -> None:
    """A request whose path says what it is costs no look into the session."""
    session = Session1("cart")
    conventions = CheckedConventions(exists=session.exists)

    for path in ("/cart", "/cart/1", "/members/1/orders", "/members/1/orders/2", "/members/1/orders/search"):
        await conventions.plan(a_request(path=path))
    assert session.asked == []

    planned = await conventions.plan(a_request("POST", "/members/1/cart", body=BODY))
    assert planned.runnable.plan.resource == "cart"
    assert session.asked == ["cart"]


async def test_options() -> None:
    """Allow is that of a collection where there is one, and nobody's where there is none."""
    conventions = CheckedConventions(exists=Session1("cart").exists)

    assert "POST" in await conventions.allowed_methods(a_request("OPTIONS", "/members/1/cart"))
    with pytest.raises(NotPlannable):
        await conventions.allowed_methods(a_request("OPTIONS", "/orders/1/cancel"))


@pytest.mark.parametrize(
    ("method", "body", "told"), [("POST", NO_BODY, False), ("POST", BODY, True), ("GET", NO_BODY, True)]
)
async def test_the_remedy_is_said(method: Any, body: Any, *, told: bool) -> None:
    """Who may have meant a collection hears how to have one; whoever posts nothing meant none."""
    with pytest.raises(NotPlannable) as caught:
        await CheckedConventions().plan(a_request(method, "/orders/1/cancel", body=body))

    assert "OPENAI_API_KEY" in caught.value.detail
    assert ("once there are records at /cancel" in caught.value.detail) is told


async def test_a_new_session_is_not_looked_into() -> None:
    """There is nothing in it, and a guest would have to be made for it."""
    executor, known = FakeExecutor(lambda _: completed({"exists": True})), set[str]()

    async def there(session: str) -> bool:
        return session in known

    conventions, ctx = make_conventions(executor, there), a_request("POST", "/members/1/cart", body=BODY)
    with pytest.raises(NotPlannable):
        await conventions.plan(ctx)
    assert executor.jobs == []

    known.add(ctx.session.directory)

    assert (await conventions.runnable(ctx)).plan.resource == "cart"
    assert [job.read_only for job in executor.jobs] == [True]


@pytest.mark.parametrize("answer", [{"exists": 1}, {"exists": False}, {}])
async def test_only_true_is_true(answer: Any) -> None:
    """What a guest answers is not to be trusted further than that."""
    ctx = a_request("POST", "/members/1/cart", body=BODY)

    async def there(_session: str) -> bool:
        return True

    with pytest.raises(NotPlannable):
        await make_conventions(FakeExecutor(lambda _: completed(answer)), there).plan(ctx)
