"""What an original takes to decode is bounded in bytes, by its header, on import and when it is rendered."""

import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import files_by_hand as by_hand
import images
import numpy as np
import pytest
from decoders import look

from coverproxy.config import Config, Import, Limits
from coverproxy.domain.errors import UnusableOriginal
from coverproxy.domain.formats import Format, sniff
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.imaging import memory, vips
from coverproxy.imaging.render import render
from coverproxy.originals.examine import OriginalRefused

CONFIG = Config()
SMALL = Limits(max_decoded_bytes=16 * 2**20)
LARGE = images.solid(images.RED, 1500, 1500)

HEAVY: dict[str, Callable[[], bytes]] = {
    "avif": lambda: images.avif(LARGE),
    "webp": lambda: images.webp(LARGE),
    "webp-lossless": lambda: images.webp(LARGE, lossless=True),
    "png-16-bit-interlaced": lambda: images.png(images.deep(LARGE.bandjoin(255)), interlace=True),
    "tiff-40-bands": lambda: images.tiff(images.solid((5,) * 40, 1500, 1500), compression="lzw"),
    "tiff-one-strip": lambda: by_hand.tiff(np.zeros((1500, 1500, 5))),
    "tiff-float": lambda: images.tiff(LARGE.colourspace("scrgb")),
    "jpeg-progressive": lambda: images.jpeg(LARGE, interlace=True, subsample_mode="off"),
}
LIGHT: dict[str, Callable[[], bytes]] = {
    "png": lambda: images.png(LARGE),
    "jpeg": lambda: images.jpeg(LARGE),
    "avif-small": lambda: images.avif(images.solid(images.RED, 900, 900)),
}


def refused(body: bytes, limits: Limits) -> str:
    """The reason, which both ways in give alike."""
    with pytest.raises(UnusableOriginal) as rendered:
        render(body, CONFIG.sizes["small"], Format.JPEG, limits)
    with pytest.raises(OriginalRefused) as imported:
        look(body, Identifier(ISBN, "9780141439518"), limits, Import())
    assert (rendered.value.reason, imported.value.reason) == ("limit", "memory")
    assert str(rendered.value).removeprefix("limit: ") == imported.value.detail
    return imported.value.detail


@pytest.mark.parametrize("kind", HEAVY)
def test_what_takes_too_much_memory_is_refused(kind: str) -> None:
    """Few bytes and allowed sides do not help a file that decodes into more than the bound."""
    assert "1500x1500 px" in refused(HEAVY[kind](), SMALL)
    assert "the limit is 16 MiB" in refused(HEAVY[kind](), SMALL)


@pytest.mark.parametrize("kind", LIGHT)
def test_what_streams_is_not(kind: str) -> None:
    """The same pixels, decoded line by line, fit."""
    assert render(LIGHT[kind](), CONFIG.sizes["small"], Format.JPEG, SMALL).body


@pytest.mark.parametrize(("depth", "kind", "is_refused"), [(16, 6, True), (8, 2, False)])
def test_the_header_alone_decides(depth: int, kind: int, is_refused: bool) -> None:
    """50 megapixels of interlaced PNG are refused at 16 bits with alpha, before a pixel is read."""
    head = struct.pack(">IIBBBBB", 7000, 7000, depth, kind, 0, 0, 1)
    chunks = by_hand.chunk(b"IHDR", head) + by_hand.chunk(b"IDAT", b"") + by_hand.chunk(b"IEND", b"")
    body = b"\x89PNG\r\n\x1a\n" + chunks
    if is_refused:
        assert "the limit is 400 MiB" in refused(body, CONFIG.limits)
    else:
        with pytest.raises(UnusableOriginal, match="decode"):
            render(body, CONFIG.sizes["small"], Format.JPEG, CONFIG.limits)


_CHILD = """
import sys
from pathlib import Path
from coverproxy.config import Config
from coverproxy.domain.formats import Format, sniff
from coverproxy.imaging import turbo, vips
from coverproxy.imaging.render import render
config, body = Config(), Path(sys.argv[1]).read_bytes()
vips.library(), turbo.library()
Path("/proc/self/clear_refs").write_text("5")
def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if "VmHWM" in line)
before = peak()
render(body, config.sizes["medium"], Format.JPEG, config.limits)
print((peak() - before) * 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak can be read on Linux alone")
@pytest.mark.parametrize("kind", HEAVY)
def test_the_reckoning_is_true(kind: str, tmp_path: Path) -> None:
    """A process that renders a heavy original grows by no more than was reckoned, and some for libraries."""
    body = HEAVY[kind]()
    file = tmp_path / kind
    file.write_bytes(body)
    child = subprocess.run(
        [sys.executable, "-c", _CHILD, str(file)], capture_output=True, text=True, check=True
    )
    loader = sniff(body[:32])
    assert loader
    reckoned = memory.needed(vips.open_original(body, loader), body, loader)
    assert int(child.stdout) <= reckoned + 24 * 2**20
