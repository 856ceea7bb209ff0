"""Anthropic Messages, and servers that speak it.

https://platform.claude.com/docs/en/api/messages: structured outputs by `output_config`, else by a tool that
the model is forced to use. The fixed part of the prompt, with the tool before it, is marked for the cache.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import anthropic
import orjson
from attrs import frozen

from server.planning.providers import lenient
from server.planning.providers.causes import Cause
from server.planning.providers.connection import open_client, time_out
from server.planning.providers.dialect import Dialect, Format, format_note
from server.planning.providers.failures import Failure, down, of_connection, of_document, of_status
from server.planning.providers.knowledge import Knowledge
from server.planning.providers.model_provider import ModelProvider, Reading, Usage, charged

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.planning.providers.base import Prompt
    from server.settings.planner import PlannerSettings

TOOL_NAME: Final = "plan"
#: A server of one's own may need no key, but the SDK insists.
NO_KEY: Final = "none"

_CUT: Final = frozenset({"max_tokens", "model_context_window_exceeded"})


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
    knowledge = Knowledge(time.monotonic, settings.recheck_seconds)
    return ModelProvider("anthropic", settings.anthropic.model, wire, settings.attempts, knowledge)


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

    def read(self, body: bytes) -> Reading | Failure:
        found = lenient.document(body)
        return found if isinstance(found, Failure) else _reading(found)

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
            # Said, as some gateways stream unless they are told not to.
            "stream": False,
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


def _reading(message: dict[str, Any]) -> Reading | Failure:
    """What a message says, or what became of it where it is an error with a status of success."""
    content, usage = message.get("content"), _usage(message.get("usage"))
    if message.get("type") == "error" or (message.get("error") and not content):
        return of_document(message)
    if not isinstance(content, list | str):
        detail = "the answer has no content" if "content" in message else "no message: is base_url right?"
        return charged(down(Cause.PROTOCOL, detail=detail, retry="content" in message), usage)
    reason = message.get("stop_reason")
    if reason == "refusal":
        return Reading(problem="the model refuses", usage=usage)
    text, aside = _text(content), lenient.thoughts_in(lenient.thought_parts(content))
    cut = reason in _CUT
    if not text.strip() and not aside.strip():
        nothing = down(Cause.OUTPUT, detail="nothing but thoughts") if cut else down(Cause.EMPTY, retry=True)
        return charged(nothing, usage)
    return Reading(text, usage=usage, aside=aside, cut=cut)


def _text(content: Any) -> str:
    """The tool's input where there is one, else all texts together."""
    for block in content if isinstance(content, list) else ():
        if isinstance(block, dict) and block.get("type") == "tool_use" and block.get("name") == TOOL_NAME:
            given = block.get("input")
            return given if isinstance(given, str) else orjson.dumps(given).decode()
    return lenient.text_in(content)


def _usage(usage: Any) -> Usage | None:
    """Input counts what was read from the cache and written to it, too: the API counts these apart."""
    if not isinstance(usage, dict):
        return None
    asked, written = lenient.count(usage.get("input_tokens")), lenient.count(usage.get("output_tokens"))
    if asked is None or written is None:
        return None
    cached = (lenient.count(usage.get(f"cache_{what}_input_tokens")) or 0 for what in ("creation", "read"))
    return Usage(asked + sum(cached), written)
