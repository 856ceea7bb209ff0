"""A contract's rules on a reply: which statuses, which body, and what is said of one that breaks them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from server.contracts.schemas import prepare
from wasm_runtime.limits import Limits
from wasm_runtime.outcome import BreaksContract
from wasm_runtime.schema_shelf import MOST_DOCUMENTS, SchemaShelf
from wasm_runtime.schemas import Checker, Rules
from wasm_runtime.verdict import Answer, judge

ITEM = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "integer"},
        "tags": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
DONE = prepare({"item": ITEM}, ["#/item"], "reply")
KEY = DONE.keys["#/item"]
CHECKER = Checker(DONE.text)


def rules(keys: dict[str, str], **more: Any) -> Rules:
    return Rules(CHECKER, keys, **more)


def broken(keys: dict[str, str], status: int, value: Any = None, **more: Any) -> list[tuple[str, str]]:
    encoded = None if value is None else orjson.dumps(value)
    return [(each.pointer, each.keyword) for each in rules(keys, **more).broken(status, value, encoded)]


@pytest.mark.parametrize(
    ("keys", "status", "value", "wanted"),
    [
        ({"200": KEY}, 200, {"id": 1}, []),
        ({"200": KEY}, 200, {"id": "1"}, [("/id", "type")]),
        ({"2XX": KEY}, 201, {}, [("", "required")]),
        ({"default": KEY}, 200, {}, [("", "required")]),
        ({"200": KEY, "default": ""}, 418, {}, []),
        ({"200": KEY}, 201, {"id": 1}, [("", "status")]),
        ({"200": KEY}, 404, {"any": "thing"}, []),
        ({"200": KEY, "404": KEY}, 404, {"any": "thing"}, [("", "required")]),
        ({"404": KEY}, 404, "a text, which gets its form later", []),
        ({"404": KEY}, 404, None, []),
        ({"200": KEY}, 304, None, []),
        ({"200": KEY}, 200, None, [("", "body")]),
        ({"200": ""}, 200, {"any": "thing"}, []),
        ({"204": ""}, 204, None, []),
    ],
)
def test_what_a_contract_says(
    keys: dict[str, str], status: int, value: Any, wanted: list[tuple[str, str]]
) -> None:
    """Itself, its range, then default; an error that is not declared is none that breaks it."""
    assert broken(keys, status, value) == wanted


def test_a_request_that_wants_no_body_gets_none() -> None:
    assert broken({"200": KEY}, 200, bare=True) == []


def test_without_schemas_nothing_passes() -> None:
    """Nothing that breaks a contract is to go unseen."""
    assert [each.keyword for each in Rules(None, {"200": KEY}).broken(200, {"id": 1}, b'{"id":1}')] == [
        "schema"
    ]


def test_names_that_are_not_the_contract_s_are_not_told() -> None:
    """A guest, or a client, may make values of them: what is told goes to logs and to the model."""
    assert broken({"200": KEY}, 200, {"id": 1, "tags": {"a secret": 5, "4917212345678": 5, "7": 5}}) == [
        ("/tags/*", "type"),
        ("/tags/*", "type"),
        ("/tags/7", "type"),
    ]


ANSWER = '{"ok":true,"status":200}\n{"id":"a secret"}'


def test_it_is_reported() -> None:
    """The reply goes as it is, with what is wrong."""
    judged = judge(ANSWER, Limits(), rules({"200": KEY}))

    assert isinstance(judged, Answer)
    assert [(each.pointer, each.keyword) for each in judged.violations] == [("/id", "type")]


def test_it_is_enforced() -> None:
    """Then there is no reply, and nothing of what it would have kept."""
    judged = judge(ANSWER, Limits(), rules({"200": KEY}, enforce=True))

    assert judged == BreaksContract(200, (("/id", "type", "it has to be of type integer"),))


def test_a_worker_keeps_the_last_few_documents() -> None:
    """One more than it keeps takes the one that was asked for least recently."""
    shelf = SchemaShelf()
    names = [f"d{number}" for number in range(MOST_DOCUMENTS)]

    def asked(name: str) -> Rules:
        told = {"schemas": name, "keys": {"200": KEY}, "enforce": False, "bare": False}
        return shelf.rules(orjson.dumps(told).decode())

    for name in names:
        shelf.put(name, DONE.text)
    asked(names[0])
    shelf.put("another", DONE.text)

    assert asked(names[0]).checker is not None
    assert asked(names[1]).checker is None


def test_schemas_that_do_not_compile_check_nothing_and_say_so() -> None:
    shelf = SchemaShelf()
    shelf.put("d", '{"depth": 100, "applied": 1, "schema": {"properties": {"s0": {"type": "nonsense"}}}}')
    found = shelf.rules('{"schemas": "d", "keys": {"200": "s0"}, "enforce": true, "bare": false}')

    assert [each.keyword for each in found.broken(200, 1, b"1")] == ["schema"]
