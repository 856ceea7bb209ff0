"""What real servers and gateways answer, word for word where it matters, and what we do about it.

Each answer is that of a server in use: from its documentation, its source or a public report.
"""

from __future__ import annotations

import json
from typing import Any, Final

from attrs import field, frozen

from server.planning.providers import AnswerUnusable, ProviderDown
from server.planning.providers.dialect import Dialect, Format
from tools.simulators import Raw

PLAN: Final = '{"action": "list"}'
COUNTED: Final = {"prompt_tokens": 20, "completion_tokens": 6, "total_tokens": 26}


@frozen
class Case:
    """`answers` come one after the other, the last for ever; then what became of it.

    `error`: None where it comes to the plan. `cause` is the log's word, `calls` how many there were of at
    most four, `retry_after` what the client is told, `left` what is known of the server from then on.
    """

    who: str
    answers: tuple[Raw, ...]
    error: type[Exception] | None = ProviderDown
    cause: str = ""
    calls: int = 1
    everyones: bool = False
    retry_after: float | None = None
    left: Dialect = field(factory=Dialect)

    def __str__(self) -> str:
        return self.who


def said(content: Any = PLAN, **more: Any) -> Raw:
    """A chat completion; `more` are members of the choice, or of its message if they begin so."""
    message = {"role": "assistant", "content": content}
    message |= {
        name.removeprefix("message_"): value for name, value in more.items() if name[:8] == "message_"
    }
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    choice |= {name: value for name, value in more.items() if name[:8] != "message_"}
    return Raw({"object": "chat.completion", "choices": [choice], "usage": COUNTED})


def refused(status: int, error: Any, headers: dict[str, str] | None = None) -> Raw:
    return Raw({"error": error}, status, headers or {})


def openai(message: str, **more: Any) -> dict[str, Any]:
    return {"message": message, "type": "invalid_request_error", "param": None, "code": None, **more}


PLAIN = said()
LOOSE, TEXT = Dialect(Format.LOOSE), Dialect(Format.TEXT)
GEMINI_SCHEMA = (
    'Invalid JSON payload received. Unknown name "additionalProperties" at '
    "'generation_config.response_schema': Cannot find field."
)
WAITING = openai("Rate limit reached", type="requests", code="rate_limit_exceeded")
NO_DEPLOYMENT = "No deployments available for selected model, Try again in 60 seconds. Passed model=a-model."

