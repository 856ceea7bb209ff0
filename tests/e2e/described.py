"""Whether an answer is one of those that an OpenAPI document tells of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from attrs import frozen
from openapi_schema_validator import OAS31Validator

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen
class Document:
    """What a session's document holds."""

    content: dict[str, Any]

    def operation(self, method: str, path: str) -> dict[str, Any]:
        found: dict[str, Any] = self.content["paths"][path][method.lower()]
        return found

    def parameters(self, method: str, path: str) -> dict[str, dict[str, Any]]:
        """By name."""
        listed = map(self._followed, self.operation(method, path)["parameters"])
        return {each["name"]: each for each in listed}

    def check(self, method: str, path: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """That the operation answers so; an AssertionError says where it does not."""
        responses = self.operation(method, path)["responses"]
        assert str(status) in responses, (status, body)
        response = self._followed(responses[str(status)])
        sent = {name.lower(): value for name, value in headers.items()}
        for name, reference in response.get("headers", {}).items():
            self._check_header(name, self._followed(reference), sent.get(name.lower()))
        if body:
            media_type = sent["content-type"].partition(";")[0]
            assert media_type in response["content"], (media_type, body)
            text = media_type == "text/csv" or media_type.endswith("ndjson")
            self._check(response["content"][media_type], body.decode() if text else orjson.loads(body))

    def check_body(self, method: str, path: str, media_type: str, body: Any) -> None:
        """That the operation takes such a body."""
        self._check(self.operation(method, path)["requestBody"]["content"][media_type], body)

    def _check_header(self, name: str, header: dict[str, Any], value: str | None) -> None:
        assert value is not None or not header.get("required"), name
        if value is not None:
            self._check(header, int(value) if header["schema"]["type"] == "integer" else value)

    def _check(self, described: dict[str, Any], value: Any) -> None:
        schema = {"components": self.content["components"], **described.get("schema", {})}
        OAS31Validator(schema).validate(value)

    def _followed(self, value: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in value:
            return value
        found: Any = self.content
        for step in value["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return dict(found)
