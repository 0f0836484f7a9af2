"""Which files that land in a folder are complete: a sender may write one for minutes."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from coverproxy.service.feed_run import stamp_of


class Settled:
    """Files that did not change for `seconds`, by size and mtime. `clock`: seconds that only rise."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._seen: dict[Path, tuple[str, float]] = {}

    def ready(self, paths: Iterable[Path]) -> list[Path]:
        """Return those of *paths* that are complete; the others are looked at again the next time."""
        now, seen, found = self._clock(), {}, []
        for path in paths:
            stamp = stamp_of(path)
            before = self._seen.get(path, ("", now))
            since = before[1] if before[0] == stamp else now
            if now - since >= self._seconds:
                found.append(path)
            else:
                seen[path] = (stamp, since)
        self._seen = seen
        return found

    @property
    def is_waiting(self) -> bool:
        """Whether some are not complete yet."""
        return bool(self._seen)
