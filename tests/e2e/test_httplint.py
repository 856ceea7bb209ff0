"""What httplint, which knows HTTP's specifications, says of our main replies: nothing unexplained."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from attrs import field, frozen
from httplint import HttpRequestLinter, HttpResponseLinter, levels

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.service import RunningService

_JSON = {"Content-Type": "application/json"}
_ORIGIN = {"Origin": "https://app.example.com"}


@frozen
class Case:
    """A request, and the status of its reply."""

    status: int
    method: str
    target: str
    headers: dict[str, str] = field(factory=dict)
    body: str | None = None


CASES = {
    "created": Case(201, "POST", "/members", _JSON, '{"name": "Ann"}'),
    "batch": Case(201, "POST", "/members", _JSON, '[{"name": "Bob"}, {"name": "Cy"}]'),
    "form": Case(201, "POST", "/members", {"Content-Type": "application/x-www-form-urlencoded"}, "name=D"),
    "record": Case(200, "GET", "/members/1"),
    "head": Case(200, "HEAD", "/members/1"),
    "page": Case(200, "GET", "/members?limit=2&offset=1"),
    "search": Case(200, "GET", "/members/search?limit=2"),
    "csv": Case(200, "GET", "/members?limit=2", {"Accept": "text/csv"}),
    "ndjson": Case(200, "GET", "/members", {"Accept": "application/x-ndjson"}),
    "replaced": Case(200, "PUT", "/members/1", _JSON, '{"name": "Eve"}'),
    "patched": Case(200, "PATCH", "/members/1", _JSON, '{"age": 3}'),
    "merged": Case(
        200, "PATCH", "/members/1", {"Content-Type": "application/merge-patch+json"}, '{"a": null}'
    ),
    "json-patched": Case(200, "PATCH", "/members/1", {"Content-Type": "application/json-patch+json"}, "[]"),
    "minimal": Case(204, "PATCH", "/members/1", {**_JSON, "Prefer": "return=minimal"}, '{"age": 4}'),
    "dry run": Case(201, "POST", "/members", {**_JSON, "Prefer": "tx=rollback"}, '{"name": "Fay"}'),
    "deleted": Case(204, "DELETE", "/members/2"),
    "options": Case(204, "OPTIONS", "/members/1"),
    "preflight": Case(204, "OPTIONS", "/members", {**_ORIGIN, "Access-Control-Request-Method": "PUT"}),
    "cross-origin": Case(200, "GET", "/members/1", _ORIGIN),
    "bad json": Case(400, "POST", "/members", _JSON, "{"),
    "not found": Case(404, "GET", "/members/999"),
    "wrong method": Case(405, "PUT", "/members", _JSON, "{}"),
    "not acceptable": Case(406, "GET", "/members/1", {"Accept": "text/csv"}),
    "conflict": Case(409, "POST", "/members", _JSON, '{"id": 1}'),
    "wrong type": Case(415, "POST", "/members", {"Content-Type": "text/plain"}, "x"),
    "no plan": Case(501, "POST", "/members/1/promote"),
    "problem type": Case(200, "GET", "/_meta/problems/invalid-json"),
    "front page": Case(200, "GET", "/", {"Accept": "text/html"}),
    "health": Case(200, "GET", "/healthz"),
}

#: What it warns of, and why that stays: by reply and note.
EXPLAINED = {
    (
        "batch",
        "CREATED_WITHOUT_LOCATION",
    ): "several records were made, and Location names one; without it the "
    "target, their collection, is what was created (RFC 9110, 15.3.2), and the body has their ids",
    ("bad json", "STATUS_BAD_REQUEST"): "it warns of each 400, and this request is meant to get one",
    (
        "wrong type",
        "REQUEST_HDR_IN_RESPONSE",
    ): "Accept in a 415 says what is taken (RFC 9110, 12.5.1 and 15.5.16)",
}


def lint(case: Case, url: str) -> list[str]:
    """The names of the notes that are warnings or worse."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    headers = {"X-Session-ID": "lint", **case.headers}
    connection.request(case.method, case.target, case.body, headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    assert response.status == case.status, (case, body)

    request = HttpRequestLinter()
    request.process_request_topline(case.method.encode(), f"{url}{case.target}".encode(), b"1.1")
    request.process_headers([(name.encode(), value.encode()) for name, value in headers.items()])
    request.finish_content(complete=True)
    linter = HttpResponseLinter()
    linter.request = request
    linter.is_head_response = case.method == "HEAD"
    linter.base_uri = f"{url}{case.target}"
    linter.process_response_topline(b"1.1", str(response.status).encode(), response.reason.encode())
    linter.process_headers([(name.encode(), value.encode()) for name, value in response.getheaders()])
    linter.feed_content(body)
    linter.finish_content(complete=True)
    return sorted(type(note).__name__ for note in linter.notes if note.level in {levels.WARN, levels.BAD})


def test_the_main_replies(tmp_path: Path, start_service: Callable[..., RunningService]) -> None:
    """Each reply is as HTTP has it; what httplint would do otherwise is explained, and nothing else is."""
    (tmp_path / "metaservice.toml").write_text('[cors]\norigins = ["https://app.example.com"]\n')
    service = start_service()

    notes = {(name, note) for name, case in CASES.items() for note in lint(case, service.url)}

    assert notes == EXPLAINED.keys()


def test_it_does_warn() -> None:
    """The linter finds what is wrong: here a date that is none, and a length that is not the body's."""
    linter = HttpResponseLinter()
    linter.process_response_topline(b"1.1", b"200", b"OK")
    linter.process_headers([(b"Date", b"yesterday"), (b"Content-Length", b"3")])
    linter.feed_content(b"four")
    linter.finish_content(complete=True)

    found = {type(note).__name__ for note in linter.notes if note.level is levels.BAD}

    assert {"CL_INCORRECT"} <= found
