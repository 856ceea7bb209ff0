"""`contract.toml` beside a document: what a person says of it where the rules guess otherwise.

profile = "scim"          # the style that the document is in; "none": none of ours

[operations."POST /orders/{id}/cancel"]
role = "planned"        # not by rule: a model, an example
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from server.contracts.document import ContractError
from server.contracts.profiles.frame.registry import names

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from server.contracts.document import Operation

ROLES = ("planned",)


@frozen
class Override:
    role: str = ""


@frozen
class Overrides:
    operations: Mapping[str, Override] = field(factory=dict)
    profile: str = ""

    def of(self, operation: Operation) -> Override | None:
        return self.operations.get(f"{operation.method} {operation.template}") or self.operations.get(
            operation.id
        )


def read_overrides(path: Path) -> Overrides:
    """Raises ContractError."""
    try:
        raw: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return Overrides()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ContractError(f"{path.name}: {error}") from None
    profile = raw.get("profile", "")
    if profile != "" and profile not in names():
        raise ContractError(f"{path.name}: profile: takes one of {', '.join(names())}")
    found = {}
    for name, each in raw.get("operations", {}).items():
        role = each.get("role", "") if isinstance(each, dict) else ""
        if role not in ROLES:
            raise ContractError(f"{path.name}: operations.{name!r}: role takes {', '.join(ROLES)}")
        found[name] = Override(role)
    return Overrides(found, profile)
