"""Charts as inline SVG: bars over time, with a title and a description for screen readers."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10

from markupsafe import Markup, escape

from coverproxy.domain.counted import spaced

WIDTH, HEIGHT = 720, 120
_GAP = 0.2


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: its name, its value, and how much of that, from the bottom, has the second colour."""

    name: str
    value: float
    second: float = 0.0


def bars(id: str, title: str, description: str, values: Sequence[Bar], unit: str, ending: str = "") -> Markup:
    """Draw bars from left to right over an axis from 0 to a round number, in *unit*, with gridlines.

    `id` is unique in its page and links the title and the description. *ending*: what stands behind each
    number in the bars' own titles. The texts are HTML, because the drawing is stretched to the available
    width, which would distort letters.
    """
    top = round_above(max((bar.value for bar in values), default=0))
    step = WIDTH / max(len(values), 1)
    each = (_bar(number, bar, step, top, ending) for number, bar in enumerate(values))
    drawn = Markup(_GRID + "".join(each))  # noqa: S704 - the bars escape their words
    names = [values[at].name for at in (0, len(values) // 2, -1)] if values else [""] * 3
    return Markup(
        '<div class="chart"><p class="unit">{unit}</p><div class="plot"><p class="scale" aria-hidden="true">'
        "<span>{top}</span><span>{half}</span><span>0</span></p>"
        '<svg viewBox="0 0 {w} {h}" preserveAspectRatio="none" role="img"'
        ' aria-labelledby="{id}-title {id}-desc">'
        '<title id="{id}-title">{title}</title><desc id="{id}-desc">{description}</desc>{drawn}</svg></div>'
        '<p class="axis"><span>{first}</span><span>{middle}</span><span>{last}</span></p></div>'
    ).format(
        w=WIDTH, h=HEIGHT, id=id, title=title, description=description, drawn=drawn, unit=unit,
        top=_written(top), half=_written(top / 2), first=names[0], middle=names[1], last=names[2],
    )  # fmt: skip


def round_above(most: float) -> float:
    """Return the next round number, whose half is round too: the top of an axis."""
    if most <= 2:
        return 2
    power: float = 10.0 ** floor(log10(most))
    steps = (1, 2, 4, 6, 8, 10) if power < 10 else (1, 2, 3, 4, 6, 8, 10)
    return next(step * power for step in steps if step * power >= most)


_GRID = "".join(f'<line x1="0" x2="{WIDTH}" y1="{y}" y2="{y}"/>' for y in (0.5, HEIGHT / 2))


def _bar(number: int, bar: Bar, step: float, most: float, ending: str) -> str:
    """Draw one bar with its own title, a tooltip, as HTML."""
    x, width = number * step + step * _GAP / 2, step * (1 - _GAP)
    high = HEIGHT * bar.value / most if most else 0.0
    second = HEIGHT * min(bar.second, bar.value) / most if most else 0.0
    shades = ((False, high), (True, second))
    rectangles = "".join(_rectangle(x, width, tall, is_second) for is_second, tall in shades if tall)
    # Not Markup.format(), which escapes numbers too: it took most of the page's 30 ms, on the event loop
    return f"<g><title>{escape(bar.name)}: {_written(bar.value)}{escape(ending)}</title>{rectangles}</g>"


def _rectangle(x: float, width: float, tall: float, is_second: bool) -> str:
    shade = ' class="second"' if is_second else ""
    return f'<rect{shade} x="{x:.1f}" y="{HEIGHT - tall:.1f}" width="{width:.1f}" height="{tall:.1f}"/>'


def _written(value: float) -> str:
    return spaced(int(value)) if value == int(value) else f"{value:.1f}"
