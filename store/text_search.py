"""`$text`: the records that have all of some words in their texts, in any case.

1. A word is found wherever it stands within a text of the record, at any depth; so `art` finds "Hartley".
   Different words may stand in different texts. Numbers and the names of fields are not searched.
2. The guest's SQLite is built without full text search (no FTS5, no FTS4), so every record is read, as it
   is for any filter without an index. What a record without the words costs is one `casefold` of its JSON
   text: words in a text are in that text's JSON, too. Only records that pass this are decoded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from store.errors import InvalidQuery
from store.json_text import decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_WORDS = 16
MAX_CHARACTERS = 1_000


def condition(value: object, bind: Callable[[object], str]) -> str:
    """SQL over `doc`, by the function `holds`; without a word every record fits. Raises InvalidQuery."""
    parts: list[Any] = value if isinstance(value, list) else [value]
    if not all(isinstance(part, str) for part in parts):
        raise InvalidQuery("q: takes words")
    if sum(map(len, parts)) > MAX_CHARACTERS:
        raise InvalidQuery(f"q: more than {MAX_CHARACTERS} characters")
    words = list(dict.fromkeys(word for part in parts for word in part.casefold().split()))
    if len(words) > MAX_WORDS:
        raise InvalidQuery(f"q: more than {MAX_WORDS} words")
    if any("\ud800" <= letter <= "\udfff" for word in words for letter in word):
        raise InvalidQuery("q: text with half of a surrogate pair")
    if not words:
        return "1"
    return f"holds(doc, {bind(' '.join(words))}, {bind(' '.join(map(_within_json, words)))})"


def _within_json(word: str) -> str:
    return encode(word)[1:-1]


def holds(document: str, words: str, words_within_json: str) -> bool:
    """Whether a record's JSON text has all the words in its texts. Raises ValueError where it is no JSON."""
    folded = document.casefold()
    for word in words_within_json.split(" "):
        if word not in folded:
            return False
    texts = [text.casefold() for text in _texts_in(decode(document))]
    return all(any(word in text for text in texts) for word in words.split(" "))


def _texts_in(value: object) -> Iterator[str]:
    left = [value]
    while left:
        value = left.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
