"""Where the service that has the data root listens, for whoever runs a command beside it.

The admin token is sent to this address, so it has to be that of the service that holds the lock:

1. A worker may write below the data root, and one that a guest has broken out of may write anything there. So
   the address carries a proof that only who knows the admin token can make (HMAC-SHA-256, its key made of the
   token by scrypt, since a proof on a disk can be guessed at).
2. An older address would have a good proof, too. So it names the process that wrote it, by id, start and boot
   (proc(5): `stat`, field 22; `random/boot_id`), and counts while that one lives, which then has the lock.
3. What is not as it must be is no address; nobody is told to try another one.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

ADDRESS_FILE: Final = "address"
_MAX_BYTES: Final = 4_096
_SALT_BYTES: Final = 16
#: `starttime` among the fields of `stat` that come after the name, which is the second.
_START: Final = 22 - 3
_PROC: Final = Path("/proc")


def publish(root: Path, host: str, port: int, token: str) -> None:
    """Leave the address of this process for commands that know the same token. Raises OSError."""
    document = {"url": url_of(host, port), **_process(os.getpid()), "salt": secrets.token_hex(_SALT_BYTES)}
    text = json.dumps({**document, "proof": _proof(document, token)})
    scratch = root / f".{ADDRESS_FILE}-{secrets.token_hex(4)}"
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    scratch.replace(root / ADDRESS_FILE)


def withdraw(root: Path) -> None:
    """Remove what `publish` has left; nothing where there is none."""
    with contextlib.suppress(OSError):
        (root / ADDRESS_FILE).unlink()


def published(root: Path, token: str) -> str | None:
    """The address of the service that has the data root, if it was left by one that knows the token."""
    try:
        document = _read(root / ADDRESS_FILE)
        proof, url, pid = document.pop("proof"), document["url"], document["pid"]
        if not (isinstance(proof, str) and proof.isascii() and isinstance(url, str) and type(pid) is int):
            return None
        if not hmac.compare_digest(proof, _proof(document, token)):
            return None
        alive = _process(pid).items() <= document.items()
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return url if alive else None


def url_of(host: str, port: int) -> str:
    """Where a service that listens so is reached from its own machine."""
    address = ip_address(host)
    if address.is_unspecified:
        address = ip_address("::1" if address.version == 6 else "127.0.0.1")
    return f"http://[{address}]:{port}" if address.version == 6 else f"http://{address}:{port}"


def _read(path: Path) -> dict[str, Any]:
    """Raises OSError, ValueError, TypeError."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        found = json.loads(file.read(_MAX_BYTES))
    return dict(found)


def _process(pid: int) -> dict[str, Any]:
    """What no other process of this machine ever is. Raises OSError, ValueError."""
    stat = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
    # The name is in parentheses, and may hold spaces and parentheses.
    fields = stat.rpartition(")")[2].split()
    boot = (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
    return {"pid": pid, "started": int(fields[_START]), "boot": boot}


def _proof(document: Mapping[str, Any], token: str) -> str:
    key = hashlib.scrypt(token.encode(), salt=bytes.fromhex(document["salt"]), n=2**14, r=8, p=1)
    said = json.dumps(document, sort_keys=True, ensure_ascii=True)
    return hmac.new(key, said.encode(), "sha256").hexdigest()
