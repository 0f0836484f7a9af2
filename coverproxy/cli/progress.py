"""Progress of a long command: a bar for people, a plain line now and then for pipes and logs."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from coverproxy.domain.counted import counted

LINE_EVERY_SECONDS = 2.0

Show = Callable[[int, int], None]
"""Takes how many are done, and the total."""


@contextmanager
def progress(verb: str, thing: str, *, quiet: bool = False) -> Iterator[Show]:
    """Show progress on standard error: *verb* ("importing"), a count, and *thing* ("file")."""
    if quiet:
        yield lambda done, total: None
    elif sys.stderr.isatty():
        with _bar(verb) as show:
            yield show
    else:
        yield _ProgressLines(thing).show


class _ProgressLines:
    """Progress for logs: a plain line every two seconds."""

    def __init__(self, thing: str) -> None:
        self._thing = thing
        self._started = self._shown_at = time.monotonic()

    def show(self, done: int, total: int) -> None:
        """Print a line if it is time."""
        now = time.monotonic()
        if now - self._shown_at >= LINE_EVERY_SECONDS:
            self._shown_at = now
            rate = done / (now - self._started)
            click.echo(f"{done} of {counted(total, self._thing)}, {rate:.0f}/s", err=True)


@contextmanager
def _bar(verb: str) -> Iterator[Show]:
    """Progress on a terminal: a bar with rate and time left."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(verb), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(verb, total=None, rate="")  # else it starts as "0/100"
        started = time.monotonic()

        def show(done: int, total: int) -> None:
            rate = f"{done / max(time.monotonic() - started, 1e-6):.0f}/s"
            bar.update(task, total=total, completed=done, rate=rate)

        yield show
