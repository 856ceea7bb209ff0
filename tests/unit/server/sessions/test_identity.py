from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.sessions.identity import owned, session_for
from server.values.errors import SessionInvalid, SessionMissing

IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}", fullmatch=True)


@given(IDS, IDS)
def test_directories_differ_when_ids_do(one: str, other: str) -> None:
    """Also when only case differs; the name is 32 hex digits whatever the id (T01, T02)."""
    first, second = (session_for(text, None, "reject").directory for text in (one, other))

    assert (first == second) == (one == other)
    assert len(first) == 32
    assert set(first) <= set("0123456789abcdef")


def test_no_way_of_naming_a_session_reaches_another_way_s_sessions() -> None:
    """An id, a token's name and the anonymous session of the same text are three sessions."""
    names = [
        session_for("anonymous", None, "reject"),
        session_for(None, "anonymous", "reject"),
        session_for(None, None, "shared"),
    ]

    assert len({session.directory for session in names}) == 3
    assert [session.id for session in names] == ["anonymous", "token:anonymous", "~anonymous"]


def test_directory_names_never_change() -> None:
    """Data of an older version is found again."""
    assert session_for("s1", None, "reject").directory == "aeca5d4a6cb2f3edbc7fac141b25b96e"


def test_an_id_goes_before_the_token() -> None:
    """The header decides; the token's name only stands in for it."""
    assert session_for("s1", "ci", "reject") == session_for("s1", None, "shared")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "../x",
        "..",
        ".s",
        "-s",
        "_s",
        "s1.",
        "s 1",
        "s1\n",
        "caf\u00e9",
        "\uff11",
        "a" * 129,
        "s1,s2",
        "a\0",
    ],
)
def test_an_id_outside_the_grammar_is_400(text: str) -> None:
    """Anything that could matter to a shell, a path or a log is refused."""
    with pytest.raises(SessionInvalid):
        session_for(text, "ci", "shared")


def test_nothing_to_go_by_is_400() -> None:
    """Unless the settings have a shared session, somebody must say whose data is meant."""
    with pytest.raises(SessionMissing, match="Session identifier missing"):
        session_for(None, None, "reject")


@pytest.mark.parametrize("owner", ["..", ".", "", "a b", "a/b", "%2e", "\u00e4", "a" * 65])
def test_before_the_slash_stands_a_token_s_name(owner: str) -> None:
    """Whatever else is made cannot be asked for again: no path may have a step of dots."""
    with pytest.raises(SessionInvalid, match="token's name"):
        owned(owner, "shop")
