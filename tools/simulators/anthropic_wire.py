"""Anthropic Messages, as the service answers them.

https://platform.claude.com/docs/en/api/messages/create
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tools.simulators.server import Simulator
from tools.simulators.wire import Complaint, Said, Stop, Use, Wire, schema_problems

if TYPE_CHECKING:
    from collections.abc import Mapping


class _MessagesWire(Wire):
    prefix = ""
    path = "/v1/messages"

    def complaint(self, headers: Mapping[str, str], body: dict[str, Any]) -> Complaint | None:
        if "Authorization" not in headers and "X-Api-Key" not in headers:
            return Complaint(401, "x-api-key header is required", "authentication_error")
        if "anthropic-version" not in headers:
            return Complaint(400, "anthropic-version: header is required")
        for name in ("model", "messages", "max_tokens"):
            if not body.get(name):
                return Complaint(400, f"{name}: Field required")
        schema = body.get("output_config", {}).get("format", {}).get("schema", {})
        for problem in schema_problems(schema, all_required=False):
            return Complaint(400, f"output_config.format.schema: {problem}")
        return None

    def uses(self, body: dict[str, Any]) -> frozenset[Use]:
        used = {
            Use.STRICT_SCHEMA: "output_config" in body,
            Use.JSON_FORMAT: "output_config" in body or "tools" in body,
            Use.TEMPERATURE: "temperature" in body,
        }
        return frozenset(use for use, present in used.items() if present)

    def unknown(self, use: Use, body: dict[str, Any]) -> Complaint:
        if use is Use.TEMPERATURE:
            return Complaint(400, "`temperature` is deprecated for this model.")
        if "tools" in body:
            return Complaint(400, "tool_choice: forced tool use is not supported by this model")
        return Complaint(400, "output_config: Extra inputs are not permitted")

    def document(self, body: dict[str, Any], said: Said) -> dict[str, Any]:
        nothing = said.stop in {Stop.EMPTY, Stop.REFUSED}
        content = [] if nothing else _content(body, said)
        return {
            "id": "msg_simulated",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": content,
            "stop_reason": _stop_reason(said, content),
            "stop_sequence": None,
            "stop_details": {"type": "refusal"} if said.stop is Stop.REFUSED else None,
            "usage": {
                "input_tokens": said.input_tokens,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "output_tokens": said.output_tokens,
            },
        }

    def error(self, complaint: Complaint) -> dict[str, Any]:
        error = {"type": complaint.code, "message": complaint.message}
        return {"type": "error", "error": error, "request_id": "req_simulated"}


class AnthropicSimulator(Simulator):
    wire = _MessagesWire()


def _content(body: dict[str, Any], said: Said) -> list[dict[str, Any]]:
    if said.is_plan and "tools" in body:
        tool = {"type": "tool_use", "id": "toolu_simulated", "name": body["tools"][0]["name"]}
        return [{**tool, "input": json.loads(said.text)}]
    fenced = said.is_plan and "output_config" not in body
    text = f"Here is the plan:\n\n```json\n{said.text}\n```\n" if fenced else said.text
    return [{"type": "text", "text": text, "citations": None}]


def _stop_reason(said: Said, content: list[dict[str, Any]]) -> str:
    match said.stop:
        case Stop.MOST_TOKENS:
            return "max_tokens"
        case Stop.REFUSED:
            return "refusal"
        case Stop.DONE | Stop.EMPTY:
            return "tool_use" if content and content[0]["type"] == "tool_use" else "end_turn"
