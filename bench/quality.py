"""How good do the covers of each size look, for how many bytes and how much time, against peers' covers?

    python -m bench quality [--covers DIR] [--every 1] [--search]

Each default size and format goes through the product's own render(); and through thumbor, ipx (its pictures
are sharp's) and nginx image_filter at their own defaults, in each format they write. Two more rivals are the
product with nothing but other JPEG settings: 4:2:0 and 4:4:4 at Q82, default table, optimised Huffman,
baseline; 4:2:0 at Q82 is the byte budget of medium and large. The last is `vips thumbnail` with libvips'
defaults.

Score:     SSIMULACRA2, mean and median; bench/metric.py says what it means and against which reference.
Time:      CPU milliseconds of one render with its decoding: the least of some rounds, rivals taking turns.
           Not told of peers, which run in processes of their own: `misses` has their speed.
Originals: the JPEG covers of DIR that are 900 to 1100 px high; without DIR the project's drawn ones, brought
           to 1000 px. Of these each --every-th one.

Writes quality.json, quality.svg, and quality-contact-sheet.png, which shows drawn covers whatever DIR is.
`--search` instead runs the sweep that led to the defaults, on every second original, and writes
quality-search.json: for each quantisation table, chroma and trellis the highest quality within the bytes
allowed; then decode_scale, WebP and AVIF.
"""

import asyncio
import contextlib
import io
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import click
import orjson

from bench import command, metric, peers, plots, report, turns
from bench.client import ask_once
from bench.peers import Peer
from coverproxy.config import Avif, Config, Jpeg, Size, Webp
from coverproxy.domain.formats import Format, Loader, sniff
from coverproxy.imaging import vips
from coverproxy.imaging.render import render

ROUNDS = 3
BUDGET_SHARE = 0.98
SMALL_BYTES = 7200  # what --search allows small: 4:2:0 at Q82 scores 0 there, and so sets no budget
SHEET_COVERS = 6
CONFIG = Config()
BUDGET = "JPEG 4:2:0 Q82"
COLOURS = {
    "coverproxy": plots.OURS, "thumbor": "C3", "ipx": "C1", "image_filter": "C4", "vips thumbnail": "C5",
    BUDGET: "0.6", "JPEG 4:4:4 Q82": "0.3",
}  # fmt: skip

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


