"""The sweeps that the default settings of each size come from: what a format needs to look as good as JPEG.

formats():  for every size, WebP and AVIF at the lowest quality whose mean SSIMULACRA2 is no lower than that
            of the size's JPEG: only there bytes can be compared. A format is worth offering for a size where
            `share_of_jpeg` is clearly below 1. One that does not reach the score at any quality is told so.
jpegs():    for each quantisation table, chroma and trellis the highest quality within the bytes allowed, on
            every second original; then decode_scale.

Pictures are made and judged on all cores, so CPU time is that of one render beside another.
"""

import contextlib
import itertools
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import orjson

from bench import metric
from bench.candidates import CONFIG, Candidate, candidates_of, coded, measured, ours, using
from coverproxy.config import Avif, Size, Webp
from coverproxy.domain.formats import Format
from coverproxy.imaging.render import render

BUDGET_SHARE = 0.98
SMALL_BYTES = 7200  # what jpegs() allows small: 4:2:0 at Q82 scores 0 there, and so sets no budget


class Judged(NamedTuple):
    """What one setting came to over all originals."""

    score: float
    least: float
    bytes: float
    cpu_ms: float

    def told(self) -> dict[str, float]:
        """As it stands in the JSON."""
        return {
            "ssimulacra2_mean": round(self.score, 2), "ssimulacra2_least": round(self.least, 1),
            "bytes_mean": round(self.bytes), "cpu_ms": round(self.cpu_ms, 1),
        }  # fmt: skip


Judge = Callable[[Size, Format], Judged]


@contextlib.contextmanager
def judge(originals: Sequence[bytes]) -> Iterator[Judge]:
    """Yield what makes and judges every original at a size and format."""
    with multiprocessing.get_context("spawn").Pool(os.cpu_count(), _keep, [list(originals)]) as pool:

        def judged(size: Size, form: Format) -> Judged:
            numbers = range(len(originals))
            found = pool.starmap(_made, [(number, size, form) for number in numbers], chunksize=1)
            scores, lengths, seconds = zip(*found, strict=True)
            mean = statistics.fmean
            return Judged(mean(scores), min(scores), mean(lengths), mean(seconds) * 1000)

        yield judged


_originals: list[bytes] = []
"""Set in the processes of a pool, so that they are sent once."""


def _keep(originals: list[bytes]) -> None:
    _originals.extend(originals)


def _made(number: int, size: Size, form: Format) -> tuple[float, int, float]:
    """Return one picture's score, its bytes, and the CPU seconds that it took."""
    body = _originals[number]
    begun = time.process_time()
    made = render(body, size, form, CONFIG.limits).body
    seconds = time.process_time() - begun
    return metric.score(body, made), len(made), seconds


def formats(
    originals: Sequence[bytes], sizes: Sequence[str] = (), efforts: Sequence[int] = (1, 4)
) -> Iterator[dict[str, Any]]:
    """Yield each size's JPEG, and each format at its score; *sizes*: these alone, by name."""
    with judge(originals) as judged:
        for name, size in CONFIG.size_table.sizes.items():
            if sizes and name not in sizes:
                continue
            jpeg = judged(size, Format.JPEG)
            yield _told({"size": name, "format": "jpg", "settings": size.jpeg.model_dump(), **jpeg.told()})
            kinds: list[Webp | Avif] = [Webp(effort=4, smart_subsample=True)]
            kinds += [Avif(effort=effort) for effort in efforts]
            for kind in kinds:
                yield _told({"size": name, **_equal(judged, size, kind, jpeg)})


def _told(row: dict[str, Any]) -> dict[str, Any]:
    print(orjson.dumps(row).decode(), flush=True)
    return row


def _equal(judged: Judge, size: Size, kind: Webp | Avif, jpeg: Judged) -> dict[str, Any]:
    """Find the lowest quality that scores as the JPEG does, by halving: the score rises with the quality."""
    form = Format.AVIF if isinstance(kind, Avif) else Format.WEBP
    tried: dict[int, Judged] = {}

    def at(quality: int) -> Judged:
        used = kind.model_copy(update={"quality": quality})
        return judged(using(size, used), form)

    low, high = 40, 100
    while low < high:
        middle = (low + high) // 2
        tried[middle] = at(middle)
        low, high = (low, middle) if tried[middle].score >= jpeg.score else (middle + 1, high)
    found = tried.get(high) or at(high)
    return {
        "format": form.value, "settings": kind.model_copy(update={"quality": high}).model_dump(),
        "reaches_jpeg": found.score >= jpeg.score, "share_of_jpeg": round(found.bytes / jpeg.bytes, 3),
        **found.told(),
    }  # fmt: skip


def jpegs(originals: list[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the sweep of JPEG's settings, at the named sizes."""
    originals = originals[::2]
    for name, size in CONFIG.usual_sizes.items():
        rival = candidates_of(name)[3]
        mean = statistics.fmean(len(rival.make(body)) for body in originals)
        budget = SMALL_BYTES if name == "small" else BUDGET_SHARE * mean
        candidates = [*_within(size, budget, originals), *_scales(size)]
        yield from (found.row() for found in measured(name, candidates, originals, rounds=1))


def _within(size: Size, budget: float, originals: list[bytes]) -> Iterator[Candidate]:
    """Yield each table, chroma and trellis at the highest quality that stays within the budget."""
    for trellis, chroma, table in itertools.product((False, True), ("4:4:4", "4:2:0"), range(9)):
        low, high = 1, 100
        while low < high:
            middle = (low + high + 1) // 2
            candidate = coded(size, quality=middle, chroma=chroma, quant_table=table, trellis=trellis)
            fits = statistics.fmean(len(candidate.make(body)) for body in originals) <= budget
            low, high = (middle, high) if fits else (low, middle - 1)
        yield coded(size, quality=low, chroma=chroma, quant_table=table, trellis=trellis)


def _scales(size: Size) -> Iterator[Candidate]:
    for scale in (1.0, 1.5, 2.0, 4.0):
        yield ours("decode_scale", size.model_copy(update={"decode_scale": scale}), Format.JPEG)
