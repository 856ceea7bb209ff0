"""When there is tracing, and when there is none."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from server.telemetry.tracing import Tracing, from_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

ENDPOINT = "http://127.0.0.1:9/v1/traces"


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_SERVICE_NAME": "mine"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT},
        {"OTEL_SDK_DISABLED": "TRUE", "OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT},
    ],
    ids=str,
)
def test_off(environ: Mapping[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """Without a variable that asks for it, or with one that forbids it, there is none and no word of it."""
    assert from_environment(environ) is None
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "environ",
    [
        {"OTEL_TRACES_EXPORTER": "otlp"},
        {"OTEL_TRACES_EXPORTER": "console"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT},
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
    ],
    ids=str,
)
def test_on(environ: Mapping[str, str]) -> None:
    """An exporter that is named, or an endpoint, is enough."""
    tracing = from_environment(environ)

    assert isinstance(tracing, Tracing)
    tracing.close()


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "neither otlp, console nor none"),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http/protobuf"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"},
            "http/protobuf",
        ),
    ],
)
def test_not_to_be_had(environ: Mapping[str, str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What there is no exporter for is a warning that says so; the service starts without."""
    assert from_environment(environ) is None
    assert reason in capsys.readouterr().out


def test_missing_packages(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Asked for without its packages, it is a warning with the remedy."""
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)

    assert from_environment({"OTEL_TRACES_EXPORTER": "otlp"}) is None
    assert "metaservice[otel]" in capsys.readouterr().out


def test_off_is_free() -> None:
    """A service without it loads nothing of the SDK."""
    code = (
        "import sys, server.__main__, server.starting, server.telemetry.tracing\n"
        "assert server.telemetry.tracing.from_environment({}) is None\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_spans_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was drawn is at the collector, whom the variables name, when the service has closed."""
    received: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("OTEL_SERVICE_NAME", "the-shop")
        tracing = from_environment(os.environ)
        assert tracing is not None
        with tracing.request({}):
            line = tracing.new_line(request_id="r1", method="GET")
            line.took("parse", 0.001)
            line.emit()
        tracing.close()
        server.shutdown()

    ((path, body),) = received
    assert path == "/v1/traces"
    assert all(text in gzip_or_plain(body) for text in (b"the-shop", b"parse", b"GET"))


def gzip_or_plain(body: bytes) -> bytes:
    return gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body
