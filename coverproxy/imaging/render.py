"""An original's bytes rendered into the bytes of one derivative: decode, transform, encode."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from coverproxy.config import Limits, Size
from coverproxy.domain import file_kinds
from coverproxy.domain.errors import UnusableOriginal
from coverproxy.domain.formats import Format, Loader, sniff
from coverproxy.imaging import decode, encode, jpeg_repair, transform, vips

T = TypeVar("T")

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

    def made(header: decode.Header) -> Rendered:
        target = _target(header, size)
        raster = transform.fit(decode.picture(header, size), target, hold)
        return Rendered(encode.encoded(raster, size, form), target, header.sides)

    return _worked(body, limits, made, hold)


def verify(body: bytes, size: Size, limits: Limits, hold: Callable[..., None] = _unheld) -> None:
    """Decode all of *body*, and keep nothing: what render() at *size* would refuse is refused.

    It is decoded and scaled as for that size, and not encoded. Decoding for fewer pixels costs less, but it
    overlooks damage that only the larger scale shows. Blocks, takes *hold* and raises as render() does.
    """

    def read(header: decode.Header) -> None:
        transform.fit(decode.picture(header, size), _target(header, size), hold)

    _worked(body, limits, read, hold)


def _target(header: decode.Header, size: Size) -> tuple[int, int]:
    target = transform.target_size(header.sides, size)
    if min(target) < MIN_SIDE_PX:
        raise UnusableOriginal("thin", "{}x{} px at this size".format(*target))
    return target


def _worked(body: bytes, limits: Limits, work: Callable[[decode.Header], T], hold: Callable[..., None]) -> T:
    """Do *work* with the original; with a repaired one where that is a JPEG that only seems damaged."""
    loader = sniff(body[:32])
    if loader is None:
        raise UnusableOriginal("type", file_kinds.refusal(body[: file_kinds.HEAD_BYTES]))
    try:
        return _tried(body, loader, limits, work, hold)
    except UnusableOriginal as exc:
        if loader is not Loader.JPEG or exc.reason not in ("header", "decode"):
            raise
        level = "error" if _PADDING in str(exc) else "warning"
        return _tried(jpeg_repair.repaired(body), loader, limits, work, hold, fail_on=level)


def _tried(
    body: bytes, loader: Loader, limits: Limits, work: Callable[[decode.Header], T],
    hold: Callable[..., None], **options: Any,
) -> T:  # fmt: skip
    header = decode.header(body, loader, limits, **options)
    try:
        return work(header)
    except vips.library().Error as exc:
        hold()  # it may have been stopped
        raise UnusableOriginal("decode", vips.said(exc, loader)) from None
