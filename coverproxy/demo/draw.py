"""The demonstration covers: drawn as SVG, rendered to the files of a cover directory.

Run it as `python -m coverproxy.demo.draw DIRECTORY`, in a separate process: the service blocks libvips'
SVG loader as untrusted, which applies to its whole process.
"""

import math
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from coverproxy.demo.classics import CLASSICS, FILE_NAMES, Classic, Palette, mix
from coverproxy.demo.typeface import set_block, stroke, text_path

SAVE_OPTIONS = {
    ".jpg": "[Q=90,subsample_mode=off,optimize_coding=true,keep=none]",
    ".png": "[compression=6,keep=none]",
    ".webp": "[Q=90,effort=2,keep=none]",
}


@dataclass(frozen=True)
class Sheet:
    """A cover to draw; `phase` in [0, 1) is derived from the ISBN and varies the shapes."""

    title: str
    author: str
    palette: Palette
    w: float
    h: float
    phase: float

    def area(self, fill: str, x: float = 0, y: float = 0, right: float = 1, bottom: float = 1) -> str:
        """A rectangle, its sides as shares of the sheet; by default the whole sheet."""
        corner = f'x="{x * self.w:.1f}" y="{y * self.h:.1f}"'
        size = f'width="{(right - x) * self.w:.1f}" height="{(bottom - y) * self.h:.1f}"'
        return f'<rect {corner} {size} fill="{fill}"/>'

    @property
    def columns(self) -> list[float]:
        """The x coordinates at which an uneven edge is sampled."""
        return [self.w * i / 100 for i in range(101)]

    def ground(self, edge: list[tuple[float, float]], fill: str) -> str:
        """The area below an edge that runs from left to right."""
        return polygon([(0, self.h), *edge, (self.w, self.h)], fill)


@dataclass(frozen=True)
class Rectangle:
    """Where a text goes, as shares of the sheet, and its alignment."""

    x: float
    y: float
    w: float
    h: float
    align: float = 0.5


def horizon(s: Sheet) -> str:
    """A setting sun over a striped sea."""
    p, x, y, r = s.palette, s.w / 2, 0.41 * s.h, 0.27 * s.w
    art = [s.area(p.paper), gradient("sky", mix(p.paper, p.second, 0.9), p.paper), s.area("url(#sky)")]
    art += [disc(x, y, r * (1 + k * 0.17), p.accent, 0.16) for k in (3, 2, 1)]
    art.append(disc(x, y, r, p.accent))
    for i in range(9):
        top = 0.38 + 0.028 * i
        art.append(s.area(p.paper, y=top, bottom=top + 0.003 * (i + 1)))
    art.append(s.area(p.paper, y=0.61))
    return "".join(art) + lettering(s, Rectangle(0.1, 0.665, 0.8, 0.17), Rectangle(0.12, 0.895, 0.76, 0.042))


def rings(s: Sheet) -> str:
    """Nested circles, each slightly off centre."""
    p, y, r = s.palette, 0.63 * s.h, 0.37 * s.w
    art = [s.area(p.paper)]
    turn = 2 * math.pi * s.phase
    for i in range(9):
        share, drift = 1 - i / 9, 0.022 * s.w * i
        fill = p.paper if i % 2 else mix(p.second, p.accent, i / 8)
        art.append(disc(s.w / 2 + drift * math.cos(turn), y + drift * math.sin(turn), r * share, fill))
    return "".join(art) + lettering(s, Rectangle(0.1, 0.08, 0.8, 0.25), Rectangle(0.12, 0.915, 0.76, 0.042))


def sunburst(s: Sheet) -> str:
    """Rays from a disc, in a panel as in a woodcut."""
    p, x, y, far = s.palette, s.w / 2, 0.62 * s.h, s.h
    art = [s.area(p.second)]
    for i in range(28):
        a, b = ((2 * math.pi * (k + s.phase) / 28) for k in (i, i + 0.5))
        ends = [(x, y), *((x + far * math.cos(t), y + far * math.sin(t)) for t in (a, b))]
        art.append(polygon(ends, mix(p.second, p.accent, 0.55 if i % 2 else 0.3)))
    art += [disc(x, y, 0.235 * s.w, p.paper), disc(x, y, 0.205 * s.w, p.accent)]
    # The margins cover the rays, which is cheaper than clipping each.
    margins = ((0, 0, 1, 0.38), (0, 0.86, 1, 1), (0, 0, 0.08, 1), (0.92, 0, 1, 1))
    art += [s.area(p.paper, *margin) for margin in margins]
    art.append(outline(0.08 * s.w, 0.38 * s.h, 0.92 * s.w, 0.86 * s.h, p.ink, 0.006 * s.w))
    return "".join(art) + lettering(s, Rectangle(0.08, 0.075, 0.84, 0.25), Rectangle(0.1, 0.905, 0.8, 0.042))


