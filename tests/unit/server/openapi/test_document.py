"""The document of what is known of a session: valid, and true to its arguments."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from attrs import evolve
from multidict import CIMultiDict
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from server.openapi.document import Terms, describe
from server.planning.kinds.route import MAX_INT, RouteTemplate
from server.planning.kinds.route_table import LearnedRoute
from server.planning.kinds.schemas import CollectionSchema, Schemas
from server.planning.kinds.shape import body_type
from server.planning.planned import RoutesInForce
from server.requests import strict_json
from server.requests.headers import for_plan
from server.values.errors import InvalidHeader
from server.values.model import Plan, RunnablePlan, Session, SourceCode, ValidatedCode
from store import records
from store.names import RESERVED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.openapi.schemas import Types

SESSION = Session("shop", "0" * 32)
OPEN = Terms(secured=False, enforced=False)
MEMBERS = CollectionSchema(
    fields=(
        ("age", ("integer",)),
        ("id", ("integer",)),
        ("lines", ("array",)),
        ("name", ("null", "string")),
        ("restored", ()),
    ),
    inside=(("lines", (("qty", ("integer",)), ("sku", ("string",)))),),
)
ORDERS = CollectionSchema(fields=(("id", ("integer", "string")), ("member_id", ("integer",))))
SHOP = Schemas((("members", MEMBERS), ("orders", ORDERS)))
ITEM = {"get", "put", "patch", "delete"}
TAILS = {
    "": {"get", "post"},
    "/search": {"get"},
    "/count": {"get"},
    "/stats": {"get"},
    "/{id}": ITEM,
}


def learned(method: str, route: str, code: str = "REPLY = make_response(200)", **more: Any) -> LearnedRoute:
    plan = Plan(action="act", resource="members", route=route, code=SourceCode(code))
    runnable = RunnablePlan(plan, ValidatedCode(code), "learned")
    given = {"content": "none", "query": (), **more}
    return LearnedRoute(runnable, RouteTemplate.parse(route), method, **given)  # type: ignore[arg-type]


def document(
    *routes: LearnedRoute,
    schemas: Schemas = SHOP,
    conventions: bool = True,
    terms: Terms = OPEN,
    types: Types = "enforced",
) -> dict[str, Any]:
    """Every document that a test makes is a valid one."""
    made = describe(SESSION, RoutesInForce(routes, conventions=conventions), schemas, terms, types)
    OpenAPIV31SpecValidator(made).validate()
    return made


def operations(made: dict[str, Any]) -> dict[str, set[str]]:
    return {path: set(item) for path, item in made["paths"].items()}


def test_conventions_for_every_collection() -> None:
    """Below its parent, too, where its records say whose they are."""
    assert operations(document()) == {
        f"{place}{tail}": methods
        for place in ("/members", "/orders", "/members/{member_id}/orders")
        for tail, methods in TAILS.items()
    }


@pytest.mark.parametrize(
    ("name", "one"),
    [
        ("members", "a member"),
        ("orders", "an order"),
        ("users", "a user"),
        ("categories", "a category"),
        ("news", "one of news"),
    ],
)
def test_operations_say_what_they_are_about(name: str, one: str) -> None:
    """In the singular, where the name has one."""
    made = document(schemas=Schemas(((name, MEMBERS),)))

    assert made["paths"][f"/{name}"]["get"]["summary"] == f"List {name}"
    assert made["paths"][f"/{name}"]["post"]["summary"] == f"Create {one}"


@pytest.mark.parametrize("enforced", [False, True])
def test_fields_that_would_read_as_references(enforced: bool) -> None:
    """`$ref` and its kin are in no `properties` and no example, at any depth; the description names them."""
    inside = (("more", (("$ref", ("string",)), ("plain", ("string",)))),)
    fields = (("$ref", ("string",)), ("$id", ("object",)), ("__proto__", ("object",)), ("more", ("object",)))
    schemas = Schemas((("members", CollectionSchema(fields=fields, inside=inside)),))
    shape = body_type({"$ref": "x", "a": [{"$schema": 1, "b": 2}]}).as_json()
    route = learned("POST", "/signup", content="json", body_shape=orjson.dumps(shape).decode())

    made = document(route, schemas=schemas, terms=evolve(OPEN, enforced=enforced))

    references = [each["$ref"] for each in objects_in(made) if "$ref" in each]
    assert references
    assert all(isinstance(each, str) and each.startswith("#/") for each in references)
    assert not {"$id", "$schema", "__proto__"} & {name for each in objects_in(made) for name in each}
    assert "`$ref`, `$id`, `__proto__`." in made["components"]["schemas"]["members.record"]["description"]


def objects_in(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects_in(inner)


@pytest.mark.parametrize("enforced", [False, True])
@pytest.mark.parametrize("number", ["1e308", "-1e308", "6.022e23", "9223372036854775807", "1.5", "0"])
def test_numbers_that_are_taken_are_allowed(number: str, enforced: bool) -> None:
    """However large: in a field of known type, in one of none, and inside of both."""
    fields = (("cost", ("number",)), ("lines", ("array",)), ("size", ("object",)))
    made = document(
        schemas=Schemas((("orders", CollectionSchema(fields=fields)),)), terms=evolve(OPEN, enforced=enforced)
    )
    value = strict_json.read(number.encode())
    body = {"cost": value, "lines": [value, [value]], "size": {"x": value}, "new": value, "more": [value]}
    records.check({"id": 1, **body})

    for kind in ("orders.new", "orders.changes", "orders.merged"):
        schema = {"$ref": f"#/components/schemas/{kind}", "components": made["components"]}
        OAS31Validator(schema).validate(body)


def test_prefer_is_allowed_as_it_is_taken() -> None:
    """Character by character: what no preference begins with is passed over, and not refused."""
    pattern = document()["components"]["parameters"]["Prefer"]["schema"]["pattern"]

    for character in map(chr, range(256)):
        sent = CIMultiDict({"prefer": f"return=minimal{character}x"})
        taken = True
        try:
            for_plan(sent, authorization=False)
        except InvalidHeader:
            taken = False
        assert (re.search(pattern, sent["prefer"]) is not None) is taken, repr(character)


def test_collections_are_deleted_where_the_settings_allow_it() -> None:
    """By filters, and by nothing else."""
    made = document(terms=evolve(OPEN, delete_collections=True))

    assert operations(made)["/members/{member_id}/orders"] == {"get", "post", "delete"}
    assert query(made, "/orders", "delete")[:4] == ["q", "or", "and", "id"]


@pytest.mark.parametrize("name", ["docs", "api", "v1", "_meta"])
def test_a_collection_without_a_path(name: str) -> None:
    """A plan may store by such a name; no path of the conventions leads there."""
    assert document(schemas=Schemas(((name, MEMBERS),)))["paths"] == {}


def test_with_a_model_what_conventions_answer_is_listed_and_marked() -> None:
    """A key does not empty a generated client; what is not learned yet may come to another reply, too."""
    made = describe(SESSION, RoutesInForce((learned("GET", "/members"),), planned=True), SHOP, OPEN)
    OpenAPIV31SpecValidator(made).validate()

    assert operations(made) == operations(document(learned("GET", "/members")))
    marked = {
        (path, method): operation.get("x-plan-source")
        for path, item in made["paths"].items()
        for method, operation in item.items()
    }
    assert marked.pop(("/members", "get")) is None
    assert set(marked.values()) == {"conventions"}
    assert "default" in made["paths"]["/members/{id}"]["get"]["responses"]
    assert "x-plan-source: conventions" in made["info"]["description"]


def test_without_conventions_only_what_was_learned() -> None:
    """Nothing is said of requests that nobody answers."""
    assert operations(document(learned("GET", "/members"), conventions=False)) == {"/members": {"get"}}


def test_an_empty_session() -> None:
    assert document(schemas=Schemas())["paths"] == {}


# --- schemas ----------------------------------------------------------------------------------------


def test_types_are_described_and_not_claimed() -> None:
    """DECISIONS, "OpenAPI": what is not enforced is not claimed."""
    record = document()["components"]["schemas"]["members.record"]

    assert record["type"] == "object"
    assert "required" not in record
    assert record["properties"]["name"] == {"description": "So far: null or string."}
    assert record["properties"]["restored"] == {"description": "Nothing is known of its type."}


def test_enforced_types_are_claimed() -> None:
    made = document(terms=evolve(OPEN, enforced=True))
    record = made["components"]["schemas"]["members.record"]["properties"]
    given = made["components"]["schemas"]["members.new"]["properties"]

    assert record["name"] == {"type": ["null", "string"]}
    assert record["age"] == {"type": "integer"}
    assert record["restored"] == {"description": "Nothing is known of its type."}
    assert [each["type"] for each in record["id"]["anyOf"]] == ["integer"]
    assert given["age"] == {"type": "integer", "minimum": 1 - 2**63, "maximum": 2**63 - 1}
    assert "type" not in made["components"]["schemas"]["members.changes"]["properties"]["id"]
    assert made["components"]["schemas"]["members.merged"]["properties"]["age"]["type"] == ["integer", "null"]


def test_examples_are_shapes() -> None:
    body = document()["paths"]["/members"]["post"]["requestBody"]["content"]["application/json"]

    assert body["example"] == {
        "age": 1,
        "lines": [{"qty": 1, "sku": "string"}],
        "name": "string",
        "restored": None,
    }


def test_more_than_is_listed_is_said() -> None:
    made = document(schemas=Schemas((("members", evolve(MEMBERS, more=True)),), more=True))

    assert "more collections" in made["info"]["description"]
    assert "others" in made["components"]["schemas"]["members.record"]["description"]


# --- parameters -------------------------------------------------------------------------------------


PAGING = ["limit", "offset", "page", "per_page", "page_size"]
VIEW = ["fields", "embed", "expand"]
WHOLE = ["q", "or", "and"]
LIST = [*PAGING, "sort", *VIEW, *WHOLE]
#: Of the shop's members, which orders point at, and of a collection without relations.
OF_MEMBERS = [each for each in LIST if each != "expand"]
ALONE = [each for each in LIST if each not in ("embed", "expand")]
STATS = ["group_by", "count", "sum", "avg", "min", "max", *PAGING, "sort", *WHOLE]


def parameters(made: dict[str, Any], path: str, method: str = "get") -> list[dict[str, Any]]:
    """All of an operation, whether they are components or not."""
    found = made["components"]["parameters"]
    listed = made["paths"][path][method]["parameters"]
    return [found[each["$ref"].rpartition("/")[2]] if "$ref" in each else each for each in listed]


def named(made: dict[str, Any], path: str, method: str, place: str) -> list[str]:
    return [each["name"] for each in parameters(made, path, method) if each["in"] == place]


def query(made: dict[str, Any], path: str, method: str = "get") -> list[str]:
    return named(made, path, method, "query")


def test_filters_by_the_fields_there_are() -> None:
    """With the operators that are of use with their types."""
    numbers = ["", "__gt", "__gte", "__in", "__isnull", "__lt", "__lte", "__ne"]
    texts = [
        "contains",
        "endswith",
        "gt",
        "gte",
        "icontains",
        "in",
        "isnull",
        "lt",
        "lte",
        "ne",
        "startswith",
    ]

    assert query(document(types="learned"), "/members") == [
        *OF_MEMBERS,
        *(f"age{each}" for each in numbers),
        *(f"id{each}" for each in numbers),
        *("lines__has", "lines__isnull"),
        *("name", *(f"name__{each}" for each in texts)),
    ]


@pytest.mark.parametrize("name", ["count", "sum", "avg", "min", "max"])
def test_what_stats_compute_is_no_filter_there(name: str) -> None:
    """A field of that name is one everywhere else."""
    schemas = Schemas((("members", CollectionSchema(fields=((name, ("integer",)),))),))
    made = document(schemas=schemas, types="learned")

    assert query(made, "/members").count(name) == query(made, "/members/count").count(name) == 1
    assert query(made, "/members/stats")[: len(STATS)] == STATS
    assert query(made, "/members/stats").count(name) == 1


def test_each_path_s_own_words() -> None:
    assert set(LIST) == RESERVED
    assert query(document(types="learned"), "/members/search")[: len(OF_MEMBERS)] == OF_MEMBERS
    assert query(document(), "/members/count")[:4] == [*WHOLE, "age"]
    assert query(document(), "/members/{id}") == [each for each in VIEW if each != "expand"]
    assert query(document(), "/orders/{id}") == [each for each in VIEW if each != "embed"]
    assert query(document(), "/members/{id}", "patch") == []


def test_a_checker_is_told_of_what_goes_together() -> None:
    """Of several words for a page one pair; an empty number is none, as forms send it."""
    made = document()
    limit = made["components"]["parameters"]["limit"]["schema"]

    assert not {"page", "per_page", "page_size"} & {
        *query(made, "/members"),
        *made["components"]["parameters"],
    }
    for value, fits in (
        (0, True),
        ("", True),
        (-1, False),
        ("x", False),
        (MAX_INT, True),
        (MAX_INT + 1, False),
    ):
        assert OAS31Validator(limit).is_valid(value) is fits


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("get", ["If-None-Match"]),
        ("put", ["If-Match", "Prefer"]),
        ("patch", ["If-Match", "Idempotency-Key", "Prefer"]),
        ("delete", ["If-Match", "Prefer"]),
    ],
)
def test_request_headers_where_they_mean_something(method: str, headers: list[str]) -> None:
    """Of learned routes, too: the service sees to them, whatever a plan does.

    Whether they hold depends on what is stored, so a checker is told of none of these.
    """
    route = learned(method.upper(), "/tags/{id:int}")
    of_tags = document(route, conventions=False, types="learned")

    assert named(document(types="learned"), "/members/{id}", method, "header") == headers
    assert named(of_tags, "/tags/{id}", method, "header") == headers
    assert {*named(document(), "/members/{id}", method, "header")} <= {"Prefer"}


@pytest.mark.parametrize(
    ("name", "value", "fits"),
    [
        *(("embed", value, True) for value in ("", "orders", "orders,members", "members.orders")),
        *(("embed", value, False) for value in ("lones", "orders.x", "orders,", "orders.members.orders")),
        ("embed", ",".join(["orders"] * 8), True),
        ("embed", ",".join(["orders"] * 9), False),
        ("embed", ",".join(["members.orders"] * 4), True),
        ("embed", ",".join(["members.orders"] * 5), False),
        *(("expand", value, fits) for value, fits in (("member", True), ("members", False))),
        *(("sort", value, True) for value in ("", "-age", "+age,name", "a.b", "first name")),
        *(("sort", value, False) for value in ("-", "--age", "age,", "a..b", " age", 'a"b')),
        ("sort", ",".join("abcdefgh"), True),
        ("sort", ",".join("abcdefghi"), False),
        ("group_by", "a,b,c,d", True),
        ("group_by", "a,b,c,d,e", False),
        ("sum", ",".join(["a"] * 15), True),
        ("sum", ",".join(["a"] * 16), False),
        ("fields", ",".join(["a"] * 64), True),
        ("fields", ",".join(["a"] * 65), False),
        ("q", " rome  alice ", True),
        ("q", " ".join(["a"] * 16), True),
        ("q", " ".join(["a"] * 17), False),
        ("q", "\x0b", False),
        *(("If-Match", value, True) for value in ("*", '"5d"', 'W/"5d", "x"', '"5d","x"')),
        *(("If-Match", value, False) for value in ("", "5d", '"5d', '*, "5d"')),
        ("Idempotency-Key", "k" * 255, True),
        ("Idempotency-Key", "k" * 256, False),
        ("Idempotency-Key", "", False),
    ],
)
def test_what_fits_a_parameter(name: str, value: str, fits: bool) -> None:
    schema = document(types="learned")["components"]["parameters"][name]["schema"]

    assert (re.search(schema["pattern"], value) is not None) is fits


def test_of_more_collections_than_are_listed_none_is_ruled_out() -> None:
    made = document(schemas=evolve(SHOP, more=True))

    assert re.search(made["components"]["parameters"]["embed"]["schema"]["pattern"], "lones")


@pytest.mark.parametrize("name", ["limit", "page", "a__gt", "findByName", "a.b", "é", "fields"])
def test_a_field_whose_name_means_something_else(name: str) -> None:
    schemas = Schemas((("members", CollectionSchema(fields=((name, ("string",)),))),))

    assert query(document(schemas=schemas, types="learned"), "/members") == ALONE


@pytest.mark.parametrize(("fields", "filters"), [(11, 44), (12, 45)])
def test_parameters_are_as_many_as_a_query_may_have(fields: int, filters: int) -> None:
    """The commonest of each field come first."""
    schema = CollectionSchema(fields=tuple((f"f{n:02}", ("boolean",)) for n in range(fields)))
    made = document(schemas=Schemas((("members", schema),)), types="learned")

    assert len(query(made, "/members")) == len(ALONE) + filters
    assert len(query(made, "/members/stats")) == len(STATS) + filters <= 64
    assert {f"f{n:02}" for n in range(fields)} <= set(query(made, "/members"))


@pytest.mark.parametrize("types", ["enforced", "learned"])
def test_a_session_and_a_token_are_said_once(types: Types) -> None:
    """As security schemes, so that generated clients take them once; no operation asks for them."""
    made, secured = document(types=types), document(terms=evolve(OPEN, secured=True), types=types)
    schemes = secured["components"]["securitySchemes"]

    assert made["security"] == [{"session": []}, {}]
    assert made["components"]["securitySchemes"].keys() == {"session"}
    assert (schemes["session"]["in"], schemes["session"]["name"]) == ("header", "X-Session-ID")
    assert secured["security"] == [
        {"bearer": [], "session": []},
        {"serviceToken": [], "session": []},
        {"bearer": []},
        {"serviceToken": []},
    ]
    for item in secured["paths"].values():
        for method, operation in item.items():
            assert "401" in operation["responses"]
            assert "X-Session-ID" not in [each.get("name") for each in operation["parameters"]], method


def test_types_as_learned() -> None:
    """Unions where several were seen, what is within, `required` where all have it, ids as they are."""
    orders = CollectionSchema(
        fields=(
            ("id", ("integer",)),
            ("lines", ("array",)),
            ("member_id", ("string",)),
            ("note", ("null", "string")),
            ("size", ("object", "string")),
            ("tags", ("array",)),
            ("total", ("integer", "number")),
        ),
        inside=(("lines", (("qty", ("integer",)),)), ("size", (("w", ("integer", "null")),))),
        everywhere=("id", "note", "total"),
        elements=(("tags", ("string",)), ("lines", ("object",))),
    )
    people = CollectionSchema(fields=(("id", ("string",)),), everywhere=("id",))
    made = document(schemas=Schemas((("members", people), ("orders", orders))), types="learned")
    record = made["components"]["schemas"]["orders.record"]
    fields = {name: each for name, each in record["properties"].items() if name != "id"}

    assert record["required"] == ["id", "note", "total"]
    assert record["properties"]["id"]["type"] == "integer"
    assert fields == {
        "lines": {"type": "array", "items": {"type": "object", "properties": {"qty": {"type": "integer"}}}},
        "member_id": {"type": "string"},
        "note": {"type": ["null", "string"]},
        "size": {
            "anyOf": [
                {"type": "object", "properties": {"w": {"type": ["integer", "null"]}}},
                {"type": "string"},
            ]
        },
        "tags": {"type": "array", "items": {"type": "string"}},
        "total": {"type": "number"},
    }
    new = made["components"]["schemas"]["orders.new"]
    assert "required" not in new
    assert new["properties"].keys() == {"id", *fields}
    assert "id" not in made["components"]["schemas"]["orders.changes"]["properties"]
    slots = [
        each["schema"]
        for each in parameters(made, "/members/{member_id}/orders/{id}")
        if each["in"] == "path"
    ]
    assert [each["type"] for each in slots] == ["string", "integer"]
    created = made["paths"]["/orders"]["post"]
    assert created["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/orders.new"
    }
    assert "The service enforces none of it" in made["info"]["description"]


def test_only_the_document_of_learned_types_claims_them() -> None:
    made = document()
    new = made["components"]["schemas"]["members.new"]

    assert "type" not in made["components"]["schemas"]["members.record"]["properties"]["age"]
    assert "required" not in made["components"]["schemas"]["members.record"]
    assert new["properties"]["age"] == {
        "description": "So far: integer.",
        "$ref": "#/components/schemas/Value",
    }
    assert "types=learned" in made["info"]["description"]


@pytest.mark.parametrize(("value", "fits"), [(2**63 - 1, True), (2**63, False), (-(2**63), False)])
def test_integers_have_63_bits(value: object, fits: bool) -> None:
    """In a field that keeps its type. Of others the description says so."""
    made = document(terms=evolve(OPEN, enforced=True))
    schema = {"components": made["components"], "$ref": "#/components/schemas/members.new"}

    assert OAS31Validator(schema).is_valid({"age": value}) is fits
    assert "63 bits" in made["components"]["schemas"]["Value"]["description"]


def test_lists_are_described_as_json_alone() -> None:
    """A 200 that may be text as well makes clients tell texts from records."""
    for name, response in document()["components"]["responses"].items():
        assert len(response.get("content", {})) <= 1, name


@pytest.mark.parametrize(("url", "shown"), [("", "/"), ("https://api.example/x", "https://api.example/x")])
def test_the_server(url: str, shown: str) -> None:
    assert document(terms=evolve(OPEN, url=url))["servers"] == [{"url": shown}]


# --- learned routes ---------------------------------------------------------------------------------


def test_a_learned_route() -> None:
    code = 'if params["order_id"] > 9:\n    abort(409, "no")\nREPLY = make_response(status=202)'
    route = learned(
        "POST",
        "/orders/{order_id:int}/cancel",
        code,
        content="json",
        query=("force",),
        body_shape='{"object":{"reason":"string","lines":{"array":{"object":{"sku":"string"}}}}}',
    )
    made = document(route, conventions=False)["paths"]["/orders/{order_id}/cancel"]["post"]

    assert set(made["responses"]) == {"202", "409", "default"}
    assert [(each["in"], each["name"]) for each in made["parameters"] if "in" in each] == [
        ("path", "order_id"),
        ("query", "force"),
    ]
    content = made["requestBody"]["content"]["application/json"]
    assert content["example"] == {"reason": "string", "lines": [{"sku": "string"}]}
    assert content["schema"] == {}


@pytest.mark.parametrize(
    ("code", "statuses"),
    [
        ("REPLY = make_response()", {"200"}),
        ("REPLY = make_response(204)", {"204"}),
        ("status = 200\nREPLY = make_response(status)", set()),
        ("REPLY = make_response(True)", set()),
        ("REPLY = make_response(99)", set()),
        ("other(201)\nREPLY = make_response(200)", {"200"}),
        ("REPLY = {}\nREPLY['x'].make_response(200)", set()),
    ],
)
def test_statuses_are_read_from_the_code(code: str, statuses: set[str]) -> None:
    made = document(learned("GET", "/x", code), conventions=False)["paths"]["/x"]["get"]

    assert set(made["responses"]) == {*statuses, "304", "default"}


def test_routes_that_differ_in_body_or_query_share_an_operation() -> None:
    routes = (
        learned("POST", "/x/{id:int}", content="none", query=("a",)),
        learned(
            "POST",
            "/x/{name:slug}",
            "REPLY = make_response(201)",
            content="json",
            query=None,
            body_shape='"string"',
        ),
    )
    made = document(*routes, conventions=False)["paths"]

    assert list(made) == ["/x/{id}"]
    operation = made["/x/{id}"]["post"]
    assert [each["name"] for each in operation["parameters"] if "in" in each] == ["id", "a"]
    assert len(operation["parameters"][0]["schema"]["anyOf"]) == 2
    assert operation["requestBody"]["required"] is False
    assert set(operation["responses"]) == {"200", "201", "204", "default"}


def test_a_learned_route_beside_a_convention() -> None:
    """Of what both answer, only what both promise is said."""
    made = document(learned("GET", "/members/{member_id:int}"))["paths"]

    assert "/members/{member_id}" not in made
    operation = made["/members/{id}"]["get"]
    assert operation["operationId"] == "getMembers"
    assert "schema" not in operation["responses"]["200"]["content"]["application/json"]


def test_links_lead_to_operations() -> None:
    """Of collections whose names differ in what an operationId cannot hold, too."""
    schemas = Schemas((("order-lines", ORDERS), ("order_lines", ORDERS)))
    made = document(schemas=schemas)["paths"]
    by_id = {
        operation["operationId"]: path
        for path, item in made.items()
        for operation in map(item.get, item)
        if isinstance(operation, dict)
    }

    assert len(by_id) == 18
    for path in ("/order-lines", "/order_lines"):
        links = made[path]["post"]["responses"]["201"]["links"]
        assert {by_id[link["operationId"]] for link in links.values()} == {f"{path}/{{id}}"}


def test_the_version_is_the_content_s() -> None:
    assert document()["info"]["version"] == document()["info"]["version"]
    assert document()["info"]["version"] != document(schemas=Schemas())["info"]["version"]


def test_a_collection_s_own_names() -> None:
    """Fields that it has, and relations that there are: what else is refused is not claimed."""
    found = document(
        schemas=Schemas(
            (
                ("likes", CollectionSchema((("commentID", ("integer",)), ("id", ("integer",))))),
                (
                    "comments",
                    CollectionSchema((("id", ("integer",)), ("meta", ("object",)), ("postId", ("integer",)))),
                ),
                (
                    "posts",
                    CollectionSchema((("id", ("integer",)), ("tags", ("array",)), ("title", ("string",)))),
                ),
            )
        )
    )
    named = found["components"]["parameters"]

    def fits(key: str, value: str) -> bool:
        return re.search(named[key]["schema"]["pattern"], value) is not None

    assert fits("posts.sort", "-title__nocase,id")
    assert fits("comments.sort", "meta.a.b")
    assert not any(
        fits("posts.sort", value) for value in ("nope", "title.x", "tags.x", "title,", "title desc")
    )
    assert fits("posts.fields", "tags.x,title")
    assert not fits("posts.fields", "title.x")
    assert fits("posts.embed", "comments.likes")
    assert not any(fits("posts.embed", value) for value in ("likes", "posts", ""))
    assert fits("likes.expand", "comment.post")
    assert "posts.expand" not in named
    assert "likes.embed" not in named
    words = [
        each.get("$ref", "").rpartition("/")[2] for each in found["paths"]["/posts"]["get"]["parameters"]
    ]
    assert "posts.embed" in words
    assert not {"expand", "posts.expand"} & {*words}
    assert "/posts/{post_id}/comments" in found["paths"]


def test_one_object_at_a_path() -> None:
    """Its methods are those that it has; an id is not shown."""
    found = document(
        schemas=Schemas((("settings", CollectionSchema((("theme", ("string",)),), single=True)),))
    )

    assert {*found["paths"]} == {"/settings"}
    assert {*found["paths"]["/settings"]} == {"get", "put", "patch", "delete"}
    assert {*found["components"]["schemas"]["settings.record"]["properties"]} == {"theme"}
