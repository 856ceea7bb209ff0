"""OpenAI Chat Completions, as the service answers them.

https://platform.openai.com/docs/api-reference/chat/create
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.simulators.server import Simulator
from tools.simulators.wire import Complaint, Said, Stop, Use, Wire, schema_problems

if TYPE_CHECKING:
    from collections.abc import Mapping


class _ChatWire(Wire):
    prefix = "/v1"
    path = "/v1/chat/completions"

    def complaint(self, headers: Mapping[str, str], body: dict[str, Any]) -> Complaint | None:
        if not headers.get("Authorization", "").startswith("Bearer "):
            return Complaint(401, "You didn't provide an API key.", "invalid_api_key")
        if not body.get("model") or not body.get("messages"):
            return Complaint(400, "you must provide a model and messages")
        return _format_complaint(body.get("response_format", {}), str(body["messages"]))

    def uses(self, body: dict[str, Any]) -> frozenset[Use]:
        used = {
            Use.STRICT_SCHEMA: body.get("response_format", {}).get("type") == "json_schema",
            Use.JSON_FORMAT: "response_format" in body,
            Use.TEMPERATURE: "temperature" in body,
            Use.TOKEN_CAP: "max_tokens" in body,
        }
        return frozenset(use for use, present in used.items() if present)

    def unknown(self, use: Use, body: dict[str, Any]) -> Complaint:  # noqa: ARG002 - the other wire's needs it
        match use:
            case Use.STRICT_SCHEMA:
                text = "'response_format' of type 'json_schema' is not supported with this model"
                return Complaint(400, text, parameter="response_format")
            case Use.JSON_FORMAT:
                return Complaint(400, "Unrecognized request argument supplied: response_format")
            case Use.TEMPERATURE:
                text = "Unsupported value: 'temperature' does not support 0 with this model"
                return Complaint(400, text, "unsupported_value", "temperature")
            case Use.TOKEN_CAP:
                text = "Unsupported parameter: 'max_tokens' is not supported with this model. Use"
                text += " 'max_completion_tokens' instead."
                return Complaint(400, text, "unsupported_parameter", "max_tokens")

    def document(self, body: dict[str, Any], said: Said) -> dict[str, Any]:
        choices = [] if said.stop is Stop.EMPTY else [_choice(body, said)]
        return {
            "id": "chatcmpl-simulated",
            "object": "chat.completion",
            "created": 1_780_000_000,
            "model": body["model"],
            "choices": choices,
            "usage": {
                "prompt_tokens": said.input_tokens,
                "completion_tokens": said.output_tokens,
                "total_tokens": said.input_tokens + said.output_tokens,
            },
            "system_fingerprint": None,
        }

    def error(self, complaint: Complaint) -> dict[str, Any]:
        kind = "invalid_request_error" if complaint.status < 500 else "server_error"
        return {
            "error": {
                "message": complaint.message,
                "type": kind,
                "param": complaint.parameter,
                "code": complaint.code,
            }
        }


class OpenAISimulator(Simulator):
    wire = _ChatWire()


def _format_complaint(form: dict[str, Any], messages: str) -> Complaint | None:
    if form.get("type") == "json_object" and "json" not in messages.lower():
        return Complaint(400, "'messages' must contain the word 'json' in some form", parameter="messages")
    schema = form.get("json_schema", {})
    if schema.get("strict"):
        for problem in schema_problems(schema.get("schema"), all_required=True):
            text = f"Invalid schema for response_format '{schema.get('name')}': {problem}"
            return Complaint(400, text, parameter="response_format")
    return None


def _choice(body: dict[str, Any], said: Said) -> dict[str, Any]:
    refused = said.stop is Stop.REFUSED
    fenced = said.is_plan and "response_format" not in body
    text = f"Here is the plan:\n\n```json\n{said.text}\n```\n" if fenced else said.text
    return {
        "index": 0,
        "message": {
            "role": "assistant",
            "content": None if refused else text,
            "refusal": "I'm sorry, I can't assist with that." if refused else None,
            "annotations": [],
        },
        "logprobs": None,
        "finish_reason": "length" if said.stop is Stop.MOST_TOKENS else "stop",
    }
