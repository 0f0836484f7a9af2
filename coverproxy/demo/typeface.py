"""A monoline alphabet of capitals, for machines without any font."""

import itertools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

CAP_HEIGHT = 100.0  # the grid: 0 is the top of the capitals, 100 the baseline

# Side bearing of a glyph, by the shape of that side.
_STEM, _ROUND, _SLANT = 13.0, 8.0, 4.5
# A further line must allow this much more size, or a lone "in" would get its own line.
_WORTH_A_LINE = 0.94
_COMMAND = re.compile(r"([MLCAZ])([^MLCAZ]*)")


@dataclass(frozen=True)
class Glyph:
    """One letter: strokes between x=0 and `width`, and its side bearings."""

    left: float
    width: float
    right: float
    strokes: str

    @property
    def advance(self) -> float:
        """The distance from this glyph's origin to the next one's."""
        return self.left + self.width + self.right


@dataclass(frozen=True)
class Setting:
    """A text broken into lines, and the cap height at which they fit."""

    lines: tuple[str, ...]
    size: float


# Each command letter carries exactly one set of absolute numbers: that keeps placing a glyph trivial.
GLYPHS: dict[str, Glyph] = {
    "A": Glyph(_SLANT, 84, _SLANT, "M0 100 L42 0 L84 100 M13.4 68 L70.6 68"),
    "B": Glyph(
        _STEM,
        57,
        _ROUND,
        "M0 47 L30 47 A23.5 23.5 0 0 0 30 0 L0 0 L0 100 L30.5 100 A26.5 26.5 0 0 0 30.5 47 L0 47",
    ),
    "C": Glyph(_ROUND, 87, _SLANT, "M87 16.5 A50 50 0 1 0 87 83.5"),
    "D": Glyph(_STEM, 80, _ROUND, "M0 0 L30 0 A50 50 0 0 1 30 100 L0 100 Z"),
    "E": Glyph(_STEM, 51, _SLANT + 3, "M51 0 L0 0 L0 100 L51 100 M0 48 L46 48"),
    "F": Glyph(_STEM, 49, _SLANT, "M49 0 L0 0 L0 100 M0 50 L44 50"),
    "G": Glyph(_ROUND, 100, _ROUND, "M84 13.3 A50 50 0 1 0 100 50 L61 50"),
    "H": Glyph(_STEM, 72, _STEM, "M0 0 L0 100 M72 0 L72 100 M0 48 L72 48"),
    "I": Glyph(_STEM, 0, _STEM, "M0 0 L0 100"),
    "J": Glyph(_SLANT, 38, _STEM, "M38 0 L38 79 A19 21 0 0 1 0 79"),
    "K": Glyph(_STEM, 63, _SLANT, "M0 0 L0 100 M59 0 L0 60 M22 37.6 L63 100"),
    "L": Glyph(_STEM, 47, _SLANT, "M0 0 L0 100 L47 100"),
    "M": Glyph(_STEM - 3, 96, _STEM - 3, "M0 100 L10 0 L48 80 L86 0 L96 100"),
    "N": Glyph(_STEM, 74, _STEM, "M0 100 L0 0 L74 100 L74 0"),
    "O": Glyph(_ROUND, 100, _ROUND, "M0 50 A50 50 0 0 1 100 50 A50 50 0 0 1 0 50 Z"),
    "P": Glyph(_STEM, 56, _ROUND - 2, "M0 100 L0 0 L28 0 A28 28 0 0 1 28 56 L0 56"),
    "Q": Glyph(_ROUND, 100, _ROUND, "M0 50 A50 50 0 0 1 100 50 A50 50 0 0 1 0 50 Z M62 64 L100 104"),
    "R": Glyph(_STEM, 58, _SLANT + 1, "M0 100 L0 0 L29 0 A27 27 0 0 1 29 54 L0 54 M26 54 L58 100"),
    "S": Glyph(
        _ROUND,
        54,
        _ROUND,
        "M49 15 C45 5 37 0 28 0 C13 0 4 10 4 23.5 C4 38 14 43 28 48 "
        "C43 53.5 54 60 54 75 C54 90 42 100 27 100 C14 100 4 93 0 82",
    ),
    "T": Glyph(_SLANT, 64, _SLANT, "M0 0 L64 0 M32 0 L32 100"),
    "U": Glyph(_STEM, 70, _STEM, "M0 0 L0 65 A35 35 0 0 0 70 65 L70 0"),
    "V": Glyph(_SLANT, 80, _SLANT, "M0 0 L40 100 L80 0"),
    "W": Glyph(_SLANT, 124, _SLANT, "M0 0 L31 100 L62 4 L93 100 L124 0"),
    "X": Glyph(_SLANT + 1, 72, _SLANT + 1, "M3 0 L72 100 M69 0 L0 100"),
    "Y": Glyph(_SLANT, 74, _SLANT, "M0 0 L37 52 L74 0 M37 52 L37 100"),
    "Z": Glyph(_SLANT + 3, 66, _SLANT + 3, "M3 0 L64 0 L0 100 L66 100"),
    "0": Glyph(_ROUND, 64, _ROUND, "M0 50 A32 50 0 0 1 64 50 A32 50 0 0 1 0 50 Z"),
    "1": Glyph(_ROUND, 24, _STEM, "M0 20 L24 0 L24 100"),
    "2": Glyph(_ROUND, 57, _ROUND, "M1 27 A26.5 27 0 0 1 28 0 A26 27 0 0 1 49 43 L0 100 L57 100"),
    "3": Glyph(
        _ROUND,
        54.5,
        _ROUND,
        "M4 16 A25 25 0 0 1 28 0 A23.5 23.5 0 0 1 28 47 L20 47 "
        "M28 47 A26.5 26.5 0 0 1 28 100 A29 29 0 0 1 0 82",
    ),
    "4": Glyph(_SLANT, 66, _ROUND, "M50 100 L50 0 L0 72 L66 72"),
    "5": Glyph(_ROUND, 59, _ROUND, "M52 0 L13 0 L8.5 45 A31 31 0 0 1 59 69 A31 31 0 0 1 1 84.5"),
    "6": Glyph(_ROUND, 60, _ROUND, "M46 0 L6 52 A30 30 0 1 0 60 70 A30 30 0 0 0 6 52"),
    "7": Glyph(_SLANT, 59, _SLANT, "M0 0 L59 0 L17 100"),
    "8": Glyph(
        _ROUND,
        55,
        _ROUND,
        "M27.5 0 A23.5 23.5 0 0 1 27.5 47 A23.5 23.5 0 0 1 27.5 0 Z "
        "M27.5 47 A26.5 26.5 0 0 1 27.5 100 A26.5 26.5 0 0 1 27.5 47 Z",
    ),
    "9": Glyph(_ROUND, 60, _ROUND, "M14 100 L54 48 A30 30 0 1 0 0 30 A30 30 0 0 0 54 48"),
    # A stroke of almost no length: the round cap makes it a dot.
    ".": Glyph(_STEM, 0.1, _STEM, "M0 100 L0.1 100"),
    ",": Glyph(_ROUND, 8, _ROUND, "M8 98 L0 117"),
    "'": Glyph(_ROUND, 0, _ROUND, "M0 0 L0 24"),
    "-": Glyph(_STEM, 34, _STEM, "M0 54 L34 54"),
    "&": Glyph(
        _ROUND,
        76,
        _SLANT,
        "M74 100 L17 35 C4 19 14 0 33 0 C52 0 60 20 46 34 "
        "C35 44 0 49 0 74 C0 90 13 100 31 100 C54 100 70 84 76 58",
    ),
    ":": Glyph(_STEM, 0.1, _STEM, "M0 42 L0.1 42 M0 100 L0.1 100"),
    "!": Glyph(_STEM, 0.1, _STEM, "M0 0 L0 68 M0 100 L0.1 100"),
    "?": Glyph(
        _ROUND,
        50,
        _ROUND,
        "M0 24 A25 24 0 0 1 25 0 A25 24.5 0 0 1 34 47 C26 51 25 56 25 68 M25 100 L25.1 100",
    ),
    " ": Glyph(0, 40, 0, ""),
}

