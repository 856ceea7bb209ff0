"""Rewrite the golden prompts, and say which have changed: three typical requests, and a contract's records.

python -m tools.refresh_golden
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from server.contracts.contract import Contract
from server.contracts.reading import read_file
from server.contracts.record_rules.question import is_asked_about
from server.contracts.record_rules.question import shown as records_shown
from server.planning.kinds.effects import effects_of
from server.planning.kinds.schemas import CollectionSchema, Schemas
from server.planning.kinds.shape import shape_of
from server.planning.kinds.shown import LearnedLine, narrow_view
from server.planning.prompt import PromptMaker
from server.settings.reading import load
from server.values.model import RequestContext, Session
from tools.processes import guest_environment
from wasm_runtime import artifact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.values.model import Method

_BORDER = "<!-- Up to here the same for every request; from here on for this one. -->"
_TESTS = Path(__file__).resolve().parent.parent / "tests"
GOLDEN = _TESTS / "golden" / "prompts"
#: What is asked about the records of a description.
DOCUMENT, QUESTION = _TESTS / "data" / "contracts" / "fleet.yaml", "records"

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
    learned: tuple[LearnedLine, ...] = ()
    #: Whether all that is known is shown, or what the path names.
    wide: bool = True
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


_CREATE = 'REPLY = make_response(201, store.insert(ctx["body_json"]))'
_ORDER = """\
if not session_store["members"].exists(params["member_id"]):
    abort(404, "no such member")
order = {"member_id": params["member_id"], "lines": ctx["body_json"]["lines"], "status": "open"}
REPLY = make_response(201, store.insert({**order, "created_at": now()}))
"""
_GET = """\
member = store.get(params["id"])
if member is None:
    abort(404, "no such member")
REPLY = make_response(200, member)
"""
_GET_MEMBER = LearnedLine("GET /members/{id:int}", effects_of(_GET, "members"))
_POST_MEMBER = LearnedLine("POST /members", effects_of(_CREATE, "members"))
_POST_PRODUCT = LearnedLine("POST /products", effects_of(_CREATE, "products"))
_POST_ORDER = LearnedLine("POST /members/{member_id:int}/orders", effects_of(_ORDER, "orders"))


CASES: dict[str, GoldenCase] = {
    "get-member": GoldenCase(
        _context("GET", "/members/8471"), Schemas((("members", _MEMBERS), ("orders", _ORDERS))), wide=False
    ),
    "create-order": GoldenCase(
        _context(
            "POST",
            "/members/8471/orders",
            body={"lines": [{"sku": "KX-93", "quantity": 412}], "note": "Ring twice", "gift": False},
        ),
        Schemas((("members", _MEMBERS), ("products", CollectionSchema((("sku", ("string",)),))))),
        (_GET_MEMBER, _POST_MEMBER, _POST_PRODUCT),
        house_rules=(
            '- An order belongs to a member. A new one has `status` "open" and a `created_at`.\n'
            "- The `total` of an order comes from the products' prices, by `sku`; clients can't set it.\n"
        ),
    ),
    "report": GoldenCase(
        _context("GET", "/reports/revenue-by-month", query={"from": "2031-05", "currency": "XTS"}),
        Schemas((("members", _MEMBERS), ("orders", _ORDERS))),
        (_GET_MEMBER, _POST_MEMBER, _POST_ORDER),
    ),
}


def golden_text(case: GoldenCase, description: Mapping[str, Any]) -> str:
    """The whole prompt of a case, as one text."""
    maker = PromptMaker(description, case.house_rules, max_bytes=65_536)
    shown = narrow_view(case.context, shape_of(case.context), case.schemas)
    if case.wide:
        shown = evolve(shown, view="wide", collections=case.schemas, learned=case.learned)
    prompt = maker.prompt(shown)
    return f"{prompt.fixed}\n{_BORDER}\n\n{prompt.request}"


def golden_question(description: Mapping[str, Any]) -> str:
    """The whole question about the records of a contract's schema, as one text."""
    contract = Contract.of(read_file(DOCUMENT), DOCUMENT.name)
    resource = next(each for each in contract.model.resources if is_asked_about(each))
    prompt = PromptMaker(description, max_bytes=65_536).about_records(records_shown(contract.model, resource))
    return f"{prompt.fixed}\n{_BORDER}\n\n{prompt.request}"


def main() -> int:
    description = artifact.ensure(
        load(guest_environment()).store.cache_path, lambda what, _seconds: print(what)
    ).description
    GOLDEN.mkdir(parents=True, exist_ok=True)
    texts = {name: golden_text(case, description) for name, case in CASES.items()}
    texts[QUESTION] = golden_question(description)
    for name, after in texts.items():
        path = GOLDEN / f"{name}.md"
        before = path.read_text("utf-8") if path.exists() else ""
        path.write_text(after, "utf-8")
        print(f"{path.name}: {'no change' if after == before else 'rewritten'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
