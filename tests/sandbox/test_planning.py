"""The prompt's own examples, plans written from the prompt, and the reading of schemas, in the real guest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import server.planning.prompt
from server.planning.kinds.schemas import Schemas, read_schemas
from server.values.errors import SessionDamaged
from server.values.model import Session
from tests.sandbox.served import Api, Executor, shows_the_request
from tests.unit.server.planning.requests import a_request
from tests.unit.server.planning.worked import worked

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.conftest import Sandbox

OLD = "0123456789abcdef" * 2
EXAMPLES = worked(Path(server.planning.prompt.__file__).with_name("examples.md"))
TRIED = worked(Path(__file__).parent.parent / "data" / "tried_answers.md")


@pytest.fixture
def examples(sandbox: Sandbox) -> Api:
    return Api(sandbox, EXAMPLES)


@pytest.fixture
def tried(sandbox: Sandbox) -> Api:
    return Api(sandbox, TRIED)


def test_example_checkout(examples: Api) -> None:
    """The first example moves stock, order and cart together, and undoes all of it when stock is short."""
    title = "Over three collections"
    examples.seed("products", {"price": 7.5, "stock": 3}, {"price": 20, "stock": 1})
    mugs, pots = {"product_id": 1, "quantity": 2}, {"product_id": 2, "quantity": 2}
    examples.seed(
        "carts",
        {"lines": [mugs], "status": "open"},
        {"lines": [mugs, pots], "status": "open"},
        {"lines": [], "status": "open"},
    )

    def checkout(cart: int) -> tuple[int, Any, dict[str, str]]:
        return examples(title, "POST", "/checkout", {"cart_id": cart})

    assert shows_the_request(EXAMPLES[title], a_request("POST", "/checkout", body={"cart_id": 1}))
    status, order, headers = checkout(1)
    assert (status, order["total"], headers) == (201, 15.0, {"Location": "/orders/1"})
    assert [checkout(cart)[0] for cart in (1, 2, 3, 9)] == [409, 409, 422, 422]
    assert [product["stock"] for product in examples.records("products")] == [1, 1]
    assert len(examples.records("orders")) == 1


def test_example_slug(examples: Api) -> None:
    """A plan for one page's word serves all pages."""
    title = "A word that names a record"
    examples.seed("pages", {"slug": "about-us", "text": "us"}, {"slug": "imprint-2", "text": "me"})

    assert shows_the_request(EXAMPLES[title], a_request("GET", "/pages/about-us"))
    assert examples(title, "GET", "/pages/about-us")[1]["text"] == "us"
    assert examples(title, "GET", "/pages/imprint-2")[1]["text"] == "me"
    assert examples(title, "GET", "/pages/none")[0] == 404


def test_example_list(examples: Api) -> None:
    """Filters, one that is no field, and both ways of paging together; a total beside the page."""
    title = "A list"
    examples.seed("products", *({"name": f"Mug {n}", "category": "cups", "price": n} for n in range(1, 6)))
    query = {"max_price": "4.5", "page": "2", "category": "cups"}

    assert shows_the_request(EXAMPLES[title], a_request("GET", "/products", query=query))
    asked = query | {"sort": "-price", "q": "MUG", "per_page": "2"}
    _, reply, _ = examples(title, "GET", "/products", query=asked)
    assert [item["price"] for item in reply["items"]] == [2, 1]
    assert reply["page"] == {"limit": 2, "offset": 2, "total": 4}
    assert len(examples(title, "GET", "/products")[1]["items"]) == 5
    _, reply, _ = examples(title, "GET", "/products", query={"limit": "1", "offset": "4"})
    assert [item["price"] for item in reply["items"]] == [5]
    assert examples(title, "GET", "/products", query={"page": "0"})[0] == 400
    assert examples(title, "GET", "/products", query={"page_size": "many"})[0] == 400
    assert examples(title, "GET", "/products", query={"max_price": "dear"})[0] == 400


