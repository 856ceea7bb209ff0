"""A query finds what its documentation says, or is refused; and no text of a client is ever in the SQL.

The whole way of a filter: the raw query, its pairs, criteria, SQL, records. Its pairs are those of `urllib`,
and what is found is what docs/query-language.md says, by a matcher that knows no SQL.
"""

from __future__ import annotations

import re
import tempfile
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus

from hypothesis import strategies as st

from server.requests.target import parse_query
from server.values.errors import BadRequest, UriTooLong
from store.errors import InvalidQuery
from store.fields import can_index
from store.names import RESERVED
from store.operators import OPERATORS
from store.query import compile_criteria, split_key
from store.rest_query import criteria_of
from store.session_store import Session
from tools.fuzz.naive_matcher import matches

_QUERY_BYTES = 8192
#: All words that SQL made from criteria is made of; `p0`, `p1` ... are parameters.
_WORDS = frozenset(
    [
        "doc",
        "item",
        "part",
        "reach",
        "CASE",
        "WHEN",
        "THEN",
        "ELSE",
        "END",
        "value",
        "type",
        "rowid",
        "key",
        "json_extract",
        "json_type",
        "json_each",
        "instr",
        "substr",
        "fold",
        "holds",
        "EXISTS",
        "SELECT",
        "FROM",
        "WHERE",
        "AND",
        "OR",
        "NOT",
        "NULL",
        "IS",
        "IN",
        "AS",
        "GLOB",
        "integer",
        "real",
        "text",
        "array",
        "true",
        "false",
    ]
)
_TOKEN = re.compile(r"[^\W\d]\w*|'[^']*'")
_FIELDS = st.sampled_from(
    [
        "f",
        "g",
        "f.c",
        "g.c",
        "f.c.c",
        "f.0.c",
        "F",
        "order",
        "_sort",
        "f[gte]",
        "firstName",
        "first_name",
        "id",
        "a'b",
        'a"b',
        "'; DROP TABLE c1; --",
        "é",
        "f__g",
    ]
)
_OPERATORS = st.sampled_from(
    ["", "", "", *(f"__{word}" for word in sorted(OPERATORS)), "__gtt", "__", "__XL"]
)
_KEYS = st.one_of(
    st.builds(str.__add__, _FIELDS, _OPERATORS),
    st.builds(
        "{}By{}{}".format,
        st.sampled_from(["find", "get", "search"]), st.sampled_from(["FirstName", "F", "Id", ""]), _OPERATORS,
    ),
    st.sampled_from([*sorted(RESERVED), "findBy", "x y", "a\\b", "\x00", ".", "a..b", "_", "__gt"]),
)  # fmt: skip
_TEXTS = st.sampled_from(
    [
        *("", "a", "A", "ab", "b*", "*", "a*b", "\u00df", "ss", "30", "30.0", "1", "0", "-1", "1e0", "1e999"),
        *(
            "true",
            "false",
            "null",
            "[1]",
            "1,2",
            "30, a,",
            "a?b",
            "[ab]",
            "'",
            '"',
            "%",
            ":p0",
            "' OR 1=1 --",
        ),
        *("\x00", "\u0661", "9007199254740993", "9223372036854775808", "x" * 1001),
    ]
)
#: What `or=` and `and=` may hold, and what that means; any other text is refused.
_GROUPS: dict[str, list[dict[str, Any]]] = {
    "(f=1)": [{"f": "1"}],
    "(f=30,g__gt=a)": [{"f": "30"}, {"g__gt": "a"}],
    "(g=a*,f.c__isnull=true)": [{"g__ilike": "a*"}, {"f.c__isnull": "true"}],
    '(f="1,2",and=(g=ab,or=(f=true,q=a)))': [
        {"f": "1,2"},
        {"$and": [{"g": "ab"}, {"$or": [{"f": "true"}, {"$text": "a"}]}]},
    ],
}
_QUOTE = st.sampled_from([quote, quote_plus, str, lambda text: quote(text, safe="*,'")])
_PAIRS = st.builds(
    lambda key, value, how: f"{how(key)}={how(value)}", _KEYS, _TEXTS | st.text(max_size=4), _QUOTE
) | st.builds(
    lambda key, value, how: f"{key}={how(value)}",
    st.sampled_from(["or", "and"]),
    st.sampled_from(sorted(_GROUPS)),
    _QUOTE,
)
_RAW = st.lists(
    _PAIRS | st.sampled_from(["", "a", "=", "%", "%zz", "%ff=1", "a=%80", "f=1;g=2", "\u00e9=1"]), max_size=4
).map("&".join)
_SCALARS = st.one_of(
    st.none(), st.booleans(), _TEXTS.filter(lambda text: len(text) < 20),
    st.sampled_from([0, 1, -1, 30, 1.0, 0.1, 30.0, 2**53 + 1, 2**63 - 1, 1e300]),
)  # fmt: skip
_OBJECTS = st.fixed_dictionaries(
    {"c": st.one_of(_SCALARS, st.lists(_SCALARS | st.just({"c": "a"}), max_size=2))}
)
_VALUES = st.one_of(_SCALARS, st.lists(_SCALARS | _OBJECTS, max_size=3), _OBJECTS)
_RECORDS = st.lists(
    st.dictionaries(
        st.sampled_from(["f", "g", "firstName", "first_name", "a'b", "é", "f__g", "'; DROP TABLE c1; --"]),
        _VALUES,
        max_size=4,
    ),
    min_size=1,
    max_size=5,
)
INPUTS = st.fixed_dictionaries({"query": _RAW, "records": _RECORDS})


