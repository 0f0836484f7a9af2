"""The ladder: the widths that sizes in pixels map to, and the table of all sizes."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import log
from typing import Annotated, Any

from pydantic import Field, field_validator

from coverproxy.config.base import Section
from coverproxy.config.sizes import FINE_SCALE, Avif, Jpeg, Size, Webp

MOST_RUNGS = 16
"""Each rung is one more derivative per cover and format, for a client that requests all."""

IIIF_WIDTH = 1000
"""One more rung while IIIF is on: its validator requests the full 1000 px of its picture."""


class Ladder(Section):
    """The widths of the rungs, in boxes of 2:3."""

    widths: Annotated[tuple[int, ...], Field(strict=False)] = (60, 100, 160, 200, 320, 400, 500, 640, 800)

    @field_validator("widths")
    @classmethod
    def _rise(cls, widths: tuple[int, ...]) -> tuple[int, ...]:
        if len(widths) > MOST_RUNGS:
            raise ValueError(f"has {len(widths)} widths; expected at most {MOST_RUNGS}")
        if list(widths) != sorted(set(widths)) or any(not 10 <= width <= 2666 for width in widths):
            raise ValueError(f"{list(widths)} are not rising widths of 10 to 2666 px")
        return widths


@dataclass(frozen=True)
class SizeTable:
    """Every size that is served.

    `sizes`: by their names on disk: those of the config, and the rungs that differ from them. `aliases`:
    rungs that equal a size of the config: w200 is medium, the same file. `wishes`: by name, the boxes that a
    size in pixels may map to.
    `only`: the sizes that are served to keys with named_sizes_only; empty: all.
    """

    sizes: Mapping[str, Size]
    aliases: Mapping[str, str]
    wishes: Mapping[str, Size]
    only: frozenset[str] = frozenset()

    def named(self, name: str) -> str | None:
        """Return the name on disk of the size *name*; None if it is unknown."""
        name = self.aliases.get(name, name)
        return name if name in self.sizes else None

    def given(self, size: str) -> str:
        """Return the size served for *size*: itself, or the next larger one if it is not in `only`."""
        if not self.only or size in self.only:
            return size
        return self.snapped(self.sizes[size].width, self.sizes[size].height)

    def snapped(self, width: int = 0, height: int = 0) -> str:
        """Return the smallest rung whose box has at least this width and height, else the largest."""
        fitting = (name for name, box in self.wishes.items() if box.width >= width and box.height >= height)
        rung = next(fitting, None) or list(self.wishes)[-1]
        return self.aliases.get(rung, rung)

    def rung(self, size: str) -> str:
        """Return the rung that equals a size, such as w200 for medium; the name itself if none does."""
        return next((rung for rung, name in self.aliases.items() if name == size), size)


def table(named: Mapping[str, Size], ladder: Ladder, *, has_iiif: bool) -> SizeTable:
    """Combine the ladder with the config's own sizes.

    If the ladder is empty, sizes in pixels map to those.
    """
    rungs = {f"w{width}": rung(width) for width in ladder.widths}
    if has_iiif and ladder.widths:
        rungs.setdefault(f"w{IIIF_WIDTH}", rung(IIIF_WIDTH))
    whole = {name: size for name, size in named.items() if size.fit == "fit"}
    boxes = {(size.width, size.height): name for name, size in reversed(list(whole.items()))}
    aliases = {
        rung: boxes[size.width, size.height]
        for rung, size in rungs.items()
        if (size.width, size.height) in boxes and rung not in named
    }
    own = {rung: size for rung, size in rungs.items() if rung not in aliases and rung not in named}
    wishes = {f"w{width}": rungs[f"w{width}"] for width in ladder.widths}
    return SizeTable({**named, **own}, aliases, wishes or _by_area(named))


def named_only(every: SizeTable, named: Mapping[str, Size]) -> SizeTable:
    """Return a table in which every request, `w320` too, leads to one of the *named* sizes."""
    return SizeTable(every.sizes, every.aliases, _by_area(named), only=frozenset(named))


def _by_area(named: Mapping[str, Size]) -> dict[str, Size]:
    """Return the sizes that a size in pixels may lead to: never a filled box."""
    whole = {name: size for name, size in named.items() if size.fit == "fit"} or named
    return dict(sorted(whole.items(), key=lambda each: each[1].width * each[1].height))


@lru_cache(maxsize=64)
def rung(width: int) -> Size:
    """Return the rung of a width in px."""
    size = Size(width=width, height=width * 3 // 2, **_encoders(width))
    return size if width >= 200 else size.model_copy(update={"decode_scale": FINE_SCALE})


_SMALL_QUALITY = {60: 93, 100: 90, 200: 68}
_AVIF_QUALITY = {60: 91, 100: 90, 200: 64, 500: 64, 640: 77, 800: 80, 1000: 80}
_LARGE_QUALITY = {200: 88, 320: 86, 500: 82, 1000: 78}


def _encoders(width: int) -> dict[str, Any]:
    """Return the settings from one curve through the default sizes: the smaller, the finer.

    Up to 200 px, JPEG's chroma is not subsampled: small lettering would smear. WebP, which always subsamples,
    is offered from there on. Beyond 500 px an AVIF of effort 4 takes seconds.
    """
    avif = Avif(quality=between(_AVIF_QUALITY, width), effort=4 if width <= 500 else 1)
    if width <= 200:
        quality = between(_SMALL_QUALITY, width)
        webp = Webp(quality=between({100: 93, 200: 86}, width))
        return {"jpeg": Jpeg(quality=quality), "webp": webp, "avif": avif}
    return {
        "offers": ("avif", "webp") if width <= 500 else ("avif",),
        "jpeg": Jpeg(quality=between(_LARGE_QUALITY, width), chroma="4:2:0", quant_table=2),
        "webp": Webp(quality=between({200: 86, 500: 83, 1000: 80}, width), effort=4),
        "avif": avif,
    }


def between(points: Mapping[int, int], width: int) -> int:
    """Return the value at *width*, interpolated linearly over the logarithm of the width."""
    widths = sorted(points)
    if width <= widths[0]:
        return points[widths[0]]
    for below, above in pairwise(widths):
        if width <= above:
            share = log(width / below) / log(above / below)
            return round(points[below] + share * (points[above] - points[below]))
    return points[widths[-1]]
