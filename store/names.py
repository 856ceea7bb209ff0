"""Names that mean the same to the service and to the store, written once.

How a field that points at another collection's records is called: one rule, for paths and for records. And
which keys of a query are no field's name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Query keys that ask for more than some records in an order: pages, fields, relations.
VIEWS = frozenset({"page", "per_page", "page_size", "fields", "embed", "expand"})
#: Query keys that say how to present a list, so never fields to filter by.
PRESENTATION = VIEWS | {"limit", "offset", "sort"}
#: Query keys that filter, and stand for no field.
WHOLE = frozenset({"q", "or", "and"})
RESERVED = PRESENTATION | WHOLE

#: What may stand for a record's id in a path and is none, so that no record can have it for its id.
SEARCH_WORDS = frozenset({"search", "find", "query", "filter"})
ACTION_WORDS = SEARCH_WORDS | {"count", "stats"}

_CAMEL = re.compile(r"[a-z][a-z0-9]*[A-Z][A-Za-z0-9]*")
_UNCHANGED = frozenset({"data", "media", "news", "people", "series", "species"})
#: Plurals by no rule here; `singular` leaves them, as the names of stored fields hang on it.
_IRREGULAR = frozenset({"alumni", "children", "criteria", "men", "women"})
#: What `singular` makes of plurals, and what they are. Records may point by these as well.
_SINGULARS = {
    "people": "person",
    "children": "child",
    "men": "man",
    "women": "woman",
    "mice": "mouse",
    "teeth": "tooth",
    "feet": "foot",
    "geese": "goose",
    "alumni": "alumnus",
    "criteria": "criterion",
    "media": "medium",
    "analyse": "analysis",
    "crise": "crisis",
    "hypothese": "hypothesis",
    "indice": "index",
    "matrice": "matrix",
    "vertice": "vertex",
    "aliase": "alias",
    "quizze": "quiz",
    "wolve": "wolf",
    "knive": "knife",
    "live": "life",
    "shelve": "shelf",
    "leave": "leaf",
    "zomby": "zombie",
    "ty": "tie",
}
#: The first suffix that fits decides. Words that end in e before their s stand before the rule they break.
_SINGULAR_RULES: tuple[tuple[str, str], ...] = (
    ("movies", "movie"),
    ("cookies", "cookie"),
    ("caches", "cache"),
    ("shoes", "shoe"),
    ("ouses", "ouse"),
    ("auses", "ause"),
    ("ies", "y"),
    ("sses", "ss"),
    ("uses", "us"),
    ("xes", "x"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("oes", "o"),
    ("ss", "ss"),
    ("us", "us"),
    ("is", "is"),
    ("s", ""),
)


def singular(word: str) -> str:
    """The singular of an English plural in lower case, by a few rules; other words stay."""
    if word.rpartition("_")[2] in _UNCHANGED:
        return word
    for suffix, ending in _SINGULAR_RULES:
        if word.endswith(suffix):
            return word.removesuffix(suffix) + ending or word
    return word


def is_plural(word: str) -> bool:
    """Whether a name is an English plural, in any case, or its last word is: ``order-items``, ``news``."""
    lower = word.lower()
    return re.split("[-_]", lower)[-1] in _UNCHANGED | _IRREGULAR or singular(lower) != lower


def foreign_key(collection: str) -> str:
    """The field by which other records point at this collection's: ``member_id`` for members."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", collection).lower()
    # No double underscore: in a criterion that would start an operator.
    snake = re.sub(r"[-_]+", "_", words).rstrip("_")
    return f"{singular(snake)}_id"


def plain(name: str) -> str:
    """A name without what differs from style to style: `post_id`, `postId` and `PostID` are all `postid`."""
    return name.replace("_", "").replace("-", "").lower()


def links_among(parent: str, fields: Iterable[str]) -> list[str]:
    """Those of the fields that point at the records of `parent`, in whatever style they are spelt."""
    wanted = pointers(parent)
    return [name for name in fields if plain(name) in wanted and "." not in name and "__" not in name]


def pointers(collection: str) -> tuple[str, ...]:
    """What a field that points at a collection's records is called, as `plain` leaves it.

    By the rule, and by the word's own singular where the rule has another: `people_id` and `person_id`.
    """
    by_rule = foreign_key(collection)
    before, dash, last = by_rule.removesuffix("_id").rpartition("_")
    own = _SINGULARS.get(last)
    return (plain(by_rule),) if own is None else (plain(by_rule), plain(f"{before}{dash}{own}_id"))


def styled_foreign_key(parent: str, fields: Iterable[str]) -> str:
    """What such a field would be called beside these: `postId` among `createdAt`, and else `post_id`."""
    snake = foreign_key(parent)
    names = list(fields)
    if any("_" in name for name in names) or not any(map(_CAMEL.fullmatch, names)):
        return snake
    first, *others = snake.removesuffix("_id").split("_")
    ending = "ID" if any(name.endswith("ID") for name in names) else "Id"
    return first + "".join(map(str.capitalize, others)) + ending
