"""Forms with parts: what they mean, and what is refused."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from server.requests.multipart import MAX_PART_HEADERS, MAX_PARTS, is_multipart, read_parts
from server.values.errors import BadRequest, PayloadTooLarge, ServiceError, UnsupportedMediaType

TYPE = "multipart/form-data; boundary=b"


def part(head: str, data: bytes = b"1", *, more: str = "") -> bytes:
    return f"--b\r\nContent-Disposition: form-data; {head}{more}\r\n\r\n".encode() + data + b"\r\n"


def read(*parts: bytes, file_bytes: int = 100, end: bytes = b"--b--\r\n") -> dict[str, Any]:
    headers = CIMultiDict({"Content-Type": TYPE})
    return read_parts(headers, b"".join(parts) + end, file_bytes=file_bytes)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(TYPE, True), ("Multipart/Form-Data; boundary=x", True), ("application/json", False), (None, False)],
)
def test_the_type(value: str | None, expected: bool) -> None:
    """By its name alone."""
    assert is_multipart(CIMultiDict({} if value is None else {"Content-Type": value})) is expected


def test_fields() -> None:
    """Texts, lists of such where a name comes again, in any language."""
    found = read(
        part('name="a"'), part('name="b"', "\u00e9\n".encode()), part('name="a"', b"2"), part('name="a"', b"")
    )

    assert found == {"a": ["1", "2", ""], "b": "\u00e9\n"}


def test_files() -> None:
    """With the last part of their name, and a type that is one."""
    found = read(
        part('name="f"; filename="/etc/x.png"', b"\x00\r\n--", more="\r\nContent-Type: Image/PNG; x=y"),
        part('name="g"; filename="y"', b"", more="\r\nContent-Type: no type"),
        part('name="h"; filename=""', b""),
    )

    data = base64.b64encode(b"\x00\r\n--").decode()
    assert found == {
        "f": {"name": "x.png", "type": "image/png", "size": 5, "data": data},
        "g": {"name": "y", "type": "application/octet-stream", "size": 0, "data": ""},
    }


def test_the_size_of_a_file() -> None:
    """As large as the setting, and no larger; 0 takes none, but fields as before."""
    assert (read(part('name="f"; filename="x"', b"x" * 7), file_bytes=7))["f"]["size"] == 7
    with pytest.raises(PayloadTooLarge, match="larger than 6 bytes"):
        read(part('name="f"; filename="x"', b"x" * 7), file_bytes=6)
    with pytest.raises(UnsupportedMediaType, match="not taken"):
        read(part('name="f"; filename="x"', b"x"), file_bytes=0)
    assert read(part('name="a"'), file_bytes=0) == {"a": "1"}


def test_the_number_of_parts() -> None:
    """As many as a form's pairs."""
    assert len(read(*(part(f'name="n{number}"') for number in range(MAX_PARTS)))) == MAX_PARTS
    with pytest.raises(BadRequest, match="More than 1000 parts"):
        read(*(part(f'name="n{number}"') for number in range(MAX_PARTS + 1)))


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", BadRequest),
        (b"junk", BadRequest),
        (b"--b", BadRequest),
        (part('name="a"'), BadRequest),
        (part("x") + b"--b--", BadRequest),
        (part('name=""') + b"--b--", BadRequest),
        (part('name="a%01"', more="") + b"--b", BadRequest),
        (part('name="a"', b"\xff") + b"--b--", BadRequest),
        (part('name="a"', b"\x00") + b"--b--", BadRequest),
        (part(f'name="a"; filename="{"x" * 256}"') + b"--b--", BadRequest),
        (part('name="a"', more="\r\nContent-Encoding: gzip") + b"--b--", UnsupportedMediaType),
        (part('name="a"', more="\r\nContent-Transfer-Encoding: base64") + b"--b--", UnsupportedMediaType),
        (part('name="a"', more="\r\nContent-Type: multipart/mixed; boundary=c") + b"--b--", BadRequest),
        (part('name="_charset_"', b"u" * 60) + b"--b--", BadRequest),
    ],
)
def test_what_is_no_form(body: bytes, error: type[ServiceError]) -> None:
    """It is refused, whatever is wrong with it, and never half read."""
    with pytest.raises(error):
        read(body, end=b"")


