"""What a document changes for clients of the one before it, however far in, in bodies and in replies."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from server.contracts.contract import Contract
from server.contracts.differing import compared
from server.contracts.reading import read
from server.contracts.schema_changes import MOST_PAIRS

TEXT: dict[str, Any] = {"type": "string"}
WHOLE: dict[str, Any] = {"type": "integer"}
ID = {"name": "id", "in": "path", "required": True, "schema": WHOLE}


def thing(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties}


def many(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def content(schema: Any) -> dict[str, Any]:
    return {"description": "", "content": {"application/json": {"schema": schema}}}


def document(body: Any, reply: Any, wrong: Any = None, query: Any = TEXT) -> dict[str, Any]:
    replies = {"200": content(reply), "409": content(wrong or thing(code=WHOLE))}
    parameter = {"name": "mode", "in": "query", "schema": query}
    put = {"parameters": [parameter], "requestBody": content(body), "responses": replies}
    return {
        "openapi": "3.0.3",
        "info": {"title": "t", "version": "1"},
        "paths": {"/things/{id}": {"parameters": [ID], "put": put}},
    }


def contract(raw: dict[str, Any]) -> Contract:
    return Contract.of(read(orjson.dumps(raw), "api.json"))


def changes(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, bool]]:
    found = compared(contract(old), contract(new))
    told = [(each["what"], each["breaks"]) for one in found["changed"] for each in one["changes"]]
    assert found["breaks"] is any(breaks for _, breaks in told)
    return told


@pytest.mark.parametrize(
    ("old", "new", "what", "breaks"),
    [
        (thing(a=TEXT), thing(), "has no {of}.a in its reply", True),
        (thing(), thing(a=TEXT), "has {of}.a in its reply", False),
        (thing(a=TEXT), thing(a=WHOLE), "has another type for {of}.a in its reply", True),
        (thing(a={"type": "number"}), thing(a=WHOLE), "has another type for {of}.a in its reply", False),
        (thing("a", a=TEXT), thing(a=TEXT), "may lack {of}.a in its reply", True),
        (thing(a=TEXT), thing(a={**TEXT, "nullable": True}), "may have null for {of}.a in its reply", True),
        (
            thing(a={**TEXT, "enum": ["x"]}),
            thing(a={**TEXT, "enum": ["x", "y"]}),
            "may have other values for {of}.a in its reply",
            False,
        ),
        (
            thing(a={**TEXT, "enum": ["x"]}),
            thing(a=TEXT),
            "may have other values for {of}.a in its reply",
            False,
        ),
        (many(TEXT), many(WHOLE), "has another type for {of}[] in its reply", True),
    ],
)
@pytest.mark.parametrize("depth", [0, 3])
def test_replies(old: Any, new: Any, what: str, breaks: bool, depth: int) -> None:
    """In a property, and within elements of lists of elements."""
    place = "of"
    for number in range(depth):
        old, new = thing(**{f"p{number}": many(old)}), thing(**{f"p{number}": many(new)})
        place = f"of.p{number}[]{place[2:]}"
    found = changes(document(thing(), thing(of=old)), document(thing(), thing(of=new)))

    assert found == [(what.format(of=place), breaks)]


@pytest.mark.parametrize(
    ("old", "new", "what", "breaks"),
    [
        (thing(), thing("a", a=TEXT), "has to have in.a in its body", True),
        (thing(a=TEXT), thing("a", a=TEXT), "has to have in.a in its body", True),
        (thing(), thing("a", a={**TEXT, "readOnly": True}), None, False),
        (thing(), thing(a=TEXT), "takes in.a in its body", False),
        (thing(a=TEXT), thing(), "passes over in.a in its body", False),
        (thing(a=TEXT), thing() | {"additionalProperties": False}, "takes no in.a in its body", True),
        (thing(a=WHOLE), thing(a={"type": "number"}), "has another type for in.a in its body", False),
        (thing(a={**TEXT, "nullable": True}), thing(a=TEXT), "takes no null for in.a in its body", True),
        (thing(a=TEXT), thing(a={**TEXT, "enum": ["x"]}), "takes fewer values for in.a in its body", True),
        (thing(a={**TEXT, "enum": ["x"]}), thing(a={**TEXT, "enum": ["x", "y"]}), None, False),
        (thing(a=WHOLE), thing(a={**WHOLE, "maximum": 9}), "takes less for in.a in its body", True),
        (thing(a={**WHOLE, "maximum": 9}), thing(a={**WHOLE, "maximum": 10}), None, False),
        (
            thing(a={**WHOLE, "minimum": 1}),
            thing(a={**WHOLE, "minimum": 2}),
            "takes less for in.a in its body",
            True,
        ),
        (thing(a=TEXT), thing(a={**TEXT, "pattern": "^x"}), "takes less for in.a in its body", True),
        (
            thing(a=many(thing(b=TEXT))),
            thing(a=many(thing("b", b=TEXT))),
            "has to have in.a[].b in its body",
            True,
        ),
        (
            {"type": "object", "additionalProperties": thing(b=TEXT)},
            {"type": "object", "additionalProperties": thing("b", b=TEXT)},
            "has to have in.*.b in its body",
            True,
        ),
    ],
)
def test_bodies(old: Any, new: Any, what: str | None, breaks: bool) -> None:
    """What clients may say, within a property."""
    found = changes(document(thing(**{"in": old}), thing()), document(thing(**{"in": new}), thing()))
    told = [each for each in found if each[0] != "is described otherwise"]

    assert told == ([] if what is None else [(what, breaks)])


def test_errors_and_parameters() -> None:
    """Replies of every status, and what a parameter takes."""
    old = document(thing(), thing(), thing(fault=thing("code", code=WHOLE)), {"type": "string"})
    new = document(thing(), thing(), thing(fault=thing(code=WHOLE)), {"type": "string", "maxLength": 3})
    new["paths"]["/things/{id}"]["put"]["responses"]["429"] = content(thing())

    assert changes(old, new) == [
        ("takes less for all in query mode", True),
        ("may answer 429", False),
        ("may lack fault.code in its reply 409", True),
    ]


def test_schemas_within_themselves_and_what_is_the_same() -> None:
    """A pair that was looked at is not looked at again."""
    node = thing("next", name=TEXT, next={"$ref": "#/components/schemas/Node"})
    old = document(thing(), {"$ref": "#/components/schemas/Node"}) | {
        "components": {"schemas": {"Node": node}}
    }
    wider = thing("next", name=TEXT, next={"$ref": "#/components/schemas/Node"}, more=TEXT)
    new = old | {"components": {"schemas": {"Node": wider}}}

    assert changes(old, new) == [("has more in its reply", False), ("has next.more in its reply", False)]
    assert changes(old, old) == []


def test_how_much_is_compared_is_bounded() -> None:
    """Beyond, nothing more is told; what was seen before is."""
    wide = {f"p{number}": thing(a=TEXT) for number in range(MOST_PAIRS)}
    narrow = {f"p{number}": thing() for number in range(MOST_PAIRS)}
    found = changes(document(thing(), thing(of=thing(**wide))), document(thing(), thing(of=thing(**narrow))))

    assert 0 < len(found) < MOST_PAIRS
