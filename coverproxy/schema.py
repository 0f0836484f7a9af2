"""SQLite files brought to their schema: once, by one process, whole or not at all."""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

VERSION = 1
WAIT_SECONDS = 10.0
"""How long a statement waits for another process's lock."""


def connect(path: Path) -> sqlite3.Connection:
    """Open a SQLite file that apply() has made: every statement is its own transaction.

    synchronous=NORMAL: a killed process loses nothing; a power cut may lose the last moment, and tears
    nothing (sqlite.org/wal.html).
    """
    connection = sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def apply(path: Path, schema: str) -> None:
    """Make the file and its tables where they are missing. Blocks; the lock makes one process the maker."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = connect(path)
    try:
        _use_wal(connection)
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            if connection.execute("PRAGMA user_version").fetchone()[0] < VERSION:
                for statement in _statements(schema):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {VERSION}")
    finally:
        connection.close()


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL for good. The switch does not wait for a lock as statements do, so we do."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _statements(schema: str) -> Iterator[str]:
    """Split a schema into statements: executescript() would commit the transaction around it."""
    statement = ""
    for line in schema.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
