"""Errors in a contract's form fit their schema, whatever they have to say."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from server.contracts.contract import Call, Contract
from server.contracts.reading import read
from server.values.replies import problem_reply

LONG = "The body says something that is not right, at a length that no field has room for."


def contract(schema: dict[str, Any]) -> Contract:
    error = {"description": "", "content": {"application/json": {"schema": schema}}}
    document = {
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1"},
        "paths": {"/a": {"get": {"responses": {"200": {"description": ""}, "400": error}}}},
    }
    return Contract.of(read(orjson.dumps(document), "api.json"))


def of(name: str, **schema: Any) -> dict[str, Any]:
    return {"type": "object", "required": [name], "properties": {name: schema}}


@pytest.mark.parametrize(
    "schema",
    [
        of("message", type="string", maxLength=10),
        of("code", type="string", maxLength=4),
        of("code", type="string", pattern="^E[0-9]{3}$"),
        of("code", type="integer", maximum=9),
        of("errors", type="array", minItems=1, items=of("detail", type="string", maxLength=5)),
        {"type": "array", "items": {"type": "string", "enum": ["a"]}, "minItems": 1},
    ],
)
def test_an_error_fits_its_schema(schema: dict[str, Any]) -> None:
    """A text is cut, a code that is none of the document's becomes one that is."""
    made = contract(schema)
    reply = Call(made, made.match("GET", ("a",)), "/a").in_form(problem_reply(400, LONG, "r1"))
    pointer = made.document.operations[0].replies["400"]["application/json"]

    assert reply.media_type == "application/json"
    assert made.judging.violations(pointer, orjson.loads(reply.body or b"null")) == ()
