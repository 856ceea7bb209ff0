"""Headers that an operation requires of its replies are there."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from server.contracts.reading import read
from server.contracts.reply_headers import ReplyHeaders
from server.values.model import Reply

TEXT = {"required": True, "schema": {"type": "string"}}


def missing(headers: dict[str, Any], reply: Reply, sent: dict[str, Any] | None = None) -> dict[str, str]:
    responses = {"200": {"description": "", "headers": headers}, "4XX": {"$ref": "#/components/responses/E"}}
    document = {
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1"},
        "paths": {"/a": {"get": {"responses": responses}}},
        "components": {
            "responses": {"E": {"description": "", "headers": {"X-E": {"$ref": "#/components/headers/H"}}}},
            "headers": {"H": {"required": True, "schema": {"type": "integer", "minimum": 7}}},
        },
    }
    found = read(orjson.dumps(document), "api.json")
    return dict(ReplyHeaders(found).missing(found.operations[0], reply, sent or {}))


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ({"X-A": TEXT}, {"X-A": "text"}),
        ({"X-A": {**TEXT, "example": "shown"}}, {"X-A": "shown"}),
        ({"X-A": {"required": True, "schema": {"type": "boolean"}}}, {"X-A": "true"}),
        ({"X-A": {"schema": {"type": "string"}}}, {}),
        ({"Content-Type": TEXT, "Set-Cookie": TEXT, "X-Request-ID": TEXT, "Server": TEXT}, {}),
        ({"X A": TEXT, "X-B\r\n": TEXT}, {}),
        ({"X-A": {**TEXT, "example": "a\r\nX-B: c"}}, {}),
    ],
)
def test_what_is_required_is_there(headers: dict[str, Any], wanted: dict[str, str]) -> None:
    """As the document shows it; the service's own stay its own, and no line can be smuggled in."""
    assert missing(headers, Reply(200)) == wanted


def test_what_the_request_says_comes_back() -> None:
    """Ids of interactions and their kin are echoed; what no header may have is not."""
    assert missing({"X-Id": TEXT}, Reply(200), {"x-id": "abc"}) == {"X-Id": "abc"}
    assert missing({"X-Id": TEXT}, Reply(200), {"x-id": "a\nb"}) == {"X-Id": "text"}


def test_what_the_reply_has_is_left() -> None:
    assert missing({"X-Id": TEXT}, Reply(200, (("x-id", "mine"),))) == {}


def test_those_of_a_range_that_is_referred_to() -> None:
    assert missing({}, Reply(404)) == {"X-E": "7"}
