"""Plans' code, compiled once for all the guests of a worker: compiling is most of what loading a plan takes.

Nothing of one session reaches another by it. A plan is compiled in a guest of its own that has seen nothing
else, from the text that the sessions' guests would compile themselves; the code is text that nobody looks
into here, and only ever loaded for that very plan, by guests of the same build.

A plan that one guest loads and no other is not worth a guest: it is compiled when it is asked for again.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: Of a kilobyte or two.
_MOST = 1024
#: A guest that gets it compiles the plan itself.
NONE = ""


class CompiledPlans:
    """By document, the least recently used forgotten. `compile_plan` gives a document's code, or NONE."""

    def __init__(self, compile_plan: Callable[[str], str], most: int = _MOST) -> None:
        self._compile = compile_plan
        self._codes: OrderedDict[str, str | None] = OrderedDict()
        self._most = most

    def __len__(self) -> int:
        return len(self._codes)

    def code(self, document: str) -> str:
        """A plan's code for a guest to load."""
        if document not in self._codes:
            self._codes[document] = None
            if len(self._codes) > self._most:
                self._codes.popitem(last=False)
            return NONE
        self._codes.move_to_end(document)
        code = self._codes[document]
        if code is None:
            code = self._codes[document] = self._compile(document)
        return code