@command.command(__name__, __doc__)
@command.covers
@command.out
@click.option(
    "--every", type=click.IntRange(1, 100), default=1, show_default=True, help="Take each n-th original."
)
@click.option("--search", is_flag=True, help="Sweep the settings instead (some 20 minutes).")
def main(covers: Path | None, out: Path, every: int, search: bool) -> None:
    """Measure, or search; write the result and say where."""
    drawn = _drawn()
    originals = _originals(covers) if covers else drawn
    if not originals:
        raise click.BadParameter(f"{covers}: no JPEG that is 900 to 1100 px high")
    settings = {"covers": "real" if covers else "drawn", "contact_sheet": "drawn"}
    if search:
        _write("quality-search", settings, originals[::2], list(_search(originals[::2])), out)
        return
    originals = originals[::every]
    theirs, skipped = _peers(originals)
    candidates = {name: [*_candidates(name), *theirs.get(name, [])] for name in CONFIG.sizes}
    measured = [found for name in CONFIG.sizes for found in _measure(name, candidates[name], originals)]
    figures = {
        "rows": [found.row() for found in measured], "against_the_budget": _against(measured),
        "skipped": skipped,
    }  # fmt: skip
    _write("quality", settings, originals, figures, out)
    _plot(measured, out / "quality.svg")
    _sheet(drawn[:: len(drawn) // SHEET_COVERS][:SHEET_COVERS], out)


def _write(name: str, settings: dict[str, Any], originals: list[bytes], figures: Any, out: Path) -> None:
    settings = {**settings, "originals": len(originals), "rounds": ROUNDS if name == "quality" else 1}
    print(report.write(name, settings, figures, out, versions=peers.versions()))


def _originals(folder: Path) -> list[bytes]:
    bodies = [path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()]
    return [
        body
        for body in bodies
        if sniff(body[:32]) is Loader.JPEG
        and 900 <= vips.upright(vips.open_original(body, Loader.JPEG))[1] <= 1100
    ]


def _drawn() -> list[bytes]:
    """Draw the project's own covers, as JPEGs of the height that is measured."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "coverproxy.demo.draw", folder], check=True)
        shrink = vips.library().Image.thumbnail
        pictures = [shrink(str(path), 1000, height=1000) for path in sorted(Path(folder).iterdir())]
        return [picture.jpegsave_buffer(Q=92, subsample_mode="off", keep="none") for picture in pictures]


def _candidates(name: str) -> list[Candidate]:
    """Return the product's formats at this size, and the rivals."""
    size = CONFIG.sizes[name]
    ours = [_ours(f"coverproxy {form.name}", size, form) for form in Format]
    rivals = [
        _coded(size, f"JPEG {chroma} Q82", quality=82, chroma=chroma, quant_table=0, trellis=False)
        for chroma in ("4:2:0", "4:4:4")
    ]

    def thumbnail(body: bytes) -> bytes:
        image = vips.library().Image.thumbnail_buffer(body, size.width, height=size.height, size="down")
        made: bytes = image.jpegsave_buffer()
        return made

    return [*ours, *rivals, Candidate("vips thumbnail", thumbnail, {"Q": 75, "chroma": "4:2:0"})]


def _peers(originals: list[bytes]) -> tuple[dict[str, list[Candidate]], dict[str, str]]:
    """Have each peer make all that it can; return its candidates by size, and why others are left out."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        shelf = folder / "originals"
        shelf.mkdir()
        for number, body in enumerate(originals):
            (shelf / f"{number}.jpg").write_bytes(body)
        openings = {
            "thumbor": lambda: peers.thumbor(shelf, folder / "thumbor", keeps=False),
            "ipx": lambda: peers.ipx(shelf, folder / "ipx", keeps=False),
            "image_filter": lambda: peers.image_filter(shelf, folder / "filter"),
        }
        there, skipped = turns.opened(stack, openings)
        return {
            size: [
                _peer(name, peer, box, form, originals)
                for name, peer in there.items()
                for form in peer.formats
            ]
            for size, box in CONFIG.sizes.items()
        }, skipped


def _peer(name: str, peer: Peer, size: Size, form: Format, originals: list[bytes]) -> Candidate:
    box = size.width, size.height
    paths = [peer.path(f"{number}.jpg", box, form) for number in range(len(originals))]
    bodies = [body for _, _, body in asyncio.run(ask_once(peer.url, paths, 2))]
    if any(not sniff(body[:32]) for body in bodies):
        raise RuntimeError(f"{name} did not make every {form.name}: {bodies[0][:100]!r}")
    made = dict(zip(originals, bodies, strict=True))
    return Candidate(f"{name} {form.name}", made.__getitem__, {"defaults": name}, is_peer=True)


def _ours(name: str, size: Size, form: Format) -> Candidate:
    used = {Format.JPEG: size.jpeg, Format.WEBP: size.webp, Format.AVIF: size.avif}[form]
    settings = {"decode_scale": size.decode_scale, **used.model_dump()}
    return Candidate(name, lambda body: render(body, size, form, CONFIG.limits).body, settings)


def _coded(size: Size, name: str = "JPEG", **settings: Any) -> Candidate:
    return _ours(name, _with(size, Jpeg.model_validate(settings)), Format.JPEG)


def _with(size: Size, used: Jpeg | Webp | Avif) -> Size:
    return size.model_copy(update={type(used).__name__.lower(): used})


def _measure(
    size: str, candidates: list[Candidate], originals: list[bytes], rounds: int = ROUNDS
) -> list[Measured]:
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


def _against(measured: list[Measured]) -> dict[str, dict[str, float]]:
    """Return how the product's JPEGs stand to the byte budget: points more, and their share of its bytes."""
    means = {(each.size, each.candidate.name): each for each in measured}
    pairs = {size: (means[size, "coverproxy JPEG"], means[size, BUDGET]) for size in CONFIG.sizes}
    return {
        size: {
            "ssimulacra2_more": round(statistics.fmean(ours.scores) - statistics.fmean(budget.scores), 2),
            "bytes_share": round(ours.mean_bytes / budget.mean_bytes, 3),
        }
        for size, (ours, budget) in pairs.items()
    }


def _search(originals: list[bytes]) -> Iterator[dict[str, Any]]:
    for name, size in CONFIG.sizes.items():
        rival = _candidates(name)[3]
        mean = statistics.fmean(len(rival.make(body)) for body in originals)
        budget = SMALL_BYTES if name == "small" else BUDGET_SHARE * mean
        candidates = [*_jpeg_candidates(size, budget, originals), *_other_candidates(size)]
        yield from (found.row() for found in _measure(name, candidates, originals, rounds=1))


def _jpeg_candidates(size: Size, budget: float, originals: list[bytes]) -> Iterator[Candidate]:
    """Yield each table, chroma and trellis at the highest quality that stays within the budget."""
    for trellis, chroma, table in itertools.product((False, True), ("4:4:4", "4:2:0"), range(9)):
        low, high = 1, 100
        while low < high:
            middle = (low + high + 1) // 2
            candidate = _coded(size, quality=middle, chroma=chroma, quant_table=table, trellis=trellis)
            fits = statistics.fmean(len(candidate.make(body)) for body in originals) <= budget
            low, high = (middle, high) if fits else (low, middle - 1)
        yield _coded(size, quality=low, chroma=chroma, quant_table=table, trellis=trellis)


def _other_candidates(size: Size) -> Iterator[Candidate]:
    for scale in (1.0, 1.5, 2.0, 4.0):
        yield _ours("decode_scale", size.model_copy(update={"decode_scale": scale}), Format.JPEG)
    for smart in (False, True):
        for effort in (2, 4):
            for quality in (80, 84, 86, 90, 94):
                webp = Webp(quality=quality, effort=effort, smart_subsample=smart)
                yield _ours("WebP", _with(size, webp), Format.WEBP)
    for effort in (0, 1, 2):
        for quality in (60, 65, 70, 75, 80, 86):
            yield _ours("AVIF", _with(size, Avif(quality=quality, effort=effort)), Format.AVIF)


def _plot(measured: list[Measured], path: Path) -> None:
    """Plot bytes against score, one panel a size: up and left is better."""
    with plots.figure(path, len(CONFIG.sizes), (12, 4.6)) as axes:
        for axis, (name, size) in zip(axes, CONFIG.sizes.items(), strict=True):
            for each in (found for found in measured if found.size == name):
                _mark(axis, each)
            axis.set(title=f"{name} ({size.width}×{size.height})", xlabel="mean kB")
            axis.margins(0.12)
            axis.grid(alpha=0.3)
        axes[0].set_ylabel("mean SSIMULACRA2")
        labels = axes[0].get_legend_handles_labels()
        axes[0].figure.legend(*labels, loc="outside lower center", ncols=5, fontsize=8)
        axes[0].figure.suptitle("blue: coverproxy; up and left is better", fontsize=10)


def _mark(axis: Any, each: Measured) -> None:
    """Mark one candidate: a colour for who made it, a shape for its format."""
    name = each.candidate.name
    maker, _, form = name.rpartition(" ")
    shape = {"WEBP": "s", "AVIF": "^"}.get(form, "o")
    at = each.mean_bytes / 1000, statistics.fmean(each.scores)
    axis.plot(*at, shape, color=COLOURS.get(maker, COLOURS.get(name, "0.6")), markersize=7, label=name)


def _sheet(originals: list[bytes], out: Path) -> None:
    """Draw rows of covers, enlarged twice without smoothing: the reference, ours, and the byte budget's."""
    from PIL import Image

    rows = [_tiles("medium", body) for body in originals]
    smalls = [_tiles("small", body) for body in originals]
    rows += [left + right for left, right in zip(smalls[:2], smalls[2:4], strict=True)]
    width = max(sum(tile.width for tile in row) for row in rows)
    sheet = Image.new("RGB", (width, sum(row[0].height for row in rows)), "white")
    top = 0
    for row in rows:
        left = 0
        for tile in row:
            sheet.paste(tile, (left, top))
            left += tile.width
        top += row[0].height
    sheet.save(out / "quality-contact-sheet.png", optimize=True)


def _tiles(name: str, original: bytes) -> list[Any]:
    from PIL import Image

    jpeg, webp, _, budget, *_ = _candidates(name)
    made = {candidate.name: candidate.make(original) for candidate in (jpeg, webp, budget)}
    size = Image.open(io.BytesIO(made[BUDGET])).size
    labels = {
        f"{of}: {len(body)} B, scores {metric.score(original, body):.0f}": body for of, body in made.items()
    }
    labels = {f"{name}: reference": metric.reference(original, *size).pngsave_buffer(), **labels}
    return [_tile(name, label, Image.open(io.BytesIO(body))) for label, body in labels.items()]


def _tile(name: str, label: str, picture: Any) -> Any:
    """Label one picture, and enlarge as many of its rows as keep the sheet under 2 MB."""
    from PIL import Image, ImageDraw, ImageFont

    shown = picture.convert("RGB").crop((0, 0, picture.width, min(picture.height, 200)))
    doubled = shown.resize((shown.width * 2, shown.height * 2), Image.Resampling.NEAREST)
    tile = Image.new("RGB", (CONFIG.sizes[name].width * 2 + 8, doubled.height + 24), "white")
    tile.paste(doubled, (0, 18))
    ImageDraw.Draw(tile).text((2, 2), label, "black", ImageFont.load_default(11))
    return tile
