"""Covers that exist already: in memory, else on disk."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

from coverproxy.cache.disk import DiskCache
from coverproxy.cache.memory import Memory, MemoryEntry
from coverproxy.domain.derivative import Derivative
from coverproxy.domain.errors import StoreUnavailable
from coverproxy.domain.original import Original
from coverproxy.domain.spec import Spec
from coverproxy.originals.base import Catalogue
from coverproxy.service.looks import readable, with_original


class Glance(Enum):
    """What a look that must not wait says of a cover that it did not find on disk."""

    MISSING = auto()
    """It is not there with the current settings."""

    UNSURE = auto()
    """A thread has to look."""


@dataclass(frozen=True, slots=True)
class Found:
    """A cover to answer with; whether this request had it made; its spec; `held`: its memory entry.

    `is_interim`: a better format is to follow soon.
    """

    derivative: Derivative
    is_made: bool
    spec: Spec
    held: MemoryEntry | None = None
    is_interim: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look found. `spec`: under the item's own name. `change`: the catalogue's number from before.

    `older`: the cover of older settings. `originals`: the usable ones, best first, if there is no cover.
    `is_unknown`: the catalogue has nothing of this item, not even what cannot be used.
    """

    spec: Spec
    change: int
    derivative: Derivative | None = None
    older: Derivative | None = None
    originals: tuple[Original, ...] = ()
    is_unknown: bool = False


class HeldCovers:
    """Finds covers in memory and on disk."""

    def __init__(self, memory: Memory, cache: DiskCache, catalogue: Catalogue) -> None:
        self._memory = memory
        self._cache = cache
        self._catalogue = catalogue

    def mark(self) -> bytes:
        """Return the mark to take before a look on disk, for remember()."""
        return self._memory.mark()

    def exists(self, spec: Spec) -> bool:
        """Whether a derivative is on disk, of current or older settings: one look, on the event loop."""
        return self._cache.length(spec) is not None or self._cache.has_older(spec)

    def in_memory(self, spec: Spec) -> Found | None:
        """Return the cover from memory."""
        held = self._memory.get(str(spec))
        if held is None or held.derivative is None:
            return None
        return Found(held.derivative, is_made=False, spec=spec, held=held)

    def at_once(
        self, specs: Sequence[Spec], mark: bytes, glance: Glance | None = None
    ) -> tuple[Found | None, Sequence[Spec]]:
        """Return the first of *specs* that memory has, or the kernel's, else those to look for.

        These begin with the first of which a glance is not sure. *mark*: that of before. *glance*: one at the
        first of *specs*, if there was one.
        """
        for at, spec in enumerate(specs):
            if found := self.in_memory(spec):
                return found, ()
            seen = glance if glance and not at else self._glanced(spec)
            if isinstance(seen, Derivative):
                return self.remember(spec, seen, mark), ()
            if seen is Glance.UNSURE:
                return None, specs[at:]
        return None, ()

    def _glanced(self, spec: Spec) -> "Derivative | Glance":
        try:
            return self.glance(spec) or Glance.MISSING
        except BlockingIOError:
            return Glance.UNSURE

    def glance(self, spec: Spec) -> Derivative | None:
        """Look on disk if that does not wait. Raises BlockingIOError if a thread has to look."""
        derivative = self._cache.glance(spec)
        if derivative and derivative.original is None:
            raise BlockingIOError("the catalogue knows its original's size")
        return derivative

    def remember(self, spec: Spec, derivative: Derivative, mark: bytes) -> Found:
        """Hold in memory what was found on disk after memory.mark() gave *mark*."""
        return Found(derivative, is_made=False, spec=spec, held=self._memory.put(str(spec), derivative, mark))

    def look(self, specs: Sequence[Spec], change: int) -> Seen:
        """Look for a cover, the best first, and for what the last can be made from, in one go. Blocks.

        *change*: the catalogue's number from before. A store that is away shows when the cover is made.
        """
        for each in specs:
            if derivative := self.find(each):
                return Seen(each, change, derivative)
        spec = specs[-1]
        older = self.find_older(spec)
        try:
            known = self._catalogue.alone(spec.identifier)
            if not known:
                item = replace(spec, identifier=self._catalogue.aliases.item(spec.identifier))
                if item != spec:
                    return Seen(item, change)
                known = [] if older else self._catalogue.of_item(spec.identifier)
        except StoreUnavailable:
            return Seen(spec, change, older=older)
        usable = tuple(each for each in known if each.is_usable)
        return Seen(spec, change, older=older, originals=usable, is_unknown=not (older or known))

    def still(self, seen: Seen) -> Derivative | list[Original] | None:
        """Say what *seen* is worth now: the cover if it was made meanwhile, else what to make it from.

        None: a thread has to look again. On the event loop; the caller holds the spec's lock, under which
        whoever changes an item purges it after the catalogue has changed.
        """
        if not seen.originals or not self.is_news_free(seen):
            return None
        try:
            return self.glance(seen.spec) or list(seen.originals)
        except BlockingIOError:
            return None

    def is_news_free(self, seen: Seen) -> bool:
        """Return whether the catalogue is certain to be as it was."""
        return self._catalogue.tells_at_once and self._catalogue.change() == seen.change

    def find(self, spec: Spec) -> Derivative | None:
        """Return the derivative from disk. Blocks."""
        return with_original(self._catalogue, spec, readable(self._cache.find, spec))

    def find_older(self, spec: Spec) -> Derivative | None:
        """Return the derivative of older settings, served until the current one exists. Blocks."""
        return with_original(self._catalogue, spec, readable(self._cache.find_older, spec))
