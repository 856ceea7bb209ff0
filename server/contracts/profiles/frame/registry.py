"""All profiles by name, and which one a document is in."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING, Final

from attrs import frozen

from server.contracts import profiles
from server.contracts.profiles.frame.table import NONE
from server.contracts.shapes import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from server.contracts.document import Document
    from server.contracts.profiles.frame.table import Profile
    from server.contracts.shapes import Shape

#: Of what could have a mark.
_SHARE: Final = 0.5


@cache
def known() -> Mapping[str, Profile]:
    """Every table of this package by its name, in the order in which they are looked for."""
    modules = (
        importlib.import_module(f"{profiles.__name__}.{found.name}")
        for found in pkgutil.iter_modules(profiles.__path__)
        if not found.ispkg
    )
    tables: list[Profile] = [module.PROFILE for module in modules]
    tables.sort(key=lambda table: (not table.marks.types, table.name))
    return {each.name: each for each in tables}


def names() -> tuple[str, ...]:
    """What may be said in `contract.toml`."""
    return (NONE.name, *known())


@frozen
class Chosen:
    """A document's profile, and why it is that one."""

    profile: Profile = NONE
    why: str = ""


NOT_CHOSEN: Final = Chosen()


def chosen(document: Document, replies: Iterable[Shape], said: str = "") -> Chosen:
    """`said`: the one that a person names, or "". `replies`: the shapes of the document's successes."""
    if said:
        return Chosen(NONE if said == NONE.name else known()[said], "contract.toml says so")
    shapes = list(replies)
    for profile in known().values():
        why = _marked(profile, document, shapes)
        if why:
            return Chosen(profile, why)
    return NOT_CHOSEN


def _marked(profile: Profile, document: Document, shapes: list[Shape]) -> str:
    marks = profile.marks
    for name in marks.types:
        spoken = [
            any(each.startswith(name) for content in operation.replies.values() for each in content)
            or any(each.startswith(name) for each in operation.request_bodies)
            for operation in document.operations
        ]
        if _enough(spoken):
            return f"{sum(spoken)} of {len(spoken)} operations speak {name}"
    asked = [
        {each.name for each in operation.parameters if each.place == "query"}
        for operation in document.operations
        if operation.method == "GET" and not operation.template.endswith(("}", ")"))
    ]
    for wanted_words in marks.words:
        having = [wanted_words <= each for each in asked]
        if _enough(having):
            return f"{sum(having)} of {len(having)} lists take {', '.join(sorted(wanted_words))}"
    lists = [{plain(name) for name in each.whole.properties} for each in shapes if each.of_many]
    items = [{plain(name) for name in each.item.properties} for each in shapes if each.item.properties]
    for what, found, wanted in (("lists", lists, marks.lists), ("records", items, marks.items)):
        for names_ in wanted:
            having = [names_ <= each for each in found]
            if _enough(having):
                return f"{sum(having)} of {len(having)} {what} have {', '.join(sorted(names_))}"
    return ""


def _enough(having: list[bool]) -> bool:
    return bool(having) and sum(having) >= len(having) * _SHARE
