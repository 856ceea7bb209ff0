"""A contract's requests at the edge of the real service: typed, checked, refused in the contract's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest

from tests.e2e.service import RunningService

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.client import Answer, Client
    from wasm_runtime.artifact import Artifact

FORM = "application/x-www-form-urlencoded"
NOTES = "application/vnd.notes+json"
KEY = {"Authorization": "Bearer sk_test"}


def content(schema: Any, media_type: str = "application/json") -> dict[str, Any]:
    return {"description": "", "content": {media_type: {"schema": schema}}}


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


ERRORS = {"400": content(ref("Error")), "401": content(ref("Error")), "404": content(ref("Error"))}
CHARGE = {
    "type": "object",
    "required": ["id", "amount", "currency"],
    "properties": {
        "id": {"type": "string", "readOnly": True, "pattern": "^ch_[0-9a-f]{14}$"},
        "amount": {"type": "integer", "minimum": 1},
        "currency": {"type": "string", "enum": ["eur", "usd"]},
        "captured": {"type": "boolean", "default": False},
        "note": {"type": "string"},
        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
        "card_number": {"type": "string", "writeOnly": True},
    },
}
LIST = {"type": "array", "items": ref("Charge")}
ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
LIMIT = {
    "name": "limit",
    "in": "query",
    "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
}
TENANT = {"name": "X-Tenant", "in": "header", "required": True, "schema": {"type": "integer"}}
LEVEL = {"name": "X-Level", "in": "header", "schema": {"type": "integer"}}
SECURED: dict[str, Any] = {"security": [{"key": []}]}
CONTRACT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Charges", "version": "1"},
    "servers": [{"url": "https://api.example.com/v1"}],
    "paths": {
        "/charges": {
            "post": {
                **SECURED,
                "requestBody": {
                    "required": True,
                    "content": {each: {"schema": ref("Charge")} for each in (FORM, "application/json")},
                },
                "responses": {"200": content(ref("Charge")), **ERRORS},
            },
            "get": {
                **SECURED,
                "parameters": [LIMIT],
                "responses": {
                    "200": content({"type": "object", "properties": {"data": LIST}}),
                    **ERRORS,
                },
            },
        },
        "/charges/{id}": {
            "get": {**SECURED, "parameters": [ID], "responses": {"200": content(ref("Charge")), **ERRORS}},
        },
        "/notes": {
            "post": {
                "parameters": [TENANT],
                "requestBody": {"content": {NOTES: {"schema": ref("Note")}}},
                "responses": {"201": content(ref("Note"), NOTES), "422": content(ref("Error"))},
            },
        },
        "/notes/{id}": {
            "get": {
                "parameters": [ID, LEVEL],
                "responses": {"200": content(ref("Note"), NOTES), "400": content(ref("Error"))},
            }
        },
    },
    "components": {
        "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        "schemas": {
            "Charge": CHARGE,
            "Note": {
                "type": "object",
                "required": ["text"],
                "properties": {"id": {"type": "string", "readOnly": True}, "text": {"type": "string"}},
            },
            "Error": {
                "type": "object",
                "required": ["error"],
                "properties": {
                    "error": {
                        "type": "object",
                        "required": ["message"],
                        "properties": {"message": {"type": "string"}, "status": {"type": "integer"}},
                    }
                },
                "additionalProperties": False,
            },
        },
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def charges(guest_artifact: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    scratch = tmp_path_factory.mktemp("contract")
    (scratch / "api.json").write_bytes(orjson.dumps(CONTRACT))
    settings = {"LARS_CONTRACT": str(scratch / "api.json")}
    with RunningService(scratch / "data", scratch, settings) as running:
        yield running
        running.stop()


@pytest.fixture
def api(charges: RunningService, request: pytest.FixtureRequest) -> Client:
    session = "".join(char if char.isalnum() else "-" for char in request.node.name)[:100]
    return charges.client(f"s-{session}", **KEY)


def refused(answer: Answer, status: int) -> str:
    """The message of an error in the contract's form."""
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json) == {"error"}
    message: str = answer.json["error"]["message"]
    return message


def test_a_form_with_brackets_is_stored_as_the_schema_has_it(api: Client) -> None:
    """Numbers are numbers, texts that look like numbers are texts; what only goes in does not come out."""
    form = b"amount=500&currency=eur&captured=true&note=007&metadata[order]=6735&card_number=4242"
    made = api.request("POST", "/v1/charges", raw=form, content_type=FORM)
    read = api.request("GET", f"/v1/charges/{made.json['id']}")

    assert (made.status, read.status) == (200, 200)
    assert made.json == read.json
    assert {**made.json, "id": ""} == {
        "id": "",
        "amount": 500,
        "currency": "eur",
        "captured": True,
        "note": "007",
        "metadata": {"order": "6735"},
    }
    assert "x-contract-violations" not in made.headers


