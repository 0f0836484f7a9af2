"""What the demonstration's artwork promises: real ISBNs, readable covers, the same files every time."""

import math
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import pyvips
from stdnum import isbn as isbn_numbers

from coverproxy.demo.classics import CLASSICS, FILE_NAMES, MISSING, Classic
from coverproxy.demo.draw import LAYOUTS, cover_svg
from coverproxy.demo.typeface import CAP_HEIGHT, GLYPHS, fold, set_block, text_path, wrap

EDITIONS = [(classic, edition) for classic in CLASSICS for edition in range(len(classic.isbns))]
LETTERING = re.compile(r'<path class="lettering" d="([^"]+)" .*? stroke-width="([\d.]+)"')
COMMAND = re.compile(r"([MLCAZ])([^MLCAZ]*)")

Point = tuple[float, float]
Extent = tuple[float, float, float, float]


def isbn_of(edition: tuple[Classic, int]) -> str:
    classic, index = edition
    return classic.isbns[index]


def arc_points(start: Point, numbers: list[float]) -> Iterator[Point]:
    """Points along an SVG arc whose axes are upright."""
    rx, ry, _, large, sweep, x1, y1 = numbers
    # In a space where the ellipse is a circle, its centre is on the chord's perpendicular.
    (ax, ay), (bx, by) = (start[0] / rx, start[1] / ry), (x1 / rx, y1 / ry)
    chord = math.hypot(bx - ax, by - ay)
    radius = max(1.0, chord / 2)
    away = math.sqrt(max(0.0, radius**2 - chord**2 / 4)) * (-1 if large == sweep else 1)
    cx, cy = (ax + bx) / 2 - away * (by - ay) / chord, (ay + by) / 2 + away * (bx - ax) / chord
    first, last = math.atan2(ay - cy, ax - cx), math.atan2(by - cy, bx - cx)
    turn = (last - first) % (2 * math.pi) if sweep else -((first - last) % (2 * math.pi))
    for step in range(65):
        angle = first + turn * step / 64
        yield (cx + radius * math.cos(angle)) * rx, (cy + radius * math.sin(angle)) * ry


def extent(data: str, half_stroke: float = 0.0) -> Extent:
    """Left, top, right and bottom of the ink (a curve's control points count as ink)."""
    points: list[Point] = []
    for command, arguments in COMMAND.findall(data):
        numbers = [float(number) for number in arguments.split()]
        if command == "A":
            points.extend(arc_points(points[-1], numbers))
        else:
            points.extend(zip(numbers[::2], numbers[1::2], strict=True))
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs) - half_stroke, min(ys) - half_stroke, max(xs) + half_stroke, max(ys) + half_stroke


def draw_into(directory: Path) -> Path:
    # In a process of its own, as the service does it: this one may have blocked the SVG loader.
    command = [sys.executable, "-m", "coverproxy.demo.draw", str(directory)]
    subprocess.run(command, check=True, timeout=120)
    return directory


def contents(directory: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in directory.iterdir()}


def test_every_isbn_is_valid_and_unique() -> None:
    """Each edition has a real ISBN-13 of its own, the missing one's included."""
    isbns = [isbn_of(edition) for edition in EDITIONS] + list(MISSING.isbns)
    assert [isbn for isbn in isbns if isbn_numbers.validate(isbn) != isbn or len(isbn) != 13] == []
    assert len(set(isbns)) == len(isbns) >= 26


def test_odd_file_names_are_the_same_isbn_in_other_spellings() -> None:
    """A file named with hyphens or an ISBN-10 still names the edition it belongs to."""
    spelled = {isbn: isbn_numbers.to_isbn13(Path(name).stem) for isbn, name in FILE_NAMES.items()}
    assert {isbn: isbn_numbers.compact(other) for isbn, other in spelled.items()} == {
        isbn: isbn for isbn in FILE_NAMES
    }
    assert set(FILE_NAMES) <= {isbn_of(edition) for edition in EDITIONS}


def test_every_edition_has_a_look_of_its_own() -> None:
    """Looks and ISBNs match one by one, name known layouts, and differ between a title's editions."""
    for classic in CLASSICS:
        assert len(classic.looks) == len(classic.isbns)
        assert {look.layout for look in classic.looks} <= set(LAYOUTS)
        assert len({cover_svg(classic, edition) for edition in range(len(classic.isbns))}) == len(
            classic.isbns
        )
    assert {look.layout for classic in CLASSICS for look in classic.looks} == set(LAYOUTS)


