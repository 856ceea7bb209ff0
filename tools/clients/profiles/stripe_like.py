"""stripe's own client: forms, expansion, metadata, paging, retries with keys that are no UUIDs, errors."""

from __future__ import annotations

import sys
from typing import Any

import stripe  # type: ignore[import-not-found]

stripe.api_key, stripe.api_base = "sk_test_1", sys.argv[1]


def refused(kind: Any, call: Any, **said: Any) -> None:
    """`said`: members of the error, such as its code."""
    try:
        call()
    except kind as error:
        found = {name: getattr(error, name) for name in said}
        assert found == said, found
    else:
        raise AssertionError(said)


ann = stripe.Customer.create(email="ann@example.com", name="Ann", metadata={"order": "1", "x": "y"})
assert (ann.id[:4], ann.object, ann.metadata["order"]) == ("cus_", "customer", "1"), ann
bob = stripe.Customer.create(email="bob@example.com", idempotency_key="not a uuid")
assert stripe.Customer.create(email="bob@example.com", idempotency_key="not a uuid").id == bob.id
refused(stripe.IdempotencyError, lambda: stripe.Customer.create(email="c@d", idempotency_key="not a uuid"))

changed = stripe.Customer.modify(ann.id, metadata={"order": "", "z": "1"}, description="d")
assert changed.metadata.to_dict() == {"x": "y", "z": "1"}, changed
assert changed.name == "Ann", changed
changed = stripe.Customer.modify(ann.id, metadata="", description="")
assert changed.metadata.to_dict() == {}, changed
assert changed.description is None, changed

page = stripe.Customer.list(limit=1)
assert (page.object, page.has_more, page.url) == ("list", True, "/v1/customers"), page
assert [each.id for each in page.auto_paging_iter()] == [bob.id, ann.id]
assert [each.id for each in stripe.Customer.list(limit=1, ending_before=ann.id).data] == [bob.id]

lines = [{"product": "p", "quantity": 2}]
invoice = stripe.Invoice.create(customer=ann.id, lines=lines, expand=["customer"])
assert (invoice.customer.email, invoice.status) == ("ann@example.com", "draft"), invoice
assert invoice.lines[0]["quantity"] == 2, invoice
assert stripe.Invoice.retrieve(invoice.id).customer == ann.id
assert stripe.Invoice.retrieve(invoice.id, expand=["customer"]).customer.id == ann.id
assert stripe.Invoice.list(expand=["data.customer"], customer=ann.id).data[0].customer.name == "Ann"
refused(
    stripe.InvalidRequestError,
    lambda: stripe.Invoice.retrieve(invoice.id, expand=["foo"]),
    http_status=400,
    param="expand",
)

gone = ann.delete()
assert (gone.deleted, gone.id) == (True, ann.id), gone
assert stripe.Customer.retrieve(ann.id).deleted is True
refused(
    stripe.InvalidRequestError,
    lambda: stripe.Customer.retrieve("cus_none"),
    http_status=404,
    code="resource_missing",
    param="id",
)
refused(
    stripe.InvalidRequestError,
    lambda: stripe.Invoice.create(currency="usd"),
    http_status=400,
    code="parameter_missing",
    param="customer",
)
assert stripe.Product.create(name="P", id="mine").id == "mine"
refused(
    stripe.InvalidRequestError,
    lambda: stripe.Product.create(name="P", id="mine"),
    code="resource_already_exists",
)
