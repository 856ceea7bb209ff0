from __future__ import annotations

import pytest

from server.http.accept import CSV, JSON, NDJSON, OFFERED, acceptable, json_label


@pytest.mark.parametrize(
    ("accept", "types"),
    [
        ("", OFFERED),
        ("*/*", OFFERED),
        ("application/json", (JSON,)),
        ("Application/JSON; charset=utf-8", (JSON,)),
        ("text/csv", (CSV,)),
        ("application/x-ndjson", (NDJSON,)),
        ("text/*", (CSV,)),
        ("application/*", (JSON, NDJSON)),
        ("image/png", ()),
        ("text/html, application/xhtml+xml", ()),
        # Quality first, then how specific the range is, then our order.
        ("application/json;q=0.5, text/csv", (CSV, JSON)),
        ("application/json;q=0.5, text/csv;q=0.4", (JSON, CSV)),
        ("text/csv, */*", (CSV, JSON, NDJSON)),
        ("text/*, application/*", (JSON, CSV, NDJSON)),
        ("text/csv, application/json", (JSON, CSV)),
        ("text/html,application/xml;q=0.9,*/*;q=0.8", OFFERED),
        ("application/json, text/plain, */*", OFFERED),
        # The most specific range decides, and 0 excludes.
        ("*/*, application/json;q=0", (CSV, NDJSON)),
        ("application/json;q=0, application/*", (NDJSON,)),
        ("*/*;q=0, text/csv;q=0.001", (CSV,)),
        ("text/csv;q=1.000;header=present", (CSV,)),
        # Nothing is asked for, only excluded.
        ("image/png;q=0", OFFERED),
        ("text/csv;q=0", (JSON, NDJSON)),
        ("*/*;q=0", ()),
        # Problem documents alone are no way to say that success is not wanted.
        ("application/problem+json", (JSON,)),
        ("application/problem+json, text/csv", (CSV,)),
        ("application/problem+json;q=0", OFFERED),
        # What is no media range is passed over.
        ("json", OFFERED),
        ("json, text/csv", (CSV,)),
        (",;,/,", OFFERED),
        ("text/csv;q=nonsense", (CSV,)),
    ],
)
def test_acceptable(accept: str, types: tuple[str, ...]) -> None:
    """RFC 9110 §12.5.1, and the rules of the module."""
    assert acceptable(accept) == types


@pytest.mark.parametrize(
    ("accept", "types", "label"),
    [
        ("application/vnd.api+json", (JSON,), "application/vnd.api+json"),
        ("Application/HAL+JSON;v=1", (JSON,), "application/hal+json"),
        ("text/json", (JSON,), "text/json"),
        ("application/hal+json;q=0.5, application/ld+json", (JSON,), "application/ld+json"),
        ("application/hal+json, application/ld+json", (JSON,), "application/hal+json"),
        ("application/problem+json, application/ld+json", (JSON,), "application/ld+json"),
        ("application/ld+json, application/json;q=0", (JSON,), "application/ld+json"),
        ("text/csv, application/ld+json;q=0.9", (CSV, JSON), "application/ld+json"),
        ("application/*+json", (JSON,), JSON),
        # Where JSON itself is accepted it is called so.
        ("application/vnd.api+json, application/json;q=0.1", (JSON,), JSON),
        ("application/vnd.api+json, */*;q=0.1", OFFERED, JSON),
        ("application/problem+json", (JSON,), JSON),
        ("application/vnd.api+json;q=0", OFFERED, JSON),
        ("image/png", (), JSON),
        ("", OFFERED, JSON),
    ],
)
def test_json_by_another_name(accept: str, types: tuple[str, ...], label: str) -> None:
    """Types in JSON's structured syntax: JSON is sent, and called what was asked for."""
    assert (acceptable(accept), json_label(accept)) == (types, label)
