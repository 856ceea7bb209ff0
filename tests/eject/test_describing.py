"""The ejected project's OpenAPI document, as far as a whole project is not needed for it."""

from __future__ import annotations

from server.eject.describing import document


def test_fields_that_would_read_as_references_are_left_out() -> None:
    """A generator that meets `$ref` takes the whole object for a reference."""
    made = document("API", [], {"things": {"$ref": ["string"], "name": ["string"], "__proto__": ["object"]}})

    assert list(made["components"]["schemas"]["things"]["properties"]) == ["name"]
