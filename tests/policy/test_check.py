from __future__ import annotations

import ast
import sys
import warnings
from typing import TYPE_CHECKING

import pytest

from server.planning.policy import CodeRefused, check
from server.planning.policy.names import MAX_COMPREHENSIONS, MAX_DEPTH, MAX_NODES, MAX_SOURCE_BYTES
from server.values.model import SourceCode
from tests.policy.corpus import REPLY, accepted, violations

if TYPE_CHECKING:
    from collections.abc import Callable

SHORT = "REPLY = 1\n"


def _nested_lists(depth: int) -> str:
    """Code whose deepest node is `depth` below the module: statement, lists, and their Load."""
    return SHORT + "x = " + "[" * (depth - 2) + "]" * (depth - 2) + "\n"


def _nested_sums(depth: int) -> str:
    return SHORT + "x = " + "sum(" * depth + "1" + " for i in [1])" * depth + "\n"


def _nodes(count: int) -> str:
    base = SHORT + "x = [{}]\n"
    room = count - sum(1 for _ in ast.walk(ast.parse(base.format(""))))
    return base.format("1," * room)


LIMITS: dict[str, tuple[Callable[[int], str], int, str]] = {
    "bytes": (lambda n: SHORT + "#" * (n - len(SHORT)), MAX_SOURCE_BYTES, "size"),
    "bytes-of-utf-8": (
        lambda n: SHORT + "#" + "é" * (n // 2 - 6) + "#" * (n % 2 + 1),
        MAX_SOURCE_BYTES,
        "size",
    ),
    "nodes": (_nodes, MAX_NODES, "size"),
    "depth": (_nested_lists, MAX_DEPTH, "depth"),
    "comprehensions": (_nested_sums, MAX_COMPREHENSIONS, "nesting"),
    "int": (lambda n: SHORT + f"x = [{n}, -{n}]", 2**63, "literal"),
}


@pytest.mark.parametrize(("make", "limit", "rule"), LIMITS.values(), ids=LIMITS)
def test_limits_hold_on_both_sides(make: Callable[[int], str], limit: int, rule: str) -> None:
    """
    What is as large as allowed is accepted; one more is refused.
    """
    assert violations(make(limit)) == ()
    assert {v.rule for v in violations(make(limit + 1))} == {rule}


def test_text_that_grows_past_the_limit_is_refused() -> None:
    """
    The limit on size holds for what runs as well: control characters are written as escapes.
    """
    found = violations(SHORT + "x = '" + "\x01" * (MAX_SOURCE_BYTES // 2) + "'\n")

    assert [v.rule for v in found] == ["size"]


UNREADABLE = {
    "bom": "\ufeff" + SHORT,
    "bracket": "REPLY = (1",
    "break-outside-loop": SHORT + "break",
    "deep-calls": SHORT + "x = store" + ".get(1)" * 2000,
    "deep-parentheses": SHORT + "x = " + "(" * 5000 + ")" * 5000,
    "deep-unary": SHORT + "x = " + "-" * 16000 + "1",
    "digits": SHORT + "x = " + "9" * 5000,
    "fstring": "REPLY = f'{1 +}'",
    "indent": SHORT + "  x = 1",
    "keyword-twice": SHORT + "dict(a=1, a=2)",
    "nul": SHORT + "x = 1\x00",
    "surrogate": SHORT + "x = '\ud800'",
    "tabs": SHORT + "if 1:\n\tx = 1\n        y = 1",
    "too-many-blocks": SHORT + "".join(" " * i + "while 1:\n" for i in range(25)) + " " * 25 + "pass",
    "two-stars": SHORT + "*a, *b = [1]",
}


@pytest.mark.parametrize("code", UNREADABLE.values(), ids=UNREADABLE)
def test_unreadable_text_is_refused_not_raised(code: str) -> None:
    """
    Whatever the parser or the compiler raises on hostile text becomes a refusal.
    """
    assert {v.rule for v in violations(code)} <= {"syntax", "depth"}
    assert violations(code)


def test_another_language_is_refused() -> None:
    """
    Code that says it is no Python is not read as Python.
    """
    with pytest.raises(CodeRefused) as refused:
        check(SourceCode(SHORT, language="javascript"))

    assert [v.rule for v in refused.value.violations] == ["language"]


def test_all_violations_are_reported_in_order() -> None:
    """
    The author hears of everything at once, line by line, and of REPLY too.
    """
    found = violations("import os\nx = eval('1')\nstore.path = lambda: 1\nctx = _y\n")

    assert [(v.line, v.column, v.rule) for v in found] == [
        (1, 0, "node"),
        (1, 0, "reply"),
        (2, 4, "name"),
        (3, 0, "attribute"),
        (3, 13, "node"),
        (4, 0, "rebind"),
        (4, 6, "underscore"),
    ]


def test_the_exception_names_lines() -> None:
    """
    A refusal that ends up in a log says which line broke which rule.
    """
    with pytest.raises(CodeRefused, match=r"^line 2: 'eval' is not available in plan code: "):
        check(SourceCode(SHORT + "eval('1')"))


def test_messages_stay_short() -> None:
    """
    A long name from the code is cut before it gets into a prompt or a log.
    """
    long = "x" * 2000
    found = violations(SHORT + f"y = {long}\nctx.{long}\nstore.{long}\ndel {long}\nprint(_{long}=_{long})")

    assert len(found) == 6
    assert max(len(v.message) for v in found) < 300


def test_syntax_errors_say_where() -> None:
    """
    The line and the column of a syntax error are the parser's.
    """
    (found,) = violations(SHORT + "x = = 1")

    assert (found.line, found.column, found.message) == (2, 4, "not valid Python: invalid syntax")


def test_errors_of_the_compiler_say_where_too() -> None:
    """
    The line is the author's, although the compiler sees the normalised tree.
    """
    (found,) = violations("# why\n\n" + SHORT + "break")

    assert (found.line, found.message) == (4, "not valid Python: 'break' outside loop")


def test_syntax_errors_in_f_strings_say_what_helps() -> None:
    """
    Quotes and backslashes inside the braces are what models get wrong for this Python.
    """
    (found,) = violations("REPLY = f'{1 +}'")

    assert "use the other kind of quotes and no backslash" in found.message


def test_f_strings_that_cannot_be_written_are_refused() -> None:
    """
    An expression that would need a backslash inside the braces is refused where Python can't write one.
    """
    code = SHORT + "x = {}\ny = f\"{x['\u200b']}\""

    found = violations(code)

    # Since PEP 701 the backslash is fine.
    assert [v.rule for v in found] == (["fstring"] if sys.version_info < (3, 12) else [])


def test_text_that_reads_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    When the text that would run does not mean the tree that was checked, nothing runs.
    """
    monkeypatch.setattr(ast, "unparse", lambda tree: "REPLY = 2")

    assert [v.rule for v in violations(SHORT)] == ["fstring"]


NORMALISED = {
    "annotation": ("x: list[int] = []", "x = []"),
    "annotation-nested": ("for i in []:\n    x: int = 1", "for i in []:\n    x = 1"),
    "comment": ("x = 1  # why", "x = 1"),
    "except": (
        "try:\n    pass\nexcept:\n    pass",
        "try:\n    pass\nexcept Exception:\n    pass",
    ),
    "fullwidth": ("\uff58 = 1", "x = 1"),
    "hex": ("x = 0xff", "x = 255"),
    "infinity": ("x = 1e999", "x = 1e309"),
    "prefix": ("x = u'a'", "x = 'a'"),
    "self-documenting": ("x = 1\ny = f'{x=}'", "x = 1\ny = f'x={x!r}'"),
    "surrogate-escape": ("x = '\\ud800'", "x = '\\ud800'"),
    "unknown-escape": ("x = '\\d'", "x = '\\\\d'"),
}


@pytest.mark.parametrize(("code", "text"), NORMALISED.values(), ids=NORMALISED)
def test_what_runs_is_the_checked_tree(code: str, text: str) -> None:
    """
    The code that runs is written anew from the tree, so nothing that only the text had survives.
    """
    assert accepted(code + REPLY) == text + REPLY.rstrip()


@pytest.mark.parametrize("code", ["x = '\\d'", "x = 1 is 1", "x = 1if 1else 2", "assert (1, 'x')"])
def test_warnings_of_the_parser_stay_inside(code: str) -> None:
    """
    Matters of style are neither refused nor printed, and the filters of the process are as before.
    """
    before = list(warnings.filters)

    assert violations(code + REPLY) == ()
    assert list(warnings.filters) == before
