"""Charts as inline SVG: bars over time, with a title and a description for screen readers."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

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
    drawn = Markup("").join(_bar(number, bar, step, most, unit) for number, bar in enumerate(values))
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


def _bar(number: int, bar: Bar, step: float, most: float, unit: str) -> Markup:
    """Draw one bar with its own title, a tooltip."""
    x, width = number * step + step * _GAP / 2, step * (1 - _GAP)
    high = HEIGHT * bar.value / most if most else 0.0
    second = HEIGHT * min(bar.second, bar.value) / most if most else 0.0
    rectangles = Markup("").join(
        Markup('<rect{} x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
            Markup(' class="second"') if is_second else "", x, HEIGHT - tall, width, tall
        )
        for is_second, tall in ((False, high), (True, second))
        if tall
    )
    return Markup("<g><title>{}: {}{}</title>{}</g>").format(bar.name, _written(bar.value), unit, rectangles)


def _written(value: float) -> str:
    return f"{value:,.0f}".replace(",", "\u202f") if value == int(value) else f"{value:.1f}"
