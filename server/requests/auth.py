"""Bearer tokens (RFC 6750) that guard the whole service, each with a name.

Compared in constant time, on digests of the bytes as they were sent: neither a token's length, nor
a prefix, nor which of several tokens nearly matched can be seen in the time it takes (T37).
"""

from __future__ import annotations

import base64
import hmac
import re
from typing import TYPE_CHECKING

from attrs import frozen

from server.requests.headers import single
from server.requests.known_tokens import digest
from server.settings.key import token_digest
from server.values.errors import InvalidHeader, Unauthorized

if TYPE_CHECKING:
    from collections.abc import Mapping

    from multidict import MultiMapping

SERVICE_TOKEN = "X-Service-Token"  # noqa: S105 - a header's name
_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)
_BASIC = re.compile(r"basic +([A-Za-z0-9+/]+={0,2})", re.IGNORECASE)
#: Alone: with a second challenge in the same line Chromium (156) asks for no login.
_BROWSER_CHALLENGE = 'Basic realm="metaservice: any name, and the token as password", charset="UTF-8"'


@frozen
class Caller:
    """Who asks. `token_name` is None when the service has no tokens.

    `owns_authorization`: the Authorization header is the API's own, and therefore the plan's, unless there is
    a token of the service in it: browsers send a login by themselves, whatever else is sent.
    """

    token_name: str | None
    owns_authorization: bool


class Authenticator:
    """Knows the tokens' digests by name; none at all means that the service is open.

    A token is itself, or `sha256:` and its digest. Whoever sends that text has not sent the token.
    """

    def __init__(self, tokens: Mapping[str, str]) -> None:
        self._digests = {name: token_digest(token) for name, token in tokens.items()}

    def renew(self, tokens: Mapping[str, str]) -> None:
        """Know these tokens instead, from the next request on.

        Raises ValueError if that would open a service.
        """
        if self._digests and not tokens:
            raise ValueError("without a token the service would be open to all")
        self._digests = {name: token_digest(token) for name, token in tokens.items()}

    def authenticate(self, headers: MultiMapping[str]) -> Caller:
        """Raises Unauthorized unless exactly one token was sent, and it is one of ours."""
        if not self._digests:
            return Caller(token_name=None, owns_authorization=True)
        if SERVICE_TOKEN in headers:
            return Caller(self._name_of(self._only(headers, SERVICE_TOKEN)), owns_authorization=True)
        match = _BEARER.fullmatch(self._only(headers, "Authorization"))
        if match is None:
            raise _refusal("A bearer token is needed.")
        return Caller(self._name_of(match[1]), owns_authorization=False)

    def authenticate_browser(self, headers: MultiMapping[str]) -> Caller:
        """The token as the password of a Basic login. Raises Unauthorized, so that browsers ask for it."""
        try:
            password = _password(self._only(headers, "Authorization"))
            return Caller(self._name_of(password), owns_authorization=False)
        except Unauthorized as error:
            raise _refusal(error.detail, _BROWSER_CHALLENGE) from None

    def _only(self, headers: MultiMapping[str], name: str) -> str:
        try:
            return single(headers, name) or ""
        except InvalidHeader as error:
            raise _refusal(error.detail) from None

    def _name_of(self, token: str) -> str:
        sent = digest(token)
        names = [name for name, digest in self._digests.items() if hmac.compare_digest(digest, sent)]
        if not names:
            raise _refusal("The token is not valid.")
        return names[0]


def _password(authorization: str) -> str:
    """Of a Basic login, as the text that a header would have had; empty when it is none."""
    match = _BASIC.fullmatch(authorization)
    try:
        login = base64.b64decode(match[1], validate=True) if match else b""
    except ValueError:
        login = b""
    return login.partition(b":")[2].decode("utf-8", "surrogateescape")


def _refusal(detail: str, challenge: str = "Bearer") -> Unauthorized:
    return Unauthorized(detail, headers={"WWW-Authenticate": challenge})
