from __future__ import annotations

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.errors import InvalidQuery
from store.fields import index_expression
from store.query import compile_criteria, split_key
from store.values import number_in
from tests.unit.store.conftest import case_name, open_session
from tools.fuzz.naive_matcher import matches

if TYPE_CHECKING:
    from store.resource_store import ResourceStore
    from store.session_store import Session

PEOPLE: list[dict[str, Any]] = [
    {"name": "Alice", "age": 30, "active": True, "tags": ["a", "b"], "address": {"city": "Rome"}},
    {"name": "alicia", "age": "30", "active": "true", "tags": [1, True], "address": {"city": "ROM"}},
    {"name": "Bob*", "age": 30.5, "active": False, "tags": "a", "address": None},
    {"name": "STRASSE", "age": None, "active": 1, "tags": [], "address": "Rome"},
    {"name": None, "age": 9007199254740993, "active": 0, "tags": [None, ["a"]]},
]

CRITERIA: list[tuple[dict[str, Any], list[int]]] = [
    # equality by the stored type
    ({}, [1, 2, 3, 4, 5]),
    ({"name": "Alice"}, [1]),
    ({"age": "30"}, [1, 2]),
    ({"age": "30.0"}, [1]),
    ({"age": "3e1"}, [1]),
    ({"age": "030"}, []),
    ({"age": " 30"}, []),
    ({"age": "nan"}, []),
    ({"age": 30}, [1]),
    ({"age": 30.0}, [1]),
    ({"age": 9007199254740992}, []),
    ({"age": 9007199254740993}, [5]),
    ({"age": 10**4400}, []),
    ({"age": "1" + "0" * 399}, []),
    ({"age": "1" + "0" * 5000}, []),
    ({"age": True}, []),
    ({"active": True}, [1]),
    ({"active": "true"}, [1, 2]),
    ({"active": "false"}, [3]),
    ({"active": 1}, [4]),
    ({"active": "1"}, [4]),
    ({"active": "True"}, []),
    ({"name": "null"}, []),
    ({"name": "x' OR '1'='1"}, []),
    # of several criteria one, or all
    ({"$or": [{"name": "Alice"}, {"age": 30.5}]}, [1, 3]),
    ({"$or": [{"name": "Alice", "age": 31}, {"name": "Bob*"}]}, [3]),
    ({"$or": []}, []),
    ({"$and": []}, [1, 2, 3, 4, 5]),
    ({"$or": [{}]}, [1, 2, 3, 4, 5]),
    ({"$and": [{"age__gt": 29}, {"age__gt": 30}]}, [3, 5]),
    ({"active": "true", "$or": [{"name": "alicia"}, {"name": "Bob*"}]}, [2]),
    ({"$or": [{"$and": [{"tags__has": "a"}, {"active": True}]}, {"address": "Rome"}]}, [1, 4]),
    # words in any text
    ({"$text": "alic"}, [1, 2]),
    ({"$text": "ALICE rome"}, [1]),
    ({"$text": "rom"}, [1, 2, 4]),
    ({"$text": ["rom", "stra\u00dfe"]}, [4]),
    ({"$text": "30"}, [2]),
    ({"$text": "city"}, []),
    ({"$text": "bob* a"}, [3]),
    ({"$text": ""}, [1, 2, 3, 4, 5]),
    ({"$text": "nobody"}, []),
    ({"$or": [{"$text": "bob"}, {"$text": "alice"}]}, [1, 3]),
    ({"$or": [{"$text": "bob"}], "name": "Alice"}, []),
    ({"tags": "a"}, [3]),
    ({"tags": '["a","b"]'}, []),
    # None and lists
    ({"name": None}, [5]),
    ({"missing": None}, [1, 2, 3, 4, 5]),
    ({"address.city": None}, [3, 4, 5]),
    ({"name": ["Alice", "Bob*"]}, [1, 3]),
    ({"name": ["Alice", None]}, [1, 5]),
    ({"name": []}, []),
    ({"active": [1, "true"]}, [1, 2, 4]),
    ({"active": [1, False]}, [3, 4]),
    ({"active": [True, False]}, [1, 3]),
    # paths
    ({"address.city": "Rome"}, [1]),
    ({"address.city__icontains": "rom"}, [1, 2]),
    ({"address.city.x": "Rome"}, []),
    ({"tags.0": "a"}, []),
    # ne
    ({"name__ne": "Alice"}, [2, 3, 4]),
    ({"age__ne": "30"}, [3, 5]),
    ({"age__ne": None}, [1, 2, 3, 5]),
    ({"active__ne": [1, "true"]}, [3, 5]),
    ({"missing__ne": 1}, []),
    # in
    ({"age__in": "30, 30.5,"}, [1, 2, 3]),
    ({"age__in": [30, "30.5"]}, [1, 3]),
    ({"age__in": None}, []),
    ({"name__in": [None]}, []),
    ({"name__in": ""}, []),
    # by address
    ({"id": "3"}, [3]),
    ({"id": 3.0}, [3]),
    ({"id": "3.0"}, [3]),
    ({"id": 3.5}, []),
    ({"id": [1, "3", 99]}, [1, 3]),
    ({"id": [1, "x"]}, [1]),
    ({"id": "x"}, []),
    ({"id": [1, None]}, [1]),
    ({"id__in": "1,2"}, [1, 2]),
    ({"id": True}, []),
    # isnull
    ({"age__isnull": True}, [4]),
    ({"age__isnull": "false"}, [1, 2, 3, 5]),
    ({"address__isnull": "1"}, [3, 5]),
    # has
    ({"tags__has": "a"}, [1]),
    ({"tags__has": "1"}, [2]),
    ({"tags__has": 1}, [2]),
    ({"tags__has": True}, [2]),
    ({"tags__has": "true"}, [2]),
    ({"tags__has": None}, []),
    ({"tags__has": ["b", True]}, [1, 2]),
    # order
    ({"age__gt": 30}, [3, 5]),
    ({"age__gte": "30"}, [1, 2, 3, 5]),
    ({"age__gt": "4"}, [1, 3, 5]),
    ({"age__lt": "31"}, [1, 2, 3]),
    ({"age__lte": 30.5}, [1, 3]),
    ({"age__lt": None}, []),
    ({"age__lt": True}, []),
    ({"name__gte": "B"}, [2, 3, 4]),
    # text
    ({"name__contains": "li"}, [1, 2]),
    ({"name__contains": ["lic", "ob"]}, [1, 2, 3]),
    ({"name__contains": ""}, [1, 2, 3, 4]),
    ({"name__contains": None}, []),
    ({"tags__contains": "a"}, [1, 3]),
    ({"tags__contains": 1}, [2]),
    ({"name__icontains": "straße"}, [4]),
    ({"tags__icontains": "A"}, [1, 3]),
    ({"name__icontains": None}, []),
    ({"name__startswith": "Al"}, [1]),
    ({"name__startswith": ""}, [1, 2, 3, 4]),
    ({"name__endswith": "e"}, [1]),
    ({"name__endswith": ""}, [1, 2, 3, 4]),
    ({"age__startswith": "3"}, [2]),
    ({"name__like": "Al*"}, [1]),
    ({"name__like": "*li*"}, [1, 2]),
    ({"name__like": "Alice"}, [1]),
    ({"name__like": "Bob[*]"}, []),
    ({"name__like": "Bo?*"}, []),
    ({"name__like": "**"}, [1, 2, 3, 4]),
    ({"name__like": ["A*", "B*"]}, [1, 3]),
    # all of them
    ({"age": "30", "active": "true", "name__icontains": "ALI"}, [1, 2]),
]


