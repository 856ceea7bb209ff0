"""A session with five collections, some below others, for tests of what describes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.client import Client

SECRET = "canary-7f3a"


def open_shop(client: Client) -> None:
    """Members, products, orders, payments and reviews. `SECRET` is among the stored values."""
    client.create("/members", {"name": SECRET, "age": 41, "email": None, "tags": [SECRET]})
    products = [
        {"title": SECRET, "price": 9.5, "in_stock": True, "size": {"width": 1, "unit": SECRET}},
        {"title": "Chair", "price": 20, "in_stock": False},
    ]
    client.create("/products", products)
    client.create("/members/1/orders", {"status": SECRET, "lines": [{"sku": SECRET, "quantity": 2}]})
    client.create("/orders/1/payments", {"amount": 9.5, "method": SECRET})
    client.create("/products/1/reviews", {"stars": 5, "text": SECRET, "member_id": 1})
