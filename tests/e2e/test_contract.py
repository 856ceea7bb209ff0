"""APIs by their descriptions alone, in the real service: small documents in the styles of public ones."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from tests.e2e.contracts import ADMIN, DOCUMENTS, Step, taken, with_contract
from tests.e2e.service import RunningService
from tools.torture.at_rest import untrue_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wasm_runtime.artifact import Artifact

ACCOUNT = f"AC{'0123456789abcdef' * 2}"
HAL = "application/hal+json"
SCIM = "application/scim+json"


@pytest.fixture(scope="module")
def service(guest_artifact: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    scratch = tmp_path_factory.mktemp("contracts")
    settings = {"LARS_ADMIN_TOKEN": ADMIN, "LARS_CONTRACT": str(DOCUMENTS / "petshop.yaml")}
    with RunningService(scratch / "data", scratch, settings) as running:
        yield running
        running.stop()
    _, untrue = asyncio.run(untrue_files(scratch / "data"))
    assert untrue == [], running.log


PETSHOP = [
    Step("POST", "/v2/animal", 200, {"id": 1, "name": "rex"}, {"name": "rex", "status": "sold", "x": 1}),
    Step("GET", "/v2/animal/1", 200, {"name": "rex", "status": "sold", "x": None}),
    Step("GET", "/animal/1", 200, {"id": 1}),
    Step("PUT", "/v2/animal", 200, {"status": "pending"}, {"id": 1, "name": "rex", "status": "pending"}),
    Step("PUT", "/v2/animal", 404, {}, {"id": 9, "name": "rex"}),
    Step("GET", "/v2/animal/findByStatus?status=pending&status=sold", 200, {"0/id": 1, "1": None}),
    Step("GET", "/v2/animal/findByStatus?status=sold", 200, {"0": None}),
    Step("POST", "/v2/animal/1", 200, {"name": "max", "status": "pending"}, form="name=max"),
    Step("POST", "/v2/animal", 409, {}, {"id": 1, "name": "two"}),
    Step("POST", "/v2/keeper", 200, {}, {"username": "search", "id": 7, "email": "a@b"}),
    Step("GET", "/v2/keeper/search", 200, {"id": 7, "email": "a@b", "username": "search"}),
    Step("POST", "/v2/keeper/createWithList", 200, {}, [{"username": "b"}, {"username": "c"}]),
    Step("GET", "/v2/keeper/c", 200, {"username": "c"}),
    Step("PUT", "/v2/keeper/c", 200, {"email": "c@c"}, {"username": "c", "email": "c@c"}),
    Step("GET", "/v2/keeper/login?username=b", 200, {"": str}, source="example"),
    Step("DELETE", "/v2/animal/1", 204),
    Step("GET", "/v2/animal/1", 404),
    Step("GET", "/v2/nothing", 404),
    Step("PATCH", "/v2/animal/1", 405),
]

BLOG = [
    Step(
        "POST",
        "/api/articles",
        201,
        {
            "article/slug": "hello-you",
            "article/favoritesCount": 0,
            "article/tagList/0": "a",
            "article/createdAt": str,
        },
        {"article": {"title": "Hello, you!", "description": "d", "body": "b", "tagList": ["a"]}},
    ),
    Step(
        "POST",
        "/api/articles",
        201,
        {"article/slug": "hello-you-2", "article/tagList": []},
        {"article": {"title": "Hello you", "description": "d", "body": "b"}},
    ),
    Step("GET", "/api/articles/hello-you", 200, {"article/title": "Hello, you!", "article/favorited": False}),
    Step("GET", "/api/articles", 200, {"articlesCount": 2, "articles/0/slug": "hello-you"}),
    Step("GET", "/api/articles?tag=a", 200, {"articlesCount": 1, "articles/0/slug": "hello-you"}),
    Step(
        "GET", "/api/articles?limit=1&offset=1", 200, {"articlesCount": 2, "articles/0/slug": "hello-you-2"}
    ),
    Step(
        "PUT",
        "/api/articles/hello-you",
        200,
        {"article/body": "n", "article/description": "d"},
        {"article": {"body": "n"}},
    ),
    Step(
        "POST",
        "/api/articles/hello-you/comments",
        200,
        {"comment/id": int, "comment/body": "c"},
        {"comment": {"body": "c"}},
        save={"c": "comment/id"},
    ),
    Step("GET", "/api/articles/hello-you/comments", 200, {"comments/0/body": "c"}),
    Step("GET", "/api/articles/hello-you-2/comments", 200, {"comments": []}),
    Step("POST", "/api/articles/none/comments", 404, {"errors/body/0": str}, {"comment": {"body": "c"}}),
    Step("DELETE", "/api/articles/hello-you-2/comments/<c>", 404),
    Step("DELETE", "/api/articles/hello-you/comments/<c>", 200),
    Step("DELETE", "/api/articles/hello-you", 200),
    Step("GET", "/api/articles/hello-you", 404, {"errors/body/0": str}),
]

FORGE = [
    Step("POST", "/api/v1/orgs/acme/repos", 201, {"name": "tool", "private": False}, {"name": "tool"}),
    Step("GET", "/api/v1/repos/acme/tool", 200, {"name": "tool", "id": int, "created_at": str}),
    Step("GET", "/api/v1/repos/other/tool", 404, {"message": str}),
    Step("GET", "/api/v1/orgs/acme/repos", 200, {"0/name": "tool", "1": None}),
    Step("GET", "/api/v1/orgs/other/repos", 200, {"0": None}),
    Step("POST", "/api/v1/orgs/other/repos", 201, {"name": "tool"}, {"name": "tool"}),
    Step("POST", "/api/v1/orgs/acme/repos", 409, {}, {"name": "tool"}),
    Step("POST", "/api/v1/repos/acme/tool/issues", 201, {"number": 1, "state": "open"}, {"title": "a"}),
    Step("POST", "/api/v1/repos/acme/tool/issues", 201, {"number": 2}, {"title": "b"}),
    Step("POST", "/api/v1/repos/other/tool/issues", 201, {"number": 1}, {"title": "c"}),
    Step("POST", "/api/v1/repos/nobody/tool/issues", 404, {"message": str}, {"title": "c"}),
    Step("GET", "/api/v1/repos/acme/tool/issues/2", 200, {"title": "b"}),
    Step(
        "PATCH",
        "/api/v1/repos/acme/tool/issues/2",
        201,
        {"state": "closed", "title": "b"},
        {"state": "closed"},
    ),
    Step("GET", "/api/v1/repos/acme/tool/issues?state=open", 200, {"0/number": 1, "1": None}),
    Step("GET", "/api/v1/repos/other/tool/issues/2", 404),
    Step("DELETE", "/api/v1/repos/acme/tool", 204),
    Step("GET", "/api/v1/repos/acme/tool", 404),
]

CUSTOMER = re.compile("^cus_[A-Za-z0-9]{14}$")
PAYMENTS = [
    Step(
        "POST",
        "/v1/customers",
        200,
        {
            "id": CUSTOMER,
            "object": "customer",
            "email": "a@b",
            "balance": 5,
            "created": int,
            "livemode": False,
        },
        form="email=a%40b&balance=5",
        save={"a": "id"},
    ),
    Step("POST", "/v1/customers", 200, {"email": "c@d"}, form="email=c%40d", save={"b": "id"}),
    Step(
        "GET",
        "/v1/customers",
        200,
        {"object": "list", "has_more": False, "data/0/id": "<b>", "data/1/id": "<a>"},
    ),
    Step("GET", "/v1/customers?limit=1", 200, {"has_more": True, "data/0/id": "<b>", "data/1": None}),
    Step("GET", "/v1/customers?limit=1&starting_after=<b>", 200, {"has_more": False, "data/0/id": "<a>"}),
    Step("GET", "/v1/customers?email=a%40b", 200, {"data/0/id": "<a>", "data/1": None}),
    Step("POST", "/v1/customers/<a>", 200, {"name": "Ann", "email": "a@b", "balance": 5}, form="name=Ann"),
    Step("DELETE", "/v1/customers/<a>", 200, {"deleted": True, "id": "<a>", "object": "customer"}),
    Step("GET", "/v1/customers/<a>", 404, {"error/type": str, "error/message": str}),
]

BANK = [
    Step(
        "POST",
        "/bank/v1/consents",
        201,
        {
            "Data/ConsentId": str,
            "Data/Status": "AWAU",
            "Data/Permissions/0": "p",
            "Data/CreationDateTime": str,
        },
        {"Data": {"Permissions": ["p"]}, "Risk": {}},
        save={"c": "Data/ConsentId"},
    ),
    Step("GET", "/bank/v1/consents/<c>", 200, {"Data/ConsentId": "<c>", "Risk": {}}),
    Step("GET", "/bank/v1/accounts", 200, {"Data/Account/0/AccountId": "22289"}),
    Step("GET", "/bank/v1/accounts/22289", 200, {"Data/Account/0/AccountId": "22289"}),
    Step("GET", "/bank/v1/accounts/1", 404, {"Errors/0/ErrorCode": str}),
    Step(
        "GET",
        "/bank/v1/accounts/22289/balances",
        200,
        {"Data/Balance/0/AccountId": "22289", "Data/Balance/0/Amount": "12.50"},
    ),
    Step("DELETE", "/bank/v1/consents/<c>", 204),
    Step("GET", "/bank/v1/consents/<c>", 404, {"Errors/0/Message": str}),
]

MESSAGES = f"/2010/Accounts/{ACCOUNT}/Messages"
PHONE = [
    Step(
        "POST",
        "/2010/Accounts.json",
        201,
        {"sid": re.compile("^AC[0-9a-f]{32}$"), "friendly_name": "f"},
        form="FriendlyName=f",
        save={"a": "sid"},
    ),
    Step(
        "GET",
        "/2010/Accounts/<a>.json",
        200,
        {"friendly_name": "f", "date_created": re.compile(r"^\w{3}, \d\d \w{3} \d{4} [\d:]{8} \+0000$")},
    ),
    Step(
        "POST",
        "/2010/Accounts/<a>/Messages.json",
        201,
        {
            "sid": re.compile("^SM[0-9a-f]{32}$"),
            "to": "+1",
            "body": "Hi",
            "max_parts": 2,
            "account_sid": "<a>",
            "status": "queued",
            "error_code": None,
        },
        form="To=%2B1&Body=Hi&MaxParts=2",
        save={"m": "sid"},
    ),
    Step("GET", "/2010/Accounts/<a>/Messages/<m>.json", 200, {"body": "Hi"}),
    Step(
        "GET",
        "/2010/Accounts/<a>/Messages.json?PageSize=1",
        200,
        {"messages/0/sid": "<m>", "page": 0, "page_size": 1, "next_page_uri": None},
    ),
    Step("GET", "/2010/Accounts/<a>/Messages.json?To=%2B2", 200, {"messages": []}),
    Step("POST", "/2010/Accounts/<a>/Messages/<m>.json", 200, {"body": "Yo", "to": "+1"}, form="Body=Yo"),
    Step("POST", f"{MESSAGES}.json", 404, form="To=1"),
    Step("DELETE", "/2010/Accounts/<a>/Messages/<m>.json", 204),
    Step("GET", "/2010/Accounts/<a>/Messages/<m>.json", 404),
]

API = "application/vnd.api+json"
CRM = [
    Step(
        "POST",
        "/api/lists",
        201,
        {
            "data/id": re.compile("^[A-Za-z0-9]{6}$"),
            "data/type": "list",
            "data/attributes/name": "a",
            "data/attributes/created": str,
            "data/links/self": str,
        },
        {"data": {"type": "list", "attributes": {"name": "a", "note": "n"}}},
        save={"a": "data/id"},
        content_type=API,
    ),
    Step(
        "POST",
        "/api/lists",
        201,
        {},
        {"data": {"type": "list", "attributes": {"name": "b"}}},
        content_type=API,
    ),
    Step(
        "POST",
        "/api/lists",
        201,
        {},
        {"data": {"type": "list", "attributes": {"name": "c"}}},
        content_type=API,
    ),
    Step(
        "GET",
        "/api/lists",
        200,
        {"data/0/attributes/name": "a", "data/2": None, "links/next": str},
        save={"next": "links/next"},
    ),
    Step(
        "GET",
        "/api/lists?page%5Bsize%5D=2&page%5Bcursor%5D=o2",
        200,
        {"data/0/attributes/name": "c", "links/next": None},
    ),
    Step(
        "PATCH",
        "/api/lists/<a>",
        200,
        {"data/attributes/name": "z", "data/attributes/note": "n", "data/id": "<a>"},
        {"data": {"type": "list", "id": "<a>", "attributes": {"name": "z"}}},
        content_type=API,
    ),
    Step("DELETE", "/api/lists/<a>", 204),
    Step("GET", "/api/lists/<a>", 404, {"errors/0/title": str, "errors/0/detail": str}),
]

JOBS = "/apis/things/v1/namespaces/dev/jobs"
CLUSTER = [
    Step(
        "POST",
        JOBS,
        201,
        {"metadata/name": "j", "metadata/namespace": "dev", "spec/image": "i"},
        {"kind": "Job", "metadata": {"name": "j"}, "spec": {"image": "i"}},
    ),
    Step(
        "POST",
        "/apis/things/v1/namespaces/prod/jobs",
        201,
        {"metadata/namespace": "prod"},
        {"metadata": {"name": "j"}},
    ),
    Step("POST", JOBS, 409, {}, {"metadata": {"name": "j"}}),
    Step("GET", f"{JOBS}/j", 200, {"spec/image": "i"}),
    Step("GET", f"{JOBS}/j/status", 200, {"spec/image": "i"}),
    Step("GET", JOBS, 200, {"items/0/metadata/name": "j", "items/1": None}),
    Step("GET", "/apis/things/v1/jobs", 200, {"items/1/metadata/namespace": "prod"}),
    Step("PUT", f"{JOBS}/j", 200, {"spec/image": "k"}, {"metadata": {"name": "j"}, "spec": {"image": "k"}}),
    Step(
        "PUT",
        f"{JOBS}/new",
        201,
        {"metadata/name": "new", "metadata/namespace": "dev"},
        {"metadata": {"name": "new"}},
    ),
    Step("DELETE", f"{JOBS}/j", 200),
    Step("GET", f"{JOBS}/j", 404),
    Step("GET", "/apis/things/v1/namespaces/prod/jobs/j", 200),
]

ODD = [
    Step(
        "POST",
        "/v2/applications",
        201,
        {"id": re.compile("^[0-9a-f-]{36}$"), "name": "a", "secret": None},
        {"name": "a", "secret": "s"},
        save={"a": "id"},
    ),
    Step("GET", "/v2/applications/<a>", 200, {"name": "a"}),
    Step(
        "GET",
        "/v2/applications",
        200,
        {
            "_embedded/applications/0/id": "<a>",
            "total_items": 1,
            "_links/self/href": str,
            "_links/next": None,
        },
    ),
    Step(
        "POST", "/v2/applications/People", 201, {"UserName": "ann"}, {"UserName": "ann", "FirstName": "Ann"}
    ),
    Step("GET", "/v2/applications/People('ann')", 200, {"FirstName": "Ann"}),
    Step("DELETE", "/v2/applications/People('ann')", 204),
    Step("GET", "/v2/applications/People('ann')", 404),
    Step("POST", "/v2/applications/chat.post", 200, {"ok": True}, source="example"),
    Step("GET", "/v2/applications/settings", 200, {"theme": "light", "beta": False}),
    Step("PUT", "/v2/applications/settings", 200, {"theme": "dark"}, {"theme": "dark"}),
    Step("GET", "/v2/applications/settings", 200, {"theme": "dark"}),
]

ANN: dict[str, Any] = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
    "userName": "ann",
    "password": "p",
    "name": {"givenName": "Ann"},
}
DIRECTORY = [
    Step(
        "POST",
        "/scim/v2/Users",
        201,
        {
            "id": str,
            "userName": "ann",
            "active": True,
            "password": None,
            "meta/resourceType": "User",
            "meta/location": str,
        },
        ANN,
        save={"a": "id"},
        content_type=SCIM,
    ),
    Step("GET", "/scim/v2/Users/<a>", 200, {"name/givenName": "Ann", "password": None}),
    Step(
        "GET",
        "/scim/v2/Users",
        200,
        {
            "totalResults": 1,
            "startIndex": 1,
            "Resources/0/id": "<a>",
            "schemas/0": "urn:ietf:params:scim:api:messages:2.0:ListResponse",
        },
    ),
    Step(
        "PUT",
        "/scim/v2/Users/<a>",
        200,
        {"userName": "bea", "id": "<a>", "meta/created": str},
        {**ANN, "userName": "bea"},
        content_type=SCIM,
    ),
    Step("DELETE", "/scim/v2/Users/<a>", 204),
    Step("GET", "/scim/v2/Users/<a>", 404, {"status": "404", "detail": str}),
]

SCENARIOS = {
    "petshop.yaml": PETSHOP,
    "blog.yaml": BLOG,
    "forge.yaml": FORGE,
    "payments.yaml": PAYMENTS,
    "bank.yaml": BANK,
    "phone.yaml": PHONE,
    "crm.json": CRM,
    "cluster.yaml": CLUSTER,
    "odd.yaml": ODD,
    "directory.yaml": DIRECTORY,
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_api_by_its_description_alone(service: RunningService, name: str) -> None:
    """Without a key: made, read, listed, filtered, changed and deleted, in the document's own form."""
    client = with_contract(service, name.partition(".")[0], name)

    assert taken(client, SCENARIOS[name]) == []


