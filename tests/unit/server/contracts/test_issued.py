"""Tokens that operations hand out become identities; no secret is kept of them."""

from __future__ import annotations

from typing import Any

import pytest

from server.contracts.credentials import Identity, digest_of
from server.contracts.issued import MEMBER, MOST_TOKENS, IssuedTokens, issued_by


@pytest.mark.parametrize(
    ("reply", "request_body", "wanted"),
    [
        ({"token": "abcdef"}, {"email": "a@b", "password": "x"}, ("abcdef", {"email": "a@b"})),
        ({"user": {"email": "a@b", "token": "abcdef"}}, None, ("abcdef", {"email": "a@b"})),
        ({"access_token": "abcdef", "expires_in": 60}, {"user": "a"}, ("abcdef", {"user": "a"})),
        ({"access_token": "abcdef", "expires_in": 60}, None, ("abcdef", {"expires_in": 60})),
        ({"accessToken": "abcdef", "user": {"id": 7, "password": "x"}}, None, ("abcdef", {"id": 7})),
        ({"data": {"attributes": {"jwt": "abcdef"}}}, {"login": "a"}, ("abcdef", {"login": "a"})),
        ({"token": "abc"}, None, None),
        ({"token": 123456}, None, None),
        ({"name": "abcdef"}, None, None),
        ([{"token": "abcdef"}], None, None),
        (None, None, None),
        ({"a": {"b": {"c": {"token": "abcdef"}}}}, None, None),
    ],
)
def test_a_token_in_a_reply(reply: Any, request_body: Any, wanted: Any) -> None:
    """With what stands beside it, else with what the request says of itself; never a secret."""
    assert issued_by(reply, request_body) == wanted


class Settings:
    """A session's settings in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.writes = 0

    async def of(self, _session: str) -> dict[str, Any]:
        return self.kept

    async def change(self, _session: str, changes: dict[str, Any]) -> dict[str, Any]:
        self.writes += 1
        self.kept = {**self.kept, **changes}
        return self.kept


async def test_who_comes_with_it_is_who_it_was_handed_to() -> None:
    """With another token the same person has the same id; what is kept are digests."""
    settings = Settings()
    tokens = IssuedTokens(settings)  # type: ignore[arg-type]
    for token in ("token-1", "token-2", "token-2"):
        await tokens.note("s", token, {"username": "ada"})
    one, two = [
        await tokens.named("s", Identity(digest_of(token), "bearer")) for token in ("token-1", "token-2")
    ]
    other = await tokens.named("s", Identity(digest_of("token-3"), "bearer"))

    assert one == two
    assert (one.user, one.claims) == ("ada", {"username": "ada"})
    assert other == Identity(digest_of("token-3"), "bearer")
    assert settings.writes == 2
    assert "token-1" not in str(settings.kept)


async def test_so_many_are_known() -> None:
    """The oldest go: its bearer is an identity still, of whom nothing is known."""
    settings = Settings()
    tokens = IssuedTokens(settings)  # type: ignore[arg-type]
    for number in range(MOST_TOKENS + 1):
        await tokens.note("s", f"token-{number}", {"username": f"user-{number}"})
    first, last = [
        await tokens.named("s", Identity(digest_of(f"token-{number}"))) for number in (0, MOST_TOKENS)
    ]

    assert len(settings.kept[MEMBER]) == MOST_TOKENS
    assert first.claims is None
    assert last.user == f"user-{MOST_TOKENS}"
