"""Turns rows of the catalogue's tables into values, skipping unreadable ones."""

import logging
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from coverproxy import log

T = TypeVar("T")

_log = logging.getLogger(__name__)


def readable(rows: Iterable[tuple[Any, ...]], make: Callable[[tuple[Any, ...]], T]) -> list[T]:
    """Make a value of each row; log and skip rows that no version of ours wrote.

    One bad row must not end a listing or a walk: a recovered file may contain anything.
    """
    made = []
    for row in rows:
        try:
            made.append(make(row))
        except (KeyError, TypeError, ValueError) as exc:
            log.fault(_log, "a row of the catalogue cannot be read", exc, row=repr(row)[:200])
    return made
