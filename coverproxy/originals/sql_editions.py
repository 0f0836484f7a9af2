"""Editions, in the catalogue's database; the statements are the same in SQLite and PostgreSQL."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from coverproxy.domain.editions import EditionLink, Relation
from coverproxy.domain.spec import Identifier
from coverproxy.originals.readable_rows import readable
from coverproxy.originals.sql_dialect import Dialect, entering

_LINK = entering(
    "edition", "scheme, value, other_scheme, other_value, relation, linked_by",
    "scheme, value, other_scheme, other_value",
)  # fmt: skip
_JOIN = "INSERT INTO work_item (work, scheme, value) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_DECLARED = (
    "SELECT other_scheme, other_value, relation, linked_by FROM edition"
    " WHERE scheme = ? AND value = ? ORDER BY relation, other_scheme, other_value LIMIT ?"
)
_SAME_WORK = (
    "SELECT theirs.work, theirs.scheme, theirs.value"
    " FROM work_item AS mine JOIN work_item AS theirs USING (work)"
    " WHERE mine.scheme = ? AND mine.value = ?"
    " AND (theirs.scheme, theirs.value) <> (mine.scheme, mine.value) LIMIT ?"
)


class SqlEditions:
    """Tables `edition` and `work_item`; see EditionStore."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._read = dialect.read_rows
        self._write = dialect.write_rows

    def link(self, links: Iterable[EditionLink]) -> None:
        """See EditionStore."""
        stored = self._dialect.stored
        for each in links:
            if each.identifier == each.other:
                continue
            for one in (each, each.reverse):
                values = (*stored(one.identifier), *stored(one.other), one.relation.value, one.linked_by)
                self._write(_LINK, values)

    def join(self, work: str, identifiers: Iterable[Identifier]) -> None:
        """See EditionStore."""
        for each in identifiers:
            self._write(_JOIN, (work, *self._dialect.stored(each)))

    def of(self, identifier: Identifier, most: int) -> list[EditionLink]:
        """See EditionStore."""
        values = (*self._dialect.stored(identifier), most)
        declared = readable(self._read(_DECLARED, values), partial(self._declared, identifier))
        said = {each.other for each in declared}
        by_work = readable(self._read(_SAME_WORK, values), partial(self._of_work, identifier))
        return declared + [each for each in by_work if each.other not in said]

    def _declared(self, identifier: Identifier, row: tuple[Any, ...]) -> EditionLink:
        return EditionLink(identifier, self._dialect.read(*row[:2]), Relation(row[2]), row[3])

    def _of_work(self, identifier: Identifier, row: tuple[Any, ...]) -> EditionLink:
        linked_by = str(row[0]).partition(":")[0]
        return EditionLink(identifier, self._dialect.read(*row[1:]), Relation.EDITION, linked_by)
