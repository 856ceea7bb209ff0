"""A request as its operation reads it: typed by schema, or refused with the contract's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.contracts.edge import Edge
from server.contracts.reading import read
from server.values.errors import (
    BadRequest,
    NotAcceptable,
    ServiceError,
    Unauthorized,
    Unprocessable,
    UnsupportedMediaType,
)

if TYPE_CHECKING:
    from server.contracts.document import Operation
    from server.contracts.edge import Checked

OK = {"200": {"description": "", "content": {"application/json": {"schema": {}}}}}


def edge_of(operation: dict[str, Any], **more: Any) -> tuple[Edge, Operation]:
    document = {
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1"},
        "paths": {"/things/{id}": {"post": {"responses": OK, **operation}}},
        **more,
    }
    found = read(orjson.dumps(document), "api.json")
    return Edge(found), found.operations[0]


def parameter(name: str, place: str, schema: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "in": place, "schema": schema, "required": place == "path", **more}


def admitted(
    parameters: list[Any],
    *,
    path: str = "x",
    query: Any = None,
    headers: dict[str, str] | None = None,
    **more: Any,
) -> Checked:
    edge, operation = edge_of({"parameters": parameters, **more})
    return edge.admit(operation, {"id": path}, query or {}, headers or {})


NUMBERS = {"type": "array", "items": {"type": "integer"}}
PAIR = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}}


@pytest.mark.parametrize(
    ("spec", "query", "wanted"),
    [
        (parameter("n", "query", {"type": "integer"}), {"n": "7"}, 7),
        (parameter("n", "query", {"type": "number"}), {"n": "7.5"}, 7.5),
        (parameter("n", "query", {"type": "boolean"}), {"n": "true"}, True),
        (parameter("n", "query", {"type": "string"}), {"n": "7"}, "7"),
        (parameter("n", "query", {}), {"n": "7"}, "7"),
        (parameter("n", "query", {"type": ["integer", "null"]}), {"n": "null"}, None),
        (
            parameter("n", "query", {"anyOf": [{"type": "integer"}, {"const": "now", "type": "string"}]}),
            {"n": "5"},
            5,
        ),
        (parameter("n", "query", {"anyOf": [{"type": "integer"}, {"enum": ["now"]}]}), {"n": "now"}, "now"),
        (parameter("n", "query", NUMBERS), {"n": ["1", "2"]}, [1, 2]),
        (parameter("n", "query", NUMBERS), {"n": "1"}, [1]),
        (parameter("n", "query", NUMBERS, explode=False), {"n": "1,2"}, [1, 2]),
        (parameter("n", "query", NUMBERS, style="spaceDelimited", explode=False), {"n": "1 2"}, [1, 2]),
        (parameter("n", "query", NUMBERS, style="pipeDelimited", explode=False), {"n": "1|2"}, [1, 2]),
        (parameter("n", "query", NUMBERS), {"n[]": ["1", "2"]}, [1, 2]),
        (parameter("n[]", "query", NUMBERS), {"n[]": "1"}, [1]),
        (parameter("n", "query", PAIR, style="deepObject"), {"n[a]": "1", "n[b]": "2"}, {"a": 1, "b": "2"}),
        (parameter("n", "query", PAIR, style="form", explode=False), {"n": "a,1,b,2"}, {"a": 1, "b": "2"}),
        (parameter("n", "query", PAIR, style="form"), {"a": "1", "b": "2"}, {"a": 1, "b": "2"}),
        (
            {"name": "n", "in": "query", "content": {"application/json": {"schema": PAIR}}},
            {"n": '{"a":1}'},
            {"a": 1},
        ),
        (parameter("n", "query", {"type": "integer", "default": 20}), {}, 20),
    ],
)
def test_a_query_in_each_style(spec: dict[str, Any], query: dict[str, Any], wanted: Any) -> None:
    """OpenAPI 3.1 §4.8.12.3, and brackets as frameworks write them."""
    assert admitted([spec], query=query).query[spec["name"]] == wanted


@pytest.mark.parametrize(
    ("spec", "path", "wanted"),
    [
        (parameter("id", "path", {"type": "integer"}), "7", 7),
        (parameter("id", "path", {"type": "string"}), "7", "7"),
        (parameter("id", "path", NUMBERS), "1,2", [1, 2]),
        (parameter("id", "path", NUMBERS, style="label"), ".1,2", [1, 2]),
        (parameter("id", "path", NUMBERS, style="label", explode=True), ".1.2", [1, 2]),
        (parameter("id", "path", NUMBERS, style="matrix"), ";id=1,2", [1, 2]),
        (parameter("id", "path", NUMBERS, style="matrix", explode=True), ";id=1;id=2", [1, 2]),
        (parameter("id", "path", {"type": "integer"}, style="matrix"), ";id=7", 7),
        (parameter("id", "path", PAIR), "a,1,b,2", {"a": 1, "b": "2"}),
        (parameter("id", "path", PAIR, explode=True), "a=1,b=2", {"a": 1, "b": "2"}),
    ],
)
def test_a_path_in_each_style(spec: dict[str, Any], path: str, wanted: Any) -> None:
    assert admitted([spec], path=path).params["id"] == wanted


def test_headers_and_cookies() -> None:
    """By their names in any case, and as the cookie's own value."""
    specs = [
        parameter("X-Number", "header", {"type": "integer"}),
        parameter("theme", "cookie", {"type": "string"}),
    ]
    checked = admitted(specs, headers={"x-number": "7", "cookie": "a=b; theme=dark"})

    assert checked.headers == {"X-Number": 7}
    assert checked.cookies == {"theme": "dark"}


