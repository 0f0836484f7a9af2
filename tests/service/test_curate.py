"""What people decide of a book's originals is shown at once, and outlives every import and source."""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import images
import orjson
import pytest
from conftest import UNCOVERED, Running, take_in
from library import BOOK, OTHERS, Library, strangers
from running import run

from coverproxy.domain.decisions import Act, Decision
from coverproxy.domain.errors import NoSuchOriginal
from coverproxy.domain.original import OriginalState
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.service.curate import Curator

NAME = Identifier(ISBN, BOOK)
ANNA = Decision("anna", 1_800_000_000, "wrong edition")
LARGE = images.jpeg(images.solid(images.RED, 600, 900))
LITTLE = images.jpeg(images.solid(images.BLUE, 500, 750))


class Desk:
    """A library with a large and a little original of one book, and who decides of them."""

    def __init__(self, library: Library, curator: Curator) -> None:
        self.library = library
        self.curator = curator
        self.large, self.little = (one.digest for one in library.originals())

    def shown(self) -> int | None:
        """The width of what the book shows."""
        best = self.curator.book(NAME).best
        return best.width if best else None

    def again(self) -> dict[str, int]:
        """Import all files again, and return what was refused."""
        return dict(self.library.take_in(source="again").refused)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """The large original is shown."""
    library = Library(tmp_path)
    library.put(f"a/{BOOK}.jpg", LARGE)
    library.put(f"b/{BOOK}.jpg", LITTLE)
    library.take_in()
    with library.shelf() as shelf:
        curator = Curator(shelf.catalogue, shelf.files, shelf.invalidator)
        yield Desk(library, curator)


def test_a_pinned_original_is_shown(desk: Desk) -> None:
    """A person's choice stands before pixels, until it is taken back."""
    is_there = desk.library.make_derivative()
    desk.curator.pin(NAME, desk.little, ANNA)
    assert desk.shown() == 500
    assert not is_there()
    desk.curator.pin(NAME, desk.large, ANNA)
    assert desk.shown() == 600
    desk.curator.pin(NAME, desk.little, ANNA)
    desk.curator.unpin(NAME, ANNA)
    assert desk.shown() == 600


def test_a_hidden_original_stays_hidden(desk: Desk) -> None:
    """What is hidden makes way at once, the same file is refused with the reason, and restoring shows it."""
    is_there = desk.library.make_derivative()
    desk.curator.hide(NAME, desk.large, ANNA)
    assert desk.shown() == 500
    assert not is_there()
    assert desk.again() == {"hidden": 1}
    assert "anna hid it on 2027-01-15: wrong edition" in desk.library.refusals[-1].detail
    assert desk.shown() == 500
    desk.curator.restore(NAME, desk.large, ANNA)
    assert desk.shown() == 600
    assert desk.again() == {}


def test_a_hidden_book_shows_nothing(desk: Desk) -> None:
    """A takedown of a whole book holds against pictures that come later, until it is restored."""
    desk.curator.hide(NAME, None, ANNA)
    assert desk.shown() is None
    desk.library.put(f"c/{BOOK}.jpg", images.jpeg(images.cover(300, 450)))
    assert desk.again() == {"hidden": 3}
    assert desk.shown() is None
    desk.curator.restore(NAME, None, ANNA)
    assert desk.shown() == 600
    assert desk.again() == {}


def test_pinning_ends_hiding(desk: Desk) -> None:
    """Who chooses an original of a hidden book wants it to be shown."""
    desk.curator.hide(NAME, None, ANNA)
    desk.curator.pin(NAME, desk.little, ANNA)
    assert desk.shown() == 500
    assert [one.state for one in desk.curator.book(NAME).originals] == [None, OriginalState.HIDDEN]


def test_bytes_are_hidden_for_all_books(desk: Desk) -> None:
    """One picture that many books have wrongly is hidden for all with one decision, and for books to come."""
    other = Identifier(ISBN, OTHERS[0])
    desk.library.put(f"c/{OTHERS[0]}.jpg", LARGE)
    desk.library.take_in()
    assert desk.curator.hide_everywhere(NAME, desk.large, ANNA) == [NAME, other]
    assert desk.curator.book(other).best is None
    desk.library.put(f"d/{OTHERS[1]}.jpg", LARGE)
    assert desk.again() == {"hidden": 3}
    with pytest.raises(NoSuchOriginal, match="for every book"):
        desk.curator.pin(NAME, desk.large, ANNA)
    desk.curator.restore_everywhere(NAME, desk.large, ANNA)
    assert desk.curator.book(other).best
    assert desk.shown() == 600


def test_what_is_removed_does_not_come_back(desk: Desk) -> None:
    """The file is gone from disk, and its bytes are refused until they are restored."""
    desk.curator.remove(NAME, desk.large, ANNA)
    assert desk.shown() == 500
    assert len(desk.library.stored()) == 1
    assert desk.again() == {"hidden": 1}
    desk.curator.restore(NAME, desk.large, ANNA)
    assert desk.again() == {}
    assert desk.shown() == 600


def test_all_of_a_book_is_removed(desk: Desk) -> None:
    """Without a digest every original goes; there is none to remove twice."""
    assert {one.digest for one in desk.curator.remove(NAME, None, ANNA)} == {desk.large, desk.little}
    assert desk.shown() is None
    assert desk.library.stored() == set()
    with pytest.raises(NoSuchOriginal):
        desk.curator.remove(NAME, None, ANNA)


