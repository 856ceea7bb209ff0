"""A stored record is a dict to whoever looks: every way of looking gives what a dict gives."""

# ruff: noqa: PLC3002, RUF005  what is written here is what plans may write

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.errors import StoreDamaged
from store.json_text import decode, encode
from store.lazy import (
    InParts,
    LazyDict,
    LazyList,
    Parts,
    all_stored,
    stored,
    untouched_text,
    untouched_texts,
    written,
)

if TYPE_CHECKING:
    from collections.abc import Callable

RECORD = {"id": 1, "name": "Alice", "tags": ["a", {"b": None}]}
TEXT = '{"id":1,"name":"Alice","tags":["a",{"b":null}]}'


def merged(record: dict[str, Any]) -> dict[str, Any]:
    record |= {"more": 1}
    return record


def taking(**members: Any) -> dict[str, Any]:
    return members


LOOKS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "subscript": lambda r: r["name"],
    "get": lambda r: (r.get("name"), r.get("nothing", 5)),
    "contains": lambda r: ("name" in r, "x" in r),
    "iterate": list,
    "sorted": sorted,
    "reversed": lambda r: list(reversed(r)),
    "len": len,
    "truth": bool,
    "not": lambda r: not r,
    "items": lambda r: list(r.items()),
    "keys": lambda r: list(r.keys()),
    "keys and sets": lambda r: r.keys() & {"id", "x"},
    "values": lambda r: list(r.values()),
    "equal": lambda r: (r == RECORD, r == RECORD, r != RECORD, r == {}, r == 5),
    "in a list": lambda r: r in [{}, RECORD],
    "equal lists": lambda r: [r] == [RECORD],
    "repr": repr,
    "str": str,
    "format": lambda r: f"{r} {r!r:>5}",
    "percent": lambda r: "%s" % (r,),  # noqa: UP031  plans write it so
    "dict": dict,
    "dict with more": lambda r: dict(r, extra=1),
    "double star": lambda r: {**r, "id": 2},
    "keyword call": lambda r: taking(**r),
    "or": lambda r: r | {"id": 2},
    "or from the left": lambda r: {"x": 1, "id": 0} | r,
    "or in place": merged,
    "copy": lambda r: r.copy(),
    "isinstance": lambda r: isinstance(r, dict),
    "comprehension": lambda r: {k: v for k, v in r.items() if k != "id"},
    "set of": lambda r: sorted(set(r)),
    "zip": lambda r: list(zip(r, r.values(), strict=True)),
    "max": max,
    "pop": lambda r: (r.pop("name"), r),
    "popitem": lambda r: (r.popitem(), r),
    "setdefault": lambda r: (r.setdefault("name", 1), r.setdefault("new", 2), r),
    "update": lambda r: (r.update(id=3), r),
    "update another": lambda r: dict({"x": 1}, **r),
    "assign": lambda r: (r.__setitem__("id", 9), r),
    "delete": lambda r: (r.__delitem__("id"), r),
    "clear": lambda r: (r.clear(), r),
    "nested change": lambda r: (r["tags"].append(1), r),
    "encode": encode,
    "encode within": lambda r: encode({"r": [r]}) if len(r) else "",
    "fromkeys": lambda r: r.fromkeys(["a"], 1),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS.keys())
def test_looking_finds_a_dict(look: Callable[[dict[str, Any]], Any]) -> None:
    """Whatever is done with an untouched record has the outcome that it has with the dict."""
    plain = decode(TEXT)
    record = stored(TEXT)
    if look is encode:
        len(record)  # the encoder takes only what was looked into; replies take the text

    assert look(record) == look(plain)
    assert dict(record) == plain


def test_many_are_made_and_told_apart_at_once() -> None:
    """A list of records gives its texts while nobody has looked into any of them."""
    texts = [TEXT, '{"id":2}', "{}"]
    records = all_stored(texts)

    assert untouched_texts(records) == texts
    assert records[1]["id"] == 2
    assert untouched_texts(records) is None
    assert untouched_texts([stored(TEXT), {}]) is None
    assert untouched_texts([]) is None
    assert untouched_texts([halves()]) is None
    assert untouched_text({}) is None


def halves(calls: list[str] | None = None) -> InParts:
    """`left` can be had alone."""
    made = [] if calls is None else calls

    def rest(_given: Any) -> dict[str, Any]:
        made.append("rest")
        return {"right": 2}

    def left(given: Any) -> Any:
        made.append("left")
        return [given]

    return Parts(rest, left=left).of(1)


