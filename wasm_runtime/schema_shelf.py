"""The schemas of contracts that a worker keeps compiled: those of the last few documents that were asked for.

Whoever sends jobs keeps the same list in the same order, so that it knows what a worker has.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

import orjson

from wasm_runtime.schemas import Checker, Rules, SchemaError

T = TypeVar("T")

#: A document of 350 operations takes some 13 MB.
MOST_DOCUMENTS = 4
#: Operations whose rules are at hand.
_MOST_RULES = 4_096


def keep_last(shelf: OrderedDict[str, T], key: str, value: T) -> None:
    """Put it to the end, where it was asked for last; what then is too many goes from the beginning."""
    shelf[key] = value
    shelf.move_to_end(key)
    if len(shelf) > MOST_DOCUMENTS:
        shelf.popitem(last=False)


class SchemaShelf:
    """A worker's."""

    def __init__(self) -> None:
        self._checkers: OrderedDict[str, Checker | None] = OrderedDict()
        #: By the text that they were told as, with their schemas' id.
        self._rules: dict[str, tuple[str, Rules]] = {}

    def put(self, schemas_id: str, text: str) -> None:
        """Compile them, once."""
        try:
            checker: Checker | None = Checker(text)
        except (SchemaError, ValueError):
            checker = None
        keep_last(self._checkers, schemas_id, checker)
        self._rules.clear()

    def rules(self, text: str) -> Rules:
        """What a job is judged by; see `frames.JobFrame`."""
        known = self._rules.get(text)
        if known is not None and known[0] in self._checkers:
            self._checkers.move_to_end(known[0])
            return known[1]
        told = orjson.loads(text)
        checker = self._checkers.get(told["schemas"])
        keep_last(self._checkers, told["schemas"], checker)
        rules = Rules(checker, told["keys"], told["enforce"], told["bare"])
        if len(self._rules) >= _MOST_RULES:
            self._rules.clear()
        self._rules[text] = told["schemas"], rules
        return rules
