"""What the fields of a session say of how its collections are related."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from store.session_store import Session


def test_what_fields_say(session: Session) -> None:
    """One that has an id, a list of such, and what points here; in any style; a single object is nobody's."""
    session.begin(read_only=False)
    stores = session.plan_view
    stores["authors"].insert({"name": "Ann"})
    stores["tags"].insert({"word": "sf"})
    stores["posts"].insert({"authorId": 1, "tag_ids": [1], "meta": {"a": 1}})
    stores["settings"].singleton(make=True).replace({"author_id": 1})  # type: ignore[union-attr]

    assert stores["posts"].relations() == {
        "author": ("one", "authorId", "authors"),
        "tags": ("list", "tag_ids", "tags"),
    }
    assert stores["authors"].relations() == {"posts": ("children", "authorId", "posts")}
    assert stores["nothing"].relations() == {}
    assert stores["posts"].fields() == ["id", "authorId", "tag_ids", "meta"]
    assert stores["posts"].fields("object", "array") == ["tag_ids", "meta"]


@pytest.mark.parametrize(
    ("parent", "field"),
    [
        ("people", "personId"),
        ("people", "people_id"),
        ("children", "child_id"),
        ("old-mice", "oldMouseId"),
        ("quizzes", "quiz_id"),
        ("analyses", "analysisID"),
        ("knives", "knife_id"),
        ("zombies", "zombie_id"),
    ],
)
def test_singulars_by_no_rule(session: Session, parent: str, field: str) -> None:
    """A field is found by the word's own singular as by what the rule makes of it."""
    session.begin(read_only=False)
    stores = session.plan_view
    stores[parent].insert({"name": "Ann"})
    stores["pets"].insert({field: 1})

    assert stores["pets"].links(parent) == [field]
    assert stores[parent].embed([{"id": 1}], "pets") == [{"id": 1, "pets": [{"id": 1, field: 1}]}]
    named = field.removesuffix("_id").removesuffix("Id").removesuffix("ID")
    assert stores["pets"].expand([{field: 1}], named)[0][named]["name"] == "Ann"


def test_a_new_field_is_seen_and_an_undone_one_is_not(session: Session) -> None:
    """What was found out is kept only as long as it is so."""
    session.begin(read_only=False)
    stores = session.plan_view
    stores["authors"].insert({"name": "Ann"})
    stores["posts"].insert({"title": "a"})
    session.settle(keep=True)
    session.commit()
    assert stores["authors"].relations() == {}

    session.begin(read_only=False)
    stores["posts"].insert({"author_id": 1})
    assert stores["authors"].relations() == {"posts": ("children", "author_id", "posts")}
    session.settle(keep=False)
    assert stores["authors"].relations() == {}
    assert stores["posts"].fields() == ["id", "title"]


def test_what_a_plan_does_to_them_is_its_own_affair(session: Session) -> None:
    """They are copies."""
    session.begin(read_only=False)
    stores = session.plan_view
    stores["posts"].insert({"title": "a"})
    stores["posts"].fields().append("b")
    stores["posts"].relations()["b"] = ("one", "b", "b")

    assert stores["posts"].fields() == ["id", "title"]
    assert stores["posts"].relations() == {}
