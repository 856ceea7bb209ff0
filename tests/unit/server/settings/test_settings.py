"""The settings: defaults, the file, variables over the file, and every refusal with its path."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import attrs
import pytest

from server.settings import machine
from server.settings.reading import Settings, SettingsError, all_keys, from_mapping, load
from tools.settings_table import table
from wasm_runtime.limits import GuestReuse, Limits

if TYPE_CHECKING:
    from server.settings.key import Key

ROOT = Path(__file__).parents[4]
DEFAULT_FILE = ROOT / "metaservice.toml"

KEYS = all_keys()
BOUNDED = [key for key in KEYS if key.type is int]
CHOICES = [key for key in KEYS if key.choices]
WITH_VARIABLE = [key for key in KEYS if key.spec.variable]

SECRET = "hunter2-hunter2"


def document(path: str, value: Any) -> dict[str, Any]:
    """A TOML document that has this one key."""
    *tables, name = path.split(".")
    found: dict[str, Any] = {name: value}
    for part in reversed(tables):
        found = {part: found}
    return found


def value_of(settings: Settings, path: str) -> Any:
    found: Any = settings
    for name in path.split("."):
        found = getattr(found, name)
    return found


def problems(toml: dict[str, Any], environ: dict[str, str] | None = None) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as refused:
        from_mapping(toml, environ or {})
    assert str(refused.value) == "\n".join(refused.value.problems)
    return refused.value.problems


def path_of(key: Key) -> str:
    return key.path


class TestDefaults:
    def test_nothing_set(self) -> None:
        """No file and no variables are a working set of settings, open to this machine alone."""
        settings = from_mapping({}, {})

        assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8000)
        assert settings.auth.by_name == {}
        assert settings.store.data_path == Path("sandbox_data")
        assert settings.planner.chosen == "conventions"

    def test_limits(self) -> None:
        """The guest's limits and reuse are wasm_runtime's own defaults, but for what the machine says."""
        sandbox = from_mapping({}, {}).sandbox

        assert sandbox.limits() == Limits()
        assert attrs.evolve(sandbox.reuse_policy(), live_guests=256) == GuestReuse()

    def test_limits_follow_the_settings(self) -> None:
        """Each field of Limits and GuestReuse is filled from the setting of its name."""
        toml: dict[str, Any] = {
            key.path.rpartition(".")[2]: key.spec.high for key in BOUNDED if key.path.startswith("sandbox.")
        }
        sandbox = from_mapping({"sandbox": {**toml, "reuse": "never"}}, {}).sandbox

        assert attrs.asdict(sandbox.limits()) == {name: toml[name] for name in attrs.fields_dict(Limits)}
        assert attrs.asdict(sandbox.reuse_policy()) == {
            "mode": "never",
            **{name: toml[name] for name in attrs.fields_dict(GuestReuse) if name != "mode"},
        }

    def test_workers(self) -> None:
        """0 workers mean at least one process; another number means itself."""
        assert from_mapping({}, {}).sandbox.worker_count() >= 1
        assert from_mapping({"sandbox": {"workers": 3}}, {}).sandbox.worker_count() == 3

    @pytest.mark.parametrize(
        ("gibibytes", "workers", "guests"),
        [(24, 1, 1_024), (24, 2, 768), (16, 1, 1_024), (15, 1, 960), (1, 2, 32), (1, 1, 64), (0.25, 4, 32)],
    )
    def test_live_guests(
        self, gibibytes: float, workers: int, guests: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """0 means an eighth of the memory, 2 MiB for each, within bounds; another number means itself."""
        monkeypatch.setattr(machine, "memory_bytes", lambda: int(gibibytes * 1024**3))
        tables = {"sandbox": {"workers": workers}}

        assert from_mapping(tables, {}).sandbox.reuse_policy().live_guests == guests
        tables["sandbox"]["live_guests"] = 5
        assert from_mapping(tables, {}).sandbox.reuse_policy().live_guests == 5

    def test_frozen(self) -> None:
        """Nobody changes a setting while the service runs."""
        settings = from_mapping({}, {})

        with pytest.raises(AttributeError):
            settings.server.port = 1  # type: ignore[misc]


class TestBounds:
    @pytest.mark.parametrize("key", BOUNDED, ids=path_of)
    def test_at_the_bounds(self, key: Key) -> None:
        """Both bounds of an integer are allowed."""
        for bound in (key.spec.low, key.spec.high):
            assert value_of(from_mapping(document(key.path, bound), {}), key.path) == bound

    @pytest.mark.parametrize("key", BOUNDED, ids=path_of)
    def test_beyond_the_bounds(self, key: Key) -> None:
        """One below the lower and one above the upper bound are refused, and both bounds are named."""
        assert key.spec.low is not None
        assert key.spec.high is not None
        for beyond in (key.spec.low - 1, key.spec.high + 1):
            (problem,) = problems(document(key.path, beyond))

            assert problem.startswith(f"{key.path}: {beyond} (an integer) is not allowed")
            assert f"from {key.spec.low:,} to {key.spec.high:,}" in problem

    @pytest.mark.parametrize(
        ("value", "read"), [(0, 0.0), (0.0, 0.0), (0.7, 0.7), (1, 1.0), (2, 2.0), (2.0, 2.0)]
    )
    def test_a_temperature(self, value: float, read: float) -> None:
        """A number with a fraction or without, both bounds among them."""
        found = from_mapping(document("planner.temperature", value), {}).planner.temperature

        assert (found, type(found)) == (read, float)

    @pytest.mark.parametrize(
        "value", [-1, -0.001, 2.001, 3, float("nan"), float("inf"), True, "0.5"], ids=repr
    )
    def test_no_temperature(self, value: object) -> None:
        """Beyond the bounds, no number at all, or of another type."""
        (problem,) = problems(document("planner.temperature", value))

        assert problem.startswith("planner.temperature: ")
        assert problem.endswith("is not allowed: expected a number from 0 to 2")

    @pytest.mark.parametrize(
        ("path", "low", "high"),
        [
            ("server.port", 0, 65_535),
            ("sandbox.fuel", 1_000_000, 10**15),
            ("sandbox.memory_bytes", 64 * 1024**2, 4 * 1024**3),
            ("sandbox.result_bytes", 1_024, 64 * 1024**2),
            ("sandbox.reply_depth", 4, 128),
            ("sandbox.workers", 0, 256),
            ("planner.max_prompt_bytes", 32_768, 1_048_576),
        ],
    )
    def test_promised_bounds(self, path: str, low: int, high: int) -> None:
        """These bounds are relied on elsewhere and do not move by accident."""
        (key,) = [key for key in KEYS if key.path == path]

        assert (key.spec.low, key.spec.high) == (low, high)

    @pytest.mark.parametrize("key", CHOICES, ids=path_of)
    def test_choices(self, key: Key) -> None:
        """Each of the listed words is allowed in any case, any other refused with the list."""
        needed = {"LARS_RECORD_URL": "postgresql://localhost/data"}
        for choice in key.choices:
            assert value_of(from_mapping(document(key.path, choice.swapcase()), needed), key.path) == choice
        (problem,) = problems(document(key.path, "other"))

        assert all(f'"{choice}"' in problem for choice in key.choices)

    @pytest.mark.parametrize("key", [key for key in KEYS if not key.spec.env_only], ids=path_of)
    @pytest.mark.parametrize("wrong", [2.5, [1], tomllib.loads("x = 2020-01-01")["x"]], ids=str)
    def test_wrong_type(self, key: Key, wrong: Any) -> None:
        """Nothing is converted: a value of another type is refused with the key's path."""
        (problem,) = problems(document(key.path, wrong))

        assert problem.startswith(f"{key.path}: ")

    @pytest.mark.parametrize("path", ["server.port", "planner.attempts"])
    @pytest.mark.parametrize("wrong", [True, "1"])
    def test_integers_alone(self, path: str, wrong: Any) -> None:
        """A boolean is no integer, and neither is a text of digits in the file."""
        assert "expected an integer" in problems(document(path, wrong))[0]