def waves(s: Sheet) -> str:
    """Rows of waves under a low moon."""
    p = s.palette
    art = [s.area(p.paper), gradient("air", p.paper, mix(p.paper, p.second, 0.55)), s.area("url(#air)")]
    x, y, r = 0.66 * s.w, 0.49 * s.h, 0.15 * s.w
    art += [disc(x, y, 1.35 * r, p.accent, 0.18), disc(x, y, r, p.accent)]
    for i in range(10):
        level, length = (0.52 + 0.045 * i) * s.h, s.w / (5.5 - 0.3 * i)
        swell = [(x, abs(math.sin(math.pi * (x / length + s.phase + i * 0.37)))) for x in s.columns]
        fill = mix(p.second, mix(p.deep, "#000000", 0.2), i / 9)
        art.append(s.ground([(x, level - 0.016 * s.h * up**0.8) for x, up in swell], fill))
    title, author = Rectangle(0.1, 0.08, 0.8, 0.25), Rectangle(0.1, 0.905, 0.8, 0.042)
    return "".join(art) + lettering(s, title, author, author_fill=p.pale)


def dots(s: Sheet) -> str:
    """A halftone of dots that swell towards one point."""
    p, step = s.palette, s.w / 21
    art = [s.area(p.paper)]
    focus_x, focus_y = (0.3 + 0.4 * s.phase) * s.w, 0.64 * s.h
    for row in range(int(0.4 * s.h / step), int(0.9 * s.h / step)):
        for column in range(1, 21):
            x, y = column * step, row * step
            far = math.hypot(x - focus_x, y - focus_y) / (0.62 * s.w)
            radius = step * 0.62 * max(0.12, 1 - far)
            art.append(disc(x, y, radius, mix(p.accent, p.second, min(1.0, far))))
    return "".join(art) + lettering(s, Rectangle(0.1, 0.08, 0.8, 0.26), Rectangle(0.1, 0.915, 0.8, 0.042))


def frame(s: Sheet) -> str:
    """A double frame with roundels at its corners, and a rosette."""
    p, x, y = s.palette, s.w / 2, 0.34 * s.h
    art = [s.area(p.paper)]
    for inset, width, colour in ((0.05 * s.w, 0.02, p.accent), (0.085 * s.w, 0.005, p.ink)):
        art.append(outline(inset, inset, s.w - inset, s.h - inset, colour, width * s.w))
    corners = [(cx, cy) for cx in (inset, s.w - inset) for cy in (inset, s.h - inset)]
    for r, fill in ((0.062, p.accent), (0.049, p.paper), (0.028, p.accent)):
        art += [disc(cx, cy, r * s.w, fill) for cx, cy in corners]
    for ring, petals in ((0.25, 24), (0.17, 12)):
        art += list(rosette(x, y, ring * s.w, petals, p.accent if ring < 0.2 else p.second))
    art += [disc(x, y, 0.055 * s.w, p.paper), disc(x, y, 0.035 * s.w, p.accent)]
    return "".join(art) + lettering(s, Rectangle(0.15, 0.56, 0.7, 0.22), Rectangle(0.18, 0.845, 0.64, 0.042))


def diagonal(s: Sheet) -> str:
    """Stripes that climb across the sheet and grow on their way down."""
    p, rise = s.palette, 0.42 * s.w
    art, top = [s.area(p.paper)], 0.56 * s.h
    for i in range(8):
        thick = 0.006 * s.h * (i + 1)
        points = [(0, top), (s.w, top - rise), (s.w, top - rise + thick), (0, top + thick)]
        art.append(polygon(points, mix(p.second, p.accent, i / 7)))
        top += thick + (0.022 - 0.0015 * i) * s.h
    art.append(polygon([(0, top), (s.w, top - rise), (s.w, s.h), (0, s.h)], p.accent))
    title, author = Rectangle(0.09, 0.06, 0.82, 0.2, 0.0), Rectangle(0.22, 0.91, 0.69, 0.042, 1.0)
    return "".join(art) + lettering(s, title, author, author_fill=p.on_accent)


def initial(s: Sheet) -> str:
    """The title's first letter, large and inlaid."""
    p = s.palette
    art = [s.area(p.second), s.area(p.paper, bottom=0.62)]
    size = 0.36 * s.h
    _, wide = text_path(s.title[0], size=size)
    data, _ = text_path(s.title[0], size=size, x=(s.w - wide) / 2, y=0.13 * s.h)
    for width, colour in ((0.3, p.accent), (0.24, p.paper), (0.19, p.accent), (0.05, p.paper)):
        art.append(stroke(data, colour, width * size))
    return "".join(art) + lettering(
        s, Rectangle(0.12, 0.705, 0.76, 0.085), Rectangle(0.12, 0.865, 0.76, 0.04)
    )