@pytest.mark.parametrize(("criteria", "expected"), CRITERIA, ids=case_name)
def test_criteria_match(store: ResourceStore, criteria: dict[str, Any], expected: list[int]) -> None:
    """Criteria find the records that the rules at the top of the module say."""
    store.insert_many(PEOPLE)

    assert [record["id"] for record in store.search(criteria)] == expected
    assert store.count(criteria) == len(expected)


@pytest.mark.parametrize(("criteria", "expected"), CRITERIA, ids=case_name)
def test_the_test_matcher_agrees(criteria: dict[str, Any], expected: list[int]) -> None:
    """The matcher that the property below compares with is itself right about the table."""
    people = [{"id": number, **person} for number, person in enumerate(PEOPLE, 1)]

    assert [person["id"] for person in people if matches(person, criteria)] == expected


@pytest.mark.parametrize(
    ("criteria", "named"),
    [
        ({"price__gtt": 1}, "price__gtt"),
        ({"a": {"b": 1}}, "a"),
        ({"a": [[1]]}, "a"),
        ({"a__has": {}}, "a__has"),
        ({"a": float("nan")}, "a"),
        ({"a__gt": float("inf")}, "a__gt"),
        ({"a__gt": [1]}, "a__gt"),
        ({"a__gt": {}}, "a__gt"),
        ({"a__in": 5}, "a__in"),
        ({"a__isnull": "maybe"}, "a__isnull"),
        ({"a__isnull": 1}, "a__isnull"),
        ({"a__contains": ["x", 5]}, "a__contains"),
        ({"a__icontains": 5}, "a__icontains"),
        ({"a__startswith": True}, "a__startswith"),
        ({"a__like": "x" * 1001}, "a__like"),
        ({"a__like": ["x"] * 65}, "a__like"),
        ({"a": "\ud800"}, "a"),
        ({"a__in": ["x", "\ud800"]}, "a__in"),
        ({'a"b': 1}, 'a"b'),
        ({"a\\b": 1}, "a\\b"),
        ({"a\x00b": 1}, "a"),
        ({"a..b": 1}, "a..b"),
        ({"": 1}, "''"),
        ({"\ud800": 1}, "?"),
        ({".".join("a" * 33): 1}, "a.a"),
        ({5: 1}, "keys"),
        ({f"f{n}": n for n in range(65)}, "64"),
        ([("a", 1)], "object"),
    ],
    ids=case_name,
)
def test_unreadable_criteria_are_refused(store: ResourceStore, criteria: Any, named: str) -> None:
    """What cannot be read is the request's 400, naming the key, in a collection that exists or not."""
    with pytest.raises(InvalidQuery) as without_collection:
        store.search(criteria)
    store.insert({"a": 1})
    with pytest.raises(InvalidQuery) as refused:
        store.count(criteria)

    assert named in refused.value.detail
    assert named in without_collection.value.detail
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("price", ("price", "")),
        ("price__gt", ("price", "gt")),
        ("a__b__gt", ("a__b", "gt")),
        ("__gt", ("__gt", "")),
        ("__class__", ("__class__", "")),
        ("size__XL", ("size__XL", "")),
        ("known__word", ("known__word", "")),
        ("a__", ("a__", "")),
    ],
)
def test_operators_are_split_off(key: str, expected: tuple[str, str]) -> None:
    """Only an operator is split off; a field with two underscores is still a field."""

    assert split_key(key, known={"known__word"}) == expected