@pytest.mark.parametrize(
    ("spec", "sent", "keyword"),
    [
        (parameter("n", "query", {"type": "integer"}), {"query": {"n": "x"}}, "type"),
        (parameter("n", "query", {"type": "integer", "minimum": 1}), {"query": {"n": "0"}}, "minimum"),
        (parameter("n", "query", {"enum": ["a", "b"]}), {"query": {"n": "c"}}, "enum"),
        (parameter("n", "query", {"type": "string"}, required=True), {}, "required"),
        (parameter("n", "query", NUMBERS), {"query": {"n": ["1", "x"]}}, "type"),
        (parameter("n", "query", PAIR, style="form", explode=False), {"query": {"n": "a,1,b"}}, "style"),
        (
            {"name": "n", "in": "query", "content": {"application/json": {"schema": {}}}},
            {"query": {"n": "{"}},
            "style",
        ),
        (parameter("id", "path", {"type": "integer"}), {"path": "seven"}, "type"),
        (parameter("x-n", "header", {"type": "string"}, required=True), {}, "required"),
        (parameter("n", "cookie", {"type": "integer"}), {"headers": {"cookie": "n=x"}}, "type"),
    ],
)
def test_a_parameter_that_is_wrong(spec: dict[str, Any], sent: dict[str, Any], keyword: str) -> None:
    """Is a 400 that names it and the keyword, and shows no value."""
    with pytest.raises(BadRequest) as refused:
        admitted([spec], **sent)

    (fault,) = refused.value.members["errors"]
    assert (fault["in"], fault["name"], fault["keyword"]) == (spec["in"], spec["name"], keyword)
    assert "seven" not in str(refused.value)


def test_all_that_is_wrong_is_told_at_once() -> None:
    specs = [parameter(name, "query", {"type": "integer"}, required=True) for name in ("a", "b", "c")]
    with pytest.raises(BadRequest) as refused:
        admitted(specs, query={"a": "x"})

    assert [each["name"] for each in refused.value.members["errors"]] == ["a", "b", "c"]


# -- bodies --------------------------------------------------------------------------------------------

