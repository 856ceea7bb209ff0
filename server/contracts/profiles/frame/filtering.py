"""What the filter languages of styles share: words, "or" over "and", and how deep they nest.

Reading is linear in the text's length where the language's pattern for a word is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, Final, Self

from attrs import define

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

    from server.contracts.profiles.frame.table import Criteria, Reading
    from server.values.errors import BadRequest

#: The store nests four deep, of which "and" and "or" take one each.
MOST_DEPTH: Final = 8
MOST_TOKENS: Final = 256


@define
class FilterParser(ABC):
    """Of one filter. A language has `word`, a pattern of its next word, `error`, and reads `one` comparison.

    `within`: the place that names are below; "": the record.
    """

    word: ClassVar[re.Pattern[str]]
    error: ClassVar[type[BadRequest]]

    tokens: list[str]
    reading: Reading
    place: int = 0
    depth: int = 0

    @classmethod
    def of(cls, text: str, reading: Reading) -> Self:
        """Raises `error`."""
        tokens, place, text = [], 0, text.rstrip()
        while place < len(text):
            token = cls.word.match(text, place)
            if token is None:
                raise cls.error("a text is not closed")
            tokens.append(token[0].strip())
            place = token.end()
        if len(tokens) > MOST_TOKENS:
            raise cls.error(f"it has more than {MOST_TOKENS} words")
        return cls(tokens, reading)

    def whole(self) -> Criteria:
        """All of the filter. Raises `error`."""
        found = self.either("")
        if self.place < len(self.tokens):
            raise self.error(f"{shown(self.tokens[self.place])} is not expected there")
        return found

    def either(self, within: str) -> Criteria:
        parts = [self.both(within)]
        while self.is_next("or"):
            self.place += 1
            parts.append(self.both(within))
        return parts[0] if len(parts) == 1 else {"$or": parts}

    def both(self, within: str) -> Criteria:
        parts = [self.one(within)]
        while self.is_next("and"):
            self.place += 1
            parts.append(self.one(within))
        return parts[0] if len(parts) == 1 else self.all_of(parts)

    def all_of(self, parts: list[Criteria]) -> Criteria:
        return {"$and": parts}

    @abstractmethod
    def one(self, within: str) -> Criteria:
        """A comparison, or what stands for one. Raises `error`."""

    def inside(self, within: str, end: str) -> Criteria:
        """What stands up to the sign that closes it."""
        with self.deeper():
            found = self.either(within)
            self.take(end)
        return found

    @contextmanager
    def deeper(self) -> Iterator[None]:
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise self.error(f"it nests deeper than {MOST_DEPTH} levels")
        yield
        self.depth -= 1

    def take(self, wanted: str = "") -> str:
        """The next word, which is `wanted` if that is given."""
        if self.place >= len(self.tokens):
            raise self.error("it ends too early")
        self.place += 1
        token = self.tokens[self.place - 1]
        if wanted and token != wanted:
            raise self.error(f"{wanted} is missing")
        return token

    def is_next(self, word: str) -> bool:
        return self.place < len(self.tokens) and self.tokens[self.place].lower() == word


def shown(token: str) -> str:
    """As an error shows it."""
    return repr(token[:40])
