from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from store.schema import MAX_FIELDS, learn

if TYPE_CHECKING:
    from store.resource_store import ResourceStore
    from store.session_store import Session


def test_fields_and_types_are_learned() -> None:
    """Every JSON type has its name, and a field has all the types it was seen with."""
    record: dict[str, Any] = {"a": None, "b": True, "c": 1, "d": 1.5, "e": "x", "f": [], "g": {}}
    fields = learn({}, record)

    assert fields == {
        "a": ["null"],
        "b": ["boolean"],
        "c": ["integer"],
        "d": ["number"],
        "e": ["string"],
        "f": ["array"],
        "g": ["object"],
    }
    assert learn(fields, {"c": "x"})["c"] == ["integer", "string"]


def test_nothing_new_changes_nothing() -> None:
    """A record like the others leaves the very same schema, so nothing is written."""
    fields = learn({}, {"a": 1, "b": "x"})

    assert learn(fields, {"b": "y"}) is fields
    assert learn(fields, {}) is fields


@pytest.mark.parametrize("name", ["x" * 65, "", "a\nb", "a\u202eb", "a\x00b", "\u200b"])
def test_names_unfit_for_a_prompt_are_not_learned(name: str) -> None:
    """Long and unprintable names teach nothing."""

    assert learn({}, {name: 1, "ok": 1}) == {"ok": ["integer"]}


def test_the_number_of_fields_is_bounded() -> None:
    """The 257th field is stored and not learned; known ones still learn types."""
    fields = learn({}, {f"f{n}": n for n in range(MAX_FIELDS + 10)})

    assert len(fields) == MAX_FIELDS
    assert learn(fields, {"f0": "x", "new": 1})["f0"] == ["integer", "string"]
    assert "new" not in learn(fields, {"f0": "x", "new": 1})


def test_a_collection_learns_from_every_write(store: ResourceStore) -> None:
    """Inserts, replacements and updates all teach; `updated_at` says when something was new."""
    store.insert({"a": 1})
    store.replace(1, {"b": "x"})
    store.update(1, {"b": None})
    learned = store.schema()
    store.update(1, {"b": "y"})

    assert learned["fields"] == {"id": ["integer"], "a": ["integer"], "b": ["null", "string"]}
    assert store.schema() == learned


def test_schemas_are_copies(session: Session, store: ResourceStore) -> None:
    """A plan that changes what schema() gave it has changed nothing else."""
    store.insert({"a": 1})
    store.schema()["fields"]["a"].append("poison")

    assert store.schema()["fields"]["a"] == ["integer"]
    assert session.schemas() == {"things": store.schema()}


def test_an_unknown_collection_has_no_fields(store: ResourceStore) -> None:
    """Nothing is known where nothing was stored."""

    assert store.schema() == {"fields": {}, "updated_at": None}
