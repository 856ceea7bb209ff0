"""Hostile programs: those of the corpus, and nastier ones for a plan that has got past the policy.

`UNLOCK` gives a plan the interpreter's real builtins, so what is tried here has wasm and the worker's limits
in front of it and nothing else. Each of the nasty ones ends in a reply where it can: an attack that succeeds
quietly and stays in its live guest is worse than one that traps.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from pathlib import Path

UNLOCK = (
    "real = [c for c in ().__class__.__base__.__subclasses__() if c.__name__ == 'catch_warnings'][0]"
    ".__init__.__globals__['__builtins__']\n"
    "real = real if isinstance(real, dict) else real.__dict__\n"
    "load = real['__import__']\n"
    "__builtins__.update(real)\n"
    "import os, sys\n"
)


@frozen
class Attack:
    """`policy`: it has to pass the policy first, as any plan.

    `sessions`: how many run it, one after the other; `times`: how often each does.
    """

    name: str
    code: str
    policy: bool = False
    heavy: bool = False
    method: str = "POST"
    sessions: int = 1
    times: int = 1

    @property
    def unlocked(self) -> bool:
        """Whether it is for a guest whose plan has got past the policy, with the real builtins."""
        return self.code.startswith(UNLOCK)


def corpus(path: Path) -> list[Attack]:
    """The corpus's `contain` rows with the policy on and off, and its bypass rows unlocked."""
    rows: list[dict[str, Any]] = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    attacks = []
    for row in rows:
        if row["expect"] == "contain":
            attacks += [_of(row, row["code"], policy=policy) for policy in (True, False)]
        elif row.get("bypass_expect") == "contain":
            attacks.append(_of(row, UNLOCK + row["code"], policy=False))
    return attacks


def _of(row: dict[str, Any], code: str, *, policy: bool) -> Attack:
    name = f"{row['id']}{'' if policy else '/off'}"
    return Attack(name, code, policy, row.get("heavy", False), row.get("ctx_method", "POST"))


def _nasty(name: str, code: str, *, heavy: bool = False, sessions: int = 1, times: int = 1) -> Attack:
    return Attack(f"nasty-{name}", UNLOCK + code, heavy=heavy, sessions=sessions, times=times)


_DONE = '\nREPLY = make_response(200, {"done": True})\n'
#: A hot journal that names a file of the host as its super-journal: SQLite deletes a super-journal that
#: no child names any more (pager.c, pager_delsuper). Whoever opens this session unconfined does it.
_SUPER_JOURNAL = """\
target = ctx["body_json"]["canary"].encode()
magic = bytes.fromhex("d9d505f920a163d7")
pages = os.stat("/session/store.db").st_size // 4096
numbers = (0, 7, pages, 512, 4096)
head = magic + b"".join(n.to_bytes(4, "big") for n in numbers)
tail = (0x40000000 // 4096 + 1).to_bytes(4, "big") + target
tail += len(target).to_bytes(4, "big") + sum(target).to_bytes(4, "big") + magic
with open("/session/store.db-journal", "wb") as journal:
    journal.write(head.ljust(512, b"\\0") + tail)
"""

