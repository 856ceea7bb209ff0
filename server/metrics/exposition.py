"""What was counted, in Prometheus's formats. Names follow https://prometheus.io/docs/practices/naming/."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

from attrs import field, frozen
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from server.metrics.streams import StreamCounts
from server.metrics.tally import BUCKETS_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from prometheus_client.metrics_core import Metric

    from server.metrics.disk import Disk
    from server.metrics.model_calls import ModelCalls
    from server.metrics.remembered import Remembered
    from server.metrics.tally import Tally

_BOUNDS: Final = (*(str(ms / 1_000) for ms in BUCKETS_MS), "+Inf")
_REQUEST: Final = ("method", "route", "status")
_MODEL: Final = ("provider", "model")


@frozen
class Reading:
    """All that is told at one moment. `health` is the executor's."""

    version: str
    tally: Tally
    calls: ModelCalls
    health: Mapping[str, Any]
    disk: Disk
    remembered: Remembered | None = None
    streams: StreamCounts = field(factory=StreamCounts)
    #: Of a node of a cluster (`Forwarder.counts`); empty: it is none.
    cluster: Mapping[str, float] = field(factory=dict)


def render(reading: Reading, accept: str) -> tuple[bytes, str]:
    """The metrics and their media type: OpenMetrics where `accept` asks for it, else Prometheus's text."""
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    registry.register(_Families(reading))
    encode, media_type = choose_encoder(accept)
    return encode(registry), media_type


class _Families(Collector):
    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def collect(self) -> Iterable[Metric]:
        now = self._reading
        yield InfoMetricFamily("metaservice", "The service.", {"version": now.version})
        yield from _requests(now.tally)
        yield _stages(now.tally)
        yield _counter("plans", "Requests by where their plan came from.", "source", now.tally.sources)
        yield _counter("outcomes", "Requests by how their last run ended.", "outcome", now.tally.outcomes)
        yield _counter("problems", "Requests by the problem they got.", "type", now.tally.problems)
        if now.calls.provider:
            yield from _model(now.calls)
        yield from _workers(now.health)
        yield from _disk(now.disk)
        if now.disk.record:
            yield from _record(now.disk.record)
        if now.remembered is not None:
            yield from _remembered(now.remembered)
        yield from _streams(now.streams)
        if now.cluster:
            yield from _node(now.cluster)


def _requests(tally: Tally) -> Iterator[Metric]:
    count = CounterMetricFamily("metaservice_requests", "Requests answered.", labels=_REQUEST)
    seconds = CounterMetricFamily("metaservice_requests_seconds", "Time that they took.", labels=_REQUEST)
    fuel = CounterMetricFamily("metaservice_requests_fuel", "Fuel that they used.", labels=_REQUEST)
    for (method, route, status), row in tally.rows.items():
        labels = (method, route, str(status))
        count.add_metric(labels, row.count)
        seconds.add_metric(labels, row.ms / 1_000)
        fuel.add_metric(labels, row.fuel)
    yield from (count, seconds, fuel)


def _stages(tally: Tally) -> Metric:
    family = HistogramMetricFamily(
        "metaservice_stage_seconds", "Time of a request's stages, and in total.", labels=("stage",)
    )
    for stage, histogram in tally.stages.items():
        buckets = list(zip(_BOUNDS, map(float, accumulate(histogram.counts)), strict=True))
        family.add_metric((stage,), buckets, histogram.sum_ms / 1_000)
    return family


def _model(calls: ModelCalls) -> Iterator[Metric]:
    model = (calls.provider, calls.model)
    asked = CounterMetricFamily("metaservice_llm_calls", "HTTP calls of the provider.", labels=_MODEL)
    asked.add_metric(model, calls.calls)
    seconds = CounterMetricFamily("metaservice_llm_seconds", "Time that answers took.", labels=_MODEL)
    seconds.add_metric(model, calls.seconds)
    results = CounterMetricFamily(
        "metaservice_llm_results", "Questions by what became of them.", labels=(*_MODEL, "result")
    )
    for result, count in calls.results.items():
        results.add_metric((*model, result), count)
    tokens = CounterMetricFamily("metaservice_llm_tokens", "Tokens.", labels=(*_MODEL, "direction"))
    tokens.add_metric((*model, "input"), calls.input_tokens)
    tokens.add_metric((*model, "output"), calls.output_tokens)
    yield from (asked, seconds, results, tokens)
    if calls.cost is not None:
        cost = CounterMetricFamily("metaservice_llm_cost", "Tokens at the settings' prices.", labels=_MODEL)
        cost.add_metric(model, calls.cost)
        yield cost


