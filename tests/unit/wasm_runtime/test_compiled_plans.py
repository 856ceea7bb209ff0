"""Plans are compiled for all guests when a second one asks, once."""

from __future__ import annotations

from wasm_runtime.compiled_plans import NONE, CompiledPlans


class Compiler:
    def __init__(self) -> None:
        self.compiled: list[str] = []

    def __call__(self, document: str) -> str:
        self.compiled.append(document)
        return NONE if document == "bad" else f"code of {document}"


def test_the_second_guest_has_it_compiled_for_all() -> None:
    """The first compiles its plan itself; from the second on all get the same code."""
    compiler = Compiler()
    plans = CompiledPlans(compiler)

    assert [plans.code("a") for _ in range(4)] == [NONE, "code of a", "code of a", "code of a"]
    assert compiler.compiled == ["a"]


def test_what_cannot_be_compiled_is_not_tried_again() -> None:
    """Guests then compile it themselves, and say what is wrong."""
    compiler = Compiler()
    plans = CompiledPlans(compiler)

    assert [plans.code("bad") for _ in range(4)] == [NONE] * 4
    assert compiler.compiled == ["bad"]


def test_only_so_many_are_kept() -> None:
    """The least recently used goes, and begins anew."""
    compiler = Compiler()
    plans = CompiledPlans(compiler, most=2)
    for document in ("a", "a", "b", "a", "c", "b", "b"):
        plans.code(document)

    assert len(plans) == 2
    assert compiler.compiled == ["a", "b"]
    assert plans.code("a") == NONE
