"""Dockerfile, compose file and systemd unit agree with the service and with each other."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from server.settings.reading import all_keys, from_mapping
from tests.docs.markdown import ROOT
from tools.processes import environment
from tools.try_image import Stage, stages

if TYPE_CHECKING:
    from tests.e2e.conftest import StartService

DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
UNIT = (ROOT / "deploy" / "metaservice.service").read_text("utf-8")
#: LARS_CONFIG says where the settings are.
VARIABLES = {key.spec.variable for key in all_keys()} | {"LARS_CONFIG"}
_OURS = re.compile(r"\b(?:LARS|SANDBOX|OPENAI|ANTHROPIC)_[A-Z_]+\b")


@pytest.fixture
def build() -> Stage:
    return stages(DOCKERFILE)[0]


@pytest.fixture
def final() -> Stage:
    return stages(DOCKERFILE)[1]


@pytest.fixture
def compose() -> Any:
    return yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]["metaservice"]


def unit(section: str) -> dict[str, list[str]]:
    """The unit's settings in one section; one may be there more than once."""
    found: dict[str, list[str]] = {}
    text = UNIT.partition(f"[{section}]\n")[2].partition("\n[")[0]
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def run_check(check: str, port: str) -> int:
    program, *arguments = json.loads(check)
    assert program == "python"
    env = environment({"LARS_PORT": port})
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, env=env, check=False).returncode


@pytest.mark.parametrize(
    "name",
    [
        "Dockerfile",
        "compose.yaml",
        "deploy/metaservice.service",
        "deploy/compose.cluster.yaml",
        "deploy/kubernetes.yaml",
    ],
)
def test_variables(name: str) -> None:
    """Every variable of ours in it is one that the service reads."""
    assert set(_OURS.findall((ROOT / name).read_text("utf-8"))) <= VARIABLES


def test_what_is_copied(build: Stage) -> None:
    """Every source of a COPY is there, is let through by .dockerignore, and makes up the whole package."""
    copied = {source for name, text in build.steps if name == "COPY" for source in text.split()[:-1]}
    admitted = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text("utf-8"), re.MULTILINE)
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}

    assert copied == set(admitted) == rooms | {"constraints.txt", "pyproject.toml", "README.md"}
    assert all((ROOT / source).exists() for source in copied)


def test_the_image(build: Stage, final: Stage) -> None:
    """It runs as a user of its own, with settings that are allowed; the guest is where it was built."""
    settings = from_mapping({}, final.env)
    run = " ".join(text for name, text in build.steps if name == "RUN")

    assert int(final.last("USER").split(":")[0]) > 0
    assert final.last("EXPOSE") == str(settings.server.port)
    assert final.last("VOLUME") == settings.store.data_root
    assert f"LARS_CACHE_DIR={settings.store.cache_dir} " in run


def test_compose(final: Stage, compose: Any) -> None:
    """It publishes the image's port on loopback alone, keeps its volume, and takes all privileges away."""
    settings = from_mapping({}, final.env)

    assert compose["ports"] == [f"127.0.0.1:8000:{settings.server.port}"]
    assert compose["volumes"] == [f"data:{settings.store.data_root}"]
    assert compose["read_only"] is True
    assert compose["cap_drop"] == ["ALL"]
    assert compose["security_opt"] == ["no-new-privileges:true"]
    assert int(compose["stop_grace_period"].removesuffix("s")) > settings.server.shutdown_seconds


def test_the_unit() -> None:
    """It writes to the directories that systemd makes for it, and stops later than the service does."""
    service = unit("Service")
    (given,) = service["Environment"]
    settings = from_mapping({}, dict(pair.split("=", 1) for pair in given.split()))

    assert settings.store.data_root == f"/var/lib/{service['StateDirectory'][0]}"
    assert settings.store.cache_dir == f"/var/cache/{service['CacheDirectory'][0]}"
    assert int(service["TimeoutStopSec"][0]) > settings.server.shutdown_seconds
    assert all(len(values) == 1 for values in service.values())
    assert service["DynamicUser"] == service["NoNewPrivileges"] == ["yes"]


def test_the_health_check(start_service: StartService, final: Stage) -> None:
    """The image's check is content with a service that runs, and not once it has stopped."""
    check = final.last("HEALTHCHECK").partition("CMD ")[2]
    service = start_service()
    port = service.url.rpartition(":")[2]
    while_it_runs = run_check(check, port)
    service.stop()

    assert while_it_runs == 0
    assert run_check(check, port) == 1


def test_nodes_of_a_cluster_are_described_alike() -> None:
    """What mounts, names and ports point at is there; each node is reached under its own name."""
    compose = yaml.safe_load((ROOT / "deploy" / "compose.cluster.yaml").read_text("utf-8"))
    services = compose["services"]
    proxy = (ROOT / "deploy" / "Caddyfile.cluster").read_text("utf-8")
    nodes = [name for name, service in services.items() if service.get("image") == "metaservice"]
    mounts = [mount.split(":")[0] for each in services.values() for mount in each.get("volumes", ())]

    assert len(nodes) == 3
    for name in nodes:
        assert services[name]["environment"]["LARS_NODE_URL"] == f"http://{name}:8000"
        assert f"{name}:8000" in proxy
    assert all((ROOT / "deploy" / each).exists() for each in mounts if each.startswith("."))
    assert set(services["proxy"]["depends_on"]) == set(nodes)


def test_the_kubernetes_manifest_hangs_together() -> None:
    """Selectors meet labels, mounts meet volumes, the settings are ones that the service reads."""
    text = (ROOT / "deploy" / "kubernetes.yaml").read_text("utf-8")
    by_kind = {each["kind"]: each for each in yaml.safe_load_all(text)}
    pod = by_kind["Deployment"]["spec"]["template"]
    [container] = pod["spec"]["containers"]
    volumes = {each["name"] for each in pod["spec"]["volumes"]}
    set_up = {each["name"]: each.get("value", f"postgresql://{each['name']}") for each in container["env"]}
    set_up["LARS_NODE_URL"] = set_up["LARS_NODE_URL"].replace("$(POD_IP)", "10.0.0.1")
    settings = from_mapping(tomllib.loads(by_kind["ConfigMap"]["data"]["metaservice.toml"]), set_up)
    waits = settings.record.drain_seconds + settings.server.shutdown_seconds

    assert {each["name"] for each in container["volumeMounts"]} == volumes
    for kind in ("Service", "PodDisruptionBudget"):
        selector = by_kind[kind]["spec"]["selector"]
        assert pod["metadata"]["labels"] == selector.get("matchLabels", selector)
    assert pod["spec"]["terminationGracePeriodSeconds"] > waits
    assert by_kind["Service"]["spec"]["ports"][0]["targetPort"] == container["ports"][0]["containerPort"]
