"""scim2-client: it takes exactly 201 and 204, and reads every reply by the schemas of RFC 7643."""

from __future__ import annotations

import sys
import warnings
from typing import Any

from scim2_client.engines.httpx2 import Client, SyncSCIMClient  # type: ignore[import-not-found]
from scim2_models import (  # type: ignore[import-not-found]
    BulkResponse,
    Email,
    EnterpriseUser,
    Error,
    Group,
    Name,
    PatchOp,
    PatchOperation,
    SearchRequest,
    User,
)

warnings.simplefilter("ignore", DeprecationWarning)
Person = User[EnterpriseUser]
http = Client(base_url=f"{sys.argv[1]}/scim/v2")
scim = SyncSCIMClient(http, resource_models=[Person, Group])
scim.register_naive_resource_types()


def names(**asked: Any) -> list[str]:
    found = scim.query(Person, query_parameters=SearchRequest(**asked))
    return [each.user_name for each in found.resources or []]


def patched(model: Any, key: str, *steps: tuple[str, str, Any]) -> Any:
    operations = [PatchOperation[model](op=op, path=path, value=value) for op, path, value in steps]
    return scim.modify(model, key, PatchOp[model](operations=operations))


mail = [Email(value="ann@example.com", type="work", primary=True)]
ann = scim.create(Person(user_name="ann", name=Name(given_name="Ann", family_name="Ek"), emails=mail))
assert ann.meta.resource_type == "User", ann
assert str(ann.meta.location) == f"{sys.argv[1]}/scim/v2/Users/{ann.id}", ann
bob = scim.create(Person(user_name="bob", active=True, emails=[Email(value="b@example.org", type="home")]))
taken = scim.create(Person(user_name="ANN"), raise_scim_errors=False)
assert isinstance(taken, Error), taken
assert (taken.status, taken.scim_type) == (409, "uniqueness"), taken

found = scim.query(Person)
assert (found.total_results, found.start_index, found.items_per_page) == (2, 1, 2), found
FILTERS = {
    'userName eq "ANN"': ["ann"],
    'userName sw "b"': ["bob"],
    'emails.value co "example.com"': ["ann"],
    'emails[type eq "work" and value co "@example"]': ["ann"],
    "name.familyName pr": ["ann"],
    "not (name.familyName pr)": ["bob"],
    'userName eq "ann" or (active eq true and userName pr)': ["ann", "bob"],
    'meta.created gt "2020-01-01T00:00:00Z" and userName sw "b"': ["bob"],
    "active eq true": ["ann", "bob"],  # a new one is, unless it is said otherwise
    'urn:ietf:params:scim:schemas:core:2.0:User:userName eq "bob"': ["bob"],
}
for text, wanted in FILTERS.items():
    assert names(filter=text) == wanted, (text, names(filter=text))
assert names(start_index=2, count=1) == ["bob"]
assert names(count=0) == []
assert names(sort_by="userName", sort_order="descending") == ["bob", "ann"]
short = scim.query(Person, query_parameters=SearchRequest(attributes=["userName"])).resources[0]
assert (short.user_name, short.name) == ("ann", None), short
wrong = scim.query(Person, query_parameters=SearchRequest(filter='nope eq "x"'), raise_scim_errors=False)
assert (wrong.status, wrong.scim_type) == (400, "invalidFilter"), wrong

ann.display_name = "Ann E"
replaced = scim.replace(ann)
assert replaced.display_name == "Ann E", replaced
assert replaced.meta.version != ann.meta.version, replaced
changed = patched(
    Person,
    ann.id,
    ("replace", "active", False),
    ("add", "emails", [{"value": "x@example.org", "type": "home"}]),
    ("replace", 'emails[type eq "work"].value', "new@example.org"),
)
assert changed.active is False, changed
assert [each.value for each in changed.emails] == ["new@example.org", "x@example.org"], changed
changed = patched(
    Person, ann.id, ("remove", 'emails[type eq "home"]', None), ("replace", "name.familyName", "Ny")
)
assert [each.value for each in changed.emails] == ["new@example.org"], changed
assert (changed.name.family_name, changed.name.given_name) == ("Ny", "Ann"), changed

group = scim.create(Group(display_name="all", members=[{"value": ann.id}]))
assert patched(Group, group.id, ("add", "members", [{"value": bob.id}])) is None
patched(Group, group.id, ("remove", f'members[value eq "{ann.id}"]', None))
assert [each.value for each in scim.query(Group, group.id).members] == [bob.id]

GROUP, USER = (f"urn:ietf:params:scim:schemas:core:2.0:{name}" for name in ("Group", "User"))
bulk = {
    "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
    "failOnErrors": 5,
    "Operations": [
        {
            "method": "POST",
            "path": "/Groups",
            "bulkId": "g",
            "data": {"schemas": [GROUP], "displayName": "b", "members": [{"value": "bulkId:u"}]},
        },
        {"method": "POST", "path": "/Users", "bulkId": "u", "data": {"schemas": [USER], "userName": "cleo"}},
        {"method": "DELETE", "path": "/Users/none"},
    ],
}
sent = http.post("/Bulk", json=bulk, headers={"Content-Type": "application/scim+json"})
told = BulkResponse[Group].model_validate(sent.json())
assert [str(each.status) for each in told.operations] == ["201", "201", "404"], told
cleo = str(told.operations[1].location).rpartition("/")[2]
assert [
    each.value for each in scim.query(Group, str(told.operations[0].location).rpartition("/")[2]).members
] == [cleo]
assert scim.delete(Person, cleo) is None

read = http.get(f"/Users/{bob.id}")
tag = read.headers["etag"]
assert tag == read.json()["meta"]["version"], tag
assert tag.startswith('W/"'), tag
assert http.get(f"/Users/{bob.id}", headers={"If-None-Match": tag}).status_code == 304
SCIM = {"Content-Type": "application/scim+json"}
other = http.put(f"/Users/{bob.id}", json=read.json(), headers={**SCIM, "If-Match": 'W/"other"'})
assert other.status_code == 412, other.text
own = http.put(f"/Users/{bob.id}", json=read.json(), headers={**SCIM, "If-Match": tag})
assert own.status_code == 200, own.text
assert own.headers["etag"] != tag
assert scim.delete(Person, bob.id) is None
missing = scim.query(Person, bob.id, raise_scim_errors=False)
assert missing.status == 404, missing
