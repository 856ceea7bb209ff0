"""Every setting is documented, and nothing is documented that is no setting."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import pytest

from server.settings.reading import all_keys, from_mapping
from tests.docs.markdown import PAGES, ROOT, blocks, inline_code
from tools.settings_table import table

if TYPE_CHECKING:
    from pathlib import Path

    from server.settings.key import Key

TEXT = (ROOT / "docs" / "settings.md").read_text("utf-8")
KEYS = all_keys()
VARIABLES = {key.spec.variable for key in KEYS if key.spec.variable} | {"LARS_CONFIG"}
_VARIABLE = re.compile(r"\b(?:LARS|SANDBOX|OPENAI|ANTHROPIC)_[A-Z_]+[A-Z]\b")
_SECTIONS = {key.path.partition(".")[0] for key in KEYS}
_KEY = re.compile(r"([a-z_]+)(?:\.[a-z_]+)+")


def test_the_table_is_the_generators() -> None:
    """The page's table is what `python -m tools.settings_table` prints."""
    found = re.search(r"<!-- python -m tools.settings_table -->\n(.*?)\n<!--", TEXT, re.DOTALL)

    assert found is not None
    assert found[1] == table()


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.path)
def test_each_key(key: Key) -> None:
    """Every key that a file may hold, and every variable, stands in the page."""
    assert key.spec.env_only or f"`{key.path}`" in TEXT
    assert not key.spec.variable or f"`{key.spec.variable}`" in TEXT


#: What looks like a key and is none: modules, files, what plans call.
_OTHERS = {
    "server.pipeline", "record.db", "record.db.left", "store.relations", "store.fields", "contract.toml"
}  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_variables_exist(page: Path) -> None:
    """A variable that a page names is one that the service reads."""
    assert set(_VARIABLE.findall(page.read_text("utf-8"))) <= VARIABLES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_keys_exist(page: Path) -> None:
    """A dotted key that a page names, with or without a value, is one that the service knows."""
    code = [text.partition(" = ")[0] for text in inline_code(page.read_text("utf-8"))]
    named = {text for text in code if (found := _KEY.fullmatch(text)) and found[1] in _SECTIONS}

    assert named - _OTHERS <= {key.path for key in KEYS}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_toml_is_accepted(page: Path) -> None:
    """Settings that a page shows as TOML are such that the service starts with them."""
    for block in blocks(page.read_text("utf-8")):
        if block.language == "toml":
            from_mapping(tomllib.loads(block.text), {})
