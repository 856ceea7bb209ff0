"""Entity tags: what one is made of, how lists of them are read, and both comparisons."""

from __future__ import annotations

import pytest

from server.values.entity_tags import TagList, etag_of, tag_list
from server.values.errors import InvalidHeader


def test_a_tag_is_of_bytes_and_their_type() -> None:
    """The same bytes as another type are another representation."""
    tag = etag_of(b"{}", "application/json")

    assert tag == etag_of(b"{}", "application/json")
    assert len({tag, etag_of(b"{} ", "application/json"), etag_of(b"{}", "text/csv")}) == 3
    assert tag_list(tag, "If-Match").tags == (tag,)


@pytest.mark.parametrize(
    ("value", "tags"),
    [
        ('"a"', ['"a"']),
        ('W/"a"', ['W/"a"']),
        ('"a", "b"', ['"a"', '"b"']),
        (' "a" ,"b"\t', ['"a"', '"b"']),
        (', ,"a",, W/"b",', ['"a"', 'W/"b"']),
        ('""', ['""']),
        ('"a,b"', ['"a,b"']),
        ('"W/a\\"', ['"W/a\\"']),
    ],
)
def test_lists_are_read(value: str, tags: list[str]) -> None:
    """RFC 9110 §5.6.1: empty elements are passed over, commas within a tag are its own."""
    assert tag_list(value, "If-Match") == TagList(any_=False, tags=tuple(tags))


@pytest.mark.parametrize("value", ["", ",", "a", '"a', '"a" "b"', 'w/"a"', '*, "a"', '"a", *', '"a b"', "**"])
def test_what_is_no_list_is_refused(value: str) -> None:
    """A condition that cannot be read is not taken for one that holds."""
    with pytest.raises(InvalidHeader, match="If-Match is"):
        tag_list(value, "If-Match")


@pytest.mark.parametrize(
    ("first", "second", "strongly", "weakly"),
    [
        ('W/"1"', 'W/"1"', False, True),
        ('W/"1"', 'W/"2"', False, False),
        ('W/"1"', '"1"', False, True),
        ('"1"', '"1"', True, True),
        ("*", '"1"', True, True),
    ],
)
def test_comparison(first: str, second: str, strongly: bool, weakly: bool) -> None:
    """The table of RFC 9110 §8.8.3.2."""
    listed = tag_list(first, "If-Match")

    assert (listed.has_strongly(second), listed.has_weakly(second)) == (strongly, weakly)


def test_what_the_guest_is_told() -> None:
    """Tags without quotes; weak ones only where they count; any as a star."""
    listed = tag_list('"a", W/"b"', "If-Match")

    assert (listed.for_guest(weak=False), listed.for_guest(weak=True)) == (["a"], ["a", "b"])
    assert tag_list("*", "If-Match").for_guest(weak=False) == ["*"]
