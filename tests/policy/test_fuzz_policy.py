"""The invariant: whatever the text, `check` refuses it or answers code that it accepts unchanged and that
holds no name and no attribute off the lists; and it raises nothing but CodeRefused.
"""

from __future__ import annotations

import ast

from hypothesis import given
from hypothesis import strategies as st

from server.planning.policy import ALLOWED_BUILTINS, ALLOWED_METHODS, GIVEN_NAMES
from tests.policy.corpus import REPLY, accepted, cases, violations

SNIPPETS = [row["code"] for row in cases("benign") + cases("hostile") if len(row["code"]) < 2000]
LINES = sorted({line for code in SNIPPETS for line in code.splitlines()})
TOKENS = (  # noqa: SIM905  a list of these would be all quotes
    "ctx store eval x _ __class__ REPLY = == := ( ) [ ] { } : , . .. * ** -> @ ; \\ \n \t # ' \" ''' f' f\""
    " {x!r:>{x}} for in if else while try: except finally: with match case"
    " lambda def class async await yield del global import from not and or is None"
    " True 1 0x1 1e9 1j b'' u'' \x00 \ufeff \ud800 \u200b \uff45 é \x0c \r"
).split(" ")

fragments = st.lists(st.sampled_from(TOKENS), max_size=40).map(" ".join)
programs = st.lists(st.sampled_from(LINES) | fragments, max_size=12).map("\n".join)
cut = st.builds(
    lambda code, start, stop, patch: code[:start] + patch + code[start + stop :],
    st.sampled_from(SNIPPETS),
    st.integers(0, 600),
    st.integers(0, 20),
    st.sampled_from(TOKENS) | st.text(max_size=3),
)
expressions = st.recursive(
    st.sampled_from(["x", "1", "'a'", "ctx", "''", '"b"', "None", "1.5"]),
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["+", "**", "!=", "and", "if x else"]), inner),
        st.builds("{}[{}:{}]".format, inner, inner, inner),
        st.builds("{{{}: {}}}".format, inner, inner),
        st.builds("[{} for y in {}]".format, inner, inner),
        st.builds("print(*{}, end={})".format, inner, inner),
        st.builds("f'{{{}}}'".format, inner),
        st.builds('f"""{{{}!r:>{{{}}}}} {{{{ \\n{{ {}=}}"""'.format, inner, inner, inner),
    ),
    max_leaves=12,
)


def _hold(code: str) -> None:
    if violations(code):
        return
    text = accepted(code)
    assert accepted(text) == text
    assert _reach(text) == set()
    text.encode()


def _reach(text: str) -> set[str]:
    """The names and attributes of accepted code that are on no list; written without the policy's visitor."""
    nodes = list(ast.walk(ast.parse(text)))
    stored = {n.id for n in nodes if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    stored |= {n.name for n in nodes if isinstance(n, ast.ExceptHandler) and n.name}
    loaded = {n.id for n in nodes if isinstance(n, ast.Name)} - stored - ALLOWED_BUILTINS - GIVEN_NAMES
    private = {name for name in stored if name.startswith("_") and name != "_"}
    return loaded | private | {n.attr for n in nodes if isinstance(n, ast.Attribute)} - ALLOWED_METHODS


@given(st.text(max_size=300))
def test_any_text(code: str) -> None:
    """
    Random text is refused or held to the invariant.
    """
    _hold(code + REPLY)


@given(programs)
def test_shuffled_lines_and_tokens(code: str) -> None:
    """
    Lines of the corpora in any order, with tokens between them, never crash the policy.
    """
    _hold(code + REPLY)


@given(cut)
def test_damaged_snippets(code: str) -> None:
    """
    A snippet with a piece cut out and another put in is refused or held to the invariant.
    """
    _hold(code)


@given(expressions)
def test_nested_expressions(code: str) -> None:
    """
    Expressions and f-strings within each other keep their meaning when they are written anew.
    """
    _hold(f"x = {{}}\nREPLY = {code}\n")
