from __future__ import annotations

import re
from typing import TYPE_CHECKING

import orjson
import pytest

from server.http import pages
from server.http.problem_types import MEANINGS, REMEDIES, all_types
from server.requests.target import RESERVED
from server.values.errors import MethodNotAllowed, NotFound
from tests.docs.markdown import ROOT

if TYPE_CHECKING:
    from server.values.model import Reply


def answered(reply: Reply | None) -> Reply:
    assert reply is not None
    return reply


def test_every_problem_type_has_a_page_that_says_what_it_means() -> None:
    """One for each error class, with what to do first; none without a class, and no slug twice."""
    assert set(MEANINGS) == set(REMEDIES) == set(all_types())
    for slug, error in all_types().items():
        reply = answered(pages.page("GET", ("_meta", "problems", slug), "*/*"))

        assert orjson.loads(reply.body or b"") == {
            "type": f"/_meta/problems/{slug}",
            "title": error.title,
            "status": error.status,
            "remedy": REMEDIES[slug],
            "meaning": MEANINGS[slug],
        }
        page = answered(pages.page("GET", ("_meta", "problems", slug), "text/html")).body or b""
        assert 0 < page.index(b"What to do") < page.index(b"What it means")


def test_remedies_name_settings_and_commands_that_there_are() -> None:
    """What stands between backticks is a setting, a command, or a word of HTTP that a request can have."""
    pages_of_operators = ("settings.md", "command.md", "operate.md")
    documented = "".join((ROOT / "docs" / name).read_text("utf-8") for name in pages_of_operators)
    for remedy in REMEDIES.values():
        for word in re.findall(r"`([a-z]+\.[a-z_]+|metaservice [a-z]+ ?[a-z]*)`", remedy):
            assert word.strip() in documented, word


def test_a_page_for_browsers_escapes_what_it_shows() -> None:
    """HTML is only sent to those who name it."""
    reply = answered(pages.page("GET", ("_meta", "problems", "session-invalid"), "text/html"))

    assert reply.media_type == "text/html; charset=utf-8"
    assert b"<h1>Session identifier invalid</h1>" in (reply.body or b"")


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_reserved_names_are_never_planned(name: str) -> None:
    """Whether or not there is a page, and whatever follows."""
    for rest in ((), ("x",), ("problems", "no-such"), ("problems", "internal", "x")):
        with pytest.raises(NotFound):
            pages.page("GET", (name, *rest), "")


def test_other_paths_are_not_the_service_s() -> None:
    """They go on to be planned, also when they only look alike."""
    assert not pages.is_own(("members",))
    assert not pages.is_own(("Docs",))
    assert not pages.is_own(("members", "healthz"))


@pytest.mark.parametrize("segments", [(), ("docs",), ("_meta", "x")])
def test_the_service_s_own_paths(segments: tuple[str, ...]) -> None:
    assert pages.is_own(segments)


def test_pages_can_only_be_read() -> None:
    """OPTIONS says so, other methods are 405 with Allow."""
    assert answered(pages.home("OPTIONS", "", "http://localhost", console=False)).headers == (
        ("Allow", "GET, HEAD, OPTIONS"),
    )
    with pytest.raises(MethodNotAllowed) as caught:
        pages.home("PUT", "", "http://localhost", console=False)

    assert caught.value.headers == {"Allow": "GET, HEAD, OPTIONS"}