FORM = "application/x-www-form-urlencoded"
CARD = {
    "type": "object",
    "properties": {
        "amount": {"type": "integer"},
        "live": {"type": "boolean"},
        "note": {"type": "string"},
        "expand": {"type": "array", "items": {"type": "string"}},
        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
        "card": {"type": "object", "properties": {"exp": {"type": "integer"}}},
        "items": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}},
        "when": {"anyOf": [{"type": "integer"}, {"type": "string", "enum": ["now"]}]},
        "as[is]": {"type": "integer"},
    },
    "required": ["amount"],
}


def posted(value: Any, media_type: str = FORM, schema: Any = CARD, **more: Any) -> Any:
    edge, operation = edge_of({"requestBody": {"content": {media_type: {"schema": schema}}, **more}})
    checked = edge.admit(operation, {"id": "x"}, {}, {})
    return edge.with_body(checked, edge.media_type(operation, media_type), value).body


@pytest.mark.parametrize(
    ("pairs", "wanted"),
    [
        ({"amount": "5"}, {"amount": 5}),
        ({"amount": "5", "live": "true", "note": "7"}, {"amount": 5, "live": True, "note": "7"}),
        ({"amount": "5", "expand[]": ["a", "b"]}, {"amount": 5, "expand": ["a", "b"]}),
        ({"amount": "5", "expand[]": "a"}, {"amount": 5, "expand": ["a"]}),
        ({"amount": "5", "expand": ["a", "b"]}, {"amount": 5, "expand": ["a", "b"]}),
        ({"amount": "5", "expand": "a"}, {"amount": 5, "expand": ["a"]}),
        ({"amount": "5", "expand[0]": "a", "expand[1]": "b"}, {"amount": 5, "expand": ["a", "b"]}),
        (
            {"amount": "5", "metadata[7]": "8", "metadata[a b]": "c"},
            {"amount": 5, "metadata": {"7": "8", "a b": "c"}},
        ),
        ({"amount": "5", "metadata[0]": "8"}, {"amount": 5, "metadata": {"0": "8"}}),
        ({"amount": "5", "card[exp]": "12"}, {"amount": 5, "card": {"exp": 12}}),
        (
            {"amount": "5", "items[1][n]": "2", "items[0][n]": "1"},
            {"amount": 5, "items": [{"n": 1}, {"n": 2}]},
        ),
        ({"amount": "5", "when": "now"}, {"amount": 5, "when": "now"}),
        ({"amount": "5", "when": "9"}, {"amount": 5, "when": 9}),
        ({"amount": "5", "as[is]": "1"}, {"amount": 5, "as[is]": 1}),
        ({"amount": "5", "unknown[a]": "1"}, {"amount": 5, "unknown": {"a": "1"}}),
        ({"amount": "5", "unknown[]": "1"}, {"amount": 5, "unknown": ["1"]}),
    ],
)
def test_a_form_is_typed_by_its_schema(pairs: dict[str, Any], wanted: Any) -> None:
    """Numbers, lists and objects come out of texts, and texts that look like numbers stay texts."""
    assert posted(pairs) == wanted


@pytest.mark.parametrize(
    "pairs",
    [
        {"amount": "five"},
        {"note": "x"},
        {"amount": "5", "card": "x", "card[exp]": "1"},
        {"amount": "5", "card[exp]": "1", "card": "x"},
        {"amount": "5", "a" + "[b]" * 32: "1"},
        {"amount": "5", "card[exp]": "x"},
    ],
)
def test_a_form_that_is_wrong(pairs: dict[str, Any]) -> None:
    with pytest.raises(Unprocessable):
        posted(pairs)


def test_as_many_brackets_as_are_allowed() -> None:
    assert posted({"amount": "5", "a" + "[b]" * 31: "1"})["amount"] == 5