@given(st.binary(max_size=60), st.integers(0, 3))
def test_any_bytes_are_a_form_or_refused(data: bytes, whole: int) -> None:
    """Nothing else than the service's own errors comes out of any body."""
    body = part('name="a"') * whole + data
    try:
        found = read(body)
    except ServiceError:
        return
    assert isinstance(found, dict)


@pytest.mark.parametrize(
    "head",
    [
        b'name="\xff"',
        b'name="a"; filename="\xff"',
        b"name*=unicode-escape'x'%5cud800",
        b"name=\"a\"; filename*=unicode-escape'x'%5cud800",
    ],
)
def test_names_that_are_no_text(head: bytes) -> None:
    """Bytes that are not UTF-8, and half of a surrogate pair, which no JSON can hold."""
    with pytest.raises(BadRequest):
        read(b"--b\r\nContent-Disposition: form-data; " + head + b"\r\n\r\n1\r\n")


@pytest.mark.parametrize("number", [MAX_PART_HEADERS - 1, MAX_PART_HEADERS])
def test_the_number_of_headers(number: int) -> None:
    """One is the part's name."""
    body = part('name="a"', more="\r\nX: y" * number)
    if number < MAX_PART_HEADERS:
        assert read(body) == {"a": "1"}
    else:
        with pytest.raises(BadRequest, match="too long"):
            read(body)


def test_what_stands_around_the_parts() -> None:
    """Text before and after them, blanks behind a boundary, and a boundary's beginning in a part."""
    found = read(
        b"before\r\n" + part('name="a"', b"\r\n--").replace(b"--b", b"--b \t"), end=b"--b--\r\nafter"
    )
    assert found == {"a": "\r\n--"}
    with pytest.raises(BadRequest):
        read(part('name="a"', b"\r\n--bc\r\n"))


@pytest.mark.parametrize(("said", "taken"), [("UTF-8", True), ("latin-1", False)])
def test_the_field_that_names_an_encoding(said: str, taken: bool) -> None:
    """RFC 7578 §4.6: it says how the other fields are encoded, and is none itself."""
    body = part('name="_charset_"', said.encode()) + part('name="a"')
    if taken:
        assert read(body) == {"a": "1"}
    else:
        with pytest.raises(BadRequest, match="UTF-8"):
            read(body)


@pytest.mark.parametrize("length", [70, 71])
def test_the_length_of_a_boundary(length: int) -> None:
    """RFC 2046 §5.1.1."""
    headers = CIMultiDict({"Content-Type": f"multipart/form-data; boundary={'b' * length}"})
    body = part('name="a"').replace(b"--b", b"--" + b"b" * length) + b"--" + b"b" * length + b"--"
    if length == 70:
        assert read_parts(headers, body, file_bytes=0) == {"a": "1"}
    else:
        with pytest.raises(BadRequest):
            read_parts(headers, body, file_bytes=0)


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (b"", "boundary that the body's type names is not in the body"),
        (b"--c\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--c--", "is not in the body"),
        (part('name="a"'), "has no end"),
        (part('name="a"') + b"--b", "has no end"),
        (part('name="a"') + b"--bc\r\n", "goes on after its boundary"),
        (b"--b\r\nContent-Disposition: form-data; name=a\r\n--b--", "no empty line after its headers"),
        (b"--b\r\nhello\r\n\r\n1\r\n--b--", "is no header"),
        (b"--b\r\nContent-Disposition: form-data; name=\r\n\r\n1\r\n--b--", "cannot be read"),
        (
            part('name="a"', more='\r\nContent-Disposition: form-data; name="b"') + b"--b--",
            "more than one Content-Disposition",
        ),
    ],
)
def test_what_is_wrong_with_a_form_is_named(body: bytes, cause: str) -> None:
    """Each fault by its own name; and no part has two names, of which readers take the one or the other."""
    with pytest.raises(BadRequest, match=cause):
        read(body, end=b"")


@pytest.mark.parametrize(
    "parameters", ["", "; boundary=", "; boundary=a; boundary=b", f"; boundary={'b' * 71}"]
)
def test_a_boundary_is_needed(parameters: str) -> None:
    headers = CIMultiDict({"Content-Type": f"multipart/form-data{parameters}"})
    with pytest.raises(BadRequest, match="needs one boundary of 1 to 70 characters"):
        read_parts(headers, b"--b--", file_bytes=0)
