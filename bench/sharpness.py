"""Does the sharper of two pictures win, where the blurred one has more pixels?

    python -m bench sharpness [--covers DIR] [--every 1]

Each cover is brought to half its size, or less: that base is sharp. Copies of it have more pixels and show
less: they were scaled down and up again by three kernels, or saved at a low quality in between, or blurred,
some with grain. The base has to win. Other copies are smaller; the base has to win there too. Where the cover
itself is as sharp as its size, it has to win over the base.

The rule is the product's: area times detail squared (coverproxy/imaging/detail.py). Prints the table of which
won by which should have, and each kind's share; without DIR the project's drawn covers.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from bench import books, command, goals, report, scratch
from coverproxy.imaging import detail, vips

LARGER = 1.6
"""How many times as wide as its base a blurred copy is."""

SHARES = (0.4, 0.5, 0.6, 0.7)
"""Of the base's detail, along a side, that blurred copies keep."""

SMALLEST = 500
"""Pixels that a cover is wide at least: smaller ones have no base."""

IS_SHARP = 0.8
"""A cover of so much detail is to win over its base of half the size."""

Pair = tuple[str, Any, bool]


def pairs(cover: Any) -> Iterator[Pair]:
    """Yield each copy of a cover's base: its kind, its picture, and whether it is better than the base."""
    base = base_of(cover)
    for share in SHARES:
        small = base.resize(share)
        for kernel in ("linear", "cubic", "lanczos3"):
            yield f"scaled up, {kernel}", small.resize(LARGER / share, kernel=kernel), False
        rough = saved(small, 70)
        yield "scaled up, JPEG 70", rough.resize(LARGER / share, kernel="cubic"), False
    for share in SHARES[:-1]:
        blurred = base.resize(LARGER).gaussblur(0.48 * LARGER / share)
        yield "blurred", blurred, False
        yield "blurred, grain", grainy(blurred, 3), False
        yield "blurred, strong grain", grainy(blurred, 7), False
    for share in (0.9, 0.8, 0.6):
        yield "smaller", base.resize(share), False
    whole = saved(cover, 92)
    if measured(whole).detail >= IS_SHARP:
        yield "larger and sharp", whole, True
        yield "larger and sharp, grain", grainy(cover, 3), True


def base_of(cover: Any) -> Any:
    """Return a cover at half its size or less, so that it is sharp whatever the cover was."""
    return saved(cover.resize(0.5 if cover.width < 1200 else 0.35), 92)


def saved(image: Any, quality: int) -> Any:
    """Return it as a JPEG gives it back."""
    return vips.library().Image.jpegload_buffer(image.jpegsave_buffer(Q=quality))


def grainy(image: Any, sigma: float) -> Any:
    """Add the grain of a scan, the same each time. Its mean is 0: libvips' own of 128 makes all white."""
    noise = vips.library().Image.gaussnoise(image.width, image.height, mean=0, sigma=sigma, seed=1)
    return (image + noise).cast("uchar").copy(interpretation=image.interpretation)


def measured(image: Any) -> detail.Measure:
    """Measure a picture as the product does an original."""
    return detail.of_light(detail.light_of(image))


def score(image: Any) -> float:
    """Return its effective pixels."""
    return float(image.width * image.height) * measured(image).detail ** 2


def compare(covers: list[Any]) -> tuple[Counter[str], Counter[str], Counter[tuple[bool, bool]]]:
    """Return how many pairs there are of each kind, how many are right, and (should win, won) for copies."""
    seen: Counter[str] = Counter()
    right: Counter[str] = Counter()
    table: Counter[tuple[bool, bool]] = Counter()
    for cover in covers:
        base = score(base_of(cover))
        for kind, copy, is_better in pairs(cover):
            has_won = score(saved(copy, 88)) > base
            seen[kind] += 1
            right[kind] += has_won == is_better
            table[is_better, has_won] += 1
    return seen, right, table


def opened(paths: list[Path]) -> list[Any]:
    """Return the covers that are large enough, each in colours that can be saved as a JPEG."""
    new: Callable[..., Any] = vips.library().Image.new_from_file
    found = [new(str(path)).colourspace("srgb") for path in paths]
    plain = [each.flatten(background=255) if each.hasalpha() else each for each in found]
    return [each for each in plain if each.width >= SMALLEST and each.height > each.width]


@command.command(__name__, __doc__)
@command.covers
@click.option("--every", type=click.IntRange(1, 100), default=1, show_default=True)
@command.out
def main(covers: Path | None, every: int, out: Path) -> None:
    """Compare, and write sharpness.json."""
    with scratch.folder() as folder:
        seen, right, table = compare(opened(books.originals(covers, Path(folder))[::every]))
        print("should win  won   lost")
        for is_better in (True, False):
            print(f"{'copy' if is_better else 'base':10} {table[is_better, is_better]:5} "
                  f"{table[is_better, not is_better]:6}")  # fmt: skip
        figures = {kind: round(right[kind] / count, 3) for kind, count in seen.items()}
        figures["all"] = round(right.total() / max(seen.total(), 1), 3)
        report.show(figures)
        goal = goals.at_least("the sharper of two pictures wins, share of pairs", figures["all"], 0.95)
        print(
            report.write(
                "sharpness", {"pairs": seen.total(), "least": detail.LEAST}, figures, out, held=[goal]
            )
        )
