"""Spans of a real service, taken by the SDK's in-memory exporter."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from server.telemetry.tracing import Tracing
from tests.operations.conftest import MEMBERS
from tools.simulators import by_route

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from tests.learning.conftest import StartApi


TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(spans: InMemorySpanExporter) -> Tracing:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return Tracing(provider)


def children(found: tuple[ReadableSpan, ...], parent: ReadableSpan) -> list[ReadableSpan]:
    return [
        span for span in found if span.parent is not None and span.parent.span_id == parent.context.span_id
    ]


def of_servers(found: tuple[ReadableSpan, ...]) -> list[ReadableSpan]:
    return [span for span in found if span.kind is SpanKind.SERVER]


async def test_a_request(start: StartApi, spans: InMemorySpanExporter, tracing: Tracing) -> None:
    """One server span named by method and template, its stages within it, and the model's call.

    The second `plan` is the look at the outcome: whether another plan is to run in place of this one.
    """
    api = await start(by_route(MEMBERS), tracing=tracing)
    answer = await api.ask("POST", "/members", {"name": "Ada"}, traceparent=f"00-{TRACE}-{PARENT}-01")
    found = spans.get_finished_spans()
    (server,) = of_servers(found)
    stages = [span for span in children(found, server) if span.kind is SpanKind.INTERNAL]
    (model,) = [span for span in found if span.kind is SpanKind.CLIENT]

    assert answer.status == 201
    assert server.name == "POST /members"
    assert server.parent is not None
    assert (f"{server.context.trace_id:032x}", f"{server.parent.span_id:016x}") == (TRACE, PARENT)
    assert " ".join(span.name for span in stages) == "parse plan queue guest settle frame plan respond"
    for span in stages:
        assert server.start_time <= span.start_time <= span.end_time <= server.end_time
    run = stages[2:6]
    assert all(abs(one.end_time - other.start_time) < 1_000_000 for one, other in pairwise(run))
    assert server.attributes is not None
    assert dict(server.attributes) == {
        "http.request.method": "POST",
        "http.route": "/members",
        "http.response.status_code": 201,
        "metaservice.plan.id": answer.headers["X-Plan-ID"],
        "metaservice.plan.source": "planned",
        "metaservice.fuel": server.attributes["metaservice.fuel"],
    }
    assert model.parent is not None
    assert model.context.trace_id == server.context.trace_id
    assert model.name == f"chat {model.attributes['gen_ai.request.model']}"
    assert model.attributes["gen_ai.usage.input_tokens"]


async def test_no_values(start: StartApi, spans: InMemorySpanExporter, tracing: Tracing) -> None:
    """Of a request that is full of them, no span has a session, an id, a value, or a text of an error."""
    api = await start(by_route(MEMBERS), tracing=tracing)
    assert (await api.ask("POST", "/members", {"name": "canary-a"}, session="canary-b")).status == 201
    sent = {"X_Request_ID": "canary-d", "tracestate": "v=canary-e", "traceparent": "canary-f"}
    assert (
        await api.ask("GET", "/members/471147114711?name=canary-c", session="canary-b", **sent)
    ).status == 404
    assert (await api.ask("TRACE", "/canary-g")).status == 405
    found = spans.get_finished_spans()
    text = "".join(span.to_json() for span in found)

    assert sorted(span.name for span in of_servers(found)) == [
        "GET /members/{id:int}",
        "HTTP",
        "POST /members",
    ]
    assert "canary" not in text
    assert "471147114711" not in text


async def test_failures(start: StartApi, spans: InMemorySpanExporter, tracing: Tracing) -> None:
    """A reply from 500 up is an error with its reason's name; one of the client's making is none."""
    api = await start(by_route({}), tracing=tracing, fallback="none")
    assert (await api.post("/members", {"name": "Ada"})).status == 502
    assert (await api.ask("GET", "/members", session="not an id")).status == 400
    failed, refused = of_servers(spans.get_finished_spans())
    asked = [span for span in spans.get_finished_spans() if span.kind is SpanKind.CLIENT]

    assert failed.status.status_code is StatusCode.ERROR
    assert failed.attributes["error.type"] == "plan-refused"
    assert refused.status.status_code is StatusCode.UNSET
    assert refused.attributes["error.type"] == "session-invalid"
    assert {span.status.status_code for span in asked} == {StatusCode.ERROR}
    assert {span.attributes["error.type"] for span in asked} == {"AnswerUnusable"}


async def test_the_log_has_the_trace(
    start: StartApi, spans: InMemorySpanExporter, tracing: Tracing, capsys: pytest.CaptureFixture[str]
) -> None:
    """A request's line names its trace, so that one leads to the other."""
    api = await start(by_route(MEMBERS), tracing=tracing)
    capsys.readouterr()
    assert (await api.ask("GET", "/members", traceparent=f"00-{TRACE}-{PARENT}-01")).status == 200

    assert TRACE in capsys.readouterr().out
