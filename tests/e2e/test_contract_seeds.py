"""Records to begin with, and what another document would do to them, in the real service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from server.contracts.reading import read_file
from tests.e2e.client import Answer, Client
from tests.e2e.contracts import ADMIN, DOCUMENTS
from tests.e2e.service import RunningService

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wasm_runtime.artifact import Artifact

BASIC = {"Authorization": "Basic YTpi"}
CUSTOMER = {"CustomerId": 7, "Name": "Ann", "IsDeleted": False, "CreatedOn": "2026-01-02T03:04:05Z"}
LINE = {"OrderId": 3, "LineNo": 2, "Sku": "A", "Qty": 1}
SEED = {"Customers": [CUSTOMER, {"Name": "Bob"}], "order_line": [LINE, {"OrderId": 4, "Sku": "B", "Qty": 2}],
        "Prices": [{"Sku": "A", "Currency": "EUR", "Amount": 2}]}  # fmt: skip


@pytest.fixture(scope="module")
def service(guest_artifact: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    scratch = tmp_path_factory.mktemp("seeds")
    settings = {"LARS_ADMIN_TOKEN": ADMIN, "LARS_CONTRACT": str(DOCUMENTS / "orders.json")}
    with RunningService(scratch / "data", scratch, settings) as running:
        yield running
        running.stop()


def operator(service: RunningService) -> Client:
    return Client(service.url, None, {"Authorization": f"Bearer {ADMIN}"})


def seeded(service: RunningService, session: str, **body: Any) -> Answer:
    return operator(service).request("POST", f"/_meta/sessions/{session}/contract/seed", body)


def asked(service: RunningService, session: str, path: str) -> Answer:
    return service.client(session).request("GET", f"/erp/v2{path}", **BASIC)


def test_an_object_of_collections(service: RunningService) -> None:
    """Keys are kept, missing ones made; the records are where the contract finds them."""
    told = seeded(service, "objects", seed=SEED)

    assert (told.status, told.json["collections"]) == (200, {"Customers": 2, "Lines": 2, "Prices": 1})
    assert asked(service, "objects", "/Customers/7").json["Result"] == {**CUSTOMER, "Segment": "Retail"}
    assert asked(service, "objects", "/Customers").json["Result"]["TotalCount"] == 2
    assert asked(service, "objects", "/Orders/3/Lines/2").json == LINE
    assert asked(service, "objects", "/Orders/4/Lines").json[0]["Sku"] == "B"
    assert asked(service, "objects", "/Prices/A/EUR").json["Amount"] == 2
    assert asked(service, "objects", "/Prices/A/USD").status == 404
    made = service.client("objects").request("POST", "/erp/v2/Customers", {"Name": "Cy"}, **BASIC)
    assert made.json["Result"]["CustomerId"] not in (7, None)


@pytest.mark.parametrize(
    ("seed", "fault"),
    [
        ({"Ghosts": []}, "Ghosts: the contract has no such collection; it has "),
        ({"Customers": {}}, "Customers: has to be an array of records"),
        ({"Customers": [{"Name": "A", "Hat": 1}]}, "Customers/0: 'Hat' is no property of Customers"),
        ({"Customers": [{"Name": 3}]}, "Customers/0/Name: type: "),
        ({"Customers": [CUSTOMER, CUSTOMER]}, "Customers/1: there is a Customers 7 already"),
        ({"Customers": [1]}, "Customers/0: is no object"),
        ({"Lines": [{"Sku": "A", "Qty": 1}]}, "Lines/0: has no OrderId, which says what it is within"),
    ],
)
def test_what_does_not_fit_is_refused(service: RunningService, seed: dict[str, Any], fault: str) -> None:
    """By its place, and nothing is stored."""
    told = seeded(service, "refused", seed={"Prices": SEED["Prices"], **seed})

    assert told.status == 422
    assert [each for each in told.json["faults"] if each.startswith(fault)]
    assert asked(service, "refused", "/Prices/A/EUR").status == 404


def test_data_is_not_replaced_unless_that_is_wanted(service: RunningService) -> None:
    price = {"Prices": [{"Sku": "B", "Currency": "EUR", "Amount": 9}]}
    assert seeded(service, "twice", seed=SEED).status == 200

    assert seeded(service, "twice", seed=price).status == 409
    assert asked(service, "twice", "/Prices/A/EUR").status == 200
    assert seeded(service, "twice", seed=price, replace=True).status == 200
    assert asked(service, "twice", "/Prices/A/EUR").status == 404
    assert asked(service, "twice", "/Prices/B/EUR").status == 200


def recorded(method: str, path: str, status: int, value: Any) -> dict[str, Any]:
    url = f"https://erp.example.com/erp/v2{path}"
    content = {"mimeType": "application/json", "text": json.dumps(value)}
    return {"request": {"method": method, "url": url}, "response": {"status": status, "content": content}}


def test_a_har(service: RunningService) -> None:
    """The last state counts; what was deleted is gone; what says nothing is told."""
    har = {"log": {"entries": [
        recorded("POST", "/Customers", 201, {"Result": {**CUSTOMER, "Name": "Old"}}),
        recorded("GET", "/Customers/7", 200, {"Result": CUSTOMER}),
        recorded("PUT", "/Prices/A/EUR", 201, {"Amount": 4}),
        recorded("PUT", "/Prices/B/EUR", 201, {"Sku": "B", "Currency": "EUR", "Amount": 4}),
        recorded("GET", "/logo.png", 200, None),
        recorded("GET", "/Customers/9", 404, {}),
        recorded("GET", "/Orders/3/Lines", 200, [LINE]),
    ]}}  # fmt: skip
    told = seeded(service, "har", seed=har)

    assert told.status == 200, told.body
    assert told.json["collections"] == {"Customers": 1, "Prices": 2, "Lines": 1}
    assert [each.rpartition(": ")[2] for each in told.json["notes"]] == [
        "the contract has nothing there", "its reply is 404",
    ]  # fmt: skip
    assert asked(service, "har", "/Customers/7").json["Result"]["Name"] == "Ann"
    assert asked(service, "har", "/Prices/A/EUR").json["Amount"] == 4
    assert asked(service, "har", "/Orders/3/Lines/2").json["Sku"] == "A"


def test_a_postman_collection(service: RunningService) -> None:
    url = {"raw": "{{base}}/Customers/:CustomerId", "variable": [{"key": "CustomerId", "value": "7"}]}
    saved = {
        "originalRequest": {"method": "GET", "url": url},
        "code": 200,
        "body": json.dumps({"Result": CUSTOMER}),
    }
    collection = {
        "info": {"schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"},
        "variable": [{"key": "base", "value": "https://erp.example.com/erp/v2"}],
        "item": [{"name": "folder", "item": [{"name": "one", "request": {}, "response": [saved]}]}],
    }
    told = seeded(service, "postman", seed=collection)

    assert (told.status, told.json["collections"]) == (200, {"Customers": 1})
    assert asked(service, "postman", "/Customers/7").json["Result"]["Name"] == "Ann"


def changed(**paths: Any) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(orjson.dumps(dict(read_file(DOCUMENTS / "orders.json").raw)))
    schemas = document["components"]["schemas"]
    schemas["Price"]["properties"]["Amount"] = {"type": "number", "maximum": 1}
    del document["paths"]["/Export"]
    document["paths"]["/Reports"] = {"get": {"responses": {"200": {"description": ""}}}}
    return document | paths


def test_diff_of_a_session(service: RunningService) -> None:
    """Operations, and records by collection, id, pointer and keyword."""
    assert seeded(service, "differs", seed=SEED).status == 200
    ask = {"name": "new.json", "document": changed()}
    told = operator(service).request("POST", "/_meta/sessions/differs/contract/diff", ask).json

    assert (told["added"], told["removed"], told["breaks"]) == (["GET /Reports"], ["GET /Export"], True)
    assert [each["operation"] for each in told["changed"]] == [
        "GET /Prices/{Sku}/{Currency}", "PUT /Prices/{Sku}/{Currency}",
    ]  # fmt: skip
    assert [
        (each["collection"], each["id"], each["pointer"], each["keyword"]) for each in told["records"]
    ] == [("Prices", "A/EUR", "/Amount", "maximum")]
    assert asked(service, "differs", "/Prices/A/EUR").status == 200


def test_nothing_differs_from_itself(service: RunningService) -> None:
    ask = {"document": dict(read_file(DOCUMENTS / "orders.json").raw)}
    told = operator(service).request("POST", "/_meta/sessions/differs/contract/diff", ask).json

    assert (told["added"], told["removed"], told["changed"], told["records"]) == ([], [], [], [])
    assert told["breaks"] is False


def run(service: RunningService, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "METASERVICE_URL": service.url, "LARS_ADMIN_TOKEN": ADMIN, "NO_COLOR": "1"}
    command = [sys.executable, "-m", "server", *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_the_commands(service: RunningService, tmp_path: Path) -> None:
    """The exit status tells whether it breaks; without a session all are looked at that have it."""
    (tmp_path / "db.json").write_bytes(orjson.dumps(SEED))
    (tmp_path / "new.json").write_bytes(orjson.dumps(changed()))
    stored = run(service, "contract", "seed", str(tmp_path / "db.json"), "--session", "cli")
    differs = run(service, "contract", "diff", str(tmp_path / "new.json"))
    same = run(service, "contract", "diff", str(DOCUMENTS / "orders.json"), "--session", "cli", "--json")

    assert stored.stdout == "Session cli has now: Customers 2, Lines 2, Prices 1.\n", stored.stderr
    assert differs.returncode == 1, differs.stderr
    assert "removed: GET /Export" in differs.stdout
    assert "does not fit: Prices/A/EUR/Amount in cli: maximum: " in differs.stdout
    assert (same.returncode, json.loads(same.stdout)["breaks"]) == (0, False)


def test_served_with_a_seed(guest_artifact: Artifact, tmp_path: Path) -> None:
    """`serve --contract FILE --seed FILE`; a second start keeps what there is."""
    (tmp_path / "db.json").write_bytes(orjson.dumps(SEED))
    settings = {"LARS_CONTRACT": str(DOCUMENTS / "orders.json")}
    for _ in range(2):
        with RunningService(
            tmp_path / "data", tmp_path, settings, "--seed", str(tmp_path / "db.json")
        ) as running:
            found = running.client().request("GET", "/erp/v2/Customers/7", **BASIC)
            running.stop()

        assert (found.status, found.json["Result"]["Name"]) == (200, "Ann")