# Pairs whose gap looks too wide on the grid, and by how much to close it.
_KERNING = {
    pair: amount
    for amount, pairs in {
        18.0: "AT TA AV VA AY YA LT LY LV",
        12.0: "AW WA PA FA TO OT YO OY TC",
        7.0: "RY RT RV AC AO OA VO OV AU AQ KO DA DY GA PE LO",
    }.items()
    for pair in pairs.split()
}


def fold(text: str) -> str:
    """Return the text in capitals without accents, the only letters of this alphabet."""
    plain = unicodedata.normalize("NFKD", text.replace("\u2019", "'"))
    return "".join(letter for letter in plain if not unicodedata.combining(letter)).upper()


def text_path(
    text: str, *, size: float, tracking: float = 0.0, x: float = 0.0, y: float = 0.0
) -> tuple[str, float]:
    """Return path data of one line, with the top left corner of its ink at x, y, and the ink's width.

    `size`: cap height. `tracking`: extra space between letters, in cap heights.
    """
    scale = size / CAP_HEIGHT
    placed = list(_placed_glyphs(fold(text), tracking * CAP_HEIGHT))
    data = [_moved(glyph.strokes, x + at * scale, y, scale) for at, glyph in placed]
    last_at, last = placed[-1]
    return " ".join(filter(None, data)), (last_at + last.width) * scale


