"""Anthropic Messages, and servers that speak it.

https://platform.claude.com/docs/en/api/messages: structured outputs by `output_config`, else by a tool that
the model is forced to use. The fixed part of the prompt, with the tool before it, is marked for the cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import anthropic
import msgspec
from attrs import frozen

from server.planning.providers.connection import open_client, time_out
from server.planning.providers.dialect import Dialect, Format, format_note
from server.planning.providers.failures import Failure, of_connection, of_status
from server.planning.providers.model_provider import ModelProvider, Reading, Usage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.planner_settings import PlannerSettings
    from server.planning.providers.base import Prompt

TOOL_NAME: Final = "plan"
#: A server of one's own may need no key, but the SDK insists.
NO_KEY: Final = "none"

_Count = Annotated[int, msgspec.Meta(ge=0, le=10**9)]


class _Usage(msgspec.Struct):
    input_tokens: _Count
    output_tokens: _Count
    cache_creation_input_tokens: _Count | None = None
    cache_read_input_tokens: _Count | None = None


class _Block(msgspec.Struct):
    type: str
    text: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw(b"")


class _Message(msgspec.Struct):
    content: list[_Block]
    stop_reason: str | None = None
    usage: _Usage | None = None


_decoder: Final = msgspec.json.Decoder(_Message)


def open_anthropic(settings: PlannerSettings) -> ModelProvider:
    """A provider to be closed by its owner."""
    client = anthropic.AsyncAnthropic(
        api_key=settings.anthropic.api_key or NO_KEY,
        base_url=settings.anthropic.base_url,
        http_client=open_client(settings.refusal),
        max_retries=0,
        # It could put whole prompts into traces.
        open_telemetry=False,
    )
    create = client.messages.with_raw_response.create
    wire = _MessagesWire(
        client, create, settings.anthropic.model, settings.max_output_tokens, settings.temperature
    )
    return ModelProvider("anthropic", settings.anthropic.model, wire, settings.attempts)


@frozen
class _MessagesWire:
    _client: anthropic.AsyncAnthropic
    #: Looked up once, as the SDK imports half of itself when it is.
    _create: Callable[..., Awaitable[Any]]
    _model: str
    _max_output_tokens: int
    _temperature: float

    async def send(self, prompt: Prompt, dialect: Dialect, seconds: float) -> bytes | Failure:
        try:
            raw = await self._create(**self._parameters(prompt, dialect), timeout=time_out(seconds))
            body: bytes = raw.http_response.content
        except anthropic.APIStatusError as error:
            return of_status(error.response)
        except anthropic.APIConnectionError as error:
            return of_connection(error.__cause__)
        return body

    def read(self, body: bytes) -> Reading:
        try:
            message = _decoder.decode(body)
        except (msgspec.MsgspecError, RecursionError, ValueError):
            return Reading(problem="the answer is no message")
        text = _text(message.content)
        return Reading(text, _problem(message.stop_reason, text), _usage(message.usage))

    async def close(self) -> None:
        await self._client.close()

    def _parameters(self, prompt: Prompt, dialect: Dialect) -> dict[str, Any]:
        # The SDK's method has no temperature any more, as newer models refuse it; the protocol has.
        temperature = {"extra_body": {"temperature": self._temperature}} if dialect.temperature else {}
        return {
            "model": self._model,
            "max_tokens": self._max_output_tokens,
            "system": [_system(prompt, dialect.format)],
            "messages": _messages(prompt),
            **_format(prompt, dialect.format),
            **temperature,
        }


def _system(prompt: Prompt, form: Format) -> dict[str, Any]:
    note = format_note(prompt, form) if form is Format.TEXT else ""
    return {"type": "text", "text": prompt.fixed + note, "cache_control": {"type": "ephemeral"}}


def _messages(prompt: Prompt) -> list[dict[str, str]]:
    messages = [{"role": "user", "content": prompt.request}]
    for turn in prompt.turns:
        messages += [
            {"role": "assistant", "content": turn.answer.strip() or "(nothing)"},
            {"role": "user", "content": turn.complaint},
        ]
    return messages


def _format(prompt: Prompt, form: Format) -> dict[str, Any]:
    match form:
        case Format.STRICT:
            return {"output_config": {"format": {"type": "json_schema", "schema": prompt.schema}}}
        case Format.LOOSE:
            tool = {"name": TOOL_NAME, "description": "Takes the plan.", "input_schema": prompt.schema}
            return {"tools": [tool], "tool_choice": {"type": "tool", "name": TOOL_NAME}}
        case Format.TEXT:
            return {}


def _text(content: list[_Block]) -> str:
    """The tool's input where there is one, else all texts together."""
    for block in content:
        if block.type == "tool_use" and block.name == TOOL_NAME:
            return bytes(block.input).decode()
    return "".join(block.text for block in content if block.type == "text")


def _usage(usage: _Usage | None) -> Usage | None:
    """Input counts what was read from the cache and written to it, too: the API counts these apart."""
    if usage is None:
        return None
    cached = (usage.cache_creation_input_tokens or 0) + (usage.cache_read_input_tokens or 0)
    return Usage(usage.input_tokens + cached, usage.output_tokens)


def _problem(stop_reason: str | None, text: str) -> str:
    match stop_reason:
        case "refusal":
            return "the model refuses"
        case "max_tokens" | "model_context_window_exceeded":
            return "the answer is cut off at the most output tokens"
        case _:
            return "" if text else "the answer is empty"