@pytest.mark.parametrize("name", ["__class__", "'; DROP TABLE c1; --", "né", "a b", "$", "[0]", "a'b", "%"])
def test_any_other_name_is_a_field(store: ResourceStore, name: str) -> None:
    """A field's name is data: whatever it looks like, it finds its records and nothing else happens."""
    store.insert_many([{name: 1}, {name: 2}, {"other": 1}])

    assert [record["id"] for record in store.search({name: 2})] == [2]
    assert [record["id"] for record in store.search(sort=f"-{name}")] == [2, 1, 3]


def test_only_indexed_fields_are_named_in_sql() -> None:
    """No text of a request is in the SQL but names of fields that have an index."""
    criteria = {"colour": "red", "size__like": "x*", "weight__gt": 5}

    free = compile_criteria(criteria)
    indexed = compile_criteria(criteria, indexed=["colour"])

    assert not any(word in free.sql for word in ("colour", "red", "size", "weight"))
    assert """json_extract(doc, '$."colour"')""" in indexed.sql
    assert "red" not in indexed.sql


def test_equal_shapes_make_equal_sql() -> None:
    """The statement cache is of use: values and names do not change the SQL."""

    assert (
        compile_criteria({"a": "x", "b__in": "1,2"}).sql == compile_criteria({"c": "y", "d__in": "3,4,5"}).sql
    )


