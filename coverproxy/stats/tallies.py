"""Histograms that cost next to nothing to add to: a row of numbers each, read when somebody asks.

prometheus_client's own take some ten calls of Python, a lock and getpid(2) for each of two values.
"""

import mmap
import os
import threading
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from prometheus_client import Metric
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The upper bounds of the buckets; a last one holds what took longer."""

MOST = 64
"""Most rows of a process: labels are closed sets."""

_NAME_BYTES = 64
_CELLS = len(SECONDS) + 2  # with the last bucket, and the sum
_ROW_BYTES = _NAME_BYTES + _CELLS * 8
_BYTES = MOST * _ROW_BYTES
_PREFIX = "tallies_"


class Tally:
    """How many took how long: one row. For all threads."""

    __slots__ = ("_at", "_cells", "_lock")

    def __init__(self, cells: "memoryview[float]", at: int, lock: threading.Lock) -> None:
        self._cells = cells
        self._at = at
        self._lock = lock

    def note(self, seconds: float) -> None:
        """Add one."""
        at = self._at
        bucket = at + bisect_left(SECONDS, seconds)
        with self._lock:
            self._cells[bucket] += 1
            self._cells[at + _CELLS - 1] += seconds


class Tallies:
    """The rows of one process, in a file of *folder* if there are several: they outlive the process.

    A file for each process, since nothing locks them. MUST be made after a fork.
    """

    def __init__(self, folder: str | None) -> None:
        self._bytes = (_mapped(folder) if folder else None) or bytearray(_BYTES)
        self._cells = memoryview(self._bytes).cast("d")
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], Tally] = {}

    def of(self, family: str, label: str) -> Tally:
        """Return the row of a label, which begins with its first use."""
        return self._known.get((family, label)) or self._begun(family, label)

    def _begun(self, family: str, label: str) -> Tally:
        name = f"{family} {label}".encode()
        with self._lock:
            if (known := self._known.get((family, label))) is None:
                at = len(self._known) * _ROW_BYTES
                if len(name) > _NAME_BYTES or at >= _BYTES:
                    raise ValueError(f"no row for {family} {label}")
                known = self._known[family, label] = Tally(
                    self._cells, (at + _NAME_BYTES) // 8, threading.Lock()
                )
                self._bytes[at : at + len(name)] = name  # last: who reads it finds a whole row
        return known

    def rows(self) -> Iterable[bytes]:
        """Return the bytes of all rows."""
        return (bytes(self._bytes),)


class TallyCollector(Collector):
    """Reads histograms when they are asked for: those of one process, or of all that share a *folder*.

    *families*: by name, the help text and the label's name.
    """

    def __init__(self, families: dict[str, tuple[str, str]], source: Tallies | str) -> None:
        self._families = families
        self._source = source

    def collect(self) -> Iterable[Metric]:
        """See Collector."""
        source = self._source
        tables = source.rows() if isinstance(source, Tallies) else _files(source)
        found = _summed(tables)
        for family, (about, label_name) in self._families.items():
            metric = HistogramMetricFamily(family, about, labels=[label_name])
            for (name, label), numbers in sorted(found.items()):
                if name == family:
                    metric.add_metric([label], _cumulative(numbers), numbers[-1])
            yield metric


def _mapped(folder: str) -> mmap.mmap | None:
    """Map a new file, with all its blocks: to write to one that a full disk has not got ends the process.

    None if there is no space: nobody else is told of this process's rows then.
    """
    path = f"{folder}/{_PREFIX}{os.getpid()}-{os.urandom(4).hex()}"
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    try:
        os.posix_fallocate(handle, 0, _BYTES)
        return mmap.mmap(handle, _BYTES)
    except OSError:
        return None
    finally:
        os.close(handle)


def _files(folder: str) -> Iterator[bytes]:
    for path in Path(folder).glob(f"{_PREFIX}*"):
        yield path.read_bytes()


def _summed(tables: Iterable[bytes]) -> dict[tuple[str, str], list[float]]:
    """Add up the rows of each label; a file that is being made has none yet."""
    found: dict[tuple[str, str], list[float]] = {}
    for table in tables:
        for at in range(0, len(table), _ROW_BYTES):
            name = table[at : at + _NAME_BYTES].rstrip(b"\0").decode()
            if not name:
                break
            family, _, label = name.partition(" ")
            numbers = array("d", table[at + _NAME_BYTES : at + _ROW_BYTES])
            before = found.get((family, label), [0.0] * _CELLS)
            found[family, label] = [one + other for one, other in zip(before, numbers, strict=True)]
    return found


def _cumulative(numbers: list[float]) -> list[tuple[str, float]]:
    """Return the buckets as Prometheus has them: each with all below it."""
    total, buckets = 0.0, list[tuple[str, float]]()
    for bound, count in zip((*map(str, SECONDS), "+Inf"), numbers, strict=False):
        total += count
        buckets.append((bound, total))
    return buckets
