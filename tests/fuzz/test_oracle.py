"""The policy's oracle sees what code touches: in its bytecode on the host, and traced in the real guest."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.policy import corpus, honest
from tests.policy.test_rules import ACCEPTED
from tools.fuzz.oracle import PLAN_FILE, Lists, misses
from tools.fuzz.targets import policy
from tools.fuzz.traced_guest import LISTS, TracedGuest, miss_of
from wasm_runtime.outcome import Completed, Raised

if TYPE_CHECKING:
    from pathlib import Path

    from wasm_runtime.engine import Runtime

HONEST = corpus.cases("benign")
CONTAIN = [row for row in corpus.cases("hostile") if row["expect"] == "contain"]
REJECT = [row for row in corpus.cases("hostile") if row["expect"] == "reject"]
REPLY = "\nREPLY = make_response(200)"

#: Code, and what the oracle says of it.
TOUCHES = {
    "builtin": ("x = eval('1')", "reads eval"),
    "dunder-name": ("x = __builtins__", "reads __builtins__"),
    "attribute": ("x = ().__class__", "attribute __class__"),
    "attribute-of-a-call": ("x = store.get(1).gi_frame", "attribute gi_frame"),
    "in-a-comprehension": ("x = [y.__dict__ for y in [ctx]]", "attribute __dict__"),
    "in-a-generator": ("x = list(y.mro for y in [ctx])", "attribute mro"),
    "in-a-format": ("x = f'{ctx.__class__!r:>{9}}'", "attribute __class__"),
    "never-run": ("if not ctx:\n    x = store.__class__", "attribute __class__"),
    "attribute-stored": ("store.x = 1", "operation STORE_ATTR"),
    "attribute-deleted": ("del store.x", "operation DELETE_ATTR"),
    "import": ("import json", "operation IMPORT_NAME"),
    "rebinds": ("ctx = 1", "binds ctx"),
    "rebinds-in-a-loop": ("for store in [1]:\n    pass", "binds store"),
    "forbidden-name": ("open = 1", "binds open"),
    "private-name": ("__x = 1", "binds __x"),
    "bytes": ("x = [b'a', ctx]", "constant bytes"),
    "function": ("def f():\n    return 1", "constant code"),
    "in-a-lambda": ("x = sorted([ctx], key=lambda y: y.__dict__)", "attribute __dict__"),
    "rebinds-in-a-lambda": ("x = lambda ctx: 1", "binds ctx"),
    "format-of-an-attribute": ("x = '{0.a}'.format(ctx)", "attribute format"),
    "format-of-an-item": ("x = '{} {0[a]}'.format(ctx)", "attribute format"),
    "format-within-a-format": ("x = '{0:{0.a}}'.format(ctx)", "attribute format"),
    "format-of-a-name": ("y = '{}'\nx = y.format(ctx)", "attribute format"),
    "class": ("class A:\n    pass", "operation LOAD_BUILD_CLASS"),
    "match": ("match ctx:\n    case {'a': x}:\n        pass", "operation MATCH_MAPPING"),
    "except-star": ("try:\n    x = 1\nexcept* KeyError:\n    x = 2", "operation CHECK_EG_MATCH"),
}
#: `with` is compiled differently by each Python; in the guest, that of 3.14 counts.
TOUCHES_IN_THE_GUEST = {
    **{name: case for name, case in TOUCHES.items() if name not in {"builtin", "never-run"}},
    "with": ("with ctx as x:\n    pass", "operation LOAD_SPECIAL"),
}


def _misses(code: str) -> list[str]:
    return misses(compile(code, PLAN_FILE, "exec"), LISTS)


@pytest.mark.parametrize(("code", "miss"), TOUCHES.values(), ids=TOUCHES)
def test_bytecode_tells_what_code_touches(code: str, miss: str) -> None:
    """What is on no list is seen, wherever in the code it stands."""
    assert miss in _misses(code + REPLY)


@pytest.mark.parametrize("code", ACCEPTED.values(), ids=ACCEPTED)
def test_bytecode_of_accepted_code_is_clean(code: str) -> None:
    """Everything that the policy is there to accept."""
    assert policy.accepted(code + corpus.REPLY) is not None


@pytest.mark.parametrize("row", HONEST + CONTAIN, ids=corpus.ids(HONEST + CONTAIN))
def test_bytecode_of_the_corpora_is_clean(row: dict[str, Any]) -> None:
    """All 207 programs that the policy lets through."""
    assert policy.accepted(row["code"]) is not None


def test_accepted_code_in_the_guest_touches_nothing_else(traced: TracedGuest) -> None:
    """G2: the 207 programs under the oracle in the real guest; and it did look."""
    missed = {}
    for row in HONEST + CONTAIN:
        outcome = traced.run(corpus.accepted(row["code"]), row.get("ctx"), row.get("plan"))
        missed[row["id"]] = miss_of(outcome)

    assert {name: miss for name, miss in missed.items() if miss} == {}
    assert traced.seen["instructions"] > 3_000
    assert traced.seen["calls"] > 3_000


def test_what_models_write_touches_nothing_else(traced: TracedGuest) -> None:
    """The corpus of honest programs, lambdas and all: by its bytecode, and under the oracle in the guest."""
    missed = {}
    for program in honest.programs():
        code = policy.accepted(program.code)
        assert code is not None
        outcome = traced.run(code, program.ctx, {"resource": program.resource})
        missed[program.name] = miss_of(outcome)

    assert {name: miss for name, miss in missed.items() if miss} == {}


@pytest.mark.parametrize(("code", "miss"), TOUCHES_IN_THE_GUEST.values(), ids=TOUCHES_IN_THE_GUEST)
def test_the_trace_tells_what_code_touches(traced: TracedGuest, code: str, miss: str) -> None:
    """With the policy switched off the oracle ends the run and names what it touched."""
    assert miss in miss_of(traced.run(code + REPLY))


def test_refused_code_that_reaches_for_something_is_seen(traced: TracedGuest) -> None:
    """Of the hostile programs, those that the policy refuses for an attribute alone are all stopped."""
    for row in REJECT:
        if {violation.rule for violation in corpus.violations(row["code"])} == {"attribute"}:
            assert miss_of(traced.run(row["code"])), row["id"]


def test_a_name_with_nothing_behind_it_is_not_touched(traced: TracedGuest) -> None:
    """A builtin that plans do not have is a NameError, also where dead code made the name look assigned."""
    outcome = traced.run("if False:\n    type = None\nx = type(ctx)" + REPLY)

    assert isinstance(outcome, Raised)
    assert outcome.error_type == "NameError"


def test_calls_are_held_against_the_lists(traced_runtime: Runtime, tmp_path: Path) -> None:
    """A callable that came by another way than its name is seen when it is called."""
    traced = TracedGuest(traced_runtime, tmp_path, replace(LISTS, methods=LISTS.methods | {"__subclasses__"}))

    assert miss_of(traced.run("x = int.__subclasses__()" + REPLY)) == ""
    assert "calls" in miss_of(traced.run("for x in Exception.__subclasses__():\n    x()" + REPLY))


#: Reaches the interpreter's own builtins, with names that are on the lists of the test below.
_REACH = """\
real = [c for c in ().__class__.__base__.__subclasses__() if c.__name__ == "catch_warnings"][0]
real = real.__init__.__globals__["__builtins__"]
real = real if isinstance(real, dict) else real.__dict__
x = """


@pytest.mark.parametrize(
    ("use", "events", "miss"),
    [
        ("1", set(), ""),
        ("by.__code__", set(), "event object.__getattr__"),
        ("by.__code__", {"object.__getattr__"}, ""),
        ("real['id'](1)", set(), "event builtins.id"),
        ("real['exec']('x = 1')", set(), "event compile"),
        ("real['exec']('real[\"id\"](1)')", {"compile", "exec"}, "event builtins.id of a helper"),
    ],
)
def test_audit_events_are_seen(
    traced_runtime: Runtime, tmp_path: Path, use: str, events: set[str], miss: str
) -> None:
    """With every name and callable allowed, what the interpreter does for a plan is still seen."""
    words = {
        "__class__",
        "__base__",
        "__subclasses__",
        "__name__",
        "__init__",
        "__globals__",
        "__dict__",
        "__code__",
    }
    lists = Lists(LISTS.given | {"id", "exec"}, LISTS.unbindable, LISTS.methods | words, frozenset(events))

    assert miss_of(TracedGuest(traced_runtime, tmp_path, lists).run(_REACH + use + REPLY)) == miss


def test_the_oracle_is_there_again_after_a_guest_is_lost(traced: TracedGuest) -> None:
    """A plan that brings its guest down takes the oracle with it; the next one has it again."""
    traced.run("x = ()\nfor y in range(200000):\n    x = (x,)\nx = {x: 1}" + REPLY)

    assert isinstance(traced.run("x = 1" + REPLY), Completed)
    assert miss_of(traced.run("x = ().__class__" + REPLY)) == "attribute __class__"
