"""Ways of making a derivative, made and judged side by side: for what asks how good a picture is."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from bench import metric
from coverproxy.config import Avif, Config, Jpeg, Size, Webp
from coverproxy.domain.formats import Format, Loader, sniff
from coverproxy.imaging import vips
from coverproxy.imaging.render import render

ROUNDS = 3
CONFIG = Config()
BUDGET = "JPEG 4:2:0 Q82"
"""What medium and large are held against: their byte budget."""

Maker = Callable[[bytes], bytes]


class Candidate(NamedTuple):
    """One way of making a derivative, and what sets it apart; a peer makes it in a process of its own."""

    name: str
    make: Maker
    settings: dict[str, Any]
    is_peer: bool = False


@dataclass(slots=True)
class Measured:
    """What one candidate's pictures came to."""

    size: str
    candidate: Candidate
    bodies: list[bytes]
    scores: list[float]
    cpu_ms: float

    @property
    def mean_bytes(self) -> float:
        """The figure that is held against the budget."""
        return statistics.fmean(map(len, self.bodies))

    def row(self) -> dict[str, Any]:
        """As it stands in the JSON."""
        return {
            "size": self.size,
            "name": self.candidate.name,
            "ssimulacra2_mean": round(statistics.fmean(self.scores), 2),
            "ssimulacra2_median": round(statistics.median(self.scores), 2),
            "ssimulacra2_least": round(min(self.scores), 1),
            "bytes_mean": round(self.mean_bytes),
            "cpu_ms": None if self.candidate.is_peer else round(self.cpu_ms, 2),
            "settings": self.candidate.settings,
        }


def originals_of(folder: Path) -> list[bytes]:
    """Return the JPEG covers of a folder that are 900 to 1100 px high."""
    bodies = [path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()]
    return [
        body
        for body in bodies
        if sniff(body[:32]) is Loader.JPEG
        and 900 <= vips.upright(vips.open_original(body, Loader.JPEG))[1] <= 1100
    ]


def ours(name: str, size: Size, form: Format) -> Candidate:
    """Return the product's own way at this size."""
    used = {Format.JPEG: size.jpeg, Format.WEBP: size.webp, Format.AVIF: size.avif}[form]
    settings = {"decode_scale": size.decode_scale, **used.model_dump()}
    return Candidate(name, lambda body: render(body, size, form, CONFIG.limits).body, settings)


def coded(size: Size, name: str = "JPEG", **settings: Any) -> Candidate:
    """Return the same with other settings of JPEG."""
    return ours(name, using(size, Jpeg.model_validate(settings)), Format.JPEG)


def using(size: Size, used: Jpeg | Webp | Avif) -> Size:
    """Return a size with other settings of one format."""
    return size.model_copy(update={type(used).__name__.lower(): used})


def candidates_of(name: str) -> list[Candidate]:
    """Return the product's formats at this size, and the rivals."""
    size = CONFIG.sizes[name]
    own = [ours(f"coverproxy {form.name}", size, form) for form in Format]
    rivals = [
        coded(size, f"JPEG {chroma} Q82", quality=82, chroma=chroma, quant_table=0, trellis=False)
        for chroma in ("4:2:0", "4:4:4")
    ]

    def thumbnail(body: bytes) -> bytes:
        image = vips.library().Image.thumbnail_buffer(body, size.width, height=size.height, size="down")
        made: bytes = image.jpegsave_buffer()
        return made

    return [*own, *rivals, Candidate("vips thumbnail", thumbnail, {"Q": 75, "chroma": "4:2:0"})]


def measured(
    size: str, candidates: list[Candidate], originals: list[bytes], rounds: int = ROUNDS
) -> list[Measured]:
    """Have the candidates take turns, then judge what they made last."""
    found = [Measured(size, candidate, [], [], float("inf")) for candidate in candidates]
    for _ in range(rounds):
        for each in found:
            begun = time.process_time()
            each.bodies = [each.candidate.make(body) for body in originals]
            each.cpu_ms = min(each.cpu_ms, (time.process_time() - begun) * 1000 / len(originals))
    with metric.judges() as scores:
        for each in found:
            each.scores = scores(originals, each.bodies)
            print(orjson.dumps(each.row()).decode(), flush=True)
    return found
