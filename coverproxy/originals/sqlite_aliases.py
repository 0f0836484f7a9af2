"""Links between identifiers, in the catalogue's SQLite file."""

import json
from collections.abc import Iterable

from coverproxy.domain.spec import Identifier
from coverproxy.originals.sqlite_provenance import read_identifier, stored
from coverproxy.originals.sqlite_rows import readable
from coverproxy.storage.sqlite_file import Run

_ITEM = "SELECT item_scheme, item_value FROM alias WHERE scheme = ? AND value = ?"
_NAMES = "SELECT scheme, value FROM alias WHERE item_scheme = ? AND item_value = ? ORDER BY scheme, value"
_LED = (
    "SELECT scheme, value, item_scheme, item_value FROM alias"
    " WHERE scheme = ? AND value IN (SELECT value FROM json_each(?))"
)
_LEADING = (
    "SELECT item_scheme, item_value, scheme, value FROM alias"
    " WHERE item_scheme = ? AND item_value IN (SELECT value FROM json_each(?))"
    " ORDER BY item_scheme, item_value, scheme, value"
)
_ALL = "SELECT scheme, value, item_scheme, item_value FROM alias ORDER BY scheme, value LIMIT ?"
_AFTER = (
    "SELECT scheme, value, item_scheme, item_value FROM alias WHERE scheme > ? OR (scheme = ? AND value > ?)"
    " ORDER BY scheme, value LIMIT ?"
)


class SqliteAliases:
    """Tables `alias`, `numbered`; see AliasStore. *read* and *write* run a statement."""

    def __init__(self, read: Run, write: Run) -> None:
        self._read = read
        self._write = write

    def item(self, identifier: Identifier) -> Identifier:
        """See AliasStore."""
        found = readable(self._read(_ITEM, stored(identifier)), lambda row: read_identifier(*row))
        return found[0] if found else identifier

    def names(self, identifier: Identifier) -> tuple[Identifier, ...]:
        """See AliasStore."""
        item = self.item(identifier)
        return item, *readable(self._read(_NAMES, stored(item)), lambda row: read_identifier(*row))

    def linked(self, identifiers: Iterable[Identifier]) -> dict[Identifier, tuple[Identifier, ...]]:
        """See AliasStore."""
        asked = list(dict.fromkeys(identifiers))
        if not self._read("SELECT 1 FROM alias LIMIT 1"):
            return {}
        items = dict(self._pairs(_LED, asked))
        names: dict[Identifier, list[Identifier]] = {}
        for item, name in self._pairs(_LEADING, {items.get(each, each) for each in asked}):
            names.setdefault(item, [item]).append(name)
        return {each: tuple(names[item]) for each in asked if (item := items.get(each, each)) in names}

    def _pairs(self, sql: str, identifiers: Iterable[Identifier]) -> list[tuple[Identifier, Identifier]]:
        by_scheme: dict[int, list[int | str]] = {}
        for identifier in identifiers:
            scheme, value = stored(identifier)
            by_scheme.setdefault(scheme, []).append(value)
        rows = (
            row
            for scheme, values in by_scheme.items()
            for row in self._read(sql, (scheme, json.dumps(values)))
        )
        return readable(rows, _pair)

    def put(self, name: Identifier, item: Identifier) -> None:
        """See AliasStore."""
        self._write("INSERT OR REPLACE INTO alias VALUES (?, ?, ?, ?)", (*stored(name), *stored(item)))

    def remove(self, name: Identifier) -> None:
        """See AliasStore."""
        self._write("DELETE FROM alias WHERE scheme = ? AND value = ?", stored(name))

    def after(self, name: Identifier | None, most: int) -> list[tuple[Identifier, Identifier]]:
        """See AliasStore."""
        if name is None:
            return readable(self._read(_ALL, (most,)), _pair)
        scheme, value = stored(name)
        return readable(self._read(_AFTER, (scheme, scheme, value, most)), _pair)

    def count(self) -> int:
        """See AliasStore."""
        return int(self._read("SELECT count(*) FROM alias")[0][0])

    def number(self, item: Identifier) -> int:
        """See AliasStore."""
        sql = "SELECT number FROM numbered WHERE scheme = ? AND value = ?"
        if not self._read(sql, stored(item)):
            self._write("INSERT OR IGNORE INTO numbered (scheme, value) VALUES (?, ?)", stored(item))
        return int(self._read(sql, stored(item))[0][0])

    def numbered(self, number: int) -> Identifier | None:
        """See AliasStore."""
        rows = self._read("SELECT scheme, value FROM numbered WHERE number = ?", (number,))
        return next(iter(readable(rows, lambda row: read_identifier(*row))), None)


def _pair(row: tuple[int, int | str, int, int | str]) -> tuple[Identifier, Identifier]:
    return read_identifier(*row[:2]), read_identifier(*row[2:])
