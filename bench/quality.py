"""How good do the covers of each size look, for how many bytes and how much time, against peers' covers?

    python -m bench quality [--covers DIR] [--every 1] [--search | --search-jpeg | --ladder]

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
`--search` instead looks for what each format needs to look as good as the JPEG, and `--search-jpeg` for
JPEG's own settings: bench/quality_search.py. `--ladder` goes through every size that is served, the ladder's
rungs too, and writes quality-ladder.json and .svg: bench/quality_ladder.py.
"""

import asyncio
import contextlib
import io
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from bench import command, metric, peers, plots, quality_ladder, quality_search, report, scratch, turns
from bench.candidates import (
    BUDGET,
    CONFIG,
    ROUNDS,
    Candidate,
    Measured,
    candidates_of,
    measured,
    originals_of,
)
from bench.client import CHROME, ask_once
from bench.goals import Goal, at_least, at_most
from bench.peers import Peer
from coverproxy.config import Size
from coverproxy.domain.formats import Format, sniff
from coverproxy.imaging import vips
from coverproxy.web.accept import choices

SHEET_COVERS = 6
COLOURS = {
    "coverproxy": plots.OURS, "thumbor": "C3", "ipx": "C1", "image_filter": "C4", "vips thumbnail": "C5",
    BUDGET: "0.6", "JPEG 4:4:4 Q82": "0.3",
}  # fmt: skip


@command.command(__name__, __doc__)
@command.covers
@command.out
@click.option(
    "--every", type=click.IntRange(1, 100), default=1, show_default=True, help="Take each n-th original."
)
@click.option("--search", "task", flag_value="search", help="Find WebP's and AVIF's settings instead.")
@click.option("--search-jpeg", "task", flag_value="search-jpeg", help="Find JPEG's settings (20 minutes).")
@click.option("--ladder", "task", flag_value="ladder", help="Go through the whole ladder instead.")
@click.option("--size", "sizes", multiple=True, help="With --search: these alone, by name (w320, medium).")
@click.option("--effort", "efforts", type=int, multiple=True, default=(1, 4), help="With --search: AVIF's.")
def main(
    covers: Path | None, out: Path, every: int, task: str | None, sizes: tuple[str, ...],
    efforts: tuple[int, ...],
) -> None:  # fmt: skip
    """Measure, or search; write the result and say where."""
    drawn = _drawn()
    originals = originals_of(covers) if covers else drawn
    if not originals:
        raise click.BadParameter(f"{covers}: no JPEG that is 900 to 1100 px high")
    originals = originals[::every]
    settings = {"covers": "real" if covers else "drawn", "contact_sheet": "drawn"}
    if task == "search":
        rows = list(quality_search.formats(originals, sizes, efforts))
        _write("quality-search", settings, originals, rows, out)
    elif task == "search-jpeg":
        _write("quality-search-jpeg", settings, originals, list(quality_search.jpegs(originals)), out)
    elif task == "ladder":
        rows = quality_ladder.rows(originals)
        _write("quality-ladder", settings, originals, rows, out)
        quality_ladder.plot(rows, out / "quality-ladder.svg")
    else:
        _compare(settings, originals, drawn, out)


