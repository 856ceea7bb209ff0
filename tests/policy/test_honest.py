"""The corpus of honest programs: none of them costs a model a second try."""

from __future__ import annotations

import pytest

from tests.policy.corpus import accepted
from tests.policy.honest import Honest, programs

PROGRAMS = programs()


def test_there_are_two_hundred() -> None:
    """A corpus that lost its rows would pass the test below."""
    assert len(PROGRAMS) >= 200
    assert len({program.code for program in PROGRAMS}) == len(PROGRAMS)


@pytest.mark.parametrize("program", PROGRAMS, ids=[program.name for program in PROGRAMS])
def test_what_models_write_is_accepted(program: Honest) -> None:
    """It runs, and what runs is accepted again unchanged."""
    text = accepted(program.code)

    assert accepted(text) == text
