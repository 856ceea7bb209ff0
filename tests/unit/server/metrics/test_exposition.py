"""The formats in which what was counted is told: read back with the client's own parsers."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from server.metrics.disk import Disk
from server.metrics.exposition import Reading, render
from server.metrics.model_calls import ModelCalls
from server.metrics.tally import BUCKETS_MS, Tally
from server.telemetry.request_line import RequestLine

HEALTH = {"ready": 1, "configured": 2, "lanes": 1, "lost": 3, "live_guests": 4, "spare_guests": 5, "jobs": 6}
#: As the keeper tells it: see `server/record/operations.py`.
RECORD = {
    "groups": 1,
    "commits": 2,
    "commit_seconds": 0.5,
    "fenced": 3,
    "loads": 4,
    "files": 5,
    "log_bytes": 4_096,
    "history_bytes": 6,
    "full": "disk",
    "waiting": 7,
}
CLUSTER = {
    "nodes": 3,
    "owned": 4,
    "lease": 1.5,
    "lost": 1,
    "claimed": 6,
    "withheld": 2,
    "forwarded": 9,
    "unconfirmed": 1,
    "misplaced": 5,
}
OPENMETRICS = "application/openmetrics-text;version=1.0.0"


def reading(**parts: Any) -> Reading:
    tally = Tally(routes=5)
    line = RequestLine("r1", "some-session", "GET", "/members/{id:int}", plan_source="learned", status=200)
    line.fuel = 7
    line.emit()
    line.ms = {"plan": 0.1, "guest": 3.0, "total": 20_000.0}
    tally.note(line)
    known = {"version": "1.0", "tally": tally, "calls": ModelCalls(), "health": HEALTH}
    return Reading(**{**known, "disk": Disk(1, 2, 3, 4, RECORD), **parts})


def samples(text: str, parse: Any = parse_text) -> dict[tuple[str, frozenset[str]], float]:
    """Value by name and label values."""
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in parse(text)
        for sample in family.samples
        if sample.name.startswith("metaservice_")
    }


REQUEST = frozenset({"GET", "/members/{id:int}", "200"})


@pytest.mark.parametrize(
    ("accept", "media_type", "parse"),
    [
        ("", "text/plain", parse_text),
        ("*/*", "text/plain", parse_text),
        (OPENMETRICS, "application/openmetrics-text", parse_openmetrics),
    ],
)
def test_formats(accept: str, media_type: str, parse: Any) -> None:
    """Prometheus's text, and OpenMetrics for those who ask; both parse, and say the same."""
    body, kind = render(reading(), accept)
    found = samples(body.decode(), parse)

    assert kind.startswith(media_type)
    assert found["metaservice_requests_total", REQUEST] == 1
    assert found["metaservice_requests_seconds_total", REQUEST] == 20
    assert found["metaservice_requests_fuel_total", REQUEST] == 7
    assert found["metaservice_plans_total", frozenset({"learned"})] == 1
    assert found["metaservice_outcomes_total", frozenset({"Completed"})] == 1
    assert found["metaservice_info", frozenset({"1.0"})] == 1


def test_histograms() -> None:
    """Buckets hold what is at or below their bound, in seconds; the last holds all, and the sum is there."""
    found = samples(render(reading(), "")[0].decode())
    name = "metaservice_stage_seconds_bucket"

    assert found[name, frozenset({"plan", "0.0001"})] == 1
    assert found[name, frozenset({"guest", "0.0025"})] == 0
    assert found[name, frozenset({"guest", "0.005"})] == 1
    assert found[name, frozenset({"total", "10.0"})] == 0
    assert found[name, frozenset({"total", "+Inf"})] == 1
    assert found["metaservice_stage_seconds_sum", frozenset({"total"})] == 20
    assert len([key for key in found if key[0] == name]) == 3 * (len(BUCKETS_MS) + 1)


def test_workers_and_disk() -> None:
    """Each gauge has the value that it is named for."""
    found = samples(render(reading(), "")[0].decode())
    expected = {
        "workers_ready": 1,
        "workers_configured": 2,
        "workers_lost_total": 3,
        "live_guests": 4,
        "spare_guests": 5,
        "queue_depth": 6,
        "disk_free_bytes": 1,
        "disk_size_bytes": 2,
        "sessions": 3,
        "sessions_bytes": 4,
    }

    assert {name: found[f"metaservice_{name}", frozenset()] for name in expected} == expected


def test_the_model() -> None:
    """Calls and tokens by provider and model; a cost only where a price is set; nothing without a model."""
    calls = ModelCalls(provider="openai", model="small", calls=3, input_tokens=1_000, output_tokens=10)
    calls.results["answered"] = 2
    without = samples(render(reading(calls=calls), "")[0].decode())
    calls.input_price = 1_000
    priced = samples(render(reading(calls=calls), "")[0].decode())
    model = frozenset({"openai", "small"})

    assert without["metaservice_llm_calls_total", model] == 3
    assert without["metaservice_llm_tokens_total", model | {"input"}] == 1_000
    assert without["metaservice_llm_tokens_total", model | {"output"}] == 10
    assert without["metaservice_llm_results_total", model | {"answered"}] == 2
    assert ("metaservice_llm_cost_total", model) not in without
    assert priced["metaservice_llm_cost_total", model] == 0.001
    assert "llm" not in render(reading(), "")[0].decode()


def test_a_hostile_route() -> None:
    """A route's text cannot end its label or its line."""
    tally = Tally(routes=5)
    line = RequestLine("r1", method="GET", route='/a"} 1\nforged 1\\', status=200)
    line.emit()
    tally.note(line)
    found = samples(render(reading(tally=tally), "")[0].decode())

    assert found["metaservice_requests_total", frozenset({"GET", '/a"} 1\nforged 1\\', "200"})] == 1
    assert not any(name.startswith("forged") for name, _ in found)


def test_a_node_s_own_counts() -> None:
    """Only a node of a cluster has them."""
    alone = samples(render(reading(), "")[0].decode())
    found = samples(render(reading(cluster=CLUSTER), "")[0].decode())

    assert not any(name.startswith("metaservice_node") for name, _ in alone)
    assert {name: value for (name, _), value in found.items() if name.startswith("metaservice_node")} == {
        "metaservice_nodes": 3,
        "metaservice_node_sessions": 4,
        "metaservice_node_lease_seconds": 1.5,
        "metaservice_node_leases_lost_total": 1,
        "metaservice_node_claims_total": 6,
        "metaservice_node_withheld_total": 2,
        "metaservice_node_forwarded_total": 9,
        "metaservice_node_forwards_unconfirmed_total": 1,
        "metaservice_node_misplaced_total": 5,
    }
