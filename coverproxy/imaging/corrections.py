"""Corrections that a file asks for and libvips ignores, applied to its image."""

from coverproxy.domain.formats import Loader
from coverproxy.imaging import gif, icc, jpeg, png, tiff
from coverproxy.imaging.image import Image


def corrected(image: Image, body: bytes, loader: Loader) -> Image:
    """Return the image with its file's corrections applied; the same object if there are none. Lazy."""
    if loader is Loader.TIFF:
        image = _without_extra_bands(image, tiff.picture(body))
    if loader is Loader.GIF:
        image = _on_white(image, gif.first_frame(body))
    if loader is Loader.PNG and (exponent := png.facts(body).exponent) != 1:
        image = _with_gamma(image, exponent)
    return _with_whole_profile(image, body, loader)


def _without_extra_bands(image: Image, page: tiff.Page) -> Image:
    """Keep the colour bands, and alpha if a band is declared as such; drop spot colours and selections."""
    colours, alpha = page.colours, page.alpha
    if image.bands != page.bands or page.bands == colours or page.photometric == 3:
        return image
    kept = image.extract_band(0, n=colours) if colours < image.bands else image
    if alpha is not None:
        kept = kept.bandjoin(image.extract_band(alpha))
    return kept


def _on_white(image: Image, frame: gif.Frame | None) -> Image:
    """Paint white where the first picture does not cover its canvas: libvips paints it black.

    That is transparent, as in browsers; a picture with alpha has it so.
    """
    if frame is None or image.hasalpha():
        return image
    left, top, width, height = frame
    right, bottom = min(left + width, image.width), min(top + height, image.height)
    if (left, top, right, bottom) == (0, 0, image.width, image.height) or left >= right or top >= bottom:
        return image
    part = image.crop(left, top, right - left, bottom - top)
    return part.embed(left, top, image.width, image.height, extend="background", background=255)


def _with_gamma(image: Image, exponent: float) -> Image:
    """Raise the colours, from 0 to 1, to *exponent*; alpha is unchanged."""
    if not image.hasalpha():
        return image.gamma(exponent=1 / exponent)
    last = image.bands - 1
    colours = image.extract_band(0, n=last).gamma(exponent=1 / exponent)
    return colours.bandjoin(image.extract_band(last)).copy(interpretation=image.interpretation)


def _with_whole_profile(image: Image, body: bytes, loader: Loader) -> Image:
    """Remove an incomplete ICC profile."""
    if image.get_typeof("icc-profile-data") == 0:
        return image
    is_cut = icc.is_cut(image.get("icc-profile-data"))
    if not is_cut and not (loader is Loader.JPEG and jpeg.has_part_of_a_profile(body)):
        return image
    bare = image.copy()
    bare.remove("icc-profile-data")
    return bare