def test_each_decision_can_be_undone(desk: Desk) -> None:
    """The history has who did what and why, latest first; undoing puts the book back to what it was."""
    desk.curator.pin(NAME, desk.little, ANNA)
    desk.curator.hide(NAME, desk.little, ANNA)
    desk.curator.hide(NAME, None, ANNA)
    found = desk.curator.history(NAME)
    assert [(one.act, one.digest, one.who, one.note) for one in found] == [
        (Act.HIDE, None, "anna", "wrong edition"),
        (Act.HIDE, desk.little, "anna", "wrong edition"),
        (Act.PIN, desk.little, "anna", "wrong edition"),
    ]
    assert found[1].origin == str(desk.library.covers / "b" / f"{BOOK}.jpg")
    assert desk.shown() is None
    desk.curator.undo(found[0].number, ANNA)
    assert desk.shown() == 600
    desk.curator.undo(found[1].number, ANNA)
    assert desk.shown() == 500
    desk.curator.undo(found[2].number, ANNA)
    assert desk.shown() == 600
    with pytest.raises(NoSuchOriginal):
        desk.curator.undo(10**6, ANNA)


@pytest.mark.parametrize("act", [Curator.approve, Curator.hide])
def test_what_waited_waits_again(
    desk: Desk, act: Callable[[Curator, Identifier, bytes, Decision], None]
) -> None:
    """Undoing the review of a picture puts it back among those that wait, and shows nothing."""
    with closing(sqlite3.connect(desk.library.data / "catalogue.db", isolation_level=None)) as connection:
        connection.execute("UPDATE original SET state = 'pending' WHERE digest = ?", (desk.large,))
    act(desk.curator, NAME, desk.large, ANNA)
    assert desk.curator.pending(9) == []
    desk.curator.undo(desk.curator.history(NAME)[0].number, ANNA)

    assert [each.digest for each in desk.curator.pending(9)] == [desk.large]
    assert desk.shown() == 500


def test_a_digest_is_named_by_its_beginning(desk: Desk) -> None:
    """Eight digits are enough, fewer or others are refused; bytes that are not here need all of them."""
    assert desk.curator.digest(NAME, desk.large.hex()[:8].upper()) == desk.large
    for text in ("", "12", "zzzzzzzz", "0" * 33, "0" * 8):
        with pytest.raises(NoSuchOriginal):
            desk.curator.digest(NAME, text)
    assert desk.curator.digest(NAME, "0" * 32) == bytes(16)


def test_admitted_bytes_are_let_in(desk: Desk) -> None:
    """A picture that was taken for "no image" art comes in once a person says that it is none."""
    for isbn in strangers(3):
        desk.library.put(f"art/{isbn}.jpg", images.small_jpeg())
    folder = desk.library.covers / "art"
    assert desk.library.take_in(folder).added == 0
    digest = digest_of(images.small_jpeg())
    desk.curator.admit(digest, ANNA)
    assert desk.library.take_in(folder).added == 3


def digest_of(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()[:16]


async def test_a_running_service_obeys(server: Running, tmp_path: Path) -> None:
    """A decision at the command line is what the next visitor gets, under another tag."""
    for name, body in (("a", LARGE), ("b", LITTLE)):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{UNCOVERED}.jpg").write_bytes(body)
    (tmp_path / "both").mkdir()
    for name in "ab":
        (tmp_path / name).rename(tmp_path / "both" / name)
    take_in(server.config, tmp_path / "both", "copy")
    data = Path(server.config.data.dir)
    first = await server.get(server.path(UNCOVERED))
    told = orjson.loads(run("originals", "list", UNCOVERED, "--json", data=data))
    _, little = (one["digest"] for one in told["originals"])
    run("originals", "pin", UNCOVERED, little, "--note", "the right one", data=data)
    second = await server.get(server.path(UNCOVERED), If_None_Match=first.headers["ETag"])
    assert (second.status, second.headers["X-Cover-Original"]) == (200, "500x750")
    run("originals", "hide", UNCOVERED, data=data)
    assert (await server.get(server.path(UNCOVERED))).cover == "missing"
    number = orjson.loads(run("originals", "history", UNCOVERED, "--json", data=data))[0]["number"]
    run("originals", "undo", str(number), data=data)
    third = await server.get(server.path(UNCOVERED))
    assert third.headers["X-Cover-Original"] == "500x750"
    run("originals", "remove", UNCOVERED, little[:10], data=data)
    fourth = await server.get(server.path(UNCOVERED))
    assert fourth.headers["X-Cover-Original"] == "600x900"
    assert fourth.headers["ETag"] not in {one.headers["ETag"] for one in (first, second, third)}
    assert "no original" in run("originals", "pin", UNCOVERED, "0" * 32, data=data, code=1)


async def test_a_file_is_added_at_the_command_line(server: Running, tmp_path: Path) -> None:
    """It is shown at once with its terms, brings a hidden book back, and a broken file is refused."""
    data, path = Path(server.config.data.dir), tmp_path / "any name.jpg"
    path.write_bytes(LITTLE)
    run("originals", "hide", UNCOVERED, data=data)
    terms = ("--licence", "CC0", "--until", "2099-01-01", "--no-crop", "--note", "second", "--who", "anna")
    told = orjson.loads(run("originals", "add", UNCOVERED, path, *terms, "--json", data=data))
    (row,) = told["originals"]
    assert (row["shown"], row["licence"], row["until"], row["who"]) == (
        True, "CC0", "2099-01-01T00:00:00Z", "anna",
    )  # fmt: skip
    assert row["origin"] == str(path)
    assert (await server.get(server.path(UNCOVERED))).headers["X-Cover-Original"] == "500x750"
    path.write_bytes(LITTLE[:3000])
    assert str(path) in run("originals", "add", UNCOVERED, path, data=data, code=1)
    assert path.read_bytes() == LITTLE[:3000]
    assert "Nothing waits" in run("originals", "pending", data=data)
