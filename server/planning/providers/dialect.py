"""What a server that speaks a provider's protocol does not know of it, learned from its refusals.

Compatible servers know parts of the protocol, and each says so in its own words:

- 500 from older llama.cpp: response_format type must be one of "text" or "json_object", but got: json_schema
- 400 from DeepSeek: This response_format type is unavailable now
- 400 from LM Studio: 'response_format.type' must be 'json_schema' or 'text'
- 400 from older vLLM: extra_forbidden, body, max_completion_tokens: Extra inputs are not permitted
- 400 from OpenAI: Unsupported value: 'temperature' does not support 0 with this model
- 400 from Anthropic: `temperature` is deprecated for this model.
- 400 from Gemini: Unknown name "additionalProperties" at 'generation_config.response_schema'
- 400 from Gemma behind Gemini's: Developer instruction is not enabled
- 404 from OpenRouter: No endpoints found that can handle the requested parameters.

So they are asked for the best first, and for a step less after such an answer.

1. The parameter that the server names in a member of its own (`param`, `loc`, `field`) decides.
2. Else its words do. They may quote the request: what they say that the request says, too, is `is_echo`, and
   counts for that request alone.
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

    `other_cap`: the output is capped by the other of max_tokens and max_completion_tokens. `no_system`: what
    the system's message says is the beginning of the user's.
    """

    format: Format = Format.STRICT
    temperature: bool = True
    other_cap: bool = False
    no_system: bool = False

    def less(self, other: Dialect) -> Dialect:
        """What both can do: calls at the same time may each have learned something."""
        return Dialect(
            Format(max(self.format, other.format)),
            self.temperature and other.temperature,
            self.other_cap or other.other_cap,
            self.no_system or other.no_system,
        )

    def differences(self, other: Dialect) -> tuple[str, ...]:
        """The names of what the two do not have in common."""
        return tuple(
            name for name in attrs.fields_dict(Dialect) if getattr(self, name) != getattr(other, name)
        )

    def after(self, failure: Failure) -> Dialect:
        """What is left when a call in this dialect ended so; the same when it does not speak of it."""
        if failure.status not in _REFUSING:
            return self
        named, said = failure.complaint.parameters, failure.said
        where = " ".join(sorted(named)) or said
        speaks = _UNKNOWN.search(f"{said} {' '.join(failure.complaint.codes)}") is not None
        return attrs.evolve(
            self,
            format=self._format_after(where, said),
            temperature=self.temperature and _TEMPERATURE.search(where) is None,
            other_cap=self.other_cap or (speaks and _CAP.search(where) is not None),
            no_system=self.no_system or _speaks_of_system(named, said),
        )

    def _format_after(self, where: str, said: str) -> Format:
        words = _FORMAT_NAMES.get(self.format)
        if words is None or not words.search(where):
            return self.format
        whole = "response_format" in said and "json_schema" not in said and _UNKNOWN_FIELD.search(said)
        return Format.TEXT if whole else Format(self.format + 1)


def is_echo(failure: Failure, before: Dialect, asked: str) -> bool:
    """Whether the server's words, which are all there is to go by, may be those of the request `asked`."""
    if failure.complaint.parameters:
        return False
    asked = asked.lower()
    words = {
        "format": _FORMAT_NAMES.get(before.format, _TEMPERATURE),
        "temperature": _TEMPERATURE,
        "other_cap": _CAP,
        "no_system": _SYSTEM,
    }
    return any(words[name].search(asked) for name in before.differences(before.after(failure)))


def _speaks_of_system(parameters: frozenset[str], said: str) -> bool:
    """In words alone: no server names the role in a member of its own but as ``messages[0].role``."""
    if parameters and not any(each.endswith("role") for each in parameters):
        return False
    return _SYSTEM.search(said) is not None


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
        r"|response.?schema|text\.format|additionalproperties|requested parameters"
        r"|invalid (options: )?format|specified schema|schema is too complex"
    ),
    Format.LOOSE: re.compile(
        r"response.?format|response.?mime|json.?object|json.?mode|grammar|guided|\btools?\b|tool_choice"
        r"|requested parameters"
    ),
}
_TEMPERATURE: Final = re.compile(r"temperature")
_UNKNOWN_FIELD: Final = re.compile(
    r"extra_forbidden|extra (inputs|fields)|unrecognized|unexpected"
    r"|unknown (name|field|parameter|argument)|unknown_parameter|unsupported[ _]parameter"
)
_UNKNOWN: Final = re.compile(
    rf"{_UNKNOWN_FIELD.pattern}|unsupported|not supported|not permitted|not allowed|deprecated"
)
_CAP: Final = re.compile(r"\bmax_(completion_)?tokens\b")
_SYSTEM: Final = re.compile(
    r"(system|developer)['\"`]? (role|message|instruction|prompt)s?.{0,20}"
    r"(not supported|unsupported|not enabled)"
    r"|(does not support|unsupported|doesn't support).{0,20}(system|developer)"
)
