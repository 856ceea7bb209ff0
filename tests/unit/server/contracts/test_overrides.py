"""`contract.toml`: each word of it does what it says, and what it cannot say is refused by its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest

from server.contracts.contract import Contract
from server.contracts.document import ContractError
from server.contracts.reading import read
from server.contracts.served import read_contract

if TYPE_CHECKING:
    from pathlib import Path

    from server.contracts.model import Resource, Role


def answer(schema: Any, status: str = "200") -> dict[str, Any]:
    return {"responses": {status: {"description": "", "content": {"application/json": {"schema": schema}}}}}


def taking(schema: Any, status: str = "201") -> dict[str, Any]:
    body = {"requestBody": {"content": {"application/json": {"schema": schema}}}}
    return {**body, **answer(schema, status)}


ORDER = {
    "type": "object",
    "properties": {
        "ref": {"type": "string"},
        "id": {"type": "string"},
        "status": {"type": "string"},
        "shop": {"type": "string"},
        "deep": {"type": "object", "properties": {"n": {"type": "integer"}}},
    },
}
ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
SHOP = {"name": "shop_id", "in": "path", "required": True, "schema": {"type": "string"}}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "t", "version": "1"},
    "paths": {
        "/shops": {"post": taking({"type": "object", "properties": {"id": {"type": "string"}, "a": {}}})},
        "/shops/{shop_id}": {
            "parameters": [SHOP],
            "get": answer({"type": "object", "properties": {"id": {"type": "string"}, "a": {}}}),
        },
        "/shops/{shop_id}/orders": {"parameters": [SHOP], "get": answer({"type": "array", "items": ORDER}),
                                    "post": taking(ORDER)},
        "/shops/{shop_id}/orders/{id}": {"parameters": [SHOP, ID], "get": answer(ORDER)},
        "/shops/{shop_id}/orders/{id}/touch": {"parameters": [SHOP, ID],
                                               "post": {"operationId": "touch", **taking(ORDER, "200")}},
    },
}  # fmt: skip


def made(**tables: Any) -> Contract:
    return Contract.of(read(orjson.dumps({**DOCUMENT, "x-metaservice": tables}), "api.json"))


def role(contract: Contract, name: str) -> Role:
    return contract.model.roles[name]


def orders(contract: Contract) -> Resource:
    return next(each for each in contract.model.resources if each.name == "orders")


def told(**said: Any) -> Contract:
    return made(collections={"orders": said})


def test_role_and_collection() -> None:
    """An operation that is not plain gets a role; one that is can be taken out."""
    plain = role(made(operations={"touch": {"role": "merge", "collection": "orders"}}), "touch")
    taken = role(made(operations={"GET /shops/{shop_id}": {"role": "planned"}}), "GET /shops/{shop_id}")

    assert (role(made(), "touch").plain, role(made(), "GET /shops/{shop_id}").plain) == (False, True)
    assert (plain.plain, plain.name, plain.key_slot) == (True, "merge", "id")
    assert (taken.plain, taken.why) == (False, "contract.toml says so")


def test_key() -> None:
    assert orders(made()).key.path == ("id",)
    assert orders(told(key="ref")).key.path == ("ref",)
    assert orders(told(key="deep.n")).key.path == ("deep", "n")
    assert orders(told(key="deep.n")).key.kind == "integer"


def making(contract: Contract) -> list[Any]:
    compiled = contract.compiled(role(contract, "POST /shops/{shop_id}/orders").operation)
    found: list[Any] = compiled.plan.response_hints["make"]
    return found


def test_pattern() -> None:
    assert making(told())[0] == "uuid"
    assert making(told(pattern="^or_[0-9]{3}$")) == ["pieces", ["o", "r", "_", *["0123456789"] * 3]]


def test_initial() -> None:
    def consts(contract: Contract) -> dict[tuple[str, ...], Any]:
        compiled = contract.compiled(role(contract, "POST /shops/{shop_id}/orders").operation)
        return dict(compiled.consts)

    assert ("status",) not in consts(told())
    assert consts(told(initial={"status": "placed", "deep.n": 3})) == {
        ("status",): "placed", ("deep",): {}, ("deep", "n"): 3,
    }  # fmt: skip


def test_parents() -> None:
    def demanded(contract: Contract) -> list[str]:
        return [slot for _, slot in role(contract, "POST /shops/{shop_id}/orders").parents]

    assert demanded(told()) == ["shop_id"]
    assert demanded(told(parents=[])) == []
    assert demanded(told(parents=["shop_id"])) == ["shop_id"]


def test_scopes() -> None:
    def kept(contract: Contract) -> list[tuple[str, ...]]:
        return [each.path for each in role(contract, "POST /shops/{shop_id}/orders").scopes]

    assert kept(told()) == [("shop",)]
    assert kept(told(scopes={"shop_id": "deep.shop"})) == [("deep", "shop")]
    assert kept(told(scopes={"shop_id": ""})) == [()]


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"operations": {"GET /none": {"role": "planned"}}}, "no such operation"),
        ({"operations": {"touch": {"role": "dance"}}}, "role takes planned, get"),
        ({"operations": {"touch": {"roles": "get"}}}, "takes collection, role"),
        ({"operations": {"touch": {"role": "merge", "collection": "none"}}}, "no collection 'none'"),
        ({"collections": {"none": {}}}, "there is no collection 'none'; there are"),
        ({"collections": {"orders": {"key": 1}}}, "key is a text"),
        ({"collections": {"orders": {"parents": "a"}}}, "parents is an array"),
        ({"collections": {"orders": {"scopes": {"a": 1}}}}, "scopes has a property's path"),
        ({"collections": {"orders": {"initial": []}}}, "initial is a table"),
        ({"others": {}}, "takes the tables operations and collections, and profile"),
    ],
)
def test_what_it_cannot_say(tables: dict[str, Any], said: str) -> None:
    with pytest.raises(ContractError, match=said):
        made(**tables)


def test_the_file_becomes_a_part_of_the_document(tmp_path: Path) -> None:
    """So it goes wherever the document goes, and the digest tells it."""
    (tmp_path / "api.json").write_bytes(orjson.dumps(DOCUMENT))
    plain = read_contract(tmp_path / "api.json")
    (tmp_path / "contract.toml").write_text('[collections.orders]\nkey = "ref"\n', "utf-8")
    found = read_contract(tmp_path / "api.json")
    again = Contract.of(read(orjson.dumps(dict(found.document.raw)), "sent"))

    assert orders(found).key.path == orders(again).key.path == ("ref",)
    assert found.document.digest != plain.document.digest
    (tmp_path / "contract.toml").write_text("[collections.orders]\nkeys = 1\n", "utf-8")
    with pytest.raises(ContractError, match=r"contract\.toml: collections\.'orders': takes"):
        read_contract(tmp_path / "api.json")
