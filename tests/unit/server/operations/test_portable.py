"""A file of plans is believed in nothing."""

from __future__ import annotations

from typing import Any

import pytest

from server.operations import portable
from server.planning.kinds.route import RouteTemplate
from server.values.errors import BadRequest, Unprocessable
from tests.plan_files import document, item
from tests.unit.server.planning.plans import VERSIONS


def test_what_is_left_out_is_the_usual() -> None:
    """A body where the code reads one, no query, the versions of today, and a fingerprint of nobody's."""
    create = ["rec = store.insert(ctx['body_json'])", "REPLY = make_response(201, rec)"]
    get, post = portable.read(
        document([item(), item(method="POST", route="/members", code=create)]), VERSIONS
    )

    assert (get.record.content, post.record.content) == ("none", "json")
    assert (get.record.query_keys(), get.record.versions, get.body_shape) == ((), VERSIONS, "null")
    assert get.record.origin.provider == "person"
    assert get.record.fingerprint != post.record.fingerprint


def test_what_is_written_is_read() -> None:
    """A file that was read and written again is the same."""
    given = item(
        query="any", identifier="{id}", pinned=True, content="json", body_shape={"object": {"a": "string"}}
    )
    items = portable.read(document([given]), VERSIONS)
    again = portable.document(items)

    assert portable.read(again, VERSIONS) == items
    assert again["plans"][0]["code"] == ["REPLY = make_response(200, store.get(params['id']))"]


@pytest.mark.parametrize("text", ["/", "/a/{b:int}/c", "/{a:uuid}", "/x/{a:text}/{b:slug}", "/api/v1/a"])
def test_a_sample_is_a_path_of_its_route(text: str) -> None:
    """For every kind of slot."""
    route = RouteTemplate.parse(text)

    assert route.match(portable.sample(route)) is not None


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"code": "import os"}, "import"),
        ({"code": 5}, "`code`"),
        ({"code": ["x", 5]}, "`code`"),
        ({"route": "members"}, "starts with"),
        ({"route": 5}, "lacks a member"),
        ({"resource": "../x"}, "resource"),
        ({"method": "HEAD"}, "`method`"),
        ({"method": None}, "`method`"),
        ({"content": "xml"}, "`content`"),
        ({"query": "all"}, "`query`"),
        ({"query": [1]}, "`query`"),
        ({"fingerprint": "x"}, "`fingerprint`"),
        ({"versions": {"prompt": "x"}}, "lacks a member"),
        ({"author": {"provider": 5}}, "lacks a member"),
        ({"pinned": 1}, "`pinned`"),
        ({"needs": "values"}, "no plan has"),
        ({"body_shape": "x" * 70_000}, "body_shape"),
    ],
)
def test_what_is_refused(change: dict[str, Any], named: str) -> None:
    """A plan that does not pass is named by its place, with what is wrong."""
    with pytest.raises(Unprocessable) as refused:
        portable.read(document([item(), item(**change)]), VERSIONS)

    assert refused.value.members["plan"] == 2
    assert named in refused.value.detail


@pytest.mark.parametrize(
    "found",
    [{}, document([], version=2), document([], format="x"), document(1), document([item()] * 10_001)],
    ids=["nothing", "version", "format", "plans", "many"],
)
def test_other_files_are_refused(found: dict[str, Any]) -> None:
    """What is no file of plans, or of another version, or has one too many."""
    with pytest.raises(BadRequest):
        portable.read(found, VERSIONS)


def test_as_many_plans_as_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit itself is taken."""
    monkeypatch.setattr(portable, "MAX_PLANS", 2)

    assert len(portable.read(document([item()] * 2), VERSIONS)) == 2
    with pytest.raises(BadRequest, match="2 plans at most"):
        portable.read(document([item()] * 3), VERSIONS)


def test_a_plan_that_is_none() -> None:
    """Another value in the place of a plan is refused like a plan."""
    with pytest.raises(Unprocessable, match="Plan 1 is no object"):
        portable.read(document([5]), VERSIONS)