def arches(s: Sheet) -> str:
    """Doors behind doors, with a light in the last."""
    p, base = s.palette, 0.87 * s.h
    art = [s.area(p.paper)]
    for i in range(8):
        r, spring = 0.38 * s.w * (1 - i / 8.6), (0.62 + 0.012 * i) * s.h
        fill = p.paper if i in (1, 3, 5) else mix(p.second, p.accent, i / 7)
        left, right = s.w / 2 - r, s.w / 2 + r
        arc = f"A{r:.1f} {r:.1f} 0 0 1 {right:.1f} {spring:.1f}"
        art.append(f'<path d="M{left:.1f} {base:.1f}V{spring:.1f}{arc}V{base:.1f}Z" fill="{fill}"/>')
    art.append(s.area(p.ink, 0.08, 0.87, 0.92, 0.874))
    return "".join(art) + lettering(s, Rectangle(0.1, 0.075, 0.8, 0.25), Rectangle(0.1, 0.905, 0.8, 0.042))


def fans(s: Sheet) -> str:
    """A cloth of overlapping fans, with a plaque for the title."""
    p, r = s.palette, s.w / 10
    art = [s.area(p.second)]
    for row in range(-1, int(s.h / (r / 2)) + 3):
        for column in range(6):
            x, y = (2 * column + row % 2) * r, row * r / 2
            shades = ((1, p.paper), (0.9, p.second), (0.66, p.paper), (0.56, p.accent), (0.3, p.paper))
            art += [disc(x, y, r * share, fill) for share, fill in shades]
    left, top, right, bottom = 0.12 * s.w, 0.3 * s.h, 0.88 * s.w, 0.7 * s.h
    art.append(s.area(p.paper, 0.12, 0.3, 0.88, 0.7))
    art += [outline(left + k, top + k, right - k, bottom - k, p.accent, t) for k, t in ((0, 14), (26, 4))]
    return "".join(art) + lettering(s, Rectangle(0.19, 0.345, 0.62, 0.2), Rectangle(0.2, 0.605, 0.6, 0.042))


def hills(s: Sheet) -> str:
    """Ridges behind ridges, and a pale disc in the sky."""
    p = s.palette
    haze = mix(p.paper, p.second, 0.85)
    art = [s.area(p.paper), gradient("haze", p.paper, haze), s.area("url(#haze)")]
    art.append(disc((0.3 + 0.4 * s.phase) * s.w, 0.43 * s.h, 0.13 * s.w, p.accent))
    for i in range(6):
        y, swing = (0.54 + 0.068 * i) * s.h, (0.05 - 0.005 * i) * s.h
        turn = 2 * math.pi * (s.phase + 0.31 * i)
        ridge = [
            (x, math.sin(5 * x / s.w + turn) + 0.45 * math.sin(11 * x / s.w + 2 * turn)) for x in s.columns
        ]
        fill = mix(haze, mix(p.paper, "#000000", 0.35), (i + 2) / 7)
        art.append(s.ground([(x, y - swing * up) for x, up in ridge], fill))
    return "".join(art) + lettering(s, Rectangle(0.1, 0.08, 0.8, 0.25), Rectangle(0.1, 0.91, 0.8, 0.045))


def blocks(s: Sheet) -> str:
    """Cubes that dissolve into flat paper towards the top."""
    p, a = s.palette, s.w / 12
    art = [s.area(p.paper)]
    for row in range(11):
        for column in range(-1, 7):
            x, y = (2 * column + row % 2) * a, 0.42 * s.h + row * a * 1.05
            fade = max(0.0, 0.75 - row / 7)
            up, half = a * 0.7, a * 0.35
            faces = (
                (p.second, [(x, y - half), (x + a, y), (x, y + half), (x - a, y)]),
                (p.accent, [(x - a, y), (x, y + half), (x, y + half + up), (x - a, y + up)]),
                (p.ink, [(x + a, y), (x, y + half), (x, y + half + up), (x + a, y + up)]),
            )
            art += [polygon(points, mix(colour, p.paper, fade)) for colour, points in faces]
    art.append(s.area(p.paper, y=0.87))
    return "".join(art) + lettering(s, Rectangle(0.1, 0.075, 0.8, 0.25), Rectangle(0.1, 0.91, 0.8, 0.042))


_ALL = (horizon, rings, sunburst, waves, dots, frame, diagonal, initial, arches, fans, hills, blocks)
LAYOUTS: dict[str, Callable[[Sheet], str]] = {layout.__name__: layout for layout in _ALL}


def disc(x: float, y: float, r: float, fill: str, opacity: float = 1.0) -> str:
    """A filled circle."""
    faint = f' opacity="{opacity:g}"' if opacity < 1 else ""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}" fill="{fill}"{faint}/>'


