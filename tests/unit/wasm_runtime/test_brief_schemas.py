"""The first fault of a large value: what is told of it, that as much fits as ever, and what it costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.contracts.schemas import prepare
from wasm_runtime import schemas
from wasm_runtime.brief_schemas import brief, choice_at
from wasm_runtime.schemas import Checker, compiled

FORMS = [{"type": "object", "required": [f"p{number}"]} for number in range(4)]
PLENTY = [{"p1": 1}] * 2_000


def faults(schema: Any, value: Any) -> list[tuple[str, str]]:
    done = prepare({"it": schema, "form": {"anyOf": FORMS}}, ["#/it"], "request")
    found = Checker(done.text).violations(done.keys["#/it"], value)
    assert all(each.detail for each in found)
    return [(each.pointer, each.keyword) for each in found]


@pytest.mark.parametrize(
    ("schema", "value", "told"),
    [
        ({"items": {"type": "object"}}, [*PLENTY, 1], ("/2000", "type")),
        ({"items": {"anyOf": FORMS}}, [*PLENTY, {}], ("/2000", "anyOf")),
        ({"items": {"oneOf": FORMS}}, [*PLENTY, {"p1": 1, "p2": 1}], ("/2000", "oneOf")),
        ({"items": {"$ref": "#/form"}}, [*PLENTY, {}], ("/2000", "anyOf")),
        ({"items": {"allOf": [{"anyOf": FORMS}], "anyOf": FORMS}}, [*PLENTY, {}], ("/2000", "anyOf")),
        ({"items": {"not": {"required": ["q"]}}}, [*PLENTY, {"q": 1}], ("/2000", "not")),
        ({"items": {"not": {"not": {"type": "object"}}}}, [*PLENTY, 1], ("/2000", "not")),
        ({"items": {"properties": {"anyOf": {"const": 1}}}}, [*PLENTY, {"anyOf": 2}], ("/2000/anyOf", "const")),  # noqa: E501
        ({"maxItems": 1_999}, PLENTY, ("", "maxItems")),
        ({"uniqueItems": True}, PLENTY, ("", "uniqueItems")),
        ({"items": {"allOf": [{"properties": {"p1": {}}}], "unevaluatedProperties": False}},
         [*PLENTY, {"q": 1}], ("", "unevaluatedProperties")),
    ],
)  # fmt: skip
def test_one_fault_is_told(schema: Any, value: Any, told: tuple[str, str]) -> None:
    """Of a large value the first; a choice's in its own name, though it stands below a `not` of ours."""
    assert faults(schema, value) == [told]


@pytest.mark.parametrize(("more", "count"), [(0, 2), (1, 1)])
def test_how_many_errors_are_made(more: int, count: int) -> None:
    """Two faults are told as long as making all errors that there may be is cheap; then the first."""
    done = prepare({"it": {"items": {"type": "integer"}}}, ["#/it"], "request")
    checker = Checker(done.text)
    value = ["a", "b"] + [1] * (schemas._MOST_MADE // checker._applied - 3 + more)

    assert [each.pointer for each in checker.violations(done.keys["#/it"], value)] == ["/0", "/1"][:count]


@pytest.mark.parametrize(("more", "count"), [(0, 2), (1, 1)])
def test_how_much_they_copy(more: int, count: int) -> None:
    """Each error has what it is about."""
    done = prepare({"it": {"required": ["a", "b"]}}, ["#/it"], "request")
    checker = Checker(done.text)
    value = {"c": "x" * (schemas._MOST_COPIED // checker._applied - len('{"c":""}') + more)}

    assert len(checker.violations(done.keys["#/it"], value)) == count


def test_a_choice_counts_for_its_branches() -> None:
    value: list[Any] = [{}] + [{"p1": 1}] * 100
    assert len(faults({"items": {"anyOf": FORMS[:2]}}, value)) > 1
    many = [{"required": [f"p{number}"]} for number in range(40)]
    assert len(faults({"items": {"anyOf": many}}, value)) == 1


def test_a_reference_to_nothing_is_no_choice() -> None:
    assert not choice_at({"$ref": "#/$defs/none"}, ["$ref", "allOf", 0, "not"])
    assert not choice_at({"allOf": []}, ["allOf", 3, "not"])
    assert not choice_at({"$ref": "elsewhere"}, ["$ref", "not"])


PLAIN = st.sampled_from([
    {"type": "integer"}, {"type": "string"}, {"const": 1}, {"enum": ["a", 2]}, {"required": ["a"]},
    {"minItems": 2}, {}, True, False,
])  # fmt: skip
SCHEMAS = st.recursive(
    PLAIN,
    lambda inner: (
        st.one_of(
            st.fixed_dictionaries({name: st.lists(inner, min_size=1, max_size=3)})
            for name in ("anyOf", "oneOf", "allOf", "prefixItems")
        )
        | st.one_of(
            st.fixed_dictionaries({name: inner}) for name in ("not", "items", "contains", "propertyNames")
        )
        | st.builds(lambda a, b, c: {"if": a, "then": b, "else": c}, inner, inner, inner)
        | st.builds(lambda a, b: {"properties": {"a": a}, "anyOf": [b], "oneOf": [a, b]}, inner, inner)
    ),
    max_leaves=12,
)
VALUES = st.recursive(
    st.sampled_from([1, 2, "a", "b", None]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2)
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(schema=SCHEMAS, value=VALUES)
def test_the_same_values_fit(schema: Any, value: Any) -> None:
    whole = {"type": "object", "properties": {"x": schema}}
    made = compiled(brief(whole))

    assert made.is_valid({"x": value}) == compiled(whole).is_valid({"x": value})


#: Bodies of 1 MB, each wrong in very many places or forms.
WRONG = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
from server.contracts.schemas import prepare
from wasm_runtime.schemas import Checker
forms = [{"required": [f"p{n}"], "properties": {"k": {"type": "integer"}}} for n in range(20)]
lists = [{"type": "array", "items": {"type": "string", "minLength": n}} for n in range(20)]
many = {"required": [f"r{n}" for n in range(200)]}
for schema, value in (
    ({"items": {"type": "string"}}, [1] * 500_000),
    ({"items": {"oneOf": forms}}, [{"k": "v"}] * 80_000),
    ({"anyOf": lists}, [1] * 500_000),
    ({"items": {"enum": [f"x{n}" for n in range(500)]}}, ["v"] * 200_000),
    (many, {"a": ["x"] * 200_000}),
    (many, {"a": "x" * 1_000_000}),
):
    done = prepare({"it": schema}, ["#/it"], "request")
    found = Checker(done.text).violations(done.keys["#/it"], value)
    assert len(found) == 1, found
"""


def test_what_a_very_wrong_body_costs() -> None:
    """All errors of one of these take gigabytes, and more processor time than there is for all of them."""
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", WRONG], cwd=root, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
