"""All that one store keeps, copied into another: resumable, and checked at the end."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from coverproxy.domain.counted import counted
from coverproxy.domain.errors import StoreUnavailable
from coverproxy.storage import atomic
from coverproxy.storage.table_copy import Row, Table, Tables, digest_of, every_row

_BATCH = 5000

_TOLD_FIRST = ("key", "original")
"""Tables that have rows where a store was in use."""


@dataclass
class CopyResult:
    """What was copied: rows by table. `differing`: tables that are not the same afterwards, and how."""

    rows: dict[str, int] = field(default_factory=dict)
    differing: dict[str, str] = field(default_factory=dict)


class Progress:
    """Up to where each table is copied, in a file, so that an interrupted copy goes on from there.

    `has_begun`: whether rows may be in the target already.
    """

    def __init__(self, path: Path, what: str) -> None:
        self._path = path
        self._what = what
        self._after: dict[str, list[object]] = {}
        self.has_begun = False
        try:
            found = json.loads(path.read_bytes())
            if found["what"] == what:
                self._after = found["after"]
                self.has_begun = True
        except (OSError, ValueError, KeyError, TypeError):
            pass

    def begin(self) -> None:
        """Note that rows are written from now on: a target that has some is no longer another's."""
        self.has_begun = True
        self._write()

    def after(self, table: str) -> Row | None:
        """Return the key of the last row that was copied of a table; None: none was."""
        known = self._after.get(table)
        return None if known is None else tuple(_read(each) for each in known)

    def note(self, table: str, key: Row) -> None:
        """Remember the key of the last row that was copied of a table."""
        self._after[table] = [_written(each) for each in key]
        self._write()

    def _write(self) -> None:
        beside = atomic.temporary(self._path.parent)
        atomic.write(beside, json.dumps({"what": self._what, "after": self._after}).encode())
        beside.replace(self._path)

    def forget(self) -> None:
        """Forget it: all is copied."""
        self._path.unlink(missing_ok=True)


def _written(value: object) -> object:
    return {"hex": value.hex()} if isinstance(value, bytes) else value


def _read(value: object) -> object:
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value


def copy(
    source: Tables,
    target: Tables,
    progress: Progress,
    show: Callable[[int, int], None] = lambda done, total: None,
) -> CopyResult:
    """Copy every table that both have; then read both, and say which differ. Blocks.

    The service MUST not run meanwhile. Raises StoreUnavailable where the target is in use, before anything is
    written.
    """
    tables = _common(source.tables(), target.tables())
    if not progress.has_begun:
        _refuse_used(target, tables)
        progress.begin()
    total, done = sum(source.count(name) for name in tables), 0
    result = CopyResult()
    for name, table in tables.items():
        for rows in every_row(source, table, progress.after(name), _BATCH):
            target.write(table, rows)
            progress.note(name, table.key_of(rows[-1]))
            done += len(rows)
            show(done, total)
        result.rows[name] = source.count(name)
    target.finish()
    result.differing = differing(source, target, tables)
    if not result.differing:
        progress.forget()
    return result


def differing(source: Tables, target: Tables, tables: dict[str, Table]) -> dict[str, str]:
    """Compare all rows of both; return what differs, by table."""
    found = {}
    for name, table in tables.items():
        (many, one), (most, other) = _sum(source, table), _sum(target, table)
        if many != most:
            found[name] = f"{counted(many, 'row')} in one, {most} in the other"
        elif one != other:
            found[name] = f"{counted(many, 'row')} in both, but not the same"
    return found


def _sum(tables: Tables, table: Table) -> tuple[int, int]:
    count = digest = 0
    for rows in every_row(tables, table, None, _BATCH):
        count += len(rows)
        digest = (digest + digest_of(rows)) % (1 << 128)
    return count, digest


def _common(source: dict[str, Table], target: dict[str, Table]) -> dict[str, Table]:
    """Return the tables that both have, with the columns that both have."""
    common = {}
    for name in sorted(source.keys() & target.keys()):
        theirs = set(target[name].columns)
        columns = tuple(each for each in source[name].columns if each in theirs)
        common[name] = Table(name, columns, source[name].key)
    return common


def _refuse_used(target: Tables, tables: dict[str, Table]) -> None:
    for name in _TOLD_FIRST:
        if name in tables and (count := target.count(name)):
            rows = counted(count, "row")
            raise StoreUnavailable(f"the target is in use: it has {rows} in {name!r}; expected none")
