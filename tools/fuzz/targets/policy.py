"""The policy refuses a text or gives code that it accepts unchanged and the oracle sees no miss in.

It raises nothing but CodeRefused, and takes less than 50 ms of processor time.
"""

from __future__ import annotations

import ast
import time
import warnings
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from server.planning.policy import CodeRefused, check
from server.values.model import SourceCode
from tools.fuzz.mutants import mutant
from tools.fuzz.oracle import PLAN_FILE, misses
from tools.fuzz.traced_guest import LISTS

if TYPE_CHECKING:
    from random import Random

MOST_SECONDS = 0.050
#: A slow check is timed again, because the processor is shared: a check that is slow is so each time.
_TRIES = 5


def _mutant(random: Random) -> str:
    return mutant(random)


INPUTS = st.one_of(st.randoms(use_true_random=False).map(_mutant), st.text(max_size=200))


def hold(text: str) -> None:
    accepted(text)


def accepted(text: str) -> str | None:
    """The code that would run, or None where the text is refused. Raises AssertionError."""
    code = _timed(text)
    if code is None:
        return None
    assert check(SourceCode(code)).text == code, "what is accepted is accepted again, as it is"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        missed = misses(compile(code, PLAN_FILE, "exec", dont_inherit=True), LISTS, _assigned(code))
    assert not missed, f"the oracle: {missed}"
    return code


def _timed(text: str) -> str | None:
    """What the check answers; it is asked again where it took too long."""
    spent = []
    for _ in range(_TRIES):
        started = time.thread_time()
        try:
            code = check(SourceCode(text)).text
        except CodeRefused as refused:
            assert refused.violations, "a refusal has a reason"
            code = None
        spent.append(time.thread_time() - started)
        if spent[-1] < MOST_SECONDS:
            return code
    raise AssertionError(f"the check takes {min(spent) * 1000:.0f} ms of processor time")


def _assigned(code: str) -> frozenset[str]:
    """All names that the code assigns, also where the compiler leaves the statement out."""
    nodes = list(ast.walk(ast.parse(code)))
    names = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return frozenset(
        names | {node.name for node in nodes if isinstance(node, ast.ExceptHandler) and node.name}
    )
