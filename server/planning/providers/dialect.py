"""What a server that speaks a provider's protocol does not know of it, learned from its refusals.

Compatible servers know parts of the protocol, and each says so in its own words:

- 500 from older llama.cpp: response_format type must be one of "text" or "json_object", but got: json_schema
- 400 from DeepSeek: This response_format type is unavailable now
- 400 from LM Studio: 'response_format.type' must be 'json_schema' or 'text'
- 400 from older vLLM: extra_forbidden, body, max_completion_tokens: Extra inputs are not permitted
- 400 from OpenAI: Unsupported value: 'temperature' does not support 0 with this model
- 400 from Anthropic: `temperature` is deprecated for this model.

So they are asked for the best first, and for a step less after such an answer.
"""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, Final

import attrs
import orjson
from attrs import frozen

if TYPE_CHECKING:
    from server.planning.providers.base import Prompt
    from server.planning.providers.failures import Failure


class Format(enum.IntEnum):
    """How the answer's format is asked for, best first."""

    STRICT = 0  # OpenAI: response_format json_schema; Anthropic: output_config
    LOOSE = 1  # OpenAI: response_format json_object; Anthropic: a forced tool
    TEXT = 2  # one fenced block, asked for in words


@frozen
class Dialect:
    """What is used of the protocol.

    `other_cap`: the output is capped by the other of max_tokens and max_completion_tokens.
    """

    format: Format = Format.STRICT
    temperature: bool = True
    other_cap: bool = False

    def less(self, other: Dialect) -> Dialect:
        """What both can do: calls at the same time may each have learned something."""
        return Dialect(
            Format(max(self.format, other.format)),
            self.temperature and other.temperature,
            self.other_cap or other.other_cap,
        )

    def after(self, failure: Failure) -> Dialect:
        """What is left when a call in this dialect ended so; the same when it does not speak of it."""
        if failure.status not in _REFUSING:
            return self
        said = failure.said
        return attrs.evolve(
            self,
            format=self._format_after(said),
            temperature=self.temperature and "temperature" not in said,
            other_cap=self.other_cap or bool(_CAP.search(said) and _UNKNOWN.search(said)),
        )

    def _format_after(self, said: str) -> Format:
        named = _FORMAT_NAMES.get(self.format)
        if named is None or not named.search(said):
            return self.format
        whole = "response_format" in said and "json_schema" not in said and _UNKNOWN_FIELD.search(said)
        return Format.TEXT if whole else Format(self.format + 1)


def format_note(prompt: Prompt, form: Format) -> str:
    """What a prompt must say about the answer's format where the protocol does not enforce the schema."""
    if form is Format.STRICT:
        return ""
    schema = orjson.dumps(prompt.schema).decode()
    how = (
        "one JSON object"
        if form is Format.LOOSE
        else "exactly one fenced block, ```json ... ```, of one object"
    )
    return f"\n\nAnswer with {how} and nothing else. The JSON schema of the object:\n{schema}\n"


_REFUSING: Final = frozenset({400, 404, 422, 500, 501})
_FORMAT_NAMES: Final = {
    Format.STRICT: re.compile(
        r"response.?format|json.?schema|structured.?output|output_config|output_format|grammar|guided"
        r"|invalid (options: )?format"
    ),
    Format.LOOSE: re.compile(
        r"response.?format|json.?object|json.?mode|grammar|guided|\btools?\b|tool_choice"
    ),
}
_UNKNOWN_FIELD: Final = re.compile(
    r"extra_forbidden|extra (inputs|fields)|unrecognized|unexpected|unknown (field|parameter|argument)"
    r"|unsupported parameter"
)
_UNKNOWN: Final = re.compile(
    rf"{_UNKNOWN_FIELD.pattern}|unsupported|not supported|not permitted|not allowed|deprecated"
)
_CAP: Final = re.compile(r"\bmax_(completion_)?tokens\b")
