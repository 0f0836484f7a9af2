"""Links between identifiers, in the catalogue's PostgreSQL tables."""

from coverproxy.domain.spec import Identifier
from coverproxy.originals.readable_rows import readable
from coverproxy.originals.sql_aliases import SqlAliases

NAMES = """
WITH item AS (
    SELECT coalesce(item_scheme, asked.scheme) AS scheme, coalesce(item_value, asked.value) AS value
    FROM (VALUES (?::smallint, ?::text COLLATE "C")) asked (scheme, value)
    LEFT JOIN alias ON alias.scheme = asked.scheme AND alias.value = asked.value
), names AS (
    SELECT 0 AS place, scheme, value FROM item
    UNION ALL
    SELECT 1, alias.scheme, alias.value FROM item
    JOIN alias ON item_scheme = item.scheme AND item_value = item.value
)
"""
"""The start of a query by any name: `names` are all names of the item; its own has place 0."""

_NAMES = f"{NAMES} SELECT scheme, value FROM names ORDER BY place, scheme, value"  # noqa: S608 - constants only


class PostgresAliases(SqlAliases):
    """Asks for all names in one statement: each is a way to the server and back."""

    def names(self, identifier: Identifier) -> tuple[Identifier, ...]:
        """See AliasStore."""
        return tuple(readable(self._read(_NAMES, self._dialect.stored(identifier)), self._one))
