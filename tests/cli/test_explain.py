"""What `explain` prints of code that the policy has refused."""

from __future__ import annotations

import io
from argparse import Namespace
from typing import TYPE_CHECKING, Any, cast

from server.cli.other import explain
from server.cli.output import Output

if TYPE_CHECKING:
    from server.cli.channel import Ask, Channel

OPTIONS = Namespace(
    session="s1", method="post", path="/orders/1/ship", body=None, body_file=None, header=[], ask=True
)
FOUND: dict[str, Any] = {
    "source": "none",
    "why": ["The model was asked just now, and gave no plan."],
    "plan": None,
    "error": {"status": 502, "type": "plan-refused", "detail": "No."},
}


class Service:
    """Answers with what it is given."""

    def __init__(self, refused: dict[str, Any]) -> None:
        self.refused = refused

    async def call(self, _ask: Ask) -> dict[str, Any]:
        return {**FOUND, "refused": self.refused}


async def printed(**refused: Any) -> list[str]:
    stream = io.StringIO()
    service = Service({"code": "", "violations": [], "reasons": [], **refused})
    status = await explain(OPTIONS, cast("Channel", service), Output(as_json=False, stream=stream))

    assert status == 1
    return stream.getvalue().splitlines()


async def test_refused_code_is_shown_with_its_places() -> None:
    """As `plans edit` shows it."""
    violation = {"line": 2, "column": 30, "rule": "name", "message": "'os' is not defined"}
    lines = await printed(code="x = 1\nREPLY = make_response(200, {}, os)", violations=[violation])

    assert lines[-6:] == [
        "x = 1",
        "REPLY = make_response(200, {}, os)",
        "",
        "line 2, column 30: 'os' is not defined (name)",
        "    2 | REPLY = make_response(200, {}, os)",
        "      | " + " " * 29 + "^",
    ]


async def test_the_reasons_of_no_plan_are_listed() -> None:
    """There is no code then."""
    assert (await printed(reasons=["`route` must be a text"]))[-1] == "- `route` must be a text"
