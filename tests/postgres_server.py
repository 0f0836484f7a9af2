"""A real PostgreSQL of the tests' own: one server for all processes that test, a database for each module."""

import fcntl
import json
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from ports import free_port
from services import program

SETTINGS = {
    "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "16MB",
    "max_connections": "90", "autovacuum": "off", "logging_collector": "off", "timezone": "UTC",
}  # fmt: skip
"""Nothing of the tests' database outlives them, so it need not reach the disk."""


ONLY_ROWS = (
    ("key_version", "version", "1"),
    ("total", "isbns, originals", "0, 0"),
    ("change_forgotten", "number", "0"),
)
"""What the schema's steps write into tables that have one row."""


@dataclass(frozen=True)
class Cluster:
    """A server in a folder of its own, which belongs to the user that it runs as."""

    folder: Path
    port: int

    def url(self, database: str = "postgres") -> str:
        """How a database of it is reached."""
        return f"postgresql://coverproxy@127.0.0.1:{self.port}/{database}"

    def start(self, **settings: str) -> None:
        """Start it, and wait until it answers."""
        options = " ".join(f"-c {name}={value}" for name, value in (SETTINGS | settings).items())
        options += f" -p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        self._control("start", "-w", "-o", options, "-l", str(self.folder / "log"))

    def stop(self, mode: str = "immediate") -> None:
        """Stop it: "immediate" as a crash would, "fast" in good order."""
        self._control("stop", "-m", mode, "-w")

    def _control(self, *arguments: str) -> None:
        _as_its_user(tool("pg_ctl"), "-D", str(self.folder / "data"), *arguments)

    def new_database(self, encoding: str = "UTF8") -> str:
        """Make an empty database; return its URL."""
        name = f"t{uuid4().hex[:12]}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}'")  # type: ignore[arg-type, unused-ignore]
        return self.url(name)


def tool(name: str) -> str:
    """Return the path of one of PostgreSQL's programs: Debian keeps them out of PATH, by version."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    for folder in reversed(versions):
        if (folder / name).exists():
            return str(folder / name)
    return program(name, package="postgresql")


def its_user() -> str | None:
    """The user it runs as if we are root, which it refuses."""
    if os.geteuid() != 0:
        return None
    known = {each.pw_name for each in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)


def _as_its_user(*command: str) -> None:
    user = its_user()
    extra = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/", **extra)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stdout + done.stderr


def made() -> Cluster:
    """Make a server's folder, outside of pytest's: other users cannot enter that."""
    initdb = tool("initdb")
    folder = Path(tempfile.mkdtemp(prefix="coverproxy-postgres-"))
    if user := its_user():
        shutil.chown(folder, user)
    _as_its_user(
        initdb, "-D", str(folder / "data"), "-U", "coverproxy", "-A", "trust", "-E", "UTF8",
        "--locale=C", "--no-sync",
    )  # fmt: skip
    return Cluster(folder, free_port())


@contextmanager
def cluster_of_its_own() -> Iterator[Cluster]:
    """A server for tests that stop it."""
    cluster = made()
    cluster.start()
    try:
        yield cluster
    finally:
        if (cluster.folder / "data" / "postmaster.pid").exists():
            cluster.stop()
        shutil.rmtree(cluster.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One server for all processes of this run: the first that needs it starts it, the last stops it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    cluster = _joined(shared / "postgres.json")
    yield cluster
    _left(shared / "postgres.json")


@contextmanager
def _alone(notes: Path) -> Iterator[None]:
    with notes.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _joined(notes: Path) -> Cluster:
    with _alone(notes):
        known = json.loads(notes.read_text()) if notes.exists() else None
        if known is None:
            cluster = made()
            cluster.start()
            known = {"folder": str(cluster.folder), "port": cluster.port, "users": 0}
        known["users"] += 1
        notes.write_text(json.dumps(known))
        return Cluster(Path(known["folder"]), known["port"])


def _left(notes: Path) -> None:
    with _alone(notes):
        known = json.loads(notes.read_text())
        known["users"] -= 1
        notes.write_text(json.dumps(known))
        if known["users"] == 0:
            notes.unlink()
            Cluster(Path(known["folder"]), known["port"]).stop()
            shutil.rmtree(known["folder"], ignore_errors=True)


@pytest.fixture(scope="module")
def database(postgres: Cluster) -> str:
    """The URL of a database of this module's own."""
    return postgres.new_database()


def emptied(url: str) -> str:
    """Empty every table of a database but the notes on its schema, as a new one is; return its URL."""
    with psycopg.connect(url, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT string_agg(format('%I', relname), ', ') FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            " AND relname <> 'coverproxy_schema'"
        ).fetchall()
        if rows[0][0]:
            connection.execute(f"TRUNCATE {rows[0][0]} RESTART IDENTITY")
        for table, columns, values in ONLY_ROWS:
            if table in (rows[0][0] or ""):
                connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({values})")  # noqa: S608
    return url
