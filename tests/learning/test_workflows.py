"""Requests that no convention covers, end to end, with plans as a good model writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.simulators import by_route, plan

if TYPE_CHECKING:
    from tests.learning.conftest import Api, StartApi


def creating(collection: str) -> dict[str, Any]:
    code = 'REPLY = make_response(201, store.insert(ctx["body_json"]))'
    return plan(f"/{collection}", code, collection)


def getting(collection: str) -> dict[str, Any]:
    code = 'REPLY = make_response(200, store.get(params["id"]))'
    return plan(f"/{collection}/{{id:int}}", code, collection)


CHECKOUT = plan(
    "/checkout",
    """\
body = ctx["body_json"]
products = session_store["products"]
cart = session_store["carts"].get(body["cart_id"])
if cart is None:
    abort(422, "no such cart")
total = 0
for line in cart["lines"]:
    product = products.get(line["product_id"])
    if product is None or product["stock"] < line["quantity"]:
        abort(409, f"product {line['product_id']} is out of stock")
    products.update(product["id"], {"stock": product["stock"] - line["quantity"]})
    total += product["price"] * line["quantity"]
session_store["carts"].delete(cart["id"])
order = store.insert({"lines": cart["lines"], "total": money(total), "status": "open", "at": today()})
REPLY = make_response(201, order, {"Location": f"/orders/{order['id']}"})
""",
    "orders",
)
CANCEL = plan(
    "/orders/{id:int}/cancel",
    """\
order = store.get(params["id"])
if order is None:
    abort(404, "no such order")
if order["status"] != "open":
    abort(409, f"the order is {order['status']}")
for line in order["lines"]:
    product = session_store["products"].get(line["product_id"])
    session_store["products"].update(product["id"], {"stock": product["stock"] + line["quantity"]})
REPLY = make_response(200, store.update(order["id"], {"status": "cancelled"}))
""",
    "orders",
)
REVENUE = plan(
    "/reports/revenue-by-month",
    """\
months = {}
for order in store.search({"status__ne": "cancelled"}):
    month = order["at"][:7]
    months[month] = months.get(month, 0) + order["total"]
REPLY = make_response(200, [{"month": m, "revenue": money(months[m])} for m in sorted(months)])
""",
    "orders",
)


async def shop(start: StartApi) -> Api:
    """Two products with stock, and a cart of both."""
    plans = {f"POST /{name}": creating(name) for name in ("products", "carts", "orders")}
    plans |= {f"GET /{name}/{{id:int}}": getting(name) for name in ("products", "carts", "orders")}
    plans |= {
        "POST /checkout": CHECKOUT,
        "POST /orders/{order_id:int}/cancel": CANCEL,
        "GET /reports/revenue-by-month": REVENUE,
    }
    api = await start(by_route(plans), fallback="none")
    await api.post("/products", {"name": "Widget", "price": 9.99, "stock": 5})
    await api.post("/products", {"name": "Gadget", "price": 20, "stock": 1})
    lines = [{"product_id": 1, "quantity": 2}, {"product_id": 2, "quantity": 1}]
    for _ in range(2):
        await api.post("/carts", {"lines": lines})
    return api


async def stock(api: Api) -> list[int]:
    return [(await api.get(f"/products/{number}")).json["stock"] for number in (1, 2)]


async def test_a_checkout_touches_three_collections_or_none(start: StartApi) -> None:
    """Stock goes down, the cart goes, the order is there; where stock is short, nothing of it happens."""
    api = await shop(start)
    paid = await api.post("/checkout", {"cart_id": 1})
    assert (paid.status, paid.headers["Location"]) == (201, "/orders/1")
    assert paid.json["total"] == 39.98
    assert await stock(api) == [3, 0]

    short = await api.post("/checkout", {"cart_id": 2})
    assert (short.status, short.source) == (409, "learned")
    assert short.json["error"] == "product 2 is out of stock"
    assert await stock(api) == [3, 0]
    assert (await api.get("/carts/2")).json["id"] == 2
    assert (await api.post("/checkout", {"cart_id": 99})).status == 422
    assert (await api.post("/checkout", {"cart": 2})).json["error"] == "The request has no 'cart_id'"


async def test_an_action_on_an_order(start: StartApi) -> None:
    """`POST /orders/1/cancel` is an action and no collection; twice is a conflict; stock comes back."""
    api = await shop(start)
    await api.post("/checkout", {"cart_id": 1})
    cancelled = await api.post("/orders/1/cancel")

    assert (cancelled.status, cancelled.json["status"]) == (200, "cancelled")
    assert await stock(api) == [5, 1]
    again = await api.post("/orders/1/cancel")
    assert (again.status, again.source, again.json["error"]) == (409, "learned", "the order is cancelled")
    assert (await api.post("/orders/7/cancel")).status == 404


async def test_a_report(start: StartApi) -> None:
    """`GET /reports/revenue-by-month` sums what is in another collection, and changes nothing."""
    api = await shop(start)
    for at, total, status in (
        ("2026-01-03", 10.5, "open"),
        ("2026-01-30", 1.2, "open"),
        ("2026-02-01", 5, "open"),
    ):
        await api.post("/orders", {"at": at, "total": total, "status": status, "lines": []})
    await api.post("/orders", {"at": "2026-02-02", "total": 99, "status": "cancelled", "lines": []})
    report = await api.get("/reports/revenue-by-month")

    assert report.json == [{"month": "2026-01", "revenue": 11.7}, {"month": "2026-02", "revenue": 5}]


async def test_a_question_in_plain_words(start: StartApi) -> None:
    """`POST /ask` needs the values, gets them where that is allowed, and answers the one question."""
    question = plan("/ask", "REPLY = make_response(200, None)", "products", needs="values")
    answered = plan(
        "/ask",
        'rows = store.search({"price__lt": 15})\n'
        'REPLY = make_response(200, {"answer": [r["name"] for r in rows]})',
        "products",
        needs="values",
    )
    plans = {"POST /products": creating("products"), "POST /ask": question}
    api = await start(by_route(plans), values="on_request", fallback="none")
    await api.post("/products", {"name": "Widget", "price": 9.99})
    await api.post("/products", {"name": "Gadget", "price": 20})
    plans["POST /ask"] = answered
    asked = await api.post("/ask", {"question": "What is cheaper than fifteen?"})

    assert (asked.status, asked.json) == (200, {"answer": ["Widget"]})
    assert (await api.post("/ask", {"question": "What is cheaper than fifteen?"})).source == "learned"