def test_parts_are_made_once_and_only_when_asked_for() -> None:
    """A member by itself, then the whole, in which it is the same object."""
    calls: list[str] = []
    lazy = halves(calls)

    assert calls == []
    first = lazy["left"]
    assert (first, lazy.get("left"), calls) == ([1], [1], ["left"])
    first.append(5)
    assert lazy == {"right": 2, "left": [1, 5]}
    assert lazy["left"] is first
    assert calls == ["left", "rest"]
    assert untouched_text(lazy) is None


@pytest.mark.parametrize("name", ["right", "nothing", 5])
def test_what_is_no_part_needs_the_whole(name: object) -> None:
    """Other members, absent ones and keys that are no text."""
    lazy: dict[Any, Any] = halves()

    assert lazy.get(name, "default") == {"right": 2, "left": [1]}.get(name, "default")  # type: ignore[call-overload]
    assert lazy["left"] == [1]


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS.keys())
def test_looking_at_parts_finds_a_dict(look: Callable[[dict[str, Any]], Any]) -> None:
    """As with records."""
    plain = decode(TEXT)
    lazy = Parts(lambda text: decode(text), tags=lambda _: decode(TEXT)["tags"]).of(TEXT)
    if look is encode:
        len(lazy)

    assert look(lazy) == look(plain)


FLAT = '{"id":1,"name":"Alice"}'


def test_a_flat_record_keeps_its_text_until_it_is_changed() -> None:
    """Reading leaves scalars as they are; every method that changes the record ends it."""
    for read in (lambda r: r["id"], len, lambda r: list(r.items()), lambda r: r.copy(), repr):
        record = stored(FLAT)
        read(record)
        assert untouched_text(record) == FLAT

    changes: tuple[Callable[[Any], Any], ...] = (
        lambda r: r.__setitem__("id", 2), lambda r: r.__delitem__("id"), lambda r: r.update(id=2),
        lambda r: r.pop("id"), lambda r: r.popitem(), lambda r: r.setdefault("x", 1), lambda r: r.clear(),
        lambda r: r.__ior__({"x": 1}),
    )  # fmt: skip
    for change in changes:
        record = stored(FLAT)
        len(record)
        change(record)
        assert untouched_text(record) is None


def test_where_a_written_record_is_can_be_said_without_looking_into_it() -> None:
    """Every create asks for the id; what has arrays in it would be decoded and encoded for that."""
    record = written(dict(RECORD), TEXT)

    assert (record["id"], record.get("id"), record.get("id", 2)) == (1, 1, 1)
    assert untouched_text(record) == TEXT
    record["id"] = 2
    assert (record["id"], record.get("id"), dict(record)) == (2, 2, {**RECORD, "id": 2})
    del record["id"]
    assert record.get("id") is None
    with pytest.raises(KeyError):
        record["id"]


def test_a_written_record_is_a_copy_with_its_text() -> None:
    """What the plan goes on to do with its own dict is nothing to it."""
    own = {"id": 1, "name": "Alice"}
    record = written(own, FLAT)
    own["name"] = "Bob"

    assert (record, untouched_text(record)) == ({"id": 1, "name": "Alice"}, FLAT)
    nested = decode(TEXT)
    assert written(nested, TEXT)["tags"] is not nested["tags"]


def numbered(*numbers: int) -> LazyList:
    return all_stored([f'{{"id":{number}}}' for number in numbers])


def appended(records: list[Any], more: list[Any]) -> list[Any]:
    records += more
    return records


LIST_LOOKS: dict[str, Callable[[Any], Any]] = {
    "len": len,
    "truth": bool,
    "first": lambda r: r[0],
    "slice": lambda r: r[1:],
    "iterate": lambda r: [x["id"] for x in r],
    "list": list,
    "tuple": tuple,
    "unpack": lambda r: (lambda a, *b: (a, b))(*r),
    "star": lambda r: [*r, 5],
    "unpack names": lambda r: [[a, b] for a, b in [r]],
    "sorted": lambda r: sorted(r, key=lambda x: -x["id"]),
    "sort": lambda r: (r.sort(key=lambda x: -x["id"]), r),
    "reverse": lambda r: (r.reverse(), r),
    "reversed": lambda r: list(reversed(r)),
    "contains": lambda r: ({"id": 1} in r, {"id": 9} in r),
    "index and count": lambda r: (r.index({"id": 2}), r.count({"id": 2})),
    "add": lambda r: r + [5],
    "add to": lambda r: [5] + r,
    "add lazy": lambda r: numbered(7) + r,
    "add in place": lambda r: appended(r, [5]),
    "add lazy in place": lambda r: appended([5], r),
    "extend": lambda r: (r.extend(numbered(8)), r),
    "be extended": lambda r: (lambda x: (x.extend(r), x))([]),
    "slice assigned": lambda r: (lambda x: (x.__setitem__(slice(0, 1), r), x))([1, 2]),
    "times": lambda r: (r * 2, 2 * r),
    "append": lambda r: (r.append(1), r),
    "insert": lambda r: (r.insert(0, 1), r),
    "pop": lambda r: (r.pop(), r),
    "remove": lambda r: (r.remove({"id": 1}), r),
    "delete": lambda r: (r.__delitem__(0), r),
    "assign": lambda r: (r.__setitem__(0, 1), r),
    "clear": lambda r: (r.clear(), r),
    "copy": lambda r: r.copy(),
    "equal": lambda r: (r == [{"id": 1}, {"id": 2}], r == [], r != numbered(1, 2), numbered(1, 2) == r),
    "repr": repr,
    "map": lambda r: list(map(dict, r)),
    "filter": lambda r: list(filter(None, r)),
    "zip": lambda r: list(zip(r, r, strict=True)),
    "enumerate": lambda r: list(enumerate(r)),
    "max": lambda r: max(r, key=lambda x: x["id"]),
    "join": lambda r: ",".join(map(str, r)),
    "encode": lambda r: encode([dict(x) for x in r]),
    "isinstance": lambda r: isinstance(r, list),
}


