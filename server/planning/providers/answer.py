"""The plan in a model's answer, however the model wrapped it: behind its thoughts, in a fence, within prose.

1. All of the text, where that is one JSON object.
2. Else what stands behind the last end of thoughts; where that holds no object, behind the end before it, as
   a plan's own code may have such a word in it. What stands before the first end is thought, and no answer.
3. There the last whole object that has the members which are wanted, else the last whole one. What is whole
   within a broken object is no answer.

Each search tries a fixed number of places, so its time is linear in the text.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator

#: DeepSeek's and Qwen's, Anthropic's old one, Gemma's, Mistral's, Kimi's, and gpt-oss's channel of answers.
_END_OF_THOUGHTS: Final = re.compile(
    r"</(?:think|thinking|thought|thoughts|reasoning)>|\[/THINK\]|\u25c1/think\u25b7"
    r"|<\|channel\|>final<\|message\|>"
)
_OPENING: Final = re.compile(r'\{\s*"')
_DECODER: Final = json.JSONDecoder()
_MOST_ENDS: Final = 4
_MOST_TRIES: Final = 64


def json_object(text: str, wanted: frozenset[str] = frozenset()) -> str | None:
    """The text of the answer's JSON object; None where there is none. `wanted`: members that a plan has."""
    text = text.strip()
    if _members(text) is not None:
        return text
    ends = [end.end() for end in _END_OF_THOUGHTS.finditer(text)]
    starts = ends[-_MOST_ENDS:][::-1] or [0]
    return next((found for start in starts if (found := _last_object(text[start:], wanted))), None)


def _last_object(text: str, wanted: frozenset[str]) -> str | None:
    found = [(part, members) for part in _whole_objects(text, wanted) if (members := _members(part))]
    full = [part for part, members in found if wanted <= members] or [part for part, _ in found]
    return full[-1] if full else None


def _whole_objects(text: str, wanted: frozenset[str]) -> Iterator[str]:
    """The outermost objects from left to right, past braces that open none, as in `{id}`."""
    place, broken_until, end = 0, 0, len(text.rstrip())
    for _ in range(_MOST_TRIES):
        start = _OPENING.search(text, place)
        if start is None:
            return
        try:
            _, stop = _DECODER.raw_decode(text, start.start())
        except json.JSONDecodeError as error:
            if error.pos >= end or error.msg.startswith("Unterminated string"):
                return  # it goes on to the end of the text: all that is left is a part of it
            place, broken_until = start.start() + 1, max(broken_until, error.pos)
            continue
        except RecursionError:
            return
        part = text[start.start() : stop]
        if start.start() >= broken_until or (wanted and wanted <= (_members(part) or frozenset())):
            yield part
        place = stop


def _members(text: str) -> frozenset[str] | None:
    """The names of an object's members; None where the text is no object."""
    try:
        found = orjson.loads(text) if text.startswith("{") else None
    except orjson.JSONDecodeError:
        return None
    return frozenset(found) if isinstance(found, dict) else None
