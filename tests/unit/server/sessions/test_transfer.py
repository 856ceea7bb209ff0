"""Sessions as tar files: a process of its own reads the data, and what an archive holds is not believed."""

from __future__ import annotations

import io
import json
import re
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from server.record.sqlite_record import SqliteRecord
from server.sessions import transfer
from server.sessions.transfer import TransferError
from store import dump
from tests.unit.tools.test_layout import DOCUMENTED, made

if TYPE_CHECKING:
    from pathlib import Path

LIMIT = 2**20
MEMBERS = 1_000


def archive(path: Path, files: dict[str, str]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return path


def read(path: Path) -> dict[str, str]:
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read().decode() for member in tar}  # type: ignore[union-attr]


async def test_the_documents_files_come_back(tmp_path: Path) -> None:
    """Import what the document shows, export it, and there is no difference; equal data is an equal file."""
    session, out, again = tmp_path / "session", tmp_path / "out.tar", tmp_path / "again.tar"
    rows = tmp_path / "rows"

    assert transfer.imported(
        archive(tmp_path / "in.tar", DOCUMENTED), rows, most_bytes=LIMIT, most_members=MEMBERS
    ) == ["users"]
    record = SqliteRecord(tmp_path / "record.db")
    await record.adopt("s", dump.read(rows))
    session.mkdir()
    await record.load("s", session / "store.db")
    await record.close()
    assert transfer.export(session, out) == ["users"]
    assert read(out) == DOCUMENTED
    transfer.export(session, again)
    assert out.read_bytes() == again.read_bytes()