def test_a_body_that_breaks_its_schema() -> None:
    """By pointer and keyword; names of the document's words alone."""
    schema = {
        "type": "object",
        "required": ["name"],
        "properties": {"tags": {"type": "array", "maxItems": 1}},
    }
    with pytest.raises(Unprocessable) as refused:
        posted({"tags": [1, 2]}, "application/json", schema)

    assert {
        (each["pointer"], each["keyword"]) for each in refused.value.members["errors"] if "pointer" in each
    } == {("/tags", "maxItems")}
    assert "'name' is missing" in str(refused.value)


@pytest.mark.parametrize(
    ("declared", "sent", "wanted"),
    [
        ("application/json", "application/json; charset=utf-8", "application/json"),
        ("application/json", "", "application/json"),
        ("application/vnd.api+json", "application/vnd.api+json", "application/vnd.api+json"),
        ("application/*", "application/xml", "application/*"),
        ("*/*", "text/csv", "*/*"),
        ("application/json", "text/csv", UnsupportedMediaType),
        ("application/vnd.api+json", "application/json", UnsupportedMediaType),
        ("application/json", "no type", UnsupportedMediaType),
    ],
)
def test_media_types_of_bodies(declared: str, sent: str, wanted: Any) -> None:
    edge, operation = edge_of({"requestBody": {"content": {declared: {}}}})
    if isinstance(wanted, str):
        assert edge.media_type(operation, sent) == wanted
        return
    with pytest.raises(wanted) as refused:
        edge.media_type(operation, sent)
    assert refused.value.headers["Accept"] == declared


def test_a_body_that_has_to_be_there() -> None:
    edge, operation = edge_of({"requestBody": {"required": True, "content": {"application/json": {}}}})
    with pytest.raises(Unprocessable):
        edge.without_body(edge.admit(operation, {"id": "x"}, {}, {}))


def replies(*names: str) -> dict[str, Any]:
    return {"responses": {"200": {"description": "", "content": {name: {} for name in names}}}}


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/csv", "text/csv"),
        ("text/*;q=0.5, application/json;q=0.1", "text/csv"),
        ("application/json;q=0, */*;q=0.1", "text/csv"),
        ("image/png", None),
        ("not a range", None),
    ],
)
def test_media_types_of_replies(accept: str, wanted: str | None) -> None:
    """RFC 9110 §12.5.1, among what the operation declares."""
    edge, operation = edge_of(replies("application/json", "text/csv"))
    if wanted is not None:
        assert edge.admit(operation, {"id": "x"}, {}, {"accept": accept}).wanted == wanted
        return
    with pytest.raises(NotAcceptable):
        edge.admit(operation, {"id": "x"}, {}, {"accept": accept})


# -- who asks ------------------------------------------------------------------------------------------

SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "basic"},
    "oauth": {"type": "oauth2", "flows": {}},
    "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
    "token": {"type": "apiKey", "in": "header", "name": "Authorization"},
    "asked": {"type": "apiKey", "in": "query", "name": "key"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "sid"},
}


def who(
    security: list[Any], headers: dict[str, str], query: dict[str, Any] | None = None, declared: str = "401"
) -> Any:
    responses = {**OK, declared: {"description": ""}}
    edge, operation = edge_of(
        {"security": security, "responses": responses}, components={"securitySchemes": SCHEMES}
    )
    return edge.admit(operation, {"id": "x"}, query or {}, headers).identity


@pytest.mark.parametrize(
    ("scheme", "headers", "query"),
    [
        ("bearer", {"authorization": "Bearer abc"}, {}),
        ("oauth", {"authorization": "bearer abc"}, {}),
        ("token", {"authorization": "Token abc"}, {}),
        ("token", {"authorization": "abc"}, {}),
        ("key", {"x-key": "abc"}, {}),
        ("asked", {}, {"key": "abc"}),
        ("cookie", {"cookie": "a=b; sid=abc"}, {}),
    ],
)
def test_any_credential_is_an_identity(scheme: str, headers: dict[str, str], query: dict[str, Any]) -> None:
    """The same for the same credential, and the credential is not in it."""
    one, other = who([{scheme: []}], headers, query), who([{scheme: []}], headers, query)

    assert one == other
    assert one.scheme == scheme
    assert "abc" not in str(one)


