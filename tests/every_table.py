"""Fills every table that a copy takes, whatever the service would write there."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from coverproxy.storage.table_copy import NOT_COPIED

TEXTS = ("", "é\n\t", "書名 … ‘x’", '{"a": [1, "\\u0000"]}', "\\N", 'a,"b"', " x ", "0123", "\U0001f4d5")
"""What a copy as text could take for something else."""

FLAGS = {"strict", "is_waiting", "named_sizes_only", "pinned", "no_crop"}
UNIQUE = {"code", "once"}


def identifier(number: int) -> tuple[int, int | str]:
    """A scheme and a value as SQLite holds them: of an ISBN, another number, one of an agency's own."""
    values = (9780000000002 + number, f"00{number}", f"a:{number} {TEXTS[number % 9]}")
    return (1, 5, 100)[number % 3], values[number % 3]


def some_value(name: str, kind: str, number: int, *, is_key: bool) -> Any:
    """A value of a column; a key's is another one for each number."""
    if kind == "TEXT":
        text = TEXTS[number % 9] + (str(number) if is_key or name in UNIQUE else "")
        return f"2026-11-{number + 1:02}" if name == "day" else text
    if kind == "BLOB":
        return bytes([number]) * (16 if is_key else number)
    if name in FLAGS:
        return number % 2
    return number / 3 if kind == "REAL" else number + 1


def some_row(columns: Sequence[Sequence[Any]], number: int) -> tuple[Any, ...]:
    """A row of a table's columns, as PRAGMA table_info lists them."""
    row: dict[str, Any] = {}
    for _, name, kind, is_needed, _, in_key in columns:
        if name.endswith("scheme"):
            row[name], row[name.removesuffix("scheme") + "value"] = identifier(number)
        elif name not in row:
            is_none = not is_needed and not in_key and number % 4 == 0
            row[name] = None if is_none else some_value(name, kind, number, is_key=bool(in_key))
    return tuple(row[each[1]] for each in columns)


def fill_every_table(folder: Path, count: int) -> None:
    """Put rows into every table of a data folder, but where there is only one."""
    for path in folder.glob("*.db"):
        with closing(sqlite3.connect(path)) as file, file:
            names = file.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (table,) in names:
                columns = file.execute(f"PRAGMA table_info({table})").fetchall()
                if table in NOT_COPIED or "only" in [each[1] for each in columns]:
                    continue
                marks = ", ".join("?" * len(columns))
                rows = (some_row(columns, number) for number in range(count))
                file.execute(f"DELETE FROM {table}")  # noqa: S608 - names of tables
                file.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608 - likewise
