"""An original's bytes rendered into the bytes of one derivative: decode, transform, encode."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from coverproxy.config import Limits, Size
from coverproxy.domain import file_kinds
from coverproxy.domain.errors import UnusableOriginal
from coverproxy.domain.formats import Format, Loader, sniff
from coverproxy.imaging import decode, encode, jpeg_repair, transform, vips

REVISION = 3
"""Raised whenever the same original and settings give other bytes: every derivative is then made anew."""

MIN_SIDE_PX = 10
"""Clients take anything smaller for "no cover" (NeverTooManyBooks: a side under 10 px)."""

# Zeros between the picture and its end: the last thing that is read, so no damage hides behind it.
_PADDING = "extraneous bytes before marker 0xd9"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A derivative, made: its bytes, its size and its original's (width, height) in px."""

    body: bytes
    size: tuple[int, int]
    original: tuple[int, int]


def _unheld(*images: Any) -> None:
    """Watch nothing."""


def render(
    body: bytes, size: Size, form: Format, limits: Limits, hold: Callable[..., None] = _unheld
) -> Rendered:
    """Render *body* to fit *size*, never enlarged: upright, in sRGB, on white, without any metadata.

    The same input gives the same bytes. Blocks for some milliseconds, and for as long as the limits on
    pixels allow. *hold* is called with the libvips images that set_kill() would stop, and without any after a
    failure: it raises where it stopped them. Raises UnusableOriginal with reason "type", "header", "limit",
    "decode" or "thin".
    """
    loader = sniff(body[:32])
    if loader is None:
        raise UnusableOriginal("type", file_kinds.refusal(body[: file_kinds.HEAD_BYTES]))
    try:
        return _render(body, loader, size, form, limits, hold)
    except UnusableOriginal as exc:
        if loader is not Loader.JPEG or exc.reason not in ("header", "decode"):
            raise
        level = "error" if _PADDING in str(exc) else "warning"
        return _render(jpeg_repair.repaired(body), loader, size, form, limits, hold, fail_on=level)


def _render(
    body: bytes, loader: Loader, size: Size, form: Format, limits: Limits, hold: Callable[..., None],
    **options: Any,
) -> Rendered:  # fmt: skip
    header = decode.header(body, loader, limits, **options)
    target = transform.target_size(header.sides, size)
    if min(target) < MIN_SIDE_PX:
        raise UnusableOriginal("thin", "{}x{} px at this size".format(*target))
    try:
        raster = transform.fit(decode.picture(header, size), target, hold)
        coded = encode.encoded(raster, size, form)
    except vips.library().Error as exc:
        hold()  # it may have been stopped
        raise UnusableOriginal("decode", vips.said(exc, loader)) from None
    return Rendered(coded, target, header.sides)
