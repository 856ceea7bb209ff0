"""G2: mutants through the policy. None crashes it, none takes it 50 ms, the oracle misses none.

The suite tries a quarter of them, another one each time; `just more` tries all.
"""

from __future__ import annotations

import ast
import secrets
from random import Random
from typing import TYPE_CHECKING

import pytest

from tools.fuzz.mutants import mutant, mutants
from tools.fuzz.targets import policy
from tools.fuzz.traced_guest import miss_of

if TYPE_CHECKING:
    from tools.fuzz.traced_guest import TracedGuest

pytestmark = pytest.mark.long

MUTANTS = 8_000
#: Of the accepted ones; each is a run in a guest.
TRACED = 500


@pytest.mark.parametrize("part", [4, pytest.param(1, marks=pytest.mark.more)])
def test_eight_thousand_mutants(traced: TracedGuest, part: int) -> None:
    """Others each time. A failure names its mutant: `mutant(Random("SEED:NUMBER"))`."""
    seed = secrets.randbelow(10**6)
    accepted = []
    for number, text in enumerate(mutants(seed, MUTANTS // part)):
        try:
            code = policy.accepted(text)
        except Exception as error:
            raise AssertionError(f"mutant {seed}:{number}: {text!r}") from error
        if code is not None:
            accepted.append((number, code))
    assert len(accepted) > 400 // part, "mutants that are all refused show little"

    for number, code in Random(seed).sample(accepted, min(TRACED // part, len(accepted))):
        missed = miss_of(traced.run(code))
        assert not missed, f"mutant {seed}:{number}: the oracle, in the guest: {missed}"


def test_mutants_are_of_all_kinds() -> None:
    """Most are Python, few are alike, and a seed gives the same ones again."""
    texts = list(mutants(1, 1_000))

    assert texts[7] == mutant(Random("1:7"))
    assert len(set(texts)) > 950
    assert 500 < sum(map(_is_python, texts)) < 950


def _is_python(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
