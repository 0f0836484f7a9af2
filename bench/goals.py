"""What the figures are held against: the goals of the project, and whether a run met them."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple


class Goal(NamedTuple):
    """One goal and what was measured; `figure` and `is_met` are None where it could not be."""

    name: str
    wanted: str
    figure: float | None
    is_met: bool | None
    note: str = ""

    def told(self) -> dict[str, Any]:
        """As it stands in the JSON."""
        return self._asdict()


def at_least(name: str, figure: float | None, bound: float, note: str = "") -> Goal:
    """Return a goal that *figure* meets from *bound* on."""
    return Goal(name, f"≥ {bound:g}", _rounded(figure), None if figure is None else figure >= bound, note)


def at_most(name: str, figure: float | None, bound: float, note: str = "") -> Goal:
    """Return a goal that *figure* meets up to *bound*."""
    return Goal(name, f"≤ {bound:g}", _rounded(figure), None if figure is None else figure <= bound, note)


def _rounded(figure: float | None) -> float | None:
    """Three decimals below ten, one above. Rounding is for showing: whether it is met was decided before."""
    return None if figure is None else round(figure, 3 if abs(figure) < 10 else 1)


def ratio(rounds: Mapping[str, Sequence[float]], ours: str, theirs: str) -> float | None:
    """Return the median of ours ÷ theirs, taken round by round; None where one of them did not run.

    Round by round, as rivals take turns: what slows the machine for a while slows both.
    """
    if not rounds.get(ours) or not rounds.get(theirs):
        return None
    pairs = zip(rounds[ours], rounds[theirs], strict=True)
    return statistics.median(one / other for one, other in pairs)


def table(goals: Iterable[Mapping[str, Any]]) -> str:
    """Write goals, as they stand in the JSON, as lines for people."""
    said = {True: "met", False: "MISSED", None: "not measured"}
    lines = [
        (goal["name"], goal["wanted"], "–" if goal["figure"] is None else f"{goal['figure']:g}",
         said[goal["is_met"]] + (f" ({goal['note']})" if goal["note"] else ""))
        for goal in goals
    ]  # fmt: skip
    width = max((len(line[0]) for line in lines), default=0)
    return "\n".join(
        f"{name:<{width}}  {wanted:>8}  {figure:>9}  {met}" for name, wanted, figure, met in lines
    )
