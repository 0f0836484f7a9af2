"""Charts as inline SVG: bars over time, with a title and a description for screen readers."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH, HEIGHT = 720, 120
_GAP = 0.2


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: its name, its value, and how much of that, from the bottom, has the second colour."""

    name: str
    value: float
    second: float = 0.0


def bars(id: str, title: str, description: str, values: Sequence[Bar], unit: str = "") -> Markup:
    """Draw bars from left to right, scaled to the highest, with a line of text below.

    `id` is unique in its page and links the title and the description. The text is HTML, because the drawing
    is stretched to the available width, which would distort letters.
    """
    most = max((bar.value for bar in values), default=0)
    step = WIDTH / max(len(values), 1)
    each = (_bar(number, bar, step, most, unit) for number, bar in enumerate(values))
    drawn = Markup("".join(each))  # noqa: S704 - the bars escape their words
    ends = (values[0].name, values[-1].name) if values else ("", "")
    return Markup(
        '<div class="chart"><svg viewBox="0 0 {w} {h}" preserveAspectRatio="none" role="img"'
        ' aria-labelledby="{id}-title {id}-desc">'
        '<title id="{id}-title">{title}</title><desc id="{id}-desc">{description}</desc>{drawn}</svg>'
        '<p class="axis"><span>{first}</span><span>↑ {most}</span><span>{last}</span></p></div>'
    ).format(
        w=WIDTH, h=HEIGHT, id=id, title=title, description=description, drawn=drawn,
        most=f"{_written(most)}{unit}", first=ends[0], last=ends[1],
    )  # fmt: skip


def _bar(number: int, bar: Bar, step: float, most: float, unit: str) -> str:
    """Draw one bar with its own title, a tooltip, as HTML."""
    x, width = number * step + step * _GAP / 2, step * (1 - _GAP)
    high = HEIGHT * bar.value / most if most else 0.0
    second = HEIGHT * min(bar.second, bar.value) / most if most else 0.0
    shades = ((False, high), (True, second))
    rectangles = "".join(_rectangle(x, width, tall, is_second) for is_second, tall in shades if tall)
    # Not Markup.format(), which escapes numbers too: it took most of the page's 30 ms, on the event loop
    return f"<g><title>{escape(bar.name)}: {_written(bar.value)}{escape(unit)}</title>{rectangles}</g>"


def _rectangle(x: float, width: float, tall: float, is_second: bool) -> str:
    shade = ' class="second"' if is_second else ""
    return f'<rect{shade} x="{x:.1f}" y="{HEIGHT - tall:.1f}" width="{width:.1f}" height="{tall:.1f}"/>'


def _written(value: float) -> str:
    return f"{value:,.0f}".replace(",", "\u202f") if value == int(value) else f"{value:.1f}"
