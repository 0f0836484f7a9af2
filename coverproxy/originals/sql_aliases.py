"""Links between identifiers, in the catalogue's database; SQLite and PostgreSQL share the statements."""

from collections.abc import Iterable
from typing import Any

from coverproxy.domain.spec import Identifier
from coverproxy.originals.readable_rows import readable
from coverproxy.originals.sql_dialect import Dialect, entering

_ITEM = "SELECT item_scheme, item_value FROM alias WHERE scheme = ? AND value = ?"
_NAMES = "SELECT scheme, value FROM alias WHERE item_scheme = ? AND item_value = ? ORDER BY scheme, value"
_LED = "SELECT scheme, value, item_scheme, item_value FROM alias WHERE scheme = ? AND value {among}"
_LEADING = (
    "SELECT item_scheme, item_value, scheme, value FROM alias WHERE item_scheme = ? AND item_value {among}"
    " ORDER BY item_scheme, item_value, scheme, value"
)
_ALL = "SELECT scheme, value, item_scheme, item_value FROM alias ORDER BY scheme, value LIMIT ?"
_AFTER = (
    "SELECT scheme, value, item_scheme, item_value FROM alias WHERE (scheme, value) > (?, ?)"
    " ORDER BY scheme, value LIMIT ?"
)
_PUT = entering("alias", "scheme, value, item_scheme, item_value", "scheme, value")
_NUMBER = "SELECT number FROM numbered WHERE scheme = ? AND value = ?"
_GIVE_NUMBER = "INSERT INTO numbered (scheme, value) VALUES (?, ?) ON CONFLICT DO NOTHING"


class SqlAliases:
    """Tables `alias`, `numbered`; see AliasStore."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._read = dialect.read_rows
        self._write = dialect.write_rows
        self._led = _LED.format(among=dialect.among)
        self._leading = _LEADING.format(among=dialect.among)

    def item(self, identifier: Identifier) -> Identifier:
        """See AliasStore."""
        found = readable(self._read(_ITEM, self._dialect.stored(identifier)), self._one)
        return found[0] if found else identifier

    def names(self, identifier: Identifier) -> tuple[Identifier, ...]:
        """See AliasStore."""
        item = self.item(identifier)
        return item, *readable(self._read(_NAMES, self._dialect.stored(item)), self._one)

    def linked(self, identifiers: Iterable[Identifier]) -> dict[Identifier, tuple[Identifier, ...]]:
        """See AliasStore."""
        asked = list(dict.fromkeys(identifiers))
        if not self._read("SELECT 1 FROM alias LIMIT 1"):
            return {}
        items = dict(self._pairs(self._led, asked))
        names: dict[Identifier, list[Identifier]] = {}
        for item, name in self._pairs(self._leading, {items.get(each, each) for each in asked}):
            names.setdefault(item, [item]).append(name)
        return {each: tuple(names[item]) for each in asked if (item := items.get(each, each)) in names}

    def _pairs(self, sql: str, identifiers: Iterable[Identifier]) -> list[tuple[Identifier, Identifier]]:
        asked = self._dialect.by_scheme(identifiers)
        return readable((row for values in asked for row in self._read(sql, values)), self._pair)

    def put(self, name: Identifier, item: Identifier) -> None:
        """See AliasStore."""
        self._write(_PUT, (*self._dialect.stored(name), *self._dialect.stored(item)))

    def remove(self, name: Identifier) -> None:
        """See AliasStore."""
        self._write("DELETE FROM alias WHERE scheme = ? AND value = ?", self._dialect.stored(name))

    def after(self, name: Identifier | None, most: int) -> list[tuple[Identifier, Identifier]]:
        """See AliasStore."""
        if name is None:
            return readable(self._read(_ALL, (most,)), self._pair)
        return readable(self._read(_AFTER, (*self._dialect.stored(name), most)), self._pair)

    def count(self) -> int:
        """See AliasStore."""
        return int(self._read("SELECT count(*) FROM alias")[0][0])

    def number(self, item: Identifier) -> int:
        """See AliasStore."""
        place = self._dialect.stored(item)
        if not self._read(_NUMBER, place):
            self._write(_GIVE_NUMBER, place)
        return int(self._read(_NUMBER, place)[0][0])

    def numbered(self, number: int) -> Identifier | None:
        """See AliasStore."""
        rows = self._read("SELECT scheme, value FROM numbered WHERE number = ?", (number,))
        return next(iter(readable(rows, self._one)), None)

    def _one(self, row: tuple[Any, ...]) -> Identifier:
        return self._dialect.read(*row)

    def _pair(self, row: tuple[Any, ...]) -> tuple[Identifier, Identifier]:
        return self._dialect.read(*row[:2]), self._dialect.read(*row[2:])
