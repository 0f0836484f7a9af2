"""Does memory stay flat while 40,000 bad images go through the render path?

    python -m bench bad-images [--count 40000]

Small pictures of every type that is read, drawn by the project, are damaged in turn: cut, bytes flipped, a
header that lies about the sides, random bytes behind a good magic. The number of an image decides all of it,
so each run sends the same bytes. All go through the product's own render() in one process; its resident
memory is read every 500. Counted is how each ended: rendered after all, or refused for which reason.

GIFs that claim a large canvas once raised what the heap keeps from 70 to 218 MB, in steps up to the 37,000th:
hence the number, and the threshold in coverproxy/imaging/vips.py.

Writes bad_images.json and bad_images.svg. Exits with 1 where resident memory at the end of the second half is
over that at the end of the first by more than 10 %, or where render() raised what it does not promise to.
Each is the mean of that half's last quarter: between two readings the heap gives back and takes again up to
20 MB. Source: /proc.
"""

import os
import random
import statistics
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bench import command, plots, report, scratch
from bench.goals import at_most
from coverproxy.config import Config
from coverproxy.domain.errors import UnusableOriginal
from coverproxy.domain.formats import Format, Loader, sniff
from coverproxy.imaging import vips
from coverproxy.imaging.render import render

EVERY = 500
MOST_GROWTH = 1.10
SIDES = (0, 1, 9, 255, 1024, 2048, 30_000, 65_535)
CONFIG = Config()
# AVIF takes ten times as long to write as the others, and differs in nothing before that
FORMS = (*(Format.JPEG, Format.WEBP) * 10, Format.AVIF)

Damage = Callable[[bytes, random.Random], bytes]


@command.command(__name__, __doc__)
@click.option("--count", type=click.IntRange(2 * EVERY), default=40_000, show_default=True)
@command.out
def main(count: int, out: Path) -> None:
    """Send them all, write the result, and say whether memory stayed flat."""
    figures = _told(*_send(_pictures(), count))
    report.show(figures)
    settings = {"count": count, "every": EVERY, "damages": [each.__name__[1:] for each in DAMAGES]}
    held = [at_most("bad images: memory at the end ÷ at the half", figures["growth"], MOST_GROWTH)]
    print(report.write("bad_images", settings, figures, out, held=held))
    _plot(figures["resident_mb"], out / "bad_images.svg")
    sys.exit(0 if figures["holds"] else 1)


def _pictures() -> list[bytes]:
    """Draw some covers, and write each small one as every type that is read."""
    with scratch.folder() as folder:
        subprocess.run([sys.executable, "-m", "coverproxy.demo.draw", folder], check=True)
        paths = sorted(Path(folder).iterdir())[:4]
        shrink = vips.library().Image.thumbnail
        pictures = [shrink(str(path), 120, height=180).copy_memory() for path in paths]
        return [body for picture in pictures for body in _as_all_types(picture)]


def _as_all_types(picture: Any) -> list[bytes]:
    return [
        picture.jpegsave_buffer(Q=85),
        picture.pngsave_buffer(),
        picture.webpsave_buffer(Q=80),
        picture.gifsave_buffer(effort=1),
        picture.tiffsave_buffer(),
        picture.tiffsave_buffer(compression="deflate"),
        picture.heifsave_buffer(compression="av1", Q=60, effort=0),
    ]


def _cut(body: bytes, chance: random.Random) -> bytes:
    return body[: chance.randrange(4, len(body))]


