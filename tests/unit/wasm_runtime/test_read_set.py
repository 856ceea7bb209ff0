"""What a guest says of its answers' making: the form is checked, the rest is its own session's business."""

from __future__ import annotations

import json

import pytest

from store.reads import MAX_COLLECTIONS, MAX_RECORDS
from wasm_runtime.limits import Limits
from wasm_runtime.read_set import Places, checked, places
from wasm_runtime.verdict import Answer, judge

LIMITS = Limits(result_bytes=100)


def test_what_an_honest_guest_says() -> None:
    """Addresses are JSON texts from here on, and all collections are named."""
    said = {"orders": [1, "1a", "ü"], "members": None, "*": None}

    found = places(checked(said))

    assert found.records == {("orders", "1"), ("orders", '"1a"'), ("orders", '"ü"')}
    assert found.collections == {"orders", "members", "*"}
    assert not found.whole
    assert places(checked(None)) == Places(whole=True)
    assert places(checked({})) == Places()


@pytest.mark.parametrize(
    "said",
    [
        [],
        "orders",
        1,
        True,
        {"": [1]},
        {"no/name": None},
        {"a" * 65: None},
        {"orders": 1},
        {"orders": "1"},
        {"orders": {"1": 1}},
        {"orders": [1.5]},
        {"orders": [True]},
        {"orders": [None]},
        {"orders": [0]},
        {"orders": [2**53]},
        {"orders": ["x" * 129]},
        {"orders": list(range(1, MAX_RECORDS + 2))},
        {f"c{n}": None for n in range(MAX_COLLECTIONS + 1)},
    ],
    ids=str,
)
def test_what_is_no_such_thing(said: object) -> None:
    """It is as if nothing had been said, whatever it is."""
    assert checked(said) == ""


def test_the_ends_of_what_may_be_said() -> None:
    """As many records, as many collections, and the longest of ids."""
    assert checked({"orders": list(range(1, MAX_RECORDS + 1))})
    assert checked({f"c{n}": None for n in range(MAX_COLLECTIONS)})
    assert checked({"orders": [2**53 - 1, "x" * 128]})


def answer(changes: str = "", **head: object) -> Answer:
    judged = judge(
        json.dumps({"ok": True, "status": 200, **head}) + "\n{}" + (f"\x1f{changes}" if changes else ""),
        LIMITS,
    )
    assert isinstance(judged, Answer)
    return judged


def test_a_reply_of_which_nothing_is_known() -> None:
    """A guest that says nothing, or nonsense, of a reply's making has a reply that nobody remembers."""
    assert answer(reads={"orders": [1]}).reads == '{"orders":[1]}'
    assert answer().reads == ""
    assert answer(reads={"orders": [{}]}).reads == ""


@pytest.mark.parametrize("said", [{}, {"touched": {"orders": ["x" * 200]}}, {"touched": 5}], ids=str)
def test_a_write_of_which_nothing_is_known(said: dict[str, object]) -> None:
    """Its session's answers are all in doubt."""
    assert answer("d 1 7", **said).touched == "null"


def test_what_a_write_has_touched() -> None:
    """As it was said, where there is something; kept answers are nothing that a plan reads."""
    assert answer("d 1 7", touched={"orders": [7]}).touched == '{"orders":[7]}'
    assert answer(touched={"orders": [7]}).touched == ""
    assert answer("x 3").touched == ""
