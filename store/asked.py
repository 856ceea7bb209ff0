"""What a query asks to see of a collection, checked: pages, sort, fields and sums name what there is.

Filters are checked where they are read (`store.rest_query`), relations where they are followed
(`store.relations`).
"""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Any

from store.errors import InvalidQuery
from store.schema import learnable
from store.spelling import check_field, check_sort, has_all

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from store.schema import Fields

#: What may not be empty. An empty limit, offset or sort is none: so a form sends what nobody has filled in.
_NUMBERS = ("page", "per_page", "page_size")
_NAMES = ("fields", "embed", "expand", "group_by")
_COMPUTED = ("group_by", "count", "sum", "avg", "min", "max")
_FIELDS = ("fields", "sort", *_COMPUTED)


def check(query: Mapping[str, Any], known: Collection[str], *, sums: bool) -> None:
    """`sums`: the query is one for groups and sums, whose sort is about these. Raises InvalidQuery."""
    _check_not_empty(query)
    if sums:
        _check_sums(query, known)
    else:
        _check_list(query, known)


def with_unlearned(query: Mapping[str, Any], known: Fields, is_there: Callable[[str], bool]) -> Fields:
    """The fields that are known, and those of the query that no schema learns, as far as a record has them.

    `is_there` looks through the records. It is not asked again after a no, with which the query is refused.
    """
    names = (name.lstrip("+-").partition(".")[0] for key in _FIELDS for name in _terms(query.get(key)))
    odd = takewhile(is_there, (name for name in names if name and not learnable(name)))
    return known | {name: [] for name in odd}


def _check_not_empty(query: Mapping[str, Any]) -> None:
    for key in _NUMBERS:
        if "" in _all(query.get(key)):
            raise InvalidQuery(f"{key}: takes an integer from 1 up")
    for key in _NAMES:
        if key in query and not all(_terms(query[key])):
            raise InvalidQuery(f"{key}: a name is missing")


def _check_list(query: Mapping[str, Any], known: Collection[str]) -> None:
    for key in _COMPUTED:
        if key in query and key not in known and has_all(known):
            raise InvalidQuery(f"{key}: goes with /stats, below the collection's path")
    check_sort([*_terms(query.get("sort"))], known)
    if "fields" in query:
        added = {name.partition(".")[0] for key in ("embed", "expand") for name in _terms(query.get(key))}
        for name in _terms(query["fields"]):
            if name.partition(".")[0] not in added:
                check_field("fields", name, known)


def _check_sums(query: Mapping[str, Any], known: Collection[str]) -> None:
    for key in ("fields", "embed", "expand"):
        if key in query:
            raise InvalidQuery(f"{key}: goes with records, not with their groups and sums")
    for key in _COMPUTED:
        for name in filter(None, _terms(query.get(key))):
            check_field(key, name, known)


def _terms(value: Any) -> Iterator[str]:
    """The names in a list of such, which may be several."""
    return (term.strip() for part in _all(value) if isinstance(part, str) for term in part.split(","))


def _all(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
