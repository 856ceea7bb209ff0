"""What the document says of conventions' routes, and Schemathesis cannot try: that it is so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.e2e.described import Document
from tests.e2e.shop import open_shop

if TYPE_CHECKING:
    from tests.e2e.client import Answer, Client

JSON = "application/json"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"


class Shop:
    """A client that holds every answer against the document."""

    def __init__(self, client: Client) -> None:
        open_shop(client)
        self.client = client
        self.document = Document(client.read("/openapi.json"))
        #: For the parameters that depend on what is stored.
        self.typed = Document(client.read("/openapi.json?types=learned"))

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        media_type: str = JSON,
        query: str = "",
        **headers: str,
    ) -> Answer:
        """`path` is the document's; all its slots are filled with 1."""
        target = path.replace("{id}", "1").replace("{member_id}", "1")
        answer = self.client.request(method, target + query, body, content_type=media_type, **headers)
        self.document.check(method, path, answer.status, answer.headers, answer.body)
        known = {name.lower() for name in self.typed.parameters(method, path)}
        assert {name.replace("_", "-").lower() for name in headers} <= known | {"accept"}
        return answer


@pytest.fixture
def shop(client: Client) -> Shop:
    return Shop(client)


def test_both_documents_are_valid(shop: Shop) -> None:
    for document in (shop.document, shop.typed):
        OpenAPIV31SpecValidator(document.content).validate()


@pytest.mark.parametrize(
    ("path", "tables"),
    [
        ("/members", True),
        ("/members/search", True),
        ("/members/stats", True),
        ("/members/{member_id}/orders", True),
        ("/members/{id}", False),
        ("/members/count", False),
    ],
)
def test_lists_come_as_tables(shop: Shop, path: str, tables: bool) -> None:
    """Where the document says so, and nowhere else; and 304 to who has them already."""
    content = shop.document.content["components"]["responses"]
    name = shop.document.operation("GET", path)["responses"]["200"]["$ref"].rpartition("/")[2]
    answer = shop.ask("GET", path)

    assert ("`Accept: text/csv`" in content[name]["description"]) is tables
    assert shop.ask("GET", path, If_None_Match=answer.headers["etag"]).status == 304
    if tables:
        for kind in ("text/csv", "application/x-ndjson"):
            table = shop.client.request("GET", path.replace("{member_id}", "1"), Accept=kind)
            assert table.headers["content-type"].startswith(kind)
        assert shop.ask("GET", path, Accept="image/png").status == 406


def test_pages_and_views(shop: Shop) -> None:
    """The query's words, as they are described."""
    page = shop.ask("GET", "/products", query="?page=1&per_page=1&sort=-id&fields=id,size.unit")
    found = shop.ask("GET", "/products/search", query="?limit=1&or=(id=1,title__icontains=CHAIR)&q=chair")
    with_orders = shop.ask("GET", "/members/{id}", query="?embed=orders.payments,reviews&fields=orders.id")
    with_member = shop.ask("GET", "/orders/{id}", query="?expand=member")

    assert page.json == {"items": [{"id": 2}], "page": {"limit": 1, "offset": 0, "total": 2}}
    assert 'rel="next"' in page.headers["link"]
    assert [each["id"] for each in found.json] == [2]
    assert found.headers["x-total-count"] == "1"
    assert with_orders.json == {"orders": [{"id": 1}]}
    assert with_member.json["member"]["id"] == 1


def test_largest_numbers_of_pages(shop: Shop) -> None:
    """The largest that the document allows, with whatever else is asked for, and the next one."""
    schema = shop.typed.parameters("GET", "/members")["limit"]["schema"]
    for keys in ("limit={0}&offset={0}", "page={0}&per_page={0}", "limit={0}&offset={0}&fields=id"):
        far = shop.ask("GET", "/members", query="?" + keys.format(schema["maximum"]))
        assert (far.status, far.json["items"]) == (200, [])
        refused = shop.ask("GET", "/members", query="?" + keys.format(schema["maximum"] + 1))
        assert refused.status == 400, refused


