"""What is told of values that are too large for all their faults to be collected: little, and true."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from server.contracts.schemas import prepare
from wasm_runtime.narrowing import CHARACTERS, ITEMS, sample
from wasm_runtime.schemas import Checker

TEXTS = {"type": "array", "items": {"type": "string"}}
FORMS = [
    {"type": "object", "properties": {"k": {"const": f"v{n}"}}, "required": ["k", "z"]} for n in range(20)
]
CHOICES = {"type": "array", "items": {"oneOf": FORMS}}
NESTED = {"properties": {"name": {"type": "string"}, "rows": TEXTS}, "required": ["name"]}
LONG = {"items": {"pattern": "b$", "allOf": [{}] * 50}}
TEXT = "a" * 300 + "b"
WORDS = {"type": "array", "items": {"enum": [f"v{n}" for n in range(500)]}}
MANY = 200_000


def told(schema: dict[str, Any], value: Any) -> list[tuple[str, str]]:
    done = prepare({"it": schema}, ["#/it"], "request")
    found = Checker(done.text).violations(done.keys["#/it"], value)
    return [(each.pointer, each.keyword) for each in found]


@pytest.mark.parametrize(
    ("schema", "value", "wanted"),
    [
        (TEXTS, ["a"] * MANY, []),
        (TEXTS, [1] * MANY, [(f"/{n}", "type") for n in range(16)]),
        (TEXTS, ["a"] * MANY + [1], [(f"/{MANY}", "type")]),
        (TEXTS, ["a"] * 70_000 + [1] + ["a"] * MANY, [("/70000", "type")]),
        (NESTED, {"rows": ["a"] * MANY}, [("", "required")]),
        (NESTED, {"name": "n", "rows": ["a"] * MANY + [[]]}, [(f"/rows/{MANY}", "type")]),
        (NESTED, {"name": 1, "rows": ["a"] * MANY + [[]]}, [("/name", "type")]),
        ({"type": "array", "maxItems": MANY}, [1] * (MANY + 1), [("", "items")]),
        ({"type": "array", "minItems": MANY + 1}, [1] * MANY, [("", "size")]),
        ({"type": "array", "uniqueItems": True}, [*range(MANY), 7], [("", "items")]),
        ({**TEXTS, "minItems": 20}, ["a"] * MANY + [1], [("", "size")]),
        ({**TEXTS, "contains": {"const": "b"}}, ["a"] * MANY + [1], [("", "size")]),
        ({**TEXTS, "contains": {"const": "b"}}, ["b"] + ["a"] * MANY + [1], [(f"/{MANY + 1}", "type")]),
        (LONG, [TEXT] * 3_000, []),
        (LONG, [*[TEXT] * 3_000, "a" * 300], [("", "items")]),
        (LONG, [*[TEXT] * 3_000, "a"], [("/3000", "pattern")]),
    ],
)
def test_what_is_told(schema: dict[str, Any], value: Any, wanted: list[tuple[str, str]]) -> None:
    """With the place of the first fault where one item is at fault; never of what a cut has made wrong."""
    assert told(schema, value) == wanted


def test_a_choice_far_behind() -> None:
    good = {"k": "v1", "z": 1}
    found = told(CHOICES, [good] * 20_000 + [{"k": "v1"}])

    assert found[:2] == [("/20000", "oneOf"), ("/20000", "required")]


def test_small_values_are_told_of_as_a_whole() -> None:
    """All faults, also those that stand behind what a sample would have."""
    rows = ["a"] * (ITEMS + 5)

    assert told(TEXTS, [*rows, 1, 2]) == [(f"/{ITEMS + 5}", "type"), (f"/{ITEMS + 6}", "type")]


def test_a_sample() -> None:
    part = sample({"a": [1] * (ITEMS + 1), "b": ["x" * (CHARACTERS + 1)], "c": {"d": 1}})

    assert part.value == {"a": [1] * ITEMS, "b": ["x" * CHARACTERS], "c": {"d": 1}}
    assert part.above == {(), ("a",), ("b",), ("b", 0)}
    assert not part.tells(("a",), "maxItems")
    assert part.tells(("a",), "type")
    assert part.tells(("c",), "maxProperties")


PROGRAM = """
import json, resource, sys
from server.contracts.schemas import prepare
from wasm_runtime.schemas import Checker

schemas, bodies = json.loads(sys.stdin.readline()), json.loads(sys.stdin.readline())
done = prepare(schemas, ["#/" + name for name in schemas], "request")
checker = Checker(done.text)
values = {name: (before + [each] * many) if each is not None else {"x": "y" * many, **before}
          for name, (before, each, many) in bodies.items()}
taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + 300 * 1024 * 1024,) * 2)
for name, value in values.items():
    print(name, bool(checker.violations(done.keys["#/" + name], value)))
"""


def test_large_values_with_faults_everywhere_take_little_memory() -> None:
    """Lists with many errors an item, a choice of lists, an object that many errors copy."""
    schemas = {
        "texts": TEXTS,
        "choices": CHOICES,
        "choice of lists": {"oneOf": [{"type": "array", "items": form} for form in FORMS]},
        "names": {"type": "object", "required": [f"r{n}" for n in range(200)]},
        "words": WORDS,
        "fewer words": WORDS,
    }
    bodies = {
        "texts": ([], 1, 500_000),
        "choices": ([], {"k": "v1"}, 80_000),
        "choice of lists": ([], 1, 500_000),
        "names": ({}, None, 1_000_000),
        "words": ([], "a", 250_000),
        "fewer words": ([], "a", 39_000),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=f"{json.dumps(schemas)}\n{json.dumps(bodies)}\n",
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.splitlines() == [f"{name} True" for name in schemas], done.stderr[-500:]
