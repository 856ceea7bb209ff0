"""The `[planner]` section: which model writes plans, what it may see, and what that may cost."""

# ruff: noqa: RUF009 - `setting` and `section` return attrs fields, not values that instances would share
from __future__ import annotations

from typing import Any, Literal
from urllib.parse import urlsplit

from attrs import frozen

from server.settings.key import (
    is_base_url,
    is_filled,
    is_host_port,
    is_loopback,
    is_plain,
    is_public,
    is_token,
    section,
    setting,
)

OPENAI_URL = "https://api.openai.com/v1"
ANTHROPIC_URL = "https://api.anthropic.com"

_URL = "http(s)://host[:port][/path] without user, query or fragment"
_MOST_CALLS = 1_000_000_000
_MOST_TOKENS = 1_000_000_000_000


def _model(name: str) -> str:
    return setting(name, "Model that writes plans", check=is_filled, allowed="a model's name")


def _price(direction: str) -> int:
    meaning = f"Price of 1,000,000 tokens {direction}, for the metrics; 0: not known"
    return setting(0, meaning, low=0, high=1_000_000_000, unit="thousandths of a currency")


def _base_url(url: str, variable: str) -> str:
    meaning = "Address of the provider, or of a server that speaks its protocol"
    return setting(url, meaning, variable=variable, check=is_base_url, allowed=_URL)


def _api_key(variable: str) -> str:
    return setting(
        "",
        "Key of the provider; by the variable alone, so that the file holds nothing worth stealing",
        variable=variable,
        check=is_token,
        allowed="a key without spaces",
        secret=True,
        env_only=True,
    )


def _calls(default: int, scope: str) -> int:
    meaning = f"Provider calls of {scope}; beyond: 429"
    return setting(default, meaning, low=0, high=_MOST_CALLS, unit="calls")


def _tokens(default: int, scope: str) -> int:
    meaning = f"Tokens in and out of {scope}; beyond: 429"
    return setting(default, meaning, low=0, high=_MOST_TOKENS, unit="tokens")


@frozen
class OpenAISettings:
    model: str = _model("gpt-5.4-mini")
    base_url: str = _base_url(OPENAI_URL, "OPENAI_BASE_URL")
    input_price: int = _price("in")
    output_price: int = _price("out")
    api_key: str = _api_key("OPENAI_API_KEY")

    @property
    def usable(self) -> bool:
        """Whether calls can succeed: a server of one's own may need no key."""
        return bool(self.api_key) or self.base_url != OPENAI_URL


@frozen
class AnthropicSettings:
    model: str = _model("claude-sonnet-5-5")
    base_url: str = _base_url(ANTHROPIC_URL, "ANTHROPIC_BASE_URL")
    input_price: int = _price("in")
    output_price: int = _price("out")
    api_key: str = _api_key("ANTHROPIC_API_KEY")

    @property
    def usable(self) -> bool:
        """Whether calls can succeed: a server of one's own may need no key."""
        return bool(self.api_key) or self.base_url != ANTHROPIC_URL


