"""Rows of the catalogue's tables as values, whatever is in them."""

import logging
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from coverproxy import log

T = TypeVar("T")

_log = logging.getLogger(__name__)


def readable(rows: Iterable[tuple[Any, ...]], make: Callable[[tuple[Any, ...]], T]) -> list[T]:
    """Make a value of each row, without those that no version of ours wrote: they are named in the log.

    A listing or a walk is never ended by one row: a file that was recovered may hold anything.
    """
    made = []
    for row in rows:
        try:
            made.append(make(row))
        except (KeyError, TypeError, ValueError) as exc:
            log.fault(_log, "a row of the catalogue cannot be read", exc, row=repr(row)[:200])
    return made
