"""OpenAI Chat Completions, and every server that speaks it: Ollama, vLLM, llama.cpp, LM Studio.

https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import openai
from attrs import frozen

from server.planner_settings import OPENAI_URL
from server.planning.providers.connection import open_client, time_out
from server.planning.providers.dialect import Dialect, Format, format_note
from server.planning.providers.failures import Failure, of_connection, of_status
from server.planning.providers.model_provider import ModelProvider, Reading, Usage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.planner_settings import PlannerSettings
    from server.planning.providers.base import Prompt

SCHEMA_NAME: Final = "plan"
#: A server of one's own may need no key, but the SDK insists.
NO_KEY: Final = "none"

_Count = Annotated[int, msgspec.Meta(ge=0, le=10**9)]


class _Usage(msgspec.Struct):
    prompt_tokens: _Count | None = None
    completion_tokens: _Count | None = None


class _Message(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _ChatCompletion(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage | None = None


_decoder: Final = msgspec.json.Decoder(_ChatCompletion)


def open_openai(settings: PlannerSettings) -> ModelProvider:
    """A provider to be closed by its owner."""
    client = openai.AsyncOpenAI(
        api_key=settings.openai.api_key or NO_KEY,
        base_url=settings.openai.base_url,
        http_client=open_client(settings.refusal),
        max_retries=0,
    )
    # OpenAI's own models refuse max_tokens; others may ignore max_completion_tokens, and write on and on.
    caps = ("max_completion_tokens", "max_tokens")
    ours = settings.openai.base_url == OPENAI_URL
    wire = _ChatWire(
        client,
        client.chat.completions.with_raw_response.create,
        settings.openai.model,
        settings.max_output_tokens,
        caps if ours else (caps[1], caps[0]),
        settings.temperature,
    )
    return ModelProvider("openai", settings.openai.model, wire, settings.attempts)


@frozen
class _ChatWire:
    _client: openai.AsyncOpenAI
    #: Looked up once, as the SDK imports half of itself when it is.
    _create: Callable[..., Awaitable[Any]]
    _model: str
    _max_output_tokens: int
    #: The parameter that caps the output, and the one for servers that do not know it.
    _caps: tuple[str, str]
    _temperature: float

    async def send(self, prompt: Prompt, dialect: Dialect, seconds: float) -> bytes | Failure:
        try:
            raw = await self._create(**self._parameters(prompt, dialect), timeout=time_out(seconds))
            body: bytes = raw.http_response.content
        except openai.APIStatusError as error:
            return of_status(error.response)
        except openai.APIConnectionError as error:
            return of_connection(error.__cause__)
        return body

    def read(self, body: bytes) -> Reading:
        try:
            completion = _decoder.decode(body)
        except (msgspec.MsgspecError, RecursionError, ValueError):
            return Reading(problem="the answer is no chat completion")
        usage = _usage(completion.usage)
        if not completion.choices:
            return Reading(problem="the answer has no choices", usage=usage)
        choice = completion.choices[0]
        return Reading(choice.message.content or "", _problem(choice), usage)

    async def close(self) -> None:
        await self._client.close()

    def _parameters(self, prompt: Prompt, dialect: Dialect) -> dict[str, Any]:
        parameters: dict[str, Any] = {
            "model": self._model,
            "messages": _messages(prompt, dialect.format),
            self._caps[dialect.other_cap]: self._max_output_tokens,
        }
        if dialect.temperature:
            parameters["temperature"] = self._temperature
        if dialect.format is not Format.TEXT:
            parameters["response_format"] = _response_format(prompt, dialect.format)
        return parameters


def _messages(prompt: Prompt, form: Format) -> list[dict[str, str]]:
    messages = [
        {"role": "system", "content": prompt.fixed + format_note(prompt, form)},
        {"role": "user", "content": prompt.request},
    ]
    for turn in prompt.turns:
        messages += [
            {"role": "assistant", "content": turn.answer or "(nothing)"},
            {"role": "user", "content": turn.complaint},
        ]
    return messages


def _response_format(prompt: Prompt, form: Format) -> dict[str, Any]:
    if form is Format.LOOSE:
        return {"type": "json_object"}
    schema = {"name": SCHEMA_NAME, "strict": True, "schema": prompt.schema}
    return {"type": "json_schema", "json_schema": schema}


def _usage(usage: _Usage | None) -> Usage | None:
    if usage is None or usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    return Usage(usage.prompt_tokens, usage.completion_tokens)


def _problem(choice: _Choice) -> str:
    if choice.message.refusal or choice.finish_reason == "content_filter":
        return "the model refuses"
    if choice.finish_reason == "length":
        return "the answer is cut off at the most output tokens"
    return "" if choice.message.content else "the answer is empty"
