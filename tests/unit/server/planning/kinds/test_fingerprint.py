"""Digests: which words of a path may be collections, and the key of one request with all its values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from attrs import evolve

from server.planning.kinds.fingerprint import collections_in, values_key
from tests.unit.server.planning.plans import a_session, within
from tests.unit.server.planning.requests import a_request

if TYPE_CHECKING:
    from server.values.model import RequestContext


def test_collections_in() -> None:
    """Slots are no collections, and a word counts once."""
    assert collections_in("/a/{id:int}/b-c/a/{x:slug}") == ("a", "b-c")
    assert collections_in("/") == ()


@pytest.mark.parametrize(
    "other",
    [
        a_request("POST", "/ask?", query={"q": "1"}, body={"a": 1}),
        a_request("PUT", "/ask", query={"q": "1"}, body={"a": 1}),
        a_request("POST", "/ask", query={"q": "2"}, body={"a": 1}),
        a_request("POST", "/ask", query={"q": ["1"]}, body={"a": 1}),
        a_request("POST", "/ask", query={"q": "1"}, body={"a": 2}),
        a_request("POST", "/ask", query={"q": "1"}),
        a_request("POST", "/ask", query={"q": "1"}, body={"a": 1}, content="merge-patch"),
        within(a_request("POST", "/ask", query={"q": "1"}, body={"a": 1}), a_session(2)),
    ],
)
def test_a_values_key_is_for_one_request(other: RequestContext) -> None:
    """Any difference, the session's too, is another request."""
    one = a_request("POST", "/ask", query={"q": "1"}, body={"a": 1}, segments=("ask",))

    assert values_key(other) != values_key(one)
    assert values_key(evolve(one, request_id="r2", client_ip="::1")) == values_key(one)


def test_values_keys_see_order_and_blanks() -> None:
    """Byte for byte: another order of keys, or a blank in the body, is another request."""
    one = a_request("POST", "/ask", query={"a": "1", "b": "2"}, body={})

    assert values_key(evolve(one, query={"b": "2", "a": "1"})) != values_key(one)
    assert values_key(evolve(one, body_text="{ }")) != values_key(one)
    assert values_key(evolve(one, method="GET")) == values_key(evolve(one, method="HEAD"))