@frozen
class PlannerSettings:
    provider: Literal["auto", "openai", "anthropic", "conventions"] = setting(
        "auto",
        "Who writes plans; auto: the provider whose key is set (openai before anthropic), else conventions",
        variable="LARS_DEFAULT_PROVIDER",
    )
    allowed_hosts: tuple[str, ...] = setting(
        ("api.openai.com", "api.anthropic.com"),
        "Hosts that providers may be reached at, with or without port",
        variable="LARS_SANDBOX_LLM_ALLOWED_HOSTS",
        check=is_host_port,
        allowed="host or host:port",
    )
    private_http: bool = setting(
        default=False,
        meaning="Whether a listed host on a private address may be reached by plain http",
        variable="LARS_PROVIDER_PRIVATE_HTTP",
    )
    values: Literal["never", "on_request", "always"] = setting(
        "never", "Whether the model may see a request's values, not only its shape"
    )
    fallback: Literal["conventions", "none"] = setting("conventions", "Who answers while the provider cannot")
    learn: bool = setting(
        default=True,
        meaning="Whether new routes are planned; false: only learned ones and conventions",
        variable="LARS_LEARN",
    )
    house_rules: str = setting(
        "",
        "File with your rules for every plan: Markdown, or an OpenAPI document; empty: none",
        check=is_plain,
        allowed="a file's name",
    )
    disclose: Literal["shapes", "shapes_and_enums"] = setting(
        "shapes",
        "What the model sees of stored data: names and types, or also the words of enumerations",
    )
    attempts: int = setting(2, "Tries of one call when the provider fails", low=1, high=5, unit="tries")
    timeout_seconds: int = setting(30, "Time for all tries of one call together", low=1, high=600)
    repairs: int = setting(1, "Times the model may correct a plan that failed", low=0, high=3, unit="calls")
    calls_per_session_hour: int = _calls(60, "one session in an hour")
    calls_per_session_day: int = _calls(300, "one session in a day")
    calls_per_hour: int = _calls(600, "the service in an hour")
    calls_per_day: int = _calls(3_000, "the service in a day")
    tokens_per_session_hour: int = _tokens(500_000, "one session in an hour")
    tokens_per_session_day: int = _tokens(2_500_000, "one session in a day")
    tokens_per_hour: int = _tokens(5_000_000, "the service in an hour")
    tokens_per_day: int = _tokens(25_000_000, "the service in a day")
    max_output_tokens: int = setting(4_096, "Longest answer of the model", low=256, high=65_536)
    temperature: float = setting(
        0.0,
        "How freely the model words its plans; 0: as alike as it can; left out where it is refused",
        low=0,
        high=2,
    )
    max_prompt_bytes: int = setting(65_536, "Longest prompt", low=32_768, high=1_048_576)
    recheck_seconds: int = setting(
        3_600,
        "Time for which a parameter that the provider has refused is left out; then it is tried again",
        low=60,
        high=604_800,
    )
    breaker_failures: int = setting(
        5, "Failures in a row after which the provider is left alone", low=1, high=1_000, unit="failures"
    )
    breaker_seconds: int = setting(30, "Time it is then left alone", low=1, high=3_600)
    usage_days: int = setting(
        400,
        "Days for which `metaservice usage` keeps what models were asked",
        low=1,
        high=36_500,
        unit="days",
    )
    openai: OpenAISettings = section(OpenAISettings)
    anthropic: AnthropicSettings = section(AnthropicSettings)

    @property
    def chosen(self) -> Literal["openai", "anthropic", "conventions"]:
        """Who writes plans here.

        A provider that was named but lacks its key is not replaced by the other one, which would see
        requests nobody meant it to see: conventions are used.
        """
        if self.provider == "auto":
            return self._with_key()
        if self.provider == "openai" and self.openai.usable:
            return "openai"
        if self.provider == "anthropic" and self.anthropic.usable:
            return "anthropic"
        return "conventions"

    @property
    def missing_key(self) -> str:
        """The variable whose absence keeps the named provider from being used; empty: none."""
        named = self.provider in {"openai", "anthropic"}
        return f"{self.provider.upper()}_API_KEY" if named and self.chosen == "conventions" else ""

    @property
    def idle_servers(self) -> tuple[str, ...]:
        """The providers whose address somebody has set, and which nobody chose, by a name or by a key."""
        if self.provider != "auto":
            return ()
        set_ = {
            "openai": self.openai.base_url != OPENAI_URL,
            "anthropic": self.anthropic.base_url != ANTHROPIC_URL,
        }
        return tuple(name for name, is_set in set_.items() if is_set and name != self.chosen)

    def _with_key(self) -> Literal["openai", "anthropic", "conventions"]:
        if self.openai.api_key:
            return "openai"
        return "anthropic" if self.anthropic.api_key else "conventions"

    @property
    def in_use(self) -> OpenAISettings | AnthropicSettings | None:
        """The settings of the chosen provider; None: conventions are."""
        match self.chosen:
            case "openai":
                return self.openai
            case "anthropic":
                return self.anthropic
            case "conventions":
                return None

    def refusal(self, url: str) -> str:
        """Why a provider may not be called at this URL; empty: it may. Also for redirects.

        Its host must be listed, as ``host`` (any port) or ``host:port``. Plain http is for a loopback host;
        with `private_http` also for a private address, or a name that leads to one (see `connection`).
        """
        if not is_base_url(url.partition("?")[0]):
            return "it is not an http(s) URL"
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        port = parts.port or (443 if parts.scheme == "https" else 80)
        if not any(_covers(listed, host, port) for listed in self.allowed_hosts):
            return f"host {parts.netloc} is not in planner.allowed_hosts (LARS_SANDBOX_LLM_ALLOWED_HOSTS)"
        if parts.scheme == "http" and not is_loopback(host):
            return self._refusal_of_http(host)
        return ""

    def _refusal_of_http(self, host: str) -> str:
        if not self.private_http:
            return (
                "it is plain http, which is for this machine alone; planner.private_http "
                "(LARS_PROVIDER_PRIVATE_HTTP) allows it for private addresses"
            )
        return f"it is plain http, and {host} is no private address" if is_public(host) else ""


def _covers(listed: str, host: str, port: int) -> bool:
    parts: Any = urlsplit(f"//{listed}")
    return (parts.hostname or "").lower() == host and parts.port in (None, port)