@pytest.mark.parametrize(
    "criteria", [{"colour": "red"}, {"colour": "7"}, {"colour": ["a", 1]}, {"colour": "true"}]
)
def test_an_index_is_used(session: Session, store: ResourceStore, criteria: dict[str, Any]) -> None:
    """Equality on an indexed field searches the index; it does not scan."""
    store.insert_many([{"colour": "red"}, {"colour": 7}])
    session.settle(keep=True)
    session.commit()

    assert session.ensure_index("things", "colour")
    where = compile_criteria(criteria, indexed=["colour"])
    plan = session._database.rows(f"EXPLAIN QUERY PLAN SELECT doc FROM c1 WHERE {where.sql}", where.params)
    steps = [row[3] for row in plan]

    assert any("SEARCH c1 USING INDEX x1_0" in step for step in steps), steps
    assert not any("SCAN c1" in step for step in steps), steps


def test_a_nested_field_is_indexed_too(session: Session, store: ResourceStore) -> None:
    """A dotted path has an index like any field."""
    store.insert({"address": {"city": "Rome"}})
    session.settle(keep=True)
    session.commit()

    assert session.ensure_index("things", "address.city")
    where = compile_criteria({"address.city": "Rome"}, indexed=["address.city"])
    plan = session._database.rows(f"EXPLAIN QUERY PLAN SELECT doc FROM c1 WHERE {where.sql}", where.params)

    assert any("USING INDEX x1_0" in row[3] for row in plan)
    assert len(store.search({"address.city": "Rome"})) == 1


def test_ids_are_found_by_their_rows(session: Session, store: ResourceStore) -> None:
    """A search by id needs no index: it goes to the rows."""
    store.insert_many([{}, {"id": "abc"}])

    for value in (1, "abc"):
        where = compile_criteria({"id": value})
        plan = session._database.rows(
            f"EXPLAIN QUERY PLAN SELECT doc FROM c1 WHERE {where.sql}", where.params
        )

        assert any("SEARCH c1 USING" in row[3] for row in plan), plan


@pytest.mark.parametrize("name", ["a'", 'a"', "a b", "", "é"])
def test_no_other_name_is_ever_spelt_in_sql(name: str) -> None:
    """The expression of an index refuses what is not safe between quotes, whoever asks."""
    with pytest.raises(ValueError, match="cannot be indexed"):
        index_expression(name)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("-1.5", -1.5),
        ("1e3", 1000.0),
        ("9223372036854775807", 9223372036854775807),
        ("9223372036854775808", 9223372036854775808.0),
        ("1e999", None),
        ("nan", None),
        ("Infinity", None),
        ("0x1", None),
        ("1_0", None),
        ("+1", None),
        ("\u0661", None),
        ("1\n", None),
        ("", None),
        ("-", None),
    ],
)
def test_numbers_in_text(text: str, number: float | None) -> None:
    """A text stands for a number where JSON would say so, and only there."""
    found = number_in(text)

    assert found == number
    assert type(found) is type(number)


# The property: with or without an index, SQL and plain Python find the same