def wrap(
    text: str,
    max_width: float,
    *,
    max_height: float,
    largest: float,
    tracking: float = 0.0,
    leading: float = 1.45,
) -> Setting:
    """Return the line breaks with the largest size in the box, with few lines, as even as possible."""
    settings = []
    for lines in _breaks(text.split()):
        per_unit = max(text_path(line, size=1.0, tracking=tracking)[1] for line in lines)
        tall = 1 + leading * (len(lines) - 1)
        size = min(largest, max_width / max(per_unit, 0.01), max_height / tall)
        settings.append((size * _WORTH_A_LINE ** len(lines), -per_unit, size, lines))
    _, _, size, lines = max(settings)
    return Setting(lines, size)


def set_block(
    text: str,
    room: tuple[float, float, float, float],
    *,
    largest: float,
    align: float = 0.5,
    tracking: float = 0.0,
    leading: float = 1.5,
) -> tuple[str, float]:
    """Return path data of the text at its largest in the room (x, y, width, height), and its cap height.

    `align`: 0 left, 0.5 centred, 1 right.
    """
    x, y, width, height = room
    setting = wrap(text, width, max_height=height, largest=largest, tracking=tracking, leading=leading)
    top = y + (height - setting.size * (1 + leading * (len(setting.lines) - 1))) / 2
    paths = []
    for line in setting.lines:
        _, wide = text_path(line, size=setting.size, tracking=tracking)
        paths.append(
            text_path(line, size=setting.size, tracking=tracking, x=x + (width - wide) * align, y=top)[0]
        )
        top += leading * setting.size
    return " ".join(paths), setting.size


def stroke(data: str, colour: str, width: float, kind: str = "ornament") -> str:
    """Return the SVG element for path data of this alphabet, with round ends."""
    ends = 'stroke-linecap="round" stroke-linejoin="round"'
    return (
        f'<path class="{kind}" d="{data}" fill="none" stroke="{colour}" stroke-width="{width:.2f}" {ends}/>'
    )


def _breaks(words: list[str]) -> Iterator[tuple[str, ...]]:
    """Yield every way to break the words into lines (titles are short, so there are few)."""
    gaps = range(1, len(words))
    for count in range(len(words)):
        for cuts in itertools.combinations(gaps, count):
            edges = (0, *cuts, len(words))
            yield tuple(" ".join(words[a:b]) for a, b in itertools.pairwise(edges))


def _placed_glyphs(text: str, tracking: float) -> Iterator[tuple[float, Glyph]]:
    """Yield each glyph with the x of its ink on the grid; the first one's ink begins at 0."""
    at = -GLYPHS[text[0]].left
    for letter, following in itertools.zip_longest(text, text[1:], fillvalue=""):
        glyph = GLYPHS[letter]
        yield at + glyph.left, glyph
        at += glyph.advance + tracking - _KERNING.get(letter + following, 0.0)


def _moved(strokes: str, x: float, y: float, scale: float) -> str:
    """Scale the strokes, then move them to x, y."""
    parts = []
    for command, arguments in _COMMAND.findall(strokes):
        numbers = [float(number) for number in arguments.split()]
        head = [numbers[0] * scale, numbers[1] * scale, *numbers[2:5]] if command == "A" else []
        points = numbers[5:] if command == "A" else numbers
        moved = [(x, y)[index % 2] + value * scale for index, value in enumerate(points)]
        parts.append(command + " ".join(f"{value:.2f}".rstrip("0").rstrip(".") for value in head + moved))
    return " ".join(parts)
