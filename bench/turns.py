"""Rivals that take turns, so that what slows the machine for a while slows all of them."""

import statistics
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Any, TypeVar

from bench.serve import Skipped

Opened = TypeVar("Opened")


def opened(
    stack: ExitStack, openings: Mapping[str, Callable[[], AbstractContextManager[Opened]]]
) -> tuple[dict[str, Opened], dict[str, str]]:
    """Start rivals; return those that run, and why the others do not."""
    there: dict[str, Opened] = {}
    skipped: dict[str, str] = {}
    for name, opening in openings.items():
        try:
            there[name] = stack.enter_context(opening())
        except Skipped as exc:
            skipped[name] = str(exc)
            print(f"skipped: {name}: {exc}", flush=True)
    return there, skipped


def taken(rivals: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Have each rival measure itself once a round, in turn; return the figures by name."""
    figures: dict[str, list[float]] = {name: [] for name in rivals}
    for number in range(rounds):
        for name, measure in rivals.items():
            figures[name].append(measure())
            print(f"round {number + 1}: {name}: {figures[name][-1]:,.1f}", flush=True)
    return figures


def told(figures: Mapping[str, list[float]], skipped: Mapping[str, str]) -> dict[str, Any]:
    """Say each rival's median and rounds, or why it was skipped."""
    said: dict[str, Any] = {
        name: {
            "per_second": round(statistics.median(values), 1),
            "rounds": [round(value, 1) for value in values],
        }
        for name, values in figures.items()
    }  # fmt: skip
    return said | {name: {"skipped": reason} for name, reason in skipped.items()}
