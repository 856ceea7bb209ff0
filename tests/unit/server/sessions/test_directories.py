from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from server.sessions.directories import DataRoot, DataRootError
from wasm_runtime import session_files


def test_the_root_is_for_the_owner_alone(tmp_path: Path) -> None:
    """It is made when needed, with mode 0700."""
    root = DataRoot.open(tmp_path / "a" / "data")

    assert (tmp_path / "a" / "data").stat().st_mode & 0o777 == 0o700
    assert root.is_writable()
    root.close()


def test_a_second_server_is_refused(tmp_path: Path) -> None:
    """Two on one data root would corrupt it; the message says what to do."""
    root = DataRoot.open(tmp_path)
    with pytest.raises(DataRootError, match=r"in use by another running service.*SANDBOX_DATA_ROOT"):
        DataRoot.open(tmp_path, lock_wait_seconds=0.1)
    root.close()

    DataRoot.open(tmp_path, lock_wait_seconds=0.1).close()


def test_a_worker_holds_the_lock_too(tmp_path: Path) -> None:
    """After its server is gone, an inherited descriptor keeps others out until the worker ends."""
    root = DataRoot.open(tmp_path)
    wait = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(wait, stdin=subprocess.PIPE, pass_fds=[root.lock_fd]) as worker:
        root.close()
        with pytest.raises(DataRootError):
            DataRoot.open(tmp_path, lock_wait_seconds=0.1)
        assert worker.stdin is not None
        worker.stdin.close()

    DataRoot.open(tmp_path).close()


def test_a_root_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    """A file in its place, and a planted link in place of the lock, are errors with a reason."""
    (tmp_path / "file").write_text("")
    with pytest.raises(DataRootError, match="cannot be used"):
        DataRoot.open(tmp_path / "file")

    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataRootError, match="cannot be used"):
        DataRoot.open(tmp_path / "root")
    assert not (tmp_path / "elsewhere").exists()


def test_a_root_behind_a_link_is_where_it_leads(tmp_path: Path) -> None:
    """Operators link to larger disks; sessions there are removed and set aside as anywhere else."""
    (tmp_path / "disk" / "one").mkdir(parents=True)
    (tmp_path / "root").symlink_to(tmp_path / "disk")
    root = DataRoot.open(tmp_path / "root")
    session_files.rename(root.path, "one", "one.removed")
    root.close()

    assert root.path == tmp_path / "disk"
    assert (tmp_path / "disk" / "one.removed").is_dir()


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "root").symlink_to(tmp_path / "root")
    with pytest.raises(DataRootError, match="cannot be used: "):
        DataRoot.open(tmp_path / "root")


def _open_files(below: Path) -> int:
    """Only of this directory: what else this process runs opens and closes its own."""
    return sum(_target_of(each).startswith(str(below)) for each in Path("/proc/self/fd").iterdir())


def _target_of(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except FileNotFoundError:  # it has been closed since it was listed
        return ""


def test_nothing_stays_open_after_a_refusal(tmp_path: Path) -> None:
    """A start that fails leaves no descriptor behind."""
    root = DataRoot.open(tmp_path)
    before = _open_files(tmp_path)
    with pytest.raises(DataRootError):
        DataRoot.open(tmp_path, lock_wait_seconds=0)

    assert _open_files(tmp_path) == before > 0
    root.close()
