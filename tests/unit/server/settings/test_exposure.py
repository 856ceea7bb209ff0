"""Short tokens, and a service that the network can reach without one, are warned of."""

from __future__ import annotations

from typing import Any

import pytest

from server.settings.exposure import LEAST_TOKEN, warnings
from server.settings.reading import from_mapping

ENOUGH = "t" * LEAST_TOKEN
SHORT = ENOUGH[1:]


def warned(toml: dict[str, Any]) -> list[tuple[str, str]]:
    found = list(warnings(from_mapping(toml, {})))
    assert not any(SHORT in str(members) for _, members in found)
    return [(event, members.get("setting", members.get("host", ""))) for event, members in found]


@pytest.mark.parametrize("name", ["token", "admin_token", "metrics_token"])
def test_a_short_token_is_warned_of(name: str) -> None:
    """By its setting's name, one character below what is enough; and no token itself is told."""
    assert warned({"auth": {name: SHORT}}) == [("short token", f"auth.{name}")]
    assert warned({"auth": {name: ENOUGH}}) == []


def test_named_tokens_too() -> None:
    """Each of them by its own name."""
    tokens = {"ci": SHORT, "app": ENOUGH + "a", "old": SHORT[1:]}

    assert warned({"auth": {"tokens": tokens}}) == [
        ("short token", "auth.tokens.ci"),
        ("short token", "auth.tokens.old"),
    ]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com"])
def test_a_service_that_all_can_reach(host: str) -> None:
    """Without a token it is warned of, with one it is not; operators' tokens keep nobody out."""
    open_to_all = [("open to the network", host)]

    assert warned({"server": {"host": host}}) == open_to_all
    assert warned({"server": {"host": host}, "auth": {"admin_token": ENOUGH}}) == open_to_all
    assert warned({"server": {"host": host}, "auth": {"token": ENOUGH}}) == []
    assert warned({"server": {"host": host}, "auth": {"tokens": {"a": ENOUGH}}}) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST"])
def test_this_machine_alone(host: str) -> None:
    """Loopback is nobody else's."""
    assert warned({"server": {"host": host}}) == []
