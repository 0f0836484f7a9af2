"""Feeds: what is read once, gone on with, moved, tried again, and taken back by a full load."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import images
import pytest
from library import BOOK, OTHERS, Library, open_taker
from senders import BLUE, GREEN, RED, bytes_of, dated, onix, product

from coverproxy.originals.feed_store import FeedFile
from coverproxy.service.feed_run import FeedReport, FeedRules, FeedRun
from coverproxy.service.import_steps import Sender
from coverproxy.service.settled import Settled
from coverproxy.wiring.data_folder import open_shelf

NOW = 1_800_000_000.0


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """An empty folder of covers, and no data folder yet."""
    return Library(tmp_path)


def run(
    library: Library, now: float = NOW, on_batch: Callable[[str, int], None] | None = None, **rules: Any
) -> FeedReport:
    """Run the feed "house" over the folder of covers."""
    config = library.config()
    with open_shelf(config) as shelf, open_taker(config, shelf, library.refusals.append) as importer:
        sender = Sender("house", data=library.data)
        made = FeedRun(
            importer, sender, FeedRules(**rules), library.refusals.append, lambda name, done: None,
            now=lambda: now,
        )  # fmt: skip
        return made.run(library.covers, list(made.waiting(library.covers)))


def known(library: Library, name: str) -> FeedFile:
    with library.shelf() as shelf:
        found = shelf.catalogue.feeds.file("house", name)
    assert found is not None
    return found


def test_a_file_is_read_once(library: Library) -> None:
    """What is read is passed over, a changed file is read anew, and one that is being written is left."""
    library.put(f"{BOOK}.jpg", BLUE)
    library.put(f"{OTHERS[0]}.jpg.part", RED)
    library.put("readme.md", b"# Hello")
    first = run(library)
    assert (first.total.added, first.unread) == (1, 1)
    assert run(library).total.seen == 0
    library.put(f"{BOOK}.jpg", RED, date=1_217_808_001)
    assert run(library).total.replaced == 1
    assert bytes_of(library) == [RED]
    assert known(library, "readme.md").note.startswith("it is neither a picture nor a list")


def test_files_are_read_in_the_order_that_lets_the_last_word_win(library: Library) -> None:
    """Pictures first, then ONIX by age: a delta's delete wins over the picture that lies beside."""
    library.put(f"{BOOK}.jpg", BLUE)
    onix(library, product(None, kind="05")).replace(library.covers / "a-delta.xml")
    onix(library, product("blue.jpg")).replace(library.covers / "b-full.xml")
    library.put("blue.jpg", BLUE)
    os.utime(library.covers / "a-delta.xml", (2e9, 2e9))
    os.utime(library.covers / "b-full.xml", (1e9, 1e9))
    report = run(library)
    assert list(report.files) == ["pictures", "b-full.xml", "a-delta.xml"]
    assert bytes_of(library) == []


def test_an_interrupted_file_goes_on(library: Library) -> None:
    """What was entered before an interruption is not read again, and nothing is left out."""
    isbns = [BOOK, *OTHERS]
    products = [
        product(f"{number}.png", isbn=isbns[number % 20], record=str(number)) for number in range(300)
    ]
    for number in range(300):
        library.put(f"{number}.png", images.distinct(images.small_jpeg(), number))
    path = onix(library, *products)

    def stop(name: str, done: int) -> None:
        if done:
            raise KeyboardInterrupt

    config = library.config()
    with open_shelf(config) as shelf, open_taker(config, shelf, library.refusals.append) as importer:
        made = FeedRun(importer, Sender("house"), FeedRules(), library.refusals.append, stop, now=lambda: NOW)
        assert made.run(library.covers, [path]).total.interrupted
        before = shelf.catalogue.feeds.file("house", "feed.dat")
        assert before
        assert (before.done, before.ended) == (256, None)
        made = FeedRun(
            importer, Sender("house"), FeedRules(), library.refusals.append, lambda *_: None, now=lambda: NOW
        )
        report = made.run(library.covers, [path]).total
        assert (report.seen, report.added) == (44, 44)
        after = shelf.catalogue.feeds.file("house", "feed.dat")
        assert after
        assert (after.done, after.ended, after.started) == (300, NOW, before.started)
        assert shelf.catalogue.feeds.count("house") == 300


