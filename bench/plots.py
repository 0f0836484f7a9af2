"""Plots of results: the same figures give the same file."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

OURS, PEER, LIMIT = "C0", "C3", "0.6"
"""Colours: ours, what an operator could run instead, and what the machine could do at best."""


@contextmanager
def figure(
    path: Path, columns: int, size: tuple[float, float], rows: int = 1, **options: Any
) -> Iterator[Any]:
    """Yield a figure's axes, one or an array of them, and write it as SVG."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    mpl.rcParams["svg.hashsalt"] = "coverproxy"
    drawn, axes = pyplot.subplots(rows, columns, figsize=size, layout="constrained", **options)
    yield axes
    drawn.savefig(path, metadata={"Date": None}, dpi=150)  # of what is drawn as pixels: thousands of points
    pyplot.close(drawn)


def bars(axis: Any, values: Mapping[str, float], colours: Mapping[str, str], unit: str) -> None:
    """Draw named values as bars, the first on top, each with its figure."""
    names = list(values)
    drawn = axis.barh(names, list(values.values()), color=[colours.get(name, PEER) for name in names])
    axis.bar_label(drawn, labels=[f"{value:,.0f}" for value in values.values()], padding=3, fontsize=8)
    axis.invert_yaxis()
    axis.set(xlabel=unit, xlim=(0, max(values.values(), default=1) * 1.18))
    axis.tick_params(labelsize=8)
    axis.grid(axis="x", alpha=0.3)


def waits(
    axis: Any, latencies: Mapping[str, Sequence[float]], colours: Mapping[str, str] | None = None
) -> None:
    """Draw which share of the answers took longer than so many ms: a percentile reads off at its height."""
    for name, values in latencies.items():
        ordered = sorted(values)
        left = [1 - at / len(ordered) for at in range(len(ordered))]
        axis.step(
            ordered, left, where="post", label=f"{name} ({len(ordered):,})", color=(colours or {}).get(name)
        )
    axis.set(
        xscale="log",
        yscale="log",
        xlabel="ms, from the intended start",
        ylabel="share of answers that took longer",
    )
    axis.grid(alpha=0.3, which="both")
    axis.set_yticks([1, 0.1, 0.01, 0.001], ["all", "10 % (p90)", "1 % (p99)", "0.1 % (p99.9)"])
    axis.legend(fontsize=8)
