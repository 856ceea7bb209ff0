from __future__ import annotations

from typing import Any

import pytest
from multidict import CIMultiDict

from server.requests.content import (
    NO_CONTENT,
    Content,
    check_encoding,
    check_use,
    content_kind,
    explained,
    parse_content,
)
from server.values.errors import BadRequest, InvalidHeader, InvalidJson, ServiceError, UnsupportedMediaType


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (None, None),
        ("application/json", "json"),
        ("Application/JSON; charset=UTF-8", "json"),
        ('application/json;charset="utf-8";v=1', "json"),
        ("application/json;", "json"),
        ("application/merge-patch+json", "merge-patch"),
        ("application/json-patch+json", "json-patch"),
        ("application/x-www-form-urlencoded", "form"),
        ("application/vnd.api+json", "json"),
        ("Application/Scim+JSON;charset=utf-8", "json"),
        ("application/csp-report", "json"),
        ("text/json", "json"),
        ('application/json ; ; a=b ;\tc="; d" ; ', "json"),
    ],
)
def test_these_types_are_taken(sent: str | None, kind: str | None) -> None:
    """JSON and its patches, and forms; nothing announced is left to the body."""
    assert content_kind(CIMultiDict({"Content-Type": sent} if sent else {})) == kind


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (["text/plain"], UnsupportedMediaType),
        (["multipart/form-data; boundary=x"], UnsupportedMediaType),
        (["application/jsonx"], UnsupportedMediaType),
        (["application/json; charset=latin-1"], UnsupportedMediaType),
        (["application/json; charset=zzz"], UnsupportedMediaType),
        (["application/json; charset=utf-8; charset=utf-16"], UnsupportedMediaType),
        ([";;;=,/"], InvalidHeader),
        ([""], InvalidHeader),
        (["application/json, text/plain"], InvalidHeader),
        (["application/json; charset"], InvalidHeader),
        (["application/json\udce9"], InvalidHeader),
        (['application/json; charset="\udce9"'], InvalidHeader),
        (["application/json; " * 600], InvalidHeader),
        (["application/json" + "; " * 4_000 + "!"], InvalidHeader),
        (["application/json+"], UnsupportedMediaType),
        (["application/vnd.api+json; charset=utf-16"], UnsupportedMediaType),
        (["application/json", "application/json"], InvalidHeader),
    ],
)
def test_other_types_are_refused(sent: list[str], error: type[ServiceError]) -> None:
    """Unknown types are 415; what is no media type, or two, is 400."""
    with pytest.raises(error):
        content_kind(CIMultiDict([("Content-Type", text) for text in sent]))


@pytest.mark.parametrize("kind", ["merge-patch", "json-patch"])
def test_patches_go_with_patch(kind: Any) -> None:
    """With other methods that have content they are 415, whoever would plan the request."""
    for method in ("POST", "PUT", "DELETE"):
        with pytest.raises(UnsupportedMediaType, match=method):
            check_use(method, kind)
    for method in ("PATCH", "GET", "HEAD", "OPTIONS"):
        check_use(method, kind)
    check_use("POST", "json")
    check_use("POST", None)


@pytest.mark.parametrize("coding", ["gzip", "identity", "zzz", ""])
def test_nothing_is_decompressed(coding: str) -> None:
    """Any Content-Encoding is 415, with the way out in a header (T44)."""
    with pytest.raises(UnsupportedMediaType) as caught:
        check_encoding(CIMultiDict({"Content-Encoding": coding}))

    assert caught.value.headers == {"Accept-Encoding": "identity"}


@pytest.mark.parametrize(
    ("method", "kind", "data", "content"),
    [
        ("POST", "json", b' {"a": 1}', Content("json", {"a": 1}, ' {"a": 1}')),
        ("POST", None, b"[1]", Content("json", [1], "[1]")),
        ("PATCH", "merge-patch", b'{"a":null}', Content("merge-patch", {"a": None}, '{"a":null}')),
        ("POST", "json", b"null", Content("json", None, "null")),
        (
            "POST",
            "form",
            b"a=1&a=2&b=x+y",
            Content("form", {"a": ["1", "2"], "b": "x y"}, '{"a":["1","2"],"b":"x y"}'),
        ),
        ("POST", "form", b"", NO_CONTENT),
        ("POST", "json", b"", NO_CONTENT),
        ("PUT", "json", b"", NO_CONTENT),
        ("PATCH", "json-patch", b"", NO_CONTENT),
        ("POST", "form", b'{"a":1}', Content("json", {"a": 1}, '{"a":1}')),
        ("PATCH", "form", b"\r\n[1]", Content("json", [1], "\r\n[1]")),
        ("POST", "form", b"a[b]=1&&c.d=", Content("form", {"a[b]": "1", "c.d": ""}, '{"a[b]":"1","c.d":""}')),
        ("POST", "form", b'a={"b": 1}', Content("form", {"a": '{"b": 1}'}, '{"a":"{\\"b\\": 1}"}')),
        ("POST", "form", b"%22a+b%22=1", Content("form", {'"a b"': "1"}, '{"\\"a b\\"":"1"}')),
        ("POST", None, b"", NO_CONTENT),
        ("DELETE", "json", b"", NO_CONTENT),
        ("DELETE", "json", b'["x"]', Content("json", ["x"], '["x"]')),
        ("GET", "json", b"", NO_CONTENT),
        ("GET", "json", b'{"a":1}', NO_CONTENT),
        ("HEAD", "form", b"a=1", NO_CONTENT),
        ("OPTIONS", None, b"1", NO_CONTENT),
    ],
)
def test_what_a_body_means(method: str, kind: Any, data: bytes, content: Content) -> None:
    """The text is passed through as sent; content of GET, HEAD and OPTIONS means nothing."""
    assert parse_content(method, kind, data) == content