def test_groups(shop: Shop) -> None:
    query = "?group_by=in_stock&sum=price&max=title&sort=-sum_price"
    answer = shop.ask("GET", "/products/stats", query=query)

    assert [each["sum_price"] for each in answer.json] == [20, 9.5]


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        (JSON, {"age": 30}),
        (MERGE, {"age": 30, "name": None}),
        (JSON_PATCH, [{"op": "replace", "path": "/age", "value": 30}]),
    ],
)
def test_every_kind_of_patch(shop: Shop, media_type: str, body: Any) -> None:
    """With the tag that is seen it is done, with the same once more it is not."""
    seen = shop.ask("GET", "/members/{id}").headers["etag"]
    shop.document.check_body("PATCH", "/members/{id}", media_type, body)
    changed = shop.ask("PATCH", "/members/{id}", body, media_type, If_Match=seen)
    late = shop.ask("PATCH", "/members/{id}", body, media_type, If_Match=seen)

    assert (changed.status, changed.json["age"], late.status) == (200, 30, 412)
    assert changed.headers["etag"] == shop.ask("GET", "/members/{id}").headers["etag"]


@pytest.mark.parametrize(
    ("patch", "status"),
    [
        ([], 200),
        ([{"op": "test", "path": "/age", "value": 41}, {"op": "copy", "from": "/age", "path": "/x"}], 200),
        ([{"op": "remove", "path": "/tags/0"}], 200),
        ([{"op": "move", "from": "/none", "path": "/x"}], 409),
        ([{"op": "add", "path": "/x"}], 400),
        ([{"op": "move", "path": "/x"}], 400),
        ([{"op": "drop", "path": "/x"}], 400),
        ([{"op": "remove", "path": "x"}], 400),
        ([{"op": "remove", "path": "/~2"}], 400),
        ({"op": "remove", "path": "/age"}, 400),
    ],
)
def test_what_is_a_json_patch(shop: Shop, patch: Any, status: int) -> None:
    """What the schema refuses, the service refuses, and the other way about."""
    fits = OAS31Validator(
        {"$ref": "#/components/schemas/JsonPatch", "components": shop.document.content["components"]}
    ).is_valid(patch)
    answer = shop.ask("PATCH", "/members/{id}", patch, JSON_PATCH)

    assert (answer.status, fits) == (status, status != 400)


def test_preferences(shop: Shop) -> None:
    """A dry run answers as the real one; `return=minimal` with nothing but headers."""
    dry = shop.ask("POST", "/members", {"name": "Bob"}, Prefer="tx=rollback")
    short = shop.ask("PATCH", "/members/{id}", {"age": 30}, Prefer="return=minimal")

    assert (dry.status, dry.headers["preference-applied"]) == (201, "tx=rollback")
    assert (short.status, short.body, short.headers["preference-applied"]) == (204, b"", "return=minimal")
    assert shop.ask("GET", "/members").json["page"]["total"] == 1


def test_a_key_comes_twice(shop: Shop) -> None:
    """The first answer again; and for another request a 422."""
    first = shop.ask("POST", "/members/{member_id}/orders", {"status": "new"}, Idempotency_Key="k")
    again = shop.ask("POST", "/members/{member_id}/orders", {"status": "new"}, Idempotency_Key="k")
    other = shop.ask("POST", "/members/{member_id}/orders", {"status": "old"}, Idempotency_Key="k")

    assert first.status == again.status == 201
    assert first.headers["location"] == again.headers["location"] == f"/members/1/orders/{first.json['id']}"
    assert again.headers["idempotent-replayed"] == "true"
    assert other.status == 422


def test_filters_that_are_listed(shop: Shop) -> None:
    """Each of them is taken, with a value of its schema."""
    for path in ("/products", "/products/search", "/products/count", "/products/stats"):
        filters = [
            name for name in shop.document.parameters("GET", path) if name.startswith(("price", "title"))
        ]
        assert len(filters) == 8 + 12
        query = "&".join(f"{name}=1" for name in filters)
        assert shop.ask("GET", path, query=f"?{query}").status == 200
