"""The helpers a plan may call, each with the promise its documentation makes to the planner."""

from __future__ import annotations

import re
from typing import Any

import pytest

from guest import helpers
from guest.reply import RequestFault


@pytest.mark.parametrize(
    ("helper", "text", "value"),
    [
        (helpers.as_int, "12", 12),
        (helpers.as_int, "-3", -3),
        (helpers.as_int, 7, 7),
        (helpers.as_int, str(2**53 - 1), 2**53 - 1),
        (helpers.as_float, "1.5", 1.5),
        (helpers.as_float, ".5", 0.5),
        (helpers.as_float, "-2e3", -2000.0),
        (helpers.as_float, 3, 3.0),
        (helpers.as_bool, "TRUE", True),
        (helpers.as_bool, "0", False),
        (helpers.as_bool, "off", False),
        (helpers.as_bool, True, True),
    ],
)
def test_query_texts_are_read(helper: Any, text: Any, value: Any) -> None:
    """A query value arrives as text and leaves as its type."""
    result = helper(text, None)

    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize("helper", [helpers.as_int, helpers.as_float, helpers.as_bool])
def test_absent_gives_the_default(helper: Any) -> None:
    """Absent and empty are not wrong."""
    assert helper(None, "default") == "default"
    assert helper("", "default") == "default"
    assert helper(None) is None


@pytest.mark.parametrize(
    ("helper", "text"),
    [
        (helpers.as_int, "1.5"),
        (helpers.as_int, "abc"),
        (helpers.as_int, str(2**53)),
        (helpers.as_int, "9" * 5000),
        (helpers.as_int, True),
        (helpers.as_int, ["1", "2"]),
        (helpers.as_int, "\u0661"),
        (helpers.as_float, "nan"),
        (helpers.as_float, "inf"),
        (helpers.as_float, "1e999"),
        (helpers.as_float, "1_000"),
        (helpers.as_float, {}),
        (helpers.as_bool, "maybe"),
        (helpers.as_bool, 2),
    ],
)
def test_a_wrong_one_ends_the_plan_with_400(helper: Any, text: Any) -> None:
    """What is not of the type is the client's mistake, with a message that shows at most its beginning."""
    with pytest.raises(RequestFault) as fault:
        helper(text)

    assert fault.value.reply["status"] == 400
    assert len(fault.value.reply["body"]) < 90


def test_an_integer_may_be_too_large() -> None:
    """It is one, whatever else is wrong with it."""
    for text in (str(2**53), "-" + "9" * 20):
        with pytest.raises(RequestFault) as fault:
            helpers.as_int(text)
        assert "is too large an integer" in fault.value.reply["body"]


def test_times_sort_as_text() -> None:
    """ISO 8601 in UTC, so that texts compare as times do."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", helpers.now())
    assert helpers.now().startswith(helpers.today())


def test_random_texts_differ() -> None:
    """UUIDs and tokens are new each time, and of the documented form."""
    assert helpers.uuid4() != helpers.uuid4()
    assert re.fullmatch(r"[0-9a-f-]{36}", helpers.uuid4())
    assert helpers.new_token() != helpers.new_token()
    assert len(helpers.new_token(10_000)) < 400


@pytest.mark.parametrize(
    ("text", "slug"), [("H\u00e9llo, World!", "hello-world"), ("  a  b ", "a-b"), ("\u4f60", ""), (5, "5")]
)
def test_slugs_are_url_words(text: Any, slug: str) -> None:
    """Accents go, other signs become single dashes."""
    assert helpers.slugify(text) == slug


def test_url_quote_makes_one_segment() -> None:
    """Nothing in the text can end the segment or start a query."""
    assert helpers.url_quote("a/b?c#d e\u00e9") == "a%2Fb%3Fc%23d%20e%C3%A9"


def test_re_match_gives_groups() -> None:
    """The whole match first; None when there is none or no text."""
    assert helpers.re_match(r"(\d+)-(\d+)", "x 10-20") == ["10-20", "10", "20"]
    assert helpers.re_match(r"^\d+$", "x1") is None
    assert helpers.re_match("a", None) is None


@pytest.mark.parametrize(
    ("amount", "rounded"), [(0.1 + 0.2, 0.3), (1.005, 1.01), ("2.345", 2.35), (3, 3.0), (-1.005, -1.01)]
)
def test_money_rounds_as_people_do(amount: Any, rounded: float) -> None:
    """Half up, on the decimal that is shown."""
    assert helpers.money(amount) == rounded


def test_money_refuses_what_is_no_number() -> None:
    """A ValueError, which on a body's value becomes the client's 422."""
    with pytest.raises(ValueError, match="number"):
        helpers.money("ten")


def test_by_sorts_mixed_records() -> None:
    """Down and up, numbers before texts, absent last either way, dotted paths."""
    rows: list[dict[str, Any]] = [
        {"id": 1, "price": 5, "a": {"b": "y"}},
        {"id": 2},
        {"id": 3, "price": 9, "a": {"b": "x"}},
        {"id": 4, "price": 5, "a": {"b": "x"}},
        {"id": 5, "price": "n/a"},
    ]

    assert [row["id"] for row in sorted(rows, key=helpers.by("-price", "a.b"))] == [5, 3, 4, 1, 2]
    assert [row["id"] for row in sorted(rows, key=helpers.by("price", "id"))] == [1, 4, 3, 5, 2]


def test_by_treats_equal_values_as_ties() -> None:
    """A later field decides between records that are equal in an earlier one, downwards too."""
    rows = [{"p": 1, "n": "b"}, {"p": 1, "n": "a"}]

    assert min(rows, key=helpers.by("-p", "n"))["n"] == "a"


class Derivation:
    """A stand-in for the host's scrypt that counts its calls and gives up after a few."""

    def __init__(self, most: int = 4) -> None:
        self.left = most

    def __call__(self, secret: str, salt: str) -> str:
        self.left -= 1
        return f"{salt}/{secret}"[::-1] if self.left >= 0 else ""


def test_secrets_are_salted_and_verified() -> None:
    """Two hashes of one secret differ; each verifies it and nothing else."""
    secrets = helpers.Secrets(Derivation(10))
    first, second = secrets.hash_secret("p\u00e4ss"), secrets.hash_secret("p\u00e4ss")

    assert first != second
    assert secrets.verify_secret("p\u00e4ss", first)
    assert not secrets.verify_secret("pass", first)
    for stored in (None, "", "plain", "md5$a$b", 5):
        assert not secrets.verify_secret("x", stored)


def test_secrets_are_text_and_few() -> None:
    """Wrong types and too many derivations in one request are errors, not weak hashes."""
    secrets = helpers.Secrets(Derivation(1))

    with pytest.raises(TypeError):
        secrets.hash_secret(5)
    secrets.hash_secret("a")
    with pytest.raises(ValueError, match="too many"):
        secrets.hash_secret("b")