def _flipped(body: bytes, chance: random.Random) -> bytes:
    """Flip bits here and there, the magic's excepted: a wrong magic ends it before anything is decoded."""
    damaged = bytearray(body)
    for _ in range(chance.choice((1, 4, 32))):
        damaged[chance.randrange(12, len(body))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def _lying(body: bytes, chance: random.Random) -> bytes:
    """Have the header claim other sides than the picture has."""
    loader = sniff(body[:32])
    assert loader
    at, each, order, step = _SIDES_AT[loader](body)
    damaged = bytearray(body)
    for where in (at, at + step):
        side = chance.choice(SIDES) & 0x3FFF if loader is Loader.WEBP else chance.choice(SIDES)
        damaged[where : where + each] = side.to_bytes(each, order)
    if loader is Loader.PNG:  # its checksum agrees with the lie, else nothing would believe it
        damaged[29:33] = zlib.crc32(damaged[12:29]).to_bytes(4)
    return bytes(damaged)


def _random(body: bytes, chance: random.Random) -> bytes:
    """Keep the magic and what stands right behind it, and nothing else."""
    return body[: chance.choice((12, 32, 64))] + chance.randbytes(chance.randrange(20_000))


DAMAGES: tuple[Damage, ...] = (_cut, _flipped, _lying, _random)

_SIDES_AT: dict[Loader, Callable[[bytes], tuple[int, int, Any, int]]] = {
    Loader.JPEG: lambda body: (body.index(b"\xff\xc0") + 5, 2, "big", 2),
    Loader.PNG: lambda body: (16, 4, "big", 4),
    Loader.WEBP: lambda body: (26, 2, "little", 2),
    Loader.GIF: lambda body: (6, 2, "little", 2),
    # the directory's entries for tags 256 and 257, a short each
    Loader.TIFF: lambda body: (body.index(b"\x00\x01\x03\x00\x01\x00\x00\x00") + 8, 2, "little", 12),
    Loader.HEIF: lambda body: (body.index(b"ispe") + 8, 4, "big", 4),
}
"""Where a header keeps width and height: (offset, bytes each, byte order, from one to the other)."""


def _send(pictures: list[bytes], count: int) -> tuple[Counter[str], list[float], float]:
    """Damage and render; return how they ended, memory in MB after every so many, and the seconds taken."""
    ended: Counter[str] = Counter()
    resident: list[float] = []
    started = time.perf_counter()
    for number in range(count):
        chance = random.Random(number)  # noqa: S311 - no secret
        damage = DAMAGES[number % len(DAMAGES)]
        ended[_ending(damage(chance.choice(pictures), chance), FORMS[number % len(FORMS)])] += 1
        if (number + 1) % EVERY == 0:
            resident.append(round(_resident(), 1))
    return ended, resident, time.perf_counter() - started


def _ending(body: bytes, form: Format) -> str:
    try:
        render(body, CONFIG.sizes["medium"], form, CONFIG.limits)
    except UnusableOriginal as exc:
        return f"refused: {exc.reason}"
    except Exception as exc:  # what render() does not promise is a finding, and not the end of the run
        return f"broken: {type(exc).__name__}: {exc}"[:120]
    return "rendered"


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _told(ended: Counter[str], resident: list[float], seconds: float) -> dict[str, Any]:
    half = len(resident) // 2
    first, second = (
        statistics.fmean(each[-max(1, len(each) // 4) :]) for each in (resident[:half], resident[half:])
    )
    holds = second <= first * MOST_GROWTH and not any(end.startswith("broken") for end in ended)
    return {
        "ended": dict(ended.most_common()), "images_per_second": round(ended.total() / seconds),
        "resident_mb_after_first_half": round(first, 1), "resident_mb_after_second_half": round(second, 1),
        "most_resident_mb": max(resident),
        "growth": round(second / first, 3), "holds": holds, "resident_mb": resident,
    }  # fmt: skip


def _plot(resident: list[float], path: Path) -> None:
    with plots.figure(path, 1, (7, 3.2)) as axis:
        axis.plot([(at + 1) * EVERY for at in range(len(resident))], resident)
        axis.set(xlabel="bad images", ylabel="resident MB", ylim=(0, max(resident) * 1.2))
        axis.axvline(len(resident) * EVERY / 2, color="grey", linestyle=":")
        axis.grid(alpha=0.3)
