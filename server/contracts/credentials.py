"""Who asks, as a contract's security schemes have it: any credential that is well formed is an identity.

There is no user database: whoever sends a credential is whoever has it. An identity has an `id`, the same
for the same credential; what the service knows of a token that it has issued (`server.contracts.issued`) is
its `claims`. A credential never gets further than this module.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import unquote

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.contracts.document import Document, Operation

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,31}", re.ASCII)
_COOKIE: Final = re.compile(r"\s*([^=;\s]+)=\"?([^;\"]*)\"?\s*")
_BEARER: Final = frozenset({"bearer", "token"})


@frozen
class Identity:
    """`scheme` is the security scheme's name. `user`: the name that a Basic login has."""

    id: str
    scheme: str = ""
    user: str = ""
    claims: Mapping[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "scheme": self.scheme,
            "user": self.user or None,
            "claims": dict(self.claims or {}),
        }


@frozen
class Seen:
    """Whether a request may be served as far as security goes, and who asks."""

    allowed: bool
    identity: Identity | None = None
    #: What a 401 has to name (RFC 9110 §11.6.1).
    challenge: str = ""


Schemes: TypeAlias = "Mapping[str, Mapping[str, Any]]"


def header_names(operation: Operation, schemes: Schemes) -> frozenset[str]:
    """Request headers that its schemes read, in lower case."""
    names = {"authorization"} if operation.security else set()
    for scheme in schemes.values():
        if scheme.get("type") == "apiKey":
            place = scheme.get("in")
            names |= {"cookie"} if place == "cookie" else set()
            names |= {str(scheme.get("name", "")).lower()} if place == "header" else set()
    return frozenset(names - {""})


def seen(
    operation: Operation, schemes: Schemes, headers: Mapping[str, str], query: Mapping[str, Any]
) -> Seen:
    """The first of the alternatives that the request fulfils decides who asks; there has to be one."""
    anonymous = False
    for way in operation.security:
        if not way:
            anonymous = True
            continue
        found = [_credential(schemes.get(name), headers, query) for name in way]
        if all(found):
            name, credential = next(iter(way)), found[0]
            return Seen(allowed=True, identity=_identity(name, credential or ("", "")))
    return Seen(allowed=anonymous, challenge=_challenge(schemes))


def schemes_of(document: Document, operation: Operation) -> Schemes:
    """Those that it names, by name."""
    names = {name for way in operation.security for name in way}
    found = {name: document.resolve(f"#/components/securitySchemes/{name}") for name in sorted(names)}
    return {name: scheme for name, scheme in found.items() if isinstance(scheme, dict)}


def _credential(
    scheme: Mapping[str, Any] | None, headers: Mapping[str, str], query: Mapping[str, Any]
) -> tuple[str, str] | None:
    """User and secret; None where there is none that is well formed."""
    match (scheme or {}).get("type"):
        case "apiKey":
            key = _api_key(scheme or {}, headers, query)
            return ("", key) if key else None
        case "basic":
            return _basic(headers)
        case "http" if str((scheme or {}).get("scheme", "")).lower() == "basic":
            return _basic(headers)
        case "mutualTLS":
            return ("", "mutualTLS")  # it is the proxy's to ask for
        case _:
            return _bearer(headers)


def _api_key(scheme: Mapping[str, Any], headers: Mapping[str, str], query: Mapping[str, Any]) -> str:
    name, place = str(scheme.get("name", "")), scheme.get("in")
    if place == "query":
        value = query.get(name, "")
        return value if isinstance(value, str) else ""
    if place == "cookie":
        return cookies_of(headers.get("cookie", "")).get(name, "")
    value = headers.get(name.lower(), "").strip()
    found = _authorization(value) if name.lower() == "authorization" else None
    return found[1] if found else value


def cookies_of(header: str) -> dict[str, str]:
    """RFC 6265 §5.4."""
    found = (_COOKIE.fullmatch(part) for part in header.split(";"))
    return {each[1]: unquote(each[2]) for each in found if each}


def _authorization(value: str) -> tuple[str, str] | None:
    """The scheme in lower case and its credentials (RFC 9110 §11.4), which are one word."""
    scheme, _, word = value.strip().partition(" ")
    word = word.strip()
    return (scheme.lower(), word) if _SCHEME.fullmatch(scheme) and word and " " not in word else None


def _bearer(headers: Mapping[str, str]) -> tuple[str, str] | None:
    found = _authorization(headers.get("authorization", ""))
    return ("", found[1]) if found and found[0] in _BEARER else None


def _basic(headers: Mapping[str, str]) -> tuple[str, str] | None:
    found = _authorization(headers.get("authorization", ""))
    if found is None or found[0] != "basic":
        return None
    try:
        user, colon, secret = base64.b64decode(found[1], validate=True).decode().partition(":")
    except ValueError:
        return None
    return (user, f"{user}:{secret}") if colon else None


def _identity(scheme: str, credential: tuple[str, str]) -> Identity:
    user, secret = credential
    return Identity(digest_of(user or secret), scheme, user)


def digest_of(secret: str) -> str:
    """The id of whoever has it; nobody gets from it to the credential."""
    return hashlib.blake2b(secret.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def _challenge(schemes: Mapping[str, Mapping[str, Any]]) -> str:
    for scheme in schemes.values():
        kind = str(scheme.get("scheme", "")).lower() if scheme.get("type") == "http" else scheme.get("type")
        if kind == "basic":
            return 'Basic realm="api"'
    return "Bearer"
