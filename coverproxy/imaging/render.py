"""An original's bytes rendered into the bytes of one derivative."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from coverproxy.config import Limits, Size
from coverproxy.domain.errors import UnusableOriginal
from coverproxy.domain.formats import Format, Loader, sniff
from coverproxy.imaging import jpeg, turbo, vips

REVISION = 2
"""Raised whenever the same original and settings give other bytes: every derivative is then made anew."""

MIN_SIDE_PX = 10
"""Clients take anything smaller for "no cover" (NeverTooManyBooks: a side under 10 px)."""

MIN_JPEG_BYTES = 2048
"""Clients take fewer bytes for "no cover" (900 to 1,000: LibraryThing's; 2,048: NeverTooManyBooks)."""

_SRGB = frozenset({"1d3fda2edb4a89ab60a23c5f7c7d81dd"})
"""MD5 of sRGB's own profile: "sRGB IEC61966-2.1" of Hewlett-Packard, which cameras and editors embed."""

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
        raise UnusableOriginal("type", "not one of the image types that are read")
    try:
        return _render(body, loader, size, form, limits, hold)
    except UnusableOriginal as exc:
        if loader is not Loader.JPEG or exc.reason not in ("header", "decode"):
            raise
        level = "error" if _PADDING in str(exc) else "warning"
        return _render(jpeg.straightened(body), loader, size, form, limits, hold, fail_on=level)


def _render(
    body: bytes, loader: Loader, size: Size, form: Format, limits: Limits, hold: Callable[..., None],
    **options: Any,
) -> Rendered:  # fmt: skip
    header = vips.open_original(body, loader, **options)
    if header.width * header.height > limits.max_pixels:
        raise UnusableOriginal("limit", f"{header.width}x{header.height} px")
    original = vips.upright(header)
    target = target_size(original, size)
    if min(target) < MIN_SIDE_PX:
        raise UnusableOriginal("thin", "{}x{} px at this size".format(*target))
    shrink = _decode_shrink(original, size) if loader is Loader.JPEG else 1
    try:
        plain = turbo.decoded(body, header, shrink) if loader is Loader.JPEG else None
        image = plain if plain is not None else _opened(body, loader, header, shrink, options)
        fitted = _fit(image, target, is_plain=plain is not None)
        hold(image, fitted)
        encoded = _encode(fitted, size, form)
    except vips.library().Error as exc:
        hold()  # it may have been stopped
        raise UnusableOriginal("decode", vips.said(exc)) from None
    return Rendered(encoded, target, original)


def _opened(body: bytes, loader: Loader, header: Any, shrink: int, options: dict[str, Any]) -> Any:
    """Return the picture, to be decoded as it is asked for."""
    return vips.open_original(body, loader, shrink=shrink, **options) if shrink > 1 else header


def target_size(original: tuple[int, int], size: Size) -> tuple[int, int]:
    """Return the largest (width, height) in px of the original's shape that fits the box and itself."""
    width, height = original
    scale = min(1.0, size.width / width, size.height / height)
    return max(round(width * scale), 1), max(round(height * scale), 1)


def _decode_shrink(original: tuple[int, int], size: Size) -> int:
    """Return the factor (1, 2, 4, 8) by which the JPEG decoder itself may shrink.

    What is left stays `decode_scale` times the target: the decoder's own shrinking is a box filter, and a
    cover decoded right at its target loses a third of its SSIMULACRA2 (bench/quality.py).
    """
    width, height = original
    scale = max(width / size.width, height / size.height) / size.decode_scale
    return next((factor for factor in (8, 4, 2) if scale >= factor), 1)


def _fit(image: Any, target: tuple[int, int], *, is_plain: bool) -> Any:
    """Scale to *target* with lanczos3, upright, then go to sRGB through the ICC profile.

    In this order the profile is applied to the few pixels that are left: the other way round it took 12 of a
    medium cover's 27 ms. CMYK has no scale of its own to rest on: libvips takes it to sRGB before.

    *is_plain*: it is 8-bit without alpha, upright, and in memory. Then a mere resize gives the same pixels,
    without a tenth of a cover's time for the caches and turns that a thumbnail has by the way.
    """
    # a decoder that shrank has rounded its sides, and must not decide the picture's shape: so both scales
    if is_plain:
        fitted = image.resize(target[0] / image.width, vscale=target[1] / image.height)
    else:
        fitted = image.thumbnail_image(target[0], height=target[1], size="force")
    return _flat(_to_srgb(fitted) if _is_foreign(image) else fitted)


def _is_foreign(image: Any) -> bool:
    """Say whether an ICC profile brings other colours than sRGB.

    A seventh of the real covers bring sRGB's own: its transform changed no pixel of theirs, and took a third
    of their time.
    """
    if image.get_typeof("icc-profile-data") == 0 or image.interpretation == "cmyk":
        return False
    profile: bytes = image.get("icc-profile-data")
    return hashlib.md5(profile, usedforsecurity=False).hexdigest() not in _SRGB


def _to_srgb(image: Any) -> Any:
    try:
        return image.icc_transform("srgb", embedded=True, intent="relative")
    except vips.library().Error:  # a profile that is none costs the exact colour, not the cover
        return image


def _flat(image: Any) -> Any:
    """Lay an alpha channel onto white, and bring grey, 16-bit and the like to 8-bit sRGB."""
    if image.interpretation != "srgb":
        image = image.colourspace("srgb")
    if image.hasalpha():
        image = image.flatten(background=255)
    return image.cast("uchar") if image.format != "uchar" else image


def _encode(image: Any, size: Size, form: Format) -> bytes:
    if form is Format.JPEG:
        return jpeg.padded(_jpeg(image, size), MIN_JPEG_BYTES)
    if form is Format.WEBP:
        webp = size.webp
        body: bytes = image.webpsave_buffer(
            Q=webp.quality, effort=webp.effort, smart_subsample=webp.smart_subsample, keep="none"
        )
        return body
    avif = size.avif
    chroma = "off" if avif.chroma == "4:4:4" else "on"
    coded: bytes = image.heifsave_buffer(
        Q=avif.quality, effort=avif.effort, subsample_mode=chroma, compression="av1", keep="none"
    )
    return coded


def _jpeg(image: Any, size: Size) -> bytes:
    wanted = size.jpeg
    if not wanted.trellis:
        body = turbo.encoded(vips.pixels(image), (image.width, image.height), wanted)
        if body is not None:
            return body
    coded: bytes = image.jpegsave_buffer(
        Q=wanted.quality,
        subsample_mode="off" if wanted.chroma == "4:4:4" else "on",
        quant_table=wanted.quant_table,
        trellis_quant=wanted.trellis,
        optimize_coding=True,
        keep="none",
    )
    return coded
