"""Renders an original's bytes into the bytes of one derivative: decode, transform, encode."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from coverproxy.domain import file_kinds
from coverproxy.domain.errors import UnusableOriginal
from coverproxy.domain.formats import Format, Loader, sniff
from coverproxy.imaging import decode, detail, encode, framing, jpeg_repair, transform, vips
from coverproxy.imaging.settings import Box, BoxValues, LimitSettings, SizeSettings

T = TypeVar("T")

REVISION = 4
"""Raise it when the same original and settings give other bytes."""

AS_GOOD_SINCE = 1
"""The first revision whose derivatives are kept. Raise it to REVISION if older ones were faulty: every one of
them is then rendered anew."""

MIN_SIDE_PX = 10
"""Clients read anything smaller as "no cover" (NeverTooManyBooks: a side under 10 px)."""

# Zeros before the end marker. They are read last, so they cannot hide damage.
_PADDING = "extraneous bytes before marker 0xd9"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A rendered derivative: its bytes, and its own and its original's (width, height) in px."""

    body: bytes
    size: tuple[int, int]
    original: tuple[int, int]


def render(body: bytes, size: SizeSettings, form: Format, limits: LimitSettings) -> Rendered:
    """Render *body* to fit *size*, never enlarged: upright, in sRGB, on white, without metadata.

    Deterministic: the same input gives the same bytes. Blocks for some milliseconds, at most as long as the
    pixel limits allow. Raises UnusableOriginal with reason "type", "header", "limit", "decode" or "thin".
    """

    def made(header: decode.Header) -> Rendered:
        wanted = _frame(header, size)
        factor = decode.factor_for(header, _decoded_as(size, wanted))
        raster = transform.fit(decode.picture(header, factor), wanted.scaled)
        raster = framing.framed(raster, wanted)
        return Rendered(encode.encoded(raster, size, form), raster.sides, header.sides)

    return _worked(body, limits, made)


def verify(body: bytes, size: SizeSettings, limits: LimitSettings) -> detail.Measure:
    """Decode all of *body*, once: refuse whatever render() at *size* would refuse, and measure the rest.

    Decodes at least as many pixels as for that size; fewer would be cheaper, but miss damage that shows only
    at the larger scale. Nothing is scaled or encoded. Blocks and raises like render().
    """

    def read(header: decode.Header) -> detail.Measure:
        as_shown = decode.factor_for(header, _decoded_as(size, _frame(header, size)))
        factor = min(as_shown, detail.shrink_factor(header.loader, header.sides))
        return detail.of_picture(transform.unscaled(decode.picture(header, factor)))

    return _worked(body, limits, read)


def _frame(header: decode.Header, size: SizeSettings) -> framing.Frame:
    wanted = framing.frame(header.sides, size)
    if min(wanted.scaled) < MIN_SIDE_PX:
        raise UnusableOriginal("thin", "{}x{} px at this size".format(*wanted.scaled))
    return wanted


def _decoded_as(size: SizeSettings, wanted: framing.Frame) -> Box:
    """Return the box that decides how much is decoded: cropping shows a picture larger than its box."""
    if not wanted.is_cut:
        return size
    return BoxValues(*wanted.scaled, size.decode_scale)


def _worked(body: bytes, limits: LimitSettings, work: Callable[[decode.Header], T]) -> T:
    """Call *work* with the original; if that is a JPEG that only seems damaged, with a repaired one."""
    loader = sniff(body[:32])
    if loader is None:
        raise UnusableOriginal("type", file_kinds.refusal(body[: file_kinds.HEAD_BYTES]))
    try:
        return _tried(body, loader, limits, work)
    except UnusableOriginal as exc:
        if loader is not Loader.JPEG or exc.reason not in ("header", "decode"):
            raise
        level = "error" if _PADDING in str(exc) else "warning"
        return _tried(jpeg_repair.repaired(body), loader, limits, work, fail_on=level)


def _tried(
    body: bytes, loader: Loader, limits: LimitSettings, work: Callable[[decode.Header], T], **options: Any
) -> T:
    header = decode.header(body, loader, limits, **options)
    try:
        return work(header)
    except vips.library().Error as exc:
        raise UnusableOriginal("decode", vips.said(exc, loader)) from None
