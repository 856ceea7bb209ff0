"""Relative links lead somewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.docs.markdown import PAGES, README, ROOT, anchors, links

if TYPE_CHECKING:
    from pathlib import Path


def broken(page: Path) -> list[str]:
    """The links of a page that are to no file of the repository, or to no heading of it."""
    found = []
    for link in links(page.read_text("utf-8")):
        path, _, fragment = link.partition("#")
        if "://" in path:
            continue
        target = (page.parent / path).resolve() if path else page
        there = target.exists() and target.is_relative_to(ROOT)
        if not there or (fragment and fragment not in anchors(target.read_text("utf-8"))):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links(page: Path) -> None:
    """Every relative link of a page is to a file that is there, and to a heading in it."""
    assert broken(page) == []


def test_broken_links_are_found(tmp_path: Path) -> None:
    """A file that is not there, one outside the repository, and a heading that is none, are all reported."""
    page = tmp_path / "page.md"
    page.write_text(
        "# One two\n[a](gone.md) [b](#one-two) [c](#two) [d](https://example.com/x) [e](page.md)\n"
    )

    assert broken(page) == ["gone.md", "#one-two", "#two", "page.md"]


def test_every_page_can_be_reached() -> None:
    """Each page in docs/ is linked from the README."""
    linked = {(README.parent / link.partition("#")[0]).resolve() for link in links(README.read_text("utf-8"))}

    assert {page for page in PAGES if page != README} <= linked
