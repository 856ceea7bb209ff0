"""The third wall, felt from inside: a process confines itself as a worker does, then tries to get out."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

from tests.sandbox import programs
from tests.sandbox.programs import BYPASS
from wasm_runtime.limits import GuestReuse, Limits
from wasm_runtime.outcome import Completed, StorageFull
from wasm_runtime.pool import WorkerPool, log_confinement
from wasm_runtime.slot import Job
from wasm_runtime.worker_process import PoolConfig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.keeper import ThreadKeeper
    from wasm_runtime.artifact import Artifact

#: Runs in a process of its own: confines itself, then says of each attempt whether, or how, it failed.
_PRISONER = """
import errno, json, os, signal, socket, sys, threading
from pathlib import Path
from wasm_runtime.confinement import confine

given = json.loads(sys.argv[1])
root, outside = Path(given["root"]), Path(given["outside"])
enforced = confine(
    data_root=root, component=Path(given["component"]), file_bytes=10_000, open_files=64,
    parent=os.getppid(), without=given["without"],
)

def tcp():
    with socket.socket() as one:
        one.connect(("127.0.0.1", given["port"]))

def listen():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()

def in_a_thread(attempt):
    failed = []
    def run():
        try:
            attempt()
        except OSError as error:
            failed.append(error)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]

def work():
    made = root / "s1"
    made.mkdir()
    (made / "store.db").write_bytes(b"12345")
    os.truncate(made / "store.db", 2)
    os.rename(made, root / "s2")
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(descriptor)
    os.close(descriptor)
    os.unlink(root / "s2" / "store.db")
    os.rmdir(root / "s2")

def fork():
    if os.fork() == 0:
        os._exit(0)
    os.wait()

ATTEMPTS = {
    "read": lambda: (outside / "secret").read_text(),
    "read in a thread": lambda: in_a_thread((outside / "secret").read_text),
    "list": lambda: os.listdir(outside),
    "write": lambda: (outside / "secret").write_text("mine"),
    "make": lambda: (outside / "new").mkdir(),
    "environment of the parent": lambda: Path(f"/proc/{os.getppid()}/environ").read_bytes(),
    "link": lambda: os.symlink("/etc/passwd", root / "link"),
    "connect": tcp,
    "listen": listen,
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "spawn": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "fork": fork,
    "signal": lambda: os.kill(os.getppid(), 0),
    "too large": lambda: (root / "large").write_bytes(b"x" * 10_001),
    "at the size": lambda: (root / "large").write_bytes(b"x" * 10_000),
    "its own code": lambda: __import__("wave"),
    "the component": lambda: Path(given["component"]).read_bytes(),
    "its work": work,
}
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
answer = {}
for name in given["attempts"]:
    try:
        ATTEMPTS[name]()
        answer[name] = "done"
    except OSError as error:
        answer[name] = errno.errorcode[error.errno]
print(json.dumps({"enforced": enforced, "answer": answer}))
"""
_DENIED = {
    "read": "EACCES",
    "read in a thread": "EACCES",
    "list": "EACCES",
    "write": "EACCES",
    "make": "EACCES",
    "environment of the parent": "EACCES",
    "link": "EACCES",
    "connect": "EPERM",
    "listen": "EPERM",
    "exec": "EPERM",
    "spawn": "EPERM",
    "fork": "EPERM",
    "signal": "EPERM",
    "too large": "EFBIG",
}
_ALLOWED = ("at the size", "its own code", "the component", "its work")
_EVERYTHING = (
    "dies_with_parent", "no_new_privileges", "file_size", "open_files", "no_core_dumps",
    "files", "tcp", "signals", "system_calls",
)  # fmt: skip


@pytest.fixture
def port() -> Any:
    """Somebody who listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def imprisoned(tmp_path: Path, port: int, attempts: tuple[str, ...], *without: str) -> dict[str, Any]:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for directory in (root, outside):
        directory.mkdir()
    (outside / "secret").write_text("secret")
    (tmp_path / "component").write_bytes(b"native code")
    given = {
        "root": str(root),
        "outside": str(outside),
        "component": str(tmp_path / "component"),
        "port": port,
        "attempts": attempts,
        "without": without,
    }
    done = subprocess.run(
        [sys.executable, "-I", "-c", _PRISONER, json.dumps(given)], capture_output=True, check=False, cwd="/"
    )
    assert done.returncode == 0, done.stderr.decode()
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_there_is_no_way_out(tmp_path: Path, port: int) -> None:
    """Files outside, the network, programs, processes and the parent are out of reach; the work is not.

    Needs Linux 6.12 (Landlock ABI 6): an older one lacks a part, and the service says which.
    """
    found = imprisoned(tmp_path, port, (*_DENIED, *_ALLOWED))

    assert found["enforced"] == dict.fromkeys(_EVERYTHING, True)
    assert found["answer"] == {**_DENIED, **dict.fromkeys(_ALLOWED, "done")}


