"""What a model is told of an earlier answer that failed: enough to mend it, and no value of any request.

After a plan has run, its guest is hostile: what it says of an exception is believed only where it is the
name of an exception that plan code knows, and a reason for a refused reply is not passed on at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, assert_never

from server.planning.codec import PlanInvalid
from server.planning.policy import ALLOWED_BUILTINS, CodeRefused
from wasm_runtime.outcome import (
    BadReply,
    BreaksContract,
    OutOfFuel,
    OutOfMemory,
    OutOfTime,
    OutputTooLarge,
    Raised,
    StackExhausted,
)

if TYPE_CHECKING:
    from server.values.model import ValidatedCode

#: What can be wrong with an answer that the model may mend.
Problem: TypeAlias = (
    PlanInvalid
    | CodeRefused
    | Raised
    | BadReply
    | BreaksContract
    | OutOfFuel
    | OutOfTime
    | OutOfMemory
    | StackExhausted
    | OutputTooLarge
)

_MOST_REASONS = 20
_AGAIN = "Answer with the whole plan again, as one JSON object."
_REPLY_RULES = (
    "REPLY was refused. It must come from make_response(); its status is an integer from 200 to 599; its body"
    " is JSON (dicts with text keys, lists, texts, finite numbers, True, False, None) nested at most 64 deep;"
    " its headers are a dict of texts."
)
_EXCEPTIONS = frozenset(name for name in ALLOWED_BUILTINS if name[0].isupper())


def complaint_for(problem: Problem, code: ValidatedCode | None = None) -> str:
    """What to tell the model. `code` is what ran, for the line of an exception to be quoted from."""
    return f"{_told(problem, code)}\n\n{_AGAIN}"


def _told(problem: Problem, code: ValidatedCode | None) -> str:
    match problem:
        case PlanInvalid():
            return _listed("The answer is no plan:", problem.reasons)
        case CodeRefused():
            return _listed(
                "The code was refused:", tuple(f"line {v.line}: {v.message}" for v in problem.violations)
            )
        case Raised():
            return _raised(problem, code)
        case BadReply():
            return _REPLY_RULES
        case BreaksContract():
            return _listed(
                f"The reply with status {problem.status} breaks the contract, by JSON pointer into its body:",
                tuple(
                    f"{pointer or 'the reply'}: {keyword}: {detail}"
                    for pointer, keyword, detail in problem.violations
                ),
            )
        case OutOfFuel() | OutOfTime():
            return "The code ran too long: do less in it, and let the store search, sort and count."
        case OutOfMemory() | StackExhausted():
            return "The code needed too much memory: hold less at once, and nest less deeply."
        case OutputTooLarge():
            return (
                "The reply was too large: take limit and offset from the query, and 100 as the default limit."
            )
        case _:
            assert_never(problem)


def _listed(head: str, reasons: tuple[str, ...]) -> str:
    more = len(reasons) - _MOST_REASONS
    tail = (f"and {more} more of the kind",) if more > 0 else ()
    return "\n".join([head, *(f"- {reason}" for reason in (*reasons[:_MOST_REASONS], *tail))])


def _raised(raised: Raised, code: ValidatedCode | None) -> str:
    name = raised.error_type if raised.error_type in _EXCEPTIONS else "an exception"
    lines = [] if code is None else code.text.splitlines()
    quoted = f", `{lines[raised.line - 1].strip()[:200]}`" if 0 < raised.line <= len(lines) else ""
    return f"The code raised {name} in line {raised.line}{quoted}."
