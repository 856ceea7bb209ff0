from __future__ import annotations

import re
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.requests.target import MAX_QUERY_PAIRS, Pairs, parse_pairs, parse_query, parse_target
from server.values.errors import BadRequest, InvalidPath, InvalidQuery, UriTooLong


@pytest.mark.parametrize(
    ("raw", "path", "segments"),
    [
        ("/", "/", ()),
        ("/members", "/members", ("members",)),
        ("/members/", "/members/", ("members",)),
        ("/members/1?x=1", "/members/1", ("members", "1")),
        ("/members//1", "/members//1", ("members", "", "1")),
        ("//members", "//members", ("", "members")),
        ("/a%2Fb/c", "/a%2Fb/c", ("a/b", "c")),
        ("/caf%C3%A9", "/caf%C3%A9", ("caf\u00e9",)),
        ("/a%20b/%25", "/a%20b/%25", ("a b", "%")),
        ("/1;jsessionid=x/a+b", "/1;jsessionid=x/a+b", ("1;jsessionid=x", "a+b")),
        ("/...", "/...", ("...",)),
        ("http://evil.example/members/1", "/members/1", ("members", "1")),
        ("HTTPS://evil.example:1/x?y", "/x", ("x",)),
    ],
)
def test_a_path_is_split_before_it_is_decoded(raw: str, path: str, segments: tuple[str, ...]) -> None:
    """`path` is as sent, `segments` are decoded once, and an encoded slash makes no segment."""
    target = parse_target(raw, path_bytes=100)

    assert (target.path, target.segments) == (path, segments)


@pytest.mark.parametrize(
    "raw",
    [
        "members",
        "*",
        "",
        "http://evil.example",
        "/../etc",
        "/a/./b",
        "/%2e%2e/etc",
        "/.%2E/etc",
        "/a/..%2f..%2fx",
        "/a/..%5cx",
        "/a\\b",
        "/%00",
        "/a%0d%0aSet-Cookie:x",
        "/%7f",
        "/%C2%85",
        "/%ff%fe",
        "/%ED%A0%80",
        "/%c0%ae",
        "/%zz",
        "/%",
        "/a%2",
        "/a b",
        "/\u00e9",
        "/a#b",
    ],
)
def test_a_path_that_could_mean_two_things_is_refused(raw: str) -> None:
    """Steps, backslashes, controls, broken percent codes and bytes outside UTF-8 are 400, however spelled."""
    with pytest.raises(InvalidPath):
        parse_target(raw, path_bytes=100)


def test_a_path_has_a_limit() -> None:
    """A path of exactly the limit is read, one byte more is 414; the query does not count."""
    assert parse_target("/" + "a" * 9 + "?" + "b" * 99, path_bytes=10).segments == ("a" * 9,)
    with pytest.raises(UriTooLong):
        parse_target("/" + "a" * 10, path_bytes=10)


@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), min_size=1))
def test_segments_survive_encoding(segments: list[str]) -> None:
    """Whatever a client may put in segments arrives as it was, one segment for each."""
    raw = "/" + "/".join(quote(segment, safe="") for segment in segments)
    steps = {"."} | {".."}
    if any(not steps.isdisjoint(re.split(r"[/\\]", segment)) for segment in segments):
        with pytest.raises(InvalidPath):
            parse_target(raw, path_bytes=100_000)
    else:
        assert parse_target(raw, path_bytes=100_000).segments == tuple(segments)


@pytest.mark.parametrize(
    ("raw", "pairs"),
    [
        ("", {}),
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("name=a&name=b&name=c", {"name": ["a", "b", "c"]}),
        ("a&b=&&c==", {"a": "", "b": "", "c": "="}),
        ("q=a+b%2B%26&%61=x", {"q": "a b+&", "a": "x"}),
        ("a=1;b=2", {"a": "1;b=2"}),
        ("note=line%0Aline%09", {"note": "line\nline\t"}),
        ("name__contains=%25%27%3B--", {"name__contains": "%';--"}),
    ],
)
def test_a_query_is_read_as_forms_write_it(raw: str, pairs: Pairs) -> None:
    """Plus is a blank, only `&` separates, a repeated key is a list in order."""
    assert parse_query(raw, query_bytes=100) == pairs


@pytest.mark.parametrize(
    "raw", ["a=%", "a=%zz", "%ff=1", "x=%ED%A0%80", "a=%00", "%0Aa=1", "=1", "a=\u00e9", "a=%7f"]
)
def test_a_broken_query_is_refused(raw: str) -> None:
    """Broken percent codes, bytes outside UTF-8, controls and empty keys are 400."""
    with pytest.raises(InvalidQuery):
        parse_query(raw, query_bytes=100)


def test_a_query_has_limits() -> None:
    """Both limits hold on both sides: bytes are 414 beyond, pairs 400."""
    most = "&".join(f"a{n}" for n in range(MAX_QUERY_PAIRS))
    assert len(parse_query(most, query_bytes=len(most))) == MAX_QUERY_PAIRS
    with pytest.raises(UriTooLong):
        parse_query(most, query_bytes=len(most) - 1)
    with pytest.raises(InvalidQuery):
        parse_query(most + "&z", query_bytes=1_000)


@given(st.dictionaries(st.text("ab \u00e9&=+%", min_size=1), st.text("ab \u00e9&=+%\n"), max_size=5))
def test_pairs_survive_encoding(pairs: dict[str, str]) -> None:
    """What the standard library encodes as a form is read back the same."""
    assert parse_pairs(urlencode(pairs), BadRequest, max_pairs=5) == pairs