NASTY = (
    _nasty(
        "many-files",
        "n = 0\ntry:\n    while n < 20000:\n        open(f'/session/f{n}', 'w').close()\n        n += 1\n"
        "except BaseException:\n    pass\nREPLY = make_response(200, n)",
        heavy=True,
    ),
    _nasty(
        "disk-in-many-files",
        "for n in range(48):\n    with open(f'/session/b{n}', 'wb') as f:\n        f.write(b'x' * 2 ** 20)"
        + _DONE,
    ),
    _nasty("one-big-file", "with open('/session/b', 'wb') as f:\n    f.write(b'x' * (64 * 2 ** 20))" + _DONE),
    _nasty("sparse", "f = open('/session/sparse', 'wb')\nf.truncate(2 ** 40)" + _DONE),
    _nasty("sparse-store", "f = open('/session/store.db', 'r+b')\nf.truncate(2 ** 40)" + _DONE),
    _nasty("symlink-out", "os.symlink('../../canary', '/session/out')\nopen('/session/out', 'w').write('x')"),
    _nasty(
        "store-is-a-link-out",
        "os.unlink('/session/store.db')\nos.symlink('../../canary', '/session/store.db')" + _DONE,
    ),
    _nasty(
        "journal-is-a-link-out",
        "os.unlink('/session/store.db-journal')\n"
        "os.symlink('../../canary', '/session/store.db-journal')" + _DONE,
    ),
    _nasty(
        "store-is-a-victims",
        "os.unlink('/session/store.db')\n"
        "os.symlink('../' + ctx['body_json']['victim'] + '/store.db', '/session/store.db')\n"
        "REPLY = make_response(200, open('/session/store.db', 'rb').read().hex())",
    ),
    _nasty(
        "hard-link-a-victims",
        "os.link('/session/../' + ctx['body_json']['victim'] + '/store.db', '/session/v.db')" + _DONE,
    ),
    _nasty(
        "link-loop", "os.unlink('/session/store.db')\nos.symlink('store.db', '/session/store.db')" + _DONE
    ),
    _nasty("store-renamed", "os.rename('/session/store.db', '/session/gone.db')" + _DONE),
    _nasty(
        "store-is-a-directory",
        "os.unlink('/session/store.db')\nos.mkdir('/session/store.db')" + _DONE,
    ),
    _nasty(
        "store-is-garbage",
        "f = open('/session/store.db', 'r+b')\nf.write(os.urandom(8192))\nf.close()" + _DONE,
    ),
    _nasty(
        "page-is-garbage",
        "f = open('/session/store.db', 'r+b')\nf.seek(4096)\nf.write(os.urandom(4096))\nf.close()" + _DONE,
    ),
    _nasty(
        "store-holds-code",
        "import sqlite3\nos.unlink('/session/store.db')\n"
        "c = sqlite3.connect('file:/session/new.db?vfs=unix-none', uri=True)\n"
        "c.execute('create table t (a)')\n"
        "c.execute('create trigger x after insert on t begin delete from t; end')\n"
        "c.execute('create view v as with recursive r(n) as (select 1 union all select n + 1 from r)"
        " select n from r')\n"
        "c.commit()\nc.close()\nos.rename('/session/new.db', '/session/store.db')" + _DONE,
    ),
    _nasty("names-a-super-journal", _SUPER_JOURNAL + _DONE),
    _nasty("no-rights", "os.chmod('/session/store.db', 0)" + _DONE),
    _nasty("deep-directories", "os.makedirs('/session/' + 'd/' * 200)" + _DONE),
    _nasty(
        "odd-names", "open('/session/a\\nb\\x1b[31m', 'w').close()\nopen('/session/-rf', 'w').close()" + _DONE
    ),
    _nasty(
        "keeps-descriptors",
        "sys.kept = []\ntry:\n    while len(sys.kept) < 1500:\n"
        "        sys.kept.append(os.open('/session/store.db', os.O_RDONLY))\n"
        "except BaseException:\n    pass\nREPLY = make_response(200, len(sys.kept))",
    ),
    _nasty("random-64-mib", "REPLY = make_response(200, len(os.urandom(64 * 2 ** 20)))"),
    _nasty("random-for-ever", "while True:\n    os.urandom(2 ** 20)", heavy=True),
    _nasty("sleeps", "import time\ntime.sleep(3600)" + _DONE, heavy=True),
    _nasty("sleeps-in-slices", "import time\nwhile True:\n    time.sleep(0.01)", heavy=True),
    _nasty(
        "syncs-for-ever",
        "f = open('/session/s', 'wb')\nwhile True:\n    f.write(b'x')\n    os.fsync(f.fileno())",
        heavy=True,
    ),
    _nasty("talks-for-ever", "while True:\n    sys.stderr.write('MemoryError ' * 10000)", heavy=True),
    _nasty("keeps-memory", "sys.kept = b'x' * (80 * 2 ** 20)\nREPLY = make_response(200, 1)", sessions=8),
    Attack(
        "polite-keeps-memory",
        'x = "x" * 80000000\nREPLY = make_response(200, len(x))\n',
        policy=True,
        sessions=8,
    ),
    _nasty(
        "long-answer",
        "app = sys.modules['guest.session']\n"
        "app.GuestSession._answer = lambda *rest: '{\"ok\":true}\\n' + 'x' * (48 * 2 ** 20)" + _DONE,
    ),
    _nasty(
        "lies-about-searches",
        "app = sys.modules['guest.session']\n"
        "names = [['c' * 2 ** 20, os.urandom(4).hex()] for n in range(8)]\n"
        "head = load('json').dumps({'ok': True, 'status': 200, 'unindexed': names})\n"
        "app.GuestSession._answer = lambda self, *rest: head + '\\n1'" + _DONE,
        times=40,
    ),
    _nasty(
        "lies-about-everything",
        "app = sys.modules['guest.session']\n"
        'head = \'{"ok":true,"status":true,"headers":{"a":1},"changed":1e400,"unindexed":[[1]]}\'\n'
        "app.GuestSession._answer = lambda self, *rest: head + '\\n' + '[' * 100000" + _DONE,
    ),
    _nasty(
        "never-commits",
        "app = sys.modules['guest.session']\n"
        "app.GuestSession.settle = lambda self, **how: '{\"ok\":true}'\nstore.insert({'n': 'lost'})" + _DONE,
    ),
    _nasty("spends-keys", "for n in range(1000):\n    hash_secret('x' * 1000)" + _DONE, heavy=True),
    _nasty("recursion", "sys.setrecursionlimit(10 ** 9)\nf = lambda n: f(n + 1)\nf(0)"),
    _nasty(
        "deep-compile", "compile('(' * 90 + ')' * 90, 'x', 'eval')\ncompile('-' * 10 ** 6 + '1', 'x', 'eval')"
    ),
    _nasty("backtracking", "import re\nre.match('(a*)*$', 'a' * 40 + 'b')", heavy=True),
)