class TestTexts:
    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("server.host", "::1"),
            ("server.host", "localhost"),
            ("server.public_url", "https://api.example.com/v1"),
            ("server.trusted_proxies", ["10.0.0.0/8", "fd00::/8", "127.0.0.1"]),
            ("cors.origins", ["https://app.example.com", "http://localhost:3000", "http://[::1]:8080"]),
            ("cors.origins", ["*"]),
            ("cors.max_age_seconds", 0),
            ("cors.max_age_seconds", 86_400),
            ("planner.allowed_hosts", []),
            ("planner.allowed_hosts", ["localhost", "127.0.0.1:9000", "[::1]:80"]),
            ("planner.openai.base_url", "http://[::1]:8080/v1"),
            ("store.data_root", "/var/lib/metaservice"),
            ("auth.token", "a"),
            ("auth.token", "!~" * 512),
        ],
    )
    def test_allowed(self, path: str, value: Any) -> None:
        """What people write for hosts, networks, addresses and tokens is taken as it is."""
        found = value_of(from_mapping(document(path, value), {}), path)

        assert found == (tuple(value) if isinstance(value, list) else value)

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("server.host", ""),
            ("server.host", "localhost:80"),
            ("server.host", "a b"),
            ("server.public_url", "ftp://example.com"),
            ("server.public_url", "https://user:pw@example.com"),
            ("server.public_url", "https://example.com/?a=1"),
            ("server.public_url", "https://example.com/\r\n"),
            ("server.public_url", "https://[::1"),
            ("cors.origins", "https://app.example.com"),
            ("cors.origins", ["https://app.example.com/"]),
            ("cors.origins", ["https://App.example.com"]),
            ("cors.origins", ["https://app.example.com:443"]),
            ("cors.origins", ["http://app.example.com:80"]),
            ("cors.origins", ["app.example.com"]),
            ("cors.origins", ["https://*.example.com"]),
            ("cors.origins", ["null"]),
            ("cors.origins", [""]),
            ("cors.max_age_seconds", -1),
            ("cors.max_age_seconds", 86_401),
            ("server.trusted_proxies", ["10.0.0.1/8"]),
            ("server.trusted_proxies", ["everyone"]),
            ("server.trusted_proxies", "10.0.0.0/8"),
            ("planner.allowed_hosts", ["https://api.openai.com"]),
            ("planner.allowed_hosts", ["a:0"]),
            ("planner.allowed_hosts", ["a:65536"]),
            ("planner.allowed_hosts", ["*"]),
            ("planner.openai.model", " "),
            ("planner.openai.base_url", ""),
            ("planner.house_rules", "rules\n.md"),
            ("store.data_root", ""),
            ("store.cache_dir", "a\x00b"),
            ("auth.token", "two words"),
            ("auth.token", "t\u00f6ken"),
            ("auth.token", "x" * 1025),
            ("auth.tokens", {"empty": ""}),
            ("auth.tokens", {"-dash": "x"}),
            ("auth.tokens", {"n" * 65: "x"}),
            ("auth.tokens", {"a": 1}),
        ],
    )
    def test_refused(self, path: str, value: Any) -> None:
        """A text that cannot work is refused at the start, with the key's path."""
        (problem,) = problems(document(path, value))

        assert problem.startswith(f"{path}: ")
        assert "is not allowed: expected" in problem

    def test_networks(self) -> None:
        """Trusted proxies are handed out as networks."""
        server = from_mapping({"server": {"trusted_proxies": ["10.0.0.0/8"]}}, {}).server

        assert [str(network) for network in server.proxy_networks] == ["10.0.0.0/8"]

    def test_no_network_for_guests(self) -> None:
        """deny_net = false is refused with the reason, by file and by variable."""
        (in_file,) = problems({"sandbox": {"deny_net": False}})
        (by_variable,) = problems({}, {"LARS_SANDBOX_DENY_NET": "false"})

        assert "has no network to allow" in in_file
        assert by_variable.startswith("LARS_SANDBOX_DENY_NET (sandbox.deny_net): ")
        assert "has no network to allow" in by_variable