def test_a_basic_login_is_its_user() -> None:
    """Whatever the password: there is no user database."""
    one = who([{"basic": []}], {"authorization": "Basic YWRhOng="})
    other = who([{"basic": []}], {"authorization": "Basic YWRhOnk="})

    assert one == other
    assert one.user == "ada"


@pytest.mark.parametrize(
    ("security", "headers"),
    [
        ([{"bearer": []}], {}),
        ([{"bearer": []}], {"authorization": "Bearer"}),
        ([{"bearer": []}], {"authorization": "Basic YWRhOng="}),
        ([{"basic": []}], {"authorization": "Basic not-base64!"}),
        ([{"basic": []}], {"authorization": "Basic YWRh"}),
        ([{"key": []}], {"x-key": ""}),
        ([{"key": [], "bearer": []}], {"x-key": "abc"}),
        ([{"unknown": []}], {}),
    ],
)
def test_no_well_formed_credential_is_a_401(security: list[Any], headers: dict[str, str]) -> None:
    """With the challenge that HTTP asks for."""
    with pytest.raises(Unauthorized) as refused:
        who(security, headers)

    assert refused.value.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("declared", "refused"), [("401", True), ("4XX", True), ("404", False), ("default", False)]
)
def test_only_a_declared_401_is_answered(declared: str, refused: bool) -> None:
    """Elsewhere who sends no credentials is nobody: many documents name schemes, and no 401."""
    try:
        assert who([{"bearer": []}], {}, declared=declared) is None
    except Unauthorized:
        assert refused
    else:
        assert not refused


@pytest.mark.parametrize("security", [[], [{}], [{"bearer": []}, {}]])
def test_who_need_not_say_who_they_are(security: list[Any]) -> None:
    assert who(security, {}) is None


def test_one_of_several_ways() -> None:
    assert who([{"bearer": []}, {"key": []}], {"x-key": "abc"}).scheme == "key"


def test_security_comes_before_all_that_is_wrong() -> None:
    """Nobody learns of an operation's parameters without credentials."""
    edge, operation = edge_of(
        {
            "security": [{"key": []}],
            "parameters": [parameter("n", "query", {"type": "integer"}, required=True)],
            "responses": {**OK, "401": {"description": ""}},
        },
        components={"securitySchemes": SCHEMES},
    )
    errors: list[type[ServiceError]] = []
    for headers in ({}, {"x-key": "abc", "accept": "image/png"}, {"x-key": "abc"}):
        try:
            edge.admit(operation, {"id": "x"}, {}, headers)
        except ServiceError as error:
            errors.append(type(error))

    assert errors == [Unauthorized, NotAcceptable, BadRequest]


NAMES = st.text(st.sampled_from("ab[]0.:"), min_size=1, max_size=12)


@given(st.dictionaries(NAMES, st.text(max_size=5) | st.lists(st.text(max_size=5), max_size=3), max_size=6))
def test_any_form_is_read_or_refused(pairs: dict[str, Any]) -> None:
    """Whatever names clients make up, there is an object or a refusal."""
    schema = {
        "type": "object",
        "properties": {
            "a": {
                "type": "object",
                "properties": {"b": NUMBERS},
                "additionalProperties": {"type": "integer"},
            },
            "b": {"type": "array", "items": PAIR},
        },
    }
    try:
        assert isinstance(posted(pairs, schema=schema), dict)
    except Unprocessable:
        return


@given(
    st.dictionaries(NAMES, st.text(max_size=8), max_size=4),
    st.sampled_from(["form", "deepObject", "pipeDelimited"]),
)
def test_any_query_is_read_or_refused(query: dict[str, str], style: str) -> None:
    specs = [parameter(name, "query", schema, style=style) for name, schema in (("a", PAIR), ("b", NUMBERS))]
    try:
        admitted(specs, query=query)
    except BadRequest:
        return
