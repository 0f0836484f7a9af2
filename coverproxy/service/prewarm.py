"""The way of a list of ISBNs into finished covers, before anybody asks for them."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from coverproxy.cache.budget import Room
from coverproxy.cache.disk import DiskCache
from coverproxy.concurrency.file_locks import Stripes
from coverproxy.domain import isbn
from coverproxy.domain.errors import NoCover, NotAnIsbn, Unavailable
from coverproxy.domain.formats import Format
from coverproxy.domain.isbn_list import Line
from coverproxy.domain.spec import ISBN, Identifier, Spec
from coverproxy.service.maker import Maker


class Outcome(StrEnum):
    """What came of a derivative, or of a whole line."""

    MADE = "made"
    ALREADY = "already"
    MISSING = "missing"
    INVALID = "invalid"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one derivative of a line; `spec` is empty where it is of the whole line.

    `stops`: nothing else can be stored either.
    """

    line: Line
    outcome: Outcome
    spec: str = ""
    why: str = ""
    stops: bool = False


@dataclass
class Report:
    """What warming did so far. `outcomes` counts derivatives; for missing and invalid, lines."""

    lines: int = 0
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    interrupted: bool = False
    ended: str = ""

    def note(self, result: Result) -> None:
        """Count one result."""
        self.outcomes[result.outcome] += 1
        if result.stops:
            self.ended = result.why


@dataclass(frozen=True)
class Warmer:
    """Makes what is not on disk yet. It asks for no key and counts against no quota; it blocks."""

    cache: DiskCache
    room: Room
    stripes: Stripes
    maker: Maker
    sizes: tuple[str, ...]
    formats: tuple[Format, ...]

    def warm(self, line: Line) -> Iterator[Result]:
        """Make all derivatives of a line's book, and tell what came of each."""
        try:
            identifier = self._meant(isbn.parse(line.text))
        except NotAnIsbn as exc:
            yield Result(line, Outcome.INVALID, why=exc.why)
        except NoCover as exc:
            yield Result(line, Outcome.MISSING, why=str(exc))
        except sqlite3.Error as exc:
            yield Result(line, Outcome.FAILED, why=f"the catalogue cannot be read: {exc}")
        else:
            yield from self._warm(line, identifier)

    def _meant(self, reading: isbn.Reading) -> Identifier:
        """Pick the book as the service does for a visitor. Most lines mean one, and cost nothing."""
        books = [Identifier(ISBN, value) for value in reading.isbns]
        return books[0] if len(books) == 1 else self.maker.choose(books, only_one=reading.only_one)

    def _warm(self, line: Line, identifier: Identifier) -> Iterator[Result]:
        has_failed = False
        for spec in (Spec(identifier, size, form) for size in self.sizes for form in self.formats):
            is_there = self._is_there(spec)
            result = Result(line, Outcome.ALREADY, str(spec)) if is_there else self._result(line, spec)
            if result.outcome is Outcome.MISSING and has_failed:
                return  # its originals proved faulty just now, and that is told
            yield result
            if result.outcome is Outcome.MISSING:
                return
            has_failed = has_failed or result.outcome is Outcome.FAILED

    def _is_there(self, spec: Spec) -> bool:
        """Look without reading: a list that is done already is gone through at the speed of stat()."""
        try:
            return self.cache.layout.paths(spec)[0].stat().st_size > 0  # a torn file is mostly an empty one
        except OSError:  # mostly, that it is not there; what else is wrong shows when it is made
            return False

    def _result(self, line: Line, spec: Spec) -> Result:
        try:
            if self.room.is_tight():  # what is made now would push out what visitors ask for
                raise OSError("the cache is full (cache.max_bytes) or its disk is (cache.min_free_bytes)")
            outcome = self._make(spec)
            if outcome is Outcome.MISSING:
                return Result(line, outcome, why=f"{spec.identifier} has no cover")
            return Result(line, outcome, str(spec))
        except (NoCover, Unavailable) as exc:
            return Result(line, Outcome.FAILED, str(spec), str(exc))
        except OSError as exc:
            why = f"covers cannot be stored: {exc.strerror or exc}"
            return Result(line, Outcome.FAILED, str(spec), why, stops=True)

    def _make(self, spec: Spec) -> Outcome:
        """Make a derivative as the service does: same lock, same second look, same bytes.

        The lock is not held while resting, so a server waits for it as long as one cover takes.
        """
        with self.stripes.held(str(spec)):
            if self.cache.find(spec):
                return Outcome.ALREADY
            try:
                originals = self.maker.originals(spec.identifier)
            except NoCover:
                return Outcome.MISSING
            self.cache.put(spec, self.maker.derive(spec, originals))
        return Outcome.MADE
