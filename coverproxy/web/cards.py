"""Cards for missing covers: drawn with the title and author from the URL."""

import colorsys
import unicodedata
import zlib
from dataclasses import dataclass

from markupsafe import Markup

from coverproxy.domain.item_title import tidy

MOST_CHARACTERS = 120
"""Longest title or author, in characters; the rest is cut."""

_FONT = "Charter, Cambria, Georgia, serif"
_LINES = 6
_LARGEST, _LEAST = 0.135, 0.075  # of the card's width
_LEADING = 1.2
_ROOM = 0.8


@dataclass(frozen=True, slots=True)
class Lettering:
    """Lines of text, and the size of their letters in px."""

    lines: tuple[str, ...]
    size: float


def draw(width: int, height: int, title: str, author: str, name: str) -> bytes:
    """Draw a card of *width* by *height* px, in a colour derived from *name* (its ISBN), as SVG.

    SVG instead of a raster picture: the reader's own fonts cover every script, where a server's few (often
    none) would show boxes; it is sharp on every screen; and hostile text needs no decoder and no CPU. The
    answer's Content-Security-Policy forbids scripts, and all text is escaped.
    """
    hue = zlib.crc32(name.encode()) % 360 / 360
    paper, ink, line = (_colour(hue, light, full) for light, full in ((0.86, 0.35), (0.2, 0.45), (0.55, 0.4)))
    titled = _set(tidy(title)[:MOST_CHARACTERS], width, height * 0.5)
    signed = _set(tidy(author)[:MOST_CHARACTERS], width, height * 0.16, largest=0.085)
    edge = max(width * 0.05, 2.0)
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}">'
        '<rect width="{w}" height="{h}" fill="{paper}"/>'
        '<rect x="{e}" y="{e}" width="{iw}" height="{ih}" fill="none" stroke="{line}" stroke-width="{s}"/>'
        '<g font-family="{font}" fill="{ink}" text-anchor="middle">{title}{author}</g></svg>'
    ).format(
        w=width, h=height, paper=paper, ink=ink, line=line, e=f"{edge:.1f}", s=f"{edge / 6:.1f}",
        iw=f"{width - 2 * edge:.1f}", ih=f"{height - 2 * edge:.1f}", font=_FONT,
        title=_placed(titled, width, height * 0.14 + titled.size),
        author=_placed(signed, width, height * 0.9 - _tall(signed) + signed.size),
    ).encode()  # fmt: skip


def _colour(hue: float, light: float, full: float) -> str:
    red, green, blue = colorsys.hls_to_rgb(hue, light, full)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


def _set(text: str, width: float, height: float, largest: float = _LARGEST) -> Lettering:
    """Break a text into lines at the largest size that fits; cut it if even the smallest is too large."""
    size = width * largest
    while True:
        lines = broken(text, width * _ROOM / size)
        room = min(_LINES, int(height / (size * _LEADING)))
        if len(lines) <= room or size <= width * _LEAST:
            break
        size *= 0.92
    kept = lines[: max(room, 1)]
    if len(lines) > len(kept):
        kept[-1] = f"{kept[-1]}…"
    return Lettering(tuple(kept), size)


def broken(text: str, ems: float) -> list[str]:
    """Break a text into lines of at most *ems* em; a longer word is cut."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if _ems(longer) <= ems:
            line = longer
            continue
        lines += [line] if line else []
        *whole, line = _cut(word, ems)
        lines += whole
    return [*lines, line] if line else lines


def _cut(word: str, ems: float) -> list[str]:
    pieces = [""]
    for char in word:
        if _ems(pieces[-1] + char) > ems and pieces[-1]:
            pieces.append("")
        pieces[-1] += char
    return pieces


def _ems(text: str) -> float:
    """Estimate the width of a text in ems; without a font at hand, rather too wide than too narrow."""
    return sum(map(_em, text))


def _em(char: str) -> float:
    if unicodedata.combining(char):
        return 0.0
    if unicodedata.east_asian_width(char) in "WF":
        return 1.0
    return 0.75 if char.isupper() else 0.55


def _tall(lettering: Lettering) -> float:
    return lettering.size * _LEADING * len(lettering.lines)


def _placed(lettering: Lettering, width: float, top: float) -> Markup:
    drawn = (
        Markup('<text x="{x:.1f}" y="{y:.1f}" font-size="{size:.1f}">{line}</text>').format(
            x=width / 2, y=top + number * lettering.size * _LEADING, size=lettering.size, line=line
        )
        for number, line in enumerate(lettering.lines)
    )
    return Markup("").join(drawn)
