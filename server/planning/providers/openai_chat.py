"""OpenAI Chat Completions, and every server that speaks it: Ollama, vLLM, llama.cpp, LM Studio, and gateways.

https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import openai
from attrs import frozen

from server.planning.providers import lenient
from server.planning.providers.causes import Cause
from server.planning.providers.connection import open_client, time_out
from server.planning.providers.dialect import Dialect, Format, format_note
from server.planning.providers.failures import Failure, down, of_connection, of_document, of_status
from server.planning.providers.knowledge import Knowledge
from server.planning.providers.model_provider import ModelProvider, Reading, Usage, charged
from server.settings.planner import OPENAI_URL

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.planning.providers.base import Prompt
    from server.settings.planner import PlannerSettings

SCHEMA_NAME: Final = "plan"
#: A server of one's own may need no key, but the SDK insists.
NO_KEY: Final = "none"

#: Where servers put what a model thought: DeepSeek and vLLM, OpenRouter and Ollama, others.
_ASIDES: Final = ("reasoning_content", "reasoning", "thinking")
#: Of `finish_reason`.
_CUT: Final = frozenset({"length", "max_tokens", "model_length"})
_FILTERED: Final = frozenset({"content_filter", "safety", "recitation", "prohibited_content"})


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
    knowledge = Knowledge(time.monotonic, settings.recheck_seconds)
    return ModelProvider("openai", settings.openai.model, wire, settings.attempts, knowledge)


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

    def read(self, body: bytes) -> Reading | Failure:
        found = lenient.document(body)
        return found if isinstance(found, Failure) else _reading(found)

    async def close(self) -> None:
        await self._client.close()

    def _parameters(self, prompt: Prompt, dialect: Dialect) -> dict[str, Any]:
        parameters: dict[str, Any] = {
            "model": self._model,
            "messages": _messages(prompt, dialect),
            # Said, as some gateways stream unless they are told not to.
            "stream": False,
            self._caps[dialect.other_cap]: self._max_output_tokens,
        }
        if dialect.temperature:
            parameters["temperature"] = self._temperature
        if dialect.format is not Format.TEXT:
            parameters["response_format"] = _response_format(prompt, dialect.format)
        return parameters


def _messages(prompt: Prompt, dialect: Dialect) -> list[dict[str, str]]:
    system, user = prompt.fixed + format_note(prompt, dialect.format), prompt.request
    messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    if dialect.no_system:
        messages = [{"role": "user", "content": f"{system}\n\n{user}"}]
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


def _reading(completion: dict[str, Any]) -> Reading | Failure:
    """What a chat completion says, or what became of it where it is an error with a status of success."""
    choices, usage = completion.get("choices"), _usage(completion.get("usage"))
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        if (
            completion.get("error")
            or completion.get("object") == "error"
            or completion.get("type") == "error"
        ):
            return of_document(completion)
        is_one = "choices" in completion
        detail = "the answer has no choices" if is_one else "no chat completion: is base_url right?"
        return charged(down(Cause.PROTOCOL, detail=detail, retry=is_one), usage)
    message, reason = choice.get("message"), str(choice.get("finish_reason") or "").lower()
    message = message if isinstance(message, dict) else {"content": choice.get("text")}
    error = choice.get("error") or message.get("error") or completion.get("error")
    text, aside = _said(message)
    if error and (reason == "error" or not text.strip()):
        return charged(of_document({"error": error}), usage)
    if message.get("refusal"):
        return Reading(problem="the model refuses", usage=usage)
    if reason in _FILTERED:
        return charged(down(Cause.FILTER), usage)
    cut = reason in _CUT
    if not text.strip() and not aside.strip():
        nothing = down(Cause.OUTPUT, detail="nothing but thoughts") if cut else down(Cause.EMPTY, retry=True)
        return charged(nothing, usage)
    return Reading(text, usage=usage, aside=aside, cut=cut)


def _said(message: dict[str, Any]) -> tuple[str, str]:
    """What a message says, and what it thinks aside."""
    content = message.get("content")
    asides = [lenient.thoughts_in(message.get(name)) for name in _ASIDES]
    asides.append(lenient.thoughts_in(lenient.thought_parts(content)))
    text = lenient.text_in(content)
    return text if text.strip() else lenient.arguments_in(message.get("tool_calls")), next(
        filter(str.strip, asides), ""
    )


def _usage(usage: Any) -> Usage | None:
    """None where it is not all there: then it is estimated, as a budget is charged for every answer."""
    if not isinstance(usage, dict):
        return None
    asked = lenient.first_count(usage, "prompt_tokens", "input_tokens")
    written = lenient.first_count(usage, "completion_tokens", "output_tokens")
    total = lenient.count(usage.get("total_tokens"))
    if asked is not None and written is None and total is not None:
        written = total - asked if total >= asked else None
    return None if asked is None or written is None else Usage(asked, written)
