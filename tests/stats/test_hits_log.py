"""The log of nginx's hits: each line counts once, whatever happens to the file or the app."""

import os
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from coverproxy.accounts.sqlite import schema_steps
from coverproxy.stats import hits_log
from coverproxy.stats.hits_log import HitsLog, day_of, read_line, whole_lines
from coverproxy.stats.metrics import Metrics
from coverproxy.stats.sqlite import SqliteActivity
from coverproxy.storage import sqlite_migrations
from coverproxy.storage.punch import free_beginning

LINE = "2026-11-27T06:00:00+00:00 abcdefgh medium librarything\n"


class Followed:
    """A log, and what reads it: as the app does, again after each start."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "downloads.log"
        self.folder = folder
        self.metrics = Metrics()
        sqlite_migrations.apply(folder / "state.db", schema_steps())
        self.store = SqliteActivity(folder / "state.db")
        self.log = self.started()
        self.path.touch()

    def started(self) -> HitsLog:
        """What a newly started app reads with."""
        lock = self.folder / f"lock{len(list(self.folder.iterdir()))}"
        return HitsLog(
            self.path, lock, self.store, self.metrics, ZoneInfo("UTC"),
            {"abcdefgh": "account"}.get, {"medium": "w200"}.get,
        )  # fmt: skip

    def write(self, text: str) -> None:
        """Append to the log, as nginx does."""
        with self.path.open("a") as file:
            file.write(text)

    @property
    def counted(self) -> int:
        """How many downloads the account has."""
        return sum(row.count for row in self.store.downloads("account", date.min))

    @property
    def lost(self) -> float:
        """How many lines were not counted."""
        return self.metrics.registry.get_sample_value("coverproxy_downloads_lost_total") or 0


@pytest.fixture
def followed(tmp_path: Path) -> Followed:
    """A log that is about to be made."""
    return Followed(tmp_path)


def test_a_line_counts_once_across_starts(followed: Followed) -> None:
    """What was written before, while and after the app was away is counted once; half a line waits."""
    followed.write(LINE * 3 + LINE[:20])
    assert followed.log.read() == 3 * len(LINE)
    assert followed.log.read() == 0
    again = followed.started()
    followed.write(LINE[20:] + LINE)
    again.read()

    assert (followed.counted, followed.lost) == (5, 0)


def test_lines_that_are_not_ours_are_counted_as_lost(followed: Followed) -> None:
    """An unknown key or size, a bad time, too few or too many words: lost, and the rest is counted."""
    odd = [LINE.replace("abcdefgh", "unknown1"), LINE.replace("medium", "huge"), "x\n", "\n"]
    odd += [
        LINE.replace("2026", "year"),
        LINE.replace("+00:00", ""),
        LINE.replace("\n", " more\n"),
        "\xff \n",
    ]
    followed.write(LINE + "".join(odd) + LINE)
    followed.log.read()

    assert (followed.counted, followed.lost) == (2, len(odd))


def test_a_rotated_log_is_read_to_its_end(followed: Followed) -> None:
    """Lines that nginx still writes into the renamed file count, and so do those of the new one."""
    followed.write(LINE)
    followed.log.read()
    followed.path.rename(followed.path.with_suffix(".1"))
    with followed.path.with_suffix(".1").open("a") as file:
        file.write(LINE)
    followed.write(LINE)
    for _ in range(3):  # the rest of the old one, its end, the new one
        followed.log.read()

    assert (followed.counted, followed.lost) == (3, 0)


def test_a_truncated_log_is_read_from_its_beginning(followed: Followed) -> None:
    """What is written after the file was cut to nothing counts."""
    followed.write(LINE * 2)
    followed.log.read()
    os.truncate(followed.path, 0)
    followed.write(LINE)
    followed.log.read()

    assert (followed.counted, followed.lost) == (3, 0)


def test_disk_is_freed_while_others_append(followed: Followed, tmp_path: Path) -> None:
    """The beginning of a file gives its disk back; its length and what was appended stay."""
    path = tmp_path / "big"
    path.write_bytes(b"x" * 2**20 + b"end")
    handle = os.open(path, os.O_RDWR)
    before = path.stat().st_blocks
    try:
        free_beginning(handle, 2**20)
    except OSError as exc:
        pytest.skip(f"the file system of the tests cannot: {exc}")
    finally:
        os.close(handle)

    assert path.stat().st_blocks < before // 2
    assert path.read_bytes()[-4:] == b"\0end"


def test_words_of_a_line() -> None:
    """A line has four words; a time has its offset, and its day is the time zone's."""
    assert read_line(b"t k s p") == hits_log.Line("t", "k", "s", "p")
    assert read_line(b"t k s") is None
    assert day_of("2026-11-27T23:30:00+00:00", ZoneInfo("Europe/Berlin")) == date(2026, 11, 28)
    assert day_of("2026-11-27T23:30:00", ZoneInfo("UTC")) is None
    assert whole_lines(b"a\na\nb") == ({b"a": 2}, 4)
    assert whole_lines(b"x" * 5000)[1] == 5000
