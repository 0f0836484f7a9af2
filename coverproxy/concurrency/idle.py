"""A machine's idle share of CPU time, and waiting for it."""

import asyncio
from contextlib import suppress
from pathlib import Path

STAT = Path("/proc/stat")

_IDLE, _IO_WAIT = 3, 4
_GUEST = 8
"""Fields of a `cpu` line, proc_stat(5): from here on, what is counted among the others already."""


async def has_spare(share: float, seconds: float, stat: Path = STAT) -> bool:
    """Say whether at least *share* (0 to 1) of all cores' time was idle for *seconds*.

    At once where no idle time is required, or the machine does not report it. The load average is the way not
    taken: it counts what waited a minute ago.
    """
    if share <= 0 or (before := _ticks(stat)) is None:
        return True
    await asyncio.sleep(seconds)
    after = _ticks(stat)
    return after is None or spare(before, after) >= share


def spare(before: tuple[int, ...], after: tuple[int, ...]) -> float:
    """Return the share of idle time between two looks; 1.0 where no time has passed."""
    passed = [max(later - earlier, 0) for earlier, later in zip(before, after, strict=False)]
    whole = sum(passed[:_GUEST])
    return (passed[_IDLE] + passed[_IO_WAIT]) / whole if whole else 1.0


def _ticks(stat: Path) -> tuple[int, ...] | None:
    try:
        name, *fields = stat.read_text(encoding="ascii").split("\n", 1)[0].split()
        ticks = tuple(map(int, fields))
    except (OSError, ValueError):
        return None
    return ticks if name == "cpu" and len(ticks) > _IO_WAIT else None


def is_waiting_for_a_core(process: int) -> bool:
    """Return whether any thread of a process runs or would run, proc_pid_stat(5): it does not hang."""
    return "R" in _states(process)


def is_stopped(process: int) -> bool:
    """Return whether somebody has stopped a process (SIGSTOP, a debugger): it does not hang by itself."""
    return not _states(process).isdisjoint("Tt")


def _states(process: int) -> set[str]:
    """Return the states of a process's threads, each a letter."""
    found = set()
    for stat in Path(f"/proc/{process}/task").glob("*/stat"):
        with suppress(OSError):
            found.add(stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0])
    return found
