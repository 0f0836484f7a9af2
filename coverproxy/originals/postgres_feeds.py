"""What is remembered of feeds and of editions, in the catalogue's PostgreSQL tables."""

from collections.abc import Iterable
from typing import Any

from coverproxy.domain.editions import EditionLink, Relation
from coverproxy.domain.spec import Identifier
from coverproxy.originals.feed_store import FeedFile, FeedRecord
from coverproxy.originals.postgres_rows import as_text, from_text
from coverproxy.originals.sqlite_rows import readable
from coverproxy.storage.postgres_pool import Run, marks

_RECORD = "source, reference, scheme, value, digest, stamp, seen"
_FILE = "source, name, stamp, started, done, ended, again, added, refused, note"


def _replacing(table: str, columns: str, key: str) -> str:
    """Write a statement that enters a row in place of the one of the same *key*."""
    renewed = ", ".join(f"{each} = excluded.{each}" for each in columns.split(", "))
    return (
        f"INSERT INTO {table} ({columns}) VALUES ({marks(columns.split(', '))})"  # noqa: S608 - constants
        f" ON CONFLICT ({key}) DO UPDATE SET {renewed}"
    )


_PUT_RECORD = _replacing("feed_record", _RECORD, "source, reference")
_PUT_FILE = _replacing("feed_file", _FILE, "source, name")
_LINK = _replacing(
    "edition", "scheme, value, other_scheme, other_value, relation, linked_by",
    "scheme, value, other_scheme, other_value",
)  # fmt: skip
_SAME_WORK = (
    "SELECT theirs.work, theirs.scheme, theirs.value"
    " FROM work_item AS mine JOIN work_item AS theirs USING (work)"
    " WHERE mine.scheme = %s AND mine.value = %s"
    " AND (theirs.scheme, theirs.value) <> (mine.scheme, mine.value) LIMIT %s"
)


class PostgresFeeds:
    """The tables `feed_record` and `feed_file`; see FeedStore. *read* and *write* run a statement."""

    def __init__(self, read: Run, write: Run) -> None:
        self._read = read
        self._write = write

    def put(self, record: FeedRecord) -> None:
        """See FeedStore."""
        values = (
            record.source, record.reference, *as_text(record.identifier), record.digest, record.stamp,
            record.seen,
        )  # fmt: skip
        self._write(_PUT_RECORD, values)

    def of(self, source: str, reference: str) -> FeedRecord | None:
        """See FeedStore."""
        sql = f"SELECT {_RECORD} FROM feed_record WHERE source = %s AND reference = %s"  # noqa: S608
        found = readable(self._read(sql, (source, reference)), _record)
        return found[0] if found else None

    def remove(self, source: str, reference: str) -> None:
        """See FeedStore."""
        self._write("DELETE FROM feed_record WHERE source = %s AND reference = %s", (source, reference))

    def unseen(self, source: str, since: int, most: int) -> list[FeedRecord]:
        """See FeedStore."""
        sql = f"SELECT {_RECORD} FROM feed_record WHERE source = %s AND seen < %s LIMIT %s"  # noqa: S608
        return readable(self._read(sql, (source, since, most)), _record)

    def count(self, source: str) -> int:
        """See FeedStore."""
        return int(self._read("SELECT count(*) FROM feed_record WHERE source = %s", (source,))[0][0])

    def file(self, source: str, name: str) -> FeedFile | None:
        """See FeedStore."""
        sql = f"SELECT {_FILE} FROM feed_file WHERE source = %s AND name = %s"  # noqa: S608
        rows = self._read(sql, (source, name))
        return FeedFile(*rows[0]) if rows else None

    def note_file(self, file: FeedFile) -> None:
        """See FeedStore."""
        values = (
            file.source, file.name, file.stamp, file.started, file.done, file.ended, file.again, file.added,
            file.refused, file.note,
        )  # fmt: skip
        self._write(_PUT_FILE, values)

    def files(self, source: str, most: int) -> list[FeedFile]:
        """See FeedStore."""
        sql = f"SELECT {_FILE} FROM feed_file WHERE source = %s ORDER BY started DESC, name LIMIT %s"  # noqa: S608
        return [FeedFile(*row) for row in self._read(sql, (source, most))]


class PostgresEditions:
    """The tables `edition` and `work_item`; see EditionStore. *read* and *write* run a statement."""

    def __init__(self, read: Run, write: Run) -> None:
        self._read = read
        self._write = write

    def link(self, links: Iterable[EditionLink]) -> None:
        """See EditionStore."""
        for each in links:
            if each.identifier == each.other:
                continue
            for one in (each, each.reverse):
                values = (*as_text(one.identifier), *as_text(one.other), one.relation.value, one.linked_by)
                self._write(_LINK, values)

    def join(self, work: str, identifiers: Iterable[Identifier]) -> None:
        """See EditionStore."""
        for each in identifiers:
            self._write(
                "INSERT INTO work_item VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", (work, *as_text(each))
            )

    def of(self, identifier: Identifier, most: int) -> list[EditionLink]:
        """See EditionStore."""
        key = as_text(identifier)
        sql = (
            "SELECT other_scheme, other_value, relation, linked_by FROM edition"
            " WHERE scheme = %s AND value = %s ORDER BY relation, other_scheme, other_value LIMIT %s"
        )
        declared = readable(self._read(sql, (*key, most)), lambda row: _declared(identifier, row))
        said = {each.other for each in declared}
        by_work = readable(self._read(_SAME_WORK, (*key, most)), lambda row: _of_work(identifier, row))
        return declared + [each for each in by_work if each.other not in said]


def _record(row: tuple[Any, ...]) -> FeedRecord:
    source, reference, scheme, value, *rest = row
    return FeedRecord(source, reference, from_text(scheme, value), *rest)


def _declared(identifier: Identifier, row: tuple[Any, ...]) -> EditionLink:
    return EditionLink(identifier, from_text(*row[:2]), Relation(row[2]), row[3])


def _of_work(identifier: Identifier, row: tuple[Any, ...]) -> EditionLink:
    linked_by = str(row[0]).partition(":")[0]
    return EditionLink(identifier, from_text(*row[1:]), Relation.EDITION, linked_by)
