"""Schemathesis with a user's own document, against the service that serves it: nothing may break it.

    python -m tools.described --contract FILE [--contract FILE ...] [--seconds N]

Of each document the operations that are by rule are tried, with examples, bounds, wrong and random data. Each
reply has to be one that the document declares: status, media type, schema, headers. Where an operation
declares no error at all, it is taken to have the form that most errors of its document have, as the service
answers (docs/contract.md, "Errors"). The exit status is 1 where anything broke.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from server.contracts.document import value_at
from server.contracts.served import read_contract
from tools.processes import serving

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.contracts.contract import Contract

CHECKS: Final = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_schema_conformance,response_headers_conformance"
)
_GENERATED: Final = re.compile(r"^\s*(\d+) generated", re.MULTILINE)
#: Each kind of failure that it found, in its summary, with how many.
_BROKE: Final = re.compile(r"^\s*❌ (ST\d+ [^:\n]+|[A-Z][^:\n]*): (\d+)$", re.MULTILINE)
_METHODS: Final = ("get", "head", "post", "put", "patch", "delete", "options", "trace")
_HEADERS: Final = ("X-Session-ID: described", "Authorization: Bearer abc")


@frozen
class Tried:
    """What came of a document: requests that were sent, what broke by kind, and all that the tool says."""

    generated: int
    broke: Mapping[str, int]
    said: str
    ended: int

    @property
    def good(self) -> bool:
        return self.generated > 0 and self.ended == 0 and not self.broke


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools.described", description=__doc__)
    parser.add_argument("--contract", type=Path, action="append", required=True, metavar="FILE")
    parser.add_argument("--seconds", type=int, default=60, help="for each document")
    parser.add_argument("--show", action="store_true", help="all that Schemathesis says")
    options = parser.parse_args()
    broken = 0
    for file in options.contract:
        with (
            tempfile.TemporaryDirectory() as scratch,
            serving(Path(scratch), LARS_CONTRACT=str(file.resolve())) as (_, url),
        ):
            found = tried(file, url, Path(scratch), seconds=options.seconds)
        broken += not found.good
        sys.stdout.write(f"{file.name}: {found.generated} requests, broken: {dict(found.broke) or 'none'}\n")
        if options.show or not found.good:
            sys.stdout.write(found.said)
    return 1 if broken else 0


def tried(file: Path, url: str, scratch: Path, *, seconds: int = 0, examples: int = 0) -> Tried:
    """Try the document at a service that serves it. `seconds` 0: the same requests, each time.

    `examples`: requests of each operation in the random phase; 0: as many as the tool has.
    """
    contract = read_contract(file)
    (scratch / "described.json").write_text(json.dumps(by_rule(contract)), "utf-8")
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", "described.json"),
        *("--url", f"{url}{contract.document.base_path}", "--checks", CHECKS, "--mode", "all"),
        *("--phases", "examples,coverage,fuzzing", "--continue-on-failure", "--no-color"),
        *("--suppress-health-check", "all", "--warnings", "off"),
        *(["--max-time", str(seconds)] if seconds else ["--generation-deterministic"]),
        *(["-n", str(examples)] if examples else []),
    ]
    for header in _HEADERS:
        command += ["-H", header]
    done = subprocess.run(
        command, cwd=scratch, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    counted = _GENERATED.search(done.stdout)
    broke = {kind: int(count) for kind, count in _BROKE.findall(done.stdout)}
    return Tried(int(counted[1]) if counted else 0, broke, done.stdout, done.returncode)


def by_rule(contract: Contract) -> dict[str, Any]:
    """The document with the operations that are by rule, in the shape of OpenAPI 3.1.

    An operation that declares no error of a kind has what most errors of the document are for it; one that
    declares no success at all has 200. Forms that a discriminator tells apart may overlap: there `oneOf` is
    read as `anyOf`.
    """
    raw = json.loads(json.dumps(contract.document.raw))
    kept = {operation.pointer for operation in contract.document.operations if contract.role(operation).plain}
    pointers = {operation.pointer: operation for operation in contract.document.operations}
    for path, item in list(raw.get("paths", {}).items()):
        for method in _METHODS:
            pointer = _pointer(path, method)
            if method in item and pointer not in kept:
                del item[method]
        if not any(method in item for method in _METHODS):
            del raw["paths"][path]
    for pointer in kept:
        node = value_at(raw, pointer)
        replies = pointers[pointer].replies
        if isinstance(node, dict) and "default" not in replies:
            node["responses"].setdefault("4XX", _common_error(contract))
        if isinstance(node, dict) and not any(each[:1] in "2d" for each in replies):
            node["responses"]["2XX"] = {"description": "done"}
    raw.setdefault("openapi", "3.1.0")
    _tell_apart(raw)
    return dict(raw)


def _tell_apart(raw: dict[str, Any]) -> None:
    left: list[Any] = [raw]
    while left:
        node = left.pop()
        told = isinstance(node, dict) and isinstance(node.get("discriminator"), dict) and "anyOf" not in node
        if told and isinstance(node.get("oneOf"), list):
            node["anyOf"] = node.pop("oneOf")
        left += node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()


def _pointer(path: str, method: str) -> str:
    return f"#/paths/{path.replace('~', '~0').replace('/', '~1').replace('%', '%25')}/{method}"


def _common_error(contract: Contract) -> dict[str, Any]:
    found = contract.failing.schema_of(404, None)
    if found is None:
        return {"description": "wrong"}
    media_type, schema = found
    return {"description": "wrong", "content": {media_type: {"schema": {"$ref": schema}}}}


if __name__ == "__main__":
    sys.exit(main())
