"""How good does every size that is served look, the ladder's rungs from 60 px to 1000 px included?

A rung between two others is never worse than both: the settings lie on one curve. Each size's JPEG, and each
format that is offered for it, over all originals: mean and lowest SSIMULACRA2, and bytes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import plots
from bench.candidates import CONFIG
from bench.quality_search import judge
from coverproxy.domain.formats import Format


def rows(originals: Sequence[bytes], forms: Sequence[Format] = tuple(Format)) -> list[dict[str, Any]]:
    """Return one row for each size and format, by rising width."""
    table = CONFIG.size_table
    by_width = sorted(table.sizes.items(), key=lambda each: each[1].width)
    found = []
    with judge(originals) as judged:
        for name, size in by_width:
            for form in forms:
                row = {"size": name, "width": size.width, "format": form.value, **judged(size, form).told()}
                print(row, flush=True)
                found.append(row)
    return found


def plot(found: Sequence[dict[str, Any]], path: Path) -> None:
    """Plot score and bytes over the width."""
    with plots.figure(path, 2, (11, 4)) as (left, right):
        for at, form in enumerate(Format):
            of = [row for row in found if row["format"] == form.value]
            widths = [row["width"] for row in of]
            left.plot(widths, [row["ssimulacra2_mean"] for row in of], "o-", color=f"C{at}", label=form.name)
            lowest = [row["ssimulacra2_least"] for row in of]
            left.plot(widths, lowest, ".:", color=f"C{at}", label=f"{form.name}, the lowest cover")
            right.plot(
                widths, [row["bytes_mean"] / 1000 for row in of], "o-", color=f"C{at}", label=form.name
            )
        left.set(xscale="log", xlabel="width in px", ylabel="SSIMULACRA2")
        right.set(xscale="log", yscale="log", xlabel="width in px", ylabel="mean kB")
        for axis in (left, right):
            axis.set_xticks(widths := sorted({row["width"] for row in found}), [str(each) for each in widths])
            axis.minorticks_off()
            axis.grid(alpha=0.3)
            axis.legend(fontsize=8)