def test_example_token(examples: Api) -> None:
    """401 without a good token, 403 for another's post, and neither author nor url from the client."""
    title = "A token; `url` by house rules"
    examples.seed("users", {"username": "ann", "token": "t1"}, {"username": "bob", "token": "t2"})
    examples.seed("posts", {"author_id": 1, "title": "x"})

    def change(token: str | None, path: str = "/posts/1", **body: Any) -> tuple[int, Any, dict[str, str]]:
        headers = {} if token is None else {"authorization": token}
        return examples(title, "PATCH", path, {"title": "y", **body}, headers=headers)

    ctx = a_request("PATCH", "/posts/1", body={"title": "y"}, headers={"authorization": "Bearer t1"})
    assert shows_the_request(EXAMPLES[title], ctx)
    assert change("Bearer t1", author_id=2, url="x")[1] == {
        "id": 1,
        "author_id": 1,
        "title": "y",
        "url": "http://localhost:8000/posts/1",
    }
    assert [change(token)[0] for token in (None, "Bearer", "Bearer none", "Token t1")] == [401] * 4
    assert change("Bearer t2")[0] == 403
    assert change("Bearer t2", "/posts/2")[0] == 404
    assert "url" not in examples.records("posts")[0]


async def test_schemas_of_a_session(examples: Api) -> None:
    """Names and types are read through the guest; of arrays and objects, one level of names."""
    examples.seed("carts", {"lines": [{"sku": "x", "n": 1}, {"sku": None}], "open": True}, {"note": None})
    examples.seed("visits", {"pages": {f"page{n}": n for n in range(30)}})

    schemas = await read_schemas(examples.executor, Session("s1", "d1"))

    assert schemas.as_json() == {
        "carts": {
            "id": "integer",
            "lines": {"array": {"object": {"n": "integer", "sku": ["null", "string"]}}},
            "note": "null",
            "open": "boolean",
        },
        "visits": {"id": "integer", "pages": "object"},
    }


async def test_schemas_of_an_empty_session(examples: Api) -> None:
    assert await read_schemas(examples.executor, Session("s1", "d1")) == Schemas()


async def test_words_are_shown_only_when_disclosed(examples: Api) -> None:
    """Few short words may be shown; many words, other texts and fields named like secrets never are."""
    orders = [
        {"status": status, "ref": f"r-{chr(97 + n)}", "mail": "a@b", "token": "abc"}
        for n, status in enumerate(["in-transit", "open"] * 7)
    ]
    examples.seed("orders", *orders)
    session = Session("s1", "d1")

    hidden = await read_schemas(examples.executor, session)
    shown = await read_schemas(examples.executor, session, disclose="shapes_and_enums")

    assert "transit" not in str(hidden)
    assert shown.as_json()["orders"] == {
        "id": "integer",
        "mail": "string",
        "ref": "string",
        "status": {"string": ("in-transit", "open")},
        "token": "string",
    }


async def test_collections_of_the_path_come_first(examples: Api) -> None:
    """However many collections there are, those that the path names are shown."""
    for number in range(40):
        examples.seed(f"c{number}", {"n": number})
    examples.seed("zebras", {"stripes": 9})

    schemas = await read_schemas(examples.executor, Session("s1", "d1"), ("zebras", "7"))

    assert "zebras" in schemas
    assert len(schemas.collections) == 32
    assert schemas.more


async def test_a_session_that_cannot_be_read(sandbox_over: Callable[[Path], Sandbox], tmp_path: Path) -> None:
    """A failed run is the service's error, never an empty session."""
    (tmp_path / OLD).mkdir()
    (tmp_path / OLD / "store.db").write_bytes(b"no database" * 1000)

    with pytest.raises(SessionDamaged):
        await read_schemas(Executor(sandbox_over(tmp_path)), Session("s1", OLD))