def hold(value: dict[str, Any]) -> None:
    try:
        pairs = parse_query(value["query"], query_bytes=_QUERY_BYTES)
    except (BadRequest, UriTooLong):
        return
    _hold_pairs(value["query"], pairs)
    session = _session()
    session.begin(read_only=False)
    try:
        _hold_search(session, pairs, value["records"])
    finally:
        session.settle(keep=False)
        session.commit()


def _hold_pairs(raw: str, pairs: dict[str, Any]) -> None:
    """The pairs are those that the standard library reads, a repeated key's values in order."""
    expected: dict[str, list[str]] = {}
    for key, text in parse_qsl(raw, keep_blank_values=True, errors="strict"):
        expected.setdefault(key, []).append(text)
    assert {key: text if isinstance(text, list) else [text] for key, text in pairs.items()} == expected


def _hold_search(session: Session, pairs: dict[str, Any], records: list[dict[str, Any]]) -> None:
    store = session.plan_view["things"]
    stored = store.insert_many(records)
    known = {name for record in stored for name in record}
    try:
        criteria = store.criteria(pairs)
    except InvalidQuery:
        assert _groups_in(pairs) or not _is_plain(pairs, stored)
        return
    assert criteria == criteria_of(pairs, known) == _criteria(pairs, known)
    try:
        found = store.search(criteria)
    except InvalidQuery:
        return
    _hold_sql(criteria, known)
    expected = [record for record in stored if matches(record, criteria)]
    assert found == expected, f"{criteria} finds {found}, expected {expected}"


def _is_plain(pairs: dict[str, Any], stored: list[dict[str, Any]]) -> bool:
    """Whether each key is a field that there is, with or without an operator, and no value begins as one.

    Nor is a text looked for where there are arrays and objects alone.
    """
    texts = {name for record in stored for name, value in record.items() if isinstance(value, str)}
    deep = {name for record in stored for name, value in record.items() if isinstance(value, list | dict)}
    known = {name for record in stored for name in record}
    flat = {name for record in stored for name, value in record.items() if _is_flat(value)}
    for key, value in pairs.items():
        if key in deep - flat and any(_all(value)):
            return False
        name, _, operator = key.rpartition("__")
        field = (name if name and operator in OPERATORS else key).split(".")
        begins = [each[:1] in "=<>!" or ":" in each or "." in each for each in _all(value)]
        # What looks like an operator within is refused as one that there is none of.
        inner_fits = len(field) == 1 or (field[0] in deep and "__" not in field[-1])
        if key not in RESERVED and not (
            field[0] in known and inner_fits and (field[0] in texts or not any(begins))
        ):
            return False
    return True


def _is_flat(value: Any) -> bool:
    return value is not None and not isinstance(value, list | dict)


def _all(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _hold_sql(criteria: dict[str, Any], known: set[str]) -> None:
    """Nothing but our own words is in the SQL, and names of fields that have an index."""
    assert _foreign(compile_criteria(criteria, known=known).sql) == set()
    fields = {split_key(key, known)[0] for key in criteria}
    indexed = {name for name in fields if can_index(name)}
    literals = {"$" + "".join(f'."{step}"' for step in name.split(".")) for name in indexed}
    assert _foreign(compile_criteria(criteria, indexed=indexed, known=known).sql) <= literals


def _foreign(sql: str) -> set[str]:
    words = {token.strip("'") for token in _TOKEN.findall(sql)}
    return {word for word in words - _WORDS - {"$", "[]"} if not re.fullmatch(r"p\d+", word)}


def _criteria(pairs: dict[str, Any], known: set[str]) -> dict[str, Any]:
    """Pairs to criteria as docs/query-language.md tells it."""
    criteria: dict[str, Any] = {}
    for key, text in pairs.items():
        if key in RESERVED:
            continue
        name = _finder(key, known)
        operator = name.rpartition("__")[2] if name.rpartition("__")[0] else ""
        texts = text if isinstance(text, list) else [text]
        if operator == "in":
            criteria[name] = ",".join(texts)
        elif operator not in OPERATORS and any("*" in each for each in texts):
            criteria[f"{name}__ilike"] = text
        else:
            criteria[name] = text
    if "q" in pairs:
        criteria["$text"] = pairs["q"]
    groups = [{f"${name}": _GROUPS[text]} for name, text in _groups_in(pairs)]
    return criteria | (groups[0] if len(groups) == 1 else {"$and": groups} if groups else {})


def _groups_in(pairs: dict[str, Any]) -> list[tuple[str, str]]:
    given = [(name, pairs[name]) for name in ("or", "and") if name in pairs]
    return [(name, each) for name, text in given for each in (text if isinstance(text, list) else [text])]


def _finder(key: str, known: set[str]) -> str:
    """`findByFirstName` is first_name, firstName, FirstName or firstname, whichever the collection has."""
    found = re.fullmatch(r"(find|get|search)By([A-Z][A-Za-z0-9]*)(__[a-z]+)?", key)
    if not found:
        return key
    name = found[2]
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    camel = name[:1].lower() + name[1:]
    spellings = [each for each in (snake, camel, name, snake.replace("_", "")) if each in known]
    return (spellings or [camel])[0] + (found[3] or "")


@cache
def _session() -> Session:
    directory = tempfile.mkdtemp(prefix="fuzz-query-")
    return Session.open(directory, page_limit_bytes=64 * 1024 * 1024, durability="cache")
