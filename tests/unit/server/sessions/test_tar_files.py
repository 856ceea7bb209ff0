"""Tar files are unpacked without what only later releases of Python 3.11 have."""

from __future__ import annotations

import ast
import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from server.sessions.tar_files import NotUnpackedError, unpack
from tests.docs.markdown import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def archive(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w") as tar:
        for member in members:
            member.size = 4 if member.isreg() else 0
            tar.addfile(member, io.BytesIO(b"text") if member.isreg() else None)
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.uid = kind, link, 0o6777, 4_711
    return info


def test_files_and_directories(tmp_path: Path) -> None:
    """They are there, with their bytes, and with nothing of the mode that the archive has."""
    given = archive(tmp_path / "a.tar", member("a"), member("d", tarfile.DIRTYPE), member("d/e/f"))

    assert unpack(given, tmp_path / "new" / "target") == ["a", "d", "d/e/f"]
    files = {path.name: path for path in (tmp_path / "new" / "target").rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in files.items()} == {"a": b"text", "f": b"text"}
    assert {path.stat().st_mode & 0o7111 for path in files.values()} == {0}


@pytest.mark.parametrize(
    "bad",
    [
        member("/abs"),
        member("../up"),
        member("d/../../up"),
        member("link", tarfile.SYMTYPE, "/etc/passwd"),
        member("hard", tarfile.LNKTYPE, "a"),
        member("pipe", tarfile.FIFOTYPE),
        member("device", tarfile.CHRTYPE),
    ],
    ids=lambda info: info.name,
)
def test_what_could_lead_elsewhere_is_refused(tmp_path: Path, bad: tarfile.TarInfo) -> None:
    """Before anything is written."""
    with pytest.raises(NotUnpackedError, match="no file below the directory"):
        unpack(archive(tmp_path / "a.tar", member("a"), bad), tmp_path / "target")

    assert not (tmp_path / "target").exists()
    assert not (tmp_path / "up").exists()


def test_nothing_is_written_through_what_is_there(tmp_path: Path) -> None:
    """A file twice, or in the place of another, ends it."""
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "a").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(FileExistsError):
        unpack(archive(tmp_path / "a.tar", member("a")), tmp_path / "target")
    assert not (tmp_path / "elsewhere").exists()


#: What came into the standard library with a release after 3.11.0, by the name that is called or passed.
LATER = {
    "extractall(filter=)": "3.11.4",
    "data_filter": "3.11.4",
    "tar_filter": "3.11.4",
    "fully_trusted_filter": "3.11.4",
    "extraction_filter": "3.11.4",
    "unpack_archive(filter=)": "3.11.4",
    "SetReparseDeferralEnabled": "3.11.8",
    "getaddresses(strict=)": "3.11.10",
    "parseaddr(strict=)": "3.11.10",
    "is_relative_to(walk_up=)": "3.12",
    "batched": "3.12",
    "override": "3.12",
}


def names_used(tree: ast.AST) -> set[str]:
    """Attributes and imported names, and calls with each of their keywords."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name) | ast.alias(name=name):
                found.add(name)
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name), keywords=keywords):
                found |= {f"{name}({keyword.arg}=)" for keyword in keywords}
            case _:
                pass
    return found


def test_python_3_11_0_is_enough() -> None:
    """Nothing that runs uses what a later release of Python brought; CI runs it on an old one, too."""
    rooms = ("server", "wasm_runtime", "store", "guest", "tests/cli", "tests/eject", "tests/operations")
    used = {
        (str(path.relative_to(ROOT)), name)
        for room in rooms
        for path in (ROOT / room).rglob("*.py")
        for name in names_used(ast.parse(path.read_text("utf-8"))) & LATER.keys()
    }

    assert used == set()
    assert names_used(ast.parse("tar.extractall(x, filter='data')")) & LATER.keys()
