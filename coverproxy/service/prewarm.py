"""Prewarming: makes the covers for a list of ISBNs before they are requested."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

from coverproxy.cache.budget import DiskBudget
from coverproxy.cache.disk import DiskCache
from coverproxy.concurrency.file_locks import FileLocks
from coverproxy.domain import schemes
from coverproxy.domain.derivative import Derivative
from coverproxy.domain.errors import NoCover, NotAnIdentifier, StoreUnavailable, Unavailable
from coverproxy.domain.formats import Format
from coverproxy.domain.isbn_list import Row
from coverproxy.domain.original import Original
from coverproxy.domain.spec import Identifier, Reading, Spec
from coverproxy.service.decode_guard import DecodeGuard
from coverproxy.service.maker import Attempts, DerivativeMaker


class PrewarmOutcome(StrEnum):
    """The result for a derivative, or for a whole line."""

    MADE = "made"
    ALREADY = "already"
    MISSING = "missing"
    INVALID = "invalid"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PrewarmResult:
    """The result for one derivative of a line; `spec` is empty if it concerns the whole line.

    `stops`: nothing else can be stored either.
    """

    line: Row
    outcome: PrewarmOutcome
    spec: str = ""
    why: str = ""
    stops: bool = False


@dataclass
class PrewarmReport:
    """The progress of prewarming. `outcomes` counts derivatives; for missing and invalid, lines."""

    lines: int = 0
    outcomes: Counter[PrewarmOutcome] = field(default_factory=Counter)
    interrupted: bool = False
    ended: str = ""

    def add(self, lines: int, results: Iterable[PrewarmResult]) -> None:
        """Count lines, and their results."""
        self.lines += lines
        for result in results:
            self.outcomes[result.outcome] += 1
            if result.stops:
                self.ended = result.why


class Prewarmer:
    """Makes missing derivatives. Needs no key and no quota; blocks."""

    def __init__(
        self,
        cache: DiskCache,
        room: DiskBudget,
        stripes: FileLocks,
        guard: DecodeGuard,
        maker: DerivativeMaker,
        wanted: tuple[tuple[str, Format], ...],
    ) -> None:
        self._cache = cache
        self._room = room
        self._stripes = stripes
        self._guard = guard
        self._maker = maker
        self._wanted = wanted

    def warm(self, line: Row) -> Iterator[PrewarmResult]:
        """Make all derivatives of a line's book, and yield the results."""
        try:
            identifier = self._meant(schemes.read(line.text))
        except NotAnIdentifier as exc:
            yield PrewarmResult(line, PrewarmOutcome.INVALID, why=exc.why)
        except NoCover as exc:
            yield PrewarmResult(line, PrewarmOutcome.MISSING, why=str(exc))
        except StoreUnavailable as exc:
            yield PrewarmResult(line, PrewarmOutcome.FAILED, why=f"the catalogue cannot be read: {exc}")
        else:
            yield from self._warm(line, identifier)

    def _meant(self, reading: Reading) -> Identifier:
        """Pick the item as the service does for a client.

        Most lines have only one reading, which costs nothing.
        """
        one = reading.identifiers[0] if len(reading.identifiers) == 1 else None
        return one or self._maker.choose(reading)

    def _warm(self, line: Row, identifier: Identifier) -> Iterator[PrewarmResult]:
        has_failed = False
        for spec in (Spec(identifier, size, form) for size, form in self._wanted):
            is_there = self._is_there(spec)
            result = (
                PrewarmResult(line, PrewarmOutcome.ALREADY, str(spec))
                if is_there
                else self._result(line, spec)
            )
            if result.outcome is PrewarmOutcome.MISSING and has_failed:
                return  # its originals just proved faulty, which is reported
            yield result
            if result.outcome is PrewarmOutcome.MISSING:
                return
            has_failed = has_failed or result.outcome is PrewarmOutcome.FAILED

    def _is_there(self, spec: Spec) -> bool:
        """Check without reading, so that a finished list takes only a stat() per cover."""
        try:
            return bool(self._cache.length(spec))  # truncated files are usually empty
        except OSError:  # usually it is missing; other faults show when it is made
            return False

    def _result(self, line: Row, spec: Spec) -> PrewarmResult:
        try:
            if self._room.is_tight():  # prewarming now would evict covers in use
                raise OSError("the cache is full (cache.max_bytes) or its disk is (cache.min_free_…)")
            outcome = self._make(spec)
            if outcome is PrewarmOutcome.MISSING:
                return PrewarmResult(line, outcome, why=f"{spec.identifier} has no cover")
            return PrewarmResult(line, outcome, str(spec))
        except (NoCover, Unavailable) as exc:
            return PrewarmResult(line, PrewarmOutcome.FAILED, str(spec), str(exc))
        except OSError as exc:
            why = f"covers cannot be stored: {exc.strerror or exc}"
            return PrewarmResult(line, PrewarmOutcome.FAILED, str(spec), why, stops=True)

    def _make(self, spec: Spec) -> PrewarmOutcome:
        """Make a derivative as the service does: same lock, same second check, same bytes.

        The lock is not held while resting, so a server waits only as long as one cover takes.
        """
        with self._stripes.held(str(spec)):
            if self._cache.find(spec):
                return PrewarmOutcome.ALREADY
            try:
                originals = self._maker.originals(spec.identifier)
            except NoCover:
                return PrewarmOutcome.MISSING
            if self._maker.brought(spec, originals):
                return PrewarmOutcome.ALREADY
            self._maker.store(spec, self._render_best(spec, originals))
        return PrewarmOutcome.MADE

    def _render_best(self, spec: Spec, originals: list[Original]) -> Derivative:
        """Render the best renderable original. Raises NoCover, Unavailable."""
        attempts = Attempts(spec)
        for original in originals:
            try:
                derive = partial(self._maker.derive, spec, original, is_next=original is not originals[0])
                made = self._guard.decode_here(original, derive)
            except Unavailable as exc:
                attempts.unavailable = exc
            else:
                if made is not None:
                    return made
        raise attempts.failure()
