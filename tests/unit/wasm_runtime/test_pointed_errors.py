"""What a guest says of a refused write, field by field, as far as it is believed and carried."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from wasm_runtime.frames import Decoder, ResultFrame, encode
from wasm_runtime.limits import Limits
from wasm_runtime.outcome import Raised
from wasm_runtime.verdict import judge

GOOD = ["/age", "string where integer was learned"]


def judged(errors: Any, blame: str = "store") -> Raised:
    answer = {"ok": False, "kind": "raised", "blame": blame, "status": 422, "detail": "no", "errors": errors}
    outcome = judge(orjson.dumps(answer).decode(), Limits())
    assert isinstance(outcome, Raised)
    return outcome


@pytest.mark.parametrize(
    ("said", "believed"),
    [
        ([GOOD], (tuple(GOOD),)),
        ([GOOD] * 32, (tuple(GOOD),) * 32),
        ([GOOD] * 33, (tuple(GOOD),) * 32),
        ([GOOD, 1, ["/a"], ["/a", 1], ["a", "no pointer"], [None, "x"], ["/a", ""]], (tuple(GOOD),)),
        ([["/" + "a" * 511, "x"]], (("/" + "a" * 511, "x"),)),
        ([["/" + "a" * 600, "x" * 300]], (("/" + "a" * 511, "x" * 200),)),
        ("errors", ()),
        (None, ()),
    ],
)
def test_only_pairs_of_pointer_and_reason(said: Any, believed: Any) -> None:
    assert judged(said).errors == believed


def test_of_the_store_alone() -> None:
    """Whatever a plan raised itself points nowhere."""
    assert judged([GOOD], blame="request").errors == ()


def test_they_reach_the_other_process() -> None:
    outcome = judged([GOOD])

    assert list(Decoder().feed(encode(ResultFrame(1, outcome)))) == [ResultFrame(1, outcome)]
