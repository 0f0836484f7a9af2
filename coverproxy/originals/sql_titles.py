"""Titles, in the catalogue's database; the statements are the same in SQLite and PostgreSQL."""

from collections.abc import Iterable, Mapping
from itertools import chain

from coverproxy.domain.item_title import ItemTitle
from coverproxy.domain.spec import Identifier
from coverproxy.originals.readable_rows import readable
from coverproxy.originals.sql_dialect import Dialect

_AT_ONCE = 128
"""Titles in one statement: each statement is a round trip to PostgreSQL."""

_KEEP = (
    "INSERT INTO title (scheme, value, title, author) VALUES {rows}"
    " ON CONFLICT (scheme, value) DO UPDATE SET title = excluded.title, author = excluded.author"
    " WHERE title.title <> excluded.title OR title.author <> excluded.author"
)
_OF = "SELECT scheme, value, title, author FROM title WHERE scheme = ? AND value {among}"


class SqlTitles:
    """Table `title`; see TitleStore."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._read = dialect.read_rows
        self._write = dialect.write_rows

    def keep(self, titles: Mapping[Identifier, ItemTitle]) -> None:
        """See TitleStore."""
        rows = [(*self._dialect.stored(item), each.title, each.author) for item, each in titles.items()]
        for at in range(0, len(rows), _AT_ONCE):
            some = rows[at : at + _AT_ONCE]
            sql = _KEEP.format(rows=", ".join(["(?, ?, ?, ?)"] * len(some)))
            self._write(sql, tuple(chain.from_iterable(some)))

    def of(self, identifiers: Iterable[Identifier]) -> dict[Identifier, ItemTitle]:
        """See TitleStore."""
        sql = _OF.format(among=self._dialect.among)
        found = [row for pair in self._dialect.by_scheme(identifiers) for row in self._read(sql, pair)]
        return dict(readable(found, lambda row: (self._dialect.read(*row[:2]), ItemTitle(*row[2:]))))
