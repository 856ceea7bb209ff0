"""What one setting is: its default, its variable, its bounds, and what it means.

The tree in `settings_schema` is made of these. The decoder, the commented metaservice.toml's
test and the documented table all read them, so a setting is described in one place.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar, get_args, get_origin
from urllib.parse import SplitResult, unquote, urlsplit

import attrs
from attrs import field, frozen

T = TypeVar("T")

_SPEC: Final = "setting"
_UNIT_OF_SUFFIX: Final = {"bytes": "bytes", "ms": "milliseconds", "seconds": "seconds", "tokens": "tokens"}


@frozen
class Spec:
    """What is allowed for one key, and what the key is for.

    `low` and `high` bound numbers, both inclusive. `check` judges a text (each text of a list),
    or a boolean, and `allowed` says in words what it lets pass. `variable` is the environment
    variable that overrides the file; an `env_only` key may not stand in the file at all.
    """

    meaning: str
    low: int | None = None
    high: int | None = None
    unit: str = ""
    variable: str = ""
    check: Callable[[Any], bool] | None = None
    allowed: str = ""
    secret: bool = False
    env_only: bool = False


@frozen
class Key:
    """One setting in its place: `path` is dotted, as in ``planner.openai.model``."""

    path: str
    type: Any
    default: Any
    spec: Spec

    @property
    def unit(self) -> str:
        suffix = self.path.rpartition("_")[2]
        return self.spec.unit or _UNIT_OF_SUFFIX.get(suffix, "")

    @property
    def choices(self) -> tuple[str, ...]:
        return () if get_origin(self.type) in (tuple, Mapping) else get_args(self.type)


def setting(default: T, meaning: str, **spec: Any) -> T:
    """One key of the tree; further arguments are those of `Spec`. Secrets stay out of the repr."""
    described = Spec(meaning, **spec)
    return field(default=default, repr=not described.secret, metadata={_SPEC: described})


def named_secrets(meaning: str, **spec: Any) -> Any:
    """A table of the user's own names, each with a secret text."""
    return field(factory=dict, repr=False, metadata={_SPEC: Spec(meaning, secret=True, **spec)})


def named_texts(meaning: str, **spec: Any) -> Any:
    """A table of the user's own names, each with a text."""
    return field(factory=dict, metadata={_SPEC: Spec(meaning, **spec)})


def is_dialect_name(text: str) -> bool:
    """Whether a dialect could be called so; which there are the service knows when it is put together."""
    return re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", text) is not None and len(text) <= 64


def section(cls: type[T]) -> T:
    """A table inside the tree, with its own defaults."""
    return field(factory=cls)


def fields_of(cls: type[Any]) -> Iterator[attrs.Attribute[Any]]:
    """The settings and sections of one table, their types resolved."""
    return iter(attrs.fields(attrs.resolve_types(cls)))


def spec_of(attribute: attrs.Attribute[Any]) -> Spec | None:
    """The attribute's own description; None where it is a section."""
    found: Spec | None = attribute.metadata.get(_SPEC)
    return found


def keys_of(cls: type[Any], prefix: str = "") -> Iterator[Key]:
    """Every setting of the tree, in the order of the file."""
    for attribute in fields_of(cls):
        path, spec = prefix + attribute.name, spec_of(attribute)
        if spec is None:
            yield from keys_of(attribute.type or object, path + ".")
        else:
            named = isinstance(attribute.default, attrs.Factory)  # type: ignore[arg-type]
            yield Key(path, attribute.type, {} if named else attribute.default, spec)


# What texts may be. Each answers whether the text is acceptable; `allowed` of the key says it in words.