def test_every_letter_that_is_needed_exists() -> None:
    """Titles and authors use only letters the alphabet has, once accents are folded."""
    needed = {letter for classic in (*CLASSICS, MISSING) for letter in fold(classic.title + classic.author)}
    assert needed - set(GLYPHS) == set()
    assert fold("Les Misérables È Á Brontë\u2019s") == "LES MISERABLES E A BRONTE'S"


@pytest.mark.parametrize("letter", sorted(set(GLYPHS) - {" "}))
def test_a_glyph_stays_within_its_measures(letter: str) -> None:
    """A letter's strokes fill the width it declares, and only commas and tails go below the baseline."""
    left, top, right, bottom = extent(GLYPHS[letter].strokes)
    assert left == pytest.approx(0, abs=1.5)
    assert right == pytest.approx(GLYPHS[letter].width, abs=1.5)
    assert top >= -1
    assert bottom <= CAP_HEIGHT + (20 if letter in ",Q" else 1)


def test_text_is_as_wide_as_it_says() -> None:
    """The width that is used to place a line is the width of its ink."""
    data, width = text_path("Moby-Dick & Jane Eyre?", size=50, tracking=0.1, x=30, y=20)
    left, top, right, bottom = extent(data)
    assert [left, top, right, bottom] == pytest.approx([30, 20, 30 + width, 70], abs=1)


@pytest.mark.parametrize(
    ("width", "height", "lines"),
    [
        (4000, 100, ("The Count of Monte Cristo",)),
        (600, 400, ("The Count", "of Monte", "Cristo")),
        (300, 4000, ("The", "Count", "of", "Monte", "Cristo")),
    ],
)
def test_a_title_breaks_where_it_becomes_largest(width: int, height: int, lines: tuple[str, ...]) -> None:
    """The room decides the number of lines; the words keep their order and the block fits."""
    setting = wrap("The Count of Monte Cristo", width, max_height=height, largest=500)
    assert setting.lines == lines
    data, size = set_block("The Count of Monte Cristo", (0, 0, width, height), largest=500)
    left, top, right, bottom = extent(data)
    assert size <= 500
    assert left >= -1
    assert top >= -1
    assert right <= width + 1
    assert bottom <= height + 1


@pytest.mark.parametrize("edition", EDITIONS, ids=isbn_of)
def test_lettering_stays_inside_the_cover(edition: tuple[Classic, int]) -> None:
    """Title and author keep a margin to every edge, don't touch each other, and are not tiny."""
    classic, index = edition
    look = classic.looks[index]
    title, author = (
        extent(data, float(width) / 2) for data, width in LETTERING.findall(cover_svg(classic, index))
    )
    for left, top, right, bottom in (title, author):
        assert min(left, look.width - right) > 0.05 * look.width
        assert min(top, look.height - bottom) > 0.03 * look.height
    assert author[1] - title[3] > 0.02 * look.height
    assert title[2] - title[0] > 0.4 * look.width


def test_every_edition_is_drawn_in_its_size(drawn: Path) -> None:
    """There is one file per edition, and each opens with the pixels its look states."""
    assert len(list(drawn.iterdir())) == len(EDITIONS)
    for classic, index in EDITIONS:
        isbn, look = classic.isbns[index], classic.looks[index]
        image = pyvips.Image.new_from_file(str(drawn / FILE_NAMES.get(isbn, f"{isbn}.jpg")))
        assert (image.width, image.height, image.bands) == (look.width, look.height, 3)
        assert image.deviate() > 10  # a picture, not an empty sheet


def test_formats_are_mixed_as_in_a_real_folder(drawn: Path) -> None:
    """The folder has JPEG, PNG and WebP files that are what their suffix says."""
    loaders = {
        path.suffix: pyvips.Image.new_from_file(str(path)).get("vips-loader") for path in drawn.iterdir()
    }
    assert loaders == {".jpg": "jpegload", ".png": "pngload", ".webp": "webpload"}


def test_the_missing_one_is_not_drawn(drawn: Path) -> None:
    """The one edition without a cover is neither among the classics nor in the folder."""
    assert MISSING.looks == ()
    assert set(MISSING.isbns).isdisjoint(isbn_of(edition) for edition in EDITIONS)
    assert [path for path in drawn.iterdir() if path.stem in MISSING.isbns] == []


def test_drawing_again_gives_the_same_files(drawn: Path, tmp_path: Path) -> None:
    """A second run writes the same bytes with the same modification times."""
    assert contents(draw_into(tmp_path / "new" / "covers")) == contents(drawn)
