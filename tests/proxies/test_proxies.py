"""docs/proxy.md for real: nginx and Caddy with the configurations that it shows, on loopback."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

from tests.docs.markdown import ROOT, blocks
from tests.e2e.client import Client
from tests.e2e.conftest import start_service
from tests.streams import watching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.e2e.conftest import StartService

__all__ = ["start_service"]

pytestmark = pytest.mark.proxies
PAGE: Final = (ROOT / "docs" / "proxy.md").read_text("utf-8")
_SECONDS: Final = 20.0
#: What a configuration of nginx needs around it where it is not the machine's own.
_NGINX: Final = """\
user root; daemon off; pid {directory}/nginx.pid; error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
    {server}
}}
"""
_CADDY: Final = "{{\n\tadmin off\n\tauto_https off\n\tstorage file_system {directory}\n}}\n{site}"


def shown(language: str) -> str:
    (block,) = [block for block in blocks(PAGE) if block.language == language]
    return block.text


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def nginx(directory: Path, port: int, service: str) -> list[str]:
    text = shown("nginx").replace("listen 80;", f"listen 127.0.0.1:{port};")
    text = text.replace("http://127.0.0.1:8000", service)
    file = directory / "nginx.conf"
    file.write_text(_NGINX.format(directory=directory, server=text))
    return ["nginx", "-c", str(file), "-e", "stderr"]


def caddy(directory: Path, port: int, service: str) -> list[str]:
    text = shown("caddyfile").replace(
        "api.example.com {", f"http://api.example.com:{port} {{\n\tbind 127.0.0.1"
    )
    file = directory / "Caddyfile"
    file.write_text(
        _CADDY.format(
            directory=directory, site=text.replace("127.0.0.1:8000", service.removeprefix("http://"))
        )
    )
    return ["caddy", "run", "--config", str(file), "--adapter", "caddyfile"]


@contextmanager
def running(command: list[str], port: int) -> Iterator[str]:
    """The proxy, from when it takes connections."""
    assert shutil.which(command[0]), f"install {command[0]}: apt-get install nginx-light caddy"
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        give_up = time.monotonic() + _SECONDS
        while True:
            assert process.poll() is None, process.communicate()[1]
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < give_up, "the proxy does not listen"
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate()


@pytest.mark.parametrize("configured", [nginx, caddy], ids=["nginx", "caddy"])
def test_the_configuration_that_is_shown(
    configured: Callable[[Path, int, str], list[str]], start_service: StartService, tmp_path: Path
) -> None:
    """Links have the public name, ids with slashes and tags get through, the log has the client's address."""
    settings = tmp_path / "proxied.toml"
    settings.write_text(shown("toml"))
    service = start_service(LARS_CONFIG=str(settings))
    port = free_port()
    with running(configured(tmp_path, port, service.url), port) as url:
        client = Client(url, "proxied", {"Host": "api.example.com"})
        client.create("/things", [{"id": "a/b c", "n": 1}, {"id": 2, "n": 2}])
        record = client.get("/things/a%2Fb%20c")
        page = client.get("/things?limit=1")
        stale = client.request("PUT", "/things/2", {"n": 3}, If_Match='"other"')
        changed = client.request(
            "PUT", "/things/2", {"n": 3}, If_Match=client.get("/things/2").headers["etag"]
        )
        large = client.post("/things", {"text": "x" * 2_000_000})
        once = [
            client.request("POST", "/things", {"n": 4}, Idempotency_Key="k1").json["id"] for _ in range(2)
        ]
        lines = [json.loads(line) for line in service.log.splitlines() if line.startswith("{")]

    assert record.json == {"id": "a/b c", "n": 1}
    assert '<https://api.example.com/things?limit=1&offset=1>; rel="next"' in page.headers["link"]
    assert (stale.status, changed.status, large.error[0]) == (412, 200, 413)
    assert once[0] == once[1]
    requests = [line for line in lines if line["event"] == "request"]
    assert {line["client"] for line in requests} == {"127.0.0.1"}


@pytest.mark.parametrize("configured", [nginx, caddy], ids=["nginx", "caddy"])
async def test_events_come_as_they_happen(
    configured: Callable[[Path, int, str], list[str]], start_service: StartService, tmp_path: Path
) -> None:
    """The configuration that is shown holds none back, whatever encodings the client takes."""
    settings = tmp_path / "proxied.toml"
    settings.write_text(shown("toml"))
    service = start_service(LARS_CONFIG=str(settings))
    port = free_port()
    headers = {"Host": "api.example.com", "Accept_Encoding": "gzip, br, zstd"}
    with running(configured(tmp_path, port, service.url), port):
        async with watching(("127.0.0.1", port), "/things", "proxied", **headers) as stream:
            first = await stream.event()
            service.client("proxied", Host="api.example.com").create("/things", {"n": 1})
            second = await stream.event()
        async with watching(
            ("127.0.0.1", port), "/things", "proxied", Last_Event_ID=first.id, **headers
        ) as stream:
            again = await stream.event()

    assert [len(each.body["items"]) for each in (first, second, again)] == [0, 1, 1]
