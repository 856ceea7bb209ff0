"""Schemas as a guest answers them: decoded strictly, whatever came back."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.planning.kinds.schemas import Schemas, decode_schemas, read_schemas
from server.values.errors import DeadlineExceeded, GuestFailed, Overloaded
from server.values.model import Session
from tests.fakes import FakeExecutor, completed
from wasm_runtime import outcome

SESSION = Session("s1", "d1")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.sampled_from(["string", "integer", "open", "a b"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["collections", "fields", "inside", "words", "more", "a", "\u202e"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


def decoded(collections: Any, *, words: bool = False, **more: Any) -> Schemas:
    body = orjson.dumps({"collections": collections, **more})
    return decode_schemas(body, disclose="shapes_and_enums" if words else "shapes")


def types(schemas: Schemas) -> dict[str, dict[str, tuple[str, ...]]]:
    """Collection, field, types."""
    return {name: dict(schema.fields) for name, schema in schemas.collections}


def test_names_types_and_inner_names() -> None:
    schemas = decoded(
        {
            "orders": {
                "fields": {"lines": ["array", "null"], "id": ["integer"], "odd": []},
                "inside": {"lines": {"sku": ["string"], "n": ["integer", "null"]}},
                "more": True,
            },
            "a": {"fields": {}},
        }
    )

    assert schemas.as_json() == {
        "a": {},
        "orders": {
            "id": "integer",
            "lines": [{"array": {"object": {"n": ["integer", "null"], "sku": "string"}}}, "null"],
            "odd": [],
            "...": "more",
        },
    }
    assert types(schemas) == {
        "a": {},
        "orders": {"id": ("integer",), "lines": ("array", "null"), "odd": ()},
    }


def test_words_only_where_they_may_be_disclosed() -> None:
    """A guest that says more than it was asked is not believed."""
    orders = {"fields": {"status": ["string"]}, "words": {"status": ["open", "in-transit"], "other": ["x"]}}

    assert decoded({"orders": orders}).as_json() == {"orders": {"status": "string"}}
    shown = decoded({"orders": orders}, words=True)
    assert shown.as_json() == {"orders": {"status": {"string": ("in-transit", "open")}}}
    assert types(shown) == types(decoded({"orders": orders}))


@pytest.mark.parametrize(
    "words",
    [
        ["x" * 25],
        ["a b"],
        ["a1"],
        ["open", 1],
        [["open"]],
        ["open\n"],
        [],
        list("abcdefghijklm"),
        "open",
        {"a": 1},
        ["-a"],
        [""],
    ],
)
def test_words_that_are_no_words_are_not_shown(words: Any) -> None:
    schemas = decoded({"orders": {"fields": {"status": ["string"]}, "words": {"status": words}}}, words=True)

    assert schemas.as_json() == {"orders": {"status": "string"}}


def test_hostile_names_are_escaped_and_capped() -> None:
    fields = {
        "\u202eevil\n": ["string"],
        "x" * 500: ["string", "drop table", 7],
        **{f"f{n}": [] for n in range(500)},
    }
    schemas = decoded({"a": {"fields": fields}, "../x": {"fields": {}}, "b\n": {"fields": {}}})

    assert list(schemas.as_json()) == ["a"]
    assert schemas.more
    (_, collection) = schemas.collections[0]
    assert collection.more
    assert len(collection.fields) <= 64
    assert all(len(name) <= 64 and name.isprintable() for name, _ in collection.fields)


def test_an_inner_object_with_many_names_is_a_map() -> None:
    """The keys of a map are values."""
    inside = {"visits": {f"page{n}": ["integer"] for n in range(25)}}

    assert decoded({"a": {"fields": {"visits": ["object"]}, "inside": inside}}).as_json() == {
        "a": {"visits": "object"}
    }


def test_at_most_32_collections() -> None:
    schemas = decoded({f"c{n:02}": {"fields": {}} for n in range(40)})

    assert len(schemas.collections) == 32
    assert schemas.more


def test_only_some_collections() -> None:
    schemas = decoded({"a": {"fields": {}}, "b": {"fields": {}}})

    assert list(schemas.only(["b", "c"]).as_json()) == ["b"]
    assert schemas.only(["b"]).more
    assert "a" in schemas
    assert "a" not in schemas.only(["b"])


@given(JSON)
def test_any_answer_is_schemas_or_refused(document: Any) -> None:
    """Whatever a guest answers, what comes out is bounded and printable, or it is the guest's failure."""
    try:
        schemas = decode_schemas(orjson.dumps(document), disclose="shapes_and_enums")
    except GuestFailed:
        return
    assert orjson.dumps(schemas.as_json()).decode().isprintable()


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"collections": []}', b'{"collections":{}}' + b" " * 1_100_000]
)
def test_answers_that_are_none(body: bytes) -> None:
    with pytest.raises(GuestFailed):
        decode_schemas(body)


async def test_the_run_is_read_only_and_carries_no_values() -> None:
    """The job reads, in the session's directory, and holds of the request only the words of its path."""
    executor = FakeExecutor(lambda _job: completed({"collections": {}, "more": False}))

    assert await read_schemas(executor, SESSION, ("members", "7")) == Schemas()

    (job,) = executor.jobs
    assert job.read_only
    assert job.session == "d1"
    assert executor.requests[0]["ctx"] == {"query": {}, "segments": ["members", "7"], "body_json": None}


@pytest.mark.parametrize(
    ("ended", "error"),
    [
        (outcome.Overloaded("full"), Overloaded),
        (outcome.OutOfTime(5), DeadlineExceeded),
        (completed("no", status=404), GuestFailed),
        (completed(None), GuestFailed),
        (outcome.Raised("request", "KeyError", 1, 422, "x"), GuestFailed),
    ],
)
async def test_a_run_that_fails_is_an_error_of_the_service(ended: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        await read_schemas(FakeExecutor(lambda _job: ended), SESSION)
