"""The corpora of honest and hostile plan code, as tests read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from server.planning.policy import CodeRefused, Violation, check
from server.values.model import SourceCode

_DATA = Path(__file__).parent.parent / "data"
REPLY = "\nREPLY = make_response(200)\n"


def cases(name: str) -> list[dict[str, Any]]:
    lines = (_DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]


def violations(code: str) -> tuple[Violation, ...]:
    """What the policy has against `code`; nothing when it is accepted."""
    try:
        check(SourceCode(code))
    except CodeRefused as refused:
        return refused.violations
    return ()


def accepted(code: str) -> str:
    """The code that runs in place of `code`."""
    return check(SourceCode(code)).text
