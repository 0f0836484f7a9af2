"""The loop of `coverproxy watch`: it sleeps until a file arrives, and reads complete files."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from coverproxy.cli.feeds import opened_feed
from coverproxy.cli.import_report import Refusals
from coverproxy.config import Config, FeedConfig

LOOK_SECONDS = 60.0
"""How often folders are scanned without a notification: one may be lost."""

_POLL_MILLISECONDS = 1000


Say = Callable[[str, str, Any], None]
"""Takes the feed's name, the file's name, and the result."""


class _Watched:
    """One feed's folder, and what of it is not complete yet."""

    def __init__(self, runs: Any, folder: Path, name: str, settled: Any) -> None:
        self.runs = runs
        self.folder = folder
        self.name = name
        self.settled = settled

    def step(self, say: Say) -> bool:
        """Read complete files; return whether there were any, or an interruption came."""
        ready = self.settled.ready(self.runs.waiting(self.folder))
        if not ready:
            return False
        report = self.runs.run(self.folder, ready)
        for file, found in report.files.items():
            say(self.name, file, found)
        if report.total.interrupted:
            raise KeyboardInterrupt
        return True


def watch_feeds(
    config: Config, feeds: list[FeedConfig], refusals: Refusals, tell: Callable[[dict[str, Any]], None],
    *, settle: float, poll: bool, once: bool,
) -> None:  # fmt: skip
    """Import files that arrive in the feeds' folders, until Ctrl-C; with *once*, until none is left."""
    from coverproxy.service.settled import Settled

    def say(feed: str, file: str, found: Any) -> None:
        told = {"feed": feed, "file": file, "added": found.added, "already": found.already}
        tell(told | {"refused": found.refused.total(), "report": str(refusals.path)})

    with ExitStack() as stack:
        watched = []
        for each in feeds:
            runs, folder, _ = stack.enter_context(opened_feed(config, each, refusals, quiet=True))
            folder.mkdir(parents=True, exist_ok=True)
            watched.append(_Watched(runs, folder, each.name, Settled(settle)))
        wakes = _Wakes([each.folder for each in watched], poll=poll)
        try:
            _loop(watched, say, wakes, settle, once=once)
        except KeyboardInterrupt:
            return


def _loop(
    watched: list[_Watched],
    say: Say,
    wakes: "_Wakes",
    settle: float,
    *,
    once: bool,
) -> None:
    while True:
        wakes.clear()  # before the look: what lands meanwhile wakes the wait below
        if sum(each.step(say) for each in watched):  # all of them, whatever the first says
            continue
        is_waiting = any(each.settled.is_waiting for each in watched)
        if once and not is_waiting:
            return
        wakes.wait(max(settle, 0.05) if is_waiting else LOOK_SECONDS)


class _Wakes:
    """Notifications of changes below some folders: from the system, or by polling where it has none."""

    def __init__(self, folders: list[Path], *, poll: bool) -> None:
        self._event = threading.Event()
        self._thread = threading.Thread(target=self._listen, args=(folders, poll), name="watch", daemon=True)
        self._thread.start()

    def clear(self) -> None:
        """Forget what was reported so far."""
        self._event.clear()

    def wait(self, seconds: float) -> None:
        """Wait for a notification, for at most so many seconds."""
        self._event.wait(seconds)

    def _listen(self, folders: list[Path], poll: bool) -> None:
        try:
            self._tell(folders, is_polling=poll)
        except OSError:  # the system has no more notices to give (fs.inotify.max_user_watches)
            self._tell(folders, is_polling=True)

    def _tell(self, folders: list[Path], *, is_polling: bool) -> None:
        import watchfiles

        for _ in watchfiles.watch(
            *folders, watch_filter=None, force_polling=is_polling, poll_delay_ms=_POLL_MILLISECONDS,
            raise_interrupt=False, debounce=200,
        ):  # fmt: skip
            self._event.set()
