"""A model's answer about a contract's records: its form, its limits, and what of it counts."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from server.contracts.contract import Contract
from server.contracts.document import ContractError
from server.contracts.reading import read
from server.contracts.record_rules.answer import MAX_ANSWER_BYTES, MAX_ROWS, AnswerInvalid, read_answer
from server.contracts.record_rules.question import is_asked_about, shown

TEXT: dict[str, Any] = {"type": "string"}
WHOLE: dict[str, Any] = {"type": "integer"}


def content(schema: Any) -> dict[str, Any]:
    return {"description": "", "content": {"application/json": {"schema": schema}}}


def contract(record: dict[str, Any], body: dict[str, Any], told: dict[str, Any] | None = None) -> Contract:
    item = {"type": "object", "properties": record}
    shop = {"name": "shop", "in": "path", "required": True, "schema": TEXT}
    raw = {
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1"},
        "paths": {
            "/shops/{shop}/items": {
                "parameters": [shop],
                "post": {
                    "requestBody": content({"type": "object", "properties": body}),
                    "responses": {"201": content(item)},
                },
            },
            "/shops/{shop}/items/{id}": {
                "parameters": [shop, {**shop, "name": "id"}],
                "get": {"responses": {"200": content(item)}},
            },
        },
    }
    if told is not None:
        raw["x-metaservice"] = {"collections": {"items": told}}
    return Contract.of(read(orjson.dumps(raw), "api.json"))


RECORD = {"id": TEXT, "name": TEXT, "size": WHOLE, "tags": {"type": "array", "items": TEXT}, "count": WHOLE,
          "meta": {"type": "object", "properties": {"label": TEXT}}}  # fmt: skip
BODY = {"name": TEXT, "size": WHOLE, "tags": RECORD["tags"]}


def rules(**answer: Any) -> list[str]:
    """What counts of an answer, in sentences."""
    served = contract(RECORD, BODY)
    (resource,) = served.model.resources
    served.compiler.answer(resource, read_answer(orjson.dumps(answer).decode()))
    return served.compiler.record_rules(resource).sentences


def derived(field: str, way: str, *of: str, between: str = "") -> dict[str, Any]:
    return {"field": field, "way": way, "of": list(of), "between": between}


@pytest.mark.parametrize(
    ("answer", "sentences"),
    [
        ({}, []),
        ({"initial": [{"field": "count", "value": "0"}]}, ["count is 0 at first"]),
        ({"initial": [{"field": "meta.label", "value": '"x"'}]}, ['meta.label is "x" at first']),
        ({"initial": [{"field": "count", "value": '"0"'}]}, []),
        ({"initial": [{"field": "count", "value": "null"}]}, []),
        ({"unique": [{"fields": ["name"]}]}, ["no two have the same name"]),
        ({"unique": [{"fields": ["name", "shop"]}]}, ["no two have the same name and shop"]),
        ({"unique": [{"fields": ["shop"]}]}, []),
        ({"unique": [{"fields": ["name", "size", "count", "meta.label"]}]},
         ["no two have the same name and size and count and meta.label"]),
        ({"unique": [{"fields": ["name", "size", "count", "meta.label", "shop"]}]}, []),
        ({"derived": [derived("count", "count", "tags")]}, ["count is the count of tags"]),
        ({"derived": [derived("meta.label", "join", "name", "name", between="-")]},
         ["meta.label is the join of name, name"]),
        ({"derived": [derived("meta.label", "join", "name", between="-" * 17)]}, []),
        ({"derived": [derived("count", "sum", "size")]}, []),
        ({"derived": [derived("count", "difference", "size", "size", "size")]}, []),
        ({"derived": [derived("size", "count", "tags")]}, []),
    ],
)  # fmt: skip
def test_what_counts_of_an_answer(answer: dict[str, Any], sentences: list[str]) -> None:
    """Rows about open properties, of types that fit."""
    assert rules(**answer) == sentences


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "null", "{", '{"rules": []}', '{"initial": {}}', '{"initial": [1]}',
        '{"unique": [{"fields": [1]}]}',
        '{"initial": [{"field": "a"}]}', '{"initial": [{"field": "a", "value": 1}]}',
        '{"derived": [{"field": "a", "way": "copy", "of": "b", "between": ""}]}',
        orjson.dumps({"unique": [{"fields": ["a"]}] * (MAX_ROWS + 1)}).decode(),
        " " * MAX_ANSWER_BYTES + "{}",
        "\ud800",
    ],
)  # fmt: skip
def test_answers_of_another_form(text: str) -> None:
    """They are refused as a whole, in words that repeat nothing of them."""
    with pytest.raises(AnswerInvalid) as raised:
        read_answer(text)
    assert "rules" not in str(raised.value)


def test_answers_as_long_as_they_may_be() -> None:
    assert (
        len(read_answer(orjson.dumps({"unique": [{"fields": ["a"]}] * MAX_ROWS}).decode())["unique"])
        == MAX_ROWS
    )
    assert read_answer("{}" + " " * (MAX_ANSWER_BYTES - 2)) == {"initial": [], "unique": [], "derived": []}


@pytest.mark.parametrize(
    ("told", "what"),
    [
        ({"unique": "name"}, "array of properties"),
        ({"unique": ["nothing"]}, "no property 'nothing'"),
        ({"derived": {"count": {"way": "guess", "of": ["tags"]}}}, "derived takes copy"),
        ({"derived": {"count": {"of": "tags"}}}, "of is an array"),
        ({"derived": {"size": {"way": "count", "of": ["tags"]}}}, "said by clients"),
        ({"derived": {"count": {"way": "count", "of": ["name"]}}}, "another type"),
        ({"derived": {"count": {"when": "x"}}}, "takes between, of, way"),
    ],
)
def test_what_a_person_says_wrong(told: dict[str, Any], what: str) -> None:
    """The document is not served, and the error names the place."""
    with pytest.raises(ContractError, match=what):
        contract(RECORD, BODY, told)


def test_what_is_shown_is_the_schema_alone() -> None:
    """Other words around the operations change nothing of it; another schema does."""
    one, other = contract(RECORD, BODY), contract({**RECORD, "more": TEXT}, BODY)
    told = [shown(each.model, each.model.resources[0]) for each in (one, contract(RECORD, BODY), other)]

    assert told[0] == told[1] != told[2]
    assert told[0]["only_replies"] == ["count", "id", "meta"]
    assert told[0]["within"] == ["shop"]
    assert is_asked_about(one.model.resources[0])
