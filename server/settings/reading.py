"""Reading the settings: metaservice.toml first, environment variables over it, all errors at once.

    from_mapping(toml, environ) -> Settings      pure
    load(environ) -> Settings                    reads LARS_CONFIG, else ./metaservice.toml if it exists

A variable that is set to nothing counts as not set.
"""

from __future__ import annotations

import difflib
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from server.settings.decode import Decoder
from server.settings.key import EVERY_ADDRESS, keys_of, token_digest
from server.settings.schema import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.settings.key import Key

# `Settings` is the tree's, and is had from here by everybody else.
__all__ = ["Settings", "SettingsError", "all_keys", "from_mapping", "load"]

CONFIG_VARIABLE: Final = "LARS_CONFIG"
DEFAULT_FILE: Final = "metaservice.toml"


class SettingsError(Exception):
    """The service cannot start with these settings. `problems` has a line for each, secrets left out."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def all_keys() -> tuple[Key, ...]:
    """Every setting there is, in the order of metaservice.toml."""
    return tuple(keys_of(Settings))


def load(environ: Mapping[str, str]) -> Settings:
    """The settings of this process.

    Raises SettingsError for a file that is missing or no TOML, and for what `from_mapping` refuses.
    """
    return from_mapping(_read_file(environ.get(CONFIG_VARIABLE, "")), environ)


def from_mapping(toml: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    """Settings out of a decoded TOML document and the environment; the environment wins.

    Raises SettingsError that names every unknown key or variable and every value out of bounds; what
    contradicts each other is looked for only when each value is allowed for itself.
    """
    decoder = Decoder(environ)
    settings = decoder.table(Settings, toml)
    problems = decoder.problems + _unknown_variables(environ)
    problems = problems or _contradictions(settings)
    if problems:
        raise SettingsError(*problems)
    return _with_cache_dir(settings, environ)


def _read_file(named: str) -> dict[str, Any]:
    path = Path(named or DEFAULT_FILE)
    if not named and not path.exists():
        return {}
    where = f"{CONFIG_VARIABLE}: {named!a}" if named else DEFAULT_FILE
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{where} cannot be read: {error.strerror}") from error
    except ValueError as error:  # of TOML, or of UTF-8
        raise SettingsError(f"{where} is not a TOML file: {error}") from error


def _unknown_variables(environ: Mapping[str, str]) -> list[str]:
    known = {key.spec.variable for key in all_keys()} | {CONFIG_VARIABLE}
    return [
        _unknown(name, known) for name in sorted(environ) if name.startswith("LARS_") and name not in known
    ]


def _unknown(name: str, known: set[str]) -> str:
    nearest = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0)[0]
    return f"{name}: unknown variable; the nearest known one is {nearest}"


def _contradictions(settings: Settings) -> list[str]:
    """What each value allows for itself but not together with another."""
    found = [*_token_contradictions(settings), *_provider_contradictions(settings)]
    return found + _record_contradictions(settings)


def _token_contradictions(settings: Settings) -> list[str]:
    auth, problems = settings.auth, []
    if auth.token and "default" in auth.tokens:
        problems.append("auth.tokens.default: this name is taken by auth.token (LARS_AUTH_TOKEN)")
    names, digests = list(auth.by_name), [token_digest(token) for token in auth.by_name.values()]
    if len(set(digests)) < len(names):
        problems.append(f"auth.tokens: two of {', '.join(names)} are the same token; each name needs its own")
    if auth.admin_token and token_digest(auth.admin_token) in digests:
        problems.append("auth.admin_token (LARS_ADMIN_TOKEN): it is a client's token too; it needs its own")
    metrics, admin = auth.metrics_token, auth.admin_token
    if metrics and (metrics == admin or token_digest(metrics) in digests):
        problems.append("auth.metrics_token (LARS_METRICS_TOKEN): it opens more than that; it needs its own")
    return problems


def _record_contradictions(settings: Settings) -> list[str]:
    """A node that the others cannot reach, or without a database, is none."""
    record = settings.record
    problems: list[str] = []
    if record.engine == "sqlite":
        return problems
    if not record.url:
        problems.append("record.url (LARS_RECORD_URL): record.engine is postgres, which needs its address")
    if settings.server.host in EVERY_ADDRESS and not record.node_url:
        problems.append(
            "record.node_url (LARS_NODE_URL): server.host is every address; name the one for nodes"
        )
    if record.cluster_token and token_digest(record.cluster_token) in map(
        token_digest, settings.auth.all_tokens
    ):
        problems.append(
            "record.cluster_token (LARS_CLUSTER_TOKEN): it opens something else, too; it needs its own"
        )
    return problems


def _provider_contradictions(settings: Settings) -> list[str]:
    chosen, provider = settings.planner.chosen, settings.planner.in_use
    if provider is None:
        return []
    url = provider.base_url
    reason = settings.planner.refusal(url)
    where = f"planner.{chosen}.base_url ({chosen.upper()}_BASE_URL)"
    return [f"{where}: {url!a} is not allowed: {reason}"] if reason else []


def _with_cache_dir(settings: Settings, environ: Mapping[str, str]) -> Settings:
    if settings.store.cache_dir:
        return settings
    found = str(_platform_cache(environ) / "metaservice")
    return attrs.evolve(settings, store=attrs.evolve(settings.store, cache_dir=found))


def _platform_cache(environ: Mapping[str, str]) -> Path:
    """The user's cache directory; XDG Base Directory Specification 0.8: a relative path is ignored."""
    named = environ.get("XDG_CACHE_HOME", "")
    if Path(named).is_absolute():
        return Path(named)
    home = Path(environ.get("HOME") or Path.home())
    return home / "Library" / "Caches" if sys.platform == "darwin" else home / ".cache"
