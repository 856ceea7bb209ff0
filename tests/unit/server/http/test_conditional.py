"""A reply's tag, and what a safe request's preconditions make of the reply."""

from __future__ import annotations

import pytest

from server.http.conditional import conditional
from server.values.entity_tags import etag_of
from server.values.errors import PreconditionFailed
from server.values.model import Reply

BODY = b'{"id":1}'
TAG = etag_of(BODY, "application/json")
FOUND = Reply(200, (("Cache-Control", "max-age=5"), ("Link", "</a>"), ("etag", '"own"')), BODY)


def etag(reply: Reply) -> str | None:
    tags = [value for name, value in reply.headers if name.lower() == "etag"]
    assert len(tags) <= 1
    return tags[0] if tags else None


@pytest.mark.parametrize(
    ("reply", "method", "expected"),
    [
        (FOUND, "GET", TAG),
        (FOUND, "HEAD", TAG),
        (Reply(404, (), BODY), "GET", None),
        (Reply(204), "GET", None),
        (Reply(200, (), BODY, "text/csv"), "GET", etag_of(BODY, "text/csv")),
        (Reply(200, (), BODY), "PUT", None),
        (Reply(200, (), BODY, record=True), "PUT", TAG),
        (Reply(201, (), BODY, record=True), "POST", TAG),
        (Reply(200, (("ETag", '"own"'),), BODY), "POST", '"own"'),
    ],
)
def test_which_replies_have_a_tag(reply: Reply, method: str, expected: str | None) -> None:
    """What is read, and what is written if the reply is the record; the service's tag replaces a plan's."""
    assert etag(conditional(reply, method, {})) == expected


@pytest.mark.parametrize("listed", [TAG, f"W/{TAG}", "*", f'"x", {TAG}'])
def test_what_the_client_has_is_not_sent_again(listed: str) -> None:
    """304 without a body, with the tag and the caching headers, without the others."""
    reply = conditional(FOUND, "GET", {"if-none-match": listed})

    assert reply == Reply(304, (("Cache-Control", "max-age=5"), ("ETag", TAG)))


def test_what_the_client_has_not_is_sent() -> None:
    """Another tag, another method, or no success: the condition changes nothing."""
    refused = Reply(404, (), BODY)

    assert conditional(FOUND, "GET", {"if-none-match": '"own"'}).status == 200
    assert conditional(refused, "GET", {"if-none-match": "*", "if-match": '"x"'}) == refused
    assert conditional(FOUND, "POST", {"if-none-match": "*", "if-match": '"x"'}) == FOUND


def test_if_match_comes_first_in_reading_too() -> None:
    """RFC 9110 §13.2.2: 412 before 304; a weak tag is never matched strongly."""
    both = {"if-match": '"x"', "if-none-match": TAG}
    for headers in (both, {"if-match": f"W/{TAG}"}):
        with pytest.raises(PreconditionFailed):
            conditional(FOUND, "GET", headers)

    assert conditional(FOUND, "GET", {"if-match": TAG}).status == 200
    assert conditional(FOUND, "GET", {"if-match": "*", "if-none-match": TAG}).status == 304
