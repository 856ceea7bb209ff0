"""The tables in PostgreSQL, by version: a start brings them up to today's.

1. Plain tables, keys and SQL; no extension, no advisory lock, no LISTEN. Several nodes may start at once:
   each version is one transaction that ends with its number's row, so one of them makes it and the others
   find it.
2. Texts are `text`, also JSON: `jsonb` would keep neither the order of members nor numbers as they are. What
   has a U+0000 is refused before it comes here.
3. `crc` is `bigint`: there is no unsigned `integer`. Times are Unix times (`double precision`), but those
   that decide anything between nodes are the engine's own `timestamptz`.
4. A row of the catalogue is kept in `superseded` as a record of row 0, as in the embedded engine.
"""

from __future__ import annotations

from typing import Final

#: What each version adds. A version that was released is never changed.
VERSIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        "CREATE TABLE IF NOT EXISTS meta (key text PRIMARY KEY, value text NOT NULL)",
        """\
CREATE TABLE IF NOT EXISTS sessions (
  id bigserial PRIMARY KEY,
  name text NOT NULL UNIQUE,
  version bigint NOT NULL,
  batch text NOT NULL,
  bytes bigint NOT NULL,
  made_at double precision NOT NULL,
  changed_at double precision NOT NULL,
  used_at double precision NOT NULL,
  settings text NOT NULL DEFAULT '{}'
)""",
        "CREATE TABLE IF NOT EXISTS documents (digest text PRIMARY KEY, bytes bytea NOT NULL)",
        """\
CREATE TABLE IF NOT EXISTS collections (
  session bigint NOT NULL,
  number bigint NOT NULL,
  name text NOT NULL,
  next_id bigint NOT NULL,
  updated_at text NOT NULL,
  schema text NOT NULL,
  indexes text NOT NULL,
  version bigint NOT NULL,
  crc bigint NOT NULL,
  PRIMARY KEY (session, number)
)""",
        """\
CREATE TABLE IF NOT EXISTS records (
  session bigint NOT NULL,
  collection bigint NOT NULL,
  "row" bigint NOT NULL,
  version bigint NOT NULL,
  crc bigint NOT NULL,
  doc text NOT NULL,
  PRIMARY KEY (session, collection, "row")
)""",
        """\
CREATE TABLE IF NOT EXISTS answers (
  session bigint NOT NULL,
  seq bigint NOT NULL,
  name text NOT NULL,
  fingerprint text NOT NULL,
  made bigint NOT NULL,
  start bigint NOT NULL,
  size bigint NOT NULL,
  crc bigint NOT NULL,
  answer text NOT NULL,
  PRIMARY KEY (session, seq)
)""",
        """\
CREATE TABLE IF NOT EXISTS commits (
  session bigint NOT NULL,
  version bigint NOT NULL,
  id bigserial NOT NULL UNIQUE,
  at double precision NOT NULL,
  request text NOT NULL,
  route text NOT NULL,
  plan text NOT NULL,
  changes text NOT NULL,
  bytes bigint NOT NULL,
  PRIMARY KEY (session, version)
)""",
        """\
CREATE TABLE IF NOT EXISTS superseded (
  session bigint NOT NULL,
  until bigint NOT NULL,
  collection bigint NOT NULL,
  "row" bigint NOT NULL,
  version bigint NOT NULL,
  crc bigint NOT NULL,
  doc text NOT NULL,
  PRIMARY KEY (session, until, collection, "row")
)""",
        """\
CREATE TABLE IF NOT EXISTS names (
  directory text PRIMARY KEY, owner text NOT NULL, label text NOT NULL
)""",
        """\
CREATE TABLE IF NOT EXISTS nodes (
  node text PRIMARY KEY,
  url text NOT NULL,
  release text NOT NULL,
  epoch bigint NOT NULL,
  expires timestamptz NOT NULL
)""",
        """\
CREATE TABLE IF NOT EXISTS owners (
  session text PRIMARY KEY, node text NOT NULL, epoch bigint NOT NULL
)""",
        "CREATE INDEX IF NOT EXISTS owners_by_node ON owners (node)",
    ),
    # The plan library of all nodes: what was done to it, in order. One row says how much there is, and who
    # adds something holds that row; so nobody ever sees a number before a lower one.
    (
        "CREATE TABLE IF NOT EXISTS library_head (one bigint PRIMARY KEY, revision bigint NOT NULL)",
        "INSERT INTO library_head VALUES (1, 0) ON CONFLICT (one) DO NOTHING",
        """\
CREATE TABLE IF NOT EXISTS library_log (
  revision bigint PRIMARY KEY, node text NOT NULL, done text NOT NULL
)""",
        """\
CREATE TABLE IF NOT EXISTS planning (
  fingerprint text PRIMARY KEY, node text NOT NULL, epoch bigint NOT NULL, until timestamptz NOT NULL
)""",
    ),
    # What planning has cost, and calls that are under way. Row 2 of the heads is the lock of both.
    (
        """\
CREATE TABLE IF NOT EXISTS spending (
  owner text NOT NULL,
  seconds bigint NOT NULL,
  number bigint NOT NULL,
  calls bigint NOT NULL,
  tokens bigint NOT NULL,
  PRIMARY KEY (owner, seconds, number)
)""",
        """\
CREATE TABLE IF NOT EXISTS reserved (
  id text PRIMARY KEY,
  session text NOT NULL,
  node text NOT NULL,
  epoch bigint NOT NULL,
  made timestamptz NOT NULL
)""",
        "INSERT INTO library_head VALUES (2, 0) ON CONFLICT (one) DO NOTHING",
        # The library as a file, as of a number of its log: what came before may be gone from that.
        """\
CREATE TABLE IF NOT EXISTS library_pieces (
  revision bigint NOT NULL, number bigint NOT NULL, bytes bytea NOT NULL, PRIMARY KEY (revision, number)
)""",
    ),
    # Which token has a session. A token's row is there to be locked.
    (
        """\
CREATE TABLE IF NOT EXISTS places (
  session text PRIMARY KEY, token text NOT NULL, used_at timestamptz NOT NULL
)""",
        "CREATE INDEX IF NOT EXISTS places_by_token ON places (token)",
        "CREATE TABLE IF NOT EXISTS tokens (token text PRIMARY KEY)",
    ),
)
FORMAT: Final = len(VERSIONS)
