"""Damaged pictures: never shown where a whole one is there, told at once, and replacing nothing."""

from pathlib import Path

import images
import pytest
from click.testing import CliRunner
from library import BOOK, OTHERS, Library
from samples import book
from senders import BLUE, bytes_of, feature, onix, product, take

from coverproxy.cli import main
from coverproxy.domain.formats import sniff
from coverproxy.feeds.onix import OnixRules
from coverproxy.imaging.completeness import seems_whole

LARGE = images.jpeg(images.cover(600, 900), keep="none")
CUT = LARGE[: len(LARGE) // 2]
SMALL = images.jpeg(images.cover(200, 300), keep="none")


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """An empty folder of covers, and no data folder yet."""
    return Library(tmp_path)


@pytest.mark.parametrize("damaged", [CUT, images.broken(LARGE, 0.5)], ids=["cut", "broken inside"])
@pytest.mark.parametrize("at_once", [True, False])
def test_a_damaged_picture_is_never_the_best(library: Library, damaged: bytes, at_once: bool) -> None:
    """The smaller whole one is shown from the first moment, whether they come together or one by one."""
    if not at_once:
        library.put(f"{BOOK}.jpg", SMALL)
        library.take_in(source="scans")
    else:
        library.put(f"{BOOK}-2.jpg", SMALL)
    library.put(f"{BOOK}-1.jpg", damaged)
    report = library.take_in(source="other")

    best = next(each for each in library.originals() if each.is_usable)
    assert (best.bytes, len(library.originals())) == (len(SMALL), 2)
    assert (report.damaged, report.lesser, report.refused.total()) == (1, 0, 0)
    (told,) = library.refusals
    assert (told.path, told.reason) == (str(library.covers / f"{BOOK}-1.jpg"), "damaged")
    assert library.is_consistent()


def test_a_single_cut_picture_is_told_at_once(library: Library) -> None:
    """It is kept and listed, with no cover asked for; the command says so, and its report names the file."""
    library.put(f"{BOOK}.jpg", CUT)
    library.put(f"{OTHERS[0]}.jpg", SMALL)
    done = CliRunner().invoke(main, ["import", str(library.covers), "--data", str(library.data)])
    listed = CliRunner().invoke(main, ["originals", "corrupt", "--data", str(library.data)])

    assert (done.exit_code, listed.exit_code) == (0, 0)
    assert "1 of them is damaged and is not shown: coverproxy originals corrupt" in done.output
    assert f"isbn:{BOOK}" in listed.output
    assert OTHERS[0] not in listed.output
    (report,) = (library.data / "imports").iterdir()
    assert '"reason":"damaged"' in report.read_text()


def lost_block(body: bytes) -> bytes:
    """The picture with a block of zeros inside, as a disk or a transfer loses one."""
    at = len(body) // 2
    return body[:at] + bytes(4096) + body[at + 4096 :]


@pytest.mark.parametrize(
    "damaged", [lost_block(LARGE), images.broken(LARGE, 0.5), lost_block(images.drawn("png-rgb"))],
    ids=["lost block", "broken inside", "png"],
)  # fmt: skip
def test_a_single_picture_damaged_inside_is_told_at_once(library: Library, damaged: bytes) -> None:
    """With its end in place as well: markers and checksums tell that a decoder has to see it."""
    library.put(f"{BOOK}.jpg", damaged)
    assert library.take_in().damaged == 1
    assert [each.is_usable for each in library.originals()] == [False]


def versions(*links: str) -> str:
    """A product whose front cover has several versions, each smaller than the one before."""
    each = "".join(
        f"<ResourceVersion><ResourceForm>02</ResourceForm>{feature('02', str(900 - at))}"
        f"{feature('03', '600')}<ResourceLink>{link}</ResourceLink></ResourceVersion>"
        for at, link in enumerate(links)
    )
    whole = product("x")
    start, end = whole.index("<ResourceVersion>"), whole.index("</ResourceVersion>") + 18
    return whole[:start] + each + whole[end:]


@pytest.mark.parametrize("damaged", [CUT, lost_block(LARGE), b"no picture"], ids=["cut", "inside", "text"])
def test_the_next_version_is_taken_for_a_damaged_one(library: Library, damaged: bytes) -> None:
    """Of a record's versions the best that can be decoded is taken, alone; nothing else is left on disk."""
    library.put("tiff.jpg", damaged)
    library.put("large.jpg", damaged)
    library.put("small.jpg", SMALL)
    report = take(library, onix(library, versions("tiff.jpg", "large.jpg", "small.jpg")))
    assert (report.added, report.damaged, report.refused.total()) == (1, 0, 0)
    assert bytes_of(library) == [SMALL]
    assert library.is_consistent()
    assert take(library, onix(library, versions("tiff.jpg", "large.jpg", "small.jpg"))).already == 1


def test_the_pack_is_taken_for_a_damaged_front(library: Library) -> None:
    """Where the operator lets it stand in: a picture of another role is the next to try."""
    library.put("front.jpg", CUT)
    library.put("pack.jpg", SMALL)
    front, pack = product("front.jpg"), product("pack.jpg")
    start, end = pack.index("<SupportingResource>"), pack.index("</CollateralDetail>")
    also = pack[start:end].replace("ContentType>01<", "ContentType>03<")
    path = onix(library, front.replace("</CollateralDetail>", also + "</CollateralDetail>"))
    report = take(library, path, onix=OnixRules(contents=("01", "03")))
    assert (report.added, report.damaged) == (1, 0)
    assert bytes_of(library) == [SMALL]


def test_of_damaged_versions_the_first_is_kept(library: Library) -> None:
    """As a single damaged picture is: listed, not shown, and told."""
    library.put("a.jpg", CUT)
    library.put("b.jpg", lost_block(LARGE))
    assert take(library, onix(library, versions("gone.jpg", "a.jpg", "b.jpg"))).damaged == 1
    assert [(each.bytes, each.is_usable) for each in library.originals()] == [(len(CUT), False)]


def test_a_damaged_picture_replaces_nothing(library: Library) -> None:
    """Sent again under the same name and cut off on its way, the earlier one stays."""
    library.put(f"{BOOK}.jpg", SMALL)
    library.take_in(source="house")
    library.put(f"{BOOK}.jpg", CUT)
    report = library.take_in(source="house")
    shown = [each.bytes for each in library.originals() if each.is_usable]

    assert (report.damaged, report.replaced, shown) == (1, 0, [len(SMALL)])


def test_a_senders_damaged_picture_takes_no_other_ones_place(library: Library) -> None:
    """Of an ONIX record as well: its next whole picture replaces the first."""
    library.put("a.jpg", BLUE)
    take(library, onix(library, product("a.jpg")))
    library.put("b.jpg", CUT)
    assert take(library, onix(library, product("b.jpg"))).damaged == 1
    assert BLUE in bytes_of(library)
    library.put("c.jpg", SMALL)
    assert take(library, onix(library, product("c.jpg"))).replaced == 2
    assert BLUE not in bytes_of(library)


KINDS = ("jpeg-420", "png-rgb", "webp", "gif", "avif")


@pytest.mark.parametrize("kind", KINDS)
def test_the_end_of_a_file_is_seen_without_a_decoder(kind: str) -> None:
    """A whole file of each kind seems whole; cut anywhere behind its header, it does not."""
    body = images.drawn(kind)
    loader = sniff(body[:32])
    assert loader
    assert seems_whole(body, loader)
    for share in (0.3, 0.6, 0.9, 0.99):
        assert not seems_whole(body[: int(len(body) * share)], loader), share


def test_whole_pictures_of_books_of_their_own_are_not_decoded(library: Library) -> None:
    """So a first import stays as quick as reading: nothing is measured where nothing is chosen."""
    for number in range(3):
        library.put(f"{book(number)}.jpg", images.distinct(SMALL, number))
    library.take_in()
    assert [each.detail for each in library.all_originals()] == [None] * 3
