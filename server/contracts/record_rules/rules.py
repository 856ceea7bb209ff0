"""The rules of a resource's records, as data."""

from __future__ import annotations

import json
from typing import Any, Final, Literal, TypeAlias, get_args

from attrs import frozen

Path: TypeAlias = tuple[str, ...]

#: How a property follows from others:
#: copy, slug, lower: of one; join: texts, with what stands between them; count: of the elements of a list;
#: sum, product, difference: of numbers; total: over the elements of a list, of the product of their members.
Way: TypeAlias = Literal[
    "copy", "slug", "lower", "join", "count", "sum", "product", "difference", "total"
]  # fmt: skip
WAYS: Final[tuple[Way, ...]] = get_args(Way)


@frozen
class Derived:
    """`between` is for `join`; `members` are those of elements, for `total`; `whole`: an integer."""

    path: Path
    way: Way
    of: tuple[Path, ...]
    between: str = ""
    members: tuple[str, ...] = ()
    whole: bool = False

    def as_hint(self) -> list[Any]:
        extra = list(self.members) if self.way == "total" else self.between
        return [list(self.path), self.way, [list(each) for each in self.of], extra, self.whole]

    @property
    def sentence(self) -> str:
        names = [".".join(each) for each in (*self.of, *((name,) for name in self.members))]
        return f"{'.'.join(self.path)} is the {self.way} of {', '.join(names)}"


@frozen
class Unique:
    """Paths into a stored record whose values no two share together; `names` is what people call them."""

    paths: tuple[Path, ...]
    names: tuple[str, ...]
    #: Whether letters count as the same in capitals.
    folded: bool = False

    def as_hint(self, collection: str) -> list[Any]:
        taken = f"There is a {collection} with this {' and '.join(self.names)} already."
        return [[list(each) for each in self.paths], taken, self.folded]

    @property
    def sentence(self) -> str:
        return f"no two have the same {' and '.join(self.names)}"


@frozen
class RecordRules:
    """`initial`: what a new record has where its client says nothing, by path."""

    initial: tuple[tuple[Path, Any], ...] = ()
    unique: tuple[Unique, ...] = ()
    derived: tuple[Derived, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.initial or self.unique or self.derived)

    @property
    def sentences(self) -> list[str]:
        first = [f"{'.'.join(path)} is {json.dumps(value)} at first" for path, value in self.initial]
        return [
            *first,
            *(each.sentence for each in self.unique),
            *(each.sentence for each in self.derived),
        ]


NO_RULES: Final = RecordRules()
