"""The settings as a Markdown table, written from the code: ``python -m tools.settings_table``.

docs/settings.md holds its output, and a test compares the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server.settings.reading import CONFIG_VARIABLE, DEFAULT_FILE, all_keys

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.settings.key import Key

_HEADER = ("Key", "Variable", "Default", "Unit", "Meaning")


def table() -> str:
    """One row a setting, in the order of metaservice.toml; ends without a newline."""
    rows = [_HEADER, ("---",) * len(_HEADER), *(_row(key) for key in all_keys()), _config_row()]
    return "\n".join(_line(row) for row in rows)


def _row(key: Key) -> tuple[str, ...]:
    name = "(variable only)" if key.spec.env_only else f"`{key.path}`"
    variable = f"`{key.spec.variable}`" if key.spec.variable else ""
    return name, variable, _default(key.default), key.unit, key.spec.meaning + _choices(key)


def _config_row() -> tuple[str, ...]:
    meaning = "File to read the settings from; without it, that one in the current directory if it exists"
    return "(variable only)", f"`{CONFIG_VARIABLE}`", f"`{DEFAULT_FILE}`", "", meaning


def _default(value: Any) -> str:
    match value:
        case bool():
            return f"`{str(value).lower()}`"
        case int():
            return f"`{value:_}`"
        case float():
            return f"`{value:g}`"
        case tuple():
            return ", ".join(f"`{text}`" for text in value) or "none"
        case _:
            return f"`{value}`" if value else "none"


def _choices(key: Key) -> str:
    return f" ({', '.join(f'`{choice}`' for choice in key.choices)})" if key.choices else ""


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    print(table())
