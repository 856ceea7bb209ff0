from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from store.errors import InvalidQuery
from store.names import RESERVED
from store.rest_query import ReadBy, criteria_of
from store.schema import MAX_FIELDS

if TYPE_CHECKING:
    from store.resource_store import ResourceStore


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, {}),
        ({"name": "Alice"}, {"name": "Alice"}),
        ({"limit": "1", "offset": "2", "sort": "x", "fields": "a"}, {}),
        ({"page": "3", "page_size": "4", "per_page": "5", "pages": "6"}, {"pages": "6"}),
        ({"age__gt": "30", "address.city": "Rome"}, {"age__gt": "30", "address.city": "Rome"}),
        ({"name": "Hart*"}, {"name__ilike": "Hart*"}),
        ({"email": "*@x.com"}, {"email__ilike": "*@x.com"}),
        ({"name": "*oh*"}, {"name__ilike": "*oh*"}),
        ({"name": "J*n"}, {"name__ilike": "J*n"}),
        ({"name__contains": "*"}, {"name__contains": "*"}),
        ({"tag": ["a", "b"]}, {"tag": ["a", "b"]}),
        ({"tag": ["a*", "b"]}, {"tag__ilike": ["a*", "b"]}),
        ({"id__in": ["1,2", "3"]}, {"id__in": "1,2,3"}),
        ({"price__gtt": "1"}, {"price__gtt": "1"}),
        ({"findByStatus": "open"}, {"status": "open"}),
        ({"findBy": "x"}, {"findBy": "x"}),
        ({"findbystatus": "x"}, {"findbystatus": "x"}),
        ({"getByFirstName": "Al*"}, {"firstName__ilike": "Al*"}),
        ({"searchByFirstName__icontains": "al"}, {"firstName__icontains": "al"}),
    ],
    ids=ascii,
)
def test_queries_become_criteria(query: dict[str, Any], expected: dict[str, Any]) -> None:
    """A query's keys are filters by the habits of REST."""

    assert criteria_of(query, ()) == expected


@pytest.mark.parametrize(
    ("key", "value", "right"),
    [
        ("age>30", "", "age__gt=30"),
        ("age>", "30", "age__gte=30"),
        ("age<30", "", "age__lt=30"),
        ("age<", "30", "age__lte=30"),
        ("age!", "30", "age__ne=30"),
        ("author.born>1900", "", "author.born__gt=1900"),
        ("age>", ["30", "40"], "age__gte=30"),
        ("age_gte", "30", "age__gte=30"),
        ("age_isnull", "true", "age__isnull=true"),
    ],
)
def test_an_operator_spelt_as_elsewhere(key: str, value: Any, right: str) -> None:
    """It would find nothing, and nobody would know why: 400 with the right spelling."""
    with pytest.raises(InvalidQuery, match=f"write {right}$") as caught:
        criteria_of({key: value}, {"id", "age"})

    assert caught.value.detail.startswith(f"'{key}': ")


SHAPES = {"id": ["integer"], "n": ["integer"], "author": ["object"], "lines": ["array"]}


@pytest.mark.parametrize(
    ("key", "right"),
    [
        ("author__born__gte", r"write author\.born__gte=1$"),
        ("lines__sku__ne", r"write lines\.sku__ne=1$"),
        ("author__born", r"write author\.born=1 for a field within author; operators are "),
        ("n__x__gte", "write n__gte=1$"),
        ("n__gt__gte", "write n__gte=1$"),
        ("author.born__gt__lt", r"write author\.born__lt=1$"),
        ("other__born__gte", "no operator 'born'; operators are "),
        ("__gt", "write name__gt=1$"),
        ("n[", "a bracket is without its other; write "),
        ("n]", "a bracket is without its other; write "),
        ("n[[]]", "a bracket is without its other; write "),
        ("[]", "write name=value or name__operator=value$"),
        ("[gt]", "write name=value or name__operator=value$"),
        ("[n]", "write n=1$"),
        (".n", "is no field name; dots stand between names"),
        (".n__gt", "is no field name; dots stand between names"),
        ("author->born", r"write author\.born=1$"),
        ("author->>'born'", r"write author\.born=1$"),
        ("author->", r"write author\.born=value$"),
    ],
)
def test_what_would_find_nothing_is_told(key: str, right: str) -> None:
    """Operators and ways into objects in a spelling that is no field's; the remedy can be written so."""
    with pytest.raises(InvalidQuery, match=right):
        criteria_of({key: "1"}, SHAPES)


@pytest.mark.parametrize(
    ("key", "known"),
    [
        ("age>30", {"age", "age>30"}),
        ("age_gte", {"age", "age_gte"}),
        ("age_gte", {"id"}),
        ("age_gte", {"age", *(f"f{number}" for number in range(MAX_FIELDS))}),
        ("check_in", {"check"}),
        ("_gte", {"age"}),
        ("a<b>c", {"a"}),
        (">30", {"age"}),
        ("wow!", {"age"}),
        ("__gt", {"__gt"}),
        ("author__born__gte", {"author", "author__born"}),
        ("n]", {"n]"}),
        ("author->born", {"author", "author->born"}),
    ],
)
def test_honest_names_are_names(key: str, known: set[str]) -> None:
    """A field that the collection has or may have is one, however it is called."""
    assert criteria_of({key: ""}, known) == {key: ""}


