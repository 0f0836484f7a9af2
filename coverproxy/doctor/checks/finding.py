"""A finding: what was checked, its state, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """Severity: a problem keeps covers from being served well; a warning may do so later."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check. `advice`: what to do; empty if nothing."""

    check: str
    level: Level
    found: str
    advice: str = ""


def fine(check: str, found: str) -> Finding:
    """Everything is fine."""
    return Finding(check, Level.OK, found)


def warning(check: str, found: str, advice: str) -> Finding:
    """It works, but could be better."""
    return Finding(check, Level.WARNING, found, advice)


def problem(check: str, found: str, advice: str) -> Finding:
    """It does not work, or will fail soon."""
    return Finding(check, Level.PROBLEM, found, advice)