def test_the_settings_contract_is_every_session_s(service: RunningService) -> None:
    found = service.client("nobody-has-set-one").request("POST", "/v2/animal", {"name": "rex"})

    assert (found.status, found.headers["x-plan-source"]) == (200, "contract")


def test_a_session_without_a_contract_is_as_ever(service: RunningService) -> None:
    operator = service.client(None, Authorization=f"Bearer {ADMIN}")
    told = operator.request("PUT", "/_meta/sessions/free/contract", {"document": None})
    made = service.client("free").request("POST", "/members", {"name": "Ann"})

    assert (told.status, told.json["contract"]) == (200, None)
    assert (made.status, made.json) == (201, {"id": 1, "name": "Ann"})


def test_what_the_service_shows_of_itself_is_the_contract(service: RunningService) -> None:
    shown = service.client("shown").request("GET", "/openapi.json").json

    assert (shown["openapi"], shown["info"]["title"]) == ("3.1.0", "Pet shop")
    assert shown["servers"] == [{"url": "/v2"}]
    assert "/animal/{animalId}" in shown["paths"]


def test_explain_names_the_rule_and_the_place(service: RunningService) -> None:
    operator = service.client(None, Authorization=f"Bearer {ADMIN}")
    ask = {"session": "shown", "method": "GET", "path": "/v2/animal/1"}
    told = operator.request("POST", "/_meta/explain", ask).json

    assert told["source"] == "contract"
    assert "#/paths/~1animal~1{animalId}/get" in told["why"][0]
    assert "the key is id" in " ".join(told["why"])


def test_a_document_that_is_none_is_refused(service: RunningService) -> None:
    operator = service.client(None, Authorization=f"Bearer {ADMIN}")
    told = operator.request("PUT", "/_meta/sessions/odd-one/contract", {"document": {"openapi": "3.0.0"}})

    assert (told.status, orjson.loads(told.body)["detail"]) == (400, ": has no `paths`")


def test_405_names_what_there_is(service: RunningService) -> None:
    refused = service.client("shown").request("PATCH", "/v2/animal/1", {})

    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD, POST, DELETE, OPTIONS")
