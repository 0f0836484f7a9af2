"""Who takes the cores: CPU time by what a process, or a thread of a worker, does (/proc, Linux)."""

import resource
from contextlib import suppress
from pathlib import Path

from bench import serve

LOOPS, THREADS, RENDERS = "event loops", "workers' other threads", "render processes"
ASKING = "asking"


class Shares:
    """Counts CPU time from when it is made."""

    def __init__(self, served: serve.Served) -> None:
        self._served = served
        self._before = _by_role(served)
        self._children = _children_seconds()

    def per_cover(self, made: int, asking: float | None = None) -> dict[str, float]:
        """Return the ms of CPU time since then for each cover made, by role.

        *asking*: seconds that the load generator took; None: all that child processes took that have ended.
        """
        taken = {role: now - self._before[role] for role, now in _by_role(self._served).items()}
        taken[ASKING] = _children_seconds() - self._children if asking is None else asking
        return {role: round(seconds * 1000 / max(made, 1), 3) for role, seconds in taken.items()}


def _by_role(served: serve.Served) -> dict[str, float]:
    """Return the seconds of CPU time of the service so far. The master's, which waits, are left out."""
    spent = dict.fromkeys((LOOPS, THREADS, RENDERS), 0.0)
    workers = serve.children(served.process)
    for process in serve.family(served.process)[1:]:
        for stat in Path(f"/proc/{process}/task").glob("*/schedstat"):
            with suppress(OSError):  # it has just ended
                seconds = int(stat.read_text(encoding="ascii").split()[0]) / 1e9
                is_loop = stat.parent.name == str(process)
                spent[RENDERS if process not in workers else LOOPS if is_loop else THREADS] += seconds
    return spent


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