class TestUnknown:
    @pytest.mark.parametrize(
        ("toml", "unknown", "nearest"),
        [
            ({"server": {"prot": 1}}, "server.prot", "server.port"),
            ({"port": 1}, "port", "server.port"),
            ({"sandbox": {"wall_s": 1}}, "sandbox.wall_s", "sandbox.wall_ms"),
            ({"planner": {"model": "x"}}, "planner.model", "planner.openai.model"),
            ({"planner": {"openai": {"url": "x"}}}, "planner.openai.url", "planner.openai.base_url"),
            ({"store": {"fuel": 1}}, "store.fuel", "sandbox.fuel"),
            ({"logs": {"level": "INFO"}}, "logs", "log"),
        ],
    )
    def test_key(self, toml: dict[str, Any], unknown: str, nearest: str) -> None:
        """An unknown key is named with its path and the nearest known key, in whatever table that is."""
        assert problems(toml) == (f"{unknown}: unknown key; the nearest known one is {nearest}",)

    def test_hostile_key(self) -> None:
        """A key's name cannot forge lines of the message."""
        (problem,) = problems({"a\nb\u202e": 1})

        assert problem.startswith("a\\nb\\u202e: unknown key")

    @pytest.mark.parametrize(
        ("name", "nearest"), [("LARS_PROT", "LARS_PORT"), ("LARS_MAX_EXEC_SECONDS", "LARS_MAX_EXEC_MS")]
    )
    def test_variable(self, name: str, nearest: str) -> None:
        """An unknown LARS_ variable stops the start, and the nearest known one is named."""
        assert problems({}, {name: SECRET}) == (
            f"{name}: unknown variable; the nearest known one is {nearest}",
        )

    def test_other_variables(self) -> None:
        """Variables of other programs are none of our business."""
        assert from_mapping({}, {"PATH": "/bin", "SANDBOX": "1", "lars_port": "x"}) == from_mapping({}, {})

    @pytest.mark.parametrize("path", ["server", "planner.openai"])
    def test_table_expected(self, path: str) -> None:
        """A value where a table belongs is refused."""
        assert problems(document(path, 1)) == (
            f"{path}: 1 (an integer) is not allowed: expected a table [{path}]",
        )

    def test_all_at_once(self) -> None:
        """Everything wrong is reported by one start."""
        found = problems(
            {"server": {"port": -1, "prot": 1}, "log": {"level": "LOUD"}},
            {"LARS_PROT": "1", "LARS_MAX_EXEC_MS": "x"},
        )

        assert [problem.split(":")[0] for problem in found] == [
            "server.prot",
            "server.port",
            "LARS_MAX_EXEC_MS (sandbox.wall_ms)",
            "log.level",
            "LARS_PROT",
        ]


