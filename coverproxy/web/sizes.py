"""Which of the sizes that there are answers a wish in pixels."""

from collections.abc import Mapping

from coverproxy.config import Size

MOST_WISHED = 9999


def snapped(sizes: Mapping[str, Size], width: int = 0, height: int = 0) -> str:
    """Return the smallest size whose box is at least so wide and high, else the largest one."""
    by_area = sorted(sizes, key=lambda name: sizes[name].width * sizes[name].height)
    fitting = (name for name in by_area if sizes[name].width >= width and sizes[name].height >= height)
    return next(fitting, by_area[-1])
