"""Slots that a route does not have, and methods that a store does not have: what was meant is said."""

from __future__ import annotations

import pytest

from server.planning.policy import ALLOWED_METHODS, CodeRefused, check
from server.planning.policy.names import STORE_METHODS
from server.values.model import SourceCode
from store.resource_store import ResourceStore
from tests.policy.corpus import violations

REPLY = "\nREPLY = make_response(200)"


def refused(code: str, *slots: str) -> list[tuple[int, int, str, str]]:
    with pytest.raises(CodeRefused) as caught:
        check(SourceCode(code + REPLY), slots)
    return [(v.line, v.column, v.rule, v.message) for v in caught.value.violations]


@pytest.mark.parametrize(
    ("slots", "hint"),
    [
        (("member_id", "order_id"), "the route has no such slot; did you mean 'order_id'?"),
        (("name",), "the route has no such slot; it has 'name'"),
        ((), "the route has no slots; take values from ctx"),
    ],
)
def test_an_unknown_slot_is_refused(slots: tuple[str, ...], hint: str) -> None:
    """Where it stands, with the slot that was meant, or with those there are."""
    assert refused('x = 1\ny = params["oder_id"]', *slots) == [(2, 4, "slot", f"params['oder_id']: {hint}")]


@pytest.mark.parametrize(
    "code",
    [
        'x = params["id"]',
        'x = params.get("other")',
        'params["other"] = 1\nx = params["other"]',
        'x = params["page"] if "page" in params else 1',
        'if "page" not in params:\n    abort(404)\nx = params["page"]',
        'name = "other"\nx = params[name]',
        'x = ctx["other"]',
        "x = params[0:1]",
    ],
)
def test_what_may_be_there_is_accepted(code: str) -> None:
    """Its own slots, what the code puts there, and what only a run can tell."""
    check(SourceCode(code + REPLY), ("id",))


@pytest.mark.parametrize(
    "test", ['"page" in ctx', '"age" in params', '"page" == params', '"page" in params in x']
)
def test_another_test_is_none_for_the_slot(test: str) -> None:
    """Of something else, or for another name."""
    code = f'x = []\nif {test}:\n    x = params["page"]'

    assert [(line, rule) for line, _, rule, _ in refused(code, "id")] == [(3, "slot")]


def test_without_a_route_nothing_is_known() -> None:
    """Rows of the library are loaded so: they have run."""
    assert violations('x = params["oder_id"]' + REPLY) == ()


@pytest.mark.parametrize("store", ["store", 'session_store["orders"]', 'session_store.collection("orders")'])
def test_a_stores_method_is_guessed(store: str) -> None:
    """A slip of the pen is told what was meant; for anything else there is a list."""
    (slip,) = violations(f"x = {store}.updat(1, {{}})" + REPLY)
    (other,) = violations(f"x = {store}.zzz()" + REPLY)

    assert slip.message == ".updat is not an allowed method: did you mean update?"
    assert other.message.startswith(".zzz is not an allowed method: a store has count, criteria, delete, ")


def test_other_values_may_be_dicts() -> None:
    """There the word is more often a key; and a hint for the very name comes first."""
    (key,) = violations("order = store.get(1)\nx = order.titles" + REPLY)
    (known,) = violations("x = store.create({})" + REPLY)

    assert 'use value["titles"]' in key.message
    assert "use insert(record)" in known.message


def test_the_stores_methods_are_those_of_the_store() -> None:
    """None is advised that is not there, and none is left out."""
    public = {
        name
        for name in vars(ResourceStore)
        if not name.startswith("_") and callable(getattr(ResourceStore, name))
    }

    assert public >= STORE_METHODS
    assert public & ALLOWED_METHODS == STORE_METHODS
