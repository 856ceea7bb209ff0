"""The fixed part of the prompt: the contract, filled with the reference and the policy's lists."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.planning.policy import ALLOWED_BUILTINS, PROTECTED_NAMES
from server.planning.policy.hints import NODE_HINTS, NODE_WORDS
from server.planning.policy.names import MAX_DEPTH, MAX_SOURCE_BYTES
from server.planning.prompt.described import (
    MAX_DOCUMENT_BYTES,
    ApiDescription,
    DescriptionError,
    read_description,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_HOUSE_RULES_BYTES = 32 * 1024

_HERE = Path(__file__).parent
_CONTRACT = (_HERE / "contract.md").read_text("utf-8")
_REFERENCE = (_HERE / "reference.md").read_text("utf-8")
_EXAMPLES = (_HERE / "examples.md").read_text("utf-8")
_PLACE = re.compile(r"@@([A-Z_]+)@@")
DESCRIBED = (
    "They are an OpenAPI document. Its operations are these; the one that is asked about comes with the"
    " request, with what it refers to. Do as it says, also where these are its words for what others do."
)
HOUSE_RULES_HEAD = """
## House rules

In the words of the API's owner. Where they differ from what this text says by default, they win.

"""


class PromptError(Exception):
    """The settings allow no prompt to be made; the message is for the operator."""


def contract_text(description: Mapping[str, Any]) -> str:
    """The fixed part without house rules. `description` is the guest's own (`Artifact.description`)."""
    parts = {
        "REFERENCE": unwrapped(_REFERENCE).strip(),
        "REFUSED": _refused(),
        "BUILTINS": _words(filter(str.islower, ALLOWED_BUILTINS.intersection(description["builtins"]))),
        "PROTECTED": _words(PROTECTED_NAMES),
        "MAX_BYTES": str(MAX_SOURCE_BYTES),
        "MAX_DEPTH": str(MAX_DEPTH),
        "EXAMPLES": _EXAMPLES.strip(),
    }
    return _PLACE.sub(lambda place: parts[place[1]], unwrapped(_CONTRACT))


def with_house_rules(contract: str, house_rules: str) -> str:
    """The fixed part. House rules come last: a provider's cache then shares what is before them."""
    rules = house_rules.strip()
    return f"{contract}{HOUSE_RULES_HEAD}{rules}\n" if rules else contract


def described(house_rules: str) -> ApiDescription | None:
    """House rules that are an OpenAPI document, read. Raises PromptError."""
    try:
        return read_description(house_rules)
    except DescriptionError as error:
        raise PromptError(f"planner.house_rules: the file {error}") from None


def digest(*parts: str) -> str:
    """Twelve hex digits; no text of one part can pass for another."""
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=6).hexdigest()


def rules_digest(house_rules: str) -> str:
    return digest(house_rules.strip())


def unwrapped(text: str) -> str:
    """A paragraph or item a line: the wraps that people read by cost a model some hundred tokens."""
    lines: list[str] = []
    inside = joins = False
    for line in text.splitlines():
        fence = line.startswith("```")
        if joins and not fence and line and not line.startswith(("- ", "#", "@@")):
            lines[-1] += f" {line.strip()}"
        else:
            lines.append(line)
        inside ^= fence
        joins = bool(line) and not inside and not fence and not line.startswith("#")
    return "\n".join(lines) + "\n"


def _words(names: Iterable[str]) -> str:
    return " ".join(sorted(names))


def _refused() -> str:
    """What the policy refuses by name: `async` stands for all that begins with it."""
    nodes = (node for node in NODE_HINTS if node != "TemplateStr")  # which is of a later Python
    words = (NODE_WORDS.get(node, node.lower()).split()[0] for node in nodes)
    return ", ".join(f"`{word}`" for word in dict.fromkeys(words))


def read_house_rules(path: str) -> str:
    """The house rules in the file of this name; none for "". Raises PromptError, which names the path."""
    if not path:
        return ""
    try:
        with Path(path).open("rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise PromptError(f"planner.house_rules: {path} is not a file")
            data = file.read(MAX_DOCUMENT_BYTES + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise PromptError(f"planner.house_rules: {path} can't be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise PromptError(f"planner.house_rules: {path} is not UTF-8 text") from None
    if len(data) > MAX_DOCUMENT_BYTES:
        raise PromptError(f"planner.house_rules: {path} is over {MAX_DOCUMENT_BYTES} bytes")
    if len(data) > MAX_HOUSE_RULES_BYTES and described(text) is None:
        raise PromptError(
            f"planner.house_rules: {path} is over {MAX_HOUSE_RULES_BYTES} bytes; only an OpenAPI document,"
            " of which each prompt shows what it needs, may be longer"
        )
    return text
