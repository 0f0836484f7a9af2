"""How good do the covers of each size look, for how many bytes and how much time, against the usual settings?

    python -m bench.quality [--covers DIR] [--out bench/results] [--search]

Each default size and format goes through the product's own render(), and so do two rivals that differ in
nothing but the JPEG settings: 4:2:0 and 4:4:4 at Q82, default table, optimised Huffman, baseline. The third
rival is `vips thumbnail` with libvips' defaults. 4:2:0 at Q82 is the byte budget of medium and large.

Score:     SSIMULACRA2 (90: no difference seen; 70: high quality; 50: medium; 30: low), mean and median.
Reference: the whole original decoded (no shrinking by the decoder), cast to 16 bit, scaled by lanczos3 alone
           to exactly the pixel size of the picture judged, and taken to 8-bit sRGB at the end only. It is
           scaled in sRGB, as all rivals are: against one scaled in linear light all score 5 to 14 less, in
           the same order.
Time:      CPU milliseconds of one render with its decoding: the least of some rounds, rivals taking turns.
Originals: the JPEG covers of DIR that are 900 to 1100 px high; without DIR the project's drawn ones, brought
           to 1000 px.

Writes quality.json, quality.svg, and quality-contact-sheet.png, which shows drawn covers whatever DIR is.
`--search` instead runs the sweep that led to the defaults, on every second original, and writes
quality-search.json: for each quantisation table, chroma and trellis the highest quality within the bytes
allowed; then decode_scale, WebP and AVIF.
"""

import argparse
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

import orjson
from PIL import Image, ImageDraw, ImageFont
from ssimulacra2 import compute_ssimulacra2

from bench import report
from coverproxy import vips
from coverproxy.config import Avif, Config, Jpeg, Size, Webp
from coverproxy.media import Format, Loader, sniff
from coverproxy.render import render

ROUNDS = 3
BUDGET_SHARE = 0.98
SMALL_BYTES = 7200  # what --search allows small: 4:2:0 at Q82 scores 0 there, and so sets no budget
SHEET_COVERS = 6
CONFIG = Config()
BUDGET = "JPEG 4:2:0 Q82"

Maker = Callable[[bytes], bytes]


class Candidate(NamedTuple):
    """One way of making a derivative, and what sets it apart."""

    name: str
    make: Maker
    settings: dict[str, Any]


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
            "cpu_ms": round(self.cpu_ms, 2),
            "settings": self.candidate.settings,
        }