class TestVariables:
    @pytest.mark.parametrize(
        ("variable", "text", "path", "value"),
        [
            ("LARS_HOST", "0.0.0.0", "server.host", "0.0.0.0"),
            ("LARS_PORT", " 8_080 ", "server.port", 8080),
            (
                "LARS_CORS_ORIGINS",
                "http://localhost:5173, https://app.example.com",
                "cors.origins",
                ("http://localhost:5173", "https://app.example.com"),
            ),
            ("LARS_DIALECT", "json-server", "conventions.dialect", "json-server"),
            ("LARS_CONTRACT", "api.yaml", "contract.file", "api.yaml"),
            ("LARS_ANONYMOUS", "shared", "sessions.anonymous", "shared"),
            ("LARS_AUTH_TOKEN", "t0ken", "auth.token", "t0ken"),
            ("LARS_ADMIN_TOKEN", "t0ken", "auth.admin_token", "t0ken"),
            ("LARS_METRICS_TOKEN", "t0ken", "auth.metrics_token", "t0ken"),
            ("LARS_MAX_EXEC_MS", "500", "sandbox.wall_ms", 500),
            ("LARS_MAX_RESULT_BYTES", "67108864", "sandbox.result_bytes", 64 * 1024**2),
            ("LARS_MAX_STDOUT_BYTES", "0", "sandbox.stdout_bytes", 0),
            ("LARS_SANDBOX_DENY_NET", "True", "sandbox.deny_net", True),
            ("SANDBOX_DATA_ROOT", "/data", "store.data_root", "/data"),
            ("LARS_CACHE_DIR", "/cache", "store.cache_dir", "/cache"),
            ("LARS_RECORD_URL", "postgresql://h/d", "record.url", "postgresql://h/d"),
            ("LARS_NODE_URL", "http://node1:8000", "record.node_url", "http://node1:8000"),
            ("LARS_CLUSTER_TOKEN", "t", "record.cluster_token", "t"),
            ("LARS_DEFAULT_PROVIDER", "conventions", "planner.provider", "conventions"),
            ("LARS_LEARN", "false", "planner.learn", False),
            ("LARS_PROVIDER_PRIVATE_HTTP", "true", "planner.private_http", True),
            ("LARS_SANDBOX_LLM_ALLOWED_HOSTS", "a.com, b:81,", "planner.allowed_hosts", ("a.com", "b:81")),
            ("OPENAI_BASE_URL", "http://localhost:1/v1", "planner.openai.base_url", "http://localhost:1/v1"),
            ("OPENAI_API_KEY", "sk-1", "planner.openai.api_key", "sk-1"),
            ("ANTHROPIC_BASE_URL", "http://localhost:1", "planner.anthropic.base_url", "http://localhost:1"),
            ("ANTHROPIC_API_KEY", "sk-2", "planner.anthropic.api_key", "sk-2"),
            ("LARS_LOG_LEVEL", "debug", "log.level", "DEBUG"),
        ],
    )
    def test_each(self, variable: str, text: str, path: str, value: Any) -> None:
        """Each variable of the document, and of ours, sets its key."""
        assert value_of(from_mapping({}, {variable: text}), path) == value

    def test_each_is_tested(self) -> None:
        """The table above has every variable there is."""
        (marks,) = [m for m in TestVariables.test_each.pytestmark if m.name == "parametrize"]

        assert {row[0] for row in marks.args[1]} == {key.spec.variable for key in WITH_VARIABLE}

    def test_wins_over_the_file(self) -> None:
        """A variable overrides the file."""
        assert from_mapping({"server": {"port": 1}}, {"LARS_PORT": "2"}).server.port == 2

    def test_does_not_hide_the_file(self) -> None:
        """A bad value in the file is reported although a variable overrides it."""
        assert problems({"server": {"port": -1}}, {"LARS_PORT": "2"})[0].startswith("server.port: -1 ")

    def test_empty(self) -> None:
        """A variable that is set to nothing counts as not set, as compose files leave it."""
        assert from_mapping({}, {key.spec.variable: "" for key in WITH_VARIABLE}) == from_mapping({}, {})

    @pytest.mark.parametrize("text", ["x", "8000.0", "0x1f40", "\u0668", "1" * 5000, "--1", "_1"])
    def test_integer(self, text: str) -> None:
        """What is not plain digits is refused with the variable's name and the key's path."""
        (problem,) = problems({}, {"LARS_PORT": text})

        assert problem.startswith("LARS_PORT (server.port): ")
        assert problem.endswith("(a text) is not allowed: expected an integer from 0 to 65,535")
        assert len(problem) < 200

    @pytest.mark.parametrize("text", ["true", "1", "YES", "on"])
    def test_boolean(self, text: str) -> None:
        """The usual words for true are read."""
        assert from_mapping({}, {"LARS_SANDBOX_DENY_NET": text}).sandbox.deny_net is True

    @pytest.mark.parametrize(
        ("environ", "expected"),
        [
            ({"XDG_CACHE_HOME": "/xdg", "HOME": "/home/a"}, "/xdg/metaservice"),
            ({"LARS_CACHE_DIR": "/mine", "XDG_CACHE_HOME": "/xdg"}, "/mine"),
        ],
    )
    def test_cache_directory(self, environ: dict[str, str], expected: str) -> None:
        """The cache is below XDG_CACHE_HOME unless it is named."""
        assert from_mapping({}, environ).store.cache_path == Path(expected)

    def test_relative_cache_home(self) -> None:
        """A relative XDG_CACHE_HOME is ignored, as its specification says."""
        found = from_mapping({}, {"XDG_CACHE_HOME": "here", "HOME": "/home/a"}).store.cache_path

        assert found.is_relative_to("/home/a")
        assert found.name == "metaservice"


