"""What an error's body says, taken apart: codes and parameters as the server gave them, and words for people.

Servers nest these in each other's forms, and gateways put one server's body into another's message:

    {"error": {"message", "type", "param", "code"}}                       OpenAI, Groq, Ollama, llama.cpp
    [{"error": {"code": 400, "status", "details": [{"fieldViolations"}]}}]      Gemini, in a list of its own
    {"error": {"code", "message", "metadata": {"raw": "{...}"}}}          OpenRouter
    {"object": "error", "message", "type", "param", "code"}               vLLM, Mistral
    {"detail": [{"type", "loc", "msg", "input"}]}                         FastAPI
    {"type": "error", "error": {"type", "message"}}                       Anthropic
    {"error": "text"}                                                     LM Studio, Ollama's own interface

Codes and parameters are words of the server's own. Its text may quote what it was sent, so no code is looked
for within a text, but for `raw`: there OpenRouter has the other server's body.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import orjson
from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_SAID: Final = 2_000
_MAX_DEPTH: Final = 8
_MAX_ITEMS: Final = 16
_MAX_FAILED: Final = 64 * 1024

_TEXTS: Final = frozenset({"message", "msg", "error_msg", "description", "detail", "error", "object"})
_INSIDE: Final = frozenset({"error", "errors", "detail", "details", "message", "metadata", "innererror"}) | {
    "fieldViolations"
}
_CODES: Final = frozenset({"code", "type", "status", "reason", "error_type"})
_PARAMETERS: Final = frozenset({"param", "loc", "field", "target"})
_CODE: Final = re.compile(r"[A-Za-z][\w.:-]{0,63}", re.ASCII)
_PARAMETER: Final = re.compile(r"[A-Za-z_][\w.\[\]-]{0,127}", re.ASCII)
#: What servers write for "none", in Python's words or in JSON's.
_NOTHING: Final = frozenset({"none", "null", ""})
#: `input` of pydantic's errors quotes the request, also where a gateway has made a text of them.
_QUOTED_INPUT: Final = re.compile(r"""['"]input['"]\s*:.*""", re.DOTALL)


@frozen
class Complaint:
    """Codes, parameters and words in lower case; `status` is an HTTP status that stands in the body.

    `wait` is how long the server asks for, in seconds. `failed` is what the model wrote, where the server
    refused that (Groq's `failed_generation`).
    """

    codes: frozenset[str] = frozenset()
    parameters: frozenset[str] = frozenset()
    said: str = ""
    status: int | None = None
    wait: float | None = None
    failed: str = ""


def complaint_in(body: bytes) -> Complaint:
    """What an error's body says; nothing where it is not JSON."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return Complaint()
    return complaint_of(document)


def complaint_of(document: Any) -> Complaint:
    found = _Found()
    found.take(document, _MAX_DEPTH)
    said = " ".join(found.texts)[:_MAX_SAID].lower()
    codes, parameters = frozenset(found.codes), frozenset(found.parameters)
    return Complaint(codes, parameters, said, found.status, found.wait, found.failed)


@define
class _Found:
    codes: set[str] = field(factory=set)
    parameters: set[str] = field(factory=set)
    texts: list[str] = field(factory=list)
    status: int | None = None
    wait: float | None = None
    failed: str = ""

    def take(self, value: Any, depth: int) -> None:
        match value:
            case str():
                self.texts.append(_QUOTED_INPUT.sub("", value[:_MAX_SAID]))
            case list() if depth:
                for item in value[:_MAX_ITEMS]:
                    self.take(item, depth - 1)
            case dict() if depth:
                self._take_object(value, depth)
            case _:
                return

    def _take_object(self, value: Mapping[str, Any], depth: int) -> None:
        for name, inner in list(value.items())[:64]:
            if name in _CODES:
                self._take_code(inner)
            elif name in _PARAMETERS:
                self._take_parameter(inner)
            elif name in _INSIDE or (name in _TEXTS and isinstance(inner, str)):
                self.take(inner, depth - 1)
            elif name == "raw":
                self.take(_parsed(inner), depth - 1)
            elif name == "retryDelay":
                self.wait = _seconds(inner)
            elif name == "failed_generation" and isinstance(inner, str):
                self.failed = inner[:_MAX_FAILED]

    def _take_code(self, value: Any) -> None:
        number = int(value) if isinstance(value, str) and re.fullmatch("[1-5][0-9]{2}", value) else value
        if type(number) is int:
            # The innermost is the provider's own, the outermost its gateway's: the first one found counts.
            if self.status is None and 400 <= number <= 599:
                self.status = number
        elif isinstance(value, str) and _CODE.fullmatch(value) and value.lower() not in _NOTHING:
            self.codes.add(value.lower())

    def _take_parameter(self, value: Any) -> None:
        if isinstance(value, list):
            value = ".".join(str(part) for part in value[:_MAX_ITEMS])
        if isinstance(value, str) and _PARAMETER.fullmatch(value) and value.lower() not in _NOTHING:
            self.parameters.add(value.lower())


def _parsed(text: Any) -> Any:
    """What a text holds as JSON; else the text."""
    try:
        return orjson.loads(text) if isinstance(text, str) else text
    except orjson.JSONDecodeError:
        return text


def _seconds(text: Any) -> float | None:
    """A Duration as Google's APIs write it: ``34.5s``."""
    found = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,9})?)s", text) if isinstance(text, str) else None
    return float(found[1]) if found else None