@pytest.mark.parametrize(
    ("without", "opened", "closed"),
    [
        ("files", ("read", "list", "environment of the parent", "write"), {"exec": "EPERM"}),
        ("system_calls", ("fork",), {"connect": "EACCES", "listen": "EACCES", "exec": "EACCES"}),
        ("signals", ("signal",), {"read": "EACCES"}),
        ("file_size", ("too large",), {"read": "EACCES"}),
    ],
)
def test_each_part_stands_alone(
    tmp_path: Path, port: int, without: str, opened: tuple[str, ...], closed: dict[str, str]
) -> None:
    """Without one part what it alone forbids is possible, the others hold, and the report says so."""
    found = imprisoned(tmp_path, port, (*opened, *closed, "its work"), without)

    assert found["enforced"] == {name: name != without for name in _EVERYTHING}
    assert found["answer"] == {**dict.fromkeys(opened, "done"), **closed, "its work": "done"}


def test_nothing_of_it_is_a_condition(tmp_path: Path, port: int) -> None:
    """On a kernel that has none of it the process goes on, and knows that nothing is enforced."""
    found = imprisoned(tmp_path, port, ("read", "connect", "listen", "spawn", "its work"), *_EVERYTHING)

    assert found["enforced"] == dict.fromkeys(_EVERYTHING, False)
    assert set(found["answer"].values()) == {"done"}


@pytest.fixture
async def config(guest_artifact: Artifact, keeper: ThreadKeeper) -> PoolConfig:
    return PoolConfig(
        component=guest_artifact.path,
        data_root=keeper.caches,
        keeper=keeper,
        limits=Limits(session_disk_bytes=1024 * 1024),
        reuse=GuestReuse(spare_guests=0),
        workers=1,
    )


@pytest.fixture
async def pool(config: PoolConfig) -> AsyncIterator[WorkerPool]:
    pool = WorkerPool(config)
    await pool.start()
    yield pool
    await pool.close()


def job(code: str, session: str = "s1") -> Job:
    return Job(session, programs.plan_id(code), programs.document(code), programs.request(), read_only=False)


def thread_states(pid: int) -> list[str]:
    return [task.joinpath("status").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]


async def test_every_thread_of_a_worker_is_confined(pool: WorkerPool) -> None:
    """The engine's threads too, which are those that open files: none is older than the walls."""
    for session in ("s1", "s2"):
        assert isinstance(
            await pool.run(job("REPLY = make_response(201, store.insert({}))", session)), Completed
        )
    (pid,) = pool.health()["pids"]
    states = thread_states(pid)

    assert len(states) > 1
    assert all("NoNewPrivs:\t1\n" in state and "Seccomp:\t2\n" in state for state in states)


async def test_a_worker_can_still_clean_up(pool: WorkerPool) -> None:
    """What hostile code leaves, directories in directories too, is removed from inside the walls."""
    litter = BYPASS + (
        "os = load('os')\n"
        "os.makedirs('/session/a/b/c')\n"
        "real['open']('/session/a/b/f', 'w').close()\n"
        "REPLY = make_response(200, 1)"
    )
    outcome = await pool.run(job(litter))
    (directory,) = pool._config.data_root.iterdir()

    assert isinstance(outcome, StorageFull)
    assert {entry.name for entry in directory.iterdir()} <= {"store.db", "store.db-journal"}


async def test_guests_cannot_even_make_links(pool: WorkerPool) -> None:
    """Nothing a host tool could follow: Landlock refuses what WASI would have allowed."""
    link = BYPASS + "load('os').symlink('store.db', '/session/link')\nREPLY = make_response(200, 1)"
    outcome = await pool.run(job(link))

    assert getattr(outcome, "error_type", "") == "PermissionError"


async def test_a_start_without_the_walls_goes_on_and_says_so(config: PoolConfig) -> None:
    """A kernel without Landlock and seccomp: workers start, serve, and health tells what is missing."""
    missing = ("files", "tcp", "signals", "system_calls")
    pool = WorkerPool(evolve(config, without=missing))
    await pool.start()
    try:
        assert isinstance(await pool.run(job("REPLY = make_response(200, 1)")), Completed)
        enforced = pool.health()["enforced"]
    finally:
        await pool.close()

    assert {name for name, holds in enforced.items() if not holds} == set(missing)


@pytest.mark.parametrize(("holds", "level"), [(True, "info"), (False, "warning")])
def test_the_log_says_what_is_missing(holds: bool, level: str) -> None:
    """One line at the start: a warning as soon as anything is not enforced."""
    from structlog.testing import capture_logs

    with capture_logs() as lines:
        log_confinement({"files": True, "tcp": holds})

    enforced, missing = (["files", "tcp"], []) if holds else (["files"], ["tcp"])
    assert lines == [
        {"event": "workers confined", "log_level": level, "enforced": enforced, "missing": missing}
    ]


def test_an_orphan_ends_at_once() -> None:
    """Confined by a parent that is gone already, nobody would ever end it."""
    code = (
        "from pathlib import Path\nfrom wasm_runtime.confinement import confine\n"
        "confine(data_root=Path('/tmp'), component=Path(__import__('os').__file__), file_bytes=1,"
        " open_files=64, parent=1 << 30)\nprint('alive')"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=False)

    assert (done.returncode, done.stdout) == (1, b"")