class TestSecrets:
    def test_repr(self) -> None:
        """No token and no key shows in the settings' repr."""
        names = ("LARS_AUTH_TOKEN", "LARS_ADMIN_TOKEN", "OPENAI_API_KEY", "ANTHROPIC_API_KEY")
        environ = {name: f"{SECRET}-{name}" for name in names}
        settings = from_mapping({"auth": {"tokens": {"ci": SECRET}}}, environ)

        assert "hunter2" not in repr(settings)
        assert sorted(settings.secrets) == sorted([SECRET, *environ.values()])

    @pytest.mark.parametrize(
        ("toml", "environ"),
        [
            ({"auth": {"token": f"{SECRET} x"}}, {}),
            ({"auth": {"tokens": {"a": f"{SECRET} x"}}}, {}),
            ({"auth": {"tokens": {f"{SECRET} x": "a"}}}, {}),
            ({"auth": {"tokens": SECRET}}, {}),
            ({"planner": {"openai": {"api_key": SECRET}}}, {}),
            ({"planner": {"openai": {"base_url": f"https://a:{SECRET}@host/v1"}}}, {}),
            ({}, {"ANTHROPIC_API_KEY": f"{SECRET} x"}),
            ({}, {"LARS_AUTH_TOKEN": f"{SECRET} x"}),
        ],
    )
    def test_messages(self, toml: dict[str, Any], environ: dict[str, str]) -> None:
        """A refusal never quotes a secret."""
        assert "hunter2" not in "".join(problems(toml, environ))

    @pytest.mark.parametrize("provider", ["openai", "anthropic"])
    def test_keys_by_variable_alone(self, provider: str) -> None:
        """A provider's key in the file is refused, and its variable named."""
        (problem,) = problems({"planner": {provider: {"api_key": SECRET}}})

        assert problem.startswith(f"planner.{provider}.api_key: ")
        assert f"{provider.upper()}_API_KEY" in problem

    def test_names(self) -> None:
        """LARS_AUTH_TOKEN is the token named default; the others keep their names."""
        auth = from_mapping({"auth": {"tokens": {"ci": "b"}}}, {"LARS_AUTH_TOKEN": "a"}).auth

        assert auth.by_name == {"default": "a", "ci": "b"}

    @pytest.mark.parametrize(
        ("auth", "named"),
        [
            ({"token": "a", "tokens": {"default": "b"}}, "auth.tokens.default"),
            ({"token": "a", "tokens": {"ci": "a"}}, "auth.tokens"),
            ({"tokens": {"ci": "a", "cd": "a"}}, "auth.tokens"),
            ({"token": "a", "admin_token": "a"}, "auth.admin_token"),
            ({"tokens": {"ci": "a"}, "admin_token": "a"}, "auth.admin_token"),
            ({"token": "a", "metrics_token": "a"}, "auth.metrics_token"),
            ({"admin_token": "a", "metrics_token": "a"}, "auth.metrics_token"),
        ],
    )
    def test_ambiguous(self, auth: dict[str, Any], named: str) -> None:
        """One token never has two names, one name never two tokens, and no client is an administrator."""
        (problem,) = problems({"auth": auth})

        assert problem.startswith(named)


