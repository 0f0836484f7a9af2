"""The work file between a dump and its archives: what it must keep, in whatever store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from coverproxy.domain.identifier import ISBN, Identifier
from coverproxy.originals.wanted_covers import CoverWish, DumpProgress, SqliteWantedCovers, WantedCovers

BOOK = Identifier(ISBN, "9780141439518")
OLID = Identifier("olid", "OL1M")
PROGRESS = DumpProgress("dump.txt.gz", "10:5", 100, 40)


class WantedCoversContract:
    """Subclass per backend; the subclass owns an open, empty `wanted`."""

    def test_wishes_are_found_by_number_and_place(self, wanted: WantedCovers) -> None:
        """All wishes for a range of covers come in order, each with its other names, once."""
        wishes = [
            CoverWish(7, OLID, place=1),
            CoverWish(7, BOOK, (OLID, Identifier("oclc", "5"))),
            CoverWish(5, BOOK),
        ]
        for _ in range(2):
            wanted.note([*wishes, CoverWish(10, BOOK)], PROGRESS)
        assert list(wanted.of(range(5, 10))) == [wishes[2], wishes[1], wishes[0]]
        assert list(wanted.of(range(11, 20))) == []

    def test_progress_is_written_with_the_wishes(self, wanted: WantedCovers) -> None:
        """A dump's last progress is known by its name; what fails in the middle leaves neither."""

        def failing() -> Iterator[CoverWish]:
            yield CoverWish(1, BOOK)
            raise KeyboardInterrupt

        assert wanted.progress("dump.txt.gz") is None
        with pytest.raises(KeyboardInterrupt):
            wanted.note(failing(), PROGRESS)
        assert (wanted.progress("dump.txt.gz"), list(wanted.of(range(9)))) == (None, [])
        wanted.note([], PROGRESS)
        assert wanted.progress("dump.txt.gz") == PROGRESS

    def test_an_archive_is_tried_as_it_is(self, wanted: WantedCovers) -> None:
        """Another stamp of the same archive was not tried."""
        wanted.note_tried("covers_0012_34.zip", "a")
        assert wanted.is_tried("covers_0012_34.zip", "a")
        assert not wanted.is_tried("covers_0012_34.zip", "b")
        assert not wanted.is_tried("covers_0012_35.zip", "a")


class TestSqliteWantedCovers(WantedCoversContract):
    """SQLite keeps the contract."""

    @pytest.fixture
    def wanted(self, tmp_path: Path) -> Iterator[SqliteWantedCovers]:
        """An empty work file."""
        with SqliteWantedCovers(tmp_path / "openlibrary.db").opened() as opened:
            yield opened
