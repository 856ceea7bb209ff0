"""A reply's entity tag, and what the preconditions of a safe request make of the reply (RFC 9110 §13).

The last thing that happens to a reply: its bytes are the representation that the tag is of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.values.entity_tags import etag_of, tag_list
from server.values.errors import PreconditionFailed
from server.values.model import SAFE_METHODS, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

#: RFC 9110 §15.4.5: what a 304 repeats of the headers that the 200 would have had.
_OF_NOT_MODIFIED = frozenset({"cache-control", "content-location", "etag", "expires", "vary"})


def conditional(reply: Reply, method: str, headers: Mapping[str, str], *, own_tags: bool = False) -> Reply:
    """The reply with its tag, or the 304 that If-None-Match asks for.

    A plan's own ETag gives way: If-Match and If-None-Match are compared with the service's. `own_tags`: it
    stays where there is one, as the plan compares If-Match itself.
    Raises PreconditionFailed, InvalidHeader.
    """
    body = reply.body
    if body is None:
        return reply
    own = _own_tag(reply) if own_tags else ""
    if own:
        known = tag_list(headers["if-none-match"], "If-None-Match") if "if-none-match" in headers else None
        is_read = method in SAFE_METHODS and reply.status == 200
        return _not_modified(reply) if is_read and known is not None and known.has_weakly(own) else reply
    if method not in SAFE_METHODS:
        return _tagged(reply, etag_of(body, reply.media_type)) if reply.record else reply
    if reply.status != 200:
        return reply
    etag = etag_of(body, reply.media_type)
    if "if-match" in headers and not tag_list(headers["if-match"], "If-Match").has_strongly(etag):
        raise PreconditionFailed("If-Match lists no tag of what is here.", header="if-match")
    tagged = _tagged(reply, etag)
    if "if-none-match" in headers and tag_list(headers["if-none-match"], "If-None-Match").has_weakly(etag):
        return _not_modified(tagged)
    return tagged


def _own_tag(reply: Reply) -> str:
    return next((value for name, value in reply.headers if name.lower() == "etag"), "")


def _tagged(reply: Reply, etag: str) -> Reply:
    headers: tuple[tuple[str, str], ...] = (("ETag", etag),)
    if reply.headers:
        headers = (*(header for header in reply.headers if header[0].lower() != "etag"), *headers)
    return Reply(reply.status, headers, reply.body, reply.media_type)


def _not_modified(reply: Reply) -> Reply:
    return Reply(304, tuple(header for header in reply.headers if header[0].lower() in _OF_NOT_MODIFIED))