class TestProvider:
    @pytest.mark.parametrize(
        ("environ", "chosen", "missing"),
        [
            ({}, "conventions", ""),
            ({"OPENAI_API_KEY": "a"}, "openai", ""),
            ({"ANTHROPIC_API_KEY": "a"}, "anthropic", ""),
            ({"OPENAI_API_KEY": "a", "ANTHROPIC_API_KEY": "a"}, "openai", ""),
            (
                {"OPENAI_API_KEY": "a", "ANTHROPIC_API_KEY": "a", "LARS_DEFAULT_PROVIDER": "anthropic"},
                "anthropic",
                "",
            ),
            ({"OPENAI_API_KEY": "a", "LARS_DEFAULT_PROVIDER": "conventions"}, "conventions", ""),
            (
                {"OPENAI_API_KEY": "a", "LARS_DEFAULT_PROVIDER": "anthropic"},
                "conventions",
                "ANTHROPIC_API_KEY",
            ),
            ({"LARS_DEFAULT_PROVIDER": "openai"}, "conventions", "OPENAI_API_KEY"),
        ],
    )
    def test_chosen(self, environ: dict[str, str], chosen: str, missing: str) -> None:
        """The named provider, else the one with a key, else conventions; never one that was not meant."""
        planner = from_mapping({}, environ).planner

        assert (planner.chosen, planner.missing_key) == (chosen, missing)

    @pytest.mark.parametrize(
        ("environ", "idle"),
        [
            ({}, ()),
            ({"OPENAI_BASE_URL": "http://localhost:1"}, ("openai",)),
            ({"ANTHROPIC_BASE_URL": "http://localhost:1"}, ("anthropic",)),
            ({"ANTHROPIC_BASE_URL": "http://localhost:1", "OPENAI_API_KEY": "a"}, ("anthropic",)),
            ({"ANTHROPIC_BASE_URL": "http://localhost:1", "ANTHROPIC_API_KEY": "a"}, ()),
            ({"OPENAI_BASE_URL": "http://localhost:1", "LARS_DEFAULT_PROVIDER": "openai"}, ()),
            ({"OPENAI_BASE_URL": "http://localhost:1", "LARS_DEFAULT_PROVIDER": "conventions"}, ()),
        ],
    )
    def test_idle_servers(self, environ: dict[str, str], idle: tuple[str, ...]) -> None:
        """An address that has no effect, unless somebody has said that it should have none."""
        listed = {"LARS_SANDBOX_LLM_ALLOWED_HOSTS": "localhost, api.openai.com"}

        assert from_mapping({}, environ | listed).planner.idle_servers == idle

    @pytest.mark.parametrize("provider", ["openai", "anthropic"])
    def test_own_server_needs_no_key(self, provider: str) -> None:
        """A provider's protocol on a server of one's own works without a key when it is named."""
        environ = {f"{provider.upper()}_BASE_URL": "http://localhost:1", "LARS_DEFAULT_PROVIDER": provider}
        environ["LARS_SANDBOX_LLM_ALLOWED_HOSTS"] = "localhost"

        assert from_mapping({}, environ).planner.chosen == provider

    @pytest.mark.parametrize(
        ("listed", "url", "refused"),
        [
            ("api.openai.com", "https://api.openai.com/v1", False),
            ("API.openai.com", "https://api.OpenAI.com/v1", False),
            ("api.openai.com:443", "https://api.openai.com/v1", False),
            ("api.openai.com:8443", "https://api.openai.com/v1", True),
            ("api.openai.com", "https://api.openai.com.evil.example/v1", True),
            ("api.openai.com", "https://evil.example/v1?api.openai.com", True),
            ("api.openai.com", "https://api.openai.com@evil.example/", True),
            ("api.openai.com", "http://api.openai.com/v1", True),
            ("api.openai.com", "file:///etc/passwd", True),
            ("api.openai.com", "http://127.0.0.1:9000/v1", True),
            ("127.0.0.1", "http://127.0.0.1:9000/v1", False),
            ("127.0.0.1:9000", "http://127.0.0.1:9000/v1", False),
            ("127.0.0.1:9001", "http://127.0.0.1:9000/v1", True),
            ("[::1]:9000", "http://[::1]:9000/v1", False),
            ("169.254.169.254", "http://169.254.169.254/latest", True),
        ],
    )
    def test_allowed_hosts(self, listed: str, url: str, refused: bool) -> None:
        """Providers are reached at listed hosts alone, and in plain http on this machine alone."""
        planner = from_mapping({"planner": {"allowed_hosts": [listed]}}, {}).planner

        assert bool(planner.refusal(url)) is refused

    @pytest.mark.parametrize("provider", ["openai", "anthropic"])
    def test_base_url_not_listed(self, provider: str) -> None:
        """A base URL at a host that is not listed stops the start when it would be used."""
        base_url = {f"{provider.upper()}_BASE_URL": "http://127.0.0.1:9000"}
        (problem,) = problems({}, base_url | {f"{provider.upper()}_API_KEY": "k"})

        assert problem.startswith(f"planner.{provider}.base_url ({provider.upper()}_BASE_URL): ")
        assert "LARS_SANDBOX_LLM_ALLOWED_HOSTS" in problem
        assert from_mapping({}, base_url).planner.chosen == "conventions"


