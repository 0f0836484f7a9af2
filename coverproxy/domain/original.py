"""An original: an image as received, and the rule that says which of several is best."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from coverproxy.domain.formats import Loader
from coverproxy.domain.spec import Identifier

DIGEST_BYTES = 16

LATEST_DATE = 13_569_465_600
"""2400-01-01. Later times are no file's: ext4 ends in 2446, and HTTP dates in 9999."""

QUARANTINED = "quarantined: "
"""How the fault of an original begins that killed or hung a worker: it is only taken back by hand."""


GONE = "gone: "
"""How the fault of an original begins whose file was deleted; taken back once the file is there again."""

MAX_COVER_ASPECT = 3.0
"""Up to so many times as long as wide a picture has room in every size; a longer one may be too thin."""


class State(StrEnum):
    """Why an original is not shown although it could be rendered."""

    HIDDEN = "hidden"
    PENDING = "pending"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Terms:
    """Under which terms an original may be shown.

    `until`: the first moment at which it may not be shown any more, seconds since 1970; None: no such moment.
    `no_crop`: it may only be shown whole.
    """

    licence: str | None = None
    until: int | None = None
    no_crop: bool = False


NO_TERMS = Terms()


@dataclass(frozen=True, slots=True)
class Original:
    """One image of one book.

    `digest`: the first 16 bytes of its SHA-256. `width`, `height` in px, upright. `date`: its own time,
    seconds since 1970. `path`: where a referenced file lies; None for one in the originals' folder.
    `fault`: why it cannot be rendered, once that is known. `added`: when it came in, milliseconds since 1970.
    `begins`: where in that file its bytes begin; None: it is the whole file.
    `origin`: the path or URL that it came from; `who` brought it. `role`: what it shows if not the front.
    `since`: when it took another picture's place, seconds since 1970; 0: it never had to. `detail`: which
    share of its pixels along a side says something, 0 to 1; None: not measured.
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
    state: State | None = None
    is_pinned: bool = False
    since: int = 0
    detail: float | None = None
    terms: Terms = NO_TERMS
    begins: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether it is passed over until it is released by hand: it killed or hung a worker, or is slow."""
        return (self.fault or "").startswith((QUARANTINED, "slow: "))

    @property
    def is_usable(self) -> bool:
        """Whether it can be rendered, as far as is known, and may be shown."""
        return self.fault is None and self.state is None

    @property
    def is_decided(self) -> bool:
        """Whether a person, or its terms, said whether it is shown: nothing that comes in replaces it."""
        return self.is_pinned or self.state is not None

    @property
    def mtime(self) -> int:
        """The Last-Modified of its derivatives: its own date, or later when it took another's place."""
        return max(self.date, self.since)

    @property
    def pixels(self) -> int:
        """Its area in px."""
        return self.width * self.height

    @property
    def is_stripe(self) -> bool:
        """Whether it is so long and thin that some size may have to show another original."""
        longer, shorter = max(self.width, self.height), min(self.width, self.height)
        return longer > MAX_COVER_ASPECT * shorter


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Bytes that are not decoded again: why, since when (seconds since 1970), and whose cover they are."""

    digest: bytes
    reason: str
    at: int
    originals: tuple[Original, ...]


def best_first(originals: Iterable[Original], priority: Mapping[str, int]) -> list[Original]:
    """Order by the one rule: what a person pinned, the front before backs and spines, more pixels, the higher
    source priority (0 if unset), the later date.

    The digest settles what is still equal, so that every process and node picks the same.
    """
    return sorted(
        originals,
        key=lambda original: (
            not original.is_pinned,
            original.role is not None,
            -original.pixels,
            -priority.get(original.source, 0),
            -original.date,
            original.digest,
        ),
    )


def shown(ordered: Iterable[Original]) -> list[Original]:
    """Return those of a book's originals, best first, that its derivatives are made of.

    That is the best usable one. Where it is a stripe, some size may be too thin for it and show the next.
    """
    found = []
    for original in ordered:
        if original.is_usable:
            found.append(original)
            if not original.is_stripe:
                break
    return found


def renewed(new: Original, old: Original) -> Original:
    """Return what is known of bytes that came for a book again: what people decided of them stands."""
    return replace(
        new,
        state=old.state,
        is_pinned=old.is_pinned,
        since=old.since,
        detail=old.detail if new.detail is None else new.detail,
    )