def main() -> None:
    """Measure, or search; write the result and say where."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--covers", type=Path, help="folder of covers (default: the project's drawn ones)")
    parser.add_argument("--out", type=Path, default=report.RESULTS)
    parser.add_argument("--search", action="store_true", help="sweep the settings instead (some 20 minutes)")
    arguments = parser.parse_args()
    drawn = _drawn()
    originals = _originals(arguments.covers) if arguments.covers else drawn
    if not originals:
        parser.error(f"{arguments.covers}: no JPEG that is 900 to 1100 px high")
    settings = {"covers": "real" if arguments.covers else "drawn", "contact_sheet": "drawn"}
    if arguments.search:
        _write("quality-search", settings, originals[::2], list(_search(originals[::2])), arguments.out)
        return
    measured = [found for name in CONFIG.sizes for found in _measure(name, _candidates(name), originals)]
    figures = {"rows": [found.row() for found in measured], "against_the_budget": _against(measured)}
    _write("quality", settings, originals, figures, arguments.out)
    _plot(measured, arguments.out / "quality.svg")
    _sheet(drawn[:: len(drawn) // SHEET_COVERS][:SHEET_COVERS], arguments.out)


def _write(name: str, settings: dict[str, Any], originals: list[bytes], figures: Any, out: Path) -> None:
    settings = {**settings, "originals": len(originals), "rounds": ROUNDS if name == "quality" else 1}
    print(report.write(name, settings, figures, out))


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
    for each in found:
        pairs = zip(originals, each.bodies, strict=True)
        each.scores = [_score(original, made) for original, made in pairs]
        print(orjson.dumps(each.row()).decode(), flush=True)
    return found


def _score(original: bytes, made: bytes) -> float:
    picture = vips.library().Image.new_from_buffer(made, "")
    png = {"compression": 1, "keep": "none"}
    reference = _reference(original, picture.width, picture.height).pngsave_buffer(**png)
    score = compute_ssimulacra2(io.BytesIO(reference), io.BytesIO(picture.pngsave_buffer(**png)))
    return float(score)


def _reference(original: bytes, width: int, height: int) -> Any:
    """Return what the module's docstring calls the reference."""
    image = vips.library().Image.jpegload_buffer(original).autorot()
    if image.get_typeof("icc-profile-data"):
        image = image.icc_transform("srgb", embedded=True, intent="relative", depth=16)
    else:
        image = (image.colourspace("srgb") * 257).cast("ushort")  # 257: 255 becomes 65535, without a bias
    # gap=0: nothing but lanczos3. The default would halve large pictures with a box filter first.
    across, down = width / image.width, height / image.height
    scaled = image.resize(across, vscale=down, kernel="lanczos3", gap=0)
    return (scaled / 257).rint().cast("uchar").copy(interpretation="srgb")


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
    import matplotlib as mpl
    from matplotlib import pyplot

    mpl.rcParams["svg.hashsalt"] = "coverproxy"  # the same figures give the same file
    figure, axes = pyplot.subplots(1, len(CONFIG.sizes), figsize=(12, 4.2), layout="constrained")
    for axis, (name, size) in zip(axes, CONFIG.sizes.items(), strict=True):
        for each in (found for found in measured if found.size == name):
            _mark(axis, each)
        axis.set(title=f"{name} ({size.width}×{size.height})", xlabel="mean kB")
        axis.margins(0.3, 0.15)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("mean SSIMULACRA2")
    figure.suptitle("blue: coverproxy, red: the usual settings; up and left is better", fontsize=10)
    figure.savefig(path, metadata={"Date": None})


def _mark(axis: Any, each: Measured) -> None:
    """Mark one candidate; labels of ours stand above, those of rivals below, clear of each other."""
    at = each.mean_bytes / 1000, statistics.fmean(each.scores)
    ours = each.candidate.name.startswith("coverproxy")
    label = each.candidate.name.removeprefix("coverproxy ")
    color, shift = ("C0", 7) if ours else ("C3", -15)
    side = {"WEBP": "right", "JPEG": "left"}.get(label, "center")
    axis.plot(*at, "o", color=color, markersize=6)
    axis.annotate(label, at, xytext=(0, shift), textcoords="offset points", ha=side, fontsize=8, color=color)


def _sheet(originals: list[bytes], out: Path) -> None:
    """Draw rows of covers, enlarged twice without smoothing: the reference, ours, and the byte budget's."""
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


def _tiles(name: str, original: bytes) -> list[Image.Image]:
    jpeg, webp, _, budget, *_ = _candidates(name)
    made = {candidate.name: candidate.make(original) for candidate in (jpeg, webp, budget)}
    size = Image.open(io.BytesIO(made[BUDGET])).size
    labels = {f"{of}: {len(body)} B, scores {_score(original, body):.0f}": body for of, body in made.items()}
    labels = {f"{name}: reference": _reference(original, *size).pngsave_buffer(), **labels}
    return [_tile(name, label, Image.open(io.BytesIO(body))) for label, body in labels.items()]


def _tile(name: str, label: str, picture: Image.Image) -> Image.Image:
    """Label one picture, and enlarge as many of its rows as keep the sheet under 2 MB."""
    shown = picture.convert("RGB").crop((0, 0, picture.width, min(picture.height, 200)))
    doubled = shown.resize((shown.width * 2, shown.height * 2), Image.Resampling.NEAREST)
    tile = Image.new("RGB", (CONFIG.sizes[name].width * 2 + 8, doubled.height + 24), "white")
    tile.paste(doubled, (0, 18))
    ImageDraw.Draw(tile).text((2, 2), label, "black", ImageFont.load_default(11))
    return tile


if __name__ == "__main__":
    main()
