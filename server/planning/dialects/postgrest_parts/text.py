"""PostgREST's lists: what is between brackets, and quoted values. Linear in the text's length."""

from __future__ import annotations

from server.values.errors import InvalidQuery

_OPENING, _CLOSING = "({", ")}"


def split(text: str, where: str) -> list[str]:
    """The parts between commas that stand in no brackets and no quotes, each as it is written.

    Source: Parsing of logical conditions in QueryParams.hs, PostgREST 14. Raises InvalidQuery.
    """
    parts, begin, depth, quoted, at = [], 0, 0, False, 0
    while at < len(text):
        letter = text[at]
        if quoted:
            at += letter == "\\"
            quoted = letter != '"'
        elif letter == '"':
            quoted = True
        elif letter in _OPENING:
            depth += 1
        elif letter in _CLOSING:
            depth -= 1
        elif letter == "," and not depth:
            parts.append(text[begin:at])
            begin = at + 1
        if depth < 0:
            break
        at += 1
    if depth or quoted:
        raise failed(where, text, "a bracket or a quote is without its other half")
    return [*parts, text[begin:]]


def unquoted(text: str) -> str:
    """What stands within quotes, without its backslashes; any other text as it is."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    found, escaped = [], False
    for letter in text[1:-1]:
        escaped = letter == "\\" and not escaped
        if not escaped:
            found.append(letter)
    return "".join(found)


def inside(text: str, brackets: str, where: str) -> str:
    """What `(...)` or `{...}` holds. Raises InvalidQuery."""
    if text[:1] != brackets[0] or text[-1:] != brackets[1] or len(text) < 2:
        raise failed(where, text, f"takes {brackets[0]}a,b{brackets[1]}")
    return text[1:-1]


def failed(where: str, text: str, detail: str) -> InvalidQuery:
    """PGRST100, with the place as its message and the remedy as its details."""
    return InvalidQuery(f'PGRST100: "failed to parse {where[:64]} ({text[:64]})"\n{detail}')