class TestFile:
    def test_named(self, tmp_path: Path) -> None:
        """LARS_CONFIG names the file, and variables win over it."""
        path = tmp_path / "mine.toml"
        path.write_text("[server]\nport = 1\nhost = 'localhost'\n")
        server = load({"LARS_CONFIG": str(path), "LARS_PORT": "2"}).server

        assert (server.host, server.port) == ("localhost", 2)

    def test_in_the_current_directory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without LARS_CONFIG it is ./metaservice.toml, if that exists."""
        monkeypatch.chdir(tmp_path)
        assert load({}) == from_mapping({}, {})
        (tmp_path / "metaservice.toml").write_text("[server]\nport = 1\n")

        assert load({}).server.port == 1

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (None, "cannot be read: No such file or directory"),
            (b"[server", "is not a TOML file"),
            (b"a = '\xff'", "is not a TOML file"),
        ],
    )
    def test_unreadable(self, tmp_path: Path, content: bytes | None, said: str) -> None:
        """A named file that is missing or no TOML stops the start and is named."""
        path = tmp_path / "mine.toml"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(SettingsError, match=said) as refused:
            load({"LARS_CONFIG": str(path)})

        assert str(refused.value).startswith("LARS_CONFIG: ")
        assert "mine.toml" in str(refused.value)


class TestDefaultFile:
    def test_equals_the_defaults(self) -> None:
        """metaservice.toml, as it is shipped, changes nothing."""
        assert from_mapping(tomllib.loads(DEFAULT_FILE.read_text()), {}) == from_mapping({}, {})

    def test_has_every_key(self) -> None:
        """Every key stands in metaservice.toml, in the code's order; keys that are variables alone do not."""
        expected = [key.path for key in KEYS if not key.spec.env_only and key.path != "auth.tokens"]

        assert [path for path, _ in lines_of_default_file()] == expected
        assert "\n[auth.tokens]\n" in DEFAULT_FILE.read_text()

    def test_comments(self) -> None:
        """Every key has a comment, which names its unit and its variable where it has them."""
        specs = {key.path: key for key in KEYS}
        for path, comment in lines_of_default_file():
            unit = specs[path].unit.partition(" ")[0].rstrip("s")

            assert comment, path
            assert unit in comment.lower(), path
            assert specs[path].spec.variable in comment, path