WORDS = st.sampled_from(
    ["", "a", "A", "ab", "b*", "ß", "ss", "30", "1", "1.0", "0", "true", "false", "null", "[1]", "1e0"]
)
NUMBERS = st.one_of(
    st.sampled_from([0, 1, -1, 30, 1.0, 0.1, 30.5, 2**53, 2**53 + 1, 2**63 - 1, 1e300]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**63) + 1, 2**63 - 1),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, WORDS)
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=3), st.fixed_dictionaries({"c": SCALARS}))
RECORDS = st.lists(st.fixed_dictionaries({}, optional={"f": VALUES, "g": VALUES}), min_size=1, max_size=6)
FIELDS = st.sampled_from(["f", "g", "f.c", "g.c"])
CRITERION = st.one_of(
    st.tuples(st.sampled_from(["", "__ne", "__has"]), st.one_of(SCALARS, st.lists(SCALARS, max_size=3))),
    st.tuples(st.just("__in"), st.one_of(WORDS, st.lists(SCALARS, max_size=3))),
    st.tuples(st.sampled_from(["__gt", "__gte", "__lt", "__lte"]), SCALARS),
    st.tuples(st.just("__isnull"), st.sampled_from([True, False, "true", "0"])),
    st.tuples(
        st.sampled_from(["__contains", "__icontains", "__startswith", "__endswith", "__like"]),
        st.one_of(WORDS, st.lists(WORDS, max_size=2)),
    ),
)


ONE = st.builds(lambda field, criterion: {field + criterion[0]: criterion[1]}, FIELDS, CRITERION)
LEAVES = ONE | st.fixed_dictionaries({"$text": st.sampled_from(["a", "A b", "\u00df", '"', "\\", "s"])})


