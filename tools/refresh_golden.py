"""Rewrite the golden prompts, and say which have changed: what a model sees of three typical requests.

python -m tools.refresh_golden
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from server.model import RequestContext, Session
from server.planning.prompt import PromptMaker
from server.planning.schemas import CollectionSchema, Schemas
from server.planning.shape import RouteKey, shape_of
from server.settings import load
from tools.processes import guest_environment
from wasm_runtime import artifact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.model import Method

_BORDER = "<!-- Up to here the same for every request; from here on for this one. -->"
GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden" / "prompts"

_MEMBERS = CollectionSchema(
    fields=(
        ("email", ("string",)),
        ("id", ("integer",)),
        ("name", ("string",)),
        ("phone", ("null", "string")),
    )
)
_ORDERS = CollectionSchema(
    fields=(
        ("created_at", ("string",)),
        ("id", ("integer",)),
        ("lines", ("array",)),
        ("member_id", ("integer",)),
        ("status", ("string",)),
        ("total", ("number",)),
    ),
    inside=(("lines", (("quantity", ("integer",)), ("sku", ("string",)))),),
)


@frozen
class GoldenCase:
    """A request, with values that must not be in its prompt, and what was known when it came."""

    context: RequestContext
    schemas: Schemas
    learned: tuple[RouteKey, ...]
    house_rules: str = ""


def _context(
    method: Method, path: str, *, query: dict[str, str | list[str]] | None = None, body: Any = None
) -> RequestContext:
    return RequestContext(
        method=method,
        path=path,
        segments=tuple(path[1:].split("/")),
        query=query or {},
        headers={"accept": "application/json", "authorization": "Bearer 0b51d6e4"},
        content="none" if body is None else "json",
        body_json=body,
        body_text=None,
        client_ip="203.0.113.7",
        session=Session("golden", "golden"),
        base_url="https://api.example.com",
        request_id="golden",
    )


def _learned(*texts: str) -> tuple[RouteKey, ...]:
    pairs = (text.split(" ") for text in texts)
    return tuple(RouteKey(method, route, "none", ()) for method, route in pairs)  # type: ignore[arg-type]


CASES: dict[str, GoldenCase] = {
    "get-member": GoldenCase(
        _context("GET", "/members/8471"), Schemas((("members", _MEMBERS),)), _learned("POST /members")
    ),
    "create-order": GoldenCase(
        _context(
            "POST",
            "/members/8471/orders",
            body={"lines": [{"sku": "KX-93", "quantity": 412}], "note": "Ring twice", "gift": False},
        ),
        Schemas((("members", _MEMBERS), ("products", CollectionSchema((("sku", ("string",)),))))),
        _learned("GET /members/{id:int}", "POST /members", "POST /products"),
        house_rules=(
            '- An order belongs to a member. A new one has `status` "open" and a `created_at`.\n'
            "- The `total` of an order comes from the products' prices, by `sku`; clients can't set it.\n"
        ),
    ),
    "report": GoldenCase(
        _context("GET", "/reports/revenue-by-month", query={"from": "2031-05", "currency": "XTS"}),
        Schemas((("members", _MEMBERS), ("orders", _ORDERS))),
        _learned("GET /members/{id:int}", "POST /members/{member_id:int}/orders", "POST /members"),
    ),
}


def golden_text(case: GoldenCase, description: Mapping[str, Any]) -> str:
    """The whole prompt of a case, as one text."""
    maker = PromptMaker(description, case.house_rules, max_bytes=65_536)
    prompt = maker.prompt(shape_of(case.context), case.schemas, case.learned)
    return f"{prompt.fixed}\n{_BORDER}\n\n{prompt.request}"


def main() -> int:
    description = artifact.ensure(
        load(guest_environment()).store.cache_path, lambda what, _seconds: print(what)
    ).description
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for name, case in CASES.items():
        path = GOLDEN / f"{name}.md"
        before = path.read_text("utf-8") if path.exists() else ""
        after = golden_text(case, description)
        path.write_text(after, "utf-8")
        print(f"{path.name}: {'no change' if after == before else 'rewritten'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
