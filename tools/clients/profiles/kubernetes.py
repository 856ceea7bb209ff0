"""The Kubernetes client: its models refuse `items: null`, and every reply has a kind and a version."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.remove(str(Path(__file__).parent))  # this file has the package's name

from kubernetes import client  # type: ignore[import-not-found]
from kubernetes.client.rest import ApiException  # type: ignore[import-not-found]

settings = client.Configuration()
settings.host = sys.argv[1]
api = client.CoreV1Api(client.ApiClient(settings))


def config(name: str | None, labels: dict[str, str] | None = None, **more: Any) -> Any:
    meta = client.V1ObjectMeta(name=name, labels=labels, generate_name=more.pop("generate_name", None))
    return client.V1ConfigMap(metadata=meta, **more)


def refused(status: int, reason: str, call: Any) -> None:
    try:
        call()
    except ApiException as error:
        assert (error.status, f'"{reason}"' in error.body) == (status, True), error  # noqa: PT017
    else:
        raise AssertionError(reason)


def names(**asked: Any) -> list[str]:
    return [each.metadata.name for each in api.list_namespaced_config_map("dev", **asked).items]


empty = api.list_namespaced_config_map("dev")
assert (empty.items, empty.kind, empty.api_version) == ([], "ConfigMapList", "v1"), empty
first = api.create_namespaced_config_map(
    "dev", config("a", {"app.kubernetes.io/name": "x", "tier": "1"}, data={"k": "v"})
)
meta = first.metadata
assert (first.kind, first.api_version, meta.namespace) == ("ConfigMap", "v1", "dev"), first
assert all((meta.uid, meta.resource_version, meta.creation_timestamp)), first
api.create_namespaced_config_map("dev", config("b"))
api.create_namespaced_config_map("prod", config("a"))
refused(409, "AlreadyExists", lambda: api.create_namespaced_config_map("dev", config("a")))
refused(404, "NotFound", lambda: api.read_namespaced_config_map("none", "dev"))

assert names(label_selector="app.kubernetes.io/name=x") == ["a"]
assert names(label_selector="!tier") == ["b"]
assert names(label_selector="tier in (1,2),app.kubernetes.io/name") == ["a"]
assert names(field_selector="metadata.name!=b") == ["a"]
page = api.list_namespaced_config_map("dev", limit=1)
assert names(limit=1, _continue=page.metadata._continue) == ["b"]  # noqa: SLF001 - the client's own name

merged = api.patch_namespaced_config_map("a", "dev", {"data": {"k": None, "z": "1"}})
assert merged.data == {"z": "1"}, merged
assert merged.metadata.resource_version != meta.resource_version, merged
steps = api.patch_namespaced_config_map("a", "dev", [{"op": "add", "path": "/data/y", "value": "2"}])
assert steps.data == {"z": "1", "y": "2"}, steps
steps.data = {"only": "me"}
put = api.replace_namespaced_config_map("a", "dev", steps)
assert (put.data, put.metadata.uid) == ({"only": "me"}, meta.uid), put
refused(409, "Conflict", lambda: api.replace_namespaced_config_map("a", "dev", steps))
assert len(api.list_config_map_for_all_namespaces().items) == 3
done = api.delete_namespaced_config_map("a", "dev")
assert (done["kind"], done["status"]) == ("Status", "Success"), done
made = api.create_namespaced_config_map("dev", config(None, generate_name="g-"))
assert made.metadata.name.startswith("g-"), made