@pytest.mark.parametrize("look", LIST_LOOKS.values(), ids=LIST_LOOKS.keys())
def test_looking_finds_a_list(look: Callable[[Any], Any]) -> None:
    """Whatever is done with untouched records has the outcome that it has with the list."""
    assert look(numbered(1, 2)) == look([{"id": 1}, {"id": 2}])


def test_a_lazy_list_has_no_hash() -> None:
    """As with every list."""
    with pytest.raises(TypeError):
        hash(numbered(1))


def test_every_method_of_list_is_overridden() -> None:
    """A method that were not would see an empty list."""
    harmless = {
        "__class__", "__class_getitem__", "__delattr__", "__dir__", "__doc__", "__format__",
        "__getattribute__", "__getstate__", "__init__", "__init_subclass__", "__new__", "__reduce__",
        "__reduce_ex__", "__setattr__", "__str__", "__subclasshook__",
    }  # fmt: skip

    assert set(dir(list)) - set(vars(LazyList)) - harmless == set()


def test_two_untouched_records_compare() -> None:
    """Neither needs to have been looked into before."""
    assert stored(TEXT) == stored(TEXT)
    assert stored(TEXT) != stored('{"id":2}')
    assert not stored(TEXT) != stored(TEXT)  # noqa: SIM202  the operator itself


def test_records_have_no_hash_and_no_order() -> None:
    """As with every dict."""
    with pytest.raises(TypeError):
        hash(stored(TEXT))
    with pytest.raises(TypeError):
        stored(TEXT) < stored(TEXT)  # type: ignore[operator]  # noqa: B015  it must raise


def test_the_text_is_there_until_somebody_looks() -> None:
    """From then on the record may have been changed, and only its members say what it is."""
    record = stored(TEXT)

    assert untouched_text(record) == TEXT
    assert record["id"] == 1
    assert untouched_text(record) is None


@pytest.mark.parametrize("text", ["{", "[]", "5", "", "{} {}", '{"a":1,}'])
def test_what_is_no_record_is_damage(text: str) -> None:
    """A document that is no JSON object was not written by us."""
    with pytest.raises(StoreDamaged):
        len(stored(text))


def test_every_method_of_dict_is_overridden() -> None:
    """A method that were not would see an empty dict."""
    harmless = {
        "__class__", "__class_getitem__", "__delattr__", "__dir__", "__doc__", "__format__", "__ge__",
        "__getattribute__", "__getstate__", "__gt__", "__init__", "__init_subclass__", "__le__", "__lt__",
        "__new__", "__reduce__", "__reduce_ex__", "__setattr__", "__str__", "__subclasshook__",
    }  # fmt: skip

    assert set(dir(dict)) - set(vars(LazyDict)) - harmless == set()


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(json_values)
def test_text_and_back(value: Any) -> None:
    """The fast encoder and decoder agree with each other on every JSON value."""
    assert decode(encode(value)) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}, b"x"])
def test_what_is_no_json_is_refused(value: object) -> None:
    """The fast encoder is as strict as the slow one."""
    with pytest.raises((TypeError, ValueError)):
        encode(value)


@pytest.mark.parametrize("text", ["", " 1", "1 ", "1 2", "{", "nul", "'a'"])
def test_what_is_no_json_text_is_refused(text: str) -> None:
    """Exactly one value, and no space around it."""
    with pytest.raises(ValueError, match=r"JSON|value|property"):
        decode(text)