def lines_of_default_file() -> list[tuple[str, str]]:
    """Each key's path in metaservice.toml, with the comment above it."""
    table_name, comment, found = "", "", []
    for line in DEFAULT_FILE.read_text().splitlines():
        if heading := re.fullmatch(r"\[(.+)\]", line):
            table_name, comment = heading[1], ""
        elif line.startswith("#"):
            comment += line
        elif assigned := re.match(r"(\w+) = ", line):
            found.append((f"{table_name}.{assigned[1]}", comment))
            comment = ""
    return found


class TestTable:
    def test_covers_everything(self) -> None:
        """The documented table has a row for every key and every variable, and nothing else."""
        rows = table().splitlines()[2:]

        assert len(rows) == len(KEYS) + 1
        for key, row in zip(KEYS, rows, strict=False):
            assert f"`{key.spec.variable if key.spec.env_only else key.path}`" in row
            assert key.spec.variable in row
            assert key.spec.meaning in row
        assert "`LARS_CONFIG`" in rows[-1]

    def test_is_a_table(self) -> None:
        """Each row has five cells."""
        assert {len(re.findall(r"(?<!\\)\|", row)) for row in table().splitlines()} == {6}

    @pytest.mark.parametrize(
        "row",
        [
            "| `server.port` | `LARS_PORT` | `8_000` |  | Port to listen on; 0: any free one |",
            "| `sandbox.wall_ms` | `LARS_MAX_EXEC_MS` | `8_000` | milliseconds | Time of one run |",
            (
                "| `log.level` | `LARS_LOG_LEVEL` | `INFO` |  | Least level that is logged"
                " (`DEBUG`, `INFO`, `WARNING`, `ERROR`, `CRITICAL`) |"
            ),
        ],
    )
    def test_rows(self, row: str) -> None:
        """A row is key, variable, default, unit, meaning and choices."""
        assert row in table().splitlines()

    def test_units(self) -> None:
        """Every number but the port has a unit."""
        assert [key.path for key in BOUNDED if not key.unit] == ["server.port"]


class TestRecord:
    """What a node of a cluster cannot do without."""

    POSTGRES: ClassVar = {"record": {"engine": "postgres", "url": "postgresql://someone:hunter2@db/data"}}

    def test_a_database_is_needed(self) -> None:
        (problem,) = problems({"record": {"engine": "postgres"}})
        assert problem.startswith("record.url (LARS_RECORD_URL): ")

    @pytest.mark.parametrize("host", ["0.0.0.0", "::"])
    def test_every_address_is_none_that_others_can_reach(self, host: str) -> None:
        (problem,) = problems({**self.POSTGRES, "server": {"host": host}})
        assert problem.startswith("record.node_url (LARS_NODE_URL): ")
        named = {"record": {**self.POSTGRES["record"], "node_url": "http://node1:8000"}}
        assert from_mapping({**named, "server": {"host": host}}, {}).record.node_url == "http://node1:8000"

    def test_nodes_have_a_token_of_their_own(self) -> None:
        record = {**self.POSTGRES["record"], "cluster_token": "same"}
        (problem,) = problems({"record": record, "auth": {"token": "same"}})
        assert problem.startswith("record.cluster_token (LARS_CLUSTER_TOKEN): ")

    @pytest.mark.parametrize("url", ["mysql://h/d", "h/d", "postgresql://[::1/d"])
    def test_what_is_no_database(self, url: str) -> None:
        (problem,) = problems({"record": {"engine": "postgres", "url": url}})
        assert problem.startswith("record.url")

    def test_the_log_keeps_the_password_out(self) -> None:
        assert "hunter2" in from_mapping(self.POSTGRES, {}).secrets