@pytest.mark.parametrize(
    ("method", "kind", "data", "error"),
    [
        ("POST", "json", b"{", InvalidJson),
        ("GET", None, b"{", InvalidJson),
        ("POST", "form", b"a=%zz", BadRequest),
        ("POST", "form", b"a=\xff", BadRequest),
        ("POST", "form", b"&".join([b"a=1"] * 1_001), BadRequest),
        ("POST", "form", b"{a=1", InvalidJson),
        ("POST", "form", b'\t[{"a": 1]', InvalidJson),
        ("POST", "form", b"a=1&secret", BadRequest),
        ("POST", "form", b"title: arr", BadRequest),
        ("POST", "form", b'"title"=1', BadRequest),
        ("POST", "form", b"my secret=1", BadRequest),
        ("POST", "form", b"<a b='1'/>", BadRequest),
    ],
)
def test_a_body_that_means_nothing_is_400(
    method: str, kind: Any, data: bytes, error: type[ServiceError]
) -> None:
    """Also where it would have been ignored: a client that sends broken JSON should hear of it."""
    with pytest.raises(error):
        parse_content(method, kind, data)


def test_broken_json_sent_as_a_form() -> None:
    """It is told where it is broken and how to send it, and none of it is repeated."""
    with pytest.raises(InvalidJson) as caught:
        parse_content("POST", "form", b'{"title":"arr",}')

    assert caught.value.detail == (
        "Invalid JSON: trailing comma is not allowed (line 1, column 15). The body was sent as a form but "
        "begins as JSON does; in a form write %7B and %5B. For JSON say Content-Type: application/json."
    )
    assert caught.value.members == {"line": 1, "column": 15}


def test_what_was_sent_and_what_to_send() -> None:
    """A refused type is named, as is every one that is taken; a refused charset likewise."""
    with pytest.raises(UnsupportedMediaType) as caught:
        content_kind(CIMultiDict({"Content-Type": "Text/HTML; charset=utf-8"}))
    with pytest.raises(UnsupportedMediaType) as of_charset:
        content_kind(CIMultiDict({"Content-Type": "application/json; charset=Latin-1"}))

    accepted = caught.value.headers["Accept"]
    assert {"application/json", "multipart/form-data"} < {*accepted.split(", ")}
    assert caught.value.detail == (
        f"The body was sent as text/html; it is taken as one of: {accepted}, or as another type whose name "
        "ends in +json."
    )
    assert of_charset.value.detail == (
        "The body was sent in latin-1; it is taken in UTF-8 only: send charset=utf-8."
    )


@pytest.mark.parametrize(
    ("data", "hint"),
    [
        (b'{"a": 1}', True),
        (b' [{"a": 1}]', True),
        (b'{"a": 1,}', False),
        (b'{"a": 1, "a": 2}', False),
        (b"hello", False),
        (b"12", False),
    ],
)
def test_json_that_its_sender_calls_text(data: bytes, hint: bool) -> None:
    """It is refused as text is, and told how to be taken."""
    refused = UnsupportedMediaType("As text/plain no.", headers={"Accept": "x"})
    told = explained(refused, data)

    wanted = "As text/plain no. It is JSON, though. For JSON say Content-Type: application/json."
    assert told.detail == (wanted if hint else refused.detail)
    assert told.headers == {"Accept": "x"}


def test_text_sent_as_a_form() -> None:
    """The part is counted, not quoted: it is somebody's value."""
    with pytest.raises(BadRequest) as caught:
        parse_content("POST", "form", b"a=1&my secret")

    assert caught.value.detail == (
        "Part 2 of the form is not a name, `=` and a value. For JSON say Content-Type: application/json."
    )
