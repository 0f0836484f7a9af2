"""Links between identifiers, in the catalogue's PostgreSQL tables."""

from collections.abc import Iterable

from coverproxy.domain.spec import Identifier
from coverproxy.originals.postgres_rows import as_text, from_text
from coverproxy.originals.sqlite_rows import readable
from coverproxy.storage.postgres_pool import Run

_ITEM = "SELECT item_scheme, item_value FROM alias WHERE scheme = %s AND value = %s"
NAMES = """
WITH item AS (
    SELECT coalesce(item_scheme, asked.scheme) AS scheme, coalesce(item_value, asked.value) AS value
    FROM (VALUES (%s::smallint, %s::text COLLATE "C")) asked (scheme, value)
    LEFT JOIN alias ON alias.scheme = asked.scheme AND alias.value = asked.value
), names AS (
    SELECT 0 AS place, scheme, value FROM item
    UNION ALL
    SELECT 1, alias.scheme, alias.value FROM item
    JOIN alias ON item_scheme = item.scheme AND item_value = item.value
)
"""
"""The beginning of a statement that asks by any name: `names` are those of the item; its own has place 0."""

_NAMES = f"{NAMES} SELECT scheme, value FROM names ORDER BY place, scheme, value"  # noqa: S608 - constants only
_LED = "SELECT scheme, value, item_scheme, item_value FROM alias WHERE scheme = %s AND value = ANY(%s)"
_LEADING = (
    "SELECT item_scheme, item_value, scheme, value FROM alias WHERE item_scheme = %s AND item_value = ANY(%s)"
    " ORDER BY item_scheme, item_value, scheme, value"
)
_ALL = "SELECT scheme, value, item_scheme, item_value FROM alias ORDER BY scheme, value LIMIT %s"
_AFTER = (
    "SELECT scheme, value, item_scheme, item_value FROM alias WHERE (scheme, value) > (%s, %s)"
    " ORDER BY scheme, value LIMIT %s"
)
_PUT = (
    "INSERT INTO alias VALUES (%s, %s, %s, %s) ON CONFLICT (scheme, value)"
    " DO UPDATE SET item_scheme = excluded.item_scheme, item_value = excluded.item_value"
)


class PostgresAliases:
    """Tables `alias`, `numbered`; see AliasStore. *read* and *write* run a statement."""

    def __init__(self, read: Run, write: Run) -> None:
        self._read = read
        self._write = write

    def item(self, identifier: Identifier) -> Identifier:
        """See AliasStore."""
        found = readable(self._read(_ITEM, as_text(identifier)), lambda row: from_text(*row))
        return found[0] if found else identifier

    def names(self, identifier: Identifier) -> tuple[Identifier, ...]:
        """See AliasStore."""
        return tuple(readable(self._read(_NAMES, as_text(identifier)), lambda row: from_text(*row)))

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
        by_scheme: dict[int, list[str]] = {}
        for scheme, value in map(as_text, identifiers):
            by_scheme.setdefault(scheme, []).append(value)
        rows = (row for scheme, values in by_scheme.items() for row in self._read(sql, (scheme, values)))
        return readable(rows, _pair)

    def put(self, name: Identifier, item: Identifier) -> None:
        """See AliasStore."""
        self._write(_PUT, (*as_text(name), *as_text(item)))

    def remove(self, name: Identifier) -> None:
        """See AliasStore."""
        self._write("DELETE FROM alias WHERE scheme = %s AND value = %s", as_text(name))

    def after(self, name: Identifier | None, most: int) -> list[tuple[Identifier, Identifier]]:
        """See AliasStore."""
        if name is None:
            return readable(self._read(_ALL, (most,)), _pair)
        return readable(self._read(_AFTER, (*as_text(name), most)), _pair)

    def count(self) -> int:
        """See AliasStore."""
        return int(self._read("SELECT count(*) FROM alias")[0][0])

    def number(self, item: Identifier) -> int:
        """See AliasStore."""
        sql = "SELECT number FROM numbered WHERE scheme = %s AND value = %s"
        if not self._read(sql, as_text(item)):
            giving = "INSERT INTO numbered (scheme, value) VALUES (%s, %s) ON CONFLICT DO NOTHING"
            self._write(giving, as_text(item))
        return int(self._read(sql, as_text(item))[0][0])

    def numbered(self, number: int) -> Identifier | None:
        """See AliasStore."""
        rows = self._read("SELECT scheme, value FROM numbered WHERE number = %s", (number,))
        return next(iter(readable(rows, lambda row: from_text(*row))), None)


def _pair(row: tuple[int, str, int, str]) -> tuple[Identifier, Identifier]:
    return from_text(*row[:2]), from_text(*row[2:])