def joined(parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    signs = st.sampled_from(["$or", "$and"])
    return st.builds(lambda sign, several: {sign: several}, signs, st.lists(parts, max_size=3))


GROUPS = joined(LEAVES | joined(LEAVES | joined(LEAVES)))


@given(records=RECORDS, criteria=GROUPS)
def test_sql_and_python_agree_on_groups(records: list[dict[str, Any]], criteria: dict[str, Any]) -> None:
    """However criteria are joined, the records found are the same."""
    with TemporaryDirectory() as directory, closing(open_session(Path(directory))) as session:
        session.begin(read_only=False)
        store = session.plan_view["things"]
        stored = store.insert_many(records)

        assert store.search(criteria) == [record for record in stored if matches(record, criteria)]


def nested(depth: int) -> dict[str, Any]:
    return {"$or": [nested(depth - 1)]} if depth else {"a": 1}


@pytest.mark.parametrize(
    ("fits", "beyond"),
    [
        (nested(4), nested(5)),
        ({"$or": [{"a": 1}] * 63}, {"$or": [{"a": 1}] * 64}),
        ({"$text": " ".join(f"w{n}" for n in range(16))}, {"$text": " ".join(f"w{n}" for n in range(17))}),
        ({"$text": "x" * 1_000}, {"$text": "x" * 1_001}),
        ({"$text": ["x" * 500, "y" * 500]}, {"$text": ["x" * 500, "y" * 501]}),
    ],
    ids=["depth", "filters", "words", "characters", "characters in all"],
)
def test_limits_of_groups(store: ResourceStore, fits: dict[str, Any], beyond: dict[str, Any]) -> None:
    """The most there may be, and one more."""
    store.insert({"a": 1})

    store.search(fits)
    with pytest.raises(InvalidQuery):
        store.search(beyond)


@pytest.mark.parametrize(
    "criteria",
    [
        {"$or": "a"}, {"$or": {"a": 1}}, {"$or": ["a"]}, {"$and": [1]}, {"$text": 5}, {"$text": None},
        {"$text": ["a", 1]}, {"$text": "\ud800"}, {"$orr": []}, {"$orr": "a"}, {"$or": [{"a__gtt": 1}]},
    ],
    ids=ascii,
)  # fmt: skip
def test_groups_that_are_none(store: ResourceStore, criteria: dict[str, Any]) -> None:
    """A misspelt group is refused, as a misspelt operator is."""
    store.insert({"a": 1})

    with pytest.raises(InvalidQuery):
        store.search(criteria)


def test_a_field_with_a_dollar_is_a_field(store: ResourceStore) -> None:
    """JSON Schema has such."""
    store.insert_many([{"$ref": "x"}, {"$ref": "y"}])

    assert store.search({"$ref": "x"}) == [{"id": 1, "$ref": "x"}]


@given(records=RECORDS, field=FIELDS, criterion=CRITERION)
def test_sql_and_python_agree(records: list[dict[str, Any]], field: str, criterion: tuple[str, Any]) -> None:
    """Whatever the data and the criterion, and with an index or none, the records found are the same."""
    criteria = {field + criterion[0]: criterion[1]}
    with TemporaryDirectory() as directory, closing(open_session(Path(directory))) as session:
        session.begin(read_only=False)
        store = session.plan_view["things"]
        stored = store.insert_many(records)
        expected = [record for record in stored if matches(record, criteria)]

        assert store.search(criteria) == expected
        session.settle(keep=True)
        session.commit()
        session.ensure_index("things", field)
        assert store.search(criteria) == expected


REACHED = [
    {"name": "a", "urbs": [{"id": 12, "tags": ["x"], "name": "Rome"}, {"id": 3, "name": None}]},
    {"name": "b", "urbs": [{"id": 4, "zones": [{"n": 1}, {"n": 5}]}, 7, "12", [{"id": 30}]]},
    {"name": "c", "urbs": {"id": 12}},
    {"name": "d", "urbs": []},
    {"name": "e", "deep": {"lines": [{"sku": "A1"}, {"sku": "B2"}]}},
]


@pytest.mark.parametrize(
    ("criteria", "found"),
    [
        ({"urbs.id": "12"}, "ac"),
        ({"urbs.id": 12}, "ac"),
        ({"urbs.id": [3, 4]}, "ab"),
        ({"urbs.id": 30}, "b"),
        ({"urbs.id__in": "3,30"}, "ab"),
        ({"urbs.id__gt": 5}, "abc"),
        ({"urbs.id__ne": 12}, "b"),
        ({"urbs.name": "Rome"}, "a"),
        ({"urbs.name__ilike": "r*"}, "a"),
        ({"urbs.name__contains": "om"}, "a"),
        ({"urbs.tags__has": "x"}, "a"),
        ({"urbs.tags__contains": "x"}, "a"),
        ({"urbs.zones.n": 5}, "b"),
        ({"urbs.zones.n__lt": 1}, ""),
        ({"urbs.0.id": 12}, "a"),
        ({"urbs.1.id": 12}, ""),
        ({"urbs.99.id": 12}, ""),
        ({"urbs.id__isnull": "true"}, "de"),
        ({"urbs.id__isnull": False}, "abc"),
        ({"urbs.id": None}, "de"),
        ({"urbs.name": [None, "Rome"]}, "abcde"),
        ({"deep.lines.sku": "B2"}, "e"),
        ({"deep.lines.sku__startswith": "A"}, "e"),
        ({"$or": [{"urbs.id": 30}, {"deep.lines.sku": "A1"}]}, "be"),
    ],
    ids=case_name,
)
def test_filters_reach_into_arrays_of_objects(session: Session, criteria: dict[str, Any], found: str) -> None:
    """One element is enough; `ne` wants that none equals, `isnull` that none is there."""
    store = session.plan_view["reached"]
    store.insert_many(REACHED)

    assert "".join(each["name"] for each in store.search(criteria)) == found
    assert store.count(criteria) == len(found)


def test_a_way_through_objects_alone_keeps_its_index(session: Session) -> None:
    """What has never been an array costs nothing more."""
    store = session.plan_view["plain"]
    store.insert_many([{"address": {"city": "Rome"}, "n": number} for number in range(70)])

    store.search({"address.city": "Rome"})

    assert session.unindexed_searches == [("plain", "address.city")]


def test_patterns_in_any_case(store: ResourceStore) -> None:
    """`ilike` passes over case, `like` does not."""
    store.insert_many([{"name": "MacBook"}, {"name": "notebook"}, {"name": "Stra\u00dfe"}])

    assert [each["id"] for each in store.search({"name__ilike": "*BOOK*"})] == [1, 2]
    assert [each["id"] for each in store.search({"name__like": "*book*"})] == [2]
    assert [each["id"] for each in store.search({"name__ilike": "*STRASSE"})] == [3]
    assert [each["id"] for each in store.search({"name__ilike": ["mac*", "NOTE*"]})] == [1, 2]