def test_files_that_are_done_are_moved(library: Library) -> None:
    """What is done and what was refused lie apart; a picture that only a list can name stays."""
    library.put(f"a/{BOOK}.jpg", BLUE)
    library.put(f"{OTHERS[0]}.gif", b"GIF89a")
    library.put("readme.md", b"# Hello")
    library.put("blue.jpg", BLUE)
    onix(library, product("blue.jpg", isbn=OTHERS[1]))
    run(library, is_moved=True)
    found = {str(path.relative_to(library.covers)) for path in library.covers.rglob("*") if path.is_file()}
    assert found == {
        f"done/a/{BOOK}.jpg", "done/feed.dat", "refused/readme.md", f"refused/{OTHERS[0]}.gif", "blue.jpg",
    }  # fmt: skip
    assert run(library, is_moved=True).total.seen == 0


def test_a_picture_of_tomorrow_is_taken_in_tomorrow(library: Library) -> None:
    """A file with pictures that wait is read again on their day, and not before."""
    library.put("blue.jpg", BLUE)
    onix(library, product("blue.jpg", dates=dated("14", "20270201")))
    assert run(library).total.passed == 1
    later = known(library, "feed.dat").again
    assert later == 1_801_440_000  # 2027-02-01
    assert "feed.dat" not in run(library, now=later - 1).files
    assert run(library, now=later).files["feed.dat"].added == 1


def test_a_picture_that_is_late_is_tried_again(library: Library) -> None:
    """A file whose pictures cannot be had yet is read again an hour later, until it is a week old."""
    path = onix(library, product("blue.jpg"))
    os.utime(path, (NOW, NOW))
    assert run(library).total.refused["unreadable"] == 1
    assert run(library, now=NOW + 3599).files == {}
    library.put("blue.jpg", BLUE)
    assert run(library, now=NOW + 3600).files["feed.dat"].added == 1
    onix(library, product("none.jpg", record="r2"))
    os.utime(path, (NOW, NOW))
    run(library, now=NOW + 8 * 86_400)
    assert known(library, "feed.dat").again is None


def test_a_full_load_takes_back_what_it_does_not_name(library: Library) -> None:
    """Up to a share that no mistake should pass; another sender's pictures stay."""
    isbns = [BOOK, *OTHERS[:9]]
    for number in range(10):
        library.put(f"{number}.jpg", images.distinct(images.small_jpeg(), number))
    library.take_in(library.put("scan/" + f"{isbns[0]}.jpg", GREEN), source="scans")
    (library.covers / "scan" / f"{isbns[0]}.jpg").unlink()
    products = [product(f"{at}.jpg", isbn=isbn, record=str(at)) for at, isbn in enumerate(isbns)]
    full = library.covers / "full-1.xml"
    onix(library, *products).replace(full)
    rules: dict[str, Any] = {"full": ("full*.xml",), "most_withdrawn": 0.1}
    assert run(library, **rules).files["full-1.xml"].added == 10
    time.sleep(0.002)  # the next load begins in another millisecond
    onix(library, *products[2:]).replace(library.covers / "full-2.xml")
    assert run(library, now=NOW + 1, **rules).total.refused["full"] == 1
    assert len(bytes_of(library)) == 2
    onix(library, *products[1:]).replace(library.covers / "full-3.xml")
    assert run(library, now=NOW + 2, **rules).total.withdrawn == 1
    assert bytes_of(library) == [GREEN]
    assert len(bytes_of(library, isbns[1])) == 1


def test_a_broken_full_load_takes_nothing_back(library: Library) -> None:
    """A file that breaks off says nothing of what would have come after."""
    library.put("blue.jpg", BLUE)
    onix(library, product("blue.jpg")).replace(library.covers / "full-1.xml")
    run(library, full=("full*",), most_withdrawn=1.0)
    cut = onix(library, product("blue.jpg", record="r2", isbn=OTHERS[0]), product("x.jpg"))
    (library.covers / "full-2.xml").write_bytes(cut.read_bytes()[:-60])
    cut.unlink()
    run(library, now=NOW + 1, full=("full*",), most_withdrawn=1.0)
    assert bytes_of(library) == [BLUE]
    assert known(library, "full-2.xml").note


def test_a_file_is_complete_when_it_rests(tmp_path: Path) -> None:
    """A file that grows is not ready; one that rests for the time is, and so is another beside it."""
    now = [0.0]
    settled = Settled(2.0, lambda: now[0])
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"1")
    other.write_bytes(b"1")
    assert settled.ready([one, other]) == []
    now[0] = 1.5
    one.write_bytes(b"12")
    assert settled.ready([one, other]) == []
    now[0] = 2.5
    assert settled.ready([one, other]) == [other]
    assert settled.is_waiting
    now[0] = 3.5
    assert settled.ready([one]) == [one]
    assert not settled.is_waiting
