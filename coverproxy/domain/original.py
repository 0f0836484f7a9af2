"""An original: an image as received, and the rule that picks the best of several."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from coverproxy.domain.formats import Loader
from coverproxy.domain.spec import Identifier

DIGEST_BYTES = 16

LATEST_DATE = 13_569_465_600
"""2400-01-01. Later times are errors: ext4 ends in 2446, and HTTP dates in 9999."""

QUARANTINED = "quarantined: "
"""Prefix of the fault of an original that killed or hung a decoder. Only an operator lifts it."""


GONE = "gone: "
"""Prefix of the fault of an original whose file was deleted. Lifted once the file is back."""

MAX_COVER_ASPECT = 3.0
"""Highest aspect ratio (long to short side) that fits every size; beyond it, some sizes are too thin."""

WIDEST_COVER = 1.35
"""Width by height of a cover at most. A jacket that was scanned with its back and spine is wider."""

LEAST_CONTENT = 0.5
"""What plain borders leave of a cover at least; less is a picture on a page or on the lid of a scanner."""


class OriginalState(StrEnum):
    """Why an original is not shown although it could be rendered."""

    HIDDEN = "hidden"
    PENDING = "pending"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms under which an original may be shown.

    `until`: the moment its licence ends, seconds since 1970; None: never. `no_crop`: show it whole only.
    """

    licence: str | None = None
    until: int | None = None
    no_crop: bool = False


NO_TERMS = Terms()


@dataclass(frozen=True, slots=True)
class Original:
    """One image of one book.

    `digest`: the first 16 bytes of its SHA-256. `width`, `height` in px, upright. `date`: its own time,
    seconds since 1970. `path`: the location of a referenced file; None for files in the originals' folder.
    `fault`: why it cannot be rendered, if known. `added`: when it was ingested, milliseconds since 1970.
    `begins`: offset of its bytes in that file; None: the whole file.
    `origin`: the path or URL that it came from; `who` added it. `role`: what it shows if not the front.
    `since`: when it replaced another picture, seconds since 1970; 0: never. `detail`: share of its pixels
    along a side that carry detail, 0 to 1; None: not measured. `purges`: how often its name's covers were
    purged where there is an object store; 0 where a row was read by something else than its name.
    """

    identifier: Identifier
    digest: bytes
    loader: Loader
    width: int
    height: int
    bytes: int
    date: int
    source: str = ""
    path: str | None = None
    fault: str | None = None
    added: int = 0
    origin: str | None = None
    who: str | None = None
    role: str | None = None
    state: OriginalState | None = None
    is_pinned: bool = False
    since: int = 0
    detail: float | None = None
    terms: Terms = NO_TERMS
    begins: int | None = None
    content: float | None = None
    purges: int = 0

    @property
    def is_held(self) -> bool:
        """Whether it is skipped until an operator releases it: it killed or hung a decoder, or is slow."""
        return (self.fault or "").startswith((QUARANTINED, "slow: "))

    @property
    def is_usable(self) -> bool:
        """Whether it can be rendered, as far as known, and may be shown."""
        return self.fault is None and self.state is None

    @property
    def is_decided(self) -> bool:
        """Whether a person, or its terms, decided if it is shown. New pictures do not replace it."""
        return self.is_pinned or self.state is not None

    @property
    def mtime(self) -> int:
        """The Last-Modified of its derivatives: its own date, or the later time when it replaced another."""
        return max(self.date, self.since)

    @property
    def version(self) -> str:
        """What `?v=` says of its derivatives: the first half of their ETag (`Derivative.is_version`)."""
        return f"{self.mtime:x}"

    @property
    def pixels(self) -> int:
        """Its area in px."""
        return self.width * self.height

    @property
    def effective_pixels(self) -> int:
        """Its area in px as far as it shows detail; what was not measured counts as sharp."""
        return round(self.pixels * (1.0 if self.detail is None else self.detail) ** 2)

    @property
    def is_odd(self) -> bool:
        """Whether it has no cover's shape, or is mostly border: another picture of the item is preferred."""
        is_wide = self.width > WIDEST_COVER * self.height
        is_bordered = self.content is not None and self.content < LEAST_CONTENT
        return is_wide or is_bordered or self.is_stripe

    @property
    def is_stripe(self) -> bool:
        """Whether it is so long and thin that some sizes may have to show another original."""
        longer, shorter = max(self.width, self.height), min(self.width, self.height)
        return longer > MAX_COVER_ASPECT * shorter


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Bytes that are not decoded again: why, since when (seconds since 1970), and the originals with them."""

    digest: bytes
    reason: str
    at: int
    originals: tuple[Original, ...]


def best_first(originals: Iterable[Original], priority: Mapping[str, int]) -> list[Original]:
    """Sort originals: pinned by a person, then front before backs and spines, the shape of a cover before odd
    ones, more effective pixels, the higher source priority (0 if unset), the later date.

    The digest breaks ties, so that every process and node picks the same.
    """
    return sorted(
        originals,
        key=lambda original: (
            not original.is_pinned,
            original.role is not None,
            original.is_odd,
            -original.effective_pixels,
            -priority.get(original.source, 0),
            -original.date,
            original.digest,
        ),
    )


def shown(ordered: Iterable[Original]) -> list[Original]:
    """Return the originals of a book, best first, that its derivatives are made from.

    Usually the best usable one. If it is a stripe, some sizes may be too thin for it and show the next.
    """
    found = []
    for original in ordered:
        if original.is_usable:
            found.append(original)
            if not original.is_stripe:
                break
    return found


def renewed(new: Original, old: Original) -> Original:
    """Return the record for bytes that a book already has: people's decisions about them are kept."""
    return replace(
        new,
        state=old.state,
        is_pinned=old.is_pinned,
        since=old.since,
        detail=old.detail if new.detail is None else new.detail,
        content=old.content if new.content is None else new.content,
    )
