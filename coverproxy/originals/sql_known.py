"""Finds, among many originals, those that the catalogue does not know."""

from collections.abc import Sequence

from coverproxy.domain.identifier import Identifier
from coverproxy.domain.original import Original
from coverproxy.originals.sql_dialect import Dialect

_ITEM_COLUMNS = (
    ("original", "scheme", "value"),
    ("alias", "scheme", "value"),
    ("alias", "item_scheme", "item_value"),
    ("last_shown", "scheme", "value"),
    ("hidden", "scheme", "value"),
)
_ITEMS = " UNION ALL ".join(
    f"SELECT {value} FROM {table} WHERE {scheme} = ? AND {value} {{among}}"  # noqa: S608 - names of ours
    for table, scheme, value in _ITEM_COLUMNS
)
_BYTES = " UNION ALL ".join(
    [f"SELECT digest FROM {table} WHERE digest {{among}}" for table in ("original", "refused", "quarantined")]  # noqa: S608
    + ["SELECT digest FROM hidden WHERE scheme = ? AND value = ? AND digest {among}"]
)


def unknown(dialect: Dialect, originals: Sequence[Original]) -> list[Original]:
    """See CatalogueTables."""
    items = _known_items(dialect, originals)
    digests = _known_digests(dialect, [each.digest for each in originals])
    return [each for each in originals if each.identifier not in items and each.digest not in digests]


def _known_items(dialect: Dialect, originals: Sequence[Original]) -> set[Identifier]:
    sql = _ITEMS.format(among=dialect.among)
    return {
        dialect.read(scheme, row[0])
        for scheme, some in dialect.by_scheme(each.identifier for each in originals)
        for row in dialect.read_rows(sql, (scheme, some) * len(_ITEM_COLUMNS))
    }


def _known_digests(dialect: Dialect, digests: Sequence[bytes]) -> set[bytes]:
    sql = _BYTES.format(among=dialect.among_digests)
    return {
        bytes(row[0])
        for some in dialect.digests(digests)
        for row in dialect.read_rows(sql, (some, some, some, *dialect.every_book, some))
    }


def kept(dialect: Dialect, digests: Sequence[bytes]) -> set[bytes]:
    """See CatalogueTables."""
    sql = f"SELECT DISTINCT digest FROM original WHERE digest {dialect.among_digests}"  # noqa: S608 - ours
    found = (row for some in dialect.digests(digests) for row in dialect.read_rows(sql, (some,)))
    return {bytes(row[0]) for row in found}