#: The 200s that are errors.
DISGUISED = (
    Case(
        "OpenRouter: 200 with an error of 429, no choices; then the plan",
        (Raw({"error": {"code": 429, "message": "Provider returned error"}}), PLAIN),
        error=None,
        calls=2,
    ),
    Case(
        "OpenRouter: the same for ever",
        (Raw({"error": {"code": 429, "message": "Provider returned error"}}),),
        cause="rate",
        calls=3,
        everyones=True,
    ),
    Case("9Router: choices null, once", (Raw({"id": None, "choices": None}), PLAIN), error=None, calls=2),
    Case("9Router: choices null", (Raw({"id": None, "choices": None}),), cause="protocol", calls=3),
    Case("Azure: no choices", (Raw({"choices": [], "usage": COUNTED}),), cause="protocol", calls=3),
    Case(
        "OpenRouter: an error inside the choice, once",
        (said("", finish_reason="error", error={"code": 502, "message": "Upstream error"}), PLAIN),
        error=None,
        calls=2,
    ),
    Case(
        "OpenRouter: an error inside the choice, behind half an answer",
        (said('{"action": "li', finish_reason="error", error={"code": 503, "message": "Overloaded"}),),
        cause="failed",
        calls=3,
        everyones=True,
    ),
    Case(
        "OpenRouter: an error inside the choice that will not pass",
        (said(None, finish_reason="error", error={"code": 401, "message": "User not found."}),),
        cause="key",
        everyones=True,
    ),
    Case(
        "LiteLLM before OpenRouter: an empty message, and the error beside it",
        (
            Raw(
                {
                    "choices": [{"message": {"content": None}, "finish_reason": "stop"}],
                    "error": {"code": 429, "message": "Provider returned error"},
                }
            ),
            PLAIN,
        ),
        error=None,
        calls=2,
    ),
    Case(
        "llama.cpp behind a proxy: 200 with its 400",
        (Raw({"error": {"code": 400, "message": "too long", "type": "exceed_context_size_error"}}),),
        cause="context",
    ),
    Case(
        "LM Studio: 200 for a wrong path",
        (Raw({"error": "Unexpected endpoint or method. (POST /chat/completions)"}),),
        cause="path",
    ),
    Case(
        "Anthropic's form from an OpenAI address",
        (Raw({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),),
        cause="failed",
        calls=3,
        everyones=True,
    ),
    Case(
        "nginx: 200 with a web page",
        (Raw(b"<!doctype html><title>Open WebUI</title>", 200, {"Content-Type": "text/html"}),),
        cause="protocol",
        everyones=True,
    ),
    Case(
        "one-api: a stream all the same",
        (Raw(b'data: {"choices": []}\n\n', 200, {"Content-Type": "text/event-stream"}),),
        cause="protocol",
        everyones=True,
    ),
    Case("another API at the address", (Raw({"status": "ok"}),), cause="protocol"),
)

#: The key, the model, the path, the money.
SETTINGS = (
    Case(
        "LiteLLM: a wrong key is a 400",
        (refused(400, {"message": "No connected db.", "type": "no_db_connection", "code": "400"}),),
        cause="key",
        everyones=True,
    ),
    Case(
        "LiteLLM: an unknown model is a 400 in words",
        (
            refused(
                400,
                {
                    "message": "400: {'error': '/chat/completions: Invalid model name passed in model=a."
                    " `/v1/models` to view available models for your key.'}",
                    "type": "None",
                    "param": "None",
                    "code": "400",
                },
            ),
        ),
        cause="model",
    ),
    Case(
        "LiteLLM: a 401 behind it has become a 429",
        (refused(429, {"message": NO_DEPLOYMENT, "type": "None", "param": "None", "code": "429"}),),
        cause="no-deployment",
        calls=3,
        everyones=True,
    ),
    Case(
        "LiteLLM: its wait is in a header of its own",
        (refused(429, openai("Rate limit"), {"llm_provider-retry-after": "1800"}),),
        cause="rate",
        everyones=True,
        retry_after=1_800.0,
    ),
    Case(
        "Gemini: a wrong key is a 400, in a list",
        (
            Raw(
                [
                    {
                        "error": {
                            "code": 400,
                            "message": "API key not valid. Please pass a valid API key.",
                            "status": "INVALID_ARGUMENT",
                            "details": [{"@type": "ErrorInfo", "reason": "API_KEY_INVALID"}],
                        }
                    }
                ],
                400,
            ),
        ),
        cause="key",
        everyones=True,
    ),
    Case(
        "Gemini: a quota that says when",
        (
            Raw(
                [
                    {
                        "error": {
                            "code": 429,
                            "message": "Resource has been exhausted",
                            "status": "RESOURCE_EXHAUSTED",
                            "details": [{"@type": "RetryInfo", "retryDelay": "1340.5s"}],
                        }
                    }
                ],
                429,
            ),
        ),
        cause="rate",
        everyones=True,
        retry_after=1_340.5,
    ),
    Case(
        "Azure: a wait in milliseconds",
        (refused(429, {"code": "429", "message": "Requests exceeded"}, {"retry-after-ms": "1500000"}),),
        cause="rate",
        everyones=True,
        retry_after=1_500.0,
    ),
    Case(
        "Azure: no such deployment",
        (refused(404, {"code": "DeploymentNotFound", "message": "The API deployment does not exist."}),),
        cause="model",
        everyones=True,
    ),
    Case(
        "OpenAI: nothing left to pay with",
        (
            refused(
                429,
                openai(
                    "You exceeded your current quota", type="insufficient_quota", code="insufficient_quota"
                ),
            ),
        ),
        cause="unpaid",
        everyones=True,
    ),
    Case(
        "DeepSeek: nothing left to pay with",
        (refused(402, openai("Insufficient Balance", type="unknown_error")),),
        cause="unpaid",
        everyones=True,
    ),
    Case("DeepSeek: unknown model", (refused(400, openai("Model Not Exist")),), cause="model"),
    Case(
        "Ollama: unknown model",
        (refused(404, openai('model "a-model" not found, try pulling it first', type="api_error")),),
        cause="model",
        everyones=True,
    ),
    Case(
        "vLLM: unknown model",
        (
            Raw(
                {
                    "object": "error",
                    "message": "The model `a-model` does not exist.",
                    "type": "NotFoundError",
                    "param": None,
                    "code": 404,
                },
                404,
            ),
        ),
        cause="model",
        everyones=True,
    ),
    Case(
        "Mistral: unknown model",
        (
            Raw(
                {
                    "object": "error",
                    "message": "Invalid model: a-model",
                    "type": "invalid_model",
                    "code": "1500",
                },
                400,
            ),
        ),
        cause="model",
        everyones=True,
    ),
    Case(
        "OpenRouter: unknown model",
        (refused(400, {"message": "a-model is not a valid model ID", "code": 400}),),
        cause="model",
    ),
    Case(
        "Groq: a model that was taken away",
        (refused(400, openai("The model has been decommissioned", code="model_decommissioned")),),
        cause="model",
        everyones=True,
    ),
    Case(
        "OpenRouter: nobody has the model",
        (
            refused(
                404, {"message": "No allowed providers are available for the selected model.", "code": 404}
            ),
        ),
        cause="model",
        everyones=True,
    ),
    Case(
        "OpenRouter: a 404 of another kind",
        (
            refused(
                404, {"message": "No endpoints found matching your data policy (Free model)", "code": 404}
            ),
        ),
        cause="refused",
    ),
    Case("FastAPI: a wrong path", (Raw({"detail": "Not Found"}, 404),), cause="path", everyones=True),
    Case("Ollama: a wrong path", (Raw(b"404 page not found", 404),), cause="path", everyones=True),
    Case("nginx: a wrong path", (Raw(b"<html>405 Not Allowed</html>", 405),), cause="path", everyones=True),
)

#: The context, the filter, a server that is not ready.
PASSING = (
    Case(
        "llama.cpp: the context is too small",
        (
            refused(
                400,
                {
                    "code": 400,
                    "message": "the request exceeds the available context size. try increasing it",
                    "type": "exceed_context_size_error",
                    "n_prompt_tokens": 9000,
                    "n_ctx": 4096,
                },
            ),
        ),
        cause="context",
    ),
    Case(
        "older llama.cpp: the same as a 500",
        (refused(500, {"code": 500, "message": "x", "type": "exceed_context_size_error"}),),
        cause="context",
    ),
    Case(
        "OpenAI: the context is too small",
        (
            refused(
                400,
                openai("This model's maximum context length is 8192 tokens.", code="context_length_exceeded"),
            ),
        ),
        cause="context",
    ),
    Case(
        "vLLM: the context is too small",
        (
            Raw(
                {
                    "object": "error",
                    "message": "This model's maximum context length is 4096 tokens. You requested 9000",
                    "type": "BadRequestError",
                    "code": 400,
                },
                400,
            ),
        ),
        cause="context",
    ),
    Case(
        "Mistral: the context is too small",
        (
            Raw(
                {
                    "object": "error",
                    "message": "Prompt contains 40000 tokens, too large for model with 32768 maximum context",
                    "type": "invalid_request_error",
                    "code": "3051",
                },
                400,
            ),
        ),
        cause="context",
    ),
    Case(
        "Gemini: the context is too small",
        (
            Raw(
                [
                    {
                        "error": {
                            "code": 400,
                            "message": "The input token count (9000) exceeds the maximum number of tokens",
                            "status": "INVALID_ARGUMENT",
                        }
                    }
                ],
                400,
            ),
        ),
        cause="context",
    ),
    Case(
        "Groq: one request has more tokens than a minute may",
        (
            refused(
                413,
                openai(
                    "Request too large for model `a-model` on tokens per minute (TPM): Limit 6000",
                    type="tokens",
                    code="rate_limit_exceeded",
                ),
            ),
        ),
        cause="context",
    ),
    Case(
        "DeepSeek: the answer may not be so long",
        (
            refused(
                400, openai("Invalid max_tokens value, the valid range of max_tokens is [1, 8192], too large")
            ),
        ),
        cause="output",
    ),
    Case(
        "Azure: the prompt is filtered",
        (
            refused(
                400,
                {
                    "code": "content_filter",
                    "message": "The response was filtered",
                    "param": "prompt",
                    "status": 400,
                    "innererror": {"code": "ResponsibleAIPolicyViolation"},
                },
            ),
        ),
        cause="filter",
    ),
    Case("OpenAI: the answer is filtered", (said("", finish_reason="content_filter"),), cause="filter"),
    Case(
        "llama.cpp: it is still loading, once",
        (refused(503, {"code": 503, "message": "Loading model", "type": "unavailable_error"}), PLAIN),
        error=None,
        calls=2,
    ),
    Case(
        "Groq: a full house, once",
        (refused(498, openai("Flex capacity exceeded")), PLAIN),
        error=None,
        calls=2,
    ),
    Case("Cloudflare: 524, once", (Raw(b"<html>A timeout occurred</html>", 524), PLAIN), error=None, calls=2),
    Case(
        "OpenAI: 429 with a wait of a moment",
        (refused(429, WAITING, {"retry-after-ms": "10"}), PLAIN),
        error=None,
        calls=2,
    ),
)

#: What a server does not know of the protocol.
DIALECTS = (
    Case(
        "Gemini: a schema that it cannot take",
        (
            Raw(
                [
                    {
                        "error": {
                            "code": 400,
                            "message": GEMINI_SCHEMA,
                            "status": "INVALID_ARGUMENT",
                            "details": [
                                {
                                    "fieldViolations": [
                                        {
                                            "field": "generation_config.response_schema",
                                            "description": GEMINI_SCHEMA,
                                        }
                                    ]
                                }
                            ],
                        }
                    }
                ],
                400,
            ),
            PLAIN,
        ),
        error=None,
        calls=2,
        left=LOOSE,
    ),
    Case(
        "Gemini behind a gateway: the same, in words",
        (refused(400, {"message": f"Error from provider: {GEMINI_SCHEMA}", "code": 400}), PLAIN),
        error=None,
        calls=2,
        left=LOOSE,
    ),
    Case(
        "Gemini: a schema of too many states",
        (
            refused(
                400,
                {
                    "code": 400,
                    "message": "The specified schema produces a constraint that has too many states",
                },
            ),
            PLAIN,
        ),
        error=None,
        calls=2,
        left=LOOSE,
    ),
    Case(
        "OpenRouter: the other server's refusal inside its own",
        (
            refused(
                400,
                {
                    "message": "Provider returned error",
                    "code": 400,
                    "metadata": {
                        "raw": json.dumps(
                            {"error": openai("no", param="response_format", code="unsupported_value")}
                        ),
                        "provider_name": "OpenAI",
                    },
                },
            ),
            PLAIN,
        ),
        error=None,
        calls=2,
        left=LOOSE,
    ),
    Case(
        "OpenRouter: nobody takes all parameters",
        (
            refused(
                404, {"message": "No endpoints found that can handle the requested parameters.", "code": 404}
            ),
            PLAIN,
        ),
        error=None,
        calls=2,
        left=LOOSE,
    ),
    Case(
        "DeepSeek: no JSON schema",
        (refused(400, openai("This response_format type is unavailable now")), PLAIN),
        error=None,
        calls=2,
        left=LOOSE,
    ),
    Case(
        "Mistral: an unknown cap",
        (
            Raw(
                {
                    "object": "error",
                    "message": {
                        "detail": [
                            {
                                "type": "extra_forbidden",
                                "loc": ["body", "max_tokens"],
                                "msg": "Extra inputs are not permitted",
                                "input": 4096,
                            }
                        ]
                    },
                    "type": "invalid_request_error",
                },
                422,
            ),
            PLAIN,
        ),
        error=None,
        calls=2,
        left=Dialect(other_cap=True),
    ),
    Case(
        "OpenAI: no temperature",
        (
            refused(400, openai("Unsupported value", param="temperature", code="unsupported_value")),
            PLAIN,
        ),
        error=None,
        calls=2,
        left=Dialect(temperature=False),
    ),
    Case(
        "Gemma behind Gemini's endpoint: no system message",
        (
            refused(400, {"code": 400, "message": "Developer instruction is not enabled for models/gemma-3"}),
            PLAIN,
        ),
        error=None,
        calls=2,
        left=Dialect(no_system=True),
    ),
    Case(
        "vLLM with Gemma's template: no system message",
        (Raw({"object": "error", "message": "System role not supported", "code": 400}, 400), PLAIN),
        error=None,
        calls=2,
        left=Dialect(no_system=True),
    ),
)

#: What the model wrote, however it is packed.
MODELS = (
    Case(
        "Groq: the model's JSON is none, once",
        (
            refused(
                400, openai("Failed to generate JSON", code="json_validate_failed", failed_generation="{oops")
            ),
            PLAIN,
        ),
        error=None,
        calls=2,
    ),
    Case(
        "Groq: the model's JSON is none, twice",
        (
            refused(
                400, openai("Failed to generate JSON", code="json_validate_failed", failed_generation="{oops")
            ),
        ),
        error=AnswerUnusable,
        cause="answer",
        calls=2,
    ),
    Case(
        "vLLM: the plan is in what was thought",
        (said(None, message_reasoning_content=f"hm {PLAN}"),),
        error=None,
    ),
    Case("Ollama: the plan is in what was thought", (said("", message_reasoning=f"hm\n{PLAN}"),), error=None),
    Case("vLLM: nothing but thoughts", (said(None, message_reasoning_content="hm"),), cause="empty"),
    Case(
        "OpenAI: all tokens went into thoughts",
        (said("", finish_reason="length"),),
        cause="output",
    ),
    Case(
        "Mistral: content in parts, with thoughts",
        (
            said(
                [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                    {"type": "text", "text": PLAN},
                ]
            ),
        ),
        error=None,
    ),
    Case("Qwen: thoughts before the plan", (said(f'<think>{{"action": "no"}}</think>\n{PLAN}'),), error=None),
    Case(
        "DeepSeek: an end of thoughts without a beginning",
        (said(f'hm {{"a": 1}}</think>{PLAN}'),),
        error=None,
    ),
    Case(
        "a plan that is whole, and then cut off",
        (said(f"{PLAN} It lists th", finish_reason="length"),),
        error=None,
    ),
    Case("half a plan", (said(PLAN[:-4], finish_reason="length"),), error=AnswerUnusable, cause="answer"),
    Case("prose", (said("I would list them."),), error=AnswerUnusable, cause="answer"),
    Case(
        "OpenAI: the model refuses", (said(None, message_refusal="no"),), error=AnswerUnusable, cause="answer"
    ),
    Case(
        "LiteLLM: the format has become a tool",
        (
            said(
                None, message_tool_calls=[{"type": "function", "function": {"name": "x", "arguments": PLAN}}]
            ),
        ),
        error=None,
    ),
    Case(
        "a body that begins with a mark of byte order",
        (Raw(b"\xef\xbb\xbf" + json.dumps(PLAIN.body).encode()),),
        error=None,
    ),
    Case(
        "Gemini: 200 with an error in a list",
        (Raw([{"error": {"code": 503, "status": "UNAVAILABLE"}}]), PLAIN),
        error=None,
        calls=2,
    ),
    Case("an empty answer, once", (said(""), PLAIN), error=None, calls=2),
    Case(
        "a count of tokens in fractions", (Raw({**PLAIN.body, "usage": {"prompt_tokens": 2.5}}),), error=None
    ),
    Case("a count of tokens in words", (Raw({**PLAIN.body, "usage": "none"}),), error=None),
)

CASES: Final = (*DISGUISED, *SETTINGS, *PASSING, *DIALECTS, *MODELS)
