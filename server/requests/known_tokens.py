"""The service's own tokens, wherever in a request they come: no plan is to see one (T38).

Any token counts: a client's, the operators', that for metrics. One is looked for in every form that clients
send it in: alone, behind a scheme (`Bearer`, `Token token="..."`), in a list, percent-encoded, and as name or
password of a Basic login. Compared as `auth` compares: digests, all of them, in constant time.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote

from server.settings.key import DIGEST_PREFIX, token_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: What stands between words, in any of the forms.
_BETWEEN = str.maketrans(dict.fromkeys(",;=:\"'()<>[]{}\t", " "))
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
#: Values up to this long are remembered: most requests have the same few.
_REMEMBERED_CHARACTERS = 200
_REMEMBERED = 512
#: Where every token is as long, shorter words are none. That is all of a token's length that time can tell.
_USUAL_CHARACTERS = 16


def digest(token: str) -> bytes:
    # aiohttp decodes header bytes with surrogateescape; this gives the same bytes back.
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


class KnownTokens:
    """Knows their digests alone."""

    def __init__(self, tokens: Iterable[str] = ()) -> None:
        self.renew(tokens)

    def renew(self, tokens: Iterable[str]) -> None:
        """Know these instead. Of one that is given as its digest nobody knows the length."""
        known = [token for token in tokens if token]
        self._digests = [token_digest(token) for token in known]
        usual = all(len(each) >= _USUAL_CHARACTERS and not each.startswith(DIGEST_PREFIX) for each in known)
        self._least = _USUAL_CHARACTERS if usual else 1
        self._remembering = lru_cache(maxsize=_REMEMBERED)(self._looked_for)

    def are_in(self, value: str) -> bool:
        """Whether one of them is in a header's value."""
        if not self._digests:
            return False
        if len(value) <= _REMEMBERED_CHARACTERS:
            return self._remembering(value)
        return self._looked_for(value)

    def _looked_for(self, value: str) -> bool:
        sent = {digest(form) for form in _forms(value, self._least)}
        # All of them: which one it was is not to be seen in the time.
        return sum(hmac.compare_digest(known, each) for known in self._digests for each in sent) > 0


def _forms(value: str, least: int) -> Iterator[str]:
    found = set(_parts(value))
    if "%" in value:
        found.update(_parts(unquote(value, errors="surrogateescape")))
    for word in found:
        if len(word) >= least:
            yield word
            yield from _login(word)


def _parts(value: str) -> Iterator[str]:
    """The value, what is behind its scheme, both for each element of a list; and each word."""
    for part in (value, *value.split(",")):
        whole = part.strip()
        behind = whole.replace("\t", " ").partition(" ")[2].strip()
        yield from (whole, whole.strip("\"'"), behind, behind.strip("\"'"))
        yield whole.partition("=")[2].strip("\"'")
    yield from value.translate(_BETWEEN).split()
    yield from value.split()


def _login(word: str) -> Iterator[str]:
    """What a Basic login, or any text in Base64, holds: all of it, its name and its password."""
    try:
        sent = word.encode("ascii").translate(_URL_SAFE).rstrip(b"=")
        decoded = base64.b64decode(sent + b"=" * (-len(sent) % 4), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return
    text = decoded.decode("utf-8", "surrogateescape")
    name, _, password = text.partition(":")
    yield from (text, name, password)
