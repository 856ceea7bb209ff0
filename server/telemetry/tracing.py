"""OpenTelemetry spans, where its packages are installed and the OTEL_* variables ask for them.

1. Switched off, nothing of this is there: no package is imported, and a request passes no code of this file.
2. A request is one server span, named by its route's template; its stages are child spans, and a call of the
   provider is a client span. A W3C `traceparent` of the client is taken up.
3. No span has a path, a query, a session, a header, a body or a model's words: what the log line may have,
   less the session.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import structlog
from attrs import define, field

from server.planning.providers.base import ProviderError, Watched
from server.telemetry.request_line import RequestLine
from server.values.model import METHODS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Tracer

    from server.planning.providers.base import Completion, Prompt, Provider

log = structlog.get_logger(__name__)

EXPORTER: Final = "OTEL_TRACES_EXPORTER"
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_SERVICE_NAME: Final = "OTEL_SERVICE_NAME"
_PROTOCOL: Final = "http/protobuf"
#: What of a client's headers is read (W3C Trace Context).
_CARRIED: Final = ("traceparent", "tracestate")


def from_environment(environ: Mapping[str, str]) -> Tracing | None:
    """Tracing as the variables ask for it; None: they do not, or it cannot be had, which is a warning."""
    exporter = _wanted(environ)
    if exporter is None:
        return None
    try:
        return Tracing(_provider(_exporter(exporter, environ), environ))
    except ImportError:
        log.warning("no tracing", reason="its packages are missing: pip install 'metaservice[otel]'")
    except ValueError as error:
        log.warning("no tracing", reason=str(error))
    return None


def _wanted(environ: Mapping[str, str]) -> str | None:
    """The exporter's name; without any, an endpoint says that it is OTLP."""
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    named = environ.get(EXPORTER, "").strip().lower()
    if named:
        return None if named == "none" else named
    return "otlp" if any(environ.get(name) for name in _ENDPOINTS) else None


def _exporter(name: str, environ: Mapping[str, str]) -> SpanExporter:
    """Raises ImportError, and ValueError for what there is no exporter for."""
    if name == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter  # noqa: PLC0415 - only when wanted

        return ConsoleSpanExporter()
    if name != "otlp":
        raise ValueError(f"{EXPORTER} is neither otlp, console nor none")
    protocol = next((environ[name] for name in _PROTOCOLS if environ.get(name)), _PROTOCOL)
    if protocol != _PROTOCOL:
        raise ValueError(f"the only OTLP protocol here is {_PROTOCOL}")
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    return OTLPSpanExporter()


def _provider(exporter: SpanExporter, environ: Mapping[str, str]) -> TracerProvider:
    """Sampler, limits and batching are the SDK's to read from their variables."""
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    own = {} if environ.get(_SERVICE_NAME) else {"service.name": "metaservice"}
    provider = TracerProvider(resource=Resource.create(own))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


class Tracing:
    """Makes the spans of one service; owns the SDK's provider."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry import trace  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
            TraceContextTextMapPropagator,
        )

        self._provider = provider
        self._trace = trace
        self._tracer = provider.get_tracer("metaservice")
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def request(self, headers: Mapping[str, str]) -> Iterator[None]:
        """The server span of one request; log lines within it have its `trace_id`."""
        carried = {name: headers[name] for name in _CARRIED if name in headers}
        with (
            self._tracer.start_as_current_span(
                "HTTP",
                context=self._propagator.extract(carried) if carried else None,
                kind=self._trace.SpanKind.SERVER,
                record_exception=False,
                set_status_on_exception=False,  # it would hold the exception's text
            ) as span,
            structlog.contextvars.bound_contextvars(trace_id=f"{span.get_span_context().trace_id:032x}"),
        ):
            yield

    @property
    def new_line(self) -> Callable[..., RequestLine]:
        """Makes a request's line, which is to be emitted within the request's span."""
        return partial(TracedLine, tracer=self._tracer, span=self._trace.get_current_span)

    def watch(self, provider: Provider) -> Provider:
        """The provider, with a span for every question to it."""
        return _Traced(provider, self._tracer, self._trace.SpanKind.CLIENT)

    def close(self) -> None:
        """Send what there is still to send. Blocks."""
        self._provider.shutdown()


@define
class TracedLine(RequestLine):
    """A request's line that draws its stages, and says at its end what the span was of."""

    _tracer: Tracer = field(kw_only=True, repr=False)
    _span: Callable[[], Any] = field(kw_only=True, repr=False)
    _told: bool = field(default=False, init=False, repr=False)

    def took(self, stage: str, seconds: float, *, ago: float = 0.0) -> None:
        super().took(stage, seconds, ago=ago)
        end = time.time_ns() - int(ago * 1e9)
        self._tracer.start_span(stage, start_time=end - int(seconds * 1e9)).end(end)

    def emit(self) -> None:
        if not self._told:
            self._told = True
            self._tell(self._span())
        super().emit()

    def _tell(self, span: Any) -> None:
        """Attribute names of HTTP are those of OpenTelemetry's semantic conventions 1.23 and later."""
        method = self.method if self.method in METHODS else "_OTHER"
        name = method if method != "_OTHER" else "HTTP"
        span.update_name(f"{name} {self.route}".rstrip())
        known = {
            "http.request.method": method,
            "http.route": self.route,
            "http.response.status_code": self.status,
            "error.type": self.outcome or self.problem,
            "metaservice.plan.id": self.plan_id,
            "metaservice.plan.source": self.plan_source,
            "metaservice.fuel": self.fuel,
        }
        span.set_attributes({name: value for name, value in known.items() if value})
        if self.status >= 500:
            _failed(span)


class _Traced(Watched):
    """A `Provider` whose questions are spans."""

    def __init__(self, provider: Provider, tracer: Tracer, kind: Any) -> None:
        super().__init__(provider)
        self._tracer = tracer
        self._kind = kind

    async def complete(self, prompt: Prompt, *, deadline: float, calls: int) -> Completion:
        asked = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": self.name,
            "gen_ai.request.model": self.model,
        }
        with self._tracer.start_as_current_span(
            f"chat {self.model}",
            kind=self._kind,
            attributes=asked,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                completion = await self._provider.complete(prompt, deadline=deadline, calls=calls)
            except ProviderError as error:
                span.set_attribute("error.type", type(error).__name__)
                _failed(span)
                raise
            span.set_attributes(
                {
                    "gen_ai.usage.input_tokens": completion.input_tokens,
                    "gen_ai.usage.output_tokens": completion.output_tokens,
                    "metaservice.llm.calls": completion.calls,
                }
            )
            return completion


def _failed(span: Any) -> None:
    from opentelemetry.trace import StatusCode  # noqa: PLC0415

    span.set_status(StatusCode.ERROR)