def test_tried_checkout(tried: Api) -> None:
    """Three collections change together or not at all, and a body that makes no sense is a 422."""
    title = "Checkout with a coupon"
    tried.seed(
        "products", {"name": "Mug", "price": 7.5, "stock": 3}, {"name": "Pot", "price": 20, "stock": 1}
    )
    tried.seed("customers", {"email": "a@b", "orders_placed": 0})
    tried.seed("coupons", {"code": "HALF", "percent": 50})
    mugs, pots = {"product_id": 1, "qty": 2}, {"product_id": 2, "qty": 2}
    body = {"customer_id": 1, "items": [mugs], "coupon": "HALF"}

    assert shows_the_request(TRIED[title], a_request("POST", "/checkout", body=body))
    status, order, headers = tried(title, "POST", "/checkout", body)
    assert (status, order["total"], headers["Location"]) == (201, 7.5, "/orders/1")
    assert tried(title, "POST", "/checkout", {**body, "items": [{**mugs, "qty": 1}, pots]})[0] == 409
    assert tried(title, "POST", "/checkout", {**body, "items": [{**mugs, "qty": 0}]})[0] == 422
    assert tried(title, "POST", "/checkout", {**body, "coupon": "NONE", "items": []})[0] == 422
    assert [product["stock"] for product in tried.records("products")] == [1, 1]
    assert tried.records("customers")[0]["orders_placed"] == 1
    assert len(tried.records("orders")) == 1


def test_tried_cancel(tried: Api) -> None:
    title = "Cancel an order and give back its stock"
    tried.seed("products", {"stock": 1})
    tried.seed(
        "orders", {"status": "open", "items": [{"product_id": 1, "qty": 2}, {"product_id": 9, "qty": 1}]}
    )

    assert shows_the_request(TRIED[title], a_request("POST", "/orders/1/cancel"))
    assert tried(title, "POST", "/orders/1/cancel")[:2] == (200, tried.records("orders")[0])
    assert tried.records("products") == [{"id": 1, "stock": 3}]
    assert tried(title, "POST", "/orders/1/cancel")[0] == 409
    assert tried(title, "POST", "/orders/5/cancel")[0] == 404


def test_tried_report(tried: Api) -> None:
    title, path = "Revenue by month from other field names", "/reports/revenue-by-month"
    tried.seed(
        "invoices",
        {"amount": 0.1, "paid_on": "2026-02-28"},
        {"amount": 0.2, "paid_on": "2026-02-01"},
        {"amount": 3, "paid_on": "2025-11-30"},
        {"amount": 5, "paid_on": None},
        {"amount": 5},
    )

    assert shows_the_request(TRIED[title], a_request("GET", path, headers={"accept": "x"}))
    assert tried(title, "GET", path)[1] == [
        {"month": "2025-11", "revenue": 3.0},
        {"month": "2026-02", "revenue": 0.3},
    ]


def test_tried_article(tried: Api) -> None:
    """The word became a slot; the plan serves other articles, and readers with and without a token."""
    title, path = "An article by its slug", "/articles/how-to-train-your-dragon"
    tried.seed("users", {"username": "jake", "token": "t0k"}, {"username": "ann", "token": "t1k"})
    tried.seed(
        "articles", {"slug": "how-to-train-your-dragon", "author_id": 1}, {"slug": "b-2", "author_id": 2}
    )
    tried.seed("favorites", {"article_id": 1, "user_id": 2})
    headers = {"authorization": "Token t1k"}

    assert shows_the_request(TRIED[title], a_request("GET", path, headers=headers))
    mine = tried(title, "GET", path, headers=headers)[1]["article"]
    assert (mine["favorited"], mine["favoritesCount"], mine["author"]["username"]) == (True, 1, "jake")
    assert tried(title, "GET", path)[1]["article"]["favorited"] is False
    assert tried(title, "GET", "/articles/b-2")[1]["article"]["author"]["username"] == "ann"
    assert tried(title, "GET", "/articles/none")[0] == 404


