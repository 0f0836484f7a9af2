"""An original: an image as received, and the rule that says which of several is best."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from coverproxy.domain.formats import Loader
from coverproxy.domain.spec import Identifier

DIGEST_BYTES = 16

LATEST_DATE = 13_569_465_600
"""2400-01-01. Later times are no file's: ext4 ends in 2446, and HTTP dates in 9999."""

QUARANTINED = "quarantined: "
"""How the fault of an original begins that killed or hung a worker: it is only taken back by hand."""


@dataclass(frozen=True, slots=True)
class Original:
    """One image of one book.

    `digest`: the first 16 bytes of its SHA-256. `width`, `height` in px, upright. `date`: its own time,
    seconds since 1970. `path`: where a referenced file lies; None for one in the originals' folder.
    `fault`: why it cannot be rendered, once that is known. `added`: when it came in, milliseconds since 1970.
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

    @property
    def is_held(self) -> bool:
        """Whether it is passed over until it is released by hand: it killed or hung a worker, or is slow."""
        return (self.fault or "").startswith((QUARANTINED, "slow: "))

    @property
    def pixels(self) -> int:
        """Its area in px."""
        return self.width * self.height


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Bytes that are not decoded again: why, since when (seconds since 1970), and whose cover they are."""

    digest: bytes
    reason: str
    at: int
    originals: tuple[Original, ...]


def best_first(originals: Iterable[Original], priority: Mapping[str, int]) -> list[Original]:
    """Order by the one rule: more pixels, then the higher source priority (0 if unset), then the later date.

    The digest settles what is still equal, so that every process and node picks the same.
    """
    return sorted(
        originals,
        key=lambda original: (
            -original.pixels,
            -priority.get(original.source, 0),
            -original.date,
            original.digest,
        ),
    )