@pytest.mark.parametrize("spelling", ["first_name", "firstName", "FirstName", "firstname"])
def test_finders_use_the_collections_spelling(spelling: str) -> None:
    """`getByFirstName` is the field however the collection spells it."""

    assert criteria_of({"getByFirstName": "Al"}, {"id", spelling}) == {spelling: "Al"}


def test_criteria_search(store: ResourceStore) -> None:
    """What criteria() makes, search() takes; unreadable filters are search()'s to refuse."""
    store.insert_many([{"first_name": "Hartmut"}, {"first_name": "Eberhart"}])

    assert len(store.search(store.criteria({"findByFirstName": "Hart*", "limit": "1"}))) == 1
    assert store.criteria({"a__xyz": "1"}) == {"a__xyz": "1"}


def test_an_unknown_collection_reads_queries_too(store: ResourceStore) -> None:
    """Criteria need no stored record."""

    assert store.criteria({"findByStatus": "x"}) == {"status": "x"}


def test_reserved_keys_are_documented() -> None:
    """The keys that never filter."""

    assert {
        *("limit", "offset", "sort", "page", "per_page", "page_size", "fields", "embed", "expand"),
        *("q", "or", "and"),
    } == RESERVED


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"q": "alice rome"}, {"$text": "alice rome"}),
        ({"q": ["alice", "rome"], "a": "1"}, {"a": "1", "$text": ["alice", "rome"]}),
        ({"or": "(a=1)"}, {"$or": [{"a": "1"}]}),
        ({"or": "(a=1,b__gte=2)", "c": "3"}, {"c": "3", "$or": [{"a": "1"}, {"b__gte": "2"}]}),
        ({"and": "(a=1,a=2)"}, {"$and": [{"a": "1"}, {"a": "2"}]}),
        ({"or": ["(a=1)", "(b=2)"]}, {"$and": [{"$or": [{"a": "1"}]}, {"$or": [{"b": "2"}]}]}),
        ({"or": "(a=,b= x )"}, {"$or": [{"a": ""}, {"b": " x "}]}),
        (
            {"or": "(name=Al*,findByName=Bo,q=x y)"},
            {"$or": [{"name__ilike": "Al*"}, {"name": "Bo"}, {"$text": "x y"}]},
        ),
        (
            {"or": '(id__in="1,3",name="a \\"b\\" (c)\\\\")'},
            {"$or": [{"id__in": "1,3"}, {"name": 'a "b" (c)\\'}]},
        ),
        (
            {"or": "(a=1,and=(b=2,or=(c=3,d=4)))"},
            {"$or": [{"a": "1"}, {"$and": [{"b": "2"}, {"$or": [{"c": "3"}, {"d": "4"}]}]}]},
        ),
        ({"or": "(a=b=c)"}, {"$or": [{"a": "b=c"}]}),
    ],
    ids=ascii,
)
def test_groups_of_filters(query: dict[str, Any], expected: dict[str, Any]) -> None:
    """`or` and `and` hold what could stand outside; `q` holds words."""

    assert criteria_of(query, ()) == expected


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "a=1",
            "(",
            ")",
            "()",
            "(a=1",
            "a=1)",
            "(a)",
            "(=1)",
            "(a=1,)",
            "(,a=1)",
            "(a=1)b",
            "(a=1)(b=2)",
        ),
        *('(a="x)', '(a="x"y)', "(a=(b))", '(a=x"y)', "(or=a)", "(limit=5,a=1)", "(fields=a)"),
        "(or=(or=(or=(a=1))))",
    ],
)
def test_groups_that_cannot_be_read(text: str) -> None:
    """An error that says so, never a guess."""
    with pytest.raises(InvalidQuery):
        criteria_of({"or": text}, ())

    with pytest.raises(InvalidQuery):
        criteria_of({"and": [text, "(a=1)"]}, ())


def test_groups_nest_three_deep() -> None:
    """The deepest that is read; one more is in the table above."""

    assert criteria_of({"or": "(or=(or=(a=1)))"}, ()) == {"$or": [{"$or": [{"$or": [{"a": "1"}]}]}]}


OWN = """\
query = ctx["query"]
criteria = {k: v for k, v in plan["criteria"].items() if k != "min_n"}
low, high = query.get("min_n"), query.pop('max_n', None)
exact = "n_from" in query and query["n_from"]
REPLY = make_response(200, {"total": 1, "search": plan.get("format")})
"""


@pytest.mark.parametrize(
    ("key", "is_own"),
    [("min_n", True), ("max_n", True), ("n_from", True)]
    + [(key, False) for key in ("query", "criteria", "total", "search", "format", "n_to", "k", "")],
)
def test_keys_that_a_program_reads_are_its_own(key: str, is_own: bool) -> None:
    """Not those of `ctx` and `plan`, nor what it only answers with."""
    assert (key in ReadBy(OWN)) is is_own


def test_a_program_s_own_key_is_no_slip_of_the_pen() -> None:
    """As what is no field: it finds nothing unless the program takes it out. A field's is looked at."""
    known = {"id", "n"}

    assert criteria_of({"min_n": "2"}, known, ReadBy(OWN)) == {"min_n": "2"}
    with pytest.raises(InvalidQuery, match="write n__gte=2"):
        criteria_of({"min_n": "2"}, known)
    with pytest.raises(InvalidQuery):
        criteria_of({"query": "x"}, known, ReadBy(OWN))
    with pytest.raises(InvalidQuery):
        criteria_of({"title": "eq.Dune"}, {"title": ["string"]}, ReadBy("query.get('title')"))