def test_tried_login(tried: Api) -> None:
    """A login gives a token and never a password; a wrong one is 401, a missing field 422."""
    title, path = "Log in", "/users/login"
    hashed = 'REPLY = make_response(200, store.insert({"email": "a@b", "password": hash_secret("pw")}))'
    tried._sandbox.run(hashed.replace("store.", 'session_store["users"].'), session="d1")
    user = {"email": "a@b", "password": "pw"}

    assert shows_the_request(TRIED[title], a_request("POST", path, body={"user": user}))
    status, reply, _ = tried(title, "POST", path, {"user": user})
    assert status == 200
    assert reply["user"]["token"] == tried.records("users")[0]["token"]
    assert "password" not in reply["user"]
    assert tried(title, "POST", path, {"user": {**user, "password": "no"}})[0] == 401
    assert tried(title, "POST", path, {"user": {**user, "email": "c@d"}})[0] == 401
    assert tried(title, "POST", path, {"user": {"email": "a@b"}})[0] == 422
    assert tried(title, "POST", path, {"user": {**user, "password": 7}})[0] == 422


def test_tried_todo(tried: Api) -> None:
    title = "Change a todo"
    tried.seed("todos", {"title": "x", "completed": False, "order": 1})

    assert shows_the_request(TRIED[title], a_request("PATCH", "/todos/1", body={"completed": True}))
    assert tried(title, "PATCH", "/todos/1", {"completed": True})[1] == {
        "id": 1,
        "title": "x",
        "completed": True,
        "order": 1,
        "url": "http://localhost:8000/todos/1",
    }
    assert tried(title, "PATCH", "/todos/2", {"completed": True})[0] == 404


def test_tried_transfer(tried: Api) -> None:
    """Both balances change together with the record of it, or nothing does."""
    title, path = "Transfer money", "/accounts/1/transfers"
    tried.seed("accounts", {"owner": "ann", "balance": 20}, {"owner": "bob", "balance": 1.1})
    body = {"to": 2, "amount": 10.5}

    assert shows_the_request(TRIED[title], a_request("POST", path, body=body))
    status, transfer, headers = tried(title, "POST", path, body)
    assert (status, transfer) == (201, {"id": 1, "account_id": 1, **body})
    assert headers == {"Location": "/accounts/1/transfers/1"}
    assert tried(title, "POST", path, body)[0] == 409
    assert tried(title, "POST", "/accounts/9/transfers", body)[0] == 404
    wrong = [{"to": 9}, {"to": 1}, {"amount": -1}, {"amount": "1"}, {"amount": 0.001}]
    assert [tried(title, "POST", path, {**body, **each})[0] for each in wrong] == [422] * len(wrong)
    assert [account["balance"] for account in tried.records("accounts")] == [9.5, 11.6]
    assert len(tried.records("transfers")) == 1


def test_tried_favorite(tried: Api) -> None:
    """A token in the API's own form, and an action that may be repeated."""
    title, path = "Mark an article as a favorite", "/articles/1/favorite"
    tried.seed("users", {"username": "jake", "token": "t"})
    tried.seed("articles", {"slug": "bread", "author_id": 1})

    def favorite(token: str | None, path: str = path) -> tuple[int, Any, dict[str, str]]:
        headers = {} if token is None else {"authorization": token}
        return tried(title, "POST", path, headers=headers)

    ctx = a_request("POST", path, headers={"authorization": "Token t"})
    assert shows_the_request(TRIED[title], ctx)
    for _ in range(2):
        status, reply, _ = favorite("Token t")
        assert (status, reply["article"]["favorited"], reply["article"]["favoritesCount"]) == (200, True, 1)
    assert [favorite(token)[0] for token in (None, "Token", "Bearer t", "Token x")] == [401] * 4
    assert favorite("Token t", "/articles/2/favorite")[0] == 404
    assert tried.records("articles")[0]["favorited_by"] == [1]


def test_tried_setting(tried: Api) -> None:
    """A PUT on a word makes the record, then replaces it; other words are other records."""
    title, path = "Put a setting by its word", "/settings/theme"

    assert shows_the_request(TRIED[title], a_request("PUT", path, body={"value": "dark"}))
    assert [tried(title, "PUT", path, {"value": value})[0] for value in ("dark", "light")] == [201, 200]
    assert tried(title, "PUT", "/settings/lang", {"value": "en"})[0] == 201
    assert tried(title, "PUT", path, {})[0] == 422
    assert [each["value"] for each in tried.records("settings")] == ["light", "en"]