def _compare(settings: dict[str, Any], originals: list[bytes], drawn: list[bytes], out: Path) -> None:
    """Measure ours and the peers' at the named sizes."""
    theirs, skipped = _peers(originals)
    candidates = {name: [*candidates_of(name), *theirs.get(name, [])] for name in CONFIG.usual_sizes}
    found = [each for name in CONFIG.usual_sizes for each in measured(name, candidates[name], originals)]
    shares = to_chrome(found)
    figures = {
        "rows": [each.row() for each in found], "against_the_budget": _against(found),
        "to_chrome": shares,
        "skipped": skipped,
    }  # fmt: skip
    _write("quality", settings, originals, figures, out, _held(shares))
    _plot(found, out / "quality.svg")
    _sheet(drawn[:: len(drawn) // SHEET_COVERS][:SHEET_COVERS], out)


MOST_SHARES = {"small": 0.74, "medium": 0.68, "large": 0.59}


def _held(shares: dict[str, dict[str, Any]]) -> list[Goal]:
    """Hold what Chrome gets against the goals: fewer bytes than the JPEG's, at a score no lower."""
    return [
        goal
        for size, most in MOST_SHARES.items()
        for goal in (
            at_most(f"{size} to Chrome, bytes ÷ our JPEG's", shares[size]["bytes_share"], most),
            at_least(f"{size} to Chrome, points more than our JPEG's", shares[size]["ssimulacra2_more"], 0),
        )
    ]


def to_chrome(rows: list[Measured]) -> dict[str, dict[str, Any]]:
    """Return what a client with Chrome's Accept gets of each size once it is made, beside the first JPEG."""
    means = {(each.size, each.candidate.name): each for each in rows}
    told = {}
    for name, size in CONFIG.usual_sizes.items():
        form = choices(CHROME, CONFIG.formats.enabled, size.offered(CONFIG.formats))[0]
        best, jpeg = means[name, f"coverproxy {form.name}"], means[name, "coverproxy JPEG"]
        more = statistics.fmean(best.scores) - statistics.fmean(jpeg.scores)
        told[name] = {
            "format": form.value,
            "bytes_share": round(best.mean_bytes / jpeg.mean_bytes, 3),
            "ssimulacra2_more": round(more, 2),
        }
    return told


def _write(
    name: str, settings: dict[str, Any], originals: list[bytes], figures: Any, out: Path,
    held: Sequence[Goal] = (),
) -> None:  # fmt: skip
    settings = {**settings, "originals": len(originals), "rounds": ROUNDS if name == "quality" else 1}
    print(report.write(name, settings, figures, out, held=held, versions=peers.versions()))


def _drawn() -> list[bytes]:
    """Draw the project's own covers, as JPEGs of the height that is measured."""
    with scratch.folder() as folder:
        subprocess.run([sys.executable, "-m", "coverproxy.demo.draw", folder], check=True)
        shrink = vips.library().Image.thumbnail
        pictures = [shrink(str(path), 1000, height=1000) for path in sorted(Path(folder).iterdir())]
        return [picture.jpegsave_buffer(Q=92, subsample_mode="off", keep="none") for picture in pictures]


def _peers(originals: list[bytes]) -> tuple[dict[str, list[Candidate]], dict[str, str]]:
    """Have each peer make all that it can; return its candidates by size, and why others are left out."""
    with scratch.folder() as name, contextlib.ExitStack() as stack:
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
            for size, box in CONFIG.usual_sizes.items()
        }, skipped


def _peer(name: str, peer: Peer, size: Size, form: Format, originals: list[bytes]) -> Candidate:
    box = size.width, size.height
    paths = [peer.path(f"{number}.jpg", box, form) for number in range(len(originals))]
    bodies = [body for _, _, body in asyncio.run(ask_once(peer.url, paths, 2))]
    if any(not sniff(body[:32]) for body in bodies):
        raise RuntimeError(f"{name} did not make every {form.name}: {bodies[0][:100]!r}")
    made = dict(zip(originals, bodies, strict=True))
    return Candidate(f"{name} {form.name}", made.__getitem__, {"defaults": name}, is_peer=True)


def _against(rows: list[Measured]) -> dict[str, dict[str, float]]:
    """Return how the product's JPEGs stand to the byte budget: points more, and their share of its bytes."""
    means = {(each.size, each.candidate.name): each for each in rows}
    pairs = {size: (means[size, "coverproxy JPEG"], means[size, BUDGET]) for size in CONFIG.usual_sizes}
    return {
        size: {
            "ssimulacra2_more": round(statistics.fmean(ours.scores) - statistics.fmean(budget.scores), 2),
            "bytes_share": round(ours.mean_bytes / budget.mean_bytes, 3),
        }
        for size, (ours, budget) in pairs.items()
    }


def _plot(rows: list[Measured], path: Path) -> None:
    """Plot bytes against score, one panel a size: up and left is better."""
    with plots.figure(path, len(CONFIG.usual_sizes), (12, 4.6)) as axes:
        for axis, (name, size) in zip(axes, CONFIG.usual_sizes.items(), strict=True):
            for each in (found for found in rows if found.size == name):
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

    jpeg, webp, _, budget, *_ = candidates_of(name)
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
    tile = Image.new("RGB", (CONFIG.usual_sizes[name].width * 2 + 8, doubled.height + 24), "white")
    tile.paste(doubled, (0, 18))
    ImageDraw.Draw(tile).text((2, 2), label, "black", ImageFont.load_default(11))
    return tile