def test_the_same_as_json(api: Client) -> None:
    made = api.request("POST", "/v1/charges", {"amount": 5, "currency": "usd", "id": "mine"})

    assert made.status == 200
    assert made.json["id"] != "mine"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"amount=five&currency=eur", "amount"),
        (b"amount=0&currency=eur", "amount"),
        (b"amount=5&currency=gbp", "currency"),
        (b"currency=eur", "amount"),
        (b"amount=5&currency=eur&metadata[a][b]=1", "metadata"),
        (b"amount=5&amount[x]=1&currency=eur", "amount"),
    ],
)
def test_a_wrong_body_is_refused_as_declared(api: Client, body: bytes, said: str) -> None:
    """400 is what the operation declares for it, in its schema; the message names the place."""
    assert said in refused(api.request("POST", "/v1/charges", raw=body, content_type=FORM), 400)


def test_a_body_that_has_to_be_there(api: Client) -> None:
    assert "body" in refused(api.request("POST", "/v1/charges", raw=b"", content_type=FORM), 400)


def test_a_broken_body(api: Client) -> None:
    refused(api.request("POST", "/v1/charges", raw=b"{"), 400)


def test_a_type_that_is_not_declared(api: Client) -> None:
    """Says what is taken."""
    answer = api.request("POST", "/v1/charges", raw=b"a", content_type="text/csv")

    assert FORM in refused(answer, 415)


@pytest.mark.parametrize("target", ["/v1/charges?limit=0", "/v1/charges?limit=x", "/v1/charges?limit=101"])
def test_a_wrong_parameter(api: Client, target: str) -> None:
    assert "limit" in refused(api.request("GET", target), 400)


def test_the_same_path_is_not_the_same_request(charges: RunningService, api: Client) -> None:
    """It is looked at anew where a header counts, and where somebody has to say who he is."""
    note = {"raw": b'{"text": "a"}', "content_type": NOTES}
    path = f"/v1/notes/{api.request('POST', '/v1/notes', **note, X_Tenant='7').json['id']}"
    charge = {"raw": b'{"amount": 1, "currency": "eur"}'}
    secret = f"/v1/charges/{api.request('POST', '/v1/charges', **charge).json['id']}"
    stranger = charges.client(api.session)
    for _ in range(2):
        assert api.request("GET", path).status == 200
        assert "X-Level" in refused(api.request("GET", path, X_Level="a"), 400)
        assert api.request("GET", path, X_Level="3").status == 200
        assert api.request("GET", path, Accept="image/png").status == 406
        assert api.request("GET", path, Accept="*/*").status == 200
        assert api.request("GET", f"{path}?a=1").status == 200
        assert api.request("GET", f"{path}x").status == 404
        assert api.request("HEAD", path).status == 200
        assert api.request("GET", secret).status == 200
        refused(stranger.request("GET", secret), 401)


@pytest.mark.parametrize(
    ("accept", "status"), [("*/*", 200), ("application/json", 200), ("application/*;q=0.1", 200)]
)
def test_what_is_accepted(api: Client, accept: str, status: int) -> None:
    assert api.request("GET", "/v1/charges", Accept=accept).status == status


def test_what_is_not_acceptable(api: Client) -> None:
    refused(api.request("GET", "/v1/charges", Accept="image/png"), 406)


@pytest.mark.parametrize("header", ["", "Bearer", "Basic YTpi", "sk_test"])
def test_without_credentials(charges: RunningService, header: str) -> None:
    """401 is declared: before anything else of the request is looked at."""
    client = charges.client("s-without", **({"Authorization": header} if header else {}))
    answer = client.request("POST", "/v1/charges?limit=x", raw=b"{")

    refused(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_header_that_has_to_be_there(api: Client) -> None:
    """Of a declared type; the reply is in the operation's own media type, the error in its own form."""
    note = {"raw": b'{"text": "a"}', "content_type": NOTES}
    missing = api.request("POST", "/v1/notes", **note)
    wrong = api.request("POST", "/v1/notes", **note, X_Tenant="a")
    right = api.request("POST", "/v1/notes", **note, X_Tenant="7")

    assert "X-Tenant" in refused(missing, 422)
    assert "X-Tenant" in refused(wrong, 422)
    assert (right.status, right.headers["content-type"]) == (201, NOTES)
    assert api.request("GET", f"/v1/notes/{right.json['id']}").json["text"] == "a"


@pytest.mark.parametrize(
    ("code", "form"),
    [(200, {"id", "amount", "currency"}), (404, {"error"}), (429, {"error"}), (503, {"error"})],
)
def test_replies_on_demand(api: Client, code: int, form: set[str]) -> None:
    """What is declared for the status, or the contract's form of errors; nothing has run."""
    answer = api.request("GET", "/v1/charges/ch_1", Prefer=f"code={code}")

    assert answer.status == code
    assert form <= set(answer.json)
    assert answer.headers["preference-applied"] == f"code={code}"
    assert "x-plan-id" not in answer.headers


def test_what_is_not_there(api: Client) -> None:
    """Also where the contract has nothing, and for a method that it does not have."""
    refused(api.request("GET", "/v1/charges/ch_0"), 404)
    refused(api.request("GET", "/v1/nothing"), 404)
    answer = api.request("DELETE", "/v1/charges")
    refused(answer, 405)

    assert answer.headers["allow"] == "GET, HEAD, POST, OPTIONS"
