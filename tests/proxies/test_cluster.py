"""deploy/ for real: nginx and Caddy with TLS before three nodes, on loopback."""

from __future__ import annotations

import socket
import ssl
import subprocess
from http.client import HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from tests.cluster.conftest import RECORD, Cluster
from tests.docs.markdown import ROOT
from tests.proxies.test_proxies import _NGINX, free_port, running

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.proxies
_NAMES = [f"node{number}:8000" for number in (1, 2, 3)]
_HOST = "localhost"
_PATIENCE = 200


def certificate(directory: Path) -> tuple[Path, Path]:
    """For the host, signed by itself."""
    paths = directory / "own.pem", directory / "own.key"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "2",
                "-subj",
                f"/CN={_HOST}",
            ),
            *("-addext", f"subjectAltName=DNS:{_HOST}", "-out", str(paths[0]), "-keyout", str(paths[1])),
        ],
        check=True,
        capture_output=True,
    )
    return paths


def placed(file: str, addresses: list[str]) -> str:
    """A file of deploy/ with the nodes' real addresses."""
    text = (ROOT / "deploy" / file).read_text("utf-8")
    for name, address in zip(_NAMES, addresses, strict=True):
        assert name in text
        text = text.replace(name, address)
    return text


def nginx(directory: Path, port: int, addresses: list[str]) -> list[str]:
    own, key = certificate(directory)
    text = placed("nginx.cluster.conf", addresses).replace("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;")
    text = text.replace("/etc/ssl/api.example.com.pem", str(own))
    text = text.replace("/etc/ssl/api.example.com.key", str(key))
    file = directory / "nginx.conf"
    file.write_text(_NGINX.format(directory=directory, server=text))
    return ["nginx", "-c", str(file), "-e", "stderr"]


def caddy(directory: Path, port: int, addresses: list[str]) -> list[str]:
    """For a name that is no public one Caddy makes a certificate itself."""
    text = placed("Caddyfile.cluster", addresses).replace(
        "{$METASERVICE_SITE::8000}", f"https://{_HOST}:{port}"
    )
    options = (
        f"admin off\n\tskip_install_trust\n\tauto_https disable_redirects\n\tstorage file_system {directory}"
    )
    file = directory / "Caddyfile"
    file.write_text(f"{{\n\t{options}\n}}\n{text}")
    return ["caddy", "run", "--config", str(file), "--adapter", "caddyfile"]


def asked(port: int, method: str, target: str, session: str, body: Any = None) -> tuple[int, Any]:
    """As an ordinary client: again on 502 and 503, and where the connection ends."""
    unverified = ssl._create_unverified_context()
    for _ in range(_PATIENCE):
        connection = HTTPSConnection(_HOST, port, timeout=30, context=unverified)
        try:
            data = None if body is None else orjson.dumps(body)
            headers = {"X-Session-ID": session, "Content-Type": "application/json"}
            connection.request(
                method, target, data, headers if body is not None else {"X-Session-ID": session}
            )
            answer = connection.getresponse()
            found = answer.read()
        except (OSError, HTTPException):
            continue
        finally:
            connection.close()
        if answer.status not in {502, 503}:
            return answer.status, orjson.loads(found)
    pytest.fail("no answer")


def events(port: int, session: str) -> socket.socket:
    """A stream of the collection, through TLS."""
    stream = ssl._create_unverified_context().wrap_socket(
        socket.create_connection((_HOST, port), 30), server_hostname=_HOST
    )
    stream.sendall(
        f"GET /orders HTTP/1.1\r\nHost: {_HOST}\r\nAccept: text/event-stream\r\n"
        f"X-Session-ID: {session}\r\n\r\n".encode()
    )
    return stream


def read_until(stream: socket.socket, mark: bytes) -> bytes:
    received = b""
    while mark not in received:
        piece = stream.recv(65_536)
        assert piece, received
        received += piece
    return received


@pytest.mark.parametrize("configured", [nginx, caddy], ids=["nginx", "caddy"])
def test_three_nodes_behind_a_proxy_with_tls_are_one_service(
    configured: Callable[[Path, int, list[str]], list[str]], tmp_path: Path, database: str
) -> None:
    """Any node answers for any session; one that is killed is missed by nobody; streams come as they are."""
    record = {**RECORD, "lease_ms": 1_000}
    hosts = {"hosts": [_HOST]}
    cluster = Cluster(tmp_path, database, record, server=hosts)
    try:
        nodes = [cluster.start(name) for name in ("one", "two", "three")]
        port = free_port()
        addresses = [node.url.removeprefix("http://") for node in nodes]
        with running(configured(tmp_path, port, addresses), port):
            for number in range(9):
                assert asked(port, "POST", "/orders", f"s{number}", {"n": number})[0] == 201
            with events(port, "s0") as stream:
                read_until(stream, b'"n":0')
                assert asked(port, "POST", "/orders", "s0", {"n": 77})[0] == 201
                read_until(stream, b'"n":77')
            nodes[1].kill()
            for number in range(9):
                status, found = asked(port, "GET", "/orders/1", f"s{number}")
                assert (status, found["n"]) == (200, number)
                assert asked(port, "POST", "/orders", f"s{number}", {"n": -1})[0] == 201
    finally:
        cluster.close()
