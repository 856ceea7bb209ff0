"""Documents in styles that many APIs share, in the real service: what a style has that no schema says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

from tests.e2e.contracts import ADMIN, Step, taken, with_contract
from tests.e2e.service import RunningService

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.client import Client
    from wasm_runtime.artifact import Artifact

API = "application/vnd.api+json"
SCIM = "application/scim+json"
HAL = "application/hal+json"


@pytest.fixture(scope="module")
def service(guest_artifact: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    scratch = tmp_path_factory.mktemp("profiles")
    with RunningService(scratch / "data", scratch, {"LARS_ADMIN_TOKEN": ADMIN}) as running:
        yield running


def stripe(client: Client) -> Client:
    return evolve(client, headers={**client.headers, "Authorization": "Bearer sk_test_1"})


BILLING = [
    Step(
        "POST",
        "/v1/customers",
        200,
        {"metadata/a": "1"},
        form="name=Ann&metadata[a]=1&metadata[b]=2",
        save={"c": "id"},
    ),
    Step(
        "POST",
        "/v1/customers/<c>",
        200,
        {"metadata": {"b": "2", "c": "3"}, "name": "Ann"},
        form="metadata[a]=&metadata[c]=3",
    ),
    Step("POST", "/v1/customers/<c>", 200, {"metadata": {}}, form="metadata="),
    Step(
        "POST",
        "/v1/invoices",
        200,
        {"customer/name": "Ann", "status": "draft", "currency": "usd"},
        form="customer=<c>&expand[]=customer",
        save={"i": "id"},
    ),
    Step("GET", "/v1/invoices/<i>", 200, {"customer": "<c>", "expand": None}),
    Step("GET", "/v1/invoices/<i>?expand[]=customer", 200, {"customer/id": "<c>"}),
    Step(
        "GET",
        "/v1/invoices?expand[]=data.customer",
        200,
        {"data/0/customer/id": "<c>", "url": "/v1/invoices"},
    ),
    Step(
        "GET",
        "/v1/invoices/<i>?expand[]=lines",
        400,
        {"error/type": "invalid_request_error", "error/param": "expand"},
    ),
    Step(
        "POST",
        "/v1/invoices",
        400,
        {"error/code": "parameter_missing", "error/param": "customer"},
        form="currency=usd",
    ),
    Step("POST", "/v1/invoices", 400, {"error/code": "parameter_unknown"}, form="customer=<c>&nope=1"),
    Step("POST", "/v1/products", 200, {"id": "mine", "active": True}, form="id=mine&name=p"),
    Step("POST", "/v1/products", 400, {"error/code": "resource_already_exists"}, form="id=mine&name=p"),
    Step("DELETE", "/v1/customers/<c>", 200, {"deleted": True, "id": "<c>"}),
    Step("GET", "/v1/customers/<c>", 200, {"deleted": True, "id": "<c>", "object": "customer", "name": None}),
    Step("GET", "/v1/customers/cus_0", 404, {"error/code": "resource_missing", "error/message": str}),
]


def person(user: str, **more: Any) -> dict[str, Any]:
    return {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": user, **more}


def patch(*operations: dict[str, Any]) -> dict[str, Any]:
    return {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": list(operations)}


MAILS = [{"value": "a@work.org", "type": "work"}, {"value": "a@home.org", "type": "home"}]
PEOPLE = [
    Step(
        "POST",
        "/scim/v2/Users",
        201,
        {"meta/resourceType": "User", "meta/version": re.compile('^W/"')},
        person("ann", emails=MAILS, active=True),
        save={"a": "id"},
        content_type=SCIM,
    ),
    Step("POST", "/scim/v2/Users", 201, {}, person("bob", name={"familyName": "Ek"})),
    Step(
        "POST",
        "/scim/v2/Users",
        409,
        {"scimType": "uniqueness", "status": "409"},
        person("ANN"),
        content_type=SCIM,
    ),
    Step(
        "GET",
        '/scim/v2/Users?filter=userName%20eq%20"ANN"',
        200,
        {"totalResults": 1, "itemsPerPage": 1, "Resources/0/id": "<a>"},
    ),
    Step(
        "GET",
        '/scim/v2/Users?filter=not%20(emails.type%20eq%20"home")%20or%20active%20eq%20true',
        200,
        {"totalResults": 2},
    ),
    Step(
        "GET",
        '/scim/v2/Users?filter=name.familyName%20pr%20and%20userName%20sw%20"b"',
        200,
        {"totalResults": 1, "Resources/0/userName": "bob"},
    ),
    Step("GET", "/scim/v2/Users?filter=nope%20pr", 400, {"scimType": "invalidFilter"}),
    Step(
        "GET",
        "/scim/v2/Users?attributes=userName",
        200,
        {"Resources/0/userName": "ann", "Resources/0/active": None, "Resources/0/id": "<a>"},
    ),
    Step("GET", "/scim/v2/Users/<a>?excludedAttributes=emails", 200, {"emails": None, "userName": "ann"}),
    Step("GET", "/scim/v2/Users?count=0", 200, {"totalResults": 2, "Resources": []}),
    Step(
        "PATCH",
        "/scim/v2/Users/<a>",
        200,
        {"emails/0/value": "n@work.org", "active": False, "name/givenName": "A"},
        patch(
            {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "n@work.org"},
            {"op": "replace", "value": {"active": False, "name.givenName": "A"}},
        ),
        content_type=SCIM,
    ),
    Step(
        "PATCH",
        "/scim/v2/Users/<a>",
        200,
        {"emails/0/type": "work", "emails/1": None},
        patch({"op": "remove", "path": 'emails[type eq "home"]'}),
        content_type=SCIM,
    ),
    Step(
        "PATCH",
        "/scim/v2/Users/<a>",
        400,
        {"scimType": "noTarget"},
        patch({"op": "replace", "path": 'emails[type eq "x"].value', "value": "y"}),
        content_type=SCIM,
    ),
    Step(
        "PATCH",
        "/scim/v2/Users/<a>",
        400,
        {"scimType": "invalidPath"},
        patch({"op": "replace", "path": "a b", "value": "y"}),
        content_type=SCIM,
    ),
    Step("DELETE", "/scim/v2/Users/<a>", 204),
    Step(
        "GET",
        "/scim/v2/Users/<a>",
        404,
        {"status": "404", "schemas/0": "urn:ietf:params:scim:api:messages:2.0:Error"},
    ),
]


def resource(kind: str, attributes: dict[str, Any], **relations: Any) -> dict[str, Any]:
    related = {name: {"data": data} for name, data in relations.items()}
    return {
        "data": {"type": kind, "attributes": attributes, **({"relationships": related} if related else {})}
    }


def ref(kind: str, key: str) -> dict[str, str]:
    return {"type": kind, "id": key}


ARTICLES = [
    Step(
        "POST",
        "/api/people",
        201,
        {"data/attributes": {"name": "Ann"}},
        resource("people", {"name": "Ann", "secret": "s"}),
        save={"p": "data/id"},
        content_type=API,
    ),
    Step(
        "POST",
        "/api/articles?include=author",
        201,
        {"included/0/attributes": {"name": "Ann"}},
        resource("articles", {"title": "B"}, author=ref("people", "<p>")),
        save={"a": "data/id"},
        content_type=API,
    ),
    Step("POST", "/api/articles", 201, {}, resource("articles", {"title": "A"}), content_type=API),
    Step(
        "POST",
        "/api/comments",
        201,
        {},
        resource("comments", {"text": "hi"}, article=ref("articles", "<a>"), author=ref("people", "<p>")),
        save={"c": "data/id"},
        content_type=API,
    ),
    Step(
        "GET",
        "/api/articles?sort=title",
        200,
        {"data/0/attributes/title": "A", "included": None, "meta/total": 2},
    ),
    Step(
        "GET",
        "/api/articles/<a>?include=comments.author",
        200,
        {
            "data/relationships/comments/data/0/id": "<c>",
            "included/0/id": "<c>",
            "included/1/id": "<p>",
            "included/1/attributes/secret": None,
        },
    ),
    Step(
        "GET",
        "/api/articles/<a>?fields[articles]=author",
        200,
        {"data/attributes": {"title": "B"}, "data/relationships/author/data/id": "<p>"},
    ),
    Step("GET", "/api/articles/<a>/relationships/author", 200, {"data": {"type": "people", "id": "<p>"}}),
    Step("PATCH", "/api/articles/<a>/relationships/author", 204, {}, {"data": None}, content_type=API),
    Step("GET", "/api/articles/<a>/author", 200, {"data": None}),
    Step(
        "POST",
        "/api/articles/<a>/relationships/tags",
        204,
        {},
        {"data": [ref("tags", "1"), ref("tags", "2")]},
        content_type=API,
    ),
    Step(
        "DELETE",
        "/api/articles/<a>/relationships/tags",
        204,
        {},
        {"data": [ref("tags", "1")]},
        content_type=API,
    ),
    Step("GET", "/api/articles/<a>/relationships/tags", 200, {"data": [{"type": "tags", "id": "2"}]}),
    Step("GET", "/api/articles/<a>/comments", 200, {"data/0/id": "<c>", "data/1": None}),
    Step("GET", "/api/articles?include=nope", 400, {"errors/0/status": "400"}),
    Step(
        "POST",
        "/api/articles",
        422,
        {"errors/0/source/pointer": "/data/attributes"},
        resource("articles", {}),
        content_type=API,
    ),
]

CONFIG = "/api/v1/namespaces/dev/configmaps"
MERGE = "application/merge-patch+json"
CONFIGS = [
    Step("GET", CONFIG, 200, {"items": [], "kind": "ConfigMapList", "apiVersion": "v1"}),
    Step(
        "POST",
        CONFIG,
        201,
        {
            "kind": "ConfigMap",
            "metadata/uid": str,
            "metadata/resourceVersion": "1",
            "metadata/namespace": "dev",
        },
        {"metadata": {"name": "a", "labels": {"x.org/t": "1"}}, "data": {"k": "v"}},
    ),
    Step(
        "POST",
        CONFIG,
        409,
        {"kind": "Status", "reason": "AlreadyExists", "code": 409},
        {"metadata": {"name": "a"}},
    ),
    Step(
        "POST", CONFIG, 201, {"metadata/name": re.compile("^g-.{5}$")}, {"metadata": {"generateName": "g-"}}
    ),
    Step(
        "GET",
        f"{CONFIG}?labelSelector=x.org/t%20in%20(1,2)",
        200,
        {"items/0/metadata/name": "a", "items/1": None},
    ),
    Step("GET", f"{CONFIG}?labelSelector=!x.org/t", 200, {"items/0/metadata/generateName": "g-"}),
    Step("GET", f"{CONFIG}?fieldSelector=metadata.name%3Da", 200, {"items/0/data/k": "v", "items/1": None}),
    Step("GET", f"{CONFIG}?fieldSelector=nope%3Da", 400, {"reason": "BadRequest"}),
    Step(
        "PATCH",
        f"{CONFIG}/a",
        200,
        {"data": {"z": "1"}, "metadata/resourceVersion": "3"},
        {"data": {"k": None, "z": "1"}},
        content_type=MERGE,
    ),
    Step(
        "PATCH",
        f"{CONFIG}/a",
        200,
        {"data": {"z": "2"}},
        [{"op": "replace", "path": "/data/z", "value": "2"}],
        content_type="application/json-patch+json",
    ),
    Step(
        "PUT", f"{CONFIG}/a", 409, {"reason": "Conflict"}, {"metadata": {"name": "a", "resourceVersion": "1"}}
    ),
    Step(
        "PUT",
        f"{CONFIG}/a",
        200,
        {"metadata/uid": str, "data": {"o": "p"}},
        {"metadata": {"name": "a"}, "data": {"o": "p"}},
    ),
    Step("DELETE", f"{CONFIG}/a", 200, {"kind": "Status", "status": "Success"}),
    Step("GET", f"{CONFIG}/a", 404, {"kind": "Status", "reason": "NotFound"}),
]

SHELF = [
    Step(
        "POST",
        "/books",
        201,
        {"_links/self/href": re.compile("/books/1$")},
        {"title": "a", "_links": {"self": {"href": "x:y"}}},
    ),
    Step("GET", "/books/1", 200, {"_links/self/href": re.compile("/books/1$"), "title": "a"}),
    Step(
        "PUT",
        "/books/1",
        200,
        {"title": "b", "_links/self/href": re.compile("/books/1$")},
        {"title": "b"},
        content_type=HAL,
    ),
    Step("GET", "/books", 200, {"_embedded/books/0/title": "b", "page/totalElements": 1}),
    Step("GET", "/books/9", 404, {"message": str}),
]

AUTHORS = "/odata/v4/Authors"
ROME = {"City": "Rome", "Country": "IT"}
LIBRARY = [
    Step(
        "POST", AUTHORS, 201, {"Login": "ann"}, {"Login": "ann", "Name": "Ann", "Born": 1970, "Address": ROME}
    ),
    Step("POST", AUTHORS, 201, {"Name": "O'Neil"}, {"Login": "o'neil", "Name": "O'Neil", "Born": 1950}),
    Step("POST", AUTHORS, 201, {}, {"Login": "bea", "Name": "Bea", "Born": None}),
    Step("POST", AUTHORS, 409, {"error/message": str, "error/code": str}, {"Login": "ann", "Name": "x"}),
    Step("GET", f"{AUTHORS}('ann')", 200, {"Name": "Ann", "Address/City": "Rome"}),
    Step("GET", f"{AUTHORS}(ann)", 200, {"Name": "Ann"}),
    Step("GET", f"{AUTHORS}('o''neil')?$select=Name", 200, {"": {"Name": "O'Neil"}}),
    Step("GET", f"{AUTHORS}('nobody')", 404, {"error/code": str, "error/message": str}),
    Step(
        "GET",
        f"{AUTHORS}?$filter=Born%20lt%201960%20or%20Address/City%20eq%20'Rome'&$orderby=Name%20desc&$count=true",
        200,
        {"value/#": 2, "value/0/Name": "O'Neil", "@odata.count": 2, "@odata.context": "$metadata#Authors"},
    ),
    Step(
        "GET",
        f"{AUTHORS}?$filter=startswith(Name,'B')%20and%20Born%20eq%20null",
        200,
        {"value/0/Login": "bea"},
    ),
    Step("GET", f"{AUTHORS}?$filter=Name%20eq%20'O''Neil'", 200, {"value/#": 1}),
    Step("GET", f"{AUTHORS}?$filter=not%20contains(tolower(Name),'ann')", 200, {"value/#": 2}),
    Step(
        "GET",
        f"{AUTHORS}?$filter=Login%20in%20('ann','bea')&$select=Login",
        200,
        {"value/1": {"Login": "bea"}},
    ),
    Step("GET", f"{AUTHORS}?$filter=Nothing%20eq%201", 400, {"error/target": "$filter"}),
    Step("GET", f"{AUTHORS}?$top=1&$skip=1", 200, {"value/#": 1, "@odata.nextLink": re.compile("skip=2")}),
    Step(
        "GET", f"{AUTHORS}?$count=false&$filter=Born%20lt%201960", 200, {"value/#": 1, "@odata.count": None}
    ),
    Step("GET", f"{AUTHORS}?$top=1", 200, {"value/#": 1, "@odata.count": None}),
    Step("GET", f"{AUTHORS}?$count=maybe", 400, {"error/message": re.compile("count")}),
    Step(
        "PATCH",
        f"{AUTHORS}('ann')",
        204,
        {},
        {"Tags": ["new", "old"], "Mails": [{"Kind": "work", "Value": "a@x"}, {"Kind": "home", "Value": "b"}]},
    ),
    Step("GET", f"{AUTHORS}?$filter=Tags/any(t:t%20eq%20'old')", 200, {"value/#": 1, "value/0/Login": "ann"}),
    Step("GET", f"{AUTHORS}?$filter=Tags/any(t:t%20eq%20'none')", 200, {"value/#": 0}),
    Step("GET", f"{AUTHORS}?$filter=Tags/any(t:t%20in%20('x','new'))", 200, {"value/0/Login": "ann"}),
    Step("GET", f"{AUTHORS}?$filter=Tags/any(t:contains(t,'ld'))", 400, {"error/target": "$filter"}),
    Step(
        "GET",
        f"{AUTHORS}?$filter=Mails/any(m:m/Kind%20eq%20'work'%20or%20startswith(m/Value,'c'))&$expand=Mails",
        200,
        {"value/#": 1, "value/0/Mails/1/Value": "b"},
    ),
    Step("GET", f"{AUTHORS}?$filter=not%20Mails/any(m:m/Kind%20eq%20'work')", 200, {"value/#": 2}),
    Step("GET", f"{AUTHORS}?$filter=Mails/all(m:m/Kind%20eq%20'work')", 400, {"error/target": "$filter"}),
    Step("GET", f"{AUTHORS}?$search=ann", 501, {"error/message": re.compile("search")}),
    Step("GET", f"{AUTHORS}?$expand=Mails($top=1)", 501, {"error/message": re.compile("expand")}),
    Step("GET", f"{AUTHORS}?$expand=Nothing", 400, {"error/message": re.compile("Nothing")}),
    Step("PATCH", f"{AUTHORS}('ann')", 204, {}, {"Name": "Anne"}),
    Step("GET", f"{AUTHORS}('ann')", 200, {"Name": "Anne", "Born": 1970}),
    Step("DELETE", f"{AUTHORS}('ann')", 204),
    Step("GET", f"{AUTHORS}('ann')", 404),
    Step("POST", "/odata/v4/Books", 201, {"Id": 1}, {"Title": "a"}),
    Step("GET", "/odata/v4/Books(1)", 200, {"Title": "a"}),
    Step("GET", "/odata/v4/Books?$filter=Title%20eq%20'a'", 200, {"value/0/Id": 1}),
]

SCENARIOS = {
    "library.json": LIBRARY,
    "billing.yaml": BILLING,
    "people.yaml": PEOPLE,
    "articles.json": ARTICLES,
    "configs.yaml": CONFIGS,
    "shelf.yaml": SHELF,
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_style(service: RunningService, name: str) -> None:
    client = with_contract(service, name.partition(".")[0], name)

    assert taken(stripe(client) if name == "billing.yaml" else client, SCENARIOS[name]) == []


def test_versions_of_scim_are_weak_tags(service: RunningService) -> None:
    """RFC 7644 §3.14: the header and `meta.version` are the same; 304, and 412 for another version."""
    client = with_contract(service, "tags", "people.yaml")
    made = client.request("POST", "/scim/v2/Users", person("ann"), content_type=SCIM).json
    path = f"/scim/v2/Users/{made['id']}"
    read = client.request("GET", path)
    tag = read.headers["etag"]

    def asking(method: str, name: str, value: str, body: Any = None) -> int:
        own = evolve(client, headers={**client.headers, name: value})
        return own.request(method, path, body, content_type=SCIM).status

    assert tag == made["meta"]["version"] == read.json["meta"]["version"]
    assert asking("GET", "If-None-Match", tag) == 304
    assert asking("GET", "If-None-Match", 'W/"other"') == 200
    assert asking("PUT", "If-Match", 'W/"other"', person("ann")) == 412
    assert asking("PUT", "If-Match", tag, person("ann")) == 200
    assert client.request("GET", path).headers["etag"] != tag
    assert asking("DELETE", "If-Match", tag) == 412
    assert asking("DELETE", "If-Match", "*") == 204


def test_explain_names_the_style(service: RunningService) -> None:
    with_contract(service, "explained", "people.yaml")
    operator = service.client(None, Authorization=f"Bearer {ADMIN}")
    ask = {"session": "explained", "method": "GET", "path": "/scim/v2/Users"}
    told = " ".join(operator.request("POST", "/_meta/explain", ask).json["why"])
    bulked = operator.request("POST", "/_meta/explain", {**ask, "method": "POST", "path": "/scim/v2/Bulk"})

    assert bulked.json["source"] == "contract"
    assert "the other operations answer" in " ".join(bulked.json["why"])
    assert "SCIM 2.0 (scim): 11 of 12 operations speak application/scim+json" in told
    assert "filter (filter)" in told


BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"


def bulk(client: Client, *operations: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    headers = more.pop("headers", {})
    body = {"schemas": [BULK], "Operations": list(operations), **more}
    reply = client.request("POST", "/scim/v2/Bulk", body, content_type=SCIM, **headers)
    assert (reply.status, reply.headers["content-type"]) == (200, SCIM), reply.body
    told: list[dict[str, Any]] = reply.json["Operations"]
    return told


def made(path: str, name: str, **data: Any) -> dict[str, Any]:
    schema = USER if path == "/Users" else GROUP
    return {"method": "POST", "path": path, "bulkId": name, "data": {"schemas": [schema], **data}}


def test_scim_takes_many_requests_in_one(service: RunningService) -> None:
    """RFC 7644 §3.7: what refers to something that is made, before or after it, has its id."""
    client = with_contract(service, "bulk", "people.yaml")
    member = [{"value": "bulkId:ann"}]
    patch = {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "active", "value": False}]}
    told = bulk(
        client,
        made("/Groups", "staff", displayName="Staff", members=member),
        made("/Users", "ann", userName="ann"),
        {"method": "patch", "path": "/Users/bulkId:ann", "data": patch},
        made("/Users", "again", userName="ANN"),
        {"method": "DELETE", "path": "/scim/v2/Users/none"},
    )
    group, ann = (client.request("GET", each["location"].removeprefix(client.url)) for each in told[:2])

    assert [(each["method"], each["status"], each.get("bulkId")) for each in told] == [
        ("POST", "201", "staff"),
        ("POST", "201", "ann"),
        ("PATCH", "200", None),
        ("POST", "409", "again"),
        ("DELETE", "404", None),
    ]
    assert (ann.json["userName"], ann.json["active"]) == ("ann", False)
    assert [each["value"] for each in group.json["members"]] == [ann.json["id"]]
    assert told[3]["response"]["scimType"] == "uniqueness"
    assert told[4]["location"] == f"{client.url}/scim/v2/Users/none"
    assert "response" not in told[0]
    assert told[2]["version"] == ann.json["meta"]["version"]


def test_scim_s_bulk_requests_end_where_they_say(service: RunningService) -> None:
    """After so many errors, and what was done by then stays; circles and names of nobody fail alone."""
    client = with_contract(service, "bulk-ends", "people.yaml")
    taken_twice = [made("/Users", "a", userName="x"), made("/Users", "b", userName="x")]
    told = bulk(client, *taken_twice, made("/Users", "c", userName="y"), failOnErrors=1)
    names = client.request("GET", "/scim/v2/Users").json["Resources"]
    circle = bulk(
        client,
        made("/Groups", "one", displayName="1", members=[{"value": "bulkId:two"}]),
        made("/Groups", "two", displayName="2", members=[{"value": "bulkId:one"}]),
        {"method": "DELETE", "path": "/Users/bulkId:nobody"},
        {"method": "DELETE", "path": f"/Users/{names[0]['id']}", "version": 'W/"other"'},
        {"method": "POST", "path": "/Bulk", "bulkId": "in", "data": {"schemas": [BULK], "Operations": []}},
    )

    assert [each["status"] for each in told] == ["201", "409"]
    assert [each["userName"] for each in names] == ["x"]
    assert [each["status"] for each in circle] == ["409", "409", "409", "412", "400"]
    assert client.request("GET", "/scim/v2/Groups").json["totalResults"] == 0


def test_scim_s_bulk_requests_have_the_conditions_of_others(service: RunningService) -> None:
    """The same key again makes nothing again, a dry run keeps nothing, and too many are refused."""
    client = with_contract(service, "bulk-again", "people.yaml")
    ann = made("/Users", "ann", userName="ann")
    dry = bulk(client, ann, headers={"Prefer": "tx=rollback"})
    first, again = (bulk(client, ann, headers={"Idempotency-Key": "k1"}) for _ in range(2))
    body = {"schemas": [BULK], "Operations": [ann] * 101}
    many = client.request("POST", "/scim/v2/Bulk", body, content_type=SCIM)
    wrong = client.request(
        "POST",
        "/scim/v2/Bulk",
        {"schemas": [BULK], "Operations": [{**ann, "method": "GET"}]},
        content_type=SCIM,
    )
    most = [{"method": "DELETE", "path": f"/Users/{number}"} for number in range(100)]

    assert [each[0]["status"] for each in (dry, first, again)] == ["201", "201", "201"]
    assert first == again
    assert client.request("GET", "/scim/v2/Users").json["totalResults"] == 1
    assert (many.status, wrong.status) == (413, 400)
    assert many.json["schemas"] == wrong.json["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    assert {each["status"] for each in bulk(client, *most)} == {"404"}