def polygon(points: list[tuple[float, float]], fill: str) -> str:
    """A filled shape with straight sides."""
    return f'<polygon points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}" fill="{fill}"/>'


def outline(left: float, top: float, right: float, bottom: float, colour: str, width: float) -> str:
    """An empty rectangle."""
    size = f'x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}"'
    return f'<rect {size} fill="none" stroke="{colour}" stroke-width="{width:.1f}"/>'


def gradient(name: str, top: str, bottom: str) -> str:
    """A vertical gradient to fill with."""
    stops = f'<stop stop-color="{top}"/><stop offset="0.62" stop-color="{bottom}"/>'
    return f'<linearGradient id="{name}" x2="0" y2="1">{stops}</linearGradient>'


def rosette(x: float, y: float, r: float, petals: int, fill: str) -> Iterator[str]:
    """Petals around a point."""
    for i in range(petals):
        place = f'cx="{x:.1f}" cy="{y - r * 0.62:.1f}" rx="{2.3 * r / petals:.1f}" ry="{r * 0.38:.1f}"'
        yield f'<ellipse {place} fill="{fill}" transform="rotate({360 * i / petals:g} {x:.1f} {y:.1f})"/>'


def lettering(s: Sheet, title: Rectangle, author: Rectangle, author_fill: str = "") -> str:
    """Title and author, each as large as its box allows."""
    ink = s.palette.ink
    heading = (s.title, title, ink, 0.16, 0.08)
    signature = (s.author, author, author_fill or ink, 0.15, 0.16)
    paths = []
    for text, box, colour, weight, tracking in (heading, signature):
        room = (box.x * s.w, box.y * s.h, box.w * s.w, box.h * s.h)
        data, size = set_block(text, room, largest=0.1 * s.h, align=box.align, tracking=tracking)
        paths.append(stroke(data, colour, weight * size, "lettering"))
    return "".join(paths)


def finish(s: Sheet) -> str:
    """The look of printed board: a grain, a shadow at the fold, light that falls off to the edges."""
    grain = (
        '<filter id="grain" x="0" y="0" width="1" height="1"><feTurbulence type="fractalNoise" '
        'baseFrequency="0.8" stitchTiles="stitch"/><feColorMatrix values="0 0 0 0 0  0 0 0 0 0  0 0 0 0 0  '
        '0.7 0 0 0 -0.31"/></filter><pattern id="board" width="200" height="200" '
        'patternUnits="userSpaceOnUse"><rect width="200" height="200" filter="url(#grain)"/></pattern>'
    )
    fold = (
        '<linearGradient id="fold"><stop stop-opacity="0.28"/><stop offset="0.03" stop-opacity="0.06"/>'
        '<stop offset="0.04" stop-opacity="0.2"/><stop offset="0.06" stop-opacity="0"/></linearGradient>'
        '<radialGradient id="light" r="0.85"><stop offset="0.5" stop-opacity="0"/>'
        '<stop offset="1" stop-opacity="0.2"/></radialGradient>'
    )
    return grain + fold + "".join(s.area(f"url(#{name})") for name in ("board", "light", "fold"))


def cover_svg(classic: Classic, edition: int) -> str:
    """Return the cover of one edition; deterministic."""
    look, isbn = classic.looks[edition], classic.isbns[edition]
    phase = int(isbn) % 89 / 89
    sheet = Sheet(classic.title, classic.author, look.palette, look.width, look.height, phase)
    size = f'width="{look.width}" height="{look.height}" viewBox="0 0 {look.width} {look.height}"'
    art = LAYOUTS[look.layout](sheet) + finish(sheet)
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{art}</svg>'


def draw_edition(classic: Classic, edition: int, directory: Path) -> Path:
    """Render one edition to its file; the file's mtime is derived from the ISBN."""
    import pyvips  # here, so that importing this module does not load libvips

    isbn = classic.isbns[edition]
    path = directory / FILE_NAMES.get(isbn, f"{isbn}.jpg")
    image = pyvips.Image.svgload_buffer(cover_svg(classic, edition).encode()).flatten()
    path.write_bytes(image.write_to_buffer(path.suffix + SAVE_OPTIONS[path.suffix]))
    shelved = datetime(2008, 1, 1, tzinfo=UTC) + timedelta(days=int(isbn) % 4000)
    os.utime(path, (shelved.timestamp(), shelved.timestamp()))
    return path


def draw_all(directory: Path) -> list[Path]:
    """Render every edition of every classic into the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    editions = [(classic, edition) for classic in CLASSICS for edition in range(len(classic.isbns))]
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda pair: draw_edition(pair[0], pair[1], directory), editions))


if __name__ == "__main__":
    draw_all(Path(sys.argv[1]))