def _workers(health: Mapping[str, Any]) -> Iterator[Metric]:
    yield _gauge("workers_ready", "Workers that can take requests.", health["ready"])
    yield _gauge("workers_configured", "Workers there are to be.", health["configured"])
    yield _gauge("lanes", "Second workers, for sessions whose runs are long.", health["lanes"])
    yield CounterMetricFamily("metaservice_workers_lost", "Workers that had to be replaced.", health["lost"])
    yield _gauge("live_guests", "Guests bound to a session.", health["live_guests"])
    yield _gauge("spare_guests", "Guests that wait for a session.", health["spare_guests"])
    yield _gauge("queue_depth", "Requests handed to the workers, those that run included.", health["jobs"])


def _disk(disk: Disk) -> Iterator[Metric]:
    yield _gauge("sessions", "Sessions in the record.", disk.sessions)
    yield _gauge("sessions_bytes", "Bytes of their data.", disk.session_bytes)
    yield _gauge("disk_free_bytes", "Free bytes of the data root's file system.", disk.free)
    yield _gauge("disk_size_bytes", "All bytes of that file system.", disk.total)


def _record(found: Mapping[str, Any]) -> Iterator[Metric]:
    for name, meaning, value in (
        ("commits", "Requests' changes that were made durable, or refused.", found["commits"]),
        ("commit_groups", "Transactions that they shared.", found["groups"]),
        ("commit_seconds", "Time that these took.", found["commit_seconds"]),
        ("commits_fenced", "Changes refused because their session had gone on.", found["fenced"]),
        ("files_made", "Sessions' files made of the record.", found["loads"]),
    ):
        yield CounterMetricFamily(f"metaservice_record_{name}", meaning, value)
    for name, meaning, value in (
        ("full", "Whether nothing more can be written: 1, or 0.", float(bool(found["full"]))),
        ("log_bytes", "Bytes of its log.", found["log_bytes"]),
        ("history_bytes", "Bytes of superseded records.", found["history_bytes"]),
        ("files", "Sessions' files that no guest has open.", found["files"]),
        ("waiting", "Sessions still in the format of an earlier release.", found["waiting"]),
    ):
        yield _gauge(f"record_{name}", meaning, value)


def _remembered(counts: Remembered) -> Iterator[Metric]:
    yield _counter("remembered_hits", "Requests answered from memory, by its door.", "door", counts.hits)
    misses = "Requests that could have been, and ran."
    yield CounterMetricFamily("metaservice_remembered_misses", misses, counts.misses)
    yield _gauge("remembered_replies", "Replies that are remembered.", counts.kept)
    yield _gauge("remembered_bytes", "Bytes that they take.", counts.bytes)
    yield _counter("remembered_fallen", "Replies forgotten, by why.", "cause", counts.fallen)


def _streams(counts: StreamCounts) -> Iterator[Metric]:
    yield _gauge("streams", "Event streams that are open.", counts.open)
    for name, meaning, value in (
        ("streams_opened", "Event streams that were opened.", counts.opened),
        ("streams_refused", "Event streams for which there was no room.", counts.refused),
        ("streams_slow", "Event streams closed because their clients did not read.", counts.slow),
        ("stream_events", "Events that were sent.", counts.events),
    ):
        yield CounterMetricFamily(f"metaservice_{name}", meaning, value)


def _node(counts: Mapping[str, float]) -> Iterator[Metric]:
    yield _gauge("nodes", "Nodes of the cluster that live.", counts["nodes"])
    yield _gauge("node_sessions", "Sessions that are this node's.", counts["owned"])
    yield _gauge("node_lease_seconds", "How long its lease still holds.", counts["lease"])
    for name, meaning, value in (
        ("node_leases_lost", "Leases that ended before the node did.", counts["lost"]),
        ("node_claims", "Sessions that it has taken.", counts["claimed"]),
        ("node_withheld", "Answers not given, for its lease had ended.", counts["withheld"]),
        ("node_forwarded", "Requests that other nodes have answered.", counts["forwarded"]),
        ("node_forwards_unconfirmed", "Those that were cut off.", counts["unconfirmed"]),
        ("node_misplaced", "Requests handed to it that were another's.", counts["misplaced"]),
    ):
        yield CounterMetricFamily(f"metaservice_{name}", meaning, value)


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(f"metaservice_{name}", meaning, value)


def _counter(name: str, meaning: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(f"metaservice_{name}", meaning, labels=(label,))
    for value, count in counts.items():
        family.add_metric((value,), count)
    return family
