"""A stored record is a dict to whoever looks: every way of looking gives what a dict gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.errors import StoreDamaged
from store.json_text import decode, encode
from store.lazy_dict import LazyDict, all_stored, made_by, stored, untouched_text, untouched_texts

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
    assert untouched_texts([made_by(dict)]) is None
    assert untouched_text({}) is None


def test_what_makes_it_is_called_once() -> None:
    """A dict that is made on first sight is made once, and has no text."""
    calls: list[int] = []

    def make() -> dict[str, Any]:
        calls.append(1)
        return {"a": 1}

    lazy = made_by(make)

    assert untouched_text(lazy) is None
    assert (lazy["a"], len(lazy), calls) == (1, 1, [1])


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
