"""Information about books without making covers: needs no quota, and decodes no original twice."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from coverproxy.cache.disk import DiskCache
from coverproxy.concurrency.single_flight import SingleFlight
from coverproxy.concurrency.threads import WorkerThreads
from coverproxy.config import Size
from coverproxy.domain import schemes
from coverproxy.domain.derivative import Derivative
from coverproxy.domain.editions import EditionLink, Relation
from coverproxy.domain.errors import Busy, NoCover, NotAnIdentifier, Pending, Unavailable
from coverproxy.domain.formats import Format
from coverproxy.domain.original import Original
from coverproxy.domain.spec import ISBN, Identifier, Reading, Spec, Wanted
from coverproxy.imaging.preview import Preview
from coverproxy.imaging.render import MIN_SIDE_PX
from coverproxy.imaging.render_pool import INTERNAL, RenderPool
from coverproxy.imaging.transform import target_size
from coverproxy.originals.base import Catalogue
from coverproxy.service import find_covers
from coverproxy.service.decode_guard import DecodeGuard
from coverproxy.service.fetch_original import OriginalFetcher
from coverproxy.service.find_covers import Sought
from coverproxy.service.maker import DerivativeMaker
from coverproxy.service.other_editions import nearest

MAX_LOOKS = 4
"""Previews that a worker makes, or has queued, at once: covers come first."""

MAX_WAITING = 64
"""Lists in progress per worker: a thousand ISBNs take some milliseconds each."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A size for one cover: (width, height) in px, and the bytes by format; None: not made."""

    size: tuple[int, int]
    bytes: Mapping[Format, int | None]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known about a text that should be an identifier.

    `why`: why it is invalid. `identifier`: how it is read, None if that is open. `names`: the names of its
    item, the item's own first. `original`: the best one, None without a cover. `sizes`: without a Fit for
    sizes in which the cover is too thin. `look`: None also if no preview could be made now.
    `edition`: what stands in for a missing cover, where that is asked for. `kept_until`: when the original is
    deleted, as its source wishes, seconds since 1970. `held`: a derivative, where its original is deleted.
    """

    text: str
    reading: Reading | None = None
    why: str | None = None
    identifier: Identifier | None = None
    names: tuple[Identifier, ...] = ()
    original: Original | None = None
    sizes: Mapping[str, Fit | None] | None = None
    look: Preview | None = None
    edition: EditionLink | None = None
    kept_until: int | None = None
    held: Derivative | None = None

    @property
    def has_cover(self) -> bool:
        """Whether a cover of its own is shown."""
        return self.original is not None or self.held is not None

    @property
    def version(self) -> str:
        """What `?v=` says of its derivatives; empty without a cover."""
        return self.original.version if self.original else f"{self.held.mtime:x}" if self.held else ""


class InfoService:
    """Answers questions about books.

    Lists have their own thread, so that hits do not wait behind a thousand ISBNs. `waiting`: such lists.
    """

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        cache: DiskCache,
        maker: DerivativeMaker,
        renders: RenderPool,
        guard: DecodeGuard,
        fetcher: OriginalFetcher,
        sizes: Mapping[str, Size],
        formats: Iterable[Format],
        answer_within: float,
        lookups: WorkerThreads,
    ) -> None:
        self._catalogue = catalogue
        self._cache = cache
        self._maker = maker
        self._renders = renders
        self._guard = guard
        self._fetcher = fetcher
        self._named = sizes
        self._formats = tuple(sorted(formats, key=lambda form: form.value))
        self._answer_within = answer_within
        self._lookups = lookups
        self._looks: SingleFlight[Preview | None] = SingleFlight()
        self._lists = WorkerThreads(1, "lists")
        self.waiting = 0

    async def about(self, text: str, scheme: str = ISBN, farthest: Relation | None = None) -> Known:
        """Return what is known about *text*, read as an identifier of *scheme*.

        *farthest*: how far another edition may be that stands in for a missing cover; None: none does.
        Raises UnknownScheme, Unavailable.
        """
        try:
            reading = schemes.parse(scheme, text)
        except NotAnIdentifier as exc:
            return Known(text, why=exc.why)
        known = await self._lookups.run(partial(self._known, text, reading, farthest))
        if known.original is None or known.look is not None:
            return known
        return replace(known, look=await self._look(known.original))

    async def have(self, texts: Iterable[str]) -> dict[str, bool | None]:
        """Return for each text, an ISBN or `scheme:value`, whether its item has a cover; None: invalid.

        Raises Busy, Unavailable.
        """
        with self._place():
            return await self._lists.run(partial(self._have, tuple(texts)))

    async def find(self, wanted: Mapping[str, Wanted], within: float) -> Sought:
        """Find which of many books have a cover, asking the sources for at most *within* seconds.

        Raises Busy, Unavailable.
        """
        with self._place():
            found = await self._lists.run(partial(self._here, wanted))
            lacking = {text: each for text, each in wanted.items() if text not in found}
            is_settled = await find_covers.ask(self._fetcher, lacking, within)
            if lacking and self._fetcher.has_sources:
                found |= await self._lists.run(partial(self._here, lacking))
        return Sought(found, is_settled)

    def _here(self, wanted: Mapping[str, Wanted]) -> dict[str, Original]:
        return find_covers.here(self._maker, self._catalogue.aliases, wanted)

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Hold one of the places for lists. Raises Busy if none is free."""
        if self.waiting >= MAX_WAITING:
            raise Busy("too many lists are being looked up")
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1

    async def close(self, within: float) -> None:
        """Finish previews in progress, within so many seconds."""
        await self._looks.land(within)
        self._lists.close()

    def _have(self, texts: tuple[str, ...]) -> dict[str, bool | None]:
        readings = {text: _read(text) for text in texts}
        every = {each for reading in readings.values() if reading for each in reading.identifiers}
        covered = self._catalogue.covered(every)
        return {text: self._has(reading, covered) if reading else None for text, reading in readings.items()}

    def _has(self, reading: Reading, covered: set[Identifier]) -> bool:
        if reading.pick(covered) is not None:
            return True
        return reading.sure is not None and any(
            self._cache.length(Spec(reading.sure, size, Format.JPEG)) is not None for size in self._named
        )

    def _known(self, text: str, reading: Reading, farthest: Relation | None) -> Known:
        maker, aliases = self._maker, self._catalogue.aliases
        try:
            book = maker.choose(reading)
            original = maker.originals(book)[0]
        except NoCover:
            sure = reading.sure
            names = aliases.names(sure) if sure else ()
            if sure and (held := self._held(names)):
                sides = held.original or held.size
                return Known(text, reading, None, sure, names, sizes=self._sizes(names[0], sides), held=held)
            link = nearest(self._catalogue, sure, farthest) if sure and farthest else None
            return Known(text, reading, identifier=sure, names=names, edition=link)
        names, look = aliases.names(book), self._catalogue.look(original.digest)
        return Known(
            text, reading, None, book, names, original,
            self._sizes(names[0], (original.width, original.height)), look,
            kept_until=self._kept_until(original),
        )  # fmt: skip

    def _kept_until(self, original: Original) -> int | None:
        row = self._catalogue.provenance.of(original.identifier, original.source)
        return row.keep_until if row and row.digest == original.digest else None

    def _held(self, names: Iterable[Identifier]) -> Derivative | None:
        """Return a derivative that is shown though its original is deleted, as its source wishes (`keep`)."""
        specs = (Spec(name, size, Format.JPEG) for name in names for size in self._named)
        return next(filter(None, map(self._cache.find, specs)), None)

    def _sizes(self, book: Identifier, sides: tuple[int, int]) -> dict[str, Fit | None]:
        return {
            name: self._fit(book, name, target_size(sides, size), size.formats)
            for name, size in self._named.items()
        }

    def _fit(
        self, book: Identifier, name: str, size: tuple[int, int], formats: frozenset[Format]
    ) -> Fit | None:
        if min(size) < MIN_SIDE_PX:
            return None
        forms = [form for form in self._formats if form in formats]
        return Fit(size, {form: self._cache.length(Spec(book, name, form)) for form in forms})

    async def _look(self, original: Original) -> Preview | None:
        """Have a preview made, unless too many are in progress: then another time."""
        if len(self._looks) >= MAX_LOOKS:
            return None
        try:
            look, _ = await self._looks.join(
                original.digest.hex(),
                partial(self._take_look, original),
                self._answer_within,
                lambda fault: True,
            )
        except (Busy, Pending, Unavailable):
            return None
        return look

    async def _take_look(self, original: Original) -> Preview | None:
        async with self._renders.place(INTERNAL) as place:
            kept = partial(self._catalogue.look, original.digest)
            if look := await self._lookups.run(kept):  # another process was faster
                return look
            return await self._guard.decode(place, original, partial(self._maker.look, original))


def _read(text: str) -> Reading | None:
    try:
        return schemes.read(text)
    except NotAnIdentifier:
        return None
