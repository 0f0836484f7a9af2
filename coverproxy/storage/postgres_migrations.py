"""A PostgreSQL database brought to its schema: once, by one process of all nodes, whole or not at all."""

import logging
from collections.abc import Sequence
from importlib.resources.abc import Traversable

from coverproxy.storage.postgres_pool import LOCK_SECONDS, PostgresPool, is_locked_out
from coverproxy.storage.statement import Run

_log = logging.getLogger(__name__)

_TELL_SECONDS = 2.0
"""How long a node waits for a lock before it says so."""

LOCKED_FOR_SCHEMA = 0x636F7601
"""The advisory lock for migrations: "cov" and a number."""

ENCODINGS = ("UTF8", "SQL_ASCII")
"""What keeps every text. SQL_ASCII, which a cluster made without a locale has, keeps the bytes of UTF-8."""

_NOTES = """
CREATE TABLE IF NOT EXISTS coverproxy_schema (
    part text PRIMARY KEY,      -- a store: its tables come and change together
    version integer NOT NULL    -- how many of its steps are taken
)
"""


def steps(folder: Traversable, stem: str) -> list[str]:
    """Read `{stem}-1.sql`, `{stem}-2.sql` and so on: what brings a store from each version to the next."""
    found: list[str] = []
    while (file := folder.joinpath(f"{stem}-{len(found) + 1}.sql")).is_file():
        found.append(file.read_text(encoding="utf-8"))
    return found


def apply(pool: PostgresPool, part: str, steps: Sequence[str]) -> int:
    """Take the steps that a store's tables lack, all or none; return the version. Blocks.

    Every step MUST only add (tables, columns with a default, indices): while nodes are upgraded one by one,
    those of the version before go on with the tables. A database that has taken more steps was upgraded by a
    newer node, and is used as it is. If others hold a lock that a step needs, says so after _TELL_SECONDS,
    and gives up after LOCK_SECONDS more. Raises the pool's fault.
    """
    if version_of(pool, part) >= len(steps):  # as nearly always: no lock, and no right to make tables needed
        return version_of(pool, part)
    try:
        return _take(pool, part, steps, _TELL_SECONDS)
    except Exception as exc:  # the pool's fault, of any class
        if not is_locked_out(exc.__cause__):
            raise
    _log.warning(
        "waiting for others that lock the tables for %s in %s, which are to be migrated: pg_stat_activity"
        " lists who uses them", part, pool.place,
    )  # fmt: skip
    return _take(pool, part, steps, LOCK_SECONDS)


def _take(pool: PostgresPool, part: str, steps: Sequence[str], wait_seconds: float) -> int:
    with pool.transaction(LOCKED_FOR_SCHEMA, within=None, lock_seconds=wait_seconds) as run:
        if (encoding := encoding_of(run)) not in ENCODINGS:
            raise pool.fault(
                f"the database's encoding is {encoding}; expected UTF8:"
                " createdb --encoding UTF8 --template template0"
            )
        run(_NOTES)
        taken = _version(run, part)
        for step in steps[taken:]:
            run(step)
        version = max(taken, len(steps))
        sql = (
            "INSERT INTO coverproxy_schema VALUES (%s, %s)"
            " ON CONFLICT (part) DO UPDATE SET version = excluded.version"
        )
        run(sql, (part, version))
        return version


def encoding_of(run: Run) -> str:
    """Return how a database encodes texts."""
    return str(run("SELECT current_setting('server_encoding')")[0][0])


def version_of(pool: PostgresPool, part: str) -> int:
    """Return how many steps a store's tables have taken; 0 where there are none. Raises the pool's fault."""
    if pool.read("SELECT to_regclass('coverproxy_schema')")[0][0] is None:
        return 0
    return _version(pool.read, part)


def _version(run: Run, part: str) -> int:
    rows = run("SELECT version FROM coverproxy_schema WHERE part = %s", (part,))
    return int(rows[0][0]) if rows else 0
