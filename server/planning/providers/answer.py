"""The JSON object in a model's answer, however it wrapped it. Everything here is linear in the text."""

from __future__ import annotations

import json
import re
from typing import Final

import orjson

_THOUGHTS: Final = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)
_FENCE: Final = re.compile(r"^[ \t]*+```[ \t]*+\w*+[ \t]*+$", re.MULTILINE)
_OPENING: Final = re.compile(r'\{\s*"')
_DECODER: Final = json.JSONDecoder()


def json_object(text: str) -> str | None:
    """The text of the first of these that is a JSON object: all of it, a fenced block, a part; else None."""
    text = _THOUGHTS.sub("", text, count=1).strip()
    if _is_object(text):
        return text
    fenced = (block.strip() for block in _FENCE.split(text)[1::2])
    return next((block for block in fenced if _is_object(block)), None) or _embedded(text)


def _is_object(text: str) -> bool:
    try:
        return text.startswith("{") and isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False


def _embedded(text: str) -> str | None:
    """The first object within prose, past braces that open none, as in `{id}`.

    One try: what is whole within a broken object is not the answer, and each try may take as long as the
    text is.
    """
    start = _OPENING.search(text)
    if start is None:
        return None
    try:
        _, end = _DECODER.raw_decode(text, start.start())
    except (json.JSONDecodeError, RecursionError):
        return None
    part = text[start.start() : end]
    return part if _is_object(part) else None
