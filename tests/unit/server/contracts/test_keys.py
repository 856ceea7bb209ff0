"""How keys are made, and what a record's address is."""

from __future__ import annotations

import re

import pytest

from server.contracts.keys import address_of, pieces_like, pieces_of_pattern


@pytest.mark.parametrize(
    ("pattern", "lengths"),
    [
        ("^AC[0-9a-fA-F]{32}$", [1, 1, *[16] * 32]),
        (r"^\d{10}$", [10] * 10),
        ("^(SM|MM)[0-9a-f]{2}$", [1, 1, 16, 16]),
        ("^or_[a-z]+$", [1, 1, 1, *[26] * 20]),
        ("^(?!x).*$", []),
        ("(", []),
        ("a{1000}", []),
        ("[^a]", []),
    ],
)
def test_what_may_stand_at_each_place_of_a_pattern(pattern: str, lengths: list[int]) -> None:
    pieces = pieces_of_pattern(pattern)

    assert [len(each) for each in pieces] == lengths
    if pieces:
        assert re.search(pattern, "".join(each[-1] for each in pieces))


@pytest.mark.parametrize(
    ("example", "first", "pattern"),
    [
        ("cus_9s6XKzkNRiz8i3", "cus_", "^cus_[A-Za-z0-9]{14}$"),
        ("9000000009", "", "^[0-9]{10}$"),
        ("AC0123456789abcdef", "AC", "^AC[0-9a-f]{16}$"),
        ("ABC", "", "^[A-Za-z0-9]{12}$"),
    ],
)
def test_keys_are_like_the_document_s_examples(example: str, first: str, pattern: str) -> None:
    made = "".join(each[len(each) // 2] for each in pieces_like(example))

    assert made.startswith(first)
    assert re.fullmatch(pattern, made)


@pytest.mark.parametrize("key", ["a", "A-1", "7", 7, "x@y.z", "a" * 80])
def test_a_plain_key_is_its_own_address(key: object) -> None:
    assert address_of(key) == str(key)


@pytest.mark.parametrize("key", ["search", "..", "a/b", "a" * 81, "é", "", 2**53, "\x00"])
def test_any_other_key_is_a_digest(key: object) -> None:
    """So that no key can be what the store, or a path, takes for something else."""
    assert re.fullmatch(r"~[0-9a-f]{30}", address_of(key))


def test_scopes_are_before_it() -> None:
    assert address_of("tool", ["acme", "x/y"]).startswith("acme/~")
    assert address_of("b", ["a"]) != address_of("a/b")