def test_the_rows_of_a_session_are_those_of_its_file(tmp_path: Path) -> None:
    """As text that the record takes; what is no session is refused with a reason, and leaves nothing."""
    assert transfer.rows_of(made(tmp_path / "session"), tmp_path / "rows") == {}
    chunks = list(dump.read(tmp_path / "rows"))
    assert [entry.name for entry in chunks[0].entries] == ["things", "named", "empty"]
    assert sum(len(chunk.puts) for chunk in chunks) == 2_501

    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "store.db").write_bytes(b"no database" * 1_000)
    assert "error" in transfer.rows_of(tmp_path / "none", tmp_path / "other")
    assert "error" in transfer.rows_of(tmp_path / "nobody", tmp_path / "other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["none", "rows", "session"]


@pytest.mark.parametrize(
    "name", ["../users.json", "/tmp/users.json", ".schemas/../../x.json", "a/b.json", "users.txt", ".json"]
)
def test_an_archive_holds_nothing_but_the_layout(tmp_path: Path, name: str) -> None:
    """Other names are refused, and so nothing is ever written elsewhere."""
    with pytest.raises(TransferError, match=f"^'{re.escape(name)}' in the archive is no file of the doc"):
        transfer.imported(
            archive(tmp_path / "in.tar", {name: "[]"}),
            tmp_path / "rows",
            most_bytes=LIMIT,
            most_members=MEMBERS,
        )
    assert not (tmp_path / "rows").exists()


def test_an_archive_holds_no_links(tmp_path: Path) -> None:
    """Nor devices, nor what else is no file."""
    with tarfile.open(tmp_path / "in.tar", "w") as tar:
        link = tarfile.TarInfo("users.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)

    with pytest.raises(TransferError, match=r"^'users.json' in the archive .* documented layout"):
        transfer.imported(tmp_path / "in.tar", tmp_path / "rows", most_bytes=LIMIT, most_members=MEMBERS)


@pytest.mark.parametrize("name", ["users.json", ".schemas/users.json", "./users.json"])
def test_a_directory_in_the_place_of_a_file_is_refused(tmp_path: Path, name: str) -> None:
    """Its data would be missed by nobody until it is sought. Other directories are passed over."""
    with tarfile.open(tmp_path / "in.tar", "w") as tar:
        for each in (".", ".schemas", name):
            directory = tarfile.TarInfo(each)
            directory.type = tarfile.DIRTYPE
            tar.addfile(directory)

    with pytest.raises(TransferError, match=f"^'{re.escape(name)}' in the archive is no file"):
        transfer.imported(tmp_path / "in.tar", tmp_path / "rows", most_bytes=LIMIT, most_members=MEMBERS)


def test_objects_have_as_many_members_as_the_settings_allow(tmp_path: Path) -> None:
    """Whatever service has written them, and wherever in a record they are."""
    for number, (members, record) in enumerate(
        (count, record)
        for count in (8, 9)
        for record in ({f"f{n}": n for n in range(count)}, {"in": [{f"f{n}": n for n in range(count)}]})
    ):
        given = archive(tmp_path / f"{number}.tar", {"users.json": json.dumps([{"id": 1, **record}])})
        rows = tmp_path / f"rows{number}"
        if members == 8:
            assert transfer.imported(given, rows, most_bytes=LIMIT, most_members=8) == ["users"]
        else:
            with pytest.raises(TransferError, match=r"users\.json: .*more than 8"):
                transfer.imported(given, rows, most_bytes=LIMIT, most_members=8)


def test_the_size_of_an_archive_is_bounded(tmp_path: Path) -> None:
    """As many bytes as the limit are taken, one more is refused."""
    text = '[{"n": 1}]'
    given = archive(tmp_path / "in.tar", {"users.json": text})

    assert transfer.imported(given, tmp_path / "rows", most_bytes=len(text), most_members=MEMBERS) == [
        "users"
    ]
    with pytest.raises(TransferError, match=f"more than {len(text) - 1} bytes"):
        transfer.imported(given, tmp_path / "other", most_bytes=len(text) - 1, most_members=MEMBERS)


@pytest.mark.parametrize("data", [b"", b"no tar file", b"\x1f\x8b\x08broken"])
def test_what_is_no_archive(tmp_path: Path, data: bytes) -> None:
    """It is said to be none."""
    (tmp_path / "in.tar").write_bytes(data)

    with pytest.raises(TransferError, match="not a readable tar file"):
        transfer.imported(tmp_path / "in.tar", tmp_path / "rows", most_bytes=LIMIT, most_members=MEMBERS)


@pytest.mark.parametrize("hole", [0, 1])
def test_an_archive_with_a_hole_is_refused(tmp_path: Path, hole: int) -> None:
    """Blocks of zeros end an archive: what comes behind them would be left out, and its records with it."""
    path = archive(tmp_path / "in.tar", {"a.json": "[]", "b.json": "[]"})
    start = 2 * hole * tarfile.BLOCKSIZE
    data = path.read_bytes()
    path.write_bytes(data[:start] + bytes(2 * tarfile.BLOCKSIZE) + data[start + 2 * tarfile.BLOCKSIZE :])
    if hole == 1:
        path.write_bytes(path.read_bytes() + b"x")

    with pytest.raises(TransferError, match="not whole"):
        transfer.imported(path, tmp_path / "rows", most_bytes=LIMIT, most_members=MEMBERS)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
@pytest.mark.parametrize(("size", "reason"), [(65_536, "end of data|header"), (65_537, "longer than")])
def test_an_extended_header_takes_no_more_memory_than_it_may(
    tmp_path: Path, kind: bytes, size: int, reason: str
) -> None:
    """Whatever it claims: it is refused before it is read, and one as long as may be is read."""
    member = tarfile.TarInfo("x")
    member.type, member.size = kind, size
    path = tmp_path / "in.tar"
    path.write_bytes(member.tobuf(tarfile.GNU_FORMAT) + bytes(tarfile.BLOCKSIZE))
    with pytest.raises(TransferError, match=reason):
        transfer.imported(path, tmp_path / "rows", most_bytes=LIMIT, most_members=MEMBERS)


def test_an_extended_header_behind_other_members(tmp_path: Path) -> None:
    """Members are stepped over by their sizes, directories and links by none; a negative size is refused."""
    path = archive(tmp_path / "in.tar", {"users.json": "[]" * 400})
    with tarfile.open(path, "a") as tar:
        directory = tarfile.TarInfo("d")
        directory.type = tarfile.DIRTYPE
        tar.addfile(directory)
        offset = tar.offset
    long = tarfile.TarInfo("x")
    long.type, long.size = tarfile.GNUTYPE_LONGNAME, 10**10
    path.write_bytes(path.read_bytes()[:offset] + long.tobuf(tarfile.GNU_FORMAT))
    with pytest.raises(TransferError, match="longer than"):
        transfer.imported(path, tmp_path / "rows", most_bytes=LIMIT, most_members=MEMBERS)


def test_refusals_come_through(tmp_path: Path) -> None:
    """What the other process refuses is an error with its words."""
    bad = archive(tmp_path / "in.tar", {"users.json": "{"})
    with pytest.raises(TransferError, match=r"users\.json: not JSON"):
        transfer.imported(bad, tmp_path / "rows", most_bytes=LIMIT, most_members=MEMBERS)


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({"users.json": '[{"name": "Ada", "name": "Bob"}]'}, "key 'name' twice"),
        ({"users.json": '[{"a": {"b": [{"c": 1, "c": 1}]}}]'}, "key 'c' twice"),
        ({"users.json": "[]", ".schemas/users.json": '{"fields": [], "fields": []}'}, "key 'fields' twice"),
        ({f"{'u' * 96}.json": "[]"}, "over 100 letters"),
        ({f"{'u' * 300}.json": "[]"}, "over 100 letters"),
        ({f".schemas/{'u' * 300}.json": "[]"}, "over 100 letters"),
        ({f"{'u' * 65}.json": "[]"}, "a letter, then up to 63"),
        ({"users.json": '[{"id": "' + "x" * 300 + '"}]'}, "record 1"),
        ({"users.json": '[{"' + "k" * 5_000 + '": NaN}]'}, "record 1"),
        ({"users.json": '[{"n": 99999999999999999999999999}]'}, "record 1"),
        ({"users.json": "[" * 100_000}, "not JSON (nested too deeply)"),
        ({"users.json": "[" + "9" * 5_000 + "]"}, "not JSON (a number with too many digits)"),
        ({"users.json": "[1,]"}, ": line 1, column 4)"),
        ({"users.json": '[{"a": ' + "[" * 900 + "]" * 900 + "}]"}, "record 1"),
        ({"users.json": '[{"a": "\\ud800"}]'}, "record 1"),
        ({"users.json": "[{}]", "./users.json": "[]"}, "users.json twice"),
        ({"us\ners.json": "[]"}, "documented layout"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_would_be_lost_or_cannot_be_kept_is_refused(
    tmp_path: Path, files: dict[str, str], named: str
) -> None:
    """With a reason, which names the file and holds no path of this host; nothing is put in place."""
    with pytest.raises(TransferError) as refused:
        transfer.imported(
            archive(tmp_path / "in.tar", files), tmp_path / "rows", most_bytes=LIMIT, most_members=MEMBERS
        )

    assert named in str(refused.value)
    assert len(str(refused.value)) < 400
    assert "/tmp" not in str(refused.value)
    assert str(tmp_path) not in str(refused.value)


def test_the_reader_has_nothing_but_what_it_was_given(tmp_path: Path) -> None:
    """The process that reads one session can read no other: the kernel refuses, whatever it wants."""
    mine, other = made(tmp_path / "mine"), made(tmp_path / "other")
    (tmp_path / "scratch").mkdir()

    def describe(allowed: Path, read: Path) -> dict[str, Any]:
        confinement = transfer._confinement(tmp_path / "scratch", allowed)
        command = confinement.command("store.transfer", "describe", str(read))
        environment = {"TMPDIR": str(tmp_path / "scratch")}
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    assert len(describe(mine, mine)["collections"]) == 3
    assert describe(mine, other) == {"error": "store.db is no ordinary file (Permission denied)"}


@pytest.mark.parametrize("output", [b"", b"[]", b"{}", b'{"collections": 1}', b"{"])
def test_an_answer_is_checked(output: bytes) -> None:
    """Whatever the other process says, it is a list of collections or an error."""
    with pytest.raises(TransferError, match="cannot be read"):
        transfer._answer(output, 0)
