"""Conditions: which requests have any, what names a key, and that equal keys take turns."""

from __future__ import annotations

import gc
from typing import Any

import orjson
import pytest
from attrs import evolve

from server.values.conditions import Turns, conditions_of
from server.values.errors import InvalidHeader
from tests.unit.server.planning.requests import a_request


def asked(method: Any = "POST", *segments: str, **changes: Any) -> dict[str, Any]:
    """What the guest is told of a request with a key, or with the headers given."""
    changes = {"headers": {"idempotency-key": "k"}, **changes}
    conditions = conditions_of(evolve(a_request(method, segments=segments or ("members",)), **changes))
    found: dict[str, Any] = {} if conditions is None else orjson.loads(conditions.text.removeprefix("?"))
    assert conditions is None or conditions.key == found.get("key", "")
    return found


def test_requests_that_ask_for_nothing() -> None:
    """No header, a safe method, or a key where it has no meaning: nothing is sent to the guest."""
    both = {"idempotency-key": "k", "if-match": '"a"', "if-none-match": "*"}

    assert asked(headers={"accept": "*/*"}) == {}
    assert asked("GET", headers=both) == {}
    assert asked("PUT") == {}
    assert asked("DELETE") == {}
    assert set(asked("PUT", headers=both)) == {"match", "none_match"}
    assert set(asked("PATCH", headers=both)) == {"match", "none_match", "key", "fingerprint"}


@pytest.mark.parametrize("key", ["k", " ", '"8e03978e-40d5-43dd-bc93-6894a57f9324"', "~" * 255])
def test_keys_that_are_taken(key: str) -> None:
    """1 to 255 printable ASCII characters, quotes and all."""
    assert asked(headers={"idempotency-key": key})["key"]


@pytest.mark.parametrize("key", ["", "~" * 256, "a\tb"])
def test_keys_that_are_refused(key: str) -> None:
    """400 that names the header; not so where the key is ignored anyway."""
    with pytest.raises(InvalidHeader, match="Idempotency-Key"):
        asked(headers={"idempotency-key": key})
    assert asked("PUT", headers={"idempotency-key": key}) == {}


def test_the_scope_of_a_key() -> None:
    """Method and path are part of its name; segments are not their concatenation."""
    names = [
        asked("POST", "members")["key"],
        asked("PATCH", "members")["key"],
        asked("POST", "orders")["key"],
        asked("POST", "members", "1")["key"],
        asked("POST", "members/1")["key"],
        asked("POST", "members", headers={"idempotency-key": "K"})["key"],
    ]

    assert len(set(names)) == len(names)
    assert asked("POST", "members", body_text='{"a":1}')["key"] == names[0]


def test_what_makes_another_request() -> None:
    """Query, body, its kind, and the API's own Authorization: each is in the fingerprint; Accept is not."""
    key = {"idempotency-key": "k"}
    base = asked(body_text='{"a":1}', content="json", query={"x": "1"}, headers=key)["fingerprint"]
    others = [
        asked(body_text='{"a":2}', content="json", query={"x": "1"})["fingerprint"],
        asked(body_text='{"a":1}', content="merge-patch", query={"x": "1"})["fingerprint"],
        asked(body_text='{"a":1}', content="json", query={"x": "2"})["fingerprint"],
        asked(
            body_text='{"a":1}',
            content="json",
            query={"x": "1"},
            headers={**key, "authorization": "Bearer u"},
        )["fingerprint"],
    ]
    same = asked(
        body_text='{"a":1}', content="json", query={"x": "1"}, headers={**key, "accept": "text/csv"}
    )["fingerprint"]

    assert len({base, *others}) == 5
    assert same == base


async def test_equal_keys_take_turns() -> None:
    """One lock for a session's key while anybody has it; afterwards nothing is left."""
    turns = Turns()
    async with turns.of("s1", "a"):
        assert turns.of("s1", "a").locked()
        assert not turns.of("s1", "b").locked()
        assert not turns.of("s2", "a").locked()
    gc.collect()

    assert not turns._locks