_HOST_PORT: Final = re.compile(
    r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9]([A-Za-z0-9.-]{0,252}))(:[0-9]{1,5})?", re.ASCII
)
#: As `server/sessions/identity.py` has it.
_SESSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}", re.ASCII)
DIGEST_PREFIX: Final = "sha256:"
_DIGEST: Final = re.compile(r"sha256:[0-9a-fA-F]{64}", re.ASCII)
#: As Docker has names, too: with an underscore.
_SERVED_NAME: Final = re.compile(r"(\*\.)?[A-Za-z0-9][A-Za-z0-9._-]{0,252}", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
_TOKEN: Final = re.compile(r"[!-~]{1,1024}", re.ASCII)
EVERY_ADDRESS: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104  to see that it is not an address
LOOPBACK_NAMES: Final = frozenset({"localhost", "ip6-localhost"})


def is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def is_session_id(text: str) -> bool:
    """With its owner before a slash, or without one."""
    owner, slash, name = text.rpartition("/")
    return _SESSION.fullmatch(name) is not None and (not slash or is_name(owner))


def is_client_token(text: str) -> bool:
    """A token, or `sha256:` and its digest, so that the settings need not hold what opens the service."""
    return is_token(text) and (not text.startswith(DIGEST_PREFIX) or _DIGEST.fullmatch(text) is not None)


def token_digest(token: str) -> bytes:
    """SHA-256 of a token as the settings have it."""
    if token.startswith(DIGEST_PREFIX):
        return bytes.fromhex(token.removeprefix(DIGEST_PREFIX))
    # aiohttp decodes header bytes with surrogateescape; this gives the same bytes back.
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def is_token(text: str) -> bool:
    """Whether a client can send it in an HTTP header as one word; empty: not set."""
    return not text or _TOKEN.fullmatch(text) is not None


def is_filled(text: str) -> bool:
    return bool(text.strip()) and is_plain(text)


def is_plain(text: str) -> bool:
    return text.isprintable()


def is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


def is_host(text: str) -> bool:
    """Whether it is a host to listen on: a name or an address, without port."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return ":" not in text and _HOST_PORT.fullmatch(text) is not None
    return True


def is_served_name(text: str) -> bool:
    """Whether it is a host without port, `*.name` for all below a name, or `*` for any."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return text == "*" or _SERVED_NAME.fullmatch(text) is not None
    return True


def is_host_port(text: str) -> bool:
    return _HOST_PORT.fullmatch(text) is not None and _port_in_range(urlsplit(f"//{text}"))


def is_base_url(text: str) -> bool:
    """Whether it is http(s)://host[:port][/path], with nothing secret or changeable after it."""
    try:
        parts = urlsplit(text)
        return (
            parts.scheme in {"http", "https"}
            and is_host_port(parts.netloc)
            and text.isascii()
            and text.isprintable()
            and not set(text) & set("?# @\\")
        )
    except ValueError:
        return False


def is_database_url(text: str) -> bool:
    """Whether it names a PostgreSQL database, or nothing."""
    try:
        parts = urlsplit(text)
        return not text or (parts.scheme in ("postgresql", "postgres") and text.isprintable())
    except ValueError:
        return False


def database_password(url: str) -> str:
    """For the log to keep out; "" where there is none."""
    try:
        return unquote(urlsplit(url).password or "")
    except ValueError:
        return ""


def is_origin(text: str) -> bool:
    """Whether it is an origin as browsers write it (https://host[:port], lower case), or `*`.

    `https://host:*` is any port of the host.
    """
    if text == "*":
        return True
    if text.endswith(":*"):
        text = text.removesuffix(":*")
        if is_base_url(text) and urlsplit(text).port is not None:
            return False
    if not is_base_url(text) or text != text.lower():
        return False
    parts = urlsplit(text)
    default = {"http": 80, "https": 443}[parts.scheme]
    return text == f"{parts.scheme}://{parts.netloc}" and parts.port != default


def is_loopback(host: str) -> bool:
    """Whether a host name or address (without port) means this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() in LOOPBACK_NAMES


def is_private(address: str) -> bool:
    """Whether an address is of a network of one's own: RFC 1918, RFC 4193, RFC 6598, or loopback.

    `ipaddress` counts more as private: networks for documentation, those that lead nowhere, and link-local
    ones, where clouds keep what is secret of a machine. Raises ValueError for what is no address.
    """
    found = ipaddress.ip_address(address)
    mapped = getattr(found, "ipv4_mapped", None)
    if mapped is not None:
        return is_private(str(mapped))
    return found.is_loopback or any(
        found.version == network.version and found in network for network in _PRIVATE
    )


_PRIVATE: Final = tuple(
    map(
        ipaddress.ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"),
    )
)


def is_public(host: str) -> bool:
    """Whether a host is an address that is not private; of a name nothing is known."""
    try:
        return not is_private(host)
    except ValueError:
        return False


def _port_in_range(parts: SplitResult) -> bool:
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False
