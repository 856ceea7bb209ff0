from __future__ import annotations

from typing import Any

import pytest

from server.planning.policy import CodeRefused, check
from server.values.model import SourceCode
from tests.policy.corpus import accepted, cases, ids

BENIGN = cases("benign")
HOSTILE = cases("hostile")
REJECT = [row for row in HOSTILE if row["expect"] == "reject"]
CONTAIN = [row for row in HOSTILE if row["expect"] == "contain"]


@pytest.mark.parametrize("row", BENIGN, ids=ids(BENIGN))
def test_honest_code_is_accepted(row: dict[str, Any]) -> None:
    """
    Every honest snippet runs, and what runs is accepted again unchanged.
    """
    text = accepted(row["code"])

    assert accepted(text) == text


@pytest.mark.parametrize("row", REJECT, ids=ids(REJECT))
def test_hostile_code_is_refused(row: dict[str, Any]) -> None:
    """
    Every snippet that reaches for what plans must not have is refused, with a reason.
    """
    with pytest.raises(CodeRefused) as refused:
        check(SourceCode(row["code"]))

    assert all(v.rule and v.message for v in refused.value.violations)


@pytest.mark.parametrize("row", CONTAIN, ids=ids(CONTAIN))
def test_code_for_the_sandbox_to_contain_gets_there(row: dict[str, Any]) -> None:
    """
    Code whose harm shows only when it runs looks honest, so the policy leaves it to the sandbox.
    """
    text = accepted(row["code"])

    assert accepted(text) == text
