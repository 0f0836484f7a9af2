"""How good a picture looks: SSIMULACRA2 against the whole original.

The score: 90: no difference seen; 70: high quality; 50: medium; 30: low. The reference: the whole original
decoded (no shrinking by the decoder), cast to 16 bit, scaled by lanczos3 alone to exactly the pixel size of
the picture judged, and taken to 8-bit sRGB at the end only. It is scaled in sRGB, as all rivals are: against
one scaled in linear light all score 5 to 14 less, in the same order.
"""

import contextlib
import io
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from coverproxy.imaging import vips

_PNG = {"compression": 1, "keep": "none"}


def score(original: bytes, made: bytes) -> float:
    """Return the SSIMULACRA2 of a derivative of a JPEG original."""
    from ssimulacra2 import compute_ssimulacra2

    picture = vips.library().Image.new_from_buffer(made, "")
    wanted = reference(original, picture.width, picture.height).pngsave_buffer(**_PNG)
    return float(compute_ssimulacra2(io.BytesIO(wanted), io.BytesIO(picture.pngsave_buffer(**_PNG))))


Scores = Callable[[Sequence[bytes], Sequence[bytes]], list[float]]


@contextlib.contextmanager
def judges() -> Iterator[Scores]:
    """Yield what returns the score of each of some derivatives, worked out on all cores."""
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        yield lambda originals, made: pool.starmap(score, list(zip(originals, made, strict=True)), 2)


def reference(original: bytes, width: int, height: int) -> Any:
    """Return what the module's docstring calls the reference, as a libvips image."""
    image = vips.library().Image.jpegload_buffer(original).autorot()
    if image.get_typeof("icc-profile-data"):
        image = image.icc_transform("srgb", embedded=True, intent="relative", depth=16)
    else:
        image = (image.colourspace("srgb") * 257).cast("ushort")  # 257: 255 becomes 65535, without a bias
    # gap=0: nothing but lanczos3. The default would halve large pictures with a box filter first.
    across, down = width / image.width, height / image.height
    scaled = image.resize(across, vscale=down, kernel="lanczos3", gap=0)
    return (scaled / 257).rint().cast("uchar").copy(interpretation="srgb")
