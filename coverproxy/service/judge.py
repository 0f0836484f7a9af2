"""Decodes pictures before they are entered, where it matters: whether one is whole, and which is the best."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from coverproxy.config import Limits, Size
from coverproxy.domain.errors import Unavailable, UnusableOriginal
from coverproxy.domain.original import Original
from coverproxy.imaging.decoder import Decoder
from coverproxy.imaging.detail import Measure
from coverproxy.originals.files import OriginalFiles
from coverproxy.service.decode_guard import DecodeGuard
from coverproxy.service.import_results import Entered, Result

_DAMAGED = ("decode", "header", "type")
"""Faults that are the bytes' own, whatever the limits and sizes are."""


def seen_whole(decoder: Decoder, body: bytes, largest: Size, limits: Limits) -> Measure:
    """Decode all of *body*, as for the largest size, and measure it. Blocks. Raises UnusableOriginal."""
    return decoder.verify(body, largest, limits)


def damage(exc: UnusableOriginal) -> str | None:
    """Return the fault to record for an original; None: its bytes are not at fault."""
    return str(exc) if exc.reason in _DAMAGED else None


class Judge:
    """Decodes originals. Blocks; safe in several threads."""

    def __init__(self, files: OriginalFiles, guard: DecodeGuard, limits: Limits, largest: Size) -> None:
        self._files = files
        self._guard = guard
        self._limits = limits
        self._largest = largest

    def judging(self, results: Sequence[Result]) -> Callable[[Result], Result]:
        """Return what decodes those of a batch that may not be whole, or are to be compared."""
        books = Counter(each.original.identifier for each in results if isinstance(each, Entered))

        def judging(result: Result) -> Result:
            if not isinstance(result, Entered) or result.is_known or result.original.detail is not None:
                return result
            if not result.is_doubtful and books[result.original.identifier] == 1:
                return result
            return replace(result, original=self.judged(result.original))

        return judging

    def judged(self, original: Original, body: bytes | None = None) -> Original:
        """Return the original with its measure, or with its fault. *body*: None: read it from its place.

        What cannot be read or decoded now is left as it is: whoever asks for its cover finds out.
        """
        try:
            body = self._files.read(original, self._limits.max_bytes) if body is None else body
            see = partial(seen_whole, body=body, largest=self._largest, limits=self._limits)
            found = self._guard.decode_here(original, see)
        except UnusableOriginal as exc:  # a quarantine is recorded already
            return replace(original, fault=damage(exc))
        except (Unavailable, OSError):
            return original
        return replace(original, detail=found.detail, content=found.content)
