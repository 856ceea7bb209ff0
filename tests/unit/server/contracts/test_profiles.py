"""Profiles: how a document's is found and overridden, and what their languages make of a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

from server.contracts.contract import Contract
from server.contracts.document import ContractError
from server.contracts.overrides import MEMBER, overrides_in, with_file
from server.contracts.profiles import kubernetes, stripe_like
from server.contracts.profiles.frame.registry import known, names
from server.contracts.profiles.frame.table import Failure
from server.contracts.profiles.odata_parts import filters as odata_filters
from server.contracts.profiles.scim_parts import filters, patches
from server.contracts.reading import read_file
from server.values.errors import BadRequest, Unprocessable
from tests.e2e.contracts import DOCUMENTS

if TYPE_CHECKING:
    from pathlib import Path

    from server.contracts.model import Resource
    from server.contracts.profiles.frame.table import Linked
    from server.contracts.views import View, Views


def contract(name: str, said: str = "") -> Contract:
    document = read_file(DOCUMENTS / name)
    if said:
        document = evolve(document, raw={**document.raw, MEMBER: {"profile": said}})
    return Contract.of(document, name)


@pytest.mark.parametrize(
    ("name", "profile"),
    [
        ("billing.yaml", "stripe-like"),
        ("payments.yaml", "stripe-like"),
        ("articles.json", "json-api"),
        ("crm.json", "json-api"),
        ("people.yaml", "scim"),
        ("directory.yaml", "scim"),
        ("shelf.yaml", "hal"),
        ("configs.yaml", "kubernetes"),
        ("library.json", "odata"),
        ("cluster.yaml", "kubernetes"),
        ("petshop.yaml", "none"),
        ("blog.yaml", "none"),
        ("forge.yaml", "none"),
        ("bank.yaml", "none"),
        ("phone.yaml", "none"),
    ],
)
def test_a_document_is_known_by_its_marks(name: str, profile: str) -> None:
    """And those in no style have none."""
    assert contract(name).model.profile.name == profile


def test_a_person_says_otherwise(tmp_path: Path) -> None:
    (tmp_path / "contract.toml").write_text('profile = "none"\n')
    document = with_file(read_file(DOCUMENTS / "people.yaml"), tmp_path / "contract.toml")
    said = overrides_in(document).profile
    chosen = contract("people.yaml", said).model.chosen

    assert (chosen.profile.name, chosen.why) == ("none", "contract.toml says so")
    assert contract("petshop.yaml", "scim").model.profile.name == "scim"


def test_a_profile_that_there_is_not(tmp_path: Path) -> None:
    (tmp_path / "contract.toml").write_text('profile = "soap"\n')

    with pytest.raises(ContractError, match="profile: takes one of none, "):
        with_file(read_file(DOCUMENTS / "people.yaml"), tmp_path / "contract.toml")
    assert names() == ("none", *known())


class Reading:
    """A request to the users of people.yaml, as far as languages look at it."""

    def __init__(self) -> None:
        self._model = contract("people.yaml").model
        self.views: Views = self._model.views
        self.resource: Resource = self._model.resources[0]
        self.linked: Linked = self._model.linked

    def text(self, ask: str) -> str:
        return ask

    def takes(self, ask: str) -> bool:
        return bool(ask)

    def requires(self, name: str) -> bool:
        return not name

    def texts(self, ask: str) -> list[str]:
        return [ask]

    def named(self, ask: str) -> dict[str, str]:
        return {ask: ask}

    def found(self, name: str) -> tuple[tuple[str, ...], View] | None:
        from server.contracts.paging import property_at

        return property_at(self.views, name, self.resource.fields)


READING = Reading()


@pytest.mark.parametrize(
    ("text", "criteria"),
    [
        ('userName eq "ann"', {"userName__ilike": "ann"}),
        ('USERNAME EQ "a*"', {"userName": "a*"}),
        ('userName co "a"', {"userName__icontains": "a"}),
        ('userName sw "a"', {"userName__ilike": "a*"}),
        ("active eq true", {"active": "true"}),
        ("active ne false", {"active__ne": "false"}),
        ("externalId pr", {"externalId__isnull": "false"}),
        ("externalId eq null", {"externalId__isnull": "true"}),
        ('emails co "@x"', {"emails.value__icontains": "@x"}),
        ('emails[type eq "work"]', {"emails.type__ilike": "work"}),
        (
            'active eq true and userName eq "a" or not (externalId pr)',
            {
                "$or": [
                    {"active": "true", "userName__ilike": "a"},
                    {"$not": [{"externalId__isnull": "false"}]},
                ]
            },
        ),
        (
            'userName co "a" and userName co "b"',
            {"$and": [{"userName__icontains": "a"}, {"userName__icontains": "b"}]},
        ),
        (
            'urn:ietf:params:scim:schemas:core:2.0:User:userName eq "\\u0041\\""',
            {"userName__ilike": 'A"'},
        ),
    ],
)
def test_filters_of_scim(text: str, criteria: dict[str, Any]) -> None:
    assert filters.read(text, READING) == criteria


@pytest.mark.parametrize(
    "text",
    [
        "userName", "userName eq", 'userName like "a"', "userName eq a", 'userName eq "a', "nope pr",
        "(active pr",
        "active pr)", "not active pr", 'userName eq "a" userName', "and", "", "active eq {}",
        "(" * 9 + "active pr" + ")" * 9,
        " and ".join(["active pr"] * 129),
    ],
)  # fmt: skip
def test_filters_of_scim_that_cannot_be_read(text: str) -> None:
    with pytest.raises(filters.FilterError) as raised:
        filters.read(text, READING)
    assert raised.value.members["errors"][0]["keyword"] == "invalidFilter"


def test_filters_as_deep_and_as_long_as_they_may_be() -> None:
    assert filters.read("(" * 8 + "active pr" + ")" * 8, READING)
    assert filters.read(" or ".join(["active pr"] * 85), READING)


@pytest.mark.parametrize(
    ("text", "criteria"),
    [
        ("userName eq 'ann'", {"userName": "ann"}),
        ("name/familyName ne 'O''Neil'", {"name.familyName__ne": "O'Neil"}),
        ("tolower(userName) eq 'ann'", {"userName__ilike": "ann"}),
        ("active eq true and userName gt 'a'", {"$and": [{"active": "true"}, {"userName__gt": "a"}]}),
        ("not (userName eq null)", {"$not": [{"userName__isnull": "true"}]}),
        ("contains(userName,'b') eq false", {"$not": [{"userName__contains": "b"}]}),
        ("userName in ('a', 'b') or endswith(userName,'c')",
         {"$or": [{"userName": ["a", "b"]}, {"userName__endswith": "c"}]}),
        ("userName eq Kind'x'", {"userName": "x"}),
        ("emails/any(e:e/type eq 'work')", {"emails.type": "work"}),
        ("emails/any(e: contains(e/value,'@x') or e/type in ('work'))",
         {"$or": [{"emails.value__contains": "@x"}, {"emails.type": ["work"]}]}),
        ("not emails/any(e:e/type eq 'work')", {"$not": [{"emails.type": "work"}]}),
    ],
)  # fmt: skip
def test_filters_of_odata(text: str, criteria: dict[str, Any]) -> None:
    assert odata_filters.read(text, READING) == criteria


@pytest.mark.parametrize(
    "text",
    [
        "userName", "userName eq", "userName like 'a'", "userName eq 'a", "nope eq 1", "(userName eq 1",
        "userName eq 1)", "and", "", "contains(userName)", "contains(userName,1", "userName eq (",
        "emails/all(e:e/type eq 'x')", "emails/any(e:e/type ne 'x')", "emails/any(e:not (e/type eq 'x'))",
        "emails/any(e:e/type eq 'x' and e/value eq 'y')", "emails/any(e:userName eq 'x')", "emails/any()",
        "emails/any(e:contains(e/value,'x') ne true)", "emails/any(e:e/nope eq 1)", "nope/any(e:e eq 1)",
        "emails/any(e:e/type eq null)",
        "emails/any(e:tolower(e) eq 'x')", "emails/any(e",
        "emails/any(e:", "userName in 'a'", "userName in ()", "year(userName) eq 1",
        "(" * 9 + "userName eq 1" + ")" * 9, "not " * 9 + "userName eq 1",
        " and ".join(["userName eq 1"] * 65),
    ],
)  # fmt: skip
def test_filters_of_odata_that_cannot_be_read(text: str) -> None:
    with pytest.raises(odata_filters.FilterError):
        odata_filters.read(text, READING)


def test_filters_of_odata_as_deep_and_as_long_as_they_may_be() -> None:
    assert odata_filters.read("(" * 8 + "userName eq 1" + ")" * 8, READING)
    assert odata_filters.read("not " * 8 + "userName eq 1", READING)
    assert odata_filters.read(" and ".join(["userName eq 1"] * 64), READING)


@pytest.mark.parametrize(
    ("operation", "steps"),
    [
        ({"op": "Add", "path": "userName", "value": "a"}, [["add", "userName", [], "", "a"]]),
        (
            {"op": "replace", "path": "NAME.familyName", "value": "a"},
            [["replace", "name", [], "familyName", "a"]],
        ),
        (
            {"op": "remove", "path": 'emails[type eq "work" and primary eq true].value'},
            [["remove", "emails", [["type", "eq", "work"], ["primary", "eq", True]], "value", None]],
        ),
        (
            {"op": "add", "value": {"active": True, "name.givenName": "A"}},
            [["add", "active", [], "", True], ["add", "name", [], "givenName", "A"]],
        ),
        (
            {
                "op": "add",
                "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
                "value": "d",
            },
            [["add", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", [], "department", "d"]],
        ),
    ],
)
def test_patches_of_scim(operation: dict[str, Any], steps: list[Any]) -> None:
    assert patches.read({"Operations": [operation]}, READING) == steps


@pytest.mark.parametrize(
    "body", [None, [], {}, {"Operations": {}}, {"Operations": [1]}, {"Operations": [{"op": "move"}]}]
)
def test_patches_of_scim_that_are_none(body: Any) -> None:
    with pytest.raises(Unprocessable):
        patches.read(body, READING)


@pytest.mark.parametrize("path", ["a b", "a[", "a[b]", 'a[b eq "c" or d pr]', "..", "a.b.c", "a[b eq {}]"])
def test_paths_of_scim_that_are_none(path: str) -> None:
    with pytest.raises(BadRequest, match="Operations"):
        patches.read({"Operations": [{"op": "add", "path": path, "value": 1}]}, READING)


@pytest.mark.parametrize(
    ("status", "fault", "said"),
    [
        (404, {}, {"type": "invalid_request_error", "code": "resource_missing", "param": "id"}),
        (503, {}, {"type": "api_error"}),
        (429, {}, {"type": "invalid_request_error", "code": "rate_limit"}),
        (
            400,
            {"keyword": "type", "pointer": "/items/0/price"},
            {
                "type": "invalid_request_error",
                "code": "parameter_invalid_integer",
                "param": "items[0][price]",
            },
        ),
        (
            400,
            {"keyword": "required", "detail": "the property 'customer' is missing"},
            {"type": "invalid_request_error", "code": "parameter_missing", "param": "customer"},
        ),
    ],
)
def test_errors_of_stripe(status: int, fault: dict[str, Any], said: dict[str, Any]) -> None:
    problem = {"status": status, "detail": "d", "errors": [fault] if fault else []}

    assert stripe_like.said(Failure(status, problem)) == {**said, "message": "d"}


def test_errors_of_kubernetes() -> None:
    body, media_type = kubernetes.error(Failure(404, {"detail": "d"}))

    assert media_type == "application/json"
    assert body == {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "d",
        "reason": "NotFound", "code": 404,
    }  # fmt: skip
