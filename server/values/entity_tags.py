"""Entity tags (RFC 9110 §8.8.3): how a reply gets one, and what If-Match and If-None-Match say of them.

A tag is a digest of the reply's bytes, so it is strong. That of a record is the digest of its stored text,
which the guest computes, too (guest/conditions.py): so If-Match is compared where nobody can come between.
"""

from __future__ import annotations

import hashlib
import re

from attrs import frozen

from server.values.errors import InvalidHeader

_JSON = "application/json"
_ALSO_JSON = ("+json", "text/json")
_ETAG = r'(?:W/)?"[\x21\x23-\x7e]*"'
_LIST = re.compile(rf"[ \t,]*{_ETAG}(?:[ \t]*,[ \t,]*{_ETAG})*[ \t,]*")
_EACH = re.compile(_ETAG)


@frozen
class TagList:
    """What If-Match or If-None-Match lists; `any_` is their `*`."""

    any_: bool
    tags: tuple[str, ...]

    def has_weakly(self, etag: str) -> bool:
        """RFC 9110 §8.8.3.2, weak comparison: If-None-Match's."""
        return self.any_ or etag.removeprefix("W/") in map(_opaque, self.tags)

    def has_strongly(self, etag: str) -> bool:
        """Strong comparison, If-Match's: a weak tag equals nothing."""
        return self.any_ or (not etag.startswith("W/") and etag in self.tags)

    def for_guest(self, *, weak: bool) -> list[str]:
        """The tags without their quotes, weak ones only if they count; `["*"]` for any."""
        if self.any_:
            return ["*"]
        return [_opaque(tag)[1:-1] for tag in self.tags if weak or not tag.startswith("W/")]


def etag_of(body: bytes, media_type: str) -> str:
    """The tag of a representation: its bytes, and what they are unless they are JSON by any name."""
    digest = hashlib.blake2b(body, digest_size=16)
    if media_type != _JSON and not media_type.endswith(_ALSO_JSON):
        digest.update(b"\0" + media_type.encode())
    return f'"{digest.hexdigest()}"'


def tag_list(value: str, header: str) -> TagList:
    """A header's value, its lines joined by commas. Raises InvalidHeader."""
    text = value.strip()
    if text == "*":
        return TagList(any_=True, tags=())
    if not _LIST.fullmatch(text):
        raise InvalidHeader(
            f'{header} is * or a list of entity tags in double quotes, such as "5d41402a".',
            header=header.lower(),
        )
    return TagList(any_=False, tags=tuple(_EACH.findall(text)))


def _opaque(etag: str) -> str:
    return etag.removeprefix("W/")
