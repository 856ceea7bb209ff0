"""The sandboxed Python itself: built from guest/ and store/, precompiled, and kept in a cache.

A component of CPython whose interpreter is already initialised (componentize-py takes a snapshot), then
native code made from it (Wasmtime's precompiled form). Both are keyed by a digest of the sources and of the
versions that made them, so an edit or an upgrade builds anew and nothing stale is ever loaded.

The precompiled file is native code that is trusted as the engine is: it lives in the cache directory, where
no guest can write, and is never loaded from a session's directory.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import frozen

from wasm_runtime.immortal import SnapshotError, make_immortal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WORLD = "session-guest"
_SCRATCH = "building-"
#: Packages that are built into the guest, each a module of one file with the package's name.
_LIBRARIES = ("jsonpatch", "jsonpointer")
#: Told what is being done, with None; and told again, with the seconds it took, when it is done.
Progress: TypeAlias = "Callable[[str, float | None], None]"


class ArtifactError(Exception):
    """The guest cannot be built. The message holds the builder's own last words."""


@frozen
class Artifact:
    """A precompiled guest that is ready to be loaded, and what it says of itself."""

    path: Path
    digest: str
    description: dict[str, Any]


def ensure(cache_dir: Path, progress: Progress) -> Artifact:
    """The artifact for today's sources, built first if the cache does not hold it. Raises ArtifactError.

    Takes about 20 s on two cores when it must build, about a millisecond when it need not. Several
    processes may call this at once: one builds, the others wait for it.
    """
    digest = source_digest()
    found = _cached(cache_dir, digest)
    if found is None:
        cache_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(cache_dir / "build.lock"):
            found = _cached(cache_dir, digest) or _build(cache_dir, digest, progress)
    return found


def is_built(cache_dir: Path) -> bool:
    """Whether `ensure` has nothing to build."""
    return _cached(cache_dir, source_digest()) is not None


def source_digest() -> str:
    """A digest of all that decides what the artifact is: sources, versions, machine."""
    digest = hashlib.blake2b(digest_size=12)
    versions = (version(package) for package in ("wasmtime", "componentize-py", *_LIBRARIES))
    for part in (*versions, platform.machine(), sys.platform):
        digest.update(f"{part}\n".encode())
    root = _sources()
    for path in _guest_files(root):
        digest.update(f"{path.relative_to(root).as_posix()}\n".encode())
        digest.update(path.read_bytes())
    for module in (
        "engine.py",
        "immortal.py",
    ):  # the engine's configuration, and what is done to the snapshot
        digest.update((root / "wasm_runtime" / module).read_bytes())
    return digest.hexdigest()


def _sources() -> Path:
    return Path(__file__).resolve().parent.parent


def _guest_files(root: Path) -> list[Path]:
    return sorted(
        path
        for room in ("guest", "store")
        for path in (root / room).rglob("*")
        if path.suffix in {".py", ".wit"} and "__pycache__" not in path.parts
    )


def _cached(cache_dir: Path, digest: str) -> Artifact | None:
    compiled, described = _paths(cache_dir, digest)
    if not (compiled.exists() and described.exists()):
        return None
    return Artifact(compiled, digest, json.loads(described.read_text("utf-8")))


def _paths(cache_dir: Path, digest: str) -> tuple[Path, Path]:
    return cache_dir / f"guest-{digest}.cwasm", cache_dir / f"guest-{digest}.json"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(cache_dir: Path, digest: str, progress: Progress) -> Artifact:
    # Whoever finds it built has no engine to import: workers have.
    from wasm_runtime.engine import precompile  # noqa: PLC0415

    with tempfile.TemporaryDirectory(dir=cache_dir, prefix=_SCRATCH) as scratch:
        place = Path(scratch)
        component = _timed(
            "Building the sandboxed Python (CPython 3.14 for WebAssembly)",
            progress,
            lambda: _componentize(place),
        )
        compiled = place / "guest.cwasm"
        _timed(
            "Compiling it for this machine",
            progress,
            lambda: compiled.write_bytes(precompile(_immortal(component))),
        )
        described = place / "guest.json"
        described.write_text(json.dumps(_describe(compiled)), "utf-8")
        final, final_description = _paths(cache_dir, digest)
        # The description last: an artifact without one counts as not built.
        compiled.replace(final)
        described.replace(final_description)
    _forget_others(cache_dir, digest)
    found = _cached(cache_dir, digest)
    if found is None:
        raise ArtifactError(f"The guest was built, but is not in {cache_dir}")
    return found


def _timed(what: str, progress: Progress, work: Callable[[], Any]) -> Any:
    progress(what, None)
    started = time.monotonic()
    result = work()
    progress(what, time.monotonic() - started)
    return result


def _componentize(place: Path) -> Path:
    stage = place / "stage"
    root = _sources()
    for path in _guest_files(root):
        target = stage / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    for name in _LIBRARIES:
        shutil.copyfile(_library(name), stage / f"{name}.py")
    output = place / "guest.wasm"
    command = [
        *(sys.executable, "-c", "import componentize_py; componentize_py.script()"),
        *("-d", str(stage / "guest" / "wit"), "-w", WORLD),
        *("componentize", "-p", str(stage), "guest.app", "-o", str(output)),
    ]
    done = subprocess.run(  # noqa: S603  our own interpreter and paths
        command, capture_output=True, text=True, check=False, cwd=place
    )
    if done.returncode or not output.exists():
        raise ArtifactError(f"componentize-py failed:\n{(done.stderr or done.stdout)[-2000:]}")
    return output


def _immortal(component: Path) -> bytes:
    """The component with the objects of its snapshot made immortal. Raises ArtifactError."""
    data = bytearray(component.read_bytes())
    try:
        make_immortal(data)
    except SnapshotError as error:
        raise ArtifactError(f"The guest that was built is none of ours: {error}") from error
    return bytes(data)


def _library(name: str) -> Path:
    """The file of a module that is built in. Raises ArtifactError."""
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise ArtifactError(f"{name} is not installed")
    return Path(found.origin)


def _describe(compiled: Path) -> dict[str, Any]:
    from wasm_runtime.engine import Runtime  # noqa: PLC0415  as above

    answer: dict[str, Any] = Runtime.load(compiled).describe()
    return answer


def _forget_others(cache_dir: Path, digest: str) -> None:
    """Drop builds that nobody has used for a month, and what was left of one that was killed.

    A running service keeps its own mapped; whoever builds has the lock.
    """
    for left in cache_dir.glob(f"{_SCRATCH}*"):
        shutil.rmtree(left, ignore_errors=True)
    horizon = time.time() - 30 * 24 * 3600
    for path in cache_dir.glob("guest-*"):
        if digest not in path.name and path.stat().st_atime < horizon:
            path.unlink()
