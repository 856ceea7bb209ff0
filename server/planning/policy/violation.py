"""What the policy says about code that it refuses."""

from __future__ import annotations

from attrs import frozen


@frozen(order=True)
class Violation:
    """One thing to change. `line` counts from 1, `column` (of UTF-8 bytes) from 0; 0, 0 is the whole text.

    `message` tells a model what to write instead. It may quote names from the code, shortened.
    """

    line: int
    column: int
    rule: str
    message: str


class CodeRefused(Exception):
    """Plan code broke the policy. `violations` holds all that were found, in the order of the text.

    `code` is the text that they are about; it may be shown to operators alone.
    """

    def __init__(self, violations: tuple[Violation, ...], code: str = "") -> None:
        super().__init__("; ".join(f"line {v.line}: {v.message}" for v in violations[:5]))
        self.violations = violations
        self.code = code
