"""Encode: write a derivative's pixels as JPEG, WebP or AVIF, without metadata."""

from coverproxy.domain.formats import Format
from coverproxy.imaging import jpeg, turbo, vips
from coverproxy.imaging.image import Image
from coverproxy.imaging.settings import SizeSettings
from coverproxy.imaging.transform import Raster

MIN_JPEG_BYTES = 2048
"""Clients read smaller files as "no cover" (900 to 1,000 bytes: LibraryThing's; 2,048: NeverTooManyBooks)."""


def encoded(raster: Raster, size: SizeSettings, form: Format) -> bytes:
    """Encode with the size's settings. Deterministic: same pixels, same bytes. Raises libvips' Error."""
    if form is Format.JPEG:
        return jpeg.padded(_jpeg(raster, size), MIN_JPEG_BYTES)
    if form is Format.WEBP:
        webp = size.webp
        return _image(raster).webpsave_buffer(
            Q=webp.quality, effort=webp.effort, smart_subsample=webp.smart_subsample, keep="none"
        )
    avif = size.avif
    chroma = "off" if avif.chroma == "4:4:4" else "on"
    return _image(raster).heifsave_buffer(
        Q=avif.quality, effort=avif.effort, subsample_mode=chroma, compression="av1", keep="none"
    )


def _jpeg(raster: Raster, size: SizeSettings) -> bytes:
    wanted = size.jpeg
    if not wanted.trellis:
        body = turbo.encoded(raster.pixels, raster.sides, wanted, raster.mode)
        if body is not None:
            return body
    return _image(raster).jpegsave_buffer(
        Q=wanted.quality,
        subsample_mode="off" if wanted.chroma == "4:4:4" else "on",
        quant_table=wanted.quant_table,
        trellis_quant=wanted.trellis,
        optimize_coding=wanted.optimize,
        keep="none",
    )


def _image(raster: Raster) -> Image:
    """Return the pixels as a libvips image, without copying them."""
    bands = len(raster.mode)
    image = vips.from_memory(raster.pixels, *raster.sides, bands)
    if bands > 3:
        image = image.extract_band(0, n=3)
    return image.copy(interpretation="srgb")
