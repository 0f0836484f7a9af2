"""State of feeds and editions, in the catalogue's SQLite file."""

from collections.abc import Iterable
from typing import Any

from coverproxy.domain.editions import EditionLink, Relation
from coverproxy.domain.spec import Identifier
from coverproxy.originals.feed_store import FeedFile, FeedRecord
from coverproxy.originals.sqlite_provenance import read_identifier, stored
from coverproxy.originals.sqlite_rows import readable
from coverproxy.storage.sqlite_file import Run

_RECORD = "source, reference, scheme, value, digest, stamp, seen"
_FILE = "source, name, stamp, started, done, ended, again, added, refused, note"
_SAME_WORK = (
    "SELECT theirs.work, theirs.scheme, theirs.value"
    " FROM work_item AS mine JOIN work_item AS theirs USING (work)"
    " WHERE mine.scheme = ?1 AND mine.value = ?2 AND (theirs.scheme, theirs.value) <> (?1, ?2) LIMIT ?3"
)


class SqliteFeeds:
    """The tables `feed_record` and `feed_file`; see FeedStore. *read* and *write* run a statement."""

    def __init__(self, read: Run, write: Run) -> None:
        self._read = read
        self._write = write

    def put(self, record: FeedRecord) -> None:
        """See FeedStore."""
        values = (
            record.source, record.reference, *stored(record.identifier), record.digest, record.stamp,
            record.seen,
        )  # fmt: skip
        self._write(f"INSERT OR REPLACE INTO feed_record ({_RECORD}) VALUES (?, ?, ?, ?, ?, ?, ?)", values)  # noqa: S608

    def of(self, source: str, reference: str) -> FeedRecord | None:
        """See FeedStore."""
        sql = f"SELECT {_RECORD} FROM feed_record WHERE source = ? AND reference = ?"  # noqa: S608
        found = readable(self._read(sql, (source, reference)), _record)
        return found[0] if found else None

    def remove(self, source: str, reference: str) -> None:
        """See FeedStore."""
        self._write("DELETE FROM feed_record WHERE source = ? AND reference = ?", (source, reference))

    def unseen(self, source: str, since: int, most: int) -> list[FeedRecord]:
        """See FeedStore."""
        sql = f"SELECT {_RECORD} FROM feed_record WHERE source = ? AND seen < ? LIMIT ?"  # noqa: S608
        return readable(self._read(sql, (source, since, most)), _record)

    def count(self, source: str) -> int:
        """See FeedStore."""
        return int(self._read("SELECT count(*) FROM feed_record WHERE source = ?", (source,))[0][0])

    def file(self, source: str, name: str) -> FeedFile | None:
        """See FeedStore."""
        sql = f"SELECT {_FILE} FROM feed_file WHERE source = ? AND name = ?"  # noqa: S608
        rows = self._read(sql, (source, name))
        return FeedFile(*rows[0]) if rows else None

    def note_file(self, file: FeedFile) -> None:
        """See FeedStore."""
        values = (
            file.source, file.name, file.stamp, file.started, file.done, file.ended, file.again, file.added,
            file.refused, file.note,
        )  # fmt: skip
        marks = ", ".join("?" * len(values))
        self._write(f"INSERT OR REPLACE INTO feed_file ({_FILE}) VALUES ({marks})", values)  # noqa: S608

    def files(self, source: str, most: int) -> list[FeedFile]:
        """See FeedStore."""
        sql = f"SELECT {_FILE} FROM feed_file WHERE source = ? ORDER BY started DESC, name LIMIT ?"  # noqa: S608
        return [FeedFile(*row) for row in self._read(sql, (source, most))]


class SqliteEditions:
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
                values = (*stored(one.identifier), *stored(one.other), one.relation, one.linked_by)
                self._write("INSERT OR REPLACE INTO edition VALUES (?, ?, ?, ?, ?, ?)", values)

    def join(self, work: str, identifiers: Iterable[Identifier]) -> None:
        """See EditionStore."""
        for each in identifiers:
            self._write("INSERT OR IGNORE INTO work_item VALUES (?, ?, ?)", (work, *stored(each)))

    def of(self, identifier: Identifier, most: int) -> list[EditionLink]:
        """See EditionStore."""
        key = stored(identifier)
        sql = (
            "SELECT other_scheme, other_value, relation, linked_by FROM edition"
            " WHERE scheme = ? AND value = ? ORDER BY relation, other_scheme, other_value LIMIT ?"
        )
        declared = readable(self._read(sql, (*key, most)), lambda row: _declared(identifier, row))
        said = {each.other for each in declared}
        by_work = readable(self._read(_SAME_WORK, (*key, most)), lambda row: _of_work(identifier, row))
        return declared + [each for each in by_work if each.other not in said]


def _record(row: tuple[Any, ...]) -> FeedRecord:
    source, reference, scheme, value, *rest = row
    return FeedRecord(source, reference, read_identifier(scheme, value), *rest)


def _declared(identifier: Identifier, row: tuple[Any, ...]) -> EditionLink:
    return EditionLink(identifier, read_identifier(*row[:2]), Relation(row[2]), row[3])


def _of_work(identifier: Identifier, row: tuple[Any, ...]) -> EditionLink:
    linked_by = str(row[0]).partition(":")[0]
    return EditionLink(identifier, read_identifier(*row[1:]), Relation.EDITION, linked_by)
