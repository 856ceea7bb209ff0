"""What the two wire formats have in common, seen from the server's side."""

from __future__ import annotations

import abc
import enum
from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Stop(enum.Enum):
    """Why the model stopped."""

    DONE = enum.auto()
    MOST_TOKENS = enum.auto()
    REFUSED = enum.auto()
    EMPTY = enum.auto()


class Use(enum.Enum):
    """Parts of the protocol that not every server knows."""

    STRICT_SCHEMA = enum.auto()
    JSON_FORMAT = enum.auto()
    TEMPERATURE = enum.auto()
    TOKEN_CAP = enum.auto()


@frozen
class Said:
    """What the model says: a plan as JSON text, or any other text."""

    text: str
    stop: Stop = Stop.DONE
    is_plan: bool = False
    input_tokens: int = 1_000
    output_tokens: int = 200


@frozen
class Complaint:
    """An error answer. `code` is the wire's own error type; `parameter` what it is about."""

    status: int
    message: str
    code: str = "invalid_request_error"
    parameter: str | None = None


class Wire(abc.ABC):
    """A protocol: where it is served, what it refuses, and how answers look."""

    prefix: str
    path: str

    @abc.abstractmethod
    def complaint(self, headers: Mapping[str, str], body: dict[str, Any]) -> Complaint | None:
        """What the real service would refuse this request for."""

    @abc.abstractmethod
    def uses(self, body: dict[str, Any]) -> frozenset[Use]: ...

    @abc.abstractmethod
    def unknown(self, use: Use, body: dict[str, Any]) -> Complaint:
        """The complaint of a server or model that does not know this part."""

    @abc.abstractmethod
    def document(self, body: dict[str, Any], said: Said) -> dict[str, Any]: ...

    @abc.abstractmethod
    def error(self, complaint: Complaint) -> dict[str, Any]: ...


def user_text(body: dict[str, Any]) -> str:
    """The first user message of a request; both protocols have it in the same place."""
    for message in body.get("messages", ()):
        if message.get("role") == "user":
            content = message["content"]
            return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
    return ""


def schema_problems(schema: Any, *, all_required: bool, where: str = "()") -> Iterator[str]:
    """What a strict mode refuses of a schema: open objects and, for OpenAI's, optional members."""
    if isinstance(schema, list):
        for item in schema:
            yield from schema_problems(item, all_required=all_required, where=where)
    if not isinstance(schema, dict):
        return
    if "object" in (schema.get("type"), *_as_list(schema.get("type"))):
        if schema.get("additionalProperties") is not False:
            yield f"{where}: 'additionalProperties' is required to be supplied and to be false"
        if all_required and set(schema.get("required", ())) != set(schema.get("properties", ())):
            yield f"{where}: 'required' is required to be an array including every key in properties"
    for name, part in schema.get("properties", {}).items():
        yield from schema_problems(part, all_required=all_required, where=f"{where}.{name}")
    for keyword in ("items", "anyOf", "$defs"):
        yield from schema_problems(schema.get(keyword), all_required=all_required, where=f"{where}.{keyword}")


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
