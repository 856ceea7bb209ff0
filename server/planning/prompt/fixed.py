"""The fixed part of the prompt: the contract, filled with the guest's reference and the policy's lists."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.planning.policy import ALLOWED_BUILTINS, ALLOWED_METHODS, PROTECTED_NAMES
from server.planning.policy.hints import NODE_HINTS, NODE_WORDS
from server.planning.policy.names import MAX_DEPTH, MAX_NODES, MAX_SOURCE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_HOUSE_RULES_BYTES = 32 * 1024

_HERE = Path(__file__).parent
_CONTRACT = (_HERE / "contract.md").read_text("utf-8")
_EXAMPLES = (_HERE / "examples.md").read_text("utf-8")
_PLACE = re.compile(r"@@([A-Z_]+)@@")
_HOUSE_RULES = """
## House rules

In the words of the API's owner. Where they differ from what this text says by default, they win.

"""

#: Changes with the template and the examples; part of the key of a learned plan.
PROMPT_VERSION = hashlib.blake2b((_CONTRACT + _EXAMPLES).encode(), digest_size=6).hexdigest()


class PromptError(Exception):
    """The settings allow no prompt to be made; the message is for the operator."""


def fixed_text(description: Mapping[str, Any], house_rules: str = "") -> str:
    """The fixed part. `description` is what the guest says of itself (`Artifact.description`)."""
    parts = {
        "REPLIES": _reference(description["replies"]),
        "STORE": _reference(description["store"]),
        "SESSION_STORE": _reference(description["session_store"]),
        "HELPERS": _reference(description["helpers"]),
        "REFUSED": _refused(),
        "BUILTINS": _words(ALLOWED_BUILTINS.intersection(description["builtins"])),
        "METHODS": _words(ALLOWED_METHODS),
        "PROTECTED": _words(PROTECTED_NAMES),
        "MAX_BYTES": str(MAX_SOURCE_BYTES),
        "MAX_NODES": str(MAX_NODES),
        "MAX_DEPTH": str(MAX_DEPTH),
        "EXAMPLES": _EXAMPLES.strip(),
    }
    text = _PLACE.sub(lambda place: parts[place[1]], _CONTRACT)
    return f"{text}{_HOUSE_RULES}{house_rules.strip()}\n" if house_rules.strip() else text


def _reference(functions: Iterable[Mapping[str, str]]) -> str:
    """Signature and docstring of each function, as a list."""
    return "\n".join(f"- `{each['name']}{each['signature']}`: {_indented(each['doc'])}" for each in functions)


def _indented(doc: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in doc.splitlines() if line).lstrip()


def _words(names: Iterable[str]) -> str:
    return " ".join(sorted(names))


def _refused() -> str:
    """What the policy refuses by name, and what it says to write instead."""
    by_hint: dict[str, list[str]] = {}
    for node, hint in NODE_HINTS.items():
        words = by_hint.setdefault(hint, [])
        word = NODE_WORDS.get(node, node.lower())
        if word not in words and node != "TemplateStr":  # which is of a later Python
            words.append(word)
    lines = (f"{', '.join(words)} ({hint})" for hint, words in by_hint.items() if words)
    return f"- Not allowed: {'; '.join(lines)}."


def read_house_rules(path: str) -> str:
    """The house rules in the file of this name; none for "". Raises PromptError, which names the path."""
    if not path:
        return ""
    try:
        with Path(path).open("rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise PromptError(f"planner.house_rules: {path} is not a file")
            data = file.read(MAX_HOUSE_RULES_BYTES + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise PromptError(f"planner.house_rules: {path} can't be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise PromptError(f"planner.house_rules: {path} is not UTF-8 text") from None
    if len(data) > MAX_HOUSE_RULES_BYTES:
        raise PromptError(f"planner.house_rules: {path} is over {MAX_HOUSE_RULES_BYTES} bytes")
    return text


def rules_digest(house_rules: str) -> str:
    """A digest of house rules as they are shown: space around them is not."""
    return hashlib.blake2b(house_rules.strip().encode(), digest_size=6).hexdigest()
