"""A client that says what came back, and nothing clever: one connection a request, JSON both ways."""

from __future__ import annotations

import http.client
from typing import Any
from urllib.parse import urlsplit

import orjson
from attrs import evolve, field, frozen

from tests import answer

JSON = "application/json"


@frozen
class Answer(answer.Answer):
    """Header names are in lower case."""

    @property
    def error(self) -> tuple[int, str]:
        """Status and `error` of a problem document, whose members are proved to be those it must have."""
        document = self.json
        assert self.headers["content-type"] == "application/problem+json"
        assert document["request_id"] == self.headers["x-request-id"]
        assert document["status"] == self.status
        assert document["error"] == document["detail"]
        return self.status, document["error"]


@frozen
class Client:
    """Speaks to one service in one session; `headers` go with every request."""

    url: str
    session: str | None = None
    headers: dict[str, str] = field(factory=dict)
    timeout: float = 60

    def named(self, session: str) -> Client:
        return evolve(self, session=session)

    def request(
        self,
        method: str,
        target: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        content_type: str | None = JSON,
        **headers: str,
    ) -> Answer:
        """`body` is sent as JSON, `raw` as it is."""
        sent = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if self.session is not None:
            sent["X-Session-ID"] = self.session
        data = orjson.dumps(body) if body is not None else raw
        if data is not None and content_type is not None:
            sent["Content-Type"] = content_type
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=self.timeout)
        try:
            connection.request(method, target, data, sent)
            response = connection.getresponse()
            fields = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, fields, response.read())
        finally:
            connection.close()

    def get(self, target: str) -> Answer:
        return self.request("GET", target)

    def post(self, target: str, body: Any) -> Answer:
        return self.request("POST", target, body)

    def put(self, target: str, body: Any) -> Answer:
        return self.request("PUT", target, body)

    def patch(self, target: str, body: Any, content_type: str = JSON) -> Answer:
        return self.request("PATCH", target, body, content_type=content_type)

    def delete(self, target: str) -> Answer:
        return self.request("DELETE", target)

    def read(self, target: str) -> Any:
        """The JSON at a target that must answer 200."""
        answer = self.get(target)
        assert answer.status == 200, answer
        return answer.json

    def create(self, target: str, body: Any) -> Any:
        """The record made of `body`, which must be made."""
        answer = self.post(target, body)
        assert answer.status == 201, answer
        return answer.json
