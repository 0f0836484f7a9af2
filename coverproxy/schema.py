"""SQLite files brought to their schema: once, by one process, whole or not at all."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

VERSION = 1


def connect(path: Path) -> sqlite3.Connection:
    """Open a SQLite file the one way we use it: WAL, and every statement its own transaction.

    synchronous=NORMAL: a killed process loses nothing; a power cut may lose the last moment, and tears
    nothing (sqlite.org/wal.html).
    """
    connection = sqlite3.connect(path, timeout=10.0, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def apply(path: Path, schema: str) -> None:
    """Make the file and its tables where they are missing. Blocks; the lock makes one process the maker."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = connect(path)
    try:
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            if connection.execute("PRAGMA user_version").fetchone()[0] < VERSION:
                for statement in _statements(schema):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {VERSION}")
    finally:
        connection.close()


def _statements(schema: str) -> Iterator[str]:
    """Split a schema into statements: executescript() would commit the transaction around it."""
    statement = ""
    for line in schema.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
